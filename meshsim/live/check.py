"""The lab and the model side by side: each client's call at each phase, counted by Envoys and computed by the walk."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from fractions import Fraction
from typing import Final, final

from meshsim.dataplane.resolve import resolve
from meshsim.live.agree import Agreement, Category, compare, counted
from meshsim.live.course import Leg, Walk, course
from meshsim.live.lab.compile import Compiled, Door, Visit, compile_lab
from meshsim.live.lab.lab import Lab
from meshsim.live.phase import Located, Phase, located
from meshsim.model.frozen import frozen

MOST_REQUESTS: Final = 1000
LEAST_REQUESTS: Final = 100
WHOLE_RUN: Final = 20_000
"""Requests of a whole run: what two cores drive through every path, double HBONE included, in half a minute."""
AGAIN: Final = 4
"""A row that disagrees is measured once more, with so many times the requests."""
KEPT: Final = 4
"""Requests over each kept connection, in the mean: with as many over each, the first ones of a connection would always
meet the same turn of a proxy that takes its hosts in turn."""
AT_ONCE: Final = 8


@final
@frozen
class Compared:
    """One client's call at one phase. Without an agreement nothing was sent: the lab could not express it (`why`), or
    another row says as much (`spared`)."""

    phase: str
    client: str
    to: str
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    connection: str = "new"
    requests: int = 0
    unit: str = "request"
    """What counts once: a `request`, or a `connection` where a choice is kept for all of its requests."""
    model: Mapping[Category, Fraction] = field(default_factory=dict)
    envoy: Mapping[Category, int] = field(default_factory=dict)
    agreement: Agreement | None = None
    first: Mapping[Category, int] = field(default_factory=dict)
    """The counts that disagreed, where the row was measured again."""
    rules: tuple[str, ...] = ()
    """The rules that the model's answer rests on."""
    why: str = ""
    spared: str = ""

    @property
    def counted(self) -> int:
        """How many units were counted."""
        return sum(self.envoy.values())


@final
@frozen
class Outcome:
    """A whole run: how many processes, how fast they were ready, and every row."""

    processes: tuple[str, ...] = ()
    ready: float = 0.0
    rows: tuple[Compared, ...] = ()

    @property
    def compared(self) -> tuple[Compared, ...]:
        return tuple(row for row in self.rows if row.agreement is not None)

    @property
    def disagreements(self) -> tuple[Compared, ...]:
        return tuple(row for row in self.rows if row.agreement is not None and not row.agreement.holds)

    @property
    def inexpressible(self) -> tuple[Compared, ...]:
        return tuple(row for row in self.rows if row.why)

    @property
    def spared(self) -> tuple[Compared, ...]:
        return tuple(row for row in self.rows if row.spared)


def check(
    phases: Sequence[Phase],
    *,
    requests: int | None = None,
    walk: Walk = resolve,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Run phases on Envoys, one after the other in one lab, and compare.

    `progress` hears how many rows were sent, of how many.

    `requests` for each row are as many as a whole run allows, unless given. `walk` is the model that is held against
    Envoy.
    """
    legs = course(phases, walk)
    whole = sum(_sent(leg) for some in legs for leg in some)
    number = requests or share_of(whole)
    with Lab() as lab:
        rows: list[Compared] = []
        for phase, some in zip(phases, legs, strict=True):
            for row in _phase(lab, phase, some, number):
                rows.append(row)
                if progress is not None:
                    progress(sum(one.agreement is not None for one in rows), whole)
        return Outcome(processes=tuple(lab.processes), ready=lab.seconds_to_ready, rows=tuple(rows))


def share_of(rows: int) -> int:
    """The requests of each of so many rows.

    >>> share_of(3), share_of(40), share_of(1000)
    (1000, 500, 100)
    """
    return max(LEAST_REQUESTS, min(MOST_REQUESTS, WHOLE_RUN // max(rows, 1)))


def _sent(leg: Leg) -> bool:
    return not leg.why and not leg.spared


def compiled(lab: Lab, phase: Phase, wanted: Sequence[Located] | None = None, *, pooled: bool = False) -> Compiled:
    """What the lab is told at a phase so that `wanted` can be sent (everything, if not given)."""
    visits = [
        Visit(
            client=one.client,
            host=one.call.target.host,
            ip=one.call.target.ip,
            port=one.call.target.port,
            authority=one.call.request.authority,
        )
        for one in (located(phase) if wanted is None else wanted)
    ]
    return compile_lab(phase.views, visits, lab.addresses, lab.authorities, lab.directory, pooled=pooled)


def _phase(lab: Lab, phase: Phase, legs: Sequence[Leg], requests: int) -> Iterator[Compared]:
    sent = [leg for leg in legs if _sent(leg)]
    if sent:
        moment = compiled(lab, phase, [leg.located for leg in sent])
        lab.show(moment)
        doors = dict(zip(map(id, sent), moment.doors, strict=True))
    for leg in legs:
        one = leg.located
        row = Compared(
            phase=phase.name,
            client=one.name,
            to=one.call.to,
            path=one.call.path,
            headers=one.call.headers,
            connection=one.call.connection,
            model=leg.model,
            why=leg.why,
            spared=leg.spared,
        )
        yield _row(lab, moment, doors[id(leg)], leg, row, requests) if _sent(leg) else row


def _row(lab: Lab, moment: Compiled, door: Door, leg: Leg, row: Compared, requests: int) -> Compared:
    if door.closed:
        return replace(row, why=door.closed)
    call = leg.located.call
    kept = call.connection == "keep-alive"
    once = kept and leg.pinned

    def counts(number: int) -> dict[Category, int]:
        found = lab.measure(
            door,
            authority=call.request.authority,
            path=call.path,
            headers=call.request.headers,
            requests=number,
            per_connection=KEPT if kept else 1,
            varied=kept,
            at_once=1 if moment.uneven else AT_ONCE,
        )
        return counted(found, first_only=once)

    envoy = counts(requests)
    agreement = compare(envoy, leg.model)
    first: Mapping[Category, int] = {}
    if not agreement.holds:
        first, envoy = envoy, counts(requests * AGAIN)
        agreement = compare(envoy, leg.model)
    return replace(
        row,
        requests=requests * AGAIN if first else requests,
        unit="connection" if once else "request",
        envoy=envoy,
        agreement=agreement,
        first=first,
        rules=leg.rules,
    )
