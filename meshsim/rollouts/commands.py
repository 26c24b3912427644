"""What a user's `kubectl argo rollouts` commands change.

Source: argo-rollouts pkg/kubectl-argo-rollouts/cmd/{promote,abort,retry,pause,undo,set}.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from meshsim.model.errors import UsageError
from meshsim.rollouts.scale import current_step
from meshsim.rollouts.spec import canary, is_canary, steps_of
from meshsim.rollouts.state import State
from meshsim.rollouts.steps import EXTERNAL, kind_of
from meshsim.rollouts.template_hash import same_template

Fields = dict[str, Any]


def set_image(state: State, container: str, image: str) -> State:
    """Another image for a container, `*` for all; with `workloadRef` the workload is edited."""
    names: list[str] = []

    def edit(template: Fields) -> Fields:
        spec = dict(template.get("spec") or {})
        for kind in ("initContainers", "containers", "ephemeralContainers"):
            if kind in spec:
                names.extend(str(part.get("name")) for part in spec[kind])
                spec[kind] = [
                    {**part, "image": image} if container in {"*", part.get("name")} else part for part in spec[kind]
                ]
        return {**template, "spec": spec}

    after = with_template(state, edit(dict(state.template)))
    if container != "*" and container not in names:
        msg = f'unable to find container named "{container}" in {state.by}: it has {", ".join(names) or "none"}'
        raise UsageError(msg)
    return after


def promote(state: State, *, full: bool = False) -> State:
    """Go on: end the pause, or step over the current step where nothing is paused; `full` skips to the end.

    Before the pause is persisted a promote therefore skips a step (cmd/promote/promote.go).
    """
    status = dict(state.status)
    if full:
        if (status.get("currentPodHash") or "") != (status.get("stableRS") or ""):
            status["promoteFull"] = True
    elif status.get("pauseConditions"):
        index = current_step(state.rollout, status)[1]
        inconclusive = any("Inconclusive" in str(part.get("reason")) for part in status["pauseConditions"])
        status.pop("pauseConditions")
        if inconclusive and status.get("controllerPause") and index is not None:
            status.pop("controllerPause")
            status["currentStepIndex"] = min(index + 1, len(steps_of(state.rollout)))
    elif is_canary(state.rollout):
        index = current_step(state.rollout, status)[1]
        if index is not None:
            status["currentStepIndex"] = min(index + 1, len(steps_of(state.rollout)))
    after = replace(state, status=status, woken=True)
    return resume(after) if (state.rollout.get("spec") or {}).get("paused") else after


def abort(state: State) -> State:
    """Back to stable."""
    return replace(state, status={**state.status, "abort": True}, woken=True)


def retry(state: State) -> State:
    """Try an aborted revision again, from the first step; its analyses and experiments are run anew."""
    status = {key: value for key, value in state.status.items() if key != "abort"}
    return replace(state, status=status, results={}, woken=True)


def pause(state: State) -> State:
    """`spec.paused: true`: no scaling, no steps."""
    return _spec(state, lambda spec: {**spec, "paused": True})


def resume(state: State) -> State:
    """`spec.paused: false`."""
    return _spec(state, lambda spec: {**spec, "paused": False})


def scale(state: State, replicas: int) -> State:
    """`spec.replicas`, as kubectl scale or an HPA sets it."""
    return _spec(state, lambda spec: {**spec, "replicas": replicas})


def undo(state: State, to_revision: int = 0) -> State:
    """The template of an earlier revision, by default of the one before the latest.

    Raises UsageError where that revision or its template is not known.
    """
    known = sorted(state.sets, key=lambda found: found.revision)
    if to_revision:
        found = next((part for part in known if part.revision == to_revision), None)
        if found is None:
            msg = f"unable to find specified revision {to_revision} in history of {state.by}"
            raise UsageError(msg)
    elif len(known) > 1:
        found = known[-2]
    else:
        msg = f'no revision found for rollout "{state.name}"'
        raise UsageError(msg)
    if found.template is None:
        msg = (
            f"the template of revision {found.revision} of {state.by} is not known: add its ReplicaSet to the manifests"
        )
        raise UsageError(msg)
    return state if same_template(found.template, state.template) else with_template(state, found.template)


def with_template(state: State, template: Mapping[str, Any]) -> State:
    """The Rollout (or the workload it refers to) with another pod template; a new generation of it.

    Results belong to a revision: those given so far are not the new one's.
    """
    state = state if same_template(template, state.template) else replace(state, results={})
    key = state.workload_key
    if key is None:
        return _spec(state, lambda spec: {**spec, "template": template})
    workload = dict(state.objects[key])
    workload["spec"] = {**(workload.get("spec") or {}), "template": template}
    return replace(state, objects={**state.objects, key: workload}, woken=True)


def give_result(state: State, step: int | str, result: str) -> State:
    """The result of an analysis, experiment or plugin step (its index, or the template's or plugin's name)."""
    known = tuple(_awaited(state.rollout))
    if step not in known:
        called = f"step {step}" if isinstance(step, int) else f"template {step!r}"
        msg = f"{state.by} has no {called} that waits for a result"
        raise UsageError(msg, hint=f"it has {', '.join(map(str, known))}" if known else "it has no such step")
    return replace(state, results={**state.results, step: result}, woken=True)


def _awaited(rollout: Mapping[str, Any]) -> Iterator[int | str]:
    """What a result can be given for: steps by index, their and the background analysis' templates, plugins by name."""
    for index, step in enumerate(steps_of(rollout)):
        if kind_of(step) in EXTERNAL:
            yield index
            yield from _names(step.get(kind_of(step)) or {})
    yield from _names(canary(rollout).get("analysis") or {})


def _names(value: Fields) -> Iterator[str]:
    if value.get("name"):
        yield str(value["name"])
    for part in value.get("templates") or ():
        yield str(part.get("templateName") or part.get("name"))


def _spec(state: State, edit: Callable[[Fields], Fields]) -> State:
    before = dict(state.rollout.get("spec") or {})
    after = edit(before)
    if after == before:
        return state
    metadata = {**(state.rollout.get("metadata") or {}), "generation": state.generation + 1}
    return replace(state, rollout={**state.rollout, "metadata": metadata, "spec": after}, woken=True)
