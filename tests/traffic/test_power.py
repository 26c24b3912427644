"""How many requests a check needs: the published figures, brute force, and the words in a table."""

from fractions import Fraction
from math import comb

import pytest

from meshsim.analysis.power import Comparison, brief, compare, for_row, requests_needed, sentence, sequential
from meshsim.analysis.statistics import (
    at_most,
    chi_squared_tail,
    counts_fit,
    exact_interval,
    false_alarm,
    misses,
    two_sided,
)
from meshsim.model.rule import Rule
from meshsim.model.trace import Delivered, Step, Trace
from meshsim.model.verdict import Row, Shares, Verdict

ONE_PERCENT = Fraction(1, 100)


def share(text: str) -> Fraction:
    return Fraction(text)


@pytest.mark.parametrize(
    ("applied", "bypassed", "requests"),
    [("1/2", "0", 7), ("1/5", "0", 21), ("1/10", "0", 44), ("1/20", "0", 90), ("1/2", "2/5", 535)],
)
def test_published_numbers_of_requests(applied: str, bypassed: str, requests: int) -> None:
    assert requests_needed(share(applied), share(bypassed)) == requests


def test_fifty_curls_miss_a_live_canary_of_5_percent_in_77_of_1000_cases() -> None:
    assert f"{float(misses(Fraction(1, 20), 50)):.3f}" == "0.077"


def test_a_ten_point_check_on_fifty_curls_raises_a_false_alarm_in_119_of_1000_cases() -> None:
    assert f"{float(false_alarm(Fraction(1, 2), 50, Fraction(1, 10))):.3f}" == "0.119"


def tail(n: int, c: int, p: Fraction) -> Fraction:
    return sum((comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(c + 1)), Fraction(0))


def by_brute_force(p0: Fraction, p1: Fraction) -> int:
    """The first n for which some threshold keeps both errors at 1 %."""
    if p0 < p1:
        p0, p1 = 1 - p0, 1 - p1
    for n in range(1, 400):
        if any(tail(n, c, p0) <= ONE_PERCENT and 1 - tail(n, c, p1) <= ONE_PERCENT for c in range(n)):
            return n
    raise AssertionError


@pytest.mark.parametrize(
    ("p0", "p1"),
    [("9/10", "1/2"), ("1/2", "1/5"), ("1/3", "2/3"), ("1/4", "1/20"), ("1", "3/4"), ("1/10", "1/2"), ("3/4", "1")],
)
def test_the_number_is_the_smallest_by_brute_force_in_fractions(p0: str, p1: str) -> None:
    assert requests_needed(share(p0), share(p1)) == by_brute_force(share(p0), share(p1))


def test_no_number_tells_equal_shares_apart() -> None:
    assert requests_needed(Fraction(1, 2), Fraction(1, 2)) is None
    assert sequential(Fraction(1, 2), Fraction(1, 2)) is None


def test_certain_opposites_need_one_request() -> None:
    assert requests_needed(Fraction(1), Fraction(0)) == 1


def test_counting_hits_or_misses_is_the_same() -> None:
    assert requests_needed(Fraction(3, 4), Fraction(4, 5)) == requests_needed(Fraction(1, 4), Fraction(1, 5))


def test_close_shares_get_the_normal_approximation() -> None:
    # ((2.3263·(0.5 + √(0.501·0.499)))/0.001)², from tables of the normal law.
    found = requests_needed(Fraction(1, 2), Fraction(501, 1000))
    assert found is not None
    assert abs(found - 5_411_884) < 100


@pytest.mark.parametrize(("p0", "p1", "alpha"), [("2", "0", "1/100"), ("1/2", "0", "0"), ("1/2", "0", "3/4")])
def test_impossible_hypotheses_are_refused(p0: str, p1: str, alpha: str) -> None:
    with pytest.raises(ValueError, match="shares lie in"):
        requests_needed(share(p0), share(p1), share(alpha))


def test_a_sequential_test_of_10_percent_from_0_stops_at_the_first_canary() -> None:
    found = sequential(Fraction(1, 10), Fraction(0))
    assert found is not None
    # (1 - 0.9^44)/0.1 requests where it is applied, all 44 where it is bypassed.
    assert found.if_applied == pytest.approx((1 - 0.9**44) / 0.1)
    assert found.if_bypassed == 44
    assert found.false_alarm == pytest.approx(0.9**44)


@pytest.mark.parametrize(("p0", "p1"), [("1/2", "2/5"), ("1/4", "1/5"), ("1/10", "3/10"), ("9/10", "1/2")])
def test_sequential_tests_keep_both_errors_and_are_shorter_than_fixed_ones(p0: str, p1: str) -> None:
    found, fixed = sequential(share(p0), share(p1)), requests_needed(share(p0), share(p1))
    assert found is not None
    assert fixed is not None
    assert found.false_alarm <= 0.01
    assert found.missed <= 0.01
    assert max(found.if_applied, found.if_bypassed) < fixed
    # Wald's identity: the mean drift times the mean length is about where the walk ends.


