"""The working copy of one sync: what it has read, what it has changed so far, and what it recorded."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meshsim.model.names import ObjectKey
from meshsim.rollouts.replicaset import ReplicaSet, by_hash
from meshsim.rollouts.scale import Sets
from meshsim.rollouts.spec import DEADLINE, DESIRED, Fields, abort_delay, is_dynamic, replicas_of, routing, weights_of
from meshsim.rollouts.state import State, Write, changes
from meshsim.rollouts.versions import controller


class Context:
    """Mutable, and private to one call of `reconcile`; the State it began with stays as it was."""

    __slots__ = (
        "abort_message",
        "add_abort",
        "add_pauses",
        "behaviour",
        "clear_pauses",
        "hold",
        "new_name",
        "notes",
        "now",
        "objects",
        "old",
        "remove_abort",
        "remove_pauses",
        "rollout",
        "sets",
        "state",
        "status",
        "waits",
        "weights",
        "writes",
    )

    def __init__(self, state: State, *, hold: bool = False) -> None:
        self.state = state
        self.now = state.now
        self.rollout: Fields = state.rollout
        self.old: dict[str, Any] = dict(state.status)
        self.status: dict[str, Any] = dict(state.status)
        self.behaviour = controller(state.version)
        self.sets = list(state.sets)
        self.objects: dict[ObjectKey, Fields] = dict(state.objects)
        self.writes: list[Write] = []
        self.notes: list[str] = []
        self.waits: list[str] = []
        self.weights = weights_of(self.old)
        self.new_name = ""
        self.clear_pauses = self.add_abort = self.remove_abort = False
        self.abort_message = ""
        self.add_pauses: list[str] = []
        self.remove_pauses: set[str] = set()
        self.hold = hold

    @property
    def picked(self) -> Sets:
        """New, stable and other ReplicaSets as they are now."""
        new = next((found for found in self.sets if found.name == self.new_name), None)
        stable = by_hash(self.sets, self.old.get("stableRS") or "")
        return Sets(new, stable, tuple(found for found in self.sets if found is not new and found is not stable))

    @property
    def aborted(self) -> bool:
        """rollout/pause.go IsAborted."""
        return not self.remove_abort and (self.add_abort or bool(self.old.get("abort")))

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def wait(self, sentence: str) -> None:
        """Say what this sync waits for; the next one says it again, or it is over."""
        self.waits.append(sentence)

    def put(self, key: ObjectKey, doc: Mapping[str, Any]) -> None:
        """Write an object; only fields that differ are recorded (the API server drops the rest)."""
        for path, value in changes(self.objects.get(key, {}), doc):
            self.writes.append(Write(key=key, path=path, value=value, at=self.now, by=self.state.by))
        self.objects[key] = doc

    def put_set(self, found: ReplicaSet) -> None:
        """Write a ReplicaSet."""
        key = ObjectKey("ReplicaSet", self.state.namespace, found.name)
        index = next((place for place, known in enumerate(self.sets) if known.name == found.name), None)
        before = None if index is None else self.sets[index]
        for path, value, was in (
            (("spec", "replicas"), found.replicas, before.replicas if before else None),
            (("metadata", "annotations", DESIRED), found.desired, before.desired if before else None),
            (("metadata", "annotations", DEADLINE), found.deadline, before.deadline if before else None),
        ):
            if value != was:
                self.writes.append(Write(key=key, path=path, value=value, at=self.now, by=self.state.by))
        if index is None:
            self.sets.append(found)
        else:
            self.sets[index] = found

    def delays_abort_scale_down(self) -> bool:
        """rollout/replicaset.go shouldDelayScaleDownOnAbort."""
        if not self.aborted or self.picked.stable is None or routing(self.rollout) is None:
            return False
        seconds, was_set = abort_delay(self.rollout)
        return seconds is not None and (was_set or not is_dynamic(self.rollout))

    def scale(self, found: ReplicaSet, replicas: int) -> bool:
        """Set spec.replicas and the desired-replicas annotation; True if the size changed (sync.go scaleReplicaSet)."""
        wanted = replicas_of(self.rollout)
        if found.replicas == replicas and found.desired == wanted and not (wanted == 0 and found.deadline is not None):
            return False
        keeps = replicas != 0 or self.delays_abort_scale_down()
        deadline = found.deadline if keeps else None
        self.put_set(replace(found, replicas=replicas, desired=wanted, deadline=deadline))
        return found.replicas != replicas
