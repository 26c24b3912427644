"""When something happens to a Rollout by itself."""

import math

from meshsim.rollouts.scale import current_step
from meshsim.rollouts.spec import pause_seconds
from meshsim.rollouts.state import State
from meshsim.rollouts.status import deadline_at, pause_condition


def next_due(state: State) -> float | None:
    """The next instant (seconds) at which a sync or a pod's readiness is due; None at rest.

    Timers: pods becoming ready or gone, scale-down deadlines, the end of a timed pause, progressDeadlineSeconds.
    Resyncs and back-off do not count: they repeat what was already tried.
    """
    if state.woken:
        return state.now
    found = [time for time in _timers(state) if state.now < time < math.inf]
    return min(found, default=None)


def _timers(state: State) -> list[float]:
    ready = float((state.rollout.get("spec") or {}).get("minReadySeconds") or 0)
    found: list[float] = []
    for replicas in state.sets:
        found += [pod.ready_at + ready for pod in replicas.pods if pod.stopped_at is None]
        found += [pod.gone_at for pod in replicas.pods if pod.gone_at is not None]
        if replicas.deadline is not None and replicas.replicas > 0:
            found.append(replicas.deadline)
    step, _ = current_step(state.rollout, state.status)
    condition = pause_condition(state.status)
    if step is not None and condition is not None and isinstance(step.get("pause"), dict):
        seconds = pause_seconds(step["pause"])
        if seconds is not None:
            found.append(float(condition.get("startTime") or 0) + seconds)
    others = [
        part
        for part in state.sets
        if part.hash not in {state.status.get("stableRS"), state.status.get("currentPodHash")}
    ]
    deadline = deadline_at(state.rollout, state.status, waits=any(part.deadline is not None for part in others))
    if deadline is not None:
        found.append(deadline)
    return found


def at_rest(state: State) -> bool:
    """Nothing pending but resyncs and back-off."""
    return next_due(state) is None
