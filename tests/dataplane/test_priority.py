"""Envoy's shares between priorities, localities and hosts. Expected values: measured with Envoy 1.39.3; arithmetic."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.dataplane.priority import choose, locality_weighted, priority_load
from meshsim.tables.envoy import Cluster, Endpoint
from meshsim.tables.workload import Locality


class TestPriorityLoad:
    @pytest.mark.parametrize(
        ("healthy", "spill"),
        list(enumerate((100, 86, 72, 58, 44, 30, 16, 2, 0, 0, 0))),
    )
    def test_the_measured_failover_table(self, healthy: int, spill: int) -> None:
        assert priority_load([(healthy, 10), (10, 10)]).percents == (100 - spill, spill)

    @pytest.mark.parametrize(
        ("levels", "percents"),
        [
            ([(2, 10), (2, 10)], (50, 50)),
            ([(5, 10), (2, 10)], (72, 28)),
            ([(0, 10), (0, 10)], (100, 0)),
            ([(0, 0), (0, 0)], (100, 0)),
            ([(0, 0), (3, 3)], (0, 100)),
            ([(1, 3), (1, 3), (1, 3)], (46, 46, 8)),
            ([(1, 9), (1, 9), (1, 9)], (34, 33, 33)),
            ([(3, 3)], (100,)),
            ([(1, 100)], (100,)),
            ([], ()),
        ],
    )
    def test_loads_are_whole_percents_and_the_first_healthy_level_takes_the_remainder(
        self, levels: list[tuple[int, int]], percents: tuple[int, ...]
    ) -> None:
        assert priority_load(levels).percents == percents

    def test_endpoints_that_are_gone_do_not_spill(self) -> None:
        assert priority_load([(1, 1), (10, 10)]).percents == (100, 0)

    @pytest.mark.parametrize(("factor", "percents"), [(100, (40, 60)), (200, (80, 20)), (1_000_000, (100, 0))])
    def test_the_overprovisioning_factor_scales_health(self, factor: int, percents: tuple[int, int]) -> None:
        assert priority_load([(4, 10), (10, 10)], overprovision=factor).percents == percents

    def test_panic_everywhere_spreads_by_host_count(self) -> None:
        loads = priority_load([(2, 10), (2, 30)], panic=50)
        assert (loads.percents, loads.panic) == ((25, 75), (True, True))

    @pytest.mark.parametrize(
        ("levels", "percents"),
        [
            ([(0, 2), (0, 1)], (67, 33)),
            ([(0, 0), (0, 2), (0, 1)], (0, 67, 33)),
            ([(0, 7), (1, 5), (1, 4)], (44, 31, 25)),
        ],
    )
    def test_what_rounding_leaves_goes_to_the_first_priority_with_hosts(
        self, levels: list[tuple[int, int]], percents: tuple[int, ...]
    ) -> None:
        """By host count: 7, 5 and 4 of 16 are 43.75, 31.25 and 25 percent, so that one is left over."""
        assert priority_load(levels, panic=50).percents == percents

    def test_a_threshold_above_a_hundred_is_a_hundred(self) -> None:
        assert priority_load([(5, 10)], panic=300).panic == (True,)
        assert priority_load([(10, 10)], panic=300).panic == (False,)

    def test_nothing_healthy_under_panic_still_serves(self) -> None:
        assert priority_load([(0, 10), (0, 10)], panic=50).percents == (50, 50)

    def test_threshold_zero_switches_panic_off(self) -> None:
        assert priority_load([(0, 10)], panic=0).panic == (False,)

    def test_no_level_panics_while_together_they_can_take_the_traffic(self) -> None:
        assert priority_load([(1, 10), (9, 10)], panic=50).panic == (False, False)

    def test_a_level_panics_alone(self) -> None:
        loads = priority_load([(1, 10), (6, 10)], panic=50)
        assert (loads.percents, loads.panic) == ((15, 85), (True, False))

    def test_shares_are_the_percents(self) -> None:
        assert priority_load([(5, 10), (10, 10)]).shares == (Fraction(7, 10), Fraction(3, 10))

    @given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda pair: (min(pair), max(pair)))))
    def test_loads_sum_to_a_hundred(self, levels: list[tuple[int, int]]) -> None:
        assert sum(priority_load(levels).percents) == (100 if levels else 0)


class TestLocalityWeights:
    @pytest.mark.parametrize(
        ("healthy", "percent"), [(10, 80.00), (7, 79.67), (5, 73.68), (3, 62.69), (1, 35.90), (0, 0.0)]
    )
    def test_the_measured_table(self, healthy: int, percent: float) -> None:
        here, there = Locality("a"), Locality("b")
        found = locality_weighted({here: 80, there: 20}, {here: (healthy, 10), there: (10, 10)})
        assert round(float(found.get(here, 0)) * 100, 2) == percent

    def test_a_locality_without_hosts_takes_nothing(self) -> None:
        here, there = Locality("a"), Locality("b")
        assert locality_weighted({here: 80, there: 20}, {there: (1, 1)}) == {there: 1}


def hosts(*named: str, **more: Any) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(address=name, workload=name, **more) for name in named)


def drawn(*endpoints: Endpoint, **more: Any) -> dict[str, Fraction]:
    found = choose(Cluster(name="c", host="h", port=80, endpoints=endpoints, **more))
    return {endpoint.address: share for share, endpoint in found}


class TestChoose:
    def test_an_empty_cluster_answers_503(self) -> None:
        assert drawn() == {}

    def test_unhealthy_hosts_only_answer_503_without_panic(self) -> None:
        assert drawn(*hosts("a", "b", healthy=False)) == {}

    def test_unhealthy_hosts_take_traffic_in_panic(self) -> None:
        assert drawn(*hosts("a", "b", healthy=False), panic=50) == {"a": Fraction(1, 2), "b": Fraction(1, 2)}

    def test_healthy_hosts_share_alike(self) -> None:
        assert drawn(*hosts("a", "b"), *hosts("c", healthy=False)) == {"a": Fraction(1, 2), "b": Fraction(1, 2)}

    @pytest.mark.parametrize(
        ("policy", "share"), [("LEAST_REQUEST", (1, 4)), ("ROUND_ROBIN", (1, 4)), ("RANDOM", (1, 2))]
    )
    def test_random_ignores_weights(self, policy: str, share: tuple[int, int]) -> None:
        assert drawn(*hosts("a"), *hosts("b", weight=3), lb=policy)["a"] == Fraction(*share)

    def test_half_healthy_local_pods_spill_thirty_percent(self) -> None:
        found = drawn(*hosts("a"), *hosts("sick", healthy=False), *hosts("far", priority=1))
        assert found == {"a": Fraction(7, 10), "far": Fraction(3, 10)}

    def test_a_missing_priority_is_skipped(self) -> None:
        assert drawn(*hosts("far", priority=3)) == {"far": 1}

    def test_health_counts_hosts_whatever_their_weights(self) -> None:
        """1 of 2 hosts is healthy, 1 of 4 parts of the weight: 50 × 1.4 = 70 % stay (measured with Envoy 1.39.3)."""
        found = drawn(*hosts("a"), *hosts("sick", healthy=False, weight=3), *hosts("far", priority=1))
        assert found == {"a": Fraction(70, 100), "far": Fraction(30, 100)}

    def test_locality_weights_replace_priorities(self) -> None:
        here, there = Locality("a"), Locality("b")
        found = drawn(
            *hosts("x", "y", locality=here),
            *hosts("z", locality=there, priority=1),
            *hosts("lost", locality=Locality("c")),
            locality_weights={here: 80, there: 20},
        )
        assert found == {"x": Fraction(2, 5), "y": Fraction(2, 5), "z": Fraction(1, 5)}

    def test_panic_ignores_locality_weights(self) -> None:
        here, there = Locality("a"), Locality("b")
        sick = (*hosts("x", locality=here, healthy=False), *hosts("y", locality=there, healthy=False))
        assert drawn(*sick, locality_weights={here: 80, there: 20}, panic=50) == {
            "x": Fraction(1, 2),
            "y": Fraction(1, 2),
        }
        assert drawn(*sick, locality_weights={here: 80, there: 20}) == {}

    @given(
        st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.integers(0, 3)), max_size=8),
        st.sampled_from([0, 50]),
        st.sampled_from(["LEAST_REQUEST", "RANDOM"]),
    )
    def test_shares_sum_to_one_wherever_something_can_be_picked(
        self, rows: list[tuple[bool, int, int]], panic: int, policy: str
    ) -> None:
        endpoints = tuple(
            Endpoint(address=str(n), workload="", healthy=healthy, weight=weight, priority=priority)
            for n, (healthy, weight, priority) in enumerate(rows)
        )
        shares = drawn(*endpoints, panic=panic, lb=policy)
        assert sum(shares.values()) == (1 if any(healthy for healthy, _, _ in rows) or (panic and rows) else 0)
