"""A timeline as plain values, for JSON and YAML. Micro-steps are zero-length intervals (`start` = `end`, `sync` n)."""

from typing import Any, Final

from meshsim.model.timeline import Lane, Showing, Span, Timeline
from meshsim.model.verdict import Row

SCHEMA: Final = "meshsim/timeline/v1"


def timeline(found: Timeline) -> dict[str, Any]:
    """Everything, in the order of time."""
    return {
        "schema": SCHEMA,
        "scenario": found.scenario,
        "dialect": found.dialect,
        "end": found.end,
        "at_rest": found.rests,
        "events": [
            {"at": one.t, "sync": one.n, "kind": one.kind, "subject": one.subject, "what": one.what}
            for one in found.happened
        ],
        "rollouts": [_showing(one) for one in found.showings],
        "lanes": [_lane(lane) for lane in found.lanes],
        "windows": [
            {
                "kind": one.kind,
                "start": one.start,
                "end": one.end,
                "from": found.lanes[one.lane].frm,
                "to": found.lanes[one.lane].to,
                "share": float(one.share),
                "sentence": one.sentence,
            }
            for one in found.windows
        ],
        "safe_delays": dict(found.safe_delays),
        "notes": list(found.notes),
    }


def _showing(one: Showing) -> dict[str, Any]:
    names = ("desired", "current", "updated", "ready", "available")
    return {
        "at": one.t,
        "sync": one.n,
        "rollout": one.rollout,
        "phase": one.phase,
        "message": one.message,
        "step": one.step,
        "set_weight": one.set_weight,
        "actual_weight": one.actual_weight,
        "desired": {"stable": float(1 - one.desired), "canary": float(one.desired)},
        "replicas": dict(zip(names, one.counts, strict=True)),
        "images": [{"image": image, "role": role} for image, role in one.images],
        "replica_sets": [
            {"name": name, "role": role, "available": available, "replicas": wanted}
            for name, role, available, wanted in one.replicas
        ],
    }


def _lane(lane: Lane) -> dict[str, Any]:
    steps = [*lane.spans, *lane.micro]
    return {
        "from": lane.frm,
        "to": lane.to,
        "path": lane.path,
        "headers": dict(lane.headers),
        "connection": lane.connection,
        "rollout": lane.rollout,
        "intervals": [_span(span) for span in sorted(steps, key=lambda span: (span.start, not span.micro, span.n))],
    }


def _span(span: Span) -> dict[str, Any]:
    plain: dict[str, Any] = {"start": span.start, "end": span.end, "cause": span.cause}
    if span.micro:
        plain["sync"] = span.n
    if span.stale:
        plain["stale"] = True
        plain["worst_order"] = span.worst
    return plain | _row(span.row)


def _row(row: Row) -> dict[str, Any]:
    effective = row.effective
    return {
        "verdict": row.verdict.value,
        "masked": row.masked,
        "reasons": list(row.reasons),
        "desired": None if row.desired is None else {role: float(share) for role, share in row.desired.items()},
        "effective": None if effective is None else {role: float(share) for role, share in effective.items()},
        "exact": None if effective is None else {role: str(share) for role, share in effective.items() if share},
        "applied_share": None if row.applied_share is None else float(row.applied_share),
        "versions": {name: float(share) for name, share in row.versions.items()},
        "clusters": {name: float(share) for name, share in row.clusters.items()},
        "errors": [
            {"share": float(error.share), "code": error.code, "flag": error.flag, "where": error.where}
            for error in row.errors
        ],
        "decided_by": row.decided_by,
        "hops": list(row.hops),
    }
