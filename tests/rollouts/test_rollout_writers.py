"""What is written into routes and rules (gatewayapi plugin pkg/plugin, argo-rollouts rollout/trafficrouting/istio)."""

import copy
from typing import Any

import pytest
from argo_guide import HASH, destinationrule, docs, httproute, replicaset, rollout, service, virtualservice

from meshsim import api
from meshsim.model.errors import InputError
from meshsim.rollouts import (
    RolloutError,
    check,
    services_at,
    write_destinationrule,
    write_httproute,
    write_virtualservice,
)


def weights(route: dict[str, Any], rule: int = 0) -> dict[str, Any]:
    return {ref["name"]: ref.get("weight") for ref in route["spec"]["rules"][rule]["backendRefs"]}


def test_backendrefs_are_matched_by_name_only() -> None:
    route = httproute()
    route["spec"]["rules"][0]["backendRefs"][1] |= {"kind": "Hostname", "namespace": "elsewhere", "port": 1}
    assert weights(write_httproute([route], rollout(), 30)[0]) == {"helloworld-stable": 70, "helloworld-canary": 30}


def test_other_backends_are_left_alone() -> None:
    route = httproute()
    route["spec"]["rules"][0]["backendRefs"].append({"name": "other", "weight": 7})
    assert weights(write_httproute([route], rollout(), 30)[0])["other"] == 7


def test_services_may_be_in_different_rules() -> None:
    route = httproute()
    stable, canary = route["spec"]["rules"][0]["backendRefs"]
    route["spec"]["rules"] = [{"backendRefs": [stable]}, {"backendRefs": [canary, {"name": "other"}]}]
    written = write_httproute([route], rollout(), 30)[0]
    assert (weights(written, 0)["helloworld-stable"], weights(written, 1)["helloworld-canary"]) == (70, 30)


def test_a_canary_only_rule_is_never_weighted() -> None:
    route = httproute()
    route["spec"]["rules"].append({"backendRefs": [{"name": "helloworld-canary", "weight": 1}]})
    assert weights(write_httproute([route], rollout(), 30)[0], 1) == {"helloworld-canary": 1}
    assert weights(write_httproute([route], rollout(), 30, version="0.12")[0], 1) == {"helloworld-canary": 30}


def test_route_without_both_services_is_the_plugins_error() -> None:
    route = httproute()
    del route["spec"]["rules"][0]["backendRefs"][1]
    with pytest.raises(RolloutError, match="backendRef was not found in httpRoute") as caught:
        write_httproute([route], rollout(), 30)
    assert caught.value.cannot_execute


def test_missing_route_is_an_error() -> None:
    with pytest.raises(RolloutError, match='"helloworld-svc" not found'):
        write_httproute([], rollout(), 30)


def test_nothing_is_mutated() -> None:
    given = docs()
    before = copy.deepcopy(given)
    write_httproute(given, rollout(), 30)
    write_virtualservice(given, rollout("istio"), 30)
    write_destinationrule(given, rollout("istio"), "c", "s")
    assert given == before


def test_in_progress_label_is_there_while_the_canary_has_weight() -> None:
    key = "rollouts.argoproj.io/gatewayapi-canary"
    started = write_httproute([httproute()], rollout(), 30)[0]
    assert started["metadata"]["labels"] == {key: "in-progress"}
    assert key not in (write_httproute([started], rollout(), 0)[0]["metadata"].get("labels") or {})
    named = rollout()
    named["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"]["argoproj-labs/gatewayAPI"]["namespace"] = (
        "default"
    )
    assert "labels" not in write_httproute([httproute()], named, 30, version="0.9")[0]["metadata"]


def test_empty_namespace_fails_in_older_plugins() -> None:
    with pytest.raises(RolloutError, match="not found"):
        write_httproute([httproute()], rollout(), 30, version="0.10")


