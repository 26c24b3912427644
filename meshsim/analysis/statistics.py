"""Exact statistics with `math` alone: binomial tails, intervals, tests of counts against exact shares.

Tails are summed in floats whose error is known, and decided in whole numbers where that error could matter, so that
a comparison with a level is exact. Loading scipy would cost more than a whole run.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import comb, exp, fsum, lgamma, log, sqrt
from typing import Final

Function = Callable[[Fraction], float]
EXACT_INTERVALS: Final = 10_000
TOLERANCE: Final = 1e-9
"""Relative error that tails stay far below (a sum of some thousand terms of relative error 1e-13 each)."""


def log_pmf(n: int, k: int, p: Fraction) -> float:
    """The logarithm of P(X = k) for X binomial (n, p); -inf where impossible."""
    if not 0 <= k <= n or (p == 0 and k) or (p == 1 and k < n):
        return -float("inf")
    if p in (0, 1):
        return 0.0
    from meshsim.simulation.traffic_counts import Binomial

    return Binomial(n, p).log(k)


def at_most(n: int, k: int, p: Fraction) -> float:
    """P(X ≤ k) for X binomial (n, p), to a relative error below 1e-9.

    >>> round(at_most(50, 0, Fraction(1, 20)), 3)
    0.077
    """
    if k < 0:
        return 0.0
    if k >= n or p == 0:
        return 1.0
    if p == 1:
        return 0.0
    if k >= n * p:
        return 1.0 - _upper(n, k + 1, p)
    return _upper(n, n - k, 1 - p)


def at_least(n: int, k: int, p: Fraction) -> float:
    """P(X ≥ k) for X binomial (n, p), to a relative error below 1e-9."""
    return at_most(n, n - k, 1 - p)


def _upper(n: int, k: int, p: Fraction, enough: float = 2.0) -> float:
    """P(X ≥ k), k beyond the mean: terms fall from the first one on. Stops where the sum reaches `enough`."""
    first = exp(log_pmf(n, k, p))
    term, total, x = 1.0, 1.0, k
    odds = p.numerator / (p.denominator - p.numerator)
    while x < n:
        term *= (n - x) / (x + 1) * odds
        total += term
        x += 1
        if term < 1e-17 * total or first * total >= enough:
            break
    return first * total


def at_most_is(n: int, k: int, p: Fraction, level: Fraction) -> bool:
    """Whether P(X ≤ k) ≤ level, exactly: in whole numbers where the floats are too close to call."""
    found = at_most(n, k, p)
    if abs(found - level) > TOLERANCE * float(level):
        return found < float(level)
    a, b = p.numerator, p.denominator
    below: int = sum(comb(n, i) * a**i * (b - a) ** (n - i) for i in range(min(k, n) + 1)) if k >= 0 else 0
    return bool(below * level.denominator <= level.numerator * b**n)


def at_least_is(n: int, k: int, p: Fraction, level: Fraction) -> bool:
    """Whether P(X ≥ k) ≤ level, exactly."""
    return at_most_is(n, n - k, 1 - p, level)


def exact_interval(hits: int, n: int, confidence: Fraction = Fraction(95, 100)) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share (1934): it covers the true one at least so often.

    Above `EXACT_INTERVALS` draws it is Wilson's (1927), which then agrees to three digits of its width.

    >>> low, high = exact_interval(0, 50)
    >>> low, round(high, 4)
    (0.0, 0.0711)
    """
    if not 0 <= hits <= n or n < 1:
        msg = f"{hits} of {n} is no share"
        raise ValueError(msg)
    tail = float(1 - confidence) / 2
    if n > EXACT_INTERVALS:
        return _wilson(hits, n, tail)
    low = 0.0 if hits == 0 else _solve(lambda p: at_least(n, hits, p) - tail, 0.0, hits / n)
    high = 1.0 if hits == n else _solve(lambda p: tail - at_most(n, hits, p), hits / n, 1.0)
    return low, high


def _wilson(hits: int, n: int, tail: float) -> tuple[float, float]:
    from statistics import NormalDist

    z = NormalDist().inv_cdf(1 - tail)
    seen, weight = hits / n, z * z / n
    middle, half = (seen + weight / 2) / (1 + weight), z * sqrt(seen * (1 - seen) / n + weight / n / 4) / (1 + weight)
    return 0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half


def _solve(rising: Function, low: float, high: float) -> float:
    for _ in range(60):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if rising(Fraction(middle)) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def two_sided(hits: int, n: int, p: Fraction) -> float:
    """The exact binomial test's p-value, the smaller tail doubled: never above its level by more than it says."""
    return min(1.0, 2 * min(at_most(n, hits, p), at_least(n, hits, p)))


def counts_fit(counts: Sequence[int], shares: Sequence[Fraction], level: float) -> bool:
    """Whether counts look like independent draws of `shares`: an exact binomial test of each leaf, at `level` together
    (Bonferroni). A leaf of share 0 that was drawn never fits."""
    n = sum(counts)
    if len(counts) != len(shares):
        msg = f"{len(counts)} counts for {len(shares)} shares"
        raise ValueError(msg)
    each = level / len(shares) / 2
    return all(_tail_reaches(n, k, p, each) for k, p in zip(counts, shares, strict=True))


def _tail_reaches(n: int, k: int, p: Fraction, level: float) -> bool:
    """Whether the smaller tail at k has at least this probability; sums no further than that takes."""
    if p in (0, 1):
        return k == n * p
    return _upper(n, k, p, level) >= level if k > n * p else _upper(n, n - k, 1 - p, level) >= level


def chi_squared(counts: Sequence[int], shares: Sequence[Fraction]) -> tuple[float, int]:
    """Pearson's statistic and its degrees of freedom; leaves of share 0 are left out."""
    n = sum(counts)
    cells = [(k, float(n * p)) for k, p in zip(counts, shares, strict=True) if p]
    return fsum((k - mean) ** 2 / mean for k, mean in cells), len(cells) - 1


def chi_squared_tail(statistic: float, freedom: int) -> float:
    """P(χ² ≥ statistic): the upper incomplete gamma function (series or continued fraction), to about 1e-12.

    >>> round(chi_squared_tail(3.841458820694124, 1), 6), round(chi_squared_tail(18.307038, 10), 4)
    (0.05, 0.05)
    """
    if freedom < 1 or statistic <= 0:
        return 1.0
    a, x = freedom / 2, statistic / 2
    front = exp(a * log(x) - x - lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        i = 1
        while term > 1e-17 * total:
            term *= x / (a + i)
            total += term
            i += 1
        return max(0.0, 1 - front * total)
    b, c = x + 1 - a, 1e300
    d = 1 / b
    h = d
    for i in range(1, 10_000):
        an = -i * (i - a)
        b += 2
        d = 1 / (an * d + b)
        c = b + an / c
        h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return front * h


def misses(share: Fraction, n: int) -> Fraction:
    """The probability that none of n requests meets a share: how often a check overlooks a live canary.

    >>> f"{float(misses(Fraction(5, 100), 50)):.1%}"
    '7.7%'
    """
    return (1 - share) ** n


def false_alarm(share: Fraction, n: int, tolerance: Fraction) -> Fraction:
    """How often an observed share is off by more than `tolerance` although `share` is true.

    >>> f"{float(false_alarm(Fraction(1, 2), 50, Fraction(1, 10))):.1%}"
    '11.9%'
    """
    a, b = share.numerator, share.denominator
    outside = [k for k in range(n + 1) if abs(Fraction(k, n) - share) > tolerance]
    return Fraction(sum(comb(n, k) * a**k * (b - a) ** (n - k) for k in outside), b**n)
