"""One call explained as people read it: its path hop by hop, its verdict, the repair, and how to prove it live."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final, final

from meshsim.model.frozen import frozen
from meshsim.model.reasons import REASONS, Reason, named
from meshsim.model.shares import ZERO
from meshsim.model.trace import Delivered, Failed, Open, Step
from meshsim.model.verdict import Explanation, Row
from meshsim.report.causes import is_telling, telling
from meshsim.report.view import Cell, address, caller, cell
from meshsim.report.words import clean, fact_text, place, shares, when

MOST_FACTS: Final = 3
"""How many facts of a hop are worth a reader's time; the data formats have all."""


@final
@frozen
class Way:
    """What a hop does with some of the requests: `share` of all of them, and where they go next.

    `end` says how they end where they fail or are left open. `pods` take them, by ReplicaSet: its name, how many of
    its pods, and their share together.
    """

    share: Fraction
    decision: str
    next: tuple["Hop", ...] = ()
    end: str = ""
    pods: tuple[tuple[str, int, Fraction], ...] = ()


@final
@frozen
class Hop:
    """One decision point, with everything that one of its rules decides for the requests that arrive."""

    name: str
    share: Fraction
    rule: str
    source: str
    facts: tuple[tuple[str, str], ...]
    """(fact, where it stands), the most telling first."""
    granularity: str
    ways: tuple[Way, ...]


@final
@frozen
class RepairView:
    """The edit that restores the split: what, where, how, what the call gets then, and what else it changes."""

    sentence: str
    where: str
    command: str
    after: Cell
    also: tuple[str, ...]


@final
@frozen
class ExplanationView:
    """One call at one moment. `readings` are the paths of every reading by name, where the sources leave it open."""

    frm: str
    to: str
    moment: str
    rollout: str
    wanted: str
    got: str
    cell: Cell
    decided_by: str
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]
    assumptions: tuple[str, ...]
    path: tuple[Hop, ...]
    readings: tuple[tuple[str, tuple[Hop, ...]], ...]
    repair: RepairView | None
    tried: int
    proofs: tuple[tuple[str, str], ...]


def explanation_view(found: Explanation) -> ExplanationView:
    """The explanation in words."""
    row, repair = found.row, found.repair
    return ExplanationView(
        frm=caller(row),
        to=address(row),
        moment=when(found.at, found.weight),
        rollout=clean(row.rollout) if row.rollout else "",
        wanted=shares(row.desired.items()) if row.desired is not None else "",
        got=shares(row.effective.items()) if row.effective is not None else "",
        cell=cell(row),
        decided_by=clean(row.decided_by) if row.decided_by else "",
        reasons=tuple(REASONS.get(code, Reason(clean(code), "", "")) for code in row.reasons),
        notes=tuple(clean(note) for note in row.notes),
        assumptions=tuple(
            clean(f"{one.question}: {one.chosen}, not {' or '.join(one.alternatives)} ({one.source})")
            for one in row.assumptions
        ),
        path=hops(row.trace.roots, row.reasons),
        readings=tuple(_readings(row)),
        repair=None
        if repair is None
        else RepairView(
            sentence=clean(repair.sentence),
            where=place(repair.where),
            command=clean(repair.command),
            after=cell(repair.after),
            also=tuple(clean(sentence) for sentence in repair.also),
        ),
        tried=found.tried,
        proofs=tuple((clean(command), clean(shows)) for command, shows in found.proofs),
    )


def _readings(row: Row) -> Iterator[tuple[str, tuple[Hop, ...]]]:
    """Each reading under the `assume` that chooses it."""
    open_ends = [path.outcome for path in row.trace.paths() if isinstance(path.outcome, Open)]
    named_by = next((one for one in open_ends if len(one.readings) == len(row.readings)), None)
    for number, reading in enumerate(row.readings):
        name = f"reading {number + 1} of {len(row.readings)}"
        if named_by is not None and named_by.key:
            name += f", assume: {{{named_by.key}: {named_by.readings[number]}}}"
        yield clean(name), hops(reading.roots, row.reasons)


def hops(steps: Sequence[Step], codes: Sequence[str]) -> tuple[Hop, ...]:
    """Steps at one place by one rule are one hop with several ways; pods that end it are one way.

    `codes` are the row's reasons: facts that they are about come first.
    """
    groups: dict[tuple[str, str], list[Step]] = {}
    for step in steps:
        groups.setdefault((step.hop, step.rule.name), []).append(step)
    return tuple(_hop(group, codes) for group in groups.values())


def replica_set(uid: str) -> str:
    """`cluster/namespace/replicaset` of a pod's workload uid; the pod itself where its name has no number.

    >>> replica_set("c1//Pod/default/helloworld-f9558664b-0")
    'c1/default/helloworld-f9558664b'
    """
    parts = [part for part in uid.split("/") if part]
    if len(parts) > 2 and parts[1] == "Pod":
        del parts[1]
    name, dash, number = parts[-1].rpartition("-") if parts else ("", "", "")
    return "/".join([*parts[:-1], name]) if dash and number.isdigit() else "/".join(parts)


def _hop(group: Sequence[Step], codes: Sequence[str]) -> Hop:
    first = group[0]
    facts = telling((fact for step in group for fact in step.facts), codes)
    shown = [fact for fact in facts if is_telling(fact, codes)][:MOST_FACTS]
    delivered = [step for step in group if isinstance(step.outcome, Delivered)]
    ways = [_way(step, codes) for step in group if not isinstance(step.outcome, Delivered)]
    if delivered:
        ways.append(_delivery(delivered))
    return Hop(
        name=clean(first.hop),
        share=sum((step.share for step in group), ZERO),
        rule=clean(first.rule.sentence),
        source=clean(first.rule.source),
        facts=tuple((fact_text(fact), place(fact.evidence)) for fact in shown),
        granularity=first.granularity or "",
        ways=tuple(ways),
    )


def _way(step: Step, codes: Sequence[str]) -> Way:
    end = ""
    match step.outcome:
        case Failed(code=code, flag=flag):
            end = clean(f"{code} ({flag})" if flag and flag != code else code)
        case Open() as left:
            choices = f"; assume {left.key}: {' | '.join(left.readings)}" if left.key else ""
            end = clean(f"{named(left.code)}{choices}")
        case _:
            pass
    return Way(share=step.share, decision=clean(step.decision), next=hops(step.children, codes), end=end)


def _delivery(steps: Sequence[Step]) -> Way:
    """The pods that a hop hands requests to, as one way."""
    sets: dict[str, list[Fraction]] = {}
    for step in steps:
        if isinstance(step.outcome, Delivered):
            sets.setdefault(replica_set(clean(step.outcome.workload)), []).append(step.share)
    pods = tuple((name, len(found), sum(found, ZERO)) for name, found in sets.items())
    return Way(share=sum((step.share for step in steps), ZERO), decision="", pods=pods)
