"""Envoy resources as plain dictionaries: the shapes that several proxies share.

The names and the structure (`connect_originate`, `main`, one cluster a subset) follow Istio's waypoints
(istio pilot/pkg/networking/core/listener_waypoint.go, cluster_waypoint.go).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from meshsim.model.frozen import record

Config = dict[str, Any]
TYPE: Final = "type.googleapis.com/envoy."
MARK: Final = "x-meshsim"
"""The header by which an access log's line is told to belong to a request."""
POD: Final = "x-meshsim-pod"
"""The header in which a pod says who it is."""
ORIGINAL_DST: Final = "envoy.filters.listener.original_dst"
CONNECT_TIMEOUT: Final = "10s"
"""Istio's default; a shorter one turns a stalled machine into failures."""
_MANY: Final = 4294967295
LIMITS: Final[Config] = {
    "circuit_breakers": {
        "thresholds": [
            {"max_connections": _MANY, "max_pending_requests": _MANY, "max_requests": _MANY, "max_retries": _MANY}
        ]
    }
}
"""Istio's default: none (istio pilot/pkg/networking/core/cluster_traffic_policy.go)."""
LOG_FORMAT: Final = {
    "id": f"%REQ({MARK})%",
    "code": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "host": "%UPSTREAM_HOST%",
    "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}


@final
@dataclass(slots=True)
class Resources:
    """Everything one Envoy process is told by xDS, by resource name. `routes` and `endpoints` change on their own."""

    listeners: dict[str, Config] = field(default_factory=dict)
    clusters: dict[str, Config] = field(default_factory=dict)
    routes: dict[str, Config] = field(default_factory=dict)
    endpoints: dict[str, Config] = field(default_factory=dict)


@final
@record
class Identity:
    """Who a proxy is in TLS: its certificate, its key, and what it trusts."""

    name: str
    chain: Path
    key: Path
    bundle: Path


def typed(kind: str, **fields: Any) -> Config:
    """A `typed_config` of an Envoy type."""
    return {"@type": f"{TYPE}{kind}", **fields}


def address(ip: str, port: int) -> Config:
    """A socket address."""
    return {"socket_address": {"address": ip, "port_value": port}}


def inside(listener: str, ident: str = "") -> Config:
    """The address of an internal listener; `ident` tells hosts apart that lead to the same one."""
    return {"envoy_internal_address": {"server_listener_name": listener, **({"endpoint_id": ident} if ident else {})}}


def log(path: Path, where: str) -> list[Config]:
    """An access log of JSON lines, each with the `where` it was written."""
    form = {"where": where, **LOG_FORMAT}
    kind = "extensions.access_loggers.file.v3.FileAccessLog"
    return [{"name": "file", "typed_config": typed(kind, path=str(path), log_format={"json_format": form})}]


def listener(name: str, where: Config | None, filters: Sequence[Config], identity: Identity | None = None) -> Config:
    """A listener on a socket, or an internal one (`where` None); with an identity it wants the peer's certificate."""
    chain: Config = {"filters": list(filters)}
    if identity is not None:
        tls = typed(
            "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            require_client_certificate=True,
            common_tls_context=_tls(identity, ("h2",), ()),
        )
        chain["transport_socket"] = {"name": "tls", "typed_config": tls}
    made: Config = {"name": name, "filter_chains": [chain]}
    return {**made, "address": where} if where is not None else {**made, "internal_listener": {}}


def by_metadata(made: Config) -> Config:
    """An internal listener whose original destination is what its host's metadata says."""
    kind = "extensions.filters.listener.original_dst.v3.OriginalDst"
    return {**made, "listener_filters": [{"name": ORIGINAL_DST, "typed_config": typed(kind)}]}


def connection_manager(
    prefix: str, logs: list[Config], routes: Config | None = None, rds: str = "", *, connect: bool = False
) -> Config:
    """An HTTP connection manager with routes of its own or by RDS (the file `rds`)."""
    router = {"name": "router", "typed_config": typed("extensions.filters.http.router.v3.Router")}
    made = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=prefix,
        access_log=logs,
        http_filters=[router],
        stream_idle_timeout="0s",
        normalize_path=False,
    )
    if connect:
        made |= {"http2_protocol_options": {"allow_connect": True}, "upgrade_configs": [{"upgrade_type": "CONNECT"}]}
    if routes is not None:
        made["route_config"] = routes
    else:
        made["rds"] = {"route_config_name": prefix, "config_source": from_file(Path(rds))}
    return {"name": "http", "typed_config": made}


def tcp_proxy(
    prefix: str, clusters: Mapping[str, int], logs: list[Config], hostname: str = "", source: str | None = None
) -> Config:
    """A TCP proxy to clusters by weight; with `hostname` each connection is a CONNECT that asks for it.

    `source` is what the proxy says of itself in `x-istio-source`.
    """
    made = typed("extensions.filters.network.tcp_proxy.v3.TcpProxy", stat_prefix=prefix, access_log=logs)
    if len(clusters) == 1:
        made["cluster"] = next(iter(clusters))
    else:
        made["weighted_clusters"] = {"clusters": [{"name": n, "weight": w} for n, w in clusters.items() if w]}
    if hostname:
        tunnel: Config = {"hostname": hostname}
        if source:
            tunnel["headers_to_add"] = [{"header": {"key": "x-istio-source", "value": source}}]
        made["tunneling_config"] = tunnel
    return {"name": "tcp", "typed_config": made}


