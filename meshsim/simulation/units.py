"""What a choice is drawn for: a request, a client's connection, a pooled upstream connection, a session, or a turn.

ztunnel chooses for each connection, an Envoy with HTTP routing for each request. A waypoint whose requests cross
networks rides its own pooled upstream connections, each pinned to one remote pod: measured with Envoy 1.39.3, 3,000
requests over 16 such connections gave shares of 11/16 to 14/16 where the pods' ratio is 3/4. So for one client the
trace becomes a few laws: which pods its connections are pinned to is drawn once, by name, and what is left is one
independent label per request.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from fractions import Fraction
from itertools import groupby
from math import prod
from typing import Final, final

from meshsim.model.frozen import frozen, record
from meshsim.model.shares import ONE
from meshsim.model.trace import Path, Step, Trace
from meshsim.simulation.traffic import Leaves, leaves

POOL: Final = 16
"""Pooled upstream connections where the scenario states no concurrency: as measured with Envoy 1.39.3."""


class Unit(StrEnum):
    """What one draw of a choice holds for."""

    REQUEST = "request"
    CONNECTION = "connection"
    POOLED = "pooled upstream connection"
    SESSION = "session"
    TURN = "turn"


LAWS: Final = {
    Unit.REQUEST: "independent for each request",
    Unit.CONNECTION: "drawn once for each connection of the client, then kept",
    Unit.POOLED: "drawn once for each pooled upstream connection of the Envoy before the network boundary, then kept",
    Unit.SESSION: "drawn once for each session, then kept by its cookie",
    Unit.TURN: "round robin: endpoints in turn, so counts differ by at most one round",
}
LEAST_REQUEST: Final = (
    "least request, taken as independent: so it is with one request at a time; with many at once counts vary less and "
    "slow pods get less (measured with Envoy 1.39.3: dispersion 0.28 at 16 connections)"
)


@final
@frozen
class Client:
    """How a client sends: `connection` new or keep-alive over `concurrency` connections, each closed after
    `per_connection` requests if given; `pool` upstream connections of an Envoy; `sessions` cookie jars (0: none)."""

    connection: str = "new"
    concurrency: int = 1
    per_connection: int | None = None
    pool: int = POOL
    sessions: int = 0

    def __post_init__(self) -> None:
        if min(self.concurrency, self.pool, self.per_connection or 1) < 1 or self.sessions < 0:
            msg = f"{self} needs at least one connection, with at least one request"
            raise ValueError(msg)

    def connection_of(self, index: int) -> int:
        """Which of the client's connections request `index` goes over."""
        if self.connection == "new":
            return index
        if self.per_connection is None:
            return index % self.concurrency
        lap, place = divmod(index, self.concurrency * self.per_connection)
        return lap * self.concurrency + place % self.concurrency

    def connections(self, requests: int) -> int:
        """How many connections so many requests use."""
        if self.connection == "new":
            return requests
        if self.per_connection is None:
            return min(requests, self.concurrency)
        laps, rest = divmod(requests, self.concurrency * self.per_connection)
        return laps * self.concurrency + min(rest, self.concurrency)


@final
@frozen
class Choice:
    """A decision: for what it is drawn, its name (for its stream), its weights, and where each way leads: another
    decision, or a leaf (the number of one of the call's `ways`)."""

    unit: Unit
    name: str
    of: Leaves
    ways: tuple["Choice | int", ...]


Policy = Callable[[Step], str]
"""The load-balancing policy of the Envoy cluster that an HTTP step chose: `ROUND_ROBIN`, `LEAST_REQUEST`, `RANDOM`."""


def plan(trace: Trace, client: Client, policy: Policy | None = None) -> Choice | int:
    """The decisions of a call for one client, with neighbouring ones of one unit as one. Leaf numbers count
    `ways(trace)`."""
    numbers = {id(path.steps[-1]): number for number, path in enumerate(ways(trace))}
    built = _among(trace.roots, ONE, Unit.CONNECTION, "", _Context(client, policy, numbers), seen=False)
    return _merged(built)


@final
@record
class _Context:
    client: Client
    policy: Policy | None
    numbers: dict[int, int]

    def unit(self, granularity: str | None, inherited: Unit, *, seen: bool) -> Unit:
        """The unit of a step that says `granularity`; `seen`: an HTTP decision lies before it."""
        if granularity is None:
            return inherited
        if granularity == "connection":
            return Unit.POOLED if seen else Unit.CONNECTION
        return Unit.REQUEST

    def drawn(self, unit: Unit) -> Unit:
        """The unit as this client meets it."""
        if unit is Unit.CONNECTION and self.client.connection == "new":
            return Unit.REQUEST
        if unit is Unit.REQUEST and self.client.sessions:
            return Unit.SESSION
        return unit


