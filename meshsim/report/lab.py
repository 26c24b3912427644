"""A run of the lab on paper: each moment's calls, what the model says and what the Envoys counted, and how likely that
is; then what was not sent, and why."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, final

from meshsim.live.agree import ALPHA, Category, revision
from meshsim.live.check import Compared, Outcome
from meshsim.live.course import AS_BEFORE
from meshsim.model.frozen import frozen
from meshsim.model.shares import ZERO, percent
from meshsim.report.formats import Heading, Paper
from meshsim.report.words import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

FORMATS: Final = ("table", "json", "markdown")
NARROWEST: Final = 24
AROUND: Final = 50
"""Columns that everything beside the names takes, without the numbers."""
LOOKS: Final = {"agrees": ("✔", "green"), "DISAGREES": ("✖", "bold red")}


@final
@frozen
class Line:
    """One answer of one call: who gave it, the model's share, and the share and number that Envoys counted."""

    who: str
    model: Fraction
    count: int
    of: int

    @property
    def counted(self) -> str:
        return f"{self.count:,}"

    @property
    def share(self) -> str:
        return f"{100 * self.count / self.of:.1f}".removesuffix(".0") + "%" if self.of else "—"


def answers(row: Compared, *, pods: bool = False) -> tuple[Line, ...]:
    """A row's answers, those of a revision's pods together unless `pods`."""
    model, envoy = (row.model, row.envoy) if pods else (_together(row.model), _together(row.envoy))
    names = dict.fromkeys([*model, *envoy])
    lines = [
        Line(
            who=clean(name),
            model=Fraction(model.get(name, ZERO)),
            count=int(envoy.get(name, 0)),
            of=row.counted,
        )
        for name in names
    ]
    return tuple(sorted(lines, key=lambda line: (-line.model, line.who)))


def _together(values: Mapping[Category, Any]) -> dict[Category, Any]:
    found: dict[Category, Any] = {}
    for category, value in values.items():
        name = revision(category) if isinstance(category, str) else category
        found[name] = found.get(name, 0) + value
    return found


def headline(outcome: Outcome) -> str:
    """What was run."""
    number = len(outcome.processes)
    if not number:
        return "no Envoy was needed"
    return f"{number} Envoy{'s' if number > 1 else ''} on loopback, ready in {outcome.ready:.2f} s"


def conclusion(outcome: Outcome) -> str:
    """One sentence on the whole."""
    compared, wrong = len(outcome.compared), len(outcome.disagreements)
    if not compared:
        return "nothing was compared: no call of this scenario could be sent"
    requests = sum(row.requests for row in outcome.rows)
    if wrong:
        said = f"{wrong} of {compared} disagree{'s' if wrong == 1 else ''}: the model and Envoy do not do the same"
    else:
        agreed = "the one row agrees" if compared == 1 else f"all {compared} rows agree"
        said = f"{agreed} over {requests:,} requests (exact tests, alpha {ALPHA:g} a row)"
    parts = [said]
    parts += [f"{len(outcome.inexpressible)} not sent"] * bool(outcome.inexpressible)
    parts += [f"{len(outcome.spared)} not sent again"] * bool(outcome.spared)
    return " · ".join(parts)


def printed(outcome: Outcome, heading: Heading, output: str, paper: Paper) -> str:
    """The run in one of `FORMATS`."""
    if output == "json":
        from meshsim.report.data import as_json

        return as_json(data(outcome, heading))
    if output == "markdown":
        return _markdown(outcome, heading)
    from meshsim.report.terminal.sheet import printed as sheet

    return sheet(_table(outcome, heading, paper), paper)


def text(outcome: Outcome) -> str:
    """The run as plain text."""
    return printed(outcome, Heading(), "table", Paper())


def _result(row: Compared) -> str:
    return "agrees" if row.agreement is not None and row.agreement.holds else "DISAGREES"


def _p(row: Compared) -> str:
    value = row.agreement.p if row.agreement is not None else 1.0
    return "0" if value == 0 else f"{value:.2g}" if value >= 1e-99 else "<1e-99"


def _call(row: Compared) -> str:
    path = "" if row.path == "/" else row.path
    headers = "".join(f" {name}={value}" for name, value in sorted(row.headers.items()))
    return clean(f"{row.client} → {row.to}{path}{headers}")


def _sent(row: Compared) -> str:
    """How many requests, over what, and what counts once."""
    again = ", measured again after it disagreed" if row.first else ""
    if row.unit == "connection":
        return f"{row.requests:,} requests over {row.counted:,} connections, each counted once{again}"
    kept = " over kept connections" if row.connection == "keep-alive" else ""
    return f"{row.requests:,} requests{kept}{again}"


def _table(outcome: Outcome, heading: Heading, paper: Paper) -> "Iterator[RenderableType]":
    from rich.text import Text

    from meshsim.report.terminal.sheet import indented, words

    about = " · ".join(part for part in (heading.dialect, headline(outcome)) if part)
    yield words((clean(heading.scenario), "bold"), (f" · {about}" if heading.scenario else about, "dim"))
    widths = _widths(outcome.compared)
    for phase, rows in groupby(outcome.compared, key=lambda row: row.phase):
        yield Text("")
        yield words((clean(phase), "bold"))
        for row in rows:
            yield indented(words(_call(row), (f"  {_sent(row)}", "dim")))
            yield indented(_grid(row, widths, paper), 4)
    for title, missing in (("not sent", _reasons(outcome.inexpressible)), ("not sent again", _fewer(outcome.spared))):
        if missing:
            yield Text("")
            yield words((title, "bold"))
        for call, why in missing:
            yield indented(words(call))
            yield indented(words((why, "dim")), 4)
    yield Text("")
    yield words((conclusion(outcome), "bold red" if outcome.disagreements else "bold"))


