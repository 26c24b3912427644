"""One client's requests: labels and counts over the leaves of its call, whatever its choices are drawn for.

What is pinned (a connection, a pooled upstream connection, a session) is drawn by name and number and leaves a law
over leaves for the requests that share it; requests then take label i of the client's one stream under their law.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import final

from meshsim.simulation import traffic
from meshsim.simulation.streams import Stream, stream
from meshsim.simulation.traffic import HISTOGRAM, Leaves, counts, histogram, label, leaves
from meshsim.simulation.units import Choice, Client, Unit, units

Slot = tuple[int, int, int]
"""Numbers of the connection's way, the pooled connection and the session that a request goes over."""


@final
@dataclass(slots=True)
class Traffic:
    """Requests of `client` through `choice`, whose leaves are 0 … width-1, under a seed and names."""

    choice: Choice | int
    client: Client
    width: int
    seed: int
    names: tuple[str, ...]
    _laws: dict[Slot, Leaves] = field(default_factory=dict)
    _turns: dict[int, Choice] = field(default_factory=dict)
    _pins: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def base(self) -> Stream:
        """The stream of the labels."""
        return stream(self.seed, *self.names)

    def labels(self, stop: int, start: int = 0) -> "array[int]":
        """Leaf numbers of the requests start … stop-1. Chunks agree, except that a round robin counts from 0."""
        if self._has_turns:
            return self._dealt(self._drawn(stop, 0))[start:]
        return self._drawn(stop, start)

    def counts(self, requests: int) -> tuple[int, ...]:
        """Requests per leaf: the histogram of the labels up to `HISTOGRAM`, above it drawn directly."""
        if requests <= HISTOGRAM or self._closing:
            return self._histogram(requests)
        by_law: dict[Leaves, int] = {}
        period = self._period
        for place in range(period):
            law = self._law(place)
            by_law[law] = by_law.get(law, 0) + requests // period + (place < requests % period)
        totals = [0] * (self.width + len(self._turns))
        for number, (law, share) in enumerate(by_law.items()):
            drawn = counts(stream(self.seed, *self.names, "counts", str(number)), law, share)
            for leaf, count in enumerate(drawn):
                totals[leaf] += count
        return self._shared_out(totals)

    def _histogram(self, requests: int) -> tuple[int, ...]:
        totals = [0] * self.width
        step = HISTOGRAM if not self._has_turns else requests
        for begin in range(0, requests, step or 1):
            for leaf, count in enumerate(histogram(self.labels(min(begin + step, requests), begin), self.width)):
                totals[leaf] += count
        return tuple(totals)

    @property
    def _has_turns(self) -> bool:
        return Unit.TURN in units(self.choice)

    @property
    def _closing(self) -> bool:
        """Whether connections are closed and opened, so that no finite number of laws repeats."""
        return self.client.per_connection is not None and Unit.CONNECTION in units(self.choice)

    @property
    def _period(self) -> int:
        from math import lcm

        found = units(self.choice)
        return lcm(
            self.client.concurrency if Unit.CONNECTION in found else 1,
            self.client.pool if Unit.POOLED in found else 1,
            self.client.sessions if Unit.SESSION in found else 1,
        )

    def _drawn(self, stop: int, start: int) -> "array[int]":
        """Labels under each request's own law; a round robin's turn is a leaf beyond the last one."""
        slots = [self._law(i) for i in range(start, stop)] if self._closing else None
        laws = slots if slots is not None else [self._law(place) for place in range(self._period)]
        distinct = tuple(dict.fromkeys(laws))
        drawn = {law: self._under(law, stop, start) for law in distinct}
        if len(distinct) == 1:
            return drawn[distinct[0]]
        found = array(laws[0].typecode, bytes((stop - start) * array(laws[0].typecode).itemsize))
        if slots is not None:
            for offset, law in enumerate(slots):
                found[offset] = drawn[law][offset]
            return found
        period = len(laws)
        for place, law in enumerate(laws):
            first = (place - start) % period
            found[first::period] = drawn[law][first::period]
        return found

    def _under(self, law: Leaves, stop: int, start: int) -> "array[int]":
        sure = [leaf for leaf, weight in enumerate(law.weights) if weight]
        if len(sure) == 1:
            return array(law.typecode, sure) * (stop - start)
        return traffic.labels(self.base, law, stop, start)

    def _law(self, index: int) -> Leaves:
        """The law of request `index`, once what it shares with others is pinned."""
        client, found = self.client, units(self.choice)
        connection = self._pin(self.choice, client.connection_of(index)) if Unit.CONNECTION in found else 0
        pooled = index % client.pool if Unit.POOLED in found else 0
        session = index % client.sessions if Unit.SESSION in found else 0
        slot = (connection, pooled, session)
        if slot not in self._laws:
            shares = [Fraction(0)] * (self.width + self._turn_count)
            for leaf, share in self._resolved(self.choice, Fraction(1), slot):
                shares[leaf] += share
            self._laws[slot] = leaves(shares)
        return self._laws[slot]

    @property
    def _turn_count(self) -> int:
        return len(_turns(self.choice))

    def _pin(self, choice: Choice | int, number: int) -> int:
        """The way that a pinned choice took for connection, pooled connection or session `number`."""
        assert isinstance(choice, Choice)
        key = (f"{choice.unit}{choice.name}", number)
        if key not in self._pins:
            self._pins[key] = label(stream(self.seed, *self.names, choice.unit, choice.name), choice.of, number)
        return self._pins[key]

    def _resolved(self, choice: Choice | int, share: Fraction, slot: Slot) -> Iterator[tuple[int, Fraction]]:
        if isinstance(choice, int):
            yield choice, share
            return
        match choice.unit:
            case Unit.REQUEST:
                for weight, way in zip(choice.of.weights, choice.ways, strict=True):
                    yield from self._resolved(way, share * Fraction(weight, choice.of.total), slot)
            case Unit.CONNECTION:
                yield from self._resolved(choice.ways[slot[0]], share, slot)
            case Unit.POOLED:
                yield from self._resolved(choice.ways[self._pin(choice, slot[1])], share, slot)
            case Unit.SESSION:
                yield from self._resolved(choice.ways[self._pin(choice, slot[2])], share, slot)
            case Unit.TURN:
                turns = _turns(self.choice)
                place = self.width + next(i for i, turn in enumerate(turns) if turn is choice)
                self._turns[place] = choice
                yield place, share

    def _dealt(self, found: "array[int]") -> "array[int]":
        """Every turn replaced by the endpoint whose turn it is."""
        rounds = {place: self._round(turn) for place, turn in self._turns.items()}
        met = dict.fromkeys(rounds, 0)
        for offset, leaf in enumerate(found):
            if leaf in rounds:
                found[offset] = rounds[leaf][met[leaf] % len(rounds[leaf])]
                met[leaf] += 1
        return found

    def _shared_out(self, totals: Sequence[int]) -> tuple[int, ...]:
        """Counts with every turn's requests dealt to its endpoints."""
        found = list(totals[: self.width])
        for place, turn in self._turns.items():
            order = self._round(turn)
            laps, rest = divmod(totals[place], len(order))
            for leaf in order:
                found[leaf] += laps
            for leaf in order[:rest]:
                found[leaf] += 1
        return tuple(found)

    def _round(self, turn: Choice) -> list[int]:
        """One round of a (weighted) round robin: leaf j comes at t/weight, from a start of its own."""
        order = sorted(
            (Fraction(t, weight), j) for j, weight in enumerate(turn.of.weights) for t in range(1, weight + 1)
        )
        leaf = [way for _, j in order for way in (turn.ways[j],) if isinstance(way, int)]
        first = label(stream(self.seed, *self.names, turn.unit, turn.name), Leaves((1,) * len(leaf)), 0)
        return leaf[first:] + leaf[:first]


def _turns(choice: Choice | int) -> tuple[Choice, ...]:
    if isinstance(choice, int):
        return ()
    if choice.unit is Unit.TURN:
        return (choice,)
    return tuple(turn for way in choice.ways for turn in _turns(way))
