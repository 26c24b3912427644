"""A rollout in time, by live updates: each phase agrees, also those in which news is still on its way."""

from collections.abc import Callable

import pytest

from meshsim.live.check import check
from meshsim.live.lab.observe import Failure
from meshsim.live.replay import instants, phases
from meshsim.report.lab import text
from meshsim.session import Session


def test_every_instant_of_the_timeline_is_looked_at(scenario: Callable[[str], Session]):
    # set-image, promote, the canary's pod is ready, promote, the old ReplicaSet goes after 30 s
    assert instants(scenario("guide-gateway-api")) == (0.0, 60.0, 120.0, 130.0, 240.0, 270.0)


def test_moments_that_change_no_answer_are_left_out(scenario: Callable[[str], Session]):
    names = [phase.name for phase in phases(scenario("guide-gateway-api"))]
    assert names == [
        "0s",
        "120s → 130s: the new backend has no cluster yet",
        "120s → 130s: the new backend's hosts are not known yet",
        "130s",
        "240s",
    ]


@pytest.mark.usefixtures("envoy")
def test_a_rollout_replayed_agrees_phase_by_phase_with_its_errors(scenario: Callable[[str], Session]):
    outcome = check(phases(scenario("guide-gateway-api")), requests=120)
    assert not outcome.disagreements, text(outcome)
    flags = {
        (row.phase.partition(": ")[2], kind.flag)
        for row in outcome.rows
        for kind in row.envoy
        if isinstance(kind, Failure)
    }
    assert flags == {("the new backend has no cluster yet", "NC"), ("the new backend's hosts are not known yet", "UH")}
