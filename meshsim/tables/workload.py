"""Workloads and addresses, in the words of ztunnel's workload discovery (istio/ztunnel proto/workload.proto)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import final

from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen, record

HBONE_PORT = 15008


@final
@record
class Locality:
    """Where something runs; empty strings are unknown, and an empty part equals an empty part."""

    region: str = ""
    zone: str = ""
    subzone: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.region, self.zone, self.subzone) if part)


@final
@dataclass(frozen=True, slots=True, order=True)
class NetworkAddress:
    """An IP on a network."""

    network: str
    ip: str

    def __str__(self) -> str:
        return f"{self.network}/{self.ip}"


@final
@dataclass(frozen=True, slots=True, order=True)
class NamespacedHostname:
    """A service's key in ztunnel: `namespace/hostname`."""

    namespace: str
    hostname: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.hostname}"


@final
@record
class GatewayAddress:
    """How to reach a waypoint or a network gateway."""

    destination: NamespacedHostname | NetworkAddress
    port: int = HBONE_PORT

    def __str__(self) -> str:
        return f"{self.destination}:{self.port}"


class Protocol(StrEnum):
    """How a workload is reached."""

    TCP = "TCP"
    HBONE = "HBONE"


class Health(StrEnum):
    """A workload's status as the control plane sends it."""

    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"


class NetworkMode(StrEnum):
    """A host-network workload shares its node's address and is not looked up by it."""

    STANDARD = "Standard"
    HOST_NETWORK = "HostNetwork"


@final
@record
class ApplicationTunnel:
    """A workload that takes traffic through a tunnel of its own (a sandwiched waypoint)."""

    protocol: str
    port: int | None = None


@final
@frozen
class Workload:
    """One endpoint: a pod, a WorkloadEntry, or a pseudo-workload standing for a remote network.

    `services` maps `namespace/hostname` to service port → target port. `capacity` is its weight; `drained`
    the percentage of its normal share that goes to others while its cluster is drained (Solo docs, operations: drain).
    """

    uid: str
    name: str = ""
    namespace: str = ""
    service_account: str = "default"
    trust_domain: str = "cluster.local"
    ips: tuple[str, ...] = ()
    hostname: str = ""
    network: str = ""
    protocol: Protocol = Protocol.TCP
    waypoint: GatewayAddress | None = None
    network_gateway: GatewayAddress | None = None
    services: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    status: Health = Health.HEALTHY
    cluster: str = ""
    locality: Locality = Locality()
    node: str = ""
    network_mode: NetworkMode = NetworkMode.STANDARD
    capacity: int = 1
    drained: int = 0
    application_tunnel: ApplicationTunnel | None = None
    why: tuple[Fact, ...] = field(default=(), compare=False)

    @property
    def identity(self) -> str:
        """Its SPIFFE identity."""
        return f"spiffe://{self.trust_domain}/ns/{self.namespace}/sa/{self.service_account}"
