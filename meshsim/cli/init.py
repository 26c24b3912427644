"""A scenario to start from. Without --cluster it is a small one that runs as it is, to change into yours; with
--cluster it is drawn up from your manifests: the Rollouts in them, the calls their clients make, and what to add."""

import argparse
import os
from typing import Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, clusters_of
from meshsim.model.errors import InputError, UsageError
from meshsim.model.evidence import Source

EXAMPLES: Final = """\
examples:
  meshsim init > scenario.yaml && meshsim run
  meshsim init --cluster east=clusters/east --cluster west=clusters/west -f scenario.yaml
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("-f", "--file", metavar="FILE", help="write there (default: standard output)")
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
    add_clusters(parser)


def run(options: argparse.Namespace) -> int:
    """Write the scenario."""
    if options.force and options.file is None:
        msg = "--force goes with --file"
        raise UsageError(msg, hint="meshsim init -f scenario.yaml --force")
    clusters = clusters_of(options.cluster)
    if not clusters and (options.dialect or options.dataplane):
        msg = "--dialect and --dataplane go with --cluster"
        raise UsageError(msg)
    if options.file is not None and os.path.exists(options.file) and not options.force:
        msg = f"{options.file} exists already"
        raise UsageError(msg, hint="add --force to replace it, or name another file")
    if clusters:
        from meshsim.cli.draft import draft

        base = os.path.dirname(options.file) if options.file is not None else ""
        text = draft(clusters, dialect=options.dialect, dataplane=options.dataplane, base=base)
    else:
        from meshsim.cli.starter import STARTER

        text = STARTER
    if options.file is None:
        emit(text)
        return 0
    try:
        with open(options.file, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        msg = f"cannot be written: {error.strerror}"
        raise InputError(msg, where=Source(options.file)) from None
    emit(f"wrote {options.file}\nnext: meshsim run {options.file}\n")
    return 0
