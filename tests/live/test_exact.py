"""Ranges of counts against ranges of shares, by arithmetic."""

from fractions import Fraction

import pytest

from meshsim.live.exact import Counted, Law, chance, corrected, law
from meshsim.live.labels import Answerer
from meshsim.simulation.traffic import leaves
from meshsim.simulation.units import Choice, Unit

HALF = Fraction(1, 2)
ENDS = (Answerer(role="stable"), Answerer(role="canary"))


def two(unit: Unit) -> Choice:
    return Choice(unit=unit, name="", of=leaves([Fraction(3, 4), Fraction(1, 4)]), ways=(0, 1))


def canary(end: Answerer) -> bool:
    return end.role == "canary"


def counted(low: int, high: int, trials: int) -> Counted:
    return Counted(low=low, high=high, trials=trials)


def test_a_count_is_tested_from_both_sides():
    assert chance(counted(0, 0, 4), HALF, HALF) == pytest.approx(2 / 16)


def test_of_a_range_of_counts_the_one_that_fits_best_is_taken():
    assert chance(counted(0, 2, 4), HALF, HALF) == 1.0
    assert chance(counted(0, 1, 4), HALF, HALF) == pytest.approx(2 * 5 / 16)


def test_of_a_range_of_shares_the_nearest_is_taken():
    assert chance(counted(4, 4, 4), Fraction(0), HALF) == pytest.approx(2 / 16)
    assert chance(counted(1, 1, 4), Fraction(0), HALF) == 1.0


def test_what_never_happens_must_not_be_counted():
    assert chance(counted(1, 1, 1000), Fraction(0), Fraction(0)) == 0.0


def test_a_label_and_its_complement_are_one_test():
    quarter, rest = Fraction(1, 4), Fraction(3, 4)
    canary = (counted(3, 3, 10), Law(low=quarter, high=quarter), 0.02)
    stable = (counted(7, 7, 10), Law(low=rest, high=rest), 0.02)
    assert corrected([canary, stable]) == pytest.approx(0.02)


def test_what_cannot_fail_by_chance_costs_nothing():
    never = (counted(0, 0, 10), Law(low=Fraction(0), high=Fraction(0)), 1.0)
    third = Fraction(1, 3)
    labels = [(counted(n, n, 10), Law(low=third, high=third), 0.01) for n in (1, 2, 7)]
    assert corrected([*labels, never]) == pytest.approx(0.03)


def test_a_choice_for_each_request_has_an_exact_share():
    found = law(two(Unit.REQUEST), ENDS, canary, connections=False)
    assert (found.low, found.high, found.unit) == (Fraction(1, 4), Fraction(1, 4), Unit.REQUEST)


def test_a_choice_for_each_connection_is_exact_where_connections_are_counted():
    assert law(two(Unit.CONNECTION), ENDS, canary, connections=True).exact
    found = law(two(Unit.CONNECTION), ENDS, canary, connections=False)
    assert (found.low, found.high, found.unit) == (0, 1, Unit.CONNECTION)


def test_behind_a_choice_for_each_request_what_is_kept_is_a_range():
    plan = Choice(unit=Unit.REQUEST, name="", of=leaves([HALF, HALF]), ways=(0, two(Unit.POOLED)))
    found = law(plan, ENDS, canary, connections=True)
    assert (found.low, found.high, found.unit) == (0, HALF, Unit.POOLED)


def test_a_choice_that_makes_no_difference_is_no_choice():
    same = (Answerer(role="canary", pod="a"), Answerer(role="canary", pod="b"))
    found = law(two(Unit.POOLED), same, canary, connections=False)
    assert (found.low, found.high) == (1, 1)
