"""Exact tests: the numbers are those of any table of the binomial and multinomial laws."""

from fractions import Fraction
from math import comb

import pytest

from meshsim.live.agree import binomial, compare, multinomial, said
from meshsim.live.lab.observe import Failure

HALF = Fraction(1, 2)


def test_a_fair_coin_that_falls_eight_times_of_ten():
    tail = sum(comb(10, k) for k in (8, 9, 10)) / 2**10
    assert binomial(8, 10, HALF) == pytest.approx(2 * tail)
    assert binomial(2, 10, HALF) == pytest.approx(2 * tail)


def test_the_expected_count_is_no_surprise():
    assert binomial(900, 1000, Fraction(9, 10)) == 1.0


def test_far_tails_keep_their_size():
    # all heads in 200 tosses, either side
    assert binomial(200, 200, HALF) == pytest.approx(2 * 0.5**200)


@pytest.mark.parametrize(("share", "count", "p"), [(0, 0, 1.0), (0, 1, 0.0), (1, 10, 1.0), (1, 9, 0.0)])
def test_what_never_or_always_happens_is_held_to_that(share: int, count: int, p: float):
    assert binomial(count, 10, Fraction(share)) == p


def test_three_dice_that_all_show_one_face():
    # of the 27 throws of a three-sided die, three are as unlikely as this one
    assert multinomial([3, 0, 0], [Fraction(1, 3)] * 3) == pytest.approx(3 / 27)


def test_an_impossible_category_has_no_chance():
    assert multinomial([1, 1], [Fraction(1), Fraction(0)]) == 0.0


def test_too_many_compositions_are_not_summed():
    assert multinomial([1000] * 5, [Fraction(1, 5)] * 5) is None


def test_an_even_split_is_not_ninety_to_ten():
    shares = {"c/ns/a-1": Fraction(9, 10), "c/ns/b-1": Fraction(1, 10)}
    assert compare({"c/ns/a-1": 899, "c/ns/b-1": 101}, shares).holds
    assert not compare({"c/ns/a-1": 800, "c/ns/b-1": 200}, shares).holds


def test_a_revision_that_is_off_shows_although_each_of_its_pods_is_not():
    pods = [f"c/ns/a-{n}" for n in range(50)]
    shares = {pod: Fraction(1, 100) for pod in pods} | {"c/ns/b-0": HALF}
    counts = dict.fromkeys(pods, 14) | {"c/ns/b-0": 300}
    assert not compare(counts, shares).holds


def test_one_answer_that_cannot_be_disagrees():
    assert not compare({"c/ns/a-1": 999, "c/ns/b-1": 1}, {"c/ns/a-1": Fraction(1)}).holds


def test_no_answer_at_all_has_no_code_and_no_flag():
    assert said(Failure("reset", "NoHealthyUpstream", "ztunnel:c1")) == said(Failure("closed", "UH", "ztunnel:c1"))
    assert said(Failure("503", "UH", "w")) != said(Failure("503", "NC", "w"))
