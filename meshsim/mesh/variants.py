"""Settings with several values, and a Mesh that says which of them were looked at.

A variant of a Mesh is the Mesh with one value of every setting. A `watched` Mesh stands for all variants at once: the
value of a setting is chosen when it is first read, and the choices say what the reader depends on. What nobody reads
cannot matter.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any, Final, cast, final

from meshsim.manifests.manifest import Manifest
from meshsim.manifests.overlay import Path
from meshsim.manifests.watched import NOTHING, Watched
from meshsim.mesh.forks import fork
from meshsim.mesh.mesh import Mesh
from meshsim.model.frozen import frozen
from meshsim.model.names import ObjectKey
from meshsim.tables.dialect import Behaviour, Dialect

Edits = Mapping[str, Any]
"""Keywords of `forks.fork`; none leaves the Mesh as it is."""
_OF_OBJECTS: Final = frozenset({"labels", "annotations", "fields", "replicas", "patch"})
_OF_MAPPINGS: Final = frozenset({"istiod", "assume"})
_BY_ROW: Final = frozenset({"dialect"})
_MOST_TOGETHER: Final = 64
"""Of how many combinations of settings that decide a dialect together it is found out where they differ."""
_TEXTS: Final = ("labels", "annotations")
"""Mappings of an object's metadata; a missing one is an empty one."""


@final
@frozen
class Option:
    """One value of a setting: how it is written, and what it changes. `asks` are changes of the question, not of the
    Mesh: `at`, `path`, `connection`, `headers`."""

    text: str
    edits: Edits
    asks: Mapping[str, Any]


@final
@frozen
class Setting:
    """Something with two or more values, the first of them the one to begin with."""

    name: str
    options: tuple[Option, ...]

    @property
    def order(self) -> int:
        """Changes of objects come first, then those of the whole Mesh, deletions last: nothing edits what is gone."""
        kinds = {kind for option in self.options for kind in option.edits}
        return 2 if "delete" in kinds else 0 if kinds <= _OF_OBJECTS | _OF_MAPPINGS | _BY_ROW else 1


@final
class Choices:
    """Which value of each setting one run takes: what `given` says, else the first. `taken` has those that were looked
    at, setting → value, both by position, in the order of looking."""

    def __init__(self, settings: Sequence[Setting], given: Mapping[int, int]) -> None:
        self.settings = settings
        self.taken: dict[int, int] = {}
        self._given = given

    def combinations(self, indices: Sequence[int]) -> Iterator[tuple[tuple[Setting, Option], ...]]:
        """All that settings can be together, those that are taken already as they are."""
        fixed = [self.taken.get(index) for index in indices]
        options = [
            self.settings[index].options if chosen is None else (self.settings[index].options[chosen],)
            for index, chosen in zip(indices, fixed, strict=True)
        ]
        for picked in product(*options):
            yield tuple((self.settings[index], option) for index, option in zip(indices, picked, strict=True))

    def few(self, indices: Sequence[int]) -> bool:
        """Whether settings have few combinations."""
        return prod(len(self.settings[index].options) for index in indices) <= _MOST_TOGETHER

    def take(self, index: int) -> Option:
        """The value of a setting, which is now looked at."""
        chosen = self.taken.setdefault(index, self._given.get(index, 0))
        return self.settings[index].options[chosen]


def variant(mesh: Mesh, options: Iterable[tuple[Setting, Option]]) -> Mesh:
    """The Mesh with one value of every setting."""
    for _, option in sorted(options, key=lambda one: one[0].order):
        if option.edits:
            mesh = fork(mesh, **option.edits)
    return mesh


