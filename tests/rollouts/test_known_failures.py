"""Known failures of Argo Rollouts as its own objects show them: each names the public issue or the source it is from.
How clients meet them over time is in tests/simulation/test_failure_scenarios.py."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from argo_guide import FOUR_STEPS, HASH, V2, F, N, docs, httproute, replicaset, rollout, service, virtualservice

from meshsim import api
from meshsim.rollouts import Entry, State, advance, commands, not_modelled, shown, state_of

UPDATING = {"stableRS": "stable", "currentPodHash": "canary"}


def sets(state: State) -> dict[str, str]:
    """hash → available/spec"""
    return {found.hash: f"{found.available}/{found.replicas}" for found in state.sets}


def split(state: State) -> tuple[int, int]:
    """(stable, canary) weights of the managed route."""
    route = state.object("HTTPRoute", "helloworld-svc")
    if route is not None:
        refs = {ref["name"]: ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]}
        return refs["helloworld-stable"], refs["helloworld-canary"]
    found = state.object("VirtualService", "helloworld")
    assert found is not None
    stable, canary = next(r for r in found["spec"]["http"] if r["name"] == "primary")["route"]
    return stable["weight"], canary["weight"]


def subset_hashes(state: State) -> tuple[Any, Any]:
    rule = state.object("DestinationRule", "helloworld")
    assert rule is not None
    stable, canary = rule["spec"]["subsets"]
    return stable["labels"].get(HASH), canary["labels"].get(HASH)


def paused_at_25(mode: str = "gateway", version: str = "1.10", steps: Any = None, **canary: Any) -> State:
    """4 replicas, v2 at its first pause since 70 s; now 120 s."""
    state = state_of(rollout(mode, steps or FOUR_STEPS, 4, **canary), docs(), version=version)
    state, _ = advance(state, 60, pod_ready=10)
    return advance(commands.set_image(state, "helloworld", V2), 120, pod_ready=10)[0]


def states(history: Iterable[Entry]) -> list[State]:
    return [entry.state for entry in history]


def broken(state: State, pod_hash: str, *numbers: int) -> State:
    """The state with pods that are not ready any more."""
    made = (replace(s, broken=frozenset(numbers)) if s.hash == pod_hash else s for s in state.sets)
    return replace(state, sets=tuple(made)).wake()


@pytest.mark.parametrize("version", ["1.8", "1.9", "1.10"])
def test_subsets_get_their_hash_only_when_pods_carry_it(version: str) -> None:
    """argo-rollouts#2507, #4065: adopting a DestinationRule must not select pods that are not there yet."""
    state = state_of(rollout("istio", FOUR_STEPS, 4), docs(), version=version)
    state, history = advance(state, 60, pod_ready=10)
    assert {subset_hashes(found) for found in states(history) if found.now < 10} == {(None, None)}
    assert subset_hashes(state) == (state.status["stableRS"],) * 2


def test_going_back_never_overloads_a_stable_that_was_scaled_down() -> None:
    """argo-rollouts#3372, #3020, PR 4035: with dynamicStableScale 75 of 100 are with 3 canary pods, 1 stable one."""
    state, _ = advance(commands.promote(paused_at_25(dynamicStableScale=True)), 200, pod_ready=10)
    assert (sets(state), split(state)) == ({F: "1/1", N: "3/3"}, (25, 75))
    for command in (commands.undo, commands.abort):
        after, history = advance(command(state), 400, pod_ready=10)
        for found in states(history):
            assert found.stable is not None
            assert found.stable.available * 25 >= split(found)[0] or split(found) == (25, 75)
        assert split(after) == (100, 0)


@pytest.mark.parametrize(("version", "left"), [("1.9", 25), ("1.10", 0)])
def test_an_explicit_abort_delay_may_hold_the_weight_for_ever(version: str, left: int) -> None:
    """argo-rollouts#4898, PR 4900: the canary is kept, so the weight never falls below the smallest step, so stable
    never comes back to its full size, which the delay waits for."""
    delayed = {"dynamicStableScale": True, "abortScaleDownDelaySeconds": 30}
    state, _ = advance(commands.promote(paused_at_25(version=version, **delayed)), 200, pod_ready=10)
    state, _ = advance(commands.abort(state), 2000, pod_ready=10)
    assert split(state) == (100 - left, left)
    assert (sets(state)[N] == "0/0") is (left == 0)


