"""Where a Rollout comes to rest: deployed, as observed, or held at a step."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meshsim.rollouts.advance import advance, run_to_rest
from meshsim.rollouts.commands import with_template
from meshsim.rollouts.reconcile import STOPPERS
from meshsim.rollouts.replicaset import ReplicaSet, pods_of
from meshsim.rollouts.scale import resting_counts
from meshsim.rollouts.spec import HASH_LABEL, REVISION, replicas_of, steps_of
from meshsim.rollouts.state import State
from meshsim.rollouts.steps import step_hash
from meshsim.rollouts.validate import not_modelled


def deploy(state: State, now: float = 0.0, *, pod_ready: float = 0.0) -> State:
    """The Rollout applied for the first time and settled, all pods ready after `pod_ready` s; its steps are skipped.

    `error` tells why where the controller refuses it: then there are no pods. Nothing given as status is used.
    """
    fresh = replace(state, status={}, sets=(), now=now, woken=True, error=None)
    return advance(fresh, now + pod_ready, pod_ready=pod_ready - _min_ready(state))[0]


def _min_ready(state: State) -> float:
    """Taken off the time to readiness where pods are to be available at a given instant."""
    return float((state.rollout.get("spec") or {}).get("minReadySeconds") or 0)


def _hold(state: State) -> State:
    """Syncs and pods at this instant only: no timer runs out while a probe is prepared."""
    return advance(state, state.now, pod_ready=-_min_ready(state), hold=True)[0]


def observe(state: State, now: float = 0.0) -> State:
    """The Rollout as its status says; nothing is rewritten, no sync is due.

    Where no ReplicaSets are given they follow from `stableRS`, `currentPodHash`, `replicas`, `updatedReplicas` and
    `availableReplicas`; where pods are missing, they are the canary's. Wall-clock times count as the scenario's start.
    """
    status = _with_seconds(state.status)
    status.setdefault("currentStepHash", step_hash(state.rollout))
    status.setdefault("observedGeneration", str(state.generation))
    known = replace(state, status=status, now=now, woken=False)
    wanted = replicas_of(state.rollout)
    sets = known.sets or _derived(known)
    return replace(
        known, sets=tuple(found if found.desired is not None else replace(found, desired=wanted) for found in sets)
    )


_TIMES = {"startTime", "abortedAt", "lastUpdateTime", "lastTransitionTime"}


def _with_seconds(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: (part if isinstance(part, int | float) else 0.0) if key in _TIMES else _with_seconds(part)
            for key, part in value.items()
        }
    return [_with_seconds(part) for part in value] if isinstance(value, list) else value


def _derived(state: State) -> tuple[ReplicaSet, ...]:
    status = state.status
    current, stable = str(status.get("currentPodHash") or ""), str(status.get("stableRS") or "")
    revision = int(
        ((state.rollout.get("metadata") or {}).get("annotations") or {}).get(REVISION)
        or (1 if current == stable else 2)
    )
    wanted = resting_counts(state.rollout, status, version=state.version)
    if not current or current == stable or not stable:
        total = int(_or(status.get("replicas"), replicas_of(state.rollout)))
        available = int(_or(status.get("availableReplicas"), total))
        only = current or stable
        return (_made(state, only, total, min(total, available), revision, 0),) if only else ()
    updated = int(_or(status.get("updatedReplicas"), wanted.canary))
    total = int(_or(status.get("replicas"), wanted.stable + updated))
    old = max(0, total - updated)
    available = int(_or(status.get("availableReplicas"), total))
    return (
        _made(state, stable, old, min(old, available), revision - 1, 0),
        _made(state, current, updated, max(0, min(updated, available - old)), revision, 1),
    )


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _made(state: State, pod_hash: str, count: int, available: int, revision: int, order: int) -> ReplicaSet:
    is_current = pod_hash == (state.status.get("currentPodHash") or pod_hash)
    labels = {**((state.template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: pod_hash}
    return ReplicaSet(
        name=f"{state.name}-{pod_hash}",
        namespace=state.namespace,
        hash=pod_hash,
        revision=revision,
        replicas=count,
        created=count,
        available=available,
        order=order,
        template=state.template if is_current else None,
        labels=labels,
        pods=pods_of(count, available),
    )


def settled(state: State, now: float = 0.0) -> State:
    """`observe` with a status, `deploy` without one (the contract's Start)."""
    return observe(state, now) if state.status else deploy(state, now)


def hold(state: State, step_index: int) -> State:
    """A probe: a new revision of the template, held and settled at a step (0-based), all its pods ready.

    The steps before it are gone through one by one, so that header routes and canary scales they set are in place.
    An index of the number of steps is the end: promoted, the old ReplicaSet scaled down. A state without a status is
    deployed first. Where the Rollout cannot execute, the state is returned as far as it gets, with `error` set.
    """
    steps = steps_of(state.rollout)
    base = settled(state, state.now)
    if not base.status.get("stableRS") or STOPPERS & set(not_modelled(state.rollout)):
        return base
    kept = {
        key: value
        for key, value in base.status.items()
        if key not in {"abort", "abortedAt", "pauseConditions", "controllerPause", "promoteFull", "conditions"}
    }
    probe = with_template(replace(base, status=kept, error=None), next_revision(state.template))
    probe = _hold(probe)
    for index in range(min(step_index, len(steps))):
        if probe.status.get("currentPodHash") == base.status.get("currentPodHash"):
            break  # the new revision was refused
        probe = _hold(_at_step(probe, index + 1))
    if step_index >= len(steps):
        probe = run_to_rest(probe.wake(), pod_ready=-_min_ready(state))[0]
    return probe


def _at_step(state: State, index: int) -> State:
    status = {key: value for key, value in state.status.items() if key not in {"pauseConditions", "controllerPause"}}
    return replace(state, status={**status, "currentStepIndex": index}, woken=True)


def next_revision(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template with `-next` on the tag of its first container's image, so that versions stay distinguishable."""
    spec = dict(template.get("spec") or {})
    containers = [dict(container) for container in spec.get("containers") or ()]
    if containers:
        image = str(containers[0].get("image") or "")
        tagged = ":" in image.rsplit("/", 1)[-1]
        containers[0]["image"] = f"{image}-next" if tagged else f"{image}:latest-next"
    return {**template, "spec": {**spec, "containers": containers}}
