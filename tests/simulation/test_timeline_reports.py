"""The timeline as a table, as JSON, as Markdown and as a figure; the state that the CLI would print."""

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from conftest_simulation import SCENARIOS

from meshsim.cli.app import main
from meshsim.model.timeline import Window
from meshsim.report import figures
from meshsim.report.formats import Heading, Paper
from meshsim.report.timeline import incidents, tables
from meshsim.report.timelinedata import timeline as data
from meshsim.report.timelinetext import markdown, table
from meshsim.session import Session
from meshsim.simulation.timeline import micro

GUIDE = str(SCENARIOS / "guide-gateway-api")
LATE = str(SCENARIOS / "time-late-proxies")
MakeSession = Callable[..., Session]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["timeline", *words]) == 0
    return capsys.readouterr().out


def test_a_line_says_when_what_is_wanted_and_what_each_client_gets(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, GUIDE, "--from", "cluster2/default/curl").splitlines()
    line = next(line for line in lines if "130s–240s" in line)
    assert "2/3 set 50 actual 50 Paused CanaryPauseStep" in line
    assert "50%" in line
    assert "applied canary 50%" in line


def test_windows_of_errors_and_staleness_stand_out(capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, LATE)
    assert "ERROR  242s to 243s (1s)" in found
    assert "STALE  130s to 133s (3s)" in found


def test_json_lists_zero_length_micro_steps_too(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, GUIDE, "-o", "json"))
    steps = [i for lane in found["lanes"] for i in lane["intervals"] if "sync" in i]
    assert steps
    assert all(step["start"] == step["end"] for step in steps)
    promoted = [i for i in found["lanes"][0]["intervals"] if i["start"] == 240.0 and i.get("sync") == 2]
    assert promoted[0]["desired"]["canary"] == 1.0


@pytest.mark.parametrize(
    ("at", "step", "weight"), [("125s", "1/3", "0"), ("130s#1", "2/3", "50"), ("5m", "3/3", "100")]
)
def test_state_of_the_cli_beside_what_clients_get(
    capsys: pytest.CaptureFixture[str], at: str, step: str, weight: str
) -> None:
    words = [line.split() for line in printed(capsys, GUIDE, "--at", at).splitlines()]
    assert ["Step:", step] in words
    assert ["ActualWeight:", weight] in words
    assert any("Clients" in line for line in words)


def test_figure_has_a_panel_a_lane_and_names_errors(scenario: MakeSession) -> None:
    found = scenario("time-late-proxies").timeline()
    axes = figures.draw(found)
    assert len(axes) == 1 + len(found.lanes)
    assert any("errors" in text.get_text() for text in axes[1].texts)


@pytest.mark.parametrize("form", ["png", "svg"])
def test_equal_timelines_are_equal_files(scenario: MakeSession, form: str) -> None:
    found = scenario("time-failover").timeline()
    first, second = figures.image(found, form), figures.image(found, form)
    assert first == second
    assert first.startswith(b"\x89PNG" if form == "png" else b"<?xml")


def test_markdown_has_a_row_an_interval(capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, GUIDE, "-o", "markdown", "--from", "cluster2/default/curl")
    assert "| 130s–240s |" in found


def test_probes_are_refused_with_what_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", GUIDE, "--at", "step:2"]) == 2
    assert "write 60s" in capsys.readouterr().err


def test_a_client_that_calls_nobody_is_refused_with_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", GUIDE, "--from", "nobody"]) == 2
    told = capsys.readouterr().err
    assert "--from nobody: there is no such call" in told
    assert "cluster2/default/curl → helloworld.default.mesh.internal:5000" in told


def test_micro_steps_are_read_as_people_write_them() -> None:
    assert micro("60s#3") == (60.0, 3)


def test_an_instant_is_told_by_what_happened_to_the_rollout_itself(scenario: MakeSession) -> None:
    """Both Rollouts are at work at 60 s; each one's lines name its own entry."""
    more = {"rollout": "cluster2/orders/pricing", "container": "*", "image": "pricing:9"}
    found = scenario("time-flat-alignment", [(60.0, "set-image", more)]).timeline()
    text = markdown(found)
    first, second = text.split("cluster2/orders/pricing", 1)[0], text
    line = next(line for line in first.splitlines() if line.startswith("| 60s"))
    assert "set-image pricing to pricing:2.1.0" in line
    assert "pricing:9" not in line
    assert any("pricing:9" in line for line in second.splitlines() if line.startswith("| 60s"))


def test_windows_alike_are_told_once_and_lanes_end_where_they_end(scenario: MakeSession) -> None:
    """Two callers lose the same share at the same time: one incident with both; joined where one follows the other."""
    found = scenario("guide-gateway-api").timeline(until=100)
    lane = found.lanes[0]
    windows = (
        Window(kind="error", lane=0, start=10.0, end=20.0, share=Fraction(1), sentence="all fail"),
        Window(kind="error", lane=1, start=10.0, end=30.0, share=Fraction(1), sentence="all fail"),
        Window(kind="error", lane=0, start=20.0, end=30.0, share=Fraction(1), sentence="all fail"),
    )
    told = incidents(replace(found, windows=windows))
    assert [(one.kind, one.when, one.sentence, len(one.calls)) for one in told] == [
        ("error", "10s to 30s (20s)", "all fail", 2)
    ]
    ended = replace(lane, spans=(replace(lane.spans[0], end=40.0),))
    assert [line.end for line in tables(replace(found, lanes=(ended,)))[0].lines] == ["40s"]


def test_a_narrow_table_says_each_thing_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The heading names the Rollout: the lines do not; images go without their registry."""
    text = printed(capsys, GUIDE, "--width", "100", "--from", "cluster2")
    assert "helloworld to" in text
    assert "docker.io" not in text
    assert text.count("cluster1/default/helloworld") == 1
    assert all(len(line) <= 100 for line in text.splitlines())


def test_calls_that_differ_in_how_they_are_made_are_told_apart(scenario: MakeSession) -> None:
    """One client, one address: with a header, and over a kept connection. A lane each, with its own name everywhere."""
    session = scenario("guide-gateway-api")
    call = session.scenario.calls[0]
    calls = (call, replace(call, headers={"x-canary": "$yes"}), replace(call, connection="keep-alive"))
    found = Session(replace(session.scenario, calls=calls), session.mesh).timeline()
    callers = [lane.caller for lane in found.lanes]
    assert callers == [call.frm, f"{call.frm} x-canary: $yes", f"{call.frm} keep-alive"]
    assert all(span.end is None or span.end > span.start for lane in found.lanes for span in lane.spans)
    assert tables(found)[0].callers == tuple(callers)
    plain = data(found)["lanes"]
    assert [(lane["headers"], lane["connection"]) for lane in plain] == [
        ({}, "new"),
        ({"x-canary": "$yes"}, "new"),
        ({}, "keep-alive"),
    ]
    assert figures.image(found, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_no_width_loses_a_letter(scenario: MakeSession, width: int) -> None:
    """Three callers beside one another: words wrap, and every cell's letters are still there."""
    session = scenario("guide-gateway-api")
    call = session.scenario.calls[0]
    calls = (call, replace(call, headers={"x-canary": "yes"}), replace(call, connection="keep-alive"))
    found = Session(replace(session.scenario, calls=calls), session.mesh).timeline()
    lines = table(found, Heading(), Paper(width=width)).splitlines()
    assert all(len(line) <= width for line in lines)
    wide = table(found, Heading(), Paper())
    assert sorted("".join(lines).replace(" ", "")) == sorted(wide.replace(" ", "").replace("\n", ""))
