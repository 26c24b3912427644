import json
from pathlib import Path

from meshsim.scenario.schema import json_schema

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def test_the_schema_that_the_scenarios_point_editors_to_is_the_one_that_meshsim_prints() -> None:
    assert json.loads((SCENARIOS / "scenario.schema.json").read_text()) == json_schema()


def test_every_scenario_points_editors_to_the_schema() -> None:
    files = [*SCENARIOS.glob("*/scenario.yaml"), *SCENARIOS.glob("*/twin.yaml")]
    assert files
    for file in files:
        first = file.read_text().splitlines()[0]
        assert first == "# yaml-language-server: $schema=../scenario.schema.json", file
