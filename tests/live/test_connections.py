"""What a connection pins: requests that share one share the choices that were made for it."""

from collections.abc import Callable

import pytest

from meshsim.live.check import compiled
from meshsim.live.lab.lab import Lab
from meshsim.live.lab.observe import Observation
from meshsim.live.phase import Phase

pytestmark = pytest.mark.usefixtures("envoy")


def kept(phase: Phase, *, pooled: bool = False, connections: int = 20, each: int = 6) -> list[Observation]:
    """Every call over connections that are kept, one request at a time."""
    with Lab() as lab:
        moment = compiled(lab, phase, pooled=pooled)
        lab.show(moment)
        return [
            lab.measure(
                door,
                authority=call.request.authority,
                path=call.path,
                requests=connections * each,
                per_connection=each,
                at_once=1,
            )
            for call, door in zip(phase.calls, moment.doors, strict=True)
        ]


def test_without_a_waypoint_a_connection_keeps_its_pod(last_phase: Callable[[str], Phase]):
    for found in kept(last_phase("no-waypoint-unmasked")):
        assert all(len(set(answers)) == 1 for answers in found.connections)
        assert len(found.pods) > 1


def test_behind_a_waypoint_a_kept_connection_meets_several_pods(last_phase: Callable[[str], Phase]):
    for found in kept(last_phase("client-in-the-other-cluster")):
        assert not found.failures
        assert sum(len(set(answers)) > 1 for answers in found.connections) > len(found.connections) / 2


def test_a_waypoints_pooled_connection_to_another_network_keeps_its_pod(last_phase: Callable[[str], Phase]):
    remote, local = kept(last_phase("client-local-waypoint"), pooled=True)
    # one request at a time needs one pooled connection, and that was given one pod: even new client connections meet it
    assert len(remote.pods) == 1
    assert len(local.pods) > 1


def test_unpooled_the_same_path_meets_every_pod(last_phase: Callable[[str], Phase]):
    remote, _ = kept(last_phase("client-local-waypoint"))
    assert len(remote.pods) == 5
