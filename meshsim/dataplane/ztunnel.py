"""The ztunnel of a client: where one TCP connection goes next, and why.

In the order of istio/ztunnel src/proxy/outbound.rs `build_request`: a service's waypoint, else an endpoint of the
service or the addressed workload, through its network's gateway where it is on another network, through its
workload waypoint where no service was addressed, else directly. Every choice is taken once for each connection.
Every refusal closes the connection; the client sees a reset, never an HTTP status.
"""

from collections.abc import Callable
from dataclasses import field, replace
from fractions import Fraction
from ipaddress import ip_address
from typing import final

from meshsim.dataplane.balance import (
    Chosen,
    Failure,
    Found,
    Missing,
    Resolution,
    Upstream,
    by_address,
    by_destination,
    find_upstream,
    resolve_gateway,
)
from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen, record
from meshsim.model.rule import Rule, rule
from meshsim.model.shares import ONE, ZERO, normalised
from meshsim.tables.service import Mode, Service
from meshsim.tables.workload import HBONE_PORT, GatewayAddress, NamespacedHostname, Protocol, Workload
from meshsim.tables.ztunnel import ZtunnelTables

OWN_PORTS = frozenset({15001, 15006, HBONE_PORT})
"""ztunnel's own listeners; a connection to one of them on a loopback address would loop."""

SERVICE_WAYPOINT = rule(
    "ztunnel.service-waypoint",
    "The address is a service with a waypoint, so the connection goes to the waypoint under its original address.",
    "ztunnel src/proxy/outbound.rs:596-626",
)
WEIGHTED_WAYPOINT = rule(
    "ztunnel.weighted-waypoint",
    "The service has weighted waypoints; each connection draws one of them by weight.",
    "ztunnel src/state.rs:544,1030",
)
REMOTE_WAYPOINT = rule(
    "ztunnel.remote-waypoint",
    "The waypoint's chosen endpoint is on another network, so the connection goes to that network's gateway "
    "and asks for the service itself.",
    "ztunnel src/proxy/outbound.rs:613,533",
)
REMOTE_ENDPOINT = rule(
    "ztunnel.remote-endpoint",
    "The chosen endpoint is on another network, so the connection goes to that network's gateway by service name.",
    "ztunnel src/proxy/outbound.rs:687,533",
)
WORKLOAD_WAYPOINT = rule(
    "ztunnel.workload-waypoint",
    "The address is a workload with a waypoint, so the connection goes to the waypoint under its original address.",
    "ztunnel src/proxy/outbound.rs:720",
)
DIRECT_SERVICE = rule(
    "ztunnel.service-endpoint",
    "The service has no waypoint here, so the connection goes straight to one of its endpoints (L4 only).",
    "ztunnel src/proxy/outbound.rs:650",
)
DIRECT_WORKLOAD = rule(
    "ztunnel.workload-address",
    "The address is a workload, so the connection goes straight to it (L4 only).",
    "ztunnel src/proxy/outbound.rs:650",
)
FROM_WAYPOINT = rule(
    "ztunnel.from-waypoint",
    "The client is the workload's own waypoint, so the waypoint is not traversed again.",
    "ztunnel src/proxy.rs:741",
)
PASSTHROUGH = rule(
    "ztunnel.passthrough",
    "The address is neither a workload nor a service, so the connection passes through unchanged.",
    "ztunnel src/proxy/outbound.rs:660",
)
PASSTHROUGH_SERVICE = rule(
    "ztunnel.passthrough-service",
    "The service asks for passthrough, so no endpoint is chosen and the connection keeps its address.",
    "ztunnel src/proxy/outbound.rs:660",
)
NO_HEALTHY_UPSTREAM = rule(
    "ztunnel.no-healthy-upstream", "The service has no endpoint to choose.", "ztunnel src/proxy/outbound.rs:660"
)
UNKNOWN_WAYPOINT = rule(
    "ztunnel.unknown-waypoint",
    "A waypoint is bound and cannot be resolved to an endpoint; ztunnel fails closed.",
    "ztunnel src/state.rs:971",
)
UNKNOWN_GATEWAY = rule(
    "ztunnel.unknown-network-gateway",
    "The endpoint's network gateway cannot be resolved to an endpoint.",
    "ztunnel src/state.rs:912",
)
NO_GATEWAY = rule(
    "ztunnel.no-network-gateway",
    "The endpoint is on another network and names no gateway.",
    "ztunnel src/proxy/outbound.rs:533",
)
NO_ADDRESS = rule(
    "ztunnel.no-valid-destination", "The chosen workload has no usable address.", "ztunnel src/state.rs:681"
)
NO_SERVICE = rule(
    "ztunnel.no-service",
    "A workload on another network was addressed by IP; networks are only crossed by service.",
    "ztunnel src/proxy/outbound.rs:687",
)
SELF_CALL = rule(
    "ztunnel.self-call", "The connection would loop into ztunnel itself.", "ztunnel src/proxy/outbound.rs:189"
)
UNKNOWN_SOURCE = rule(
    "ztunnel.unknown-source", "ztunnel does not know the client's workload.", "ztunnel src/proxy/outbound.rs:199"
)


