"""Where live dumps contradict the manifests, for people and for machines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, final

from meshsim.analysis.drift import CallDrift, Drift
from meshsim.analysis.tabledrift import RowDrift
from meshsim.model.frozen import frozen
from meshsim.model.shares import percent
from meshsim.model.verdict import Row
from meshsim.report.formats import Paper
from meshsim.report.view import address, caller
from meshsim.report.words import clean, place, shares, when

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA: Final = "meshsim/live-diff/v1"
MANIFESTS, DUMPS = "manifests", "dumps"


@final
@frozen
class DriftView:
    """The comparison at a moment, ready to print. `lines` of a call are (what, by the manifests, by the dumps)."""

    scenario: str
    at: float | str
    weight: int | None
    drift: Drift
    every: bool

    @property
    def different(self) -> bool:
        rows = [row for call in self.drift.calls for row in call.rows] if self.every else []
        return bool(self.drift.changed or rows or self.drift.others)

    @property
    def shown(self) -> tuple[tuple[CallDrift, ...], ...]:
        """The calls that are printed, those with the same rows together."""
        groups: dict[tuple[RowDrift, ...], list[CallDrift]] = {}
        for call in self.drift.calls:
            if not call.same or (self.every and call.rows):
                groups.setdefault(call.rows, []).append(call)
        return tuple(map(tuple, groups.values()))


def view(drift: Drift, scenario: str, at: float | str, weight: int | None, *, every: bool) -> DriftView:
    """The comparison in words."""
    return DriftView(scenario=clean(scenario), at=at, weight=weight, drift=drift, every=every)


def printed(found: DriftView, output: str, paper: Paper) -> str:
    """The comparison as table, json or markdown."""
    if output == "json":
        from meshsim.report.data import as_json

        return as_json(plain(found))
    if output == "markdown":
        return "\n".join(_markdown(found)) + "\n"
    from meshsim.report.terminal.sheet import printed as sheet

    return sheet(_sheet(found), paper)


def headline(found: DriftView) -> str:
    """One sentence on the whole."""
    changed, calls = len(found.drift.changed), len(found.drift.calls)
    moment = when(found.at, found.weight)
    if changed:
        verb = "gets" if changed == 1 else "get"
        return f"{found.scenario}, {moment}: {changed} of {calls} calls {verb} something else than the manifests say"
    rows = len({row for call in found.drift.calls for row in call.rows} | set(found.drift.others))
    many = "1 row of tables differs" if rows == 1 else f"{rows} rows of tables differ"
    rest = f"; {many}" if found.every and rows else ""
    return f"{found.scenario}, {moment}: all {calls} calls get what the manifests say{rest}"


def told(row: Row | None) -> dict[str, str]:
    """What a call gets, in words."""
    if row is None:
        return {"verdict": "no such call"}
    said = row.verdict.value + (" MASKED" if row.masked else "")
    found = {"verdict": " ".join((said, *row.reasons))}
    if row.effective is None:
        found["shares"] = "?"
    elif row.rollout is None:
        found["shares"] = f"{percent(row.effective.error)} fail" if row.effective.error else "all answered"
    else:
        parts = (
            ("stable", row.effective.stable),
            ("canary", row.effective.canary),
            ("other", row.effective.other),
            ("fail", row.effective.error),
        )
        found["shares"] = shares(parts)
    found["clusters"] = shares(row.clusters.items()) or "none"
    found["decided by"] = clean(row.decided_by or "no Envoy")
    return found


def _lines(call: CallDrift) -> Iterator[tuple[str, str, str]]:
    one, other = told(call.model), told(call.held)
    for what in dict.fromkeys((*one, *other)):
        mine, theirs = one.get(what, ""), other.get(what, "")
        if mine != theirs or what == "verdict":
            yield what, mine, theirs


def _title(call: CallDrift) -> str:
    row = call.held or call.model
    assert row is not None
    rollout = f"  Rollout {clean(row.rollout)}" if row.rollout else ""
    return f"{caller(row)} → {address(row)}{rollout}"


def _notes(call: CallDrift) -> tuple[str, ...]:
    """What leaves a call open on the dumps' side."""
    return call.held.notes if call.held is not None and call.held.effective is None else ()


def _blame(group: Sequence[CallDrift]) -> str:
    rows = group[0].rows
    if not rows:
        return "no row of a dumped table differs on the way"
    return f"{'these rows differ' if len(rows) > 1 else 'this row differs'} on the way:"


