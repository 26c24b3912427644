"""Which of the scenario's objects are applied to its kind cluster, and as what.

Everything that a user would apply is: what controllers, API servers and the installation write is theirs.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, final

from meshsim.controlplane.binding import GATEWAY_NAME
from meshsim.controlplane.components import EASTWEST_CLASSES
from meshsim.live.kind.clusters import worker
from meshsim.live.kind.joining import REMOTE_CLASS
from meshsim.live.kind.places import Place
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE
from meshsim.model.frozen import frozen

WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job", "CronJob", "Rollout")
_PLATFORM: Final = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
_WRITTEN: Final = frozenset(
    {"Node", "EndpointSlice", "Endpoints", "Event", "ControllerRevision", "Lease", "GatewayClass"}
)
"""What controllers write, or the installation brings."""
_SERVED: Final = frozenset(
    {
        "",
        "apps",
        "batch",
        "autoscaling",
        "policy",
        "networking.k8s.io",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "gateway.networking.k8s.io",
        "networking.istio.io",
        "security.istio.io",
        "telemetry.istio.io",
        "extensions.istio.io",
    }
)
"""API groups that the clusters serve once everything is installed."""
_ARGO: Final = frozenset({"Rollout", "Experiment", "AnalysisTemplate", "ClusterAnalysisTemplate"})
_MESH: Final = frozenset({"istiod", "ztunnel", "istio-cni-node", "istio-cni"})
_SERVER_WRITES: Final = (
    "uid",
    "resourceVersion",
    "generation",
    "managedFields",
    "creationTimestamp",
    "selfLink",
    "ownerReferences",
)
_CAPTURED: Final = "ambient.istio.io/redirection"
_LAST: Final = "kubectl.kubernetes.io/last-applied-configuration"


@final
@frozen
class Applied:
    """Documents in the order of their application: what everything else needs, the rest, and what runs pods. `scaled`
    are Deployments that istiod makes for a Gateway, with the replicas that the manifests give them; `left` says what is
    not applied."""

    first: tuple[dict[str, Any], ...]
    rest: tuple[dict[str, Any], ...]
    workloads: tuple[dict[str, Any], ...]
    gateways: tuple[Manifest, ...] = ()
    scaled: Mapping[tuple[str, str], int]
    left: tuple[str, ...] = ()


def applied(place: Place) -> Applied:
    """What is applied to a cluster."""
    first, rest, workloads, gateways = _spaces(place), [], [], []
    unserved: Counter[str] = Counter()
    for key in sorted(place.cluster.objects):
        manifest = place.cluster.objects[key]
        if key.kind == "Namespace" or not _users(place, manifest):
            continue
        if not _served(place, manifest):
            unserved[key.kind] += 1
            continue
        document = clean(place, manifest)
        if key.kind in WORKLOADS:
            workloads.append(document)
        elif key.kind in {"CustomResourceDefinition", "ServiceAccount", "PriorityClass"}:
            first.append(document)
        else:
            rest.append(document)
        if key.kind == "Gateway":
            gateways.append(manifest)
    first += _accounts(place, workloads)
    left = tuple(
        f"{place.name}: {number} {kind}: nothing on the kind cluster serves this kind"
        for kind, number in sorted(unserved.items())
    )
    return Applied(
        first=tuple(first),
        rest=tuple(rest),
        workloads=tuple(workloads),
        gateways=tuple(gateways),
        scaled=dict(_scaled(place)),
        left=(*left, *_stated(place)),
    )


def _spaces(place: Place) -> list[dict[str, Any]]:
    """Namespaces that are described, and those that are only used, with the dataplane that stands in for them."""
    found = []
    stand_in = place.cluster.dataplane.value if place.cluster.dataplane is not None else "none"
    labels = {"ambient": {"istio.io/dataplane-mode": "ambient"}, "sidecar": {"istio-injection": "enabled"}}
    for name in place.cluster.namespaces:
        if name in _PLATFORM or name == SYSTEM_NAMESPACE:
            continue
        described = place.cluster.namespace(name)
        own = labels.get(stand_in, {})
        bare = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **({"labels": own} if own else {})}}
        found.append(clean(place, described) if described is not None else bare)
    return found


def _users(place: Place, manifest: Manifest) -> bool:
    """Whether a user applies this, rather than a controller or the installation."""
    kind, name, space = manifest.kind, manifest.name, manifest.namespace
    if kind in _WRITTEN or space in _PLATFORM or manifest.get("metadata", "ownerReferences"):
        return False
    if kind == "CustomResourceDefinition":
        return not name.endswith((".istio.io", ".gateway.networking.k8s.io", "argoproj.io", ".solo.io"))
    if kind == "Gateway" and manifest.get("spec", "gatewayClassName") in {*EASTWEST_CLASSES, REMOTE_CLASS}:
        return False
    if kind in {"ServiceEntry", "WorkloadEntry"} and name.startswith("autogen"):
        return False
    if GATEWAY_NAME in manifest.labels or _of_gateway(place, manifest):
        return False
    mesh = space == SYSTEM_NAMESPACE and (name in _MESH or (kind == "ConfigMap" and name.startswith("istio")))
    argo = space == "argo-rollouts" and name.startswith("argo-rollouts") and kind not in _ARGO
    return not (mesh or argo or (kind == "Secret" and name == "cacerts"))


def _of_gateway(place: Place, manifest: Manifest) -> bool:
    """Whether this is the Deployment that istiod makes for a Gateway of the manifests."""
    return manifest.kind == "Deployment" and any(
        manifest.namespace == gateway.namespace
        and manifest.name in {gateway.name, f"{gateway.name}-{gateway.get('spec', 'gatewayClassName')}"}
        for gateway in place.cluster.of("Gateway")
    )


def _scaled(place: Place) -> Iterator[tuple[tuple[str, str], int]]:
    for manifest in place.cluster.of("Deployment"):
        if _of_gateway(place, manifest) and manifest.get("spec", "replicas") not in {None, 1}:
            yield (manifest.namespace, manifest.name), int(manifest.get("spec", "replicas"))


def _served(place: Place, manifest: Manifest) -> bool:
    group = manifest.api_version.rpartition("/")[0]
    bare = manifest.kind.split(".", 1)[0]
    return group in _SERVED or (group == "argoproj.io" and bare in _ARGO) or (group == "admin.solo.io" and place.solo)


def _stated(place: Place) -> Iterator[str]:
    """Objects whose status in the manifests means something to the model and cannot be applied."""
    for manifest in place.cluster.of("Gateway", "Rollout", "Deployment", "StatefulSet", "Pod"):
        if manifest.get("status") and not manifest.get("metadata", "ownerReferences") and _matters(manifest):
            said = "is deployed anew, and settles" if manifest.kind == "Rollout" else "gets a status of its own"
            yield f"{place.name}: {manifest.key} {said}: a status cannot be applied ({manifest.evidence('status')})"


def _matters(manifest: Manifest) -> bool:
    """A Gateway that is not programmed, a Rollout under way, pods that are not ready: what a new cluster lacks."""
    status = manifest.get("status", default={})
    if manifest.kind == "Gateway":
        return not status.get("addresses")
    if manifest.kind == "Rollout":
        return bool(status.get("currentPodHash") != status.get("stableRS") or status.get("abort"))
    if manifest.kind == "Pod":
        conditions = status.get("conditions") or ()
        return any(c.get("type") == "Ready" and c.get("status") != "True" for c in conditions if isinstance(c, dict))
    wanted = manifest.get("spec", "replicas", default=1)
    return int(status.get("availableReplicas", status.get("readyReplicas", 0)) or 0) < int(wanted)


def clean(place: Place, manifest: Manifest) -> dict[str, Any]:
    """The object as a user would have written it."""
    found: dict[str, Any] = plain(manifest.data)
    found.pop("status", None)
    metadata = {key: value for key, value in (found.get("metadata") or {}).items() if key not in _SERVER_WRITES}
    if manifest.namespace:
        metadata["namespace"] = manifest.namespace
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict) and _LAST in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != _LAST}
    found["metadata"] = metadata
    _uninjected(found)
    spec = found.get("spec")
    if isinstance(spec, dict) and manifest.kind == "Service" and spec.get("clusterIP") != "None":
        found["spec"] = {key: value for key, value in spec.items() if key not in {"clusterIP", "clusterIPs"}}
    if isinstance(spec, dict) and manifest.kind == "Pod" and spec.get("nodeName"):
        node = worker(place, str(spec.pop("nodeName")))
        found["spec"] = {**spec, **({"nodeName": node} if node else {})}
    return found


def _uninjected(document: dict[str, Any]) -> None:
    """Pods without what istiod and Istio's CNI agent put into them, asking for it where they had it."""
    spec = pod_spec(document)
    if spec is None:
        return
    owner = document if document.get("kind") == "Pod" else pod_template(document)
    metadata = owner.setdefault("metadata", {})
    for key in ("containers", "initContainers"):
        if not isinstance(spec.get(key), list):
            continue
        kept = [c for c in spec[key] if not (isinstance(c, dict) and _is_proxy(c))]
        if len(kept) < len(spec[key]):
            metadata["labels"] = {**(metadata.get("labels") or {}), "sidecar.istio.io/inject": "true"}
            spec[key] = kept
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict) and annotations.get(_CAPTURED) == "enabled":
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != _CAPTURED}
        metadata["labels"] = {"istio.io/dataplane-mode": "ambient", **(metadata.get("labels") or {})}


