"""Ingress gateways: what their listeners do with a host and port (Gateway API's Gateway, and Istio's)."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from meshsim.controlplane import httproutes, serviceroutes, virtualservices
from meshsim.controlplane.attachment import selects
from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.components import ISTIO_GATEWAY
from meshsim.controlplane.destinationrules import host_matches, specificity
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.model.facts import Fact, Facts
from meshsim.model.rule import rule
from meshsim.tables.envoy import Chain, Route

GATEWAY_ROUTES: Final = rule(
    "gateway.routes",
    "The gateway applies the routes attached to its listener for the requested host.",
    "Gateway API, HTTPRoute; istio pilot/pkg/config/kube/gateway/conversion.go",
)
NO_ROUTE: Final = rule(
    "gateway.no-route",
    "No route of the gateway's listener has the requested host.",
    "istio pilot/pkg/networking/core/gateway.go: 404 NR",
)
USE_WAYPOINT: Final = rule(
    "gateway.use-waypoint",
    "The service is labelled istio.io/ingress-use-waypoint, so the gateway sends to its waypoint instead of its pods.",
    "istio pilot/pkg/xds/endpoints/endpoint_builder.go:433",
)
HTTP_LISTENERS: Final = frozenset({"HTTP", "HTTPS", "HTTP2", "GRPC", "GRPC-WEB"})
_PROTOCOL_KINDS: Final = {
    **dict.fromkeys(HTTP_LISTENERS, frozenset({"HTTPRoute", "GRPCRoute"})),
    "TCP": frozenset({"TCPRoute"}),
    "TLS": frozenset({"TLSRoute"}),
}
"""What routes a listener's protocol can serve (istio pilot/pkg/config/kube/gateway/conversion.go
generateSupportedKinds)."""


def gateway_chain(gateway: Manifest, host: str, port: int, clusters: Clusters) -> Chain | None:
    """The chain for a request to `host:port` at a Gateway; None where no listener has the port."""
    if gateway.kind == ISTIO_GATEWAY:
        return _istio_chain(gateway, host, port, clusters)
    listeners = [
        (index, listener)
        for index, listener in enumerate(gateway.get("spec", "listeners", default=[]))
        if listener.get("port") == port and str(listener.get("protocol")) in HTTP_LISTENERS
    ]
    if not listeners:
        return None
    fitting = [(i, x) for i, x in listeners if x.get("hostname") is None or host_matches(str(x["hostname"]), host)]
    if not fitting:
        return Chain(host=host, port=port, rule=NO_ROUTE)
    index, listener = max(fitting, key=lambda item: specificity(str(item[1].get("hostname") or "*")))
    here = clusters.place.cluster
    attached = [
        a
        for a in httproutes.attached_to_gateway(here.of(*httproutes.KINDS), gateway, listener)
        if _allowed(here, gateway, listener, a.route)
    ]
    best = _best_hostname(attached, host)
    chosen = [a for a in attached if best in hostnames(a.route)]
    routes, question = httproutes.convert(chosen, clusters, None)
    facts = _listener_facts(here, gateway, index)
    return Chain(
        host=host,
        port=port,
        routes=tuple(routes),
        rule=GATEWAY_ROUTES if routes else NO_ROUTE,
        facts=facts,
        open_question=question,
    )


def _listener_facts(here: Cluster, gateway: Manifest, index: int) -> tuple[Fact, ...]:
    facts = Facts()
    here.note(facts, gateway, "spec", "listeners", index, "port")
    return facts.read()


def hostnames(route: Manifest) -> list[str]:
    """The hostnames a route serves; `*` where it names none."""
    return [str(h) for h in route.get("spec", "hostnames", default=[])] or ["*"]


def _best_hostname(attached: list[httproutes.Attached], host: str) -> str:
    """The most specific hostname of any attached route that fits; "" where none does."""
    fitting = {h for a in attached for h in hostnames(a.route) if host_matches(h, host)}
    return max(fitting, key=specificity, default="")


def _allowed(here: Cluster, gateway: Manifest, listener: Mapping[str, Any], route: Manifest) -> bool:
    """Whether a listener takes a route, by its kind and namespace."""
    namespace = here.namespace(route.namespace)
    labels = namespace.labels if namespace is not None else {}
    return takes_kind(listener, route.kind) and takes_namespace(gateway, listener, route.namespace, labels)


def takes_kind(listener: Mapping[str, Any], kind: str) -> bool:
    """A listener's allowedRoutes.kinds, within what its protocol can serve."""
    able = _PROTOCOL_KINDS.get(str(listener.get("protocol")), frozenset())
    stated = (listener.get("allowedRoutes") or {}).get("kinds") or ()
    named = {str(k.get("kind")) for k in stated if (k.get("group") or httproutes.GATEWAY_API) == httproutes.GATEWAY_API}
    return kind in able and (not stated or kind in named)


