"""HTTPRoutes as Envoy routes (istio pilot/pkg/config/kube/gateway/conversion.go:230,977-1051)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, final

from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.routematch import matches_of, rank
from meshsim.controlplane.routerefusal import HOSTNAME, REDIRECT, SERVICES, extended, refusal, weight_of
from meshsim.manifests.manifest import Manifest
from meshsim.model.facts import Fact, Facts
from meshsim.model.frozen import frozen
from meshsim.model.names import fqdn, subject
from meshsim.tables.envoy import Route, RouteMatch, WeightedCluster

KINDS: Final = ("HTTPRoute", "GRPCRoute")
GATEWAY_API: Final = "gateway.networking.k8s.io"
AUTHORITY: Final = frozenset({":authority", "host"})


@final
@frozen
class Attached:
    """A route attached to a parent: which of its rules, for which port (None: all)."""

    route: Manifest
    parent: int
    port: int | None
    gateway: bool = False
    """Whether the parent is a Gateway: only then do ReferenceGrants count (conversion.go:977)."""


@final
@frozen
class Destination:
    """One backendRef: the host it means, and why it is refused ("" where it is not)."""

    host: str
    port: int | None
    weight: int
    backend: str
    refused: str = ""
    filters: tuple[Mapping[str, Any], ...] = ()
    missing: bool = False
    """Whether the host is known not to exist, where somebody looked."""


@final
@frozen
class Row:
    """One match of one rule: what istiod makes of it before it knows which hosts exist."""

    match: RouteMatch
    destinations: tuple[Destination, ...]
    route: Manifest
    parent: int
    index: int
    rule: Mapping[str, Any]
    gateway: bool = False
    grants: tuple[Manifest, ...] = ()

    def mirror(self, backend: Mapping[str, Any]) -> Destination:
        """Where a mirror filter's backendRef leads."""
        item = Attached(route=self.route, parent=self.parent, port=None, gateway=self.gateway)
        return _destination(item, backend, 1, None, self.grants)

    @property
    def status(self) -> int | None:
        """500 where no backend of positive weight is left (conversion.go:1010), unless the rule redirects."""
        return None if self.destinations or redirects(self.rule) else 500


def redirects(rule: Mapping[str, Any]) -> bool:
    """Whether a rule answers with a redirect, whatever its backends."""
    return any(entry.get("type") == REDIRECT for entry in rule.get("filters") or ())


def names_service(parent: Mapping[str, Any]) -> bool:
    """Whether a parentRef is a Service's. The API server makes a missing group the Gateway API's, which has no
    Service, and istiod passes such a parentRef over (gatewaycommon/references.go NormalizeReference)."""
    group = parent.get("group")
    return parent.get("kind") == "Service" and group is not None and str(group) == ""


def names_gateway(parent: Mapping[str, Any]) -> bool:
    """Whether a parentRef is a Gateway's."""
    return (parent.get("kind") or "Gateway") == "Gateway" and (parent.get("group") or GATEWAY_API) == GATEWAY_API


def attached_to_service(routes: Iterable[Manifest], namespace: str, name: str, port: int) -> list[Attached]:
    """The routes whose parentRef is the Service `namespace/name`, its namespace defaulting to the route's."""
    found = []
    for route in routes:
        for index, parent in enumerate(route.get("spec", "parentRefs", default=[])):
            if not names_service(parent):
                continue
            if (parent.get("namespace") or route.namespace, parent.get("name")) != (namespace, name):
                continue
            if parent.get("port") in {None, port}:
                found.append(Attached(route=route, parent=index, port=parent.get("port")))
    return found


def attaches(parent: Mapping[str, Any], listener: Mapping[str, Any]) -> bool:
    """Whether a parentRef's section and port fit a listener."""
    section, port = parent.get("sectionName"), parent.get("port")
    return section in {None, listener.get("name")} and port in {None, listener.get("port")}


