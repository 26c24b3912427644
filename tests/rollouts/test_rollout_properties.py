"""What holds whatever the steps, the commands and the version are."""

import math
from typing import Any

from argo_guide import docs, rollout
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshsim.rollouts import State, advance, commands, probe_steps, state_of

STEPS = st.one_of(
    st.integers(0, 100).map(lambda weight: {"setWeight": weight}),
    st.sampled_from([{"pause": {}}, {"pause": {"duration": 5}}, {"pause": {"duration": "1m"}}]),
    st.sampled_from(
        [
            {"setCanaryScale": {"replicas": 2}},
            {"setCanaryScale": {"weight": 50}},
            {"setCanaryScale": {"matchTrafficWeight": True}},
        ]
    ),
)
COMMANDS = st.sampled_from(
    [
        commands.promote,
        lambda state: commands.promote(state, full=True),
        commands.abort,
        commands.retry,
        commands.pause,
        commands.resume,
        lambda state: commands.set_image(state, "helloworld", "v2"),
        lambda state: commands.set_image(state, "helloworld", "v3"),
        lambda state: commands.scale(state, 3),
        lambda state: commands.scale(state, 0),
        lambda state: commands.undo(state) if len(state.sets) > 1 else state,
    ]
)


@given(
    mode=st.sampled_from(["gateway", "istio", "basic"]),
    steps=st.lists(STEPS, max_size=5),
    replicas=st.integers(0, 7),
    dynamic=st.booleans(),
    version=st.sampled_from(["1.7", "1.8.0", "1.8", "1.9", "1.10"]),
    script=st.lists(
        st.tuples(COMMANDS, st.sampled_from([0, 3, 10, 40]), st.sampled_from([0, 5, math.inf])), max_size=8
    ),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_timeline_ends_and_weights_add_up(
    mode: str, steps: list[Any], replicas: int, *, dynamic: bool, version: str, script: list[Any]
) -> None:
    extra = {"dynamicStableScale": True} if dynamic and mode != "basic" else {}
    state: State = state_of(rollout(mode, steps, replicas, **extra), docs(), version=version)
    state, _ = advance(state, 20, pod_ready=5)
    for command, wait, ready in script:
        state, history = advance(command(state), state.now + wait, pod_ready=ready)
        assert not any("did not settle" in sentence for sentence in state.notes), state.notes
        for entry in history:
            weights = (entry.state.status.get("canary") or {}).get("weights")
            if weights:
                assert weights["canary"]["weight"] + weights["stable"]["weight"] == 100
            assert all(found.replicas >= 0 for found in entry.state.sets)
            assert sum(found.available for found in entry.state.sets) >= 0
    state, _ = advance(state, state.now + 2000, pod_ready=5)
    assert len({found.hash for found in state.sets}) == len(state.sets)


@given(steps=st.lists(STEPS, max_size=6))
def test_probes_are_distinct_weights_in_range(steps: list[Any]) -> None:
    found = probe_steps(rollout(steps=steps))
    assert len({weight for weight, _ in found}) == len(found)
    assert all(0 < weight < 100 and 0 <= index < len(steps) for weight, index in found)
