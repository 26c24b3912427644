"""What a run comes to as an exit code (contract: 0 nothing, 1 findings, 4 only undetermined stood in the way)."""

import pytest

from meshsim.analysis.gate import Gate, exit_code
from meshsim.model.trace import Trace
from meshsim.model.verdict import Answer, Checked, Moment, Row, Verdict


def row(verdict: str, to: str = "web:80") -> Row:
    return Row(
        frm="c1/shop/client",
        to=to,
        rollout="c1/shop/web",
        verdict=Verdict(verdict),
        desired=None,
        effective=None,
        applied_share=None,
        trace=Trace(roots=()),
    )


def checked(passed: bool, *rows: Row) -> Checked:
    return Checked(index=0, line=1, passed=passed, wanted={}, actual={}, rows=rows)


def answer(*rows: Row, expectations: tuple[Checked, ...] = ()) -> Answer:
    moments = (Moment(at=0.0, rows=rows),)
    return Answer(scenario="x", dialect="solo/1.30", moments=moments, probes=False, expectations=expectations)


@pytest.mark.parametrize(
    ("verdict", "codes"),
    # --fail-on failing, bypassed, partial, skewed: that and everything worse
    [
        ("failing", (1, 1, 1, 1)),
        ("bypassed", (0, 1, 1, 1)),
        ("partial", (0, 0, 1, 1)),
        ("skewed", (0, 0, 0, 1)),
        ("applied", (0, 0, 0, 0)),
        ("elsewhere", (0, 0, 0, 0)),
        ("ungoverned", (0, 0, 0, 0)),
        ("undetermined", (4, 4, 4, 4)),
    ],
)
def test_a_row_fails_a_run_at_its_severity_and_above(verdict: str, codes: tuple[int, ...]) -> None:
    levels = ("failing", "bypassed", "partial", "skewed")
    assert tuple(exit_code(answer(row("applied"), row(verdict)), Gate(fail_on=level)) for level in levels) == codes


def test_a_finding_outweighs_an_undetermined_row() -> None:
    assert exit_code(answer(row("undetermined"), row("bypassed", "other:80")), Gate(fail_on="skewed")) == 1


def test_undetermined_is_a_finding_where_asked_for() -> None:
    assert exit_code(answer(row("undetermined")), Gate(fail_on="undetermined")) == 1
    assert exit_code(answer(row("skewed")), Gate(fail_on="undetermined")) == 1
    assert exit_code(answer(row("applied")), Gate(fail_on="undetermined")) == 0


@pytest.mark.parametrize("verdict", ["failing", "bypassed", "undetermined"])
def test_a_row_that_a_passed_expectation_covers_is_no_finding(verdict: str) -> None:
    found = row(verdict)
    assert exit_code(answer(found, expectations=(checked(True, found),)), Gate(fail_on="skewed")) == 0
    other = row("bypassed", "other:80")
    assert exit_code(answer(found, other, expectations=(checked(True, found),)), Gate(fail_on="skewed")) == 1


@pytest.mark.parametrize("level", ["failing", "skewed", "never"])
def test_a_failed_expectation_fails_the_run_whatever_the_level(level: str) -> None:
    found = row("applied")
    assert exit_code(answer(found, expectations=(checked(False, found),)), Gate(fail_on=level)) == 1
    assert exit_code(answer(expectations=(checked(False),)), Gate(fail_on=level)) == 1, "it matched nothing"


def test_an_expectation_that_failed_on_undetermined_rows_only_is_not_known_to_fail() -> None:
    found = row("undetermined")
    assert exit_code(answer(found, expectations=(checked(False, found),)), Gate(fail_on="skewed")) == 4
    both = (found, row("bypassed"))
    assert exit_code(answer(*both, expectations=(checked(False, *both),)), Gate(fail_on="skewed")) == 1


def test_never_lets_every_row_pass() -> None:
    assert exit_code(answer(row("failing"), row("bypassed")), Gate(fail_on="never")) == 0
