"""Observation files: what they may hold, and what is said of those that are wrong, with the line."""

import contextlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.live.published import FILE, OBSERVATION, json_schema, parse, read
from meshsim.live.recording import Observed, Recording, text
from meshsim.model.errors import InputError

CALL = {"from": "east/shop/cart", "to": "web.shop:80"}


def file(*observations: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"schema": "meshsim/observation/v1", **more, "observations": observations}, indent=1).encode()


def one(**fields: Any) -> Observed:
    return parse(file({**CALL, **fields}), "o.json").observations[0]


def test_requests_are_the_sum_of_what_was_counted():
    found = one(counts={"v1": 30, "v2": 15}, errors={"503": 5})
    assert (found.requests, found.failed, found.unattributed) == (50, 5, 0)


def test_errors_among_the_counts_are_errors():
    found = one(counts={"v1": 30, "503": 5, "000": 2})
    assert (found.counted, found.errors) == ({"any": {"v1": 30}}, {"503": 5, "000": 2})


def test_a_bare_number_of_errors_is_of_any_kind():
    assert one(counts={"v1": 30}, errors=3).errors == {"error": 3}


def test_published_shares_are_exact_or_ranges():
    assert one(shares={"v1": "1/3", "v2": "60%..70%"}).shares == {
        "v1": (Fraction(1, 3), Fraction(1, 3)),
        "v2": (Fraction(3, 5), Fraction(7, 10)),
    }


def test_fewer_connections_than_requests_were_kept():
    assert one(counts={"v1": 30}, connections=3).connection == "keep-alive"
    assert one(counts={"v1": 30}, connections=30).connection == "new"


def test_a_file_may_say_where_its_schema_is():
    parse(file({**CALL, "counts": {"v1": 3}}, **{"$schema": "./observations.schema.json"}), "o.json")


def test_counts_of_nothing_beside_published_shares_are_no_counts():
    assert one(shares={"v1": "10%"}, counts={"v1": 0}).counted == {}


def test_yaml_is_read_too():
    content = b"schema: meshsim/observation/v1\nobservations:\n- {from: a/b/c, to: 'd:80', counts: {v1: 3}}\n"
    assert parse(content, "o.yaml").observations[0].requests == 3


def test_what_was_recorded_is_read_back(tmp_path: Path):
    made = Recording(
        scenario="s",
        source="x",
        observations=(
            Observed(
                frm="a/b/c",
                to="d:80",
                connection="keep-alive",
                requests=10,
                connections=2,
                counted={"roles": {"canary": 4, "stable": 5}},
                first={"roles": {"stable": 2}},
                mixed=2,
                errors={"503": 1},
            ),
            Observed(frm="a/b/e", to="d:80", not_sent="because"),
        ),
    )
    (tmp_path / "o.json").write_text(text(made), encoding="utf-8")
    assert text(read(tmp_path / "o.json")) == text(made)


WRONG = [
    (b"", "o.json:?: is empty", ""),
    (b"[]", "is no mapping", ""),
    (b"{}", "has no 'schema'", ""),
    (b'{"schema": "meshsim/observation/v2", "observations": []}', "'meshsim/observation/v2' is not known", ""),
    (file(), "there are no observations", ""),
    (file({"to": "a:80", "counts": {"v1": 1}}), "observations[0] has no 'from'", ""),
    (file({**CALL}), "counts nothing", "counts: {v1: 25"),
    (file({**CALL, "count": {"v1": 3}}), "unknown key 'count'", "did you mean counts?"),
    (file({**CALL, "counts": {"v1": "3"}}), "must be a whole number", ""),
    (file({**CALL, "counts": {"v1": -3}}), "must be at least 0", ""),
    (file({**CALL, "counts": {"v1": 30}, "requests": 20}), "sum to 30, which is more than 20 requests", ""),
    (file({**CALL, "errors": {"503": 8}, "requests": 1}), "errors sum to 8, which is more than 1 requests", ""),
    (file({**CALL, "errors": 8, "unattributed": 3, "requests": 10}), "sum to 11, which is more than 10", ""),
    (file({**CALL, "counts": {"v1": 0}}), "of no request", "requests: 50"),
    (file({**CALL, "counts": {"v1": 3}, "errors": {"200": 3}}), "'200' is no error", "HTTP code of 400"),
    (file({**CALL, "counts": {"503": 3}, "errors": {"503": 3}}), "counted twice", ""),
    (file({**CALL, "shares": {"v1": "60%", "v2": "60%"}}), "more than 100%", ""),
    (file({**CALL, "shares": {"v1": "about half"}}), "is no share", "50%"),
    (file({**CALL, "counts": {"v1": 3}, "connections": 5}), "3 requests cannot use 5 connections", ""),
    (
        file({**CALL, "counts": {"v1": 3}, "connections": 2, "connection": "new"}),
        "are not a connection each",
        "keep-alive",
    ),
    (file({**CALL, "counts": {"v1": 3}, "path": "hello"}), "does not begin with /", ""),
    (file({**CALL, "counts": {"v1": 3}, "at": "noon"}), "is no moment", "step:2"),
    (file({**CALL, "counts": {"v1": 3}, "connection": "kept"}), "'kept' is not known", ""),
    (b'{"apiVersion": "meshsim/v1", "kind": "Scenario"}', "this is a scenario", "live compare OBSERVATIONS SCENARIO"),
]


@pytest.mark.parametrize(("content", "message", "hint"), WRONG, ids=[message for _, message, _ in WRONG])
def test_a_wrong_file_is_said_with_its_line(content: bytes, message: str, hint: str):
    with pytest.raises(InputError) as wrong:
        parse(content, "o.json")
    said = str(wrong.value)
    assert message.removeprefix("o.json:?: ") in said
    assert hint in said
    assert said.startswith("o.json")


def test_the_line_is_that_of_the_value():
    content = file({**CALL, "counts": {"v1": 3}}, {**CALL, "counts": {"v1": 3}, "requests": 1})
    line = content.decode().splitlines().index('   "requests": 1') - 2
    with pytest.raises(InputError, match=rf"o.json:{line}:"):
        parse(content, "o.json")


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(InputError) as wrong:
        parse(file({**CALL}, {**CALL, "counts": {"v1": 3}, "path": "x"}), "o.json")
    assert "counts nothing" in str(wrong.value)
    assert "does not begin" in str(wrong.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_make_anything_but_a_sentence(content: bytes):
    with contextlib.suppress(InputError):
        parse(content, "o.json")


@given(
    st.dictionaries(
        st.sampled_from(sorted(OBSERVATION)),
        st.none() | st.integers() | st.text(max_size=5) | st.dictionaries(st.text(max_size=4), st.integers(-1, 9)),
    )
)
def test_no_observation_makes_anything_but_a_sentence(fields: dict[str, Any]):
    with contextlib.suppress(InputError):
        parse(file({**CALL, **fields}), "o.json")


def test_the_schema_for_editors_has_every_key():
    found = json_schema()
    assert set(found["properties"]) == set(FILE)
    assert set(found["properties"]["observations"]["items"]["properties"]) == set(OBSERVATION)
