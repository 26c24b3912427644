"""The canary steps: what they are called, where a rollout rests, and the hash of their list.

Source: argo-rollouts pkg/apis/rollouts/v1alpha1/types.go CanaryStep; utils/rollout/rolloututil.go CanaryStepString.
"""

from collections.abc import Mapping

from meshsim.rollouts.go_json import struct
from meshsim.rollouts.memo import remembered
from meshsim.rollouts.spec import Fields, is_canary, max_weight, steps_of
from meshsim.rollouts.template_hash import json_hash

KINDS = (
    "pause",
    "setCanaryScale",
    "setWeight",
    "experiment",
    "analysis",
    "setHeaderRoute",
    "setMirrorRoute",
    "plugin",
)
"""In the order in which they decide whether a step is done (rollout/canary.go completedCurrentCanaryStep)."""
EXCLUSIVE = ("setWeight", "pause", "experiment", "analysis")
"""Of these a step may have one; the others may stand beside it (validation.go hasMultipleStepsType)."""
EXTERNAL = {"analysis", "experiment", "plugin"}
"""Steps whose end something else decides."""


def kind_of(step: Fields) -> str:
    """`setWeight`, `pause`, …; "" for a step that is none."""
    return next((kind for kind in KINDS if step.get(kind) is not None), "")


@remembered
def step_hash(rollout: Fields) -> str:
    """`status.currentStepHash`: changes whenever the list of steps does (utils/conditions ComputeStepHash)."""
    if not is_canary(rollout):
        return ""
    steps = steps_of(rollout)
    # No steps are null, an empty list too: the controller reads what `omitempty` left (controller.go remarshalRollout).
    return json_hash([struct("CanaryStep", step) for step in steps] or None)


def describe(step: Fields) -> str:
    """A step as the CLI and the controller's events print it."""
    kind = kind_of(step)
    value = step.get(kind)
    if kind == "pause":
        duration = (value or {}).get("duration")
        return "pause" if duration is None else f"pause: {duration}"
    if kind == "setCanaryScale" and isinstance(value, Mapping):
        part = next((name for name in ("weight", "matchTrafficWeight", "replicas") if value.get(name) is not None), "")
        return f"setCanaryScale{{{part}: {str(value.get(part)).lower()}}}"
    if kind in {"plugin", "setHeaderRoute", "setMirrorRoute"} and isinstance(value, Mapping):
        return f"{kind}: {value.get('name')}"
    return f"setWeight: {value}" if kind == "setWeight" else kind or "invalid"


def probe_steps(rollout: Fields) -> tuple[tuple[int, int], ...]:
    """(weight, step index) of each distinct weight strictly between 0 and the maximum, in the order of the steps.

    The index is where the rollout rests with that weight: the pause that follows directly, else the setWeight itself.
    """
    steps = steps_of(rollout)
    found: dict[int, int] = {}
    for index, step in enumerate(steps):
        weight = step.get("setWeight")
        if weight is None or not 0 < int(weight) < max_weight(rollout) or int(weight) in found:
            continue
        rests = index + 1 < len(steps) and steps[index + 1].get("pause") is not None
        found[int(weight)] = index + 1 if rests else index
    return tuple(found.items())
