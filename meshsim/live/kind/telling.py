"""Whether the requests that are to be sent could tell an applied split from a bypassed one, before any is sent."""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Final

from meshsim.analysis.power import Comparison, compare
from meshsim.live.kind.moments import MODE, At, Subject
from meshsim.model.verdict import Row, Verdict
from meshsim.rollouts import State
from meshsim.simulation.deployment import RolloutId

MOST: Final = 10_000
"""Requests of a call that `live observe` sends."""


def too_few(subject: Subject, moments: Iterable[At], requests: int) -> Iterator[str]:
    """A sentence on the checks that so many requests leave open, with the number that the worst of them takes, and one
    on those that no number settles."""
    short: list[tuple[int, str, Comparison]] = []
    masked: list[str] = []
    for at in moments:
        states = subject.situation(at, MODE).deployed.states
        for _, rows in subject.rows(at, MODE):
            for row in rows:
                found = _compared(row, states)
                where = f"{row.frm} → {row.to} at {at if isinstance(at, str) else f'{at:g}s'}"
                if found is not None and found.needed is None:
                    masked.append(where)
                elif found is not None and found.needed is not None and found.needed > requests:
                    short.append((found.needed, where, found))
    if short:
        needed, where, found = max(short, key=lambda one: one[0])
        said = f"{_percent(found.applied)} from {_percent(found.bypassed)}"
        checks = f"{len(short)} check{'s' if len(short) > 1 else ''}"
        tells = f"--requests {needed} tells" if needed <= MOST else f"{needed:,} would tell"
        yield f"{requests} requests leave {checks} open: {tells} {said} ({where})"
    if masked:
        more = f", and in {len(masked) - 1} more" if len(masked) > 1 else ""
        yield f"no number of requests tells applied from bypassed in {masked[0]}{more}"


def _compared(row: Row, states: Mapping[RolloutId, State]) -> Comparison | None:
    """What the Rollout wants, against what the client gets; where that is the same, against a bypass to its pods."""
    if row.desired is None or row.effective is None or row.rollout is None or not row.desired.get("canary"):
        return None
    if row.verdict in {Verdict.BYPASSED, Verdict.PARTIAL}:
        return compare(row.desired, dict(row.effective.items()))
    cluster, namespace, name = row.rollout.split("/")
    state = states.get((cluster, namespace, name))
    if row.verdict is not Verdict.APPLIED or state is None:
        return None
    stable, canary = (found.available if found is not None else 0 for found in (state.stable, state.current))
    whole = stable + canary
    if state.stable is state.current or not whole:
        return None
    return compare(row.desired, {"stable": Fraction(stable, whole), "canary": Fraction(canary, whole)})


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):.3g}%"
