"""The controller's arithmetic through `meshsim.api`: situations that argo-rollouts' own unit tests cover
(utils/replicaset/canary_test.go, rollout/trafficrouting_test.go, v1.10), with the numbers that the formulas give."""

from typing import Any

import pytest
from argo_guide import replicaset, rollout

from meshsim import api

UPDATING = {"stableRS": "stable", "currentPodHash": "canary"}


def basic(replicas: int, weight: int, surge: object, unavailable: object) -> dict[str, Any]:
    return rollout("basic", [{"setWeight": weight}], replicas, maxSurge=surge, maxUnavailable=unavailable)


@pytest.mark.parametrize(
    ("replicas", "weight", "surge", "unavailable", "stable", "canary", "older", "wanted"),
    [
        # stable and canary are (spec, available); wanted is (canary, stable)
        (10, 100, 3, 0, (7, 8), (6, 3), 0, (6, 7)),
        (10, 20, 2, 0, (10, 10), (0, 0), 0, (2, 10)),
        (10, 20, "20%", 0, (10, 10), (0, 0), 0, (2, 10)),
        (10, 20, "20%", 0, (10, 10), (2, 2), 0, (2, 8)),
        (10, 30, 2, 0, (10, 10), (0, 0), 0, (2, 10)),
        (10, 20, 0, 2, (10, 10), (0, 0), 0, (0, 8)),
        (10, 20, 0, "20%", (10, 10), (0, 0), 0, (0, 8)),
        (10, 30, 0, 2, (10, 10), (0, 0), 0, (0, 8)),
        (10, 50, 2, 1, (10, 10), (0, 0), 0, (2, 9)),
        (10, 0, 1, 1, (10, 10), (1, 1), 0, (0, 10)),
        (10, 100, 1, 1, (1, 1), (10, 10), 0, (10, 0)),
        (1, 20, 1, 0, (1, 1), (0, 0), 0, (1, 1)),
        (1, 90, 1, 0, (1, 1), (0, 0), 0, (1, 1)),
        (1, 49, 0, 1, (1, 1), (0, 0), 0, (0, 1)),
        (1, 51, 0, 1, (1, 1), (0, 0), 0, (0, 0)),
        (1, 51, 0, 1, (0, 0), (0, 0), 0, (1, 0)),
        (10, 30, 1, 0, (1, 1), (0, 0), 3, (1, 7)),
        (10, 30, 0, 3, (8, 5), (4, 4), 0, (3, 7)),
        (10, 100, 1, 0, (10, 2), (10, 8), 0, (9, 2)),
        (10, 30, 0, 1, (8, 6), (4, 2), 3, (4, 8)),
        (10, 5, 0, 1, (10, 10), (0, 0), 0, (0, 9)),
        (10, 5, 0, 1, (9, 9), (0, 0), 0, (1, 9)),
        (10, 10, "0%", "0%", (10, 10), (0, 0), 0, (0, 9)),
        (4, 100, 1, 0, (4, 1), (0, 0), 0, (1, 4)),
        (3, 99, 0, 2, (3, 3), (0, 0), 0, (0, 1)),
        (3, 99, 0, 2, (1, 1), (0, 0), 0, (2, 1)),
        (4, 100, 1, 0, (4, 1), (1, 1), 0, (1, 3)),
        (4, 0, 1, 0, (0, 0), (4, 4), 0, (4, 1)),
        (4, 0, 1, 0, (1, 0), (4, 4), 0, (4, 1)),
        (4, 0, 1, 0, (1, 1), (4, 4), 0, (3, 1)),
    ],
)
def test_basic_canary_moves_within_surge_and_unavailability(
    replicas: int,
    weight: int,
    surge: object,
    unavailable: object,
    stable: tuple[int, int],
    canary: tuple[int, int],
    older: int,
    wanted: tuple[int, int],
) -> None:
    sets = [replicaset("stable", *stable), replicaset("canary", *canary), replicaset("older", older, older)]
    assert api.desired_counts(basic(replicas, weight, surge, unavailable), UPDATING, sets) == wanted


@pytest.mark.parametrize(("surge", "unavailable", "wanted"), [(4, 4, (4, 0)), (3, 0, (3, 4))])
def test_full_promotion_of_a_basic_canary_ignores_the_weight(
    surge: int, unavailable: int, wanted: tuple[int, int]
) -> None:
    sets = [replicaset("stable", 4, 4), replicaset("canary", 0, 0)]
    assert api.desired_counts(basic(4, 1, surge, unavailable), {**UPDATING, "promoteFull": True}, sets) == wanted


