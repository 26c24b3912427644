"""The reason codes of verdicts; with a code or its slug, the page on it: what, why, an example, the fix, the source."""

import argparse
from difflib import get_close_matches
from importlib import resources
from typing import Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_output, paper
from meshsim.model.errors import UsageError
from meshsim.model.reasons import REASONS, Reason, find
from meshsim.report.formats import printer

EXAMPLES: Final = """\
examples:
  meshsim rules
  meshsim rules MS201
  meshsim rules client-local-waypoint
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("code", nargs="?", help="a code (MS201) or a slug (client-local-waypoint)")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Print the table, or one page."""
    if options.code is None:
        emit(printer(options.output).reasons(tuple(REASONS.values()), paper(options)))
        return 0
    reason = find(options.code)
    if reason is None:
        msg = f"there is no reason code {options.code!r}"
        raise UsageError(msg, hint=_instead(options.code))
    if options.output in {"json", "yaml"}:
        emit(printer(options.output).reasons((reason,), paper(options)))
    elif options.output == "markdown":
        emit(text_of(reason))
    else:
        from meshsim.report.terminal import page

        emit(page(text_of(reason), paper(options)))
    return 0


def text_of(reason: Reason) -> str:
    """The page on a code, in Markdown."""
    return resources.files("meshsim.reasons").joinpath(f"{reason.code}.md").read_text(encoding="utf-8")


def _instead(text: str) -> str:
    known = {name.lower(): str(reason) for reason in REASONS.values() for name in (reason.code, reason.slug)}
    near = get_close_matches(text.lower(), known, n=1)
    return f"did you mean {known[near[0]]}?" if near else "`meshsim rules` lists them"
