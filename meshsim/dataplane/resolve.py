"""One request from its client to every place it can end up: the walk through the tables as a tree of exact shares."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from ipaddress import ip_address
from typing import Final

from meshsim.dataplane import eastwest, envoy
from meshsim.dataplane.balance import OUTRANKED, STRICT
from meshsim.dataplane.match import HttpRequest
from meshsim.dataplane.walk import Client, Target, Walk, connected, deliver, failed, leaf, undecided
from meshsim.dataplane.ztunnel import NextHop, Refusal, next_hops
from meshsim.model.facts import Fact
from meshsim.model.rule import Rule, rule
from meshsim.model.shares import ONE
from meshsim.model.trace import Failed, Step, Trace
from meshsim.tables.views import ClusterView, Name, PodRow, Views
from meshsim.tables.workload import Locality, NetworkAddress, Protocol, Workload

NXDOMAIN: Final = rule(
    "dns.nxdomain",
    "No service that this cluster knows has the name; names under the mesh's own domain exist for meshed clients only.",
    "solo workshops 015: DNS capture; Kubernetes DNS specification",
)
UNKNOWN_CAPTURE: Final = rule(
    "capture.unknown",
    "Nothing in the input says whether a mesh proxy handles the client's traffic.",
    "istio cni/pkg/util PodRedirectionEnabled reads namespace and pod labels",
)
KUBE_PROXY: Final = rule(
    "kube-proxy.any-endpoint",
    "The client is outside the mesh: kube-proxy balances its connections over the Service's ready pods.",
    "Argo Rollouts docs, Istio traffic management: only in-mesh callers follow a mesh split",
)
PASSED_THROUGH: Final = rule(
    "sidecar.passthrough",
    "The address belongs to no service the sidecar knows, so it passes through unchanged.",
    "istio PassthroughCluster (outboundTrafficPolicy ALLOW_ANY)",
)
UNREACHABLE: Final = rule(
    "network.unreachable",
    "Nothing on the client's network answers at the address.",
    "ztunnel src/proxy/outbound.rs:660; networks are joined by gateways only",
)
WORKLOAD_WAYPOINT: Final = rule(
    "waypoint.workload-address",
    "A waypoint in front of an addressed pod applies policies for that pod and no service's routes.",
    "istio pilot/pkg/networking/core/listener_waypoint.go: the chain is built without a service",
)
FLAT_WAYPOINT: Final = rule(
    "flat.remote-waypoint",
    "On a flat network several clusters hold the service, and no source says whether a peer's waypoint stands before it.",
    "Solo docs, Argo Rollouts guide: flat network considerations; solo gloo-mesh-use-cases flat-network",
)
FLAT_KEY: Final = "flat_waypoint"
RANKINGS: Final = frozenset({STRICT.name, OUTRANKED.name})


NO_GATEWAY_POD: Final = rule(
    "gateway.no-pod", "The gateway has no ready pod, so nothing answers.", "Kubernetes Service without endpoints"
)


def resolve(
    views: Views,
    clients: Sequence[tuple[Fraction, Client]],
    target: Target,
    request: HttpRequest,
    choices: Mapping[str, str] | None = None,
) -> Trace:
    """The trace of one call from a location, averaged over its `clients`. Its leaves' shares sum to 1.

    `choices` settle contested questions.
    """
    walk = Walk(
        views=views, request=request, envoy=envoy.through, eastwest=eastwest.through, choices=choices or {}
    )
    roots: list[Step] = []
    for share, client in clients:
        if client.kind == "gateway":
            roots.extend(envoy.through(walk, client.ident, client.locality, str(target), share))
        else:
            view = views.cluster(client.cluster)
            roots.extend(_from_pod(walk, view, views.pod(client.uid), client, target, share))
    if not clients:
        roots.extend(failed("gateway", ONE, NO_GATEWAY_POD, code="refused", message="the gateway has no ready pod"))
    return Trace(roots=tuple(roots))


def _from_pod(
    walk: Walk, view: ClusterView, row: PodRow | None, client: Client, target: Target, share: Fraction
) -> tuple[Step, ...]:
    capture = "none" if client.kind == "external" else row.capture if row is not None else None
    facts = row.capture_why if row is not None else ()
    if capture is None:
        question = f"nothing says whether {client.cluster}/{client.namespace} is in the mesh: set dataplane in the scenario"
        return undecided(f"pod:{client.cluster}", share, UNKNOWN_CAPTURE, code="MS901", question=question, facts=facts)
    if target.ip:
        return _to_address(walk, view, row, capture, None, target.ip, target.port, share, facts)
    name = view.names.get(target.host)
    if name is None or (name.mesh_only and capture == "none"):
        known = () if name is None else name.why
        return failed(
            f"dns:{view.name}",
            share,
            NXDOMAIN,
            code="nxdomain",
            message=f"{target.host} does not resolve in {view.name}" + (" outside the mesh" if name else ""),
            reason="MS103",
            facts=(*facts, *known),
        )
    if not name.ips:
        message = f"{target.host} has no address"
        return failed(f"dns:{view.name}", share, NXDOMAIN, code="nxdomain", message=message, reason="MS103")
    each = share / len(name.ips)
    return tuple(
        step
        for ip in name.ips
        for step in _to_address(walk, view, row, capture, name, ip, target.port, each, facts)
    )


def _to_address(
    walk: Walk,
    view: ClusterView,
    row: PodRow | None,
    capture: str,
    name: Name | None,
    ip: str,
    port: int,
    share: Fraction,
    facts: tuple[Fact, ...],
) -> tuple[Step, ...]:
    if capture == "none" or row is None:
        return _kube_proxy(walk, view, f"kube-proxy:{view.name}", ip, port, share, facts, frozenset({"unmeshed"}))
    if capture == "sidecar":
        return _sidecar(walk, view, row, name, ip, port, share)
    return _ztunnel(walk, view, row, ip, port, share)


def _sidecar(
    walk: Walk, view: ClusterView, row: PodRow, name: Name | None, ip: str, port: int, share: Fraction
) -> tuple[Step, ...]:
    if name is None:
        service = view.ztunnel.by_vip.get(NetworkAddress(view.network, ip), ())
        host = service[0].hostname if service else ""
    else:
        host = "" if name.headless else name.host
    proxy = walk.views.proxy(row.proxy, _locality(view, row))
    if host and proxy is not None and f"{host}:{port}" in dict.fromkeys(proxy.chains):
        return envoy.through(walk, row.proxy, _locality(view, row), f"{host}:{port}", share)
    tags = frozenset({"workload-addressed"})
    return _direct(walk, view, row.proxy, ip, port, share, PASSED_THROUGH, tags)


def _locality(view: ClusterView, row: PodRow) -> Locality:
    workload = view.ztunnel.workloads.get(row.uid)
    return workload.locality if workload is not None else Locality()


def _direct(
    walk: Walk,
    view: ClusterView,
    hop: str,
    ip: str,
    port: int,
    share: Fraction,
    why: Rule,
    tags: frozenset[str],
    facts: tuple[Fact, ...] = (),
) -> tuple[Step, ...]:
    """A connection straight to an IP on the cluster's network."""
    workload = view.ztunnel.by_address.get(NetworkAddress(view.network, ip))
    if workload is None:
        message = f"nothing answers at {ip}:{port} from {view.name}"
        steps = failed(hop, share, UNREACHABLE, code="timeout", message=message, facts=facts)
        return tuple(_tagged(step, tags) for step in steps)
    child = deliver(walk.deeper(), workload.uid, f"{ip}:{port}", share, tunnelled=False)
    decision = f"connects to {ip}:{port} directly"
    return (
        Step(
            hop=hop,
            share=share,
            decision=decision,
            rule=why,
            facts=facts,
            granularity="connection",
            tags=tags,
            children=child,
        ),
    )


