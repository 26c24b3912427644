"""Late proxies: every family on its own, the worst order, and the smallest safe delay."""

from collections.abc import Callable

import pytest

from meshsim.scenario.scenario import Propagation
from meshsim.session import Session
from meshsim.simulation.propagation import lag_of, ticks

CURL = "cluster2/default/curl"
MakeSession = Callable[..., Session]


def windows(session: Session) -> list[tuple[str, float, float | None]]:
    return [(w.kind, w.start, w.end) for w in session.timeline(frm=CURL).windows]


def test_a_proxys_lag_wins_over_its_clusters_over_the_familys_over_the_default() -> None:
    lags = Propagation(
        default=(1, 1),
        families={"routes": (2, 2)},
        per={"c1": {"default": (3, 3)}, "waypoint:c1/ns/w": {"endpoints": (4, 4)}},
    )
    found = [
        lag_of(lags, owner, family)[0]
        for owner, family in (
            ("waypoint:c1/ns/w", "endpoints"),
            ("waypoint:c1/ns/w", "routes"),
            ("c2", "routes"),
            ("c2", "dns"),
        )
    ]
    assert found == [4, 3, 2, 1]


def test_late_routes_keep_the_old_weights_for_their_lag(scenario: MakeSession) -> None:
    """After the promotion both Services select the new pods: then the late 50/50 makes no difference."""
    session = scenario("guide-gateway-api", propagation=Propagation(families={"routes": (5.0, 5.0)}))
    found = session.timeline(frm=CURL)
    assert [span.start for span in found.lanes[0].spans if not span.stale] == [0.0, 135.0, 240.0]
    assert [(span.start, span.end) for span in found.lanes[0].spans if span.stale] == [(130.0, 135.0)]


def test_weights_before_endpoints_send_everything_to_the_old_pods(scenario: MakeSession) -> None:
    """The selector and the weights are two objects (argo-rollouts#4710): the promotion's routes may come first."""
    session = scenario("guide-gateway-api", propagation=Propagation(families={"endpoints": (4.0, 4.0)}))
    rows = session.rows(242.0)
    other = next(row.effective for call, found in rows for row in found if row.frm == CURL)
    assert other is not None
    assert other.other == 1


@pytest.mark.parametrize(("longest", "errors"), [(30.0, []), (40.0, [("error", 270.0, 280.0)])])
def test_errors_begin_when_a_late_proxy_outlives_the_scale_down_delay(
    scenario: MakeSession, longest: float, errors: list[object]
) -> None:
    """The old pods go 30 s after the promotion at 240 s (scaleDownDelaySeconds, argo-rollouts utils/defaults)."""
    lags = Propagation(families={"routes": (0.0, 2.0), "endpoints": (1.0, longest)})
    assert [w for w in windows(scenario("guide-gateway-api", propagation=lags)) if w[0] == "error"] == errors


def test_smallest_safe_delay_is_the_longest_lag_of_endpoints(scenario: MakeSession) -> None:
    assert scenario("time-late-proxies").safe_delay("cluster1/default/helloworld", most=10) == 3.0


def test_a_terminating_pod_still_answers_a_late_proxy(scenario: MakeSession) -> None:
    from dataclasses import replace

    session = scenario("time-late-proxies")
    slow = replace(session.scenario, timing=replace(session.scenario.timing, pod_terminate=30.0))
    assert "error" not in {kind for kind, _, _ in windows(Session(slow, session.mesh))}


def test_peers_objects_are_later_by_the_peering_lag(scenario: MakeSession) -> None:
    lags = Propagation(families={"peering": (5.0, 5.0)})
    outage = [(150.0, "fail", {"target": "cluster1/default/helloworld"})]
    session = scenario("guide-gateway-api", outage, propagation=lags)
    rows = [row for at in (152.0, 156.0) for _, found in session.rows(at) for row in found if row.frm == CURL]
    assert [row.errors[0].where for row in rows] == ["waypoint:cluster1/default/waypoint", "ztunnel:cluster2"]


def test_sums_of_lags_are_exact() -> None:
    assert ticks(0.1) + ticks(0.2) == ticks(0.3)


def test_without_lags_nothing_is_stale(scenario: MakeSession) -> None:
    assert not any(span.stale for lane in scenario("guide-gateway-api").timeline().lanes for span in lane.spans)
