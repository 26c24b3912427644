"""One row for all clients that get the same: what `meshsim run` does where there are very many."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from meshsim.analysis.calls import Call, Caller, call_of, callers, target_of
from meshsim.analysis.judge import judge
from meshsim.analysis.reads import Asked, Readings, Tree
from meshsim.analysis.situation import Situation
from meshsim.dataplane.walk import Target
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
            yield from _classes(situation, spec, target, [(one, rows_of[one.name]) for one in group])


def _classes(
    situation: Situation, spec: CallSpec, target: Target, group: Sequence[tuple[Caller, Asked]]
) -> Iterator[Judged]:
    tree = Tree[int]()
    found: list[tuple[Caller, tuple[Row, ...]]] = []
    members: list[list[str]] = []
    for caller, asked in group:

        def ask(caller: Caller = caller, asked: Asked = asked) -> tuple[Readings, int]:
            noting, readings = asked.noting()
            found.append((caller, judge(situation, call_of(noting, spec, target))))
            members.append([])
            return readings, len(found) - 1

        members[tree.find(asked.value, ask)].extend(caller.members or (caller.name,))
    alike: dict[object, int] = {}
    for n, (_, rows) in enumerate(found):
        first = alike.setdefault(_told(rows), n)
        if first != n:
            members[first] += members[n]
    for n in alike.values():
        caller, rows = found[n]
        names = tuple(members[n])
        told = tuple(replace(row, member_names=names if len(names) > 1 else ()) for row in rows)
        yield call_of(replace(caller, members=names), spec, target), told


def _told(rows: Sequence[Row]) -> object:
    """What rows say, whoever calls."""
    return tuple(
        (in_brief(row), tuple(row.pods.items()), row.errors, row.hops, row.granularity, row.notes, row.assumptions)
        for row in rows
    )


def _of_pods(caller: Caller) -> bool:
    return bool(caller.clients) and all(client.kind == "pod" and client.uid for _, client in caller.clients)
