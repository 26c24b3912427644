"""What changed between two scenarios, as people and machines read it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, final

from meshsim.analysis.compare import Change, Difference
from meshsim.mesh.differences import Edit, FieldChange
from meshsim.model.evidence import Evidence, Source
from meshsim.model.frozen import frozen
from meshsim.model.verdict import SEVERITY, Row, Verdict
from meshsim.report.formats import Paper
from meshsim.report.view import Cell, address, caller, cell
from meshsim.report.words import clean, when
from meshsim.scenario.scenario import Scenario

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA: Final = "meshsim/diff/v1"
MOST_FIELDS: Final = 6
_PARTS: Final = ("calls", "timeline", "timing", "propagation", "traffic")


@final
@frozen
class ChangeView:
    """One call that changes. Cells are None on the side where the call is missing."""

    call: str
    rollout: str
    moment: str
    old: Cell | None
    new: Cell | None
    gone: tuple[str, ...]
    come: tuple[str, ...]
    blame: str
    edits: tuple[Edit, ...]
    worse: bool
    change: Change


@final
@frozen
class DifferenceView:
    """The whole comparison. `notes` say what else differs."""

    old: str
    new: str
    changes: tuple[ChangeView, ...]
    calls: int
    edits: int
    notes: tuple[str, ...]
    roots: Mapping[str, str]


def view(
    found: Difference, old: Scenario, new: Scenario, old_name: str, new_name: str, roots: Mapping[str, str]
) -> DifferenceView:
    """The comparison in words. `roots` maps temporary directories to the revisions they stand for."""
    parts = [part for part in _PARTS if getattr(old, part) != getattr(new, part)]
    if "calls" in parts and not _calls(old, new):
        parts.remove("calls")
    notes = (f"the scenarios differ in {', '.join(parts)}",) if parts else ()
    return DifferenceView(
        old=clean(old_name),
        new=clean(new_name),
        changes=tuple(_change(one, notes) for one in found.changes),
        calls=found.calls,
        edits=len(found.edits),
        notes=notes,
        roots=roots,
    )


def _calls(old: Scenario, new: Scenario) -> bool:
    """Whether the calls differ in more than the lines they stand on."""
    said = [
        [(one.frm, one.to, one.path, tuple(one.headers.items()), one.connection) for one in side.calls]
        for side in (old, new)
    ]
    return said[0] != said[1]


def _change(one: Change, notes: tuple[str, ...]) -> ChangeView:
    there = one.new or one.old
    assert there is not None
    old, new = (row.reasons if row is not None else () for row in (one.old, one.new))
    if len(one.because) == 1:
        blame = "because of"
    elif one.because:
        blame = "because of these together"
    elif not one.tried:
        blame = "too much differs to try what is to blame"
    else:
        blame = "no object or setting is to blame" + (f": {notes[0]}" if notes else "")
    return ChangeView(
        call=f"{caller(there)} → {address(there)}",
        rollout=clean(there.rollout) if there.rollout else "",
        moment=one.at if one.at == "at rest" else when(one.at),
        old=cell(one.old) if one.old is not None else None,
        new=cell(one.new) if one.new is not None else None,
        gone=tuple(code for code in old if code not in new),
        come=tuple(code for code in new if code not in old),
        blame=blame,
        edits=one.because,
        worse=_severity(one.new) > _severity(one.old),
        change=one,
    )


def _severity(row: Row | None) -> int:
    """Worse is higher; not to know is worse than to know it is applied."""
    if row is None:
        return 0
    return 2 * SEVERITY.get(row.verdict, 0) + (row.verdict is Verdict.UNDETERMINED)


def place(evidence: Evidence | None, roots: Mapping[str, str]) -> str:
    """Where something stands, with a revision's name in place of the directory that stood for it."""
    if evidence is None:
        return ""
    if isinstance(evidence, Source):
        for root, name in roots.items():
            if evidence.path.startswith(root):
                inside = evidence.path[len(root) :].lstrip("/")
                return clean(f"{name.partition(':')[0]}:{inside}" + (f":{evidence.line}" if evidence.line else ""))
    return clean(evidence)


def shown(value: Any) -> str:
    """A value of a manifest on one short line."""
    import json

    text = "absent" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)
    text = clean(text) or '""'
    return text if len(text) <= 60 else text[:57] + "…"


def told(one: FieldChange, roots: Mapping[str, str]) -> tuple[str, str]:
    """A field's change, and where to look: in NEW where it is there, else in OLD."""
    path = clean(one.path)
    text = f"{path}: {shown(one.old)} → {shown(one.new)}" if path else ""
    there = one.new_at if one.new is not None or one.old_at is None else one.old_at
    return text, place(there, roots)


def headline(one: ChangeView) -> str:
    """`bypassed masked → applied`."""
    return f"{_named(one.old)} → {_named(one.new)}"


def _named(side: Cell | None) -> str:
    return f"{side.verdict}{' masked' if side.masked else ''}" if side is not None else "no such call"


def canary(one: ChangeView) -> str:
    """What the canary gets, before and after."""
    sides = [side.change if side is not None else "–" for side in (one.old, one.new)]
    return sides[0] if sides[0] == sides[1] else f"{sides[0]}, then {sides[1]}"


def summary(found: DifferenceView) -> str:
    """The last line."""
    number, worse = len(found.changes), sum(one.worse for one in found.changes)
    calls = f"{found.calls} call{'s' if found.calls != 1 else ''}"
    objects = "1 object or setting differs" if found.edits == 1 else f"{found.edits} objects or settings differ"
    differ = objects if found.edits else "nothing differs"
    if not number:
        return f"the same for {calls}; {differ}"
    return f"{number} of {calls} change{'s' if number == 1 else ''}, {worse} for the worse; {differ}"


