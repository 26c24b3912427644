"""Traffic over a timeline: between two control events routing is constant, so a request needs no event of its own.

A Poisson process that is split independently stays Poisson (colouring): the arrivals of the whole timeline are one
Poisson number, and each request's interval and leaf one label. With a curl loop at a fixed pace, request i falls into
a known interval and takes label i of it.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil, gcd, lcm
from typing import final

from meshsim.model.frozen import record
from meshsim.simulation.streams import Bits, Purpose, Stream
from meshsim.simulation.traffic import Leaves, counts, histogram, labels
from meshsim.simulation.traffic_counts import poisson


@final
@record
class Interval:
    """[start, stop) in seconds, in which each request takes leaf j with share of.weights[j]/of.total."""

    start: Fraction
    stop: Fraction
    of: Leaves


def intervals(starts: Sequence[Fraction | float], stop: Fraction | float, of: Sequence[Leaves]) -> tuple[Interval, ...]:
    """Intervals that begin at the control events `starts` (not decreasing); empty ones are left out.

    Raises ValueError where the moments decrease.
    """
    ends = [Fraction(moment) for moment in (*starts, stop)]
    if len(starts) != len(of) or any(a > b for a, b in pairwise(ends)):
        msg = "intervals need one moment for each split, in order"
        raise ValueError(msg)
    return tuple(Interval(a, b, one) for (a, b), one in zip(pairwise(ends), of, strict=True) if a < b)


def arrivals(source: Stream, rate: Fraction, parts: Sequence[Interval]) -> tuple[tuple[int, ...], ...]:
    """Counts per interval and leaf of Poisson arrivals at `rate` a second: shape (intervals, leaves of each)."""
    if not parts:
        return ()
    ticks, whole = _ticks(parts)
    requests = poisson(Bits(source, Purpose.TIMES), rate * Fraction(sum(ticks), whole))
    return _split(source, requests, parts, ticks)


def _ticks(parts: Sequence[Interval]) -> tuple[list[int], int]:
    """The intervals' lengths as whole numbers of a common part of a second, and how many of those a second has."""
    ends = [(*part.start.as_integer_ratio(), *part.stop.as_integer_ratio()) for part in parts]
    whole = lcm(*(q for end in ends for q in (end[1], end[3])))
    return [c * (whole // d) - a * (whole // b) for a, b, c, d in ends], whole


def _split(
    source: Stream, requests: int, parts: Sequence[Interval], ticks: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """Counts of requests at independent uniform moments: one tree whose leaves are (interval, leaf)."""
    totals = [part.of.total for part in parts]
    whole = lcm(*totals)
    weights: list[int] = []
    for part, length, total in zip(parts, ticks, totals, strict=True):
        factor = length * (whole // total)
        weights.extend([weight * factor for weight in part.of.weights])
    common = gcd(*weights)
    found = counts(source, Leaves(tuple([weight // common for weight in weights])), requests)
    result, begin = [], 0
    for part in parts:
        end = begin + len(part.of.weights)
        result.append(found[begin:end])
        begin = end
    return tuple(result)


def paced(source: Stream, rate: Fraction, parts: Sequence[Interval]) -> tuple[tuple[int, ...], ...]:
    """Counts per interval and leaf of a loop whose request i is sent at i/rate seconds: shape as of `arrivals`.

    The time it takes grows with the number of requests. A longer timeline leaves earlier counts as they are.
    """
    found = []
    for part in parts:
        first, last = ceil(part.start * rate), ceil(part.stop * rate)
        found.append(histogram(labels(source, part.of, last, first), len(part.of.weights)))
    return tuple(found)
