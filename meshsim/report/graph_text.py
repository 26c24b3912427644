"""A graph of paths as text for other programs: Mermaid's flowchart and Graphviz's dot."""

import re
from typing import TYPE_CHECKING, Final

from meshsim.model.verdict import Verdict
from meshsim.report.colours import COLOURS
from meshsim.report.graph import clusters, label, said

if TYPE_CHECKING:
    import networkx as nx

DASHED: Final = frozenset({Verdict.BYPASSED, Verdict.FAILING, Verdict.UNDETERMINED})
"""Told apart without colour too."""


def mermaid(graph: "nx.MultiDiGraph") -> str:
    """A flowchart from left to right, a subgraph a cluster. Names are written as character codes where Mermaid would
    read them as its own."""
    ids = {node: f"n{index}" for index, node in enumerate(n for group in clusters(graph).values() for n in group)}
    lines = ["flowchart LR"]
    for index, (cluster, nodes) in enumerate(clusters(graph).items()):
        lines.append(f'  subgraph c{index}["{_coded(cluster)}"]')
        for node in nodes:
            text = "<br/>".join(_coded(line) for line in label(graph.nodes[node]))
            style = ":::decides" if graph.nodes[node]["decides"] else ""
            lines.append(f'    {ids[node]}["{text}"]{style}')
        lines.append("  end")
    for index, (a, b, data) in enumerate(graph.edges(data=True)):
        arrow = "-.->" if data["verdict"] in DASHED else "-->"
        share = f'|"{_coded(said(data["share"]))}"|' if said(data["share"]) else ""
        lines.append(f"  {ids[a]} {arrow}{share} {ids[b]}")
        lines.append(f"  linkStyle {index} stroke:{COLOURS[data['verdict']]},stroke-width:2px")
    lines.append("  classDef decides fill:#fbe7b6,stroke:#26323c,stroke-width:3px")
    return "\n".join(lines) + "\n"


def dot(graph: "nx.MultiDiGraph") -> str:
    """A digraph from left to right, a cluster a box."""
    ids = {node: f"n{index}" for index, node in enumerate(n for group in clusters(graph).values() for n in group)}
    lines = ["digraph meshsim {", "  rankdir=LR;", '  node [shape=box, style="rounded,filled", fillcolor="#ffffff"];']
    for index, (cluster, nodes) in enumerate(clusters(graph).items()):
        lines.append(f"  subgraph cluster_{index} {{")
        lines.append(f"    label={_quoted(cluster)};")
        for node in nodes:
            extra = ', penwidth=3, fillcolor="#fbe7b6"' if graph.nodes[node]["decides"] else ""
            lines.append(f"    {ids[node]} [label={_quoted(*label(graph.nodes[node]))}{extra}];")
        lines.append("  }")
    for a, b, data in graph.edges(data=True):
        style = ", style=dashed" if data["verdict"] in DASHED else ""
        share = f", label={_quoted(said(data['share']))}" if said(data["share"]) else ""
        lines.append(f'  {ids[a]} -> {ids[b]} [color="{COLOURS[data["verdict"]]}"{style}{share}];')
    return "\n".join([*lines, "}"]) + "\n"


def _coded(text: str) -> str:
    return re.sub(r"[^\w .:/,→×%()=-]", lambda found: f"#{ord(found.group())};", text)


def _quoted(*lines: str) -> str:
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
