"""Faults: what fails, what recovers, what is drained, and which pods that keeps from being ready."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import Any

from meshsim.controlplane.components import EASTWEST_CLASSES, ISTIO_GATEWAY
from meshsim.controlplane.links import DRAINING, FIRM
from meshsim.controlplane.registry import Registry
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.health import is_down
from meshsim.mesh.mesh import Mesh
from meshsim.mesh.pods import Pod
from meshsim.model.errors import InputError
from meshsim.model.evidence import Evidence
from meshsim.model.shares import parse_share
from meshsim.rollouts import ReplicaSet
from meshsim.scenario.scenario import Entry
from meshsim.simulation.deployment import Deployed, RolloutId


def fail(deployed: Deployed, entry: Entry) -> Mesh:
    """The Mesh with a target out of order. Raises InputError where there is no such target."""
    return deployed.mesh.fork(down=deployed.mesh.down | frozenset(_targets(deployed, entry)))


def recover(deployed: Deployed, entry: Entry) -> Mesh:
    """The Mesh with a target in order again."""
    return deployed.mesh.fork(down=deployed.mesh.down - frozenset(_targets(deployed, entry)))


def _targets(deployed: Deployed, entry: Entry) -> Iterator[str]:
    """What a target comes to in `Mesh.down`."""
    target = str(entry.args["target"])
    scheme, colon, rest = target.partition(":")
    if not colon:
        yield from _of_workload(deployed, entry, target)
        return
    if entry.args.get("pods") is not None or entry.args.get("revision") is not None:
        msg = f"{entry.verb}: pods and revision go with a workload, not with {target}"
        raise InputError(msg, where=entry.source, hint="write target: cluster/namespace/workload")
    _known(deployed.mesh, entry, scheme, rest.split("/"))
    yield target


def _known(mesh: Mesh, entry: Entry, scheme: str, parts: Sequence[str]) -> None:
    cluster = mesh.clusters[parts[0]]
    if scheme in {"waypoint", "ingress"}:
        kinds = ("Gateway",) if scheme == "waypoint" else ("Gateway", ISTIO_GATEWAY)
        if all(cluster.get(kind, parts[1], parts[2]) is None for kind in kinds):
            there = ", ".join(f"{m.namespace}/{m.name}" for kind in kinds for m in cluster.of(kind))
            _none(entry, f"{parts[0]} has no Gateway {parts[1]}/{parts[2]}", f"it has {there or 'none'}")
    elif scheme == "node":
        nodes = {m.name for m in cluster.of("Node")} | {str(m.get("spec", "nodeName")) for m in cluster.of("Pod")}
        if parts[1] not in nodes:
            known = ", ".join(sorted(nodes - {"None"}))
            _none(entry, f"{parts[0]} has no node {parts[1]}", f"it has {known or 'none'}")
    elif scheme == "zone":
        zones = {pod.zone for pod in Registry(mesh).pods(parts[0])} | {cluster.zone}
        if parts[1] not in zones:
            _none(entry, f"{parts[0]} has no zone {parts[1]}", f"it has {', '.join(sorted(zones - {''})) or 'none'}")
    elif scheme == "link" and (parts[0], parts[1]) not in mesh.links:
        links = ", ".join(f"{a}/{b}" for a, b in sorted(mesh.links))
        _none(entry, f"{parts[0]} does not watch {parts[1]}", f"links are {links or 'none'}")


def _none(entry: Entry, sentence: str, hint: str) -> None:
    msg = f"{entry.verb}: {sentence}"
    raise InputError(msg, where=entry.source, hint=hint)


def _of_workload(deployed: Deployed, entry: Entry, target: str) -> Iterator[str]:
    parts = target.split("/")
    cluster = parts[0]
    pods = [] if cluster not in deployed.mesh.clusters else _pods(deployed.mesh, cluster, parts[1], parts[2])
    revision, count = entry.args.get("revision"), entry.args.get("pods")
    rollout: RolloutId = (parts[0], parts[1], parts[2])
    known = deployed.states.get(rollout)
    if not pods and known is None:
        there = sorted({f"{cluster}/{ns}/{name}" for ns, name in Registry(deployed.mesh).workloads(cluster)})
        _none(entry, f"there is no workload {target}", f"there is {', '.join(there[:8]) or 'none'}")
    chosen = ""
    if revision is not None:
        if known is None:
            _none(entry, f"{target} is no Rollout, and only Rollouts have revisions", "leave revision out")
        assert known is not None
        found = _revision(known.stable, known.current, str(revision))
        if found is None:
            _none(entry, f"{target} has no {revision} revision now", "a canary exists while a rollout is under way")
        assert found is not None
        chosen = found.name
        pods = [pod for pod in pods if pod.owner.name == chosen]
    if entry.verb == "recover" and count is None:
        where = f"{cluster}/{parts[1]}"
        yield f"replicaset:{where}/{chosen}" if chosen else f"workload:{target}"
        yield from (f"pod:{pod.path}" for pod in pods)
        if not chosen and known is not None:
            yield from (f"replicaset:{where}/{found.name}" for found in known.sets)
    elif count is None:
        yield f"replicaset:{cluster}/{parts[1]}/{chosen}" if chosen else f"workload:{target}"
    else:
        yield from _some(deployed.mesh, entry, pods, count)


def _revision(stable: ReplicaSet | None, current: ReplicaSet | None, role: str) -> ReplicaSet | None:
    if role == "stable":
        return stable
    return current if current is not None and (stable is None or current.name != stable.name) else None


def _some(mesh: Mesh, entry: Entry, pods: Sequence[Pod], count: Any) -> Iterator[str]:
    """Some pods of a workload, oldest ReplicaSet first: a number, or a percentage of all rounded up."""
    failing = [pod for pod in pods if f"pod:{pod.path}" in mesh.down]
    candidates = [pod for pod in pods if pod.ready] if entry.verb == "fail" else failing
    whole = isinstance(count, int)
    wanted = count if whole else ceil(len(pods) * (count if isinstance(count, Fraction) else parse_share(count)))
    if wanted > len(candidates) and whole:
        what = "ready" if entry.verb == "fail" else "failing"
        _none(entry, f"{entry.args['target']} has {len(candidates)} {what} pods, not {wanted}", "write 50%, or fewer")
    yield from (f"pod:{pod.path}" for pod in candidates[:wanted])


def _pods(mesh: Mesh, cluster: str, namespace: str, name: str) -> list[Pod]:
    return list(Registry(mesh).workloads(cluster).get((namespace, name), ()))


def drain(deployed: Deployed, entry: Entry, evidence: Evidence) -> Mesh:
    """A cluster that takes less than its share of new connections from others: none at weight 100, all again at 0.

    Source: Solo docs, operations/drain: the annotation `solo.io/draining-weight` on the east-west Gateway. Where the
    manifests show no such Gateway, one is there all the same. A product without the annotation knows weight 100 only.
    """
    mesh = deployed.mesh
    name = str(entry.args["target"]).partition(":")[2]
    weight = int(entry.args["weight"])
    cluster = mesh.clusters[name]
    if not any(here.dialect.value("draining") for here in mesh.clusters.values()):
        if weight not in {0, FIRM}:
            msg = f"drain: {cluster.dialect} has no draining weights, so {weight} means nothing"
            hint = "use 100 (no new connections) or 0, or a dialect from solo/1.28 on"
            raise InputError(msg, where=entry.source, hint=hint)
        drained = frozenset({f"drain:{name}"})
        return mesh.fork(down=mesh.down | drained if weight else mesh.down - drained)
    gateways = [m for m in cluster.of("Gateway") if m.get("spec", "gatewayClassName") in EASTWEST_CLASSES]
    if not gateways:
        gateways = [_eastwest(evidence)]
    path = ("metadata", "annotations", DRAINING)
    return mesh.fork(cluster.with_objects(gateway.edited({path: str(weight)}, evidence) for gateway in gateways))


def _eastwest(evidence: Evidence) -> Manifest:
    """The east-west Gateway that a cluster has where no manifest shows one."""
    data = {"metadata": {"annotations": {}}, "spec": {"gatewayClassName": "istio-eastwest"}}
    return Manifest.made("gateway.networking.k8s.io/v1", "Gateway", "istio-eastwest", "istio-eastwest", data, evidence)


def with_broken_pods(deployed: Deployed, now: float) -> Deployed:
    """Every Rollout with the pods that faults keep from being ready; their controllers see it as ReplicaSet status."""
    mesh, down = deployed.mesh, deployed.mesh.down
    registry = Registry(mesh)
    states = dict(deployed.states)
    for rollout, state in deployed.states.items():
        name, namespace, _ = rollout
        cluster = mesh.clusters[name]
        own = registry.workloads(name).get((namespace, state.name), ())
        sets = []
        for found in state.sets:
            numbers = sorted(pod.number for pod in found.pods if pod.stopped_at is None)
            pods = sorted((pod for pod in own if pod.owner.name == found.name), key=lambda pod: pod.order)
            broken = frozenset(n for n, pod in zip(numbers, pods, strict=False) if is_down(down, pod))
            whole = {f"workload:{'/'.join(rollout)}", f"replicaset:{name}/{namespace}/{found.name}"}
            whole |= {f"cluster:{name}", f"zone:{name}/{cluster.zone}"}
            sets.append(replace(found, broken=broken, breaks=bool(down & whole)))
        if tuple(sets) != state.sets:
            states[rollout] = replace(state, sets=tuple(sets), now=max(now, state.now))
        if f"cluster:{name}" not in down:
            states[rollout] = states[rollout].wake()
    return replace(deployed, states=states)