def attached_to_gateway(routes: Iterable[Manifest], gateway: Manifest, listener: Mapping[str, Any]) -> list[Attached]:
    """The routes whose parentRef is a Gateway, and whose section and port fit the listener."""
    found = []
    for route in routes:
        for index, parent in enumerate(route.get("spec", "parentRefs", default=[])):
            if not names_gateway(parent):
                continue
            if (parent.get("namespace") or route.namespace, parent.get("name")) != (gateway.namespace, gateway.name):
                continue
            if attaches(parent, listener):
                found.append(Attached(route=route, parent=index, port=parent.get("port"), gateway=True))
    return found


def convert(attached: Iterable[Attached], clusters: Clusters, default_port: int | None) -> tuple[list[Route], str]:
    """Envoy routes of all rules, most specific first; and the open question where only age would decide."""
    found = rows(attached, default_port, clusters.place.cluster.of("ReferenceGrant"))
    routes = [_route(row, clusters) for row in found]
    return routes, _open_order(found, routes)


def rows(attached: Iterable[Attached], default_port: int | None = None, grants: Sequence[Manifest] = ()) -> list[Row]:
    """All rules as rows, most specific match first; a route that istiod refuses has none.

    Equal matches go by creation time, then by namespace and name (conversion.go sortRoutesByCreationTime).
    """
    found = [
        Row(
            match=match,
            destinations=_destinations(item, rule, default_port, grants),
            route=item.route,
            parent=item.parent,
            index=index,
            rule=rule,
            gateway=item.gateway,
            grants=tuple(grants),
        )
        for item in attached
        if not refusal(item.route, gateway=item.gateway)
        for index, rule in enumerate(item.route.get("spec", "rules", default=[{}]))
        for match in matches_of(item.route, rule)
    ]
    return sorted(found, key=_order)


def _order(row: Row) -> tuple[object, ...]:
    grpc = row.route.kind == "GRPCRoute"
    place = (-2,) if grpc and not row.rule.get("matches") else rank(row.match, grpc=grpc)
    return tuple(-part for part in place), age(row.route), row.route.namespace, row.route.name, row.index


def age(manifest: Manifest) -> str:
    """When an object was made; "" where its manifest does not say."""
    return str(manifest.get("metadata", "creationTimestamp", default=""))


def _open_order(found: Sequence[Row], routes: Sequence[Route]) -> str:
    """Two routes of different objects with the same match, and no creation time to order them."""
    pairs = list(zip(found, routes, strict=True))
    for (first, one), (second, other) in pairwise(pairs):
        same = first.match == second.match and first.route.key != second.route.key
        if same and age(first.route) == age(second.route) and one.clusters != other.clusters:
            return f"{one.object} and {other.object} match the same requests; the older wins and no age is known"
    return ""


def _destinations(
    item: Attached, rule: Mapping[str, Any], default_port: int | None, grants: Sequence[Manifest]
) -> tuple[Destination, ...]:
    """The backendRefs of positive weight (1 where none is written); raw weights are kept, whatever their sum."""
    found = []
    for backend in rule.get("backendRefs") or []:
        chosen = weight_of(backend)
        if chosen > 0:
            found.append(_destination(item, backend, chosen, default_port, grants))
    return tuple(found)


def _destination(
    item: Attached,
    backend: Mapping[str, Any],
    weight: int,
    default_port: int | None,
    grants: Sequence[Manifest],
) -> Destination:
    kind, group = str(backend.get("kind") or "Service"), str(backend.get("group") or "")
    name, namespace = str(backend.get("name")), str(backend.get("namespace") or item.route.namespace)
    host, refused = name, ""
    if item.gateway and namespace != item.route.namespace and not _granted(item.route, namespace, backend, grants):
        refused = "no ReferenceGrant"
    elif (kind, group) in SERVICES:
        host = fqdn(name, namespace)
    elif (kind, group) != HOSTNAME:
        refused = f"kind {kind}" + (f" of group {group}" if group else "")
    port = backend.get("port") or default_port
    return Destination(
        host=host,
        port=int(port) if port is not None else None,
        weight=weight,
        backend=name,
        refused=refused,
        filters=tuple(backend.get("filters") or ()),
    )


