"""Which of a remote pod's labels a generated WorkloadEntry carries (Solo docs, Argo Rollouts guide:
cross-cluster subset matching requires label propagation)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import Pod
from meshsim.model.facts import Facts

FLAG = "ENABLE_PEERING_LABEL_PROPAGATION"
_SOURCE = "Solo docs, Argo Rollouts guide: a minimal label set by default"


def propagated(watcher: Cluster, peer: Cluster, pod: Pod, facts: Facts) -> tuple[Mapping[str, str], ...]:
    """The labels that `watcher` may see on `peer`'s pod: one reading, or two where the clusters' settings differ.

    The guide says to set the flag "on istiod" and not on which side.
    """
    there = keep(watcher.env(facts, FLAG, "", _SOURCE), pod.labels)
    here = keep(peer.env(facts, FLAG, "", _SOURCE), pod.labels)
    return (there,) if there == here else (there, here)


def common(readings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The labels that all readings have."""
    first, *rest = readings
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in rest)}


def keep(setting: str, labels: Mapping[str, str]) -> Mapping[str, str]:
    """The labels that a value of the flag lets through: none, `all`, or a comma list of keys."""
    if setting.strip() == "all":
        return dict(labels)
    keys = _keys(setting)
    return {key: value for key, value in labels.items() if key in keys}


@lru_cache(maxsize=64)
def _keys(setting: str) -> frozenset[str]:
    return frozenset(key.strip() for key in setting.split(","))
