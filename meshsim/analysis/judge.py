"""From a trace to a verdict: what was wanted, what clients get, who decided, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Final

from meshsim.analysis import advice
from meshsim.analysis.assumptions import assumption, of_paths
from meshsim.analysis.calls import Call
from meshsim.analysis.causes import TAGS, causes, in_order
from meshsim.analysis.coverage import unmodelled, unread
from meshsim.analysis.governance import governing
from meshsim.analysis.situation import Managed, Situation
from meshsim.dataplane.resolve import resolve
from meshsim.mesh.pods import Pod
from meshsim.model.shares import ONE, ZERO, total
from meshsim.model.trace import Delivered, Failed, Open, Path, RouteUse, Trace
from meshsim.model.verdict import ErrorShare, Row, Shares, Verdict

MOST_READINGS: Final = 16


def judge(situation: Situation, call: Call) -> tuple[Row, ...]:
    """The rows of one call: one for each Rollout that governs it, or one ungoverned row."""
    trace = trace_of(situation, call, situation.mesh.assume)
    rollouts: Sequence[Managed | None] = governing(situation, call, trace) or (None,)
    return tuple(_row(situation, call, rollout, trace) for rollout in rollouts)


def trace_of(situation: Situation, call: Call, choices: Mapping[str, str]) -> Trace:
    """The trace of a call under choices for contested questions."""
    return situation.correct(resolve(situation.plane, call.caller.clients, call.target, call.request, choices))


def _row(situation: Situation, call: Call, rollout: Managed | None, trace: Trace) -> Row:
    """The row, read every way that the sources leave open; undetermined where the readings differ."""
    opens = [path.outcome for path in trace.paths() if isinstance(path.outcome, Open)]
    if opens:
        return _open_row(situation, call, rollout, trace, opens)
    row = _decided(situation, call, rollout, trace)
    limits = unmodelled(situation, call, rollout, trace)
    if limits and (row.verdict is not Verdict.UNGOVERNED or any(unread(situation))):
        return _undetermined(call, rollout, trace, ("MS901",), limits, ())
    return row


def _open_row(situation: Situation, call: Call, rollout: Managed | None, trace: Trace, opens: Sequence[Open]) -> Row:
    keyed = {o.key: o.readings for o in opens if o.key}
    codes = tuple(dict.fromkeys(o.code for o in opens))
    questions = tuple(dict.fromkeys(o.question for o in opens))
    if any(not o.key for o in opens):
        return _undetermined(call, rollout, trace, codes, questions, ())
    choices = [dict(zip(keyed, picked, strict=True)) for picked in product(*keyed.values())][:MOST_READINGS]
    traces = [trace_of(situation, call, {**situation.mesh.assume, **chosen}) for chosen in choices]
    if any(isinstance(path.outcome, Open) for t in traces for path in t.paths()):
        return _undetermined(call, rollout, trace, codes, questions, tuple(traces))
    rows = [_decided(situation, call, rollout, t) for t in traces]
    if all(
        (r.verdict, r.effective, r.applied_share) == (rows[0].verdict, rows[0].effective, rows[0].applied_share)
        for r in rows
    ):
        settled = tuple(assumption(key, value) for key, value in choices[0].items())
        return replace(rows[0], assumptions=(*rows[0].assumptions, *settled))
    return _undetermined(call, rollout, trace, codes, questions, tuple(traces))


def _undetermined(
    call: Call,
    rollout: Managed | None,
    trace: Trace,
    codes: tuple[str, ...],
    notes: tuple[str, ...],
    readings: tuple[Trace, ...],
) -> Row:
    hops, _, _ = _largest(tuple(trace.paths()))
    return Row(
        frm=call.caller.name,
        to=call.to,
        path=call.path,
        headers=call.headers,
        connection=call.connection,
        member_names=call.caller.members,
        rollout=rollout.name if rollout is not None else None,
        verdict=Verdict.UNDETERMINED,
        reasons=codes,
        desired=None,
        effective=None,
        applied_share=None,
        hops=hops,
        notes=notes,
        trace=trace,
        readings=readings,
    )


def _decided(situation: Situation, call: Call, rollout: Managed | None, trace: Trace) -> Row:
    paths = tuple(trace.paths())
    pods = situation.plane.registry.pod_by_uid
    delivered = [(p, pods.get(p.outcome.workload)) for p in paths if isinstance(p.outcome, Delivered)]
    errors = _errors(paths)
    error = sum((e.share for e in errors), ZERO)
    hops, decided_by, granularity = _largest(paths)
    row = Row(
        frm=call.caller.name,
        to=call.to,
        path=call.path,
        headers=call.headers,
        connection=call.connection,
        member_names=call.caller.members,
        rollout=None,
        verdict=Verdict.FAILING if error else Verdict.UNGOVERNED,
        reasons=tuple(dict.fromkeys(code for p in paths for code in _failures(p))),
        desired=None,
        effective=Shares(other=1 - error, error=error),
        applied_share=ZERO,
        versions=_named(total((pod.image if pod else "?", p.share) for p, pod in delivered)),
        clusters=_named(total((_cluster(p), p.share) for p, _ in delivered)),
        pods=_named(total((pod.path if pod else _workload(p), p.share) for p, pod in delivered)),
        errors=errors,
        decided_by=decided_by,
        granularity=granularity,
        hops=hops,
        assumptions=of_paths(paths),
        trace=trace,
    )
    if rollout is None:
        return row
    return _governed(situation, call, rollout, row, paths, delivered)


def _governed(
    situation: Situation,
    call: Call,
    rollout: Managed,
    row: Row,
    paths: tuple[Path, ...],
    delivered: Sequence[tuple[Path, Pod | None]],
) -> Row:
    assert row.effective is not None
    roles = total((rollout.role(pod), p.share) for p, pod in delivered)
    effective = Shares(
        stable=roles.get("stable", ZERO),
        canary=roles.get("canary", ZERO),
        other=roles.get("other", ZERO),
        error=row.effective.error,
    )
    managed = {id(p): situation.manages(rollout, _rule(p)) for p in paths}
    others = [r for r in situation.rollouts.values() if r.id != rollout.id]
    elsewhere = {
        id(p): not managed[id(p)] and any(situation.manages(other, _rule(p)) for other in others) for p in paths
    }
    applied = sum((p.share for p in paths if managed[id(p)]), ZERO)
    other_share = sum((p.share for p in paths if elsewhere[id(p)]), ZERO)
    desired = _desired(situation, rollout, paths)
    same = (effective.stable, effective.canary) == (desired["stable"], desired["canary"])
    verdict = _verdict(effective, applied, other_share, same=same)
    masked = verdict in {Verdict.BYPASSED, Verdict.PARTIAL} and same and not effective.other and not effective.error
    client = call.cluster
    codes = [
        code
        for p in paths
        for code in causes(situation, rollout, p, client, managed=managed[id(p)], elsewhere=elsewhere[id(p)])
    ]
    if masked:
        codes.append("MS401")
    if verdict is not Verdict.APPLIED:
        codes.extend(advice.outage(situation, call, rollout, local="MS203" in codes and verdict is not Verdict.FAILING))
    codes.extend(advice.codes(situation, rollout, effective, verdict))
    notes, more, assumed = advice.no_effect(situation, call, paths)
    return replace(
        row,
        rollout=rollout.name,
        verdict=verdict,
        masked=masked,
        reasons=tuple(dict.fromkeys([*codes, *more])),
        desired=desired,
        effective=effective,
        applied_share=applied,
        notes=(*notes, *((f"{rollout.name}: {rollout.refused}",) if rollout.refused else ())),
        assumptions=(*row.assumptions, *assumed, *advice.host_left_out(situation, rollout, codes)),
    )


def _verdict(effective: Shares, applied: Fraction, elsewhere: Fraction, *, same: bool) -> Verdict:
    if effective.error:
        return Verdict.FAILING
    if applied == ONE:
        return Verdict.APPLIED if same and not effective.other else Verdict.SKEWED
    if applied:
        return Verdict.PARTIAL
    return Verdict.ELSEWHERE if elsewhere == ONE else Verdict.BYPASSED


def _desired(situation: Situation, rollout: Managed, paths: Sequence[Path]) -> dict[str, Fraction]:
    """What the controller last recorded as written; canary alone for requests that a rule it inserted takes."""
    canary = Fraction(rollout.weight, rollout.most)
    inserted = sum((p.share for p in paths if situation.inserted(rollout, _rule(p))), ZERO)
    canary = inserted + (1 - inserted) * canary
    return {"stable": 1 - canary, "canary": canary}


def _rule(path: Path) -> RouteUse | None:
    """The last matched rule on a path, which chose its backend."""
    uses = [step.route for step in path.steps if step.route is not None and step.route.object is not None]
    return uses[-1] if uses else None


def _failures(path: Path) -> Iterator[str]:
    """The codes of a failed path that no Rollout governs."""
    if not isinstance(path.outcome, Failed):
        return
    for step in path.steps:
        for tag in in_order(step.tags):
            if tag.startswith("failed:"):
                yield tag.removeprefix("failed:")
            elif tag in TAGS:
                yield TAGS[tag]


def _errors(paths: Sequence[Path]) -> tuple[ErrorShare, ...]:
    shares = total(
        ((p.outcome.code, p.outcome.flag, p.outcome.where), p.share) for p in paths if isinstance(p.outcome, Failed)
    )
    return tuple(
        ErrorShare(share=share, code=code, flag=flag, where=where) for (code, flag, where), share in shares.items()
    )


def _cluster(path: Path) -> str:
    assert isinstance(path.outcome, Delivered)
    return path.outcome.cluster


def _workload(path: Path) -> str:
    assert isinstance(path.outcome, Delivered)
    return path.outcome.workload


def _named(shares: Mapping[str, Fraction]) -> dict[str, Fraction]:
    return dict(sorted(shares.items()))


def _decider(path: Path) -> str | None:
    """The last Envoy at which a matched rule chose the backend; if none, the last with HTTP routing."""
    for wanted in (True, False):
        for step in reversed(path.steps):
            if step.l7 and (not wanted or (step.route is not None and step.route.object is not None)):
                return step.hop
    return None


def _largest(paths: Sequence[Path]) -> tuple[tuple[str, ...], str | None, str]:
    """Hops and decider of the largest-share way (ties by name), and what the last choices are taken for."""
    ways = total(((_hops(p), _decider(p) or ""), p.share) for p in paths)
    best = min(ways, key=lambda way: (-ways[way], way), default=((), ""))
    kinds = {_granularity(p) for p in paths}
    return best[0], best[1] or None, kinds.pop() if len(kinds) == 1 else "mixed"


def _hops(path: Path) -> tuple[str, ...]:
    return tuple(hop for hop in path.hops if hop != "pod" and not hop.startswith("dns:"))


def _granularity(path: Path) -> str:
    """What the last choice was taken for; where nobody chose, what the last hop handles: ztunnel knows connections."""
    for step in reversed(path.steps):
        if step.granularity is not None:
            return step.granularity
    last = path.steps[-1].hop.partition(":")[0] if path.steps else ""
    return "connection" if last in {"ztunnel", "eastwest", "kube-proxy"} else "request"
