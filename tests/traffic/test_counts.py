"""Counts follow their law exactly: against whole-number probabilities, at a stated family-wise error of 1e-6."""

import random
from fractions import Fraction
from math import comb, exp, factorial, log

import pytest

from meshsim.analysis.statistics import chi_squared, chi_squared_tail, counts_fit
from meshsim.simulation import traffic_counts
from meshsim.simulation.streams import Bits, Purpose, stream
from meshsim.simulation.traffic import HISTOGRAM, Leaves, counts, leaves
from meshsim.simulation.traffic_counts import Binomial, Geometric, Poisson, binomial, geometric, multinomial, poisson

FAMILY = 1e-6


def random_tree(rng: random.Random) -> list[Fraction]:
    """Leaves of a random tree of up to five levels, as a call's trace has: exact shares of any denominator."""
    shares = [Fraction(1)]
    for _ in range(rng.randint(1, 5)):
        picked = shares.pop(rng.randrange(len(shares)))
        weights = [rng.choice((0, 1, 2, 3, 5, 7, 10, 33, 90, 99, 997)) for _ in range(rng.randint(2, 6))]
        if not any(weights):
            weights[0] = 1
        shares.extend(picked * Fraction(weight, sum(weights)) for weight in weights)
    return shares


@pytest.mark.parametrize("requests", [200, 20_000, HISTOGRAM + 1, 10**9, 10**15])
def test_counts_of_hundreds_of_random_trees_fit_their_fractions(requests: int) -> None:
    rng = random.Random(requests)
    trees = 300
    for number in range(trees):
        shares = random_tree(rng)
        found = counts(stream(7, "tree", str(number)), leaves(shares), requests)
        assert sum(found) == requests
        assert counts_fit(found, shares, FAMILY / (5 * trees)), (number, shares, found)