def _reasons(rows: Sequence[Compared]) -> list[tuple[str, str]]:
    """Calls and why nothing was sent, each once, however many moments it was so."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        found.setdefault((_call(row), clean(row.why)), []).append(row.phase)
    return [
        (call, why + (f" (at {len(phases)} moments)" if len(phases) > 1 else ""))
        for (call, why), phases in found.items()
    ]


def _fewer(rows: Sequence[Compared]) -> list[tuple[str, str]]:
    """How many rows were spared by reason."""
    found: dict[str, int] = {}
    for row in rows:
        why = f"{AS_BEFORE} an earlier moment" if row.spared.startswith(AS_BEFORE) else clean(row.spared)
        found[why] = found.get(why, 0) + 1
    return [(f"{number:,} row{'s' if number > 1 else ''}", why) for why, number in found.items()]


def _widths(rows: Sequence[Compared]) -> tuple[int, ...]:
    """As wide for every call, so that columns stand below each other."""
    lines = [line for row in rows for line in _shown(row)]
    return (
        max((len(line.who) for line in lines), default=0),
        max((len(percent(line.model)) for line in lines), default=0),
        max((len(line.share) for line in lines), default=0),
        max((len(line.counted) for line in lines), default=0),
    )


def _shown(row: Compared) -> tuple[Line, ...]:
    """What is shown of a row: revisions, and every pod where they disagree."""
    return answers(row, pods=_result(row) != "agrees")


def _grid(row: Compared, widths: Sequence[int], paper: Paper) -> Any:
    """One call's answers; the result stands beside the first."""
    from rich.text import Text

    from meshsim.report.terminal.sheet import grid, words

    glyph, style = LOOKS[_result(row)]
    made = grid(5)
    room = 60 if paper.width is None else max(20, paper.width - sum(widths[1:]) - 40)
    for column, width in zip(
        made.columns, (min(widths[0], room), widths[1] + 6, widths[2] + 6, widths[3], 22), strict=True
    ):
        column.min_width = width
    made.columns[3].justify = "right"
    if paper.width is not None:
        made.columns[0].max_width = min(widths[0], room)
    for number, line in enumerate(_shown(row)):
        result = words((f"{glyph} {_result(row)}" if paper.drawn else _result(row), style), (f"  p {_p(row)}", "dim"))
        worst = row.agreement is not None and not row.agreement.holds and line.who == clean(row.agreement.worst)
        made.add_row(
            Text(line.who, "red" if worst else ""),
            words(("model ", "dim"), percent(line.model).rjust(widths[1])),
            words(("Envoy ", "dim"), line.share.rjust(widths[2])),
            Text(line.counted, "dim"),
            result if number == 0 else Text("← furthest off" if worst else "", "red"),
        )
    return made


def _markdown(outcome: Outcome, heading: Heading) -> str:
    from meshsim.report.markdown import code, escaped, grid

    blocks = [f"### {escaped(clean(heading.scenario))}: real Envoys against the model", escaped(headline(outcome))]
    for phase, rows in groupby(outcome.compared, key=lambda row: row.phase):
        lines = [
            (
                code(_call(row)),
                _result(row),
                escaped(_p(row)),
                escaped("; ".join(f"{one.who}: {percent(one.model)} → {one.share}" for one in _shown(row))),
                escaped(_sent(row)),
            )
            for row in rows
        ]
        blocks += [
            f"**{escaped(clean(phase))}**",
            grid(("call", "result", "p", "answered by: model → Envoy", "sent"), lines),
        ]
    missing = [*_reasons(outcome.inexpressible), *_fewer(outcome.spared)]
    blocks.append("\n".join(f"* not sent: {escaped(call)}: {escaped(why)}" for call, why in missing))
    blocks.append(f"**{escaped(conclusion(outcome))}**")
    return "\n\n".join(block for block in blocks if block) + "\n"


def data(outcome: Outcome, heading: Heading) -> dict[str, Any]:
    """The run as plain values (`meshsim/live/v1`)."""
    return {
        "schema": "meshsim/live/v1",
        "scenario": heading.scenario,
        "dialect": heading.dialect,
        "processes": list(outcome.processes),
        "ready_seconds": round(outcome.ready, 3),
        "alpha": ALPHA,
        "agrees": not outcome.disagreements,
        "rows": [_row(row) for row in outcome.rows],
    }


def _row(row: Compared) -> dict[str, Any]:
    said: dict[str, Any] = {
        "phase": row.phase,
        "from": row.client,
        "to": row.to,
        "path": row.path,
        "headers": dict(row.headers),
        "connection": row.connection,
        "model": {str(category): str(share) for category, share in row.model.items()},
    }
    if row.agreement is None:
        return {**said, "not_sent": row.why or row.spared}
    worst = row.agreement.worst
    return {
        **said,
        "requests": row.requests,
        "unit": row.unit,
        "counted": row.counted,
        "envoy": {str(category): count for category, count in row.envoy.items()},
        "p": row.agreement.p,
        "agrees": row.agreement.holds,
        "furthest_off": None if row.agreement.holds or worst is None else str(worst),
        "measured_again": bool(row.first),
        "first": {str(category): count for category, count in row.first.items()},
        "rules": list(row.rules),
    }
