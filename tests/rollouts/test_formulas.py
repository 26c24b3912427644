"""The controller's formulas through `meshsim.api`: rows of argo-rollouts utils/replicaset/canary_test.go and of the
functions' own comments, each worked out by hand."""

from math import ceil
from typing import Any

import pytest
from argo_guide import V2, F, N, docs, replicaset, rollout, template

from meshsim import api

UPDATING = {"stableRS": "stable", "currentPodHash": "canary"}


def with_steps(*weights: int, **more: Any) -> dict[str, Any]:
    return rollout(steps=[{"setWeight": weight} for weight in weights], **more)


@pytest.mark.parametrize("replicas", range(13))
@pytest.mark.parametrize("weight", [0, 1, 5, 10, 25, 33, 50, 66, 75, 90, 99, 100])
def test_routed_pods_are_the_weight_rounded_up(replicas: int, weight: int) -> None:
    assert api.replicas_at_weight(replicas, weight) == ceil(replicas * weight / 100)
    found = api.desired_counts(with_steps(weight, replicas=replicas), {**UPDATING, "currentStepIndex": 0})
    assert found == (ceil(replicas * weight / 100), replicas)


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("aborted", [False, True])
def test_set_weight_is_the_last_one_at_or_before_the_step(index: int, *, aborted: bool) -> None:
    steps: list[Any] = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 40}, {"pause": {}}]
    status = {**UPDATING, "currentStepIndex": index, "abort": aborted}
    wanted = 0 if aborted else [10, 10, 40, 40, 100][index]
    assert api.current_set_weight(rollout(steps=steps), status) == wanted


@pytest.mark.parametrize(
    ("replicas", "weight", "surge", "wanted"),
    [
        (10, 10, 0, (1, 9)),
        (10, 0, 1, (0, 10)),
        (10, 100, 1, (10, 0)),
        (1, 50, 0, (1, 0)),
        (1, 50, 1, (1, 1)),
        (0, 50, 1, (0, 0)),
        (4, 50, 0, (2, 2)),
        (3, 50, 1, (2, 2)),
        (10, 15, 1, (2, 9)),
    ],
)
def test_basic_counts_come_as_near_as_a_surge_allows(
    replicas: int, weight: int, surge: int, wanted: tuple[int, int]
) -> None:
    """canary.go approximateWeightedCanaryStableReplicaCounts: 1/2 is exact for 3 with a surge of one, 2/11 is nearer
    to 15 % than 2/10."""
    assert api.approximate_counts(replicas, weight, surge=surge) == wanted


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "wanted"),
    [
        ("25%", "25%", 4, (1, 1)),
        ("25%", "25%", 10, (3, 2)),
        (0, 0, 5, (0, 1)),
        ("0%", "0%", 5, (0, 1)),
        (2, 1, 5, (2, 1)),
        (None, None, 1, (1, 0)),
        ("10%", 0, 1, (1, 0)),
    ],
)
def test_surge_is_rounded_up_and_unavailable_down(
    surge: object, unavailable: object, replicas: int, wanted: tuple[int, int]
) -> None:
    found = rollout("basic", [], replicas, maxSurge=surge, maxUnavailable=unavailable)
    assert api.fenceposts(found) == wanted


@pytest.mark.parametrize(
    ("available", "canary", "weight", "wanted"),
    [(1, 3, 75, 75), (3, 3, 75, 25), (4, 1, 25, 0), (0, 4, 100, 100), (4, 0, 0, 0)],
)
def test_dynamic_abort_goes_back_step_by_step(available: int, canary: int, weight: int, wanted: int) -> None:
    """trafficrouting.go:361-396 with steps 25 and 75 and 4 replicas: 75 waits until 3 stable pods bear the rest of 25,
    then 25 goes with all 4."""
    ro = with_steps(25, 75, replicas=4, dynamicStableScale=True)
    status = {
        **UPDATING,
        "abort": True,
        "currentStepIndex": 0,
        "canary": {"weights": {"canary": {"weight": weight}, "stable": {"weight": 100 - weight}}},
    }
    sets = [replicaset("stable", 4, available), replicaset("canary", canary, canary)]
    assert api.abort_weight(ro, status, sets) == wanted


