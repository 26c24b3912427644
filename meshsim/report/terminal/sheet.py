"""What a terminal's output is made of: words with styles, grids, indents, and the sheet they are printed on.

Text is never read as markup: every piece is a `Text`, so that nothing in a manifest can style or forge output.
"""

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final, final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from meshsim.report.formats import Paper
from meshsim.report.view import Cell

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
_ENDLESS: Final = 100_000
GAP: Final = 2


def printed(parts: Iterable[RenderableType], paper: Paper) -> str:
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


def grid(columns: int, *, header: Sequence[str] = ()) -> Grid:
    """Columns without lines between them."""
    made = Grid(box=None, padding=(0, GAP, 0, 0), show_header=bool(header), header_style="dim", pad_edge=False)
    for index in range(columns):
        made.add_column(header[index] if header else "", overflow="fold")
    return made


def indented(part: RenderableType, by: int = 2) -> Padding:
    """A part with its left edge moved in, also where it wraps."""
    return Padding(part, (0, 0, 0, by), expand=False)


def labelled(label: str, part: RenderableType) -> Grid:
    """A label and what belongs to it, which wraps beside the label."""
    grid = Grid.grid(padding=(0, GAP, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label, "dim"), part)
    return grid


def words(*parts: tuple[str, str] | str) -> Text:
    """Words, some of them with a style."""
    return Text.assemble(*parts, overflow="fold")


def verdict(cell: Cell, paper: Paper, *, share: str = "") -> Text:
    """A verdict's word, with its glyph where that can be drawn."""
    glyph, style = LOOKS[cell.verdict]
    text = words((f"{glyph} {cell.verdict}" if paper.drawn else cell.verdict, style))
    if share:
        text.append(f" {share}")
    if cell.masked:
        text.append(" ")
        text.append("MASKED", "bold reverse yellow")
    return text
