"""An answer as people read it, whatever the paper: who calls what, what it gets, why, and what to do next.

Everything here is text that is safe to show: whatever came from manifests has lost its control characters. Printers
only lay it out.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final, final

from meshsim.model.frozen import frozen
from meshsim.model.reasons import REASONS, Reason
from meshsim.model.shares import percent
from meshsim.model.verdict import SEVERITY, Answer, Checked, Moment, Row, Verdict
from meshsim.report.causes import Cause, cause
from meshsim.report.formats import Heading
from meshsim.report.words import clean, quoted, shares, when


@final
@frozen
class Cell:
    """What one call gets at one moment. `wanted` and `got` are canary shares; `rest` what is neither revision;
    `needed` how many answers a check of a bypass takes ("" where there is nothing to check)."""

    verdict: str
    masked: bool
    wanted: str
    got: str
    rest: str
    needed: str = ""

    @property
    def change(self) -> str:
        """`25%` where it is as wanted, `25% → 20%` where not."""
        shown = self.got if self.wanted in {"", self.got} else f"{self.wanted} → {self.got}"
        return ", ".join(part for part in (shown, self.rest) if part)

    @property
    def result(self) -> str:
        """What it gets, where a heading says what is wanted."""
        return ", ".join(part for part in (self.got, self.rest) if part)


@final
@frozen
class Line:
    """One call, a cell a moment."""

    caller: str
    cells: tuple[Cell | None, ...]
    decided_by: str
    reasons: tuple[str, ...]


@final
@frozen
class Column:
    """One moment: its name, what the Rollout wants then, and the canary's part of it."""

    at: str
    wanted: str
    canary: str


@final
@frozen
class Table:
    """The calls to one address, for one Rollout ("" where none governs)."""

    to: str
    rollout: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


@final
@frozen
class Why:
    """A reason code, with what caused it and for whom."""

    reason: Reason
    causes: tuple[tuple[Cause, tuple[str, ...]], ...]


@final
@frozen
class FailedCheck:
    """An expectation that does not hold: its place, its call, what it says of it, and what was found."""

    place: str
    subject: str
    fields: tuple[tuple[str, str, str], ...]
    """(field, wanted, actual); actual is "" where it is not known."""
    sentences: tuple[str, ...]


@final
@frozen
class AnswerView:
    """A whole answer. `counts` are (verdict, cells); `assumptions` (question, chosen, alternatives, source)."""

    scenario: str
    dialect: str
    moment: str
    tables: tuple[Table, ...]
    whys: tuple[Why, ...]
    masked: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]
    calls: int
    moments: int
    held: int
    checks: int
    failed: tuple[FailedCheck, ...]
    notes: tuple[tuple[str, str], ...]
    assumptions: tuple[tuple[str, str, str, str], ...]
    findings: tuple[str, ...]
    next: str


def answer_view(found: Answer, heading: Heading) -> AnswerView:
    """The answer in words."""
    rows = [row for moment in found.moments for row in moment.rows]
    verdicts = [row.verdict for row in rows]
    assumptions = (
        (clean(one.question), clean(one.chosen), clean(", ".join(one.alternatives)), clean(one.source))
        for row in rows
        for one in row.assumptions
    )
    return AnswerView(
        scenario=clean(found.scenario),
        dialect=clean(found.dialect),
        moment=_moment(found),
        tables=_tables(found),
        whys=_whys(rows),
        masked=tuple(dict.fromkeys(f"{caller(row)} → {address(row)}" for row in rows if row.masked)),
        counts=tuple((verdict.value, verdicts.count(verdict)) for verdict in Verdict if verdict in verdicts),
        calls=len({_call(row) for row in rows}),
        moments=len(found.moments),
        held=sum(check.passed for check in found.expectations),
        checks=len(found.expectations),
        failed=tuple(_failed(check, heading) for check in found.expectations if not check.passed),
        notes=_notes(rows),
        assumptions=tuple(dict.fromkeys(assumptions)),
        findings=tuple(clean(sentence) for sentence in dict.fromkeys(found.findings)),
        next=_next(found.moments, heading),
    )


