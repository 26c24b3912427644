"""A lab's rows as aligned text, and as plain values."""

from collections.abc import Mapping
from typing import Any, Final

from meshsim.live.agree import ALPHA, Category, revision
from meshsim.live.check import Compared, Outcome
from meshsim.model.shares import ZERO, percent

COLUMNS: Final = ("phase", "client", "to", "requests", "p", "", "model → Envoy")


def heading(name: str, outcome: Outcome) -> str:
    """What was run."""
    if not outcome.processes:
        return f"{name}: no proxy takes part"
    return f"{name}: {len(outcome.processes)} Envoys, ready in {outcome.ready:.2f} s"


def table(outcome: Outcome) -> str:
    """Every row that was compared, then what could not be expressed, then what disagrees in detail."""
    compared = [row for row in outcome.rows if row.agreement is not None]
    cells = [COLUMNS, *(_cells(row) for row in compared)] if compared else []
    widths = [max(len(line[at]) for line in cells) for at in range(len(COLUMNS))] if cells else []
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    lines += [f"not sent: {_call(row)}: {row.why}" for row in outcome.inexpressible]
    for row in outcome.disagreements:
        lines += ["", f"{row.phase}, {_call(row)} disagrees (p < {ALPHA:g}, measured twice):", *_details(row)]
    return "\n".join(lines)


def conclusion(outcome: Outcome) -> str:
    """One sentence on the whole."""
    compared = len(outcome.rows) - len(outcome.inexpressible)
    if not compared:
        return "nothing to compare: no call reaches a proxy that the lab can run"
    wrong = len(outcome.disagreements)
    if wrong:
        return f"{wrong} of {compared} rows disagree: the model and Envoy do not do the same"
    requests = sum(row.requests for row in outcome.rows)
    return f"all {compared} rows agree over {requests} requests (alpha {ALPHA:g} a row)"


def plain(name: str, outcome: Outcome) -> dict[str, Any]:
    """The same for JSON."""
    return {
        "schema": "meshsim/live/v1",
        "scenario": name,
        "processes": list(outcome.processes),
        "ready_seconds": round(outcome.ready, 3),
        "alpha": ALPHA,
        "agrees": not outcome.disagreements,
        "rows": [_row(row) for row in outcome.rows],
    }


def _row(row: Compared) -> dict[str, Any]:
    said: dict[str, Any] = {
        "phase": row.phase,
        "from": row.client,
        "to": row.to,
        "path": row.path,
        "connection": row.connection,
    }
    if row.agreement is None:
        return {**said, "not_sent": row.why}
    return {
        **said,
        "requests": row.requests,
        "model": {str(category): str(share) for category, share in row.model.items()},
        "envoy": {str(category): count for category, count in row.envoy.items()},
        "p": row.agreement.p,
        "agrees": row.agreement.holds,
        "measured_again": bool(row.first),
    }


def _call(row: Compared) -> str:
    return f"{row.client} → {row.to}{row.path}"


def _cells(row: Compared) -> tuple[str, ...]:
    assert row.agreement is not None
    again = " again" if row.first else ""
    verdict = "agrees" if row.agreement.holds else "DISAGREES"
    return (
        row.phase,
        row.client,
        f"{row.to}{row.path}",
        str(row.requests),
        f"{row.agreement.p:.2g}",
        f"{verdict}{again}",
        _summary(row),
    )


def _summary(row: Compared) -> str:
    """By revision: the model's share and Envoy's count."""
    model, envoy = _by_revision(row.model), _by_revision(row.envoy)
    names = dict.fromkeys([*model, *envoy])
    return " · ".join(f"{name} {percent(model.get(name, ZERO))} → {envoy.get(name, 0)}" for name in names)


def _by_revision(values: Mapping[Category, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for category, value in values.items():
        name = revision(category).rpartition("/")[2] if isinstance(category, str) else str(category)
        found[name] = found.get(name, 0) + value
    return dict(sorted(found.items()))


def _details(row: Compared) -> list[str]:
    names = dict.fromkeys([*row.model, *row.envoy])
    lines = []
    for name in names:
        share, count = row.model.get(name, ZERO), row.envoy.get(name, 0)
        mark = " ←" if row.agreement is not None and name == row.agreement.worst else ""
        lines.append(f"  {name}: model {percent(share)}, Envoy {count} of {row.requests}{mark}")
    return lines
