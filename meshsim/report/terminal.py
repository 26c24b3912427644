"""Answers for a terminal, and the same words in plain columns for a pipe. The only module that imports rich.

Text is never read as markup: every piece is a `Text`, so that nothing in a manifest can style or forge output.
"""

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final, final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text
from rich.tree import Tree

from meshsim.model.reasons import Reason
from meshsim.model.shares import ONE, percent
from meshsim.model.verdict import Answer, Explanation
from meshsim.report.causes import Cause
from meshsim.report.formats import Heading, Paper
from meshsim.report.hops import ExplanationView, Hop, Way, explanation_view
from meshsim.report.view import AnswerView, Cell, FailedCheck, Line, Table, answer_view

LOOKS: Final = {
    "applied": ("✔", "green"),
    "skewed": ("≠", "yellow"),
    "partial": ("◐", "yellow"),
    "bypassed": ("✖", "red"),
    "elsewhere": ("↷", "cyan"),
    "failing": ("✖", "bold red"),
    "ungoverned": ("·", "dim"),
    "undetermined": ("?", "magenta"),
}
"""A verdict's glyph and style."""

MASKED: Final = "looks right, and no histogram of requests would show that it is not"
_MASKED_CODE: Final = "MS401"
_ENDLESS: Final = 100_000
_GAP: Final = 2


@final
class TerminalPrinter:
    """The `table` format."""

    def answer(self, found: Answer, heading: Heading, paper: Paper) -> str:
        view = answer_view(found, heading)
        parts: list[RenderableType] = [_head(view)]
        for table in view.tables:
            parts += [Text(""), *_table(table, paper)]
        if not view.tables:
            parts += [Text(""), Text("No calls: no Rollout here governs a Service that any client could call.")]
        parts += _whys(view)
        parts += _asides(view)
        parts += [Text(""), *_checks(view, paper), _summary(view, paper)]
        if view.next:
            parts.append(_labelled("next", Text(view.next, "bold", overflow="fold")))
        return _printed(parts, paper)

    def explanations(self, found: tuple[Explanation, ...], heading: Heading, paper: Paper) -> str:
        parts: list[RenderableType] = []
        for one in found:
            if parts:
                parts += [Text(""), Text("")]
            parts += _explained(explanation_view(one), paper)
        return _printed(parts or [Text("No Rollout governs this call.")], paper)

    def reasons(self, found: tuple[Reason, ...], paper: Paper) -> str:
        grid = _grid(3)
        for reason in found:
            grid.add_row(Text(reason.code, "bold"), Text(reason.slug, "cyan"), Text(reason.meaning))
        return _printed([grid], paper)


TABLE: Final = TerminalPrinter()


def page(markdown: str, paper: Paper) -> str:
    """A page of text in Markdown, laid out on a terminal, as it stands in a pipe."""
    if not paper.drawn:
        return markdown
    from rich.markdown import Markdown

    return _printed([Markdown(markdown, hyperlinks=False)], paper)


def _printed(parts: Iterable[RenderableType], paper: Paper) -> str:
    """Renderables as text; without colours there is no escape code in it."""
    console = Console(
        file=StringIO() if paper.drawn else _Sheet(),
        width=paper.width or _ENDLESS,
        force_terminal=paper.coloured,
        color_system="standard" if paper.coloured else None,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},
    )
    for part in parts:
        console.print(part)
    sheet = console.file
    assert isinstance(sheet, StringIO)
    return "".join(line.rstrip() + "\n" for line in sheet.getvalue().splitlines())


@final
class _Sheet(StringIO):
    """A pipe's plain paper: rich draws trees with ASCII where the encoding is no UTF."""

    encoding = "ascii"


def _grid(columns: int, *, header: Sequence[str] = ()) -> Grid:
    grid = Grid(box=None, padding=(0, _GAP, 0, 0), show_header=bool(header), header_style="dim", pad_edge=False)
    for index in range(columns):
        grid.add_column(header[index] if header else "", overflow="fold")
    return grid


