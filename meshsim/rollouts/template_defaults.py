"""What a pod template has been filled with by the time the controller hashes it.

An inline template is only what the Rollout's CRD schema leaves and defaults; a template taken from a Deployment has
passed the API server's full defaulting, which is why the two hash differently
(argo-rollouts utils/replicaset/replicaset.go:34).
"""

from typing import Any

from meshsim.rollouts.quantity import in_millis

Fields = dict[str, Any]
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def inline_defaults(template: Fields, *, grpc_service: bool) -> Fields:
    """The defaults of the Rollout CRD, in place; metadata is pruned to labels and annotations.

    `grpc_service` is true for the CRDs of v1.9 and later. A null counts as absent: the API server prunes it before it
    applies defaults. Source: argo-rollouts manifests/crds/rollout-crd.yaml.
    """
    metadata = template.get("metadata") or {}
    template["metadata"] = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
    for container in _containers(template):
        for port in container.get("ports") or ():
            _fill(port, "protocol", "TCP")
        if grpc_service:
            for probe in _probes(container):
                _fill(probe.get("grpc"), "service", "")
            for variable in container.get("env") or ():
                _fill((variable.get("valueFrom") or {}).get("fileKeyRef"), "optional", False)
    return template


def _fill(fields: Any, key: str, value: Any) -> None:
    if isinstance(fields, dict) and fields.get(key) is None:
        fields[key] = value


def deployment_defaults(template: Fields) -> Fields:
    """The API server's defaulting of a Deployment's pod template, in place.

    Source: kubernetes pkg/apis/core/v1/defaults.go and zz_generated.defaults.go (SetObjectDefaults_PodTemplate).
    """
    template.setdefault("metadata", {})
    spec = template.setdefault("spec", {})
    for key, value in (
        ("restartPolicy", "Always"),
        ("dnsPolicy", "ClusterFirst"),
        ("terminationGracePeriodSeconds", 30),
        ("schedulerName", "default-scheduler"),
    ):
        _default(spec, key, value)
    _default(spec, "securityContext", {})
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account  # pkg/apis/core/v1/conversion.go
    _round_up(spec, "overhead")
    for holder in (spec, *_containers(template)):
        _resources(holder)
    for container in _containers(template):
        _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)
    return template


def _default(fields: Fields, key: str, value: Any) -> None:
    if fields.get(key) is None or fields[key] == "":
        fields[key] = value


def _resources(holder: Fields) -> None:
    for key in ("limits", "requests"):
        _round_up(holder.get("resources"), key)


def _round_up(holder: Any, key: str) -> None:
    """Quantities finer than a milli are rounded up (SetDefaults_ResourceList)."""
    if isinstance(holder, dict) and isinstance(holder.get(key), dict):
        holder[key] = {name: None if value is None else in_millis(value) for name, value in holder[key].items()}


def _containers(template: Fields) -> list[Fields]:
    spec = template.get("spec") or {}
    return [container for kind in _CONTAINERS for container in spec.get(kind) or () if isinstance(container, dict)]


def _probes(container: Fields) -> list[Fields]:
    return [container[name] for name in _PROBES if isinstance(container.get(name), dict)]


def _pull_policy(image: str) -> str:
    """`Always` for the tag latest, said or implied; a digest implies no tag (pkg/util/parsers ParseImageName)."""
    name, _, digest = image.rpartition("/")[2].partition("@")
    _, tagged, tag = name.partition(":")
    latest = tag == "latest" if tagged else bool(name) and not digest
    return "Always" if latest else "IfNotPresent"


def _http_get(action: Any) -> None:
    if isinstance(action, dict):
        _default(action, "path", "/")
        _default(action, "scheme", "HTTP")


def _field_ref(holder: Any) -> None:
    if isinstance(holder, dict) and isinstance(holder.get("fieldRef"), dict):
        _default(holder["fieldRef"], "apiVersion", "v1")


def _container(container: Fields) -> None:
    _default(container, "terminationMessagePath", "/dev/termination-log")
    _default(container, "terminationMessagePolicy", "File")
    _default(container, "imagePullPolicy", _pull_policy(container.get("image") or ""))
    for port in container.get("ports") or ():
        _default(port, "protocol", "TCP")
    for variable in container.get("env") or ():
        _field_ref(variable.get("valueFrom"))
        _fill((variable.get("valueFrom") or {}).get("fileKeyRef"), "optional", False)
    for probe in _probes(container):
        for key, value in (
            ("timeoutSeconds", 1),
            ("periodSeconds", 10),
            ("successThreshold", 1),
            ("failureThreshold", 3),
        ):
            if not probe.get(key):
                probe[key] = value
        _http_get(probe.get("httpGet"))
        _fill(probe.get("grpc"), "service", "")
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _http_get(hook.get("httpGet"))


_VOLUME_DEFAULTS: dict[str, tuple[tuple[str, Any], ...]] = {
    "secret": (("defaultMode", 420),),
    "configMap": (("defaultMode", 420),),
    "downwardAPI": (("defaultMode", 420),),
    "projected": (("defaultMode", 420),),
    "hostPath": (("type", ""),),
    "iscsi": (("iscsiInterface", "default"),),
    "rbd": (("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")),
    "azureDisk": (("cachingMode", "ReadWrite"), ("fsType", "ext4"), ("readOnly", False), ("kind", "Shared")),
    "scaleIO": (("storageMode", "ThinProvisioned"), ("fsType", "xfs")),
}


def _volume(volume: Fields) -> None:
    if not any(key != "name" and value is not None for key, value in volume.items()):
        volume["emptyDir"] = {}
    for source, defaults in _VOLUME_DEFAULTS.items():
        if isinstance(volume.get(source), dict):
            for key, value in defaults:
                fill = _fill if source == "azureDisk" else _default  # its fields are pointers: "" is a value
                fill(volume[source], key, value)
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _field_ref(item)
    for part in (volume.get("projected") or {}).get("sources") or ():
        for item in (part.get("downwardAPI") or {}).get("items") or ():
            _field_ref(item)
        if isinstance(part.get("serviceAccountToken"), dict):
            _default(part["serviceAccountToken"], "expirationSeconds", 3600)
    claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if isinstance(claim, dict) and isinstance(claim.get("spec"), dict):
        _fill(claim["spec"], "volumeMode", "Filesystem")
        _resources(claim["spec"])
    if isinstance(volume.get("image"), dict):
        _default(volume["image"], "pullPolicy", _pull_policy(volume["image"].get("reference") or ""))
