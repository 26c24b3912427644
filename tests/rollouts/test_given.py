"""The forms in which `meshsim.api` takes a Rollout, its status and its ReplicaSets: `CONTRACT` names none, so every
reasonable one must mean the same, and what makes no sense is a sentence."""

from collections.abc import Callable
from typing import Any

import pytest
from argo_guide import HASH, destinationrule, httproute, replicaset, rollout, service, virtualservice

from meshsim import api
from meshsim.model.errors import InputError

STATUS = {"stableRS": "aaa", "currentPodHash": "bbb", "currentStepIndex": 0}
FORMS: dict[str, Any] = {
    "objects": [replicaset("bbb", 1, 1), replicaset("aaa", 4, 4)],
    "by hash in a list": [
        {"hash": "bbb", "replicas": 1, "available": 1},
        {"hash": "aaa", "replicas": 4, "available": 4},
    ],
    "by role in a list": [
        {"role": "canary", "replicas": 1, "available": 1},
        {"role": "stable", "replicas": 4, "available": 4},
    ],
    "role and hash": [
        {"role": "stable", "hash": "aaa", "replicas": 4, "availableReplicas": 4},
        {"role": "new", "podTemplateHash": "bbb", "replicas": 1, "availableReplicas": 1},
    ],
    "by name of the Rollout and hash": [
        {"name": "helloworld-bbb", "replicas": 1, "available": 1},
        {"name": "helloworld-aaa", "replicas": 4, "available": 4},
    ],
    "objects that only their names tell apart": [
        {"metadata": {"name": "canary"}, "spec": {"replicas": 1}, "status": {"replicas": 1, "availableReplicas": 1}},
        {"metadata": {"name": "stable"}, "spec": {"replicas": 4}, "status": {"replicas": 4, "availableReplicas": 4}},
    ],
    "mapping by role": {"stable": {"replicas": 4, "available": 4}, "canary": {"replicas": 1, "available": 1}},
    "mapping by hash": {"aaa": {"replicas": 4, "available": 4}, "bbb": {"replicas": 1, "available": 1}},
    "mapping by name": {"helloworld-aaa": (4, 4), "helloworld-bbb": (1, 1)},
    "pairs": {"new": (1, 1), "stable": (4, 4)},
    "numbers of pods": {"canary": 1, "stable": 4},
    "objects by role": {"newRS": replicaset("bbb", 1, 1), "stableRS": replicaset("aaa", 4, 4), "olderRSs": None},
}


