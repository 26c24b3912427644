"""What is out of order: which pods and proxies the faults of a Mesh keep from being ready.

`Mesh.down` holds targets as the timeline names them (`link:watcher/peer`, `eastwest:cluster`, `cluster:cluster`,
`zone:cluster/zone`, `node:cluster/name`, `waypoint:cluster/ns/name`, `ingress:cluster/ns/name`), and what a failure of
a workload comes to: `workload:cluster/ns/name`, `replicaset:cluster/ns/name`, `pod:cluster/ns/name`.
`drain:cluster` is a cluster that takes no new connections from others.
"""

from collections.abc import Set as AbstractSet
from dataclasses import replace

from meshsim.mesh.pods import Pod


def is_down(down: AbstractSet[str], pod: Pod) -> bool:
    """Whether a fault keeps a pod from being ready."""
    if not down:
        return False
    where = f"{pod.cluster}/{pod.namespace}"
    own = {
        f"workload:{where}/{pod.workload}",
        f"{pod.owner.kind.lower()}:{where}/{pod.owner.name}",
        f"pod:{where}/{pod.name}",
    }
    return _is_placed_down(down, pod) or bool(down & own)


def _is_placed_down(down: AbstractSet[str], pod: Pod) -> bool:
    """Whether a fault of its cluster, zone or node takes a pod along."""
    places = {f"cluster:{pod.cluster}", f"zone:{pod.cluster}/{pod.zone}", f"node:{pod.cluster}/{pod.node}"}
    return bool(down & places)


def with_faults(down: AbstractSet[str], pods: tuple[Pod, ...], ident: str = "") -> tuple[Pod, ...]:
    """Pods with their faults; `ident` is the decision point that they are the pods of.

    A Gateway may have the name of a workload: what fails the one does not fail the other.
    """
    if not down:
        return pods
    kind, _, place = ident.partition(":")
    whole = f"{'ingress' if kind == 'gateway' else kind}:{place}" in down if ident else False
    fails = _is_placed_down if ident else is_down
    return tuple(replace(pod, ready=False) if pod.ready and (whole or fails(down, pod)) else pod for pod in pods)


def reachable(down: AbstractSet[str], watcher: str, peer: str) -> bool:
    """Whether `watcher` hears of a peer's services: its link is up, and the peer takes new connections."""
    return f"link:{watcher}/{peer}" not in down and f"drain:{peer}" not in down


def outage_between(down: AbstractSet[str], client: str, server: str) -> str:
    """The reason code of a fault between a client's cluster and another one: MS501, MS503, or nothing."""
    if f"drain:{server}" in down and client != server:
        return "MS503"
    broken = {f"link:{client}/{server}", f"eastwest:{server}", f"cluster:{server}", f"cluster:{client}"}
    return "MS501" if down & (broken if client != server else {f"cluster:{server}"}) else ""
