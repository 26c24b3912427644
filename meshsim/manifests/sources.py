"""Where manifests come from: files, directories, globs, standard input, inline objects, Kustomize and Helm."""

import glob
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, final

from meshsim.manifests.inventory import Inventory, ReadFile, Skipped, account, read_file
from meshsim.manifests.kustomization import referenced_by
from meshsim.manifests.located import MAX_BYTES, Located, collector_off
from meshsim.manifests.manifest import Manifest
from meshsim.manifests.render import helm, is_chart, kustomization_in, kustomize, refused_chart
from meshsim.manifests.stream import DEFAULT_NAMESPACE, Reading, manifests, read
from meshsim.model.errors import InputError, InputErrors
from meshsim.model.evidence import Evidence, Source
from meshsim.model.names import ObjectKey

SUFFIXES: Final = (".yaml", ".yml", ".json")
STANDARD_INPUT: Final = "-"

Wanted = str | Located
"""A path, glob or `-`; or a located value: one of these as text, an inline object, or `{helm: …, values: […]}`."""


def read_sources(
    wanted: Sequence[Wanted],
    *,
    base: str = "",
    namespace: str = DEFAULT_NAMESPACE,
    stdin: Callable[[], bytes] | None = None,
) -> tuple[tuple[Manifest, ...], Inventory]:
    """The objects of one cluster, in the order of its sources, and the account of what was read.

    Relative paths resolve against `base`. Raises InputError, all files' errors together; an object that is given
    twice is one.
    """
    sources = _Sources(base, namespace, stdin)
    with collector_off():
        for source in wanted:
            try:
                sources.take(source)
            except InputError as error:
                sources.errors.append(error)
        sources.errors += _duplicates(sources.objects)
    if sources.errors:
        raise sources.errors[0] if len(sources.errors) == 1 else InputErrors(tuple(_flat(sources.errors)))
    return tuple(sources.objects), account(sources.files, sources.skipped, sources.objects)


MAX_DUMP: Final = 512 * 2**20
"""A proxy's dump may be larger than manifests: it is read piece by piece."""


def read_bytes(path: str, most: int = MAX_BYTES) -> bytes:
    """A file's content. Raises InputError where it cannot be read or is larger than `most` bytes."""
    try:
        with open(path, "rb", opener=_open) as file:
            content = file.read(most + 1)
    except FileNotFoundError:
        msg = "there is no such file or directory"
        raise InputError(msg, where=Source(path)) from None
    except (OSError, ValueError) as error:
        msg = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InputError(msg, where=Source(path)) from None
    if len(content) > most:
        msg = f"is larger than {most:,} bytes, the most that meshsim reads"
        raise InputError(msg, where=Source(path))
    return content


def _open(path: str, flags: int) -> int:
    """Opens without waiting: a pipe that nobody writes to is empty; one that has a writer is read to its end."""
    opened = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if hasattr(os, "set_blocking"):
        os.set_blocking(opened, True)
    return opened


