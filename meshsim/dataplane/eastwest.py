"""The east-west gateway: layer 4 only. It hands a service's connections to its own cluster's waypoint or pods."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Final

from meshsim.dataplane.balance import Candidate, Resolution, load_balance
from meshsim.dataplane.walk import LOOP, MOST_HOPS, Walk, deliver, failed, unplaced
from meshsim.model.rule import Rule, rule
from meshsim.model.trace import Step
from meshsim.tables.service import Service
from meshsim.tables.views import ClusterView
from meshsim.tables.workload import HBONE_PORT, GatewayAddress, Locality, NamespacedHostname, Protocol, Workload

TO_WAYPOINT: Final = rule(
    "eastwest.to-waypoint",
    "The service has a waypoint here and the request has not met one, so the gateway hands it to the waypoint.",
    "istio pilot/pkg/networking/core/listener_waypoint.go:388; fe-solo-enterprise-for-istio-workshops 015",
)
SKIPS_WAYPOINT: Final = rule(
    "eastwest.skips-waypoint",
    "A proxy before has applied L7 already, so the gateway skips this cluster's waypoint and picks a pod.",
    "istio pilot/pkg/networking/core/listener_waypoint.go:388; Solo docs, Argo Rollouts guide: client-local waypoint",
)
INGRESS_LABEL: Final = rule(
    "eastwest.ingress-label",
    "A gateway's request goes to the waypoint only if the service here has istio.io/ingress-use-waypoint.",
    "istio release note 60162",
)
TO_POD: Final = rule(
    "eastwest.to-pod",
    "The service has no waypoint here, so the gateway picks one of its pods for the whole connection.",
    "istio pilot/pkg/networking/core/listener_waypoint.go:388",
)
UNKNOWN: Final = rule(
    "eastwest.unknown-service",
    "The gateway knows no shared service under the requested name.",
    "istio pilot/pkg/networking/core/listener_waypoint.go:388",
)
NO_POD: Final = rule(
    "eastwest.no-endpoint", "The service has no healthy pod on this network.", "ztunnel src/proxy/inbound.rs:386"
)
NO_WAYPOINT_POD: Final = rule(
    "eastwest.waypoint-empty", "The waypoint has no ready pod; the gateway fails closed.", "ztunnel src/state.rs:971"
)


def through(walk: Walk, cluster: str, authority: str, source: str, share: Fraction) -> tuple[Step, ...]:
    """A connection at the east-west gateway of `cluster` that asks for `authority` (`host:port`); `source` is what
    the sender says of itself in `x-istio-source`."""
    hop = f"eastwest:{cluster}"
    if walk.hops > MOST_HOPS:
        return failed(hop, share, LOOP, code="reset", message="the request goes round in a circle")
    view = walk.views.cluster(cluster)
    host, _, port = authority.rpartition(":")
    name = view.names.get(host)
    if name is None or name.service is None:
        return failed(hop, share, UNKNOWN, code="reset", message=f"{hop} knows no {host}", reason="MS307")
    if host in view.unserved:
        message = f"{hop} does not serve {host}: it is not global there"
        return failed(hop, share, UNKNOWN, code="reset", message=message, reason="MS307", facts=name.why)
    service = name.service
    action = view.eastwest.get(source, "waypoint")
    open_default = view.eastwest_assumed.get(source, "") if service.waypoint is not None else ""
    assumed = frozenset({f"assumed:{open_default}"}) if open_default else frozenset[str]()
    if service.waypoint is not None and (action == "waypoint" or (action == "label" and service.ingress_use_waypoint)):
        steps = _to_waypoint(walk, view, hop, service, int(port), share)
        return tuple(replace(step, tags=step.tags | assumed) for step in steps) if assumed else steps
    if service.waypoint is None:
        why = TO_POD
        missing = view.waypoint_missing.get(host)
        tags = frozenset({f"waypoint-missing:{missing}"}) if missing else frozenset[str]()
    else:
        why = INGRESS_LABEL if action == "label" else SKIPS_WAYPOINT
        tags = frozenset({"skipped-waypoint"}) | assumed
    return _to_pods(walk, view, hop, service, int(port), share, why, tags)


def _to_waypoint(
    walk: Walk, view: ClusterView, hop: str, service: Service, port: int, share: Fraction
) -> tuple[Step, ...]:
    children = at_waypoint(walk, view, hop, service, port, share)
    if len(children) == 1 and children[0].hop == hop:
        return children
    return (
        Step(
            hop=hop,
            share=share,
            decision=f"hands {service.hostname} to its waypoint",
            rule=TO_WAYPOINT,
            facts=service.waypoint_why,
            granularity="connection",
            children=children,
        ),
    )


def at_waypoint(
    walk: Walk, view: ClusterView, hop: str, service: Service, port: int, share: Fraction
) -> tuple[Step, ...]:
    """The request at the waypoint that a service is bound to in `view`; a failure at `hop` where it has no pod."""
    assert service.waypoint is not None
    bound = _gateway_service(view, service.waypoint)
    source = Workload(uid=hop, network=view.network, cluster=view.name)
    pods = load_balance(view.ztunnel, source, bound, HBONE_PORT, Resolution.WAYPOINT).shares if bound else ()
    if not pods:
        message = f"waypoint {service.waypoint} of {service.hostname} has no ready pod"
        return failed(
            hop, share, NO_WAYPOINT_POD, code="reset", message=message, reason="MS206", facts=service.waypoint_why
        )
    strange = tuple(step for part, c in pods for step in unplaced(view, hop, c.workload, share * part))
    placed = [(part, c) for part, c in pods if c.workload.uid not in view.strangers]
    return strange + tuple(
        step
        for ident, locality, part in waypoint_proxies(walk, placed)
        for step in walk.envoy(walk.deeper(), ident, locality, f"{service.hostname}:{port}", share * part)
    )


def _gateway_service(view: ClusterView, gateway: GatewayAddress) -> Service | None:
    """The waypoint's own Service, by host name or by VIP."""
    destination = gateway.destination
    if isinstance(destination, NamespacedHostname):
        return view.ztunnel.services.get(destination)
    return next(iter(view.ztunnel.by_vip.get(destination, ())), None)