def _indented(part: RenderableType, by: int = 2) -> Padding:
    return Padding(part, (0, 0, 0, by), expand=False)


def _labelled(label: str, part: RenderableType) -> Grid:
    """A label and what belongs to it, which wraps beside the label."""
    grid = Grid.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label, "dim"), part)
    return grid


def _words(*parts: tuple[str, str] | str) -> Text:
    return Text.assemble(*parts, overflow="fold")


def _head(view: AnswerView) -> Text:
    rest = "".join(f" · {part}" for part in (view.dialect, view.moment) if part)
    return _words((view.scenario, "bold"), (rest, "dim"))


def _verdict(cell: Cell, paper: Paper, *, share: str = "") -> Text:
    glyph, style = LOOKS[cell.verdict]
    text = _words((f"{glyph} {cell.verdict}" if paper.drawn else cell.verdict, style))
    if share:
        text.append(f" {share}")
    if cell.masked:
        text.append(" ")
        text.append("MASKED", "bold reverse yellow")
    return text


def _table(table: Table, paper: Paper) -> list[RenderableType]:
    wants = table.columns[0].wanted if len(table.columns) == 1 else ""
    rollout = f"rollout {table.rollout}" if table.rollout else "no Rollout governs this"
    parts: list[RenderableType] = [_words((table.to, "bold"))]
    parts.append(_words((rollout + (" wants " if wants else ""), "dim"), wants))
    grid = _single(table, paper) if len(table.columns) == 1 else _matrix(table, paper)
    return [*parts, _indented(grid)]


def _single(table: Table, paper: Paper) -> Grid:
    """One moment: a line a call, with who decided and why."""
    grid = _grid(5, header=("verdict", "from", "canary", "decided by", "why"))
    grid.columns[0].no_wrap = grid.columns[4].no_wrap = True
    for line in table.lines:
        cell = line.cells[0]
        if cell is not None:
            reasons = Text(" ".join(line.reasons), LOOKS[cell.verdict][1])
            grid.add_row(_verdict(cell, paper), Text(line.caller), Text(cell.change), _decider(line), reasons)
    return grid


def _decider(line: Line) -> Text:
    return Text(line.decided_by) if line.decided_by else Text("no L7 hop", "dim")


def _matrix(table: Table, paper: Paper) -> Grid:
    """Step × client: a line a call, a column a moment. Where columns are many, a glyph stands for the word."""
    headers = [f"canary {column.canary}" if column.canary else column.at for column in table.columns]
    grid = _grid(len(headers) + 1, header=("from", *headers))
    widest = max((len(line.caller) for line in table.lines), default=0)
    short = paper.width is not None and widest + len(headers) * 18 > paper.width
    if any(column.canary for column in table.columns):
        grid.add_row("", *(Text(column.at, "dim") for column in table.columns))
    for line in table.lines:
        grid.add_row(Text(line.caller), *(_matrix_cell(cell, paper, short=short) for cell in line.cells))
    return grid


def _matrix_cell(cell: Cell | None, paper: Paper, *, short: bool) -> Text:
    if cell is None:
        return Text("")
    if not short:
        return _verdict(cell, paper, share=cell.result)
    glyph, style = LOOKS[cell.verdict]
    return _words((f"{glyph} {cell.result}", style), ("!" if cell.masked else "", "bold reverse yellow"))


def _whys(view: AnswerView) -> list[RenderableType]:
    """A legend of the reasons, with a line for each cause."""
    parts: list[RenderableType] = []
    for why in view.whys:
        name = f"{why.reason.code} {why.reason.slug}".strip()
        if why.reason.code == _MASKED_CODE:
            parts += [Text(""), _words((name, "bold reverse yellow"), f"  {MASKED}")]
            parts += [_indented(Text(masked)) for masked in view.masked]
            continue
        parts += [Text(""), _words((name, "bold"), f"  {why.reason.meaning}")]
        parts += [_indented(_cause(cause, callers)) for cause, callers in why.causes if cause.what]
    return parts


