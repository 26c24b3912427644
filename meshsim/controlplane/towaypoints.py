"""How sidecars and gateways reach a service's waypoint: its pods in place of the service's own hosts
(istio pilot/pkg/xds/endpoints/endpoint_builder.go:433-440,995-1060)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, final

from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.discovery import waypoint_of
from meshsim.controlplane.hosts import Place, Reach
from meshsim.controlplane.known import KnownService, KnownWaypoint, Member, Port
from meshsim.controlplane.registry import Registry
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import Pod
from meshsim.model.facts import Fact, Facts
from meshsim.tables.envoy import Endpoint, Via
from meshsim.tables.workload import HBONE_PORT, GatewayAddress, Locality

OLD_AGENTGATEWAY: Final = (
    "agentgateway up to 2.3.3 rejects the entries of remote networks (503), later ones use them, and no Deployment's "
    "image says which version this is"
)
_WEIGHT_SCALE: Final = 10000
"""Weighted waypoints' pods weigh 10000·weight/pods (endpoint_builder.go:995-1060)."""


@final
class ToWaypoints:
    """The ways to waypoints, for all clusters of one Mesh."""

    def __init__(
        self,
        registry: Registry,
        known: Callable[[str], Mapping[str, KnownService]],
        waypoints: Callable[[str], tuple[KnownWaypoint, ...]],
    ) -> None:
        self._registry = registry
        self._known = known
        self._waypoints = waypoints

    def handover(self, clusters: Clusters, service: KnownService, port: Port) -> str | None:
        """The cluster through which a sidecar with interop reaches a service's waypoint, here or at a peer."""
        pods = self.endpoints(replace(clusters.place, reach=Reach(remote=False)), service, port)
        if pods is not None:
            return clusters.hosts(service, port, pods, "MS206")
        if not service.global_members:
            return None
        for member in service.members:
            if member.gateway and self._bound_at(member.cluster, service):
                return clusters.service(service, port)
        return None

    def _bound_at(self, cluster: str, service: KnownService) -> bool:
        there = self._known(cluster)
        return any(there[host].binding.address is not None for host in (service.host, service.alias) if host in there)

    def endpoints(self, place: Place, service: KnownService, port: Port) -> tuple[Endpoint, ...] | None:
        """The waypoint's ready pods as hosts, or None where the service has no waypoint for this cluster's proxies.

        Two weighted waypoints share by their weights, scaled over their pods (endpoint_builder.go:995-1060).
        """
        here = place.cluster
        address, why = waypoint_of(self._registry, here, service)
        if address is None:
            return None
        found: list[Endpoint] = []
        for waypoint, share in service.binding.weighted or ((address, 1),):
            members = [m for m in self._members(here, waypoint) if m.ready and (place.reach.remote or not m.gateway)]
            hosts = sum(len(m.pods) for m in members)
            for member in members:
                weight = (
                    _WEIGHT_SCALE * share * len(member.pods) // hosts if service.binding.weighted else len(member.pods)
                )
                if weight:
                    found.append(_waypoint_endpoint(place, service, port, member, weight, why))
        return tuple(found)

    def _members(self, here: Cluster, address: GatewayAddress) -> tuple[Member, ...]:
        """The pods behind a waypoint's address; none where this cluster does not know the waypoint."""
        for waypoint in self._waypoints(here.name):
            if address.destination == waypoint.key or address.destination in waypoint.vips:
                return waypoint.members
        return ()

    def ingress(self, place: Place, service: KnownService, port: Port) -> tuple[Endpoint, ...] | None:
        """The waypoint's pods, where the service asks gateways to use it (endpoint_builder.go:433)."""
        here = place.cluster
        enabled = here.flag(Facts(), "ENABLE_INGRESS_WAYPOINT_ROUTING", "true", "istio pilot/pkg/features/ambient.go")
        if not enabled or not service.ingress_use_waypoint or not service.vip:
            return None
        shared = any(member.gateway for member in service.members)
        if shared and not here.dialect.value("ingress.waypoint-of-shared"):
            return None
        found = self.endpoints(place, service, port)
        if found is None:
            return None
        return tuple(replace(e, why=(*service.ingress_facts, *e.why)) for e in found)


def _waypoint_endpoint(
    place: Place, service: KnownService, port: Port, member: Member, weight: int, why: tuple[Fact, ...]
) -> Endpoint:
    """A waypoint's pod as a host, or the gateway of the network that the waypoint is on."""
    if member.gateway:
        return Endpoint(
            address=f"{member.network}/eastwest",
            workload=member.uid,
            via=Via.GATEWAY,
            network=member.network,
            cluster=member.cluster,
            authority=f"{service.host}:{port.number}",
            source=place.source,
            weight=weight,
            why=why,
        )
    pod = member.pod
    return Endpoint(
        address=f"{pod.path}:{HBONE_PORT}",
        workload=pod.uid,
        via=Via.WAYPOINT,
        network=member.network,
        cluster=member.cluster,
        weight=weight,
        authority=f"{service.host}:{port.number}",
        locality=Locality(pod.region, pod.zone),
        why=why,
    )


def by_ztunnel(place: Place, service: KnownService, port: Port, pod: Pod) -> tuple[Endpoint, ...] | None:
    """A service's VIP as the only host, called from the gateway's own pod; None for one without a VIP."""
    if not service.vip:
        return None
    return (
        Endpoint(
            address=f"{service.vip}:{port.number}",
            workload=pod.uid,
            via=Via.ZTUNNEL,
            network=place.cluster.network.value,
            cluster=place.cluster.name,
            why=service.identity_facts,
        ),
    )


def without_remote(service: KnownService, refusing: bool | None, why: tuple[Fact, ...]) -> KnownService:
    """A service as agentgateway has it: without the entries of remote networks where its version rejects them, and
    in question where nobody says which version it is."""
    if refusing is False or not any(member.gateway for member in service.l7_members):
        return service
    if refusing:
        kept, left = (tuple(m for m in service.l7_members if m.gateway is there) for there in (False, True))
        facts = (*why, *service.identity_facts)
        return replace(service, l7_members=kept, remote_members=left, identity_facts=facts)
    return replace(service, unsure=OLD_AGENTGATEWAY)
