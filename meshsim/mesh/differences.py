"""Where two Meshes differ, object by object and setting by setting; each difference can be made on the first alone."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Mesh
from meshsim.model.evidence import Evidence
from meshsim.model.frozen import frozen
from meshsim.model.names import ObjectKey

Path = tuple[str | int, ...]
MOST_FIELDS: Final = 50
_SETTINGS: Final = (
    "network", "ztunnel_network", "region", "zone", "root", "dialect", "dataplane", "argo", "istiod", "ztunnel_dump",
    "envoy_dumps",
)  # fmt: skip


@final
@frozen
class FieldChange:
    """A field that differs: its dotted path, both values (None where absent), and where each stands."""

    path: str
    old: Any
    new: Any
    old_at: Evidence | None = None
    new_at: Evidence | None = None


@final
@frozen
class Edit:
    """One object or setting that differs. `subject` is `cluster/Kind/namespace/name`, or `cluster` and a setting."""

    subject: str
    what: str
    """`added`, `removed` or `changed`."""
    fields: tuple[FieldChange, ...]
    apply: Callable[[Mesh], Mesh]
    """The first Mesh, or one on the way to the second, with this difference made."""


def differences(old: Mesh, new: Mesh) -> Iterator[Edit]:
    """Every difference, in order of name."""
    for name in sorted(old.clusters.keys() | new.clusters.keys()):
        before, after = old.clusters.get(name), new.clusters.get(name)
        if before is None or after is None:
            yield _cluster(name, before, after)
        else:
            yield from _objects(before, after)
            yield from _settings(before, after)
    for setting in ("links", "assume", "down"):
        one, other = getattr(old, setting), getattr(new, setting)
        if one != other:
            change = FieldChange(path=setting, old=_shown(one), new=_shown(other))
            yield Edit(subject=setting, what="changed", fields=(change,), apply=_with_field(setting, other))


def _cluster(name: str, before: Cluster | None, after: Cluster | None) -> Edit:
    def apply(mesh: Mesh) -> Mesh:
        clusters = {key: cluster for key, cluster in mesh.clusters.items() if key != name}
        return replace(mesh, clusters=clusters if after is None else {**clusters, name: after})

    return Edit(subject=name, what="removed" if after is None else "added", fields=(), apply=apply)


def _objects(before: Cluster, after: Cluster) -> Iterator[Edit]:
    for key in sorted(before.objects.keys() | after.objects.keys()):
        one, other = before.objects.get(key), after.objects.get(key)
        subject = f"{before.name}/{key}"
        apply = _with_object(before.name, key, other)
        if one is None or other is None:
            there = one or other
            assert there is not None
            place = there.evidence()
            at = {"old_at": place} if other is None else {"new_at": place}
            change = FieldChange(path="", old=None, new=None, **at)
            what = "removed" if other is None else "added"
            yield Edit(subject=subject, what=what, fields=(change,), apply=apply)
        elif one.data != other.data:
            yield Edit(subject=subject, what="changed", fields=tuple(_fields(one, other)), apply=apply)


def _fields(one: Manifest, other: Manifest) -> Iterator[FieldChange]:
    for number, path in enumerate(_paths(one.data, other.data, ())):
        if number == MOST_FIELDS:
            return
        yield FieldChange(
            path=dotted(path),
            old=one.get(*path),
            new=other.get(*path),
            old_at=one.evidence(*path),
            new_at=other.evidence(*path),
        )


def _paths(one: Any, other: Any, path: Path) -> Iterator[Path]:
    """The deepest paths whose values differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys((*one, *other)):
            if one.get(key) != other.get(key):
                yield from _paths(one.get(key), other.get(key), (*path, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            if mine != theirs:
                yield from _paths(mine, theirs, (*path, index))
    else:
        yield path


def dotted(path: Path) -> str:
    """A path as one writes it: `metadata.labels[istio.io/use-waypoint]`, `spec.rules[0].backendRefs`.

    >>> dotted(("metadata", "labels", "istio.io/use-waypoint")), dotted(("spec", "rules", 0, "name"))
    ('metadata.labels[istio.io/use-waypoint]', 'spec.rules[0].name')
    """
    text = ""
    for step in path:
        plain = isinstance(step, str) and step.replace("_", "").replace("-", "").isalnum()
        text += f".{step}" if plain else f"[{step}]"
    return text.removeprefix(".")


def _settings(before: Cluster, after: Cluster) -> Iterator[Edit]:
    for setting in _SETTINGS:
        one, other = getattr(before, setting), getattr(after, setting)
        if _shown(one) != _shown(other):
            change = FieldChange(
                path=setting,
                old=_shown(one),
                new=_shown(other),
                old_at=getattr(one, "evidence", None),
                new_at=getattr(other, "evidence", None),
            )
            apply = _with_setting(before.name, setting, other)
            yield Edit(subject=f"{before.name}/{setting}", what="changed", fields=(change,), apply=apply)


def _shown(value: Any) -> Any:
    """A setting without where it comes from."""
    if isinstance(value, Mapping):
        return {str(key): _shown(one) for key, one in sorted(value.items())}
    if isinstance(value, (frozenset, set)):
        return [str(one) for one in sorted(value)]
    if hasattr(value, "evidence") and hasattr(value, "value"):
        return value.value
    return None if value is None else str(value)


def _with_object(cluster: str, key: ObjectKey, manifest: Manifest | None) -> Callable[[Mesh], Mesh]:
    def apply(mesh: Mesh) -> Mesh:
        found = mesh.clusters[cluster]
        return mesh.fork(found.with_objects([manifest] if manifest is not None else [], [key]))

    return apply


def _with_setting(cluster: str, setting: str, value: Any) -> Callable[[Mesh], Mesh]:
    return lambda mesh: mesh.fork(replace(mesh.clusters[cluster], **{setting: value}))


def _with_field(setting: str, value: Any) -> Callable[[Mesh], Mesh]:
    return lambda mesh: mesh.fork(**{setting: value})
