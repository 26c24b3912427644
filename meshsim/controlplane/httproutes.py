"""HTTPRoutes as Envoy routes (istio pilot/pkg/config/kube/gateway/conversion.go:230,977-1051)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, final

from meshsim.controlplane.clusters import Clusters
from meshsim.manifests.manifest import Manifest
from meshsim.model.facts import Fact, Facts
from meshsim.model.names import fqdn, subject
from meshsim.tables.envoy import MatchType, Route, RouteMatch, StringMatch, WeightedCluster

KINDS: Final = ("HTTPRoute", "GRPCRoute")
_PATH: Final = {"Exact": MatchType.EXACT, "PathPrefix": MatchType.PATH_PREFIX, "RegularExpression": MatchType.REGEX}
_UNMODELLED_FILTERS: Final = {
    "RequestRedirect": "the client is redirected",
    "ExtensionRef": "an extension filter acts on the request",
}
_SPECIFICITY: Final = {MatchType.EXACT: 3, MatchType.PATH_PREFIX: 2, MatchType.PREFIX: 2, MatchType.REGEX: 1}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A route attached to a parent: which of its rules, for which port (None: all)."""

    route: Manifest
    parent: int
    port: int | None


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
                found.append(Attached(route=route, parent=index, port=parent.get("port")))
    return found


def convert(attached: Iterable[Attached], clusters: Clusters, default_port: int | None) -> tuple[list[Route], str]:
    """Envoy routes of all rules, most specific first; and the open question where only age would decide.

    Equal matches go by creation time, then by name (Gateway API, HTTPRouteRule precedence); manifests without a
    creation time leave their order open.
    """
    rows: list[tuple[tuple[int, ...], str, str, int, Route]] = []
    for item in attached:
        for index, rule in enumerate(item.route.get("spec", "rules", default=[])):
            made = _rule(item, index, rule, clusters, default_port)
            for match in _matches(item.route, rule):
                age = str(item.route.get("metadata", "creationTimestamp", default=""))
                order = f"{item.route.namespace}/{item.route.name}"
                rows.append((_rank(match), age, order, index, replace(made, match=match)))
    rows.sort(key=lambda row: (*(tuple(-part for part in row[0]),), row[1], row[2], row[3]))
    return [row[4] for row in rows], _open_order(rows)


def _open_order(rows: list[tuple[tuple[int, ...], str, str, int, Route]]) -> str:
    """Two routes of different objects with the same match, and no creation time to order them."""
    for first, second in zip(rows, rows[1:], strict=False):
        same = first[4].match == second[4].match and first[2] != second[2]
        if same and first[1] == second[1] and first[4].clusters != second[4].clusters:
            return f"{first[4].object} and {second[4].object} match the same requests; the older wins and no age is known"
    return ""


def _rank(match: RouteMatch) -> tuple[int, ...]:
    """Precedence: exact path, longest prefix, then method, header count, query count."""
    kind = _SPECIFICITY[match.path.type] if match.path is not None else 2
    length = len(match.path.value) if match.path is not None else 1
    return kind, length, int(match.method is not None), len(match.headers), len(match.query)


def _rule(item: Attached, index: int, rule: Mapping[str, Any], clusters: Clusters, default_port: int | None) -> Route:
    route = item.route
    here = clusters.place.cluster
    ident = subject(here.name, route.key)
    facts = Facts()
    facts.take(_note(ident, f"spec.parentRefs.{item.parent}.name", route, "spec", "parentRefs", item.parent, "name"))
    weighted = []
    for number, backend in enumerate(rule.get("backendRefs") or []):
        weight = backend.get("weight")
        path: tuple[str | int, ...] = ("spec", "rules", index, "backendRefs", number)
        facts.note(
            ident,
            f"spec.rules.{index}.backendRefs.{number} {backend.get('name')} weight",
            1 if weight is None else weight,
            route.evidence(*path, "weight") if weight is not None else route.evidence(*path),
        )
        weighted.append(
            WeightedCluster(
                cluster=_backend(route, backend, clusters, default_port, path),
                weight=1 if weight is None else int(weight),
                backend=str(backend.get("name")),
            )
        )
    kept = tuple(w for w in weighted if w.weight > 0)
    return Route(
        clusters=kept,
        direct_response=None if kept else 500,
        object=ident,
        rule=str(rule.get("name") or index),
        unmodelled=tuple(_unmodelled(ident, rule)),
        why=facts.read(),
    )


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


def _backend(
    route: Manifest,
    backend: Mapping[str, Any],
    clusters: Clusters,
    default_port: int | None,
    path: tuple[str | int, ...],
) -> str:
    """The cluster of a backendRef. A missing backend or a refused kind answers its share with 500
    (istio core/route/route.go:617 ClusterNotFoundResponseCode)."""
    kind, group = backend.get("kind") or "Service", backend.get("group") or ""
    name = str(backend.get("name"))
    if (kind, group) in {("Service", ""), ("Service", "core")}:
        host = fqdn(name, str(backend.get("namespace") or route.namespace))
    elif (kind, group) == ("Hostname", "networking.istio.io"):
        host = name
    else:
        return clusters.absent(f"UnknownService:{kind}/{name}", 500)
    service = clusters.known.get(host)
    port = service.port(backend.get("port") or default_port) if service is not None else None
    if service is None or port is None:
        return clusters.absent(f"outbound|{backend.get('port') or default_port}||{host}", 500)
    return clusters.service(service, port)


def _matches(route: Manifest, rule: Mapping[str, Any]) -> list[RouteMatch]:
    matches = rule.get("matches") or [{}]
    return [_grpc(match) if route.kind == "GRPCRoute" else _match(match) for match in matches]


def _match(match: Mapping[str, Any]) -> RouteMatch:
    path = match.get("path") or {}
    value = str(path.get("value") or "/")
    kind = _PATH.get(str(path.get("type") or "PathPrefix"), MatchType.PATH_PREFIX)
    anywhere = kind is MatchType.PATH_PREFIX and value == "/"
    return RouteMatch(
        path=None if anywhere else StringMatch(kind, value),
        method=StringMatch(MatchType.EXACT, str(match["method"])) if match.get("method") else None,
        headers=tuple(_named(h) for h in match.get("headers") or []),
        query=tuple(_named(q) for q in match.get("queryParams") or []),
    )


def _grpc(match: Mapping[str, Any]) -> RouteMatch:
    method = match.get("method") or {}
    service, name = method.get("service"), method.get("method")
    path = None
    if method.get("type") == "RegularExpression":
        path = StringMatch(MatchType.REGEX, f"/{service or '[^/]+'}/{name or '[^/]+'}")
    elif service and name:
        path = StringMatch(MatchType.EXACT, f"/{service}/{name}")
    elif service:
        path = StringMatch(MatchType.PREFIX, f"/{service}/")
    elif name:
        path = StringMatch(MatchType.REGEX, f"/[^/]+/{name}")
    return RouteMatch(path=path, headers=tuple(_named(h) for h in match.get("headers") or []))


def _named(entry: Mapping[str, Any]) -> tuple[str, StringMatch]:
    kind = MatchType.REGEX if entry.get("type") == "RegularExpression" else MatchType.EXACT
    return str(entry.get("name")), StringMatch(kind, str(entry.get("value")))