def destinations(written: list[dict[str, Any]], route: int = 0) -> list[tuple[str, Any]]:
    return [
        (part["destination"].get("subset"), part.get("weight")) for part in written[0]["spec"]["http"][route]["route"]
    ]


def test_virtualservice_is_weighted_by_subset() -> None:
    assert destinations(write_virtualservice([virtualservice()], rollout("istio"), 30)) == [
        ("stable", 70),
        ("canary", 30),
    ]


def test_foreign_destinations_with_weight_are_deleted() -> None:
    given = virtualservice()
    given["spec"]["http"][0]["route"] += [
        {"destination": {"host": "other", "subset": "a"}, "weight": 5},
        {"destination": {"host": "other", "subset": "b"}, "weight": 0},
    ]
    found = destinations(write_virtualservice([given], rollout("istio"), 30))
    assert found == [("stable", 70), ("canary", 30), ("b", 0)]


def test_without_names_the_only_route_is_weighted() -> None:
    ro = rollout("istio")
    del ro["spec"]["strategy"]["canary"]["trafficRouting"]["istio"]["virtualService"]["routes"]
    assert destinations(write_virtualservice([virtualservice()], ro, 30)) == [("stable", 70), ("canary", 30)]


def test_without_names_several_routes_are_an_error() -> None:
    ro, given = rollout("istio"), virtualservice()
    del ro["spec"]["strategy"]["canary"]["trafficRouting"]["istio"]["virtualService"]["routes"]
    given["spec"]["http"].append({"name": "second", "route": []})
    with pytest.raises(RolloutError, match="exactly one route"):
        write_virtualservice([given], ro, 30)


def test_a_listed_route_that_is_missing_is_an_error() -> None:
    given = virtualservice()
    given["spec"]["http"][0]["name"] = "other"
    with pytest.raises(RolloutError, match="HTTP Route 'primary' is not found"):
        write_virtualservice([given], rollout("istio"), 30)


def test_a_route_without_the_canary_subset_is_an_error() -> None:
    given = virtualservice()
    del given["spec"]["http"][0]["route"][1]
    with pytest.raises(RolloutError, match="Canary DestinationRule subset 'canary' not found in route"):
        write_virtualservice([given], rollout("istio"), 30)


def test_both_subset_labels_switch_in_one_write() -> None:
    given = destinationrule()
    given["spec"]["subsets"].append({"name": "extra", "labels": {"a": "b"}})
    written = write_destinationrule([given], rollout("istio"), "new", "old")[0]
    assert written["spec"]["subsets"] == [
        {"name": "stable", "labels": {"app": "helloworld", HASH: "old"}},
        {"name": "canary", "labels": {"app": "helloworld", HASH: "new"}},
    ]
    assert written["metadata"]["annotations"] == {"argo-rollouts.argoproj.io/managed-by-rollouts": "helloworld"}


def test_an_empty_hash_removes_the_label() -> None:
    once = write_destinationrule([destinationrule()], rollout("istio"), "new", "old")
    written = write_destinationrule(once, rollout("istio"), "", "old")[0]
    assert written["spec"]["subsets"][1]["labels"] == {"app": "helloworld"}


UPDATING = {"stableRS": "stable", "currentPodHash": "canary", "currentStepIndex": 1}


@pytest.mark.parametrize(("available", "canary_service"), [(0, ""), (1, "canary")])
def test_canary_service_moves_with_its_first_pod(available: int, canary_service: str) -> None:
    sets = [replicaset("canary", 2, available), replicaset("stable", 4, 4)]
    found = services_at(rollout(replicas=4), UPDATING, sets)
    assert found == {"helloworld-stable": "stable", "helloworld-canary": canary_service}


def test_first_adoption_waits_for_all_pods() -> None:
    sets = [replicaset("canary", 2, 1), replicaset("stable", 4, 4)]
    fresh = [service("helloworld-stable"), service("helloworld-canary")]
    assert services_at(rollout(replicas=4), UPDATING, sets, services=fresh)["helloworld-canary"] == ""


