"""One sync of the Argo Rollouts controller, pure: a State in, a State out.

The order of the parts, and where a sync returns early, is the contract: it decides which weight meets which pods.
Source: argo-rollouts rollout/controller.go:393-603, rollout/context.go:64-89, rollout/canary.go:22-106.
"""

from dataclasses import replace
from typing import Any, final

from meshsim.model.frozen import frozen
from meshsim.rollouts.context import Context
from meshsim.rollouts.due import next_due
from meshsim.rollouts.errors import NOT_FOUND, RolloutError
from meshsim.rollouts.phase import Shown, shown
from meshsim.rollouts.replicaset import ReplicaSet, by_hash
from meshsim.rollouts.scale import current_step
from meshsim.rollouts.scaling import reconcile_sets
from meshsim.rollouts.spec import HASH_LABEL, Fields, canary, history_limit, is_promoted, replicas_of
from meshsim.rollouts.state import State, Write
from meshsim.rollouts.status import (
    PAUSE_STEP,
    check_paused_conditions,
    finish,
    pause_condition,
    result_of,
    set_condition,
    template_or_steps_changed,
    write_scaled,
    write_status,
)
from meshsim.rollouts.steps import describe, kind_of
from meshsim.rollouts.template_hash import same_template
from meshsim.rollouts.traffic import reconcile_services, reconcile_traffic
from meshsim.rollouts.validate import check, not_modelled

STOPPERS = {"blueGreen"}
"""Strategies of which no sync is computed."""


@final
@frozen
class Sync:
    """What one sync did: the new `state` and its `edits` in order.

    `requeue_after` is how many seconds later it comes back by itself, `changed` whether anything is different.
    """

    state: State
    edits: tuple[Write, ...]
    error: RolloutError | None
    requeue_after: float | None
    changed: bool

    @property
    def shown(self) -> Shown:
        return shown(self.state)


def reconcile(state: State, *, hold: bool = False) -> Sync:
    """Run one sync at `state.now`. Never raises: what the controller fails with is `error`.

    With `hold` the step index is not advanced and nothing is promoted (a probe). What is written before an error
    stays written; the status is then not (rollout/canary.go).
    """
    markers = [marker for marker in not_modelled(state.rollout) if marker in STOPPERS]
    if markers:
        notes = tuple(f"not modelled: {marker}" for marker in markers)
        return _finished(state, replace(state, notes=_merged(state.notes, notes), woken=False))
    sync = Context(state, hold=hold)
    error: RolloutError | None = None
    try:
        _sync(sync)
    except RolloutError as failed:
        error = failed
    after = replace(
        state,
        status=sync.status,
        sets=tuple(sync.sets),
        objects=sync.objects,
        writes=state.writes + tuple(sync.writes),
        notes=_merged(state.notes, tuple(sync.notes)),
        waits=tuple(dict.fromkeys(sync.waits)),
        error=error,
    )
    return _finished(state, after)