def printed(found: DifferenceView, output: str, paper: Paper) -> str:
    """The comparison in a format."""
    if output in {"json", "yaml"}:
        from meshsim.report.data import as_json, as_yaml

        return (as_json if output == "json" else as_yaml)(plain(found))
    if output == "markdown":
        return _markdown(found)
    if output == "github":
        return _github(found)
    from meshsim.report.terminal.sheet import printed as sheet

    return sheet(_terminal(found, paper), paper)


def plain(found: DifferenceView) -> dict[str, Any]:
    """Plain values; rows as in an answer, without their traces."""
    from meshsim.report.data import row

    def side(one: Row | None) -> Any:
        return None if one is None else {k: v for k, v in row(one).items() if k not in {"trace", "readings"}}

    return {
        "schema": SCHEMA,
        "old": found.old,
        "new": found.new,
        "calls": found.calls,
        "changes": [
            {
                "at": one.change.at,
                "worse": one.worse,
                "old": side(one.change.old),
                "new": side(one.change.new),
                "because": [_edit(edit, found.roots) for edit in one.edits],
                "blame": one.blame,
            }
            for one in found.changes
        ],
        "notes": list(found.notes),
    }


def _edit(edit: Edit, roots: Mapping[str, str]) -> dict[str, Any]:
    fields = [
        {
            "path": one.path,
            "old": one.old,
            "new": one.new,
            "old_at": place(one.old_at, roots) or None,
            "new_at": place(one.new_at, roots) or None,
        }
        for one in edit.fields
    ]
    return {"subject": edit.subject, "what": edit.what, "fields": fields}


def _terminal(found: DifferenceView, paper: Paper) -> "Iterator[RenderableType]":
    from rich.text import Text

    from meshsim.report.terminal.sheet import LOOKS, indented, words
    from meshsim.report.terminal.sheet import verdict as glyph

    yield words((found.old, "bold"), " → ", (found.new, "bold"))
    for one in found.changes:
        yield Text("")
        yield words((one.call, "bold"), (f"  {one.moment}", "dim"))
        if one.rollout:
            yield words((f"rollout {one.rollout}", "dim"))
        line = Text("  ")
        for index, side in enumerate((one.old, one.new)):
            line.append(" → " if index else "")
            line.append_text(glyph(side, paper) if side is not None else Text("no such call", LOOKS["ungoverned"][1]))
        line.append(f"   canary {canary(one)}")
        for code in one.come:
            line.append(f"  +{code}", "red")
        for code in one.gone:
            line.append(f"  -{code}", "green")
        yield line
        yield indented(Text(one.blame, "dim"))
        for edit in one.edits:
            yield indented(words((clean(edit.subject), "cyan"), f" {edit.what}"), 4)
            for field in edit.fields[:MOST_FIELDS]:
                text, where = told(field, found.roots)
                yield indented(words(text, (f"  {where}" if text else where, "dim")), 6)
            if len(edit.fields) > MOST_FIELDS:
                yield indented(Text(f"and {len(edit.fields) - MOST_FIELDS} more fields", "dim"), 6)
    yield Text("")
    yield words((summary(found), "bold red" if any(one.worse for one in found.changes) else "bold"))
    for note in found.notes:
        yield Text(note, "yellow")


def _markdown(found: DifferenceView) -> str:
    from meshsim.report.markdown import GLYPHS, code, escaped

    blocks = [f"### meshsim diff: {code(found.old)} → {code(found.new)}", f"**{escaped(summary(found))}**"]
    for one in found.changes:
        sides = [
            f"{GLYPHS[side.verdict]} {side.verdict}{' **masked**' if side.masked else ''}" if side else "no such call"
            for side in (one.old, one.new)
        ]
        codes = [f"+{name}" for name in one.come] + [f"-{name}" for name in one.gone]
        lines = [f"- {code(one.call)} ({escaped(one.moment)}): {' → '.join(sides)}, canary {escaped(canary(one))}"]
        lines[0] += f" ({', '.join(codes)})" if codes else ""
        lines.append(f"  - {escaped(one.blame)}")
        for edit in one.edits:
            lines.append(f"    - {code(clean(edit.subject))} {edit.what}")
            for field in edit.fields[:MOST_FIELDS]:
                text, where = told(field, found.roots)
                lines.append(f"      - {code(text)}" + (f" at {code(where)}" if where else ""))
        blocks.append("\n".join(lines))
    return "\n\n".join([*blocks, *map(escaped, found.notes)]) + "\n"


def _github(found: DifferenceView) -> str:
    from meshsim.report.github import command

    lines = []
    for one in found.changes:
        fields = [field for edit in one.edits for field in edit.fields]
        places = [field.new_at for field in fields if isinstance(field.new_at, Source)]
        inside = [at for at in places if not any(at.path.startswith(root) for root in found.roots)]
        said = [f"{headline(one)}, canary {canary(one)}", one.blame]
        said += [f"{clean(edit.subject)} {edit.what}" for edit in one.edits]
        said += [" ".join(told(field, found.roots)) for field in fields[:MOST_FIELDS]]
        level = "error" if one.worse else "notice"
        lines.append(command(level, f"{one.call} ({one.moment})", "\n".join(said), inside[0] if inside else None))
    return "\n".join([*lines, f"meshsim diff: {summary(found)}"]) + "\n"
