"""Rich representations for notebooks: HTML that escapes whatever manifests hold, without scripts or outside files."""

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING, Any, Final, final

from meshsim.model.errors import UsageError
from meshsim.model.trace import Delivered, Failed, Open, Step, Trace
from meshsim.model.verdict import Answer, At, Explanation, Moment, Row, Verdict
from meshsim.report.colours import COLOURS
from meshsim.report.formats import Heading
from meshsim.report.hops import explanation_view
from meshsim.report.page import walked
from meshsim.report.view import AnswerView, Cell, Table, answer_view
from meshsim.report.words import clean, place

if TYPE_CHECKING:
    import pandas as pd

    from meshsim.analysis.compare import Difference
    from meshsim.model.timeline import Timeline

_CELL: Final = "padding:2px 12px 2px 0;text-align:left;vertical-align:top"
_MONO: Final = "font-family:ui-monospace,monospace"
_DIM: Final = "color:#57606a"
_STYLE: Final = (
    f"<style>.meshsim .mono{{{_MONO}}}.meshsim .dim{{{_DIM}}}.meshsim ul.path{{list-style:none;padding-left:16px;"
    "border-left:2px solid #d1d9e0;margin:4px 0}.meshsim ul.path li{margin:4px 0}</style>"
)
"""For what the page of `-o html` and a notebook share; a notebook's page has rules of its own."""


@final
class Verdicts(tuple[Row, ...]):
    """Rows that a notebook shows as a table."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return _answer(Answer(scenario="", dialect="", moments=(Moment(at=0.0, rows=tuple(self)),), probes=False))

    def __repr__(self) -> str:
        return "\n".join(f"{row.verdict.value}  {row.frm} → {row.to}" for row in self) or "no verdicts"

    def frame(self) -> "pd.DataFrame":
        """The rows as a table of pandas, a column an attribute; shares are exact Fractions. Needs the extra
        `meshsim[notebook]`, else raises UsageError."""
        return _frame([_record(row) for row in self])


@final
class Matrix(dict[At, tuple[Row, ...]]):
    """Moment → rows, which a notebook shows as step × client."""

    def _repr_html_(self) -> str:
        moments = tuple(Moment(at=at, rows=rows) for at, rows in self.items())
        return _answer(Answer(scenario="", dialect="", moments=moments, probes=len(moments) > 1))

    def frame(self) -> "pd.DataFrame":
        """As `Verdicts.frame`, with the moment in the column `at`."""
        return _frame([{"at": at, **_record(row)} for at, rows in self.items() for row in rows])


def _record(row: Row) -> dict[str, Any]:
    shares = dict(row.effective.items()) if row.effective is not None else {}
    wanted = row.desired or {}
    return {
        "from": row.frm,
        "to": row.to,
        "path": row.path,
        "members": row.members,
        "rollout": row.rollout,
        "verdict": row.verdict.value,
        "masked": row.masked,
        "reasons": " ".join(row.reasons),
        "desired_canary": wanted.get("canary"),
        **{role: shares.get(role) for role in ("stable", "canary", "other", "error")},
        "applied_share": row.applied_share,
        "decided_by": row.decided_by,
        "granularity": row.granularity,
    }


def _frame(records: list[dict[str, Any]]) -> "pd.DataFrame":
    try:
        import pandas as pd
    except ImportError:
        msg = "a frame needs pandas, which is not installed"
        raise UsageError(msg, hint="pip install 'meshsim[notebook]'") from None
    return pd.DataFrame(records)


@final
class Explanations(tuple[Explanation, ...]):
    """Calls explained, which a notebook shows hop by hop, with the repair and the lines that prove it."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return "".join(map(explanation, self))