@pytest.mark.parametrize("role", ["new", "canary"])
def test_without_another_stable_all_pods_are_the_new_ones(role: str) -> None:
    ro = basic(10, 10, 0, 1)
    only = replicaset("stable", 9, 9)
    assert api.desired_counts(ro, {}, [only]) == (10, 0)
    assert api.desired_counts(ro, {}, {role: only, "stable": only}) == (10, 0)


APPROXIMATE = """
0 0 0 0/0 | 0 50 0 0/0 | 0 100 0 0/0 | 0 0 1 0/0 | 0 50 1 0/0 | 0 100 1 0/0
1 0 0 0/1 | 1 1 0 0/1 | 1 49 0 0/1 | 1 50 0 1/0 | 1 99 0 1/0 | 1 100 0 1/0
1 0 1 0/1 | 1 1 1 1/1 | 1 49 1 1/1 | 1 50 1 1/1 | 1 99 1 1/1 | 1 100 1 1/0
2 0 0 0/2 | 2 1 0 1/1 | 2 50 0 1/1 | 2 99 0 1/1 | 2 100 0 2/0
2 0 1 0/2 | 2 1 1 1/2 | 2 50 1 1/1 | 2 99 1 2/1 | 2 100 1 2/0
3 10 0 1/2 | 3 25 0 1/2 | 3 33 0 1/2 | 3 34 0 1/2 | 3 49 0 1/2 | 3 50 0 2/1
3 10 1 1/3 | 3 25 1 1/3 | 3 33 1 1/2 | 3 34 1 1/2 | 3 49 1 2/2 | 3 50 1 2/2
10 0 1 0/10 | 10 1 0 1/9 | 10 14 0 1/9 | 10 15 0 2/8 | 10 16 0 2/8 | 10 99 0 9/1 | 10 100 1 10/0
10 1 1 1/10 | 10 18 1 2/9 | 10 19 1 2/9 | 10 20 1 2/8 | 10 23 1 2/8 | 10 24 1 3/8 | 10 25 1 3/8 | 10 99 1 10/1
"""
"""replicas, weight, surge, canary/stable"""


@pytest.mark.parametrize("row", [row.strip() for line in APPROXIMATE.strip().splitlines() for row in line.split("|")])
def test_nearest_pods_to_a_weight(row: str) -> None:
    replicas, weight, surge, pods = row.split()
    found = api.approximate_counts(int(replicas), int(weight), surge=int(surge))
    assert f"{found.canary}/{found.stable}" == pods


@pytest.mark.parametrize(
    ("replicas", "scale", "more", "status", "wanted"),
    [
        (1, {"replicas": 9}, {}, {}, (9, 1)),
        (4, {"weight": 200}, {}, {}, (8, 4)),
        (10, {"replicas": 9, "weight": 100, "matchTrafficWeight": True}, {}, {}, (2, 10)),
        (1, {"replicas": 1}, {"abortScaleDownDelaySeconds": 0}, {"abort": True}, (1, 1)),
        (1, {"replicas": 1}, {"abortScaleDownDelaySeconds": 30}, {"abort": True}, (0, 1)),
    ],
)
def test_canary_scale_beside_a_weight_of_twenty(
    replicas: int, scale: dict[str, Any], more: dict[str, Any], status: dict[str, Any], wanted: tuple[int, int]
) -> None:
    ro = rollout(steps=[{"setWeight": 20, "setCanaryScale": scale}], replicas=replicas, **more)
    assert api.desired_counts(ro, {**UPDATING, **status}) == wanted


def test_canary_scale_needs_traffic_routing() -> None:
    ro = basic(10, 20, "20%", 0)
    ro["spec"]["strategy"]["canary"]["steps"][0]["setCanaryScale"] = {"replicas": 9}
    sets = [replicaset("stable", 10, 10), replicaset("canary", 0, 0)]
    assert api.desired_counts(ro, UPDATING, sets) == (2, 10)


@pytest.mark.parametrize(
    ("replicas", "weight", "full", "version", "wanted"),
    [
        (10, 5, False, "1.10", (2, 10)),
        (10, 5, False, "1.9", (2, 10)),
        (1, 100, True, "1.10", (1, 1)),
        (1, 100, True, "1.9", (2, 1)),
        (10, 0, False, "1.10", (0, 10)),
    ],
)
def test_at_least_two_pods_per_replicaset(
    replicas: int, weight: int, *, full: bool, version: str, wanted: tuple[int, int]
) -> None:
    ro = rollout(steps=[{"setWeight": weight}], replicas=replicas, minPodsPerReplicaSet=2)
    assert api.desired_counts(ro, {**UPDATING, "promoteFull": full}, version=version) == wanted