@final
class Variants:
    """All variants of a Mesh. Raises InputError or UsageError for a value that cannot be, naming its setting."""

    def __init__(self, mesh: Mesh, settings: Sequence[Setting]) -> None:
        self.mesh = mesh
        self.settings = settings
        self._whole = [i for i, one in enumerate(settings) if one.order > 0]
        self._groups = tuple(self._grouped())
        self._values: dict[tuple[object, ...], Any] = {}
        self._dialects: dict[tuple[object, ...], Dialect] = {}

    def changes(self) -> Iterator[tuple[Mesh, tuple[tuple[str, ObjectKey, Path], ...]]]:
        """Every value of every setting by itself: the Mesh with it, and what differs in which objects."""
        for setting in self.settings:
            for option in setting.options if setting.order == 0 else ():
                changed = variant(self.mesh, [(setting, option)])
                yield changed, tuple(_differences(self.mesh, changed))

    def watched(self, choices: Choices) -> Mesh:
        """The Mesh with the values that are chosen as they are read; what concerns the whole Mesh is chosen now."""
        mesh = self.mesh
        by_object: dict[tuple[str, ObjectKey], list[_Group]] = {}
        for group in self._groups:
            by_object.setdefault((group.cluster, group.key), []).append(group)
        for (cluster, key), groups in by_object.items():
            here = mesh.clusters[cluster]
            data: Any = here.objects[key].data
            for group in groups:
                data = _opened(data, group.path, self._resolver(group, choices))
            mesh = mesh.fork(here.with_objects([here.objects[key].holding(data)]))
        mesh = self._mappings(mesh, choices)
        whole = [(self.settings[i], choices.take(i)) for i in self._whole]
        return variant(mesh, whole)

    def _resolver(self, group: "_Group", choices: Choices) -> Callable[[], Any]:
        def value() -> Any:
            taken = [(self.settings[i], choices.take(i)) for i in group.settings]
            known = (group.cluster, group.key, group.path, *(choices.taken[i] for i in group.settings))
            if known not in self._values:
                changed = variant(self.mesh, taken).clusters[group.cluster].objects[group.key]
                self._values[known] = _at(changed, group.path)
            return self._values[known]

        return value

    def _mappings(self, mesh: Mesh, choices: Choices) -> Mesh:
        env: dict[str, dict[str, list[int]]] = {}
        assume: dict[str, list[int]] = {}
        for index, setting in enumerate(self.settings):
            for option in setting.options if setting.order == 0 else ():
                for cluster, changes in option.edits.get("istiod", {}).items():
                    for name in changes:
                        env.setdefault(cluster, {}).setdefault(name, []).append(index)
                for name in option.edits.get("assume", {}):
                    assume.setdefault(name, []).append(index)
        for cluster, indices in self._by_dialect().items():
            opened = cast("Dialect", _OpenDialect(self, cluster, indices, choices))
            mesh = mesh.fork(replace(mesh.clusters[cluster], dialect=opened))
        for cluster, names in env.items():
            here = mesh.clusters[cluster]
            keys = {name: self._entry(found, name, choices, cluster) for name, found in names.items()}
            mesh = mesh.fork(replace(here, istiod=Watched(here.istiod, keys)))
        if assume:
            keys = {name: self._entry(found, name, choices, None) for name, found in assume.items()}
            mesh = mesh.fork(assume=Watched(mesh.assume, keys))
        return mesh

    def _by_dialect(self) -> Mapping[str, tuple[int, ...]]:
        """Cluster → the settings that decide its dialect."""
        found: dict[str, list[int]] = {}
        for index, setting in enumerate(self.settings):
            edits = [option.edits for option in setting.options]
            if setting.order == 0 and any("dialect" in one for one in edits):
                for cluster in self.mesh.clusters:
                    found.setdefault(cluster, []).append(index)
        return {cluster: tuple(indices) for cluster, indices in found.items()}

    def dialect(self, cluster: str, picked: Sequence[tuple[Setting, Option]]) -> Dialect:
        """A cluster's dialect with these values."""
        known = (cluster, *(option.text for _, option in picked))
        if known not in self._dialects:
            self._dialects[known] = variant(self.mesh, picked).clusters[cluster].dialect
        return self._dialects[known]

    def _entry(self, settings: Iterable[int], name: str, choices: Choices, cluster: str | None) -> Callable[[], Any]:
        """A variable of a cluster's istiod, or an assumption."""
        indices = tuple(dict.fromkeys(settings))

        def value() -> Any:
            made = variant(self.mesh, [(self.settings[i], choices.take(i)) for i in indices])
            return (made.assume if cluster is None else made.clusters[cluster].istiod).get(name, NOTHING)

        return value

    def _grouped(self) -> Iterable["_Group"]:
        """The paths at which each object can differ, those that overlap together with all their settings."""
        found: dict[tuple[str, ObjectKey], dict[Path, dict[int, None]]] = {}
        for index, setting in enumerate(self.settings):
            for option in setting.options:
                changed = variant(self.mesh, [(setting, option)])  # what cannot be is said here
                for cluster, key, path in _differences(self.mesh, changed) if setting.order == 0 else ():
                    found.setdefault((cluster, key), {}).setdefault(path, {})[index] = None
        for (cluster, key), paths in found.items():
            roots: dict[Path, dict[int, None]] = {}
            for path in sorted(paths, key=len):
                root = next((one for one in roots if path[: len(one)] == one), path)
                roots.setdefault(root, {}).update(paths[path])
            for root, settings in roots.items():
                yield _Group(cluster=cluster, key=key, path=root, settings=tuple(sorted(settings)))


