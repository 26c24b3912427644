"""The documented functions on plain values: `meshsim.api`."""

import json
from fractions import Fraction
from typing import Any

import pytest
import yaml

from meshsim import api
from meshsim.model.errors import InputError

MESH: dict[str, Any] = {
    "workloads": [
        {"uid": "client", "name": "client", "namespace": "shop", "workloadIps": ["10.1.0.1"], "services": {}},
        {
            "uid": "a",
            "namespace": "shop",
            "workloadIps": ["10.2.0.1"],
            "protocol": "HBONE",
            "services": {"shop/web": {80: 8080}},
        },
        {
            "uid": "b",
            "namespace": "shop",
            "workloadIps": ["10.2.0.2"],
            "services": {"shop/web": {80: 8080}},
            "capacity": 3,
        },
    ],
    "services": [
        {
            "name": "web",
            "namespace": "shop",
            "hostname": "web",
            "vips": ["/10.0.0.1", "/fd00::1"],
            "ports": {"80": 8080},
        }
    ],
}


def test_next_hops_are_shares_and_hops() -> None:
    hops = api.ztunnel_next_hops(api.ztunnel_tables(MESH), "client", "10.0.0.1:80")
    assert isinstance(hops, list)
    assert [(share, hop.connect) for share, hop in hops if isinstance(hop, api.NextHop)] == [
        (Fraction(1, 4), "10.2.0.1:15008"),
        (Fraction(3, 4), "10.2.0.2:8080"),
    ]


