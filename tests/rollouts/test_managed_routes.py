"""Mirrored requests, and weights out of another total than 100, in the course of an update."""

from typing import Any

import pytest
from argo_guide import V2, F, N, docs, replicaset, rollout, template

from meshsim.api import step_hash, sync
from meshsim.rollouts import check, desired_counts, hold, state_of, weight_at
from meshsim.rollouts.istio import remove_managed_routes

MIRROR = {"name": "shadow", "percentage": 35, "match": [{"method": {"exact": "GET"}, "path": {"prefix": "/"}}]}


def routes_at(steps: list[dict[str, Any]], step: int) -> list[dict[str, Any]]:
    ro = rollout("istio", steps=steps)
    ro["spec"]["strategy"]["canary"]["trafficRouting"]["managedRoutes"] = [{"name": "shadow"}]
    written = hold(state_of(ro, docs()), step).object("VirtualService", "helloworld")
    assert written is not None
    return list(written["spec"]["http"])


def test_a_mirror_route_precedes_the_weighted_one_and_splits_as_it_does() -> None:
    """rollout/trafficrouting/istio/istio.go createMirrorRoute: the copied split, `path` as `uri`.
    A weight of 0 has no field there (istio_types.go `omitempty`)."""
    steps = [{"setCanaryScale": {"replicas": 1}}, {"setMirrorRoute": MIRROR}, {"pause": {}}]
    shadow, primary = routes_at(steps, 2)
    assert primary["name"] == "primary"
    assert [part.get("weight") for part in shadow["route"]] == [100, None]
    assert shadow["match"] == [{"method": {"exact": "GET"}, "uri": {"prefix": "/"}}]
    assert shadow["mirror"] == {"host": "helloworld", "subset": "canary"}
    assert shadow["mirrorPercentage"] == {"value": 35}


def test_everything_is_mirrored_where_no_percentage_is_given() -> None:
    step = {"name": "shadow", "match": MIRROR["match"]}
    steps = [{"setCanaryScale": {"replicas": 1}}, {"setMirrorRoute": step}, {"pause": {}}]
    assert routes_at(steps, 2)[0]["mirrorPercentage"] == {"value": 100}


@pytest.mark.parametrize(
    "rest", [[{"setMirrorRoute": {"name": "shadow"}}, {"pause": {}}], []], ids=["without match", "promoted"]
)
def test_a_mirror_route_ends(rest: list[dict[str, Any]]) -> None:
    """A step without `match` removes it, and so does the promotion (rollout/trafficrouting.go RemoveManagedRoutes)."""
    steps = [{"setCanaryScale": {"replicas": 1}}, {"setMirrorRoute": MIRROR}, *rest]
    at = 3 if rest else len(steps)
    assert [route["name"] for route in routes_at(steps, at)] == ["primary"]


def per_mille(weight: int, replicas: int = 4, **canary: Any) -> dict[str, Any]:
    ro = rollout("gateway", steps=[{"setWeight": weight}, {"pause": {}}], replicas=replicas, **canary)
    ro["spec"]["strategy"]["canary"]["trafficRouting"]["maxTrafficWeight"] = 1000
    return ro


PAUSED = {"currentPodHash": "new", "stableRS": "old", "currentStepIndex": 1}


@pytest.mark.parametrize(
    ("replicas", "weight", "canary"),
    [(4, 250, 1), (4, 251, 2), (10, 1, 1), (10, 0, 0), (10, 999, 10), (3, 667, 3), (20, 50, 1), (20, 51, 2)],
)
def test_canary_pods_are_the_weights_share_of_the_total_rounded_up(replicas: int, weight: int, canary: int) -> None:
    """ceil(replicas × weight / maxTrafficWeight), stable untouched (utils/replicaset/canary.go)."""
    found = desired_counts(per_mille(weight, replicas), PAUSED)
    assert (found.canary, found.stable) == (canary, replicas)


def test_the_weight_is_out_of_the_total() -> None:
    held = [replicaset("new", 1, 1), replicaset("old", 4, 4)]
    assert weight_at(per_mille(250), PAUSED, held) == 250


@pytest.mark.parametrize(("weight", "written"), [(100, (0, 100)), (101, None), (250, None)])
def test_the_api_server_refuses_the_plugins_weights_above_100(weight: int, written: tuple[int, int] | None) -> None:
    """The plugin gives stable 100 - weight whatever the total is (gatewayapi httproute.go), and the weight of a
    backendRef is at least 0 in Gateway API's CRDs: the route stays as it was, sync after sync."""
    ro = per_mille(weight)
    ro["spec"]["template"] = template(V2)
    ro["status"] = {
        "currentPodHash": N,
        "stableRS": F,
        "currentStepIndex": 0,
        "currentStepHash": step_hash(ro),
        "observedGeneration": "1",
        "replicas": 5,
        "updatedReplicas": 1,
        "availableReplicas": 5,
    }
    sets = [replicaset(N, -(-4 * weight // 1000), -(-4 * weight // 1000)), replicaset(F, 4, 4)]
    for doc in sets:
        doc["metadata"] |= {
            "annotations": {"rollout.argoproj.io/desired-replicas": "4"},
            "ownerReferences": [{"kind": "Rollout", "name": "helloworld"}],
        }
    found = sync(ro, [*docs(), *sets])
    (route,) = (doc for doc in found.objects if doc["kind"] == "HTTPRoute")
    weights = [ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]]
    assert weights == [*(written or (100, 0))]
    refused = f"spec.rules[0].backendRefs[0].weight: {100 - weight} is below 0"
    assert (refused in found.error) is (written is None)


def test_only_plugins_and_nginx_may_have_another_total() -> None:
    """pkg/apis/rollouts/validation/validation.go ValidateRolloutStrategyCanary."""
    ro = rollout("istio")
    ro["spec"]["strategy"]["canary"]["trafficRouting"]["maxTrafficWeight"] = 1000
    assert "only supported in Nginx and Plugins" in str(check(ro, docs()))
    assert check(per_mille(250), docs()) is None


@pytest.mark.parametrize(("version", "left"), [("1.9", ["shadow", "primary"]), ("1.10", ["primary"])])
def test_routes_of_steps_go_without_being_listed_from_1_10_on(version: str, left: list[str]) -> None:
    """istio.go RemoveManagedRoutes (v1.10.0): the names in the steps count beside managedRoutes."""
    ro = rollout("istio", steps=[{"setHeaderRoute": {"name": "shadow", "match": []}}])
    route = {"route": [{"destination": {"host": "helloworld"}}]}
    given = {"kind": "VirtualService", "spec": {"http": [{"name": "shadow", **route}, {"name": "primary", **route}]}}
    written = remove_managed_routes(given, ro, version=version)
    assert [part["name"] for part in written["spec"]["http"]] == left
