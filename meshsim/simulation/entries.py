"""What each entry of a timeline does: a command to a Rollout's controller, or an edit of the Mesh."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh import edits
from meshsim.mesh.mesh import Mesh
from meshsim.model.errors import InputError, UsageError
from meshsim.model.evidence import Written
from meshsim.model.names import ObjectKey
from meshsim.rollouts import State, commands
from meshsim.scenario.scenario import Entry, Timing
from meshsim.simulation.deployment import Deployed, RolloutId, name_of
from meshsim.simulation.events import READY

Applied = Mapping[str, dict[ObjectKey, Manifest]]
"""Cluster → its manifests as last applied."""
_SIMPLE: Final[Mapping[str, Callable[[State], State]]] = {
    "abort": commands.abort,
    "retry": commands.retry,
    "pause": commands.pause,
    "resume": commands.resume,
}
COMMANDS: Final = frozenset({*_SIMPLE, "promote", "undo", "analysis-result", "plugin-result"})


def rollout_ids(mesh: Mesh, entry: Entry) -> tuple[RolloutId, ...]:
    """The Rollouts that an entry names, `*` per segment. Raises InputError where the Mesh has none of them."""
    name = str(entry.args.get("rollout") or entry.args.get("workload") or "")
    parts = name.split("/")
    there = [(c.name, m.namespace, m.name) for c in mesh.clusters.values() for m in c.of("Rollout")]
    found = tuple(
        known
        for known in sorted(there)
        if len(parts) == 3 and all(fnmatchcase(a, b) for a, b in zip(known, parts, strict=True))
    )
    if not found:
        msg = f"{entry.verb}: there is no Rollout {name!r}"
        hint = f"Rollouts are {', '.join(name_of(known) for known in sorted(there)) or 'none'}"
        raise InputError(msg, where=entry.source, hint=hint)
    return found


def waited_for(mesh: Mesh, entry: Entry) -> RolloutId:
    """The Rollout whose pause an entry waits for: the one it names, else the only one there is."""
    named = entry if entry.args.get("rollout") else replace(entry, args={"rollout": "*/*/*"})
    found = rollout_ids(mesh, named)
    if len(found) > 1:
        msg = f"{entry.verb}: when: paused waits for one Rollout, and this may be {', '.join(map(name_of, found))}"
        raise InputError(msg, where=entry.source, hint="name the Rollout, or give the entry a time with `at`")
    return found[0]


def last_before(mesh: Mesh, entries: Sequence[Entry], rollout: RolloutId) -> Entry | None:
    """The last of some timed entries that commands a Rollout: `when: paused` below it means the pause after that."""
    last: Entry | None = None
    for entry in entries:
        try:
            commands_it = entry.at is not None and rollout in commanded(mesh, entry)
        except InputError:
            continue  # it may come into being later; else the entry says so when it is due
        if commands_it and (last is None or (entry.at or 0.0) >= (last.at or 0.0)):
            last = entry
    return last


def paused_since(state: State | None) -> float | None:
    """Since when a Rollout's steps are paused; None where they are not."""
    for condition in (state.status.get("pauseConditions") or ()) if state is not None else ():
        return float(condition.get("startTime") or 0)
    return None


def commanded(mesh: Mesh, entry: Entry) -> tuple[RolloutId, ...]:
    """The Rollouts that an entry commands; none where it edits the Mesh."""
    if entry.verb in COMMANDS or (entry.verb in {"set-image", "scale"} and _names_rollout(mesh, entry)):
        return rollout_ids(mesh, entry)
    return ()


def _names_rollout(mesh: Mesh, entry: Entry) -> bool:
    if entry.args.get("rollout"):
        return True
    parts = str(entry.args.get("workload", "")).split("/")
    return (
        len(parts) == 3
        and parts[0] in mesh.clusters
        and mesh.clusters[parts[0]].get("Rollout", parts[1], parts[2]) is not None
    )


def unreachable(mesh: Mesh, entry: Entry) -> str:
    """The cluster that is down and that an entry would have to reach, "" where it can be done."""
    if entry.verb in {"fail", "recover", "drain"}:
        return ""
    name = next((str(v) for k in ("rollout", "workload", "object", "cluster") if (v := entry.args.get(k))), "")
    cluster = name.split("/")[0]
    return cluster if f"cluster:{cluster}" in mesh.down else ""


def command(state: State, entry: Entry) -> State:
    """A Rollout after a user's command. Raises InputError, with the entry's line, where it cannot be given."""
    try:
        return _command(state, entry)
    except UsageError as error:
        msg = f"{entry.verb}: {error.message}"
        raise InputError(msg, where=entry.source, hint=error.hint) from error


def _command(state: State, entry: Entry) -> State:
    verb, args = entry.verb, entry.args
    if verb in _SIMPLE:
        return _SIMPLE[verb](state)
    if verb == "promote":
        return commands.promote(state, full=bool(args.get("full")))
    if verb == "undo":
        return commands.undo(state, int(args.get("to-revision") or 0))
    if verb == "set-image":
        return commands.set_image(state, str(args["container"]), str(args["image"]))
    if verb == "scale":
        return commands.scale(state, int(args["replicas"]))
    step = args.get("step")
    return commands.give_result(state, int(step) if step is not None else str(args["template"]), str(args["result"]))


