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
from meshsim.controlplane.destinationrules import host_matches
from meshsim.controlplane.httproutes import Attached
from meshsim.controlplane.known import KnownService, Port
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
    all namespaces and uses the first object only; HTTPRoutes of its own namespace come first.
    """
    entries = _entries(clusters, service, port, namespace, everywhere=everywhere)
    found: list[Route] = []
    for group in _groups(entries):
        routes: list[Route] = []
        question = unknown_age([e.manifest for e in group])
        for entry in group[:1] if everywhere and not question else group:
            made, also = _converted(entry, clusters, port, labels)
            routes += made
            question = question or also
        found += routes
        if question or everywhere or any(route.match.catch_all for route in routes):
            return found, question
    return found, ""


def mixed(clusters: Clusters, service: KnownService, port: Port, *, namespace: str) -> bool:
    """Whether both HTTPRoutes and VirtualServices are there for a service at a waypoint."""
    entries = _entries(clusters, service, port, namespace, everywhere=False)
    return len({bool(entry.attached) for entry in entries}) > 1


def tcp_route(clusters: Clusters, service: KnownService, port: Port, *, namespace: str) -> Route | None:
    """The route of a connection to a port that is not HTTP, or None where no object has one for it."""
    here = clusters.place.cluster
    near = {namespace, service.namespace}
    bound = virtualservices.bound(here.of("VirtualService"), service.host, virtualservices.MESH, namespace)
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
    """Record the VirtualServices for a service that istiod's validation refuses, so that they are not in force."""
    for entry in clusters.place.cluster.of("VirtualService"):
        why = virtualservices.refusal(entry)
        hosts = virtualservices.hosts_of(entry)
        if why and any(host_matches(pattern, service.host) for pattern in hosts):
            ident = subject(clusters.place.cluster.name, entry.key)
            facts.note(ident, "validation", why, entry.evidence("spec", "http"))


def unknown_age(objects: Sequence[Manifest]) -> str:
    """The open question where the order of objects decides and their creation times are not given."""
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
            mine = tuple(a for a in attached if a.route.namespace == place)
            if mine:
                found.append(_from_routes(mine, namespace))
    for entry in virtualservices.bound(here.of("VirtualService"), service.host, virtualservices.MESH, namespace):
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


def _from_routes(attached: tuple[Attached, ...], namespace: str) -> _Entry:
    """The VirtualService that HTTPRoutes of one namespace make: as old as the oldest of them."""
    first = min((a.route for a in attached), key=lambda r: (httproutes.age(r), r.name))
    return _Entry(
        group=_Group.OWN_HTTP_ROUTE if first.namespace == namespace else _Group.PUBLIC,
        age=httproutes.age(first),
        name=first.name,
        namespace=first.namespace,
        manifest=first,
        attached=attached,
    )


def _group_of(manifest: Manifest, namespace: str) -> _Group:
    if manifest.kind != "VirtualService":
        return _Group.OWN_HTTP_ROUTE if manifest.namespace == namespace else _Group.PUBLIC
    targets = [str(t) for t in manifest.get("spec", "exportTo", default=[])]
    if not targets or "*" in targets:
        return _Group.PUBLIC
    return _Group.PRIVATE if "." in targets and manifest.namespace == namespace else _Group.EXPORTED


def _groups(entries: Sequence[_Entry]) -> Iterable[list[_Entry]]:
    """Entries by group, in order. Only one HTTPRoute entry can be the waypoint namespace's own."""
    for group in _Group:
        members = [entry for entry in entries if entry.group is group]
        if members:
            yield members


def _converted(
    entry: _Entry, clusters: Clusters, port: Port, labels: Mapping[str, str] | None
) -> tuple[list[Route], str]:
    if entry.attached:
        return httproutes.convert(entry.attached, clusters, None)
    mesh = virtualservices.MESH
    return virtualservices.convert([entry.manifest], clusters, port.number, mesh, labels=labels), ""