def takes_namespace(gateway: Manifest, listener: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> bool:
    """A listener's allowedRoutes.namespaces: the Gateway's own by default, All, or a Selector."""
    allowed = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    mode = allowed.get("from") or "Same"
    if mode == "Same":
        return namespace == gateway.namespace
    if mode == "Selector":
        return selects(allowed.get("selector") or {}, {"kubernetes.io/metadata.name": namespace, **labels})
    return mode == "All"


def _istio_chain(gateway: Manifest, host: str, port: int, clusters: Clusters) -> Chain | None:
    """Istio's Gateway: its servers' hosts, and the VirtualServices bound to it."""
    servers = [
        server
        for server in gateway.get("spec", "servers", default=[])
        if (server.get("port") or {}).get("number") == port
        and str((server.get("port") or {}).get("protocol", "")).upper() in HTTP_LISTENERS
    ]
    if not servers:
        return None
    here = clusters.place.cluster
    name = f"{gateway.namespace}/{gateway.name}"
    bound = virtualservices.bound(here.of("VirtualService"), "", name, clusters.namespace)
    entries = _virtual_host(gateway, servers, bound, host)
    routes = virtualservices.convert(entries, clusters, port, name, labels=None, namespace=clusters.namespace)
    routes.sort(key=lambda route: route.match.catch_all)
    question = serviceroutes.unknown_age(entries)
    if _redirects(servers, host):
        open_ = (f"{name}: tls.httpsRedirect, the client is redirected",)
        routes = [replace(route, unmodelled=open_) for route in routes or [Route(object=None)]]
    facts = Facts()
    here.note(facts, gateway, "spec", "servers", 0, "port", "number")
    return Chain(
        host=host,
        port=port,
        routes=tuple(routes),
        rule=GATEWAY_ROUTES if routes else NO_ROUTE,
        facts=facts.read(),
        open_question=question,
    )


def _virtual_host(
    gateway: Manifest, servers: Sequence[Mapping[str, Any]], bound: Sequence[Manifest], host: str
) -> list[Manifest]:
    """The VirtualServices of the virtual host that takes `host`: those whose hosts, cut down to what the servers let
    in, name it the most exactly. All of the same virtual host are concatenated, and what takes everything goes last
    (istio core/gateway.go buildGatewayHTTPRouteConfig, route.go SortVHostRoutes)."""
    made: dict[str, list[Manifest]] = {}
    for entry in bound:
        let_in = [h for server in servers for h in _hosts_for(gateway, server, entry.namespace)]
        pairs = itertools.product(let_in, virtualservices.hosts_of(entry))
        for name in dict.fromkeys(_both(*pair) for pair in pairs):
            if name and host_matches(name, host):
                made.setdefault(name, []).append(entry)
    return made[max(made, key=specificity)] if made else []


def _hosts_for(gateway: Manifest, server: Mapping[str, Any], namespace: str) -> list[str]:
    """A server's hosts as far as they are open to VirtualServices of a namespace (`namespace/host`)."""
    found = []
    for entry in server.get("hosts") or ["*"]:
        place, slash, name = str(entry).rpartition("/")
        if not slash or place in {"*", namespace} or (place == "." and gateway.namespace == namespace):
            found.append(name)
    return found


def _both(one: str, other: str) -> str:
    """What two hosts have in common: the more specific of them, "" where neither takes the other."""
    if host_matches(one, other):
        return other
    return one if host_matches(other, one) else ""


def _redirects(servers: Sequence[Mapping[str, Any]], host: str) -> bool:
    """Whether a server for the host sends every client to HTTPS."""
    return any(
        (server.get("tls") or {}).get("httpsRedirect")
        and any(host_matches(str(h).rpartition("/")[2], host) for h in server.get("hosts") or ["*"])
        for server in servers
    )