def _cause(cause: Cause, callers: Sequence[str]) -> Group:
    named = ", ".join(callers[:3]) + (f" and {len(callers) - 3} more" if len(callers) > 3 else "")
    lines: list[RenderableType] = [_words((named, "bold dim")), _indented(Text(cause.what))]
    if cause.fact:
        lines.append(_indented(_words((cause.fact, "cyan"), (f"  {cause.where}", "dim"))))
    return Group(*lines)


def _asides(view: AnswerView) -> list[RenderableType]:
    """Notes, assumptions and findings: what an answer rests on beside the rules."""
    grid = Grid.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for callers, sentence in view.notes:
        grid.add_row(Text("note", "yellow"), _words((f"{callers}: ", "dim"), sentence))
    for question, chosen, alternatives, source in view.assumptions:
        rest = f" (else {alternatives})" if alternatives else ""
        grid.add_row(Text("assumed", "yellow"), _words(question, ": ", (chosen, "bold"), f"{rest}  ", (source, "dim")))
    for finding in view.findings:
        grid.add_row(Text("finding", "yellow"), Text(finding))
    return [Text(""), grid] if grid.row_count else []


def _checks(view: AnswerView, paper: Paper) -> list[RenderableType]:
    return [_check(check, paper) for check in view.failed]


def _check(check: FailedCheck, paper: Paper) -> Group:
    mark = "✖ " if paper.drawn else ""
    lines: list[RenderableType] = [
        _words((f"{mark}expectation fails", "bold red"), f"  {check.subject}  ", (check.place, "dim"))
    ]
    lines += [_indented(Text(sentence), 4) for sentence in check.sentences]
    if not check.sentences:
        lines += [
            _indented(_words(f"{name}: wanted {wanted}", f", got {actual}" if actual else ""), 4)
            for name, wanted, actual in check.fields
        ]
    return Group(*lines)


def _summary(view: AnswerView, paper: Paper) -> Text:
    calls = f"{view.calls} call" + ("s" if view.calls != 1 else "")
    calls += f" at {view.moments} moments" if view.moments > 1 else ""
    text = _words((calls, "bold"), ": " if view.counts else "")
    for index, (verdict, number) in enumerate(view.counts):
        text.append(", " if index else "")
        text.append(f"{number} {verdict}", LOOKS[verdict][1])
    if view.checks:
        all_hold = view.held == view.checks
        text.append(" · ", "dim")
        held = f"all {view.checks} expectations hold" if all_hold else f"{view.held} of {view.checks} expectations hold"
        if view.checks == 1:
            held = "the expectation holds" if all_hold else "the expectation fails"
        text.append(held, "green" if all_hold else "bold red")
    return text


def _explained(view: ExplanationView, paper: Paper) -> list[RenderableType]:
    parts: list[RenderableType] = [
        _words((view.frm, "bold"), " → ", (view.to, "bold"), (f" · {view.moment}" if view.moment else "", "dim"))
    ]
    if not view.readings:
        parts += [Text(""), _path(view.path)]
    for name, reading in view.readings:
        parts += [Text(""), Text(name, "bold magenta"), _path(reading)]
    parts += [Text(""), _judgement(view, paper)]
    for reason in view.reasons:
        parts.append(_indented(_words((f"{reason.code} {reason.slug}".strip(), "bold"), f"  {reason.meaning}")))
    for note in view.notes:
        parts.append(_indented(_labelled("note", Text(note))))
    for assumption in view.assumptions:
        parts.append(_indented(_labelled("assumed", Text(assumption))))
    parts += _repair(view, paper)
    if view.proofs:
        parts += [Text(""), Text("prove it live", "bold")]
        for command, shows in view.proofs:
            parts.append(_indented(_words(("$ ", "dim"), (command, "cyan"))))
            parts.append(_indented(_labelled("shows", Text(shows)), 4))
    return parts


