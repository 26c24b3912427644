import json
from dataclasses import replace
from fractions import Fraction as F

import pytest
import yaml
from report.hand_built import ASSUMPTION, answer, applied, check, explanation, failing, probes, row, undetermined

from meshsim.model.trace import Step, Trace
from meshsim.model.verdict import Answer, Shares, Verdict
from meshsim.report.data import JSON, YAML, as_json
from meshsim.report.formats import Heading, Paper

CONTRACT_ROW = [
    "from", "to", "path", "members", "rollout", "verdict", "masked", "reasons", "desired", "effective", "exact",
    "applied_share", "versions", "clusters", "pods", "errors", "decided_by", "granularity", "hops", "trace",
]  # fmt: skip
CONTRACT_ANSWER = ["schema", "scenario", "dialect", "at", "assumptions", "expectations", "verdicts"]


def plain(found: Answer) -> dict:
    return json.loads(JSON.answer(found, Heading(), Paper()))


def test_the_contracts_keys_come_in_the_contracts_order() -> None:
    found = plain(answer())
    assert [key for key in found if key in CONTRACT_ANSWER] == CONTRACT_ANSWER
    assert [key for key in found["verdicts"][0] if key in CONTRACT_ROW] == CONTRACT_ROW
    assert found["schema"] == "meshsim/answer/v1"


@pytest.mark.parametrize("key", CONTRACT_ROW)
def test_every_key_of_a_row_is_an_attribute_in_python(key: str) -> None:
    assert hasattr(applied(), key)
    assert getattr(applied(), "from") == applied().frm


def test_shares_are_floats_with_zeros_and_exact_fractions_without() -> None:
    found = plain(answer())["verdicts"][1]
    assert found["desired"] == {"stable": 0.75, "canary": 0.25}
    assert found["effective"] == {"stable": 0.75, "canary": 0.25, "other": 0.0, "error": 0.0}
    assert found["exact"] == {"stable": "3/4", "canary": "1/4"}
    assert found["applied_share"] == 1.0


def test_a_bypassed_row_says_what_a_check_needs_and_no_other_does() -> None:
    # 20 % wanted, none received: (4/5)^21 < 1/100 < (4/5)^20, and a sequential check waits as long for a canary.
    never = row(desired={"stable": F(4, 5), "canary": F(1, 5)}, effective=Shares(stable=F(1)))
    first, second = plain(answer(never, applied()))["verdicts"]
    said = "21 requests tell 20% from 0% (1%/1%)"
    assert first["power"] == {"unit": "request", "needed": 21, "sequential": 21, "text": said}
    assert second["power"] is None
    masked = row(effective=Shares(stable=F(3, 4), canary=F(1, 4)), masked=True)
    assert plain(answer(masked))["verdicts"][0]["power"]["needed"] is None


def test_exact_keeps_what_floats_lose() -> None:
    found = plain(answer(applied(effective=Shares(stable=F(2, 3), canary=F(1, 3)))))["verdicts"][0]
    assert found["exact"] == {"stable": "2/3", "canary": "1/3"}


def test_members_are_a_count_and_a_call_stands_for_itself() -> None:
    several, one = plain(answer())["verdicts"]
    assert (several["members"], several["member_names"]) == (2, ["cluster2/shop/recommender", "cluster2/shop/other"])
    assert (one["members"], one["member_names"]) == (1, ["cluster1/shop/basket"])


def test_an_undetermined_row_has_null_shares_and_every_reading() -> None:
    found = plain(answer(undetermined()))["verdicts"][0]
    assert (found["effective"], found["exact"], found["applied_share"]) == (None, None, None)
    assert found["trace"]["outcome"] == {
        "kind": "open",
        "code": "MS902",
        "question": "pods or a waypoint?",
        "readings": ["pods", "cluster1"],
        "source": "Solo docs",
        "assume": "flat_waypoint",
    }
    assert len(found["readings"]) == 2


def test_an_ungoverned_row_has_no_rollout_and_nothing_desired() -> None:
    found = plain(answer(row(verdict=Verdict.UNGOVERNED, rollout=None, desired=None)))["verdicts"][0]
    assert (found["rollout"], found["desired"]) == (None, None)


def test_errors_are_merged_rows() -> None:
    found = plain(answer(failing()))["verdicts"][0]
    assert found["errors"] == [{"share": 0.25, "code": "503", "flag": "UH", "where": "waypoint:cluster1/shop/waypoint"}]


def test_the_trace_is_a_tree_with_rules_and_evidence() -> None:
    root = plain(answer())["verdicts"][0]["trace"]
    assert (root["hop"], root["share"], root["granularity"]) == ("ztunnel:cluster2", "1", "connection")
    assert root["rule"] == {
        "name": "ztunnel.service-waypoint",
        "sentence": "The service has a waypoint, so the connection goes to it.",
        "source": "ztunnel outbound.rs",
    }
    assert root["evidence"][2] == {
        "fact": "cluster2/Namespace/shop label:istio.io/use-waypoint",
        "value": "waypoint",
        "where": "c2/namespace.yaml:9",
    }
    assert "outcome" not in root
    leaf = root["children"][0]["children"][0]
    assert (leaf["share"], leaf["outcome"]["kind"], "children" in leaf) == ("1/5", "delivered", False)


