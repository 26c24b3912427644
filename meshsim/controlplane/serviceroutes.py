"""Which routes count for a service at a waypoint or a sidecar, and in which order
(istio pilot/pkg/model/push_context.go:1138-1166, core/listener_waypoint.go:1122).

istiod turns HTTPRoutes into VirtualServices, one for each parent and namespace. A waypoint concatenates all that it
sees: private ones, those exported to its namespace, public HTTPRoutes of its own namespace, and what else is public by
age. A sidecar takes the first alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import final

from meshsim.controlplane import httproutes, tcproutes, virtualservices
from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.delegates import MESH
from meshsim.controlplane.destinationrules import host_matches
from meshsim.controlplane.httproutes import Attached
from meshsim.controlplane.known import KnownService, Port
from meshsim.controlplane.routerefusal import refusal
from meshsim.manifests.manifest import Manifest
from meshsim.model.facts import Facts
from meshsim.model.frozen import frozen
from meshsim.model.names import subject
from meshsim.tables.envoy import Route


class _Group(IntEnum):
    """The groups of istiod's order; inside one, age decides."""

    PRIVATE = 0
    EXPORTED = 1
    OWN_HTTP_ROUTE = 2
    PUBLIC = 3


@final
@frozen
class _Entry:
    """One VirtualService as istiod orders it: written as such, or made of `attached` HTTPRoutes."""

    group: _Group
    age: str
    name: str
    namespace: str
    manifest: Manifest
    attached: tuple[Attached, ...] = ()

    @property
    def order(self) -> tuple[int, str, str, str]:
        return self.group, self.age, self.name, self.namespace


def http_routes(
    clusters: Clusters,
    service: KnownService,
    port: Port,
    *,
    namespace: str,
    everywhere: bool,
    labels: Mapping[str, str] | None = None,
) -> tuple[list[Route], str]:
    """The HTTP routes of a service at a proxy in `namespace`, in order, and the open question on that order.

    A waypoint keeps objects of its own and the service's namespace. A sidecar (`everywhere`) sees VirtualServices of
    all namespaces and uses one object only: of those with a route for the port, the one whose host is the most
    specific, and then the first; HTTPRoutes of its own namespace come first.
    """
    entries = _entries(clusters, service, port, namespace, everywhere=everywhere)
    if everywhere:
        return _first(entries, clusters, service, port, namespace, labels)
    found: list[Route] = []
    question = ""
    for group in _groups(entries):
        question = question or unknown_age([e.manifest for e in group])
        for entry in group:
            routes, also = _converted(entry, clusters, port, namespace, labels)
            found += routes
            question = question or also
        if any(route.match.catch_all for route in found):
            break
    return found, question


def _first(
    entries: Sequence[_Entry],
    clusters: Clusters,
    service: KnownService,
    port: Port,
    namespace: str,
    labels: Mapping[str, str] | None,
) -> tuple[list[Route], str]:
    """The routes of the one object that a sidecar uses for a service: a virtual host is made once, and a wildcard
    takes a service only where no other object names it more exactly (route.go separateVSHostsAndServices, sidecar.go
    computeWildcardHostVirtualServiceIndex). All that may be the first where their age is not known."""
    hosts = {id(e): (True, 0) if e.attached else virtualservices.best_host(e.manifest, service.host) for e in entries}
    exact = max((found[0] for found in hosts.values()), default=False)
    best = max(hosts.values(), default=(False, 0))
    kept = [e for e in entries if (hosts[id(e)][0] if exact else hosts[id(e)] == best)]
    for group in _groups(kept):
        made = [(e, *_converted(e, clusters, port, namespace, labels)) for e in group]
        made = [one for one in made if one[1]]
        if made:
            question = unknown_age([entry.manifest for entry, _, _ in made])
            used = made if question else made[:1]
            return [r for _, routes, _ in used for r in routes], question or used[0][2]
    return [], ""


def mixed(clusters: Clusters, service: KnownService, port: Port, *, namespace: str) -> bool:
    """Whether both HTTPRoutes and VirtualServices are there for a service at a waypoint."""
    entries = _entries(clusters, service, port, namespace, everywhere=False)
    return len({bool(entry.attached) for entry in entries}) > 1


def tcp_route(clusters: Clusters, service: KnownService, port: Port, *, namespace: str) -> Route | None:
    """The route of a connection to a port that is not HTTP, or None where no object has one for it."""
    here = clusters.place.cluster
    near = {namespace, service.namespace}
    bound = virtualservices.bound(here.of("VirtualService"), service.host, MESH, namespace)
    objects = [m for m in here.of(*tcproutes.KINDS) if m.namespace in near] + [e for e in bound if e.namespace in near]
    order = sorted(objects, key=lambda m: (_group_of(m, namespace), httproutes.age(m), m.name, m.namespace))
    found = [(m, route) for m in order if (route := tcproutes.route_of(m, clusters, service, port)) is not None]
    if not found:
        return None
    first = _group_of(found[0][0], namespace)
    rivals = [manifest for manifest, _ in found if _group_of(manifest, namespace) is first]
    question = unknown_age(rivals)
    return replace(found[0][1], unmodelled=(question,)) if question else found[0][1]


