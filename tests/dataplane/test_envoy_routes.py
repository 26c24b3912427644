"""What an Envoy does with a request: its rule, its weights, its backends. Expected values: the Gateway API, istio's
route.go and conversion.go, and what a real Envoy 1.39 was measured to do."""

from dataclasses import replace
from fractions import Fraction

import pytest
from strategies.tables import (
    HALF,
    ONE,
    WAYPOINT,
    WEB,
    Tables,
    backend,
    ends,
    gateway_to,
    hops,
    host,
    paths,
    pod_row,
    proxy,
    service,
    split,
    tags,
    view,
    walk,
    waypoint_service,
    workload,
)

from meshsim.dataplane import envoy
from meshsim.model.trace import Step
from meshsim.tables.envoy import MatchType, Proxy, Route, RouteMatch, StringMatch, Via, WeightedCluster
from meshsim.tables.workload import Locality

STABLE = backend("stable", host("s"))
CANARY = backend("canary", host("c"))
BOTH = (STABLE, CANARY)


def at(
    proxy_: Proxy, *more: Proxy, path: str = "/", headers: dict[str, str] | None = None, tables: Tables | None = None
):
    known = tables or Tables(views=[view("c1", [service()], [])], proxies=[proxy_, *more])
    return envoy.through(walk(known, path, headers), proxy_.id, Locality(), f"{WEB}:80", ONE)


class TestWeights:
    @pytest.mark.parametrize(
        ("stable", "canary", "share"),
        [
            (100, 0, Fraction(0)),
            (0, 100, Fraction(1)),
            (99, 1, Fraction(1, 100)),
            (1, 99, Fraction(99, 100)),
            (1, 1, Fraction(1, 2)),  # weights need not sum to 100: w/Σw, measured 24818/25182
            (30, 10, Fraction(1, 4)),  # measured 37466/12534
            (7, 13, Fraction(13, 20)),
            (0, 7, Fraction(1)),
            (1_000_000, 1, Fraction(1, 1_000_001)),
        ],
    )
    def test_a_backends_share_is_its_weight_over_the_sum(self, stable: int, canary: int, share: Fraction) -> None:
        wanted = {"s": 1 - share, "c": share}
        found = ends(at(proxy(split(stable=stable, canary=canary), clusters=BOTH)))
        assert found == {uid: part for uid, part in wanted.items() if part}

    def test_three_backends_share_by_weight(self) -> None:
        # 1 + 2 + 5 = 8
        third = backend("third", host("t"))
        found = ends(at(proxy(split(stable=1, canary=2, third=5), clusters=(*BOTH, third))))
        assert found == {"s": Fraction(1, 8), "c": Fraction(1, 4), "t": Fraction(5, 8)}

    def test_one_backend_named_twice_gets_both_weights(self) -> None:
        twice = tuple(WeightedCluster(cluster=name, weight=1) for name in ("stable", "canary", "stable"))
        assert ends(at(proxy(Route(clusters=twice), clusters=BOTH))) == {"s": Fraction(2, 3), "c": Fraction(1, 3)}

    def test_a_route_without_positive_weight_is_undetermined(self) -> None:
        """Envoy rejects "sum of weights 0" and keeps the old split, which nobody knows here."""
        assert ends(at(proxy(split(stable=0, canary=0), clusters=BOTH))) == {"MS901": 1}
        assert ends(at(proxy(Route(object="c1/VirtualService/shop/web"), clusters=BOTH))) == {"MS901": 1}

    def test_a_backends_share_is_spread_over_its_own_hosts(self) -> None:
        # 3/4 over three hosts is 1/4 each; 1/4 over one
        three = backend("stable", host("s1"), host("s2"), host("s3"))
        found = ends(at(proxy(split(stable=75, canary=25), clusters=(three, CANARY))))
        assert found == dict.fromkeys(("s1", "s2", "s3", "c"), Fraction(1, 4))

    def test_host_weights_count_inside_a_backend(self) -> None:
        weighted = backend("stable", host("s1", weight=1), host("s2", weight=4))
        assert ends(at(proxy(split(stable=1), clusters=(weighted,)))) == {"s1": Fraction(1, 5), "s2": Fraction(4, 5)}


