"""pingPong: two Services take turns, so that a promotion changes no route (argo-rollouts rollout/service.go
reconcilePingAndPongService, rollout/sync.go promoteStable, trafficroutingutil.go)."""

from typing import Any

import pytest
from argo_guide import HASH, V2, F, N, rollout, service

from meshsim import api
from meshsim.rollouts import Entry, State, advance, check, commands, state_of

STEPS: list[dict[str, Any]] = [{"setWeight": 50}, {"pause": {}}]
PAIR = {"pingService": "ping", "pongService": "pong"}


def route(ping: int, pong: int) -> dict[str, Any]:
    parts = [{"destination": {"host": "ping"}, "weight": ping}, {"destination": {"host": "pong"}, "weight": pong}]
    metadata = {"name": "helloworld", "namespace": "default"}
    return {"kind": "VirtualService", "metadata": metadata, "spec": {"http": [{"name": "primary", "route": parts}]}}


def docs() -> list[dict[str, Any]]:
    return [service("ping"), service("pong"), route(100, 0)]


def split(state: State) -> tuple[int, int]:
    found = state.object("VirtualService", "helloworld")
    assert found is not None
    ping, pong = found["spec"]["http"][0]["route"]
    return ping["weight"], pong["weight"]


def selectors(state: State) -> tuple[Any, Any]:
    found = [state.object("Service", name) for name in ("ping", "pong")]
    return tuple((one or {})["spec"]["selector"].get(HASH) for one in found)  # type: ignore[return-value]


def updated() -> tuple[State, list[Entry]]:
    state, _ = advance(state_of(rollout("hosts", STEPS, 2, pingPong=PAIR), docs()), 60, pod_ready=10)
    return advance(commands.set_image(state, "helloworld", V2), 120, pod_ready=10)


def test_the_first_revision_gets_ping() -> None:
    state, _ = advance(state_of(rollout("hosts", STEPS, 2, pingPong=PAIR), docs()), 60, pod_ready=10)
    assert (selectors(state), split(state)) == ((F, None), (100, 0))
    assert state.status["canary"]["stablePingPong"] == "ping"


def test_pong_moves_to_the_new_revision_before_it_has_a_pod() -> None:
    state, history = updated()
    before = next(entry.state for entry in history if selectors(entry.state)[1] == N)
    assert before.current is not None
    assert before.current.available == 0
    assert (selectors(state), split(state)) == ((F, N), (50, 50))


def test_a_promotion_swaps_the_roles_and_leaves_the_route_alone() -> None:
    state, _ = updated()
    state, history = advance(commands.promote(state), 121, pod_ready=10)
    state, after = advance(state, 200, pod_ready=10)
    splits = [split(entry.state) for entry in (*history, *after)]
    assert list(dict.fromkeys(splits)) == [(50, 50), (0, 100)]
    assert state.status["canary"]["stablePingPong"] == "pong"
    assert selectors(state) == (F, N)


def test_the_next_update_takes_the_other_service() -> None:
    state, _ = updated()
    state, _ = advance(commands.promote(state), 200, pod_ready=10)
    state, _ = advance(commands.set_image(state, "helloworld", "v3"), 300, pod_ready=10)
    assert (selectors(state)[1], split(state)) == (N, (50, 50))
    assert selectors(state)[0] == state.status["currentPodHash"]


@pytest.mark.parametrize(("turn", "wanted"), [("ping", (80, 20)), ("pong", (20, 80)), (None, (20, 80))])
def test_the_status_says_which_of_the_two_is_weighed(turn: str | None, wanted: tuple[int, int]) -> None:
    ro = {**rollout("hosts", STEPS, pingPong=PAIR), "status": {"canary": {"stablePingPong": turn}}}
    ping, pong = api.write_virtualservice([route(100, 0)], ro, 20)[0]["spec"]["http"][0]["route"]
    assert (ping["weight"], pong["weight"]) == wanted


@pytest.mark.parametrize(
    ("mode", "pair", "message"),
    [
        ("gateway", PAIR, "ALB and Istio traffic routers only"),
        ("hosts", {"pingService": "ping"}, "must to be set to use Ping-Pong"),
        ("hosts", {"pingService": "ping", "pongService": "ping"}, "same service for the ping and pong"),
        ("hosts", {"pingService": "ping", "pongService": "gone"}, 'service "gone" not found'),
    ],
)
def test_what_the_controller_refuses(mode: str, pair: dict[str, str], message: str) -> None:
    found = check(rollout(mode, STEPS, pingPong=pair), [*docs(), service("helloworld-stable")])
    assert found is not None
    assert message in found.message
