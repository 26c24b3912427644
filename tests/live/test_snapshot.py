"""A snapshot: what is asked of a cluster, what is kept of it, and that the model answers the same."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from meshsim import session
from meshsim.live.commands import Ran
from meshsim.live.reading import Read, Wanted, commands, read_cluster
from meshsim.live.snapshot import write
from meshsim.live.tidy import confidential, tidy
from meshsim.model.errors import InputError

RESOURCES = """\
namespaces  ns   v1                                 false  Namespace
secrets          v1                                 true   Secret
pods        po   v1                                 true   Pod
services    svc  v1                                 true   Service
httproutes       gateway.networking.k8s.io/v1       true   HTTPRoute
gateways    gw   gateway.networking.k8s.io/v1       true   Gateway
gateways         networking.istio.io/v1             true   Gateway
rollouts    ro   argoproj.io/v1alpha1               true   Rollout
"""
WANTED = Wanted(name="east", context="kind-east")


class Kubectl:
    """Answers by the resource that is asked for; everything else is empty."""

    def __init__(self, answers: dict[str, Any], resources: Ran | None = None):
        self.answers = answers
        self.resources = resources or Ran(0, RESOURCES.encode(), "")
        self.called: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> Ran:
        self.called.append(list(command))
        if "api-resources" in command:
            return self.resources
        answer = self.answers.get(command[command.index("get") + 1], [])
        return answer if isinstance(answer, Ran) else Ran(0, json.dumps({"items": answer}).encode(), "")


def service(name: str, namespace: str = "shop", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, **metadata}}


def read(answers: dict[str, Any], wanted: Wanted = WANTED) -> Read:
    return read_cluster(wanted, Kubectl(answers))


def test_only_reading_calls_are_made_and_never_for_secrets():
    kubectl = Kubectl({})
    read_cluster(WANTED, kubectl)
    verbs = [command[3] for command in kubectl.called]
    assert set(verbs) == {"api-resources", "get"}
    assert [command for command in kubectl.called if any("secret" in word for word in command)] == []
    assert len(verbs) == 1 + 7


def test_istios_gateway_and_the_gateway_apis_are_told_apart():
    kubectl = Kubectl({})
    read_cluster(WANTED, kubectl)
    asked = {command[4] for command in kubectl.called if command[3] == "get"}
    assert {"gateways.gateway.networking.k8s.io", "gateways.networking.istio.io"} <= asked


def test_forbidden_is_noted_and_the_rest_is_read():
    forbidden = Ran(1, b"", 'Error from server (Forbidden): pods is forbidden: User "me" cannot list resource "pods"\n')
    found = read({"pods": forbidden, "services": [service("checkout")]})
    assert found.unread == {"Pod": "forbidden"}
    assert list(found.objects) == [("shop", "Service")]


def test_kinds_that_are_not_installed_have_no_objects():
    assert "VirtualService" in read({}).absent
    assert read({}).unread == {}


def test_a_group_that_does_not_answer_is_not_taken_as_not_installed():
    broken = Ran(
        1, RESOURCES.encode(), "error: unable to retrieve the complete list of server APIs: apps/v1: timeout\n"
    )
    found = read_cluster(WANTED, Kubectl({}, broken))
    assert found.unread["Deployment"] == "its API group did not answer"
    assert "Deployment" not in found.absent


def test_a_context_that_cannot_be_read_is_an_input_error():
    with pytest.raises(InputError, match='"nowhere" does not exist'):
        read_cluster(WANTED, Kubectl({}, Ran(1, b"", 'error: context "nowhere" does not exist\n')))


def test_namespaces_limit_what_is_asked_and_the_scenario_says_so():
    wanted = Wanted(name="east", context="kind-east", kubeconfig="/tmp/k", namespaces=("shop",))
    kubectl = Kubectl({})
    found = read_cluster(wanted, kubectl)
    pods = [command[5:] for command in kubectl.called if "pods" in command]
    assert pods == [["pods", "-n", "shop", "-o", "json"], ["pods", "-n", "istio-system", "-o", "json"]]
    assert found.unread == {"other namespaces": "the snapshot was limited to shop, istio-system"}


def test_a_context_named_like_an_option_stays_a_context():
    assert all("--context=--all" in command for command in commands(Wanted(name="a", context="--all")))


def test_a_namespace_that_leads_out_of_the_directory_is_refused():
    found = read({"services": [service("checkout", "../../etc"), {"metadata": None}, "x"]})
    assert found.objects == {}
    assert len(found.warnings) == 2


def test_the_platforms_own_namespaces_are_left_out():
    assert read({"services": [service("kube-dns", "kube-system")]}).objects == {}


def test_noise_is_removed_and_what_decides_is_kept():
    kept = tidy(
        "HTTPRoute",
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {
                "name": "split",
                "namespace": "shop",
                "uid": "1",
                "resourceVersion": "2",
                "generation": 3,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{}],
                "labels": {"a": "b"},
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "x"},
            },
            "spec": {"rules": []},
            "status": {"parents": [{"conditions": [{"type": "Accepted", "lastTransitionTime": "now"}]}]},
        },
    )
    assert kept == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": "split",
            "namespace": "shop",
            "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"a": "b"},
            "annotations": {"mine": "x"},
        },
        "spec": {"rules": []},
        "status": {"parents": [{"conditions": [{"type": "Accepted"}]}]},
    }


def test_a_pod_keeps_its_place_and_readiness_and_no_secret_value():
    env = [{"name": "DB_PASSWORD", "value": "x"}, {"name": "CLUSTER_ID", "value": "east"}]
    pod = {
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"nodeName": "n1", "volumes": [{}], "containers": [{"name": "app", "env": env}]},
        "status": {"podIP": "10.0.0.1", "startTime": "t", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    kept = tidy("Pod", pod)
    assert kept is not None
    assert kept["spec"] == {
        "nodeName": "n1",
        "containers": [{"name": "app", "env": [{"name": "CLUSTER_ID", "value": "east"}]}],
    }
    assert kept["status"] == {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}


def test_a_literal_secret_in_a_template_is_pointed_out():
    env = [{"name": "DB_PASSWORD", "value": "x"}, {"name": "API_TOKEN", "valueFrom": {}}]
    rollout = {"spec": {"template": {"spec": {"containers": [{"name": "app", "env": env}]}}}}
    assert list(confidential(rollout)) == ["DB_PASSWORD"]


def test_slices_that_follow_from_pods_and_emptied_replicasets_are_left_out():
    managed = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    mirrored = {"endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io"}
    assert tidy("EndpointSlice", {"metadata": {"name": "a", "labels": managed}}) is None
    assert tidy("EndpointSlice", {"metadata": {"name": "a", "labels": mirrored}}) is not None
    old = {"metadata": {"name": "a", "ownerReferences": [{"kind": "Deployment"}]}, "spec": {"replicas": 0}}
    assert tidy("ReplicaSet", old) is None
    assert tidy("ReplicaSet", {**old, "metadata": {"name": "a", "ownerReferences": [{"kind": "Rollout"}]}}) is not None


def test_the_same_cluster_in_another_order_is_the_same_snapshot(tmp_path: Path):
    one, two = service("a", uid="1"), service("b", uid="2")
    write(tmp_path / "first", [read({"services": [one, two]})])
    write(tmp_path / "second", [read({"services": [two, {**one, "metadata": {**one["metadata"], "uid": "9"}}]})])
    compared = subprocess.run(["diff", "-r", str(tmp_path / "first"), str(tmp_path / "second")], check=False)
    assert compared.returncode == 0


def test_what_is_gone_goes_and_what_is_not_ours_stays(tmp_path: Path):
    where = tmp_path / "snapshot"
    write(where, [read({"services": [service("a"), service("b", "other")]})])
    (where / "mine.yaml").write_text("kept")
    write(where, [read({"services": [service("a")]})])
    assert not (where / "east/manifests/other/Service.yaml").exists()
    assert (where / "east/manifests/shop/Service.yaml").exists()
    assert (where / "mine.yaml").read_text() == "kept"


def test_a_directory_that_is_no_snapshot_is_left_alone(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something that is no snapshot"):
        write(tmp_path, [read({})])


def test_a_listing_that_leads_out_of_the_directory_removes_nothing(tmp_path: Path):
    (tmp_path / "precious").write_text("mine")
    where = tmp_path / "snapshot"
    where.mkdir()
    (where / "snapshot.json").write_text(json.dumps({"files": ["../precious", "/etc/hostname"]}))
    write(where, [read({})])
    assert (tmp_path / "precious").exists()


def test_calls_that_may_depend_on_what_was_not_read_are_undetermined(tmp_path: Path):
    scenario = Path(__file__).parents[2] / "scenarios" / "client-beside-the-rollout"
    text = (scenario / "scenario.yaml").read_text().replace("manifests/", f"{scenario}/manifests/")
    file = tmp_path / "scenario.yaml"
    file.write_text(text.replace("  cluster1:\n", "  cluster1:\n    unread: {VirtualService: forbidden}\n", 1))
    answer = session.load(file).answer()
    rows = [row for moment in answer.moments for row in moment.rows]
    assert rows
    assert {(row.verdict.value, row.reasons) for row in rows} == {("undetermined", ("MS901",))}
    assert rows[0].notes == ("VirtualService objects of cluster1 were not read: forbidden",)
    assert "cluster1: VirtualService was not read: forbidden" in answer.findings
