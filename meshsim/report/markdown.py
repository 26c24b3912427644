"""Answers for a pull request: Markdown tables that stay what they are, whatever the manifests hold."""

import re
from collections.abc import Iterable, Sequence
from typing import Final, final

from meshsim.model.reasons import Reason
from meshsim.model.shares import ONE, percent
from meshsim.model.verdict import Answer, Explanation
from meshsim.report.formats import Heading, Paper
from meshsim.report.hops import ExplanationView, Hop, Way, explanation_view
from meshsim.report.view import CHECK, NEEDED, AnswerView, Cell, Table, answer_view, checks

GLYPHS: Final = {
    "applied": "✅",
    "skewed": "🟡",
    "partial": "🟠",
    "bypassed": "❌",
    "elsewhere": "↪️",
    "failing": "💥",
    "ungoverned": "▫️",
    "undetermined": "❓",
}
_ACTIVE: Final = re.compile(r"([\\`*_\[\]|~#!])")
_BAR: Final = re.compile(r"(\\*)\|")
_FENCE: Final = re.compile(r"`+")


def escaped(text: str) -> str:
    r"""Text that Markdown and HTML leave alone, also inside a table: no markup, no mention, no link.

    >>> escaped("<b>a|b</b> @me")
    '&lt;b&gt;a\\|b&lt;/b&gt; &#64;me'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _ACTIVE.sub(r"\\\1", text).replace("@", "&#64;").replace("://", ":&#47;/")


def code(text: str) -> str:
    """Text as code.

    >>> code("a|b"), code("a`b")
    ('`a|b`', '`` a`b ``')
    """
    if not text:
        return ""
    longest = max((len(ticks) for ticks in _FENCE.findall(text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"


@final
class MarkdownPrinter:
    """The `markdown` format."""

    def answer(self, found: Answer, heading: Heading, paper: Paper) -> str:
        view = answer_view(found, heading)
        blocks = [_head(view)]
        blocks += [_table(table) for table in view.tables]
        blocks += _whys(view)
        blocks += _checks(view)
        blocks += _asides(view)
        if view.next:
            blocks.append(f"Next: {code(view.next)}")
        return _joined(blocks)

    def explanations(self, found: tuple[Explanation, ...], heading: Heading, paper: Paper) -> str:
        return _joined(block for one in found for block in _explained(explanation_view(one)))

    def reasons(self, found: tuple[Reason, ...], paper: Paper) -> str:
        return _joined([grid(("code", "name", "meaning"), [(r.code, code(r.slug), escaped(r.meaning)) for r in found])])


MARKDOWN: Final = MarkdownPrinter()


def _joined(blocks: Iterable[str]) -> str:
    return "\n\n".join(block for block in blocks if block) + "\n"


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *([_cell(text) for text in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    """A cell of a table: a bar would end it even inside code, unless an odd number of backslashes stands before it."""
    return _BAR.sub(lambda found: found[1] + ("" if len(found[1]) % 2 else "\\") + "|", text)


def _head(view: AnswerView) -> str:
    counts = ", ".join(f"{number} {GLYPHS[verdict]} {verdict}" for verdict, number in view.counts)
    rest = " · ".join(escaped(part) for part in (view.dialect, view.moment) if part)
    checks = f" · {view.held} of {view.checks} expectations hold" if view.checks else ""
    calls = f"{view.calls} call" + ("s" if view.calls != 1 else "")
    calls += f" at {view.moments} moments" if view.moments > 1 else ""
    return f"### meshsim: {escaped(view.scenario)}\n\n{rest}\n\n**{calls}**: {counts or 'none'}{checks}"


def _verdict(cell: Cell) -> str:
    masked = " **masked**" if cell.masked else ""
    return f"{GLYPHS[cell.verdict]} {cell.verdict}{masked}"


def _table(table: Table) -> str:
    rollout = f"rollout {code(table.rollout)}" if table.rollout else "no Rollout governs this"
    single = len(table.columns) == 1
    wants = f", wants {table.columns[0].wanted}" if single and table.columns[0].wanted else ""
    head = f"**{code(table.to)}**, {rollout}{wants}"
    needs = checks(table)
    if single:
        rows = [
            (
                code(line.caller),
                _verdict(cell),
                escaped(cell.change),
                code(line.decided_by) or "–",
                " ".join(line.reasons),
                *[cell.needed or "–"] * bool(needs),
            )
            for line in table.lines
            if (cell := line.cells[0]) is not None
        ]
        header = ("from", "verdict", "canary", "decided by", "why", *[CHECK] * bool(needs))
        meant = f"\n\nA check needs so many {NEEDED}." if needs else ""
        return f"{head}\n\n{grid(header, rows)}{meant}"
    columns = [f"canary {c.canary} ({escaped(c.at)})" if c.canary else escaped(c.at) for c in table.columns]
    cells = [
        (code(line.caller), *(f"{_verdict(c)} {escaped(c.result)}" if c is not None else "" for c in line.cells))
        for line in table.lines
    ]
    lines = [
        f"- {code(caller)}: {'; '.join(f'{amount} at {escaped(moments)}' for amount, moments in amounts)}"
        for caller, amounts in needs
    ]
    meant = "\n".join([f"\n\nA check needs so many {NEEDED}:\n", *lines]) if needs else ""
    return f"{head}\n\n{grid(('from', *columns), cells)}{meant}"


def _whys(view: AnswerView) -> list[str]:
    lines: list[str] = []
    for why in view.whys:
        lines.append(f"- **{escaped(str(why.reason).strip())}**: {escaped(why.reason.meaning)}")
        for cause, callers in why.causes:
            if cause.what:
                fact = f"; {code(cause.fact)} at {code(cause.where)}" if cause.fact else ""
                lines.append(f"  - {', '.join(map(code, callers))}: {escaped(cause.what)}{fact}")
    return ["\n".join(lines)]


def _checks(view: AnswerView) -> list[str]:
    lines: list[str] = []
    for check in view.failed:
        lines.append(f"- ❌ expectation fails at {code(check.place)}: {escaped(check.subject)}")
        lines += [f"  - {escaped(sentence)}" for sentence in check.sentences]
        if not check.sentences:
            lines += [
                f"  - {name}: wanted {escaped(wanted)}" + (f", got {escaped(actual)}" if actual else "")
                for name, wanted, actual in check.fields
            ]
    return ["\n".join(lines)]


def _asides(view: AnswerView) -> list[str]:
    lines = [f"- note, {escaped(callers)}: {escaped(sentence)}" for callers, sentence in view.notes]
    lines += [
        f"- assumed: {escaped(question)}: **{escaped(chosen)}**"
        + (f" (else {escaped(alternatives)})" if alternatives else "")
        + f" ({escaped(source)})"
        for question, chosen, alternatives, source in view.assumptions
    ]
    lines += [f"- finding: {escaped(finding)}" for finding in view.findings]
    return ["\n".join(lines)]


def _explained(view: ExplanationView) -> list[str]:
    moment = f", {escaped(view.moment)}" if view.moment else ""
    blocks = [f"### {code(view.frm)} → {code(view.to)}{moment}"]
    wanted = f"wanted {view.wanted}; " if view.wanted else ""
    decided = f", decided by {code(view.decided_by)}" if view.decided_by else ""
    blocks.append(f"{_verdict(view.cell)}{decided}: {wanted}gets {view.got or 'undetermined'}")
    asides = [f"- **{escaped(str(reason).strip())}**: {escaped(reason.meaning)}" for reason in view.reasons]
    asides += [f"- note: {escaped(note)}" for note in view.notes]
    asides += [f"- assumed: {escaped(one)}" for one in view.assumptions]
    blocks.append("\n".join(asides))
    if not view.readings:
        blocks.append("\n".join(_path(view.path, 0)))
    for name, reading in view.readings:
        blocks += [f"**{escaped(name)}**", "\n".join(_path(reading, 0))]
    return [*blocks, *_repair(view), *_proofs(view)]


def _repair(view: ExplanationView) -> list[str]:
    repair = view.repair
    if repair is None:
        return [f"No single edit restores the split ({view.tried} tried)."] if view.tried else []
    where = f" ({code(repair.where)})" if repair.where else ""
    lines = [f"**Repair**: {escaped(repair.sentence)}{where}"]
    if repair.command:
        lines.append(f"\n{code(repair.command)}\n")
    lines.append(f"Then: {_verdict(repair.after)}, canary {escaped(repair.after.change)}.")
    return ["\n".join([*lines, *(f"- also: {escaped(sentence)}" for sentence in repair.also)])]


def _proofs(view: ExplanationView) -> list[str]:
    if not view.proofs:
        return []
    lines = [f"- {code(command)}: {escaped(shows)}" for command, shows in view.proofs]
    return ["**Prove it live**\n\n" + "\n".join(lines)]


def _path(hops: Sequence[Hop], depth: int) -> list[str]:
    lines: list[str] = []
    for hop in hops:
        pad = "  " * depth
        share = f" {percent(hop.share)}" if hop.share != ONE else ""
        only = hop.ways[0] if len(hop.ways) == 1 else None
        said = f": {_decided(only)}" if only is not None else ""
        lines.append(f"{pad}- **{code(hop.name)}**{share}{said}")
        lines.append(f"{pad}  - {escaped(hop.rule)} ({escaped(hop.source)})")
        lines += [f"{pad}  - {code(fact)}" + (f" at {code(where)}" if where else "") for fact, where in hop.facts]
        if only is not None:
            lines += _path(only.next, depth if len(hops) == 1 else depth + 1)
            continue
        for way in hop.ways:
            lines.append(f"{pad}  - {percent(way.share)} {_decided(way)}")
            lines += _path(way.next, depth + 2)
    return lines


def _decided(way: Way) -> str:
    parts = [escaped(way.decision)] if way.decision else []
    if way.end and way.end not in way.decision:
        parts.append(f"**{escaped(way.end)}**")
    parts += [
        f"{code(name)} ({number} pod{'s' if number > 1 else ''}) {percent(share)}" for name, number, share in way.pods
    ]
    return ", ".join(parts)
