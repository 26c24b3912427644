"""The JSON Schema of a scenario file, or of a file of observations, for editors: save it beside the file."""

import argparse
from typing import Final

from meshsim.cli.app import emit

EXAMPLES: Final = """\
examples:
  meshsim schema > scenario.schema.json
  meshsim schema observations > observations.schema.json
  # and as the first line of scenario.yaml:
  # yaml-language-server: $schema=./scenario.schema.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "what", nargs="?", choices=("scenario", "observations"), default="scenario", help="of which file (scenario)"
    )


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    from meshsim.report.data import as_json

    if options.what == "observations":
        from meshsim.live.published import json_schema
    else:
        from meshsim.scenario.schema import json_schema

    emit(as_json(json_schema()))
    return 0
