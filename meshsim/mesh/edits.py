"""Changes to a Mesh: a label, a field, an object, a setting. Each gives a new Mesh; the old one stays as it was."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from meshsim.manifests.given import check_fields
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Mesh, Setting
from meshsim.model.errors import InputError
from meshsim.model.evidence import Evidence
from meshsim.model.names import ObjectKey
from meshsim.tables.dialect import parse_dialect

_IDENTITY: Final = frozenset({("metadata", "name"), ("metadata", "namespace")})


def find_object(mesh: Mesh, name: str, where: Evidence | None = None) -> tuple[Cluster, Manifest]:
    """The object `cluster/Kind/namespace/name` (or `cluster/Kind/name`). Raises InputError where there is none."""
    parts = name.split("/")
    if len(parts) not in {3, 4} or parts[0] not in mesh.clusters:
        msg = f"{name!r} names no object"
        raise InputError(
            msg,
            where=where,
            hint=f"write cluster/Kind/namespace/name, with a cluster of {', '.join(sorted(mesh.clusters))}",
        )
    cluster = mesh.clusters[parts[0]]
    key = ObjectKey(parts[1], parts[2] if len(parts) == 4 else "", parts[-1])
    found = cluster.objects.get(key)
    if found is None:
        same = ", ".join(str(m.key) for m in cluster.of(parts[1])[:5])
        msg = f"{cluster.name} has no {key}"
        raise InputError(msg, where=where, hint=f"it has {same}" if same else f"it has no {parts[1]} at all")
    return cluster, found


def with_labels(
    mesh: Mesh, name: str, changes: Mapping[str, str | None], evidence: Evidence, field: str = "labels"
) -> Mesh:
    """Labels (or annotations) set, or removed where the value is None."""
    cluster, manifest = find_object(mesh, name, evidence)
    edits: dict[tuple[str | int, ...], Any] = {("metadata", field, key): value for key, value in changes.items()}
    return mesh.fork(cluster.with_objects([_accepted(manifest.edited(edits, evidence), evidence)]))


def patched(mesh: Mesh, name: str, patch: Mapping[str, Any], evidence: Evidence) -> Mesh:
    """A JSON merge patch (RFC 7386) applied to an object."""
    cluster, manifest = find_object(mesh, name, evidence)
    merged = merge(manifest.data, patch)
    kept = merge(merged, {"apiVersion": manifest.data.get("apiVersion"), "kind": manifest.data.get("kind")})
    metadata = merged.get("metadata")
    if (
        kept != merged
        or not isinstance(metadata, Mapping)
        or metadata.get("name") != manifest.name
        or metadata.get("namespace", manifest.namespace) != manifest.namespace
    ):
        msg = f"a patch cannot change what is patched: {manifest.key} keeps its apiVersion, kind, name and namespace"
        raise InputError(msg, where=evidence, hint="delete the object and apply another")
    return mesh.fork(cluster.with_objects([_accepted(manifest.replaced(merged, evidence), evidence)]))


def _accepted(manifest: Manifest, evidence: Evidence) -> Manifest:
    """A changed object as it is; InputError where the API server would not take it."""
    check_fields(manifest.data, manifest.api_version, manifest.kind, manifest.name, evidence)
    return manifest


def with_fields(mesh: Mesh, name: str, values: Mapping[str, Any], evidence: Evidence) -> Mesh:
    """Fields set by their dotted paths, list indices as numbers (`spec.ports.0.name`); None removes."""
    cluster, manifest = find_object(mesh, name, evidence)
    edits = {tuple(int(s) if s.isdigit() else s for s in path.split(".")): value for path, value in values.items()}
    for path in edits:
        if path[0] not in {*manifest.data, "spec", "status", "data"} or path[:2] in _IDENTITY or len(path) < 2:
            msg = f"{name}: {'.'.join(map(str, path))!r} is no field to change"
            raise InputError(msg, where=evidence, hint="write a path from the root, like spec.replicas")
    try:
        changed = manifest.edited(edits, evidence)
    except ValueError as error:
        msg = f"{name}: {error}"
        raise InputError(msg, where=evidence) from None
    return mesh.fork(cluster.with_objects([_accepted(changed, evidence)]))


def with_network(mesh: Mesh, cluster: str, network: str, evidence: Evidence) -> Mesh:
    """Another network for a cluster; its ztunnels follow where they believed the same."""
    found = mesh.clusters[cluster]
    setting = Setting(network, evidence)
    agree = found.ztunnel_network.value == found.network.value
    return mesh.fork(replace(found, network=setting, ztunnel_network=setting if agree else found.ztunnel_network))


def merge(value: Any, patch: Any) -> Any:
    """RFC 7386: mappings merge, null removes, everything else replaces.

    >>> merge({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": 3}})
    {'b': {'c': 2, 'd': 3}}
    """
    if not isinstance(patch, Mapping):
        return patch
    base = dict(value) if isinstance(value, Mapping) else {}
    for key, item in patch.items():
        if item is None:
            base.pop(key, None)
        else:
            base[key] = merge(base.get(key), item)
    return base


def without(mesh: Mesh, name: str, evidence: Evidence) -> Mesh:
    """An object deleted."""
    cluster, manifest = find_object(mesh, name, evidence)
    return mesh.fork(cluster.with_objects([], [manifest.key]))


def with_env(mesh: Mesh, cluster: str, component: str, env: Mapping[str, str | None], evidence: Evidence) -> Mesh:
    """Istiod's (or ztunnel's) environment with values set, or removed where the value is None."""
    found = mesh.clusters[cluster]
    if component == "ztunnel":
        network = env.get("NETWORK")
        changed = replace(found, ztunnel_network=Setting(network, evidence)) if network is not None else found
    else:
        kept = {key: value for key, value in found.istiod.items() if key not in env}
        changes = {key: Setting(str(value), evidence) for key, value in env.items() if value is not None}
        changed = replace(found, istiod={**kept, **changes})
    return mesh.fork(changed)


def with_version(mesh: Mesh, cluster: str, component: str, version: str, where: Evidence) -> Mesh:
    """Another version of the Argo Rollouts controller, or of istiod (the dialect's product stays)."""
    found = mesh.clusters[cluster]
    if component == "argo":
        return mesh.fork(replace(found, argo=(str(version), found.argo[1])))
    if component == "ztunnel":
        msg = "set-version: the dialect does not tell ztunnel's version from istiod's"
        raise InputError(msg, where=where, hint="use component: istiod")
    product = found.dialect.product
    return mesh.fork(replace(found, dialect=parse_dialect(f"{product}/{version}", where)))


def applied(
    mesh: Mesh,
    cluster: str,
    manifests: Iterable[Manifest],
    last: Mapping[ObjectKey, Manifest],
    evidence: Evidence,
) -> Mesh:
    """Manifests applied to a cluster: a three-way merge with what was applied `last`. A status is never applied."""
    found = mesh.clusters[cluster]
    changed = []
    for manifest in manifests:
        live = found.objects.get(manifest.key)
        if live is None:
            changed.append(manifest)
            continue
        before = last.get(manifest.key)
        original = before.data if before is not None else {}
        data = three_way(original, {k: v for k, v in manifest.data.items() if k != "status"}, live.data)
        if "status" in live.data:
            data["status"] = live.data["status"]
        if data != live.data:
            changed.append(live.replaced(data, evidence))
    return mesh.fork(found.with_objects(changed)) if changed else mesh


def three_way(original: Any, modified: Any, live: Any) -> Any:
    """What `kubectl apply` makes of a live value: map keys that others added stay, keys that were applied before and
    are gone are removed, lists are replaced (as in custom resources, kubernetes jsonmergepatch CreateThreeWay).

    >>> three_way({"a": 1, "b": 2}, {"a": 3}, {"a": 1, "b": 2, "c": 4})
    {'a': 3, 'c': 4}
    """
    if not isinstance(modified, Mapping) or not isinstance(live, Mapping):
        return modified
    before = original if isinstance(original, Mapping) else {}
    kept = {key: value for key, value in live.items() if key in modified or key not in before}
    return {**kept, **{key: three_way(before.get(key), value, live.get(key)) for key, value in modified.items()}}