def test_abort_points_the_canary_service_at_stable() -> None:
    sets = [replicaset("canary", 1, 1), replicaset("stable", 4, 4)]
    assert services_at(rollout(replicas=4), {**UPDATING, "abort": True}, sets)["helloworld-canary"] == "stable"


def test_missing_service_cannot_execute() -> None:
    found = check(rollout(), [service("helloworld-stable"), httproute()])
    assert found is not None
    assert (found.cannot_execute, found.reason) == (True, "not-found")
    assert "helloworld-canary" in found.message


@pytest.mark.parametrize(
    ("canary", "message"),
    [
        ({"dynamicStableScale": True, "scaleDownDelaySeconds": 5}, "cannot be used with scaleDownDelaySeconds"),
        ({"steps": [{"setWeight": 101}]}, "SetWeight needs to be between 0 and 100"),
        ({"steps": [{"setWeight": 1, "pause": {}}]}, "Step must have one"),
        ({"canaryService": "helloworld-stable"}, "two different services are required"),
        ({"maxSurge": 0, "maxUnavailable": "0%"}, "MaxSurge and MaxUnavailable both can not be zero"),
        ({"steps": [{}]}, "Step must have one"),
        (
            {
                "steps": [{"setHeaderRoute": {"name": "h", "match": [{"headerName": "x", "headerValue": {}}]}}],
            },
            "match value must have one of the following",
        ),
    ],
)
def test_invalid_specs_are_refused(canary: dict[str, Any], message: str) -> None:
    ro = rollout()
    ro["spec"]["strategy"]["canary"] |= canary
    found = check(ro, docs())
    assert found is not None
    assert message in found.message


@pytest.mark.parametrize(
    "canary",
    [
        {"steps": [{"setWeight": 50, "setCanaryScale": {"replicas": 2}}]},
        {"steps": [{"setCanaryScale": {"weight": 150}}]},
        {"maxSurge": 0},
        {"maxSurge": "0%", "maxUnavailable": 1},
    ],
)
def test_what_the_controller_lets_pass_is_no_problem(canary: dict[str, Any]) -> None:
    """validation.go: of a step's kinds only setWeight, pause, experiment and analysis exclude each other, and only
    setWeight has a range."""
    ro = rollout()
    ro["spec"]["strategy"]["canary"] |= canary
    assert check(ro, docs()) is None


def test_an_empty_selector_is_refused() -> None:
    ro = rollout()
    ro["spec"]["selector"] = {"matchLabels": {}}
    found = check(ro, docs())
    assert found is not None
    assert "empty selector" in found.message


@pytest.mark.parametrize("weight", ["30", "x", 30.5, 30.0, True, None])
def test_a_weight_is_a_whole_number(weight: Any) -> None:
    for write, doc, kind in (
        (api.write_httproute, httproute(), "gateway"),
        (api.write_virtualservice, virtualservice(), "istio"),
    ):
        with pytest.raises(InputError) as refused:
            write([doc], rollout(kind), weight)
        assert str(refused.value) == f"weight {weight!r} is no whole number, such as 25"


@pytest.mark.parametrize(("weight", "stable"), [(-5, 105), (0, 100), (120, -20)])
def test_the_plugin_checks_no_bounds(weight: int, stable: int) -> None:
    """httproute.go: the rest is 100 less an int32. That the API server then refuses it is the sync's affair."""
    written = api.write_httproute([httproute()], rollout(), weight)[0]
    assert weights(written) == {"helloworld-stable": stable, "helloworld-canary": weight}


def test_a_hash_is_text() -> None:
    """2445676 without quotes is a number in YAML."""
    with pytest.raises(InputError, match="2445676 is no pod-template hash, which is text: quote it"):
        api.write_destinationrule([destinationrule()], rollout("istio"), 2445676, "f9558664b")
