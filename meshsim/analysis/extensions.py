"""Which extensions, filters, ListenerSets and Sidecars act on a proxy of the path: none of them is modelled
(istio pilot/pkg/model/policyattachment.go ShouldAttachPolicy, push_context.go EnvoyFilters)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Cluster
from meshsim.model.frozen import record

FILTERS: Final = ("EnvoyFilter", "WasmPlugin", "TrafficExtension")
LISTENERS: Final = ("ListenerSet", "XListenerSet")
GATEWAY_NAME: Final = "gateway.networking.k8s.io/gateway-name"
_ENVOYS: Final = frozenset({"waypoint", "gateway", "sidecar"})
_CONTEXT: Final = {"gateway": "GATEWAY", "sidecar": "SIDECAR"}
_WAYPOINT_CLASS: Final = "istio-waypoint"


@final
@record
class Place:
    """A proxy or pod on the path. `kind` is waypoint, gateway, sidecar, or the capture of a pod."""

    cluster: str
    namespace: str
    kind: str
    name: str
    labels: tuple[tuple[str, str], ...] = ()


def acting(here: Cluster, place: Place, headers: Mapping[str, str]) -> Iterator[tuple[Manifest, str]]:
    """The objects that act on requests there, each with what it does. No Envoy, no extension: a pod that ztunnel takes
    in, or nothing, has none."""
    if place.kind not in _ENVOYS:
        return
    for manifest in here.of(*FILTERS):
        if _attaches(manifest, place) and _patches(manifest, place):
            yield manifest, "acts on this path"
    if any(name.lower() == "authorization" for name in headers):
        for manifest in here.of("RequestAuthentication"):
            if _attaches(manifest, place):
                yield manifest, "may refuse the request's token"
    if place.kind == "gateway":
        for manifest in here.of(*LISTENERS):
            name, namespace = (manifest.get("spec", "parentRef", field) for field in ("name", "namespace"))
            if (namespace or manifest.namespace, name) == (place.namespace, place.name):
                yield manifest, "adds listeners to the gateway"
    if place.kind == "sidecar":
        sidecar = _sidecar_of(here, place)
        if sidecar is not None and not _imports_all(sidecar):
            yield sidecar, "narrows what the sidecar knows"


def _attaches(manifest: Manifest, place: Place) -> bool:
    """Whether a policy is for a proxy: by its targets at gateways and waypoints, else by its selector. What stands in
    the root namespace is for all; at a waypoint a target's Service may be of any namespace."""
    targets = [t for t in manifest.get("spec", "targetRefs") or [manifest.get("spec", "targetRef")] if t]
    labels = dict(place.labels)
    by_target = place.kind == "waypoint" or (place.kind == "gateway" and GATEWAY_NAME in labels)
    if by_target and targets:
        return any(_targets(manifest, target, place) for target in targets)
    if targets or place.kind == "waypoint" or manifest.namespace not in {place.namespace, SYSTEM_NAMESPACE}:
        return False
    selector = manifest.get("spec", "selector", "matchLabels") or manifest.get("spec", "workloadSelector", "labels")
    return (selector or {}).items() <= labels.items()


def _targets(manifest: Manifest, target: Mapping[str, Any], place: Place) -> bool:
    kind, name = target.get("kind"), target.get("name")
    if kind == "GatewayClass":
        return place.kind == "waypoint" and (manifest.namespace, name) == (SYSTEM_NAMESPACE, _WAYPOINT_CLASS)
    if kind == "Gateway":
        return (manifest.namespace, name) == (place.namespace, place.name)
    return place.kind == "waypoint"  # a Service or ServiceEntry: it may be one of the waypoint's


def _patches(manifest: Manifest, place: Place) -> bool:
    """Whether an EnvoyFilter changes this kind of proxy at all; other extensions do."""
    if manifest.kind != "EnvoyFilter":
        return True
    wanted = _CONTEXT.get(place.kind, "")
    patches: Sequence[Mapping[str, Any]] = manifest.get("spec", "configPatches", default=[])
    contexts = {str((patch.get("match") or {}).get("context") or "ANY") for patch in patches}
    return any(context == "ANY" or context.startswith(wanted) for context in contexts)


def _sidecar_of(here: Cluster, place: Place) -> Manifest | None:
    """The Sidecar object that a sidecar goes by: one of its namespace that selects it, else the namespace's, else the
    root namespace's (push_context.go getSidecarScope)."""
    own = [s for s in here.of("Sidecar") if s.namespace == place.namespace]
    chosen = [
        s
        for s in own
        if s.get("spec", "workloadSelector", "labels")
        and s.get("spec", "workloadSelector", "labels", default={}).items() <= dict(place.labels).items()
    ]
    plain = [s for s in own if not s.get("spec", "workloadSelector")]
    root = [s for s in here.of("Sidecar") if s.namespace == SYSTEM_NAMESPACE and not s.get("spec", "workloadSelector")]
    return next(iter((*chosen, *plain, *root)), None)


def _imports_all(sidecar: Manifest) -> bool:
    """Whether a Sidecar leaves the outbound side as it is."""
    egress = sidecar.get("spec", "egress", default=[])
    return not egress or any("*/*" in (entry.get("hosts") or ()) and not entry.get("port") for entry in egress)