def test_scaling_is_a_sync_of_its_own_and_leaves_the_weights() -> None:
    """argo-rollouts PR 4919, 4853; rollout/sync.go syncReplicasOnly."""
    before = paused_at_25()
    _, history = advance(commands.scale(before, 8), 121, pod_ready=10)
    scaled = [entry for entry in history if any(edit.path[-1] == "replicas" for edit in entry.edits)]
    assert scaled
    assert all(edit.key.kind == "ReplicaSet" for entry in scaled for edit in entry.edits)
    assert {split(entry.state) for entry in scaled} == {(75, 25)}


def test_a_rollback_within_the_window_moves_the_weight_before_all_pods_are_there() -> None:
    """argo-rollouts#3941, PR 4852: past the last step and with one pod of four, the last setWeight is written."""
    ro = rollout(steps=FOUR_STEPS, replicas=4)
    found = [replicaset("canary", 4, 1), replicaset("stable", 4, 4)]
    assert api.weight_at(ro, {**UPDATING, "currentStepIndex": 4}, found) == 75


def test_a_rollback_within_the_window_skips_the_steps() -> None:
    state, _ = advance(commands.promote(paused_at_25(), full=True), 300, pod_ready=10)
    spec = {**state.rollout["spec"], "rollbackWindow": {"revisions": 2}}
    state, _ = advance(replace(state, rollout={**state.rollout, "spec": spec}).wake(), 301, pod_ready=10)
    state, history = advance(commands.undo(state), 400, pod_ready=10)
    assert state.status["stableRS"] == F
    assert not any(found.status.get("pauseConditions") for found in states(history))


def test_other_steps_start_over_and_take_the_weight_away() -> None:
    """argo-rollouts#4642: editing setCanaryScale while 25 % is with the canary begins the steps anew."""
    state = paused_at_25()
    strategy = state.rollout["spec"]["strategy"]
    steps = [{"setCanaryScale": {"replicas": 2}}, *FOUR_STEPS]
    spec = {**state.rollout["spec"], "strategy": {"canary": {**strategy["canary"], "steps": steps}}}
    state, history = advance(replace(state, rollout={**state.rollout, "spec": spec}).wake(), 300, pod_ready=10)
    assert (0, "0/5") in {(split(found)[1], shown(found).step) for found in states(history)}
    assert (split(state), sets(state)[N]) == ((75, 25), "2/2")


def test_promote_full_with_surplus_pods_exceeds_the_maximum() -> None:
    """argo-rollouts#4424."""
    ro = rollout(steps=FOUR_STEPS, replicas=4, dynamicStableScale=True)
    found = [replicaset("canary", 5, 5), replicaset("stable", 4, 4)]
    assert api.weight_at(ro, {**UPDATING, "currentStepIndex": 1, "promoteFull": True}, found) == 125


def test_weights_of_a_virtualservice_may_add_up_to_more_than_100() -> None:
    """argo-rollouts#3141: stable never goes below 0, so additional subsets come on top."""
    ro = rollout("istio")
    istio = ro["spec"]["strategy"]["canary"]["trafficRouting"]["istio"]
    istio["destinationRule"]["additionalSubsetNames"] = ["more"]
    given = virtualservice()
    given["spec"]["http"][0]["route"].append({"destination": {"host": "helloworld", "subset": "more"}, "weight": 20})
    written = api.write_virtualservice([given], ro, 90)[0]["spec"]["http"][0]["route"]
    assert [part["weight"] for part in written] == [0, 90, 20]


def test_foreign_destinations_go_and_foreign_backends_stay() -> None:
    """argo-rollouts#3125, #1364, #2010; rollouts-plugin-trafficrouter-gatewayapi#203."""
    given = virtualservice()
    given["spec"]["http"][0]["route"].append({"destination": {"host": "other"}, "weight": 10})
    assert len(api.write_virtualservice([given], rollout("istio"), 25)[0]["spec"]["http"][0]["route"]) == 2
    route = httproute()
    route["spec"]["rules"][0]["backendRefs"].append({"name": "other", "weight": 10})
    assert len(api.write_httproute([route], rollout(), 25)[0]["spec"]["rules"][0]["backendRefs"]) == 3


HEADER = {"name": "qa", "match": [{"headerName": "x-canary", "headerValue": {"exact": "yes"}}]}


