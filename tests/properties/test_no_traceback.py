"""No input makes a traceback: a mutated scenario is answered, or refused in a sentence, in bounded time."""

import json
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies.asking import QUICK, load, rows_of
from strategies.meshes import Document, RandomMesh, meshes

from meshsim import session
from meshsim.model.errors import InputError, UsageError
from meshsim.model.verdict import Row

SECONDS = 20.0
"""No answer takes a tenth of it; what hangs takes for ever."""
JUNK = st.sampled_from(
    [None, "", -1, 0, 10**9, 1.5, True, [], {}, "x", "none", "0", "*", "a/b/c", ["a"], [None], [{}], {"a": {}},
     {"a": None}, [1, 2], "-1", "50%", "é", "10.0.0.1", "web", "c1"]
)  # fmt: skip
PLACE = st.lists(st.integers(0, 10**6), min_size=1, max_size=9)
CHANGES = st.lists(st.tuples(st.sampled_from(["replace", "remove", "repeat", "copy"]), PLACE, PLACE, JUNK), max_size=3)


def answered(question: Callable[[], list[Row]]) -> list[Row]:
    """The rows; none where the input or the question is refused in a sentence. Anything else is raised."""
    try:
        return question()
    except (InputError, UsageError) as error:
        sentence = str(error)
    assert sentence.strip()
    assert "Traceback" not in sentence
    return []


def somewhere(value: Any, turns: list[int]) -> tuple[Any, Any] | None:
    """A container inside a document and a key of it, found by turning at random."""
    found = None
    for turn in turns:
        if isinstance(value, dict) and value:
            found = (value, sorted(value)[turn % len(value)])
        elif isinstance(value, list) and value:
            found = (value, turn % len(value))
        else:
            break
        value = found[0][found[1]]
    return found


def mutated(document: Document, changes: list[Any]) -> Document:
    """A document with values replaced by junk, removed, repeated, or copied from elsewhere."""
    changed = deepcopy(document)
    for kind, turns, others, junk in changes:
        place, other = somewhere(changed, turns), somewhere(changed, others)
        if place is None or other is None:
            continue
        container, key = place
        if kind == "remove":
            del container[key]
        elif kind == "repeat" and isinstance(container, list):
            container.append(deepcopy(container[key]))
        elif kind == "copy":
            container[key] = deepcopy(other[0][other[1]])
        else:
            container[key] = deepcopy(junk)
    return changed


@settings(max_examples=250, suppress_health_check=list(HealthCheck), **QUICK)
@given(meshes(), CHANGES)
def test_a_mutated_scenario_is_answered_or_refused_in_a_sentence(mesh: RandomMesh, changes: list[Any]) -> None:
    document = mutated(mesh.document, changes)
    began = time.process_time()
    for row in answered(lambda: rows_of(load(document).answer(at=mesh.at))):
        assert sum(path.share for path in row.trace.paths()) == 1
    assert time.process_time() - began < SECONDS


MOMENTS = ["step:0", "step:9", "step:-1", "step:x", "weight:25", "weight:7", "weight:", "60s#3", "", "soon", -1.0, 1e9]


@settings(max_examples=40, suppress_health_check=list(HealthCheck), **QUICK)
@given(meshes(), st.sampled_from(MOMENTS))
def test_any_moment_is_answered_or_refused_in_a_sentence(mesh: RandomMesh, at: str | float) -> None:
    answered(lambda: rows_of(load(mesh.document).answer(at=at)))


@settings(max_examples=60, suppress_health_check=list(HealthCheck), **QUICK)
@given(meshes(), st.integers(0, 10**6), st.binary(max_size=3))
def test_a_damaged_file_is_answered_or_refused_in_a_sentence(mesh: RandomMesh, place: int, damage: bytes) -> None:
    content = json.dumps(mesh.document).encode()
    place %= len(content)
    damaged = content[:place] + damage + content[place + 1 :]
    answered(lambda: rows_of(session.load("-", stdin=lambda: damaged).answer(at=mesh.at)))
