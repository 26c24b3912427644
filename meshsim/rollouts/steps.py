"""The canary steps: what they are called, where a rollout rests, and the hash of their list.

Source: argo-rollouts pkg/apis/rollouts/v1alpha1/types.go CanaryStep; utils/rollout/rolloututil.go CanaryStepString.
"""

from collections.abc import Mapping
from typing import Any

from meshsim.rollouts.memo import remembered
from meshsim.rollouts.spec import Fields, canary, is_canary, max_weight, steps_of
from meshsim.rollouts.template_hash import json_hash

KINDS = (
    "setWeight",
    "pause",
    "experiment",
    "analysis",
    "setCanaryScale",
    "setHeaderRoute",
    "setMirrorRoute",
    "plugin",
)
"""In the order of the Go struct."""
EXTERNAL = {"analysis", "experiment", "plugin"}
"""Steps whose end something else decides."""
_FIELDS: dict[str, tuple[str, ...]] = {
    "pause": ("duration",),
    "experiment": ("templates", "duration", "analyses", "dryRun", "analysisRunMetadata", "scaleDownDelaySeconds"),
    "templates": ("name", "specRef", "replicas", "metadata", "selector", "weight", "service"),
    "analyses": ("name", "templateName", "clusterScope", "args", "requiredForCompletion"),
    "analysis": ("templates", "args", "dryRun", "measurementRetention", "analysisRunMetadata"),
    "analysis.templates": ("templateName", "clusterScope"),
    "args": ("name", "value", "valueFrom"),
    "valueFrom": ("podTemplateHashValue", "fieldRef"),
    "setCanaryScale": ("weight", "replicas", "matchTrafficWeight"),
    "setHeaderRoute": ("name", "match"),
    "setHeaderRoute.match": ("headerName", "headerValue"),
    "headerValue": ("exact", "prefix", "regex"),
    "setMirrorRoute": ("name", "match", "percentage"),
    "setMirrorRoute.match": ("method", "path", "headers"),
    "method": ("exact", "prefix", "regex"),
    "path": ("exact", "prefix", "regex"),
    "plugin": ("name", "config"),
    "metadata": ("labels", "annotations"),
}
_DROP_WHEN_EMPTY = {"match", "args", "dryRun", "analyses", "duration", "matchTrafficWeight", "value", "exact", "prefix"}
_DROP_WHEN_EMPTY |= {"regex", "measurementRetention", "requiredForCompletion", "name@setHeaderRoute"}


def kind_of(step: Fields) -> str:
    """`setWeight`, `pause`, …; "" for a step that is none."""
    return next((kind for kind in KINDS if step.get(kind) is not None), "")


@remembered
def step_hash(rollout: Fields) -> str:
    """`status.currentStepHash`: changes whenever the list of steps does (utils/conditions ComputeStepHash)."""
    if not is_canary(rollout):
        return ""
    raw = canary(rollout).get("steps")
    return json_hash(None if raw is None else [_ordered(step, KINDS, "") for step in raw])


def _ordered(fields: Fields, names: tuple[str, ...], within: str) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for name in names:
        value = fields.get(name)
        empty = not value and (name in _DROP_WHEN_EMPTY or f"{name}@{within}" in _DROP_WHEN_EMPTY)
        if value is None and within == "experiment" and name == "analysisRunMetadata":
            value = {}  # a struct, which omitempty never drops
        elif value is None and within == "templates" and name == "metadata":
            value = {}
        elif value is None or (empty and not isinstance(value, int)) or (empty and value is False):
            continue
        written[name] = _inside(value, name, within)
    return written


def _inside(value: Any, name: str, within: str) -> Any:
    names = _FIELDS.get(f"{within}.{name}") or _FIELDS.get(name)
    if isinstance(value, list):
        return [_ordered(item, names, name) if names and isinstance(item, Mapping) else _sorted(item) for item in value]
    if isinstance(value, Mapping):
        return _ordered(value, names, name) if names else _sorted(value)
    return value


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


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