@pytest.mark.parametrize("mode", ["gateway", "istio"])
def test_a_header_route_is_lost_with_the_canarys_pods(mode: str) -> None:
    """argo-rollouts#4486; plugin #147: it goes while no canary pod is available, and only its own step sets it."""
    steps = [{"setCanaryScale": {"replicas": 2}}, {"setHeaderRoute": HEADER}, {"pause": {}}]
    ro = rollout(mode, steps, 4)
    routing = ro["spec"]["strategy"]["canary"]["trafficRouting"]
    routing["managedRoutes"] = [{"name": "qa"}]
    if mode == "gateway":
        routing["plugins"] = {"argoproj-labs/gatewayAPI": {"httpRoute": "helloworld-svc"}}
    state, _ = advance(state_of(ro, docs()), 60, pod_ready=10)
    state, _ = advance(commands.set_image(state, "helloworld", V2), 120, pod_ready=10)

    def routes(found: State) -> list[Any]:
        if mode == "gateway":
            return [rule.get("name") for rule in (found.object("HTTPRoute", "helloworld-svc") or {})["spec"]["rules"]]
        return [route["name"] for route in (found.object("VirtualService", "helloworld") or {})["spec"]["http"]]

    assert "qa" in routes(state)
    failed, _ = advance(broken(state, N, 0, 1), 121, pod_ready=10)
    assert "qa" not in routes(failed)
    back, _ = advance(broken(failed, N), 200, pod_ready=10)
    assert "qa" not in routes(back)


def test_full_promotion_while_paused_proceeds() -> None:
    """argo-rollouts#4265: the controller itself clears the pause."""
    paused = paused_at_25()
    assert shown(paused).phase == "Paused"
    state, _ = advance(commands.promote(paused, full=True), 300, pod_ready=10)
    assert (shown(state).phase, state.status["stableRS"]) == ("Healthy", N)


def test_all_weight_is_on_the_canary_before_the_selector_flips() -> None:
    """argo-rollouts#1734, #1718: with setWeight 100 as the last step, too."""
    state, history = advance(
        commands.promote(paused_at_25(steps=[*FOUR_STEPS[:2], {"setWeight": 100}])), 300, pod_ready=10
    )
    seen = []
    for found in states(history):
        stable = found.object("Service", "helloworld-stable")
        assert stable is not None
        seen.append((split(found)[1], stable["spec"]["selector"][HASH]))
    assert list(dict.fromkeys(seen)) == [(25, F), (100, F), (0, N)]
    assert sets(state)[N] == "4/4"


EXPERIMENT = [
    {"setWeight": 20},
    {"experiment": {"templates": [{"name": "a", "specRef": "canary", "weight": 5}]}},
]


def test_weights_of_experiments_are_not_guessed_with_the_plugin() -> None:
    """plugin #124, #225: stable gets 100 less the experiments' weights, whatever the canary has."""
    ro = rollout(
        steps=[{"setWeight": 20}, {"experiment": {"templates": [{"name": "a", "specRef": "canary", "weight": 5}]}}]
    )
    assert not_modelled(ro) == ("experiment weights with the Gateway API plugin",)


def test_experiments_take_from_stable_in_a_virtualservice() -> None:
    """argo-rollouts#3420."""
    state = paused_at_25("istio", steps=EXPERIMENT)
    route = (state.object("VirtualService", "helloworld") or {})["spec"]["http"][0]["route"]
    assert [part["weight"] for part in route] == [75, 20, 5]
    assert state.status["canary"]["weights"]["additional"] == [{"serviceName": "helloworld-a", "weight": 5}]


@pytest.mark.parametrize(("pod_hash", "meanwhile"), [(F, (75, 25)), (N, (100, 0))])
def test_one_pod_that_is_not_ready_stops_everything_in_subset_mode(pod_hash: str, meanwhile: tuple[int, int]) -> None:
    """argo-rollouts#4128, #4839: from 1.9 on each sync fails before scaling and status, until it recovers. A canary
    without any pod loses its weight first (#4564)."""
    state = paused_at_25("istio")
    stuck, _ = advance(commands.promote(broken(state, pod_hash, 0)), 300, pod_ready=10)
    assert stuck.error is not None
    assert "not fully available" in stuck.error.message
    assert (split(stuck), shown(stuck).step) == (meanwhile, "1/4")
    freed, _ = advance(broken(stuck, pod_hash), 400, pod_ready=10)
    assert (split(freed), freed.error) == ((25, 75), None)