def edit(
    deployed: Deployed, entry: Entry, now: float, timing: Timing, applied: Applied
) -> tuple[Deployed, tuple[Entry, ...]]:
    """The situation after an entry that edits the Mesh, and what it leads to later. Raises InputError."""
    mesh = deployed.mesh
    evidence = Written(f"timeline {entry.verb} ({entry.source})", now)
    if entry.verb in {"set-image", "scale", READY}:
        from meshsim.simulation import workloads

        mesh, later = workloads.edited(mesh, entry, now, timing, evidence)
        return replace(deployed, mesh=mesh), later
    try:
        return replace(deployed, mesh=_EDITS[entry.verb](deployed, entry, evidence, applied)), ()
    except InputError as error:
        if error.where != evidence:
            raise
        msg = f"{entry.verb}: {error.message}"
        raise InputError(msg, where=entry.source, hint=error.hint) from error


def _labels(deployed: Deployed, entry: Entry, evidence: Written, _: Applied) -> Mesh:
    if entry.verb == "unlabel":
        return edits.with_labels(
            deployed.mesh, str(entry.args["object"]), dict.fromkeys(entry.args["labels"], None), evidence
        )
    field = "labels" if entry.verb == "label" else "annotations"
    return edits.with_labels(deployed.mesh, str(entry.args["object"]), entry.args[field], evidence, field)


def _patch(deployed: Deployed, entry: Entry, evidence: Written, _: Applied) -> Mesh:
    _no_replica_set(deployed, entry)
    return edits.patched(deployed.mesh, str(entry.args["object"]), entry.args["patch"], evidence)


def _delete(deployed: Deployed, entry: Entry, _: Written, __: Applied) -> Mesh:
    _no_replica_set(deployed, entry)
    return edits.without(deployed.mesh, str(entry.args["object"]), entry.source)


def _no_replica_set(deployed: Deployed, entry: Entry) -> None:
    cluster, manifest = edits.find_object(deployed.mesh, str(entry.args["object"]), entry.source)
    owned = any(
        rollout[:2] == (cluster.name, manifest.namespace) and found.name == manifest.name
        for rollout, state in deployed.states.items()
        for found in state.sets
    )
    if manifest.kind == "ReplicaSet" and owned:
        msg = f"{entry.verb}: {manifest.key} belongs to a Rollout, which would put it right at once"
        raise InputError(msg, where=entry.source, hint="use fail, scale or set-image on the Rollout")


def _apply(deployed: Deployed, entry: Entry, evidence: Written, applied: Applied) -> Mesh:
    known = applied[str(entry.args["cluster"])]
    mesh = edits.applied(deployed.mesh, str(entry.args["cluster"]), entry.args["manifests"], known, evidence)
    known.update({manifest.key: manifest for manifest in entry.args["manifests"]})
    return mesh


def _sync(deployed: Deployed, entry: Entry, evidence: Written, applied: Applied) -> Mesh:
    cluster = str(entry.args["cluster"])
    known = applied[cluster]
    return edits.applied(deployed.mesh, cluster, tuple(known[key] for key in sorted(known)), known, evidence)


def _env(deployed: Deployed, entry: Entry, evidence: Written, _: Applied) -> Mesh:
    args = entry.args
    return edits.with_env(deployed.mesh, str(args["cluster"]), str(args["component"]), args["env"], evidence)


def _version(deployed: Deployed, entry: Entry, evidence: Written, _: Applied) -> Mesh:
    args = entry.args
    version = args["version"]
    return edits.with_version(deployed.mesh, str(args["cluster"]), str(args["component"]), version, entry.source)


def _fault(deployed: Deployed, entry: Entry, evidence: Written, _: Applied) -> Mesh:
    from meshsim.simulation import faults

    if entry.verb == "drain":
        return faults.drain(deployed, entry, evidence)
    return faults.fail(deployed, entry) if entry.verb == "fail" else faults.recover(deployed, entry)


_EDITS: Final[Mapping[str, Callable[[Deployed, Entry, Written, Applied], Mesh]]] = {
    "label": _labels,
    "unlabel": _labels,
    "annotate": _labels,
    "patch": _patch,
    "delete": _delete,
    "apply": _apply,
    "gitops-sync": _sync,
    "set-env": _env,
    "set-version": _version,
    "fail": _fault,
    "recover": _fault,
    "drain": _fault,
}


def sentence(entry: Entry) -> str:
    """An entry in words, as a report says what happened."""
    args: dict[str, Any] = dict(entry.args)
    first = next((args.pop(key) for key in ("rollout", "workload", "object", "target", "cluster") if args.get(key)), "")
    args.pop("manifests", None)
    if entry.verb == READY:
        return f"new pods of {first} are ready"
    rest = ", ".join(
        f"{key} {_plain(value)}" for key, value in args.items() if value is not None and value is not False
    )
    return f"{entry.verb} {first}" + (f" ({rest})" if rest else "")


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={part}" for key, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
