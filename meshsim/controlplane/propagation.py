"""Which of a remote pod's labels a generated WorkloadEntry carries (Solo docs, Argo Rollouts guide:
cross-cluster subset matching requires label propagation)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import Pod
from meshsim.model.facts import Facts

FLAG = "ENABLE_PEERING_LABEL_PROPAGATION"
_SOURCE = "Solo docs, Argo Rollouts guide: a minimal label set by default"


def settings(watcher: Cluster, peer: Cluster, facts: Facts) -> tuple[str, str]:
    """The flag's values that may decide what `watcher` sees of `peer`'s pods: its own, and the peer's.

    The guide says to set the flag "on istiod" and not on which side.
    """
    return watcher.env(facts, FLAG, "", _SOURCE), peer.env(facts, FLAG, "", _SOURCE)


def propagated(values: tuple[str, str], pod: Pod) -> tuple[Mapping[str, str], ...]:
    """The labels that a watcher may see on a peer's pod: one reading, or two where the `settings` lead to others."""
    there, here = (keep(value, pod.labels) for value in values)
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
