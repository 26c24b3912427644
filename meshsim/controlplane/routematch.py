"""What requests a rule of an HTTPRoute or GRPCRoute takes, and which of two matches is the more specific
(istio pilot/pkg/config/kube/gateway/conversion.go:230; Gateway API, HTTPRouteRule)."""

from collections.abc import Mapping
from typing import Any, Final

from meshsim.manifests.manifest import Manifest
from meshsim.tables.envoy import MatchType, RouteMatch, StringMatch

_PATH: Final = {"Exact": MatchType.EXACT, "PathPrefix": MatchType.PATH_PREFIX, "RegularExpression": MatchType.REGEX}
_SPECIFICITY: Final = {MatchType.EXACT: 3, MatchType.PATH_PREFIX: 2, MatchType.PREFIX: 2, MatchType.REGEX: 1}


def rank(match: RouteMatch) -> tuple[int, ...]:
    """Precedence: exact path, longest prefix, then method, header count, query count."""
    kind = _SPECIFICITY[match.path.type] if match.path is not None else 2
    length = len(match.path.value) if match.path is not None else 1
    return kind, length, int(match.method is not None), len(match.headers), len(match.query)


def matches_of(route: Manifest, rule: Mapping[str, Any]) -> list[RouteMatch]:
    """A rule's matches; without any it takes everything."""
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
