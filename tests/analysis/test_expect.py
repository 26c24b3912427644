"""`expect`: only the stated fields are compared, with every row that the expectation selects."""

from typing import Any

import pytest
from strategies.asking import load, rows_of
from strategies.cases import CLIENT, GLOBAL, LOCAL, scenario, with_client, with_rollout

from meshsim.model.verdict import Checked

# 25 % at step 1 at c1's waypoint; from c2, which has no waypoint, the same through c1's east-west gateway
CALLS = [(CLIENT, LOCAL), ("c2/shop/client", GLOBAL)]
HERE = {"from": CLIENT, "to": LOCAL}


def check(
    *expect: dict[str, Any], bound: bool = True, calls: list[tuple[str, str]] | None = None
) -> tuple[Checked, ...]:
    parts = (with_rollout(bound=bound), with_client())
    document = scenario(*parts, calls=CALLS if calls is None else calls, expect=list(expect))
    return load(document).answer(at="step:1").expectations


def passes(expect: dict[str, Any], **more: Any) -> bool:
    (checked,) = check(expect, **more)
    assert checked.passed == (not checked.failures)
    return checked.passed


@pytest.mark.parametrize(
    "stated",
    [
        {"verdict": "applied"},
        {"canary": "25%"},
        {"canary": "1/4"},
        {"canary": 0.25},
        {"stable": "75%", "other": "0%", "errors": "0%"},
        {"canary": "20%..30%"},
        {"canary": "25%..30%"},  # the ends belong to it
        {"canary": "20%..25%"},
        {"masked": False},
        {"reasons": []},
        {"clusters": {"c1": "100%"}},
        {"decided_by": "waypoint:c1/shop/waypoint"},
        {"rollout": "c1/shop/web", "verdict": "applied"},
    ],
)
def test_a_stated_field_that_holds_passes_whatever_the_others_are(stated: dict[str, Any]) -> None:
    assert passes({**HERE, **stated})


@pytest.mark.parametrize(
    "stated",
    [
        {"verdict": "bypassed"},
        {"canary": "24%"},
        {"canary": "26%..30%"},
        {"canary": "25%", "stable": "70%"},
        {"errors": "1%..100%"},
        {"masked": True},
        {"reasons": ["MS201"]},
        {"clusters": {"c2": "100%"}},
        {"clusters": {"c1": "50%"}},
        {"decided_by": None},
        {"decided_by": "waypoint:c2/shop/waypoint"},
    ],
)
def test_a_stated_field_that_does_not_hold_fails(stated: dict[str, Any]) -> None:
    (checked,) = check({**HERE, **stated})
    assert not checked.passed
    assert checked.failures
    assert set(checked.actual) == set(stated)


def test_all_stated_reasons_must_be_there_and_others_may() -> None:
    assert passes({**HERE, "reasons": ["MS202"]}, bound=False)
    assert not passes({**HERE, "reasons": ["MS202", "MS201"]}, bound=False)


def test_decided_by_null_means_nobody() -> None:
    assert passes({**HERE, "decided_by": None}, bound=False)


def test_what_must_never_hold_fails_when_it_does() -> None:
    assert passes({**HERE, "verdict": "bypassed", "never": True})
    assert not passes({**HERE, "verdict": "applied", "never": True})
    assert passes({**HERE, "verdict": "applied", "canary": "99%", "never": True}), "all fields together must hold"


def test_what_is_known_to_fail_passes_until_it_holds() -> None:
    url = "https://example.com/issue/1"
    assert passes({**HERE, "verdict": "bypassed", "known": url})
    assert not passes({**HERE, "verdict": "applied", "known": url})


@pytest.mark.parametrize("more", [{}, {"never": True}, {"known": "https://example.com/issue/1"}])
def test_an_expectation_that_matches_no_row_fails(more: dict[str, Any]) -> None:
    assert not passes({**HERE, "rollout": "c1/shop/other", "verdict": "applied", **more})


def test_an_expectation_of_another_call_adds_that_call() -> None:
    document = scenario(
        with_rollout(),
        with_client(),
        calls=CALLS[:1],
        expect=[{"from": "c2/shop/client", "to": GLOBAL, "verdict": "applied"}],
    )
    answer = load(document).answer(at="step:1")
    assert {(row.frm, row.to) for row in rows_of(answer)} == set(CALLS)
    assert all(checked.passed for checked in answer.expectations)


@pytest.mark.parametrize("to", ["web:8080", "web.shop:8080", "web.shop.svc:8080", "web", LOCAL])
def test_a_short_name_is_the_same_call(to: str) -> None:
    document = scenario(with_rollout(), calls=CALLS[:1], expect=[{"from": CLIENT, "to": to, "canary": "25%"}])
    answer = load(document).answer(at="step:1")
    assert answer.expectations[0].passed
    assert len(rows_of(answer)) == 1


def test_all_rows_that_a_wildcard_selects_must_hold() -> None:
    calls = [(CLIENT, LOCAL), (CLIENT, "pod:c1/shop/web/0:8080")]
    assert not passes({"from": "c1/*/*", "verdict": "applied"}, calls=calls)
    assert passes({"from": "c1/*/*", "errors": "0%"}, calls=calls)
    assert passes({"from": "*/shop/client", "verdict": "applied"})
    assert passes({"from": "c1/client", "verdict": "applied"}, calls=CALLS[:1])


def test_an_expectation_speaks_of_its_own_moment() -> None:
    expect = [{**HERE, "step": step, "canary": share} for step, share in ((1, "25%"), (3, "50%"))]
    document = scenario(with_rollout(), calls=CALLS[:1], expect=expect)
    assert [checked.passed for checked in load(document).answer().expectations] == [True, True]
    expect[0]["canary"], expect[1]["canary"] = "50%", "25%"
    assert [checked.passed for checked in load({**document, "expect": expect}).answer().expectations] == [False, False]
