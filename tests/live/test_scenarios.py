"""Every shipped scenario on Envoys: the tables of its last probe, and every client's call."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from meshsim.live import show
from meshsim.live.check import Phase, check

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = sorted(file.parent.name for file in SCENARIOS.glob("*/scenario.yaml"))
NOT_SENT = ("has no address for", "the model leaves it open")
"""Why the lab may leave a call out: no name to send to, or no single answer to compare with."""


@pytest.mark.usefixtures("envoy")
@pytest.mark.parametrize("name", NAMES)
def test_envoy_agrees_with_the_model(name: str, last_phase: Callable[[str], Phase]):
    outcome = check([last_phase(name)], requests=100)
    assert not outcome.disagreements, show.table(outcome)
    assert all(any(why in row.why for why in NOT_SENT) for row in outcome.inexpressible), show.table(outcome)


@pytest.mark.usefixtures("envoy")
def test_clusters_with_different_roots_cannot_shake_hands(last_phase: Callable[[str], Phase]):
    phase = last_phase("client-in-the-other-cluster")

    class Split:
        def cluster(self, name: str):
            view = phase.views.cluster(name)
            return replace(view, root="root2") if name == "cluster2" else view

        def proxy(self, *place):
            return phase.views.proxy(*place)

        def pod(self, uid: str):
            return phase.views.pod(uid)

        def pod_at(self, *place):
            return phase.views.pod_at(*place)

    outcome = check([replace(phase, views=Split())], requests=60)
    assert not outcome.disagreements, show.table(outcome)
    assert [str(kind) for row in outcome.rows for kind in row.envoy] == ["closed at ztunnel:cluster2"]
