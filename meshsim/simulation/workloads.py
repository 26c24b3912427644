"""Deployments and StatefulSets over time: other images, other sizes, pods that become ready.

Their pods are implied by the object (`meshsim.mesh.pods`); a new image reaches all of them at once, new pods are ready
after `timing.pod_ready`.
"""

from collections.abc import Mapping
from typing import Any

from meshsim.manifests.manifest import Manifest
from meshsim.mesh import edits
from meshsim.mesh.mesh import Cluster, Mesh
from meshsim.model.errors import InputError
from meshsim.model.evidence import Evidence
from meshsim.scenario.scenario import Entry, Timing
from meshsim.simulation.events import READY

Path = tuple[str | int, ...]


def edited(mesh: Mesh, entry: Entry, now: float, timing: Timing, evidence: Evidence) -> tuple[Mesh, tuple[Entry, ...]]:
    """The Mesh after an entry on a workload that is no Rollout, and what follows later."""
    cluster, manifest = edits.find_object(mesh, _object(mesh, entry), entry.source)
    if entry.verb == "set-image":
        return mesh.fork(cluster.with_objects([_with_image(manifest, entry, evidence)])), ()
    if entry.verb == READY:
        wanted = manifest.get("spec", "replicas", default=1)
        ready = _status(wanted, wanted)
        return mesh.fork(cluster.with_objects([manifest.edited({("status",): ready}, evidence)])), ()
    return _scaled(mesh, cluster, manifest, entry, now, timing, evidence)


def _with_image(manifest: Manifest, entry: Entry, evidence: Evidence) -> Manifest:
    container = str(entry.args["container"])
    containers = manifest.get("spec", "template", "spec", "containers", default=[])
    fitting = [i for i, c in enumerate(containers) if container in {"*", c.get("name")}]
    if not fitting:
        msg = f"set-image: {manifest.key} has no container {container!r}"
        raise InputError(msg, where=entry.source, hint=f"it has {', '.join(str(c.get('name')) for c in containers)}")
    changes: dict[Path, Any] = {
        ("spec", "template", "spec", "containers", index, "image"): str(entry.args["image"]) for index in fitting
    }
    return manifest.edited(changes, evidence)


def _scaled(
    mesh: Mesh, cluster: Cluster, manifest: Manifest, entry: Entry, now: float, timing: Timing, evidence: Evidence
) -> tuple[Mesh, tuple[Entry, ...]]:
    wanted = int(entry.args["replicas"])
    known = int(manifest.get("spec", "replicas", default=1))
    status = manifest.get("status", default={})
    ready = int(status.get("availableReplicas", status.get("readyReplicas", known)) or 0) if status else known
    ready = wanted if wanted > known and timing.pod_ready == 0 else min(ready, wanted)
    changes: dict[Path, Any] = {("spec", "replicas"): wanted, ("status",): _status(wanted, ready)}
    gone = _superfluous(cluster, manifest, wanted)
    after = mesh.fork(cluster.with_objects([manifest.edited(changes, evidence)], gone))
    if ready == wanted or wanted <= known:
        return after, ()
    name = str(entry.args.get("workload"))
    later = Entry(verb=READY, args={"workload": name}, at=now + timing.pod_ready, source=entry.source)
    return after, (later,)


def _status(replicas: int, ready: int) -> Mapping[str, int]:
    return {"replicas": replicas, "readyReplicas": ready, "availableReplicas": ready}


def _superfluous(cluster: Cluster, manifest: Manifest, wanted: int) -> list[Any]:
    """The workload's Pods among the manifests that go: those beyond its new size, or all where it outgrows them."""
    owners = {manifest.name} | {
        found.name
        for found in cluster.of("ReplicaSet")
        if found.namespace == manifest.namespace and _owned_by(found, manifest.name)
    }
    pods = [
        pod
        for pod in cluster.of("Pod")
        if pod.namespace == manifest.namespace
        and any(_owned_by(pod, owner) or pod.name.rpartition("-")[0].rpartition("-")[0] == owner for owner in owners)
    ]
    return [pod.key for pod in (pods if wanted > len(pods) else pods[wanted:])]


def _owned_by(manifest: Manifest, name: str) -> bool:
    return any(ref.get("name") == name for ref in manifest.get("metadata", "ownerReferences", default=[]))


def _object(mesh: Mesh, entry: Entry) -> str:
    """`cluster/namespace/name` as the object it names."""
    name = str(entry.args.get("workload", ""))
    parts = name.split("/")
    if len(parts) == 3 and parts[0] in mesh.clusters:
        for kind in ("Deployment", "StatefulSet", "DaemonSet"):
            if mesh.clusters[parts[0]].get(kind, parts[1], parts[2]) is not None:
                return f"{parts[0]}/{kind}/{parts[1]}/{parts[2]}"
    msg = f"{entry.verb}: there is no workload {name!r}"
    raise InputError(
        msg, where=entry.source, hint="write cluster/namespace/name of a Rollout, Deployment or StatefulSet"
    )
