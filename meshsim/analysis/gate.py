"""What a run comes to as an exit code."""

from collections.abc import Iterator
from typing import Final

from meshsim.model.verdict import SEVERITY, Answer, Row, Verdict

FINDINGS: Final = 1
UNDETERMINED: Final = 4
LEVELS: Final = ("failing", "bypassed", "partial", "skewed", "undetermined", "never")


def exit_code(answer: Answer, fail_on: str) -> int:
    """0 nothing at or above `fail_on`; 1 findings or failed expectations; 4 only undetermined rows stood in the way.

    Rows that an expectation covers are judged by it alone. A failed expectation counts whatever `fail_on` is.
    """
    failed = [e for e in answer.expectations if not e.passed]
    if any(not (e.rows and all(r.verdict is Verdict.UNDETERMINED for r in e.rows)) for e in failed):
        return FINDINGS
    rows = list(uncovered(answer))
    undetermined = bool(failed) or any(row.verdict is Verdict.UNDETERMINED for row in rows)
    if fail_on == "never":
        return UNDETERMINED if failed else 0
    least = 1 if fail_on == "undetermined" else SEVERITY[Verdict(fail_on)]
    if any(SEVERITY.get(row.verdict, 0) >= least for row in rows):
        return FINDINGS
    if fail_on == "undetermined" and undetermined:
        return FINDINGS
    return UNDETERMINED if undetermined else 0


def uncovered(answer: Answer) -> Iterator[Row]:
    """The rows that no expectation speaks of."""
    covered = {(row.frm, row.to, row.path, row.rollout) for checked in answer.expectations for row in checked.rows}
    for moment in answer.moments:
        for row in moment.rows:
            if (row.frm, row.to, row.path, row.rollout) not in covered:
                yield row