def cell(row: Row) -> Cell:
    """What a call gets."""
    wanted = row.desired.get("canary") if row.desired is not None else None
    shown = "" if wanted is None or row.verdict is Verdict.ELSEWHERE else percent(wanted)
    got, rest = "–", ""
    if row.effective is None:
        got = "?"
    elif row.verdict is Verdict.ELSEWHERE:
        pass
    elif row.verdict is not Verdict.UNGOVERNED:
        got = percent(row.effective.canary)
        parts = ((row.effective.error, "fail"), (row.effective.other, "other"))
        rest = ", ".join(f"{percent(share)} {name}" for share, name in parts if share)
    elif row.effective.error:
        got = f"{percent(row.effective.error)} fail"
    return Cell(verdict=row.verdict.value, masked=row.masked, wanted=shown, got=got, rest=rest, needed=_needed(row))


def _needed(row: Row) -> str:
    """Only where a split is bypassed: the statistics load for it alone."""
    if row.verdict not in {Verdict.BYPASSED, Verdict.PARTIAL}:
        return ""
    from meshsim.analysis.power import brief

    return brief(row)


CHECK: Final = "a check needs"
NEEDED: Final = "to tell it from an applied split, wrong at most once in a hundred"
"""The heading of what `needed` counts, and what it means."""


def checks(table: Table) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Of each caller, how many answers a check takes and at which moments, one after the other where they are alike."""
    found = []
    for line in table.lines:
        needs: dict[str, list[str]] = {}
        for column, one in zip(table.columns, line.cells, strict=True):
            if one is not None and one.needed:
                needs.setdefault(one.needed, []).append(column.canary or column.at)
        if needs:
            said = tuple((amount, ", ".join(dict.fromkeys(moments))) for amount, moments in needs.items())
            found.append((line.caller, said))
    return tuple(found)


def caller(row: Row) -> str:
    """Who calls, for how many workloads it stands, and with which headers."""
    members = f" ×{row.members}" if row.members > 1 else ""
    said = [f"{name}: {value}" for name, value in row.headers.items()]
    said += [row.connection] if row.connection != "new" else []
    return clean(row.frm) + members + (f" ({clean(', '.join(said))})" if said else "")


def address(row: Row) -> str:
    """What is called, with its path."""
    return clean(row.to) + (clean(row.path) if row.path != "/" else "")


def _call(row: Row) -> tuple[object, ...]:
    return (row.frm, row.to, row.path, tuple(row.headers.items()), row.connection)


def _moment(found: Answer) -> str:
    number = len(found.moments)
    if number == 1:
        only = found.moments[0]
        return when(only.at, only.weight)
    return "" if not number else f"{number} probes" if found.probes else f"{number} moments"


def _tables(found: Answer) -> tuple[Table, ...]:
    """Calls by address and Rollout, in order of first appearance."""
    groups: dict[tuple[str, str | None], dict[tuple[object, ...], list[Row | None]]] = {}
    for index, moment in enumerate(found.moments):
        for row in moment.rows:
            group = groups.setdefault((address(row), row.rollout), {})
            group.setdefault(_call(row), [None] * len(found.moments))[index] = row
    return tuple(
        Table(
            to=to,
            rollout=clean(rollout) if rollout is not None else "",
            columns=tuple(
                _column(moment, [rows[index] for rows in group.values()]) for index, moment in enumerate(found.moments)
            ),
            lines=tuple(_line(rows) for rows in group.values()),
        )
        for (to, rollout), group in groups.items()
    )


def _column(moment: Moment, rows: Iterable[Row | None]) -> Column:
    at = clean(moment.at) if isinstance(moment.at, str) else f"{moment.at:g}s"
    wants = {tuple(row.desired.items()): row.desired for row in rows if row is not None and row.desired is not None}
    if len(wants) != 1:
        return Column(at=at, wanted="", canary="")
    (desired,) = wants.values()
    return Column(at=at, wanted=shares(desired.items()), canary=percent(desired.get("canary", Fraction(0))))


def _line(rows: Sequence[Row | None]) -> Line:
    there = [row for row in rows if row is not None]
    return Line(
        caller=caller(there[0]),
        cells=tuple(cell(row) if row is not None else None for row in rows),
        decided_by=", ".join(dict.fromkeys(clean(row.decided_by) for row in there if row.decided_by)),
        reasons=tuple(dict.fromkeys(code for row in there for code in row.reasons)),
    )


def _whys(rows: Iterable[Row]) -> tuple[Why, ...]:
    """Every reason once, in order of code. A row's cause stands under its first reason."""
    found: dict[str, dict[Cause, dict[str, None]]] = {}
    for row in rows:
        for position, code in enumerate(row.reasons):
            causes = found.setdefault(code, {})
            if position == 0:
                causes.setdefault(cause(row), {})[caller(row)] = None
    return tuple(
        Why(
            reason=REASONS.get(code, Reason(clean(code), "", "")),
            causes=tuple((one, tuple(callers)) for one, callers in found[code].items()),
        )
        for code in sorted(found)
    )


