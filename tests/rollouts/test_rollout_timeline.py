"""The guide's example row by row, and the scenarios traced after it (argo-rollouts rollout/canary.go, traced)."""

import math
from dataclasses import replace
from typing import Any

import pytest
from argo_guide import FOUR_STEPS, HASH, V2, F, N, docs, httproute, rollout, service, template

from meshsim.rollouts import (
    Entry,
    State,
    advance,
    at_rest,
    commands,
    deploy,
    hold,
    observe,
    probe_steps,
    reconcile,
    shown,
    state_of,
)


def sets(state: State) -> dict[str, str]:
    """hash → available/spec"""
    return {found.hash: f"{found.available}/{found.replicas}" for found in state.sets}


def selector(state: State, role: str) -> Any:
    found = state.object("Service", f"helloworld-{role}")
    assert found is not None
    return found["spec"]["selector"].get(HASH)


def weights(state: State) -> tuple[Any, Any]:
    """stable, canary of the managed route"""
    route = state.object("HTTPRoute", "helloworld-svc")
    if route is not None:
        stable, canary = route["spec"]["rules"][0]["backendRefs"]
    else:
        service = state.object("VirtualService", "helloworld")
        assert service is not None
        stable, canary = service["spec"]["http"][0]["route"]
    return stable["weight"], canary["weight"]


def subsets(state: State) -> tuple[Any, Any]:
    rule = state.object("DestinationRule", "helloworld")
    assert rule is not None
    stable, canary = rule["spec"]["subsets"]
    return stable["labels"].get(HASH), canary["labels"].get(HASH)


def row(state: State) -> tuple[str, str, str, str]:
    found = shown(state)
    return found.step, found.set_weight, found.actual_weight, f"{found.phase} {found.message}".strip()


def at_micro(history: list[Entry], t: float, n: int) -> State:
    return next(entry.state for entry in history if (entry.t, entry.n, entry.kind) == (t, n, "sync"))


def run(mode: str, **more: Any) -> tuple[dict[str, State], list[Any]]:
    """The guide's timeline: set image at 60, promote at 120 and 240, pods ready after 10 s."""
    state = state_of(rollout(mode), docs(), version="1.10", **more)
    points, history = {}, []
    for name, to, command in (
        ("deployed", 60, lambda known: commands.set_image(known, "helloworld", V2)),
        ("first pause", 120, commands.promote),
        ("second pause", 240, commands.promote),
        ("complete", 400, lambda known: known),
    ):
        state, part = advance(state, to, pod_ready=10)
        history += part
        points[name] = state
        state = command(state)
    return points, history


def test_initial_deploy_skips_the_steps_and_needs_no_pod() -> None:
    _, history = run("gateway")
    assert sets(at_micro(history, 0, 1)) == {F: "0/0"}  # row 1
    assert row(at_micro(history, 0, 2)) == ("0/3", "0", "0", "Progressing more replicas need to be updated")  # row 2
    third = at_micro(history, 0, 3)
    assert (sets(third), third.status["stableRS"], shown(third).step) == ({F: "0/1"}, F, "3/3")  # row 3


def test_services_move_when_the_first_pod_is_ready() -> None:
    points, history = run("gateway")
    assert (selector(at_micro(history, 0, 4), "stable"), selector(at_micro(history, 0, 4), "canary")) == (None, None)
    state = points["deployed"]  # row 4
    assert (selector(state, "stable"), selector(state, "canary"), weights(state)) == (F, F, (100, 0))
    assert row(state) == ("3/3", "100", "100", "Healthy")


def test_new_replicaset_before_the_status_is_reset() -> None:
    _, history = run("gateway")
    fifth, sixth = at_micro(history, 60, 1), at_micro(history, 60, 2)
    assert (sets(fifth), shown(fifth).step) == ({F: "1/1", N: "0/0"}, "3/3")
    assert row(sixth)[:3] == ("0/3", "0", "0")