def weighed(canary: int, **more: Any) -> dict[str, Any]:
    """A status whose recorded weights are `canary` and the rest."""
    return {
        **UPDATING,
        "canary": {"weights": {"canary": {"weight": canary}, "stable": {"weight": 100 - canary}}},
        **more,
    }


@pytest.mark.parametrize(
    ("steps", "recorded", "aborted", "stable", "canary", "wanted"),
    [
        ((20, 60), 60, True, (4, 4), (6, 6), (6, 8)),
        ((20, 60), 60, True, (4, 4), (1, 1), (6, 8)),
        ((20, 60), 60, True, (8, 4), (2, 2), (6, 8)),
        ((20, 60), 60, True, None, None, (6, 10)),
        ((10,), 10, False, None, None, (1, 9)),
        ((20,), 10, False, None, None, (2, 9)),
        ((20,), 20, True, None, None, (2, 10)),
        ((20,), 10, True, None, None, (1, 10)),
    ],
)
def test_dynamic_stable_scale(
    steps: tuple[int, ...],
    recorded: int,
    *,
    aborted: bool,
    stable: tuple[int, int] | None,
    canary: tuple[int, int] | None,
    wanted: tuple[int, int],
) -> None:
    ro = rollout(steps=[{"setWeight": weight} for weight in steps], replicas=10, dynamicStableScale=True)
    sets = {"stable": stable and replicaset("stable", *stable), "canary": canary and replicaset("canary", *canary)}
    assert api.desired_counts(ro, weighed(recorded, abort=aborted), sets) == wanted


@pytest.mark.parametrize(("delay", "stable", "wanted"), [(None, 9, 10), (30, 5, 10), (30, 9, 0), (0, 9, 10)])
def test_an_explicit_abort_delay_lets_the_weight_reach_zero(delay: int | None, stable: int, wanted: int) -> None:
    """argo-rollouts#4898: with 5 canary pods kept, 9 of 10 stable ones; 1.10 looks at the stable ones alone."""
    steps = [{"setWeight": 10}, {"setWeight": 50}]
    ro = rollout(steps=steps, replicas=10, dynamicStableScale=True, abortScaleDownDelaySeconds=delay)
    sets = [replicaset("canary", 5, 5), replicaset("stable", stable, stable)]
    assert api.desired_canary_weight(ro, {**UPDATING, "abort": True}, sets) == wanted


@pytest.mark.parametrize(
    ("weight", "canary", "stable", "wanted"),
    [
        (50, (2, 2, 2), (2, 2, 2), True),
        (50, (2, 1, 2), (2, 2, 2), False),
        (75, (3, 3, 3), (2, 2, 2), False),
        (75, (3, 3, 1), (1, 0, 1), True),
        (50, (2, 2, 2), (2, 2, 3), False),
    ],
)
def test_basic_canary_is_where_its_step_wants_it(
    weight: int, canary: tuple[int, int, int], stable: tuple[int, int, int], *, wanted: bool
) -> None:
    """(spec, available, created): of stable the pods must be there, not available."""
    sets = [replicaset("canary", *canary), replicaset("stable", *stable)]
    assert api.at_desired(basic(4, weight, 1, 1), UPDATING, sets) is wanted


@pytest.mark.parametrize(
    ("threshold", "replicas", "available", "desired", "wanted"),
    [
        (("Percent", 90), 10, 9, 10, True),
        (("Pod", 9), 10, 9, 10, True),
        (("Percent", 90), 10, 8, 10, False),
        (("Pod", 8), 10, 7, 10, False),
        (("Pod", -100), 10, 10, 10, True),
        (None, 5, 10, 10, False),
        (None, 10, 10, 10, True),
        (None, 10, 9, 10, False),
        (("Percent", 100), 10, 100, 10, True),
        (("Percent", 90), 0, 0, 0, True),
    ],
)
def test_how_many_pods_are_enough(
    threshold: tuple[str, int] | None, replicas: int, available: int, desired: int, *, wanted: bool
) -> None:
    ro = rollout()
    if threshold:
        ro["spec"]["strategy"]["canary"]["replicaProgressThreshold"] = dict(
            zip(("type", "value"), threshold, strict=True)
        )
    assert api.threshold_met(ro, replicaset("a", replicas, available), desired) is wanted
    assert not api.threshold_met(ro, None, desired)


