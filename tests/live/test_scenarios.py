"""Every shipped scenario on Envoys: the tables of its last probe, and every client's call."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from meshsim.live.check import check
from meshsim.live.phase import Phase
from meshsim.report.lab import text

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = sorted(file.parent.name for file in SCENARIOS.glob("*/scenario.yaml"))
NOT_SENT = ("has no address for", "the model leaves it open", "no policy of a pod takes part")
"""Why the lab may leave a call out: no name to send to, no single answer to compare with, or a policy that decides."""


@pytest.mark.usefixtures("envoy")
@pytest.mark.parametrize("name", NAMES)
def test_envoy_agrees_with_the_model(name: str, last_phase: Callable[[str], Phase]):
    outcome = check([last_phase(name)], requests=100)
    assert not outcome.disagreements, text(outcome)
    assert all(any(why in row.why for why in NOT_SENT) for row in outcome.inexpressible), text(outcome)


class Rooted:
    """Tables whose second cluster trusts another root. Implements `Views`."""

    def __init__(self, views):
        self.views = views
        self.proxy, self.pod, self.pod_at = views.proxy, views.pod, views.pod_at

    def cluster(self, name: str):
        view = self.views.cluster(name)
        return replace(view, root="root2") if name == "cluster2" else view


@pytest.mark.usefixtures("envoy")
def test_clusters_with_different_roots_cannot_shake_hands(last_phase: Callable[[str], Phase]):
    phase = last_phase("client-in-the-other-cluster")
    outcome = check([replace(phase, views=Rooted(phase.views))], requests=60)
    assert not outcome.disagreements, text(outcome)
    assert [str(kind) for row in outcome.rows for kind in row.envoy] == ["closed at ztunnel:cluster2"]


@pytest.mark.usefixtures("envoy")
def test_a_failed_handshake_behind_a_waypoint_is_the_waypoints_503(last_phase: Callable[[str], Phase]):
    phase = last_phase("client-local-waypoint")
    outcome = check([replace(phase, views=Rooted(phase.views), calls=phase.calls[:1])], requests=40)
    assert not outcome.disagreements, text(outcome)


@pytest.mark.usefixtures("envoy")
def test_a_port_that_a_waypoint_does_not_know_closes_the_connection(last_phase: Callable[[str], Phase]):
    phase = last_phase("client-local-waypoint")
    elsewhere = tuple(replace(call, target=replace(call.target, port=9999)) for call in phase.calls)
    outcome = check([replace(phase, calls=elsewhere)], requests=40)
    assert not outcome.disagreements, text(outcome)
