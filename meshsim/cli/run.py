"""The verdict of every call: is the split that the Rollout manages applied for this client?

Without a timeline and without --at, each Rollout is probed at every weight of its steps: a matrix step × client.
With one, the answer is the state at rest after its last entry.

exit codes: 0 nothing at or above --fail-on, 1 findings or failed expectations, 2 wrong call, 3 wrong input,
4 only undetermined calls stand in the way."""

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from meshsim.analysis.gate import LEVELS, Gate, exit_code, findings
from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, add_moment, add_output, at_of, load, mode_of, paper
from meshsim.report.formats import CI_FORMATS, FORMATS, PAGES, answer_printer

if TYPE_CHECKING:
    from meshsim.analysis.baseline import Baseline
    from meshsim.model.verdict import Answer

EXAMPLES: Final = """\
examples:
  meshsim run                                      scenario.yaml in this directory
  meshsim run scenarios/client-local-waypoint      a directory that has one
  meshsim run --cluster east=clusters/east --cluster west=clusters/west
  meshsim run --at weight:25 -o json | jq '.verdicts[] | {from, verdict}'
  meshsim run -o markdown --fail-on bypassed       for a pull request; also -o github, junit, sarif
  meshsim run -o html > verdicts.html              one page with every path, for a wiki or a build's artifacts
  meshsim run -o json > baseline.json; meshsim run --baseline baseline.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "scenario", nargs="?", help="a scenario file, a directory with a scenario.yaml, or - (default: ./scenario.yaml)"
    )
    add_clusters(parser)
    add_moment(parser)
    add_output(parser, (*FORMATS, *PAGES, *CI_FORMATS))
    parser.add_argument(
        "--fail-on",
        choices=LEVELS,
        default="skewed",
        help="exit 1 for this and everything worse, in rows that no expectation covers (default: skewed)",
    )
    parser.add_argument(
        "--baseline", metavar="ANSWER.json", help="what an earlier `run -o json` found: fail on what is new only"
    )


def run(options: argparse.Namespace) -> int:
    """Print the answer; return its exit code."""
    at = at_of(options)
    gate = Gate(fail_on=options.fail_on, baseline=_baseline(options.baseline))
    session, heading = load(options, options.scenario)
    answer = session.answer(at=at, mode=mode_of(options))
    emit(answer_printer(options.output).answer(answer, replace(heading, gate=gate), paper(options)))
    if gate.baseline is not None and answer.moments:
        _compared(answer, gate, options.baseline)
    return exit_code(answer, gate)


def _baseline(file: str | None) -> "Baseline | None":
    if file is None:
        return None
    from meshsim.analysis.baseline import read
    from meshsim.manifests.sources import read_bytes

    return read(read_bytes(file), file)


def _compared(answer: "Answer", gate: Gate, file: str) -> None:
    """A line on what is new and what is known, beside the result."""
    found = [one for one in findings(answer, gate) if one.fails or one.known]
    new = sum(one.fails for one in found)
    sys.stderr.write(f"baseline {file}: {new} new, {len(found) - new} known\n")
