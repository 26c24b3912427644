"""The verdict of every call: is the split that the Rollout manages applied for this client?

Without a timeline and without --at, each Rollout is probed at every weight of its steps: a matrix step × client.
With one, the answer is the state at rest after its last entry.

exit codes: 0 nothing at or above --fail-on, 1 findings or failed expectations, 2 wrong call, 3 wrong input,
4 only undetermined calls stand in the way."""

import argparse
from typing import Final

from meshsim.cli.app import emit
from meshsim.cli.options import LEVELS, add_clusters, add_moment, add_output, at_of, load, mode_of, paper
from meshsim.report.formats import printer

EXAMPLES: Final = """\
examples:
  meshsim run                                      scenario.yaml in this directory
  meshsim run scenarios/client-local-waypoint      a directory that has one
  meshsim run --cluster east=clusters/east --cluster west=clusters/west
  meshsim run --at weight:25 -o json | jq '.verdicts[] | {from, verdict}'
  meshsim run -o markdown --fail-on bypassed       for a pull request
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "scenario", nargs="?", help="a scenario file, a directory with a scenario.yaml, or - (default: ./scenario.yaml)"
    )
    add_clusters(parser)
    add_moment(parser)
    add_output(parser)
    parser.add_argument(
        "--fail-on",
        choices=LEVELS,
        default="skewed",
        help="exit 1 for this and everything worse, in rows that no expectation covers (default: skewed)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the answer; return its exit code."""
    at = at_of(options)
    session, heading = load(options, options.scenario)
    answer = session.answer(at=at, mode=mode_of(options))
    emit(printer(options.output).answer(answer, heading, paper(options)))

    from meshsim.analysis.gate import exit_code

    return exit_code(answer, options.fail_on)
