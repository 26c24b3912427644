"""Formats for machines: workflow commands, JUnit and SARIF say what fails the run and where; nothing breaks out."""

import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import meshsim
from meshsim.analysis.gate import Gate
from meshsim.model.verdict import Answer, Checked, Moment, Verdict
from meshsim.report.formats import Heading, Paper, answer_printer

SCENARIO = "scenarios/client-local-waypoint"
LABEL = f"{SCENARIO}/manifests/cluster2/namespace.yaml"  # its line 9 enrols the client's namespace


@pytest.fixture(scope="module")
def found() -> Answer:
    clusters = {name: f"{SCENARIO}/manifests/{name}" for name in ("cluster1", "cluster2")}
    return meshsim.load(clusters).answer()


def printed(format_: str, answer: Answer, **heading: Any) -> str:
    return answer_printer(format_).answer(answer, Heading(**heading), Paper())


def hostile(found: Answer, verdict: str = "bypassed") -> Answer:
    """A real answer with names that would break out of any format, and an expectation that fails."""
    real = next(row for row in found.moments[0].rows if row.verdict is Verdict.BYPASSED)
    row = replace(real, frm="c1/shop/a\n::error::b%0A,c]]>\x1b[0m\u202e", verdict=Verdict(verdict))
    check = Checked(index=0, line=7, passed=False, wanted={"from": "x"}, actual={}, failures=("no row <matches>",))
    moment = Moment(at=0.0, rows=(row,))
    return Answer(scenario="x", dialect="solo/1.30", moments=(moment,), probes=False, expectations=(check,))


def test_github_annotates_the_line_that_decided(found: Answer) -> None:
    (line,) = [one for one in printed("github", found).splitlines() if one.startswith("::")]
    assert line.startswith(f"::error file={LABEL},line=9,col=")
    assert "title=bypassed%3A cluster2/shop/recommender → catalog.shop.mesh.internal%3A8080" in line
    assert "canary 25%25 → 20%25" in line
    assert "%0AMS201 client-local-waypoint" in line


def test_github_only_warns_below_the_level(found: Answer) -> None:
    assert printed("github", found, gate=Gate(fail_on="failing")).startswith("::warning ")


def test_no_manifest_can_start_a_workflow_command(found: Answer) -> None:
    lines = printed("github", hostile(found), file="scenario.yaml").splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "meshsim:"]
    assert "\x1b" not in "".join(lines)
    assert lines[0].startswith("::error file=scenario.yaml,line=7,")


def test_junit_has_a_case_a_call_and_fails_what_fails(found: Answer) -> None:
    root = ET.fromstring(printed("junit", found))
    rows = sum(len(moment.rows) for moment in found.moments)
    assert (root.get("tests"), root.get("failures")) == (str(rows), "1")
    (failure,) = root.iter("failure")
    assert failure.get("type") == "MS201"
    assert f"{LABEL}:9" in (failure.text or "")


def test_junit_stays_xml_whatever_names_hold(found: Answer) -> None:
    root = ET.fromstring(printed("junit", hostile(found), file="scenario.yaml"))
    assert root.get("failures") == "2"  # the row and the expectation


def test_junit_skips_what_is_undetermined(found: Answer) -> None:
    root = ET.fromstring(printed("junit", hostile(found, "undetermined")))
    assert [one.get("type") for one in root.iter("skipped")] == ["MS201"]


def test_sarif_names_rule_level_and_place(found: Answer) -> None:
    log = json.loads(printed("sarif", found))
    (run,) = log["runs"]
    (result,) = run["results"]
    assert (log["version"], result["ruleId"], result["level"]) == ("2.1.0", "MS201", "error")
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "MS201"
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == LABEL
    assert place["physicalLocation"]["region"]["startLine"] == 9


def test_sarif_of_expectations_points_into_the_scenario(found: Answer) -> None:
    (run,) = json.loads(printed("sarif", hostile(found), file="my scenario.yaml"))["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]) == ("my%20scenario.yaml", {"startLine": 7})