def test_first_pause_keeps_both_selectors_on_stable() -> None:
    state = run("gateway")[0]["first pause"]  # row 7
    assert (sets(state), selector(state, "canary"), weights(state)) == ({F: "1/1", N: "0/0"}, F, (100, 0))
    assert row(state) == ("0/3", "0", "0", "Paused CanaryPauseStep")


def test_first_pause_already_points_the_canary_subset_at_the_new_hash() -> None:
    points, history = run("istio")
    assert subsets(at_micro(history, 60, 2)) == (F, F)  # row 6
    assert (subsets(points["first pause"]), weights(points["first pause"])) == ((F, N), (100, 0))


def test_promote_costs_a_sync_before_anything_moves() -> None:
    _, history = run("gateway")
    eighth, ninth, tenth = (at_micro(history, 120, n) for n in (1, 2, 3))
    assert shown(eighth).step == "0/3"
    assert row(ninth)[:3] == ("1/3", "50", "0")
    assert (sets(ninth), sets(tenth)) == ({F: "1/1", N: "0/0"}, {F: "1/1", N: "0/1"})


def test_destinationrule_mode_errors_until_the_canary_is_ready() -> None:
    _, history = run("istio")
    entry = next(entry for entry in history if (entry.t, entry.n, entry.kind) == (120, 4, "sync"))  # row 10'
    assert entry.note.startswith("delaying destination rule switch")
    assert not entry.edits


def test_selector_weight_and_step_move_in_the_sync_that_sees_the_pod() -> None:
    _, history = run("gateway")
    state = at_micro(history, 130, 1)  # row 11
    assert (selector(state, "stable"), selector(state, "canary"), weights(state)) == (F, N, (50, 50))
    assert row(state)[:3] == ("2/3", "50", "50")
    route = state.object("HTTPRoute", "helloworld-svc")
    assert route is not None
    assert route["metadata"]["labels"] == {"rollouts.argoproj.io/gatewayapi-canary": "in-progress"}
    assert row(at_micro(history, 130, 2)) == ("2/3", "50", "50", "Paused CanaryPauseStep")  # row 12


@pytest.mark.parametrize("mode", ["gateway", "istio"])
def test_promotion_passes_through_all_weight_on_the_canary(mode: str) -> None:
    _, history = run(mode)
    thirteenth, fourteenth, fifteenth, sixteenth = (at_micro(history, 240, n) for n in (2, 3, 4, 5))
    assert (weights(thirteenth), row(thirteenth)[:3]) == ((50, 50), ("3/3", "100", "100"))
    assert (weights(fourteenth), shown(fourteenth).phase, fourteenth.status["stableRS"]) == ((0, 100), "Healthy", N)
    assert weights(fifteenth) == (100, 0)
    if mode == "gateway":
        assert (selector(fourteenth, "stable"), selector(fifteenth, "stable")) == (F, N)
    else:
        assert (subsets(fourteenth), subsets(fifteenth)) == ((F, N), (N, N))
    assert [found.deadline for found in fifteenth.sets] == [None, None]
    assert [found.deadline for found in sixteenth.sets] == [270, None]


def test_selector_is_written_before_the_weight_falls_back() -> None:
    _, history = run("gateway")
    edits = next(entry.edits for entry in history if (entry.t, entry.n) == (240, 4))
    kinds = [edit.key.kind for edit in edits]
    assert kinds.index("Service") < kinds.index("HTTPRoute")
    assert {edit.by for edit in edits} == {"Rollout default/helloworld"}
    assert edits[-2].path == ("spec", "rules", 0, "backendRefs", 1, "weight") or any(
        edit.dotted == "spec.rules.0.backendRefs.1.weight" for edit in edits
    )


def test_old_pods_stay_for_the_scale_down_delay() -> None:
    points, history = run("gateway")
    assert sets(at_micro(history, 240, 5)) == {F: "1/1", N: "1/1"}
    assert sets(at_micro(history, 270, 1)) == {F: "1/0", N: "1/1"}  # row 17: status one sync later
    assert (sets(points["complete"]), at_rest(points["complete"])) == ({F: "0/0", N: "1/1"}, True)


