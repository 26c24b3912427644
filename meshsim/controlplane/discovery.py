"""What ztunnels are told: the rows of workload discovery for one cluster."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final
from zlib import crc32

from meshsim.controlplane.binding import Binding, bind
from meshsim.controlplane.components import eastwest
from meshsim.controlplane.known import KnownService, KnownWaypoint, Member, target_port
from meshsim.controlplane.registry import Registry, dotted
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Cluster
from meshsim.mesh.pods import Pod
from meshsim.model.facts import Fact, Facts
from meshsim.model.names import subject
from meshsim.tables.service import LoadBalancing, Mode, Scope, Service
from meshsim.tables.workload import (
    HBONE_PORT,
    GatewayAddress,
    Health,
    Locality,
    NamespacedHostname,
    NetworkAddress,
    Protocol,
    Workload,
)
from meshsim.tables.ztunnel import ZtunnelTables

PREFER_CLOSE: Final = LoadBalancing(preferences=(Scope.NETWORK, Scope.REGION, Scope.ZONE), mode=Mode.FAILOVER)
"""A waypoint's own Service prefers the nearest pods (istio manifests waypoint.yaml, measured in
solo-io/istio-ambient-az-aware-routing)."""


def component_ip(name: str) -> str:
    """A stand-in address for a component's pod that no manifest shows; nobody addresses it."""
    return dotted((100 << 24) + (112 << 16) + (crc32(name.encode()) & 0xFFFFF))


def gateway_ip(clusters: tuple[str, ...], cluster: str) -> str:
    """The address given to a cluster's east-west gateway, by the order of names."""
    return dotted((100 << 24) + (111 << 16) + clusters.index(cluster))


def ztunnel_tables(
    registry: Registry, here: Cluster, known: tuple[KnownService, ...], waypoints: tuple[KnownWaypoint, ...]
) -> ZtunnelTables:
    """The tables of every ztunnel in `here`."""
    services: list[Service] = []
    workloads: dict[str, Workload] = {}
    memberships: dict[str, dict[str, Mapping[int, int]]] = {}
    remote: dict[str, Member] = {}
    for service in known:
        row = _service(registry, here, service)
        services.append(row)
        for member in service.members:
            if member.uid not in registry.pod_by_uid:
                remote[member.uid] = member
            elif member.cluster != here.name:
                workloads.setdefault(member.uid, _pod(registry, member.pod))
            if member.gateway:
                ports = {p.number: p.target if isinstance(p.target, int) else p.number for p in service.ports}
            else:  # a name that the pod lacks leaves the port out (istio ambient/workloads.go constructServices)
                ports = {p.number: target for p in service.ports if (target := target_port(p, member.pod))}
            memberships.setdefault(member.uid, {})[str(row.key)] = ports
    for waypoint in waypoints:
        services.append(_waypoint_service(waypoint))
        for member in waypoint.members:
            memberships.setdefault(member.uid, {})[str(waypoint.key)] = {HBONE_PORT: HBONE_PORT}
            if member.gateway:
                remote[member.uid] = member
            else:
                workloads[member.uid] = _pod(registry, member.pod, protocol=Protocol.HBONE)
    for pod in registry.pods(here.name):
        workloads.setdefault(pod.uid, _pod(registry, pod))
    for member in remote.values():
        workloads[member.uid] = _entry(registry, here, member)
    for gateway in _gateways(registry, here):
        workloads[gateway.uid] = gateway
    rows = [_with_services(row, memberships.get(uid, {})) for uid, row in workloads.items()]
    return ZtunnelTables(network=here.ztunnel_network.value, services=services, workloads=rows)


def _with_services(row: Workload, services: Mapping[str, Mapping[int, int]]) -> Workload:
    return replace(row, services=services) if services else row