@final
@frozen
class NextHop:
    """Where ztunnel connects.

    `protocol` is `TCP`, `HBONE` or `DOUBLEHBONE`; `connect` the `ip:port` dialled (`hostname:port` for a workload
    known by name only); `authority` the CONNECT authority. `kind` is `waypoint`, `gateway`, `workload` or
    `passthrough`. `workload` is what is dialled; with `gateway`, `upstream` is the endpoint (pseudo-workload,
    remote waypoint, …) whose network the gateway stands for. `service` is the service that was addressed,
    `target_port` the port asked of what is dialled. `balancing` is the rule that chose between endpoints, where one
    did. `contested` names services among which only arrival order decided which one the address means.
    """

    protocol: str
    connect: str
    authority: str | None
    kind: str
    workload: Workload | None = None
    upstream: Workload | None = None
    service: Service | None = None
    service_port: int | None = None
    target_port: int | None = None
    rule: Rule
    balancing: Rule | None = None
    facts: tuple[Fact, ...] = field(default=(), compare=False)
    contested: tuple[NamespacedHostname, ...] = ()


@final
@frozen
class Refusal:
    """ztunnel closes the connection. `error` is its error's name (ztunnel src/proxy.rs:383)."""

    error: str
    message: str
    rule: Rule
    facts: tuple[Fact, ...] = field(default=(), compare=False)
    service: Service | None = None

    @property
    def reason(self) -> str:
        """The error's name, `NoHealthyUpstream`."""
        return self.error

    def __str__(self) -> str:
        return f"{self.error}: {self.message}"


Outcome = NextHop | Refusal
Shared = tuple[tuple[Fraction, Outcome], ...]


def next_hops(tables: ZtunnelTables, source: Workload, ip: str, port: int) -> Shared:
    """Where connections from `source` to `ip:port` go, with exact shares that sum to 1; equal outcomes are one.

    Raises ValueError where `ip` is no IP address.
    """
    address = ip_address(ip)
    if address.is_loopback and port in OWN_PORTS:
        return ((ONE, Refusal(error="SelfCall", message=f"{ip}:{port} is ztunnel itself", rule=SELF_CALL)),)
    return _merged(_Call(tables, source, str(address), port).outcomes())


def unknown_source(uid: str) -> Refusal:
    """The refusal for a client that the tables do not hold."""
    return Refusal(error="UnknownSourceWorkload", message=f"no workload {uid}", rule=UNKNOWN_SOURCE)