def updating(mode: str = "gateway", version: str = "1.10", steps: Any = None, **canary: Any) -> State:
    """4 replicas, steps 25, pause, 75, pause: paused at 25 with v2 since 70 s; now 120 s."""
    state = state_of(rollout(mode, steps or FOUR_STEPS, 4, **canary), docs(), version=version)
    state, _ = advance(state, 60, pod_ready=10)
    return advance(commands.set_image(state, "helloworld", V2), 120, pod_ready=10)[0]


def test_static_abort_takes_the_weight_at_once_and_the_pods_later() -> None:
    state, history = advance(commands.abort(updating()), 149, pod_ready=10)
    first = at_micro(history, 120, 1)
    assert (weights(first), selector(first, "canary"), sets(first)) == ((100, 0), F, {F: "4/4", N: "1/1"})
    assert first.sets[1].deadline == 150
    assert row(state)[:3] == ("0/4", "0", "0")
    assert shown(state).message.startswith("RolloutAborted")
    after, _ = advance(state, 150, pod_ready=10)
    assert (sets(after), shown(after).phase) == ({F: "4/4", N: "0/0"}, "Degraded")


def test_aborted_canary_service_flaps_and_is_declared_a_hot_loop() -> None:
    state, _ = advance(commands.abort(updating()), 140, pod_ready=10)
    assert any("hot loop" in sentence for sentence in state.notes)


def test_dynamic_abort_walks_the_steps_backwards() -> None:
    state = updating(dynamicStableScale=True)
    state, _ = advance(commands.promote(state), 200, pod_ready=10)
    assert (sets(state), weights(state)) == ({F: "1/1", N: "3/3"}, (25, 75))
    state, history = advance(commands.abort(state), 300, pod_ready=10)
    assert (sets(at_micro(history, 200, 1))[F], weights(at_micro(history, 200, 1))) == ("1/3", (25, 75))
    second = at_micro(history, 210, 1)
    assert (weights(second), sets(second)) == ((75, 25), {F: "3/3", N: "3/1"})
    assert sets(at_micro(history, 210, 2))[F] == "3/4"
    third = at_micro(history, 220, 1)
    assert (weights(third), sets(third)[N], selector(third, "canary")) == ((100, 0), "1/0", F)


def test_dynamic_completion_keeps_no_old_pods() -> None:
    state, _ = advance(commands.promote(updating(dynamicStableScale=True)), 200, pod_ready=10)
    state, history = advance(commands.promote(state), 300, pod_ready=10)
    assert (weights(at_micro(history, 210, 1)), sets(at_micro(history, 210, 1))) == ((0, 100), {F: "1/1", N: "4/4"})
    assert (weights(at_micro(history, 210, 2)), selector(at_micro(history, 210, 2), "stable")) == ((100, 0), N)
    assert sets(at_micro(history, 210, 3))[F] == "1/0"


@pytest.mark.parametrize("mode", ["gateway", "istio"])
def test_a_third_version_supersedes_the_second(mode: str) -> None:
    state, history = advance(commands.set_image(updating(mode), "helloworld", "v3"), 300, pod_ready=10)
    third = state.status["currentPodHash"]
    before = at_micro(history, 120, 4)
    assert (weights(before), sets(before)) == ((100, 0), {F: "4/4", N: "1/1", third: "0/1"})
    if mode == "istio":
        assert subsets(before) == (F, third)
    else:
        assert selector(before, "canary") == N
    after = at_micro(history, 130, 1)
    assert (weights(after), sets(after)) == ((75, 25), {F: "4/4", N: "1/0", third: "1/1"})


@pytest.mark.parametrize(
    ("version", "order"),
    [("1.10", ["VirtualService", "DestinationRule"]), ("1.8.4", ["DestinationRule", "VirtualService"])],
)
def test_which_object_is_written_first_when_superseded_depends_on_the_version(version: str, order: list[str]) -> None:
    _, history = advance(commands.set_image(updating("istio", version), "helloworld", "v3"), 120, pod_ready=10)
    kinds = [edit.key.kind for entry in history for edit in entry.edits if edit.key.kind in order]
    assert list(dict.fromkeys(kinds)) == order


