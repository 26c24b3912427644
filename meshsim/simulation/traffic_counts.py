"""Counts without their requests: exact binomial, multinomial and Poisson draws in a time that N does not enter.

Rejection from an envelope that holds for every log-concave law with mode m: f(m ± k) ≤ f(m)·min(1, e^(1 - f(m)k))
(Devroye, A simple generator for discrete log-concave distributions, Computing 39, 1987), loosened to blocks of
W ≥ 1/f(m) values with heights 1, 1, 1/2, 1/4, …, so that a proposal needs fair bits alone. A proposal is accepted by
comparing a uniform number, as many bits of it as needed, with f(k)/f(m): in floats with a margin a hundred times
their error (C. Loader's saddle-point form, 2000), else in decimals of growing precision. So the law is exact, not to
float rounding.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from math import ceil, exp, floor, lgamma, log, log1p, pi
from typing import Final, final

from meshsim.model.frozen import record
from meshsim.simulation.streams import Bits, Purpose, Stream
from meshsim.simulation.traffic import Leaves

MARGIN: Final = 1e-9
_LOG2: Final = log(2.0)
_DRAWN: Final = 64


def multinomial(source: Stream, of: Leaves, requests: int) -> tuple[int, ...]:
    """Counts per leaf of `requests` independent requests; they sum to `requests`."""
    bits = Bits(source, Purpose.COUNTS)
    left, whole = requests, of.total
    found = []
    for weight in of.weights:
        count = binomial(bits, left, Fraction(weight, whole)) if left and weight else 0
        found.append(count)
        left -= count
        whole -= weight
    return tuple(found)


def binomial(bits: Bits, requests: int, share: Fraction) -> int:
    """How many of `requests` independent requests, each with probability `share`, hit. Exact."""
    if not 0 <= share <= 1 or requests < 0:
        msg = f"no binomial law has {requests} requests of share {share}"
        raise ValueError(msg)
    if not requests or not share:
        return 0
    if share > Fraction(1, 2):
        return requests - binomial(bits, requests, 1 - share)
    return _draw(bits, Binomial(requests, share))


def poisson(bits: Bits, mean: Fraction) -> int:
    """How many arrivals of a Poisson process whose mean is `mean`. Exact."""
    if mean < 0:
        msg = f"no Poisson law has the mean {mean}"
        raise ValueError(msg)
    return _draw(bits, Poisson(mean)) if mean else 0


def geometric(bits: Bits, success: Fraction) -> int:
    """How many independent trials fail before the first success. Exact."""
    if not 0 < success <= 1:
        msg = f"no geometric law has the success probability {success}"
        raise ValueError(msg)
    return _draw(bits, Geometric(success)) if success < 1 else 0


@final
@record
class Binomial:
    """Binomial(n, p), 0 < p ≤ 1/2."""

    n: int
    p: Fraction

    @property
    def mode(self) -> int:
        return floor((self.n + 1) * self.p)

    def log(self, k: int) -> float:
        """The logarithm of f(k): relative error below 1e-12, -inf outside the support."""
        n, p = self.n, self.p
        if not 0 <= k <= n:
            return -float("inf")
        if k == 0:
            return n * log1p(-float(p))
        if k == n:
            return n * log(float(p))
        size = _stirling(n) - _stirling(k) - _stirling(n - k)
        a, b = p.numerator, p.denominator
        offset = k * b - n * a
        away = _deviance(k, offset, n * a, b) + _deviance(n - k, -offset, n * (b - a), b)
        return size - away - 0.5 * log(2 * pi * (k / n) * (n - k))

    def exact(self, k: int) -> tuple[tuple[tuple[int, int], ...], Fraction, int]:
        """The logarithm of f(k)/f(mode): (sign, x) of log-gammas, and a ratio whose logarithm is taken so often."""
        m, n = self.mode, self.n
        gammas = ((1, m + 1), (1, n - m + 1), (-1, k + 1), (-1, n - k + 1))
        return gammas, self.p / (1 - self.p), k - m


@final
@record
class Poisson:
    """Poisson(mean), mean > 0."""

    mean: Fraction

    @property
    def mode(self) -> int:
        return floor(self.mean)

    def log(self, k: int) -> float:
        """The logarithm of f(k): relative error below 1e-12, -inf outside the support."""
        if k < 0:
            return -float("inf")
        if k == 0:
            return -float(self.mean)
        a, b = self.mean.numerator, self.mean.denominator
        return -_stirling(k) - _deviance(k, k * b - a, a, b) - 0.5 * log(2 * pi * k)

    def exact(self, k: int) -> tuple[tuple[tuple[int, int], ...], Fraction, int]:
        """As `Binomial.exact`."""
        m = self.mode
        return ((1, m + 1), (-1, k + 1)), self.mean, k - m


@final
@record
class Geometric:
    """Failures before the first success, which has probability `p`, 0 < p < 1."""

    p: Fraction

    @property
    def mode(self) -> int:
        return 0

    def log(self, k: int) -> float:
        """The logarithm of f(k): relative error below 1e-12, -inf outside the support."""
        return log(self.p.numerator) - log(self.p.denominator) + k * _log_rest(self.p) if k >= 0 else -float("inf")

    def exact(self, k: int) -> tuple[tuple[tuple[int, int], ...], Fraction, int]:
        """As `Binomial.exact`."""
        return (), 1 - self.p, k


Law = Binomial | Poisson | Geometric


def _log_rest(p: Fraction) -> float:
    """The logarithm of 1 - p."""
    return log1p(-float(p)) if p < Fraction(1, 2) else log(1 - p)


def _draw(bits: Bits, law: Law) -> int:
    mode = law.mode
    top = law.log(mode)
    width = ceil((1 + MARGIN) / exp(top))
    while True:
        part = bits.below(3)
        block = 0 if part == 0 else 1 + bits.tails()
        offset = block * width + bits.below(width)
        if bits.take(1):
            if not offset:
                continue
            offset = -offset
        found = mode + offset
        height = law.log(found)
        if height == -float("inf"):
            continue
        if _accepted(bits, law, found, height - top, max(block - 1, 0)):
            return found


def _accepted(bits: Bits, law: Law, k: int, ratio: float, halvings: int) -> bool:
    """Whether a uniform number times 2^-halvings lies below f(k)/f(mode), `ratio` being its logarithm in floats."""
    drawn = bits.take(_DRAWN)
    margin = MARGIN * (1 + abs(ratio))
    if drawn >> 40:
        level = log(drawn) - (_DRAWN + halvings) * _LOG2
        if abs(level - ratio) > margin:
            return level < ratio
    elif ratio - margin > (41 - _DRAWN - halvings) * _LOG2:
        return True
    count = _DRAWN
    for digits in _precisions():
        drawn, count = drawn << digits * 4 | bits.take(digits * 4), count + digits * 4
        decided = _compared(law, k, drawn, count + halvings, digits)
        if decided is not None:
            return decided
    raise AssertionError


def _precisions() -> Iterator[int]:
    digits = 50
    while True:
        yield digits
        digits *= 2


def _compared(law: Law, k: int, drawn: int, shift: int, digits: int) -> bool | None:
    """drawn·2^-shift against f(k)/f(mode) to `digits` decimals; None where that does not tell."""
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 2 * digits + 60
        gammas, base, times = law.exact(k)
        value = sum((sign * _log_gamma(Decimal(x), digits) for sign, x in gammas), Decimal(0))
        value += times * (Decimal(base.numerator).ln() - Decimal(base.denominator).ln())
        ends = [
            (Decimal(end).ln() if end else Decimal("-Infinity")) - shift * Decimal(2).ln() for end in (drawn, drawn + 1)
        ]
        slack = Decimal(10) ** -digits
        if ends[1] < value - slack:
            return True
        return False if ends[0] > value + slack else None


def _log_gamma(x: "Decimal", digits: int) -> "Decimal":  # type: ignore[name-defined]  # noqa: F821
    """The logarithm of Γ(x)/√(2π) by Stirling's series, shifted until it is good for `digits` decimals."""
    from decimal import Decimal

    shifted = Decimal(1)
    while x < 2 * digits:
        shifted *= x
        x += 1
    found = (x - Decimal("0.5")) * x.ln() - x - shifted.ln()
    power = x
    for i, number in enumerate(_bernoulli(digits)):
        twice = 2 * (i + 1)
        found += Decimal(number.numerator) / (number.denominator * twice * (twice - 1)) / power
        power *= x * x
    return found


