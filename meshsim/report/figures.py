"""Figures with matplotlib: shares over time, a lane a client, steps and events marked, errors unmistakable."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from meshsim.model.timeline import Lane, Showing, Span, Timeline
from meshsim.report.labels import Rows, Ruler, first_fitting
from meshsim.report.timeline import moment
from meshsim.report.words import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STABLE, CANARY, OTHER, ERROR, OPEN = "#d5dee6", "#1f7a8c", "#e6b35a", "#c8102e", "#f0f0f0"
UNGOVERNED: Final = "#dedad2"
"""Stable is pale, the canary is what one looks for, errors are red and hatched: also without colour."""
INK, FAINT = "#26323c", "#7b8894"
PHASES: Final = {"Healthy": "#cfe8d5", "Paused": "#fbe7b6", "Progressing": "#cfe2f5", "Degraded": "#f3c4c4"}
_WIDTH, _LANE, _TOP, _ROW = 12.0, 0.78, 1.0, 0.17
"""Inches: the figure, a lane, the panel of weights, a row of labels."""
_RULED: Final = 630.0
"""Points that the axis of time takes of the figure's width."""
_SMALL, _TINY = 7.5, 6.5


def draw(found: Timeline, axes: "Sequence[Axes] | None" = None) -> "tuple[Axes, ...]":
    """The timeline as one panel for the Rollouts and one for each lane; the Axes, to be worked on.

    `axes` are those to draw on (one more than there are lanes); by default a new figure's.
    """
    end = _end(found)
    ruler = Ruler(seconds=end, points=_RULED)
    rows = Rows()
    placed = [_above(t, text, ruler, rows) for t, text in reversed(_entries(found))]
    if axes is None:
        axes = _figure(found, rows.count)
    top, *rest = axes
    _weights(found, top, ruler)
    for index, panel in enumerate(rest):
        _lane(found.lanes[index], panel, ruler, several=_shared(found, found.lanes[index]))
    _events(found, axes, placed)
    for panel in axes:
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
        panel.tick_params(labelsize=_SMALL, colors=INK, length=2.5)
    axes[-1].xaxis.set_major_formatter(lambda value, _: moment(round(value, 6)))
    return tuple(axes)


def image(found: Timeline, form: str = "png") -> bytes:
    """The figure as a PNG or SVG file. Equal timelines give equal files."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "meshsim", "svg.fonttype": "none"}):
        axes = draw(found)
        written = BytesIO()
        figure: Any = axes[0].figure
        figure.savefig(written, format=form, metadata={"Date": None} if form == "svg" else {"Software": None}, dpi=130)
    return written.getvalue()


def _figure(found: Timeline, rows: int) -> "list[Axes]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lanes, strips = len(found.lanes), len(found.rollouts)
    top = _TOP + 0.2 * strips
    figure = Figure(figsize=(_WIDTH, 1.15 + _ROW * rows + top + _LANE * lanes), layout="constrained")
    FigureCanvasAgg(figure)
    title = figure.suptitle(f"{clean(found.scenario)}\n", x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    title.set_linespacing(0.6)
    made: Any = figure.subplots(1 + lanes, 1, sharex=True, squeeze=False, height_ratios=[top] + [_LANE] * lanes)
    figure.legend(handles=legend_handles(), loc="outside lower center", ncols=7, fontsize=_SMALL, frameon=False)
    return list(made[:, 0])


def _end(found: Timeline) -> float:
    """A little beyond the last thing that happened, so that what holds from then on is seen."""
    last = max([found.end, *(span.start for lane in found.lanes for span in lane.spans)], default=0.0)
    return (last or 1.0) * 1.08


def _weights(found: Timeline, panel: "Axes", ruler: Ruler) -> None:
    """What every Rollout wants and what its CLI prints as SetWeight; below, its steps and phases."""
    height = 26
    for number, rollout in enumerate(found.rollouts):
        shown = [one for one in found.showings if one.rollout == rollout]
        times = [one.t for one in shown] + [ruler.seconds]
        colour = CANARY if number == 0 else f"C{number}"
        wanted = [100 * float(one.desired) for one in shown]
        panel.step(times, [*wanted, wanted[-1]], where="post", color=colour, lw=1.8)
        weights = [float(one.set_weight or 0) for one in shown]
        panel.step(times, [*weights, weights[-1]], where="post", color=colour, lw=1.0, linestyle=(0, (1, 2)))
        middle = -10 - height * (number + 0.5)
        _phases(panel, _settled(shown), ruler, middle, height - 4)
        panel.annotate(
            clean(rollout),
            (0, middle),
            xycoords=("axes fraction", "data"),
            xytext=(-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=_SMALL,
            color=colour,
            fontweight="bold",
            annotation_clip=False,
        )
    panel.set_ylim(-12 - height * len(found.rollouts), 106)
    panel.set_yticks([0, 50, 100], ["0", "50", "100 %"])
    panel.spines["left"].set_bounds(0, 100)


def _settled(shown: Sequence[Showing]) -> list[Showing]:
    """What is shown at the end of each instant, where its step or phase is another one."""
    last: dict[float, Showing] = {one.t: one for one in shown}
    kept: list[Showing] = []
    for one in last.values():
        if not kept or (kept[-1].step, kept[-1].phase) != (one.step, one.phase):
            kept.append(one)
    return kept


def _phases(panel: "Axes", shown: Sequence[Showing], ruler: Ruler, middle: float, height: float) -> None:
    """One Rollout's steps and phases as a strip."""
    for index, one in enumerate(shown):
        stop = shown[index + 1].t if index + 1 < len(shown) else ruler.seconds
        panel.broken_barh(
            [(one.t, stop - one.t)],
            (middle - height / 2, height),
            facecolor=PHASES.get(one.phase, OPEN),
            edgecolor="white",
            lw=0.8,
        )
        texts = (f"step {one.step} {one.phase}".replace("step  ", ""), one.step, one.phase if not one.step else "")
        text = first_fitting(texts, stop - one.t, lambda words: ruler.width(words, _TINY))
        if text:
            panel.text((one.t + stop) / 2, middle, text, ha="center", va="center", fontsize=_TINY, color=INK)