@pytest.mark.parametrize(("version", "kept"), [("1.8.3", "0/0"), ("1.10", "1/1")])
def test_the_second_version_goes_before_the_third_is_ready_up_to_1_8(version: str, kept: str) -> None:
    before = updating("istio", version)
    second = before.status["currentPodHash"]
    state, _ = advance(commands.set_image(before, "helloworld", "v3"), 200, pod_ready=math.inf)
    assert sets(state)[second] == kept


@pytest.mark.parametrize(
    ("version", "phase"), [("1.7", "Degraded"), ("1.8.0", "Progressing"), ("1.8.3", "Degraded"), ("1.10", "Degraded")]
)
def test_abort_of_a_crashing_canary_hangs_only_in_1_8_0(version: str, phase: str) -> None:
    state = state_of(rollout("istio", FOUR_STEPS, 4), docs(), version=version)
    state, _ = advance(state, 60, pod_ready=10)
    state, _ = advance(commands.set_image(state, "helloworld", V2), 120, pod_ready=math.inf)
    state, _ = advance(commands.abort(state), 300, pod_ready=math.inf)
    assert (shown(state).phase, weights(state)) == (phase, (100, 0))


def test_rollback_prints_healthy_while_traffic_still_goes_to_the_canary() -> None:
    _, history = advance(commands.undo(updating()), 300, pod_ready=10)
    first = at_micro(history, 120, 1)
    assert (row(first)[0], shown(first).phase, weights(first)) == ("4/4", "Healthy", (75, 25))
    back = next(entry for entry in history if entry.edits and entry.n > 1)
    assert (weights(back.state), selector(back.state, "canary")) == ((100, 0), F)
    assert sets(history[-1].state) == {F: "4/4", N: "0/0"}
    assert history[-1].t == 150


def test_lowering_the_weight_removes_pods_first() -> None:
    steps = [{"setWeight": 75}, {"pause": {}}, {"setWeight": 25}, {"pause": {}}]
    state, history = advance(commands.promote(updating(steps=steps)), 200, pod_ready=10)
    third = at_micro(history, 120, 3)
    assert (sets(third)[N], weights(third)) == ("3/1", (25, 75))
    assert weights(state) == (75, 25)


def test_timed_pauses_end_by_themselves() -> None:
    state = updating(steps=[{"setWeight": 25}, {"pause": {"duration": "1m"}}, {"setWeight": 75}, {"pause": {}}])
    state, _ = advance(state, 129, pod_ready=10)
    assert shown(state).step == "1/4"
    state, _ = advance(state, 130, pod_ready=10)
    assert shown(state).step == "2/4"


def test_promoting_before_the_pause_is_persisted_skips_a_step() -> None:
    state, _ = advance(state_of(rollout(), docs()), 60, pod_ready=10)
    state = commands.set_image(state, "helloworld", V2)
    state = reconcile(reconcile(state).state).state  # created, reset: not yet paused
    assert commands.promote(state).status["currentStepIndex"] == 1


def test_full_promotion_skips_the_pauses() -> None:
    state, _ = advance(commands.promote(updating(), full=True), 300, pod_ready=10)
    assert (row(state), sets(state)) == (("4/4", "100", "100", "Healthy"), {F: "0/0", N: "4/4"})


