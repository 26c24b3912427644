"""Versions select rows of data (argo-rollouts and plugin releases)."""

import pytest

from meshsim.rollouts.versions import CONTROLLER_ROWS, GATEWAYAPI_ROWS, controller, gatewayapi_plugin, parse_version


@pytest.mark.parametrize(
    ("version", "delay"),
    [
        ("1.7", "none"),
        ("1.8.0", "error-any"),
        ("1.8.2", "error-any"),
        ("1.8", "skip"),
        ("1.9", "error"),
        ("1.10", "error"),
    ],
)
def test_destinationrule_delay_by_version(version: str, delay: str) -> None:
    assert controller(version)["dr_delay"] == delay


def test_a_minor_means_its_latest_patch() -> None:
    assert parse_version("1.8") > parse_version("1.8.4") > parse_version("v1.8.0")
    assert parse_version("1.10") > parse_version("1.9")


@pytest.mark.parametrize("version", ["1.2", "1.7", "1.8.1", "1.9.0", "1.10.0-rc1"])
def test_every_version_has_exactly_one_row_of_each_behaviour(version: str) -> None:
    wanted = parse_version(version)
    names = [row.name for row in CONTROLLER_ROWS if row.since <= wanted < row.until]
    assert sorted(names) == sorted({row.name for row in CONTROLLER_ROWS})


def test_every_row_has_a_source() -> None:
    assert all(row.source for row in (*CONTROLLER_ROWS, *GATEWAYAPI_ROWS))


def test_what_is_no_version_is_an_error() -> None:
    for text in ("latest", "1", "1.1"):
        with pytest.raises(ValueError, match=r"version|not modelled"):
            controller(text)


def test_plugin_versions() -> None:
    assert (gatewayapi_plugin("0.9")["in_progress_label"], gatewayapi_plugin("0.15")["in_progress_label"]) == (
        False,
        True,
    )
