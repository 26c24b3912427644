"""The status part of one sync: promotion, the step index, pauses, aborts, conditions and the phase.

Source: argo-rollouts rollout/canary.go:345-420, rollout/sync.go, rollout/pause.go, utils/conditions.
"""

from typing import Any

from meshsim.rollouts.context import Context
from meshsim.rollouts.phase import phase_of
from meshsim.rollouts.scale import current_step, is_at_desired, threshold_met
from meshsim.rollouts.spec import (
    Fields,
    pause_seconds,
    ping_pong,
    progress_deadline,
    replicas_of,
    stable_is_ping,
    steps_of,
)
from meshsim.rollouts.steps import EXTERNAL, describe, kind_of, step_hash

PAUSE_STEP = "CanaryPauseStep"
Status = dict[str, Any]


def template_or_steps_changed(sync: Context) -> bool:
    """utils/replicaset/replicaset.go PodTemplateOrStepsChanged; an unset currentPodHash is no change."""
    if (sync.old.get("currentStepHash") or "") != step_hash(sync.rollout):
        return True
    new = sync.picked.new
    recorded = sync.old.get("currentPodHash") or ""
    return bool(recorded) and recorded != (new.hash if new else sync.state.template_hash)


def write_status(sync: Context) -> None:
    """canary.go:345-420 syncRolloutStatusCanary."""
    status = _base(sync)
    count = len(steps_of(sync.rollout))
    step, index = current_step(sync.rollout, sync.old)
    if template_or_steps_changed(sync):
        _reset(sync, status, count)
        return _persist(sync, status)
    if sync.old.get("promoteFull") or within_window(sync):
        sync.clear_pauses = sync.remove_abort = True
        index = count or index
    if _promotion_reason(sync):
        sync.clear_pauses = sync.remove_abort = True
        status.pop("promoteFull", None)
        _set_index(status, count or None)
        if ping_pong(sync.rollout) and status.get("stableRS") != status["currentPodHash"]:
            turned = "pong" if stable_is_ping(sync.old) else "ping"
            status["canary"] = {**(status.get("canary") or {}), "stablePingPong": turned}
        status["stableRS"] = status["currentPodHash"]
        return _persist(sync, status)
    if sync.aborted:
        if count:
            status["currentStepIndex"] = count if status.get("stableRS") == status["currentPodHash"] else 0
        return _persist(sync, status)
    if step is not None and index is not None and index < count and not sync.hold and _completed(sync, step, index):
        index += 1
        sync.remove_pauses.add(PAUSE_STEP)
    _set_index(status, index)
    return _persist(sync, status)


def _set_index(status: Status, index: int | None) -> None:
    if index is None:
        status.pop("currentStepIndex", None)
    else:
        status["currentStepIndex"] = index


def _base(sync: Context) -> Status:
    """sync.go calculateBaseStatus, with what every canary status carries."""
    new = sync.picked.new
    status: Status = {key: sync.old[key] for key in ("collisionCount", "restartedAt", "stableRS") if key in sync.old}
    status["currentPodHash"] = new.hash if new else sync.state.template_hash
    status["currentStepHash"] = step_hash(sync.rollout)
    status["replicas"] = sum(found.created for found in sync.sets)
    status["updatedReplicas"] = new.created if new else 0
    status["readyReplicas"] = status["availableReplicas"] = sum(found.available for found in sync.sets)
    status["conditions"] = [part for part in sync.old.get("conditions") or () if part.get("type") != "InvalidSpec"]
    if sync.old.get("promoteFull"):
        status["promoteFull"] = True
    traffic: Status = {} if sync.weights is None else {"weights": sync.weights}
    turn = (sync.old.get("canary") or {}).get("stablePingPong")
    if turn:
        traffic["stablePingPong"] = turn
    if traffic:
        status["canary"] = traffic
    return status


def _reset(sync: Context, status: Status, count: int) -> None:
    """A new template or other steps: back to the first step, or past the last where the template is the stable one."""
    sync.clear_pauses = sync.remove_abort = True
    status.pop("promoteFull", None)
    new = sync.picked.new
    index: int | None = 0 if count else None
    if (
        new is not None
        and count
        and ((sync.old.get("stableRS") or "") == new.hash or (within_window(sync) and new.replicas > 0))
    ):
        index = count
    _set_index(status, index)