def explanation(found: Explanation) -> str:
    """One call: the verdict, the tree of its hops, the repair, and how to prove it live."""
    view = explanation_view(found)
    wanted = f"wanted {escape(view.wanted)}; " if view.wanted else ""
    lines = [
        f"<b style='{_MONO}'>{escape(f'{view.frm} → {view.to}')}</b> <span style='{_DIM}'>{escape(view.moment)}</span>",
        f"{_verdict(view.cell)} {wanted}gets {escape(view.got or 'undetermined')}",
        *(f"<b>{escape(str(reason).strip())}</b> {escape(reason.meaning)}" for reason in view.reasons),
        *(f"<span style='{_DIM}'>{escape(said)}</span>" for said in (*view.notes, *view.assumptions)),
    ]
    paths = "".join(
        f"{_line(escape(name)) if name else ''}{walked(path)}" for name, path in view.readings or (("", view.path),)
    )
    after = []
    if view.repair is not None:
        repair = view.repair
        after.append(f"<b>repair</b> {escape(repair.sentence)} <span style='{_DIM}'>{escape(repair.where)}</span>")
        after += [_command(repair.command)] if repair.command else []
        after.append(f"then {_verdict(repair.after)} canary {escape(repair.after.change)}")
        after += [f"also {escape(sentence)}" for sentence in repair.also]
    elif view.tried:
        after.append(f"No single edit restores the split ({view.tried} tried).")
    for command, shows in view.proofs:
        after.append(f"{_command(command)} shows {escape(shows)}")
    return f"<div class='meshsim'>{_STYLE}{''.join(map(_line, lines))}{paths}{''.join(map(_line, after))}</div>"


def _line(html: str) -> str:
    return f"<div>{html}</div>"


def _command(text: str) -> str:
    return f"<span style='{_MONO}'>$ {escape(text)}</span>"


def answer(found: Answer) -> str:
    """An answer with its head and its reasons."""
    view = answer_view(found, Heading())
    head = f"<b>{escape(view.scenario)}</b> <span style='{_DIM}'>{escape(view.dialect)} {escape(view.moment)}</span>"
    return f"<div>{head}{_tables(view)}{_whys(view)}</div>"


def trace(found: Trace) -> str:
    """The tree of one call: every hop with its share, its decision, its rule and what was read."""
    return f"<ul style='list-style:none;padding-left:0'>{''.join(_step(step) for step in found.roots)}</ul>"


def difference(found: "Difference") -> str:
    """The verdicts that change, and what changed them."""
    from meshsim.report.difference import told
    from meshsim.report.view import address, caller, cell

    if not found:
        return f"<div>the same for {found.calls} calls</div>"
    lines: list[str] = []
    for one in found.changes:
        there = one.new or one.old
        assert there is not None
        sides = [_verdict(cell(row)) if row is not None else "no such call" for row in (one.old, one.new)]
        lines.append(f"<tr><td style='{_CELL};{_MONO}'>{escape(f'{caller(there)} → {address(there)}')}</td>")
        lines.append(f"<td style='{_CELL}'>{' → '.join(sides)}</td><td style='{_CELL}'>")
        for edit in one.because:
            said = [escape(" ".join(told(field, {}))) for field in edit.fields[:4]]
            fields = "".join(f"<br><span style='{_DIM}'>{text}</span>" for text in said)
            lines.append(f"<div style='{_MONO}'>{escape(clean(edit.subject))} {edit.what}{fields}</div>")
        lines.append("</td></tr>")
    return f"<table style='border-collapse:collapse'>{''.join(lines)}</table>"


def _answer(found: Answer) -> str:
    view = answer_view(found, Heading())
    return f"<div>{_tables(view)}{_whys(view)}</div>"


def _tables(view: AnswerView) -> str:
    return "".join(_table(table) for table in view.tables) or "<div>no calls</div>"


