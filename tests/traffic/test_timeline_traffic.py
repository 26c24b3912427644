"""Traffic over time: Poisson arrivals by colouring, a paced loop by index, ejection at its exact hitting time."""

from fractions import Fraction
from math import exp
from typing import Any

import pytest

from meshsim import api
from meshsim.analysis.statistics import chi_squared_tail, counts_fit
from meshsim.model.errors import InputError
from meshsim.simulation.streams import Bits, Purpose, stream
from meshsim.simulation.traffic import Leaves, histogram, labels
from meshsim.simulation.traffic_ejection import cap, ejections, hitting_time, mean_requests, requests_until
from meshsim.simulation.traffic_timeline import arrivals, intervals, paced

FAMILY = 1e-6
PARTS = intervals([0, 10, 30], 60, [Leaves((1, 0)), Leaves((3, 1)), Leaves((0, 1))])


def test_arrivals_of_each_interval_and_leaf_have_their_poisson_means() -> None:
    # Sums of 400 timelines are Poisson; means per timeline: 2/s × 10 s; 2/s × 20 s × 3/4 and 1/4; 2/s × 30 s.
    totals = [0] * 6
    for seed in range(400):
        flat = [count for part in arrivals(stream(seed, "arrivals"), Fraction(2), PARTS) for count in part]
        totals = [a + b for a, b in zip(totals, flat, strict=True)]
    for total, mean in zip(totals, (20, 0, 30, 10, 0, 60), strict=True):
        assert abs(total - 400 * mean) <= 5 * (400 * mean) ** 0.5


def test_arrivals_in_one_interval_vary_like_a_poisson_number() -> None:
    part = intervals([0], 10, [Leaves((1,))])
    scores = [((arrivals(stream(seed, "vary"), Fraction(5), part)[0][0]) - 50) ** 2 / 50 for seed in range(400)]
    assert FAMILY < chi_squared_tail(sum(scores), 400) < 1 - FAMILY


def test_a_paced_loop_takes_label_i_in_the_interval_of_request_i() -> None:
    source = stream(1, "paced")
    found = paced(source, Fraction(10), PARTS)
    assert found == (
        (100, 0),
        histogram(labels(source, Leaves((3, 1)), 300, 100), 2),
        (0, 300),
    )


def test_a_longer_timeline_leaves_a_paced_loops_earlier_counts_as_they_are() -> None:
    longer = intervals([0, 10, 30, 60], 90, [Leaves((1, 0)), Leaves((3, 1)), Leaves((0, 1)), Leaves((1, 1))])
    source = stream(1, "paced")
    assert paced(source, Fraction(10), longer)[:3] == paced(source, Fraction(10), PARTS)


def test_empty_intervals_are_left_out_and_moments_must_not_decrease() -> None:
    assert len(intervals([0, 5, 5], 9, [Leaves((1,))] * 3)) == 2
    with pytest.raises(ValueError, match="in order"):
        intervals([5, 0], 9, [Leaves((1,))] * 2)


def test_a_host_that_always_fails_is_ejected_at_its_fifth_request() -> None:
    bits = Bits(stream(1, "always"), Purpose.TIMES)
    assert requests_until(bits, Fraction(1), 5) == 5
    times = [hitting_time(stream(seed, "gamma"), Fraction(10)) for seed in range(4000)]
    # Gamma(5, 1/10): mean 1/2, variance 1/20.
    assert abs(sum(times) / 4000 - 0.5) < 5 * (0.05 / 4000) ** 0.5


def test_requests_until_three_errors_in_a_row_follow_their_exact_law() -> None:
    # Of a fair coin, by hand: P(3) = 1/8, P(4) = P(5) = P(6) = 1/16.
    seen = dict.fromkeys((3, 4, 5, 6, 7), 0)
    for i in range(8000):
        seen[min(requests_until(Bits(stream(i, "streak"), Purpose.TIMES), Fraction(1, 2), 3), 7)] += 1
    law = [Fraction(1, 8), Fraction(1, 16), Fraction(1, 16), Fraction(1, 16)]
    assert counts_fit(list(seen.values()), [*law, 1 - sum(law)], FAMILY)


