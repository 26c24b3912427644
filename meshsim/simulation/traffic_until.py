"""Requests of constant shares up to the one that ends it: at a fixed pace, or as Poisson arrivals."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from fractions import Fraction
from itertools import accumulate
from math import ceil
from typing import Final, final

from meshsim.model.shares import ZERO
from meshsim.simulation.streams import Bits, Purpose, Stream, stream
from meshsim.simulation.traffic import histogram, labels, leaves
from meshsim.simulation.traffic_ejection import exponential
from meshsim.simulation.traffic_timeline import Interval, arrivals

FIRST_CHUNK: Final = 1 << 10
LAST_CHUNK: Final = 1 << 16
Ends = Callable[[int, float], bool]
"""(a watched leaf, the moment of a request that takes it) → whether it is the last one."""
Drawn = tuple[Sequence[int], int | None, Fraction]
"""Counts per leaf, the leaf of the request that ended it, and the end."""


@final
class Pacing:
    """A loop whose request i is sent at i/rate and takes label i: the same requests as `traffic_timeline.paced`."""

    def __init__(self, source: Stream, rate: Fraction) -> None:
        self._source = source
        self._rate = rate
        self._next = 0

    def skip(self, stop: Fraction) -> None:
        """Leave out what is sent before `stop`."""
        self._next = max(self._next, ceil(stop * self._rate))

    def until(
        self, ends: Ends, watched: AbstractSet[int], shares: Sequence[Fraction], start: Fraction, stop: Fraction
    ) -> Drawn:
        """The requests from `start` on, up to `stop` or with the one that ends it."""
        self.skip(start)
        first, last = self._next, ceil(stop * self._rate)
        of, tally, chunk = leaves(shares), [0] * len(shares), FIRST_CHUNK
        while first < last:
            found = labels(self._source, of, min(first + chunk, last), first)
            for offset, leaf in enumerate(found) if watched else ():
                if leaf in watched:
                    moment = Fraction(first + offset) / self._rate
                    if ends(leaf, float(moment)):
                        self._next = first + offset + 1
                        return _added(tally, histogram(found[: offset + 1], len(shares))), leaf, max(start, moment)
            tally = _added(tally, histogram(found, len(shares)))
            first, chunk = first + len(found), min(2 * chunk, LAST_CHUNK)
        self.skip(stop)
        return tally, None, stop


@final
class Arriving:
    """Poisson arrivals. Those at watched leaves are a process of their own, drawn one by one; all others are
    independent of them (colouring) and only counted, so that the cost does not grow with the rate."""

    def __init__(self, seed: int, names: Sequence[str], rate: Fraction) -> None:
        self._seed = seed
        self._names = tuple(names)
        self._rate = rate
        self._bits = Bits(stream(seed, *names, "errors"), Purpose.TIMES)
        self._pieces = 0

    def skip(self, stop: Fraction) -> None:
        """Leave out what arrives before `stop`: it tells nothing about later arrivals."""

    def until(
        self, ends: Ends, watched: AbstractSet[int], shares: Sequence[Fraction], start: Fraction, stop: Fraction
    ) -> Drawn:
        """The arrivals from `start` on, up to `stop` or with the one that ends it."""
        own, last, end = dict.fromkeys(watched, 0), None, stop
        if watched:
            places = sorted(watched)
            share = sum((shares[leaf] for leaf in places), ZERO)
            among = leaves([shares[leaf] / share for leaf in places])
            bounds, moment = list(accumulate(among.weights)), float(start)
            while last is None:
                moment += exponential(self._bits) / float(self._rate * share)
                if moment >= stop:
                    break
                leaf = places[bisect_right(bounds, self._bits.below(among.total))]
                own[leaf] += 1
                if ends(leaf, moment):
                    last, end = leaf, Fraction(moment)
        others: Sequence[int] = [0] * len(shares)
        if start < end:
            self._pieces += 1
            source = stream(self._seed, *self._names, "arrivals", str(self._pieces))
            [others] = arrivals(source, self._rate, [Interval(start, end, leaves(shares))])
        return [own.get(leaf, count) for leaf, count in enumerate(others)], last, end


def _added(tally: Sequence[int], more: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(tally, more, strict=True)]