def test_static_abort_is_zero() -> None:
    status = {**UPDATING, "abort": True}
    assert api.abort_weight(with_steps(25), status, [replicaset("stable", 1, 1), replicaset("canary", 1, 1)]) == 0


@pytest.mark.parametrize(("available", "share", "ready"), [(4, 100, True), (3, 75, True), (2, 75, False), (0, 0, True)])
def test_stable_must_have_pods_for_its_share(available: int, share: int, *, ready: bool) -> None:
    assert api.stable_ready(rollout(replicas=4), replicaset("stable", 4, available), share) is ready


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ({"conditions": [{"type": "InvalidSpec", "message": "m"}]}, ("Degraded", "InvalidSpec: m")),
        ({"pauseConditions": [{"reason": "CanaryPauseStep"}]}, ("Paused", "CanaryPauseStep")),
        ({"updatedReplicas": 0}, ("Progressing", "more replicas need to be updated")),
        (
            {"updatedReplicas": 1, "availableReplicas": 0},
            ("Progressing", "updated replicas are still becoming available"),
        ),
        (
            {"updatedReplicas": 1, "availableReplicas": 1, "stableRS": "a", "currentPodHash": "b"},
            ("Progressing", "waiting for all steps to complete"),
        ),
        ({"updatedReplicas": 1, "availableReplicas": 1, "stableRS": "a", "currentPodHash": "a"}, ("Healthy", "")),
    ],
)
def test_phase_is_the_first_that_holds(status: dict[str, Any], wanted: tuple[str, str]) -> None:
    """utils/rollout/rolloututil.go:133-190."""
    assert api.phase(rollout(), status) == wanted


def test_one_sync_creates_the_replicaset_and_returns() -> None:
    found = api.sync(rollout(), docs(), version="1.10")
    assert found.sets == {F: (0, 0, 0)}
    assert not found.error


def test_a_sync_of_a_new_template_only_resets_the_status() -> None:
    ro = rollout()
    ro["spec"]["template"] = template(V2)
    ro["status"] = {"stableRS": F, "currentPodHash": F, "currentStepIndex": 3, "observedGeneration": "1"}
    sets = [replicaset(F, 1, 1), replicaset(N, 0, 0)]
    for doc in sets:
        doc["metadata"]["ownerReferences"] = [{"kind": "Rollout", "name": "helloworld"}]
    found = api.sync(ro, [*docs(), *sets], version="1.10")
    assert (found.status["currentStepIndex"], found.status["currentPodHash"]) == (0, N)
    assert not [write for write in found.writes if write.startswith(("Service", "HTTPRoute"))]


def test_every_formula_is_documented_and_listed() -> None:
    for name in ("sync", "phase", "abort_weight", "current_set_weight", "step_hash", "pause_seconds"):
        assert name in dir(api)
        assert getattr(api, name).__doc__


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"setMirrorRoute": {"percentage": 5}}, '[{"setMirrorRoute":{"name":"","percentage":5}}]'),
        (
            {"experiment": {"dryRun": [{"metricName": "m"}], "analysisRunMetadata": {"annotations": {"b": "1"}}}},
            (
                '[{"experiment":{"templates":null,"dryRun":[{"metricName":"m"}],'
                '"analysisRunMetadata":{"annotations":{"b":"1"}}}}]'
            ),
        ),
        (
            {"setHeaderRoute": {"name": "h", "match": [{"headerName": "x"}]}},
            '[{"setHeaderRoute":{"name":"h","match":[{"headerName":"x","headerValue":null}]}}]',
        ),
        (
            {"plugin": {"name": "p", "config": {"z": 1, "a": "<"}}},
            '[{"plugin":{"name":"p","config":{"a":"\\u003c","z":1}}}]',
        ),
        ({"setCanaryScale": {"replicas": 0, "matchTrafficWeight": False}}, '[{"setCanaryScale":{"replicas":0}}]'),
    ],
)
def test_the_step_hash_is_of_gos_json_of_the_steps(step: dict[str, Any], text: str) -> None:
    """utils/conditions ComputeStepHash: the fields of pkg/apis/rollouts/v1alpha1 that have no `omitempty` stay."""
    digest = 0x811C9DC5
    for byte in text.encode():
        digest = ((digest ^ byte) * 0x01000193) % 2**32
    wanted = "".join("456789bcdf"[int(digit)] for digit in str(digest))
    assert api.step_hash(rollout(steps=[step])) == wanted