def _table(table: Table) -> str:
    single = len(table.columns) == 1
    heads = ["from", "verdict", "canary", "decided by", "why"]
    if not single:
        heads = ["from", *(f"{one.at}<br>canary {one.canary}" if one.canary else one.at for one in table.columns)]
    rows = []
    for line in table.lines:
        cells = [f"<span style='{_MONO}'>{escape(line.caller)}</span>"]
        if single:
            cell = line.cells[0]
            if cell is None:
                continue
            cells += [_verdict(cell), escape(cell.change)]
            cells += [escape(line.decided_by) or "–", escape(" ".join(line.reasons))]
        else:
            cells += [f"{_verdict(cell)} {escape(cell.result)}" if cell is not None else "" for cell in line.cells]
        rows.append("<tr>" + "".join(f"<td style='{_CELL}'>{one}</td>" for one in cells) + "</tr>")
    head = "".join(f"<th style='{_CELL};{_DIM};font-weight:normal'>{name}</th>" for name in heads)
    rollout = f"rollout {escape(table.rollout)}" if table.rollout else "no Rollout governs this"
    name = f"<b style='{_MONO}'>{escape(table.to)}</b>"
    title = f"<div style='margin-top:8px'>{name} <span style='{_DIM}'>{rollout}</span></div>"
    return f"{title}<table style='border-collapse:collapse'><tr>{head}</tr>{''.join(rows)}</table>"


def _verdict(cell: Cell) -> str:
    masked = " <b>masked</b>" if cell.masked else ""
    return f"<span style='color:{COLOURS[Verdict(cell.verdict)]}'>{cell.verdict}</span>{masked}"


def _whys(view: AnswerView) -> str:
    lines = []
    for why in view.whys:
        name = escape(f"{why.reason.code} {why.reason.slug}".strip())
        causes = "".join(
            f"<div style='padding-left:16px;{_DIM}'>{escape(', '.join(callers))}: {escape(cause.what)}"
            + (f"; <span style='{_MONO}'>{escape(cause.fact)}</span> {escape(cause.where)}" if cause.fact else "")
            + "</div>"
            for cause, callers in why.causes
            if cause.what
        )
        lines.append(f"<div style='margin-top:4px'><b>{name}</b> {escape(why.reason.meaning)}{causes}</div>")
    return "".join(lines)


def _step(step: Step) -> str:
    facts = "".join(
        f"<div style='padding-left:16px;{_MONO};{_DIM}'>{escape(clean(fact))} {escape(place(fact.evidence))}</div>"
        for fact in step.facts
        if fact.value is not None
    )
    end = "".join(_end(step))
    hop = f"<b style='{_MONO}'>{escape(clean(step.hop))}</b>"
    said = f"{hop} {escape(str(step.share))} {escape(clean(step.decision))}{end}"
    source = f"<span style='{_DIM}'>{escape(step.rule.source)}</span>"
    rule = f"<div style='padding-left:16px'>{escape(step.rule.sentence)} {source}</div>"
    inside = "".join(_step(child) for child in step.children)
    below = f"<ul style='list-style:none;padding-left:20px'>{inside}</ul>" if inside else ""
    return f"<li><details><summary>{said}</summary>{rule}{facts}</details>{below}</li>"


def _end(step: Step) -> Iterator[str]:
    match step.outcome:
        case Delivered():
            yield f" → <span style='{_MONO}'>{escape(clean(step.outcome.workload))}</span>"
        case Failed():
            flag = f" {step.outcome.flag}" if step.outcome.flag else ""
            yield f" → <b style='color:{COLOURS[Verdict.FAILING]}'>{escape(step.outcome.code + flag)}</b>"
        case Open():
            yield f" → <b style='color:{COLOURS[Verdict.UNDETERMINED]}'>open</b>"


def register() -> None:
    """Teach a running IPython to show values of the model; without one, nothing happens."""
    import sys

    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    if running is None:
        return
    from meshsim.analysis.compare import Difference
    from meshsim.model.timeline import Timeline

    html: Any = running.display_formatter.formatters["text/html"]
    shows: Iterable[tuple[type, Any]] = (
        (Answer, answer),
        (Trace, trace),
        (Difference, difference),
        (Explanation, explanation),
        (Row, _row),
    )
    for kind, show in shows:
        html.for_type(kind, show)
    running.display_formatter.formatters["image/png"].for_type(Timeline, _drawn)


def _drawn(found: "Timeline") -> bytes:
    from meshsim.report.figures import image

    return image(found)


def _row(row: Row) -> str:
    return Verdicts((row,))._repr_html_()
