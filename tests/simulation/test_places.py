"""Outages of nodes and zones take the pods there along, and give them back."""

from pathlib import Path
from textwrap import dedent

import pytest

from meshsim import session

SCENARIO = """
    apiVersion: meshsim/v1
    kind: Scenario
    name: places
    dialect: istio/1.30
    dataplane: ambient
    clusters:
      c:
        manifests:
          - {apiVersion: v1, kind: Node, metadata: {name: a, labels: {topology.kubernetes.io/zone: za}}}
          - {apiVersion: v1, kind: Node, metadata: {name: b, labels: {topology.kubernetes.io/zone: zb}}}
          - apiVersion: v1
            kind: Service
            metadata: {name: db, namespace: default}
            spec: {selector: {app: db}, ports: [{name: http, port: 80}]}
          - apiVersion: v1
            kind: Pod
            metadata: {name: db-a, namespace: default, labels: {app: db}}
            spec: {nodeName: a, containers: [{name: db, image: "db:1"}]}
          - apiVersion: v1
            kind: Pod
            metadata: {name: db-b, namespace: default, labels: {app: db}}
            spec: {nodeName: b, containers: [{name: db, image: "db:1"}]}
          - apiVersion: v1
            kind: Pod
            metadata: {name: client, namespace: default, labels: {app: client}}
            spec: {containers: [{name: c, image: "c:1"}]}
    calls: [{from: c/default/client, to: "db.default.svc.cluster.local:80"}]
    timeline:
      - {at: 10s, do: fail, target: "node:c/a"}
      - {at: 20s, do: fail, target: "zone:c/zb"}
      - {at: 30s, do: recover, target: "node:c/a"}
      - {at: 40s, do: recover, target: "zone:c/zb"}
"""


@pytest.mark.parametrize(
    ("at", "pods"), [(5.0, ["db-a", "db-b"]), (15.0, ["db-b"]), (25.0, []), (35.0, ["db-a"]), (45.0, ["db-a", "db-b"])]
)
def test_who_is_left_to_serve(tmp_path: Path, at: float, pods: list[str]) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(dedent(SCENARIO))
    ((_, (row,)),) = session.load(path).rows(at)
    assert [name.rpartition("/")[2] for name in row.pods] == pods
    assert (row.verdict.value == "failing") is (not pods)