@pytest.mark.parametrize("text", [yaml.safe_dump(MESH), json.dumps(MESH), json.dumps(MESH).encode()])
def test_tables_may_be_a_text(text: str | bytes) -> None:
    assert set(api.ztunnel_tables(text).workloads) == {"client", "a", "b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds 0 documents"),
        ("a: 1\n---\nb: 2", "holds 2 documents"),
        ("word", "holds the word"),
        ("a: [", "is not YAML"),
        ("[1]", "is a mapping or a YAML text"),
    ],
)
def test_a_text_that_is_no_tables_says_so(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        api.ztunnel_tables(text)


def test_ipv6_destinations_are_in_brackets() -> None:
    hops = api.ztunnel_next_hops(api.ztunnel_tables(MESH), "client", "[fd00::1]:80")
    assert isinstance(hops, list)
    assert len(hops) == 2


def test_a_lone_refusal_is_returned_as_it_is() -> None:
    refused = api.ztunnel_next_hops(api.ztunnel_tables(MESH), "client", "10.0.0.1:81")
    assert isinstance(refused, api.Refusal)
    assert (refused.error, refused.reason) == ("NoHealthyUpstream", "NoHealthyUpstream")
    assert str(refused).startswith("NoHealthyUpstream: ")


def test_an_unknown_client_is_refused() -> None:
    refused = api.ztunnel_next_hops(api.ztunnel_tables(MESH), "nobody", "10.0.0.1:80")
    assert isinstance(refused, api.Refusal)
    assert refused.error == "UnknownSourceWorkload"


@pytest.mark.parametrize("source", ["client", "shop/client", "10.1.0.1"])
def test_a_source_may_be_named_by_what_only_it_has(source: str) -> None:
    assert isinstance(api.ztunnel_next_hops(api.ztunnel_tables(MESH), source, "10.0.0.1:80"), list)


@pytest.mark.parametrize("source", ["", "shop/", "a-name-of-two"])
def test_a_source_that_several_workloads_fit_is_unknown(source: str) -> None:
    rows = [row | {"name": "a-name-of-two"} for row in MESH["workloads"]]
    refused = api.ztunnel_next_hops(api.ztunnel_tables(MESH | {"workloads": rows}), source, "10.0.0.1:80")
    assert isinstance(refused, api.Refusal)


@pytest.mark.parametrize("destination", ["10.0.0.1:80", "[::ffff:10.0.0.1]:80", "[::ffff:a00:1]:80"])
def test_an_ipv4_address_in_ipv6s_clothes_is_the_same(destination: str) -> None:
    hops = api.ztunnel_next_hops(api.ztunnel_tables(MESH), "client", destination)
    assert isinstance(hops, list)
    assert len(hops) == 2


@pytest.mark.parametrize(
    "destination", ["web:80", "10.0.0.1", "10.0.0.1:x", "10.0.0.1:65536", "10.0.0.1:-1", "10.0.0.1:²", ":80", "", None]
)
def test_a_destination_that_is_no_address_says_so(destination: str) -> None:
    with pytest.raises(InputError, match="is no ip:port"):
        api.ztunnel_next_hops(api.ztunnel_tables(MESH), "client", destination)


def test_tables_that_do_not_say_their_network_take_the_clients() -> None:
    workloads = [row | {"network": "near"} for row in MESH["workloads"]]
    services = [MESH["services"][0] | {"vips": ["near/10.0.0.1"], "waypoint": {"destination": "near/10.2.0.1"}}]
    hops = api.ztunnel_next_hops(
        api.ztunnel_tables({"workloads": workloads, "services": services}), "client", "10.0.0.1:80"
    )
    assert isinstance(hops, list)
    assert [getattr(hop, "kind", None) for _, hop in hops] == ["waypoint"]


@pytest.mark.parametrize("service", ["shop/web", "web", {"namespace": "shop", "hostname": "web"}])
def test_load_balance_names_endpoints_and_ports(service: Any) -> None:
    spread = api.load_balance(api.ztunnel_tables(MESH), "client", service, 80)
    assert isinstance(spread, list)
    assert {candidate.uid: share for share, candidate in spread} == {"a": Fraction(1, 4), "b": Fraction(3, 4)}


def test_load_balance_takes_a_service_and_a_port_as_text() -> None:
    tables = api.ztunnel_tables(MESH)
    (service,) = tables.services.values()
    assert api.load_balance(tables, "client", service, "80") == api.load_balance(tables, "client", "shop/web", 80)


def test_load_balance_for_an_unknown_source_is_a_refusal() -> None:
    assert isinstance(api.load_balance(api.ztunnel_tables(MESH), "nobody", "shop/web", 80), api.Refusal)


@pytest.mark.parametrize(("mode", "found"), [("Standard", 0), ("waypoint", 1)])
def test_only_a_waypoints_lookup_needs_no_port_of_an_application_tunnel(mode: str, found: int) -> None:
    """ztunnel src/state.rs `load_balance`: a port that the service does not have."""
    pod = {"uid": "a", "workloadIps": ["10.2.0.1"], "services": {"shop/web": {}}}
    tunnel = {"applicationTunnel": {"protocol": "PROXY", "port": 15088}}
    tables = api.ztunnel_tables(MESH | {"workloads": [MESH["workloads"][0], pod | tunnel]})
    spread = api.load_balance(tables, "client", "shop/web", 15008, mode)
    assert [candidate.port for _, candidate in spread if isinstance(spread, list)] == [15008] * found


@pytest.mark.parametrize(
    ("port", "mode", "message"),
    [
        (-1, "Standard", "port -1 is not a whole number from 0 to 65535"),
        ("http", "Standard", "port 'http' is not"),
        (80, "Best", "mode 'Best' is none of Standard, Waypoint"),
    ],
)
def test_load_balance_refuses_what_makes_no_sense(port: Any, mode: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        api.load_balance(api.ztunnel_tables(MESH), "client", "shop/web", port, mode)
    assert message in str(refused.value)


def test_load_balance_without_endpoints_is_empty() -> None:
    assert api.load_balance(api.ztunnel_tables(MESH), "client", "shop/web", 81) == []


def test_load_balance_of_an_unknown_service_says_so() -> None:
    with pytest.raises(InputError, match="names no service"):
        api.load_balance(api.ztunnel_tables(MESH), "client", "shop/other", 80)


def test_priority_load_is_in_whole_percents() -> None:
    assert api.priority_load([(3, 10), (10, 10)]) == [42, 58]


@pytest.mark.parametrize("levels", [[(11, 10)], [(-1, 10)], [(1,)], [None], [("1", "2")], [(1.5, 2)]])
def test_priority_load_of_impossible_hosts_says_so(levels: Any) -> None:
    with pytest.raises(InputError, match=r"is no \(healthy, total\)"):
        api.priority_load(levels)


def test_priority_load_of_no_list_and_of_no_percents_says_so() -> None:
    with pytest.raises(InputError, match="is no list of"):
        api.priority_load(None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="panic -1 is not a whole number of percent"):
        api.priority_load([(1, 2)], panic=-1)


def test_priorities_are_re_exported() -> None:
    assert api.priorities([{"locality": "r1"}, {"locality": "r2"}], {}, "r1") == [0, 1]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = api.nonsense
    assert "template_hash" in dir(api)