def _shared(found: Timeline, lane: Lane) -> bool:
    """Whether several Rollouts have a lane of the same call."""
    return sum((one.caller, one.to, one.path) == (lane.caller, lane.to, lane.path) for one in found.lanes) > 1


def _lane(lane: Lane, panel: "Axes", ruler: Ruler, *, several: bool) -> None:
    """A client's shares, stacked; errors on top, red and hatched, named with their code; a line for what is wanted."""
    rows = Rows()
    for span in lane.spans:
        stop = ruler.seconds if span.end is None else span.end
        if stop > span.start:
            _share(span, stop, panel, ruler, rows)
    _wanted(lane, panel, ruler.seconds)
    panel.set_ylim(0, 100)
    panel.set_xlim(0, ruler.seconds)
    panel.set_yticks([0, 100], ["0", "100 %"])
    path = clean(lane.path) if lane.path != "/" else ""
    how = clean(lane.caller.removeprefix(lane.frm)).strip().replace("$", r"\$")
    label = f"$\\bf{{{_bold(lane.frm)}}}$" + (f"\n{how}" if how else "") + f"\n→ {clean(lane.to)}{path}"
    if several:
        label += f"\nfor {clean(lane.rollout or '')}"
    panel.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=_SMALL, color=INK)


def _bold(text: str) -> str:
    """A name as bold mathtext, whose special characters are taken as they are."""
    return "".join(f"\\{letter}" if letter in "_#%&${}" else letter for letter in clean(text)).replace("-", "{-}")


def _share(span: Span, stop: float, panel: "Axes", ruler: Ruler, rows: Rows) -> None:
    effective = span.row.effective
    middle = (span.start + stop) / 2
    if effective is None:
        panel.axvspan(span.start, stop, facecolor=OPEN, hatch="..", edgecolor=FAINT, lw=0)
        panel.text(middle, 50, "undetermined", ha="center", va="center", fontsize=_TINY, color=INK, clip_on=True)
        return
    base = 0.0
    other = OTHER if span.row.desired is not None else UNGOVERNED
    for name, colour in (("canary", CANARY), ("other", other), ("stable", STABLE), ("error", ERROR)):
        share = 100 * float(getattr(effective, name))
        if share:
            hatch = "xxx" if name == "error" else "///" if span.stale else None
            edge = "white" if hatch else "none"
            panel.fill_between(
                [span.start, stop], base, base + share, facecolor=colour, hatch=hatch, edgecolor=edge, lw=0
            )
            base += share
    if effective.error:
        _error(span, stop, panel, ruler, rows)
        return
    words = "masked" if span.row.masked else span.row.verdict.value
    reasons = " ".join(span.row.reasons)
    text = first_fitting(
        (f"{words} {reasons}".strip(), words), stop - span.start, lambda w: ruler.width(w, _TINY) * 1.1
    )
    if text:
        ink = "white" if effective.canary > 0.8 else INK
        panel.text(middle, 86, text, ha="center", va="center", fontsize=_TINY, fontstyle="italic", color=ink)


