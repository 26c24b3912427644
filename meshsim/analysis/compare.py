"""Two loaded scenarios: the verdicts that change, and the smallest set of differences that changes each.

A difference is blamed after it was tried: made alone on the old Mesh it gives the new row. Where none does alone, all
but the needed ones are taken away from the whole, one by one, as long as the new row stays.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, final

from meshsim.analysis.asked import Asked
from meshsim.mesh.differences import Edit, differences
from meshsim.mesh.mesh import Mesh
from meshsim.model.errors import MeshsimError
from meshsim.model.frozen import frozen
from meshsim.model.verdict import At, Row

MOST_TRIED: Final = 400
"""Meshes that are tried to find out what is to blame; beyond it a change is told without."""
Key = tuple[object, ...]


@final
@frozen
class Change:
    """A call whose verdict differs at a moment: None where it is there on one side only. `because` changes it
    `together` or, one difference, alone; empty where no difference of the Meshes does."""

    at: At
    old: Row | None
    new: Row | None
    because: tuple[Edit, ...]
    tried: bool
    """False where too much differs to try it."""


@final
@frozen
class Difference:
    """All that changes. `edits` are all differences of the Meshes, whether they matter or not."""

    changes: tuple[Change, ...]
    edits: tuple[Edit, ...]
    calls: int
    """Calls that were compared, over all moments."""

    def __bool__(self) -> bool:
        return bool(self.changes)


def compare(old: Asked, new: Asked, at: At | None = None, mode: str = "auto") -> Difference:
    """What changes from `old` to `new` at a moment (default: every moment that `meshsim run` shows of either)."""
    edits = tuple(differences(old.mesh, new.mesh))
    before, after = _rows(old, at, mode), _rows(new, at, mode)
    blame = _Blame(old, edits, mode)
    changes: list[Change] = []
    for key in dict.fromkeys((*before, *after)):
        one, other = before.get(key), after.get(key)
        if one is not None and other is not None and same(one[1], other[1]):
            continue
        moment = (one or other or (0.0, None))[0]
        because, tried = blame.of(moment, key, other[1] if other is not None else None)
        changes.append(
            Change(at=_stated(key), old=one and one[1], new=other and other[1], because=because, tried=tried)
        )
    return Difference(changes=tuple(changes), edits=edits, calls=len(before.keys() | after.keys()))


def same(one: Row, other: Row) -> bool:
    """Whether two rows say the same of the split. Names of pods and images may differ."""
    return (
        one.verdict is other.verdict
        and one.masked == other.masked
        and one.reasons == other.reasons
        and one.desired == other.desired
        and one.effective == other.effective
        and one.errors == other.errors
        and one.decided_by == other.decided_by
    )


def _rows(asked: Asked, at: At | None, mode: str) -> dict[Key, tuple[At | None, Row]]:
    """Every row by its moment and call. Without probes and without `--at` there is one moment: at rest."""
    return {
        (moment if moment is not None else "at rest", *call_of(row)): (moment, row)
        for moment, _ in asked.moments(at, mode)
        for _, found in asked.rows(moment, mode)
        for row in found
    }


def call_of(row: Row) -> Key:
    """What identifies a call and its Rollout."""
    return (row.frm, row.to, row.path, tuple(sorted(row.headers.items())), row.connection, row.rollout)


def _stated(key: Key) -> At:
    return key[0]  # type: ignore[return-value]


@final
class _Blame:
    """Tries differences on the old Mesh; every Mesh is answered once for all its rows."""

    def __init__(self, old: Asked, edits: Sequence[Edit], mode: str) -> None:
        self._old = old
        self._edits = edits
        self._mode = mode
        self._answers: dict[frozenset[int], Asked | None] = {}

    def of(self, moment: At | None, key: Key, wanted: Row | None) -> tuple[tuple[Edit, ...], bool]:
        """The differences that give the new row: one alone, else a set of which each is needed."""
        indices = range(len(self._edits))

        def gives(chosen: frozenset[int]) -> bool:
            found = self._row(chosen, moment, key)
            return found is None if wanted is None else found is not None and same(found, wanted)

        if not self._edits or gives(frozenset()) or not gives(frozenset(indices)):
            return (), True
        if len(self._edits) * 2 > MOST_TRIED:
            return (), False
        alone = next((index for index in indices if gives(frozenset({index}))), None)
        chosen = frozenset({alone}) if alone is not None else _needed(frozenset(indices), gives)
        return tuple(self._edits[index] for index in sorted(chosen)), True

    def _row(self, chosen: frozenset[int], moment: At | None, key: Key) -> Row | None:
        asked = self._asked(chosen)
        if asked is None:
            return None
        try:
            rows = asked.rows(moment, self._mode)
        except MeshsimError:  # a Mesh on the way between two valid ones may be impossible
            return None
        return next((row for _, found in rows for row in found if call_of(row) == key[1:]), None)

    def _asked(self, chosen: frozenset[int]) -> Asked | None:
        if chosen not in self._answers:
            mesh: Mesh = self._old.mesh
            for index in sorted(chosen):
                mesh = self._edits[index].apply(mesh)
            self._answers[chosen] = self._old.forked(mesh) if chosen else self._old
        return self._answers[chosen]


def _needed(chosen: frozenset[int], gives: Callable[[frozenset[int]], bool]) -> frozenset[int]:
    """A smallest set in the sense that none of it can be left out: halves first, then one by one."""
    for part in _halves(sorted(chosen)):
        if gives(part):
            return _needed(part, gives)
    for index in sorted(chosen):
        less = chosen - {index}
        if less and gives(less):
            chosen = less
    return chosen


def _halves(indices: Sequence[int]) -> Iterator[frozenset[int]]:
    middle = len(indices) // 2
    if middle:
        yield frozenset(indices[:middle])
        yield frozenset(indices[middle:])
