"""Which waypoint a Service or a pod is bound to (istio pilot/pkg/serviceregistry/ambient/waypoints.go:99-330)."""

from dataclasses import dataclass
from typing import final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.model.facts import Fact, Facts
from meshsim.model.names import fqdn
from meshsim.tables.workload import HBONE_PORT, GatewayAddress, NamespacedHostname

USE_WAYPOINT = "istio.io/use-waypoint"
USE_WAYPOINT_NAMESPACE = "istio.io/use-waypoint-namespace"
WAYPOINT_FOR = "istio.io/waypoint-for"
MANAGED = "gateway.istio.io/managed"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The waypoint of an object, or none. `missing` is a reason code where a reference leads nowhere."""

    gateway: Manifest | None = None
    address: GatewayAddress | None = None
    missing: str = ""
    facts: tuple[Fact, ...] = ()


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
    if obj is not None and obj.labels.get(MANAGED):
        return Binding(facts=facts.read())
    for source, missing in ((obj, ""), (cluster.namespace(namespace), f"Namespace/{namespace}")):
        if source is None and not missing:
            continue
        name = cluster.label(facts, source, USE_WAYPOINT, missing)
        if name is None:
            continue
        if name == "none":
            return Binding(facts=facts.read())
        place = cluster.label(facts, source, USE_WAYPOINT_NAMESPACE, missing) or namespace
        return _attach(cluster, facts, name, place, namespace, kind)
    return Binding(facts=facts.read())


def _attach(cluster: Cluster, facts: Facts, name: str, place: str, namespace: str, kind: str) -> Binding:
    gateway = cluster.get("Gateway", place, name)
    if gateway is None or not is_waypoint(gateway):
        from meshsim.model.evidence import Assumed  # noqa: PLC0415

        facts.note(f"{cluster.name}/Gateway/{place}/{name}", "exists", value=False, evidence=Assumed("no such waypoint"))
        return Binding(missing="MS210", facts=facts.read())
    if not ready(cluster, gateway, facts):
        return Binding(missing="MS207", facts=facts.read())
    if not _allows(cluster, gateway, place, namespace, facts):
        return Binding(missing="MS210", facts=facts.read())
    wanted = traffic_type(cluster, gateway, facts)
    if wanted != "all" and wanted != kind:
        return Binding(missing="MS210", facts=facts.read())
    host = NamespacedHostname(place, fqdn(name, place))
    return Binding(gateway=gateway, address=GatewayAddress(host, HBONE_PORT), facts=facts.read())


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
    """The HBONE listener's allowedRoutes: Same by default, All, or a Selector on namespace labels (:568-663)."""
    if place == namespace:
        return True
    for index, listener in enumerate(gateway.get("spec", "listeners", default=[])):
        if listener.get("protocol") != "HBONE":
            continue
        path = ("spec", "listeners", index, "allowedRoutes", "namespaces")
        allowed = gateway.get(*path, "from", default="Same")
        cluster.note(facts, gateway, *path, "from")
        if allowed == "All":
            return True
        if allowed == "Selector":
            described = cluster.namespace(namespace)
            labels = described.labels if described is not None else {}
            labels = {"kubernetes.io/metadata.name": namespace, **labels}
            return selects(gateway.get(*path, "selector", default={}), labels)
    return False


def selects(selector: dict[str, object], labels: dict[str, str]) -> bool:
    """A Kubernetes label selector: matchLabels and matchExpressions, all of them."""
    wanted = selector.get("matchLabels") or {}
    if not isinstance(wanted, dict) or any(labels.get(key) != value for key, value in wanted.items()):
        return False
    expressions = selector.get("matchExpressions") or []
    return isinstance(expressions, list) and all(_holds(e, labels) for e in expressions)


def _holds(expression: dict[str, object], labels: dict[str, str]) -> bool:
    key, operator = str(expression.get("key")), expression.get("operator")
    values = expression.get("values") or []
    value = labels.get(key)
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    known = isinstance(values, list) and value in values
    return known if operator == "In" else not known if operator == "NotIn" else False