def _notes(rows: Iterable[Row]) -> tuple[tuple[str, str], ...]:
    """(callers, sentence): callers that a sentence concerns stand together. A row's cause is no note."""
    said: dict[str, dict[str, None]] = {}
    for row in rows:
        what = cause(row).what if row.notes else ""
        for sentence in map(clean, row.notes):
            if not what.endswith(sentence):
                said.setdefault(sentence, {})[clean(row.frm)] = None
    return tuple((", ".join(callers), sentence) for sentence, callers in said.items())


def _failed(check: Checked, heading: Heading) -> FailedCheck:
    wanted, actual = check.wanted, check.actual
    subject = " → ".join(clean(wanted[key]) for key in ("from", "to") if key in wanted)
    at = wanted.get("at", f"step:{wanted['step']}" if "step" in wanted else None)
    moment = "" if at is None else when(float(at)) if isinstance(at, (int, float)) else f"at {clean(at)}"
    fields = tuple(
        (clean(key), said(value), said(actual[key]) if key in actual else "")
        for key, value in wanted.items()
        if key not in {"at", "step", "from", "to", "path"} and (key not in actual or said(actual[key]) != said(value))
    )
    return FailedCheck(
        place=f"{clean(heading.file)}:{check.line}" if heading.file else f"line {check.line}",
        subject=" ".join(part for part in (subject, moment) if part),
        fields=fields,
        sentences=tuple(clean(sentence).removeprefix(f"{subject}: ") for sentence in check.failures),
    )


def said(value: object) -> str:
    """A value of an expectation."""
    match value:
        case Fraction():
            return percent(value)
        case (Fraction() as low, Fraction() as high):
            return percent(low) if low == high else f"{percent(low)}..{percent(high)}"
        case Mapping():
            return ", ".join(clean(k) if v is None else f"{clean(k)} {said(v)}" for k, v in value.items()) or "none"
        case list() | tuple():
            return ", ".join(said(one) for one in value) or "none"
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case _:
            return clean(value)


def _next(moments: Sequence[Moment], heading: Heading) -> str:
    """The command that explains the worst row; of equals the first masked one, else the first."""
    ranked = [
        ((SEVERITY.get(row.verdict, 0), row.verdict is Verdict.UNDETERMINED, row.masked), moment, row)
        for moment in moments
        for row in moment.rows
    ]
    if not ranked:
        return ""
    rank, moment, worst = max(ranked, key=lambda one: one[0])
    if not any(rank):
        return ""
    words = ["meshsim explain", heading.source, quoted(worst.frm), quoted(worst.to)]
    if len({row.path for _, _, row in ranked if (row.frm, row.to) == (worst.frm, worst.to)}) > 1:
        words.append(f"--path {quoted(worst.path)}")
    if isinstance(moment.at, str) and len(moments) > 1:
        words.append(f"--at {quoted(moment.at)}")
    return clean(" ".join(word for word in words if word))