class TestMissingBackends:
    def test_a_missing_backend_service_answers_500_for_its_share_only(self) -> None:
        """istio conversion.go: a backendRef that does not resolve is a cluster that does not exist, status 500."""
        known = proxy(split(stable=3, gone=1), clusters=(STABLE,), missing_cluster_status={"gone": 500})
        steps = at(known)
        assert ends(steps) == {"s": Fraction(3, 4), "500 NC": Fraction(1, 4)}
        assert "failed:MS308" in tags(steps)

    def test_a_missing_subset_answers_503_nc(self) -> None:
        steps = at(proxy(split(stable=1, gone=1), clusters=(STABLE,), missing_cluster_status={"gone": 503}))
        assert ends(steps) == {"s": HALF, "503 NC": HALF}
        assert "failed:MS301" in tags(steps)

    def test_a_missing_cluster_of_an_unknown_status_is_envoys_own_503(self) -> None:
        assert ends(at(proxy(split(gone=1)))) == {"503 NC": 1}

    def test_an_empty_subset_answers_503_uh_and_nobody_steps_in(self) -> None:
        """Envoy does not redistribute to the other weighted destination."""
        empty = backend("canary", empty_reason="MS301")
        steps = at(proxy(split(stable=90, canary=10), clusters=(STABLE, empty)))
        assert ends(steps) == {"s": Fraction(9, 10), "503 UH": Fraction(1, 10)}
        assert "failed:MS301" in tags(steps)

    def test_hosts_that_are_all_unhealthy_answer_503_uh(self) -> None:
        down = backend("canary", host("c", healthy=False))
        assert ends(at(proxy(split(canary=1), clusters=(down,)))) == {"503 UH": 1}

    def test_an_unhealthy_host_gets_nothing_while_another_is_healthy(self) -> None:
        mixed = backend("canary", host("c1", healthy=False), host("c2"))
        assert ends(at(proxy(split(canary=1), clusters=(mixed,)))) == {"c2": 1}

    def test_the_next_priority_serves_when_the_first_has_no_healthy_host(self) -> None:
        mixed = backend("canary", host("c1", healthy=False), host("c2", priority=1))
        assert ends(at(proxy(split(canary=1), clusters=(mixed,)))) == {"c2": 1}

    def test_a_lower_priority_gets_nothing_while_the_first_is_healthy(self) -> None:
        mixed = backend("canary", host("c1"), host("c2", priority=1))
        assert ends(at(proxy(split(canary=1), clusters=(mixed,)))) == {"c1": 1}

    def test_a_failed_share_still_belongs_to_the_rule_that_chose_it(self) -> None:
        """Errors after the choice are applied: the rule and the Envoy are on record."""
        (path,) = paths(at(proxy(split(canary=1), clusters=(backend("canary"),))))
        assert path.steps[-1].route is not None
        assert (path.steps[-1].route.object, path.steps[-1].l7) == ("c1/HTTPRoute/shop/split", True)


