"""A model that is wrong on purpose is caught: each of these turns one rule round, and Envoy disagrees."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial

import pytest
from live.one_gateway import cluster, gateway_phase, hosts, split

from meshsim.dataplane import balance, eastwest, envoy, match, priority, ztunnel
from meshsim.dataplane.resolve import resolve
from meshsim.live.check import Outcome, check
from meshsim.live.phase import Phase
from meshsim.live.replay import Late, phases
from meshsim.model.trace import Trace
from meshsim.session import Session
from meshsim.tables.envoy import MatchType, Proxy, Route, RouteMatch, StringMatch, WeightedCluster

pytestmark = pytest.mark.usefixtures("envoy")


def held(phase: Phase, requests: int = 200) -> Outcome:
    return check([phase], requests=requests)


def test_weights_that_are_read_the_wrong_way_round(monkeypatch: pytest.MonkeyPatch, last_phase: Callable[[str], Phase]):
    def swapped(route: Route, share: Fraction) -> list[tuple[str, str, Fraction]]:
        whole = sum(w.weight for w in route.clusters)
        weights = [w.weight for w in route.clusters][::-1]
        return [(w.cluster, w.backend, share * n / whole) for w, n in zip(route.clusters, weights, strict=True) if n]

    phase = last_phase("client-beside-the-rollout")
    monkeypatch.setattr(envoy, "_shares", swapped)
    assert held(phase).disagreements


def test_a_gateway_that_always_skips_the_waypoint(monkeypatch: pytest.MonkeyPatch, last_phase: Callable[[str], Phase]):
    phase = last_phase("waypoint-scaled-to-zero")
    through = eastwest.through
    monkeypatch.setattr(
        eastwest,
        "through",
        lambda walk, cluster, authority, _, share: through(walk, cluster, authority, "waypoint", share),
    )
    assert [row.client for row in held(phase, 50).disagreements] == ["cluster2/ads/bidder"]


def test_a_waypoint_that_fails_open(monkeypatch: pytest.MonkeyPatch, last_phase: Callable[[str], Phase]):
    phase = last_phase("waypoint-scaled-to-zero")
    monkeypatch.setattr(ztunnel, "_waypoints", lambda _: [])
    assert "cluster1/ads/bidder" in {row.client for row in held(phase, 100).disagreements}


def test_an_empty_subset_that_falls_back_to_other_hosts(monkeypatch: pytest.MonkeyPatch):
    phase = gateway_phase("empty", split(a=1), (cluster("a", ()),))
    monkeypatch.setattr(envoy, "choose", lambda _: ((Fraction(1), hosts("b", 1)[0]),))
    assert held(phase, 50).disagreements


def test_failover_that_is_all_or_nothing(monkeypatch: pytest.MonkeyPatch):
    both = cluster("a", (*hosts("near", 10, healthy=5), *hosts("far", 10, priority=1)))
    phase = gateway_phase("half", split(a=1), (both,))
    near = tuple((Fraction(1, 5), host) for host in hosts("near", 5))
    monkeypatch.setattr(envoy, "choose", lambda _: near)
    assert held(phase, 200).disagreements


def test_routes_that_match_what_they_should_not(monkeypatch: pytest.MonkeyPatch):
    only = Route(
        match=RouteMatch(path=StringMatch(MatchType.EXACT, "/a")), clusters=(WeightedCluster(cluster="b", weight=1),)
    )
    phase = gateway_phase(
        "flipped", (only, *split(a=1)), (cluster("a", hosts("a", 1)), cluster("b", hosts("b", 1))), path="/a"
    )
    matches = match.matches
    monkeypatch.setattr(envoy, "matches", lambda wanted, request: not matches(wanted, request) or wanted.catch_all)
    assert held(phase, 50).disagreements


def test_failover_without_overprovisioning(monkeypatch: pytest.MonkeyPatch):
    both = cluster("a", (*hosts("near", 10, healthy=8), *hosts("far", 10, priority=1)))
    phase = gateway_phase("eight of ten", split(a=1), (both,))
    monkeypatch.setattr(priority, "priority_load", partial(priority.priority_load, overprovision=100))
    assert held(phase, 200).disagreements


def test_panic_where_there_is_none(monkeypatch: pytest.MonkeyPatch):
    sick = cluster("a", hosts("a", 4, healthy=1))
    phase = gateway_phase("one of four", split(a=1), (sick,))
    load = priority.priority_load
    monkeypatch.setattr(priority, "priority_load", lambda levels, _: load(levels, 50))
    assert held(phase, 100).disagreements


def test_a_missing_backend_whose_share_goes_to_the_others(monkeypatch: pytest.MonkeyPatch):
    phase = gateway_phase("missing", split(a=50, gone=50), (cluster("a", hosts("a", 1)),))

    def known_only(route: Route, share: Fraction) -> list[tuple[str, str, Fraction]]:
        return [(w.cluster, w.backend, share) for w in route.clusters if w.cluster == "a"]

    monkeypatch.setattr(envoy, "_shares", known_only)
    assert held(phase, 50).disagreements


def test_a_missing_backend_with_the_other_status(monkeypatch: pytest.MonkeyPatch):
    phase = gateway_phase("missing", split(a=50, gone=50), (cluster("a", hosts("a", 1)),), missing={"gone": 500})
    backend = envoy._backend

    def always_503(walk: object, proxy: Proxy, *rest: object) -> object:
        return backend(walk, replace(proxy, missing_cluster_status={}), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(envoy, "_backend", always_503)
    assert held(phase, 50).disagreements


def test_endpoints_far_away_that_are_taken_as_if_they_were_near(
    monkeypatch: pytest.MonkeyPatch, last_phase: Callable[[str], Phase]
):
    phase = last_phase("local-endpoints-first")
    monkeypatch.setattr(balance, "_rank", lambda *_: 0)
    assert held(phase, 100).disagreements


def test_a_rollout_whose_hosts_are_known_sooner_than_they_are(scenario: Callable[[str], Session]):
    """Between two moments the routes are new and the hosts late; a model that forgets it expects no error."""
    late = next(one for one in phases(scenario("guide-gateway-api")) if "not known yet" in one.name)
    assert isinstance(late.views, Late)
    prompt = late.views.after

    def forgetful(views: object, *rest: object) -> Trace:
        return resolve(prompt, *rest)  # type: ignore[arg-type]

    outcome = check([replace(late, calls=late.calls[:1])], requests=50, walk=forgetful)
    assert outcome.disagreements
