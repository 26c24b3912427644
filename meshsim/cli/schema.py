"""The JSON Schema of a scenario file, for editors: save it as scenario.schema.json beside the scenario."""

import argparse
from typing import Final

from meshsim.cli.app import emit

EXAMPLES: Final = """\
examples:
  meshsim schema > scenario.schema.json
  # and as the first line of scenario.yaml:
  # yaml-language-server: $schema=./scenario.schema.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb has no options."""


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    from meshsim.report.data import as_json
    from meshsim.scenario.schema import json_schema

    emit(as_json(json_schema()))
    return 0
