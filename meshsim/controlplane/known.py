"""A service as one cluster knows it: its name, its ports, its waypoint and its members. Everything that proxies are
told about services derives from these."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final, Protocol, final

from meshsim.controlplane.binding import Binding
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import Pod
from meshsim.model.facts import Fact, Facts
from meshsim.model.frozen import frozen
from meshsim.tables.service import LoadBalancing
from meshsim.tables.workload import NamespacedHostname, NetworkAddress

HTTP: Final = frozenset({"http", "http2", "h2c", "grpc", "grpc-web", "kubernetes.io/h2c", "kubernetes.io/ws"})
TCP_LIKE: Final = frozenset({"tcp", "tls", "https", "mongo", "mysql", "redis", "udp", "kubernetes.io/wss", "hbone"})


@final
@frozen
class Port:
    """A service port. `protocol` is `http`, `tcp`, or `undeclared`."""

    name: str
    number: int
    target: int | str
    protocol: str
    path: tuple[str | int, ...] = ()


def ports_of(service: Manifest) -> tuple[Port, ...]:
    """A Service's ports; its protocol comes from `appProtocol`, else the port's name up to the first dash
    (istio pkg/config/kube/conversion.go ConvertProtocol)."""
    found = []
    for index, port in enumerate(service.get("spec", "ports", default=[])):
        number = int(port["port"])
        found.append(
            Port(
                name=str(port.get("name") or ""),
                number=number,
                target=port.get("targetPort") or number,
                protocol=_protocol(port),
                path=("spec", "ports", index),
            )
        )
    return tuple(found)


def _protocol(port: Mapping[str, Any]) -> str:
    if str(port.get("protocol") or "TCP").upper() != "TCP":
        return "tcp"
    declared = str(port.get("appProtocol") or "").lower()
    if not declared:
        name = str(port.get("name") or "").lower()
        declared = "grpc-web" if name.startswith("grpc-web") else name.partition("-")[0]
    if declared in HTTP:
        return "http"
    return "tcp" if declared in TCP_LIKE else "undeclared"


@final
@frozen
class Member:
    """One endpoint of a service as a cluster sees it: a pod, or a remote network's gateway standing for `pods`.

    `labels` are those a subset selector surely sees. Where sources leave open which it sees, `contested` names the
    question and `possible` what it may see.
    """

    uid: str
    cluster: str
    network: str
    pods: tuple[Pod, ...]
    gateway: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    labels_propagated: bool = True
    possible: tuple[Mapping[str, str], ...] = ()
    contested: str = ""
    capture: str | None = None
    """Who takes its traffic in: `ambient`, `sidecar`, `none`, or None where nobody said."""
    through: tuple[str, ...] = ()
    """For a pod of another network at an Envoy: the clusters whose east-west gateways stand in for it."""
    always_ready: bool = False
    """A coalesced entry counts as healthy whatever its pods are (istio multicluster.go:315)."""
    region: str = ""
    zone: str = ""
    """Where a gateway's entry is; a pod knows its own."""
    drained: int = 0
    """How many percent of its normal share its cluster is spared."""
    facts: tuple[Fact, ...] = ()

    @property
    def pod(self) -> Pod:
        return self.pods[0]

    @property
    def ready(self) -> bool:
        return self.always_ready or any(pod.ready for pod in self.pods)


@final
@frozen
class KnownService:
    """`host` as a cluster's proxies know it.

    `name`, `namespace` are the Service's; `service` is this cluster's own object, None where only peers have one;
    `origin` the object that defines the ports, of cluster `defined_in`. `global_host` marks a generated entry
    (`*.mesh.internal`); `global_members` those whose members may be in other clusters. `l7_members` are those that an
    Envoy here holds, where they differ from what ztunnel balances over.
    """

    host: str
    name: str
    namespace: str
    service: Manifest | None
    origin: Manifest
    defined_in: str
    ports: tuple[Port, ...]
    vip: str
    vips: tuple[NetworkAddress, ...] = ()
    """The addresses on all networks, where they are more than `vip` on this cluster's."""
    global_host: bool = False
    global_members: bool = False
    alias: str = ""
    """The other name of the same service in this cluster: the local host of a global one, and the reverse."""
    also: tuple[str, ...] = ()
    """Further hosts that lead to this very entry."""
    binding: Binding
    distribution: str = ""
    load_balancing: LoadBalancing | None = None
    balancing_facts: tuple[Fact, ...] = ()
    ingress_use_waypoint: bool = False
    ingress_facts: tuple[Fact, ...] = ()
    members: tuple[Member, ...] = ()
    l7_members: tuple[Member, ...] = ()
    unsure: str = ""
    """An open question about which of its members a proxy uses."""
    flat_members: tuple[Member, ...] = ()
    """Pods of flat peers that a subset of the local host takes along where their labels match."""
    remote_members: tuple[Member, ...] = ()
    """Entries of other networks, which the local host does not have."""
    identity_facts: tuple[Fact, ...] = ()
    """What made the service known here under this name."""

    def port(self, number: int | None) -> Port | None:
        """A port by number, or the only one."""
        if number is None:
            return self.ports[0] if len(self.ports) == 1 else None
        return next((port for port in self.ports if port.number == number), None)


@final
@frozen
class KnownWaypoint:
    """A waypoint's own Service as one cluster knows it: where ztunnels and gateways find the waypoint's pods."""

    name: str
    namespace: str
    host: str
    vips: tuple[NetworkAddress, ...] = ()
    own: bool = True
    """Whether this cluster has the waypoint itself."""
    members: tuple[Member, ...] = ()

    @property
    def key(self) -> NamespacedHostname:
        return NamespacedHostname(self.namespace, self.host)


class Federation(Protocol):
    """How clusters learn of each other's services: one for each way that a dialect has."""

    def known(self, name: str) -> tuple[KnownService, ...]:
        """Every service that cluster `name` knows."""

    def waypoints(self, name: str) -> tuple[KnownWaypoint, ...]:
        """Every waypoint that proxies of cluster `name` can be sent to."""

    def sharing(self, facts: Facts, cluster: Cluster, service: Manifest, host: str) -> None:
        """Read what decides whether a cluster's Service is known elsewhere under a host."""


def target_port(port: Port, pod: Pod) -> int:
    """The port number on a pod; 0 where a named one does not exist there."""
    return port.target if isinstance(port.target, int) else pod.port(port.target) or 0
