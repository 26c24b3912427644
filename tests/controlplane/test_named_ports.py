"""A Service's target port may be a name; a pod that lacks it is no endpoint of that port, whoever asks."""

from pathlib import Path

import pytest

from meshsim.model.trace import Delivered, Failed
from meshsim.session import load

SCENARIO = """
apiVersion: meshsim/v1
kind: Scenario
name: named
dialect: istio/1.30
clusters:
  c1:
    manifests:
      - {apiVersion: v1, kind: Namespace, metadata: {name: odd, labels: {LABEL}}}
      - {apiVersion: v1, kind: Namespace, metadata: {name: outside}}
      - apiVersion: v1
        kind: Service
        metadata: {name: server, namespace: odd}
        spec: {selector: {app: server}, ports: [{name: http, port: 80, targetPort: web}]}
      - apiVersion: apps/v1
        kind: Deployment
        metadata: {name: server, namespace: odd}
        spec:
          replicas: 2
          selector: {matchLabels: {app: server}}
          template:
            metadata: {labels: {app: server}}
            spec: {containers: [{name: main, image: "registry.example.com/odd:1", ports: [PORT]}]}
      - &client
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: client, namespace: odd}
        spec:
          selector: {matchLabels: {app: client}}
          template:
            metadata: {labels: {app: client}}
            spec: {containers: [{name: main, image: "registry.example.com/odd:1"}]}
      - {<<: *client, metadata: {name: client, namespace: outside}}
calls: [{from: "c1/NAMESPACE/client", to: "server.odd.svc.cluster.local:80"}]
"""
CLIENTS = [("odd", "istio.io/dataplane-mode: ambient"), ("odd", "istio-injection: enabled"), ("outside", "team: odd")]


def outcomes(folder: Path, namespace: str, label: str, port: str) -> list[object]:
    text = SCENARIO.replace("LABEL", label).replace("PORT", port).replace("NAMESPACE", namespace)
    (folder / "scenario.yaml").write_text(text)
    ((_, rows),) = load(folder).rows(0.0)
    return [path.outcome for row in rows for path in row.trace.paths()]


@pytest.mark.parametrize(("namespace", "label"), CLIENTS)
def test_a_pod_with_the_name_is_reached(tmp_path: Path, namespace: str, label: str):
    found = outcomes(tmp_path, namespace, label, "{name: web, containerPort: 9000}")
    assert len(found) == 2
    assert all(isinstance(one, Delivered) for one in found)


@pytest.mark.parametrize(("namespace", "label"), CLIENTS)
def test_a_pod_without_the_name_is_no_endpoint(tmp_path: Path, namespace: str, label: str):
    # istio ambient/workloads.go constructServices leaves the port out; EndpointSlices do, for Envoy and kube-proxy
    found = outcomes(tmp_path, namespace, label, "{containerPort: 9000}")
    assert len(found) == 1
    assert isinstance(found[0], Failed)
