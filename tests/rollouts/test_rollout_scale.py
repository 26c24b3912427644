"""Numbers of the examples in argo-rollouts utils/replicaset/canary.go and canary_test.go."""

from typing import Any

import pytest
from argo_guide import FOUR_STEPS, replicaset, rollout

from meshsim.rollouts import at_desired, desired_counts, weight_at
from meshsim.rollouts.spec import fenceposts, pause_seconds

UPDATING = {"stableRS": "stable", "currentPodHash": "canary"}


def at(index: int, **more: Any) -> dict[str, Any]:
    return {**UPDATING, "currentStepIndex": index, **more}


@pytest.mark.parametrize(
    ("replicas", "weight", "canary"),
    [(4, 25, 1), (10, 5, 1), (10, 100, 10), (1, 1, 1), (3, 50, 2), (0, 50, 0), (10, 0, 0)],
)
def test_routed_canary_is_rounded_up_and_stable_stays_whole(replicas: int, weight: int, canary: int) -> None:
    ro = rollout(steps=[{"setWeight": weight}], replicas=replicas)
    assert desired_counts(ro, at(0)) == (canary, replicas)


def test_absent_replicas_are_one() -> None:
    ro = rollout()
    del ro["spec"]["replicas"]
    assert desired_counts(ro, at(1)) == (1, 1)


def test_dynamic_stable_shrinks_to_the_rest_but_not_below_its_traffic() -> None:
    ro = rollout(steps=FOUR_STEPS, replicas=4, dynamicStableScale=True)
    assert desired_counts(ro, at(2)) == (3, 1)
    weights = {"canary": {"weight": 25}, "stable": {"weight": 75}}
    assert desired_counts(ro, at(2, canary={"weights": weights})) == (3, 3)


def test_canary_scale_is_sticky_and_explicit() -> None:
    steps: list[Any] = [
        {"setCanaryScale": {"replicas": 3}},
        {"setWeight": 25},
        {"setCanaryScale": {"matchTrafficWeight": True}},
    ]
    ro = rollout(steps=steps, replicas=4)
    assert desired_counts(ro, at(1)) == (3, 4)
    assert desired_counts(ro, at(2)) == (1, 4)
    assert desired_counts(ro, at(1, abort=True)) == (0, 4)


def test_min_pods_are_capped_by_replicas_from_1_10() -> None:
    ro = rollout(steps=[{"setWeight": 10}], replicas=2, minPodsPerReplicaSet=3)
    assert desired_counts(ro, at(0)).canary == 2
    assert desired_counts(ro, at(0), version="1.9").canary == 3


@pytest.mark.parametrize(
    ("replicas", "weight", "stable", "unavailable", "surge", "wanted"),
    [
        (10, 10, 10, 1, 1, (1, 9)),
        (10, 30, 10, 0, 3, (3, 10)),
        (10, 30, 10, 5, 0, (0, 7)),
        (1, 5, 1, 0, 1, (1, 1)),
        (1, 95, 1, 0, 1, (1, 1)),
    ],
)
def test_basic_canary(
    replicas: int, weight: int, stable: int, unavailable: int, surge: int, wanted: tuple[int, int]
) -> None:
    ro = rollout("basic", [{"setWeight": weight}], replicas, maxSurge=surge, maxUnavailable=unavailable)
    sets = [replicaset("canary", 0, 0), replicaset("stable", stable, stable)]
    assert desired_counts(ro, at(0), sets) == wanted


@pytest.mark.parametrize(
    ("replicas", "weight", "surge", "wanted"),
    [
        (1, 49, 0, (0, 1)),
        (1, 50, 0, (1, 0)),
        (1, 1, 1, (1, 1)),
        (3, 50, 0, (2, 1)),
        (10, 5, 0, (1, 9)),
        (0, 50, 1, (0, 0)),
    ],
)
def test_basic_counts_are_the_nearest_to_the_weight(
    replicas: int, weight: int, surge: int, wanted: tuple[int, int]
) -> None:
    ro = rollout("basic", [{"setWeight": weight}], replicas, maxSurge=surge, maxUnavailable=1)
    assert desired_counts(ro, at(0)) == wanted


def test_surge_rounds_up_and_unavailable_down() -> None:
    assert fenceposts(rollout(replicas=10)) == (3, 2)
    assert fenceposts(rollout(replicas=1)) == (1, 0)
    assert fenceposts(rollout(replicas=2, maxSurge=0, maxUnavailable="10%")) == (0, 1)


def test_surplus_canary_pods_are_not_the_desired_ones() -> None:
    ro = rollout(steps=FOUR_STEPS, replicas=4)
    stable = replicaset("stable", 4, 4)
    assert at_desired(ro, at(0), [replicaset("canary", 1, 1), stable])
    assert not at_desired(ro, at(0), [replicaset("canary", 3, 3), stable])
    assert not at_desired(ro, at(0), [replicaset("canary", 1, 0), stable])


def test_stable_pods_need_to_be_created_not_available() -> None:
    ro = rollout(steps=FOUR_STEPS, replicas=4)
    assert at_desired(ro, at(0), [replicaset("canary", 1, 1), replicaset("stable", 4, 0)])
    assert not at_desired(ro, at(0), [replicaset("canary", 1, 1), replicaset("stable", 4, 4, created=3)])


def test_progress_threshold_lets_some_pods_be_missing() -> None:
    ro = rollout(steps=[{"setWeight": 100}], replicas=10, replicaProgressThreshold={"type": "Percent", "value": 70})
    sets = [replicaset("canary", 10, 7), replicaset("stable", 10, 10)]
    assert at_desired(ro, at(0), sets)
    assert not at_desired(ro, at(0), sets, version="1.8")


@pytest.mark.parametrize(
    ("status", "canary", "weight"),
    [
        (at(0), (1, 1), 25),
        (at(2), (1, 1), 25),  # pods for 75 are not there yet: the weight before
        (at(2), (3, 3), 75),
        (at(4), (4, 4), 100),
        (at(2), (3, 0), 0),
        (at(3, abort=True), (3, 3), 0),
        (at(1, promoteFull=True, canary={"weights": {"canary": {"weight": 25}}}), (4, 4), 25),
    ],
)
def test_weight(status: dict[str, Any], canary: tuple[int, int], weight: int) -> None:
    ro = rollout(steps=FOUR_STEPS, replicas=4)
    assert weight_at(ro, status, [replicaset("canary", *canary), replicaset("stable", 4, 4)]) == weight


def test_no_weight_is_written_while_stable_is_too_small() -> None:
    ro = rollout(steps=FOUR_STEPS, replicas=4)
    assert weight_at(ro, at(0), [replicaset("canary", 1, 1), replicaset("stable", 4, 2)]) is None


def test_promote_full_with_extra_pods_exceeds_the_maximum() -> None:
    ro = rollout(steps=FOUR_STEPS, replicas=4, dynamicStableScale=True)
    sets = [replicaset("canary", 5, 5), replicaset("stable", 4, 4)]
    assert weight_at(ro, at(1, promoteFull=True), sets) == 125


def test_durations_are_read_as_argo_reads_them() -> None:
    found = [pause_seconds({"duration": text}) for text in (30, "45", "5m", "1h30m", "1.5s", "soon")]
    assert found == [30, 45, 300, 5400, 1, -1]
