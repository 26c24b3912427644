"""A scenario's timeline played on a Mesh, up to an instant or until everything is at rest."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from meshsim.mesh import edits
from meshsim.mesh.mesh import Mesh
from meshsim.model.errors import InputError
from meshsim.model.evidence import Written
from meshsim.rollouts import State, advance, at_rest, commands, next_due
from meshsim.rollouts.status import pause_condition
from meshsim.scenario.scenario import Entry, Timing
from meshsim.simulation.deployment import Deployed, RolloutId, name_of, put, start, state_in

COMMANDS: Final = frozenset({"promote", "abort", "retry", "pause", "resume", "undo"})
OBJECT_VERBS: Final = frozenset({"label", "unlabel", "annotate", "patch", "delete"})
LONGEST: Final = 30 * 24 * 3600.0
"""Seconds after the last entry within which a timeline must come to rest."""


def play(mesh: Mesh, entries: Sequence[Entry], timing: Timing, mode: str, until: float | None) -> Deployed:
    """The Mesh at `until` seconds, after everything due at that instant; at rest where it is None."""
    deployed = start(mesh, mode)
    left = list(entries)
    now = 0.0
    while left:
        timer = _next_timer(deployed) if any(entry.at is None for entry in left) else None
        entry, moment = _next_entry(deployed, left, now)
        if timer is not None and timer > now and (moment is None or timer < moment):
            entry, moment = None, timer
        if moment is None or (until is not None and moment > until):
            break
        deployed = _advance(deployed, moment, timing)
        now = moment
        if entry is not None:
            left.remove(entry)
            deployed = _advance(_do(deployed, entry, now), now, timing)
    if until is not None:
        return _advance(deployed, max(until, now), timing)
    return _to_rest(deployed, timing, now)


def _next_timer(deployed: Deployed) -> float | None:
    """When a Rollout next does something by itself."""
    return min((t for s in deployed.states.values() if (t := next_due(s)) is not None), default=None)


def _next_entry(deployed: Deployed, left: list[Entry], now: float) -> tuple[Entry | None, float | None]:
    """The entry that comes next and its instant; one that waits for a pause counts once its Rollout is paused."""
    ready: list[tuple[float, int, Entry]] = []
    for index, entry in enumerate(left):
        if entry.at is not None:
            ready.append((max(now, entry.at), index, entry))
        else:
            paused = _paused_since(deployed, entry)
            if paused is not None:
                ready.append((max(now, paused + entry.after), index, entry))
                break  # entries that wait keep their order
    first = min(ready, key=lambda item: item[:2], default=None)
    return (first[2], first[0]) if first is not None else (None, None)


def _paused_since(deployed: Deployed, entry: Entry) -> float | None:
    rollout = rollout_id(deployed.mesh, entry)
    state = deployed.states[rollout]
    condition = pause_condition(state.status)
    return float(condition.get("startTime") or 0) if condition is not None else None


def rollout_id(mesh: Mesh, entry: Entry) -> RolloutId:
    """The Rollout that an entry names. Raises InputError where the Mesh has none."""
    name = str(entry.args.get("rollout") or entry.args.get("workload") or "")
    parts = name.split("/")
    if len(parts) == 3 and parts[0] in mesh.clusters and mesh.clusters[parts[0]].get("Rollout", parts[1], parts[2]):
        return parts[0], parts[1], parts[2]
    there = sorted(name_of((c.name, m.namespace, m.name)) for c in mesh.clusters.values() for m in c.of("Rollout"))
    msg = f"{entry.verb}: there is no Rollout {name!r}"
    raise InputError(msg, where=entry.source, hint=f"Rollouts are {', '.join(there) or 'none'}")


def _advance(deployed: Deployed, to: float, timing: Timing) -> Deployed:
    """Every Rollout up to and including an instant."""
    for rollout, state in deployed.states.items():
        fresh = _refreshed(deployed, rollout, state)
        moved, _ = advance(fresh, to, pod_ready=timing.pod_ready, pod_terminate=timing.pod_terminate)
        if moved is not state:
            deployed = put(deployed, rollout, moved, observed=True)
    return deployed


def _refreshed(deployed: Deployed, rollout: RolloutId, state: State) -> State:
    """A state with its objects as the Mesh has them now, woken where somebody else changed one it watches."""
    current = state_in(deployed.mesh, rollout)
    changed = {k: doc for k, doc in current.objects.items() if state.objects.get(k) != doc}
    gone = [k for k in state.objects if k not in current.objects]
    if not changed and not gone:
        return state
    objects = {k: doc for k, doc in {**state.objects, **changed}.items() if k not in gone}
    watched = any(key.kind not in {"HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"} for key in [*changed, *gone])
    return replace(state, objects=objects, woken=state.woken or watched)


def _to_rest(deployed: Deployed, timing: Timing, now: float) -> Deployed:
    """On until no Rollout has anything pending but resyncs and back-off."""
    deployed = _advance(deployed, now, timing)
    while True:
        pending = [t for s in deployed.states.values() if not at_rest(s) and (t := next_due(s)) is not None]
        if not pending or min(pending) > now + LONGEST:
            return deployed
        deployed = _advance(deployed, min(pending), timing)


def _do(deployed: Deployed, entry: Entry, now: float) -> Deployed:
    """What one entry does. Raises InputError where it cannot be done."""
    verb, args = entry.verb, entry.args
    mesh = deployed.mesh
    evidence = Written(f"timeline {verb} ({entry.source})", now)
    if verb == "set-image":
        return _set_image(deployed, entry, now)
    if verb in COMMANDS:
        rollout = rollout_id(mesh, entry)
        state = replace(deployed.states[rollout], now=now)
        return put(deployed, rollout, _command(state, verb, args), observed=True)
    if verb == "scale":
        return _scale(deployed, entry, now)
    if verb in OBJECT_VERBS:
        name = str(args["object"])
        if verb == "delete":
            mesh = edits.without(mesh, name, entry.source)
        elif verb == "patch":
            mesh = edits.patched(mesh, name, args["patch"], evidence)
        elif verb == "unlabel":
            mesh = edits.with_labels(mesh, name, dict.fromkeys(args["labels"], None), evidence)
        else:
            field = "labels" if verb == "label" else "annotations"
            mesh = edits.with_labels(mesh, name, args[field], evidence, field)
        return _user_edit(replace(deployed, mesh=mesh))
    if verb == "set-env":
        mesh = edits.with_env(mesh, str(args["cluster"]), str(args["component"]), args["env"], evidence)
        return replace(deployed, mesh=mesh)
    if verb in {"fail", "recover"} and str(args.get("target", "")).partition(":")[0] in {"link", "eastwest"}:
        target = str(args["target"])
        down = mesh.down | {target} if verb == "fail" else mesh.down - {target}
        return replace(deployed, mesh=mesh.fork(down=down))
    msg = f"timeline verb {verb} is not simulated yet for {args.get('target') or 'this'}"
    raise InputError(msg, where=entry.source, hint="remove the entry, or put its outcome into the manifests")


def _command(state: State, verb: str, args: Mapping[str, Any]) -> State:
    if verb == "promote":
        return commands.promote(state, full=bool(args.get("full")))
    if verb == "undo":
        return commands.undo(state, int(args.get("to-revision") or 0))
    simple = {"abort": commands.abort, "retry": commands.retry, "pause": commands.pause, "resume": commands.resume}
    return simple[verb](state)


def _set_image(deployed: Deployed, entry: Entry, now: float) -> Deployed:
    args = entry.args
    container, image = str(args["container"]), str(args["image"])
    if not args.get("rollout"):
        cluster, manifest = edits.find_object(deployed.mesh, _workload(deployed.mesh, entry), entry.source)
        containers = manifest.get("spec", "template", "spec", "containers", default=[])
        fitting = [i for i, c in enumerate(containers) if c.get("name") == container]
        if not fitting:
            msg = f"set-image: {manifest.key} has no container {container!r}"
            raise InputError(msg, where=entry.source, hint=f"it has {', '.join(str(c.get('name')) for c in containers)}")
        path = ("spec", "template", "spec", "containers", fitting[0], "image")
        evidence = Written(f"timeline set-image ({entry.source})", now)
        return _user_edit(
            replace(deployed, mesh=deployed.mesh.fork(cluster.with_objects([manifest.edited({path: image}, evidence)])))
        )
    rollout = rollout_id(deployed.mesh, entry)
    state = replace(deployed.states[rollout], now=now)
    return put(deployed, rollout, commands.set_image(state, container, image), observed=True)


def _scale(deployed: Deployed, entry: Entry, now: float) -> Deployed:
    replicas = int(entry.args["replicas"])
    if entry.args.get("rollout"):
        rollout = rollout_id(deployed.mesh, entry)
        state = replace(deployed.states[rollout], now=now)
        return put(deployed, rollout, commands.scale(state, replicas), observed=True)
    cluster, manifest = edits.find_object(deployed.mesh, _workload(deployed.mesh, entry), entry.source)
    evidence = Written(f"timeline scale ({entry.source})", now)
    changes: dict[tuple[str | int, ...], Any] = {("spec", "replicas"): replicas}
    if manifest.get("status") is not None:
        changes["status",] = None
    edited = manifest.edited(changes, evidence)
    return replace(deployed, mesh=deployed.mesh.fork(cluster.with_objects([edited])))


def _workload(mesh: Mesh, entry: Entry) -> str:
    """`cluster/namespace/name` as the object it names."""
    name = str(entry.args.get("workload", ""))
    parts = name.split("/")
    if len(parts) == 3 and parts[0] in mesh.clusters:
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "Rollout"):
            if mesh.clusters[parts[0]].get(kind, parts[1], parts[2]) is not None:
                return f"{parts[0]}/{kind}/{parts[1]}/{parts[2]}"
    msg = f"{entry.verb}: there is no workload {name!r}"
    raise InputError(msg, where=entry.source, hint="write cluster/namespace/name of a Deployment, StatefulSet or Rollout")


def _user_edit(deployed: Deployed) -> Deployed:
    """After a user changed objects: a Rollout's own spec reaches its state, and its controller wakes."""
    states = {}
    for rollout, state in deployed.states.items():
        manifest = deployed.mesh.clusters[rollout[0]].get("Rollout", rollout[1], rollout[2])
        if manifest is None:
            continue
        wanted = {key: value for key, value in manifest.data.items() if key != "status"}
        if wanted.get("spec") != state.rollout.get("spec"):
            metadata = {**(wanted.get("metadata") or {}), "namespace": rollout[1], "generation": state.generation + 1}
            states[rollout] = replace(state, rollout={**wanted, "metadata": metadata}, woken=True)
        else:
            states[rollout] = state
    return replace(deployed, states=states)
