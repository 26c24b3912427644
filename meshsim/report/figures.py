"""Figures with matplotlib: shares over time, a lane a client, steps and events marked, errors unmistakable."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from meshsim.model.timeline import Lane, Showing, Timeline
from meshsim.report.timeline import moment
from meshsim.report.words import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STABLE, CANARY, OTHER, ERROR, OPEN = "#c9d4dd", "#2a7f9e", "#e0b040", "#c8102e", "#eeeeee"
"""Stable is pale, the canary is what one looks for, errors are red and hatched: also without colour."""
_LANE_HEIGHT: Final = 0.9
_MOST_EVENTS: Final = 14


def draw(found: Timeline, axes: "Sequence[Axes] | None" = None) -> "tuple[Axes, ...]":
    """The timeline as one panel for the Rollouts and one for each lane; the Axes, to be worked on.

    `axes` are those to draw on (one more than there are lanes); by default a new figure's.
    """
    if axes is None:
        axes = _figure(clean(found.scenario), len(found.lanes))
    top, *rest = axes
    end = _end(found)
    _weights(found, top, end)
    for lane, panel in zip(found.lanes, rest, strict=True):
        _lane(lane, panel, end)
    _events(found, axes)
    axes[-1].set_xlabel("seconds")
    if rest:
        legend(rest[0])
    return tuple(axes)


def image(found: Timeline, form: str = "png") -> bytes:
    """The figure as a PNG or SVG file. Equal timelines give equal files."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "meshsim", "svg.fonttype": "none"}):
        axes = draw(found)
        written = BytesIO()
        figure: Any = axes[0].figure
        figure.savefig(written, format=form, metadata={"Date": None} if form == "svg" else {"Software": None}, dpi=120)
    return written.getvalue()


def _figure(title: str, lanes: int) -> "list[Axes]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2.2 + _LANE_HEIGHT * max(lanes, 1)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    made: Any = figure.subplots(1 + lanes, 1, sharex=True, squeeze=False, height_ratios=[1.6] + [1.0] * lanes)
    return list(made[:, 0])


def _end(found: Timeline) -> float:
    """A little beyond the last thing that happened, so that what holds from then on is seen."""
    last = max([found.end, *(span.start for lane in found.lanes for span in lane.spans)], default=0.0)
    return (last or 1.0) * 1.08


def _weights(found: Timeline, panel: "Axes", end: float) -> None:
    """What every Rollout wants, and what its CLI prints as SetWeight."""
    for number, rollout in enumerate(found.rollouts):
        shown = [one for one in found.showings if one.rollout == rollout]
        times = [one.t for one in shown] + [end]
        colour = f"C{number}"
        wanted = [100 * float(one.desired) for one in shown]
        panel.step(times, [*wanted, wanted[-1]], where="post", color=colour, label=f"{clean(rollout)} wants")
        weights = [float(one.set_weight or 0) for one in shown]
        panel.step(times, [*weights, weights[-1]], where="post", color=colour, linestyle=":", label="SetWeight")
    panel.set_ylim(-4, 108)
    panel.set_ylabel("canary %")
    if found.rollouts:
        panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6.5, frameon=False)


def _lane(lane: Lane, panel: "Axes", end: float) -> None:
    """A client's shares, stacked; errors on top, red and hatched, named with their code."""
    for span in lane.spans:
        stop = end if span.end is None else span.end
        if stop <= span.start:
            continue
        effective = span.row.effective
        if effective is None:
            panel.axvspan(span.start, stop, facecolor=OPEN, hatch="..", edgecolor="grey")
            panel.text((span.start + stop) / 2, 50, "undetermined", ha="center", va="center", fontsize=7)
            continue
        base = 0.0
        for name, colour in (("canary", CANARY), ("other", OTHER), ("stable", STABLE), ("error", ERROR)):
            share = 100 * float(getattr(effective, name))
            if not share:
                continue
            hatch = "xxx" if name == "error" else "///" if span.stale else None
            edge = "white" if hatch else "none"
            span_of = [span.start, stop]
            panel.fill_between(span_of, base, base + share, facecolor=colour, hatch=hatch, edgecolor=edge, lw=0)
            base += share
        if effective.error:
            codes = "/".join(sorted({error.code for error in span.row.errors}))
            panel.text(
                (span.start + stop) / 2,
                100 - 50 * float(effective.error),
                f"{codes} errors",
                ha="center",
                va="center",
                fontsize=7,
                fontweight="bold",
                color="white",
                bbox={"facecolor": ERROR, "edgecolor": "none", "pad": 1.5},
                clip_on=True,
            )
            panel.axvspan(span.start, stop, ymin=0.97, facecolor=ERROR)
        elif span.row.masked:
            panel.text((span.start + stop) / 2, 50, "masked", ha="center", va="center", fontsize=7, fontstyle="italic")
    panel.set_ylim(0, 100)
    panel.set_xlim(0, end)
    panel.set_yticks([0, 50, 100])
    panel.set_ylabel(f"{clean(lane.frm)}\n→ {clean(lane.to)}", rotation=0, ha="right", va="center", fontsize=7)


def _events(found: Timeline, axes: "Sequence[Axes]") -> None:
    """A line at everything a user, GitOps or a fault did, and where a Rollout's step changes."""
    entries: dict[float, str] = {}
    for one in found.happened:
        if one.kind == "entry":
            entries[one.t] = "; ".join(filter(None, (entries.get(one.t), _verb(one.what))))
    steps = sorted({one.t for one in found.showings if one.t} - entries.keys())
    for panel in axes:
        for t in entries:
            panel.axvline(t, color="black", linewidth=0.8)
        for t in steps:
            panel.axvline(t, color="grey", linewidth=0.5, linestyle="--")
    for t, text in list(entries.items())[:_MOST_EVENTS]:
        axes[0].annotate(
            f"{moment(t)} {text}",
            (t, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            rotation=20,
            fontsize=6.5,
            annotation_clip=False,
        )
    for showing in _new_steps(found):
        axes[0].annotate(
            f"step {showing.step}",
            (showing.t, 0.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, 2),
            textcoords="offset points",
            fontsize=6,
            color="dimgrey",
        )


def _verb(what: str) -> str:
    """An entry as a label: its verb and the last part of what it is about."""
    verb, _, rest = clean(what).split(" (")[0].partition(" ")
    return f"{verb} {rest if ':' in rest else rest.rpartition('/')[2]}"


def _new_steps(found: Timeline) -> list[Showing]:
    """Where a Rollout's step is another one at the end of an instant."""
    last: dict[tuple[str, float], Showing] = {(one.rollout, one.t): one for one in found.showings}
    steps: dict[str, str] = {}
    fresh = []
    for showing in last.values():
        if showing.step and steps.get(showing.rollout) != showing.step:
            steps[showing.rollout] = showing.step
            fresh.append(showing)
    return fresh


def legend(axes: "Axes") -> None:
    """Names of the colours, on an Axes of the reader's choice."""
    from matplotlib.patches import Patch

    names = (("stable", STABLE), ("canary", CANARY), ("another revision", OTHER), ("errors", ERROR))
    handles = [Patch(facecolor=colour, label=name, hatch="xxx" if name == "errors" else None) for name, colour in names]
    handles.append(Patch(facecolor="white", edgecolor="grey", hatch="///", label="a proxy is late"))
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6.5, frameon=False)
