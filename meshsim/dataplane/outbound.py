"""A client's own ztunnel: its decision for a connection as steps, and where each of its ways goes on."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Final

from meshsim.dataplane import eastwest
from meshsim.dataplane.balance import OUTRANKED, STRICT, WHOLLY
from meshsim.dataplane.network import kube_proxy
from meshsim.dataplane.walk import Client, Walk, connected, deliver, failed, leaf, undecided, unplaced
from meshsim.dataplane.ztunnel import NextHop, Refusal, next_hops
from meshsim.model.rule import rule
from meshsim.model.trace import Failed, Step
from meshsim.tables.views import ClusterView, PodRow
from meshsim.tables.workload import Locality, NetworkAddress, Protocol

WORKLOAD_WAYPOINT: Final = rule(
    "waypoint.workload-address",
    "A waypoint in front of an addressed pod applies policies for that pod and no service's routes.",
    "istio pilot/pkg/networking/core/listener_waypoint.go: the chain is built without a service",
)
FLAT_WAYPOINT: Final = rule(
    "flat.remote-waypoint",
    "On a flat network several clusters hold the service; no source says whether a peer's waypoint stands before it.",
    "Solo docs, Argo Rollouts guide: flat network considerations; solo gloo-mesh-use-cases flat-network",
)
FLAT_KEY: Final = "flat_waypoint"
RANKINGS: Final = frozenset({STRICT.name, OUTRANKED.name})


def outbound(
    walk: Walk, view: ClusterView, client: Client, row: PodRow, ip: str, port: int, share: Fraction
) -> tuple[Step, ...]:
    """The connection of an ambient pod to `ip:port` at its node's ztunnel."""
    hop = f"ztunnel:{view.name}"
    source = client.source(view, row)
    walk = replace(walk, peer=source)
    groups: dict[tuple[str, str], list[tuple[Fraction, NextHop]]] = {}
    steps: list[Step] = []
    for part, outcome in next_hops(view.ztunnel, source, ip, port):
        if isinstance(outcome, Refusal):
            steps.extend(_refused(view, hop, outcome, share * part))
        else:
            key = (outcome.rule.name, outcome.kind)
            groups.setdefault(key, []).append((part, outcome))
    contested = _contested(walk, view, hop, groups, share)
    if contested is not None:
        return contested
    for hops in groups.values():
        steps.extend(_onward(walk, view, hop, hops, ip, port, share))
    return tuple(steps)


def _refused(view: ClusterView, hop: str, refusal: Refusal, share: Fraction) -> tuple[Step, ...]:
    """Ztunnel closes the connection: the client sees a reset, never an HTTP status."""
    reason = {"NoHealthyUpstream": "MS307", "UnknownWaypoint": "MS206", "UnknownNetworkGateway": "MS501"}
    code = reason.get(refusal.error, "MS307")
    return failed(
        hop,
        share,
        refusal.rule,
        code="reset",
        flag=refusal.error,
        message=refusal.message,
        reason=code,
        facts=refusal.facts,
    )


def _contested(
    walk: Walk,
    view: ClusterView,
    hop: str,
    groups: Mapping[tuple[str, str], list[tuple[Fraction, NextHop]]],
    share: Fraction,
) -> tuple[Step, ...] | None:
    """Whether a flat peer's waypoint stands before the service: open, unless a choice settles it."""
    hops = [hop_ for found in groups.values() for _, hop_ in found]
    service = hops[0].service if hops else None
    clusters = view.contested.get(service.hostname, ()) if service is not None else ()
    if service is None or not clusters or any(h.kind == "waypoint" for h in hops):
        return None
    readings = ("pods", *clusters)
    chosen = walk.choices.get(FLAT_KEY)
    if chosen not in readings:
        question = (
            f"{service.hostname} has endpoints in several clusters of one network: do its pods or a peer's waypoint "
            "take the connection?"
        )
        return undecided(
            hop,
            share,
            FLAT_WAYPOINT,
            code="MS902",
            question=question,
            readings=readings,
            key=FLAT_KEY,
            facts=service.why,
        )
    if chosen == "pods":
        return None
    there = walk.views.cluster(chosen)
    found = there.names.get(service.hostname)
    if found is None or found.service is None or found.service.waypoint is None:
        return None
    port = hops[0].service_port or 0
    child = eastwest.at_waypoint(walk, there, hop, found.service, port, share)
    return (
        Step(
            hop=hop,
            share=share,
            decision=f"connects to the waypoint of {chosen}",
            rule=FLAT_WAYPOINT,
            granularity="connection",
            tags=frozenset({f"assumed:{FLAT_KEY}={chosen}"}),
            children=child,
        ),
    )


