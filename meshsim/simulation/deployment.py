"""Rollouts inside a Mesh: their states out of its objects, and what they wrote back into it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from typing import Any, Final, final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Mesh
from meshsim.mesh.pods import SIMULATED
from meshsim.model.errors import InputError, UsageError
from meshsim.model.evidence import Written
from meshsim.model.frozen import frozen
from meshsim.model.names import ObjectKey
from meshsim.rollouts import (
    ReplicaSet,
    State,
    check,
    deploy,
    hold,
    not_modelled,
    observe,
    probe_steps,
    state_of,
)
from meshsim.rollouts.shape import wrong_shapes
from meshsim.rollouts.spec import HASH_LABEL, REVISION, canary, steps_of

RolloutId = tuple[str, str, str]
"""(cluster, namespace, name)."""
_MALFORMED: Final = (TypeError, ValueError, KeyError, AttributeError, IndexError, ZeroDivisionError, RecursionError)
TOUCHED: Final = (
    "Service",
    "HTTPRoute",
    "GRPCRoute",
    "TCPRoute",
    "TLSRoute",
    "VirtualService",
    "DestinationRule",
    "Deployment",
    "ReplicaSet",
    "PodTemplate",
)


@final
@frozen
class Deployed:
    """A Mesh with its Rollouts in it. `refused` says why a Rollout cannot execute (MS404), `open` what it does that
    is not modelled."""

    mesh: Mesh
    states: Mapping[RolloutId, State]
    refused: Mapping[RolloutId, str] = field(default_factory=dict)
    open: Mapping[RolloutId, tuple[str, ...]] = field(default_factory=dict)


def name_of(rollout: RolloutId) -> str:
    """`cluster/namespace/name`."""
    return "/".join(rollout)


@contextmanager
def guarded(rollout: RolloutId, mesh: Mesh) -> Iterator[None]:
    """Whatever a malformed Rollout (or an object it names) breaks, as a sentence with its place."""
    try:
        yield
    except _MALFORMED as error:
        manifest = mesh.clusters[rollout[0]].get("Rollout", rollout[1], rollout[2])
        where = manifest.evidence("spec") if manifest is not None else None
        msg = f"Rollout {name_of(rollout)} (or an object it names) has a value of the wrong kind: {error}"
        hint = "the API server would refuse it: compare with `kubectl explain rollout.spec.strategy.canary`"
        raise InputError(msg, where=where, hint=hint) from error


def rollouts_of(mesh: Mesh) -> tuple[RolloutId, ...]:
    """Every Rollout of the Mesh, sorted."""
    return tuple(
        (name, m.namespace, m.name) for name in sorted(mesh.clusters) for m in mesh.clusters[name].of("Rollout")
    )


def in_progress(mesh: Mesh) -> bool:
    """Whether a Rollout's status says that it is between two revisions, or aborted."""
    for cluster in mesh.clusters.values():
        for rollout in cluster.of("Rollout"):
            status = rollout.get("status", default={})
            if status.get("stableRS") and status.get("currentPodHash") not in {None, status.get("stableRS")}:
                return True
    return False


def state_in(mesh: Mesh, rollout: RolloutId) -> State:
    """The state of one Rollout as its cluster's objects have it."""
    name, namespace, rollout_name = rollout
    cluster = mesh.clusters[name]
    manifest = cluster.get("Rollout", namespace, rollout_name)
    assert manifest is not None
    _check_shape(rollout, manifest)
    docs = [m.data for m in cluster.of(*TOUCHED)]
    controller, plugin = cluster.argo
    with guarded(rollout, mesh):
        return state_of(_with_namespace(manifest), docs, version=controller, gatewayapi_version=plugin)


def _check_shape(rollout: RolloutId, manifest: Manifest) -> None:
    """Refuse what the Rollout's schema refuses, with the place of the value."""
    for path, message in wrong_shapes(manifest.data):
        dotted = ".".join(map(str, path))
        msg = f"Rollout {name_of(rollout)}: {dotted}: {message}"
        raise InputError(msg, where=manifest.evidence(*path), hint="the API server would refuse this Rollout")


def _with_namespace(manifest: Manifest) -> dict[str, Any]:
    metadata = {**(manifest.data.get("metadata") or {}), "namespace": manifest.namespace}
    return {**manifest.data, "metadata": metadata}


def start(mesh: Mesh, mode: str) -> Deployed:
    """Every Rollout as it is at the start: observed where it has a status, else deployed and settled.

    `mode` is `auto`, `settle` (deploy all) or `observed` (observe all).
    """
    deployed = Deployed(mesh=mesh, states={})
    for rollout in rollouts_of(mesh):
        state = state_in(deployed.mesh, rollout)
        observed = mode == "observed" or (mode == "auto" and bool(state.status))
        with guarded(rollout, mesh):
            deployed = put(deployed, rollout, observe(state) if observed else deploy(state), observed=observed)
    return deployed


def probe(mesh: Mesh, moment: str, mode: str) -> Deployed:
    """Every Rollout held, settled, at a step (`step:N`) or at its first step with a weight (`weight:W`), with a new
    revision of its template. Raises UsageError where no Rollout has that step or weight."""
    kind, _, number = moment.partition(":")
    deployed = Deployed(mesh=mesh, states={})
    fits = False
    for rollout in rollouts_of(mesh):
        state = state_in(deployed.mesh, rollout)
        if mode == "settle":
            state = _bare(state)
        with guarded(rollout, mesh):
            index = _index(state, kind, int(number))
            fits = fits or index is not None
            held = hold(state, index) if index is not None else (observe(state) if state.status else deploy(state))
            deployed = put(deployed, rollout, held, observed=False)
    if not fits and deployed.states:
        offered = sorted({w for r in deployed.states for w, _ in probe_steps(deployed.states[r].rollout)})
        longest = max(len(steps_of(s.rollout)) for s in deployed.states.values())
        msg = f"no Rollout has {moment.replace(':', ' ')}"
        hint = f"steps are 0 to {longest}; weights are {', '.join(map(str, offered)) or 'none'}"
        raise UsageError(msg, hint=hint)
    return deployed


