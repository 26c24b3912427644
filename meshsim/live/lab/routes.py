"""Routes of the tables as Envoy's own: their matches, weights, answers, and what a missing cluster answers."""

from collections.abc import Mapping
from typing import Final

from meshsim.live.lab.resources import Config
from meshsim.tables.envoy import MatchType, Route, RouteMatch, StringMatch

RETRIES: Final[Config] = {
    "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
    "num_retries": 2,
    "host_selection_retry_max_attempts": "5",
    "retry_host_predicate": [
        {
            "name": "previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
            },
        }
    ],
}
"""Istio's default (istio pilot/pkg/networking/core/route/retry/retry.go:36)."""
NO_CLUSTER: Final = {500: "INTERNAL_SERVER_ERROR", 503: "SERVICE_UNAVAILABLE"}
UNKNOWN: Final = 501
"""The answer of a route without destination, which is a redirect or nothing that is known."""


def envoy_route(route: Route, missing: Mapping[str, int]) -> Config:
    """One route. `missing` are the answers of clusters that the proxy does not hold.

    Zero weights are left out, as istiod does; Envoy would refuse a sum of zero.
    """
    made: Config = {"match": _match(route.match)}
    if route.direct_response is not None:
        return {**made, "direct_response": {"status": route.direct_response}}
    if not any(w.weight for w in route.clusters):
        # the model leaves such a route open, so nothing is sent to it; Envoy would refuse its neighbours with it
        return {**made, "direct_response": {"status": UNKNOWN}}
    weights = [{"name": w.cluster, "weight": w.weight} for w in route.clusters if w.weight]
    action: Config = {"weighted_clusters": {"clusters": weights}, "timeout": "0s", "retry_policy": RETRIES}
    answers = {missing.get(w.cluster, 503) for w in route.clusters if w.weight}
    if 500 in answers:
        action["cluster_not_found_response_code"] = NO_CLUSTER[500]
    return {**made, "route": action}


def _match(match: RouteMatch) -> Config:
    made = _path(match.path)
    headers = [_header(name, condition) for name, condition in match.headers]
    headers += [_inverted(name, condition) for name, condition in match.without_headers]
    if match.method is not None:
        headers.append(_header(":method", match.method))
    if match.authority is not None:
        headers.append(_header(":authority", match.authority))
    if headers:
        made["headers"] = headers
    if match.query:
        made["query_parameters"] = [_query(name, condition) for name, condition in match.query]
    return made


def _path(path: StringMatch | None) -> Config:
    if path is None:
        return {"prefix": "/"}
    insensitive: Config = {"case_sensitive": False} if path.ignore_case else {}
    if path.type is MatchType.EXACT:
        return {"path": path.value, **insensitive}
    if path.type is MatchType.REGEX:
        return {"safe_regex": {"regex": f"(?i){path.value}" if path.ignore_case else path.value}}
    stem = path.value.rstrip("/")
    if path.type is MatchType.PATH_PREFIX and stem:
        return {"path_separated_prefix": stem, **insensitive}
    return {"prefix": path.value or "/", **insensitive}


def _header(name: str, condition: StringMatch) -> Config:
    if condition.type is MatchType.PRESENT:
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": _string(condition)}


def _inverted(name: str, condition: StringMatch) -> Config:
    """A header that must not match; a missing one compares as empty, except for mere presence."""
    made = _header(name, condition) | {"invert_match": True}
    return made if condition.type is MatchType.PRESENT else made | {"treat_missing_header_as_empty": True}


def _query(name: str, condition: StringMatch) -> Config:
    if condition.type is MatchType.PRESENT:
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": _string(condition)}


def _string(condition: StringMatch) -> Config:
    insensitive: Config = {"ignore_case": True} if condition.ignore_case else {}
    if condition.type is MatchType.REGEX:
        return {"safe_regex": {"regex": condition.value}}
    if condition.type is MatchType.EXACT:
        return {"exact": condition.value, **insensitive}
    return {"prefix": condition.value, **insensitive}
