"""A timeline on a terminal, in a pipe, and in Markdown."""

import re
from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from meshsim.model.shares import percent
from meshsim.model.timeline import Timeline
from meshsim.model.verdict import Row
from meshsim.report.formats import Heading, Paper
from meshsim.report.markdown import GLYPHS, escaped
from meshsim.report.terminal.sheet import LOOKS, grid, indented, labelled, printed, words
from meshsim.report.timeline import Got, Stretch, Table, incidents, moment, rollout_page, tables, window_text
from meshsim.report.words import clean

_NARROW: Final = 120
_BESIDE: Final = 2
_WEIGHTS: Final = re.compile(r"(set \S+ actual \S+) ")
_STYLES = {"error": "bold white on red", "stale": "black on yellow", "masked": "bold reverse yellow"}


def table(found: Timeline, heading: Heading, paper: Paper) -> str:
    """The `table` format: intervals, then windows of errors and staleness."""
    parts: list[RenderableType] = [
        words((clean(found.scenario), "bold"), (f" · {clean(found.dialect)} · 0s to {moment(found.end)}", "dim"))
    ]
    for one in tables(found):
        parts += [Text(""), *_table(one, paper)]
    if not found.lanes:
        parts += [Text(""), Text("No calls: no Rollout here governs a Service that any client could call.")]
    parts += _windows(found, paper)
    for note in found.notes:
        parts.append(labelled("note", Text(clean(note))))
    for what, seconds in found.safe_delays.items():
        parts.append(labelled("safe delay", Text(f"{clean(what)}: {moment(seconds)} or longer")))
    if not found.rests:
        parts.append(labelled("note", Text(f"at {moment(found.end)} something is still pending")))
    return printed(parts, paper)


def _table(one: Table, paper: Paper) -> list[RenderableType]:
    callers = [_broken(caller, len(one.callers)) if _narrow(paper) else caller for caller in one.callers]
    made = grid(4 + len(callers), header=("when", "rollout", "wants", *callers, "because"))
    made.columns[0].no_wrap = True
    for line in one.lines:
        cells = [_cell(got, paper) for got in line.got]
        made.add_row(Text(_span(line)), Text(_shows(line, paper)), Text(line.wants), *cells, Text(line.cause, "dim"))
    head = words((one.to, "bold"), (f"  rollout {one.rollout}" if one.rollout else "  no Rollout governs this", "dim"))
    return [head, indented(made)]


def _broken(caller: str, beside: int) -> str:
    """A caller's name on lines of its own: the workload under where it is; each part where several stand beside."""
    name, space, how = caller.partition(" ")
    parts = name.split("/") if beside > _BESIDE else name.rsplit("/", 1)
    return "\n/".join(parts) + space + how


def _shows(line: Stretch, paper: Paper) -> str:
    """What the Rollout shows; its phase on a line of its own where lines are short, yet hold its weights."""
    return _WEIGHTS.sub(r"\1\n", line.shows) if _narrow(paper) and len(line.got) == 1 else line.shows


def _narrow(paper: Paper) -> bool:
    return paper.width is not None and paper.width <= _NARROW


def _span(line: Stretch) -> str:
    return f"{line.start}–{line.end}" if line.end else f"{line.start} on"


def _cell(got: Got | None, paper: Paper) -> Text:
    if got is None:
        return Text("–", "dim")
    glyph, style = LOOKS[got.verdict]
    text = words((f"{glyph} {got.verdict}" if paper.drawn else got.verdict, style))
    if got.text:
        text.append(f" {got.text}", _STYLES.get(got.bad, ""))
    if got.bad == "masked":
        text.append(" MASKED", _STYLES["masked"])
    if got.why:
        text.append(f" {got.why}", "dim")
    return text


def _windows(found: Timeline, paper: Paper) -> list[RenderableType]:
    parts: list[RenderableType] = [Text("")] if found.windows else []
    for one in incidents(found):
        line = grid(2)
        line.add_row(words((one.kind.upper(), _STYLES[one.kind])), words(f"{one.when}: {one.sentence}"))
        for call in one.calls:
            line.add_row(Text(""), words((f"  {call}", "dim")))
        parts.append(line)
    return parts


def page(found: Timeline, at: float, n: int | None, rows: Sequence[Row], heading: Heading, paper: Paper) -> str:
    """What `kubectl argo rollouts get rollout` prints at one moment, and beside it what clients really get."""
    when = moment(at) + (f"#{n}" if n is not None else "")
    parts: list[RenderableType] = [words((clean(found.scenario), "bold"), (f" · at {when}", "dim"))]
    for rollout in found.rollouts:
        shown = found.shown(rollout, at, n)
        if shown is None:
            continue
        lines = grid(2)
        for label, value in rollout_page(shown, drawn=paper.drawn):
            lines.add_row(Text(label), Text(value))
        parts += [Text(""), words((f"cluster {clean(rollout.split('/')[0])}", "dim")), lines]
        mine = [row for row in rows if row.rollout == rollout]
        if mine:
            parts.append(words(("Clients really get:", "bold")))
        for row in mine:
            glyph, style = LOOKS[row.verdict.value]
            verdict = f"{glyph} {row.verdict.value}" if paper.drawn else row.verdict.value
            share = "?" if row.effective is None else f"canary {percent(row.effective.canary)}"
            if row.effective is not None and row.effective.error:
                share += f", ERRORS {percent(row.effective.error)}"
            call = f"  {clean(row.frm)} → {clean(row.to)}  "
            parts.append(words(call, (verdict, style), f" {share} {' '.join(row.reasons)}"))
    return printed(parts, paper)


def markdown(found: Timeline) -> str:
    """The intervals as Markdown tables."""
    lines = [f"### {escaped(clean(found.scenario))} over time", ""]
    for one in tables(found):
        lines += [f"**{escaped(one.to)}** {escaped(one.rollout)}", ""]
        heads = ["when", "rollout", "wants", *map(escaped, one.callers), "because"]
        lines += ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
        for line in one.lines:
            cells = [_markdown_cell(got) for got in line.got]
            row = [_span(line), escaped(line.shows), line.wants, *cells, escaped(line.cause)]
            lines.append("| " + " | ".join(row) + " |")
        lines.append("")
    for window in found.windows:
        lines.append(f"- **{window.kind.upper()}** {escaped(window_text(found, window))}")
    return "\n".join(lines).rstrip() + "\n"


def _markdown_cell(got: Got | None) -> str:
    if got is None:
        return "–"
    text = f"**{escaped(got.text)}**" if got.bad else escaped(got.text)
    return f"{GLYPHS[got.verdict]} {got.verdict} {text} {escaped(got.why)}".strip()
