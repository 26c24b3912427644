"""What a run comes to as an exit code, and which of its rows are to blame."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, final

from meshsim.model.frozen import frozen
from meshsim.model.verdict import SEVERITY, Answer, At, Checked, Row, Verdict

if TYPE_CHECKING:
    from meshsim.analysis.baseline import Baseline

FINDINGS: Final = 1
UNDETERMINED: Final = 4
LEVELS: Final = ("failing", "bypassed", "partial", "skewed", "undetermined", "never")


@final
@frozen
class Gate:
    """What fails a run: `fail_on` and everything worse, unless the baseline has it already."""

    fail_on: str = "skewed"
    baseline: "Baseline | None" = None

    def stops(self, row: Row) -> bool:
        """Whether a row is at or above the level."""
        return self.fails(row.verdict)

    def fails(self, verdict: Verdict) -> bool:
        """Whether a verdict is at or above the level."""
        if self.fail_on == "never":
            return False
        if verdict is Verdict.UNDETERMINED:
            return self.fail_on == "undetermined"
        severity = SEVERITY.get(verdict, 0)
        return severity >= (1 if self.fail_on == "undetermined" else SEVERITY[Verdict(self.fail_on)])


@final
@frozen
class Finding:
    """A row, or an expectation that does not hold. `fails` it the run, or only tells; `known` from the baseline."""

    at: At | None
    row: Row | None = None
    check: Checked | None = None
    fails: bool
    known: bool = False
    undetermined: bool = False
    """Only *undetermined* stands in the way."""


def findings(answer: Answer, gate: Gate) -> Iterator[Finding]:
    """Expectations that fail, then every uncovered row that is worth a word: anything but applied, elsewhere or
    ungoverned. Rows that an expectation covers are judged by it alone."""
    for check in answer.expectations:
        if not check.passed:
            known = gate.baseline is not None and gate.baseline.fails_too(check)
            unclear = bool(check.rows) and all(row.verdict is Verdict.UNDETERMINED for row in check.rows)
            yield Finding(at=None, check=check, fails=not known and not unclear, known=known, undetermined=unclear)
    for at, row in uncovered(answer):
        if row.verdict is Verdict.UNDETERMINED or row.verdict in SEVERITY:
            known = gate.baseline is not None and gate.baseline.has(at, row)
            unclear = row.verdict is Verdict.UNDETERMINED
            yield Finding(at=at, row=row, fails=gate.stops(row) and not known, known=known, undetermined=unclear)


def exit_code(answer: Answer, gate: Gate) -> int:
    """0 nothing at or above the level; 1 findings or failed expectations; 4 only undetermined rows stood in the way.

    A failed expectation counts whatever the level is. What the baseline has already counts for nothing.
    """
    found = [one for one in findings(answer, gate) if not one.known]
    if any(one.fails for one in found):
        return FINDINGS
    unclear = any(one.undetermined and (one.check is not None or gate.fail_on != "never") for one in found)
    return UNDETERMINED if unclear else 0


def uncovered(answer: Answer) -> Iterator[tuple[At, Row]]:
    """The rows that no expectation speaks of, with their moments."""
    covered = {(row.frm, row.to, row.path, row.rollout) for checked in answer.expectations for row in checked.rows}
    for moment in answer.moments:
        for row in moment.rows:
            if (row.frm, row.to, row.path, row.rollout) not in covered:
                yield moment.at, row
