"""Switches of istiod (istio pilot/pkg/features): where the model knows one position only, the other is undetermined."""

import pytest
from strategies.asking import ask
from strategies.cases import CLIENT, LOCAL, scenario, with_rollout
from strategies.meshes import Document

from meshsim.model.verdict import Row, Verdict


def row(*parts: Document, dialect: str = "istio/1.31", **env: str) -> Row:
    parts = parts or (with_rollout(),)
    parts[0]["istiod"] = {"env": env}
    (found,) = ask(scenario(*parts, calls=[(CLIENT, LOCAL)], dialect=dialect), "step:1")
    return found


@pytest.mark.parametrize("dialect", ["istio/1.28", "istio/1.31", "solo/1.30"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PILOT_ENABLE_AMBIENT", "false"),
        ("PILOT_ENABLE_AMBIENT_WAYPOINTS", "0"),
        ("PILOT_ENABLE_SENDING_HBONE", "F"),
        ("ENABLE_LOCALITY_WEIGHTED_LB_CONFIG", "True"),
    ],
)
def test_a_switch_in_its_other_position_leaves_the_waypoints_calls_open(name: str, value: str, dialect: str) -> None:
    found = row(dialect=dialect, **{name: value})
    assert (found.verdict, found.reasons) == (Verdict.UNDETERMINED, ("MS901",))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PILOT_ENABLE_AMBIENT", "true"),
        ("PILOT_ENABLE_AMBIENT", "1"),
        ("PILOT_ENABLE_AMBIENT", "no"),  # not one of ParseBool's: a warning, and the default
        ("ENABLE_LOCALITY_WEIGHTED_LB_CONFIG", "on"),
        ("PILOT_MULTI_NETWORK_DISCOVER_GATEWAY_API", "false"),  # one network
        ("PILOT_ENABLE_SIDECAR_LISTENING_HBONE", "false"),  # no sidecar here
    ],
)
def test_the_modelled_position_and_what_nobody_heeds_change_nothing(name: str, value: str) -> None:
    found = row(**{name: value})
    assert (found.verdict, found.reasons) == (Verdict.APPLIED, ())


def test_without_a_waypoint_its_switches_mean_nothing() -> None:
    found = row(with_rollout(bound=False), PILOT_ENABLE_AMBIENT_WAYPOINTS="false")
    assert (found.verdict, found.reasons) == (Verdict.BYPASSED, ("MS202",))


def test_gateways_of_gateway_api_matter_where_there_are_several_networks() -> None:
    found = row(with_rollout(), {"manifests": []}, PILOT_MULTI_NETWORK_DISCOVER_GATEWAY_API="false")
    assert found.verdict is Verdict.UNDETERMINED


@pytest.mark.parametrize(("value", "denied"), [("true", True), ("T", True), ("false", False), ("yes", False)])
def test_a_flag_is_read_as_go_reads_it(value: str, *, denied: bool) -> None:
    """istio pkg/env/var.go: what strconv.ParseBool refuses means the default, here false."""
    part = with_rollout()
    part["istiod"] = {"env": {"PILOT_AUTO_ALLOW_WAYPOINT_POLICY": value}}
    (found,) = ask(scenario(part, calls=[(CLIENT, "pod:c1/shop/web/0:8080")], dialect="istio/1.31"), "step:1")
    assert ("MS504" in found.reasons) is denied