@final
class _OpenDialect:
    """A `Dialect` that is still open: a row that all that it can be agree in is no choice."""

    def __init__(self, variants: Variants, cluster: str, settings: tuple[int, ...], choices: Choices) -> None:
        self._variants = variants
        self._cluster = cluster
        self._settings = settings
        self._choices = choices

    def row(self, name: str) -> Behaviour:
        if self._choices.few(self._settings):
            combinations = self._choices.combinations(self._settings)
            rows = [self._variants.dialect(self._cluster, picked).row(name) for picked in combinations]
            if all(row.value == rows[0].value for row in rows):
                return rows[0]
        return self._chosen().row(name)

    def value(self, name: str) -> str:
        return self.row(name).value

    def _chosen(self) -> Dialect:
        picked = [(self._variants.settings[i], self._choices.take(i)) for i in self._settings]
        return self._variants.dialect(self._cluster, picked)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chosen(), name)

    def __str__(self) -> str:
        return str(self._chosen())

    def __eq__(self, other: object) -> bool:
        return self is other or self._chosen() == other

    def __hash__(self) -> int:
        return hash(self._chosen())


@final
@frozen
class _Group:
    """Settings that decide one value of one object together."""

    cluster: str
    key: ObjectKey
    path: Path
    settings: tuple[int, ...]


def _differences(old: Mesh, new: Mesh) -> Iterable[tuple[str, ObjectKey, Path]]:
    for name, cluster in new.clusters.items():
        before = old.clusters[name]
        if cluster is before:
            continue
        for key, manifest in cluster.objects.items():
            one = before.objects[key]
            if manifest is not one:
                yield from ((name, key, path) for path in _paths(one.data, manifest.data, ()))


def _paths(old: Any, new: Any, here: Path) -> Iterable[Path]:
    """The topmost paths at which two values differ; what is inside a list differs as the list."""
    if old is new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            one, other = old.get(key, NOTHING), new.get(key, NOTHING)
            if here == ("metadata",) and key in _TEXTS:
                one, other = ({} if value is NOTHING else value for value in (one, other))
            if one is NOTHING or other is NOTHING:
                yield (*here, key)
            else:
                yield from _paths(one, other, (*here, key))
    elif type(old) is not type(new) or old != new:
        yield here


def _opened(data: Any, path: Path, value: Callable[[], Any]) -> dict[Any, Any]:
    """`data` with the key at `path` open; what lies beside the path is shared."""
    held, keys = data.parts() if isinstance(data, Watched) else (data, {})
    head, rest = path[0], path[1:]
    if not rest:
        return Watched(held, {**keys, head: value})
    inner = _opened(held.get(head, {}), rest, value)
    return Watched({**held, head: inner}, keys) if keys else {**held, head: inner}


def _at(manifest: Manifest, path: Path) -> Any:
    """The value at a path, where everything above it is a mapping."""
    value: Any = manifest.data
    for step in path:
        if step not in value:
            return NOTHING
        value = value[step]
    return value