def test_rare_errors_need_no_loop_over_requests() -> None:
    mean = mean_requests(Fraction(1, 100), 5)
    assert mean == sum(Fraction(100) ** i for i in range(1, 6))
    found = [requests_until(Bits(stream(i, "rare"), Purpose.TIMES), Fraction(1, 100), 5) for i in range(400)]
    # Nearly exponential: the mean of 400 lies within 5/√400 of its own.
    assert abs(sum(found) / 400 / float(mean) - 1) < 5 / 20


@pytest.mark.parametrize(("hosts", "percent", "out"), [(20, 10, 2), (20, 30, 6), (10, 50, 5), (20, 100, 20)])
def test_ejection_is_capped_over_all_hosts_as_measured_with_envoy(hosts: int, percent: int, out: int) -> None:
    assert cap(hosts, percent) == out


def test_ejected_hosts_speed_up_the_next_ejection_and_order_of_hosts_does_not_matter() -> None:
    def shares(out: frozenset[str]) -> dict[str, Fraction]:
        left = [host for host in ("a", "b", "c", "d") if host not in out]
        return {host: Fraction(1, len(left)) for host in left}

    errors = {"a": Fraction(1), "b": Fraction(1), "c": Fraction(0), "d": Fraction(0)}
    kwargs = {"rate": Fraction(100), "shares": shares, "most": 2}
    found = ejections(("test",), 1, errors=errors, **kwargs)  # type: ignore[arg-type]
    other = ejections(("test",), 1, errors=dict(reversed(errors.items())), **kwargs)  # type: ignore[arg-type]
    assert found == other
    assert {event.host for event in found} == {"a", "b"}
    assert found[0].at < found[1].at
    assert all(event.requests == 5 for event in found)


def test_ejection_stops_at_the_cap() -> None:
    errors = {"a": Fraction(1), "b": Fraction(1)}
    half = {"a": Fraction(1, 2), "b": Fraction(1, 2)}
    assert len(ejections(("x",), 1, rate=Fraction(9), errors=errors, shares=lambda out: half, most=1)) == 1


def test_first_of_two_failing_hosts_is_ejected_at_the_minimum_of_two_gammas() -> None:
    # P(no streak by t) of each is P(Gamma(1, 1/λ) > t) = e^(-λt) for r = 1, so the first is exponential with 2λ·½.
    errors = {"a": Fraction(1), "b": Fraction(1)}
    half = {"a": Fraction(1, 2), "b": Fraction(1, 2)}
    late = sum(
        ejections(("m",), seed, rate=Fraction(1), errors=errors, shares=lambda out: half, most=1, consecutive=1)[0].at
        > 1
        for seed in range(4000)
    )
    p = Fraction(exp(-1))
    assert counts_fit([late, 4000 - late], [p, 1 - p], FAMILY)


class TestEjectionsOfPlainValues:
    def test_they_are_those_of_the_law_in_whatever_way_numbers_are_written(self) -> None:
        plain = api.outlier_ejections({"a": "50%", "b": 1, "c": 0, "d": "1/4"}, "100", max_ejection_percent=50, seed=7)
        same = api.outlier_ejections({"d": 0.25, "c": "0", "a": 0.5, "b": 1.0}, 100, max_ejection_percent=50, seed=7)
        assert plain == same
        assert [row["at"] for row in plain] == sorted(row["at"] for row in plain)
        assert len(plain) == 2

    def test_a_host_that_always_fails_gets_five_requests_at_its_share_of_the_rate(self) -> None:
        rows = [api.outlier_ejections({"a": 1, "b": 0}, 20, max_ejection_percent=50, seed=n) for n in range(2000)]
        assert {row["requests"] for [row] in rows} == {5}
        # Half of 20 a second reaches the host: Gamma(5, 1/10), mean 1/2, variance 1/20.
        assert abs(sum(row["at"] for [row] in rows) / 2000 - 0.5) < 5 * (0.05 / 2000) ** 0.5

    @pytest.mark.parametrize(
        ("errors", "rate", "says"),
        [
            ({"a": 2}, 1, "no probability"),
            ({"a": "often"}, 1, "is no number"),
            ({"a": 1}, 0, "cannot be"),
            ({"a": "1/0"}, 1, "is no number"),
        ],
    )
    def test_what_cannot_be_is_a_sentence(self, errors: dict[str, Any], rate: Any, says: str) -> None:
        with pytest.raises(InputError, match=says):
            api.outlier_ejections(errors, rate)