@final
class _Sources:
    """What was gathered so far for one cluster."""

    def __init__(self, base: str, namespace: str, stdin: Callable[[], bytes] | None) -> None:
        self.base = base
        self.namespace = namespace
        self.stdin = stdin
        self.objects: list[Manifest] = []
        self.files: list[ReadFile] = []
        self.skipped: list[Skipped] = []
        self.errors: list[InputError] = []
        self.seen: set[str] = set()

    def take(self, source: Wanted) -> None:
        value = source.value if isinstance(source, Located) else source
        where = source.place() if isinstance(source, Located) else None
        if isinstance(value, dict) and isinstance(source, Located):
            if "helm" in value:
                self._helm(value, source)
            else:
                self._keep(manifests([source], namespace=self.namespace), 1, str(source.place()))
        elif not isinstance(value, str) or not value:
            msg = "a source of manifests is a path, a glob, `-`, or an object"
            raise InputError(msg, where=where)
        elif value == STANDARD_INPUT:
            self._standard_input(where)
        else:
            self._path(os.path.normpath(os.path.join(self.base, os.path.expanduser(value))), where)

    def _standard_input(self, where: Evidence | None) -> None:
        if self.stdin is None:
            msg = "standard input is not available here"
            raise InputError(msg, where=where)
        self._read(self.stdin(), "standard input")

    def _path(self, path: str, where: Evidence | None) -> None:
        try:
            if os.path.isdir(path):
                self._directory(path)
                return
            if os.path.lexists(path) or not glob.has_magic(path):
                if not os.path.lexists(path):
                    msg = f"there is no file or directory {path}"
                    raise InputError(msg, where=where)
                self._file(path, explicit=True)
                return
        except ValueError as error:
            msg = f"{path!r} is no path: {error}"
            raise InputError(msg, where=where) from None
        matches = sorted(glob.glob(path, recursive=True))
        if not matches:
            msg = f"no file matches {path}"
            raise InputError(msg, where=where)
        for match in matches:
            if os.path.isdir(match):
                if "**" not in path:
                    self._directory(match)
            elif match.endswith(SUFFIXES):
                self._file(match, explicit=False)

    def _file(self, path: str, *, explicit: bool) -> None:
        real = os.path.realpath(path)
        if real in self.seen:
            return
        self.seen.add(real)
        self._read(read_bytes(path), path, explicit=explicit)

    def _directory(self, directory: str) -> None:
        """All manifests below a directory; Kustomize directories in it are rendered, their bases not read again."""
        before = len(self.objects) + len(self.errors)
        files, kustomized = self._walk(directory)
        read = bool(files) and all(os.path.realpath(path) in self.seen for path in files)
        covered = referenced_by(kustomized)
        for path in files:
            owner = covered.get(os.path.realpath(path))
            if owner is not None:
                self.skipped.append(Skipped(path=path, why=f"it is a resource of {owner}"))
            elif os.path.isfile(path):
                self._attempt(partial(self._file, path, explicit=False))
            elif os.path.islink(path):
                self._attempt(partial(self._file, path, explicit=True))
        for path in kustomized:
            owner = covered.get(os.path.realpath(path))
            if owner is not None:
                self.skipped.append(Skipped(path=path, why=f"it is a base of {owner}"))
            else:
                self._attempt(partial(self._rendered, path))
        if len(self.objects) + len(self.errors) == before and not read:
            msg = "holds no manifests (*.yaml, *.yml, *.json with apiVersion and kind)"
            raise InputError(msg, where=Source(directory))

    def _attempt(self, reading: Callable[[], None]) -> None:
        try:
            reading()
        except InputError as error:
            self.errors.append(error)

    def _walk(self, directory: str) -> tuple[list[str], list[str]]:
        """Manifest files and Kustomize directories below `directory`, sorted. Hidden directories are left out.

        Inside a Kustomize directory only further ones are looked for: its other files come through it or not at all.
        """
        files: list[str] = []
        kustomized: list[str] = []
        entered: set[str] = set()
        pending = [(directory, False)]
        while pending:
            here, inside = pending.pop()
            real = os.path.realpath(here)
            if real in entered:
                self.skipped.append(Skipped(path=here, why="it is a link to a directory that was read already"))
                continue
            entered.add(real)
            if is_chart(here):
                raise refused_chart(here)
            if kustomization_in(here):
                kustomized.append(here)
            try:
                entries = sorted(os.scandir(here), key=lambda entry: entry.name)
            except OSError as error:
                msg = f"cannot be read: {error.strerror}"
                raise InputError(msg, where=Source(here)) from None
            inside = inside or here in kustomized
            if not inside:
                files += [
                    entry.path for entry in entries if entry.name.endswith(SUFFIXES) and not os.path.isdir(entry.path)
                ]
            if here != directory or not inside:
                below = [
                    entry.path for entry in entries if os.path.isdir(entry.path) and not entry.name.startswith(".")
                ]
                pending += [(path, inside) for path in reversed(below)]
        return sorted(files), sorted(kustomized)

    def _rendered(self, directory: str) -> None:
        text, name = kustomize(directory)
        self._read(text, name)

    def _helm(self, value: dict[str, Any], source: Located) -> None:
        unknown = sorted(value.keys() - {"helm", "values", "release", "namespace"})
        if unknown:
            msg = f"{unknown[0]!r} is no key of a chart: helm, values, release, namespace"
            raise InputError(msg, where=source.key_place((unknown[0],)))
        files = value.get("values") or []
        texts = [value["helm"], value.get("release") or "", value.get("namespace") or ""]
        if not isinstance(files, list) or not all(isinstance(text, str) for text in [*texts, *files]) or not texts[0]:
            msg = "a chart is {helm: path, values: [files]}"
            raise InputError(msg, where=source.place())
        chart, *paths = (os.path.normpath(os.path.join(self.base, path)) for path in (texts[0], *files))
        if not os.path.isdir(chart):
            msg = f"there is no chart {chart}"
            raise InputError(msg, where=source.place(("helm",)))
        text, name = helm(chart, paths, source.place(("helm",)), release=texts[1], namespace=texts[2])
        self._read(text, name, namespace=texts[2])

    def _read(self, text: bytes, name: str, *, explicit: bool = True, namespace: str = "") -> None:
        reading: Reading = read(text, name, namespace=namespace or self.namespace, explicit=explicit)
        if reading.why_not:
            self.skipped.append(Skipped(path=name, why=reading.why_not))
        else:
            self._keep(reading.manifests, reading.documents, name)

    def _keep(self, objects: tuple[Manifest, ...], count: int, name: str) -> None:
        self.objects += objects
        self.files.append(read_file(name, count, objects))


def _duplicates(objects: list[Manifest]) -> list[InputError]:
    first: dict[ObjectKey, Manifest] = {}
    errors = []
    for manifest in objects:
        known = first.setdefault(manifest.key, manifest)
        if known is not manifest:
            msg = f"{manifest.key} is given twice in this cluster, first at {known.evidence()}"
            errors.append(InputError(msg, where=manifest.evidence(), hint="keep one of them"))
    return errors


def _flat(errors: list[InputError]) -> list[InputError]:
    return [one for error in errors for one in (error.errors if isinstance(error, InputErrors) else (error,))]
