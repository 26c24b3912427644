"""What requests a rule of an HTTPRoute or GRPCRoute takes, and which of two matches is the more specific
(istio pilot/pkg/config/kube/gateway/conversion.go:230; Gateway API, HTTPRouteRule)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshsim.manifests.manifest import Manifest
from meshsim.tables.envoy import MatchType, RouteMatch, StringMatch

_PATH: Final = {"Exact": MatchType.EXACT, "PathPrefix": MatchType.PATH_PREFIX, "RegularExpression": MatchType.REGEX}
_SPECIFICITY: Final = {MatchType.EXACT: 3, MatchType.PATH_PREFIX: 2, MatchType.PREFIX: 2, MatchType.REGEX: 1}


def rank(match: RouteMatch, *, grpc: bool = False) -> tuple[int, ...]:
    """Precedence: exact path, longest prefix, then method, header count, query count (conversion.go sortHTTPRoutes).

    The API server gives a match of an HTTPRoute without a path the prefix `/`; one of a GRPCRoute has none and comes
    after all that have.
    """
    path = match.path
    kind, length = (_SPECIFICITY[path.type], len(path.value)) if path is not None else (-1, 0) if grpc else (2, 1)
    return kind, length, int(match.method is not None), len(match.headers), len(match.query)


def matches_of(route: Manifest, rule: Mapping[str, Any]) -> list[RouteMatch]:
    """A rule's matches; without any it takes everything."""
    matches = rule.get("matches") or [{}]
    return [_grpc(match) if route.kind == "GRPCRoute" else _match(match) for match in matches]


def unknown_type(route: Manifest, rule: Mapping[str, Any]) -> str:
    """What istiod refuses about a rule's matches, "" where nothing (conversion.go createURIMatch)."""
    for match in rule.get("matches") or ():
        method = match.get("method")
        if route.kind == "GRPCRoute":
            if method and not method.get("method") and not method.get("service"):
                return "a gRPC match needs a method or a service"
            types = [(method or {}).get("type")]
        else:
            path = (match.get("path") or {}).get("type")
            if path not in {None, *_PATH}:
                return f"the path type {path} is unknown"
            types = [query.get("type") for query in match.get("queryParams") or ()]
        types += [header.get("type") for header in match.get("headers") or ()]
        unknown = next((t for t in types if t not in {None, "Exact", "RegularExpression"}), None)
        if unknown is not None:
            return f"the match type {unknown} is unknown"
    return ""


def _match(match: Mapping[str, Any]) -> RouteMatch:
    path = match.get("path") or {}
    value = str(path.get("value") or "/")
    kind = _PATH.get(str(path.get("type") or "PathPrefix"), MatchType.PATH_PREFIX)
    if kind is MatchType.PATH_PREFIX and value != "/":
        value = value.removesuffix("/")
    anywhere = kind is MatchType.PATH_PREFIX and value == "/"
    return RouteMatch(
        path=None if anywhere else StringMatch(kind, value),
        method=StringMatch(MatchType.EXACT, str(match["method"])) if match.get("method") else None,
        headers=_named(match.get("headers")),
        query=_named(match.get("queryParams")),
    )


def _grpc(match: Mapping[str, Any]) -> RouteMatch:
    method = match.get("method") or {}
    service, name = method.get("service"), method.get("method")
    path = None
    if method.get("type") == "RegularExpression" and (service or name):
        path = StringMatch(MatchType.REGEX, f"/{service or '[^/]+'}/{name or '.+'}")
    elif service and name:
        path = StringMatch(MatchType.EXACT, f"/{service}/{name}")
    elif service:
        path = StringMatch(MatchType.PREFIX, f"/{service}/")
    elif name:
        path = StringMatch(MatchType.REGEX, f"/[^/]+/{name}")
    return RouteMatch(path=path, headers=_named(match.get("headers")))


def _named(entries: Sequence[Mapping[str, Any]] | None) -> tuple[tuple[str, StringMatch], ...]:
    """Conditions by name; of two with the same name istiod keeps the last."""
    found = {}
    for entry in entries or ():
        kind = MatchType.REGEX if entry.get("type") == "RegularExpression" else MatchType.EXACT
        found[str(entry.get("name"))] = StringMatch(kind, str(entry.get("value") or ""))
    return tuple(found.items())
