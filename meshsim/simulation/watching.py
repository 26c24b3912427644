"""What each controller watches: whom a change of an object wakes, and who finds out about it only at a resync.

The controller watches Rollouts, ReplicaSets, Services, VirtualServices, DestinationRules and referred workloads, and no
route of the Gateway API (argo-rollouts rollout/controller.go:194-330).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, final

from meshsim.mesh.mesh import Cluster
from meshsim.model.names import ObjectKey
from meshsim.rollouts import State, Write
from meshsim.simulation.deployment import TOUCHED, Deployed, RolloutId, state_in

UNWATCHED: Final = frozenset({"HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"})
LONGEST_BACKOFF: Final = 10.0
"""Seconds between retries of a failing sync, once it has grown (controller/controller.go, utils/queue)."""


@final
class Watch:
    """Which objects several Rollouts of one cluster name."""

    def __init__(self, states: Mapping[RolloutId, State]) -> None:
        named: dict[tuple[str, ObjectKey], list[RolloutId]] = {}
        for rollout, state in states.items():
            for key in state.objects:
                named.setdefault((rollout[0], key), []).append(rollout)
        self.shared = {where: tuple(found) for where, found in named.items() if len(found) > 1}


def seen_by_others(
    watch: Watch, states: Mapping[RolloutId, State], writer: RolloutId, edits: Sequence[Write]
) -> dict[RolloutId, State]:
    """The other Rollouts that name an object which `writer` wrote, with that object; woken where they watch it."""
    found: dict[RolloutId, State] = {}
    for key in dict.fromkeys(edit.key for edit in edits):
        for other in watch.shared.get((writer[0], key), ()):
            if other != writer and other in states:
                state = found.get(other, states[other])
                objects = {**state.objects, key: states[writer].objects[key]}
                found[other] = replace(state, objects=objects, woken=state.woken or key.kind not in UNWATCHED)
    return found


def after_edit(
    before: Deployed, after: Deployed, now: float
) -> tuple[Deployed, tuple[RolloutId, ...], tuple[RolloutId, ...]]:
    """Every Rollout as it stands after the Mesh was edited: (situation, those with a sync due, those that will only
    see the change at a resync)."""
    states = dict(after.states)
    mesh = after.mesh
    woken: list[RolloutId] = []
    unseen: list[RolloutId] = []
    for name, cluster in mesh.clusters.items():
        old = before.mesh.clusters[name]
        if cluster is old:
            continue
        gone: list[ObjectKey] = []
        present = {(name, m.namespace, m.name) for m in cluster.of("Rollout")}
        for rollout in [known for known in states if known[0] == name and known not in present]:
            gone += [ObjectKey("ReplicaSet", rollout[1], found.name) for found in states.pop(rollout).sets]
        for rollout in sorted(present):
            known = states.get(rollout)
            if known is None:
                states[rollout] = replace(state_in(mesh, rollout), status={}, now=now)
                woken.append(rollout)
                continue
            state = _own(cluster, rollout, known)
            state, hidden = _objects(after, rollout, state) if _touched(old, cluster) else (state, False)
            if cluster.argo != old.argo:
                state = replace(state, version=cluster.argo[0], gatewayapi=cluster.argo[1], woken=True)
            states[rollout] = state
            if state.woken:
                woken.append(rollout)
            elif hidden:
                unseen.append(rollout)
        if gone:
            mesh = mesh.fork(cluster.with_objects([], gone))
    kept = {rollout: sentence for rollout, sentence in after.refused.items() if rollout in states}
    return replace(after, mesh=mesh, states=states, refused=kept), tuple(woken), tuple(unseen)


def _own(cluster: Cluster, rollout: RolloutId, state: State) -> State:
    """A Rollout with its object as it stands; another spec is a new generation."""
    manifest = cluster.get("Rollout", rollout[1], rollout[2])
    assert manifest is not None
    known = state.rollout
    metadata = {**(manifest.get("metadata", default={})), "namespace": rollout[1]}
    same_spec = manifest.data.get("spec") == known.get("spec")
    metadata["generation"] = state.generation + (0 if same_spec else 1)
    wanted = {key: value for key, value in manifest.data.items() if key != "status"} | {"metadata": metadata}
    if same_spec and _bare(metadata) == _bare(known.get("metadata") or {}):
        return state
    return replace(state, rollout=wanted, woken=True)


def _bare(metadata: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in metadata.items() if key != "generation"}


def _touched(old: Cluster, new: Cluster) -> bool:
    """Whether anything that a Rollout can name is different."""
    return any(
        new.objects.get(key) is not old.objects.get(key)
        for key in old.objects.keys() | new.objects.keys()
        if key.kind in TOUCHED
    )


def _objects(after: Deployed, rollout: RolloutId, state: State) -> tuple[State, bool]:
    """A state with its objects as the Mesh has them now, and whether one changed that the controller does not watch."""
    current = state_in(after.mesh, rollout)
    changed = {key: doc for key, doc in current.objects.items() if state.objects.get(key) != doc}
    gone = [key for key in state.objects if key not in current.objects]
    if not changed and not gone:
        return state, False
    objects = {key: doc for key, doc in {**state.objects, **changed}.items() if key not in gone}
    kinds = {key.kind for key in (*changed, *gone)}
    return replace(state, objects=objects, woken=state.woken or bool(kinds - UNWATCHED)), bool(kinds & UNWATCHED)


def next_retry(failed: float, now: float) -> float:
    """When a sync that failed at `failed` is tried again, from `now` on: after 1 ms, then twice as long each time, at
    most 10 s (client-go ItemExponentialFailureRateLimiter).

    >>> next_retry(0, 0), next_retry(100, 100.002), next_retry(100, 140)
    (0.001, 100.003, 146.383)
    """
    wait, due = 0.001, failed + 0.001
    while due <= now:
        wait = min(2 * wait, LONGEST_BACKOFF)
        if wait == LONGEST_BACKOFF:
            due += LONGEST_BACKOFF * max(1, (now - due) // LONGEST_BACKOFF)
        else:
            due += wait
    return round(due, 9)
