"""What an address means to ztunnel, and which of a service's endpoints it picks, as exact shares.

ztunnel looks a service up by VIP or host name, filters and ranks its endpoints by the service's load balancing,
and draws one at random by capacity (istio/ztunnel src/state.rs, src/state/service.rs).
"""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from ipaddress import ip_address
from typing import final

from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen
from meshsim.model.rule import Rule, rule
from meshsim.model.shares import ONE, spared
from meshsim.tables.service import LoadBalancing, Mode, Scope, Service, Visibility
from meshsim.tables.workload import GatewayAddress, NamespacedHostname, NetworkAddress, Workload
from meshsim.tables.ztunnel import ZtunnelTables

VIP_IN_NAMESPACE = rule(
    "ztunnel.vip-client-namespace",
    "Of the services that share a VIP, the one in the client's namespace is meant.",
    "ztunnel src/state/service.rs:476,877",
)
VIP_CANONICAL = rule(
    "ztunnel.vip-canonical",
    "Of the services that share a VIP, none of them in the client's namespace, the canonical one is meant.",
    "ztunnel src/state/service.rs:877",
)
VIP_FIRST = rule(
    "ztunnel.vip-first",
    "The service with this VIP is meant; of several that nothing distinguishes, the first that arrived.",
    "ztunnel src/state/service.rs:877",
)
VIP_RANGE = rule(
    "ztunnel.vip-range",
    "No service has the address itself as a VIP, so ranges decide: client's namespace, longest prefix, canonical.",
    "ztunnel src/state/service.rs:509",
)
PORT_UNKNOWN = rule(
    "ztunnel.port-unknown",
    "The service does not define the port, so it has no endpoint for it.",
    "ztunnel src/state.rs:375-509",
)
NO_ADDRESS = rule(
    "ztunnel.endpoint-without-address",
    "An endpoint without address is only used from another network, through its network gateway.",
    "ztunnel src/state.rs:375-509",
)
PORT_UNMAPPED = rule(
    "ztunnel.endpoint-without-port",
    "The target port has a name and the endpoint does not say which number it is, so it is left out.",
    "ztunnel src/state.rs:375-509",
)
NO_TUNNEL_PORT = rule(
    "ztunnel.waypoint-without-port",
    "The waypoint's service does not define the port and the endpoint has no application tunnel, so it is left out.",
    "ztunnel src/state.rs:375-509",
)
STRICT = rule(
    "ztunnel.strict",
    "Strict load balancing leaves out every endpoint that does not match all routing preferences.",
    "ztunnel src/state.rs:375-509",
)
OUTRANKED = rule(
    "ztunnel.outranked",
    "Only the endpoints that match the most routing preferences are used while there is one.",
    "ztunnel src/state.rs:375-509",
)
DRAINED = rule(
    "ztunnel.drained",
    "A drained cluster's endpoint takes that much less than its normal share of new connections; the others take it.",
    "Solo docs, operations: drain",
)
NO_CAPACITY = rule("ztunnel.no-capacity", "An endpoint of capacity 0 is never picked.", "ztunnel src/state.rs:375-509")
BY_CAPACITY = rule(
    "ztunnel.by-capacity",
    "An endpoint is drawn at random in proportion to its capacity, for each connection.",
    "ztunnel src/state.rs:375-509",
)


WHOLLY = 100
"""The percentage at which a drained endpoint takes no new connection."""


class Resolution(StrEnum):
    """What a service is looked up for: traffic that names its port, or a waypoint's HBONE port."""

    STANDARD = "Standard"
    WAYPOINT = "Waypoint"


@final
@frozen
class Candidate:
    """An endpoint that may be picked. `port` is its target port, None where no map knows one (a failing pick)."""

    workload: Workload
    port: int | None
    rank: int = 0

    @property
    def uid(self) -> str:
        return self.workload.uid


@final
@frozen
class Balanced:
    """The endpoints a service's traffic is spread over, with exact shares, and what removed the others.

    `shares` is empty where ztunnel finds no endpoint; else it sums to 1. `rule` is what decided: ranking where it
    removed something, the draw by capacity otherwise, the reason where nothing is left.
    """

    shares: tuple[tuple[Fraction, Candidate], ...]
    removed: tuple[tuple[Workload, Rule], ...] = ()
    rule: Rule = BY_CAPACITY