def _error(span: Span, stop: float, panel: "Axes", ruler: Ruler, rows: Rows) -> None:
    """The label of an error, and a mark that is seen however short it is."""
    assert span.row.effective is not None
    codes = "/".join(sorted({error.code for error in span.row.errors}))
    share = span.row.effective.error
    text = f"{codes} errors" + ("" if share == 1 else f" {float(share):.0%}")
    half = ruler.width(text, _SMALL) / 2 * 1.15
    middle = min((span.start + stop) / 2, ruler.seconds - half)
    row = rows.place(middle - half, middle + half)
    panel.axvline(span.start, color=ERROR, lw=1.6)
    panel.text(
        middle,
        (50, 80, 20)[row % 3],
        text,
        ha="center",
        va="center",
        fontsize=_SMALL,
        fontweight="bold",
        color="white",
        bbox={"facecolor": ERROR, "edgecolor": "white", "lw": 0.6, "pad": 1.8},
        clip_on=True,
        zorder=5,
    )


def _wanted(lane: Lane, panel: "Axes", end: float) -> None:
    """The canary share that the Rollout wants, as a line over what the client gets."""
    for span in lane.spans:
        if span.row.desired is not None:
            level = 100 * float(span.row.desired["canary"])
            stop = end if span.end is None else span.end
            panel.plot([span.start, stop], [level, level], color=INK, lw=1.4, solid_capstyle="butt", clip_on=False)


def _entries(found: Timeline) -> list[tuple[float, str]]:
    """(instant, words) of everything that a user, GitOps or a fault did."""
    entries: dict[float, list[str]] = {}
    for one in found.happened:
        if one.kind == "entry":
            entries.setdefault(one.t, []).append(_verb(one.what))
    return [(t, f"{moment(t)} {', '.join(dict.fromkeys(words))}") for t, words in sorted(entries.items())]


def _verb(what: str) -> str:
    """An entry as a label: its verb and the last part of what it is about."""
    verb, _, rest = clean(what).split(" (")[0].partition(" ")
    scheme, colon, place = rest.rpartition(":")
    return f"{verb} {scheme} {place.rpartition('/')[2]}" if colon else f"{verb} {rest.rpartition('/')[2]}"


def _above(t: float, text: str, ruler: Ruler, rows: Rows) -> tuple[float, str, int]:
    """(instant, words, row) of a label over the figure, right of its line."""
    return t, text, rows.place(t, t + ruler.width(text, _SMALL) * 1.05, stem=t)


def _events(found: Timeline, axes: "Sequence[Axes]", placed: Sequence[tuple[float, str, int]]) -> None:
    """A line at every entry, with its words above, and a faint one where a Rollout's step changes."""
    steps = {
        one.t for rollout in found.rollouts for one in _settled([s for s in found.showings if s.rollout == rollout])
    }
    for panel in axes:
        for t in sorted(steps - {t for t, *_ in placed} - {0.0}):
            panel.axvline(t, color=FAINT, linewidth=0.5, linestyle=(0, (4, 3)))
        for t, *_ in placed:
            panel.axvline(t, color=INK, linewidth=0.8)
    for t, text, row in placed:
        axes[0].annotate(
            f" {text}",
            (t, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4 + 72 * _ROW * row),
            textcoords="offset points",
            fontsize=_SMALL,
            color=INK,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": INK,
                "lw": 0.5,
                "shrinkA": 0,
                "shrinkB": 0,
                "relpos": (0, 0),
            },
        )


def legend_handles() -> list[Any]:
    """The names of the colours and lines, for a legend of the reader's choice."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = (("stable", STABLE), ("canary", CANARY), ("another revision", OTHER))
    handles: list[Any] = [Patch(facecolor=colour, label=name) for name, colour in names]
    handles.append(Patch(facecolor=ERROR, edgecolor="white", hatch="xxx", lw=0, label="errors"))
    handles.append(Patch(facecolor="white", edgecolor=FAINT, hatch="///", label="a proxy is late"))
    handles.append(Line2D([], [], color=INK, lw=1.4, label="canary share wanted"))
    handles.append(Line2D([], [], color=INK, lw=1.0, linestyle=(0, (1, 2)), label="SetWeight"))
    return handles
