"""The verdicts that change between two scenarios, directories, snapshots or git revisions, and the object and line
that changed them.

OLD and NEW are each a scenario file, a directory with a scenario.yaml, a directory with one directory of manifests a
cluster, a git revision (`main`, `HEAD~1`, for the scenario named by --scenario or the manifests named by --cluster), or
`REVISION:PATH`. What is to blame was tried: that difference alone, made on OLD, changes the verdict.

exit codes: 0 the same, 1 different, 2 wrong call, 3 wrong input."""

import argparse
import os
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, add_moment, add_output, at_of, clusters_of, mode_of, paper
from meshsim.model.errors import InputError, UsageError
from meshsim.model.evidence import Source
from meshsim.report.formats import FORMATS

if TYPE_CHECKING:
    from meshsim.session import Session

EXAMPLES: Final = """\
examples:
  meshsim diff scenarios/before scenarios/after
  meshsim diff main HEAD                                          ./scenario.yaml in both
  meshsim diff main . --scenario canary/scenario.yaml             the working tree against main
  meshsim diff HEAD~1 HEAD --cluster east=clusters/east --cluster west=clusters/west
  meshsim diff v1.2:canary canary -o markdown                     for a pull request; also -o github
"""
_SCENARIO: Final = "scenario.yaml"


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("old", metavar="OLD", help="what was")
    parser.add_argument("new", metavar="NEW", help="what is")
    parser.add_argument(
        "--scenario", metavar="PATH", default=_SCENARIO, help="the scenario in revisions (default: scenario.yaml)"
    )
    add_clusters(parser)
    add_moment(parser)
    add_output(parser, (*FORMATS, "github"))


def run(options: argparse.Namespace) -> int:
    """Print what changes; 1 if anything does."""
    from meshsim.analysis.compare import compare
    from meshsim.report import difference

    at, mode = at_of(options), mode_of(options)
    with ExitStack() as stack:
        old, old_root = _load(options, options.old, stack)
        new, new_root = _load(options, options.new, stack)
        found = compare(old, new, at, mode)
        roots = {root: name for root, name in ((old_root, options.old), (new_root, options.new)) if root}
        view = difference.view(found, old.scenario, new.scenario, options.old, options.new, roots)
    emit(difference.printed(view, options.output, paper(options)))
    return 1 if found else 0


def _load(options: argparse.Namespace, name: str, stack: ExitStack) -> "tuple[Session, str]":
    """One side, and the temporary directory that stands for its revision."""
    from meshsim import session
    from meshsim.manifests.revisions import files_of, is_revision

    clusters = clusters_of(options.cluster)
    root = ""
    path: str = name
    if not os.path.exists(name):
        revision, colon, inside = name.partition(":")
        if not is_revision(revision):
            msg = "is neither a file or directory nor a git revision"
            raise InputError(msg, where=Source(name), hint="write a path, a revision, or REVISION:PATH")
        root = stack.enter_context(files_of(revision))
        path = os.path.join(root, inside if colon else "" if clusters else options.scenario)
        if os.path.relpath(path, root).startswith(".."):
            msg = f"{name}: the path leaves the revision"
            raise UsageError(msg)
    elif options.scenario != _SCENARIO and os.path.isdir(name) and not clusters:
        path = os.path.join(name, options.scenario)
    try:
        if clusters:
            below = {cluster: _below(path, paths) for cluster, paths in clusters.items()}
            return session.load(below, dialect=options.dialect, dataplane=options.dataplane), root
        if not os.path.isdir(path) or os.path.isfile(os.path.join(path, _SCENARIO)):
            return session.load(path), root
        return session.load(_clusters_in(path), dialect=options.dialect, dataplane=options.dataplane), root
    except InputError as error:
        raise _renamed(error, root, name) if root else error from None


def _below(directory: str, paths: str | list[str]) -> list[str]:
    return [os.path.join(directory, path) for path in ([paths] if isinstance(paths, str) else paths)]


def _clusters_in(directory: str) -> dict[str, str]:
    """A directory of manifests a cluster; one that holds manifests itself is one cluster."""
    inside = sorted(entry for entry in os.listdir(directory) if not entry.startswith("."))
    folders = [entry for entry in inside if os.path.isdir(os.path.join(directory, entry))]
    if folders and not any(entry.endswith((".yaml", ".yml", ".json")) for entry in inside):
        return {entry: os.path.join(directory, entry) for entry in folders}
    return {"cluster": directory}


def _renamed(error: InputError, root: str, name: str) -> InputError:
    """An error with the revision's name in place of the directory that stands for it."""
    from meshsim.model.errors import InputErrors

    if isinstance(error, InputErrors):
        return InputErrors(tuple(_renamed(one, root, name) for one in error.errors))
    where = error.where
    if isinstance(where, Source) and where.path.startswith(root):
        inside = where.path[len(root) :].lstrip("/")
        where = replace(where, path=f"{name.partition(':')[0]}:{inside}")
    return InputError(error.message.replace(root, name), where=where, hint=error.hint.replace(root, name))