def connect_route(cluster: str, source: str | None = None) -> Config:
    """The route of CONNECT requests to a cluster of bytes; with `source`, of those that say it in `x-istio-source`."""
    match: Config = {"connect_matcher": {}}
    if source is not None:
        match["headers"] = [{"name": "x-istio-source", "string_match": {"exact": source}}]
    upgrade = [{"upgrade_type": "CONNECT", "connect_config": {}}]
    return {"match": match, "route": {"cluster": cluster, "timeout": "0s", "upgrade_configs": upgrade}}


def virtual_host(domain: str, routes: Sequence[Config]) -> Config:
    """A virtual host of one domain."""
    return {"name": domain, "domains": [domain], "routes": list(routes)}


def static(name: str, where: Config, **more: Any) -> Config:
    """A cluster of one host."""
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": CONNECT_TIMEOUT,
        **LIMITS,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": where}}]}],
        },
        **more,
    }


def by_eds(name: str, file: Path, policy: str, **more: Any) -> Config:
    """A cluster whose hosts come by EDS from a file of its own. Health takes effect at once: no merge window.

    Envoy's default merges changes within a second, which measures the lab's patience and not the mesh.
    """
    return {
        "name": name,
        "type": "EDS",
        "connect_timeout": CONNECT_TIMEOUT,
        **LIMITS,
        "lb_policy": policy,
        "eds_cluster_config": {"service_name": name, "eds_config": from_file(file)},
        **more,
    }


def original_destination(name: str, port: int | None = None, **more: Any) -> Config:
    """A cluster that dials the connection's original destination, perhaps at another port."""
    options: Config = {"upstream_port_override": port} if port is not None else {}
    return {
        "name": name,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": CONNECT_TIMEOUT,
        **LIMITS,
        "original_dst_lb_config": options,
        **more,
    }


def http2(requests_per_connection: int = 0) -> Config:
    """HTTP/2 to the upstream; `requests_per_connection` 1 keeps it from pooling."""
    return _protocol({"http2_protocol_options": {"allow_connect": True}}, requests_per_connection)


def http1(requests_per_connection: int = 0) -> Config:
    """HTTP/1.1 to the upstream."""
    return _protocol({"http_protocol_options": {}}, requests_per_connection)


def _protocol(options: Config, requests_per_connection: int) -> Config:
    kind = "extensions.upstreams.http.v3.HttpProtocolOptions"
    made: Config = typed(kind, explicit_http_config=options)
    if requests_per_connection:
        made["common_http_protocol_options"] = {"max_requests_per_connection": requests_per_connection}
    return {"typed_extension_protocol_options": {f"{TYPE}{kind}".removeprefix("type.googleapis.com/"): made}}


def upstream_tls(identity: Identity, names: Iterable[str], *, prefix: bool = False, alpn: str = "h2") -> Config:
    """TLS 1.3 to a peer whose SPIFFE name is one of `names` (or begins with one of them)."""
    context = _tls(identity, (alpn,) if alpn else (), tuple(names), prefix=prefix)
    tls = typed("extensions.transport_sockets.tls.v3.UpstreamTlsContext", common_tls_context=context)
    return {"transport_socket": {"name": "tls", "typed_config": tls}}


def _tls(identity: Identity, alpn: Sequence[str], names: Sequence[str], *, prefix: bool = False) -> Config:
    trusted: Config = {"trusted_ca": {"filename": str(identity.bundle)}}
    if names:
        how = "prefix" if prefix else "exact"
        trusted["match_typed_subject_alt_names"] = [{"san_type": "URI", "matcher": {how: name}} for name in names]
    return {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": [
            {"certificate_chain": {"filename": str(identity.chain)}, "private_key": {"filename": str(identity.key)}}
        ],
        "validation_context": trusted,
        **({"alpn_protocols": list(alpn)} if alpn else {}),
    }


def passes_metadata() -> Config:
    """The transport to an internal listener that hands on where the connection is meant to go."""
    inner = {"name": "raw", "typed_config": typed("extensions.transport_sockets.raw_buffer.v3.RawBuffer")}
    kind = "extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport"
    made = typed(kind, passthrough_metadata=[{"kind": {"host": {}}, "name": ORIGINAL_DST}], transport_socket=inner)
    return {"transport_socket": {"name": "internal", "typed_config": made}}


def from_file(path: Path) -> Config:
    """A config source that watches a file which is replaced as a whole."""
    watched = {"path": str(path), "watched_directory": {"path": str(path.parent)}}
    return {"resource_api_version": "V3", "path_config_source": watched}
