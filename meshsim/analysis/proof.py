"""Lines to type against the live clusters, and what they should show if the answer is right."""

from collections.abc import Iterator

from meshsim.analysis.calls import Call
from meshsim.analysis.situation import Situation
from meshsim.controlplane.ingress_class import Ingress, ingress
from meshsim.model.facts import Facts
from meshsim.model.shares import percent
from meshsim.model.trace import Step
from meshsim.model.verdict import Row


def proofs(situation: Situation, call: Call, row: Row) -> Iterator[tuple[str, str]]:
    """(command, what it should show), in the order of the hops."""
    for hop in dict.fromkeys(row.hops):
        kind, _, rest = hop.partition(":")
        if kind == "ztunnel" and hop == row.hops[0]:
            yield from _ztunnel(situation, call, rest)
        elif kind in {"waypoint", "gateway", "sidecar"}:
            yield from _envoy(situation, row, hop, rest)


def _ztunnel(situation: Situation, call: Call, cluster: str) -> Iterator[tuple[str, str]]:
    service = situation.plane.known(cluster).get(call.target.host)
    if service is None:
        if call.target.ip:
            yield (
                f"istioctl --context {cluster} ztunnel-config workload | grep {call.target.ip}",
                "the pod's row: its WAYPOINT column decides, a service's waypoint does not",
            )
        return
    view = situation.plane.cluster(cluster)
    row = next((s for s in view.ztunnel.services.values() if s.hostname == service.host), None)
    name = row.name if row is not None else service.name
    waypoint = "None"
    if row is not None and row.waypoint is not None:
        waypoint = str(row.waypoint.destination).partition("/")[2].partition(".")[0]
    known = view.names.get(call.target.host)
    vip = next(iter(known.ips), "") if known is not None and not known.headless else ""
    members = view.ztunnel.endpoints(row) if row is not None else ()
    yield (
        f"istioctl --context {cluster} ztunnel-config service | grep -w {name}",
        f"VIP {vip or 'none'}, WAYPOINT {waypoint}, ENDPOINTS {len(members)}/{len(service.members)}",
    )


def _envoy(situation: Situation, row: Row, hop: str, rest: str) -> Iterator[tuple[str, str]]:
    cluster, namespace, name = rest.split("/")[:3]
    name = name.rpartition("~")[2]
    kind = hop.partition(":")[0]
    target = f"deploy/{name}"
    if kind == "gateway":
        component = situation.plane.gateway(hop)
        manifest = component.manifest if component is not None else None
        if manifest is not None and ingress(situation.mesh.clusters[cluster], manifest, Facts()) is not Ingress.ISTIO:
            return  # istioctl reads Istio's own proxies
        if component is not None and component.pods:
            target, namespace = f"deploy/{component.pods[0].workload}", component.pods[0].namespace
            if (
                component.manifest is not None
                and component.pods[0].workload == name
                and component.manifest.kind == "Gateway"
            ):
                target = f"deploy/{name}-istio"
    weights = _weights(row, hop)
    yield (
        f"istioctl --context {cluster} proxy-config routes {target}.{namespace} -o json | grep -A3 weightedClusters",
        f"the weights {weights}" if weights else "no weighted route for this host",
    )


def _weights(row: Row, hop: str) -> str:
    """The backends that a proxy's matched rule chooses, as it should have them."""
    found: dict[str, Step] = {}
    whole = sum((s.share for p in row.trace.paths() for s in p.steps if s.hop == hop), start=0)
    for path in row.trace.paths():
        for step in path.steps:
            if step.hop == hop and step.route is not None and step.route.object is not None:
                found.setdefault(step.route.backend, step)
    if not found or not whole:
        return ""
    total = sum((step.share for step in found.values()), start=0)
    return ", ".join(f"{backend} {percent(step.share / total)}" for backend, step in found.items())
