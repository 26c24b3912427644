"""Which of a remote pod's labels a generated WorkloadEntry carries (Solo docs, Argo Rollouts guide:
cross-cluster subset matching requires label propagation)."""

from collections.abc import Mapping

from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import Pod
from meshsim.model.facts import Facts

FLAG = "ENABLE_PEERING_LABEL_PROPAGATION"
_SOURCE = "Solo docs, Argo Rollouts guide: a minimal label set by default"


def propagated(watcher: Cluster, peer: Cluster, pod: Pod, facts: Facts) -> tuple[Mapping[str, str], str]:
    """The labels that `watcher` sees on `peer`'s pod, and the open question if the two clusters' settings differ.

    The guide says to set the flag "on istiod" and not on which side, so both must agree on a label.
    """
    there = keep(watcher.env(facts, FLAG, "", _SOURCE), pod.labels)
    here = keep(peer.env(facts, FLAG, "", _SOURCE), pod.labels)
    common = {key: value for key, value in there.items() if key in here}
    question = ""
    if there.keys() != here.keys():
        question = f"{FLAG} differs between {watcher.name} and {peer.name}; no source says whose counts"
    return common, question


def keep(setting: str, labels: Mapping[str, str]) -> Mapping[str, str]:
    """The labels that a value of the flag lets through: none, `all`, or a comma list of keys."""
    if setting.strip() == "all":
        return dict(labels)
    keys = {key.strip() for key in setting.split(",")}
    return {key: value for key, value in labels.items() if key in keys}