def test_several_roots_stand_under_one_that_has_a_rule_too() -> None:
    halves = tuple(replace(step, share=F(1, 2)) for step in (*row().trace.roots, *applied().trace.roots))
    root = plain(answer(row(trace=Trace(roots=halves))))["verdicts"][0]["trace"]
    assert (root["share"], len(root["children"])) == ("1", 2)
    assert root["rule"]["sentence"]


def test_probes_list_every_moment_and_verdicts_are_the_first_ones() -> None:
    found = plain(probes())
    assert [(probe["at"], probe["weight"]) for probe in found["probes"]] == [("step:0", 25), ("step:2", 50)]
    assert found["verdicts"] == found["probes"][0]["verdicts"]
    assert found["at"] == "step:0"
    assert "probes" not in plain(answer())


def test_a_moment_in_seconds_is_a_number() -> None:
    assert '"at": 240.0,' in JSON.answer(answer(), Heading(), Paper())


def test_expectations_say_what_was_wanted_and_found() -> None:
    assert plain(answer(expectations=(check(),)))["expectations"] == [
        {
            "index": 0,
            "line": 47,
            "passed": False,
            "actual": {"canary": "1/5"},
            "wanted": {
                "from": "cluster2/shop/recommender",
                "to": "catalog.shop.mesh.internal:8080",
                "canary": "25%",
            },
            "failures": ["cluster2/shop/recommender → catalog.shop.mesh.internal:8080: canary is 20%, not 25%"],
        }
    ]


def test_ranges_and_fractions_in_expectations_are_exact_text() -> None:
    wanted = {"canary": (F(9, 20), F(11, 20)), "stable": (F(1, 3), F(1, 3)), "clusters": {"c1": None, "c2": F(1, 7)}}
    found = plain(answer(expectations=(check(wanted=wanted),)))["expectations"][0]
    assert found["wanted"] == {"canary": "9/20..11/20", "stable": "1/3", "clusters": {"c1": None, "c2": "1/7"}}


def test_assumptions_stand_at_their_row_and_once_at_the_top() -> None:
    found = plain(answer(row(assumptions=(ASSUMPTION,)), applied(assumptions=(ASSUMPTION,))))
    assert found["assumptions"] == found["verdicts"][0]["assumptions"]
    assert found["assumptions"][0] == {
        "question": "remote_weight: how much",
        "chosen": "network",
        "alternatives": ["pods"],
        "source": "lab 015",
    }


def test_calls_are_echoed_with_headers_and_connection() -> None:
    found = plain(answer(row(headers={"x-canary": "yes"}, connection="keep-alive")))["verdicts"][0]
    assert (found["headers"], found["connection"]) == ({"x-canary": "yes"}, "keep-alive")


def test_no_calls_are_an_answer_too() -> None:
    assert plain(answer(moments=()))["verdicts"] == []


def test_json_escapes_what_a_terminal_would_obey_and_stays_the_same_value() -> None:
    text = as_json({"name": "a\x9b31m\u202eb\x1b\x7f\u2028 ünï"})
    assert not any(character in text for character in "\x9b\u202e\x1b\x7f\u2028")
    assert "ünï" in text
    assert json.loads(text) == {"name": "a\x9b31m\u202eb\x1b\x7f\u2028 ünï"}


def test_json_never_holds_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json({"share": float("nan")})


def test_yaml_holds_the_same_values_without_anchors() -> None:
    found = answer(row(assumptions=(ASSUMPTION,)), applied(assumptions=(ASSUMPTION,)))
    text = YAML.answer(found, Heading(), Paper())
    assert yaml.safe_load(text) == plain(found)
    assert "&id" not in text


def test_an_explanation_has_its_repair_and_its_proofs() -> None:
    found = json.loads(JSON.explanations((explanation(),), Heading(scenario="s", dialect="solo/1.30"), Paper()))
    assert (found["schema"], found["scenario"], found["dialect"]) == ("meshsim/explanation/v1", "s", "solo/1.30")
    (one,) = found["explanations"]
    assert (one["at"], one["weight"], one["tried"]) == ("step:0", 25, 6)
    assert one["verdict"]["verdict"] == "bypassed"
    assert one["repair"]["where"] == "c2/namespace.yaml:9"
    assert one["repair"]["after"]["verdict"] == "applied"
    assert one["proofs"] == [
        {"command": "istioctl --context cluster2 ztunnel-config service", "shows": "WAYPOINT waypoint"}
    ]


def test_facts_of_any_value_are_printable() -> None:
    odd = replace(row().trace.roots[0].facts[2], value=F(1, 3))
    step: Step = replace(row().trace.roots[0], facts=(odd,))
    found = plain(answer(row(trace=Trace(roots=(step,)))))
    assert found["verdicts"][0]["trace"]["evidence"][0]["value"] == "1/3"
