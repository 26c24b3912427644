"""The topology and the paths that the calls take at one moment: what decides, and which way bypasses the split.

svg, png and html go to standard output, or to the file that --file names."""

import argparse
import sys
from typing import Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, add_moment, at_of, load, mode_of
from meshsim.model.errors import InputError, UsageError

EXAMPLES: Final = """\
examples:
  meshsim graph                                      Mermaid, for a Markdown page
  meshsim graph scenarios/client-local-waypoint -o png --file paths.png
  meshsim graph --cluster east=clusters/east -o dot --at weight:25
"""

FORMS: Final = ("mermaid", "dot", "svg", "png", "html")


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("scenario", nargs="?", help="as for run")
    parser.add_argument("--from", dest="frm", metavar="TEXT", help="only callers whose name contains it")
    add_clusters(parser)
    add_moment(parser)
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--output", choices=FORMS, default="mermaid", help="default: mermaid")
    group.add_argument("--file", metavar="FILE", help="write there instead of to standard output")


def run(options: argparse.Namespace) -> int:
    """Print or write the graph of the moment asked for; without one, of the first that `run` shows."""
    if options.output == "png" and options.file is None and sys.stdout.isatty():
        msg = "a PNG is nothing for a terminal"
        raise UsageError(msg, hint="add --file paths.png, or redirect standard output")
    session, heading = load(options, options.scenario)
    graph = session.graph(at=at_of(options), mode=mode_of(options), frm=options.frm)
    written = _written(graph, options.output, f"meshsim: {heading.scenario}")
    if options.file is not None:
        try:
            with open(options.file, "wb") as file:
                file.write(written)
        except OSError as error:
            msg = f"cannot write {options.file}: {error.strerror}"
            raise InputError(msg) from error
    elif options.output == "png":
        sys.stdout.buffer.write(written)
    else:
        emit(written.decode())
    return 0


def _written(graph: object, form: str, title: str) -> bytes:
    from meshsim.report import graph_text

    if form in {"mermaid", "dot"}:
        text: str = getattr(graph_text, form)(graph)
        return text.encode()
    from meshsim.report import graph_figure

    return graph_figure.page(graph, title).encode() if form == "html" else graph_figure.image(graph, form)