class TestRules:
    def test_a_direct_response_500_is_the_rules_own_answer(self) -> None:
        """An HTTPRoute rule without a positive weight: direct response 500 (istio conversion.go)."""
        known = proxy(Route(direct_response=500, object="c1/HTTPRoute/shop/web", rule="0"), clusters=BOTH)
        (path,) = paths(at(known))
        assert ends(at(known)) == {"500": 1}
        assert path.steps[-1].route is not None
        assert path.steps[-1].route.object == "c1/HTTPRoute/shop/web"
        assert "failed:MS308" in path.steps[-1].tags

    def test_a_direct_response_of_another_status_is_no_fault_of_backends(self) -> None:
        known = proxy(Route(direct_response=404, object="c1/VirtualService/shop/web", rule="0"))
        assert ends(at(known)) == {"404": 1}
        assert "failed:MS308" not in tags(at(known))

    def test_no_matching_route_answers_404_nr(self) -> None:
        only = Route(match=prefix("/a"), clusters=split(stable=1).clusters)
        assert ends(at(proxy(only, clusters=BOTH), path="/b")) == {"404 NR": 1}

    def test_the_first_matching_rule_wins_whatever_follows(self) -> None:
        first = Route(match=prefix("/a"), clusters=split(canary=1).clusters, object="x", rule="first")
        known = proxy(first, split(stable=1), clusters=BOTH)
        assert ends(at(known, path="/a/b")) == {"c": 1}
        assert ends(at(known, path="/z")) == {"s": 1}

    def test_a_header_rule_takes_only_requests_with_the_header(self) -> None:
        match = RouteMatch(headers=(("x-canary", StringMatch(MatchType.EXACT, "yes")),))
        known = proxy(Route(match=match, clusters=split(canary=1).clusters), split(stable=1), clusters=BOTH)
        assert ends(at(known, headers={"X-Canary": "yes"})) == {"c": 1}
        assert ends(at(known, headers={"x-canary": "no"})) == {"s": 1}
        assert ends(at(known)) == {"s": 1}

    def test_rules_whose_order_is_open_and_that_differ_leave_the_request_undetermined(self) -> None:
        one, two = split("one", stable=1), split("two", canary=1)
        assert ends(at(proxy(one, two, clusters=BOTH, open_question="which is older?"))) == {"MS902": 1}

    def test_an_open_order_does_not_matter_where_only_one_rule_fits(self) -> None:
        one = Route(match=prefix("/a"), clusters=split(stable=1).clusters, object="one")
        known = proxy(one, split("two", canary=1), clusters=BOTH, open_question="which is older?")
        assert ends(at(known, path="/b")) == {"c": 1}

    def test_a_rule_with_something_unmodelled_is_undetermined(self) -> None:
        fault = Route(clusters=split(stable=1).clusters, object="c1/VirtualService/shop/web", unmodelled=("fault",))
        assert ends(at(proxy(fault, clusters=BOTH))) == {"MS901": 1}

    def test_a_tcp_proxy_balances_connections_and_reads_no_rule(self) -> None:
        default = Route(match=prefix("/never"), clusters=split(both=1).clusters)
        known = proxy(default, http=False, clusters=(backend("both", host("s"), host("c")),))
        found = paths(at(known, path="/other"))
        assert ends(at(known, path="/other")) == {"s": HALF, "c": HALF}
        assert {(path.steps[0].granularity, path.steps[0].l7) for path in found} == {("connection", False)}

    def test_an_http_proxy_decides_per_request(self) -> None:
        found = paths(at(proxy(split(stable=1), clusters=BOTH)))
        assert {(path.steps[0].granularity, path.steps[0].l7) for path in found} == {("request", True)}

    def test_a_gateway_without_the_port_refuses_the_connection(self) -> None:
        known = Tables(proxies=[Proxy(id="gateway:c1/shop/edge", cluster="c1", network="n1")])
        steps = envoy.through(walk(known), "gateway:c1/shop/edge", Locality(), "shop.example.com:81", ONE)
        assert ends(steps) == {"refused": 1}

    def test_a_waypoint_that_does_not_hold_the_service_refuses_the_tunnel(self) -> None:
        known = Tables(proxies=[proxy(split(stable=1), clusters=BOTH)])
        assert ends(envoy.through(walk(known), WAYPOINT, Locality(), "other.shop:80", ONE)) == {"reset NR": 1}


