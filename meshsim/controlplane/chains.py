"""What each kind of Envoy does with a service's traffic: its routes, or handing over to a waypoint."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Generic, TypeVar, final

from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.known import KnownService, Port
from meshsim.controlplane.serviceroutes import http_routes, mixed, refused, tcp_route
from meshsim.manifests.manifest import Manifest
from meshsim.model.facts import Fact, Facts
from meshsim.model.names import subject
from meshsim.model.rule import rule
from meshsim.tables.envoy import Chain, Route, WeightedCluster

V = TypeVar("V")

SERVICE_ROUTES: Final = rule(
    "waypoint.routes",
    "The waypoint applies its own cluster's routes for the addressed service, whatever the Host header.",
    "istio pilot/pkg/networking/core/listener_waypoint.go:1122",
)
SERVICE_DEFAULT: Final = rule(
    "waypoint.default-route",
    "The waypoint has no route for the service and balances over all of its endpoints.",
    "istio pilot/pkg/networking/core/listener_waypoint.go:1164",
)
NOT_HTTP: Final = rule(
    "waypoint.tcp",
    "The port is not HTTP, so the waypoint proxies bytes and no HTTP route can apply.",
    "istio listener_waypoint.go; fe-solo-enterprise-for-istio-workshops 015",
)
TCP_ROUTES: Final = rule(
    "waypoint.tcp-routes",
    "The port is not HTTP, and a route of connections chooses the backend, once for each connection.",
    "istio pilot/pkg/networking/core/listener_waypoint.go:969",
)
SIDECAR_ROUTES: Final = rule(
    "sidecar.own-routes",
    "The sidecar applies its own cluster's routes to the request and chooses the endpoint itself.",
    "istio pilot/pkg/networking/core/route; Solo docs, Argo Rollouts guide: remote sidecar client without interop",
)
SIDECAR_HANDOVER: Final = rule(
    "sidecar.interop",
    "With ENABLE_WAYPOINT_INTEROP the sidecar leaves L7 to the destination's waypoint and connects to it by HBONE.",
    "Solo docs, Argo Rollouts guide: ENABLE_WAYPOINT_INTEROP",
)


@final
class Lazy(Mapping[str, V], Generic[V]):
    """A mapping whose values are made when asked for; `keys` are those it can make."""

    def __init__(self, keys: tuple[str, ...], make: Callable[[str], V | None]) -> None:
        self._keys = keys
        self._make = make
        self._made: dict[str, V | None] = {}

    def __getitem__(self, key: str) -> V:
        if key not in self._made:
            self._made[key] = self._make(key)
        value = self._made[key]
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def is_http(port: Port, undeclared: str) -> bool:
    """Whether a proxy treats a port as HTTP; `undeclared` is what it does with one that does not say."""
    return port.protocol == "http" or (port.protocol == "undeclared" and undeclared == "http")


def default_route(cluster: str, backend: str, facts: tuple[Fact, ...] = ()) -> Route:
    """The route that a proxy without a matching rule uses."""
    return Route(clusters=(WeightedCluster(cluster=cluster, weight=1, backend=backend),), why=facts)


def port_facts(service: KnownService, port: Port) -> tuple[Fact, ...]:
    """What declares a port's protocol."""
    facts = Facts()
    ident = subject(service.defined_in, service.origin.key)
    declared = service.origin.get(*port.path, "appProtocol")
    field = "appProtocol" if declared is not None else "name"
    where = service.origin.evidence(*port.path, field)
    facts.note(ident, f"{'.'.join(map(str, port.path))}.{field}", declared or port.name or None, where)
    return facts.read()


def waypoint_chain(clusters: Clusters, service: KnownService, port: Port, gateway: Manifest | None) -> Chain:
    """The chain of a waypoint for one of its services and ports."""
    facts = port_facts(service, port)
    if not is_http(port, clusters.place.cluster.dialect.value("port.undeclared")):
        routed = tcp_route(clusters, service, port, namespace=clusters.namespace)
        return Chain(
            host=service.host,
            port=port.number,
            http=False,
            routes=(routed or default_route(clusters.service(service, port), service.host),),
            rule=TCP_ROUTES if routed is not None else NOT_HTTP,
            facts=facts,
            tags=frozenset({"not-http"}),
        )
    routes, question = http_routes(clusters, service, port, namespace=clusters.namespace, everywhere=False)
    rule_used = SERVICE_ROUTES if routes else SERVICE_DEFAULT
    not_in_force = Facts()
    refused(clusters, service, not_in_force)
    facts = (*facts, *not_in_force.read())
    if not routes:
        routes = [default_route(clusters.service(service, port), service.host, facts)]
    both = mixed(clusters, service, port, namespace=clusters.namespace)
    return Chain(
        host=service.host,
        port=port.number,
        routes=tuple(routes),
        rule=rule_used,
        facts=facts,
        tags=frozenset({"assumed:mixed_routes=order"} if both else ()),
        open_question=question,
    )


def sidecar_chain(
    clusters: Clusters,
    service: KnownService,
    port: Port,
    *,
    interop: tuple[Fact, ...] | None,
    labels: Mapping[str, str],
    handover: Callable[[Clusters, KnownService, Port], str | None],
) -> Chain:
    """The chain of a client's sidecar for a service. `handover` makes the cluster that leads to the service's
    waypoint, or gives None where it has none; `interop` is None where the sidecar never hands over."""
    facts = (*(interop or ()), *port_facts(service, port))
    if interop is not None:
        name = handover(clusters, service, port)
        if name is not None:
            return Chain(
                host=service.host,
                port=port.number,
                http=False,
                routes=(default_route(name, service.host, service.binding.facts),),
                rule=SIDECAR_HANDOVER,
                facts=facts,
                tags=frozenset({"handover"}),
            )
    routes: list[Route] = []
    question = ""
    if is_http(port, "http"):
        routes, question = http_routes(
            clusters, service, port, namespace=clusters.namespace, everywhere=True, labels=labels
        )
    else:
        routed = tcp_route(clusters, service, port, namespace=clusters.namespace)
        routes = [routed] if routed is not None else []
    if not routes:
        routes = [default_route(clusters.service(service, port), service.host, facts)]
    return Chain(
        host=service.host,
        port=port.number,
        http=is_http(port, "http"),
        routes=tuple(routes),
        rule=SIDECAR_ROUTES,
        facts=facts,
        open_question=question,
    )
