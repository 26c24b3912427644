"""Expected values are goyaml.v2's (kubernetes-sigs/yaml goyaml.v2/resolve.go), carried as JSON."""

from typing import Any

import pytest

from meshsim.manifests.located import documents
from meshsim.manifests.scalars import plain


@pytest.mark.parametrize("word", ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"])
def test_yaml_1_1_words_are_true(word: str) -> None:
    assert plain(word) is True


@pytest.mark.parametrize("word", ["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"])
def test_yaml_1_1_words_are_false(word: str) -> None:
    assert plain(word) is False


@pytest.mark.parametrize("word", ["", "~", "null", "Null", "NULL"])
def test_null_words(word: str) -> None:
    assert plain(word) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0777", 511),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("-0b101", -5),
        ("1_000", 1000),
        ("+5", 5),
        ("0", 0),
        ("08", 8),
        ("1.0", 1),
        ("1e3", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-1.25e-1", -0.125),
        ("18446744073709551615", 18446744073709551615),
        ("123456789012345678901234567890", 1.2345678901234568e29),
    ],
)
def test_numbers(text: str, value: float) -> None:
    assert plain(text) == value
    assert type(plain(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "12:30:45",
        "2026-01-02",
        "2026-01-02T03:04:05Z",
        "1.2.3",
        "1e999",
        "0xZZ",
        "yEs",
        "-",
        "+",
        ".",
        "v1",
        "1 2",
        "=",
        "0_x",
    ],
)
def test_everything_else_stays_text(text: str) -> None:
    assert plain(text) == text


def test_quoted_scalars_are_text() -> None:
    [document] = documents("a: 'on'\nb: \"0777\"\nc: |\n  1\n", "f")
    assert document.value == {"a": "on", "b": "0777", "c": "1\n"}


@pytest.mark.parametrize(
    ("tagged", "value"),
    [("!!str 1", "1"), ("!!int 1", 1), ("!!bool on", True), ("!!binary aGk=", "hi"), ("!!float 1", 1)],
)
def test_standard_tags_decide(tagged: str, value: Any) -> None:
    assert documents(f"a: {tagged}", "f")[0].value == {"a": value}


def test_keys_are_text_as_in_json() -> None:
    assert documents("{on: 1, 1: 2, 0x10: 3}", "f")[0].value == {"true": 1, "1": 2, "16": 3}