@final
@frozen
class Found:
    """The service an address means. `contested` names the services among which only arrival order decided."""

    service: Service
    rule: Rule
    contested: tuple[NamespacedHostname, ...] = ()


def service_by_vip(tables: ZtunnelTables, network: str, ip: str, client: Workload | None) -> Found | None:
    """The service that `ip` on `network` means to a client, whose namespace is looked at where it counts."""
    sharing = [s for s in tables.by_vip.get(NetworkAddress(network, ip), ()) if _visible(s, client)]
    if len(sharing) == 1:
        return Found(service=sharing[0], rule=VIP_FIRST)
    if sharing:
        namespace = client.namespace if client is not None else ""
        # a VIP holds one service of each namespace: a later one takes its place (service.rs `insert_internal`)
        held = list({s.namespace: s for s in sharing}.values())
        mine = [s for s in held if s.namespace == namespace]
        canonical = [s for s in held if s.canonical]
        best, why = (mine, VIP_IN_NAMESPACE) if mine else (canonical, VIP_CANONICAL) if canonical else (held, VIP_FIRST)
        # among several canonical ones the last wins the fold, else the first
        chosen = best[-1] if why is VIP_CANONICAL else best[0]
        namespaces = {s.namespace for s in best}
        alike = tuple(s.key for s in sharing if s.namespace in namespaces)
        return Found(service=chosen, rule=why, contested=alike if len(alike) > 1 else ())
    address = ip_address(ip)
    ranges = [
        (prefix.prefixlen, service)
        for prefix, service in tables.vip_ranges.get(network, ())
        if prefix.version == address.version and address in prefix and _visible(service, client)
    ]
    if not ranges:
        return None
    namespace = client.namespace if client is not None else ""
    keyed = [((service.namespace == namespace, length, service.canonical), service) for length, service in ranges]
    top = max(key for key, _ in keyed)
    found = tuple(dict.fromkeys(service.key for key, service in keyed if key == top))
    chosen = tables.services[found[0]]
    return Found(service=chosen, rule=VIP_RANGE, contested=found if len(found) > 1 else ())


def _visible(service: Service, client: Workload | None) -> bool:
    if service.visibility is Visibility.PUBLIC or client is None:
        return True
    return not client.namespace or service.namespace == client.namespace


def by_address(tables: ZtunnelTables, network: str, ip: str, client: Workload | None) -> Workload | Found | None:
    """What an address names: a workload's own IP first, a service's VIP second (ztunnel src/state.rs:254)."""
    return tables.by_address.get(NetworkAddress(network, ip)) or service_by_vip(tables, network, ip, client)


def by_hostname(tables: ZtunnelTables, name: NamespacedHostname) -> Service | Workload | None:
    """What a host name in a namespace names: a service first, a workload second (ztunnel src/state.rs)."""
    return tables.services.get(name) or tables.by_hostname.get(name)


def by_destination(tables: ZtunnelTables, gateway: GatewayAddress) -> Service | Workload | None:
    """What a waypoint or network gateway is: the service or the workload that its address or host name names
    (ztunnel src/state.rs `find_destination`)."""
    where = gateway.destination
    if not isinstance(where, NetworkAddress):
        return by_hostname(tables, where)
    found = by_address(tables, where.network, where.ip, None)
    return found.service if isinstance(found, Found) else found