def test_an_analysis_without_result_is_not_passed_silently() -> None:
    steps = [
        {"setWeight": 25},
        {"analysis": {"templates": [{"templateName": "rate"}]}},
        {"setWeight": 75},
        {"pause": {}},
    ]
    state = updating(steps=steps)
    assert (shown(state).step, weights(state)) == ("1/4", (75, 25))
    assert any("runs until a result is given" in sentence for sentence in state.waits)
    passed, _ = advance(commands.give_result(state, 1, "successful"), 200, pod_ready=10)
    assert weights(passed) == (25, 75)
    failed, _ = advance(commands.give_result(state, "rate", "failed"), 200, pod_ready=10)
    assert (shown(failed).phase, weights(failed)) == ("Degraded", (100, 0))


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("step", "Rollout aborted update to revision 2: Step-based analysis phase error/failed"),
        ("background", "Rollout aborted update to revision 2: Background analysis phase error/failed"),
        ("plugin", "Rollout aborted update to revision 2"),
    ],
)
def test_an_abort_says_what_failed(mode: str, message: str) -> None:
    """rollout/analysis_test.go, rollout/stepplugin.go: a plugin's message is its own, and it runs after the scaling:
    the pods get their deadline a sync later."""
    analysis = {"templates": [{"templateName": "rate"}]}
    step = {"step": {"analysis": analysis}, "background": {"pause": {}}, "plugin": {"plugin": {"name": "rate"}}}[mode]
    more = {"analysis": {**analysis, "startingStep": 1}} if mode == "background" else {}
    state = updating(steps=[{"setWeight": 25}, step, {"setWeight": 75}, {"pause": {}}], **more)
    assert (shown(state).step, weights(state)) == ("1/4", (75, 25))
    _, history = advance(commands.give_result(state, "rate", "failed"), 125, pod_ready=10)
    first, second = at_micro(history, 120, 1), at_micro(history, 120, 2)
    assert (shown(first).phase, shown(first).message) == ("Degraded", f"RolloutAborted: {message}")
    assert (weights(first), weights(second)) == ((75, 25), (100, 0))
    deadlines = [next(found.deadline for found in known.sets if found.hash == N) for known in (first, second)]
    assert deadlines == ([None, 150] if mode == "plugin" else [150, 150])


def test_a_plugin_that_errs_is_run_again() -> None:
    """Only Failed ends a plugin step badly; Error is retried (rollout/stepplugin.go isStepPluginCompleted)."""
    steps = [{"setWeight": 25}, {"plugin": {"name": "gate"}}, {"setWeight": 75}, {"pause": {}}]
    state, _ = advance(commands.give_result(updating(steps=steps), "gate", "error"), 130, pod_ready=10)
    assert (shown(state).step, shown(state).phase, weights(state)) == ("1/4", "Progressing", (75, 25))
    assert state.waits == ("step 1 (plugin: gate) has the result error: the plugin is run again",)
    passed, _ = advance(commands.give_result(state, "gate", "successful"), 200, pod_ready=10)
    assert (weights(passed), passed.waits) == ((25, 75), ())


def test_progress_deadline_degrades_but_does_not_abort() -> None:
    state = commands.set_image(updating(), "helloworld", "broken")
    state, _ = advance(state, 719, pod_ready=math.inf)
    assert shown(state).phase == "Progressing"
    state, _ = advance(state, 721, pod_ready=math.inf)
    assert shown(state).message.startswith("ProgressDeadlineExceeded")


def test_deploy_settles_in_row_4() -> None:
    state = deploy(state_of(rollout(), docs()))
    assert (row(state), sets(state), weights(state), selector(state, "canary")) == (
        ("3/3", "100", "100", "Healthy"),
        {F: "1/1"},
        (100, 0),
        F,
    )
    assert state.now == 0
    assert at_rest(state)


def test_missing_service_means_not_deployed() -> None:
    state = deploy(state_of(rollout(), [service("helloworld-stable"), httproute()]))
    assert state.error is not None
    assert (state.error.cannot_execute, state.sets) == (True, ())


def test_probe_rests_on_the_pause_after_a_weight() -> None:
    assert probe_steps(rollout(steps=FOUR_STEPS)) == ((25, 1), (75, 3))
    assert probe_steps(rollout(steps=[{"setWeight": 0}, {"setWeight": 20}, {"setWeight": 100}])) == ((20, 1),)