def _bare(state: State) -> State:
    return replace(state, status={}, sets=())


def _index(state: State, kind: str, number: int) -> int | None:
    steps = steps_of(state.rollout)
    if kind == "step":
        return number if number <= len(steps) else None
    return next((index for weight, index in _weights(state) if weight == number), None)


def _weights(state: State) -> list[tuple[int, int]]:
    """(weight, resting index), the ends included."""
    steps = steps_of(state.rollout)
    return [*probe_steps(state.rollout), (0, 0), (100, len(steps))]


def weights_to_probe(mesh: Mesh) -> tuple[tuple[str, int], ...]:
    """The probes of every distinct weight strictly between 0 and 100: (`step:N` or `weight:W`, weight).

    `step:N` where every Rollout that has the weight rests at the same step with it, else `weight:W`.
    """
    found: dict[int, set[int]] = {}
    for rollout in rollouts_of(mesh):
        with guarded(rollout, mesh):
            for weight, index in probe_steps(state_in(mesh, rollout).rollout):
                found.setdefault(weight, set()).add(index)
    several = len(rollouts_of(mesh)) > 1
    return tuple(
        (f"step:{min(steps)}" if len(steps) == 1 and not several else f"weight:{weight}", weight)
        for weight, steps in sorted(found.items())
    )


def put(deployed: Deployed, rollout: RolloutId, state: State, *, observed: bool) -> Deployed:
    """The Mesh after a Rollout's controller (and its pods) came to `state`."""
    name = rollout[0]
    mesh = deployed.mesh
    cluster = mesh.clusters[name]
    manifest = cluster.get("Rollout", rollout[1], rollout[2])
    assert manifest is not None
    changed = [_rollout(manifest, state)]
    written = _writes(state)
    for key, doc in state.objects.items():
        before = cluster.get(key.kind, key.namespace, key.name)
        if before is not None and before.data is not doc and before.data != doc:
            changed.append(before.replaced(dict(doc), written.get(key, Written(state.by, state.now))))
    gone = [m.key for m in cluster.of("ReplicaSet") if _owned(m, state) and m.name not in {s.name for s in state.sets}]
    before_sets = deployed.states[rollout].sets if rollout in deployed.states else ()
    unchanged = {id(found) for found in before_sets}
    changed.extend(_replica_set(cluster, state, found) for found in state.sets if id(found) not in unchanged)
    refused = dict(deployed.refused)
    error = state.error or (None if observed else check(state.rollout, state.docs()))
    if error is not None and error.cannot_execute:
        refused[rollout] = str(error.message)
    return Deployed(
        mesh=mesh.fork(cluster.with_objects(changed, gone)),
        states={**deployed.states, rollout: state},
        refused=refused,
        open={**deployed.open, rollout: tuple(not_modelled(state.rollout))},
    )


def _writes(state: State) -> Mapping[ObjectKey, Written]:
    """When each object was last written."""
    return {write.key: Written(write.by, write.at) for write in state.writes}


def _rollout(manifest: Manifest, state: State) -> Manifest:
    data = {**state.rollout, "status": dict(state.status)}
    return manifest.replaced(data, Written(state.by, state.now))


def _owned(manifest: Manifest, state: State) -> bool:
    return manifest.namespace == state.namespace and any(
        reference.get("kind") == "Rollout" and reference.get("name") == state.name
        for reference in manifest.get("metadata", "ownerReferences", default=[])
    )


def _role_metadata(state: State, found: ReplicaSet) -> Mapping[str, Any]:
    """Labels and annotations that pods carry for their role (argo-rollouts rollout/ephemeralmetadata.go)."""
    if found.hash == state.status.get("stableRS"):
        return canary(state.rollout).get("stableMetadata") or {}
    if found.hash == state.status.get("currentPodHash"):
        return canary(state.rollout).get("canaryMetadata") or {}
    return {}


def _replica_set(cluster: Cluster, state: State, found: ReplicaSet) -> Manifest:
    """A ReplicaSet as an object, with its pods' readiness in its status."""
    before = cluster.get("ReplicaSet", state.namespace, found.name)
    template = found.template
    if template is None and before is not None:
        template = before.get("spec", "template", default={})
    template = dict(template if template is not None else state.template)
    metadata = dict(template.get("metadata") or {})
    role = _role_metadata(state, found)
    metadata["labels"] = {**(metadata.get("labels") or {}), **(role.get("labels") or {}), HASH_LABEL: found.hash}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **(role.get("annotations") or {})}
    data: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": found.name,
            "namespace": state.namespace,
            "labels": {**metadata["labels"]},
            "annotations": {REVISION: str(found.revision)},
            "ownerReferences": [{"kind": "Rollout", "name": state.name, "controller": True}],
        },
        "spec": {"replicas": found.replicas, "template": {**template, "metadata": metadata}},
        "status": {
            "replicas": found.created,
            "readyReplicas": found.available,
            "availableReplicas": found.available,
            SIMULATED: [
                [pod.number, pod.ready_at <= state.now and pod.number not in found.broken]
                for pod in found.pods
                if pod.stopped_at is None
            ],
        },
    }
    if before is not None:
        return before.replaced(data, Written(state.by, state.now))
    return Manifest.made("apps/v1", "ReplicaSet", state.namespace, found.name, data, Written(state.by, state.now))
