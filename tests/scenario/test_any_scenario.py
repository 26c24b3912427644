"""No scenario makes a traceback."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshsim.model.errors import InputError
from meshsim.scenario.load import load
from meshsim.scenario.schema import PARTS, SCENARIO

WORDS = st.sampled_from(
    ["east", "east/default/a", "60s", "paused", "promote", "fail", "label", "apply", "step:1", "50%", "all",
     "link:east/east",
     "solo/1.30", "1.9", "default", "/", "ambient", "stable", "istiod", "-", "applied", "MS201"]
) | st.text(max_size=3)  # fmt: skip
LEAF = st.none() | st.booleans() | st.integers(-2, 200) | st.floats(allow_nan=False, allow_infinity=False) | WORDS
KEYS = st.sampled_from(sorted({key for fields in [SCENARIO, *PARTS.values()] for key in fields})) | WORDS
VALUES = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)


def of(fields: dict[str, Any]) -> Any:
    return st.dictionaries(st.sampled_from(sorted(fields)), VALUES, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(SCENARIO)), VALUES, max_size=4), of(PARTS["clusters"]),
       st.lists(of(PARTS["timeline"]), max_size=2), st.lists(of(PARTS["expect"]), max_size=2),
       st.lists(of(PARTS["calls"]), max_size=1))  # fmt: skip
def test_any_scenario_is_read_or_refused_in_sentences(
    tmp_path: Path, rest: Any, cluster: Any, timeline: Any, expect: Any, calls: Any
) -> None:
    whole = {"clusters": {"east": cluster}, "timeline": timeline, "expect": expect, "calls": calls, **rest}
    for document in (whole, {**whole, "apiVersion": "meshsim/v1", "kind": "Scenario"}):
        path = tmp_path / "scenario.yaml"
        path.write_text(json.dumps(document))
        with suppress(InputError):
            load(path, stdin=lambda: b"")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused_in_sentences(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_bytes(data)
    with suppress(InputError):
        load(path)
