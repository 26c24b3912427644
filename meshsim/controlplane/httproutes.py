"""HTTPRoutes as Envoy routes (istio pilot/pkg/config/kube/gateway/conversion.go:230,977-1051)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, final

from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.routematch import matches_of, rank
from meshsim.manifests.manifest import Manifest
from meshsim.model.facts import Fact, Facts
from meshsim.model.frozen import frozen
from meshsim.model.names import fqdn, subject
from meshsim.tables.envoy import Route, RouteMatch, WeightedCluster

KINDS: Final = ("HTTPRoute", "GRPCRoute")
_UNMODELLED_FILTERS: Final = {
    "RequestRedirect": "the client is redirected",
    "ExtensionRef": "an extension filter acts on the request",
}


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

    @property
    def status(self) -> int | None:
        """500 where no backend of positive weight is left (conversion.go:1010)."""
        return None if self.destinations else 500


def attached_to_service(routes: Iterable[Manifest], namespace: str, name: str, port: int) -> list[Attached]:
    """The routes whose parentRef is the Service `namespace/name`, its namespace defaulting to the route's."""
    found = []
    for route in routes:
        for index, parent in enumerate(route.get("spec", "parentRefs", default=[])):
            if parent.get("kind") != "Service" or (parent.get("group") or "") not in {"", "core"}:
                continue
            if (parent.get("namespace") or route.namespace, parent.get("name")) != (namespace, name):
                continue
            if parent.get("port") in {None, port}:
                found.append(Attached(route=route, parent=index, port=parent.get("port")))
    return found


def attached_to_gateway(routes: Iterable[Manifest], gateway: Manifest, listener: Mapping[str, Any]) -> list[Attached]:
    """The routes whose parentRef is a Gateway, and whose section and port fit the listener."""
    found = []
    for route in routes:
        for index, parent in enumerate(route.get("spec", "parentRefs", default=[])):
            if (parent.get("kind") or "Gateway") != "Gateway":
                continue
            if (parent.get("namespace") or route.namespace, parent.get("name")) != (gateway.namespace, gateway.name):
                continue
            if parent.get("sectionName") in {None, listener.get("name")} and parent.get("port") in {
                None,
                listener.get("port"),
            }:
                found.append(Attached(route=route, parent=index, port=parent.get("port"), gateway=True))
    return found


def convert(attached: Iterable[Attached], clusters: Clusters, default_port: int | None) -> tuple[list[Route], str]:
    """Envoy routes of all rules, most specific first; and the open question where only age would decide."""
    found = rows(attached, default_port, clusters.place.cluster.of("ReferenceGrant"))
    routes = [_route(row, clusters) for row in found]
    return routes, _open_order(found, routes)


def rows(attached: Iterable[Attached], default_port: int | None = None, grants: Sequence[Manifest] = ()) -> list[Row]:
    """All rules as rows, most specific match first.

    Equal matches go by creation time, then by name (Gateway API, HTTPRouteRule precedence).
    """
    found = [
        Row(
            match=match,
            destinations=_destinations(item, rule, default_port, grants),
            route=item.route,
            parent=item.parent,
            index=index,
            rule=rule,
        )
        for item in attached
        for index, rule in enumerate(item.route.get("spec", "rules", default=[{}]))
        for match in matches_of(item.route, rule)
    ]
    return sorted(found, key=_order)


def _order(row: Row) -> tuple[object, ...]:
    return (*(-part for part in rank(row.match)), age(row.route), f"{row.route.namespace}/{row.route.name}", row.index)


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
        weight = backend.get("weight")
        chosen = 1 if weight is None else int(weight)
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
    kind, group = backend.get("kind") or "Service", backend.get("group") or ""
    name, namespace = str(backend.get("name")), str(backend.get("namespace") or item.route.namespace)
    host, refused = name, ""
    if (kind, group) in {("Service", ""), ("Service", "core")}:
        host = fqdn(name, namespace)
        if item.gateway and namespace != item.route.namespace and not _granted(item.route, namespace, name, grants):
            refused = "no ReferenceGrant"
    elif (kind, group) != ("Hostname", "networking.istio.io"):
        refused = f"kind {kind}" + (f" of group {group}" if group else "")
    port = backend.get("port") or default_port
    return Destination(
        host=host, port=int(port) if port is not None else None, weight=weight, backend=name, refused=refused
    )


def _granted(route: Manifest, namespace: str, name: str, grants: Sequence[Manifest]) -> bool:
    """Whether a ReferenceGrant in the backend's namespace lets the route refer to the Service."""
    return any(
        grant.namespace == namespace
        and any(
            (f.get("kind"), f.get("namespace")) == (route.kind, route.namespace)
            for f in grant.get("spec", "from", default=[])
        )
        and any(
            t.get("kind") == "Service" and t.get("name") in {None, name} for t in grant.get("spec", "to", default=[])
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
        unmodelled=tuple(_unmodelled(ident, rule)),
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
        return clusters.absent(f"outbound|{destination.port or ''}||{destination.host}", 500)
    return clusters.service(service, port)


def _note(ident: str, name: str, manifest: Manifest, *path: str | int) -> Iterator[Fact]:
    yield Fact(ident, name, manifest.get(*path), manifest.evidence(*path))


def _unmodelled(ident: str, rule: Mapping[str, Any]) -> Iterator[str]:
    for entry in rule.get("filters") or []:
        kind = str(entry.get("type"))
        if kind in _UNMODELLED_FILTERS:
            yield f"{ident}: filter {kind}, {_UNMODELLED_FILTERS[kind]}"
    for backend in rule.get("backendRefs") or []:
        for entry in backend.get("filters") or []:
            kind = str(entry.get("type"))
            if kind in _UNMODELLED_FILTERS:
                yield f"{ident}: backend filter {kind}, {_UNMODELLED_FILTERS[kind]}"
