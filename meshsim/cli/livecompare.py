"""What clients were answered, held against the model, offline: a file of `meshsim live observe`, or published numbers
written down by hand.

Each count is tested against the model's exact share (two-sided binomial tests; the level alpha is shared by the calls
of the file). Connections are counted where connections are what is drawn. An agreement is then asked whether it could
have told an applied split from a bypassed one: what could not is called masked, or too few, with the number that would.
`meshsim schema observations` prints the format for editors.

exit codes: 0 agreement, 1 disagreement, 2 wrong call, 3 wrong input, 4 no disagreement, but something undetermined."""

import argparse
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, add_moment, add_output, at_of, load, mode_of, paper
from meshsim.model.errors import UsageError

if TYPE_CHECKING:
    from meshsim.live.outcomes import Result

FORMATS: Final = ("table", "json", "markdown", "junit")
EXAMPLES: Final = """\
examples:
  meshsim live compare observations.json
  meshsim live compare published.json scenarios/guide-gateway-api --at 200s
  meshsim live compare observations.json scenario.yaml -o junit > observations.xml
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("file", help="observations, JSON or YAML; - is standard input")
    parser.add_argument("scenario", nargs="?", help="a scenario as for run (default: ./scenario.yaml)")
    parser.add_argument(
        "--alpha",
        type=_level,
        default=Fraction(1, 100),
        metavar="SHARE",
        help="the chance to call a whole file wrong whose counts do come from the model (1%%)",
    )
    add_clusters(parser)
    add_moment(parser)
    add_output(parser, FORMATS)


def run(options: argparse.Namespace) -> int:
    """Compare; return the exit code."""
    from meshsim.live.published import read

    if options.file == "-" and options.scenario == "-":
        msg = "observations and the scenario cannot both be standard input"
        raise UsageError(msg)
    recording = read(options.file)
    session, heading = load(options, options.scenario)
    from meshsim.live.against import hold
    from meshsim.report.observed import printed

    found = hold(recording, session, at=at_of(options), mode=mode_of(options), alpha=options.alpha)
    emit(printed(found, heading, options.output, paper(options)))
    return code_of(found)


def code_of(found: "Result") -> int:
    """The exit code of a comparison."""
    from meshsim.live.outcomes import Outcome

    if found.of(Outcome.DISAGREES):
        return 1
    return 4 if found.of(Outcome.UNDETERMINED) or not found.of(Outcome.AGREES) else 0


def _level(text: str) -> Fraction:
    from meshsim.model.shares import parse_share

    try:
        found = parse_share(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not 0 < found < Fraction(1, 2):
        msg = f"{text!r} is no level: between 0 and 50%"
        raise argparse.ArgumentTypeError(msg)
    return found
