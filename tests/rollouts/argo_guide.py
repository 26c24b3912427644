"""The guide's Rollout in its two approaches, as plain values."""

from typing import Any

V1 = "docker.io/istio/examples-helloworld-v1:1.0"
V2 = "docker.io/istio/examples-helloworld-v2:1.0"
F, N = "f9558664b", "75d45d7fb7"
HASH = "rollouts-pod-template-hash"
GUIDE_STEPS: list[dict[str, Any]] = [{"pause": {}}, {"setWeight": 50}, {"pause": {}}]
FOUR_STEPS: list[dict[str, Any]] = [{"setWeight": 25}, {"pause": {}}, {"setWeight": 75}, {"pause": {}}]


def template(image: str = V1) -> dict[str, Any]:
    container = {
        "name": "helloworld",
        "image": image,
        "ports": [{"containerPort": 5000}],
        "resources": {"requests": {"cpu": "100m"}},
        "imagePullPolicy": "IfNotPresent",
    }
    return {"metadata": {"labels": {"app": "helloworld"}}, "spec": {"containers": [container]}}


def service(name: str) -> dict[str, Any]:
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": "helloworld"}},
    }


def httproute(*, stable: int = 100, canary: int = 0) -> dict[str, Any]:
    refs = [
        {"group": "", "kind": "Service", "name": "helloworld-stable", "port": 5000, "weight": stable},
        {"group": "", "kind": "Service", "name": "helloworld-canary", "port": 5000, "weight": canary},
    ]
    metadata = {"name": "helloworld-svc", "namespace": "default"}
    return {"kind": "HTTPRoute", "metadata": metadata, "spec": {"rules": [{"backendRefs": refs}]}}


def virtualservice(*, stable: int = 100, canary: int = 0) -> dict[str, Any]:
    route = [
        {"destination": {"host": "helloworld", "subset": "stable"}, "weight": stable},
        {"destination": {"host": "helloworld", "subset": "canary"}, "weight": canary},
    ]
    metadata = {"name": "helloworld", "namespace": "default"}
    return {"kind": "VirtualService", "metadata": metadata, "spec": {"http": [{"name": "primary", "route": route}]}}


def destinationrule() -> dict[str, Any]:
    subsets = [{"name": name, "labels": {"app": "helloworld"}} for name in ("stable", "canary")]
    metadata = {"name": "helloworld", "namespace": "default"}
    return {"kind": "DestinationRule", "metadata": metadata, "spec": {"host": "helloworld", "subsets": subsets}}


def docs() -> list[dict[str, Any]]:
    services = [service("helloworld-stable"), service("helloworld-canary")]
    return [*services, httproute(), virtualservice(), destinationrule()]


def rollout(
    mode: str = "gateway", steps: list[dict[str, Any]] | None = None, replicas: int = 1, **canary: Any
) -> dict[str, Any]:
    """`mode`: gateway, istio, basic, or hosts (Istio by Services)."""
    strategy: dict[str, Any] = {"steps": GUIDE_STEPS if steps is None else steps, **canary}
    if mode == "gateway":
        plugin = {"httpRoutes": [{"name": "helloworld-svc"}]}
        strategy |= {
            "stableService": "helloworld-stable",
            "canaryService": "helloworld-canary",
            "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": plugin}},
        }
    elif mode == "istio":
        rule = {"name": "helloworld", "canarySubsetName": "canary", "stableSubsetName": "stable"}
        strategy["trafficRouting"] = {
            "istio": {"virtualService": {"name": "helloworld", "routes": ["primary"]}, "destinationRule": rule}
        }
    elif mode == "hosts":
        strategy["trafficRouting"] = {"istio": {"virtualService": {"name": "helloworld"}}}
    return {
        "kind": "Rollout",
        "metadata": {"name": "helloworld", "namespace": "default", "generation": 1},
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": {"app": "helloworld"}},
            "template": template(),
            "strategy": {"canary": strategy},
        },
    }


def replicaset(pod_hash: str, spec: int, available: int, created: int | None = None) -> dict[str, Any]:
    return {
        "kind": "ReplicaSet",
        "metadata": {"name": f"helloworld-{pod_hash}", "labels": {HASH: pod_hash}},
        "spec": {"replicas": spec},
        "status": {"replicas": spec if created is None else created, "availableReplicas": available},
    }
