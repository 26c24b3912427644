"""What a scenario expects, held against the rows: only the stated fields are compared."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from meshsim.analysis.calls import target_of
from meshsim.analysis.situation import Situation
from meshsim.model.shares import ZERO, percent
from meshsim.model.verdict import Checked, Row, Verdict
from meshsim.scenario.scenario import Expectation, Range

_ROLES: Final = ("stable", "canary", "other")


def selects(expectation: Expectation, row: Row, addresses: Mapping[int, str], situation: Situation) -> bool:
    """Whether a row is one that an expectation speaks of; `to` is compared as FQDN and port."""
    if expectation.frm is not None and not _matches(expectation.frm, row):
        return False
    if expectation.path is not None and expectation.path != row.path:
        return False
    if expectation.rollout is not None and expectation.rollout != row.rollout:
        return False
    return expectation.to is None or expectation.to == row.to or _same_address(expectation, row, addresses, situation)


def _matches(name: str, row: Row) -> bool:
    if name == row.frm or name in row.member_names:
        return True
    wanted = name.split("/")
    for known in (row.frm, *row.member_names):
        parts = known.split("/")
        if len(wanted) == len(parts) == 3 and all(w in {p, "*"} for w, p in zip(wanted, parts, strict=True)):
            return True
        if len(wanted) == 2 and len(parts) == 3 and wanted == [parts[0], parts[2]]:
            return True
        if len(parts) == 2 and len(wanted) == 3 and parts == [wanted[0], wanted[2]]:
            return True
    return False


def _same_address(expectation: Expectation, row: Row, addresses: Mapping[int, str], situation: Situation) -> bool:
    caller = addresses.get(id(row))
    return caller is not None and caller == expanded(expectation, row, situation)


def expanded(expectation: Expectation, row: Row, situation: Situation) -> str:
    """An expectation's `to` as FQDN and port, read as the row's client would."""
    from meshsim.analysis.calls import callers

    assert expectation.to is not None
    found = callers(situation, row.frm, expectation.source)
    return str(target_of(situation, found[0], expectation.to, expectation.source))


def check(expectation: Expectation, rows: Sequence[Row]) -> Checked:
    """Hold an expectation against the rows it selects: all must satisfy it, and there must be one.

    With `never`, none may; with `known`, the expectation is known to fail, and passing is a failure too.
    """
    failures: list[str] = []
    for row in rows:
        wrong = list(_differences(expectation, row))
        if expectation.never:
            if not wrong:
                failures.append(f"{row.frm} → {row.to}: this must never hold, and does")
        else:
            failures.extend(f"{row.frm} → {row.to}: {sentence}" for sentence in wrong)
    if not rows:
        failures.append("no row matches this expectation")
    passed = not failures
    if expectation.known is not None:
        if passed:
            failures = [f"this is known to fail ({expectation.known}) and passes now: remove `known`"]
        elif rows:
            failures = []
        passed = not failures
    return Checked(
        index=expectation.index,
        line=expectation.source.line,
        passed=passed,
        wanted=dict(expectation.stated),
        actual=_actual(expectation, rows[0]) if rows else {},
        failures=tuple(failures),
        rows=tuple(rows),
    )


def _differences(expectation: Expectation, row: Row) -> list[str]:
    found: list[str] = []
    if expectation.verdict is not None and expectation.verdict != row.verdict.value:
        found.append(f"verdict is {row.verdict.value}, not {expectation.verdict}")
    if expectation.masked is not None and expectation.masked != row.masked:
        found.append(f"masked is {str(row.masked).lower()}, not {str(expectation.masked).lower()}")
    missing = [code for code in expectation.reasons or () if code not in row.reasons]
    if missing:
        found.append(f"reasons lack {', '.join(missing)}: there are {', '.join(row.reasons) or 'none'}")
    for role in _ROLES:
        found.extend(_share(role, getattr(expectation, role), getattr(row.effective, role) if row.effective else None))
    found.extend(_share("errors", expectation.errors, row.effective.error if row.effective else None))
    if expectation.clusters is not None:
        found.extend(_clusters(expectation.clusters, row))
    if "decided_by" in expectation.stated and expectation.stated["decided_by"] != row.decided_by:
        found.append(f"decided by {row.decided_by or 'nobody'}, not {expectation.stated['decided_by'] or 'nobody'}")
    return found


def _share(name: str, wanted: Range | None, actual: Fraction | None) -> list[str]:
    if wanted is None:
        return []
    if actual is None:
        return [f"{name} is undetermined, not {_range(wanted)}"]
    if wanted[0] <= actual <= wanted[1]:
        return []
    return [f"{name} is {percent(actual)}, not {_range(wanted)}"]


def _range(wanted: Range) -> str:
    return percent(wanted[0]) if wanted[0] == wanted[1] else f"{percent(wanted[0])}..{percent(wanted[1])}"


def _clusters(wanted: Mapping[str, Range | None], row: Row) -> list[str]:
    found = []
    for name, share in wanted.items():
        actual = row.clusters.get(name, ZERO)
        if share is None and not actual:
            found.append(f"{name} serves nothing")
        found.extend(_share(f"share of {name}", share, actual))
    extra = [name for name in row.clusters if name not in wanted]
    if extra:
        found.append(f"{', '.join(extra)} serves too")
    return found


def _actual(expectation: Expectation, row: Row) -> dict[str, Any]:
    """What was found for the stated fields."""
    effective = row.effective
    values: dict[str, Any] = {
        "verdict": row.verdict.value,
        "masked": row.masked,
        "reasons": list(row.reasons),
        "decided_by": row.decided_by,
        "clusters": {name: str(share) for name, share in row.clusters.items()},
        "errors": str(effective.error) if effective is not None else None,
    }
    for role in _ROLES:
        values[role] = str(getattr(effective, role)) if effective is not None else None
    return {key: value for key, value in values.items() if key in expectation.stated}


def is_undetermined(row: Row) -> bool:
    """Whether a row only says that it does not know."""
    return row.verdict is Verdict.UNDETERMINED