def test_a_replicaset_without_a_count_has_one_pod() -> None:
    bare = {"metadata": {"labels": {"rollouts-pod-template-hash": "a"}}, "status": {"availableReplicas": 1}}
    assert api.threshold_met(rollout(), bare, 1)
    assert not api.threshold_met(rollout(), bare, 10)


TEN = [{"setWeight": 10}, {"pause": {}}]


@pytest.mark.parametrize(
    ("steps", "status", "stable", "canary", "more", "wanted"),
    [
        (TEN, {"currentStepIndex": 0}, (10, 10), (1, 1), {}, 10),
        (TEN, {"currentStepIndex": 1}, (10, 10), (1, 1), {}, 10),
        (TEN, {"currentStepIndex": 2}, (10, 10), (10, 10), {}, 100),
        ([{"setWeight": 10}, {"setWeight": 20}], {"currentStepIndex": 1}, (10, 10), (1, 1), {}, 10),
        (
            [{"setWeight": 5}, {"setWeight": 25}],
            weighed(5, promoteFull=True),
            (5, 5),
            (10, 5),
            {"dynamicStableScale": True},
            50,
        ),
        ([{"setWeight": 5}, {"setWeight": 25}], weighed(5, promoteFull=True), (10, 10), (10, 5), {}, 5),
        (TEN, {"currentStepIndex": 2, "currentPodHash": "stable"}, (10, 10), None, {}, 0),
        (TEN, {"currentStepIndex": 0}, (10, 10), (1, 0), {}, 0),
        ([], {}, (10, 10), (10, 10), {}, 0),
    ],
)
def test_the_weight_of_one_sync(
    steps: list[Any],
    status: dict[str, Any],
    stable: tuple[int, int],
    canary: tuple[int, int] | None,
    more: dict[str, Any],
    wanted: int,
) -> None:
    sets = [replicaset("stable", *stable)] + ([replicaset("canary", *canary)] if canary else [])
    assert api.weight_at(rollout(steps=steps, replicas=10, **more), {**UPDATING, **status}, sets) == wanted


@pytest.mark.parametrize(
    ("version", "recorded", "available", "canary", "wanted"),
    [("1.10", 0, 4, 0, 0), ("1.8", 0, 4, 0, 0), ("1.8", 100, 1, 4, 80), ("1.10", 100, 1, 4, 100)],
)
def test_an_aborted_weight_follows_the_stable_pods(
    version: str, recorded: int, available: int, canary: int, wanted: int
) -> None:
    """5 replicas, step 50. Up to 1.8 the weight is what stable cannot bear, 100 - 100*1/5, never more than before; from
    1.9 it goes back step by step, and 100 is held until stable bears the rest of 50."""
    ro = rollout(steps=[{"setWeight": 50}, {"pause": {}}], replicas=5, dynamicStableScale=True)
    sets = [replicaset("stable", 5, available), replicaset("canary", canary, canary)]
    assert api.weight_at(ro, weighed(recorded, abort=True), sets, version=version) == wanted


@pytest.mark.parametrize(
    "sets",
    [
        [replicaset("canary", 1, 1), replicaset("stable", 4, 4)],
        [{"hash": "canary", "replicas": 1, "available": 1}, {"hash": "stable", "replicas": 4, "available": 4}],
        {"canary": {"replicas": 1, "available": 1}, "stable": {"replicas": 4, "available": 4}},
        {"canary": (1, 1), "stable": (4, 4)},
        {"new": replicaset("canary", 1, 1), "stable": replicaset("stable", 4, 4), "others": []},
    ],
)
def test_replicasets_may_be_given_in_any_form(sets: Any) -> None:
    ro = rollout(steps=[{"setWeight": 25}], replicas=4)
    status = {**UPDATING, "currentStepIndex": 0}
    assert api.weight_at(ro, status, sets) == 25
    assert api.at_desired(ro, status, sets)
    assert api.services_at(ro, status, sets) == {"helloworld-stable": "stable", "helloworld-canary": "canary"}


def test_an_unknown_current_hash_is_the_templates() -> None:
    sets = [replicaset("f9558664b", 1, 1), replicaset("stable", 4, 4), replicaset("zzz", 1, 1)]
    ro = rollout(steps=[{"setWeight": 25}], replicas=4)
    assert api.services_at(ro, {"stableRS": "stable"}, sets)["helloworld-canary"] == "f9558664b"


def test_weights_may_be_plain_numbers() -> None:
    ro = rollout(steps=[{"setWeight": 75}], replicas=4, dynamicStableScale=True)
    weights = {"canary": 25, "stable": 75}
    assert api.desired_counts(ro, UPDATING, weights=weights) == api.desired_counts(ro, weighed(25)) == (3, 3)
