"""A rule of a Gateway API route written as an entry of a VirtualService, CORS aside
(istio pilot/pkg/config/kube/gateway/conversion.go convertHTTPRoute, convertTCPRoute, convertTLSRoute)."""

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from meshsim.controlplane.destinationrules import host_matches
from meshsim.controlplane.httproutes import Destination, Row, redirects
from meshsim.tables.envoy import MatchType, StringMatch

_STRING: Final = {
    MatchType.EXACT: "exact",
    MatchType.PREFIX: "prefix",
    MatchType.PATH_PREFIX: "prefix",
    MatchType.REGEX: "regex",
}
_RETRY_ON: Final = ("connect-failure", "refused-stream", "unavailable", "cancelled")
_SECONDS: Final = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}
_NOWHERE: Final = {"host": "internal.cluster.local", "subset": "zero-weight", "port": {"number": 65535}}
"""Where istiod sends connections that no backend of positive weight takes."""


def written(
    row: Row, section: str, port: int | None, host: str, missing: Callable[[str], bool] = lambda _: False
) -> dict[str, Any]:
    """The entry under `http`, `tcp` or `tls`; `port` is the parentRef's and `host` the parent's. Copies for a host that
    is `missing` are not sent."""
    if section == "http":
        return _http(row, port, missing)
    route = [*map(_destination, row.destinations)] or [{"destination": _NOWHERE}]
    if len(row.destinations) > 1:
        route = [{**part, "weight": d.weight} for part, d in zip(route, row.destinations, strict=True)]
    match: dict[str, Any] = {} if port is None else {"port": port}
    if section == "tls":
        names = [str(h) for h in row.route.get("spec", "hostnames", default=[])] or ["*"]
        if not row.gateway:
            names = [host] if names == ["*"] else names
            names = [n for n in names if host_matches(n, host)] if len(names) > 1 else names
        match["sniHosts"] = names
    return {**({"match": [match]} if match else {}), "route": route}


def _http(row: Row, port: int | None, missing: Callable[[str], bool]) -> dict[str, Any]:
    name = str(row.rule.get("name") or f"{row.route.namespace}.{row.route.name}.{row.index}")
    entry: dict[str, Any] = {"name": name}
    match = _match(row, port)
    if match:
        entry["match"] = [match]
    entry |= _filters(row, row.rule.get("filters") or (), missing)
    entry |= _limits(row.rule)
    if row.status is not None:
        entry["directResponse"] = {"status": row.status}
    elif row.destinations:
        entry["route"] = [_weighted(row, d) for d in row.destinations]
    return entry


