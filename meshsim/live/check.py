"""The lab and the model side by side: each client's call at each phase, counted by Envoys and computed by the walk."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from fractions import Fraction
from typing import Final, final

from meshsim.analysis.calls import Call
from meshsim.dataplane.authorization import DENIED, NOT_ALLOWED, STRICT
from meshsim.dataplane.resolve import resolve
from meshsim.dataplane.walk import Client
from meshsim.live.agree import Agreement, Category, compare, counted, expected, undecided
from meshsim.live.lab.compile import Compiled, Door, Visit, compile_lab
from meshsim.live.lab.lab import Lab
from meshsim.model.frozen import frozen
from meshsim.model.shares import ONE
from meshsim.model.trace import Step, Trace
from meshsim.tables.views import Views

MOST_REQUESTS: Final = 1000
LEAST_REQUESTS: Final = 300
WHOLE_RUN: Final = 20_000
"""Requests of a whole run: what two cores drive through every path, double HBONE included, in half a minute."""
AGAIN: Final = 4
"""A row that disagrees is measured once more, with so many times the requests."""
KEPT: Final = 4
"""Requests over each kept connection."""
AT_ONCE: Final = 8


@final
@frozen
class Phase:
    """Tables that stand still for a while, and who calls what meanwhile."""

    name: str
    views: Views
    calls: tuple[Call, ...]
    choices: Mapping[str, str] = field(default_factory=dict)


@final
@frozen
class Compared:
    """One client's call at one phase. Without an agreement the lab could not express it, and `why` says so."""

    phase: str
    client: str
    to: str
    path: str
    connection: str = "new"
    requests: int = 0
    model: Mapping[Category, Fraction] = field(default_factory=dict)
    envoy: Mapping[Category, int] = field(default_factory=dict)
    agreement: Agreement | None = None
    first: Mapping[Category, int] = field(default_factory=dict)
    """The counts that disagreed, where the row was measured again."""
    rules: tuple[str, ...] = ()
    """The rules that the model's answer rests on."""
    why: str = ""


@final
@frozen
class Outcome:
    """A whole run: how many processes, how fast they were ready, and every row."""

    processes: tuple[str, ...] = ()
    ready: float = 0.0
    rows: tuple[Compared, ...] = ()

    @property
    def disagreements(self) -> tuple[Compared, ...]:
        return tuple(row for row in self.rows if row.agreement is not None and not row.agreement.holds)

    @property
    def inexpressible(self) -> tuple[Compared, ...]:
        return tuple(row for row in self.rows if row.agreement is None)


def check(
    phases: Sequence[Phase],
    *,
    requests: int | None = None,
    walk: Callable[..., Trace] = resolve,
    told: Callable[[Compared], None] | None = None,
) -> Outcome:
    """Run phases on Envoys, one after the other in one lab, and compare. `told` hears of each row as it is known.

    `requests` for each row are as many as a whole run allows, unless given. `walk` is the model that is held against
    Envoy.
    """
    number = requests or share_of(sum(len(visits(phase)) for phase in phases))
    with Lab() as lab:
        rows: list[Compared] = []
        for row in _phases(lab, phases, number, walk):
            rows.append(row)
            if told is not None:
                told(row)
        return Outcome(processes=tuple(lab.processes), ready=lab.seconds_to_ready, rows=tuple(rows))


def share_of(rows: int) -> int:
    """The requests of each of so many rows.

    >>> share_of(3), share_of(40), share_of(1000)
    (1000, 500, 300)
    """
    return max(LEAST_REQUESTS, min(MOST_REQUESTS, WHOLE_RUN // max(rows, 1)))


def visits(phase: Phase) -> tuple[tuple[Call, str, Client], ...]:
    """Every client location of every call: (call, its name, the client)."""
    found = []
    for call in phase.calls:
        several = len(call.caller.clients) > 1
        for _, client in call.caller.clients:
            place = f" ({client.locality or client.uid.rpartition('/')[2]})" if several else ""
            found.append((call, f"{call.caller.name}{place}", client))
    return tuple(found)


def compiled(lab: Lab, phase: Phase, *, pooled: bool = False) -> Compiled:
    """What the lab is told at a phase."""
    wanted = [
        Visit(
            client=client,
            host=call.target.host,
            ip=call.target.ip,
            port=call.target.port,
            authority=call.request.authority,
        )
        for call, _, client in visits(phase)
    ]
    return compile_lab(phase.views, wanted, lab.addresses, lab.authorities, lab.directory, pooled=pooled)


def _phases(lab: Lab, phases: Iterable[Phase], requests: int, walk: Callable[..., Trace]) -> Iterator[Compared]:
    for phase in phases:
        moment = compiled(lab, phase)
        lab.show(moment)
        for (call, name, client), door in zip(visits(phase), moment.doors, strict=True):
            trace = walk(phase.views, ((ONE, client),), call.target, call.request, phase.choices)
            yield _row(lab, phase, moment, call, name, door, trace, requests)


POLICIES: Final = frozenset({DENIED, NOT_ALLOWED, STRICT})
"""Rules of a pod's ztunnel that the lab's pods do not have."""


def _row(
    lab: Lab, phase: Phase, moment: Compiled, call: Call, name: str, door: Door, trace: Trace, requests: int
) -> Compared:
    row = Compared(phase=phase.name, client=name, to=call.to, path=call.path, connection=call.connection)
    question = undecided(trace)
    if door.closed or question:
        return replace(row, why=door.closed or f"the model leaves it open: {question}")
    policies = sorted({step.decision for path in trace.paths() for step in path.steps if step.rule in POLICIES})
    if policies:
        return replace(row, why=f"no policy of a pod takes part: {policies[0]}")
    model = expected(trace, phase.views)
    kept = call.connection == "keep-alive"
    once = kept and pinned(trace)

    def counts(number: int) -> dict[Category, int]:
        found = lab.measure(
            door,
            authority=call.request.authority,
            path=call.path,
            headers=call.request.headers,
            requests=number,
            per_connection=KEPT if kept else 1,
            at_once=1 if moment.uneven else AT_ONCE,
        )
        return counted(found, first_only=once)

    envoy = counts(requests)
    agreement = compare(envoy, model)
    first: Mapping[Category, int] = {}
    if not agreement.holds:
        first, envoy = envoy, counts(requests * AGAIN)
        agreement = compare(envoy, model)
    return replace(
        row,
        requests=sum(envoy.values()),
        model=model,
        envoy=envoy,
        agreement=agreement,
        first=first,
        rules=tuple(dict.fromkeys(step.rule.name for path in trace.paths() for step in path.steps)),
    )


def pinned(trace: Trace) -> bool:
    """Whether some choice on the way is taken once for a connection, so that its requests share it."""
    return any(_chooses(step) for path in trace.paths() for step in path.steps)


def _chooses(step: Step) -> bool:
    return step.granularity == "connection" and len(step.children) > 1
