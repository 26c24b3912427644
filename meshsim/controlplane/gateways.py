"""Ingress gateways: what their listeners do with a host and port (Gateway API's Gateway, and Istio's)."""

from collections.abc import Mapping
from typing import Any, Final

from meshsim.controlplane import httproutes, virtualservices
from meshsim.controlplane.attachment import selects
from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.components import ISTIO_GATEWAY
from meshsim.controlplane.destinationrules import host_matches
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.model.facts import Fact, Facts
from meshsim.model.rule import rule
from meshsim.tables.envoy import Chain

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
    index, listener = max(fitting, key=lambda item: _specific(str(item[1].get("hostname") or "*")))
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
    return max(fitting, key=_specific, default="")


def _specific(hostname: str) -> tuple[bool, int]:
    return not hostname.startswith("*"), len(hostname)


def _allowed(here: Cluster, gateway: Manifest, listener: Mapping[str, Any], route: Manifest) -> bool:
    """A listener's allowedRoutes: Same namespace by default, All, or a Selector."""
    allowed = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    mode = allowed.get("from") or "Same"
    if mode == "Same":
        return route.namespace == gateway.namespace
    if mode == "Selector":
        namespace = here.namespace(route.namespace)
        labels = dict(namespace.labels) if namespace is not None else {}
        return selects(allowed.get("selector") or {}, {"kubernetes.io/metadata.name": route.namespace, **labels})
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
    open_hosts = [str(h).rpartition("/")[2] for server in servers for h in server.get("hosts") or ["*"]]
    here = clusters.place.cluster
    name = f"{gateway.namespace}/{gateway.name}"
    entries = virtualservices.bound(here.of("VirtualService"), host, name, clusters.namespace)
    if not any(host_matches(pattern, host) for pattern in open_hosts):
        entries = []
    exact = [e for e in entries if host in virtualservices.hosts_of(e)]
    routes = virtualservices.convert(exact or entries, clusters, port, name, labels=None)
    facts = Facts()
    here.note(facts, gateway, "spec", "servers", 0, "port", "number")
    return Chain(
        host=host, port=port, routes=tuple(routes), rule=GATEWAY_ROUTES if routes else NO_ROUTE, facts=facts.read()
    )
