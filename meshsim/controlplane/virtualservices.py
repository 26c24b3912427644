"""VirtualServices as Envoy routes (istio pilot/pkg/networking/core/route/route.go, listener_waypoint.go:1122)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.delegates import MESH, HttpRoute, gateway_name, http_of
from meshsim.controlplane.destinationrules import exported, host_matches, specificity
from meshsim.controlplane.httproutes import AUTHORITY
from meshsim.manifests.manifest import Manifest
from meshsim.model.facts import Facts
from meshsim.model.names import absolute_host, subject
from meshsim.tables.envoy import MatchType, Route, RouteMatch, StringMatch, WeightedCluster

_CLAIM: Final = "@request.auth.claims"
_TOKEN: Final = ("authorization", StringMatch(MatchType.PRESENT))


def gateways_of(entry: Manifest) -> list[str]:
    """The gateways a VirtualService is bound to: `mesh` by default, others as `namespace/name`."""
    return [gateway_name(str(name), entry.namespace) for name in entry.get("spec", "gateways", default=[]) or [MESH]]


def hosts_of(entry: Manifest) -> list[str]:
    """Its hosts as absolute names."""
    return [absolute_host(str(host), entry.namespace) for host in entry.get("spec", "hosts", default=[])]


def best_host(entry: Manifest, host: str) -> tuple[bool, int]:
    """How specific the most specific of its hosts is that takes `host`."""
    return max((specificity(p) for p in hosts_of(entry) if host_matches(p, host)), default=(False, 0))


def refusal(entry: Manifest) -> str:
    """Why istiod's validation refuses a VirtualService, "" where it does not: several destinations need a weight
    (istio pkg/config/validation/validation.go:2445)."""
    for http in entry.get("spec", "http", default=[]):
        routes = http.get("route") or []
        if len(routes) > 1 and not any(int(part.get("weight") or 0) for part in routes):
            return "refused: total destination weight = 0"
    return ""


def bound(entries: Iterable[Manifest], host: str, gateway: str, namespace: str) -> list[Manifest]:
    """The VirtualServices for a host ("": any) on a gateway (or `mesh`) that a proxy in `namespace` sees, oldest
    first."""
    kept = [
        entry
        for entry in entries
        if gateway in gateways_of(entry)
        and not refusal(entry)
        and exported(entry, namespace)
        and any(not host or host_matches(pattern, host) for pattern in hosts_of(entry))
    ]
    return sorted(kept, key=age)


def age(entry: Manifest) -> tuple[str, str, str]:
    """Istio's order: creation time, then name, then namespace (istio pkg/config sortConfigByCreationTime)."""
    return str(entry.get("metadata", "creationTimestamp", default="")), entry.name, entry.namespace


def convert(
    entries: Iterable[Manifest],
    clusters: Clusters,
    port: int,
    gateway: str,
    *,
    labels: Mapping[str, str] | None,
    namespace: str = "",
) -> list[Route]:
    """The routes of VirtualServices, concatenated in the given order; each stops after a route that takes everything.

    `labels` are the client's, for `sourceLabels`; None where such matches are dropped (waypoints). `namespace` is the
    proxy's, for `sourceNamespace`.
    """
    others = [e for e in clusters.place.cluster.of("VirtualService") if not e.get("spec", "hosts") and not refusal(e)]
    found: list[Route] = []
    for entry in entries:
        for http in http_of(entry, others):
            made = _route(entry, http, clusters, port)
            routes = [
                replace(made, match=match, unmodelled=(*made.unmodelled, *unknown))
                for match, unknown in _matches(http.spec, port, gateway, labels, namespace)
            ]
            found.extend(routes)
            if any(route.match.catch_all for route in routes):
                break
    return found


def _route(entry: Manifest, http: HttpRoute, clusters: Clusters, port: int) -> Route:
    """One `http` entry; a delegate's is the delegate's own, and its root is among the facts."""
    owner, spec = http.owner, http.spec
    ident = subject(clusters.place.cluster.name, owner.key)
    facts = Facts()
    facts.note(
        subject(clusters.place.cluster.name, entry.key),
        "spec.hosts",
        ", ".join(map(str, entry.get("spec", "hosts", default=[]))),
        entry.evidence("spec", "hosts"),
    )
    destinations = spec.get("route") or []
    weighted = []
    for number, entry_route in enumerate(destinations):
        destination = entry_route.get("destination") or {}
        weight = 1 if len(destinations) == 1 else int(entry_route.get("weight") or 0)
        backend = "/".join(str(p) for p in (destination.get("host"), destination.get("subset")) if p)
        path = ("spec", "http", http.number, "route", number)
        facts.note(
            ident, f"spec.http.{http.number}.route.{number} {backend} weight", weight, owner.evidence(*path, "weight")
        )
        weighted.append(
            WeightedCluster(cluster=_destination(owner, destination, clusters, port), weight=weight, backend=backend)
        )
    direct = (spec.get("directResponse") or {}).get("status")
    return Route(
        clusters=tuple(w for w in weighted if w.weight > 0),
        direct_response=int(direct) if direct is not None else None,
        object=ident,
        rule=str(spec.get("name") or http.number),
        unmodelled=tuple(f"{ident}: {why}" for why in _unmodelled(spec)),
        alters=_alters(spec),
        why=facts.read(),
    )


