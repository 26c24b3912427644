"""Route configurations (envoy api/envoy/config/route/v3/route.proto, route_components.proto)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from meshsim.tables.configdump.matches import route_match
from meshsim.tables.configdump.message import Message
from meshsim.tables.configdump.rows import DumpedRoute, RouteConfiguration, VirtualHost
from meshsim.tables.envoy import Route, WeightedCluster

_STATUS: Final = {"SERVICE_UNAVAILABLE": 503, "NOT_FOUND": 404, "INTERNAL_SERVER_ERROR": 500}
_ACTIONS: Final = {
    "redirect": "redirect, the client is redirected",
    "non_forwarding_action": "it has no action of a client",
    "filter_action": "a filter acts in its place",
}
_CHOOSERS: Final = {
    "cluster_header": "a header names the cluster",
    "cluster_specifier_plugin": "a plugin chooses the cluster",
    "inline_cluster_specifier_plugin": "a plugin chooses the cluster",
    "metadata_match": "metadata chooses among the hosts of its cluster",
    "internal_redirect_policy": "redirects are followed inside the proxy",
}
NEUTRAL_FILTERS: Final = frozenset(
    {
        "envoy.filters.http.cors", "envoy.filters.http.router", "envoy.filters.http.grpc_stats",
        "envoy.filters.http.compressor", "envoy.filters.http.decompressor",
    }
)  # fmt: skip


def route_configuration(row: Message, line: int = 0) -> RouteConfiguration:
    """One route configuration; what it does that is not modelled is said by its routes."""
    limits = [f"{key} of its route configuration" for key in ("vhds",) if row.has(key)]
    return RouteConfiguration(
        name=row.text("name"), hosts=tuple(_host(host, limits) for host in row.rows("virtual_hosts")), line=line
    )


def _host(row: Message, limits: list[str]) -> VirtualHost:
    mine = list(limits)
    if row.has("matcher"):
        mine.append("a matcher chooses its routes")
    if row.text("require_tls") not in {"", "NONE"}:
        mine.append("require_tls, the client is redirected")
    mine += _per_filter(row)
    return VirtualHost(
        name=row.text("name"),
        domains=tuple(map(str, row.sequence("domains"))),
        routes=tuple(_routes(row, mine)),
    )


def _routes(host: Message, limits: list[str]) -> Iterator[DumpedRoute]:
    for row in host.rows("routes"):
        read = route_match(row.row("match"))
        if read.never:
            continue
        found = _route(row)
        sentences = (*limits, *read.unmodelled, *found.route.unmodelled)
        yield replace(found, route=replace(found.route, match=read.match, unmodelled=sentences))


def _route(row: Message) -> DumpedRoute:
    limits = [why for key, why in _ACTIONS.items() if row.has(key)]
    limits += _per_filter(row)
    action = row.row("route")
    limits += [why for key, why in _CHOOSERS.items() if action.has(key)]
    direct = row.row("direct_response").number("status") if row.has("direct_response") else None
    metadata = row.row("metadata").row("filter_metadata").row("istio")
    clusters = weighted(action, limits)
    if not clusters and direct is None and not limits:
        limits.append("it names no cluster")
    return DumpedRoute(
        name=row.text("name"),
        config=metadata.text("config"),
        route=Route(clusters=clusters, direct_response=direct, unmodelled=tuple(limits)),
        absent_status=_STATUS.get(action.text("cluster_not_found_response_code"), 503),
    )


def weighted(action: Message, limits: list[str]) -> tuple[WeightedCluster, ...]:
    """The clusters of a route or a TCP proxy with their weights; a single one weighs 1."""
    if action.has("cluster"):
        return (WeightedCluster(cluster=action.text("cluster"), weight=1),)
    found = []
    for part in action.row("weighted_clusters").rows("clusters"):
        if part.has("cluster_header"):
            limits.append(_CHOOSERS["cluster_header"])
        limits += _per_filter(part)
        found.append(WeightedCluster(cluster=part.text("name"), weight=part.number("weight")))
    return tuple(found)


def _per_filter(row: Message) -> list[str]:
    """Filters whose settings for a route change what becomes of the request."""
    found = []
    settings = row.row("typed_per_filter_config")
    for name in settings.names():
        config = settings.row(name)
        inner = config.row("config") if config.type == "FilterConfig" else config
        if config.flag("disabled") or name in NEUTRAL_FILTERS:
            continue
        if name == "envoy.filters.http.fault":
            if acts := fault(inner):
                found.append(acts)
        elif name != "envoy.filters.http.rbac" or inner.has("rbac"):
            found.append(f"filter {name} acts on the request")
    return found


def fault(config: Message) -> str:
    """What a fault filter's settings do to shares: delays do nothing."""
    return "fault, faults are injected" if config.has("abort") else ""
