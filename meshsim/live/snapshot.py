"""A snapshot as a directory: one file a namespace and kind, in stable order, and a scenario that names them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from meshsim.live.dumps import Taken
from meshsim.live.reading import Read
from meshsim.model.errors import InputError

LISTING: Final = "snapshot.json"
"""What a snapshot wrote, so that the next one into the same directory removes what is gone, and nothing else."""
SCHEMA: Final = "meshsim/snapshot/v1"
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def write(
    directory: Path, reads: Sequence[Read], dialect: str | None = None, dumps: Mapping[str, Taken] | None = None
) -> list[str]:
    """Write the snapshot, with the dumps of each cluster's proxies; return its files, relative. Raises InputError where
    the directory holds something else."""
    files = _files(reads, dialect, dumps or {})
    before = _before(directory)
    try:
        for name in before - files.keys():
            (directory / name).unlink(missing_ok=True)
        for name, text in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        listing = {"schema": SCHEMA, "files": sorted(files)}
        (directory / LISTING).write_text(json.dumps(listing, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        msg = f"{error.filename or directory} cannot be written: {error.strerror}"
        raise InputError(msg) from None
    return sorted(files)


def _before(directory: Path) -> set[str]:
    """The files of the snapshot that is there already. Names that lead out of the directory are no files of ours."""
    if not directory.exists():
        return set()
    if not directory.is_dir() or (not (directory / LISTING).is_file() and any(directory.iterdir())):
        msg = f"{directory} holds something that is no snapshot"
        raise InputError(msg, hint="name a new directory, or one that meshsim snapshot has written")
    try:
        listed = json.loads((directory / LISTING).read_text(encoding="utf-8")) if any(directory.iterdir()) else {}
        names = listed.get("files", []) if isinstance(listed, dict) else []
    except (OSError, ValueError):
        msg = f"{directory / LISTING} cannot be read"
        raise InputError(msg, hint="name a new directory") from None
    root = directory.resolve()
    return {n for n in names if isinstance(n, str) and (directory / n).resolve().is_relative_to(root)}


def _files(reads: Sequence[Read], dialect: str | None, dumps: Mapping[str, Taken]) -> dict[str, str]:
    files: dict[str, str] = {}
    named: dict[str, dict[str, Any]] = {}
    for cluster, taken in dumps.items():
        found: dict[str, Any] = {}
        if taken.ztunnel is not None:
            found["ztunnel"] = f"{cluster}/dumps/ztunnel.json"
            files[found["ztunnel"]] = _json(taken.ztunnel)
        for proxy, dump in taken.envoy.items():
            path = f"{cluster}/dumps/{proxy.replace(':', '-').replace('/', '-')}.json"
            found.setdefault("envoy", {})[proxy] = path
            files[path] = _json(dump)
        named[cluster] = found
    files["scenario.yaml"] = _scenario(reads, dialect, named)
    for read in reads:
        for (namespace, kind), objects in read.objects.items():
            place = namespace or "_cluster"
            files[f"{read.name}/manifests/{place}/{kind}.yaml"] = _yaml(objects)
    return files


def _yaml(objects: Sequence[Any]) -> str:
    text: str = yaml.dump_all(
        objects, Dumper=_DUMPER, sort_keys=True, default_flow_style=False, allow_unicode=True, width=120
    )
    return text


def _json(dump: Mapping[str, Any]) -> str:
    return json.dumps(dump, indent=1, sort_keys=True) + "\n"


def _scenario(reads: Sequence[Read], dialect: str | None, dumps: Mapping[str, Mapping[str, Any]]) -> str:
    clusters: dict[str, Any] = {}
    for read in reads:
        clusters[read.name] = {"manifests": [f"{read.name}/manifests/"] if read.objects else []}
        if read.unread:
            clusters[read.name]["unread"] = dict(read.unread)
        if dumps.get(read.name):
            clusters[read.name]["dumps"] = dict(dumps[read.name])
    head = {"apiVersion": "meshsim/v1", "kind": "Scenario", **({"dialect": dialect} if dialect else {})}
    text: str = yaml.dump(
        {**head, "clusters": clusters}, Dumper=_DUMPER, sort_keys=False, default_flow_style=False, width=120
    )
    return (
        "# Written by `meshsim snapshot`, which writes it again next time: keep calls and expectations in a copy.\n"
        "# Secrets are never read: where clusters are linked by remote secrets, state `peering:` in the copy.\n" + text
    )