class TestOnward:
    def test_a_waypoint_says_that_it_is_one_and_the_remote_waypoint_is_skipped(self) -> None:
        """The remote half goes to one pod of the other cluster at L4 (x-istio-source: waypoint)."""
        known = two_clusters(proxy(split(all=1), clusters=(backend("all", host("s"), gateway_to("c2")),)))
        steps = at(known.proxies[WAYPOINT], tables=known)
        assert ends(steps) == {"s": HALF, "r1": Fraction(1, 4), "r2": Fraction(1, 4)}
        assert (WAYPOINT, "eastwest:c2", "pod") in hops(steps)
        assert "skipped-waypoint" in tags(steps)

    def test_a_sidecar_with_interop_meets_the_remote_waypoint(self) -> None:
        sender = proxy(
            Route(clusters=split(all=1).clusters),
            ident="sidecar:c1/shop/client",
            clusters=(backend("all", gateway_to("c2", source="sidecar")),),
        )
        known = two_clusters(sender)
        steps = at(sender, tables=known)
        assert ends(steps) == {"r1": 1}  # what c2's waypoint chooses
        assert hops(steps) == {("sidecar:c1/shop/client", "eastwest:c2", "waypoint:c2/shop/way", "pod")}

    def test_different_roots_fail_the_handshake_for_that_networks_share(self) -> None:
        known = two_clusters(
            proxy(split(all=1), clusters=(backend("all", host("s"), gateway_to("c2")),)), root="another"
        )
        steps = at(known.proxies[WAYPOINT], tables=known)
        assert ends(steps) == {"s": HALF, "503 UF": HALF}  # an HTTP proxy answers for its upstream
        assert "failed:MS502" in tags(steps)

    def test_plain_connections_need_no_common_root(self) -> None:
        far = host("r1", cluster="c2", via=Via.DIRECT)
        known = two_clusters(proxy(split(all=1), clusters=(backend("all", far),)), root="another")
        assert ends(at(known.proxies[WAYPOINT], tables=known)) == {"r1": 1}

    def test_an_envoy_hands_over_to_a_waypoints_pod(self) -> None:
        handed = host("w", via=Via.WAYPOINT, authority=f"{WEB}:80")
        edge = proxy(split("edge", web=1), ident="gateway:c1/shop/edge", clusters=(backend("web", handed),))
        way = proxy(split(canary=1), clusters=BOTH)
        known = Tables(
            views=[view("c1", [service()], [])],
            proxies=[edge, way],
            pods=[pod_row("w", ident=WAYPOINT, capture="none")],
        )
        steps = at(edge, tables=known)
        assert ends(steps) == {"c": 1}
        assert hops(steps) == {("gateway:c1/shop/edge", WAYPOINT, "pod")}

    @pytest.mark.parametrize(
        ("alters", "match", "ended"),
        [
            ({"path"}, RouteMatch(), {"c": 1}),
            ({"path"}, RouteMatch(headers=(("x-a", StringMatch(MatchType.PRESENT)),)), {"404 NR": 1}),
            ({"path"}, RouteMatch(path=StringMatch(MatchType.PREFIX, "/x")), {"MS901": 1}),
            ({"x-a"}, RouteMatch(headers=(("X-A", StringMatch(MatchType.PRESENT)),)), {"MS901": 1}),
            ({"authority"}, RouteMatch(authority=StringMatch(MatchType.EXACT, "a")), {"MS901": 1}),
        ],
    )
    def test_what_a_proxy_changes_leaves_open_what_the_next_one_matches_of_it(
        self, alters: set[str], match: RouteMatch, ended: dict[str, int]
    ) -> None:
        handed = host("w", via=Via.WAYPOINT, authority=f"{WEB}:80")
        route = replace(split("edge", web=1), alters=frozenset(alters))
        edge = proxy(route, ident="gateway:c1/shop/edge", clusters=(backend("web", handed),))
        way = proxy(replace(split(canary=1), match=match), clusters=BOTH)
        rows = [pod_row("w", ident=WAYPOINT, capture="none")]
        known = Tables(views=[view("c1", [service()], [])], proxies=[edge, way], pods=rows)
        assert ends(at(edge, tables=known)) == ended

    def test_proxies_that_point_at_each_other_end_in_an_error(self) -> None:
        itself = host("w", via=Via.WAYPOINT, authority=f"{WEB}:80")
        way = proxy(split(web=1), clusters=(backend("web", itself),))
        known = Tables(views=[view("c1", [service()], [])], proxies=[way], pods=[pod_row("w", ident=WAYPOINT)])
        assert ends(at(way, tables=known)) == {"503 UF": 1}


def prefix(path: str) -> RouteMatch:
    return RouteMatch(path=StringMatch(MatchType.PATH_PREFIX, path))


def two_clusters(sender: Proxy, root: str = "root1") -> Tables:
    """c2 has pods r1 and r2 and a waypoint that always chooses r1."""
    far = proxy(split(r=1), ident="waypoint:c2/shop/way", clusters=(backend("r", host("r1", cluster="c2")),))
    pods = [workload("r1", "c2"), workload("r2", "c2"), workload("w", "c2", serves="way.shop")]
    there = view("c2", [service("n2", bound=True), waypoint_service("n2")], pods, root=root)
    rows = [pod_row("w", "c2", ident=far.id), *(pod_row(uid, "c2", capture="none") for uid in ("r1", "r2"))]
    return Tables(views=[view("c1", [service()], []), there], proxies=[sender, far], pods=rows)


def test_every_step_of_an_envoy_is_a_step_with_a_rule_and_a_source() -> None:
    steps: tuple[Step, ...] = at(proxy(split(stable=1, gone=1), clusters=BOTH))
    assert all(step.rule.name and step.rule.source for path in paths(steps) for step in path.steps)