@pytest.mark.parametrize("sets", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("spec_alone", [False, True])
def test_every_form_means_the_same_replicasets(sets: Any, *, spec_alone: bool) -> None:
    """One canary and four stable pods at setWeight 25 of 4: all are there, so 25 goes out."""
    ro = rollout(steps=[{"setWeight": 25}], replicas=4)
    ro = ro["spec"] if spec_alone else ro
    assert api.at_desired(ro, STATUS, sets)
    assert api.weight_at(ro, STATUS, sets) == 25
    assert api.desired_counts(ro, STATUS, sets) == (1, 4)


@pytest.mark.parametrize("others", [[(2, 2)], [{"replicas": 2, "available": 2}], {"replicas": 2, "available": 2}])
def test_older_pods_hold_a_basic_canary_back(others: Any) -> None:
    """canary.go AtDesiredReplicaCountsForCanary: without traffic routing older pods must be gone."""
    ro = rollout("basic", steps=[{"setWeight": 25}], replicas=4, maxSurge=0)
    sets = {"canary": 1, "stable": 3}
    assert api.at_desired(ro, STATUS, sets)
    assert not api.at_desired(ro, STATUS, {**sets, "others": others})
    assert not api.at_desired(
        ro,
        STATUS,
        [
            {"role": "canary", "replicas": 1, "available": 1},
            {"role": "stable", "replicas": 3, "available": 3},
            {"role": "other", "replicas": 2, "available": 2},
        ],
    )


def test_without_hashes_in_the_status_names_say_which_is_which() -> None:
    sets = [
        {"name": "canary", "hash": "new-xxx", "replicas": 2, "available": 2},
        {"name": "stable", "hash": "old-xxx", "replicas": 2, "available": 2},
    ]
    found = api.services_at(rollout(replicas=2), {}, sets)
    assert found == {"helloworld-stable": "old-xxx", "helloworld-canary": "new-xxx"}


def test_a_single_replicaset_of_nothing_recorded_is_the_new_one() -> None:
    """A first deploy has no stable ReplicaSet, whatever the one there is called (canary.go GetStableRS)."""
    ro = rollout("basic", steps=[{"setWeight": 10}], replicas=10)
    assert api.desired_counts(ro, {}, [replicaset("stable", 9, 9)]) == (10, 0)


def test_counts_and_weights_have_the_names_of_the_roles() -> None:
    ro = rollout(steps=[{"setWeight": 75}], replicas=4, dynamicStableScale=True)
    found = api.desired_counts(ro, STATUS, None, 25)
    assert (found["canary"], found["stable"], found.canary, found[1]) == (3, 3, 3, 3)
    assert found == api.desired_counts(ro, STATUS, weights={"canary": {"weight": 25}, "stable": {"weight": 75}})


def test_an_abort_of_unnamed_revisions_is_an_abort() -> None:
    """rollout/service_test.go TestCanarySVCSelectorsBasicCanaryAbortServiceSwitchBack, in the form of its objects."""
    sets = {"canary": replicaset("new-rs", 2, 2), "stable": replicaset("stable-rs", 2, 2)}
    found = api.services_at(rollout("basic", [], 2, canaryService="c", stableService="s"), {"abort": True}, sets)
    assert found == {"s": "stable-rs", "c": "stable-rs"}


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "a set of words": (lambda: api.weight_at(rollout(), {}, ["abc"]), "'abc' is not a ReplicaSet"),
    "text for sets": (lambda: api.weight_at(rollout(), {}, "abc"), "are no ReplicaSets"),
    "a number for sets": (lambda: api.weight_at(rollout(), {}, 3), "are no ReplicaSets"),
    "an unknown count": (lambda: api.at_desired(rollout(), {}, [{"hash": "a", "pods": 3}]), "has no pods: use"),
    "an unknown role": (lambda: api.at_desired(rollout(), {}, [{"role": "blue", "replicas": 1}]), "no role"),
    "a count in words": (lambda: api.at_desired(rollout(), {}, {"new": ("one", 1)}), "a number of pods, not 'one'"),
    "a triple": (lambda: api.at_desired(rollout(), {}, {"new": (1, 1, 1)}), "give (replicas, available)"),
    "text for a Rollout": (lambda: api.desired_counts("helloworld"), "is not a Rollout"),
    "text for a status": (lambda: api.desired_counts(rollout(), "Healthy"), "is not a status"),
    "steps of text": (lambda: api.desired_counts(rollout(steps=["pause"])), "spec.strategy.canary.steps.0 must be"),
    "an index in words": (lambda: api.weight_at(rollout(), {"currentStepIndex": "two"}), "must be an integer"),
    "text for weights": (lambda: api.desired_counts(rollout(), {}, None, "half"), "is not traffic weights"),
    "text for docs": (lambda: api.write_httproute("route.yaml", rollout(), 5), "are no objects"),
    "rules of text": (
        lambda: api.write_httproute({**httproute(), "spec": {"rules": ["x"]}}, rollout(), 5),
        "HTTPRoute helloworld-svc: spec.rules.0 must be a mapping, not 'x'",
    ),
    "subsets of text": (
        lambda: api.write_destinationrule({**destinationrule(), "spec": {"subsets": "x"}}, rollout("istio"), "a", "b"),
        "spec.subsets must be a list",
    ),
    "a label of no text": (
        lambda: api.weight_at(rollout(), {}, [{"metadata": {"labels": ["x"]}}]),
        "weight_at cannot read what it was given",
    ),
    "containers of text": (
        lambda: api.template_hash({"spec": {"containers": 5}}),
        "template_hash cannot read what it was given",
    ),
    "a version of no number": (lambda: api.weight_at(rollout(), {}, {}, version="new"), "is no version"),
    "a selector of text": (
        lambda: api.services_at(rollout(), {}, {}, services=[{**service("x"), "spec": {"selector": "app"}}]),
        "spec.selector must be a mapping",
    ),
}


@pytest.mark.parametrize(("call", "sentence"), WRONG.values(), ids=WRONG)
def test_nonsense_is_refused_with_a_sentence(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        call()
    assert sentence in str(refused.value)


def test_a_list_object_and_a_single_one_are_taken_too() -> None:
    ro = rollout()
    [alone] = api.write_httproute(httproute(), ro, 30)
    assert api.write_httproute({"kind": "List", "items": [httproute()]}, ro, 30) == [alone]
    assert [ref["weight"] for ref in alone["spec"]["rules"][0]["backendRefs"]] == [70, 30]


def test_a_call_with_other_arguments_is_no_matter_of_input() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        api.weight_at(rollout(), {}, {}, colour="blue")


@pytest.mark.parametrize("bare", [{"name": "helloworld-svc"}, {}])
def test_a_route_that_says_little_is_the_configured_one(bare: dict[str, Any]) -> None:
    ro = rollout()
    ro["metadata"]["namespace"] = "shop"
    [written] = api.write_httproute({"metadata": bare, "spec": httproute()["spec"]}, ro, 30)
    assert [ref["weight"] for ref in written["spec"]["rules"][0]["backendRefs"]] == [70, 30]
    with pytest.raises(InputError, match="not found"):
        api.write_httproute({"metadata": {"name": "another"}, "spec": httproute()["spec"]}, ro, 30)


def test_istio_objects_without_a_namespace_are_in_the_rollouts() -> None:
    ro = rollout("istio")
    ro["metadata"]["namespace"] = "shop"
    service, rule = virtualservice(), destinationrule()
    del service["metadata"]["namespace"], rule["metadata"]["namespace"]
    [written] = api.write_virtualservice(service, ro, 30)
    assert [part["weight"] for part in written["spec"]["http"][0]["route"]] == [70, 30]
    [ruled] = api.write_destinationrule(rule, ro, "new", "old")
    assert [part["labels"][HASH] for part in ruled["spec"]["subsets"]] == ["old", "new"]
    with pytest.raises(InputError, match="not found"):
        api.write_virtualservice(virtualservice(), ro, 30)
