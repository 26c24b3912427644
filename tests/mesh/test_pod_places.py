"""Where a template's pods run, as far as the template says."""

from pathlib import Path

import pytest
import yaml

from meshsim.mesh.pods import pods_of
from meshsim.session import load

NODES = [
    {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": zone},
        },
    }
    for name, zone in (("n1", "eu-a"), ("n2", "eu-b"))
]


@pytest.mark.parametrize(
    ("spec", "node", "region", "zone"),
    [
        ({}, "", "home", "home-1"),
        ({"nodeName": "n2"}, "n2", "eu", "eu-b"),
        ({"nodeSelector": {"kubernetes.io/hostname": "n1"}}, "n1", "eu", "eu-a"),
        ({"nodeSelector": {"topology.kubernetes.io/zone": "home-2"}}, "", "home", "home-2"),
        ({"nodeSelector": {"disk": "ssd"}}, "", "home", "home-1"),
    ],
)
def test_a_template_that_binds_its_pods_to_a_place(
    tmp_path: Path, spec: dict[str, object], node: str, region: str, zone: str
):
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "m", "image": "a:1"}], **spec}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "s"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    scenario = {
        "apiVersion": "meshsim/v1",
        "kind": "Scenario",
        "name": "places",
        "dialect": "istio/1.30",
        "clusters": {"c1": {"region": "home", "zone": "home-1", "manifests": [*NODES, deployment]}},
    }
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    (pod,) = pods_of(load(tmp_path).mesh.clusters["c1"])
    assert (pod.node, pod.region, pod.zone) == (node, region, zone)