def waypoint_proxies(
    walk: Walk, pods: Iterable[tuple[Fraction, Candidate]]
) -> tuple[tuple[str, Locality, Fraction], ...]:
    """A waypoint's pods as proxies: those in one place are one, as they hold the same tables."""
    shares: dict[tuple[str, Locality], Fraction] = {}
    for part, candidate in pods:
        row = walk.views.pod(candidate.workload.uid)
        key = (row.proxy if row is not None else "", candidate.workload.locality)
        shares[key] = shares.get(key, Fraction(0)) + part
    return tuple((ident, locality, part) for (ident, locality), part in shares.items())


def _to_pods(
    walk: Walk,
    view: ClusterView,
    hop: str,
    service: Service,
    port: int,
    share: Fraction,
    why: Rule,
    tags: frozenset[str],
) -> tuple[Step, ...]:
    """One of the service's pods on this network, by capacity: gateways keep to their own network
    (istio manifests waypoint.yaml ISTIO_META_REQUESTED_NETWORK_VIEW)."""
    pods = [w for w in view.ztunnel.endpoints(service) if w.network == view.network and not w.network_gateway]
    whole = sum(pod.capacity for pod in pods)
    if not whole:
        message = f"{service.hostname} has no healthy pod in {view.name}"
        return failed(hop, share, NO_POD, code="reset", message=message, reason="MS307")
    children = tuple(
        step
        for pod in pods
        for step in unplaced(view, hop, pod, share * pod.capacity / whole)
        or deliver(
            walk,
            pod.uid,
            f"{pod.ips[0] if pod.ips else pod.name}:{pod.services[str(service.key)].get(port, port)}",
            share * pod.capacity / whole,
            tunnelled=pod.protocol is Protocol.HBONE,
        )
    )
    return (
        Step(
            hop=hop,
            share=share,
            decision=f"picks a pod of {service.hostname} for the connection",
            rule=why,
            facts=(*service.waypoint_why,),
            granularity="connection",
            tags=tags,
            children=children,
        ),
    )
