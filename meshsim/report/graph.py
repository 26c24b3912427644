"""The paths of a moment as a directed graph: callers, decision points, the ReplicaSets (or failures) where they end."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from meshsim.model.shares import ZERO, percent
from meshsim.model.trace import Delivered, Failed, Path
from meshsim.model.verdict import Moment, Row, Verdict
from meshsim.report.hops import replica_set
from meshsim.report.view import address, caller
from meshsim.report.words import clean, when

if TYPE_CHECKING:
    import networkx as nx

ARRIVING: Final = "server"
"""The side of a ztunnel, or any other hop, that is not the first on its path."""


def topology(moment: Moment) -> "nx.MultiDiGraph":
    """The graph of every call's paths at one moment.

    Nodes have `kind` (`caller`, `ztunnel`, `waypoint`, `eastwest`, `gateway`, `sidecar`, `pods`, `error`, `open`, …),
    `name`, `cluster`, `column` (0 at the callers, the ends last), `decides` (it decided some call) and `note` (a
    caller's verdicts). An edge's key is a verdict; it has `verdict`, `share` (of one call's requests, a Fraction; None
    where the calls on it differ) and `calls`, how many they are. Of an active-active call, the row whose Rollout
    decided it counts. The first hop of a path and the same hop further along are two nodes: a ztunnel sends and
    receives.
    """
    import networkx as nx

    graph = nx.MultiDiGraph(title=when(moment.at, moment.weight))
    for row in _one_each(moment.rows):
        _add_call(graph, row)
    _columns(graph)
    return graph


def said(share: Fraction | None) -> str:
    """An edge's share in words; nothing where all requests, or different shares of several calls, take it."""
    return percent(share) if share is not None and share != 1 else ""


def _one_each(rows: Iterable[Row]) -> Iterator[Row]:
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (caller(row), address(row))
        if key not in found or found[key].verdict is Verdict.ELSEWHERE:
            found[key] = row
    yield from found.values()


def _add_call(graph: "nx.MultiDiGraph", row: Row) -> None:
    start = ("call", caller(row), address(row))
    note = row.verdict + (" masked" if row.masked else "")
    if row.reasons:
        note += f" ({', '.join(row.reasons)})"
    graph.add_node(start, **_node("caller", caller(row), _cluster(row.frm)), to=address(row), note=clean(note))
    shares: dict[tuple[Any, Any], Fraction] = {}
    for path in row.trace.paths():
        nodes = [start, *_hops(graph, path, row), _end(graph, path)]
        for one in pairwise(nodes):
            shares[one] = shares.get(one, ZERO) + path.share
        for index, node in enumerate(nodes):
            graph.nodes[node]["column"] = max(graph.nodes[node]["column"], index)
    for (a, b), share in shares.items():
        if graph.has_edge(a, b, row.verdict):
            edge = graph.edges[a, b, row.verdict]
            edge["calls"] += 1
            edge["share"] = edge["share"] if edge["share"] == share else None
        else:
            graph.add_edge(a, b, row.verdict, verdict=row.verdict, share=share, calls=1)


def _node(kind: str, name: str, cluster: str) -> dict[str, Any]:
    return {"kind": kind, "name": clean(name), "cluster": clean(cluster), "column": 0, "decides": False}


def _hops(graph: "nx.MultiDiGraph", path: Path, row: Row) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for index, hop in enumerate(path.hops):
        kind, _, name = hop.partition(":")
        node = ("hop", hop, "client" if not index else ARRIVING)
        if node not in graph:
            graph.add_node(node, **_node(kind, name, _cluster(hop)))
        if hop == row.decided_by:
            graph.nodes[node]["decides"] = True
        found.append(node)
    return found


def _end(graph: "nx.MultiDiGraph", path: Path) -> tuple[str, ...]:
    outcome = path.outcome
    node: tuple[str, ...]
    if isinstance(outcome, Delivered):
        name = replica_set(outcome.workload)
        node = ("pods", name)
        fields = _node("pods", name, outcome.cluster)
    elif isinstance(outcome, Failed):
        node = ("error", outcome.where, outcome.code + outcome.flag)
        fields = _node("error", f"{outcome.code} {outcome.flag}".strip(), _cluster(outcome.where))
    else:
        node = ("open", outcome.code, outcome.question)
        fields = _node("open", f"{outcome.code}: {outcome.question}", _cluster(path.hops[-1]))
    if node not in graph:
        graph.add_node(node, **fields)
    return node


def _cluster(name: str) -> str:
    """The cluster in a caller's or a decision point's id.

    >>> _cluster("waypoint:east/shop/waypoint"), _cluster("east/shop/cart")
    ('east', 'east')
    """
    return (name.partition(":")[2] or name).split("/")[0]


def _columns(graph: "nx.MultiDiGraph") -> None:
    """The ends stand last, whatever the length of the way to them."""
    last = max((data["column"] for _, data in graph.nodes(data=True)), default=0)
    for _, data in graph.nodes(data=True):
        if data["kind"] in {"pods", "error", "open"}:
            data["column"] = last


def clusters(graph: "nx.MultiDiGraph") -> dict[str, Sequence[Any]]:
    """Cluster → its nodes, both in order of name and column."""
    found: dict[str, list[Any]] = {}
    for node, data in sorted(graph.nodes(data=True), key=lambda one: (one[1]["cluster"], one[1]["column"], one[0])):
        found.setdefault(data["cluster"], []).append(node)
    return dict(found)


def label(data: dict[str, Any]) -> tuple[str, ...]:
    """A node's lines: what it is, its name, and what is to be said of it."""
    if data["kind"] == "caller":
        return data["name"].removeprefix(data["cluster"] + "/"), "→ " + data["to"], data["note"]
    name = data["name"].removeprefix(data["cluster"]).removeprefix("/")
    lines = [data["kind"], name] if name else [data["kind"]]
    return tuple([*lines, "decides"] if data["decides"] else lines)