def test_no_steps_hash_like_an_empty_list_of_them() -> None:
    """controller.go remarshalRollout reads `steps: []` as none: FNV-1a of `null`, as a controller writes it."""
    bare = rollout("basic", steps=[])
    del bare["spec"]["strategy"]["canary"]["steps"]
    assert api.step_hash(rollout("basic", steps=[])) == api.step_hash(bare) == "5ffbfbbd64"


ABORTED = {
    "abort": True,
    "stableRS": F,
    "currentPodHash": N,
    "currentStepIndex": 0,
    "observedGeneration": "1",
    "conditions": [
        {"type": "Progressing", "status": "False", "reason": "RolloutAborted", "message": "m"},
        {"type": "Healthy", "status": "True", "reason": "RolloutHealthy"},
    ],
}


@pytest.mark.parametrize(("version", "told"), [("1.9", "4"), ("1.10", "5")])
def test_a_canary_that_waits_out_its_abort_is_told_of_new_replicas_from_1_10_on(version: str, told: str) -> None:
    """rollout/replicaset.go syncNewRSReplicasAnnotation (v1.10.0): else every sync until then is a scaling event
    that leaves traffic as it is (argo-rollouts#4919)."""
    ro = rollout(steps=[{"setWeight": 25}], replicas=5)
    ro["spec"]["template"] = template(V2)
    ro["status"] = {**ABORTED, "currentStepHash": api.step_hash(ro)}
    sets = [replicaset(F, 5, 5), replicaset(N, 1, 1)]
    for doc, desired in zip(sets, ("5", "4"), strict=True):
        doc["metadata"] |= {
            "annotations": {"rollout.argoproj.io/desired-replicas": desired},
            "ownerReferences": [{"kind": "Rollout", "name": "helloworld"}],
        }
    sets[1]["metadata"]["annotations"]["scale-down-deadline"] = 30.0
    found = api.sync(ro, [*docs(), *sets], version=version, now=10.0)
    named = [write for write in found.writes if "desired-replicas" in write]
    assert [write.rsplit(" = ", 1)[1] for write in named] == ([] if told == "4" else ["5"])
    assert found.sets[N] == (1, 1, 1)
    healthy = next(part for part in found.status["conditions"] if part["type"] == "Healthy")
    assert healthy["status"] == ("True" if version == "1.9" else "False")


@pytest.mark.parametrize(("version", "phase"), [("1.9", "ProgressDeadlineExceeded"), ("1.10", "RolloutAborted")])
def test_progress_deadline_abort_shows_as_an_abort_at_once_from_1_10_on(version: str, phase: str) -> None:
    """rollout/sync.go evaluateProgressDeadlineAbort (v1.10.0) precedes the conditions; v1.9.1 sets them first."""
    ro = rollout(steps=[{"setWeight": 50}, {"pause": {}}], replicas=2)
    ro["spec"] |= {"progressDeadlineSeconds": 20, "progressDeadlineAbort": True, "template": template(V2)}
    progressing = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "lastUpdateTime": 0.0}
    ro["status"] = {
        "stableRS": F,
        "currentPodHash": N,
        "currentStepIndex": 0,
        "currentStepHash": api.step_hash(ro),
        "observedGeneration": "1",
        "replicas": 3,
        "updatedReplicas": 1,
        "availableReplicas": 2,
        "readyReplicas": 2,
        "conditions": [progressing],
    }
    sets = [replicaset(F, 2, 2), replicaset(N, 1, 0)]
    for doc in sets:
        doc["metadata"]["ownerReferences"] = [{"kind": "Rollout", "name": "helloworld"}]
    found = api.sync(ro, [*docs(), *sets], version=version, now=25.0)
    assert found.status["abort"] is True
    assert found.status["message"].startswith(phase)
