"""The one decision in a row's trace that best says why: the line under a reason code."""

from typing import Final, NamedTuple

from meshsim.model.trace import Failed, Open, Path, Step
from meshsim.model.verdict import Row, Verdict
from meshsim.report.words import clean, fact_text, place, telling

_MARKS: Final = ("unmeshed", "workload-addressed", "not-http", "no-vip", "waypoint-missing:", "passed-over:")


class Cause(NamedTuple):
    """`what` happened, the `fact` behind it, and `where` that stands; all empty where a row has no trace."""

    what: str = ""
    fact: str = ""
    where: str = ""


def cause(row: Row) -> Cause:
    """What decided a row: its failure or open question, else the decision on its largest path that left the split."""
    path = _deciding_path(row)
    if path is None:
        return Cause()
    index = _deciding_step(row, path)
    step = path.steps[index]
    what = clean(f"{step.hop}: {step.decision}")
    brought_here = path.steps[index - 1].facts if index and step.l7 and not _ruled(step) else ()
    facts = telling(brought_here) or telling(step.facts)
    facts = facts or telling(fact for before in path.steps[:index] for fact in before.facts)
    return Cause(what, fact_text(facts[0]), place(facts[0].evidence)) if facts else Cause(what)


def _ruled(step: Step) -> bool:
    """Whether a rule of an object decided, and not a default route."""
    return step.route is not None and step.route.object is not None


def _deciding_path(row: Row) -> Path | None:
    paths = [path for trace in (row.trace, *row.readings) for path in trace.paths()]
    if not paths:
        return None
    wanted = {Verdict.FAILING: Failed, Verdict.UNDETERMINED: Open}.get(row.verdict, object)
    return max([path for path in paths if isinstance(path.outcome, wanted)] or paths, key=lambda path: path.share)


def _deciding_step(row: Row, path: Path) -> int:
    last = len(path.steps) - 1
    if row.verdict in {Verdict.FAILING, Verdict.UNDETERMINED}:
        return last
    for index, step in enumerate(path.steps):
        if step.hop == row.decided_by or any(tag.startswith(_MARKS) for tag in step.tags):
            return index
    return max(0, last - 1)
