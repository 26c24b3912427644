"""The ReplicaSet part of one sync.

Source: argo-rollouts rollout/canary.go:108-257, 422-453 and rollout/replicaset.go.
"""

from dataclasses import replace

from meshsim.model.names import ObjectKey
from meshsim.rollouts import istio
from meshsim.rollouts.context import Context
from meshsim.rollouts.replicaset import ReplicaSet
from meshsim.rollouts.scale import counts
from meshsim.rollouts.services import selected
from meshsim.rollouts.spec import (
    HASH_LABEL,
    abort_delay,
    canary,
    fenceposts,
    is_dynamic,
    is_promoted,
    replicas_of,
    routing,
    scale_down_delay,
    scale_down_limit,
    weights_of,
)


def reconcile_sets(sync: Context) -> bool:
    """Scale stable, then new, then the others; True as soon as one was scaled (the sync then only writes status)."""
    if halted(sync):
        return False
    _remove_deadlines(sync)
    return _scale_stable(sync) or _scale_new(sync) or _scale_others(sync)


def halted(sync: Context) -> bool:
    """rollout/context.go haltProgress."""
    if (sync.rollout.get("spec") or {}).get("paused"):
        return True
    return any(part.get("reason") == "InconclusiveAnalysis" for part in sync.old.get("pauseConditions") or ())


def _remove_deadlines(sync: Context) -> None:
    picked = sync.picked
    spared = picked.new.name if picked.new is not None and sync.delays_abort_scale_down() else None
    for found in {part.name: part for part in (picked.new, picked.stable) if part is not None}.values():
        is_stable = picked.stable is not None and found.name == picked.stable.name
        if found.deadline is not None and (found.name != spared or is_stable):
            sync.put_set(replace(found, deadline=None))


def _scale_stable(sync: Context) -> bool:
    """With the weights recorded before this sync, so that stable shrinks one sync after traffic has left it."""
    picked = sync.picked
    if picked.stable is None or (picked.new is not None and picked.new.name == picked.stable.name):
        return False
    wanted = counts(sync.rollout, sync.old, picked, weights_of(sync.old), version=sync.state.version)
    return sync.scale(picked.stable, wanted.stable)


def _scale_new(sync: Context) -> bool:
    picked = sync.picked
    new = picked.new
    if new is None:
        return False
    wanted = counts(sync.rollout, sync.old, picked, sync.weights, version=sync.state.version).canary
    if sync.delays_abort_scale_down():
        if new.deadline is None:
            _await_scale_down(sync, new)
            return False
        if new.deadline > sync.now:
            _note_replicas(sync, new)
            return False
        wanted = 0
    return sync.scale(new, wanted)


def _await_scale_down(sync: Context, new: ReplicaSet) -> None:
    """The deadline of an aborted canary is set once stable has all its pods."""
    seconds, _ = abort_delay(sync.rollout)
    if seconds is None:
        return
    keeps = sync.behaviour["abort_delay_keeps_scaling"]
    new = _note_replicas(sync, new)
    stable, replicas = sync.picked.stable, replicas_of(sync.rollout)
    available = stable.available if stable is not None else 0
    if available == replicas or (keeps and available > replicas):
        sync.put_set(replace(new, deadline=sync.now + seconds))


def _note_replicas(sync: Context, new: ReplicaSet) -> ReplicaSet:
    """The canary that waits is told of a changed spec.replicas; before 1.10 it is not, and every sync until its
    deadline is a scaling event that leaves traffic alone (argo-rollouts#4919)."""
    if sync.behaviour["abort_delay_keeps_scaling"] and new.desired != replicas_of(sync.rollout):
        new = replace(new, desired=replicas_of(sync.rollout))
        sync.put_set(new)
    return new


def _scale_others(sync: Context) -> bool:
    others = [found for found in sync.picked.others if found.replicas > 0]
    if not others:
        return False
    total = _drop_unhealthy(sync, others)
    _, unavailable = fenceposts(sync.rollout)
    room = sum(found.available for found in sync.sets) - (replicas_of(sync.rollout) - unavailable)
    if room <= 0:
        return False
    routed = routing(sync.rollout) is not None
    annotated = 0
    others = [found for found in sync.picked.others if found.replicas > 0]
    for found in sorted(others, key=lambda part: (part.revision, part.order), reverse=True):
        if routed and _referenced(sync, found):
            continue
        if room <= 0:
            break
        wanted = 0
        if not routed:
            wanted = max(0, found.replicas - room)
        elif (is_promoted(sync.old) or found.deadline is not None) and not is_dynamic(sync.rollout):
            annotated, wanted = _delayed(sync, found, annotated)
        if wanted == found.replicas:
            continue
        sync.scale(next(part for part in sync.sets if part.name == found.name), wanted)
        room -= found.replicas - wanted
        total += found.replicas - wanted
    return total > 0


def _drop_unhealthy(sync: Context, others: list[ReplicaSet]) -> int:
    """Old ReplicaSets shrink to their available pods (canary.go cleanupUnhealthyReplicas)."""
    total = 0
    for found in others:
        if found.replicas > found.available:
            sync.scale(found, found.available)
            total += found.replicas - found.available
    return total


def _delayed(sync: Context, found: ReplicaSet, annotated: int) -> tuple[int, int]:
    """(deadlines seen, replicas): annotated at first sight, kept until the deadline (replicaset.go:346)."""
    limit = scale_down_limit(sync.rollout)
    if found.deadline is None:
        if annotated >= limit:
            return annotated, 0
        delay = scale_down_delay(sync.rollout)
        if delay:
            sync.put_set(replace(found, deadline=sync.now + delay))
        return annotated + 1, found.replicas
    annotated += 1
    return annotated, found.replicas if annotated <= limit and found.deadline > sync.now else 0


def _referenced(sync: Context, found: ReplicaSet) -> bool:
    """Whether something may still send traffic to it (rollout/replicaset.go:389-503)."""
    weights = weights_of(sync.old) or {}
    named = {sync.old.get("stableRS"), sync.old.get("currentPodHash")}
    named |= {(weights.get(role) or {}).get("podTemplateHash") for role in ("canary", "stable")}
    for role in ("canaryService", "stableService"):
        name = canary(sync.rollout).get(role)
        service = sync.objects.get(ObjectKey("Service", sync.state.namespace, str(name))) if name else None
        if service is not None:
            named.add(selected(service))
    rule = istio.destination_rule(sync.rollout)
    if rule is not None and sync.behaviour["dr_protects"]:
        for key, doc in sync.objects.items():
            if key.kind == "DestinationRule" and key.name == rule.get("name"):
                named |= {
                    (part.get("labels") or {}).get(HASH_LABEL) for part in (doc.get("spec") or {}).get("subsets") or ()
                }
    return bool(found.hash) and found.hash in named
