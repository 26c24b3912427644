"""An explanation on a terminal: the path hop by hop, the verdict, the repair, and the proof."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from meshsim.model.shares import ONE, percent
from meshsim.report.formats import Paper
from meshsim.report.hops import ExplanationView, Hop, Way
from meshsim.report.terminal.sheet import LOOKS, MASKED, indented, labelled, verdict, words


def lines_of(view: ExplanationView, paper: Paper) -> list[RenderableType]:
    """The whole explanation, top to bottom: its end is what a terminal shows."""
    parts: list[RenderableType] = [
        words((view.frm, "bold"), " → ", (view.to, "bold"), (f" · {view.moment}" if view.moment else "", "dim"))
    ]
    if not view.readings:
        parts += [Text(""), _path(view.path)]
    for name, reading in view.readings:
        parts += [Text(""), Text(name, "bold magenta"), _path(reading)]
    parts += [Text(""), _judgement(view, paper)]
    for reason in view.reasons:
        parts.append(indented(words((f"{reason.code} {reason.slug}".strip(), "bold"), f"  {reason.meaning}")))
    for note in view.notes:
        parts.append(indented(labelled("note", Text(note))))
    for assumption in view.assumptions:
        parts.append(indented(labelled("assumed", Text(assumption))))
    parts += _repair(view, paper)
    if view.proofs:
        parts += [Text(""), Text("prove it live", "bold")]
        for command, shows in view.proofs:
            parts.append(indented(words(("$ ", "dim"), (command, "cyan"))))
            parts.append(indented(labelled("shows", Text(shows)), 4))
    return parts


def _judgement(view: ExplanationView, paper: Paper) -> Group:
    line = verdict(view.cell, paper)
    if view.decided_by:
        line.append("  decided by ", "dim")
        line.append(view.decided_by)
    lines = [line]
    if view.cell.masked:
        lines.append(words("  ", (MASKED, "yellow")))
    if view.wanted:
        lines.append(words("  ", ("wanted  ", "dim"), view.wanted, (f"  by rollout {view.rollout}", "dim")))
    elif not view.rollout:
        lines.append(words("  ", ("no Rollout governs this call", "dim")))
    style = "" if view.wanted == view.got else LOOKS[view.cell.verdict][1]
    lines.append(words("  ", ("gets    ", "dim"), (view.got or "undetermined", style)))
    return Group(*lines)


def _repair(view: ExplanationView, paper: Paper) -> list[RenderableType]:
    repair = view.repair
    if repair is None:
        if view.tried:
            return [Text(""), Text(f"No single edit restores the split ({view.tried} tried).", "dim")]
        return []
    parts: list[RenderableType] = [Text(""), words(("repair  ", "bold"), repair.sentence)]
    if repair.where:
        parts.append(indented(labelled("where ", Text(repair.where))))
    if repair.command:
        parts.append(indented(words(("$ ", "dim"), (repair.command, "cyan"))))
    then = verdict(repair.after, paper).append(f", canary {repair.after.change}")
    parts.append(indented(labelled("then  ", then)))
    return parts + [indented(labelled("also  ", Text(sentence))) for sentence in repair.also]


def _path(hops: Sequence[Hop]) -> Tree:
    root = Tree(Text(""), hide_root=True, guide_style="dim")
    _grow(root, root, hops, 1)
    return root


def _grow(tree: Tree, before: Tree, hops: Sequence[Hop], number: int) -> None:
    """Hops in a row are numbered below each other; only where requests part does the tree branch, at `before`."""
    for hop in hops:
        parted = len(hops) > 1
        node = (before if parted else tree).add(_hop(hop, number))
        if len(hop.ways) == 1:
            _grow(node if parted else tree, node, hop.ways[0].next, number + 1)
            continue
        for way in hop.ways:
            branch = node.add(_way(way))
            _grow(branch, branch, way.next, number + 1)


def _hop(hop: Hop, number: int) -> Group:
    first = words((f"{number} ", "dim"), (hop.name, "bold"))
    if hop.share != ONE:
        first.append(f"  {percent(hop.share)}")
    if hop.granularity:
        first.append(f"  per {hop.granularity}", "dim")
    lines = _decided(hop.ways[0]) if len(hop.ways) == 1 else []
    lines.append(words((f"{hop.rule} [{hop.source}]", "dim")))
    lines += [words((fact, "cyan"), (f"  {where}", "dim")) for fact, where in hop.facts]
    return Group(first, *(indented(line) for line in lines))


def _way(way: Way) -> Group:
    share = words((percent(way.share), "bold"), "  ")
    lines = _decided(way)
    return Group(share.append_text(lines[0]) if lines else share, *lines[1:])


def _decided(way: Way) -> list[Text]:
    lines: list[Text] = []
    if way.decision:
        end = f"  {way.end}" if way.end and way.end not in way.decision else ""
        lines.append(words(way.decision, (end, "magenta" if way.end.startswith("MS9") else "bold red")))
    for name, number, share in way.pods:
        pods = f"{number} pods" if number > 1 else "1 pod"
        lines.append(words(f"{name}  ", (pods, "dim"), f"  {percent(share)}"))
    return lines