def refused(clusters: Clusters, service: KnownService, facts: Facts) -> None:
    """Record the VirtualServices and routes for a service that istiod refuses, so that they are not in force."""
    for route in clusters.place.cluster.of(*httproutes.KINDS):
        for index, parent in enumerate(route.get("spec", "parentRefs", default=[])):
            place = (parent.get("namespace") or route.namespace, parent.get("name"))
            if parent.get("kind") != "Service" or place != (service.namespace, service.name):
                continue
            ident, path = subject(clusters.place.cluster.name, route.key), ("spec", "parentRefs", index, "group")
            if not httproutes.names_service(parent):
                why = f'ignored: the group of a Service is "", not {parent.get("group") or httproutes.GATEWAY_API}'
                facts.note(ident, f"spec.parentRefs.{index}.group", why, route.evidence(*path))
            elif why := refusal(route):
                facts.note(ident, "conversion", f"refused: {why}", route.evidence("spec", "rules"))
    for entry in clusters.place.cluster.of("VirtualService"):
        why = virtualservices.refusal(entry)
        hosts = virtualservices.hosts_of(entry)
        if why and any(host_matches(pattern, service.host) for pattern in hosts):
            ident = subject(clusters.place.cluster.name, entry.key)
            facts.note(ident, "validation", why, entry.evidence("spec", "http"))


def unknown_age(objects: Sequence[Manifest]) -> str:
    """The open question where the order of objects decides and their creation times are not given."""
    objects = list({o.key: o for o in objects}.values())
    times = {httproutes.age(o) for o in objects}
    if len(objects) < 2 or (len(times) == len(objects) and "" not in times):
        return ""
    names = " and ".join(str(o.key) for o in objects)
    return f"{names} are ordered by age, and their manifests have no creationTimestamp"


def _entries(
    clusters: Clusters, service: KnownService, port: Port, namespace: str, *, everywhere: bool
) -> list[_Entry]:
    here = clusters.place.cluster
    near = {namespace, service.namespace}
    found: list[_Entry] = []
    if _covered(clusters, service):
        attached = httproutes.attached_to_service(
            here.of(*httproutes.KINDS), service.namespace, service.name, port.number
        )
        for place in near:
            for number in (port.number, None):
                mine = tuple(a for a in attached if a.route.namespace == place and a.port == number)
                if mine and any(not refusal(a.route) for a in mine):
                    found.append(_from_routes(mine, namespace, service.host))
    for entry in virtualservices.bound(here.of("VirtualService"), service.host, MESH, namespace):
        if everywhere or entry.namespace in near:
            group, made = _group_of(entry, namespace), httproutes.age(entry)
            found.append(_Entry(group=group, age=made, name=entry.name, namespace=entry.namespace, manifest=entry))
    return sorted(found, key=lambda e: e.order)


def _covered(clusters: Clusters, service: KnownService) -> bool:
    """Whether HTTPRoutes here attach to this name of the service: the parent must be a Service here, and a generated
    host needs a product whose routes cover it."""
    dialect = clusters.place.cluster.dialect
    if service.service is None and not dialect.value("route.parent-elsewhere"):
        return False
    return not service.global_host or bool(dialect.value("route.covers-global-host"))


def _from_routes(attached: tuple[Attached, ...], namespace: str, host: str) -> _Entry:
    """The VirtualService that HTTPRoutes of one namespace make for one parent and port: as old as the oldest of them
    (route_collections.go mergeHTTPRoutes). Of the same age, the one for the port comes first by its name."""
    good = [a for a in attached if not refusal(a.route)]
    first = min((a.route for a in good), key=lambda r: (httproutes.age(r), r.name))
    number = good[0].port
    return _Entry(
        group=_Group.OWN_HTTP_ROUTE if first.namespace == namespace else _Group.PUBLIC,
        age=httproutes.age(first),
        name=f"{first.namespace}~{'' if number is None else f'{number}~'}{host}",
        namespace=first.namespace,
        manifest=first,
        attached=tuple(good),
    )


def _group_of(manifest: Manifest, namespace: str) -> _Group:
    if manifest.kind != "VirtualService":
        return _Group.OWN_HTTP_ROUTE if manifest.namespace == namespace else _Group.PUBLIC
    targets = [str(t) for t in manifest.get("spec", "exportTo", default=[])]
    if not targets or "*" in targets:
        return _Group.PUBLIC
    own = manifest.namespace == namespace and bool({".", namespace} & set(targets))
    return _Group.PRIVATE if own else _Group.EXPORTED


def _groups(entries: Sequence[_Entry]) -> Iterable[list[_Entry]]:
    """Entries by group, in order."""
    for group in _Group:
        members = [entry for entry in entries if entry.group is group]
        if members:
            yield members


def _converted(
    entry: _Entry, clusters: Clusters, port: Port, namespace: str, labels: Mapping[str, str] | None
) -> tuple[list[Route], str]:
    if entry.attached:
        return httproutes.convert(entry.attached, clusters, None)
    routes = virtualservices.convert([entry.manifest], clusters, port.number, MESH, labels=labels, namespace=namespace)
    return routes, ""
