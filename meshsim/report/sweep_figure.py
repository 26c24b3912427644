"""A sweep as a heatmap: two settings as rows and columns, a panel a call; `axes` draws into anyone's own figure."""

from collections.abc import Sequence
from typing import IO, Any, Final

from meshsim.analysis.sweep import Leaf, Sweep
from meshsim.analysis.sweep_rules import matters
from meshsim.model.errors import UsageError
from meshsim.model.shares import percent
from meshsim.model.verdict import Verdict
from meshsim.report.colours import COLOURS
from meshsim.report.words import clean

REFUSED: Final = "#b8bfc6"
MOST_CALLS: Final = 12
MOST_SIDE: Final = 60
_WORST: Final = ("refused", "undetermined", "failing", "bypassed", "partial", "skewed", "elsewhere", "applied")


def draw(found: Sweep, file: str | IO[bytes], kind: str, by: Sequence[str] = ()) -> None:
    """Write the heatmaps of the first `MOST_CALLS` calls to `file` as `kind` (`svg` or `png`). `by` names the settings
    of the rows and the columns; by default the first two that matter. Raises UsageError for more values than fit."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows, columns = sides(found, by)
    calls = range(min(len(found.calls), MOST_CALLS))
    tall = 1 if rows is None else len(found.settings[rows].options)
    wide = len(found.settings[columns].options)
    size = (max(8.0, 3.5 + 1.3 * wide), (1.7 + max(0.9, 0.5 * tall)) * len(calls) + 0.6)
    with mpl.rc_context({"svg.hashsalt": "meshsim", "font.size": 9}):
        figure = Figure(figsize=size, layout="constrained")
        panels: Any = figure.subplots(len(calls), 1, squeeze=False)
        for call, (panel,) in zip(calls, panels, strict=True):
            axes(found, call, panel, (rows, columns))
        figure.suptitle(_fixed(found, rows, columns), fontsize=8, color="#57606a", wrap=True)
        figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None)


def sides(found: Sweep, by: Sequence[str] = ()) -> tuple[int | None, int]:
    """The settings of the rows (None where one setting is all) and of the columns."""
    names = [setting.name for setting in found.settings]
    for name in by:
        if name not in names:
            msg = f"{name!r} is not varied"
            raise UsageError(msg, hint=f"settings are {', '.join(names)}")
    picked = [names.index(name) for name in by]
    deciding = dict.fromkeys(i for call in range(len(found.calls)) for i in matters(found, call))
    order = list(dict.fromkeys((*picked, *sorted(deciding), *range(len(names)))))
    chosen = order[:2]
    for index in chosen:
        if len(found.settings[index].options) > MOST_SIDE:
            msg = f"{names[index]} has more than {MOST_SIDE} values, too many for a heatmap"
            raise UsageError(msg, hint="name other settings with --by, or take -o csv")
    return (chosen[0], chosen[1]) if len(chosen) == 2 else (None, chosen[0])


def axes(found: Sweep, call: int, panel: Any, by: tuple[int | None, int] | None = None) -> Any:
    """Draw one call's heatmap into matplotlib Axes and return them. Settings that are neither rows nor columns have
    their first value."""
    rows, columns = by if by is not None else sides(found)
    across = found.settings[columns].options
    down = found.settings[rows].options if rows is not None else (None,)
    point = [0] * len(found.settings)
    for y in range(len(down)):
        for x in range(len(across)):
            point[columns] = x
            if rows is not None:
                point[rows] = y
            colour, text = _cell(found.at(call, point))
            panel.add_patch(_rectangle(x, y, colour))
            panel.text(x, y, text, ha="center", va="center", color="white", fontsize=8, parse_math=False)
    panel.set_xlim(-0.5, len(across) - 0.5)
    panel.set_ylim(len(down) - 0.5, -0.5)
    panel.set_xticks(range(len(across)), [clean(one.text)[:40] for one in across])
    panel.set_yticks(range(len(down)), ["" if one is None else clean(one.text)[:40] for one in down])
    panel.set_xlabel(clean(found.settings[columns].name), parse_math=False)
    if rows is not None:
        panel.set_ylabel(_folded(clean(found.settings[rows].name)), parse_math=False)
    for side in panel.spines.values():
        side.set_visible(False)
    panel.tick_params(length=0)
    spec = found.calls[call]
    path = "" if spec.path == "/" else spec.path
    panel.set_title(clean(f"{spec.frm} → {spec.to}{path}"), loc="left", parse_math=False)
    return panel


def _folded(name: str) -> str:
    """A long name of a setting on several lines: what kind, which object, which part of it."""
    return name.replace(":", ":\n") if len(name) > 24 else name


def _rectangle(x: int, y: int, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor="white", linewidth=2)


def _cell(leaf: Leaf) -> tuple[str, str]:
    """A cell's colour and words: the worst verdict of the call's Rollouts."""
    if not leaf.rows:
        return REFUSED, "no such call"
    worst = min(leaf.rows, key=lambda row: _WORST.index(row.verdict) if row.verdict in _WORST else len(_WORST))
    if worst.refused:
        return REFUSED, "cannot be"
    share = dict(worst.effective or ()).get("canary")
    words = [worst.verdict + (" MASKED" if worst.masked else ""), "" if share is None else f"canary {percent(share)}"]
    return COLOURS[Verdict(worst.verdict)], "\n".join(word for word in words if word)


def _fixed(found: Sweep, rows: int | None, columns: int) -> str:
    others = [s for i, s in enumerate(found.settings) if i not in {rows, columns}]
    said = ", ".join(f"{one.name}={one.options[0].text}" for one in others)
    left = len(found.calls) - MOST_CALLS
    more = f" · {left} more calls are not drawn" if left > 0 else ""
    return clean(f"{found.scenario}{' · with ' + said if said else ''}{more}").replace("$", r"\$")
