"""What decides: of all variants, which settings matter to a call's verdict, and the fewest values that force it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, final

from meshsim.analysis.diagram import Diagram
from meshsim.analysis.gate import FINDINGS, UNDETERMINED, Gate
from meshsim.analysis.sweep import Leaf, Sweep, Taken
from meshsim.model.frozen import record
from meshsim.model.verdict import Verdict

Outcome = tuple[tuple[str | None, str, bool], ...]
"""(rollout, verdict, masked) of every row of a call."""


@final
@record
class Rule:
    """Whatever the other settings are: with these values the outcome is this one. `values` has the positions of the
    values by the position of their setting; `variants` is how many points of the grid that are."""

    values: Mapping[int, tuple[int, ...]]
    outcome: Outcome
    variants: int


def outcome(leaf: Leaf) -> Outcome:
    """What a leaf's call gets, as far as the verdict goes."""
    return tuple((row.rollout, row.verdict, row.masked) for row in leaf.rows)


def matters(found: Sweep, call: int) -> tuple[int, ...]:
    """The settings that change a call's verdict somewhere: two variants that differ in nothing else differ in it."""
    diagram = Diagram([len(one.options) for one in found.settings])
    return diagram.asked(diagram.of([(leaf.taken, outcome(leaf)) for leaf in found.of(call)]))


def variants_by_outcome(found: Sweep, call: int) -> dict[Outcome, int]:
    """How many points of the grid each outcome has, the most first."""
    counts: dict[Outcome, int] = {}
    for leaf in found.of(call):
        counts[outcome(leaf)] = counts.get(outcome(leaf), 0) + found.covered(leaf)
    return dict(sorted(counts.items(), key=lambda one: (-one[1], str(one[0]))))


def rules(found: Sweep, call: int) -> tuple[Rule, ...]:
    """Few rules that say a call's outcome everywhere, each with as few settings as force it; the widest first."""
    cubes = _Cubes(found, call)
    chosen = _covering(cubes, _forced(cubes))
    joined = _joined([(result, cubes.values(decided, values)) for result, decided, values in chosen])
    every = found.variants
    sizes = [len(one.options) for one in found.settings]
    return tuple(
        sorted(
            (Rule(values, result, _count(values, sizes, every)) for result, values in joined),
            key=lambda one: (-one.variants, len(one.values), sorted(one.values.items())),
        )
    )


def _tree(leaves: Sequence[Leaf], depth: int) -> Any:
    """The tree of what is looked at: a `_Split`, or an outcome; what makes no difference is
    left out."""
    first = leaves[0]
    if depth == len(first.taken):
        return outcome(first)
    below: dict[int, list[Leaf]] = {}
    for leaf in leaves:
        below.setdefault(leaf.taken[depth][1], []).append(leaf)
    subtrees = tuple((value, _tree(group, depth + 1)) for value, group in sorted(below.items()))
    alike = all(subtree == subtrees[0][1] for _, subtree in subtrees)
    return subtrees[0][1] if alike else _Split(first.taken[depth][0], subtrees)


@final
@record
class _Split:
    """A setting that makes a difference, and what follows each of its values."""

    setting: int
    values: tuple[tuple[int, Any], ...]


def _leaves(tree: Any, path: Taken) -> Iterator[tuple[Taken, Outcome]]:
    if not isinstance(tree, _Split):
        yield path, tree
        return
    for value, subtree in tree.values:
        yield from _leaves(subtree, (*path, (tree.setting, value)))


class _Cubes:
    """Leaves as numbers: a field of bits a setting, all ones in `decided` where the leaf looked at it."""

    def __init__(self, found: Sweep, call: int) -> None:
        self.sizes = [len(one.options) for one in found.settings]
        self._width = max((size.bit_length() for size in self.sizes), default=1)
        self._ones = (1 << self._width) - 1
        self.by_outcome: dict[Outcome, list[tuple[int, int]]] = {}
        for taken, result in _leaves(_tree(found.of(call), 0), ()):
            decided = values = 0
            for index, value in taken:
                decided |= self.field(index)
                values |= value << (index * self._width)
            self.by_outcome.setdefault(result, []).append((decided, values))

    def field(self, index: int) -> int:
        return self._ones << (index * self._width)

    def values(self, decided: int, values: int) -> dict[int, tuple[int, ...]]:
        return {
            index: ((values >> (index * self._width)) & self._ones,)
            for index in range(len(self.sizes))
            if decided & self.field(index)
        }


def _forced(cubes: _Cubes) -> tuple[tuple[Outcome, int, int], ...]:
    """Every leaf with the values alone that force its outcome."""
    made: dict[tuple[Outcome, int, int], None] = {}
    for result, group in cubes.by_outcome.items():
        others = [cube for other, cubes_there in cubes.by_outcome.items() if other != result for cube in cubes_there]
        for decided, values in group:
            made.setdefault((result, *_widened(cubes, decided, values, others)))
    return tuple(made)


def _widened(cubes: _Cubes, decided: int, values: int, others: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """A cube without the settings that do not keep it apart from every other outcome."""
    for index in range(len(cubes.sizes)):
        without = decided & ~cubes.field(index)
        if without != decided and all((values ^ there) & without & decided_there for decided_there, there in others):
            decided = without
    return decided, values & decided


def _covering(cubes: _Cubes, made: Iterable[tuple[Outcome, int, int]]) -> Iterator[tuple[Outcome, int, int]]:
    """Few of the rules that cover every leaf, the one that covers most of what is left first."""
    candidates = tuple(made)
    for result, group in cubes.by_outcome.items():
        mine = [(decided, values) for outcome_of, decided, values in candidates if outcome_of == result]
        covers = [
            {n for n, (at, there) in enumerate(group) if not (decided & ~at) and not (values ^ there) & decided}
            for decided, values in mine
        ]
        left = set(range(len(group)))
        while left:
            best = max(range(len(mine)), key=lambda n: (len(covers[n] & left), -n))
            yield (result, *mine[best])
            left -= covers[best]


def _joined(
    found: list[tuple[Outcome, dict[int, tuple[int, ...]]]],
) -> list[tuple[Outcome, dict[int, tuple[int, ...]]]]:
    """Rules that differ in the values of one setting are one rule."""
    merged = True
    while merged:
        merged = False
        seen: dict[object, int] = {}
        for place, (result, values) in enumerate(found):
            for index in values:
                rest = (result, index, tuple(sorted((i, v) for i, v in values.items() if i != index)))
                other = seen.setdefault(rest, place)
                if other != place:
                    both = tuple(sorted({*found[other][1][index], *values[index]}))
                    found[other] = (result, {**values, index: both})
                    del found[place]
                    merged = True
                    break
            if merged:
                break
    return found


def _count(values: Mapping[int, tuple[int, ...]], sizes: Sequence[int], every: int) -> int:
    number = every
    for index, chosen in values.items():
        number = number // sizes[index] * len(chosen)
    return number


def exit_code(found: Sweep, gate: Gate) -> int:
    """0 where no variant is at or above the gate's level, 1 where one is, 4 where only undetermined ones stand in the
    way. A variant that cannot be says nothing of the mesh."""
    verdicts = {row.verdict for leaf in found.leaves for row in leaf.rows if not row.refused}
    levels = [Verdict(verdict) for verdict in verdicts]
    if any(gate.fails(verdict) for verdict in levels):
        return FINDINGS
    return UNDETERMINED if Verdict.UNDETERMINED in levels and gate.fail_on != "never" else 0