def within_window(sync: Context) -> bool:
    """A rollback to a revision young enough for `rollbackWindow` (sync.go isRollbackWithinWindow)."""
    new, stable, _ = sync.picked
    window = ((sync.rollout.get("spec") or {}).get("rollbackWindow") or {}).get("revisions") or 0
    if new is None or stable is None or new.order >= stable.order or window <= 0:
        return False
    return sum(1 for found in sync.sets if new.order < found.order < stable.order) < int(window)


def _promotion_reason(sync: Context) -> str:
    """sync.go:1249 shouldFullPromote; "" keeps going. The initial deploy needs no pod at all."""
    new, stable, _ = sync.picked
    if stable is None:
        return "Initial deploy"
    if sync.aborted or new is None or sync.hold:
        return ""
    wanted = replicas_of(sync.rollout)
    surplus = sync.behaviour["promote_with_surplus"]
    enough = new.available >= wanted if surplus else new.available == wanted
    if not enough and not (surplus and threshold_met(sync.rollout, new, wanted, version=sync.state.version)):
        return ""
    if sync.old.get("promoteFull"):
        return "Full promotion requested"
    if within_window(sync):
        return "Rollback within window"
    step, _ = current_step(sync.rollout, sync.old)
    return f"Completed all {len(steps_of(sync.rollout))} canary steps" if step is None else ""


def _completed(sync: Context, step: Fields, index: int) -> bool:
    """canary.go:305 completedCurrentCanaryStep."""
    if (sync.rollout.get("spec") or {}).get("paused"):
        return False
    kind = kind_of(step)
    if kind == "pause":
        return _pause_over(sync, step["pause"] or {})
    if kind in {"setWeight", "setCanaryScale"}:
        return is_at_desired(sync.rollout, sync.old, sync.picked, sync.weights, version=sync.state.version)
    if kind in EXTERNAL:
        return result_of(sync, step, index) == "successful"
    return kind in {"setHeaderRoute", "setMirrorRoute"}


def _pause_over(sync: Context, pause: Fields) -> bool:
    """rollout/pause.go:195: promoted by hand, or long enough."""
    condition = pause_condition(sync.old)
    if condition is None:
        return bool(sync.old.get("controllerPause"))
    seconds = pause_seconds(pause)
    return seconds is not None and float(condition.get("startTime") or 0) + seconds <= sync.now


def pause_condition(status: Fields, reason: str = PAUSE_STEP) -> Fields | None:
    """The pause condition with a reason, None where it is not paused for it."""
    return next((part for part in status.get("pauseConditions") or () if part.get("reason") == reason), None)


def result_of(sync: Context, step: Fields, index: int) -> str:
    """The scripted result of an analysis, experiment or plugin step; "" while it runs."""
    results = sync.state.results
    value = step.get(kind_of(step)) or {}
    names: list[int | str] = [index, str(value.get("name") or "")]
    names += [str(part.get("templateName") or part.get("name")) for part in value.get("templates") or ()]
    found = next((results[name] for name in names if name in results), "")
    if not found:
        sync.wait(f"step {index} ({describe(step)}) runs until a result is given")
    return str(found).lower()


def write_scaled(sync: Context, status: Status) -> None:
    """The status after a sync that only scaled (sync.go syncReplicasOnly): its conditions follow from 1.10 on."""
    _persist(sync, status, conditions=sync.behaviour["conditions_at_the_end"])


def _persist(sync: Context, status: Status, *, conditions: bool = True) -> None:
    """Conditions, then pauses and abort (pause.go CalculatePauseStatus), then the phase."""
    status.pop("abort", None)
    status.pop("abortedAt", None)
    if sync.behaviour["conditions_at_the_end"]:
        _abort_at_deadline(sync, status)
    if conditions:
        _conditions(sync, status)
    if sync.aborted:
        status["abort"] = True
        status["abortedAt"] = sync.old.get("abortedAt", sync.now)
    elif not sync.clear_pauses:
        old = list(sync.old.get("pauseConditions") or ())
        kept = [part for part in old if part.get("reason") not in sync.remove_pauses]
        added = [
            {"reason": reason, "startTime": sync.now}
            for reason in sync.add_pauses
            if all(part.get("reason") != reason for part in old)
        ]
        if kept or added:
            status["pauseConditions"] = kept + added
            if added or sync.old.get("controllerPause"):
                status["controllerPause"] = True
    finish(sync, status)


