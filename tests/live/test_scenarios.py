"""Every shipped scenario on Envoys: the tables of its last probe, and every client's call."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from meshsim.live import show
from meshsim.live.check import Phase, check

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = sorted(file.parent.name for file in SCENARIOS.glob("*/scenario.yaml"))
NOTHING_TO_SEND = {
    "local-name-in-the-other-cluster": "has no address for",
    "service-not-labelled-global": "has no address for",
    "flat-both-clusters-serve": "the model leaves it open",
}
"""Scenarios without any call that reaches a proxy with one answer of the model's, and why."""


@pytest.mark.usefixtures("envoy")
@pytest.mark.parametrize("name", NAMES)
def test_envoy_agrees_with_the_model(name: str, last_phase: Callable[[str], Phase]):
    outcome = check([last_phase(name)], requests=150)
    assert not outcome.disagreements, show.table(outcome)
    if name in NOTHING_TO_SEND:
        assert all(NOTHING_TO_SEND[name] in row.why for row in outcome.rows)
    else:
        assert not outcome.inexpressible, show.table(outcome)


@pytest.mark.usefixtures("envoy")
def test_clusters_with_different_roots_cannot_shake_hands(last_phase: Callable[[str], Phase]):
    phase = last_phase("client-in-the-other-cluster")

    class Split:
        def cluster(self, name: str):  # noqa: ANN202
            view = phase.views.cluster(name)
            return replace(view, root="root2") if name == "cluster2" else view

        def proxy(self, *place):  # noqa: ANN002, ANN202
            return phase.views.proxy(*place)

        def pod(self, uid: str):  # noqa: ANN202
            return phase.views.pod(uid)

    outcome = check([replace(phase, views=Split())], requests=60)
    assert not outcome.disagreements, show.table(outcome)
    assert [str(kind) for row in outcome.rows for kind in row.envoy] == ["closed at ztunnel:cluster2"]