@final
@record
class _Call:
    """One client's call of one address."""

    tables: ZtunnelTables
    source: Workload
    ip: str
    port: int

    @property
    def destination(self) -> str:
        return join(self.ip, self.port)

    def outcomes(self) -> Shared:
        named = by_address(self.tables, self.tables.network, self.ip, self.source)
        if not isinstance(named, Found):
            return _spread(self.upstream(), self.reach_address)
        service = named.service
        drawn = _waypoints(service)
        if drawn:
            hops = tuple(
                (share * part, hop)
                for share, gateway, why in drawn
                for part, hop in self.through_waypoint(gateway, why, service)
            )
        else:
            hops = _spread(self.upstream(), lambda found: self.reach_endpoint(found, service))
        facts = (*service.why, *service.waypoint_why)
        return tuple((share, self.about(hop, service, facts, named.contested)) for share, hop in hops)

    def upstream(self) -> Chosen:
        return find_upstream(self.tables, self.source, self.source.network, self.ip, self.port)

    def about(
        self, hop: Outcome, service: Service, facts: tuple[Fact, ...], contested: tuple[NamespacedHostname, ...]
    ) -> Outcome:
        if isinstance(hop, Refusal):
            return replace(hop, service=service, facts=_once(facts, hop.facts))
        return replace(hop, service=service, service_port=self.port, facts=_once(facts, hop.facts), contested=contested)

    def through_waypoint(self, gateway: GatewayAddress, why: Rule, service: Service) -> Shared:
        def reach(found: Upstream | Missing) -> Shared:
            if isinstance(found, Missing):
                return _refused(found, "UnknownWaypoint", f"waypoint {gateway} not found", UNKNOWN_WAYPOINT)
            if found.workload.network != self.source.network:
                return self.through_gateway(found, service, REMOTE_WAYPOINT)
            return ((ONE, self.to_waypoint(found, why)),)

        return _spread(resolve_gateway(self.tables, self.source, gateway, Resolution.WAYPOINT, self.ip), reach)

    def reach_endpoint(self, found: Upstream | Missing, service: Service) -> Shared:
        if isinstance(found, Missing):
            balancing = service.load_balancing
            if found.failure is not Failure.NO_ADDRESS and balancing is not None and balancing.mode is Mode.PASSTHROUGH:
                return ((ONE, self.pass_through(PASSTHROUGH_SERVICE, found.facts)),)
            message = f"no healthy upstream for {self.destination}"
            return _refused(found, "NoHealthyUpstream", message, NO_HEALTHY_UPSTREAM)
        if found.workload.network != self.source.network:
            return self.through_gateway(found, service, REMOTE_ENDPOINT)
        return ((ONE, self.to_workload(found, DIRECT_SERVICE)),)

    def reach_address(self, found: Upstream | Missing) -> Shared:
        if isinstance(found, Missing):
            if found.failure is Failure.NO_ADDRESS:
                return _refused(found, "", "", NO_ADDRESS)
            return ((ONE, self.pass_through(PASSTHROUGH, found.facts)),)
        if found.workload.network != self.source.network:
            message = f"{found.workload.uid} is on another network and {self.destination} is no service"
            return ((ONE, Refusal(error="NoService", message=message, rule=NO_SERVICE, facts=found.facts)),)
        gateway = found.workload.waypoint
        if gateway is None:
            return ((ONE, self.to_workload(found, DIRECT_WORKLOAD)),)
        if from_waypoint(self.tables, self.source, found.workload):
            return ((ONE, self.to_workload(found, FROM_WAYPOINT)),)

        def reach(pod: Upstream | Missing) -> Shared:
            if isinstance(pod, Missing):
                return _refused(pod, "UnknownWaypoint", f"waypoint {gateway} not found", UNKNOWN_WAYPOINT)
            return ((ONE, self.to_waypoint(pod, WORKLOAD_WAYPOINT)),)

        pods = resolve_gateway(self.tables, self.source, gateway, Resolution.WAYPOINT, self.ip)
        return _explained(_spread(pods, reach), found.facts)

    def through_gateway(self, upstream: Upstream, service: Service, why: Rule) -> Shared:
        gateway = upstream.workload.network_gateway
        if gateway is None:
            message = f"{upstream.workload.uid} is on network {upstream.workload.network!r} and names no gateway"
            refusal = Refusal(error="NoValidDestination", message=message, rule=NO_GATEWAY, facts=upstream.facts)
            return ((ONE, refusal),)

        def reach(found: Upstream | Missing) -> Shared:
            if isinstance(found, Missing):
                message = f"network gateway {gateway} not found"
                return _refused(found, "UnknownNetworkGateway", message, UNKNOWN_GATEWAY)
            if found.ip is None:
                return ((ONE, _without_address(found)),)
            hop = NextHop(
                protocol="DOUBLEHBONE",
                connect=join(found.ip, found.port),
                authority=f"{service.hostname}:{self.port}",
                kind="gateway",
                workload=found.workload,
                upstream=upstream.workload,
                target_port=found.port,
                rule=why,
                balancing=upstream.balancing,
                facts=found.facts,
            )
            return ((ONE, hop),)

        pods = resolve_gateway(self.tables, self.source, gateway, Resolution.STANDARD, self.ip)
        return _explained(_spread(pods, reach), upstream.facts)

    def to_waypoint(self, pod: Upstream, why: Rule) -> Outcome:
        if pod.ip is None:
            return _without_address(pod)
        return NextHop(
            protocol="HBONE",
            connect=join(pod.ip, pod.port),
            authority=self.destination,
            kind="waypoint",
            workload=pod.workload,
            target_port=pod.port,
            rule=why,
            balancing=pod.balancing,
            facts=pod.facts,
        )

    def to_workload(self, pod: Upstream, why: Rule) -> Outcome:
        if pod.ip is None:
            return _without_address(pod)
        hbone = pod.workload.protocol is Protocol.HBONE
        return NextHop(
            protocol=pod.workload.protocol.value,
            connect=join(pod.ip, HBONE_PORT if hbone else pod.port),
            authority=join(pod.ip, pod.port) if hbone else None,
            kind="workload",
            workload=pod.workload,
            service=pod.service,
            target_port=pod.port,
            rule=why,
            balancing=pod.balancing,
            facts=pod.facts,
        )

    def pass_through(self, why: Rule, facts: tuple[Fact, ...]) -> NextHop:
        return NextHop(
            protocol="TCP",
            connect=self.destination,
            authority=None,
            kind="passthrough",
            target_port=self.port,
            rule=why,
            facts=facts,
        )