def load_balance(
    tables: ZtunnelTables, source: Workload, service: Service, port: int, mode: Resolution = Resolution.STANDARD
) -> Balanced:
    """Spread a connection from `source` to `port` of `service` over its endpoints (ztunnel src/state.rs:375-509)."""
    endpoints = tables.endpoints(service)
    if mode is Resolution.STANDARD and port not in service.ports:
        return Balanced(shares=(), removed=tuple((w, PORT_UNKNOWN) for w in endpoints), rule=PORT_UNKNOWN)
    removed: list[tuple[Workload, Rule]] = []
    eligible: list[Workload] = []
    for workload in endpoints:
        reason = _ineligible(source, service, workload, port, mode)
        if reason is None:
            eligible.append(workload)
        else:
            removed.append((workload, reason))
    ranks: Sequence[int | None] = [_rank(source, service.load_balancing, workload) for workload in eligible]
    taking = [r for r, w in zip(ranks, eligible, strict=True) if r is not None and w.drained < WHOLLY]
    best = max(taking, default=0)
    kept: list[Candidate] = []
    for workload, rank in zip(eligible, ranks, strict=True):
        if workload.drained == WHOLLY:
            removed.append((workload, DRAINED))
        elif rank is None:
            removed.append((workload, STRICT))
        elif rank < best:
            removed.append((workload, OUTRANKED))
        elif not workload.capacity:
            removed.append((workload, NO_CAPACITY))
        else:
            kept.append(Candidate(workload=workload, port=target_port(service, workload, port), rank=rank))
    shares = spared(
        {index: candidate.workload.capacity for index, candidate in enumerate(kept)},
        {index: candidate.workload.drained for index, candidate in enumerate(kept)},
    )
    reasons = [reason for _, reason in removed]
    ranking = next((reason for reason in (STRICT, OUTRANKED) if reason in reasons), None)
    decided = ranking or (reasons[-1] if reasons and not kept else BY_CAPACITY)
    return Balanced(
        shares=tuple((shares[index], candidate) for index, candidate in enumerate(kept)),
        removed=tuple(removed),
        rule=decided,
    )


def _ineligible(source: Workload, service: Service, workload: Workload, port: int, mode: Resolution) -> Rule | None:
    if (
        not workload.ips
        and not workload.hostname
        and (workload.network == source.network or workload.network_gateway is None)
    ):
        return NO_ADDRESS
    if mode is Resolution.STANDARD:
        mapped = workload.services.get(str(service.key), {})
        return PORT_UNMAPPED if not service.ports.get(port) and port not in mapped else None
    return NO_TUNNEL_PORT if port not in service.ports and workload.application_tunnel is None else None


def _rank(source: Workload, balancing: LoadBalancing | None, target: Workload) -> int | None:
    """How many preferences match, in order; None where Strict leaves the endpoint out.

    A leading Network preference outweighs all others together, but a mismatch there does not end the comparison:
    remote endpoints still rank by region and zone.
    """
    if balancing is None or balancing.mode is Mode.STANDARD:
        return 0
    preferences = balancing.preferences
    network_first = preferences[:1] == (Scope.NETWORK,)
    rank = adjust = 0
    for scope in preferences:
        if scope is Scope.NETWORK and network_first:
            if source.network != target.network:
                continue
            adjust = len(preferences) - 1
        elif _part(source, scope) != _part(target, scope):
            break
        rank += 1
    if balancing.mode is Mode.STRICT and rank != len(preferences):
        return None
    return rank + adjust


def _part(workload: Workload, scope: Scope) -> str:
    return {
        Scope.REGION: workload.locality.region,
        Scope.ZONE: workload.locality.zone,
        Scope.SUBZONE: workload.locality.subzone,
        Scope.NODE: workload.node,
        Scope.CLUSTER: workload.cluster,
        Scope.NETWORK: workload.network,
    }[scope]


def target_port(service: Service, workload: Workload, port: int) -> int | None:
    """The port of `workload` that `port` of `service` stands for (ztunnel src/state.rs:334).

    The endpoint's own map wins, then the service's number; through an application tunnel a port stays itself.
    """
    mapped = workload.services.get(str(service.key), {}).get(port)
    if mapped is not None:
        return mapped
    if number := service.ports.get(port):
        return number
    tunnel = workload.application_tunnel
    return port if tunnel is not None and tunnel.port is not None else None


class Failure(StrEnum):
    """Why there is nothing to connect to."""

    NOTHING = "no endpoint"
    ORIGINAL = "original destination"
    NO_ADDRESS = "no usable address"


@final
@frozen
class Upstream:
    """A chosen workload. `ip` is its address for this call: a host name where DNS decides, None where it has neither
    and only its network's gateway reaches it. `balancing` is the rule that chose between endpoints."""

    workload: Workload
    ip: str | None
    port: int
    service: Service | None = None
    balancing: Rule | None = None
    facts: tuple[Fact, ...] = ()


@final
@frozen
class Missing:
    """No workload to connect to, and why."""

    failure: Failure
    detail: str
    balancing: Rule | None = None
    facts: tuple[Fact, ...] = ()


