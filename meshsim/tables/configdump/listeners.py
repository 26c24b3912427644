"""Listeners and their filter chains (envoy api/envoy/config/listener/v3/listener.proto)."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from meshsim.tables.configdump.message import Message
from meshsim.tables.configdump.routes import NEUTRAL_FILTERS, fault, route_configuration, weighted
from meshsim.tables.configdump.rows import FilterChain, Listener

_TYPE: Final = re.compile(r"\benvoy\.extensions\.filters\.(http|network)\.(\w+)\.v\d")
_HTTP: Final = "HttpConnectionManager"
_TCP: Final = "TcpProxy"
_NEUTRAL: Final = NEUTRAL_FILTERS | {
    "envoy.filters.http.alpn", "envoy.filters.http.grpc_web", "envoy.filters.http.set_filter_state",
    "envoy.filters.http.peer_metadata", "istio.alpn", "istio.metadata_exchange", "istio.stats", "istio_authn",
    "waypoint_upstream_peer_metadata", "waypoint_downstream_peer_metadata", "connect_authority",
    "envoy.filters.http.header_mutation", "envoy.filters.http.buffer", "envoy.filters.http.health_check",
    "envoy.filters.network.set_filter_state", "envoy.filters.http.grpc_http1_bridge",
}  # fmt: skip
"""Filters that change neither where a request goes nor whether it is answered."""


def listener(row: Message, line: int = 0) -> Listener:
    """One listener. Filters that act on requests and are not modelled are sentences of their chain."""
    where = row.row("address").row("socket_address")
    chains = list(row.rows("filter_chains"))
    if row.has("default_filter_chain"):
        chains.append(row.row("default_filter_chain"))
    return Listener(
        name=row.text("name"),
        address=where.text("address"),
        port=where.number("port_value"),
        chains=tuple(found for chain in chains if (found := _chain(chain)) is not None),
        line=line,
    )


def _chain(row: Message) -> FilterChain | None:
    """A chain that ends in HTTP routes or a TCP proxy; None for others."""
    limits: list[str] = []
    for entry in row.rows("filters"):
        config = entry.row("typed_config")
        found = None
        if config.type == _HTTP:
            found = _http(row.text("name"), config)
        elif config.type == _TCP:
            found = _tcp(row, config)
        elif config.type == "RBAC" and not config.has("rules", "matcher"):
            continue
        elif _kind(entry) not in _NEUTRAL and not _kind(entry).endswith("peer_metadata"):
            limits.append(f"filter {entry.text('name')} acts on the connection")
        if found is not None:
            wanted = row.row("filter_chain_match")
            ranges = [f"{r.text('address_prefix')}/{r.number('prefix_len')}" for r in wanted.rows("prefix_ranges")]
            return replace(
                found,
                ranges=tuple(ranges),
                port=wanted.number("destination_port") if wanted.has("destination_port") else None,
                server_names=tuple(map(str, wanted.sequence("server_names"))),
                unmodelled=(*limits, *found.unmodelled),
            )
    return None


def _http(name: str, manager: Message) -> FilterChain:
    limits = list(_http_filters(manager))
    own = route_configuration(manager.row("route_config"))
    if manager.has("scoped_routes"):
        limits.append("scoped routes choose the routes")
    return FilterChain(
        name=name,
        http=True,
        route_config=manager.row("rds").text("route_config_name"),
        inline=own.name,
        hosts=own.hosts,
        unmodelled=tuple(limits),
    )


def _tcp(row: Message, proxy: Message) -> FilterChain:
    limits: list[str] = []
    return FilterChain(
        name=row.text("name"),
        http=False,
        clusters=weighted(proxy, limits),
        config=row.row("metadata").row("filter_metadata").row("istio").text("config"),
        unmodelled=tuple(limits),
    )


def _kind(entry: Message) -> str:
    """What a filter is: by its extension's type, as names are anybody's choice; by its name where the type is not one
    of Envoy's own."""
    found = _TYPE.search(entry.row("typed_config").text("@type"))
    return f"envoy.filters.{found[1]}.{found[2]}" if found is not None else entry.text("name")


def _http_filters(manager: Message) -> Iterator[str]:
    for entry in manager.rows("http_filters"):
        name, kind, config = entry.text("name"), _kind(entry), entry.row("typed_config")
        if entry.flag("disabled"):
            continue
        if kind == "envoy.filters.http.fault":
            acts = fault(config)
            if acts:
                yield acts
        elif config.type == "RBAC":
            if config.has("rules", "matcher"):
                yield "filter envoy.filters.http.rbac, authorization policies can deny the request"
        elif kind not in _NEUTRAL and not kind.endswith("peer_metadata"):
            yield f"filter {name} acts on the request"