def from_waypoint(tables: ZtunnelTables, source: Workload, target: Workload) -> bool:
    """Whether `source` is a pod of the waypoint of `target`, by identity and by IP (ztunnel src/proxy.rs:741)."""
    return target.waypoint is not None and _serves(tables, target.waypoint, source)


def _serves(tables: ZtunnelTables, gateway: GatewayAddress, pod: Workload) -> bool:
    service = by_destination(tables, gateway)
    pods = tables.endpoints(service) if isinstance(service, Service) else (service,) if service is not None else ()
    return any(other.identity == pod.identity and set(other.ips) & set(pod.ips) for other in pods)


def join(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _waypoints(service: Service) -> list[tuple[Fraction, GatewayAddress, Rule]]:
    weights = normalised({index: weight for index, (_, weight) in enumerate(service.weighted_waypoints)})
    if weights:
        return [(share, service.weighted_waypoints[i][0], WEIGHTED_WAYPOINT) for i, share in weights.items()]
    return [(ONE, service.waypoint, SERVICE_WAYPOINT)] if service.waypoint is not None else []


def _refused(missing: Missing, error: str, message: str, why: Rule) -> Shared:
    if missing.failure is Failure.NO_ADDRESS:
        error, message, why = "NoValidDestination", missing.detail, NO_ADDRESS
    else:
        message = f"{message}: {missing.detail}"
    return ((ONE, Refusal(error=error, message=message, rule=why, facts=missing.facts)),)


def _without_address(upstream: Upstream) -> Refusal:
    message = f"{upstream.workload.uid} has no address to connect to"
    return Refusal(error="NoValidDestination", message=message, rule=NO_ADDRESS, facts=upstream.facts)


def _spread(chosen: Chosen, reach: Callable[[Upstream | Missing], Shared]) -> Shared:
    return tuple((share * part, hop) for share, found in chosen for part, hop in reach(found))


def _explained(hops: Shared, facts: tuple[Fact, ...]) -> Shared:
    return tuple((share, replace(hop, facts=_once(facts, hop.facts))) for share, hop in hops)


def _once(*groups: tuple[Fact, ...]) -> tuple[Fact, ...]:
    kept: dict[tuple[str, str], Fact] = {}
    for group in groups:
        for fact in group:
            kept.setdefault((fact.subject, fact.name), fact)
    return tuple(kept.values())


def _merged(hops: Shared) -> Shared:
    outcomes: dict[tuple[object, ...], Outcome] = {}
    shares: dict[tuple[object, ...], Fraction] = {}
    for share, hop in hops:
        key = _identity(hop)
        shares[key] = shares.get(key, ZERO) + share
        before = outcomes.get(key)
        outcomes[key] = hop if before is None else replace(before, facts=_once(before.facts, hop.facts))
    return tuple((shares[key], hop) for key, hop in outcomes.items())


def _identity(hop: Outcome) -> tuple[object, ...]:
    if isinstance(hop, Refusal):
        return (hop.error, hop.message)
    uids = tuple(None if workload is None else workload.uid for workload in (hop.workload, hop.upstream))
    return (hop.protocol, hop.connect, hop.authority, hop.kind, *uids)
