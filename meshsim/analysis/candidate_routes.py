"""Edits of routes: hosts that a VirtualService lacks, routes before the managed one, backends of a gateway."""

from collections.abc import Iterator
from typing import Any, Final

from meshsim.analysis.calls import Call
from meshsim.analysis.candidate import EDIT, Candidate, json_patch, kubectl, meant, with_manifests
from meshsim.analysis.situation import Situation
from meshsim.controlplane.known import KnownService
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.edits import without
from meshsim.mesh.mesh import Mesh
from meshsim.model.names import fqdn, parsed_subject
from meshsim.model.verdict import Row

ISTIO: Final = "networking.istio.io"
_SHADOWED: Final = "MS209"


def rerouted(situation: Situation, mesh: Mesh, call: Call, row: Row) -> Iterator[Candidate]:
    """Edits of the routes that decided, or of the managed one that did not."""
    yield from _hosts(situation, mesh, call, row)
    for subject in _used(row):
        cluster, key = parsed_subject(subject)
        manifest = mesh.clusters[cluster].objects.get(key)
        if manifest is None:
            continue
        if _SHADOWED in row.reasons:
            yield from _removed(situation, mesh, call, row, subject, manifest)
        if key.kind == "HTTPRoute" and not any(subject in rollout.routes for rollout in situation.rollouts.values()):
            yield from _backends(situation, mesh, cluster, manifest)


def _used(row: Row) -> tuple[str, ...]:
    """The route objects whose rules chose a backend, as `cluster/Kind/namespace/name`."""
    used = [step.route.object for path in row.trace.paths() for step in path.steps if step.route is not None]
    return tuple(dict.fromkeys(name for name in used if name is not None))


def _hosts(situation: Situation, mesh: Mesh, call: Call, row: Row) -> Iterator[Candidate]:
    """The called host added to a managed VirtualService."""
    rollout = meant(situation, call, row)
    if rollout is None or not call.target.host:
        return
    for route in rollout.routes:
        cluster, key = parsed_subject(route)
        manifest = mesh.clusters[cluster].objects.get(key)
        hosts = manifest.get("spec", "hosts", default=[]) if manifest is not None else []
        if key.kind != "VirtualService" or manifest is None or call.target.host in hosts:
            continue
        edited = manifest.edited({("spec", "hosts"): [*hosts, call.target.host]}, EDIT)
        yield Candidate(
            sentence=f"add {call.target.host} to the hosts of VirtualService {key.namespace}/{key.name} in {cluster}",
            where=manifest.evidence("spec", "hosts"),
            command=json_patch(cluster, manifest, {"op": "add", "path": "/spec/hosts/-", "value": call.target.host}),
            mesh=with_manifests(mesh, cluster, [edited]),
            size=2,
        )


def _removed(
    situation: Situation, mesh: Mesh, call: Call, row: Row, subject: str, manifest: Manifest
) -> Iterator[Candidate]:
    """The route that stands before the managed one, deleted."""
    rollout = meant(situation, call, row)
    if rollout is None or subject in rollout.routes:
        return
    cluster = subject.partition("/")[0]
    yield Candidate(
        sentence=f"delete {manifest.kind} {manifest.namespace}/{manifest.name} in {cluster}, or move its rules into "
        "the managed route",
        where=manifest.evidence("spec"),
        command=kubectl(cluster, manifest.namespace, f"delete {manifest.kind.lower()} {manifest.name}"),
        mesh=without(mesh, subject, EDIT),
        size=3,
    )


def _backends(situation: Situation, mesh: Mesh, cluster: str, manifest: Manifest) -> Iterator[Candidate]:
    """A backendRef by global hostname, with the group that this kind needs (solo-labs: group is mandatory)."""
    known = situation.plane.known(cluster)
    for i, rule in enumerate(manifest.get("spec", "rules", default=[])):
        for j, backend in enumerate(rule.get("backendRefs") or ()):
            wanted = _by_hostname(known.get(_host(manifest, backend)), backend)
            if wanted is None:
                continue
            path = ("spec", "rules", i, "backendRefs", j)
            edited = manifest.edited({path: wanted}, EDIT)
            yield Candidate(
                sentence=f"make backendRef {backend.get('name')} of HTTPRoute {manifest.namespace}/{manifest.name} in "
                f"{cluster} the Hostname {wanted['name']} (group {ISTIO})",
                where=manifest.evidence(*path),
                command=json_patch(
                    cluster, manifest, {"op": "replace", "path": "/" + "/".join(map(str, path)), "value": wanted}
                ),
                mesh=with_manifests(mesh, cluster, [edited]),
                size=2,
            )


def _host(manifest: Manifest, backend: dict[str, Any]) -> str:
    name = str(backend.get("name"))
    if backend.get("kind", "Service") == "Service":
        return fqdn(name, str(backend.get("namespace") or manifest.namespace))
    return name


def _by_hostname(service: KnownService | None, backend: dict[str, Any]) -> dict[str, Any] | None:
    """The backendRef with the kind Hostname, where there is such a host and it says otherwise."""
    kind, group = backend.get("kind", "Service"), backend.get("group") or ""
    if service is None:
        return None
    if kind == "Hostname":
        return {**backend, "group": ISTIO} if group != ISTIO else None
    if kind != "Service" or group or service.global_host or not service.alias:
        return None
    kept = {key: value for key, value in backend.items() if key != "namespace"}
    return {**kept, "group": ISTIO, "kind": "Hostname", "name": service.alias}