def _service(registry: Registry, here: Cluster, service: KnownService) -> Service:
    address, why = waypoint_of(registry, here, service)
    vips = service.vips or ((NetworkAddress(here.network.value, service.vip),) if service.vip else ())
    return Service(
        name=f"autogen.{service.namespace}.{service.name}" if service.global_host else service.name,
        namespace=SYSTEM_NAMESPACE if service.global_host else service.namespace,
        hostname=service.host,
        vips=vips,
        ports={p.number: p.target if isinstance(p.target, int) else 0 for p in service.ports},
        waypoint=address,
        weighted_waypoints=service.binding.weighted,
        load_balancing=service.load_balancing,
        canonical=not service.global_host,
        ingress_use_waypoint=service.ingress_use_waypoint,
        why=service.identity_facts,
        waypoint_why=why,
        balancing_why=service.balancing_facts,
    )


def waypoint_of(
    registry: Registry, here: Cluster, service: KnownService
) -> tuple[GatewayAddress | None, tuple[Fact, ...]]:
    """The waypoint that proxies in `here` are told for a service, and why.

    On a flat network a global service without a waypoint here is reached through the waypoint of the cluster that
    owns it (Solo docs, Argo Rollouts guide: flat network considerations).
    """
    if service.binding.named is not None:
        return service.binding.named, (*service.binding.facts, *_empty(here, service.binding.gateway))
    owner = flat_owner(registry, here, service)
    if owner is None:
        return None, service.binding.facts
    cluster, binding = owner
    assert binding.gateway is not None
    host = NamespacedHostname(binding.gateway.namespace, f"{binding.gateway.name}.{cluster.name}.autogen")
    return GatewayAddress(host, HBONE_PORT), (*service.binding.facts, *binding.facts)


def _empty(here: Cluster, gateway: Manifest | None) -> Iterator[Fact]:
    """What scales a waypoint without any pod to zero, where the manifests show it."""
    if gateway is None:
        return
    for name in (gateway.name, f"{gateway.name}-{gateway.get('spec', 'gatewayClassName', default='')}"):
        deployment = here.get("Deployment", gateway.namespace, name)
        if deployment is not None and deployment.get("spec", "replicas", default=1) == 0:
            where = deployment.evidence("spec", "replicas")
            yield Fact(subject(here.name, deployment.key), "spec.replicas", 0, where)


def flat_owner(registry: Registry, here: Cluster, service: KnownService) -> tuple[Cluster, Binding] | None:
    """The cluster on this network whose waypoint stands before a global service, where only it has endpoints."""
    if here.dialect.value("flat.remote-waypoint") != "owner" or not service.global_members:
        return None
    holders = {m.cluster for m in service.members if m.ready}
    if len(holders) != 1 or here.name in holders:
        return None
    cluster = registry.cluster(holders.pop())
    if cluster.network.value != here.network.value:
        return None
    binding = bind(cluster, cluster.get("Service", service.namespace, service.name), service.namespace)
    return (cluster, binding) if binding.address is not None else None


def contested_flat(registry: Registry, here: Cluster, service: KnownService) -> tuple[Cluster, ...]:
    """The flat peers whose waypoint may stand before a service that has endpoints in several clusters here: no
    source says whether it does."""
    if here.dialect.value("flat.remote-waypoint") != "owner" or not service.global_members:
        return ()
    if service.binding.address is not None:
        return ()
    holders = sorted({m.cluster for m in service.members if m.ready and not m.gateway})
    if len(holders) < 2:
        return ()
    found = []
    for name in holders:
        cluster = registry.cluster(name)
        bound = bind(cluster, cluster.get("Service", service.namespace, service.name), service.namespace)
        if name != here.name and bound.address is not None:
            found.append(cluster)
    return tuple(found)


def _waypoint_service(waypoint: KnownWaypoint) -> Service:
    return Service(
        name=waypoint.name,
        namespace=waypoint.namespace,
        hostname=waypoint.host,
        vips=waypoint.vips,
        ports={HBONE_PORT: HBONE_PORT},
        load_balancing=PREFER_CLOSE,
        canonical=waypoint.own,
    )