@pytest.mark.parametrize(
    ("index", "split", "canary"), [(0, (75, 25), "1/1"), (1, (75, 25), "1/1"), (3, (25, 75), "3/3")]
)
@pytest.mark.parametrize("mode", ["gateway", "istio"])
def test_held_rollout_settles_at_the_steps_weight(mode: str, index: int, split: tuple[int, int], canary: str) -> None:
    state = hold(state_of(rollout(mode, FOUR_STEPS, 4), docs()), index)
    new = state.current
    assert new is not None
    assert (weights(state), sets(state)[new.hash], sets(state)[F]) == (split, canary, "4/4")
    assert state.status["currentStepIndex"] == index
    assert state.template["spec"]["containers"][0]["image"].endswith("-v1:1.0-next")


def test_held_past_the_last_step_is_complete() -> None:
    state = hold(state_of(rollout(steps=FOUR_STEPS, replicas=4), docs()), 4)
    assert (weights(state), sets(state)[F], shown(state).phase) == ((100, 0), "0/0", "Healthy")


def test_header_route_of_an_earlier_step_is_in_place() -> None:
    header = {"name": "qa", "match": [{"headerName": "x-canary", "headerValue": {"exact": "yes"}}]}
    ro = rollout(
        steps=[{"setCanaryScale": {"replicas": 1}}, {"setHeaderRoute": header}, {"setWeight": 20}, {"pause": {}}]
    )
    ro["spec"]["strategy"]["canary"]["trafficRouting"] |= {
        "managedRoutes": [{"name": "qa"}],
        "plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "helloworld-svc"}},
    }
    route = hold(state_of(ro, docs()), 3).object("HTTPRoute", "helloworld-svc")
    assert route is not None
    first, second = route["spec"]["rules"]
    assert [ref["weight"] for ref in first["backendRefs"]] == [80, 20]
    assert (second["name"], [ref["name"] for ref in second["backendRefs"]]) == ("qa", ["helloworld-canary"])
    done = hold(state_of(ro, docs()), 4).object("HTTPRoute", "helloworld-svc")
    assert done is not None
    assert len(done["spec"]["rules"]) == 1


def test_observed_rollout_is_not_rewritten() -> None:
    status = {
        "stableRS": "aaa",
        "currentPodHash": "bbb",
        "currentStepIndex": 1,
        "replicas": 5,
        "updatedReplicas": 1,
        "availableReplicas": 5,
        "controllerPause": True,
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}],
        "canary": {"weights": {"canary": {"weight": 25}, "stable": {"weight": 75}}},
    }
    state = observe(state_of({**rollout(steps=FOUR_STEPS, replicas=4), "status": status}, docs()))
    assert (sets(state), weights(state), at_rest(state), state.writes) == (
        {"aaa": "4/4", "bbb": "1/1"},
        (100, 0),
        True,
        (),
    )
    resynced, _ = advance(state.wake(), 0)
    assert weights(resynced) == (75, 25)
    assert set(sets(resynced)) == {"aaa", "bbb"}


def test_replicaset_of_an_older_controller_keeps_its_hash() -> None:
    state = deploy(state_of(rollout(), docs(), version="1.8"))
    assert set(sets(state)) == {"57477d556b"}
    upgraded, _ = advance(replace(state, version="1.9").wake(), 100)
    assert set(sets(upgraded)) == {"57477d556b"}


def test_workload_template_is_hashed_with_its_defaults() -> None:
    ro = rollout()
    del ro["spec"]["template"], ro["spec"]["selector"]
    ro["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "helloworld"}
    assert deploy(state_of(ro, docs())).error is not None
    workload = {
        "kind": "Deployment",
        "metadata": {"name": "helloworld", "namespace": "default"},
        "spec": {"template": template()},
    }
    assert set(sets(deploy(state_of(ro, [*docs(), workload])))) == {"57b446f945"}


def test_blue_green_is_not_guessed() -> None:
    ro = rollout()
    ro["spec"]["strategy"] = {"blueGreen": {"activeService": "a"}}
    state = deploy(state_of(ro, docs()))
    assert (state.notes, state.sets) == (("not modelled: blueGreen",), ())


def test_a_rollout_without_pods_is_healthy() -> None:
    assert row(deploy(state_of(rollout(replicas=0), docs())))[3] == "Healthy"
