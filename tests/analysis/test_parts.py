"""A large mesh is answered in parts; whatever is taken apart, every row is that of the whole."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strategies.asking import QUICK, load
from strategies.meshes import meshes

from meshsim import session
from meshsim.analysis.parts import Parts
from meshsim.analysis.routings import Rows
from meshsim.model.errors import InputError
from meshsim.model.trace import Trace
from meshsim.model.verdict import Row
from meshsim.session import Session
from meshsim.simulation.timeline import record

SCENARIOS = Path(__file__).parents[2] / "scenarios"
TIMED = sorted(
    path.parent.name for path in SCENARIOS.glob("*/scenario.yaml") if "\ntimeline:" in path.read_text(encoding="utf-8")
)


def assert_parts_are_the_whole(found: Session) -> int:
    """Compare every row after every frame; the number of parts."""
    scenario = found.scenario
    history = record(found.mesh, scenario.timeline, scenario.timing, "auto", None)
    whole, parted = (Rows(found, history, None, None, parted=parted) for parted in (False, True))
    for index in range(len(history.frames)):
        for (call, rows), (same, others) in zip(whole.at(index), parted.at(index), strict=True):
            assert call == same
            # implied IPs count up over all pods: a slice has other ones
            assert [_bare(row) for row in rows] == [_bare(row) for row in others]
    parts = Parts()
    parts.look(history.deployed(0))
    return len(parts.names)


def _bare(row: Row) -> Row:
    return replace(row, trace=Trace(roots=()), readings=())


@pytest.mark.parametrize("name", TIMED)
def test_a_shipped_timeline_answers_alike_in_parts(name: str) -> None:
    assert_parts_are_the_whole(session.load(SCENARIOS / name / "scenario.yaml"))


def renamed(document: Mapping[str, Any], number: int, *, alike: bool) -> dict[str, Any]:
    """A random mesh under other names: its namespace and its client, and its service where they are not to be alike."""
    text = json.dumps(document).replace("shop", f"shop{number}").replace('"client"', f'"client{number}"')
    text = text.replace('/client"', f'/client{number}"').replace('"edge"', f'"edge{number}"')
    text = text.replace('/edge"', f'/edge{number}"')
    found: dict[str, Any] = json.loads(text if alike else text.replace("web", f"web{number}"))
    return found


@st.composite
def several(draw: st.DrawFn) -> dict[str, Any]:
    """Two or three random meshes in the same clusters, and updates of what Rollouts they have."""
    flat = draw(st.booleans())
    alike = draw(st.integers(0, 4)) == 0
    found = [renamed(draw(meshes(flat=flat)).document, n, alike=alike) for n in range(draw(st.integers(2, 3)))]
    document = found[0]
    names = set.intersection(*(set(one["clusters"]) for one in found))
    document["peering"] = "all"
    document["clusters"] = {name: document["clusters"][name] for name in sorted(names)}
    timeline: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for number, one in enumerate(found):
        calls += [call for call in one["calls"] if not call["to"].startswith("pod:") and _place(call) in names]
        for name in sorted(names):
            known = {(m["kind"], m["metadata"]["name"]) for m in document["clusters"][name]["manifests"]}
            mine = one["clusters"][name]["manifests"]
            if number:
                fresh = [m for m in mine if (m["kind"], m["metadata"]["name"]) not in known or m["kind"] != "Namespace"]
                document["clusters"][name]["manifests"] += fresh
            for m in mine:
                if m["kind"] == "Rollout":
                    rollout = f"{name}/{m['metadata']['namespace']}/{m['metadata']['name']}"
                    entry = {"do": "set-image", "rollout": rollout, "container": "*", "image": "new:2"}
                    timeline.append({"at": 60 * len(timeline) + 30, **entry})
                    if draw(st.booleans()):
                        verb = draw(st.sampled_from(["promote", "abort"]))
                        timeline.append({"at": 60 * len(timeline) + 30, "do": verb, "rollout": rollout})
    document["calls"] = calls if draw(st.booleans()) else []
    document["timeline"] = timeline
    return document


def _place(call: Mapping[str, Any]) -> str:
    return str(call["from"]).removeprefix("ingress:").partition("/")[0]


@settings(**QUICK, max_examples=8, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(several())
def test_random_meshes_answer_alike_in_parts(document: dict[str, Any]) -> None:
    try:
        found = load(document)
        record(found.mesh, found.scenario.timeline, found.scenario.timing, "auto", None)
    except InputError:
        return  # such as a container that is not there
    assert_parts_are_the_whole(found)
