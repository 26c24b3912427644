"""VirtualServices as Envoy routes (istio pilot/pkg/networking/core/route/route.go, listener_waypoint.go:1122)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.destinationrules import exported, host_matches
from meshsim.manifests.manifest import Manifest
from meshsim.model.facts import Facts
from meshsim.model.names import absolute_host, subject
from meshsim.tables.envoy import MatchType, Route, RouteMatch, StringMatch, WeightedCluster

MESH: Final = "mesh"
_UNMODELLED: Final = {
    "redirect": "the client is redirected",
    "delegate": "another VirtualService takes over",
    "fault": "faults are injected",
}


def gateways_of(entry: Manifest) -> list[str]:
    """The gateways a VirtualService is bound to: `mesh` by default, others as `namespace/name`."""
    names = entry.get("spec", "gateways", default=[MESH])
    return [n if n == MESH or "/" in n else f"{entry.namespace}/{n}" for n in map(str, names)]


def hosts_of(entry: Manifest) -> list[str]:
    """Its hosts as absolute names."""
    return [absolute_host(str(host), entry.namespace) for host in entry.get("spec", "hosts", default=[])]


def refusal(entry: Manifest) -> str:
    """Why istiod's validation refuses a VirtualService, "" where it does not: several destinations need a weight
    (istio pkg/config/validation/validation.go:2445)."""
    for http in entry.get("spec", "http", default=[]):
        routes = http.get("route") or []
        if len(routes) > 1 and not any(int(part.get("weight") or 0) for part in routes):
            return "refused: total destination weight = 0"
    return ""


def bound(entries: Iterable[Manifest], host: str, gateway: str, namespace: str) -> list[Manifest]:
    """The VirtualServices for a host on a gateway (or `mesh`) that a proxy in `namespace` sees, oldest first."""
    kept = [
        entry
        for entry in entries
        if gateway in gateways_of(entry)
        and not refusal(entry)
        and exported(entry, namespace)
        and any(host_matches(pattern, host) for pattern in hosts_of(entry))
    ]
    return sorted(kept, key=age)


def age(entry: Manifest) -> tuple[str, str, str]:
    """Istio's order: creation time, then name, then namespace (istio pkg/config sortConfigByCreationTime)."""
    return str(entry.get("metadata", "creationTimestamp", default="")), entry.name, entry.namespace


def convert(
    entries: Iterable[Manifest], clusters: Clusters, port: int, gateway: str, *, labels: Mapping[str, str] | None
) -> list[Route]:
    """The routes of VirtualServices, concatenated in the given order; each stops after a route that takes everything.

    `labels` are the client's, for `sourceLabels`; None where such matches are dropped (waypoints, gateways).
    """
    found: list[Route] = []
    for entry in entries:
        for index, http in enumerate(entry.get("spec", "http", default=[])):
            made = _route(entry, index, http, clusters, port)
            matches = list(_matches(http, port, gateway, labels))
            found.extend(replace(made, match=match) for match in matches)
            if any(match.catch_all for match in matches):
                break
    return found


def _route(entry: Manifest, index: int, http: Mapping[str, Any], clusters: Clusters, port: int) -> Route:
    ident = subject(clusters.place.cluster.name, entry.key)
    facts = Facts()
    facts.note(
        ident,
        "spec.hosts",
        ", ".join(map(str, entry.get("spec", "hosts", default=[]))),
        entry.evidence("spec", "hosts"),
    )
    destinations = http.get("route") or []
    weighted = []
    for number, entry_route in enumerate(destinations):
        destination = entry_route.get("destination") or {}
        weight = 1 if len(destinations) == 1 else int(entry_route.get("weight") or 0)
        backend = "/".join(str(p) for p in (destination.get("host"), destination.get("subset")) if p)
        path = ("spec", "http", index, "route", number)
        facts.note(ident, f"spec.http.{index}.route.{number} {backend} weight", weight, entry.evidence(*path, "weight"))
        weighted.append(
            WeightedCluster(cluster=_destination(entry, destination, clusters, port), weight=weight, backend=backend)
        )
    direct = (http.get("directResponse") or {}).get("status")
    return Route(
        clusters=tuple(w for w in weighted if w.weight > 0),
        direct_response=int(direct) if direct is not None else None,
        object=ident,
        rule=str(http.get("name") or index),
        unmodelled=tuple(f"{ident}: {key}, {why}" for key, why in _UNMODELLED.items() if http.get(key)),
        why=facts.read(),
    )


def _destination(entry: Manifest, destination: Mapping[str, Any], clusters: Clusters, port: int) -> str:
    """The cluster of a destination; an unknown host has none: 503 NC."""
    host = absolute_host(str(destination.get("host", "")), entry.namespace)
    subset = str(destination.get("subset") or "")
    number = (destination.get("port") or {}).get("number")
    service = clusters.known.get(host)
    if service is None:
        return clusters.absent(f"outbound|{number or port}|{subset}|{host}", 503)
    chosen = service.port(number) if number is not None or len(service.ports) == 1 else service.port(port)
    if chosen is None:
        return clusters.absent(f"outbound|{number or port}|{subset}|{host}", 503)
    return clusters.service(service, chosen, subset)


def _matches(
    http: Mapping[str, Any], port: int, gateway: str, labels: Mapping[str, str] | None
) -> Iterator[RouteMatch]:
    entries = http.get("match") or []
    if not entries:
        yield RouteMatch()
    for entry in entries:
        wanted = entry.get("sourceLabels")
        if wanted and (labels is None or not wanted.items() <= dict(labels).items()):
            continue
        if entry.get("port") not in {None, port}:
            continue
        if entry.get("gateways") and gateway not in entry["gateways"]:
            continue
        yield RouteMatch(
            path=_string(entry.get("uri"), bool(entry.get("ignoreUriCase"))),
            method=_string(entry.get("method")),
            authority=_string(entry.get("authority")),
            headers=tuple((name, _string(m) or StringMatch(MatchType.PRESENT)) for name, m in _items(entry, "headers")),
            without_headers=tuple(
                (name, _string(m) or StringMatch(MatchType.PRESENT)) for name, m in _items(entry, "withoutHeaders")
            ),
            query=tuple(
                (name, _string(m) or StringMatch(MatchType.PRESENT)) for name, m in _items(entry, "queryParams")
            ),
        )


def _items(entry: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    return sorted((entry.get(key) or {}).items())


def _string(match: Mapping[str, Any] | None, ignore_case: bool = False) -> StringMatch | None:
    for kind in (MatchType.EXACT, MatchType.PREFIX, MatchType.REGEX):
        if match and match.get(kind.value) is not None:
            if kind is MatchType.PREFIX and match[kind.value] == "/":
                return None
            return StringMatch(kind, str(match[kind.value]), ignore_case)
    return None
