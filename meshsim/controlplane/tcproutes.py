"""Routes of connections: TCPRoutes, TLSRoutes and the `tcp` and `tls` sections of VirtualServices at a port that is
not HTTP (istio pilot/pkg/networking/core/listener_waypoint.go:969)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from meshsim.controlplane import httproutes
from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.delegates import MESH
from meshsim.controlplane.destinationrules import host_matches
from meshsim.controlplane.known import KnownService, Port
from meshsim.manifests.manifest import Manifest
from meshsim.model.facts import Facts
from meshsim.model.names import absolute_host, fqdn, subject
from meshsim.tables.envoy import Route, WeightedCluster

KINDS: Final = ("TCPRoute", "TLSRoute")


def route_of(manifest: Manifest, clusters: Clusters, service: KnownService, port: Port) -> Route | None:
    """What a TCPRoute, TLSRoute or VirtualService does with a connection to a service's port: its first rule for it."""
    found = _virtual_service if manifest.kind == "VirtualService" else _gateway_api
    return next(found(manifest, clusters, service, port), None)


def _gateway_api(manifest: Manifest, clusters: Clusters, service: KnownService, port: Port) -> Iterator[Route]:
    """A TCPRoute's or TLSRoute's first rule; a TLSRoute needs the called name among its hostnames, where it has any."""
    if not httproutes.attached_to_service([manifest], service.namespace, service.name, port.number):
        return
    hostnames = [str(h) for h in manifest.get("spec", "hostnames", default=[])]
    if manifest.kind == "TLSRoute" and hostnames and not any(host_matches(h, service.host) for h in hostnames):
        return
    for index, rule in enumerate(manifest.get("spec", "rules", default=[])):
        backends = [
            (
                fqdn(str(b.get("name")), str(b.get("namespace") or manifest.namespace)),
                "",
                b.get("port"),
                1 if b.get("weight") is None else int(b["weight"]),
                str(b.get("name")),
                ("spec", "rules", index, "backendRefs", number),
            )
            for number, b in enumerate(rule.get("backendRefs") or [])
        ]
        yield _route(manifest, str(rule.get("name") or index), backends, clusters, port)
        return


def _virtual_service(manifest: Manifest, clusters: Clusters, service: KnownService, port: Port) -> Iterator[Route]:
    for section in ("tls", "tcp"):
        for index, entry in enumerate(manifest.get("spec", section, default=[])):
            if not _fits(entry, section, service, port):
                continue
            routes = entry.get("route") or []
            backends = []
            for number, part in enumerate(routes):
                destination = part.get("destination") or {}
                weight = 1 if len(routes) == 1 else int(part.get("weight") or 0)
                host = absolute_host(str(destination.get("host", "")), manifest.namespace)
                subset = str(destination.get("subset") or "")
                named = "/".join(p for p in (str(destination.get("host", "")), subset) if p)
                target = (destination.get("port") or {}).get("number")
                backends.append((host, subset, target, weight, named, ("spec", section, index, "route", number)))
            yield _route(manifest, f"{section}.{index}", backends, clusters, port)
            return


def _fits(entry: Mapping[str, Any], section: str, service: KnownService, port: Port) -> bool:
    """Whether any match of a `tcp` or `tls` entry takes the connection; `sniHosts` are held against the called name."""
    matches = entry.get("match") or []
    if not matches:
        return section == "tcp"
    for match in matches:
        if match.get("port") not in {None, port.number} or MESH not in (match.get("gateways") or [MESH]):
            continue
        if section == "tcp" or any(host_matches(str(h), service.host) for h in match.get("sniHosts") or ()):
            return True
    return False


Backend = tuple[str, str, int | None, int, str, tuple[str | int, ...]]
"""Host, subset, port, weight, its name in the object, and where it stands there."""


def _route(manifest: Manifest, rule: str, backends: Sequence[Backend], clusters: Clusters, port: Port) -> Route:
    ident = subject(clusters.place.cluster.name, manifest.key)
    facts = Facts()
    weighted: list[WeightedCluster] = []
    for host, subset, number, weight, named, path in backends:
        facts.note(ident, f"{'.'.join(map(str, path))} {named} weight", weight, manifest.evidence(*path, "weight"))
        if weight <= 0:
            continue
        service = clusters.known.get(host)
        wanted = number if number is not None or service is None or len(service.ports) == 1 else port.number
        chosen = service.port(wanted) if service is not None else None
        name = (
            clusters.service(service, chosen, subset)
            if service is not None and chosen is not None
            else clusters.absent(f"outbound|{number or port.number}|{subset}|{host}", 503, "" if service else host)
        )
        weighted.append(WeightedCluster(cluster=name, weight=weight, backend=named))
    if not weighted:
        name = clusters.absent(f"BlackHoleCluster:{ident}", 503)
        weighted.append(WeightedCluster(cluster=name, weight=1, backend="nothing"))
    return Route(clusters=tuple(weighted), object=ident, rule=rule, why=facts.read())
