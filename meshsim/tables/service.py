"""Services, in the words of ztunnel's workload discovery (istio/ztunnel proto/workload.proto)."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import final

from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen
from meshsim.tables.workload import GatewayAddress, NamespacedHostname, NetworkAddress


class Scope(StrEnum):
    """What a routing preference compares between client and endpoint."""

    REGION = "Region"
    ZONE = "Zone"
    SUBZONE = "Subzone"
    NODE = "Node"
    CLUSTER = "Cluster"
    NETWORK = "Network"


class Mode(StrEnum):
    """How preferences act: not at all, as a filter, as a ranking, or past the endpoints."""

    STANDARD = "Standard"
    STRICT = "Strict"
    FAILOVER = "Failover"
    PASSTHROUGH = "Passthrough"


class HealthPolicy(StrEnum):
    """Which endpoints take part."""

    ONLY_HEALTHY = "OnlyHealthy"
    ALLOW_ALL = "AllowAll"


@final
@frozen
class LoadBalancing:
    """How ztunnel chooses between a service's endpoints."""

    preferences: tuple[Scope, ...] = ()
    mode: Mode = Mode.STANDARD
    health: HealthPolicy = HealthPolicy.ONLY_HEALTHY


class Visibility(StrEnum):
    """Who may look a service up by its VIP."""

    PUBLIC = "Public"
    NAMESPACE = "Namespace"


@final
@frozen
class Service:
    """One service as one cluster's proxies know it. `ports` maps service port → target port, 0 for a named one."""

    name: str
    namespace: str
    hostname: str
    vips: tuple[NetworkAddress, ...] = ()
    ports: Mapping[int, int] = field(default_factory=dict)
    waypoint: GatewayAddress | None = None
    weighted_waypoints: tuple[tuple[GatewayAddress, int], ...] = ()
    load_balancing: LoadBalancing | None = None
    subject_alt_names: tuple[str, ...] = ()
    ip_families: str = ""
    canonical: bool = False
    ingress_use_waypoint: bool = False
    visibility: Visibility = Visibility.PUBLIC
    why: tuple[Fact, ...] = field(default=(), compare=False)
    waypoint_why: tuple[Fact, ...] = field(default=(), compare=False)
    """What decided `waypoint`."""
    balancing_why: tuple[Fact, ...] = field(default=(), compare=False)
    """What decided `load_balancing`."""

    @property
    def key(self) -> NamespacedHostname:
        return NamespacedHostname(self.namespace, self.hostname)