def _is_proxy(container: Mapping[str, Any]) -> bool:
    return (
        container.get("name") in {"istio-proxy", "istio-init", "istio-validation"} and container.get("image") != "auto"
    )


def plain(value: Any) -> Any:
    """A copy out of dicts and lists alone."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def pod_spec(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The spec of the pods that a document runs, to be changed in place."""
    spec = document.get("spec")
    if document.get("kind") == "Pod":
        return spec if isinstance(spec, dict) else None
    if document.get("kind") == "CronJob":
        spec = ((spec or {}).get("jobTemplate") or {}).get("spec")
    found = ((spec or {}).get("template") or {}).get("spec") if isinstance(spec, dict) else None
    return found if isinstance(found, dict) else None


def pod_template(document: Mapping[str, Any]) -> dict[str, Any]:
    """The template of the pods of a document that is none itself, to be changed in place."""
    spec = document["spec"]
    if document["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    found: dict[str, Any] = spec["template"]
    return found


def _accounts(place: Place, workloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """ServiceAccounts that pods name and nobody describes: without them there would be no pods."""
    described = {(m.namespace, m.name) for m in place.cluster.of("ServiceAccount")}
    wanted = {
        (str(document["metadata"].get("namespace", "default")), str(spec["serviceAccountName"]))
        for document in workloads
        if (spec := pod_spec(document)) is not None and spec.get("serviceAccountName") not in {None, "", "default"}
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": space}}
        for space, name in sorted(wanted - described)
    ]


def resource(api_version: str, kind: str) -> str:
    """A kind as kubectl takes it without doubt: `httproutes.gateway.networking.k8s.io`."""
    bare = kind.split(".", 1)[0].lower()
    if bare.endswith(("s", "x")) and bare != "endpoints":
        plural = f"{bare}es"
    elif bare.endswith("y") and not bare.endswith("ay"):
        plural = f"{bare[:-1]}ies"
    else:
        plural = bare if bare == "endpoints" else f"{bare}s"
    group = api_version.rpartition("/")[0]
    return f"{plural}.{group}" if group else plural
