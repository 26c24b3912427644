"""Which waypoint a Service or a pod is bound to (istio pilot/pkg/serviceregistry/ambient/waypoints.go:99-330)."""

import re
from dataclasses import replace
from ipaddress import ip_address
from typing import Final, final

from meshsim.controlplane.attachment import INBOUND_BINDING, WAYPOINT_PROTOCOLS, allows, ready, traffic_type
from meshsim.controlplane.visibility import is_public
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.model.evidence import Assumed
from meshsim.model.facts import Fact, Facts
from meshsim.model.frozen import frozen
from meshsim.model.names import fqdn
from meshsim.tables.workload import HBONE_PORT, GatewayAddress, NamespacedHostname, NetworkAddress

USE_WAYPOINT: Final = "istio.io/use-waypoint"
USE_WAYPOINT_NAMESPACE: Final = "istio.io/use-waypoint-namespace"
CANARY: Final = "istio.io/use-waypoint-canary"
CANARY_NAMESPACE: Final = "istio.io/use-waypoint-canary-namespace"
CANARY_WEIGHT: Final = "istio.io/use-waypoint-canary-weight"
MANAGED: Final = "gateway.istio.io/managed"
_NEVER_BOUND: Final = frozenset({"istio.io-mesh-controller", "istio.io-eastwest-controller"})
"""The managed Services that have no waypoint: waypoints' own and east-west gateways'; an ingress gateway's may."""
GATEWAY_NAME: Final = "gateway.networking.k8s.io/gateway-name"
_WHOLE: Final = 100
_WEIGHT: Final = re.compile(r"[+-]?0*[0-9]{1,9}")


@final
@frozen
class Binding:
    """The waypoint of an object, or none. `missing` is a reason code where a reference leads nowhere.

    `canary` is a second waypoint that takes `canary_weight` percent of the connections.
    """

    gateway: Manifest | None = None
    address: GatewayAddress | None = None
    missing: str = ""
    canary: "Binding | None" = None
    canary_weight: int = 0
    facts: tuple[Fact, ...] = ()

    @property
    def weighted(self) -> tuple[tuple[GatewayAddress, int], ...]:
        """The waypoints by weight, where there are two (waypoints.go:236)."""
        primary, canary = self.named, self.canary.named if self.canary is not None else None
        if primary is None or canary is None:
            return ()
        return ((primary, _WHOLE - self.canary_weight), (canary, self.canary_weight))

    @property
    def named(self) -> GatewayAddress | None:
        """The waypoint by its Service's name, also where its status has an IP alone: both lead to the same pods."""
        return GatewayAddress(service_of(self.gateway), HBONE_PORT) if self.gateway is not None else None

    @property
    def gateways(self) -> tuple[Manifest, ...]:
        """The Gateways whose proxies serve the object: both waypoints get the same routes."""
        both = (self.gateway, self.canary.gateway if self.canary is not None else None)
        return tuple(gateway for gateway in both if gateway is not None)


def service_of(gateway: Manifest) -> NamespacedHostname:
    """The Service of a waypoint, which has its Gateway's name."""
    return NamespacedHostname(gateway.namespace, fqdn(gateway.name, gateway.namespace))


def is_waypoint(gateway: Manifest) -> bool:
    """A Gateway that takes traffic for workloads behind it: its class, its inbound binding or a listener says so."""
    name = str(gateway.get("spec", "gatewayClassName", default=""))
    if "waypoint" in name:
        return True
    if name in {"istio-eastwest", "istio-east-west", "istio-remote"}:
        return False
    listeners = gateway.get("spec", "listeners", default=[])
    return INBOUND_BINDING in gateway.annotations or any(x.get("protocol") in WAYPOINT_PROTOCOLS for x in listeners)


def bind(cluster: Cluster, obj: Manifest | None, namespace: str, kind: str = "service") -> Binding:
    """The waypoint that an object in `namespace` is bound to; `kind` is `service` or `workload`.

    The object's own label decides, `none` opts out without asking the namespace, and a reference that leads nowhere
    does not fall back to the namespace's (waypoints.go:99-200). `obj` None stands for a generated entry without a
    Service here: only the namespace's label counts (Solo docs, Argo Rollouts guide: client-local waypoint).
    """
    facts = Facts()
    if obj is not None and _never_bound(cluster, obj, kind, facts):
        return Binding(facts=facts.read())
    described = cluster.namespace(namespace)
    for source, missing in ((obj, ""), (described, f"Namespace/{namespace}")):
        if source is None and not missing:
            continue
        name = cluster.label(facts, source, USE_WAYPOINT, missing)
        if name is None:
            continue
        if name == "none":
            return Binding(facts=facts.read())
        elsewhere = cluster.label(facts, source, USE_WAYPOINT_NAMESPACE, missing)
        place = namespace if elsewhere is None else elsewhere
        apart = obj is not None and obj.kind == "ServiceEntry" and place != namespace
        if apart and not is_public(cluster, namespace, facts):
            return Binding(missing="MS210", facts=facts.read())
        inherited = obj is not None and source is not obj
        primary = _attach(cluster, facts, name, place, namespace, kind, asked=not (inherited and kind == "workload"))
        if kind != "service" or primary.gateway is None or not cluster.dialect.value("waypoint.canary"):
            return primary
        levels = tuple(level for level in (obj, described if source is not obj else None) if level is not None)
        return _with_canary(cluster, facts, primary, levels, namespace)
    return Binding(facts=facts.read())


