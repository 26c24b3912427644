"""A sample as a figure: how many requests each version got beside what was to be expected, and its share over time."""

from collections.abc import Sequence
from typing import IO, Any, Final

from meshsim.analysis.sampling import Sample
from meshsim.analysis.sampling_time import LaneSample
from meshsim.report.words import clean

MOST_POINTS: Final = 400
"""Moments at which the running share is drawn."""
MOST_REQUESTS: Final = 1_000_000
"""Requests whose order is drawn: the first so many."""
SUFFIXES: Final = (".svg", ".png", ".pdf")
File = str | IO[bytes]


def draw(samples: Sequence[Sample], file: File, kind: str, rate: float | None = None) -> None:
    """Write one row of two panels for each client to `file` as `kind` (`svg`, `png` or `pdf`). `rate`, in requests a
    second, turns the number of a request into seconds. Raises OSError where the file cannot be written."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = [one for one in samples if not one.why_not]
    with mpl.rc_context({"svg.hashsalt": "meshsim", "font.size": 9}):
        figure = Figure(figsize=(11, 3.2 * max(len(shown), 1)), layout="constrained")
        panels: Any = figure.subplots(max(len(shown), 1), 2, squeeze=False)
        for one, (left, right) in zip(shown, panels, strict=False):
            _histogram(left, one)
            _over_time(right, one, rate)
        figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None)


def draw_over_time(lanes: Sequence[LaneSample], file: File, kind: str) -> None:
    """Write each client's shares over the timeline to `file`: what was drawn in each interval as a line, the exact
    share dotted. Raises OSError where the file cannot be written."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "meshsim", "font.size": 9}):
        figure = Figure(figsize=(11, 2.6 * max(len(lanes), 1)), layout="constrained")
        panels: Any = figure.subplots(max(len(lanes), 1), 1, squeeze=False)
        for lane, (panel,) in zip(lanes, panels, strict=False):
            _shares_over_time(panel, lane)
        figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None)


def _shares_over_time(panel: Any, lane: LaneSample) -> None:
    names = sorted({name for span in lane.spans for name in span.shares})
    for number, name in enumerate(names):
        for place, span in enumerate(lane.spans):
            drawn = sum(span.counts.values())
            colour, label = f"C{number}", _short(name) if place == 0 else None
            seen = span.counts.get(name, 0) / drawn if drawn else float("nan")
            panel.hlines(seen, span.start, span.stop, color=colour, label=label)
            panel.hlines(float(span.shares.get(name, 0)), span.start, span.stop, color=colour, linestyle=":")
    _expected(panel)
    panel.set_title(f"{clean(lane.frm)} → {clean(lane.to)}", loc="left")
    panel.set_xlabel("seconds")
    panel.set_ylabel("share")
    panel.set_ylim(-0.02, 1.02)
    panel.legend(frameon=False)


def _histogram(panel: Any, one: Sample) -> None:
    tallies = sorted(one.by("version"), key=lambda tally: tally.name)
    names = [_short(tally.name) for tally in tallies]
    panel.bar(names, [tally.count for tally in tallies], color="#4c78a8", label="requests")
    expected = [float(tally.share) * one.requests for tally in tallies]
    places = range(len(names))
    ends = [place - 0.2 for place in places], [place + 0.2 for place in places]
    panel.hlines(expected, *ends, color="#e45756", linewidth=2, label="expected")
    first = one.rows[0]
    panel.set_title(f"{clean(first.frm)} → {clean(first.to)}: {first.verdict.value}", loc="left")
    panel.set_ylabel(f"of {one.requests:,} requests")
    panel.legend(frameon=False)


def _over_time(panel: Any, one: Sample, rate: float | None) -> None:
    """The running share of each version, with its exact value."""
    count = min(one.requests, MOST_REQUESTS)
    labels = one.labels(count)
    names = [leaf.error or leaf.version for leaf in one.leaves]
    points = sorted({max(1, round(count * (i + 1) / MOST_POINTS)) for i in range(MOST_POINTS)}) if count else []
    for number, tally in enumerate(sorted(one.by("version"), key=lambda tally: tally.name)):
        hits, shares, begin = 0, [], 0
        members = [names[leaf] == tally.name for leaf in range(len(names))]
        for end in points:
            hits += sum(members[label] for label in labels[begin:end])
            shares.append(hits / end)
            begin = end
        moments = [point / rate for point in points] if rate else points
        panel.plot(moments, shares, color=f"C{number}", label=_short(tally.name))
        panel.axhline(float(tally.share), color=f"C{number}", linestyle=":", linewidth=1)
    _expected(panel)
    if one.draws < one.requests:
        panel.set_title(f"{one.draws:,} × {one.unit}", loc="right")
    panel.set_ylim(-0.02, 1.02)
    panel.set_xlabel("seconds" if rate else "requests")
    panel.set_ylabel("share so far")
    panel.legend(frameon=False)


def _expected(panel: Any) -> None:
    """What dotted lines are."""
    panel.plot([], [], color="0.4", linestyle=":", label="expected")


def _short(name: str) -> str:
    """An image without its registry."""
    return clean(name.rpartition("/")[2])