def _tagged(step: Step, tags: frozenset[str]) -> Step:
    return replace(step, tags=step.tags | tags)


def _kube_proxy(
    walk: Walk,
    view: ClusterView,
    hop: str,
    ip: str,
    port: int,
    share: Fraction,
    facts: tuple[Fact, ...],
    tags: frozenset[str],
) -> tuple[Step, ...]:
    """What the cluster's own network does with an address: a ClusterIP is balanced, a pod's IP is reached."""
    pods = view.kube.get(f"{ip}:{port}")
    if pods is None:
        extra = frozenset({"workload-addressed"}) if NetworkAddress(view.network, ip) in view.ztunnel.by_address else tags
        return _direct(walk, view, hop, ip, port, share, KUBE_PROXY, tags | extra, facts)
    if not pods:
        message = f"the Service at {ip}:{port} has no ready pod"
        return failed(hop, share, KUBE_PROXY, code="refused", message=message, reason="MS307", facts=facts)
    children = tuple(
        step
        for uid, target in pods
        for step in deliver(walk.deeper(), uid, f"{uid}:{target}", share / len(pods), tunnelled=False)
    )
    return (
        Step(
            hop=hop,
            share=share,
            decision="kube-proxy picks a pod of the Service for the connection",
            rule=KUBE_PROXY,
            facts=facts,
            granularity="connection",
            tags=tags,
            children=children,
        ),
    )


