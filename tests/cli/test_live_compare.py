"""`meshsim live compare`: exit codes, formats, and nothing that a file could make a terminal or a page do."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from meshsim.cli.app import main

SCENARIO = str(Path(__file__).parents[2] / "scenarios" / "client-local-waypoint")
CALL = {"from": "cluster1/shop/basket", "to": "catalog.shop.mesh.internal:8080", "path": "/items"}
AGREES = {**CALL, "counts": {"stable": 7500, "canary": 2500}}
DISAGREES = {**CALL, "counts": {"stable": 1600, "canary": 400}}
UNDETERMINED = {**AGREES, "moved": ["a pod went away"]}
NOT_SENT = {**CALL, "not_sent": "forbidden"}


def written(path: Path, *observations: dict[str, Any], **more: Any) -> str:
    file = path / "observations.json"
    file.write_text(
        json.dumps({"schema": "meshsim/observation/v1", **more, "observations": observations}), encoding="utf-8"
    )
    return str(file)


@pytest.mark.parametrize(
    ("observations", "code"),
    [
        ([AGREES], 0),
        ([AGREES, NOT_SENT], 0),
        ([AGREES, DISAGREES], 1),
        ([UNDETERMINED, DISAGREES], 1),
        ([AGREES, UNDETERMINED], 4),
        ([NOT_SENT], 4),
    ],
)
def test_exit_codes(tmp_path: Path, observations: list[dict[str, Any]], code: int):
    assert main(["live", "compare", written(tmp_path, *observations), SCENARIO]) == code


def test_a_wrong_file_is_exit_3_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "o.json"
    file.write_text('{"schema": "meshsim/observation/v1",\n "observations": [\n  {"to": "a:80"}]}', encoding="utf-8")
    assert main(["live", "compare", str(file), SCENARIO]) == 3
    assert f"{file}:3:" in capsys.readouterr().err


def test_a_missing_file_is_exit_3(tmp_path: Path):
    assert main(["live", "compare", str(tmp_path / "none.json"), SCENARIO]) == 3


def test_the_table_says_what_was_counted_what_the_model_says_and_what_that_rules_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    main(["live", "compare", written(tmp_path, AGREES, DISAGREES, NOT_SENT, source="a blog"), SCENARIO])
    said = capsys.readouterr().out
    assert "client-local-waypoint · solo/1.30 · a blog" in said
    assert "step:1 · rollout cluster1/shop/catalog wants stable 75%, canary 25%" in said
    assert "canary 25% (2,500 of 10,000)" in said
    assert "rules out a bypass to the pods (stable 80%, canary 20%)" in said
    assert "the counts fit a bypass to the pods (stable 80%, canary 20%): p 1" in said
    assert "cluster1/shop/basket → catalog.shop.mesh.internal:8080/items: forbidden" in said
    assert said.splitlines()[-1] == (
        "1 of 2 disagrees with the model (alpha 1% for the file, exact tests); 1 of 1 agreements could have told a "
        "bypass from an applied split; 1 not observed"
    )


def test_masked_stands_in_capitals(capsys: pytest.CaptureFixture[str]):
    guide = Path(SCENARIO).parent / "guide-gateway-api"
    assert main(["live", "compare", str(guide / "published.json"), str(guide)]) == 0
    said = capsys.readouterr().out
    assert "nothing: MASKED" in said
    assert "no number of requests could tell" in said


@pytest.mark.parametrize("width", ["60", "90", "140"])
def test_a_terminal_of_any_width_has_no_line_that_is_longer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], width: str
):
    main(["live", "compare", written(tmp_path, AGREES, DISAGREES, UNDETERMINED), SCENARIO, "--width", width])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= int(width)


def test_json_has_every_test_and_story(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main(["live", "compare", written(tmp_path, AGREES), SCENARIO, "-o", "json"])
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["agrees"], said["alpha"]) == ("meshsim/comparison/v1", True, 0.01)
    row = said["rows"][0]
    assert (row["outcome"], row["evidence"], row["rules_out"]) == ("agrees", "tells", "a bypass to the pods")
    canary = next(test for test in row["tests"] if test["label"] == "canary")
    assert (canary["count"], canary["of"], canary["exact"]) == ([2500, 2500], 10000, ["1/4", "1/4"])
    assert row["stories"][0]["shares"] == {"canary": 0.2, "stable": 0.8}


def test_junit_has_a_case_for_each_observation(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main(["live", "compare", written(tmp_path, AGREES, DISAGREES, UNDETERMINED, NOT_SENT), SCENARIO, "-o", "junit"])
    suite = ET.fromstring(capsys.readouterr().out)[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "2")


@pytest.mark.parametrize("output", ["table", "markdown", "junit"])
def test_what_a_file_says_is_shown_and_not_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str):
    hostile = {**CALL, "not_sent": "\x1b[31m<script>|@me"}
    main(["live", "compare", written(tmp_path, AGREES, hostile, source="\x1b]0;x\x07<b>"), SCENARIO, "-o", output])
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert output == "table" or "<script>" not in said


def test_the_level_can_be_chosen(tmp_path: Path):
    file = written(tmp_path, {**CALL, "counts": {"stable": 24}})
    assert main(["live", "compare", file, SCENARIO]) == 1
    assert main(["live", "compare", file, SCENARIO, "--alpha", "0.1%"]) == 0
    assert main(["live", "compare", file, SCENARIO, "--alpha", "60%"]) == 2


def test_the_moment_can_be_given(tmp_path: Path):
    file = written(tmp_path, {**CALL, "counts": {"stable": 100}})
    assert main(["live", "compare", file, SCENARIO]) == 1
    assert main(["live", "compare", file, SCENARIO, "--at", "0s"]) == 0


def test_the_schema_for_editors_is_printed(capsys: pytest.CaptureFixture[str]):
    assert main(["schema", "observations"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "meshsim observations"


def test_it_stands_in_the_help(capsys: pytest.CaptureFixture[str]):
    assert main(["live", "compare", "--help"]) == 0
    assert "usage: meshsim live compare" in capsys.readouterr().out