def _pod(registry: Registry, pod: Pod, protocol: Protocol | None = None) -> Workload:
    why: tuple[Fact, ...] = ()
    if protocol is None:
        caught, why = registry.captured(pod)
        protocol = Protocol.HBONE if caught in {"ambient", "sidecar"} else Protocol.TCP
    binding = workload_binding(registry, pod)
    return Workload(
        uid=pod.uid,
        name=pod.name,
        namespace=pod.namespace,
        service_account=pod.service_account,
        ips=(pod.ip or component_ip(pod.path),),
        network=registry.cluster(pod.cluster).network.value,
        protocol=protocol,
        waypoint=binding.named,
        status=Health.HEALTHY if pod.ready else Health.UNHEALTHY,
        cluster=pod.cluster,
        locality=Locality(pod.region, pod.zone),
        node=pod.node,
        why=(*why, *binding.facts),
    )


def workload_binding(registry: Registry, pod: Pod) -> Binding:
    """A pod's own waypoint, for traffic that addresses it by IP. Pods of one owner share their labels."""
    key = (pod.cluster, pod.namespace, pod.owner.kind, pod.owner.name)
    if pod.real or key not in registry.workload_bindings:
        registry.workload_bindings[key] = _bound_pod(registry.cluster(pod.cluster), pod)
    return registry.workload_bindings[key]


def _bound_pod(cluster: Cluster, pod: Pod) -> Binding:
    labelled = Manifest.made(
        "v1", "Pod", pod.namespace, pod.name, {"metadata": {"labels": dict(pod.labels)}}, pod.evidence
    )
    return bind(cluster, labelled, pod.namespace, "workload")


def _entry(registry: Registry, here: Cluster, member: Member) -> Workload:
    """A generated WorkloadEntry: address-less behind a gateway, or one per pod on a flat network."""
    peer = registry.cluster(member.cluster)
    if member.gateway:
        names = tuple(sorted(registry.mesh.clusters))
        address = NetworkAddress(peer.network.value, gateway_ip(names, peer.name))
        return Workload(
            uid=member.uid,
            name=member.uid.rpartition("/")[2],
            namespace=SYSTEM_NAMESPACE,
            network=member.network,
            protocol=Protocol.HBONE,
            network_gateway=GatewayAddress(address, HBONE_PORT),
            cluster=member.cluster,
            locality=Locality(member.region, member.zone),
            capacity=len(member.pods),
            drained=member.drained,
            why=member.facts,
        )
    pod = member.pod
    binding = workload_binding(registry, pod) if here.dialect.value("flat.workload-waypoint") else Binding()
    caught, _ = registry.captured(pod)
    return Workload(
        uid=member.uid,
        name=member.uid.rpartition("/")[2],
        namespace=pod.namespace,
        service_account=pod.service_account,
        ips=(pod.ip,),
        network=member.network,
        protocol=Protocol.HBONE if caught in {"ambient", "sidecar"} else Protocol.TCP,
        waypoint=binding.named,
        status=Health.HEALTHY if pod.ready else Health.UNHEALTHY,
        cluster=member.cluster,
        locality=Locality(pod.region, pod.zone),
        drained=member.drained,
        why=member.facts,
    )


def _gateways(registry: Registry, here: Cluster) -> Iterator[Workload]:
    """The peers' east-west gateways, as addresses to dial."""
    names = tuple(sorted(registry.mesh.clusters))
    for peer in registry.mesh.peers(here.name):
        if peer.network.value == here.network.value:
            continue
        gateway = eastwest(registry, peer)
        up = gateway.ready_pods and not {f"eastwest:{peer.name}", f"cluster:{peer.name}"} & registry.mesh.down
        facts = Facts()
        facts.note(f"{peer.name}/Gateway/{gateway.namespace}/{gateway.name}", "ready", bool(up), gateway.evidence)
        yield Workload(
            uid=f"{peer.name}//Gateway/{gateway.namespace}/{gateway.name}",
            name=gateway.name,
            namespace=gateway.namespace,
            ips=(gateway_ip(names, peer.name),),
            network=peer.network.value,
            protocol=Protocol.HBONE,
            status=Health.HEALTHY if up else Health.UNHEALTHY,
            cluster=peer.name,
            why=facts.read(),
        )