def _merged(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return old + tuple(sentence for sentence in new if sentence not in old)


def same_situation(before: State, after: State) -> bool:
    """Whether nothing that a controller or a proxy could notice is different."""
    return before.status == after.status and before.sets == after.sets and before.objects == after.objects


def _finished(before: State, after: State) -> Sync:
    changed = not same_situation(before, after)
    after = replace(after, woken=changed)
    due = next_due(after)
    return Sync(
        state=after,
        edits=after.writes[len(before.writes) :],
        error=after.error,
        requeue_after=None if due is None else due - after.now,
        changed=changed,
    )


def _sync(sync: Context) -> None:
    invalid = _invalid(sync)
    if invalid is not None:
        status: dict[str, Any] = {**sync.old}
        status["conditions"] = [part for part in status.get("conditions") or () if part.get("type") != "InvalidSpec"]
        message = f'The Rollout "{sync.state.name}" is invalid: {invalid.message}'
        known = next((part for part in sync.old.get("conditions") or () if part.get("message") == message), None)
        if known is not None:
            status["conditions"].append(known)
        else:
            set_condition(status, "InvalidSpec", "True", "InvalidSpec", message, sync.now)
        finish(sync, status)
        raise invalid
    new = find_new(sync.state)
    if new is None:
        _create(sync)
        if sync.behaviour["returns_after_create"]:
            return
    else:
        sync.new_name = new.name
    if is_promoted(sync.old) and sync.old.get("abort"):
        sync.remove_abort = True
    observed = sync.old.get("observedGeneration") == str(sync.state.generation)
    returns = sync.behaviour["returns_after_pause_conditions"]
    if (observed or not returns) and check_paused_conditions(sync) and returns:
        return
    _bump_revision(sync)
    if _is_scaling_event(sync):
        _sync_replicas_only(sync)
        return
    _canary(sync)


def _invalid(sync: Context) -> RolloutError | None:
    key = sync.state.workload_key
    if key is not None and key not in sync.objects:
        message = f'spec.workloadRef: {key.kind.lower()}s.apps "{key.name}" not found'
        return RolloutError(message, reason=NOT_FOUND, hint=f"create {key}")
    return check(sync.rollout, sync.objects.values())


def find_new(state: State) -> ReplicaSet | None:
    """The ReplicaSet of the template in force: by hash, else the oldest with an equal template.

    The second way finds what a controller with another hash flavour made (utils/replicaset/replicaset.go:34-77).
    """
    found = by_hash(state.sets, state.template_hash)
    if found is not None:
        return found
    known = sorted((part for part in state.sets if part.template is not None), key=lambda part: part.order)
    return next(
        (part for part in known if part.template is not None and same_template(part.template, state.template)), None
    )


def _create(sync: Context) -> None:
    """sync.go:135-270. A hash that clashes with a foreign ReplicaSet's name is not modelled."""
    state = sync.state
    pod_hash = state.template_hash
    labels = {**((state.template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: pod_hash}
    made = ReplicaSet(
        name=f"{state.name}-{pod_hash}",
        namespace=state.namespace,
        hash=pod_hash,
        revision=1 + max((found.revision for found in sync.sets), default=0),
        desired=replicas_of(sync.rollout),
        order=1 + max((found.order for found in sync.sets), default=-1),
        template=state.template,
        labels=labels,
    )
    sync.put_set(made)
    sync.new_name = made.name
    status = dict(sync.old)
    message = f'Created new replica set "{made.name}"'
    set_condition(status, "Progressing", "True", "NewReplicaSetCreated", message, sync.now)
    sync.old = status
    sync.status = status


def _bump_revision(sync: Context) -> None:
    """The new ReplicaSet is one revision above all others (sync.go syncReplicaSetRevision)."""
    new = sync.picked.new
    if new is None:
        return
    wanted = 1 + max((found.revision for found in sync.sets if found.name != new.name), default=0)
    if new.revision < wanted:
        sync.put_set(replace(new, revision=wanted))


def _is_scaling_event(sync: Context) -> bool:
    """sync.go:321: spec.replicas changed since new or stable was last scaled."""
    new, stable, _ = sync.picked
    wanted = replicas_of(sync.rollout)
    return any(
        found is not None and found.replicas > 0 and found.desired is not None and found.desired != wanted
        for found in (new, stable)
    )


def _sync_replicas_only(sync: Context) -> None:
    """sync.go:272: scale with the weights as they are; no services, no traffic, no steps."""
    reconcile_sets(sync)
    status = dict(sync.old)
    status["availableReplicas"] = sum(found.available for found in sync.sets)
    write_scaled(sync, status)


def _canary(sync: Context) -> None:
    """canary.go:22-106."""
    if template_or_steps_changed(sync):
        write_status(sync)
        return
    _trim_history(sync)
    reconcile_services(sync)
    reconcile_traffic(sync)
    _analyse(sync)
    if sync.add_pauses:
        write_status(sync)
        return
    if reconcile_sets(sync):
        write_status(sync)
        return
    _pause(sync)
    _run_plugin(sync)
    write_status(sync)


def _trim_history(sync: Context) -> None:
    """Old ReplicaSets without pods beyond revisionHistoryLimit go, oldest first (sync.go:434)."""
    others = sorted(sync.picked.others, key=lambda found: found.order)
    surplus = len(others) - history_limit(sync.rollout)
    for found in others[: max(0, surplus)]:
        if found.replicas == 0 and found.created == 0:
            sync.sets = [known for known in sync.sets if known.name != found.name]


def _analyse(sync: Context) -> None:
    """Results of the step's or the background analysis: failed aborts, inconclusive pauses (rollout/analysis.go)."""
    if sync.aborted or sync.old.get("promoteFull") or is_promoted(sync.old):
        return
    step, index = current_step(sync.rollout, sync.old)
    if step is not None and index is not None and kind_of(step) in {"analysis", "experiment"} and not sync.hold:
        if kind_of(step) == "analysis":
            _apply(sync, result_of(sync, step, index), "Analysis", "Step-based analysis phase error/failed")
        else:
            _apply(sync, result_of(sync, step, index), "Experiment", "")
    background: Fields | None = canary(sync.rollout).get("analysis")
    if background is not None and index is not None and index >= int(background.get("startingStep") or 0):
        for template in background.get("templates") or ():
            result = str(sync.state.results.get(str(template.get("templateName")), ""))
            _apply(sync, result, "Analysis", "Background analysis phase error/failed")


def _apply(sync: Context, result: str, kind: str, message: str) -> None:
    """`message` is what the controller says before the AnalysisRun's own, which is not scripted; an Experiment's abort
    has the Experiment's alone (rollout/analysis.go, rollout/experiment.go)."""
    if result in {"failed", "error"}:
        sync.add_abort = True
        sync.abort_message = message
    elif result == "inconclusive" and pause_condition(sync.old, f"Inconclusive{kind}") is None:
        sync.add_pauses.append(f"Inconclusive{kind}")


def _run_plugin(sync: Context) -> None:
    """A plugin step, after pods were scaled: failed aborts with the plugin's own message (not scripted); an error is
    no end, the plugin is run again (rollout/stepplugin.go reconcile, isStepPluginCompleted)."""
    step, index = current_step(sync.rollout, sync.old)
    if step is None or index is None or kind_of(step) != "plugin" or sync.hold:
        return
    if sync.aborted or sync.old.get("promoteFull") or is_promoted(sync.old):
        return
    result = result_of(sync, step, index)
    if result == "failed":
        sync.add_abort = True
    elif result and result != "successful":
        sync.wait(f"step {index} ({describe(step)}) has the result {result}: the plugin is run again")


def _pause(sync: Context) -> None:
    """canary.go reconcileCanaryPause: a pause step adds its condition once."""
    if (sync.rollout.get("spec") or {}).get("paused") or sync.old.get("promoteFull"):
        return
    step, _ = current_step(sync.rollout, sync.old)
    if step is None or step.get("pause") is None:
        return
    if pause_condition(sync.old) is None and not sync.old.get("controllerPause"):
        sync.add_pauses.append(PAUSE_STEP)