def test_the_role_that_tells_soonest_is_counted() -> None:
    found = compare(
        {"stable": Fraction(1, 2), "canary": Fraction(1, 2)},
        {"stable": Fraction(2, 5), "canary": Fraction(1, 2), "error": Fraction(1, 10)},
    )
    assert found.roles == ("error",)
    assert found.needed == 44


def row(verdict: Verdict, desired: Fraction, canary: Fraction, connection: str = "new") -> Row:
    rule = Rule("test", "A test.", "test")
    pods = tuple(
        Step(hop="pod", share=part, decision="", rule=rule, outcome=Delivered(workload=name, cluster="c", address=name))
        for name, part in (("canary", canary), ("stable", 1 - canary))
        if part
    )
    root = Step(hop="ztunnel:c", share=Fraction(1), decision="", rule=rule, granularity="connection", children=pods)
    return Row(
        frm="c/ns/curl",
        to="x:1",
        connection=connection,
        rollout="c/ns/x",
        verdict=verdict,
        masked=desired == canary,
        desired={"stable": 1 - desired, "canary": desired},
        effective=Shares(stable=1 - canary, canary=canary),
        applied_share=Fraction(0),
        trace=Trace(roots=(root,)),
    )


def test_a_bypassed_row_says_how_many_requests_show_it() -> None:
    bypassed = row(Verdict.BYPASSED, Fraction(1, 10), Fraction(0))
    found = for_row(bypassed)
    assert found is not None
    assert found.text == "44 requests tell 10% from 0% (1%/1%)"
    assert brief(bypassed) == "44 requests"


def test_a_kept_connection_is_counted_in_connections() -> None:
    # Where the only pods are stable, there is nothing to draw: requests. With both, connections.
    assert brief(row(Verdict.BYPASSED, Fraction(1, 2), Fraction(2, 5), "keep-alive")) == "535 connections"


def test_a_masked_row_says_that_no_number_suffices() -> None:
    masked = row(Verdict.BYPASSED, Fraction(1, 2), Fraction(1, 2))
    assert brief(masked) == "no number suffices"
    found = for_row(masked)
    assert found is not None
    assert found.n is None


def test_an_applied_row_has_no_note() -> None:
    applied = row(Verdict.APPLIED, Fraction(1, 2), Fraction(1, 2))
    assert brief(applied) == ""
    assert for_row(applied) is None


def test_a_comparison_that_is_approximate_says_about() -> None:
    found = Comparison(roles=("canary",), applied=Fraction(1, 2), bypassed=Fraction(499, 1000), needed=5_411_884)
    assert sentence(found, "request").startswith("about 5,411,884 requests")


def test_binomial_tails_agree_with_fractions() -> None:
    for n, p in ((7, Fraction(1, 2)), (50, Fraction(1, 20)), (100, Fraction(99, 100))):
        for k in range(n):
            exact = float(tail(n, k, p))
            assert at_most(n, k, p) == pytest.approx(exact, rel=1e-10, abs=1e-13)


def test_exact_intervals_are_those_of_published_tables() -> None:
    # Clopper and Pearson 1934: 0 of 10: 0 to 0.3085; 5 of 10: 0.1871 to 0.8129; 1 of 20: 0.0013 to 0.2487.
    assert exact_interval(0, 10) == pytest.approx((0, 0.3085), abs=5e-5)
    assert exact_interval(5, 10) == pytest.approx((0.1871, 0.8129), abs=5e-5)
    assert exact_interval(1, 20) == pytest.approx((0.0013, 0.2487), abs=5e-5)


def test_chi_squared_tails_are_those_of_published_tables() -> None:
    for statistic, freedom, level in ((6.635, 1, 0.01), (11.070, 5, 0.05), (29.588, 10, 0.001), (124.342, 100, 0.05)):
        assert chi_squared_tail(statistic, freedom) == pytest.approx(level, rel=2e-3)


def test_counts_off_by_six_standard_deviations_do_not_fit() -> None:
    assert not counts_fit([5300, 4700], [Fraction(1, 2)] * 2, 1e-6)
    assert counts_fit([5100, 4900], [Fraction(1, 2)] * 2, 1e-6)
    assert not counts_fit([9999, 1], [Fraction(1), Fraction(0)], 1e-6)


def test_the_two_sided_test_doubles_the_smaller_tail() -> None:
    assert two_sided(0, 10, Fraction(1, 2)) == pytest.approx(2 / 1024)
