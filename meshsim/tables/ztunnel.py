"""One cluster's workload discovery tables, indexed as ztunnel indexes them."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import final

from meshsim.tables.service import HealthPolicy, Service
from meshsim.tables.workload import (
    Health,
    NamespacedHostname,
    NetworkAddress,
    NetworkMode,
    Protocol,
    Workload,
)


@final
class ZtunnelTables:
    """Services and workloads as every ztunnel of one cluster knows them.

    `network` is the network that the ztunnels believe they are on (their env NETWORK).
    """

    def __init__(self, *, network: str, services: Iterable[Service], workloads: Iterable[Workload]) -> None:
        self.network = network
        self.services: Mapping[NamespacedHostname, Service] = {service.key: service for service in services}
        self.workloads: Mapping[str, Workload] = {workload.uid: workload for workload in workloads}

    @cached_property
    def by_vip(self) -> Mapping[NetworkAddress, tuple[Service, ...]]:
        """Services by VIP, in table order."""
        found: dict[NetworkAddress, list[Service]] = {}
        for service in self.services.values():
            for vip in service.vips:
                found.setdefault(vip, []).append(service)
        return {vip: tuple(services) for vip, services in found.items()}

    @cached_property
    def vip_ranges(self) -> Mapping[str, tuple[tuple[IPv4Network | IPv6Network, Service], ...]]:
        """Per network the VIPs that are ranges (`10.0.0.0/24`), in table order (ztunnel src/state/service.rs:509)."""
        found: dict[str, list[tuple[IPv4Network | IPv6Network, Service]]] = {}
        for service in self.services.values():
            for vip in service.vips:
                if "/" in vip.ip:
                    found.setdefault(vip.network, []).append((ip_network(vip.ip, strict=False), service))
        return {network: tuple(ranges) for network, ranges in found.items()}

    @cached_property
    def by_hostname(self) -> Mapping[NamespacedHostname, Workload]:
        """Workloads by their own host name (istio/ztunnel src/state.rs)."""
        found: dict[NamespacedHostname, Workload] = {}
        for workload in self.workloads.values():
            if workload.hostname:
                found.setdefault(NamespacedHostname(workload.namespace, workload.hostname), workload)
        return found

    @cached_property
    def by_address(self) -> Mapping[NetworkAddress, Workload]:
        """Workloads by address; a host-network workload is not indexed. Of several a pod counts, then one that takes
        HBONE, then the last to arrive (istio/ztunnel src/state/workload.rs:785,833)."""
        found: dict[NetworkAddress, Workload] = {}
        for workload in self.workloads.values():
            if workload.network_mode is NetworkMode.HOST_NETWORK:
                continue
            for ip in workload.ips:
                address = NetworkAddress(workload.network, ip)
                if address not in found or _standing(workload) >= _standing(found[address]):
                    found[address] = workload
        return found

    @cached_property
    def by_service(self) -> Mapping[str, tuple[Workload, ...]]:
        """Each service's endpoints; unhealthy ones are left out unless the service allows all
        (istio/ztunnel src/state/service.rs:310,625)."""
        found: dict[str, list[Workload]] = {}
        for workload in self.workloads.values():
            for key in workload.services:
                found.setdefault(key, []).append(workload)
        allow_all = {
            str(service.key)
            for service in self.services.values()
            if service.load_balancing is not None and service.load_balancing.health is HealthPolicy.ALLOW_ALL
        }
        return {
            key: tuple(w for w in workloads if key in allow_all or w.status is Health.HEALTHY)
            for key, workloads in found.items()
        }

    def endpoints(self, service: Service) -> tuple[Workload, ...]:
        """The endpoints of a service that ztunnel holds for it."""
        return self.by_service.get(str(service.key), ())


def _standing(workload: Workload) -> tuple[bool, bool]:
    """What counts where several workloads have one address: a pod's uid has no API group, `cluster//Pod/namespace/name`
    (istio/ztunnel src/state/workload.rs `WorkloadByAddr`)."""
    return "//Pod/" in workload.uid, workload.protocol is Protocol.HBONE
