from fractions import Fraction
from typing import Any

import pytest

from meshsim.scenario.notation import (
    Unfit,
    cluster_shares,
    did_you_mean,
    duration,
    lag,
    moment,
    rate,
    share,
    share_or_count,
    share_range,
    version,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h30m", 5400), ("5ms", 0.005), ("1.5h", 5400), (0, 0), (7.5, 7.5), ("1m0.5s", 60.5)],
)
def test_durations(text: Any, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "s", "1d", True, None, [], -1, 1e30, "9" * 99 + "s"])
def test_no_durations(text: Any) -> None:
    with pytest.raises(Unfit):
        duration(text)


def test_shares_are_exact() -> None:
    assert share("1/3") == Fraction(1, 3)
    assert share(0.1) == Fraction(1, 10)
    assert share_range("45%..55%") == (Fraction(9, 20), Fraction(11, 20))
    assert cluster_shares(["a"]) == {"a": None}
    assert share_or_count(2) == 2
    assert share_or_count("50%") == Fraction(1, 2)


@pytest.mark.parametrize("text", ["", "50 percent", "2", 50, True, None, "1/0", "-1%", "1..", "60%..40%"])
def test_no_shares(text: Any) -> None:
    with pytest.raises(Unfit):
        share_range(text)


@pytest.mark.parametrize("text", ["step:2", "weight:25", "60s#3"])
def test_moments_other_than_times_stay_as_written(text: str) -> None:
    assert moment(text) == text


@pytest.mark.parametrize("text", ["step:", "later", "60s#", "60s#x", None])
def test_no_moments(text: Any) -> None:
    with pytest.raises(Unfit):
        moment(text)


@pytest.mark.parametrize("value", [["1s"], ["3s", "1s"], ["1s", None], "soon"])
def test_no_lags(value: Any) -> None:
    with pytest.raises(Unfit):
        lag(value)


@pytest.mark.parametrize("value", ["fast", "1/d", -1, True, "-3/s"])
def test_no_rates(value: Any) -> None:
    with pytest.raises(Unfit):
        rate(value)


def test_versions_must_be_text() -> None:
    assert version("1.10") == "1.10"
    assert version("v1.9.1") == "1.9.1"
    for number in (1.1, 1, "one"):
        with pytest.raises(Unfit):
            version(number)


def test_a_misspelt_word_gets_the_nearest_one() -> None:
    assert did_you_mean("promot", ["promote", "abort"]) == "did you mean promote?"
    assert did_you_mean("xyz", ["a", "b"]) == "known: a, b"
