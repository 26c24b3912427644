"""What `kubectl argo rollouts get rollout` prints at the top.

Source: argo-rollouts utils/rollout/rolloututil.go:133-190, pkg/kubectl-argo-rollouts/info/rollout_info.go:46-78.
"""

from typing import NamedTuple

from meshsim.rollouts.scale import Sets, current_set_weight, current_step
from meshsim.rollouts.spec import (
    Fields,
    canary_weight,
    is_promoted,
    max_weight,
    replicas_of,
    routing,
    steps_of,
    weights_of,
)
from meshsim.rollouts.state import State
from meshsim.rollouts.weight import decide


class Shown(NamedTuple):
    """`step` is `index/number of steps` ("" without steps); the weights are numbers, as strings like the CLI's."""

    phase: str
    message: str
    step: str
    set_weight: str
    actual_weight: str

    def __str__(self) -> str:
        status = f"{self.phase} {self.message}".strip()
        step = f", Step {self.step}" if self.step else ""
        return f"{status}{step}, SetWeight {self.set_weight}, ActualWeight {self.actual_weight}"


def shown(state: State) -> Shown:
    """The status lines of a Rollout. ActualWeight is what was asked for, not what the mesh does."""
    rollout, status = state.rollout, state.status
    phase, message = _current_phase(state)
    steps = steps_of(rollout)
    index = status.get("currentStepIndex")
    step = f"{index}/{len(steps)}" if steps and index is not None else ""
    set_weight = current_set_weight(rollout, status)
    actual = 0
    if current_step(rollout, status)[0] is None:
        actual = max_weight(rollout)
    elif int(status.get("availableReplicas") or 0) > 0:
        weights = weights_of(status)
        if routing(rollout) is None:
            new = state.current
            if new is not None and new is not state.stable:
                actual = new.available * max_weight(rollout) // int(status["availableReplicas"])
        else:
            actual = canary_weight(weights) if weights is not None else set_weight
    return Shown(phase, message, step, str(set_weight), str(actual))


def _current_phase(state: State) -> tuple[str, str]:
    """The recorded phase, unless the controller has not caught up with the spec (rolloututil.go GetRolloutPhase)."""
    observed = str(state.status.get("observedGeneration") or "")
    if observed.isdigit() and int(observed) < state.generation:
        return "Progressing", "waiting for rollout spec update to be observed"
    if state.status.get("controllerPause") and not state.status.get("pauseConditions"):
        return "Progressing", "waiting for rollout to unpause"
    if state.status.get("phase"):
        return str(state.status["phase"]), str(state.status.get("message") or "")
    return ("", "") if not state.status else phase_of(state.rollout, state.status)


def phase_of(rollout: Fields, status: Fields) -> tuple[str, str]:
    """(phase, message), the first that holds (CalculateRolloutPhase)."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "InvalidSpec":
            return "Degraded", f"InvalidSpec: {condition.get('message')}"
        if condition.get("reason") in {"RolloutAborted", "ProgressDeadlineExceeded"}:
            return "Degraded", f"{condition['reason']}: {condition.get('message')}"
    if (rollout.get("spec") or {}).get("paused"):
        return "Paused", "manually paused"
    for pause in status.get("pauseConditions") or ():
        return "Paused", str(pause.get("reason"))
    updated, available = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    if updated < replicas_of(rollout):
        return "Progressing", "more replicas need to be updated"
    if available < updated:
        return "Progressing", "updated replicas are still becoming available"
    if routing(rollout) is None and int(status.get("replicas") or 0) > updated:
        return "Progressing", "old replicas are pending termination"
    if not status.get("stableRS") or not is_promoted(status):
        return "Progressing", "waiting for all steps to complete"
    return "Healthy", ""


def weight_in_force(state: State) -> int:
    """The canary weight that the controller last recorded; of an observed revision whose status records none, what it
    would have written (trafficrouting.go records one with every write, so such a status was cut short by hand)."""
    recorded = weights_of(state.status)
    stable, new = state.stable, state.current
    if recorded is not None or routing(state.rollout) is None or state.error is not None:
        return canary_weight(recorded)
    if stable is None or new is None or is_promoted(state.status):
        return 0
    others = tuple(found for found in state.sets if found is not new and found is not stable)
    decision = decide(dict(state.rollout), dict(state.status), Sets(new, stable, others), version=state.version)
    return 0 if decision.held else decision.weight
