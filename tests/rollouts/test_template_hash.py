"""Vectors of argo-rollouts utils/hash/hash.go; spellings checked against k8s.io/apimachinery v0.34.1 and v0.29.3."""

from typing import Any

import pytest
from argo_guide import V1, V2, template

from meshsim import api
from meshsim.model.errors import InputError
from meshsim.rollouts.quantity import canonical_quantity
from meshsim.rollouts.template_hash import same_template, template_hash, template_json


@pytest.mark.parametrize(
    ("image", "flavour", "source", "wanted"),
    [
        (V1, "0.34", "rollout", "f9558664b"),
        (V1, "0.29", "rollout", "57477d556b"),
        (V2, "0.34", "rollout", "75d45d7fb7"),
        (V2, "0.29", "rollout", "86b57d6bf5"),
        (V1, "0.34", "workloadRef", "57b446f945"),
        (V1, "0.29", "workloadRef", "84c9b6bcdf"),
    ],
)
def test_guides_hashes(image: str, flavour: str, source: str, wanted: str) -> None:
    assert template_hash(template(image), flavour, source=source) == wanted


def test_empty_template_differs_by_flavour() -> None:
    assert (template_hash({}, "0.29"), template_hash({}, "0.34")) == ("76bbb58f74", "658c46c486")


def test_collision_count_zero_is_not_absent() -> None:
    assert template_hash(template(V2), collision_count=0) == "747859585f"
    assert template_hash(template(V2), collision_count=1) == "58bc8ddfdb"


def test_unknown_fields_and_pruned_metadata_do_not_count() -> None:
    dressed = template()
    dressed["metadata"]["name"] = "pruned"
    dressed["metadata"]["creationTimestamp"] = None
    dressed["spec"]["nonsense"] = 1
    assert template_hash(dressed) == "f9558664b"


def test_key_order_does_not_count() -> None:
    shuffled = template()
    container = shuffled["spec"]["containers"][0]
    shuffled["spec"]["containers"] = [dict(reversed(container.items()))]
    assert template_hash(shuffled) == "f9558664b"


def test_equal_quantities_hash_alike() -> None:
    other = template()
    other["spec"]["containers"][0]["resources"]["requests"]["cpu"] = 0.1
    assert template_hash(other) == "f9558664b"


def test_fields_newer_than_0_29_are_dropped_there() -> None:
    newer = template()
    newer["spec"]["containers"][0]["restartPolicyRules"] = [{"action": "Restart"}]
    assert template_hash(newer, "0.29") == "57477d556b"
    assert template_hash(newer, "0.34") != "f9558664b"


def test_json_is_gos() -> None:
    text = template_json({"spec": {"containers": [{"name": "a<b>&c", "args": []}]}})
    assert text == '{"metadata":{},"spec":{"containers":[{"name":"a\\u003cb\\u003e\\u0026c","resources":{}}]}}'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0.1", "100m"),
        ("1024Mi", "1Gi"),
        ("1000m", "1"),
        ("0.5Gi", "512Mi"),
        ("1500Mi", "1500Mi"),
        ("1e3", "1e3"),
        (1000, "1k"),
        ("1.5Ki", "1536"),
        ("0", "0"),
        ("1.234", "1.234"),
    ],
)
def test_quantities_are_spelled_as_go_spells_them(text: str | int, wanted: str) -> None:
    assert canonical_quantity(text) == wanted


def test_no_quantity_is_an_error() -> None:
    with pytest.raises(ValueError, match="no quantity"):
        canonical_quantity("100 mcores")


def test_another_flavour_is_an_error() -> None:
    with pytest.raises(ValueError, match="no hash flavour"):
        template_hash({}, "0.35")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((None,), "None is no pod template: give metadata and spec as YAML has them"),
        (([],), "[] is no pod template: give metadata and spec as YAML has them"),
        (({}, "0.34", "1"), "collision_count '1' is no whole number"),
        (({}, "0.34", True), "collision_count True is no whole number"),
        (({}, "0.34", None, "deployment"), "'deployment' is no template source: use rollout or workloadRef"),
    ],
)
def test_wrong_arguments_are_told_in_one_sentence(arguments: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        api.template_hash(*arguments)
    assert str(refused.value) == sentence


def test_defaulted_template_means_the_same() -> None:
    defaulted = template()
    defaulted["metadata"]["labels"] = {"app": "helloworld", "rollouts-pod-template-hash": "f9558664b"}
    defaulted["spec"]["restartPolicy"] = "Always"
    assert same_template(defaulted, template())
    assert not same_template(template(V2), template())


DIGEST = "sha256:" + "a" * 64
NULLS = {
    "spec": {
        "containers": [
            {
                "name": "a",
                "image": "nginx:1",
                "ports": [{"containerPort": 80, "protocol": None}],
                "livenessProbe": {"grpc": {"port": 9, "service": None}},
            }
        ]
    }
}
FINE = {
    "spec": {
        "containers": [
            {
                "name": "a",
                "image": f"nginx:latest@{DIGEST}",
                "resources": {"requests": {"cpu": "100u", "memory": "1.5Gi"}},
            }
        ],
        "serviceAccountName": "web",
        "serviceAccount": "old",
    }
}
VOLUMES = {
    "spec": {
        "containers": [{"name": "a", "image": ""}],
        "overhead": {"cpu": "1500u"},
        "volumes": [
            {"name": "v", "azureDisk": {"diskName": "d", "diskURI": "u", "fsType": ""}},
            {
                "name": "w",
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "metadata": {"managedFields": [{"manager": "m"}]},
                        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                    }
                },
            },
        ],
    }
}
ESCAPES = {
    "metadata": {"labels": {"app": "a<b", "z": "é"}, "annotations": {"q": "x&y>\u2028"}},
    "spec": {
        "containers": [
            {
                "name": "a",
                "image": "i",
                "command": [],
                "args": ["--x=<y>"],
                "env": [
                    {"name": "E", "value": ""},
                    {"name": "F", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}}},
                ],
                "lifecycle": {"preStop": {"httpGet": {"port": "http"}}},
                "securityContext": {"runAsUser": 0},
                "livenessProbe": {"httpGet": {"path": "/h", "port": 8080}},
            }
        ],
        "hostNetwork": False,
        "tolerations": [{"operator": "Exists", "tolerationSeconds": 0}],
    },
}


@pytest.mark.parametrize(
    ("given", "newer", "older", "referred"),
    [
        pytest.param(NULLS, "599bcfdd4c", "bd6777d46", "56c77586f4", id="null-is-defaulted"),
        pytest.param(FINE, None, None, "9d887dcb8", id="rounded-quantity-digest-and-account"),
        pytest.param(VOLUMES, "74459dd54b", "f777bd9f6", "687d7c6965", id="volumes-keep-every-field"),
        pytest.param(ESCAPES, "7884bf47c9", "7667bf67b", "7fb7878b6d", id="escapes-and-empty-values"),
    ],
)
def test_hashes_that_go_computes(given: dict[str, Any], newer: str | None, older: str | None, referred: str) -> None:
    """Hashed with k8s.io/api v0.34.1 and v0.29.4; defaulted by the scheme of k8s.io/kubernetes v1.34.5."""
    if newer is not None:
        assert template_hash(given, "0.34") == newer
        assert template_hash(given, "0.29") == older
    assert template_hash(given, source="workloadRef") == referred
