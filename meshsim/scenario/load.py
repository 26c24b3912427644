"""A scenario from a file, or from the directories of clusters without one."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from meshsim.manifests.inventory import Inventory
from meshsim.manifests.located import Located, documents
from meshsim.manifests.manifest import Manifest
from meshsim.manifests.shapes import shown
from meshsim.manifests.sources import STANDARD_INPUT, Wanted, read_bytes, read_sources
from meshsim.model.errors import InputError, UsageError, raise_all
from meshsim.model.evidence import Source
from meshsim.scenario.notation import check_cluster_name, did_you_mean
from meshsim.scenario.scenario import DEFAULT_DIALECT, DIALECTS, ClusterSpec, Scenario

if TYPE_CHECKING:
    from meshsim.scenario.build import ReadCluster

SCENARIO_FILE = "scenario.yaml"

Stdin = Callable[[], bytes]


def load(path: str | os.PathLike[str], *, stdin: Stdin | None = None) -> Scenario:
    """The scenario in a file, or in the `scenario.yaml` of a directory; `-` reads standard input.

    Raises InputError for whatever is wrong in it or in what it names, all of it together where it is independent.
    """
    name = os.fspath(path)
    read_stdin = _once(stdin)
    if os.path.isdir(name):
        inside = os.path.join(name, SCENARIO_FILE)
        if not os.path.isfile(inside):
            msg = f"this directory has no {SCENARIO_FILE}"
            raise InputError(msg, where=Source(name), hint=f"name the cluster: --cluster NAME={name}")
        name = inside
    content = read_stdin() if name == STANDARD_INPUT else read_bytes(name)
    document = _only_document(content, "standard input" if name == STANDARD_INPUT else name)
    base = "" if name == STANDARD_INPUT else os.path.dirname(name)

    from meshsim.scenario.build import scenario

    return scenario(document, base, _reader(base, read_stdin))


def from_clusters(
    clusters: Mapping[str, str | os.PathLike[str] | Sequence[str | os.PathLike[str]]],
    *,
    dialect: str = DEFAULT_DIALECT,
    stdin: Stdin | None = None,
) -> Scenario:
    """A scenario of clusters given as files, directories, globs or `-`, with everything else left to the defaults.

    Raises UsageError for a name or dialect that cannot be, InputError for what is wrong in the files.
    """
    if not clusters:
        msg = "no cluster is given"
        raise UsageError(msg, hint="name one: --cluster NAME=PATH")
    read = _reader("", _once(stdin))
    if dialect not in DIALECTS:
        msg = f"the dialect {dialect!r} is not known"
        raise UsageError(msg, hint=did_you_mean(dialect, DIALECTS))
    specs: dict[str, ClusterSpec] = {}
    inventory: dict[str, Inventory] = {}
    errors: list[InputError] = []
    for name, given in clusters.items():
        check_cluster_name(name)
        paths = [given] if isinstance(given, (str, os.PathLike)) else given
        try:
            manifests, inventory[name] = read([os.fspath(path) for path in paths])
            specs[name] = ClusterSpec(name=name, manifests=manifests)
        except InputError as error:
            errors.append(error)
    raise_all(errors)
    return Scenario(name="+".join(specs), dialect=dialect, clusters=specs, inventory=inventory)


def _only_document(content: bytes, file: str) -> Located:
    found = [document for document in documents(content, file) if document.value is not None]
    if not found:
        msg = "is empty, and should be a meshsim scenario"
        raise InputError(msg, where=Source(file), hint="`meshsim init` writes one to start from")
    document = found[0]
    if not isinstance(document.value, dict):
        msg = f"a scenario is a mapping, and this is {shown(document.value)}"
        raise InputError(msg, where=document.place())
    if document.value.get("kind") != "Scenario" and "apiVersion" in document.value and "kind" in document.value:
        msg = f"this is a {document.value['kind']}, not a meshsim scenario"
        raise InputError(
            msg, where=document.place(("kind",)), hint=f"name the cluster it is for: --cluster NAME={file}"
        )
    if len(found) > 1:
        msg = "a scenario file holds one document"
        raise InputError(msg, where=found[1].place(), hint="put manifests into files of their own")
    return document


def _reader(base: str, stdin: Stdin) -> "ReadCluster":
    def read(wanted: Sequence[Wanted]) -> tuple[tuple[Manifest, ...], Inventory]:
        return read_sources(wanted, base=base, stdin=stdin)

    return read


def _once(stdin: Stdin | None) -> Stdin:
    """Standard input, which can be read once only."""
    used = False

    def read() -> bytes:
        nonlocal used
        if used:
            msg = "standard input can be read for one source only"
            raise InputError(msg, where=Source("standard input"))
        used = True
        return (stdin or _standard_input)()

    return read


def _standard_input() -> bytes:
    content: Any = sys.stdin.buffer.read()
    return bytes(content)