def _match(row: Row, port: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if row.match.path is not None:
        found["uri"] = _string(row.match.path)
    elif row.rule.get("matches") and row.route.kind != "GRPCRoute":
        found["uri"] = {"prefix": "/"}
    if row.match.method is not None:
        found["method"] = _string(row.match.method)
    for key, conditions in (("headers", row.match.headers), ("queryParams", row.match.query)):
        if conditions:
            found[key] = {name: _string(condition) for name, condition in conditions}
    if port is not None:
        found["port"] = port
    return found


def _string(match: StringMatch) -> dict[str, str]:
    return {_STRING[match.type]: match.value}


def _destination(destination: Destination) -> dict[str, Any]:
    """Where a backendRef leads: nowhere where it is refused, which Envoy knows as the cluster UnknownService."""
    if destination.refused:
        return {"destination": {}}
    return {"destination": {"host": destination.host, "port": {"number": destination.port}}}


def _weighted(row: Row, destination: Destination) -> dict[str, Any]:
    """A backend with its weight, which is left out for the only one of positive weight."""
    found = _destination(destination)
    headers = _headers(destination.filters)
    if headers:
        found["headers"] = headers
    return {**found, "weight": destination.weight} if len(row.destinations) > 1 else found


def _filters(row: Row, filters: Sequence[Mapping[str, Any]], missing: Callable[[str], bool]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    headers = _headers(filters)
    if headers:
        found["headers"] = headers
    for entry in filters:
        match entry.get("type"):
            case "RequestRedirect" if redirects(row.rule):
                found["redirect"] = _redirect(entry.get("requestRedirect") or {})
            case "URLRewrite":
                found |= _rewrite(entry.get("urlRewrite") or {})
            case "RequestMirror":
                mirror = _mirror(row, entry.get("requestMirror") or {}, missing)
                found["mirrors"] = [*found.get("mirrors", ()), *mirror]
    return {key: value for key, value in found.items() if value}


def _headers(filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = {}
    for side in ("request", "response"):
        for entry in filters:
            if str(entry.get("type")).lower() != f"{side}headermodifier":
                continue
            changes = entry.get(f"{side}HeaderModifier") or {}
            operations: dict[str, Any] = {key: _by_name(changes[key]) for key in ("set", "add") if changes.get(key)}
            if changes.get("remove"):
                operations["remove"] = list(changes["remove"])
            found[side] = operations
    return found


def _by_name(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any] | list[str]:
    """Headers by their name in lower case; of equal names the first counts."""
    found: dict[str, Any] = {}
    for entry in entries:
        found.setdefault(str(entry.get("name")).lower(), entry.get("value"))
    return found


def _redirect(filter_: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if filter_.get("statusCode"):
        found["redirectCode"] = filter_["statusCode"]
    if filter_.get("hostname"):
        found["authority"] = filter_["hostname"]
    if filter_.get("scheme"):
        found["scheme"] = filter_["scheme"]
    if filter_.get("port"):
        found["port"] = filter_["port"]
    else:
        found["derivePort"] = "FROM_PROTOCOL_DEFAULT" if filter_.get("scheme") else "FROM_REQUEST_PORT"
    path = filter_.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        found["uri"] = path.get("replaceFullPath")
    elif path.get("type") == "ReplacePrefixMatch":
        found["prefixRewrite"] = path.get("replacePrefixMatch")
    return found


def _rewrite(filter_: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    path = filter_.get("path") or {}
    if path.get("type") == "ReplacePrefixMatch":
        found["uri"] = str(path.get("replacePrefixMatch") or "").removesuffix("/") or "/"
    elif path.get("type") == "ReplaceFullPath":
        found["uriRegexRewrite"] = {"match": "/.*", "rewrite": path.get("replaceFullPath")}
    if filter_.get("hostname"):
        found["authority"] = filter_["hostname"]
    return {"rewrite": found} if found else {}


def _mirror(row: Row, filter_: Mapping[str, Any], missing: Callable[[str], bool]) -> list[dict[str, Any]]:
    """Where copies go; to a backend that is refused or missing, none do."""
    destination = row.mirror(filter_.get("backendRef") or {})
    if destination.refused or missing(destination.host):
        return []
    fraction, percent = filter_.get("fraction"), filter_.get("percent")
    if fraction:
        share = 100 * fraction.get("numerator", 0) / (fraction.get("denominator") or 100)
    elif percent is not None:
        share = float(percent)
    else:
        return [_destination(destination)]
    return [{**_destination(destination), "percentage": {"value": share}}]


def _limits(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Retries and the timeout that counts: the backend's where there are no retries to bound with it."""
    found: dict[str, Any] = {}
    retry, timeouts = rule.get("retry"), rule.get("timeouts") or {}
    request, backend = _duration(timeouts.get("request")), _duration(timeouts.get("backendRequest"))
    if retry is not None and retry.get("attempts") != 0:
        attempts = int(retry.get("attempts") or 2)
        codes = [str(code) for code in retry.get("codes") or ()]
        found["retries"] = {"attempts": attempts, "retryOn": ",".join((*_RETRY_ON, *codes))}
        if retry.get("backoff"):
            found["retries"]["backoff"] = _duration(retry["backoff"])
        if backend:
            found["retries"]["perTryTimeout"] = backend
    timeout = backend if backend and retry is None else request
    if timeout:
        found["timeout"] = timeout
    return found


def _duration(text: Any) -> str:
    """A Gateway API duration in seconds, "" for none at all.

    >>> _duration("1m30s"), _duration("10ms"), _duration("0s")
    ('90s', '0.01s', '')
    """
    parts = re.findall(r"(\d+)(ms|h|m|s)", str(text or ""))
    seconds = sum((Fraction(int(number)) * _SECONDS[unit] for number, unit in parts), Fraction(0))
    return f"{float(seconds):.9g}s" if seconds else ""
