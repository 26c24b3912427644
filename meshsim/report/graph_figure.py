"""A graph of paths as a picture: a band a cluster, a column a stage of the way; deciders and bypasses stand out."""

from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from meshsim.model.verdict import Verdict
from meshsim.report.colours import COLOURS
from meshsim.report.graph import clusters, label, said
from meshsim.report.graph_text import DASHED

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes

INK, FAINT, BAND, DECIDES = "#26323c", "#7b8894", "#f3f6f8", "#fbe7b6"
WIDTH, HEIGHT, PITCH, ROW = 2.3, 0.78, 3.1, 1.0
"""Inches: a box, and from one column or row to the next."""
_LETTERS: Final = 32
_LEGEND: Final = (("applied", "applied"), ("skewed", "skewed, partial"), ("bypassed", "bypassed, failing"))


def draw(graph: "nx.MultiDiGraph", axes: "Axes | None" = None) -> "Axes":
    """The graph on `axes`, by default a new figure's, in inches; the Axes, to be worked on."""
    places, bands, height = _layout(graph)
    width = (max((x for x, _ in places.values()), default=0.0)) + WIDTH / 2 + 0.35
    if axes is None:
        from matplotlib.figure import Figure

        axes = Figure(figsize=(width + 0.35, height + 0.75)).add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(-WIDTH / 2 - 0.35, width)
    axes.set_ylim(-height - 0.05, 0.7)
    axes.set_axis_off()
    left = -WIDTH / 2 - 0.2
    for name, top, bottom in bands:
        _box(axes, left, -bottom, width - 0.15 - left, bottom - top, face=BAND, edge="none", z=0)
        axes.text(left + 0.12, -top - 0.16, name, color=FAINT, fontsize=9, weight="bold", va="center", parse_math=False)
    _legend(axes, graph, left)
    for (a, b, data), bend in zip(graph.edges(data=True), _bends(graph), strict=True):
        _edge(axes, places[a], places[b], data, bend)
    for node, (x, y) in places.items():
        _node(axes, x, y, graph.nodes[node])
    return axes