def _ztunnel(walk: Walk, view: ClusterView, row: PodRow, ip: str, port: int, share: Fraction) -> tuple[Step, ...]:
    hop = f"ztunnel:{view.name}"
    source = view.ztunnel.workloads[row.uid]
    if view.ztunnel.network != view.network:
        source = replace(source, network=view.ztunnel.network)  # what its own ztunnel believes
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
    """ztunnel closes the connection: the client sees a reset, never an HTTP status."""
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
        question = f"{service.hostname} has endpoints in several clusters of one network: do its pods or a peer's waypoint take the connection?"
        return undecided(
            hop, share, FLAT_WAYPOINT, code="MS902", question=question, readings=readings, key=FLAT_KEY, facts=service.why
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
        refused = None
        if outcome.protocol != Protocol.TCP.value:
            refused = connected(walk, hop, view.name, _cluster_of(outcome), share * part)
        if refused:
            children.extend(refused)
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
            children.extend(envoy.through(walk.deeper(), ident, locality, address, share * part))
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
        return f"{host} has waypoint {outcome.service.waypoint if outcome.service is not None else outcome.connect}: connects to it"
    if outcome.kind == "gateway":
        return f"{host}: an endpoint on network {outcome.upstream.network if outcome.upstream else '?'}, through its gateway"
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
    elif len({w.network for w in view.ztunnel.endpoints(first.service)}) > 1:
        tags |= {f"assumed:{key}={value}" for key, value in view.assumed.get(host, ())}
    return frozenset(tags)


def _passthrough(
    walk: Walk, view: ClusterView, hop: str, outcome: NextHop, ip: str, port: int, share: Fraction
) -> tuple[Step, ...]:
    """ztunnel knows nothing of the address on its network; the cluster's own network takes it."""
    is_vip = f"{ip}:{port}" in view.kube or any(ip in name.ips for name in view.names.values() if not name.headless)
    tags = frozenset({"no-vip"} if is_vip else {"workload-addressed"})
    children = _kube_proxy(walk.deeper(), view, f"kube-proxy:{view.name}", ip, port, share, (), frozenset())
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
            children=deliver(walk.deeper(), workload.uid, f"{ip}:{port}", share, tunnelled=True),
        ),
    )


def is_address(host: str) -> bool:
    """Whether a call names an IP."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