def _onward(
    walk: Walk,
    view: ClusterView,
    hop: str,
    hops: list[tuple[Fraction, NextHop]],
    ip: str,
    port: int,
    share: Fraction,
) -> list[Step]:
    """One decision of the client's ztunnel, with all its outcomes of one kind."""
    first = hops[0][1]
    if first.kind == "passthrough":
        return list(_passthrough(walk, view, hop, first, ip, port, share * hops[0][0]))
    part_sum = sum((part for part, _ in hops), Fraction(0))
    children: list[Step] = []
    proxies: dict[tuple[str, Locality, str], Fraction] = {}
    for part, outcome in hops:
        target = outcome.workload
        assert target is not None
        strange = unplaced(view, hop, outcome.upstream or target, share * part)
        refused = None
        if not strange and outcome.protocol != Protocol.TCP.value:
            refused = connected(walk, hop, view.name, _cluster_of(outcome), share * part)
        if strange or refused:
            children.extend(strange or refused or ())
        elif outcome.kind == "waypoint":
            pod = walk.views.pod(target.uid)
            key = (pod.proxy if pod is not None else "", target.locality, _address(outcome, ip, port))
            proxies[key] = proxies.get(key, Fraction(0)) + part
        elif outcome.kind == "gateway":
            assert outcome.upstream is not None
            children.extend(
                eastwest.through(walk.deeper(), outcome.upstream.cluster, outcome.authority or "", "", share * part)
            )
        else:
            address = outcome.authority or outcome.connect
            tunnelled = outcome.protocol == Protocol.HBONE.value
            children.extend(deliver(walk.deeper(), target.uid, address, share * part, tunnelled=tunnelled))
    for (ident, locality, address), part in proxies.items():
        if first.service is None:
            children.extend(_at_workload_waypoint(walk, view, ident, ip, port, share * part))
        else:
            children.extend(walk.envoy(walk.deeper(), ident, locality, address, share * part))
    facts = tuple(dict.fromkeys(fact for _, outcome in hops for fact in outcome.facts))
    return [
        Step(
            hop=hop,
            share=share * part_sum,
            decision=_said(first, view),
            rule=first.rule,
            facts=facts,
            granularity="connection",
            tags=_tags(view, hops),
            children=tuple(children),
        )
    ]


def _cluster_of(outcome: NextHop) -> str:
    upstream = outcome.upstream or outcome.workload
    return upstream.cluster if upstream is not None else ""


def _address(outcome: NextHop, ip: str, port: int) -> str:
    return f"{outcome.service.hostname}:{port}" if outcome.service is not None else f"{ip}:{port}"


def _said(outcome: NextHop, view: ClusterView) -> str:
    host = outcome.service.hostname if outcome.service is not None else outcome.connect
    if outcome.kind == "waypoint":
        waypoint = outcome.service.waypoint if outcome.service is not None else outcome.connect
        return f"{host} has waypoint {waypoint}: connects to it"
    if outcome.kind == "gateway":
        network = outcome.upstream.network if outcome.upstream else "?"
        return f"{host}: an endpoint on network {network}, through its gateway"
    if outcome.service is None:
        return f"the address is a pod's: connects to it through {view.name}"
    return f"{host} has no waypoint here: connects straight to its endpoints"


def _tags(view: ClusterView, hops: list[tuple[Fraction, NextHop]]) -> frozenset[str]:
    first = hops[0][1]
    tags: set[str] = set()
    if first.service is None:
        tags.add("workload-addressed")
        return frozenset(tags)
    if first.kind == "waypoint":
        return frozenset()
    host = first.service.hostname
    missing = view.waypoint_missing.get(host)
    if missing:
        tags.add(f"waypoint-missing:{missing}")
    if first.balancing is not None and first.balancing.name in RANKINGS:
        used = {_cluster_of(outcome) for _, outcome in hops}
        all_of = {w.cluster for w in view.ztunnel.endpoints(first.service)}
        tags |= {f"passed-over:{cluster}" for cluster in all_of - used}
    elif len({w.network for w in view.ztunnel.endpoints(first.service) if w.drained < WHOLLY}) > 1:
        tags |= {f"assumed:{key}={value}" for key, value in view.assumed.get(host, ())}
    endpoints = view.ztunnel.endpoints(first.service)
    tags |= {f"passed-over:{w.cluster}" for w in endpoints if w.drained == WHOLLY}
    if any(outcome.upstream is not None and 0 < outcome.upstream.drained < WHOLLY for _, outcome in hops):
        tags.add("assumed:soft_drain=share")
    return frozenset(tags)


def _passthrough(
    walk: Walk, view: ClusterView, hop: str, outcome: NextHop, ip: str, port: int, share: Fraction
) -> tuple[Step, ...]:
    """Ztunnel knows nothing of the address on its network; the cluster's own network takes it."""
    is_vip = f"{ip}:{port}" in view.kube or any(ip in name.ips for name in view.names.values() if not name.headless)
    tags = frozenset({"no-vip"} if is_vip else {"workload-addressed"})
    if is_vip and view.ztunnel.network != view.network:
        tags |= {"assumed:network_mismatch=passthrough"}
    children = kube_proxy(walk.deeper(), view, f"kube-proxy:{view.name}", ip, port, share, (), frozenset())
    return (
        Step(
            hop=hop,
            share=share,
            decision=f"knows nothing of {ip} on network {view.ztunnel.network}: passes it through",
            rule=outcome.rule,
            facts=outcome.facts,
            granularity="connection",
            tags=tags,
            children=children,
        ),
    )


def _at_workload_waypoint(
    walk: Walk, view: ClusterView, ident: str, ip: str, port: int, share: Fraction
) -> tuple[Step, ...]:
    workload = view.ztunnel.by_address.get(NetworkAddress(view.network, ip))
    proxy = walk.views.proxy(ident, Locality())
    walk = replace(walk, peer=proxy.principal if proxy is not None else "")
    if workload is None:
        outcome = Failed(code="503", flag="UH", where=ident, message=f"no workload at {ip}")
        return leaf(ident, share, outcome.message, WORKLOAD_WAYPOINT, outcome)
    return (
        Step(
            hop=ident,
            share=share,
            decision=f"applies policies for the pod at {ip}; no service route",
            rule=WORKLOAD_WAYPOINT,
            l7=True,
            tags=frozenset({"workload-addressed"}),
            children=deliver(walk.deeper(), workload.uid, f"{ip}:{port}", share, tunnelled=True),
        ),
    )
