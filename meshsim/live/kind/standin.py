"""Pods that can run anywhere in place of those whose images nobody can pull: they say their name to whoever asks.

A stand-in keeps the pod's labels, ports and place, so that Services, subsets and waypoints see the same. Its image is
written into an annotation of the template: another image is another revision, and the same image the same one again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from meshsim.live.kind.objects import pod_spec, pod_template

SERVER: Final = "docker.io/traefik/whoami:v1.11.0"
"""Answers any request with `Hostname: POD`."""
CLIENT: Final = "docker.io/curlimages/curl:8.11.1"
CONTAINER: Final = "meshsim-curl"
"""The container that calls are made from."""
ANNOTATION: Final = "image.meshsim.dev/"
"""With the container's name: the image that the scenario names."""
_RESERVED: Final = ("example.com", "example.org", "example.net", "example", "invalid", "test", "localhost")
"""Names that are nobody's (RFC 2606)."""


def reserved(image: str) -> bool:
    """Whether an image's registry can be nobody's.

    >>> reserved("registry.example.com/shop/cart:1.0"), reserved("docker.io/istio/examples-helloworld-v1:1.0")
    (True, False)
    """
    registry, slash, _ = image.partition("/")
    host = registry.partition(":")[0]
    return bool(slash) and any(host == name or host.endswith(f".{name}") for name in _RESERVED)


def images(documents: Iterable[Mapping[str, Any]]) -> list[str]:
    """The images that documents run, without repetition."""
    found: dict[str, None] = {}
    for document in documents:
        for container in (pod_spec(document) or {}).get("containers") or ():
            if isinstance(container, Mapping) and container.get("image"):
                found[str(container["image"])] = None
    return list(found)


def with_stand_ins(document: dict[str, Any], *, calls: bool) -> dict[str, Any]:
    """A document whose pods are stand-ins; with a container to call from where they are clients of a call."""
    spec = pod_spec(document)
    if spec is None:
        return document
    containers = [c for c in spec.get("containers") or () if isinstance(c, dict)]
    if any(container.get("image") == "auto" for container in containers):
        return document  # a gateway, whose image istiod's injection sets
    template = document if document["kind"] == "Pod" else pod_template(document)
    metadata = template.setdefault("metadata", {})
    annotations = metadata.setdefault("annotations", {})
    for container in containers:
        annotations[f"{ANNOTATION}{container.get('name', '')}"] = str(container.get("image", ""))
    kept = [_server(container) for container in containers if container.get("ports")]
    if calls or not kept:
        kept.append({"name": CONTAINER, "image": CLIENT, "command": ["sleep", "infinity"]})
    stays: dict[str, Any] = {key: spec[key] for key in ("serviceAccountName", "nodeName") if key in spec}
    spec.clear()
    spec.update({**stays, "terminationGracePeriodSeconds": 1, "containers": kept})
    return document


def _server(container: Mapping[str, Any]) -> dict[str, Any]:
    ports: Sequence[Mapping[str, Any]] = container["ports"]
    number = ports[0].get("containerPort", 80)
    return {
        "name": container.get("name", "app"),
        "image": SERVER,
        "args": [f"--port={number}"],
        "ports": [dict(port) for port in ports],
        "readinessProbe": {"httpGet": {"path": "/health", "port": number}, "periodSeconds": 1},
    }


def image_patch(container: str, image: str) -> dict[str, Any]:
    """What `set-image` comes to: another annotation of the template, hence another revision."""
    return {"spec": {"template": {"metadata": {"annotations": {f"{ANNOTATION}{container}": image}}}}}
