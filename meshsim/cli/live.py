"""The scenario on real proxies, compared with the model.

`meshsim live envoy` compiles the scenario's own tables to Envoy configurations, runs one process a proxy on loopback
addresses (HBONE, mTLS with SPIFFE names, no Docker, no root), sends requests from every client location, and compares
counts, codes and response flags with the model's exact shares. A row disagrees where its counts are less likely than
one in a million, twice. With a timeline and without --at, the timeline is replayed phase by phase through live updates.

`meshsim live validation` runs every scenario of a directory and writes which rule is backed by which evidence.

`meshsim live diff` holds dumps of live proxies against the tables that the manifests compile to; `meshsim live observe`
makes the scenario's calls from the client pods of clusters that exist and counts who answers; `meshsim live compare`
holds such counts, or published ones, against the model; `meshsim live kind` creates kind clusters for the scenario and
does all of that on them. Each has a --help of its own.

exit codes: 0 agreement, 1 disagreement, 2 wrong call, 3 wrong input or no Envoy on this machine."""

import argparse
from typing import Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, add_moment, add_output, at_of, load, mode_of, paper
from meshsim.cli.progress import Progress
from meshsim.model.errors import UsageError

PARTS: Final = {
    "diff": "meshsim.cli.livediff",
    "observe": "meshsim.cli.liveobserve",
    "compare": "meshsim.cli.livecompare",
    "kind": "meshsim.cli.livekind",
}
"""What has options of its own, and the module that has them."""
FORMATS: Final = ("table", "json", "markdown")
EXAMPLES: Final = """\
examples:
  meshsim live envoy scenarios/canary-gateway-api
  meshsim live envoy scenarios/guide-gateway-api              the timeline, phase by phase
  meshsim live envoy scenarios/guide-gateway-api --at 200s --requests 5000
  meshsim live diff snapshot                                  what live proxies hold against what the manifests say
  meshsim live diff --dump east/waypoint:shop/waypoint=w.json --all -o markdown
  meshsim live validation scenarios --write docs/validation.md
  meshsim live observe scenario.yaml --context cluster1=kind-east --context cluster2=kind-west -o observations.json
  meshsim live compare observations.json scenario.yaml
  meshsim live kind scenarios/guide-gateway-api --dry-run > kind.sh
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "what", choices=("envoy", "validation"), help="envoy: one scenario; validation: the report on all"
    )
    parser.add_argument("scenario", nargs="?", help="a scenario as for run; for validation, a directory of scenarios")
    parser.add_argument(
        "--requests",
        type=_requests,
        metavar="N",
        help="requests for each row (default: 100 to 1000, by the number of rows; 300 for validation)",
    )
    parser.add_argument("--write", metavar="FILE", help="where validation writes its page (default: standard output)")
    add_clusters(parser)
    add_moment(parser)
    add_output(parser, FORMATS)


def run(options: argparse.Namespace) -> int:
    """Run the lab; return the exit code."""
    return _envoy(options) if options.what == "envoy" else _validation(options)


def _envoy(options: argparse.Namespace) -> int:
    session, heading = load(options, options.scenario)
    from meshsim.live.check import check
    from meshsim.live.replay import phases
    from meshsim.report.lab import printed

    with Progress("sending") as progress:
        moments = phases(session, at_of(options), mode_of(options))
        outcome = check(moments, requests=options.requests, progress=progress)
    emit(printed(outcome, heading, options.output, paper(options)))
    return 1 if outcome.disagreements else 0


def _validation(options: argparse.Namespace) -> int:
    from pathlib import Path

    from meshsim.live.validation import EACH, Ran, page, recorded
    from meshsim.session import load as load_session

    if not options.scenario:
        msg = "validation needs a directory of scenarios"
        raise UsageError(msg, hint="meshsim live validation scenarios")
    files = sorted(Path(options.scenario).glob("*/scenario.yaml"))
    if not files:
        msg = f"{options.scenario} has no scenario"
        raise UsageError(msg, hint="name a directory with */scenario.yaml")
    from meshsim.live.check import check
    from meshsim.live.replay import phases

    ran = []
    with Progress("scenarios") as progress:
        for file in files:
            session = load_session(file)
            outcome = check(phases(session), requests=options.requests or EACH)
            ran.append(Ran(file.parent.name, outcome, recorded(session, file.parent)))
            progress(len(ran), len(files))
    text = page(ran)
    if options.write:
        Path(options.write).write_text(text, encoding="utf-8")
    else:
        emit(text)
    return 1 if any(one.outcome.disagreements for one in ran) else 0


def _requests(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        msg = f"{text!r} is no number of requests: 1 to 1000000"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
