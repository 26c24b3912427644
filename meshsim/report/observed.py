"""Observations held against the model, on paper."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from meshsim.live.outcomes import Evidence, Outcome, Result
from meshsim.report.formats import Heading, Paper
from meshsim.report.observedview import Group, Line, called, conclusion, groups, line_of
from meshsim.report.words import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

FORMATS: Final = ("table", "json", "markdown", "junit")
LOOKS: Final = {
    Outcome.AGREES: ("✔", "green"),
    Outcome.DISAGREES: ("✖", "bold red"),
    Outcome.UNDETERMINED: ("?", "magenta"),
    Outcome.NOT_OBSERVED: ("·", "dim"),
}
HEADER: Final = ("result", "from", "counted", "model", "p", "rules out")


def printed(found: Result, heading: Heading, output: str, paper: Paper) -> str:
    """The comparison in one of `FORMATS`."""
    if output == "json":
        from meshsim.report.data import as_json
        from meshsim.report.observeddata import data

        return as_json(data(found, heading))
    if output != "table":
        from meshsim.report.observedmarkup import junit, markdown

        return (markdown if output == "markdown" else junit)(found, heading)
    from meshsim.report.terminal.sheet import printed as sheet

    return sheet(_table(found, heading, paper), paper)


def _table(found: Result, heading: Heading, paper: Paper) -> "Iterator[RenderableType]":
    from rich.text import Text

    from meshsim.report.terminal.sheet import indented, words

    of = f" · {clean(found.recording.source)}" if found.recording.source else ""
    yield words((clean(heading.scenario), "bold"), (f" · {heading.dialect}{of}", "dim"))
    for group in groups(found):
        yield Text("")
        yield words((group.to, "bold"))
        if group.wants:
            yield words((group.wants, "dim"))
        yield from _lines(group, paper)
    missing = list(map(line_of, found.of(Outcome.NOT_OBSERVED)))
    if missing:
        yield Text("")
        yield words(("not observed", "bold"))
    for line in missing:
        yield indented(words(f"{line.caller} → {called(line.held)}: ", ("; ".join(line.why), "dim")))
    yield Text("")
    yield words((conclusion(found), "bold red" if found.of(Outcome.DISAGREES) else "bold"))


def _lines(group: Group, paper: Paper) -> "Iterator[RenderableType]":
    """Each observation with its reasons below it, in columns that are as wide for all."""
    from meshsim.report.terminal.sheet import GAP, grid, indented, words

    columns = [column for column in HEADER if any(_cell(line, column) for line in group.lines)]
    widths = {
        c: max(len(c), *(len(_cell(line, c)) + 2 * (c == "result" and paper.drawn) for line in group.lines))
        for c in columns
    }
    if paper.width is not None and sum(widths.values()) + GAP * len(columns) + 2 > paper.width:
        columns = [column for column in columns if column != "p"]
    fixed = paper.width is None or sum(widths[c] for c in columns) + GAP * len(columns) + 2 <= paper.width
    for number, line in enumerate(group.lines):
        made = grid(len(columns), header=columns if number == 0 else ())
        for column, shown in zip(columns, made.columns, strict=True):
            shown.width = widths[column] if fixed else None
        made.add_row(*(_styled(line, column, paper) for column in columns))
        yield indented(made)
        for why in line.why:
            yield indented(words((why, _tone(line, why))), 4)


def _cell(line: Line, column: str) -> str:
    cells = (str(line.held.outcome), line.caller, line.counted, line.model, line.p, line.rules_out)
    return dict(zip(HEADER, cells, strict=True))[column]


def _styled(line: Line, column: str, paper: Paper) -> Any:
    from rich.text import Text

    text = _cell(line, column)
    if column == "result":
        glyph, style = LOOKS[line.held.outcome]
        return Text(f"{glyph} {text}" if paper.drawn else text, style)
    if column == "rules out":
        return Text(text, "green" if line.held.evidence is Evidence.TELLS else "bold yellow")
    return Text(text, "dim" if column == "p" else "")


def _tone(line: Line, why: str) -> str:
    if line.held.outcome is Outcome.DISAGREES:
        return "red"
    return "yellow" if why.startswith("MASKED") else "dim"
