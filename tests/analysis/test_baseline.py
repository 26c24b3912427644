"""A baseline: what an earlier answer found already does not fail a run."""

import json
from fractions import Fraction
from typing import Any

import pytest

from meshsim.analysis.baseline import read
from meshsim.analysis.gate import Gate, exit_code, findings
from meshsim.model.errors import InputError
from meshsim.model.trace import Trace
from meshsim.model.verdict import Answer, Checked, Moment, Row, Verdict
from meshsim.report.data import JSON
from meshsim.report.formats import Heading, Paper


def row(verdict: str, frm: str = "c1/shop/client", **fields: Any) -> Row:
    return Row(
        frm=frm,
        to="web:80",
        rollout="c1/shop/web",
        verdict=Verdict(verdict),
        desired=None,
        effective=None,
        applied_share=None,
        trace=Trace(roots=()),
        **fields,
    )


def answer(*rows: Row, at: float | str = 0.0, expectations: tuple[Checked, ...] = ()) -> Answer:
    return Answer(
        scenario="x",
        dialect="solo/1.30",
        moments=(Moment(at=at, rows=rows),),
        probes=isinstance(at, str),
        expectations=expectations,
    )


def failed(line: int, canary: str = "1/2") -> Checked:
    return Checked(index=0, line=line, passed=False, wanted={"canary": Fraction(canary)}, actual={}, rows=())


def gate(before: Answer, fail_on: str = "skewed") -> Gate:
    written = JSON.answer(before, Heading(), Paper())
    return Gate(fail_on=fail_on, baseline=read(written.encode(), "baseline.json"))


@pytest.mark.parametrize(
    ("before", "now", "code"),
    [
        ("bypassed", "bypassed", 0),
        ("failing", "bypassed", 0),  # better is not new
        ("bypassed", "failing", 1),  # worse is
        ("applied", "bypassed", 1),
        ("undetermined", "undetermined", 0),
        ("bypassed", "undetermined", 4),  # knowing less than before is new, too
        ("undetermined", "bypassed", 1),
    ],
)
@pytest.mark.parametrize("at", [0.0, "step:1"])
def test_only_what_is_new_fails(before: str, now: str, code: int, at: float | str) -> None:
    assert exit_code(answer(row(now), at=at), gate(answer(row(before), at=at))) == code


@pytest.mark.parametrize(
    "other",
    [
        answer(row("bypassed", frm="c2/shop/client")),
        answer(row("bypassed", headers={"x-canary": "yes"})),
        answer(row("bypassed", connection="keep-alive")),
        answer(row("bypassed"), at=60.0),
    ],
)
def test_another_call_or_moment_is_new(other: Answer) -> None:
    assert exit_code(other, gate(answer(row("bypassed")))) == 1


def test_an_expectation_is_known_by_what_it_says() -> None:
    """Its line moves whenever somebody edits the file above it."""
    known = gate(answer(expectations=(failed(10),)))
    assert exit_code(answer(expectations=(failed(99),)), known) == 0
    assert exit_code(answer(expectations=(failed(10, "1/4"),)), known) == 1


def test_known_findings_are_still_told() -> None:
    (found,) = findings(answer(row("bypassed")), gate(answer(row("bypassed"))))
    assert (found.known, found.fails) == (True, False)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b'{"schema": "other"}',
        b'{"schema": "meshsim/answer/v1"}',
        b'{"schema": "meshsim/answer/v1", "at": 0, "verdicts": [7]}',
        json.dumps({"schema": "meshsim/answer/v1", "at": 0, "verdicts": [{"from": 1, "to": 2}]}).encode(),
    ],
)
def test_what_is_no_answer_is_refused_with_its_file(content: bytes) -> None:
    with pytest.raises(InputError, match=r"no JSON|no answer|as meshsim writes it") as error:
        read(content, "baseline.json")
    assert str(error.value.where).startswith("baseline.json")
