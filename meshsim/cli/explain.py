"""One call, hop by hop: each decision with its rule and evidence, the smallest single edit that restores the split
(verified by resolving the call again), what else it changes, and the lines that prove it on a live mesh.

FROM is cluster/namespace/workload, a unique suffix of it, ingress:CLUSTER/NAMESPACE/NAME, or external:CLUSTER.
TO is host:port, ip:port, or pod:CLUSTER/NAMESPACE/WORKLOAD/N:port; the port may be left out where there is one only."""

import argparse
import os
from typing import Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, add_moment, add_output, at_of, load, mode_of, paper
from meshsim.model.errors import UsageError
from meshsim.report.formats import FORMATS, PAGES, call_printer

EXAMPLES: Final = """\
examples:
  meshsim explain cluster2/default/curl helloworld.default.mesh.internal:5000
  meshsim explain scenarios/client-local-waypoint cluster2/recommender catalog.shop.mesh.internal:8080
  meshsim explain --cluster east=clusters/east east/shop/cart checkout.shop:8080 --at weight:25
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "words", nargs="+", metavar="[SCENARIO] FROM TO", help="who calls what; the scenario as for run"
    )
    parser.add_argument("--path", help="the request's path (default: as in the scenario's call, else /)")
    add_clusters(parser)
    add_moment(parser)
    add_output(parser, (*FORMATS, *PAGES))


def run(options: argparse.Namespace) -> int:
    """Print the explanations; 0 whatever they say."""
    scenario, frm, to = _call(options.words)
    at = at_of(options)
    session, heading = load(options, scenario)
    found = session.explain(frm, to, at=at, path=options.path, mode=mode_of(options))
    emit(call_printer(options.output).explanations(found, heading, paper(options)))
    return 0


def _call(words: list[str]) -> tuple[str | None, str, str]:
    """(scenario, from, to). A scenario stands first; one that stands last, as a file that exists, is understood."""
    if len(words) == 2:
        return None, words[0], words[1]
    if len(words) != 3:
        msg = "explain takes FROM and TO, and may be told the scenario before them"
        raise UsageError(
            msg,
            hint="meshsim explain cluster2/default/curl helloworld.default.mesh.internal:5000",
        )
    if not _is_scenario(words[0]) and _is_scenario(words[2]):
        return words[2], words[0], words[1]
    return words[0], words[1], words[2]


def _is_scenario(word: str) -> bool:
    return word == "-" or os.path.isfile(word) or os.path.isfile(os.path.join(word, "scenario.yaml"))
