"""Asking a scenario document: what is loaded, answered and compared."""

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from meshsim import session
from meshsim.model.trace import Step
from meshsim.model.verdict import Answer, Row

QUICK = {"derandomize": True, "deadline": None, "database": None}
"""Hypothesis settings: the same examples at each run, and no clock."""


def load(document: Mapping[str, Any]) -> session.Session:
    """A session on a document, as if it stood in a file."""
    return session.load("-", stdin=lambda: json.dumps(document).encode())


def rows_of(answer: Answer) -> list[Row]:
    return [row for moment in answer.moments for row in moment.rows]


def ask(document: Mapping[str, Any], at: str | float | None) -> list[Row]:
    """The rows of a document at a moment."""
    return rows_of(load(document).answer(at=at))


def said(row: Row) -> tuple[Any, ...]:
    """What a row says of verdict and shares."""
    shares = tuple(row.effective.items()) if row.effective is not None else None
    errors = frozenset((error.share, error.code, error.flag) for error in row.errors)
    return (row.verdict.value, row.masked, shares, row.applied_share, errors, frozenset(row.reasons))


def compared(rows: list[Row]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """(from, to, rollout) → what its row says, with the shares of clusters and pods."""
    return {
        (row.frm, row.to, row.rollout): (*said(row), sorted(row.clusters.items()), sorted(row.pods.items()))
        for row in rows
    }


def steps(roots: tuple[Step, ...]) -> list[Step]:
    """Every step of a trace."""
    found = list(roots)
    for step in found:
        found.extend(step.children)
    return found


def whole(parts: tuple[Step, ...]) -> Fraction:
    return sum((step.share for step in parts), Fraction(0))
