"""Repositories of made-up meshes: as many clusters, Services and client workloads as a measurement needs."""

from pathlib import Path

NAMESPACES = 20

NETWORK = """\
apiVersion: v1
kind: Namespace
metadata: {{name: istio-system, labels: {{topology.istio.io/network: {cluster}}}}}
"""
NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}, labels: {{istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: waypoint, namespace: {namespace}}}
spec: {{gatewayClassName: istio-waypoint, listeners: [{{name: mesh, port: 15008, protocol: HBONE}}]}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}, labels: {{solo.io/service-scope: {scope}}}}}
spec: {{selector: {{app: {app}}}, ports: [{{port: 80, name: http}}]}}
"""
WORKLOAD = """\
apiVersion: {api}
kind: {kind}
metadata: {{name: {app}, namespace: {namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {app}}}}}
  template: {{metadata: {{labels: {{app: {app}}}}}, spec: {{containers: [{{name: app, image: "app:1"}}]}}}}
"""
CANARY = """\
  strategy:
    canary:
      stableService: {app}-stable
      canaryService: {app}-canary
      trafficRouting: {{plugins: {{argoproj-labs/gatewayAPI: {{httpRoute: {app}, namespace: {namespace}}}}}}}
      steps: [{{setWeight: 25}}, {{pause: {{}}}}]
"""
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {app}, namespace: {namespace}}}
spec:
  parentRefs: [{{group: "", kind: Service, name: {app}, port: 80}}]
  rules: [{{backendRefs: [{{name: {app}-stable, port: 80}}, {{name: {app}-canary, port: 80}}]}}]
"""


def mesh(folder: Path, *, clusters: int, services: int, clients: int, governed: int) -> dict[str, str]:
    """Cluster → folder of its manifests. Each cluster has the same global Services with two pods each, and client
    workloads of four pods; in the first cluster a Rollout governs each of the first `governed` Services."""
    found = {}
    for name in (f"c{index}" for index in range(1, clusters + 1)):
        documents = [NETWORK.format(cluster=name)]
        documents += [NAMESPACE.format(namespace=f"ns{index}") for index in range(NAMESPACES)]
        for index in range(services):
            documents += _service(f"s{index}", f"ns{index % NAMESPACES}", rollout=name == "c1" and index < governed)
        for index in range(clients):
            documents.append(_workload(f"w{index}", f"ns{index % NAMESPACES}", replicas=4))
        place = folder / name
        place.mkdir(parents=True)
        (place / "all.yaml").write_text("---\n".join(documents))
        found[name] = str(place)
    return found


def _service(app: str, namespace: str, *, rollout: bool) -> list[str]:
    service = SERVICE.format(name=app, namespace=namespace, scope="global", app=app)
    if not rollout:
        return [service, _workload(app, namespace, replicas=2)]
    own = [
        SERVICE.format(name=f"{app}-{role}", namespace=namespace, scope="cluster", app=app)
        for role in ("stable", "canary")
    ]
    strategy = CANARY.format(app=app, namespace=namespace)
    workload = WORKLOAD.format(api="argoproj.io/v1alpha1", kind="Rollout", app=app, namespace=namespace, replicas=2)
    return [service, *own, ROUTE.format(app=app, namespace=namespace), workload + strategy]


def _workload(app: str, namespace: str, *, replicas: int) -> str:
    return WORKLOAD.format(api="apps/v1", kind="Deployment", app=app, namespace=namespace, replicas=replicas)