def _never_bound(cluster: Cluster, obj: Manifest, kind: str, facts: Facts) -> bool:
    """Whether the object belongs to a waypoint or an east-west gateway itself: its Service says so by a label, a pod by
    the name of a Gateway that is there and ready (waypoints.go `fetchWaypointForInstance`)."""
    if kind == "service":
        return obj.labels.get(MANAGED) in _NEVER_BOUND
    gateway = cluster.get("Gateway", obj.namespace, str(obj.labels.get(GATEWAY_NAME) or ""))
    return gateway is not None and ready(cluster, gateway, facts)


def _with_canary(
    cluster: Cluster, facts: Facts, primary: Binding, levels: tuple[Manifest, ...], namespace: str
) -> Binding:
    """The canary waypoint named beside `use-waypoint`; whatever is wrong with it leaves the primary alone
    (waypoints.go:236-330).

    `levels` are the object, and its namespace where the primary is the namespace's. The first of them that names a
    canary says its namespace, too; the first that states a weight states it.
    """
    source = next((level for level in levels if CANARY in level.labels), None)
    name = cluster.label(facts, source, CANARY) if source is not None else None
    if source is None or name is None or name in {"", "none"}:
        return primary
    elsewhere = cluster.label(facts, source, CANARY_NAMESPACE)
    weighing = next((level for level in levels if CANARY_WEIGHT in level.annotations), source)
    weight = cluster.annotation(facts, weighing, CANARY_WEIGHT)
    percent = 0 if weight is None else int(weight) if _WEIGHT.fullmatch(weight) else -1
    canary = _attach(cluster, facts, name, namespace if elsewhere is None else elsewhere, namespace, "service")
    same = canary.gateway is not None and primary.gateway is not None and canary.gateway.key == primary.gateway.key
    if same or canary.gateway is None or not 0 <= percent <= _WHOLE:
        return replace(primary, facts=facts.read())
    return replace(primary, canary=canary, canary_weight=percent, facts=facts.read())


def _attach(
    cluster: Cluster, facts: Facts, name: str, place: str, namespace: str, kind: str, *, asked: bool = True
) -> Binding:
    """The Gateway of this name as the waypoint of what is in `namespace`, where it is ready, lets it in and takes such
    traffic. Whatever is no waypoint by its listeners is bound all the same, once it has an address
    (waypoints.go:361), and then has no port for tunnels. `asked` is whether a wrong traffic type is amiss: a
    namespace's waypoint for services is none for its pods, without a word (`fetchWaypointForWorkload`)."""
    gateway = cluster.get("Gateway", place, name)
    if gateway is None:
        where = Assumed("no such waypoint")
        facts.note(f"{cluster.name}/Gateway/{place}/{name}", "exists", value=False, evidence=where)
        return Binding(missing="MS210", facts=facts.read())
    if not ready(cluster, gateway, facts):
        return Binding(missing="MS207", facts=facts.read())
    if not allows(cluster, gateway, place, namespace, facts):
        return Binding(missing="MS210", facts=facts.read())
    wanted = traffic_type(cluster, gateway, facts)
    if wanted != "all" and wanted != kind:
        return Binding(missing="MS210" if asked else "", facts=facts.read())
    return Binding(gateway=gateway, address=_address(cluster, gateway), facts=facts.read())


def _address(cluster: Cluster, gateway: Manifest) -> GatewayAddress:
    """What istiod calls a waypoint: the first host name of its status, else its first IP (waypoints.go:665).

    Without a status the Gateway is taken as ready under its Service's name.
    """
    addresses = gateway.get("status", "addresses", default=[])
    for entry in addresses:
        if entry.get("type") == "Hostname":
            return GatewayAddress(NamespacedHostname(gateway.namespace, str(entry.get("value"))), HBONE_PORT)
    vips = waypoint_vips(cluster, gateway)
    return GatewayAddress(vips[0] if vips else service_of(gateway), HBONE_PORT)


def waypoint_vips(cluster: Cluster, gateway: Manifest | None) -> tuple[NetworkAddress, ...]:
    """The addresses that a Gateway's status gives its Service: a reference by IP must find the waypoint's pods."""
    if gateway is None:
        return ()
    given = gateway.get("status", "addresses", default=[])
    texts = [str(entry.get("value")) for entry in given if (entry.get("type") or "IPAddress") == "IPAddress"]
    return tuple(NetworkAddress(cluster.network.value, text) for text in texts if _is_ip(text))


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