def finish(sync: Context, status: Status) -> None:
    """Set the phase and the observed generation, and make it the status."""
    status["observedGeneration"] = str(sync.state.generation)
    phase, message = phase_of(sync.rollout, status)
    status["phase"] = phase
    status.pop("message", None)
    if message:
        status["message"] = message
    sync.status = status


def set_condition(status: Status, kind: str, value: str, reason: str, message: str, now: float) -> None:
    """utils/conditions SetRolloutCondition: nothing changes where status and reason are the same."""
    known = list(status.get("conditions") or ())
    old = next((part for part in known if part.get("type") == kind), None)
    if old is not None and old.get("status") == value and old.get("reason") == reason:
        return
    since = old.get("lastTransitionTime", now) if old is not None and old.get("status") == value else now
    status["conditions"] = [part for part in known if part.get("type") != kind] + [
        {
            "type": kind,
            "status": value,
            "reason": reason,
            "message": message,
            "lastUpdateTime": now,
            "lastTransitionTime": since,
        }
    ]


def condition(status: Fields, kind: str) -> Fields:
    """A condition by type, empty where there is none."""
    return next((part for part in status.get("conditions") or () if part.get("type") == kind), {})


def check_paused_conditions(sync: Context) -> bool:
    """Paused and Progressing follow a pause or a resume; True if that changed something (sync.go:698)."""
    if not sync.old:
        return False
    status = dict(sync.old)
    progressing = condition(status, "Progressing").get("reason")
    paused = bool(status.get("pauseConditions")) or bool((sync.rollout.get("spec") or {}).get("paused"))
    aborted = progressing == "RolloutAborted"
    completed = bool(status.get("stableRS")) and status.get("stableRS") == status.get("currentPodHash")
    if paused != (progressing == "RolloutPaused") and not aborted and not completed:
        if paused:
            set_condition(status, "Progressing", "Unknown", "RolloutPaused", "Rollout is paused", sync.now)
        elif progressing is not None:
            set_condition(status, "Progressing", "Unknown", "RolloutResumed", "Rollout is resumed", sync.now)
    if not status.get("abort") and aborted:
        set_condition(status, "Progressing", "Unknown", "RolloutRetry", "Retrying Rollout after abort", sync.now)
    if paused != (condition(status, "Paused").get("status") == "True") and not aborted:
        set_condition(status, "Paused", str(paused), "RolloutPaused", "Rollout is paused", sync.now)
    if status.get("conditions") == sync.old.get("conditions"):
        return False
    finish(sync, status)
    sync.old = dict(sync.status)
    return True


