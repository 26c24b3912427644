"""Which HTTPRoutes and GRPCRoutes istiod refuses as a whole
(istio pilot/pkg/config/kube/gateway/conversion.go convertHTTPRoute, buildDestination; route_collections.go)."""

from collections.abc import Mapping
from typing import Any, Final

from meshsim.controlplane.routematch import unknown_type
from meshsim.manifests.manifest import Manifest

REDIRECT: Final = "RequestRedirect"
EXTENSIONS: Final = frozenset({"ExtensionRef", "ExternalAuth"})
SERVICES: Final = frozenset({("Service", ""), ("ServiceImport", "multicluster.x-k8s.io")})
"""What istiod takes for a Service (conversion.go buildDestination; ENABLE_MCS_HOST is off)."""
HOSTNAME: Final = ("Hostname", "networking.istio.io")
_HEADERS: Final = frozenset({"RequestHeaderModifier", "ResponseHeaderModifier"})
_FILTERS: Final = {
    "HTTPRoute": _HEADERS | {REDIRECT, "RequestMirror", "URLRewrite", "CORS"},
    "GRPCRoute": _HEADERS | {"RequestMirror"},
}


def weight_of(backend: Mapping[str, Any]) -> int:
    """A backendRef's weight: 1 where none is written."""
    weight = backend.get("weight")
    return 1 if weight is None else int(weight)


def refusal(route: Manifest, *, gateway: bool = False) -> str:
    """Why istiod converts nothing of a route, "" where it does: one rule that it cannot read takes the others along
    (route_collections.go computeRoute). A backend that is missing or of another kind costs its own share only.

    Extension filters are left to `extended`: other products run them.
    """
    for index, rule in enumerate(route.get("spec", "rules", default=[])):
        why = unknown_type(route, rule) or _refused_filter(route, rule) or _refused_backend(route, rule, gateway)
        if why:
            return f"rule {rule.get('name') or index}: {why}"
    return ""


def extended(route: Manifest) -> str:
    """The extension filter that a route uses, "" for none: istiod refuses the whole route for one."""
    for rule in route.get("spec", "rules", default=[]):
        parts = [rule, *(rule.get("backendRefs") or ())]
        kinds = [str(entry.get("type")) for part in parts for entry in part.get("filters") or ()]
        found = next((kind for kind in kinds if kind in EXTENSIONS), "")
        if found:
            return found
    return ""


def _refused_filter(route: Manifest, rule: Mapping[str, Any]) -> str:
    allowed = _FILTERS.get(route.kind, frozenset())
    for entry in rule.get("filters") or ():
        if str(entry.get("type")) not in allowed | EXTENSIONS:
            return f"unsupported filter type {entry.get('type')}"
    for backend in rule.get("backendRefs") or ():
        for entry in backend.get("filters") or ():
            if weight_of(backend) > 0 and str(entry.get("type")) not in _HEADERS | EXTENSIONS:
                return f"unsupported filter type {entry.get('type')} of a backend"
    return ""


def _refused_backend(route: Manifest, rule: Mapping[str, Any], gateway: bool) -> str:
    """What makes istiod refuse a backendRef outright; a gateway's needs a ReferenceGrant before that is looked at."""
    for backend in rule.get("backendRefs") or ():
        kind = (str(backend.get("kind") or "Service"), str(backend.get("group") or ""))
        if weight_of(backend) <= 0 or kind not in {*SERVICES, HOSTNAME}:
            continue
        if gateway and (backend.get("namespace") or route.namespace) != route.namespace:
            continue
        if kind == ("Service", "") and "." in str(backend.get("name")):
            return f"{backend.get('name')} is no name of a Service"
        if kind == HOSTNAME and backend.get("namespace") is not None:
            return "namespace may not be set with Hostname type"
        if backend.get("port") is None:
            return f"port is required in backendRef {backend.get('name')}"
    return ""
