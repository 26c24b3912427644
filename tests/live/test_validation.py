"""`docs/validation.md` says which rule is backed by what, and stays true."""

import ast
import re
from pathlib import Path

from meshsim.live.agree import Agreement
from meshsim.live.check import Compared, Outcome
from meshsim.live.validation import TESTED, Ran, backed, declared, page, recorded
from meshsim.model.rule import RULES
from meshsim.session import load

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "validation.md"


def test_every_rule_has_its_line():
    declared()
    listed = set(re.findall(r"^\| `([a-z0-9.-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(RULES) <= listed, "generate it again: meshsim live validation scenarios --write docs/validation.md"


def test_every_shipped_scenario_has_its_line():
    shipped = {file.parent.name for file in (HERE.parents[1] / "scenarios").glob("*/scenario.yaml")}
    listed = set(re.findall(r"^\| `([a-z0-9-]+)` \| \d+ \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == shipped, "generate it again: meshsim live validation scenarios --write docs/validation.md"


def test_no_shipped_scenario_disagrees():
    assert "disagree**" not in PAGE.read_text(encoding="utf-8")


def test_the_tests_that_it_names_exist():
    names = {
        node.name
        for file in HERE.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert set(TESTED.values()) <= names


def test_only_rows_that_agree_back_a_rule():
    good = Compared(phase="p", client="c", to="t", path="/", agreement=Agreement(1.0, None), rules=("envoy.no-route",))
    bad = Compared(phase="p", client="c", to="t", path="/", agreement=Agreement(0.0, "x"), rules=("envoy.no-cluster",))
    ran = Ran("one", Outcome(rows=(good, bad)))
    assert backed([ran]) == {"envoy.no-route": ("one",)}
    assert "**1 disagree**" in page([ran])


def test_published_observations_that_agree_back_what_the_answer_rests_on():
    folder = HERE.parents[1] / "scenarios" / "guide-gateway-api"
    rules = recorded(load(folder), folder)
    assert {"waypoint.routes", "eastwest.to-waypoint"} <= set(rules)
    line = next(
        line for line in page([Ran("guide", Outcome(), recorded=rules)]).splitlines() if "`waypoint.routes`" in line
    )
    assert line.endswith("| — | published: guide |")


def test_a_scenario_without_observations_has_none():
    folder = HERE.parents[1] / "scenarios" / "no-waypoint-masked"
    assert recorded(load(folder), folder) == ()