@lru_cache(maxsize=8)
def _bernoulli(count: int) -> tuple[Fraction, ...]:
    """B2, B4, … B(2·count)."""
    row: list[Fraction] = []
    found = []
    for m in range(2 * count + 1):
        row.append(Fraction(1, m + 1))
        for j in range(m, 0, -1):
            row[j - 1] = j * (row[j - 1] - row[j])
        if m and m % 2 == 0:
            found.append(row[0])
    return tuple(found)


def _stirling(n: int) -> float:
    """The logarithm of n! / (√(2πn) (n/e)^n)."""
    if n < 16:
        return lgamma(n + 1.0) - (n + 0.5) * log(n) + n - 0.5 * log(2 * pi)
    x = float(n)
    square = x * x
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / x


def _deviance(k: int, offset: int, mean: int, scale: int) -> float:
    """k·log(k/μ) + μ - k with μ = mean/scale and offset = (k - μ)·scale, whose whole numbers keep all digits."""
    e = offset / mean
    if abs(e) < 0.1:
        term, total, i = e * e, 0.0, 2
        while abs(term) > 1e-18 * abs(total) and i < 40:
            total += term / (i * (i - 1))
            term *= -e
            i += 1
        return mean / scale * total
    return k * log(k * scale / mean) - offset / scale