def pmf_binomial(n: int, p: Fraction) -> list[Fraction]:
    return [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


@pytest.mark.parametrize(
    ("n", "p"), [(1, Fraction(1, 3)), (5, Fraction(1, 2)), (12, Fraction(9, 10)), (40, Fraction(1, 7))]
)
def test_binomial_draws_fit_the_binomial_law(n: int, p: Fraction) -> None:
    bits = Bits(stream(11, "binomial", str(n)), Purpose.COUNTS)
    seen = [0] * (n + 1)
    for _ in range(20_000):
        seen[binomial(bits, n, p)] += 1
    assert counts_fit(seen, pmf_binomial(n, p), FAMILY)


def test_multinomial_draws_fit_the_joint_law() -> None:
    weights, n = (1, 2, 3), 4
    law = {
        (a, b, n - a - b): Fraction(factorial(n), factorial(a) * factorial(b) * factorial(n - a - b))
        * Fraction(1, 6) ** a
        * Fraction(1, 3) ** b
        * Fraction(1, 2) ** (n - a - b)
        for a in range(n + 1)
        for b in range(n + 1 - a)
    }
    assert sum(law.values()) == 1
    seen = dict.fromkeys(law, 0)
    for i in range(20_000):
        seen[multinomial(stream(5, "joint", str(i)), Leaves(weights), n)] += 1
    assert counts_fit(list(seen.values()), list(law.values()), FAMILY)


def test_poisson_draws_fit_the_poisson_law() -> None:
    mean = Fraction(7, 2)
    bits = Bits(stream(3, "poisson"), Purpose.TIMES)
    seen = [0] * 31
    for _ in range(20_000):
        seen[min(poisson(bits, mean), 30)] += 1
    law = [Fraction(exp(-3.5)) * mean**k / factorial(k) for k in range(30)]
    assert counts_fit(seen, [*law, 1 - sum(law)], FAMILY)


def test_geometric_draws_fit_the_geometric_law() -> None:
    p = Fraction(1, 5)
    bits = Bits(stream(3, "geometric"), Purpose.TIMES)
    seen = [0] * 41
    for _ in range(20_000):
        seen[min(geometric(bits, p), 40)] += 1
    law = [p * (1 - p) ** k for k in range(40)]
    assert counts_fit(seen, [*law, 1 - sum(law)], FAMILY)


@pytest.mark.parametrize("n", [10**6, 10**9, 10**18, 10**30])
def test_large_binomials_keep_their_mean_and_variance(n: int) -> None:
    p, draws = Fraction(1, 10), 2000
    bits = Bits(stream(2, "large", str(n)), Purpose.COUNTS)
    scores = [float(Fraction(binomial(bits, n, p)) - n * p) / (float(n) * 0.09) ** 0.5 for _ in range(draws)]
    # A standard normal's mean of 2,000 lies within ±5 sd, the sum of squares within ±5 sd = 5·√(2/2000): p < 1e-6 each.
    assert abs(sum(scores)) / draws**0.5 < 5
    assert abs(sum(x * x for x in scores) / draws - 1) < 5 * (2 / draws) ** 0.5


@pytest.mark.parametrize(
    ("n", "p"), [(1, Fraction(1, 2)), (10, Fraction(1, 10)), (535, Fraction(2, 5)), (2000, Fraction(1, 1000))]
)
def test_the_float_logarithm_of_the_binomial_is_within_a_hundredth_of_the_margin(n: int, p: Fraction) -> None:
    law = Binomial(n, p)
    for k, exact in enumerate(pmf_binomial(n, p)):
        true = log(exact.numerator) - log(exact.denominator)
        assert abs(law.log(k) - true) < traffic_counts.MARGIN / 100 * (1 + abs(true))


def test_acceptance_is_decided_exactly_where_floats_cannot_tell() -> None:
    law = Binomial(1000, Fraction(1, 10))
    for k in (80, 95, 101, 104, 130):
        ratio = Fraction(comb(1000, k), comb(1000, law.mode)) * Fraction(1, 9) ** (k - law.mode)
        whole = int(ratio * 2**300)
        for digits in (50, 80):
            # A difference of 2^-150 is far below what floats see, and far above 10^-50.
            assert traffic_counts._compared(law, k, whole - 2**150, 300, digits) is True
            assert traffic_counts._compared(law, k, whole + 2**150, 300, digits) is False
        assert traffic_counts._compared(law, k, whole, 300, 50) is None


def test_the_exact_comparison_serves_poisson_and_geometric_laws() -> None:
    poisson_law, geometric_law = Poisson(Fraction(7, 2)), Geometric(Fraction(1, 5))
    for law, k, ratio in (
        (poisson_law, 6, Fraction(7, 2) ** 3 * factorial(3) / factorial(6)),
        (geometric_law, 4, Fraction(4, 5) ** 4),
    ):
        whole = int(ratio * 2**300)
        assert traffic_counts._compared(law, k, whole - 2**150, 300, 50) is True
        assert traffic_counts._compared(law, k, whole + 2**150, 300, 50) is False


@pytest.mark.parametrize(("requests", "share"), [(0, Fraction(1, 2)), (9, Fraction(0)), (9, Fraction(1))])
def test_sure_counts_draw_nothing(requests: int, share: Fraction) -> None:
    assert binomial(Bits(stream(1, "sure"), Purpose.COUNTS), requests, share) == requests * share


def test_no_law_is_no_draw() -> None:
    bits = Bits(stream(1, "none"), Purpose.COUNTS)
    for wrong in (lambda: binomial(bits, -1, Fraction(1, 2)), lambda: binomial(bits, 1, Fraction(3, 2))):
        with pytest.raises(ValueError, match="no binomial law"):
            wrong()
    with pytest.raises(ValueError, match="no Poisson law"):
        poisson(bits, Fraction(-1))
    with pytest.raises(ValueError, match="no geometric law"):
        geometric(bits, Fraction(0))


def test_counts_of_many_seeds_spread_as_a_multinomial_does() -> None:
    # The sum of 200 chi-squared statistics with 2 degrees of freedom is chi-squared with 400.
    shares = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)]
    statistics = [chi_squared(counts(stream(seed, "spread"), leaves(shares), 10**9), shares)[0] for seed in range(200)]
    tail = chi_squared_tail(sum(statistics), 400)
    assert FAMILY < tail < 1 - FAMILY
