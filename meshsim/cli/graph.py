"""The topology and the paths that the calls take at one moment: what decides, and which way bypasses the split."""

import argparse
from typing import Final

from meshsim.cli.app import emit, emit_bytes, no_terminal
from meshsim.cli.options import add_clusters, add_file, add_moment, at_of, load, mode_of

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
    add_file(group)


def run(options: argparse.Namespace) -> int:
    """Print or write the graph of the moment asked for; without one, of the first that `run` shows."""
    if options.output == "png":
        no_terminal()
    session, heading = load(options, options.scenario)
    graph = session.graph(at=at_of(options), mode=mode_of(options), frm=options.frm)
    written = _written(graph, options.output, f"meshsim: {heading.scenario}")
    if options.output == "png":
        emit_bytes(written)
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
