"""Answers to pods, pods to revisions."""

import pytest

from meshsim.live.attribution import Attribution, LivePod, live_pod
from meshsim.live.recording import RolloutState

STATES = {"east/shop/web": RolloutState(stable="9f8c6b2d4a", canary="74d4db7bbc")}


def pod(name: str, digest: str = "", cluster: str = "east", **more: object) -> LivePod:
    return LivePod(cluster=cluster, namespace="shop", name=name, hash=digest, ready=True, **more)  # type: ignore[arg-type]


STABLE = pod("web-9f8c6b2d4a-xyz12", "9f8c6b2d4a", images=("registry/web:v1",))
CANARY = pod("web-74d4db7bbc-abc34", "74d4db7bbc", images=("registry/web:v2",))
ALL = Attribution([STABLE, CANARY], STATES)


@pytest.mark.parametrize(
    "body",
    [
        "Hello version: v2, instance: web-74d4db7bbc-abc34\n",
        "Hostname: web-74d4db7bbc-abc34\nIP: 10.1.0.3\n",
        '{"hostname": "web-74d4db7bbc-abc34", "message": "hi"}',
        "served by web-74d4db7bbc-abc34!",
    ],
)
def test_the_pods_name_in_an_answer_gives_its_revision(body: str):
    found = ALL.of(f"HTTP/1.1 200 OK\r\nserver: envoy\r\n\r\n{body}")
    assert (found.role, found.pod, found.cluster) == ("canary", "east/shop/web-74d4db7bbc-abc34", "east")


def test_a_header_names_the_pod_too():
    assert ALL.of("HTTP/1.1 200 OK\r\nx-pod-name: web-9f8c6b2d4a-xyz12\r\n\r\nhello").role == "stable"


def test_a_version_that_only_one_revision_has_gives_it():
    assert ALL.of("HTTP/1.1 200 OK\r\n\r\nversion: v1").role == "stable"


def test_a_version_that_both_revisions_have_gives_none():
    both = Attribution([pod("a", "9f8c6b2d4a", version="v1"), pod("b", "74d4db7bbc", version="v1")], STATES)
    found = both.of("HTTP/1.1 200 OK\r\n\r\nversion: v1")
    assert (found.version, found.role) == ("v1", "")


def test_without_the_list_of_pods_the_hash_in_a_name_decides():
    assert Attribution([], STATES).of("\n\ninstance: web-74d4db7bbc-abc34").role == "canary"


def test_a_pod_of_neither_revision_is_another():
    other = pod("web-5d5d5d5d5d-zzz99", "5d5d5d5d5d", cluster="west")
    assert Attribution([other], STATES).of("\n\ninstance: web-5d5d5d5d5d-zzz99").role == "other"


def test_without_any_rollouts_state_nothing_is_attributed():
    assert Attribution([STABLE], {}).of("\n\ninstance: web-9f8c6b2d4a-xyz12").role == ""


def test_what_names_nobody_is_nobodys():
    assert not ALL.of("HTTP/1.1 200 OK\r\n\r\nhello").known


def test_a_users_expression_takes_the_place_of_the_usual_ones():
    found = Attribution([STABLE, CANARY], STATES, (r"<(?P<pod>[a-z0-9-]+)>",)).of("\n\n<web-9f8c6b2d4a-xyz12>")
    assert found.role == "stable"


def test_a_pod_knows_its_workload_without_the_templates_hash():
    item = {
        "metadata": {
            "name": "curl-5d6c7b8f9-abcde",
            "namespace": "shop",
            "labels": {"pod-template-hash": "5d6c7b8f9"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "curl-5d6c7b8f9", "controller": True}],
        },
        "spec": {"containers": [{"name": "curl", "image": "curlimages/curl"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    found = live_pod("east", item)
    assert found is not None
    assert (found.workload, found.ready) == ("curl", True)
