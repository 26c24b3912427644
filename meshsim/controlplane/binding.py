"""Which waypoint a Service or a pod is bound to (istio pilot/pkg/serviceregistry/ambient/waypoints.go:99-330)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, final

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
WAYPOINT_FOR: Final = "istio.io/waypoint-for"
INBOUND_BINDING: Final = "ambient.istio.io/waypoint-inbound-binding"
MANAGED: Final = "gateway.istio.io/managed"
GATEWAY_NAME: Final = "gateway.networking.k8s.io/gateway-name"
_WHOLE: Final = 100


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
    """A Gateway that takes HBONE for workloads behind it: its class or an HBONE listener says so."""
    name = str(gateway.get("spec", "gatewayClassName", default=""))
    if "waypoint" in name:
        return True
    if name in {"istio-eastwest", "istio-east-west", "istio-remote"}:
        return False
    return any(listener.get("protocol") == "HBONE" for listener in gateway.get("spec", "listeners", default=[]))


def bind(cluster: Cluster, obj: Manifest | None, namespace: str, kind: str = "service") -> Binding:
    """The waypoint that an object in `namespace` is bound to; `kind` is `service` or `workload`.

    The object's own label decides, `none` opts out without asking the namespace, and a reference that leads nowhere
    does not fall back to the namespace's (waypoints.go:99-200). `obj` None stands for a generated entry without a
    Service here: only the namespace's label counts (Solo docs, Argo Rollouts guide: client-local waypoint).
    """
    facts = Facts()
    if obj is not None and (obj.labels.get(MANAGED) or (kind == "workload" and obj.labels.get(GATEWAY_NAME))):
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
        place = cluster.label(facts, source, USE_WAYPOINT_NAMESPACE, missing) or namespace
        if obj is not None and place != namespace and _namespace_only(obj):
            return Binding(missing="MS210", facts=facts.read())
        primary = _attach(cluster, facts, name, place, namespace, kind)
        if source is None or primary.address is None or not cluster.dialect.value("waypoint.canary"):
            return primary
        return _with_canary(cluster, facts, primary, source, namespace, kind)
    return Binding(facts=facts.read())


def _with_canary(
    cluster: Cluster, facts: Facts, primary: Binding, source: Manifest, namespace: str, kind: str
) -> Binding:
    """The canary waypoint named beside `use-waypoint`; whatever is wrong with it leaves the primary alone
    (waypoints.go:236-330)."""
    if source.labels.get(CANARY) is None:
        return primary
    name = str(cluster.label(facts, source, CANARY))
    place = cluster.label(facts, source, CANARY_NAMESPACE) or namespace
    weight = cluster.annotation(facts, source, CANARY_WEIGHT) or "0"
    canary = _attach(cluster, facts, name, place, namespace, kind)
    usable = weight.isascii() and weight.isdigit() and int(weight) <= _WHOLE and canary.address is not None
    if not usable:
        return replace(primary, facts=facts.read())
    return replace(primary, canary=canary, canary_weight=int(weight), facts=facts.read())


def _namespace_only(obj: Manifest) -> bool:
    """Whether a ServiceEntry is visible in its own namespace only; such a one binds no waypoint of another."""
    return obj.kind == "ServiceEntry" and obj.get("spec", "exportTo", default=[]) == ["."]


def _attach(cluster: Cluster, facts: Facts, name: str, place: str, namespace: str, kind: str) -> Binding:
    gateway = cluster.get("Gateway", place, name)
    if gateway is None or not is_waypoint(gateway):
        where = Assumed("no such waypoint")
        facts.note(f"{cluster.name}/Gateway/{place}/{name}", "exists", value=False, evidence=where)
        return Binding(missing="MS210", facts=facts.read())
    if not ready(cluster, gateway, facts):
        return Binding(missing="MS207", facts=facts.read())
    if not _allows(cluster, gateway, place, namespace, facts):
        return Binding(missing="MS210", facts=facts.read())
    wanted = traffic_type(cluster, gateway, facts)
    if wanted != "all" and wanted != kind:
        return Binding(missing="MS210", facts=facts.read())
    return Binding(gateway=gateway, address=_address(cluster, gateway), facts=facts.read())


def _address(cluster: Cluster, gateway: Manifest) -> GatewayAddress:
    """A waypoint's address: a host name where its status has one, else its IP (waypoints.go:665).

    A host name is that of the waypoint's Service. Without a status the Gateway is taken as ready under its name.
    """
    addresses = gateway.get("status", "addresses", default=[])
    kinds = {str(entry.get("type") or "IPAddress"): str(entry.get("value")) for entry in reversed(addresses)}
    if not kinds or "IPAddress" not in kinds or "Hostname" in kinds:
        return GatewayAddress(service_of(gateway), HBONE_PORT)
    return GatewayAddress(NetworkAddress(cluster.network.value, kinds["IPAddress"]), HBONE_PORT)


def waypoint_vips(cluster: Cluster, gateway: Manifest | None) -> tuple[NetworkAddress, ...]:
    """The addresses that a Gateway's status gives its Service: a reference by IP must find the waypoint's pods."""
    if gateway is None:
        return ()
    addresses = gateway.get("status", "addresses", default=[])
    return tuple(
        NetworkAddress(cluster.network.value, str(entry.get("value")))
        for entry in addresses
        if str(entry.get("type") or "IPAddress") == "IPAddress"
    )


def traffic_type(cluster: Cluster, gateway: Manifest, facts: Facts) -> str:
    """`istio.io/waypoint-for` of the Gateway, else of its class, else `service`."""
    own = cluster.label(facts, gateway, WAYPOINT_FOR)
    if own is not None:
        return own
    gateway_class = cluster.get("GatewayClass", "", str(gateway.get("spec", "gatewayClassName", default="")))
    if gateway_class is not None:
        inherited = cluster.label(facts, gateway_class, WAYPOINT_FOR)
        if inherited is not None:
            return inherited
    return "service"


def ready(cluster: Cluster, gateway: Manifest, facts: Facts) -> bool:
    """Whether a Gateway ever had an address (waypoints.go:361); one without a status is taken as ready."""
    if gateway.get("status") is None:
        return True
    if cluster.note(facts, gateway, "status", "addresses"):
        return True
    conditions = gateway.get("status", "conditions", default=[])
    for index, condition in enumerate(conditions):
        if condition.get("type") == "Programmed":
            return cluster.note(facts, gateway, "status", "conditions", index, "status") == "True"
    return not conditions


def _allows(cluster: Cluster, gateway: Manifest, place: str, namespace: str, facts: Facts) -> bool:
    """The listener's allowedRoutes: Same by default, All, or a Selector on namespace labels (waypoints.go:568-663)."""
    if place == namespace:
        return True
    index = _listener(cluster, gateway)
    if index is None:
        return False
    path = ("spec", "listeners", index, "allowedRoutes", "namespaces")
    allowed = gateway.get(*path, "from", default="Same")
    cluster.note(facts, gateway, *path, "from")
    if allowed == "Selector":
        described = cluster.namespace(namespace)
        labels = described.labels if described is not None else {}
        labels = {"kubernetes.io/metadata.name": namespace, **labels}
        return selects(gateway.get(*path, "selector", default={}), labels)
    return bool(allowed == "All")


