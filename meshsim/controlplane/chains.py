"""What each kind of Envoy does with a service's traffic: its routes, or handing over to a waypoint."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Generic, TypeVar, final

from meshsim.controlplane import httproutes, virtualservices
from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.known import KnownService, Port
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


def port_facts(clusters: Clusters, service: KnownService, port: Port) -> tuple[Fact, ...]:
    """What declares a port's protocol."""
    facts = Facts()
    ident = subject(clusters.place.cluster.name, service.origin.key)
    declared = service.origin.get(*port.path, "appProtocol")
    field = "appProtocol" if declared is not None else "name"
    where = service.origin.evidence(*port.path, field)
    facts.note(ident, f"{'.'.join(map(str, port.path))}.{field}", declared or port.name or None, where)
    return facts.read()


def waypoint_chain(clusters: Clusters, service: KnownService, port: Port, gateway: Manifest | None) -> Chain:
    """The chain of a waypoint for one of its services and ports."""
    facts = port_facts(clusters, service, port)
    if not is_http(port, clusters.place.cluster.dialect.value("port.undeclared")):
        name = clusters.service(service, port)
        return Chain(
            host=service.host,
            port=port.number,
            http=False,
            routes=(default_route(name, service.host),),
            rule=NOT_HTTP,
            facts=facts,
            tags=frozenset({"not-http"}),
        )
    routes, question = service_routes(clusters, service, port, namespace=clusters.namespace, everywhere=False)
    rule_used = SERVICE_ROUTES if routes else SERVICE_DEFAULT
    if not routes:
        routes = [default_route(clusters.service(service, port), service.host, facts)]
    return Chain(
        host=service.host,
        port=port.number,
        routes=tuple(routes),
        rule=rule_used,
        facts=facts,
        open_question=question,
    )


def service_routes(
    clusters: Clusters,
    service: KnownService,
    port: Port,
    *,
    namespace: str,
    everywhere: bool,
    labels: Mapping[str, str] | None = None,
) -> tuple[list[Route], str]:
    """The HTTP routes of a service at a proxy in `namespace`, in order, and the open question on that order.

    At a waypoint: HTTPRoutes in the waypoint's namespace, then everything else by age, all concatenated
    (push_context.go:1138). A sidecar (`everywhere`) sees VirtualServices of all namespaces and uses the first object
    only; HTTPRoutes of its own namespace come first.
    """
    here = clusters.place.cluster
    found = httproutes.attached_to_service(
        here.of(*httproutes.KINDS), service.namespace, service.name, port.number
    )
    covers = service.service is not None and (
        not service.global_host or bool(here.dialect.value("route.covers-global-host"))
    )
    attached = [a for a in found if covers and a.route.namespace in {namespace, service.namespace}]
    entries = [
        e
        for e in virtualservices.bound(here.of("VirtualService"), service.host, virtualservices.MESH, namespace)
        if everywhere or e.namespace in {namespace, service.namespace}
    ]
    near = [a for a in attached if a.route.namespace == namespace]
    far = [a for a in attached if a.route.namespace != namespace]
    question = ""
    if everywhere:
        if near:
            routes, question = httproutes.convert(near, clusters, port.number)
            return routes, question
        if entries:
            question = _unknown_age(entries) if len(entries) > 1 else ""
            if far and not question:
                question = _unknown_age([*entries[:1], *(a.route for a in far)])
            return virtualservices.convert(entries[:1], clusters, port.number, virtualservices.MESH, labels=labels), question
        return httproutes.convert(far, clusters, port.number)
    routes, question = httproutes.convert(near, clusters, port.number)
    if far and entries and not question:
        question = _unknown_age([*entries, *(a.route for a in far)])
    if len(entries) > 1 and not question:
        question = _unknown_age(entries)
    distant, also = httproutes.convert(far, clusters, port.number)
    by_vs = virtualservices.convert(entries, clusters, port.number, virtualservices.MESH, labels=None)
    routes = [*routes, *distant, *by_vs]
    return routes, question or also


def _unknown_age(objects: list[Manifest]) -> str:
    """The open question where the order of objects decides and their creation times are not given."""
    times = {str(o.get("metadata", "creationTimestamp", default="")) for o in objects}
    if len(times) == len(objects) and "" not in times:
        return ""
    names = " and ".join(str(o.key) for o in objects)
    return f"{names} are ordered by age, and their manifests have no creationTimestamp"


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
    facts = (*(interop or ()), *port_facts(clusters, service, port))
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
    routes, question = service_routes(
        clusters, service, port, namespace=clusters.namespace, everywhere=True, labels=labels
    )
    if not is_http(port, "http"):
        routes = []
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
