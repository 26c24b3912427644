"""T11: reading and validating 10,000 manifests, as a share of what PyYAML's own safe C loader takes for the same text.

Both are timed by turns in one run, in CPU time; the ratio of the medians is the result, the absolute times are not.
"""

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import yaml

from benchmarks.ratios import report
from meshsim.manifests.stream import read

COUNT = 10_000
TARGET = 0.8
ROUNDS = 5

_SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: svc-{i}
  namespace: ns-{n}
  labels:
    app: app-{i}
    istio.io/use-waypoint: waypoint
spec:
  selector:
    app: app-{i}
  ports:
  - name: http
    port: 5000
    protocol: TCP
    targetPort: 5000
  type: ClusterIP
"""
_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{i}
  namespace: ns-{n}
  labels:
    app: app-{i}
spec:
  replicas: 3
  selector:
    matchLabels:
      app: app-{i}
  template:
    metadata:
      labels:
        app: app-{i}
        version: v1
    spec:
      containers:
      - name: main
        image: docker.io/istio/examples-helloworld-v1:1.0
        ports:
        - containerPort: 5000
        resources:
          requests:
            cpu: "100m"
            memory: 128Mi
"""
_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: route-{i}
  namespace: ns-{n}
spec:
  parentRefs:
  - group: ""
    kind: Service
    name: svc-{i}
  rules:
  - backendRefs:
    - group: ""
      kind: Service
      name: svc-{i}-stable
      port: 5000
      weight: 100
    - group: ""
      kind: Service
      name: svc-{i}-canary
      port: 5000
      weight: 0
"""
_POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: pod-{i}
  namespace: ns-{n}
  labels: {{app: app-{i}, version: v1}}
spec:
  nodeName: node-{n}
  containers:
  - name: main
    image: "docker.io/istio/examples-helloworld-v1:1.0"
status:
  phase: Running
  podIP: 10.1.0.{n}
  conditions:
  - type: Ready
    status: "True"
"""


def text(count: int = COUNT) -> bytes:
    """Manifests as a mesh has them: Services, Deployments, HTTPRoutes and Pods in equal parts."""
    kinds = (_SERVICE, _DEPLOYMENT, _ROUTE, _POD)
    return "---\n".join(kinds[i % 4].format(i=i, n=i % 50) for i in range(count)).encode()


def cpu(work: Callable[[], Any]) -> float:
    gc.collect()
    start = time.process_time()
    result = work()
    taken = time.process_time() - start
    del result
    return taken


def test_reading_manifests_against_the_safe_c_loader(benchmark: Any) -> None:
    data = text()
    assert len(read(data, "manifests.yaml").manifests) == COUNT
    ours: list[float] = []
    anchor: list[float] = []
    for _ in range(ROUNDS):
        anchor.append(cpu(lambda: list(yaml.load_all(data, yaml.CSafeLoader))))
        ours.append(cpu(lambda: read(data, "manifests.yaml")))
    found = statistics.median(ours) / statistics.median(anchor)
    what = f"read and validate {COUNT:,} manifests / CSafeLoader"
    report(benchmark, "T11", what, found, f"≤ {TARGET}", lambda: read(data, "manifests.yaml"))
