"""Objects as a cluster returns them, without what changes by itself and no answer depends on."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_METADATA: Final = (
    "name", "namespace", "labels", "annotations", "generation", "creationTimestamp", "deletionTimestamp"
)  # fmt: skip
_AGELESS: Final = frozenset({"Pod", "Node", "Namespace", "Deployment", "DaemonSet", "StatefulSet", "EndpointSlice"})
"""Kinds whose age decides nothing; where routes compete, and among ReplicaSets, the older object wins."""
_TIMES: Final = frozenset({"lastTransitionTime", "lastUpdateTime", "lastProbeTime", "lastHeartbeatTime"})
_POD_SPEC: Final = ("hostNetwork", "nodeName", "serviceAccountName")
_CONTAINER: Final = ("name", "image", "ports", "restartPolicy")
_SETTINGS: Final = re.compile(r"(ISTIO|PILOT|AMBIENT|ENABLE|DISABLE|CLUSTER|NETWORK|PROXY|META)_?[A-Z0-9_]*")
_CONFIDENTIAL: Final = re.compile(r"PASS|TOKEN|SECRET|CREDENTIAL|API_?KEY|PRIVATE", re.IGNORECASE)
_SLICES: Final = "endpointslice-controller.k8s.io"


def tidy(kind: str, item: Mapping[str, Any]) -> dict[str, Any] | None:
    """An object as it goes into a snapshot; None where it says nothing that another object does not say.

    Templates stay as they are, literal values of `env` included: the pod-template hash is made of them
    (argo-rollouts utils/hash/hash.go).
    """
    metadata = item.get("metadata") or {}
    if _implied(kind, item, metadata):
        return None
    kept = {key: value for key, value in item.items() if key in {"apiVersion", "kind"}}
    kept["metadata"] = _metadata(kind, metadata)
    rest = {key: value for key, value in item.items() if key not in {"apiVersion", "kind", "metadata", "status"}}
    status = item.get("status")
    if kind == "Pod":
        rest = {"spec": _pod_spec(item.get("spec") or {})}
        status = _pod_status(status or {})
    elif kind in {"Node", "Namespace"}:
        rest, status = {}, None
    elif kind in {"Deployment", "DaemonSet", "StatefulSet", "ReplicaSet"}:
        status = {key: value for key, value in (status or {}).items() if key != "conditions"}
    elif kind != "Rollout":
        status = _timeless(status)
    return {**kept, **rest, **({"status": status} if status else {})}


def confidential(item: Mapping[str, Any]) -> Iterator[str]:
    """Names of variables whose literal values look as if nobody should commit them."""
    template = ((item.get("spec") or {}).get("template") or {}).get("spec") or {}
    for container in (*(template.get("initContainers") or ()), *(template.get("containers") or ())):
        for variable in container.get("env") or ():
            if variable.get("value") and _CONFIDENTIAL.search(str(variable.get("name"))):
                yield str(variable["name"])


def _implied(kind: str, item: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Slices of Services with a selector follow from their pods; emptied ReplicaSets of a Deployment are history."""
    labels = metadata.get("labels") or {}
    if kind == "EndpointSlice":
        own = metadata.get("namespace") == "default" and labels.get("kubernetes.io/service-name") == "kubernetes"
        return own or labels.get("endpointslice.kubernetes.io/managed-by") == _SLICES
    if kind == "ReplicaSet":
        owners = [owner.get("kind") for owner in metadata.get("ownerReferences") or ()]
        return "Deployment" in owners and not (item.get("spec") or {}).get("replicas")
    return False


def _metadata(kind: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: metadata[key] for key in _METADATA if metadata.get(key)}
    if kind in _AGELESS:
        kept.pop("creationTimestamp", None)
    annotations = {key: value for key, value in kept.pop("annotations", {}).items() if not _noise(key)}
    if annotations:
        kept["annotations"] = annotations
    owners = [
        {key: owner[key] for key in ("apiVersion", "kind", "name", "controller") if key in owner}
        for owner in metadata.get("ownerReferences") or ()
    ]
    return {**kept, "ownerReferences": owners} if owners else kept


def _noise(annotation: str) -> bool:
    return annotation == LAST_APPLIED or "cni" in annotation.partition("/")[0].split(".")


def _pod_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: spec[key] for key in _POD_SPEC if spec.get(key)}
    for key in ("initContainers", "containers"):
        if spec.get(key):
            kept[key] = [_container(container) for container in spec[key]]
    return kept


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: container[key] for key in _CONTAINER if container.get(key)}
    settings = [
        {"name": variable["name"], "value": variable["value"]}
        for variable in container.get("env") or ()
        if variable.get("value") and _SETTINGS.fullmatch(str(variable.get("name")))
        and not _CONFIDENTIAL.search(str(variable["name"]))
    ]  # fmt: skip
    return {**kept, "env": settings} if settings else kept


def _pod_status(status: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: status[key] for key in ("phase", "podIP", "podIPs") if status.get(key)}
    ready = [
        {"type": condition["type"], "status": condition.get("status")}
        for condition in status.get("conditions") or ()
        if condition.get("type") == "Ready"
    ]
    return {**kept, "conditions": ready} if ready else kept


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if key not in _TIMES}
    return [_timeless(one) for one in value] if isinstance(value, list) else value