def _alters(spec: Mapping[str, Any]) -> frozenset[str]:
    """What of a request an entry changes, whichever destination is chosen."""
    rewrite = spec.get("rewrite") or {}
    found = {"path"} if rewrite.get("uri") or rewrite.get("uriRegexRewrite") else set()
    found |= {"authority"} if rewrite.get("authority") else set()
    for part in (spec, *(spec.get("route") or ())):
        changes = (part.get("headers") or {}).get("request") or {}
        names = [*(changes.get("set") or ()), *(changes.get("add") or ()), *(changes.get("remove") or ())]
        found |= {"authority" if str(name).lower() in AUTHORITY else str(name).lower() for name in names}
    return frozenset(found)


def _unmodelled(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec.get("redirect"):
        yield "redirect, the client is redirected"
    fault = spec.get("fault") or {}
    if fault.get("abort"):
        yield "fault, faults are injected"
    elif fault and spec.get("timeout"):
        yield "fault, requests are delayed and may run into the timeout"


def _destination(entry: Manifest, destination: Mapping[str, Any], clusters: Clusters, port: int) -> str:
    """The cluster of a destination; an unknown host has none: 503 NC."""
    host = absolute_host(str(destination.get("host", "")), entry.namespace)
    subset = str(destination.get("subset") or "")
    number = (destination.get("port") or {}).get("number")
    service = clusters.known.get(host)
    if service is None:
        return clusters.absent(f"outbound|{number or port}|{subset}|{host}", 503, host)
    chosen = service.port(number) if number is not None or len(service.ports) == 1 else service.port(port)
    if chosen is None:
        return clusters.absent(f"outbound|{number or port}|{subset}|{host}", 503)
    return clusters.service(service, chosen, subset)


def _matches(
    http: Mapping[str, Any], port: int, gateway: str, labels: Mapping[str, str] | None, namespace: str
) -> Iterator[tuple[RouteMatch, Sequence[str]]]:
    """The matches of an entry at one proxy, and what of each is not modelled (route.go TranslateRoute)."""
    entries = http.get("match") or []
    if not entries:
        yield RouteMatch(), ()
    for entry in entries:
        if entry.get("port") not in {None, 0, port} or not _for_proxy(entry, gateway, labels, namespace):
            continue
        headers, without, unknown = _headers(entry)
        yield (
            RouteMatch(
                path=_path(entry.get("uri"), bool(entry.get("ignoreUriCase"))),
                method=_string(entry.get("method")),
                authority=_string(entry.get("authority")),
                headers=headers,
                without_headers=without,
                query=tuple((name, _present_or(m)) for name, m in _items(entry, "queryParams")),
            ),
            unknown,
        )


def _for_proxy(entry: Mapping[str, Any], gateway: str, labels: Mapping[str, str] | None, namespace: str) -> bool:
    """Whether a match is meant for this proxy: gateways count alone where they are named, else the client's labels
    and namespace (route.go sourceMatchHTTP). A waypoint drops all that have sourceLabels, and compares
    sourceNamespace with its own (listener_waypoint.go waypointInboundRoute)."""
    wanted = entry.get("sourceLabels") or {}
    if wanted and labels is None:
        return False
    if entry.get("gateways"):
        return gateway in entry["gateways"]
    if wanted and not wanted.items() <= dict(labels or {}).items():
        return False
    return entry.get("sourceNamespace") in {None, "", namespace}


_Conditions = tuple[tuple[str, StringMatch], ...]


def _headers(entry: Mapping[str, Any]) -> tuple[_Conditions, _Conditions, Sequence[str]]:
    """The headers that must match, those that must not, and what is not modelled: claims of a token, which a request
    without one surely lacks (route.go translateMetadataMatch)."""
    headers = [(name, _present_or(m)) for name, m in _items(entry, "headers")]
    without = [(name, _present_or(m)) for name, m in _items(entry, "withoutHeaders")]
    unknown = []
    if any(name.startswith(_CLAIM) for name, _ in headers):
        headers = [*(h for h in headers if not h[0].startswith(_CLAIM)), _TOKEN]
        unknown.append("a match of a token's claims; tokens are not evaluated")
    elif any(name.startswith(_CLAIM) for name, _ in without):
        unknown.append("a match of the claims that a token lacks; tokens are not evaluated")
    kept = [w for w in without if not w[0].startswith(_CLAIM)]
    return tuple(headers), tuple(kept), unknown


def _items(entry: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    return sorted((entry.get(key) or {}).items())


def _path(match: Mapping[str, Any] | None, ignore_case: bool) -> StringMatch | None:
    if match and match.get("prefix") == "/":
        return None
    return _string(match, ignore_case)


def _present_or(match: Mapping[str, Any] | None) -> StringMatch:
    """A header's or parameter's condition; none at all, and the expression `*`, ask for its presence only (route.go
    canBeConvertedToPresentMatch)."""
    found = _string(match)
    if found is None or (found.type is MatchType.REGEX and found.value == "*"):
        return StringMatch(MatchType.PRESENT)
    return found


def _string(match: Mapping[str, Any] | None, ignore_case: bool = False) -> StringMatch | None:
    for kind in (MatchType.EXACT, MatchType.PREFIX, MatchType.REGEX):
        if match and match.get(kind.value) is not None:
            return StringMatch(kind, str(match[kind.value]), ignore_case)
    return None
