"""Tables of proxies as text, in the columns that `istioctl ztunnel-config` and `istioctl proxy-config` print."""

from collections.abc import Iterable, Sequence
from typing import Final

from meshsim.report.words import clean
from meshsim.tables.envoy import Chain, Endpoint, MatchType, Proxy, Route, RouteMatch, StringMatch
from meshsim.tables.workload import GatewayAddress, NamespacedHostname
from meshsim.tables.ztunnel import ZtunnelTables

_NONE: Final = "None"


def services(tables: ZtunnelTables) -> str:
    """NAMESPACE, SERVICE NAME, SERVICE VIP, WAYPOINT, ENDPOINTS (healthy / all), and the host that tells global
    names from local ones."""
    rows = []
    for service in tables.services.values():
        serving = [w for w in tables.workloads.values() if str(service.key) in w.services]
        healthy = sum(w.status.value == "Healthy" for w in serving)
        vips = ",".join(vip.ip for vip in service.vips) or _NONE
        way = _waypoint(tables, service.waypoint)
        rows.append((service.namespace, service.name, service.hostname, vips, way, f"{healthy}/{len(serving)}"))
    return _columns(("NAMESPACE", "SERVICE NAME", "HOSTNAME", "SERVICE VIP", "WAYPOINT", "ENDPOINTS"), sorted(rows))


def workloads(tables: ZtunnelTables) -> str:
    """NAMESPACE, POD NAME, ADDRESS, NODE, WAYPOINT, PROTOCOL, and the cluster and network that it is in."""
    rows = [
        (
            workload.namespace,
            workload.name or workload.uid,
            ",".join(workload.ips) or workload.hostname or _NONE,
            workload.node or _NONE,
            _waypoint(tables, workload.waypoint),
            workload.protocol.value,
            workload.cluster or _NONE,
            workload.network or _NONE,
            workload.status.value,
        )
        for workload in tables.workloads.values()
    ]
    head = ("NAMESPACE", "POD NAME", "ADDRESS", "NODE", "WAYPOINT", "PROTOCOL", "CLUSTER", "NETWORK", "STATUS")
    return _columns(head, sorted(rows))


def routes(proxies: Iterable[Proxy]) -> str:
    """PROXY, NAME (`host:port`), MATCH, CLUSTER with its WEIGHT, and the OBJECT and rule that a route stands for."""
    rows = [
        (proxy.id, f"{chain.host}:{chain.port}", *row)
        for proxy in proxies
        for chain in proxy.chains.values()
        for row in _chain(chain)
    ]
    return _columns(("PROXY", "NAME", "MATCH", "CLUSTER", "WEIGHT", "OBJECT"), rows)


def endpoints(proxies: Iterable[Proxy]) -> str:
    """PROXY, ENDPOINT, STATUS, CLUSTER, and how it is reached; a cluster without any has a row that says so."""
    rows = []
    for proxy in proxies:
        for cluster in proxy.clusters.values():
            rows += [_endpoint(proxy, cluster.name, one) for one in cluster.endpoints]
            if not cluster.endpoints:
                rows.append((proxy.id, _NONE, cluster.empty_reason or _NONE, cluster.name, "", "", "", ""))
    head = ("PROXY", "ENDPOINT", "STATUS", "CLUSTER", "WORKLOAD", "VIA", "WEIGHT", "PRIORITY")
    return _columns(head, rows)


def _endpoint(proxy: Proxy, cluster: str, one: Endpoint) -> tuple[str, ...]:
    status = "HEALTHY" if one.healthy else "UNHEALTHY"
    return (proxy.id, one.address, status, cluster, one.workload, one.via.value, str(one.weight), str(one.priority))


def _chain(chain: Chain) -> Iterable[tuple[str, ...]]:
    for route in chain.routes:
        match = _match(route.match) if chain.http else "(TCP)"
        said = f"{route.object} {route.rule}" if route.object is not None else route.rule
        for cluster, weight in _targets(route):
            yield match, cluster, weight, said


def _targets(route: Route) -> Iterable[tuple[str, str]]:
    if route.direct_response is not None:
        yield f"direct response {route.direct_response}", ""
    for choice in route.clusters:
        yield choice.cluster, str(choice.weight)


def _match(match: RouteMatch) -> str:
    parts = [_string("", match.path)] if match.path else ["/*"]
    parts += [_string(name, said) for name, said in (("method", match.method), ("authority", match.authority)) if said]
    parts += [_string(name, said) for name, said in match.headers]
    parts += [f"not {_string(name, said)}" for name, said in match.without_headers]
    parts += [_string(f"?{name}", said) for name, said in match.query]
    return " ".join(parts)


def _string(name: str, said: StringMatch) -> str:
    match said.type:
        case MatchType.PRESENT:
            return name
        case MatchType.PREFIX | MatchType.PATH_PREFIX:
            text = f"{said.value}*"
        case MatchType.REGEX:
            text = f"~{said.value}"
        case _:
            text = said.value
    return f"{name}={text}" if name else text


def _waypoint(tables: ZtunnelTables, waypoint: GatewayAddress | None) -> str:
    """The service's name, as istioctl looks it up by the address."""
    if waypoint is None:
        return _NONE
    to = waypoint.destination
    if isinstance(to, NamespacedHostname):
        named = tables.services.get(to)
        return named.name if named is not None else str(to)
    found = tables.by_vip.get(to)
    return found[0].name if found else str(to)


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [tuple(head), *(tuple(clean(cell) for cell in row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "".join(
        " ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )
