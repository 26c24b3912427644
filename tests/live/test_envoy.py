"""Envoy itself against the model's own functions, on tables of one gateway: weights, failures, failover, matches."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from live.one_gateway import RULE, cluster, gateway_phase, hosts, split

from meshsim.live.check import Compared, check
from meshsim.live.lab.observe import Failure
from meshsim.live.phase import Phase
from meshsim.report.lab import text
from meshsim.tables.envoy import MatchType, Route, RouteMatch, StringMatch, WeightedCluster
from meshsim.tables.workload import Locality

pytestmark = pytest.mark.usefixtures("envoy")

STABLE = cluster("stable", hosts("stable", 3))
CANARY = cluster("canary", hosts("canary", 2))
GATEWAY = "gateway:c1/ns/gw"


def agree(phases: Iterable[Phase], requests: int = 300) -> dict[str, Compared]:
    outcome = check(tuple(phases), requests=requests)
    assert not outcome.disagreements, text(outcome)
    return {row.phase: row for row in outcome.rows}


def test_weights_are_shares_of_their_sum_whatever_it_is():
    sets = [(100, 0), (90, 10), (50, 50), (1, 99), (1, 1), (30, 10), (7, 13), (1000, 1), (0, 5)]
    rows = agree(gateway_phase(f"{s}/{c}", split(stable=s, canary=c), (STABLE, CANARY)) for s, c in sets)
    assert set(rows) == {f"{s}/{c}" for s, c in sets}
    assert not any(str(pod).startswith("canary") for pod in rows["100/0"].envoy)


def test_all_weights_zero_answers_500():
    row = agree([gateway_phase("zero", (Route(direct_response=500),), ())])["zero"]
    assert row.envoy == {Failure("500", "", GATEWAY): 300}


@pytest.mark.parametrize("status", [500, 503])
def test_a_missing_backend_fails_its_share_with_its_status(status: int):
    phase = gateway_phase("missing", split(stable=50, gone=50), (STABLE,), missing={"gone": status})
    assert Failure(str(status), "NC", GATEWAY) in agree([phase])["missing"].envoy


def test_an_empty_backend_fails_its_share_with_503_uh():
    sick = cluster("sick", hosts("sick", 3, healthy=0))
    rows = agree(
        [
            gateway_phase("empty", split(stable=50, none=50), (STABLE, cluster("none", ()))),
            gateway_phase("sick", split(stable=90, sick=10), (STABLE, sick)),
        ]
    )
    assert all(Failure("503", "UH", GATEWAY) in row.envoy for row in rows.values())


def test_no_matching_route_is_404_nr():
    only = Route(match=RouteMatch(path=StringMatch(MatchType.EXACT, "/a")), clusters=split(stable=1)[0].clusters)
    row = agree([gateway_phase("elsewhere", (only,), (STABLE,), path="/b")])["elsewhere"]
    assert row.envoy == {Failure("404", "NR", GATEWAY): 300}


def test_a_route_without_destination_leaves_its_neighbours_alone():
    """A redirect is not modelled; Envoy would refuse a route without clusters and every other one with it."""
    redirect = Route(match=RouteMatch(path=StringMatch(MatchType.EXACT, "/old")))
    agree([gateway_phase("beside", (redirect, *split(stable=80, canary=20)), (STABLE, CANARY))])


def test_grpc_failures_are_the_same_although_envoy_answers_200_with_a_grpc_status():
    grpc = {"content-type": "application/grpc"}
    rows = agree(
        [
            gateway_phase("empty", split(stable=50, none=50), (STABLE, cluster("none", ())), headers=grpc),
            gateway_phase("missing", split(stable=50, gone=50), (STABLE,), headers=grpc),
            gateway_phase("none", (), (STABLE,), headers=grpc),
        ]
    )
    failures = {name: [str(kind) for kind in row.envoy if isinstance(kind, Failure)] for name, row in rows.items()}
    assert failures == {
        "empty": [f"503 UH at {GATEWAY}"],
        "missing": [f"503 NC at {GATEWAY}"],
        "none": [f"404 NR at {GATEWAY}"],
    }


def test_requests_over_a_kept_connection_are_drawn_one_by_one_where_hosts_take_turns():
    """Hosts of unequal weight take turns in a fixed order: the first of every few requests would meet one alone."""
    both = (*hosts("a", 2), *hosts("b", 1, weight=6))
    phase = gateway_phase("turns", split(x=1), (cluster("x", both),))
    kept = replace(phase, calls=tuple(replace(call, connection="keep-alive") for call in phase.calls))
    row = agree([kept], requests=400)["turns"]
    assert (row.unit, row.counted) == ("request", 400)


def test_a_port_without_listener_refuses():
    row = agree([gateway_phase("closed", split(stable=1), (STABLE,), host="other")])["closed"]
    assert set(row.envoy) == {Failure("closed", "", GATEWAY)}


def test_failover_moves_whole_percents_as_health_falls():
    def level(healthy: int) -> Phase:
        both = cluster("app", (*hosts("near", 10, healthy=healthy), *hosts("far", 10, priority=1)))
        return gateway_phase(f"{healthy}", split(app=1), (both,))

    rows = agree((level(healthy) for healthy in range(11)), requests=300)
    # 140 × healthy / 10, whole percents, measured with Envoy 1.39.3
    assert [sum(c for pod, c in rows[f"{h}"].envoy.items() if str(pod).startswith("far")) for h in (8, 9, 10)] == [
        0,
        0,
        0,
    ]
    assert all(str(pod).startswith("far") for pod in rows["0"].envoy)


def test_several_weak_levels_share_what_they_can_take():
    three = (*hosts("a", 7, healthy=1), *hosts("b", 7, healthy=2, priority=1), *hosts("c", 3, healthy=1, priority=2))
    two = (*hosts("a", 10, healthy=2), *hosts("b", 10, healthy=2, priority=1))
    agree(
        [gateway_phase("3", split(x=1), (cluster("x", three),)), gateway_phase("2", split(x=1), (cluster("x", two),))]
    )


def test_panic_ignores_health_below_the_threshold():
    def phase(name: str, *endpoints: tuple[object, ...]) -> Phase:
        return gateway_phase(name, split(x=1), (cluster("x", sum(endpoints, ()), panic=50),))

    agree(
        [
            phase("all sick", hosts("a", 3, healthy=0)),
            phase("one of four", hosts("a", 4, healthy=1)),
            phase("both levels", hosts("a", 10, healthy=2), hosts("b", 10, healthy=2, priority=1)),
            phase("only the first level", hosts("a", 10, healthy=2), hosts("b", 4, healthy=3, priority=1)),
        ]
    )


def test_locality_weights_fall_with_their_health():
    here, there = Locality("r", "a"), Locality("r", "b")

    def at(healthy: int) -> Phase:
        near = tuple(replace(e, locality=here) for e in hosts("near", 10, healthy=healthy))
        far = tuple(replace(e, locality=there) for e in hosts("far", 10))
        weighted = cluster("x", (*near, *far), locality_weights={here: 80, there: 20})
        return gateway_phase(f"{healthy}", split(x=1), (weighted,))

    agree(at(healthy) for healthy in (10, 7, 5, 3, 1, 0))


def test_host_weights_hold_for_each_policy():
    both = (*hosts("a", 2, weight=3), *hosts("b", 2))
    agree(
        gateway_phase(policy, split(x=1), (cluster("x", both, lb=policy),))
        for policy in ("LEAST_REQUEST", "ROUND_ROBIN", "RANDOM")
    )


def test_a_priority_counts_hosts_and_not_their_weights():
    # 3 of 4 hosts are healthy: 1.4 × 75 % is all of the traffic, although the sick one has 3 of 8 of the weight
    mixed = (*hosts("a", 2, weight=3, healthy=1), *hosts("x", 2), *hosts("b", 2, priority=1))
    agree([gateway_phase("mixed", split(x=1), (cluster("x", mixed),))])


def matches() -> Iterator[Phase]:
    exact, prefix, regex = MatchType.EXACT, MatchType.PREFIX, MatchType.REGEX
    paths = {
        (exact, "/a"): ["/a", "/a/", "/a?x=1", "/A"],
        (MatchType.PATH_PREFIX, "/a"): ["/a", "/a/b", "/ab", "/a?x"],
        (MatchType.PATH_PREFIX, "/a/"): ["/a", "/a/b", "/ab"],
        (prefix, "/a"): ["/a", "/ab", "/b"],
        (regex, "/v[0-9]+"): ["/v1", "/v1/x", "/v1?y"],
    }
    for (kind, value), asked in paths.items():
        for path in asked:
            yield chosen(f"{kind} {value} for {path}", RouteMatch(path=StringMatch(kind, value)), path)
    yield chosen("ignoring case", RouteMatch(path=StringMatch(exact, "/a", ignore_case=True)), "/A")
    for path in ("/?x=1", "/?x=2", "/?y=1&x=1", "/?x=1&x=2", "/"):
        yield chosen(f"query for {path}", RouteMatch(query=(("x", StringMatch(exact, "1")),)), path)
    conditions = [
        StringMatch(exact, "yes"),
        StringMatch(regex, "y.*"),
        StringMatch(prefix, "y"),
        StringMatch(MatchType.PRESENT),
    ]
    for condition in conditions:
        for headers in ({"x-c": "yes"}, {"X-C": "Yes"}, {"x-c": "ayes"}, {}):
            name = f"{condition.type} {headers}"
            yield chosen(f"header {name}", RouteMatch(headers=(("x-c", condition),)), headers=headers)
            if condition.type in {exact, MatchType.PRESENT}:
                yield chosen(f"without {name}", RouteMatch(without_headers=(("x-c", condition),)), headers=headers)
    for headers in ({}, {"Host": "elsewhere"}):
        yield chosen(f"authority {headers}", RouteMatch(authority=StringMatch(exact, "app")), headers=headers)


def chosen(name: str, match: RouteMatch, path: str = "/", headers: dict[str, str] | None = None) -> Phase:
    routes = (Route(match=match, clusters=(WeightedCluster(cluster="canary", weight=1),)), *split(stable=1))
    return gateway_phase(name, routes, (STABLE, CANARY), path=path, headers=headers)


def test_envoy_and_the_model_match_the_same_requests():
    assert RULE.name
    agree(matches(), requests=20)
