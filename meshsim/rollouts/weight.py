"""The weight that a sync writes, and what it does on the way there.

Source: argo-rollouts rollout/trafficrouting.go:161-396.
"""

from typing import Any, NamedTuple

from meshsim.rollouts.replicaset import ReplicaSet
from meshsim.rollouts.scale import (
    Sets,
    current_set_weight,
    current_step,
    desired_canary_weight,
    is_at_desired,
    last_weight,
    threshold_met,
)
from meshsim.rollouts.spec import (
    Fields,
    canary_weight,
    is_dynamic,
    is_promoted,
    max_weight,
    replicas_of,
    routing,
    steps_of,
    weights_of,
)
from meshsim.rollouts.versions import LATEST, controller


class Decision(NamedTuple):
    """`weight` for the canary and the hashes it belongs to.

    `removes_managed`: the routes of setHeaderRoute and setMirrorRoute go. `resets_service`: the canary Service is
    pointed back at stable. `with_experiment`: experiment weights are added. `held`: stable is too small, nothing is
    written. `case` names the branch that decided.
    """

    weight: int
    canary_hash: str
    stable_hash: str
    removes_managed: bool
    resets_service: bool
    with_experiment: bool
    held: bool
    case: str


def rolling_back(rollout: Fields, status: Fields, new: ReplicaSet | None) -> bool:
    """Going back to stable mid-canary while stable is still scaled down (utils/rollout/rolloututil.go:29)."""
    weights = weights_of(status)
    if not is_promoted(status) or routing(rollout) is None or not is_dynamic(rollout) or weights is None or new is None:
        return False
    recorded = (weights.get("canary") or {}).get("podTemplateHash") or ""
    return recorded != new.hash and new.available < replicas_of(rollout)


def abort_weight(rollout: Fields, status: Fields, sets: Sets, *, version: str = LATEST) -> int:
    """The weight on abort or dynamic rollback: 0, or what a scaled-down stable can bear (trafficrouting.go:361-396)."""
    replicas = replicas_of(rollout)
    if not is_dynamic(rollout) or sets.stable is None or sets.new is None or replicas == 0:
        return 0
    most = max_weight(rollout)
    bearable = most * sets.stable.available // replicas
    expected = max(0, most - bearable)
    weights = weights_of(status)
    if not controller(version)["abort_by_steps"]:
        return expected if weights is None else min(expected, canary_weight(weights))
    desired = desired_canary_weight(rollout, status, sets, version=version)
    if weights is None:
        return max(expected, desired)
    current = canary_weight(weights)
    if desired <= 0:
        return min(expected, current)
    return current if bearable < most - desired else min(desired, current)


def decide(
    rollout: Fields, status: Fields, sets: Sets, *, aborted: bool | None = None, version: str = LATEST
) -> Decision:
    """Everything about the weight of one sync; `aborted` overrides `status.abort`."""
    new, stable = sets.new, sets.stable
    _, index = current_step(rollout, status)
    most = max_weight(rollout)
    canary_hash = new.hash if new else ""
    weight, removes, resets, experiment, case = 0, False, False, False, "no-steps"
    if rolling_back(rollout, status, new):
        weight, case = abort_weight(rollout, status, sets, version=version), "rolling-back"
        canary_hash = ((weights_of(status) or {}).get("canary") or {}).get("podTemplateHash") or ""
    elif is_promoted(status):
        removes, case = True, "promoted"
    elif status.get("abort") if aborted is None else aborted:
        weight, removes, case = abort_weight(rollout, status, sets, version=version), True, "aborted"
        resets = not is_dynamic(rollout) or weight == 0
    elif new is None or new.available == 0:
        removes, experiment, case = True, True, "no-canary-pods"
    elif status.get("promoteFull"):
        removes, case = True, "promote-full"
        weight = canary_weight(weights_of(status))
        if is_dynamic(rollout):
            replicas = replicas_of(rollout)
            weight = most * new.available // replicas if replicas else 0  # may exceed max (argo-rollouts#4424)
    elif index is not None:
        weight, experiment, case = _step_weight(rollout, status, sets, index, version=version)
    return Decision(
        weight=weight,
        canary_hash=canary_hash,
        stable_hash=stable.hash if stable else "",
        removes_managed=removes,
        resets_service=resets,
        with_experiment=experiment,
        held=not stable_ready(rollout, stable, most - weight, version=version),
        case=case,
    )


def _step_weight(rollout: Fields, status: Fields, sets: Sets, index: int, *, version: str) -> tuple[int, bool, str]:
    if not is_at_desired(rollout, status, sets, None, version=version):
        return last_weight(rollout, index - 1) if index > 0 else 0, True, "pods-not-there"
    if index != len(steps_of(rollout)):
        return current_set_weight(rollout, status), True, "step"
    return max_weight(rollout), False, "steps-done"


def stable_ready(rollout: Fields, stable: ReplicaSet | None, weight: int, *, version: str = LATEST) -> bool:
    """Whether stable can take `weight` (trafficrouting.go:142-158)."""
    if stable is None:
        return False
    by_max = controller(version)["stable_check_by_max"]
    wanted = int(weight * replicas_of(rollout) / (max_weight(rollout) if by_max else 100))
    return stable.available >= wanted or (by_max and threshold_met(rollout, stable, wanted, version=version))


def weight_status(rollout: Fields, decision: Decision, additional: list[dict[str, Any]]) -> dict[str, Any]:
    """`status.canary.weights` after a write (trafficrouting.go calculateWeightStatus)."""
    spec = rollout["spec"]["strategy"]["canary"]
    rest = max_weight(rollout) - decision.weight - sum(int(part["weight"]) for part in additional)
    weights: dict[str, Any] = {
        "canary": _destination(decision.weight, decision.canary_hash, spec.get("canaryService")),
        "stable": _destination(rest, decision.stable_hash, spec.get("stableService")),
    }
    if additional:
        weights["additional"] = additional
    return weights


def _destination(weight: int, pod_hash: str, service: str | None) -> dict[str, Any]:
    written: dict[str, Any] = {"weight": weight}
    if service:
        written["serviceName"] = service
    if pod_hash:
        written["podTemplateHash"] = pod_hash
    return written
