"""An answer on a terminal: tables of calls, why, what it rests on, what was expected, and what to do next."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from meshsim.report.causes import Cause
from meshsim.report.formats import Paper
from meshsim.report.terminal.sheet import GAP, LOOKS, MASKED, grid, indented, labelled, verdict, words
from meshsim.report.view import CHECK, NEEDED, AnswerView, Cell, FailedCheck, Line, Table, checks

_MASKED_CODE: Final = "MS401"


def lines_of(view: AnswerView, paper: Paper) -> list[RenderableType]:
    """The whole answer, top to bottom."""
    parts: list[RenderableType] = [_head(view)]
    for table in view.tables:
        parts += [Text(""), *_table(table, paper)]
    if not view.tables:
        parts += [Text(""), Text("No calls: no Rollout here governs a Service that any client could call.")]
    parts += [*_whys(view), *_asides(view), *_checks(view, paper), Text(""), _summary(view, paper)]
    if view.next:
        parts.append(labelled("next", Text(view.next, "bold", overflow="fold")))
    return parts


def _head(view: AnswerView) -> Text:
    rest = "".join(f" · {part}" for part in (view.dialect, view.moment) if part)
    return words((view.scenario, "bold"), (rest, "dim"))


def _table(table: Table, paper: Paper) -> list[RenderableType]:
    wants = table.columns[0].wanted if len(table.columns) == 1 else ""
    rollout = f"rollout {table.rollout}" if table.rollout else "no Rollout governs this"
    parts: list[RenderableType] = [words((table.to, "bold"))]
    parts.append(words((rollout + (" wants " if wants else ""), "dim"), wants))
    if len(table.columns) == 1:
        beside = _fits_beside(table, paper)
        return [*parts, indented(_single(table, paper, checked=beside)), *_needed(table, listed=not beside)]
    short = _is_wide(table, paper)
    parts.append(indented(_matrix(table, paper, short=short)))
    return [*parts, *([indented(_key(table))] if short else []), *_needed(table, listed=True)]


def _needed(table: Table, *, listed: bool) -> list[RenderableType]:
    """What a check of each bypassed row needs, where it does not stand beside it, and what the numbers mean."""
    needs = checks(table)
    if not needs:
        return []
    parts: list[RenderableType] = [indented(words((CHECK, "bold"), (f"  {NEEDED}", "dim")))]
    if listed:
        lines = Grid.grid(padding=(0, GAP, 0, 0))
        lines.add_column(overflow="fold")
        lines.add_column(overflow="fold")
        for caller, amounts in needs:
            alone = len(table.columns) == 1
            said = "; ".join(amount if alone else f"{amount} at {moments}" for amount, moments in amounts)
            lines.add_row(Text(caller, "dim"), Text(said))
        parts.append(indented(lines, 4))
    return parts


def _fits_beside(table: Table, paper: Paper) -> bool:
    """Whether a column for what a check needs leaves the others as wide as they are."""
    rows = [(CHECK, "", "", "", "")]
    for line in table.lines:
        cell = line.cells[0]
        if cell is not None:
            shown = f"x {cell.verdict}" + " MASKED" * cell.masked
            rows.append((cell.needed, shown, f"{line.caller}{cell.change}", line.decided_by, " ".join(line.reasons)))
    widest = sum(max(map(len, column)) for column in zip(*rows, strict=True))
    return paper.width is None or 2 + widest + GAP * 5 <= paper.width


def _is_wide(table: Table, paper: Paper) -> bool:
    """Whether a matrix with words in its cells would not fit."""
    cells = [cell for line in table.lines for cell in line.cells if cell is not None]
    widest = max(len(f"x {cell.verdict} {cell.result}") + 7 * cell.masked + GAP for cell in cells)
    callers = max(len(line.caller) for line in table.lines)
    return paper.width is not None and 2 + callers + GAP + len(table.columns) * max(widest, 14) > paper.width


def _key(table: Table) -> Text:
    """What the glyphs of a matrix mean."""
    cells = [cell for line in table.lines for cell in line.cells if cell is not None]
    parts = [f"{LOOKS[verdict][0]} {verdict}" for verdict in dict.fromkeys(cell.verdict for cell in cells)]
    parts += ["! masked"] if any(cell.masked for cell in cells) else []
    return Text("   ".join(parts), "dim")


def _single(table: Table, paper: Paper, *, checked: bool) -> Grid:
    """One moment: a line a call, with who decided and, where there is a reason, why."""
    explained = any(line.reasons for line in table.lines)
    checked = checked and bool(checks(table))
    header = ("verdict", "from", "canary", "decided by", *["why"] * explained, *[CHECK] * checked)
    shown = grid(len(header), header=header)
    shown.columns[0].no_wrap = explained
    if explained:
        shown.columns[4].no_wrap = True
    for line in table.lines:
        cell = line.cells[0]
        if cell is not None:
            reasons = Text(" ".join(line.reasons), LOOKS[cell.verdict][1])
            row = [verdict(cell, paper), Text(line.caller), Text(cell.change), _decider(line)]
            shown.add_row(*row, *[reasons] * explained, *[Text(cell.needed)] * checked)
    return shown


def _decider(line: Line) -> Text:
    return Text(line.decided_by) if line.decided_by else Text("no L7 hop", "dim")


def _matrix(table: Table, paper: Paper, *, short: bool) -> Grid:
    """Step × client: a line a call, a column a moment. Where columns are many, a glyph stands for the word."""
    headers = [f"canary {column.canary}" if column.canary else column.at for column in table.columns]
    shown = grid(len(headers) + 1, header=("from", *headers))
    if any(column.canary for column in table.columns):
        shown.add_row("", *(Text(column.at, "dim") for column in table.columns))
    for line in table.lines:
        shown.add_row(Text(line.caller), *(_matrix_cell(cell, paper, short=short) for cell in line.cells))
    return shown


def _matrix_cell(cell: Cell | None, paper: Paper, *, short: bool) -> Text:
    if cell is None:
        return Text("")
    if not short:
        return verdict(cell, paper, share=cell.result)
    glyph, style = LOOKS[cell.verdict]
    return words((f"{glyph} {cell.result}", style), ("!" if cell.masked else "", "bold reverse yellow"))


def _whys(view: AnswerView) -> list[RenderableType]:
    """A legend of the reasons, with a line for each cause."""
    parts: list[RenderableType] = []
    for why in view.whys:
        name = f"{why.reason.code} {why.reason.slug}".strip()
        if why.reason.code == _MASKED_CODE:
            parts += [Text(""), words((name, "bold reverse yellow"), f"  {MASKED}")]
            parts += [indented(Text(masked)) for masked in view.masked]
            continue
        parts += [Text(""), words((name, "bold"), f"  {why.reason.meaning}")]
        parts += [indented(_cause(cause, callers)) for cause, callers in why.causes if cause.what]
    return parts


def _cause(cause: Cause, callers: Sequence[str]) -> Group:
    named = ", ".join(callers[:3]) + (f" and {len(callers) - 3} more" if len(callers) > 3 else "")
    lines: list[RenderableType] = [words((named, "bold dim")), indented(Text(cause.what))]
    if cause.fact:
        lines.append(indented(words((cause.fact, "cyan"), (f"  {cause.where}", "dim"))))
    return Group(*lines)


def _asides(view: AnswerView) -> list[RenderableType]:
    """Notes, assumptions and findings: what an answer rests on beside the rules."""
    shown = Grid.grid(padding=(0, GAP, 0, 0))
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for callers, sentence in view.notes:
        shown.add_row(Text("note", "yellow"), words((f"{callers}: ", "dim"), sentence))
    for question, chosen, alternatives, source in view.assumptions:
        rest = f" (else {alternatives})" if alternatives else ""
        shown.add_row(Text("assumed", "yellow"), words(question, ": ", (chosen, "bold"), f"{rest}  ", (source, "dim")))
    for finding in view.findings:
        shown.add_row(Text("finding", "yellow"), Text(finding))
    return [Text(""), shown] if shown.row_count else []


def _checks(view: AnswerView, paper: Paper) -> list[RenderableType]:
    return [part for check in view.failed for part in (Text(""), _check(check, paper))]


def _check(check: FailedCheck, paper: Paper) -> Group:
    mark = "✖ " if paper.drawn else ""
    lines: list[RenderableType] = [
        words((f"{mark}expectation fails", "bold red"), f"  {check.subject}  ", (check.place, "dim"))
    ]
    lines += [indented(Text(sentence)) for sentence in check.sentences]
    if not check.sentences:
        lines += [
            indented(words(f"{name}: wanted {wanted}", f", got {actual}" if actual else ""))
            for name, wanted, actual in check.fields
        ]
    return Group(*lines)


def _summary(view: AnswerView, paper: Paper) -> Text:
    calls = f"{view.calls} call" + ("s" if view.calls != 1 else "")
    calls += f" at {view.moments} moments" if view.moments > 1 else ""
    text = words((calls, "bold"), ": " if view.counts else "")
    for index, (name, number) in enumerate(view.counts):
        text.append(", " if index else "")
        text.append(f"{number} {name}", LOOKS[name][1])
    if view.checks:
        all_hold = view.held == view.checks
        text.append(" · ", "dim")
        held = f"all {view.checks} expectations hold" if all_hold else f"{view.held} of {view.checks} expectations hold"
        if view.checks == 1:
            held = "the expectation holds" if all_hold else "the expectation fails"
        text.append(held, "green" if all_hold else "bold red")
    return text
