"""What a run found, one by one, as machines want it: a title, a sentence, a place, and whether it fails the run."""

from collections.abc import Iterator
from typing import Final, final

from meshsim.analysis.gate import Finding, Gate, findings
from meshsim.model.evidence import Source
from meshsim.model.frozen import frozen
from meshsim.model.reasons import REASONS
from meshsim.model.verdict import Answer, Checked, Row
from meshsim.report.causes import cause, written_at
from meshsim.report.formats import Heading
from meshsim.report.view import address, caller, cell, said
from meshsim.report.words import clean, when

EXPECTATION: Final = "expectation"


@final
@frozen
class Incident:
    """One finding. `rule` is a reason code, a verdict where there is none, or `expectation`."""

    rule: str
    title: str
    lines: tuple[str, ...]
    place: Source | None
    fails: bool
    known: bool
    undetermined: bool
    finding: Finding

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def incidents(found: Answer, heading: Heading) -> Iterator[Incident]:
    """Everything worth a word, expectations first."""
    for one in findings(found, heading.gate or Gate()):
        if one.check is not None:
            yield _expectation(one, one.check, heading)
        elif one.row is not None:
            yield _row(one, one.row)


def _expectation(one: Finding, check: Checked, heading: Heading) -> Incident:
    return Incident(
        rule=EXPECTATION,
        title=f"expectation fails: {subject(check)}",
        lines=tuple(dict.fromkeys(clean(sentence) for sentence in check.failures)) + _why(check.rows),
        place=Source(heading.file, check.line) if heading.file else None,
        fails=one.fails,
        known=one.known,
        undetermined=one.undetermined,
        finding=one,
    )


def _why(rows: tuple[Row, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for row in rows[:3] for line in why(row)))


def _row(one: Finding, row: Row) -> Incident:
    shown = cell(row)
    moment = f" ({when(one.at)})" if one.at is not None else ""
    masked = ", masked" if row.masked else ""
    title = f"{row.verdict.value}{masked}: {caller(row)} → {address(row)}{moment}"
    canary = f"canary {shown.change}" if row.effective is not None else "the shares are not known"
    governs = f" of {clean(row.rollout)}" if row.rollout else ""
    return Incident(
        rule=row.reasons[0] if row.reasons else row.verdict.value,
        title=title,
        lines=(canary + governs, *why(row)),
        place=written_at(row),
        fails=one.fails,
        known=one.known,
        undetermined=one.undetermined,
        finding=one,
    )


def why(row: Row) -> tuple[str, ...]:
    """The reasons of a row, what decided it, and its notes."""
    reasons = [REASONS[code] for code in row.reasons if code in REASONS]
    lines = [f"{one.code} {one.slug}: {one.meaning}" for one in reasons]
    decided = cause(row)
    if decided.what:
        lines.append(decided.what)
    if decided.fact:
        lines.append(f"{decided.fact} ({decided.where})" if decided.where else decided.fact)
    return (*lines, *(clean(note) for note in row.notes if clean(note) not in decided.what))


def subject(check: Checked) -> str:
    """What an expectation speaks of: its call and moment."""
    wanted = check.wanted
    call = " → ".join(clean(wanted[key]) for key in ("from", "to") if key in wanted) or "every call"
    rollout = f" of {clean(wanted['rollout'])}" if "rollout" in wanted else ""
    at = wanted.get("at", f"step:{wanted['step']}" if "step" in wanted else None)
    moment = "" if at is None else f", at {at:g}s" if isinstance(at, (int, float)) else f", at {clean(at)}"
    return f"{call}{rollout}{moment}"


def stated(check: Checked) -> str:
    """What an expectation wants: `verdict applied, canary 50%`."""
    skipped = {"at", "step", "from", "to", "path", "rollout"}
    parts = [f"{clean(key)} {said(value)}" for key, value in check.wanted.items() if key not in skipped]
    return ", ".join(parts)