def _among(
    steps: Sequence[Step], share: Fraction, unit: Unit, name: str, context: _Context, *, seen: bool, turn: bool = False
) -> Choice | int:
    """The choice between sibling steps. Those of one hop that carry a route are that hop's own decision."""
    ordered = sorted(steps, key=_identity)
    groups = [list(group) for _, group in groupby(ordered, key=lambda s: s.hop if s.route is not None else id(s))]
    ways: list[Choice | int] = []
    for group in groups:
        if len(group) == 1:
            ways.append(_below(group[0], unit, name, context, seen=seen))
            continue
        own = context.unit(group[0].granularity, unit, seen=seen)
        whole = sum((step.share for step in group), Fraction(0))
        parts = tuple(_below(step, own, name, context, seen=seen) for step in group)
        ways.append(_choice(own, f"{name}>{group[0].hop}", [step.share / whole for step in group], parts, context))
    if len(groups) == 1:
        return ways[0]
    shares = [sum((step.share for step in group), Fraction(0)) / share for group in groups]
    found = _choice(unit, f"{name}>", shares, tuple(ways), context)
    return replace(found, unit=Unit.TURN) if turn and all(isinstance(way, int) for way in ways) else found


def ways(trace: Trace) -> tuple[Path, ...]:
    """The paths of a trace in the order of their names: leaves must not hang on the order of documents."""
    return tuple(sorted(trace.paths(), key=lambda path: tuple(map(_name, path.steps))))


def _name(step: Step) -> tuple[str, ...]:
    route, outcome = step.route, step.outcome
    used = (route.object or "", route.rule, route.backend) if route is not None else ("", "", "")
    return (step.hop, *used, "" if outcome is None else str(outcome))


def _identity(step: Step) -> tuple[str, ...]:
    below = min((_identity(child) for child in step.children), default=())
    return (*_name(step), *below)


def _choice(unit: Unit, name: str, shares: list[Fraction], ways: tuple[Choice | int, ...], context: _Context) -> Choice:
    return Choice(unit=context.drawn(unit), name=name, of=leaves(shares), ways=ways)


def _below(step: Step, inherited: Unit, name: str, context: _Context, *, seen: bool) -> Choice | int:
    if not step.children:
        return context.numbers[id(step)]
    unit = context.unit(step.granularity, inherited, seen=seen)
    backend = f"={step.route.backend}" if step.route is not None else ""
    policy = context.policy(step) if step.l7 and context.policy is not None else ""
    turn = policy == "ROUND_ROBIN" and not context.client.sessions
    http = seen or step.granularity == "request"
    return _among(step.children, step.share, unit, f"{name}>{step.hop}{backend}", context, seen=http, turn=turn)


def _merged(choice: Choice | int) -> Choice | int:
    """Neighbouring choices of one unit as one: one leaf number encodes the whole way."""
    if isinstance(choice, int):
        return choice
    shares: list[Fraction] = []
    ways: list[Choice | int] = []
    for weight, way in zip(choice.of.weights, map(_merged, choice.ways), strict=True):
        share = Fraction(weight, choice.of.total)
        if isinstance(way, Choice) and way.unit is choice.unit and choice.unit is not Unit.TURN:
            shares.extend(share * Fraction(inner, way.of.total) for inner in way.of.weights)
            ways.extend(way.ways)
        else:
            shares.append(share)
            ways.append(way)
    return Choice(unit=choice.unit, name=choice.name, of=leaves(shares), ways=tuple(ways))


def units(choice: Choice | int) -> tuple[Unit, ...]:
    """The units of a plan's choices, in order of first appearance."""
    if isinstance(choice, int):
        return ()
    below = [unit for way in choice.ways for unit in units(way)]
    return tuple(dict.fromkeys((choice.unit, *below)))


def slots(client: Client, found: Sequence[Unit]) -> int:
    """After how many requests a client's pinned connections and sessions repeat (where none is ever closed)."""
    sizes = [1]
    if Unit.CONNECTION in found and client.per_connection is None:
        sizes.append(client.concurrency)
    if Unit.POOLED in found:
        sizes.append(client.pool)
    if Unit.SESSION in found:
        sizes.append(client.sessions)
    return prod(sizes)


def draws(client: Client, found: Sequence[Unit], requests: int) -> int:
    """The independent draws that so many requests amount to at their coarsest unit: n for an honest interval."""
    sizes = [requests]
    if Unit.CONNECTION in found:
        sizes.append(client.connections(requests))
    if Unit.POOLED in found:
        sizes.append(client.pool)
    if Unit.SESSION in found:
        sizes.append(client.sessions)
    return min(sizes)