def image(graph: "nx.MultiDiGraph", form: str = "png") -> bytes:
    """The picture as a PNG or SVG file. Equal graphs give equal files."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "meshsim", "svg.fonttype": "path"}):
        figure: Any = draw(graph).figure
        written = BytesIO()
        figure.savefig(written, format=form, metadata={"Date": None} if form == "svg" else {"Software": None}, dpi=130)
    return written.getvalue()


def page(graph: "nx.MultiDiGraph", title: str) -> str:
    """One self-contained page: the picture, and the callers with their verdicts as text."""
    svg = image(graph, "svg").decode()
    rows = "".join(
        f"<tr><td>{escape(data['name'])}</td><td>{escape(data['to'])}</td><td>{escape(data['note'])}</td></tr>"
        for _, data in graph.nodes(data=True)
        if data["kind"] == "caller"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>\n<style>body{{font:15px/1.5 sans-serif;color:{INK};margin:2em}}"
        "svg{max-width:100%;height:auto}table{border-collapse:collapse}"
        "td,th{text-align:left;padding:.3em 1.2em .3em 0;border-bottom:1px solid #dde3e8}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{svg[svg.index('<svg') :]}\n"
        f"<table><tr><th>from</th><th>to</th><th>verdict</th></tr>{rows}</table></body></html>\n"
    )


def _layout(graph: "nx.MultiDiGraph") -> tuple[dict[Any, tuple[float, float]], list[tuple[str, float, float]], float]:
    """Node → its centre, (cluster, top, bottom) of the bands, and the height of all."""
    places: dict[Any, tuple[float, float]] = {}
    bands: list[tuple[str, float, float]] = []
    top = 0.0
    for name, nodes in clusters(graph).items():
        columns: dict[int, list[Any]] = {}
        for node in nodes:
            columns.setdefault(graph.nodes[node]["column"], []).append(node)
        most = max(map(len, columns.values()))
        for column, stack in columns.items():
            start = (most - len(stack)) // 2  # whole rows: the lanes between them stay free
            for index, node in enumerate(stack):
                places[node] = (column * PITCH, -(top + 0.3 + ROW * (start + index + 0.5)))
        bands.append((name, top, top + 0.35 + ROW * most))
        top += 0.5 + ROW * most
    return places, bands, top


def _bends(graph: "nx.MultiDiGraph") -> list[float]:
    """Edges between the same nodes lie beside each other."""
    seen: dict[tuple[Any, Any], int] = {}
    found = []
    for a, b in graph.edges():
        found.append(0.16 * seen.get((a, b), 0))
        seen[a, b] = seen.get((a, b), 0) + 1
    return found


def _edge(axes: "Axes", a: tuple[float, float], b: tuple[float, float], data: dict[str, Any], bend: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    (x0, y0), (x1, y1) = (a[0] + WIDTH / 2, a[1] - bend), (b[0] - WIDTH / 2, b[1] - bend)
    if b[0] <= a[0]:  # back, or within a column
        x1, pull = b[0] + WIDTH / 2, 0.7
        way = Path([(x0, y0), (x0 + pull, y0), (x1 + pull, y1), (x1, y1)], [1, 4, 4, 4])
    elif b[0] - a[0] > PITCH * 1.5:  # past a column: along the lane under the row, so that it crosses no box
        lane, pull = a[1] - ROW / 2 - bend / 2, (PITCH - WIDTH) / 2
        near, far = x0 + 2 * pull, x1 - 2 * pull
        points = [(x0, y0), (x0 + pull, y0), (x0 + pull, lane), (near, lane), (far, lane)]
        way = Path([*points, (far + pull, lane), (far + pull, y1), (x1, y1)], [1, 4, 4, 4, 2, 4, 4, 4])
    else:
        pull = (x1 - x0) / 2
        way = Path([(x0, y0), (x0 + pull, y0), (x0 + pull, y1), (x1, y1)], [1, 4, 4, 4])
    colour = COLOURS[data["verdict"]]
    axes.add_patch(
        FancyArrowPatch(
            path=way,
            arrowstyle="-|>",
            mutation_scale=11,
            color=colour,
            linewidth=1.8,
            linestyle=(0, (4, 2)) if data["verdict"] in DASHED else "solid",
            zorder=2,
        )
    )
    if said(data["share"]):
        frame = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
        axes.text(
            x1 - 0.12,
            y1 + (-0.15 if bend else 0.13),
            said(data["share"]),
            color=colour,
            fontsize=8,
            ha="right",
            bbox=frame,
            zorder=4,
        )


def _node(axes: "Axes", x: float, y: float, data: dict[str, Any]) -> None:
    face = DECIDES if data["decides"] else "#fbe3e6" if data["kind"] == "error" else "white"
    edge = INK if data["decides"] else FAINT
    _box(
        axes, x - WIDTH / 2, y - HEIGHT / 2, WIDTH, HEIGHT, face=face, edge=edge, z=3, line=2 if data["decides"] else 1
    )
    lines = [_short(line) for line in label(data)]
    for index, line in enumerate(lines):
        main = index == (0 if data["kind"] == "caller" or len(lines) == 1 else 1)
        axes.text(
            x,
            y + 0.19 * ((len(lines) - 1) / 2 - index),
            line,
            fontsize=8 if main else 7,
            weight="bold" if main else "normal",
            color=INK,
            ha="center",
            va="center",
            zorder=5,
            parse_math=False,
        )


def _legend(axes: "Axes", graph: "nx.MultiDiGraph", left: float) -> None:
    axes.text(left, 0.5, graph.graph["title"], color=INK, fontsize=10, weight="bold", va="center", parse_math=False)
    for index, (verdict, text) in enumerate(_LEGEND):
        x = left + 1.7 * index
        style: Any = (0, (4, 2)) if Verdict(verdict) in DASHED else "solid"
        axes.plot([x, x + 0.35], [0.22, 0.22], color=COLOURS[Verdict(verdict)], linestyle=style, linewidth=1.8)
        axes.text(x + 0.42, 0.22, text, color=INK, fontsize=8, va="center")


def _box(
    axes: "Axes", x: float, y: float, width: float, height: float, *, face: str, edge: str, z: int, line: int = 1
) -> None:
    from matplotlib.patches import FancyBboxPatch

    shape = "round,pad=0,rounding_size=0.08"
    axes.add_patch(
        FancyBboxPatch((x, y), width, height, shape, facecolor=face, edgecolor=edge, linewidth=line, zorder=z)
    )


def _short(text: str) -> str:
    """A line that fits its box: the middle of a longer one is left out."""
    if len(text) <= _LETTERS:
        return text
    half = (_LETTERS - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