Chosen = tuple[tuple[Fraction, Upstream | Missing], ...]


def find_upstream(
    tables: ZtunnelTables, source: Workload, network: str, ip: str, port: int, mode: Resolution = Resolution.STANDARD
) -> Chosen:
    """What serves `ip:port` on `network`: a service's endpoints first, a workload's own IP second.

    The opposite order of `by_address` (ztunnel src/state.rs:302).
    """
    found = service_by_vip(tables, network, ip, source)
    if found is not None:
        balancing = found.service.load_balancing
        if balancing is not None and balancing.mode is Mode.PASSTHROUGH:
            detail = f"{found.service.key} passes through"
            return ((ONE, Missing(failure=Failure.ORIGINAL, detail=detail, facts=found.service.balancing_why)),)
        return from_service(tables, source, found.service, port, mode, ip)
    workload = tables.by_address.get(NetworkAddress(network, ip))
    if workload is None:
        return ((ONE, Missing(failure=Failure.NOTHING, detail=f"nothing is known at {network}/{ip}")),)
    return ((ONE, _reached(workload, port, None, ip, None, workload.why)),)


def from_service(
    tables: ZtunnelTables, source: Workload, service: Service, port: int, mode: Resolution, ip: str
) -> Chosen:
    """The endpoints of `service` for `port`; `ip` is the address called, whose family they should share."""
    spread = load_balance(tables, source, service, port, mode)
    if not spread.shares:
        detail = f"{service.key} has no endpoint for port {port}"
        return (
            (ONE, Missing(failure=Failure.NOTHING, detail=detail, balancing=spread.rule, facts=service.balancing_why)),
        )
    chosen: list[tuple[Fraction, Upstream | Missing]] = []
    for share, candidate in spread.shares:
        facts = (*service.balancing_why, *candidate.workload.why)
        if candidate.port is None:
            detail = f"{candidate.uid} maps port {port} of {service.key} to nothing"
            chosen.append((share, Missing(failure=Failure.NOTHING, detail=detail, balancing=spread.rule, facts=facts)))
        else:
            chosen.append((share, _reached(candidate.workload, candidate.port, service, ip, spread.rule, facts)))
    return tuple(chosen)


def resolve_gateway(
    tables: ZtunnelTables, source: Workload, gateway: GatewayAddress, mode: Resolution, called: str
) -> Chosen:
    """The pods behind a waypoint or network gateway (ztunnel src/state.rs:912,971).

    By address, that address's IP family is kept; by host name, the family of the address `called`.
    """
    if isinstance(gateway.destination, NetworkAddress):
        where = gateway.destination
        return find_upstream(tables, source, where.network, where.ip, gateway.port, mode)
    named = by_hostname(tables, gateway.destination)
    if named is None:
        return ((ONE, Missing(failure=Failure.NOTHING, detail=f"{gateway.destination} is not known")),)
    if isinstance(named, Service):
        return from_service(tables, source, named, gateway.port, mode, called)
    return ((ONE, _reached(named, gateway.port, None, called, None, named.why)),)


def _reached(
    workload: Workload, port: int, service: Service | None, called: str, balancing: Rule | None, facts: tuple[Fact, ...]
) -> Upstream | Missing:
    """Choose the workload's address for a call of `called` (ztunnel src/state.rs:681)."""
    ip = workload_address(workload, service, called)
    if ip is None and workload.network_gateway is None:
        detail = f"{workload.uid} has no address to connect to"
        return Missing(failure=Failure.NO_ADDRESS, detail=detail, balancing=balancing, facts=facts)
    return Upstream(workload=workload, ip=ip, port=port, service=service, balancing=balancing, facts=facts)


def workload_address(workload: Workload, service: Service | None, called: str) -> str | None:
    """The IP asked for where it is the workload's own; else one of the service's families, the call's family first;
    else its host name; None without any."""
    if called in workload.ips:
        return called
    families = service.ip_families if service is not None else ""
    usable = [ip for ip in workload.ips if families not in _FAMILY or (":" in ip) == (families == "IPv6")]
    same = [ip for ip in usable if (":" in ip) == (":" in called)]
    return next(iter((*same, *usable)), workload.hostname or None)


_FAMILY = frozenset({"IPv4", "IPv6"})
