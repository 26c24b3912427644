"""What a waypoint's Gateway lets in: when it is ready, what it is for, and the namespaces its listener admits
(istio pilot/pkg/serviceregistry/ambient/waypoints.go)."""

import re
from collections.abc import Mapping
from typing import Final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.model.facts import Facts
from meshsim.tables.workload import HBONE_PORT

WAYPOINT_FOR: Final = "istio.io/waypoint-for"
INBOUND_BINDING: Final = "ambient.istio.io/waypoint-inbound-binding"
PROXY_PROTOCOL: Final = "istio.io/PROXY"
WAYPOINT_PROTOCOLS: Final = frozenset({"HBONE", PROXY_PROTOCOL})
_PORT: Final = re.compile(r"[0-9]{1,9}")


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
    """Whether a Gateway ever had an address (waypoints.go:361); one without a status is taken as ready, and one whose
    status leaves the addresses out as it is programmed. An empty list says that there are none."""
    if gateway.get("status") is None:
        return True
    if cluster.note(facts, gateway, "status", "addresses"):
        return True
    if gateway.get("status", "addresses") is not None:
        return False
    conditions = gateway.get("status", "conditions", default=[])
    for index, condition in enumerate(conditions):
        if condition.get("type") == "Programmed":
            return cluster.note(facts, gateway, "status", "conditions", index, "status") == "True"
    return not conditions


def allows(cluster: Cluster, gateway: Manifest, place: str, namespace: str, facts: Facts) -> bool:
    """The listener's allowedRoutes: Same by default, All, or a Selector on namespace labels, which the waypoint's own
    namespace has to match, too (waypoints.go:568-663)."""
    index = _listener(cluster, gateway)
    if index is None:
        return place == namespace
    path = ("spec", "listeners", index, "allowedRoutes", "namespaces")
    allowed = gateway.get(*path, "from", default="Same")
    cluster.note(facts, gateway, *path, "from")
    if allowed == "Selector":
        described = cluster.namespace(namespace)
        labels = described.labels if described is not None else {}
        selector = gateway.get(*path, "selector")
        return selector is not None and selects(selector, {"kubernetes.io/metadata.name": namespace, **labels})
    return bool(allowed == "All") or place == namespace


def _listener(cluster: Cluster, gateway: Manifest) -> int | None:
    """The listener that takes a waypoint's traffic: the one that the Gateway's or its class's inbound binding names (a
    sandwiched waypoint behind a ztunnel; `PROXY` alone means the first one for that protocol), else the HBONE one
    (waypoints.go `makeAllowedRoutes`)."""
    listeners = gateway.get("spec", "listeners", default=[])
    gateway_class = cluster.get("GatewayClass", "", str(gateway.get("spec", "gatewayClassName", default="")))
    binding = gateway.annotations.get(INBOUND_BINDING)
    if binding is None and gateway_class is not None:
        binding = gateway_class.annotations.get(INBOUND_BINDING)
    protocol, port = _inbound_binding(binding)
    bound = [
        i
        for i, listener in enumerate(listeners)
        if (port and str(listener.get("port")) == str(port))
        or (not port and protocol == "PROXY" and listener.get("protocol") == PROXY_PROTOCOL)
    ]
    hbone = [
        i
        for i, listener in enumerate(listeners)
        if listener.get("protocol") == "HBONE" and str(listener.get("port")) == str(HBONE_PORT)
    ]
    return next(iter((*bound, *hbone)), None)


def _inbound_binding(text: str | None) -> tuple[str, int]:
    """`PROTOCOL` or `PROTOCOL/PORT`, the protocol NONE or PROXY; anything else binds nothing (waypoints.go
    `makeInboundBinding`)."""
    protocol, *rest = (text or "").split("/")
    if protocol not in {"NONE", "PROXY"} or len(rest) > 1:
        return "", 0
    return protocol, int(rest[0]) if rest and _PORT.fullmatch(rest[0]) else 0


def selects(selector: Mapping[str, object], labels: Mapping[str, str]) -> bool:
    """A Kubernetes label selector: matchLabels and matchExpressions, all of them."""
    wanted = selector.get("matchLabels") or {}
    if not isinstance(wanted, dict) or any(labels.get(key) != value for key, value in wanted.items()):
        return False
    expressions = selector.get("matchExpressions") or []
    return isinstance(expressions, list) and all(isinstance(e, dict) and _holds(e, labels) for e in expressions)


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