def _judgement(view: ExplanationView, paper: Paper) -> Group:
    line = _verdict(view.cell, paper)
    if view.decided_by:
        line.append("  decided by ", "dim")
        line.append(view.decided_by)
    lines = [line]
    if view.cell.masked:
        lines.append(_words("  ", (MASKED, "yellow")))
    if view.wanted:
        lines.append(_words("  ", ("wanted  ", "dim"), view.wanted, (f"  by rollout {view.rollout}", "dim")))
    elif not view.rollout:
        lines.append(_words("  ", ("no Rollout governs this call", "dim")))
    style = "" if view.wanted == view.got else LOOKS[view.cell.verdict][1]
    lines.append(_words("  ", ("gets    ", "dim"), (view.got or "undetermined", style)))
    return Group(*lines)


def _repair(view: ExplanationView, paper: Paper) -> list[RenderableType]:
    repair = view.repair
    if repair is None:
        if view.tried:
            return [Text(""), Text(f"No single edit restores the split ({view.tried} tried).", "dim")]
        return []
    parts: list[RenderableType] = [Text(""), _words(("repair  ", "bold"), repair.sentence)]
    if repair.where:
        parts.append(_indented(_labelled("where ", Text(repair.where))))
    if repair.command:
        parts.append(_indented(_words(("$ ", "dim"), (repair.command, "cyan"))))
    then = _verdict(repair.after, paper).append(f", canary {repair.after.change}")
    parts.append(_indented(_labelled("then  ", then)))
    return parts + [_indented(_labelled("also  ", Text(sentence))) for sentence in repair.also]


def _path(hops: Sequence[Hop]) -> Tree:
    root = Tree(Text(""), hide_root=True, guide_style="dim")
    _grow(root, root, hops, 1)
    return root


def _grow(tree: Tree, before: Tree, hops: Sequence[Hop], number: int) -> None:
    """Hops in a row are numbered below each other; only where requests part does the tree branch, at `before`."""
    for hop in hops:
        parted = len(hops) > 1
        node = (before if parted else tree).add(_hop(hop, number))
        if len(hop.ways) == 1:
            _grow(node if parted else tree, node, hop.ways[0].next, number + 1)
            continue
        for way in hop.ways:
            branch = node.add(_way(way))
            _grow(branch, branch, way.next, number + 1)


def _hop(hop: Hop, number: int) -> Group:
    first = _words((f"{number} ", "dim"), (hop.name, "bold"))
    if hop.share != ONE:
        first.append(f"  {percent(hop.share)}")
    if hop.granularity:
        first.append(f"  per {hop.granularity}", "dim")
    lines = _decided(hop.ways[0]) if len(hop.ways) == 1 else []
    lines.append(_words((f"{hop.rule} [{hop.source}]", "dim")))
    lines += [_words((fact, "cyan"), (f"  {where}", "dim")) for fact, where in hop.facts]
    return Group(first, *(_indented(line) for line in lines))


def _way(way: Way) -> Group:
    share = _words((percent(way.share), "bold"), "  ")
    lines = _decided(way)
    return Group(share.append_text(lines[0]) if lines else share, *lines[1:])


def _decided(way: Way) -> list[Text]:
    lines: list[Text] = []
    if way.decision:
        end = f"  {way.end}" if way.end and way.end not in way.decision else ""
        lines.append(_words(way.decision, (end, "magenta" if way.end.startswith("MS9") else "bold red")))
    for name, number, share in way.pods:
        pods = f"{number} pods" if number > 1 else "1 pod"
        lines.append(_words(f"{name}  ", (pods, "dim"), f"  {percent(share)}"))
    return lines
