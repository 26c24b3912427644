"""The smallest single edit that restores a split: candidates from the facts that decided, each one verified."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from meshsim.analysis.asked import Asked
from meshsim.analysis.calls import Call
from meshsim.analysis.candidate import Candidate
from meshsim.analysis.candidates import candidates
from meshsim.analysis.judge import judge
from meshsim.analysis.proof import proofs
from meshsim.model.errors import MeshsimError
from meshsim.model.verdict import SEVERITY, At, Explanation, Repair, Row, Verdict

GOOD: Final = frozenset({Verdict.APPLIED, Verdict.ELSEWHERE, Verdict.UNGOVERNED})


_CANNOT_EXECUTE: Final = "MS404"


def explain(
    session: Asked, moment: At | None, mode: str, at: At, weight: int | None, call: Call
) -> Iterator[Explanation]:
    """Every row of a call, each with its repair if it needs one."""
    situation = session.situation(moment, mode)
    for row in judge(situation, call):
        repair, tried = (None, 0) if row.verdict in GOOD else _repair(session, moment, mode, call, row)
        yield Explanation(
            at=at, weight=weight, row=row, repair=repair, tried=tried, proofs=tuple(proofs(situation, call, row))
        )


def _repair(session: Asked, moment: At | None, mode: str, call: Call, row: Row) -> tuple[Repair | None, int]:
    """The first candidate, smallest first, that gets the call applied; of equals the one that changes least."""
    situation = session.situation(moment, mode)
    before = _rows(session, moment, mode, call)
    best: tuple[tuple[int, int, int], Repair] | None = None
    tried = 0
    for order, candidate in enumerate(candidates(situation, session.mesh, call, row)):
        tried += 1
        found = _verified(session, moment, mode, call, row, candidate)
        if found is None:
            continue
        other, after = found
        also, worse = _also(before, _rows(other, moment, mode, call) if other is not session else before)
        repair = Repair(
            sentence=candidate.sentence, where=candidate.where, command=candidate.command, after=after, also=also
        )
        key = (worse, candidate.size, order)
        if best is None or key < best[0]:
            best = (key, repair)
    return (best[1] if best is not None else None), tried


def _verified(
    session: Asked, moment: At | None, mode: str, call: Call, row: Row, candidate: Candidate
) -> tuple[Asked, Row] | None:
    """The session and the row after a candidate, if the split is applied then."""
    try:
        other = session.forked(candidate.mesh) if candidate.mesh is not None else session
        changed = replace(call, to=candidate.to.to, target=candidate.to.target) if candidate.to is not None else call
        rows = judge(other.situation(moment, mode), changed)
    except MeshsimError:
        return None
    after = next((r for r in rows if r.rollout == row.rollout or row.rollout is None), None)
    if after is None or after.verdict is not Verdict.APPLIED:
        return None
    if row.desired is not None and after.desired != row.desired and _CANNOT_EXECUTE not in row.reasons:
        return None  # an edit that changes what the Rollout wants restores nothing
    return other, after


def _rows(session: Asked, moment: At | None, mode: str, call: Call) -> dict[tuple[str, str, str, str | None], Row]:
    """The rows of all other calls."""
    try:
        return {
            (row.frm, row.to, row.path, row.rollout): row
            for other, rows in session.rows(moment, mode)
            for row in rows
            if (other.caller.clients, other.address, other.path) != (call.caller.clients, call.address, call.path)
        }
    except MeshsimError:
        return {}


def _also(
    before: dict[tuple[str, str, str, str | None], Row],
    after: dict[tuple[str, str, str, str | None], Row],
) -> tuple[tuple[str, ...], int]:
    """What else changes, in sentences, and how many rows get worse."""
    said: list[str] = []
    worse = 0
    for key, old in before.items():
        new = after.get(key)
        if new is None:
            continue
        if (old.verdict, old.effective) != (new.verdict, new.effective):
            same = old.verdict is new.verdict
            said.append(
                f"{old.frm} → {old.to}: {old.verdict.value if same else f'{old.verdict.value} → {new.verdict.value}'}"
                + (", other shares" if same else "")
            )
            worse += SEVERITY.get(new.verdict, 0) > SEVERITY.get(old.verdict, 0)
    return tuple(said), worse
