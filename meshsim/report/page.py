"""Answers as one self-contained HTML page, for a wiki or a build's artifacts: no scripts, no outside files, and
whatever the manifests hold stays text."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final, final

from meshsim.model.shares import ONE, percent
from meshsim.model.verdict import SEVERITY, Answer, Explanation, Moment, Row
from meshsim.report.colours import COLOURS
from meshsim.report.formats import Heading, Paper
from meshsim.report.hops import ExplanationView, Hop, Way, explanation_view, hops
from meshsim.report.view import CHECK, NEEDED, AnswerView, Cell, Table, address, answer_view, caller, cell, checks
from meshsim.report.words import clean, when

STYLE: Final = """
:root{color-scheme:light dark;--dim:#59636e;--line:#d1d9e0;--card:#fff;--page:#f6f8fa;--ink:#1f2328}
@media (prefers-color-scheme:dark){:root{--dim:#9198a1;--line:#3d444d;--card:#151b23;--page:#0d1117;--ink:#f0f6fc}}
body{font:15px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;background:var(--page);
color:var(--ink)}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:0 0 .5rem}
code,.mono{font:.86em ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
b.mono{font-weight:600}.dim{color:var(--dim)}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem;
margin:1rem 0}
table{border-collapse:collapse;width:100%}th{font-weight:500;color:var(--dim);text-align:left}
th,td{padding:.3rem .8rem .3rem 0;vertical-align:top}tr+tr td{border-top:1px solid var(--line)}
.verdict{border-radius:1em;padding:.05em .65em;color:#fff;white-space:nowrap;font-size:.88em}
details{margin:.2rem 0}summary{cursor:pointer}.path,.path ul{list-style:none;padding-left:1.1rem;margin:.2rem 0;
border-left:2px solid var(--line)}.path li{margin:.35rem 0}pre{margin:.3rem 0;white-space:pre-wrap}
"""


@final
class PagePrinter:
    """The `html` format."""

    def answer(self, found: Answer, heading: Heading, paper: Paper) -> str:
        view = answer_view(found, heading)
        body = [_head(view), *_checks(view)]
        body += [_table(table) for table in view.tables]
        body += [_section("Why", _whys(view)), _section("Paths", _paths(found))]
        body += [_section("To know", _asides(view))]
        if view.next:
            body.append(_section("Next", [_command(view.next)]))
        return _page(view.scenario, body)

    def explanations(self, found: tuple[Explanation, ...], heading: Heading, paper: Paper) -> str:
        views = [explanation_view(one) for one in found]
        return _page(clean(heading.scenario), [part for view in views for part in _explained(view)])


PAGE: Final = PagePrinter()


VERDICTS: Final = "".join(f".{verdict}{{background:{colour}}}" for verdict, colour in COLOURS.items())


def _page(title: str, body: Iterable[str]) -> str:
    inside = "\n".join(part for part in body if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>meshsim: {escape(title)}</title><style>{STYLE}{VERDICTS}</style></head>\n"
        f"<body>\n{inside}\n</body></html>\n"
    )


def _section(title: str, inside: Sequence[str]) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(inside)}</section>" if any(inside) else ""


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are HTML already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table><tr>{head}</tr>\n{lines}</table>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>" if text else ""


def _command(text: str) -> str:
    return f"<pre class='mono'>{escape(text)}</pre>"


def _verdict(cell: Cell) -> str:
    masked = " <b>masked</b>" if cell.masked else ""
    return f"<span class='verdict {cell.verdict}'>{cell.verdict}</span>{masked}"


def _head(view: AnswerView) -> str:
    counts = " ".join(f"{number} <span class='verdict {verdict}'>{verdict}</span>" for verdict, number in view.counts)
    rest = " · ".join(escape(part) for part in (view.dialect, view.moment) if part)
    holds = f" · {view.held} of {view.checks} expectations hold" if view.checks else ""
    return f"<h1>{escape(view.scenario)}</h1>\n<p class='dim'>{rest}{holds}</p>\n<p>{counts or 'no calls'}</p>"


def _checks(view: AnswerView) -> Iterator[str]:
    for check in view.failed:
        said = [f"<li>{escape(sentence)}</li>" for sentence in check.sentences] or [
            f"<li>{escape(name)}: wanted {escape(wanted)}" + (f", got {escape(actual)}" if actual else "") + "</li>"
            for name, wanted, actual in check.fields
        ]
        place = f"<div>{escape(check.subject)} {_code(check.place)}</div>"
        yield _section("An expectation fails", [place, f"<ul>{''.join(said)}</ul>"])


def _table(table: Table) -> str:
    single = len(table.columns) == 1
    wants = f", which wants {table.columns[0].wanted}" if single and table.columns[0].wanted else ""
    rollout = f"rollout {_code(table.rollout)}{escape(wants)}" if table.rollout else "no Rollout governs this"
    needs = checks(table)
    if single:
        header = ["from", "verdict", "canary", "decided by", "why", *[CHECK] * bool(needs)]
        rows = [
            [
                _code(line.caller),
                _verdict(cell),
                escape(cell.change),
                _code(line.decided_by) or "–",
                escape(" ".join(line.reasons)),
                *[escape(cell.needed) or "–"] * bool(needs),
            ]
            for line in table.lines
            if (cell := line.cells[0]) is not None
        ]
    else:
        header = ["from", *(f"canary {one.canary} ({one.at})" if one.canary else one.at for one in table.columns)]
        rows = [
            [
                _code(line.caller),
                *(f"{_verdict(one)} {escape(one.result)}" if one is not None else "" for one in line.cells),
            ]
            for line in table.lines
        ]
    said = [f"<div class='dim'>{rollout}</div>", _grid(header, rows)]
    if needs:
        said.append(f"<p class='dim'>{CHECK} so many {NEEDED}")
        if not single:
            said += [
                f"<br>{_code(who)}: " + "; ".join(f"{escape(amount)} at {escape(at)}" for amount, at in amounts)
                for who, amounts in needs
            ]
        said.append("</p>")
    return _section(table.to, said)


def _whys(view: AnswerView) -> list[str]:
    lines: list[str] = []
    for why in view.whys:
        lines.append(f"<p><b>{escape(str(why.reason).strip())}</b> {escape(why.reason.meaning)}")
        for cause, callers in why.causes:
            if cause.what:
                fact = f"; {_code(cause.fact)} {_code(cause.where)}" if cause.fact else ""
                lines.append(
                    f"<br><span class='dim'>{', '.join(map(_code, callers))}: {escape(cause.what)}{fact}</span>"
                )
        lines.append("</p>")
    return lines


def _paths(found: Answer) -> list[str]:
    """Every call once, hop by hop, at the first of its worst moments."""
    worst: dict[tuple[str, str, str | None], tuple[Moment, Row]] = {}
    for moment in found.moments:
        for row in moment.rows:
            here = (caller(row), address(row), row.rollout)
            if here not in worst or SEVERITY.get(row.verdict, 0) > SEVERITY.get(worst[here][1].verdict, 0):
                worst[here] = (moment, row)
    return [
        _call_path(f"{who} → {to}", when(moment.at, moment.weight) if len(found.moments) > 1 else "", row)
        for (who, to, _), (moment, row) in worst.items()
    ]


def _call_path(title: str, moment: str, row: Row) -> str:
    at = f" <span class='dim'>{escape(moment)}</span>" if moment else ""
    inside = "".join(walked(hops(trace.roots, row.reasons)) for trace in (row.readings or (row.trace,)))
    return f"<details><summary>{_verdict(cell(row))} {_code(title)}{at}</summary>{inside}</details>"


def _asides(view: AnswerView) -> list[str]:
    lines = [f"note, {escape(callers)}: {escape(sentence)}" for callers, sentence in view.notes]
    lines += [
        f"assumed: {escape(question)}: <b>{escape(chosen)}</b>"
        + (f" (else {escape(alternatives)})" if alternatives else "")
        + f" <span class='dim'>{escape(source)}</span>"
        for question, chosen, alternatives, source in view.assumptions
    ]
    lines += [f"finding: {escape(finding)}" for finding in view.findings]
    return [f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"] if lines else []


def _explained(view: ExplanationView) -> Iterator[str]:
    decided = f", decided by {_code(view.decided_by)}" if view.decided_by else ""
    wanted = f"wanted {escape(view.wanted)}; " if view.wanted else ""
    yield f"<h1>{escape(view.frm)} → {escape(view.to)}</h1>\n<p class='dim'>{escape(view.moment)}</p>"
    yield f"<p>{_verdict(view.cell)}{decided}: {wanted}gets {escape(view.got or 'undetermined')}</p>"
    asides = [f"<li><b>{escape(str(reason).strip())}</b> {escape(reason.meaning)}</li>" for reason in view.reasons]
    asides += [f"<li>{escape(note)}</li>" for note in view.notes]
    asides += [f"<li>assumed: {escape(one)}</li>" for one in view.assumptions]
    yield f"<ul>{''.join(asides)}</ul>" if asides else ""
    for name, path in view.readings or (("Path", view.path),):
        yield _section(name, [walked(path)])
    if view.repair is not None:
        repair = view.repair
        lines = [f"<p>{escape(repair.sentence)} {_code(repair.where)}</p>"]
        lines += [_command(repair.command)] if repair.command else []
        lines.append(f"<p>then {_verdict(repair.after)} canary {escape(repair.after.change)}</p>")
        yield _section("Repair", [*lines, *(f"<p>also: {escape(sentence)}</p>" for sentence in repair.also)])
    elif view.tried:
        yield _section("Repair", [f"<p>No single edit restores the split ({view.tried} tried).</p>"])
    yield _section("Prove it live", [f"{_command(line)}<p>shows {escape(shows)}</p>" for line, shows in view.proofs])


def walked(path: Sequence[Hop]) -> str:
    """Hops one after the other; what follows a hop stands inside it where it parts the requests, below it otherwise."""
    lines = "".join(_hops(path))
    return f"<ul class='path'>{lines}</ul>" if lines else ""


def _hops(path: Sequence[Hop]) -> Iterator[str]:
    for hop in path:
        share = f" {percent(hop.share)}" if hop.share != ONE else ""
        only = hop.ways[0] if len(hop.ways) == 1 else None
        said = f" {_decided(only)}" if only is not None else ""
        facts = "".join(f"<br>{_code(fact)} <span class='dim'>{escape(where)}</span>" for fact, where in hop.facts)
        rule = f"<span class='dim'>{escape(hop.rule)} [{escape(hop.source)}]</span>"
        ways = "" if only is not None else "".join(_way(way) for way in hop.ways)
        yield f"<li><b class='mono'>{escape(hop.name)}</b>{share}{said}<br>{rule}{facts}{ways}</li>"
        if only is not None and len(path) == 1:
            yield from _hops(only.next)
        elif only is not None and only.next:
            yield f"<li>{walked(only.next)}</li>"


def _way(way: Way) -> str:
    return f"<div>{percent(way.share)} {_decided(way)}</div>{walked(way.next)}"


def _decided(way: Way) -> str:
    parts = [escape(way.decision)] if way.decision else []
    if way.end and way.end not in way.decision:
        parts.append(f"<b>{escape(way.end)}</b>")
    parts += [
        f"{_code(name)} ({number} pod{'s' if number > 1 else ''}) {percent(share)}" for name, number, share in way.pods
    ]
    return ", ".join(parts)
