"""Answers counted: by connection, by who gave them, and by what came instead."""

from collections.abc import Sequence
from dataclasses import replace
from typing import final

from meshsim.live.attribution import Answerer, Attribution
from meshsim.live.loop import Reply
from meshsim.live.recording import Observed
from meshsim.model.frozen import frozen


@final
@frozen
class Answered:
    """One request: which connection it went over, who answered, or what the sender read instead."""

    connection: int
    by: Answerer
    error: str = ""


def tally(got: Sequence[tuple[int, Reply]], attribution: Attribution) -> list[Answered]:
    """Who answered each request. An answer that names a pod is that pod's, whatever its code."""
    found = []
    connection = -1
    last = None
    for run, reply in got:
        if reply.connected or run != last or reply.code == "000":
            connection += 1
        last = run
        by = attribution.of(reply.text)
        found.append(Answered(connection=connection, by=by, error="" if by.known or by.pod else reply.error))
    return found


def counted(bare: Observed, answers: Sequence[Answered], moved: tuple[str, ...] = ()) -> Observed:
    """An observation's counts from its answers."""
    firsts: dict[int, Answered] = {}
    several: dict[int, set[Answerer]] = {}
    for one in answers:
        firsts.setdefault(one.connection, one)
        if not one.error:
            several.setdefault(one.connection, set()).add(one.by)
    errors: dict[str, int] = {}
    for one in answers:
        if one.error:
            errors[one.error] = errors.get(one.error, 0) + 1
    kept = bare.connection != "new"
    return replace(
        bare,
        requests=len(answers),
        connections=len(firsts),
        counted=_by_dimension([one for one in answers if not one.error]),
        first=_by_dimension([one for one in firsts.values() if not one.error]) if kept else {},
        mixed=sum(len(who) > 1 for who in several.values()) if kept else None,
        errors=errors,
        unattributed=sum(not one.error and not one.by.known for one in answers),
        moved=moved,
    )


def _by_dimension(answers: Sequence[Answered]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for one in answers:
        who = {"roles": one.by.role, "versions": one.by.version, "clusters": one.by.cluster, "pods": one.by.pod}
        for kind, name in who.items():
            if name:
                counts = found.setdefault(kind, {})
                counts[name] = counts.get(name, 0) + 1
    return found