def _granted(route: Manifest, namespace: str, backend: Mapping[str, Any], grants: Sequence[Manifest]) -> bool:
    """Whether a ReferenceGrant in the backend's namespace lets the route refer to it."""
    wanted = (str(backend.get("kind") or "Service"), str(backend.get("group") or ""))
    return any(
        grant.namespace == namespace
        and any(
            (f.get("kind"), f.get("group") or "", f.get("namespace")) == (route.kind, GATEWAY_API, route.namespace)
            for f in grant.get("spec", "from", default=[])
        )
        and any(
            (t.get("kind"), t.get("group") or "") == wanted and t.get("name") in {None, "", backend.get("name")}
            for t in grant.get("spec", "to", default=[])
        )
        for grant in grants
    )


def _route(row: Row, clusters: Clusters) -> Route:
    route, rule = row.route, row.rule
    ident = subject(clusters.place.cluster.name, route.key)
    facts = Facts()
    facts.take(_note(ident, f"spec.parentRefs.{row.parent}.name", route, "spec", "parentRefs", row.parent, "name"))
    for number, backend in enumerate(rule.get("backendRefs") or []):
        weight = backend.get("weight")
        path: tuple[str | int, ...] = ("spec", "rules", row.index, "backendRefs", number)
        facts.note(
            ident,
            f"spec.rules.{row.index}.backendRefs.{number} {backend.get('name')} weight",
            1 if weight is None else weight,
            route.evidence(*path, "weight") if weight is not None else route.evidence(*path),
        )
    weighted = tuple(
        WeightedCluster(cluster=_cluster(d, clusters), weight=d.weight, backend=d.backend) for d in row.destinations
    )
    return Route(
        match=row.match,
        clusters=weighted,
        direct_response=row.status,
        object=ident,
        rule=str(rule.get("name") or row.index),
        unmodelled=tuple(_unmodelled(ident, route, rule)),
        alters=_alters(rule),
        why=facts.read(),
    )


def _cluster(destination: Destination, clusters: Clusters) -> str:
    """The cluster of a backendRef. A missing backend or a refused one answers its share with 500
    (istio core/route/route.go:617 ClusterNotFoundResponseCode)."""
    if destination.refused:
        return clusters.absent(f"UnknownService:{destination.refused}/{destination.backend}", 500)
    service = clusters.known.get(destination.host)
    if service is not None and destination.host in service.also:
        service = None  # a name that only a peer's takeover gives is no Service of this cluster
    port = service.port(destination.port) if service is not None and destination.port is not None else None
    if service is None or port is None:
        host = destination.host if service is None else ""
        return clusters.absent(f"outbound|{destination.port or ''}||{destination.host}", 500, host)
    return clusters.service(service, port)


def _note(ident: str, name: str, manifest: Manifest, *path: str | int) -> Iterator[Fact]:
    yield Fact(ident, name, manifest.get(*path), manifest.evidence(*path))


def _unmodelled(ident: str, route: Manifest, rule: Mapping[str, Any]) -> Iterator[str]:
    if redirects(rule):
        yield f"{ident}: filter {REDIRECT}, the client is redirected"
    extension = extended(route)
    if extension:
        yield f"{ident}: filter {extension}, istiod refuses the whole route for it and other products run it"


def _alters(rule: Mapping[str, Any]) -> frozenset[str]:
    """What of a request a rule's filters change, whichever backend is chosen."""
    found: set[str] = set()
    for part in (rule, *(rule.get("backendRefs") or ())):
        for entry in part.get("filters") or ():
            rewrite, changes = entry.get("urlRewrite") or {}, entry.get("requestHeaderModifier") or {}
            found |= {what for what, key in (("path", "path"), ("authority", "hostname")) if rewrite.get(key)}
            found |= {str(header.get("name")).lower() for key in ("set", "add") for header in changes.get(key) or ()}
            found |= {str(name).lower() for name in changes.get("remove") or ()}
    return frozenset("authority" if name in AUTHORITY else name for name in found)
