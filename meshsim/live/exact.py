"""Counts against shares where either may be known only as a range, and how many independent draws they amount to."""

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor
from typing import Final, final

from meshsim.live.agree import binomial
from meshsim.live.labels import Answerer, Predicate
from meshsim.model.frozen import frozen
from meshsim.model.shares import ONE, ZERO
from meshsim.simulation.units import Choice, Unit

FREE: Final = frozenset({Unit.REQUEST, Unit.TURN})
"""Drawn anew for each request (in turn: counts vary less, so that the test errs on the side of agreement)."""


@final
@frozen
class Law:
    """The share of requests that a call sends somewhere: exact, or a range where a choice is kept for many requests;
    and the unit that is drawn."""

    low: Fraction
    high: Fraction
    unit: Unit = Unit.REQUEST

    @property
    def exact(self) -> bool:
        return self.low == self.high


def law(plan: Choice | int, ends: tuple[Answerer, ...], fits: Predicate, *, connections: bool) -> Law:
    """How a label's requests are drawn. `connections`: how many connections there were is known, so that a share drawn
    for each of them is exact; otherwise what is drawn once and kept may have come out any way."""
    shares = [ONE if fits(end) else ZERO for end in ends]
    units = _units(plan, shares)
    if units <= FREE:
        share = _share(plan, shares)
        return Law(low=share, high=share)
    if units == {Unit.CONNECTION} and connections:
        share = _share(plan, shares)
        return Law(low=share, high=share, unit=Unit.CONNECTION)
    low, high = _range(plan, shares)
    kept = next(unit for unit in (Unit.POOLED, Unit.SESSION, Unit.CONNECTION) if unit in units)
    return Law(low=low, high=high, unit=kept)


def _share(plan: Choice | int, shares: list[Fraction]) -> Fraction:
    if isinstance(plan, int):
        return shares[plan]
    return sum(
        (Fraction(w, plan.of.total) * _share(way, shares) for w, way in zip(plan.of.weights, plan.ways, strict=True)),
        ZERO,
    )


def _units(plan: Choice | int, shares: list[Fraction]) -> set[Unit]:
    """The units of the choices that matter: those whose ways differ."""
    if isinstance(plan, int):
        return set()
    found = {unit for way in plan.ways for unit in _units(way, shares)}
    return found | ({plan.unit} if len({_share(way, shares) for way in plan.ways}) > 1 else set())


def _range(plan: Choice | int, shares: list[Fraction]) -> tuple[Fraction, Fraction]:
    """The least and the most that a share can be once everything that is kept has been drawn."""
    if isinstance(plan, int):
        return shares[plan], shares[plan]
    ends = [_range(way, shares) for way in plan.ways]
    if plan.unit not in FREE:
        return min(low for low, _ in ends), max(high for _, high in ends)
    weights = [Fraction(weight, plan.of.total) for weight in plan.of.weights]
    low, high = (sum((w * end[i] for w, end in zip(weights, ends, strict=True)), ZERO) for i in (0, 1))
    return low, high


@final
@frozen
class Counted:
    """A count out of `trials`, or the range in which it lies."""

    low: int
    high: int
    trials: int

    @property
    def share(self) -> tuple[Fraction, Fraction]:
        return Fraction(self.low, self.trials), Fraction(self.high, self.trials)


def chance(counted: Counted, low: Fraction, high: Fraction) -> float:
    """The p-value of the count and the share that fit best: two-sided, exact.

    >>> half = Fraction(1, 2)
    >>> round(chance(Counted(low=8, high=8, trials=10), half, half), 4)
    0.1094
    >>> chance(Counted(low=3, high=8, trials=10), half, half)
    1.0
    """
    first, last = counted.share
    if first > high:
        return binomial(counted.low, counted.trials, high)
    if last < low:
        return binomial(counted.high, counted.trials, low)
    if low < high:
        return 1.0
    middle = low * counted.trials
    near = {min(max(value, counted.low), counted.high) for value in (floor(middle), ceil(middle))}
    return max(binomial(count, counted.trials, low) for count in near)


def corrected(tests: Iterable[tuple[Counted | None, Law, float]]) -> float:
    """One p-value for several tests of the same requests: the smallest, times the number of tests that could fail by
    chance (Bonferroni). A share of 0 or 1 cannot, and the complement of a test is the same test."""
    found = list(tests)
    events = set()
    for counted, drawn, _ in found:
        if counted is not None and drawn.exact and drawn.low not in {ZERO, ONE}:
            one = (drawn.low, counted.low, counted.high)
            other = (1 - drawn.low, counted.trials - counted.high, counted.trials - counted.low)
            events.add((counted.trials, min(one, other)))
    return min(1.0, min((p for *_, p in found), default=1.0) * max(1, len(events)))