def test_an_abort_looks_past_pods_of_the_canary_that_are_not_ready() -> None:
    """argo-rollouts#4319: so it goes through where a crashing canary caused it."""
    stuck, _ = advance(commands.promote(broken(paused_at_25("istio"), N, 0)), 300, pod_ready=10)
    state, _ = advance(commands.abort(stuck), 400, pod_ready=10)
    assert (split(state), shown(state).phase) == ((100, 0), "Degraded")


def test_progress_deadline_does_not_fire_while_syncs_fail() -> None:
    """argo-rollouts#4319, #4839: the status is not written."""
    stuck, _ = advance(commands.promote(broken(paused_at_25("istio"), N, 0)), 3000, pod_ready=10)
    assert shown(stuck).phase == "Progressing"


def test_a_users_own_rule_for_the_canary_is_deleted() -> None:
    """rollouts-plugin-trafficrouter-gatewayapi pkg/plugin/httproute.go removeHTTPManagedRoutes."""
    own = {"name": "for-qa", "backendRefs": [{"name": "helloworld-canary", "port": 5000}]}
    for config, kept in (({"httpRoute": "helloworld-svc"}, 1), ({"httpRoutes": [{"name": "helloworld-svc"}]}, 2)):
        ro, route = rollout(), httproute()
        ro["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"]["argoproj-labs/gatewayAPI"] = config
        route["spec"]["rules"].append(own)
        services = [service("helloworld-stable"), service("helloworld-canary")]
        state, _ = advance(state_of(ro, [*services, route]), 60, pod_ready=10)
        found = state.object("HTTPRoute", "helloworld-svc")
        assert found is not None
        assert len(found["spec"]["rules"]) == kept


def test_stuck_progress_aborts_where_that_is_asked_for() -> None:
    """rollout/sync.go: progressDeadlineAbort; otherwise it is only Degraded."""
    for asked, weight, reason in ((False, 0, "ProgressDeadlineExceeded"), (True, 0, "RolloutAborted")):
        ro = rollout(steps=[{"setWeight": 25}, {"pause": {}}], replicas=4)
        ro["spec"] |= {"progressDeadlineSeconds": 60, "progressDeadlineAbort": asked}
        state, _ = advance(state_of(ro, docs()), 60, pod_ready=10)
        state, _ = advance(commands.set_image(state, "helloworld", V2), 300, pod_ready=1e9)
        assert (split(state)[1], shown(state).message.partition(":")[0]) == (weight, reason)
        assert bool(state.status.get("abort")) is asked


@pytest.mark.parametrize("version", ["1.9", "1.10"])
def test_a_plugin_that_looks_in_no_namespace_stops_at_its_first_write(version: str) -> None:
    """gatewayapi#67, #123: the first deploy skips SetWeight while there is no stable (rollout/trafficrouting.go:273),
    and RemoveManagedRoutes reads only routes with useHeaderRoutes (plugin.go): v1 runs, v2 never gets a pod."""
    state = state_of(rollout(steps=FOUR_STEPS, replicas=4), docs(), version=version, gatewayapi_version="0.10")
    state, _ = advance(state, 60, pod_ready=10)
    assert (sets(state), state.status["stableRS"], shown(state).step) == ({F: "4/4"}, F, "4/4")
    assert state.error is not None
    assert state.error.message == 'httproutes.gateway.networking.k8s.io "helloworld-svc" not found'
    state, _ = advance(commands.set_image(state, "helloworld", V2), 600, pod_ready=10)
    assert sets(state) == {F: "4/4", N: "0/0"}
    assert {write.key.kind for write in state.writes} == {"ReplicaSet", "Service"}


def test_a_header_route_that_is_missing_stops_the_first_deploy() -> None:
    """With useHeaderRoutes RemoveManagedRoutes gets the route in every sync without canary pods: before any scaling."""
    one = rollout(steps=FOUR_STEPS, replicas=4)
    plugin = {"argoproj-labs/gatewayAPI": {"httpRoute": "elsewhere"}}
    one["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"] = plugin
    state, _ = advance(state_of(one, docs(), version="1.10"), 60, pod_ready=10)
    assert sets(state) == {F: "0/0"}
