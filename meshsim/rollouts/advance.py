"""A Rollout over time: syncs, pods becoming ready, pauses and deadlines, one instant after the other.

Syncs take no time, so several happen at one instant, one after the other; each sees what the one before wrote.
"""

from dataclasses import replace
from typing import final

from meshsim.model.frozen import frozen
from meshsim.rollouts.due import at_rest, next_due
from meshsim.rollouts.reconcile import reconcile, same_situation
from meshsim.rollouts.replicaset import follow_spec
from meshsim.rollouts.spec import steps_of
from meshsim.rollouts.state import State, Write

_SYNCS = 60
_SYNCS_PER_STEP = 12
_INSTANTS = 100_000

__all__ = ["Entry", "advance", "at_rest", "next_due", "pods_follow", "run_to_rest"]


@final
@frozen
class Entry:
    """One thing that happened at instant `t`: sync number `n` (from 1), or pods changing after sync `n`.

    `edits` are the fields written; a sync may have edits and still leave everything as it was (a selector that flaps).
    """

    t: float
    n: int
    kind: str
    state: State
    edits: tuple[Write, ...] = ()
    note: str = ""


def pods_follow(state: State, *, pod_ready: float = 0.0, pod_terminate: float = 0.0) -> State:
    """Pods and ReplicaSet statuses as of `state.now`; woken where that changed a ReplicaSet."""
    least = float((state.rollout.get("spec") or {}).get("minReadySeconds") or 0)
    sets = tuple(
        follow_spec(found, state.now, pod_ready=pod_ready, pod_terminate=pod_terminate, min_ready=least)
        for found in state.sets
    )
    return state if sets == state.sets else replace(state, sets=sets, woken=True)


def advance(
    state: State, to: float, *, pod_ready: float = 0.0, pod_terminate: float = 0.0, hold: bool = False
) -> tuple[State, list[Entry]]:
    """Everything due up to and including instant `to` (seconds), and the history of what changed.

    `pod_ready` and `pod_terminate` are seconds from creation to readiness and from deletion to the end. It always ends:
    an instant at which syncs never settle is declared a hot loop in the notes, and left.
    """
    history: list[Entry] = []
    for _ in range(_INSTANTS):
        due = next_due(state)
        if due is None or due > to:
            break
        if due > state.now:
            state = replace(state, now=due, woken=True)
        state = _instant(state, history, pod_ready=pod_ready, pod_terminate=pod_terminate, hold=hold)
    return (replace(state, now=to) if to > state.now else state), history


def _instant(state: State, history: list[Entry], *, pod_ready: float, pod_terminate: float, hold: bool) -> State:
    n = 0
    limit = _SYNCS + _SYNCS_PER_STEP * len(steps_of(state.rollout))
    while True:
        moved = pods_follow(state, pod_ready=pod_ready, pod_terminate=pod_terminate)
        if moved is not state:
            state = moved
            history.append(Entry(t=state.now, n=n, kind="pods", state=state, note="pods changed"))
        if not state.woken:
            return state
        if n >= limit:
            return _loops(state, f"hot loop at {state.now:g}s: {n} syncs did not settle")
        before, done = state, reconcile(state, hold=hold)
        state = done.state
        failed = done.error is not None and (before.error is None or before.error.message != done.error.message)
        if done.changed or done.edits or failed:
            n += 1
            note = str(done.error.message) if done.error is not None else ""
            history.append(Entry(t=state.now, n=n, kind="sync", state=state, edits=done.edits, note=note))
        if done.edits and same_situation(before, state):
            fields = sorted({f"{edit.key} {edit.dotted}" for edit in done.edits})
            return _loops(state, f"hot loop: every sync writes {', '.join(fields)} to and fro (argo-rollouts#3078)")


def _loops(state: State, sentence: str) -> State:
    notes = state.notes if sentence in state.notes else (*state.notes, sentence)
    return replace(state, notes=notes, woken=False)


def run_to_rest(
    state: State, *, pod_ready: float = 0.0, pod_terminate: float = 0.0, hold: bool = False, limit: int = 1000
) -> tuple[State, list[Entry]]:
    """Advance from one due instant to the next until nothing is pending (at most `limit` instants)."""
    history: list[Entry] = []
    for _ in range(limit):
        due = next_due(state)
        if due is None:
            break
        state, part = advance(state, due, pod_ready=pod_ready, pod_terminate=pod_terminate, hold=hold)
        history += part
    return state, history
