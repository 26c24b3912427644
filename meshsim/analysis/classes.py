"""One row for all clients that get the same.

Who gets the same is told by what answers read of a client (`reads`), whatever that is: its capture, its place, its
namespace, its identity where a policy looks at it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, final

from meshsim.analysis.calls import Call, Caller, call_of, callers, target_of, workload_caller
from meshsim.analysis.judge import judge
from meshsim.analysis.reads import Asked, Readings, Tree
from meshsim.analysis.situation import Situation
from meshsim.dataplane.walk import Target
from meshsim.model.errors import Bug
from meshsim.model.verdict import Row, in_brief
from meshsim.scenario.scenario import CallSpec

MOST_ROWS: Final = 10_000
"""Above so many calls a row stands for a class of clients."""
Judged = tuple[Call, tuple[Row, ...]]


def many(situation: Situation, specs: Sequence[CallSpec]) -> bool:
    """Whether entries mean more calls than are told one by one."""
    known: dict[str, int] = {}
    for spec in specs:
        if spec.frm not in known:
            known[spec.frm] = len(callers(situation, spec.frm, spec.source))
    return sum(known[spec.frm] for spec in specs) > MOST_ROWS


def judged(situation: Situation, specs: Sequence[CallSpec]) -> Iterator[Judged]:
    """The rows of entries, those of one entry whose clients are read alike as one; its `members` are these clients."""
    asked: dict[str, tuple[Caller, ...]] = {}
    rows_of: dict[str, Asked] = {}
    for spec in specs:
        if spec.frm not in asked:
            asked[spec.frm] = callers(situation, spec.frm, spec.source)
        alone = [one for one in asked[spec.frm] if not _of_pods(one)]
        for caller in alone:
            call = call_of(caller, spec, target_of(situation, caller, spec.to, spec.source))
            yield call, judge(situation, call)
        targets: dict[Target, list[Caller]] = {}
        for caller in asked[spec.frm]:
            if _of_pods(caller):
                targets.setdefault(target_of(situation, caller, spec.to, spec.source), []).append(caller)
                if caller.name not in rows_of:
                    rows_of[caller.name] = Asked(situation, caller)
        for target, group in targets.items():
            classes = _Classes(situation, call_of(group[0], spec, target))
            for caller in group:
                classes.ask(caller, rows_of[caller.name])
                classes.join(rows_of[caller.name], caller.members or (caller.name,))
            yield from classes.told()


def refined(situation: Situation, calls: Iterable[Call]) -> Iterator[Judged]:
    """The rows of calls, split where the workloads that a caller stands for do not get the same."""
    members = _Members(situation)
    for call in calls:
        if len(call.caller.members) > 1 and _of_pods(call.caller):
            yield from members.split(call)
        else:
            yield call, judge(situation, call)


@final
class _Members:
    """The workloads that default calls stand for, and what answers have read of them so far."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._asked: dict[str, tuple[Caller, Asked]] = {}
        self._names: dict[str, None] = {}
        self._alike: dict[tuple[tuple[str, ...], int], list[list[str]]] = {}

    def split(self, call: Call) -> Iterator[Judged]:
        classes = _Classes(self._situation, call)
        while True:
            groups = self._groups(call.caller.members)
            for group in groups:
                classes.ask(*self._of(group[0]))
            if classes.readings.keys() <= self._names.keys():
                break
            self._names.update(dict.fromkeys(classes.readings))
        for group in groups:
            classes.join(self._of(group[0])[1], group)
        yield from classes.told(call.caller.name)

    def _of(self, name: str) -> tuple[Caller, Asked]:
        if name not in self._asked:
            cluster, namespace, workload = name.split("/")
            caller = workload_caller(self._situation, (cluster, namespace, workload), name)
            self._asked[name] = (caller, Asked(self._situation, caller))
        return self._asked[name]

    def _groups(self, members: tuple[str, ...]) -> list[list[str]]:
        """Members that agree in everything that was read so far."""
        key = (members, len(self._names))
        if key not in self._alike:
            found: dict[tuple[object, ...], list[str]] = {}
            for name in members:
                asked = self._of(name)[1]
                found.setdefault(tuple(asked.value(one) for one in self._names), []).append(name)
            self._alike[key] = list(found.values())
        return self._alike[key]


@final
class _Classes:
    """The classes of callers of one call, found by asking."""

    def __init__(self, situation: Situation, call: Call) -> None:
        self._situation = situation
        self._call = call
        self._tree = Tree[int]()
        self._found: list[tuple[Caller, tuple[Row, ...]]] = []
        self._members: list[list[str]] = []
        self.readings: dict[str, None] = {}
        """Everything that was read of any caller."""

    def ask(self, caller: Caller, asked: Asked) -> int:
        """The class of a caller."""

        def answer() -> tuple[Readings, int]:
            noting, readings = asked.noting()
            self._found.append((caller, judge(self._situation, replace(self._call, caller=noting))))
            self._members.append([])
            self.readings.update(dict.fromkeys(readings))
            return readings, len(self._found) - 1

        return self._tree.find(asked.value, answer)

    def join(self, asked: Asked, names: Iterable[str]) -> None:
        """Callers that are of the class of one that was asked."""
        self._members[self._tree.find(asked.value, _unasked)].extend(names)

    def told(self, name: str = "") -> Iterator[Judged]:
        """A row for each class; classes that get the same are one. `name` is how the first is called."""
        alike: dict[object, int] = {}
        for n, (_, rows) in enumerate(self._found):
            first = alike.setdefault(_told(rows), n)
            if first != n:
                self._members[first] += self._members[n]
        for n in alike.values():
            caller, rows = self._found[n]
            names = tuple(self._members[n])
            called = name if name in names else caller.name
            told = tuple(replace(row, frm=called, member_names=names if len(names) > 1 else ()) for row in rows)
            yield replace(self._call, caller=replace(caller, name=called, members=names)), told


def _unasked() -> tuple[Readings, int]:
    msg = "a class of clients was joined before it was asked"
    raise Bug(msg)


def _told(rows: Sequence[Row]) -> object:
    """What rows say, whoever calls."""
    return tuple(
        (in_brief(row), tuple(row.pods.items()), row.errors, row.hops, row.granularity, row.notes, row.assumptions)
        for row in rows
    )


def _of_pods(caller: Caller) -> bool:
    return bool(caller.clients) and all(client.kind == "pod" and client.uid for _, client in caller.clients)
