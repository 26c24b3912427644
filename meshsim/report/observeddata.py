"""Observations held against the model, as plain values."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from meshsim.live.outcomes import Held, Outcome, Result, Tested
from meshsim.report.formats import Heading
from meshsim.report.observedview import line_of

SCHEMA: Final = "meshsim/comparison/v1"


def data(found: Result, heading: Heading) -> dict[str, Any]:
    """Plain values for JSON."""
    return {
        "schema": SCHEMA,
        "scenario": heading.scenario,
        "dialect": heading.dialect,
        "observations": found.recording.file,
        "source": found.recording.source,
        "alpha": float(found.alpha),
        "alpha_each": found.level,
        "agrees": not found.of(Outcome.DISAGREES),
        "rows": [_row(one) for one in found.held],
    }


def _row(one: Held) -> dict[str, Any]:
    row = one.row
    said: dict[str, Any] = {
        "from": one.observed.frm,
        "to": one.observed.to,
        "path": one.observed.path,
        "headers": dict(one.observed.headers),
        "connection": one.observed.connection,
        "line": one.observed.where.line if one.observed.where is not None else None,
        "outcome": str(one.outcome),
        "at": one.at,
        "why": list(line_of(one).why),
    }
    if row is not None:
        said |= {"rollout": row.rollout, "verdict": str(row.verdict), "masked": row.masked}
    if one.p is None:
        return said
    said["rules_out"] = line_of(one).rules_out
    return said | {
        "p": one.p,
        "unit": one.unit,
        "evidence": str(one.evidence) if one.outcome is Outcome.AGREES else None,
        "tests": [_test(test) for test in one.tests],
        "stories": [
            {
                "story": story.name,
                "shares": _floats(story.shares),
                "p": story.p,
                "needed": story.needed,
                "same": story.same,
            }
            for story in one.stories
        ],
    }


def _test(test: Tested) -> dict[str, Any]:
    said: dict[str, Any] = {"label": test.label, "p": test.p, "unit": str(test.law.unit)}
    if test.counted is not None:
        said |= {"count": [test.counted.low, test.counted.high], "of": test.counted.trials}
    return said | {
        "share": [float(test.law.low), float(test.law.high)],
        "exact": [str(test.law.low), str(test.law.high)],
    }


def _floats(values: Mapping[str, Fraction]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