def _listener(cluster: Cluster, gateway: Manifest) -> int | None:
    """The listener that takes a waypoint's traffic: the one that its class's inbound binding names by port (a
    sandwiched waypoint behind a ztunnel), else the HBONE listener."""
    listeners = gateway.get("spec", "listeners", default=[])
    gateway_class = cluster.get("GatewayClass", "", str(gateway.get("spec", "gatewayClassName", default="")))
    binding = gateway.annotations.get(INBOUND_BINDING)
    if binding is None and gateway_class is not None:
        binding = gateway_class.annotations.get(INBOUND_BINDING)
    _, _, port = (binding or "").partition("/")
    wanted = [i for i, listener in enumerate(listeners) if port and str(listener.get("port")) == port]
    hbone = [i for i, listener in enumerate(listeners) if listener.get("protocol") == "HBONE"]
    return next(iter((*wanted, *hbone)), None)


def selects(selector: Mapping[str, object], labels: Mapping[str, str]) -> bool:
    """A Kubernetes label selector: matchLabels and matchExpressions, all of them."""
    wanted = selector.get("matchLabels") or {}
    if not isinstance(wanted, dict) or any(labels.get(key) != value for key, value in wanted.items()):
        return False
    expressions = selector.get("matchExpressions") or []
    return isinstance(expressions, list) and all(_holds(e, labels) for e in expressions)


def _holds(expression: Mapping[str, object], labels: Mapping[str, str]) -> bool:
    key, operator = str(expression.get("key")), expression.get("operator")
    values = expression.get("values") or []
    value = labels.get(key)
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    known = isinstance(values, list) and value in values
    return known if operator == "In" else not known if operator == "NotIn" else False
