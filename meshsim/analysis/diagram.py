"""A call's outcome as a reduced decision diagram: it asks of exactly those settings that the outcome depends on.

Reduced and ordered diagrams are canonical (Bryant, Graph-Based Algorithms for Boolean Function Manipulation, IEEE
Transactions on Computers C-35(8), 1986), here with as many branches at a node as its setting has values.
"""

from collections.abc import Hashable, Sequence
from typing import final

Node = int
Path = Sequence[tuple[int, int]]
"""(setting, value) by position, in the order of a tree's branches."""


@final
class Diagram:
    """Nodes are numbers; equal functions are the same number. `sizes` has the number of values of every setting."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = sizes
        self._nodes: list[tuple[int, tuple[Node, ...]]] = []
        self._known: dict[Hashable, Node] = {}
        self._made: dict[tuple[int, tuple[Node, ...]], Node] = {}
        self.ends: dict[Node, Hashable] = {}

    def end(self, outcome: Hashable) -> Node:
        """The function that is always this outcome."""
        key = ("end", outcome)
        if key not in self._known:
            self._known[key] = self._add(len(self._sizes), ())
            self.ends[self._known[key]] = outcome
        return self._known[key]

    def _add(self, setting: int, branches: tuple[Node, ...]) -> Node:
        self._nodes.append((setting, branches))
        return len(self._nodes) - 1

    def _node(self, setting: int, branches: tuple[Node, ...]) -> Node:
        if len(set(branches)) == 1:
            return branches[0]
        key = (setting, branches)
        if key not in self._known:
            self._known[key] = self._add(setting, branches)
        return self._known[key]

    def choose(self, setting: int, branches: tuple[Node, ...]) -> Node:
        """The function that is branch v where the setting has its value v."""
        key = (setting, branches)
        if key not in self._made:
            top = min(setting, *(self._nodes[branch][0] for branch in branches))
            if top == setting:
                found = self._node(setting, tuple(self._at(b, setting, v) for v, b in enumerate(branches)))
            else:
                parts = (
                    self.choose(setting, tuple(self._at(branch, top, value) for branch in branches))
                    for value in range(self._sizes[top])
                )
                found = self._node(top, tuple(parts))
            self._made[key] = found
        return self._made[key]

    def _at(self, node: Node, setting: int, value: int) -> Node:
        asked, branches = self._nodes[node]
        return branches[value] if asked == setting else node

    def of(self, leaves: Sequence[tuple[Path, Hashable]], depth: int = 0) -> Node:
        """The function that a tree's leaves make: those that agree so far ask of the same setting next."""
        path, outcome = leaves[0]
        if len(path) == depth:
            return self.end(outcome)
        setting = path[depth][0]
        parts: list[list[tuple[Path, Hashable]]] = [[] for _ in range(self._sizes[setting])]
        for leaf in leaves:
            parts[leaf[0][depth][1]].append(leaf)
        return self.choose(setting, tuple(self.of(part, depth + 1) for part in parts))

    def asked(self, node: Node) -> tuple[int, ...]:
        """The settings that a function depends on."""
        seen: set[Node] = set()
        left = [node]
        while left:
            here = left.pop()
            if here not in seen:
                seen.add(here)
                left += self._nodes[here][1]
        return tuple(sorted({self._nodes[here][0] for here in seen} - {len(self._sizes)}))