def _sheet(found: DriftView) -> "Iterator[RenderableType]":
    from rich.text import Text

    from meshsim.report.terminal.sheet import grid, indented

    yield Text(headline(found), "bold")
    for group in found.shown:
        for call in group:
            yield Text("")
            yield Text(_title(call))
            made = grid(3, header=("", f"by the {MANIFESTS}", f"by the {DUMPS}"))
            for what, mine, theirs in _lines(call):
                made.add_row(Text(what, "dim"), Text(mine), Text(theirs, "" if mine == theirs else "yellow"))
            yield indented(made)
            yield from (indented(Text(clean(note), "magenta")) for note in _notes(call))
        yield Text("")
        yield Text(_blame(group), "dim")
        yield from map(indented, _rows(group[0].rows))
    if found.drift.others:
        yield Text("")
        yield Text("rows that no call reads:", "dim")
        yield from map(indented, _rows(found.drift.others))


def _rows(rows: Sequence[RowDrift]) -> "Iterator[RenderableType]":
    from rich.text import Text

    from meshsim.report.terminal.sheet import indented, labelled

    for row in rows:
        yield Text(f"{row.table}  {clean(row.holder)}  {clean(row.key)}")
        for name, said, at in ((MANIFESTS, row.model, row.model_at), (DUMPS, row.held, row.held_at)):
            text = Text(clean(said), "yellow" if name == DUMPS else "")
            where = place(at).removeprefix("dumped: ")
            if where:
                text.append(f"  {where}", "dim")
            yield indented(labelled(name.ljust(len(MANIFESTS)), text))


def _markdown(found: DriftView) -> Iterator[str]:
    from meshsim.report.markdown import escaped

    yield f"**{escaped(headline(found))}**"
    for group in found.shown:
        for call in group:
            yield from ("", f"### {escaped(_title(call))}", "")
            yield from (f"| | by the {MANIFESTS} | by the {DUMPS} |", "|---|---|---|")
            yield from (f"| {' | '.join(map(escaped, cells))} |" for cells in _lines(call))
            yield from (f"\n{escaped(clean(note))}" for note in _notes(call))
        yield from ("", _blame(group).capitalize(), "")
        yield from _markdown_rows(group[0].rows)
    if found.drift.others:
        yield from ("", "### Rows that no call reads", "")
        yield from _markdown_rows(found.drift.others)


def _markdown_rows(rows: Sequence[RowDrift]) -> Iterator[str]:
    from meshsim.report.markdown import escaped

    if not rows:
        return
    yield f"| table | proxy | row | by the {MANIFESTS} | by the {DUMPS} |"
    yield "|---|---|---|---|---|"
    for row in rows:
        sides = [
            f"{escaped(clean(said))}{f' ({escaped(place(at))})' if at is not None else ''}"
            for said, at in ((row.model, row.model_at), (row.held, row.held_at))
        ]
        yield f"| {row.table} | {escaped(row.holder)} | {escaped(row.key)} | {' | '.join(sides)} |"


def plain(found: DriftView) -> Mapping[str, Any]:
    """Plain values for JSON."""
    return {
        "schema": SCHEMA,
        "scenario": found.scenario,
        "at": found.at,
        "same": not found.different,
        "calls": [_call(call) for call in found.drift.calls],
        **({"others": [_row(row) for row in found.drift.others]} if found.every else {}),
    }


def _call(call: CallDrift) -> Mapping[str, Any]:
    from meshsim.report.data import row as as_row

    there = call.held or call.model
    assert there is not None
    sides: dict[str, dict[str, Any] | None] = {}
    for name, side in ((MANIFESTS, call.model), (DUMPS, call.held)):
        said = as_row(side) if side is not None else None
        if said is not None:
            said.pop("trace", None)
        sides[name] = said
    return {
        "from": there.frm, "to": there.to, "path": there.path, "rollout": there.rollout, "same": call.same, **sides,
        "rows": [_row(row) for row in call.rows],
    }  # fmt: skip


def _row(row: RowDrift) -> Mapping[str, Any]:
    return {
        "table": row.table,
        "proxy": row.holder,
        "row": row.key,
        "manifests": {"is": row.model, "at": place(row.model_at) or None},
        "dumps": {"is": row.held, "at": place(row.held_at).removeprefix("dumped: ") or None},
    }