def _conditions(sync: Context, status: Status) -> None:
    """The conditions the phase depends on: Healthy, Progressing, Completed (sync.go calculateRolloutConditions)."""
    now, wanted = sync.now, replicas_of(sync.rollout)
    count = len(steps_of(sync.rollout))
    completed = bool(status.get("stableRS")) and status.get("stableRS") == status.get("currentPodHash")
    healthy = (
        all(int(status.get(key) or 0) == wanted for key in ("updatedReplicas", "availableReplicas", "replicas"))
        and sync.old.get("observedGeneration") == str(sync.state.generation)
        and completed
        and (not count or status.get("currentStepIndex", count) == count)
    )
    paused = bool(sync.old.get("pauseConditions")) or bool((sync.rollout.get("spec") or {}).get("paused"))
    unhealthy_now = False
    if healthy and not paused:
        set_condition(status, "Healthy", "True", "RolloutHealthy", "Rollout is healthy", now)
    elif condition(status, "Healthy"):
        unhealthy_now = condition(status, "Healthy").get("status") == "True"
        set_condition(status, "Healthy", "False", "RolloutHealthy", "Rollout is not healthy", now)
    if sync.aborted:
        new = sync.picked.new
        message = f"Rollout aborted update to revision {new.revision if new else 0}"
        message += f": {sync.abort_message}" if sync.abort_message else ""
        set_condition(status, "Progressing", "False", "RolloutAborted", message, now)
    elif healthy:
        set_condition(
            status, "Progressing", "True", "NewReplicaSetAvailable", "ReplicaSet has successfully progressed.", now
        )
    elif _progressed(sync.old, status) or unhealthy_now:
        reason = "ReplicaSetNotAvailable" if completed and unhealthy_now else "ReplicaSetUpdated"
        status["conditions"] = [part for part in status.get("conditions") or () if part.get("type") != "Progressing"]
        set_condition(status, "Progressing", "True", reason, "ReplicaSet is progressing.", now)
    elif _timed_out(sync, status):
        name = sync.picked.new.name if sync.picked.new else sync.state.name
        message = f'ReplicaSet "{name}" has timed out progressing.'
        set_condition(status, "Progressing", "False", "ProgressDeadlineExceeded", message, now)
        aborts = (sync.rollout.get("spec") or {}).get("progressDeadlineAbort")
        if aborts and not sync.behaviour["conditions_at_the_end"]:
            sync.add_abort, sync.remove_abort, sync.abort_message = True, False, message
    set_condition(status, "Completed", str(completed), "RolloutCompleted", "RolloutCompleted", now)


def _abort_at_deadline(sync: Context, status: Status) -> None:
    """From 1.10 on progressDeadlineAbort comes before the conditions, and a finished update is never aborted."""
    completed = bool(status.get("stableRS")) and status.get("stableRS") == status.get("currentPodHash")
    if not (sync.rollout.get("spec") or {}).get("progressDeadlineAbort") or sync.aborted or completed:
        return
    if not _progressed(sync.old, status) and _timed_out(sync, sync.old):
        name = sync.picked.new.name if sync.picked.new else sync.state.name
        sync.add_abort, sync.abort_message = True, f'ReplicaSet "{name}" has timed out progressing.'


def _progressed(old: Fields, new: Fields) -> bool:
    """utils/conditions RolloutProgressing."""

    def number(status: Fields, key: str) -> int:
        return int(status.get(key) or 0)

    older = number(old, "replicas") - number(old, "updatedReplicas")
    older_now = number(new, "replicas") - number(new, "updatedReplicas")
    both = "currentStepIndex" in old and "currentStepIndex" in new
    return (
        number(new, "updatedReplicas") != number(old, "updatedReplicas")
        or older_now < older
        or number(new, "readyReplicas") > number(old, "readyReplicas")
        or number(new, "availableReplicas") > number(old, "availableReplicas")
        or (old.get("stableRS") or "") != (new.get("stableRS") or "")
        or (both and old["currentStepIndex"] != new["currentStepIndex"])
        or (old.get("currentStepHash") or "") != (new.get("currentStepHash") or "")
    )


def _timed_out(sync: Context, status: Fields) -> bool:
    deadline = deadline_at(sync.rollout, sync.old, waits=any(part.deadline is not None for part in sync.picked.others))
    if condition(status, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return True
    return deadline is not None and deadline <= sync.now


def deadline_at(rollout: Fields, status: Fields, *, waits: bool) -> float | None:
    """When progressDeadlineSeconds runs out, None where it does not run.

    It does not on pause, analysis and experiment steps, while paused, nor while an old ReplicaSet has a deadline.
    """
    step, _ = current_step(rollout, status)
    if waits or (step is not None and kind_of(step) in {"pause", "analysis", "experiment"}):
        return None
    progressing = condition(status, "Progressing")
    if not progressing or progressing.get("reason") in {
        "RolloutAborted",
        "RolloutPaused",
        "ProgressDeadlineExceeded",
        "NewReplicaSetAvailable",
    }:
        return None
    if status.get("pauseConditions") or condition(status, "Paused").get("status") == "True":
        return None
    return float(progressing.get("lastUpdateTime") or 0) + progress_deadline(rollout)
