"""The documented functions on plain values: `meshsim.api`."""

from fractions import Fraction
from typing import Any

import pytest

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


def test_ipv6_destinations_are_in_brackets() -> None:
    hops = api.ztunnel_next_hops(api.ztunnel_tables(MESH), "client", "[fd00::1]:80")
    assert isinstance(hops, list)
    assert len(hops) == 2


def test_a_lone_refusal_is_returned_as_it_is() -> None:
    refused = api.ztunnel_next_hops(api.ztunnel_tables(MESH), "client", "10.0.0.1:81")
    assert isinstance(refused, api.Refusal)
    assert refused.error == "NoHealthyUpstream"


def test_an_unknown_client_is_refused() -> None:
    refused = api.ztunnel_next_hops(api.ztunnel_tables(MESH), "nobody", "10.0.0.1:80")
    assert isinstance(refused, api.Refusal)
    assert refused.error == "UnknownSourceWorkload"


@pytest.mark.parametrize("destination", ["web:80", "10.0.0.1", "10.0.0.1:x"])
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


@pytest.mark.parametrize("service", ["shop/web", "web"])
def test_load_balance_names_endpoints_and_ports(service: str) -> None:
    spread = api.load_balance(api.ztunnel_tables(MESH), "client", service, 80)
    assert isinstance(spread, list)
    assert {candidate.uid: share for share, candidate in spread} == {"a": Fraction(1, 4), "b": Fraction(3, 4)}


def test_load_balance_without_endpoints_is_empty() -> None:
    assert api.load_balance(api.ztunnel_tables(MESH), "client", "shop/web", 81) == []


def test_load_balance_of_an_unknown_service_says_so() -> None:
    with pytest.raises(InputError, match="names no service"):
        api.load_balance(api.ztunnel_tables(MESH), "client", "shop/other", 80)


def test_priority_load_is_in_whole_percents() -> None:
    assert api.priority_load([(3, 10), (10, 10)]) == [42, 58]


def test_priorities_are_re_exported() -> None:
    assert api.priorities([{"locality": "r1"}, {"locality": "r2"}], {}, "r1") == [0, 1]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = api.nonsense
    assert "template_hash" in dir(api)
