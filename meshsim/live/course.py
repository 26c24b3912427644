"""What a run measures, moment by moment: every row where there are few, and each answer of the model once where there
are many, so that a run stays within a minute."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import takewhile
from typing import Final, final

from meshsim.analysis.calls import Call
from meshsim.dataplane.authorization import DENIED, NOT_ALLOWED, STRICT
from meshsim.dataplane.resolve import resolve
from meshsim.live.agree import Category, expected, undecided
from meshsim.live.phase import Located, Phase, located
from meshsim.model.frozen import frozen
from meshsim.model.shares import ONE
from meshsim.model.trace import Step, Trace

MOST_ROWS: Final = 160
POLICIES: Final = frozenset({DENIED, NOT_ALLOWED, STRICT})
"""Rules of a pod's ztunnel that the lab's pods do not have."""
HOP_BY_HOP: Final = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
)
"""Headers between a client and its next hop (RFC 9110, 7.6.1), and those that announce a body."""
AS_BEFORE: Final = "answered by the same decisions as at"
Walk = Callable[..., Trace]


@final
@frozen
class Leg:
    """One client's call at one phase with the model's answer. `why` says why nothing can be sent for it; `spared`, why
    nothing need be."""

    located: Located
    trace: Trace
    model: Mapping[Category, Fraction]
    why: str = ""
    spared: str = ""

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that the model's answer rests on."""
        return tuple(dict.fromkeys(step.rule.name for path in self.trace.paths() for step in path.steps))

    @property
    def pinned(self) -> bool:
        """Whether some choice is taken once for the client's connection, so that its requests share it: one before the
        first proxy that routes request by request. What that one connects to is chosen for each request in the lab."""
        return any(_chooses(step) for path in self.trace.paths() for step in takewhile(_by_bytes, path.steps))


def _by_bytes(step: Step) -> bool:
    return not step.l7


def _chooses(step: Step) -> bool:
    return step.granularity == "connection" and len(step.children) > 1


def course(phases: Sequence[Phase], walk: Walk = resolve, most: int = MOST_ROWS) -> tuple[tuple[Leg, ...], ...]:
    """The rows of each phase. With more than `most` of them, those are spared whose answer the model gave before by the
    same decisions; and of what is more than `most` all the same, first those with a single outcome."""
    asked = [[_leg(phase, one, walk) for one in located(phase)] for phase in phases]
    if sum(not leg.why for legs in asked for leg in legs) <= most:
        return tuple(map(tuple, asked))
    first: dict[Hashable, str] = {}
    chosen: dict[Hashable, Leg] = {}
    for phase, legs in zip(phases, asked, strict=True):
        for leg in legs:
            if not leg.why and _answer(leg) not in first:
                first[_answer(leg)] = phase.name
                chosen[_answer(leg)] = leg
    kept = sorted(chosen.values(), key=lambda leg: len(leg.model) < 2)[:most]
    sent = {id(leg) for leg in kept}
    return tuple(tuple(_spared(leg, first, chosen, sent, most) for leg in legs) for legs in asked)


def _spared(leg: Leg, first: Mapping[Hashable, str], chosen: Mapping[Hashable, Leg], sent: set[int], most: int) -> Leg:
    if leg.why or id(leg) in sent:
        return leg
    key = _answer(leg)
    if id(chosen[key]) in sent:
        return replace(leg, spared=f"{AS_BEFORE} {first[key]}")
    return replace(leg, spared=f"more than the {most} rows of a run: --at shows a moment by itself")


def _leg(phase: Phase, one: Located, walk: Walk) -> Leg:
    trace = walk(phase.views, ((ONE, one.client),), one.call.target, one.call.request, phase.choices)
    return Leg(located=one, trace=trace, model=expected(trace, phase.views), why=_unsendable(one.call) or _why(trace))


def _unsendable(call: Call) -> str:
    """Why the lab's client cannot send a call as it is written."""
    texts = (call.path, *(f"{name}{value}" for name, value in call.headers.items()))
    if not call.path.startswith("/") or " " in call.path or not all(t.isascii() and t.isprintable() for t in texts):
        return "HTTP has no such path or header: what is no printable ASCII must be percent-encoded"
    hops = sorted(name for name in call.headers if name.lower() in HOP_BY_HOP)
    return f"{', '.join(hops)}: about the connection, not the request; the lab's client has its own" if hops else ""


def _why(trace: Trace) -> str:
    question = undecided(trace)
    if question:
        return f"the model leaves it open: {question}"
    policies = sorted({step.decision for path in trace.paths() for step in path.steps if step.rule in POLICIES})
    return f"no policy of a pod takes part: {policies[0]}" if policies else ""


def _answer(leg: Leg) -> Hashable:
    """The model's answer with the decisions that led to it."""
    call = leg.located.call
    ways = frozenset(
        (path.share, tuple((step.hop, step.decision) for step in path.steps), path.outcome)
        for path in leg.trace.paths()
    )
    headers = tuple(sorted(call.headers.items()))
    return leg.located.name, call.to, call.path, headers, call.connection, ways
