"""Where a destination's ztunnel delivers a tunnel. Expected values: ztunnel src/proxy/inbound.rs and its tests."""

from typing import Any

import pytest

from meshsim.api import Refusal, ztunnel_inbound, ztunnel_tables
from meshsim.model.errors import InputError

POD, WAY = "10.2.0.1", "10.3.0.1"
VIP, WAY_VIP = "10.0.0.1", "10.0.0.9"


def arriving(authority: str, at: str = "pod", *, pod: Any = (), service: Any = (), way: Any = ()) -> int | str:
    """The port, or the status that refuses the tunnel."""
    tables = ztunnel_tables(
        {
            "workloads": [
                {"uid": "pod", "namespace": "shop", "workloadIps": [POD], "services": {"shop/web": {80: 8080}}}
                | dict(pod),
                {"uid": "way", "namespace": "shop", "workloadIps": [WAY], "services": {"shop/way": {15008: 15008}}}
                | dict(way),
            ],
            "services": [
                {"namespace": "shop", "hostname": "web", "vips": [f"/{VIP}"], "ports": {80: 80, 81: 0}} | dict(service),
                {"namespace": "shop", "hostname": "way", "vips": [f"/{WAY_VIP}"], "ports": {15008: 15008}},
            ],
        }
    )
    found = ztunnel_inbound(tables, at, authority)
    return found.message.partition(" ")[0] if isinstance(found, Refusal) else found


def by(destination: str) -> dict[str, Any]:
    return {"waypoint": {"destination": destination}}


@pytest.mark.parametrize(("authority", "port"), [(f"{POD}:8080", 8080), (f"{POD}:1", 1), ("10.2.0.2:80", "400")])
def test_a_pod_takes_any_port_of_its_own_address_alone(authority: str, port: int | str) -> None:
    assert arriving(authority) == port


@pytest.mark.parametrize("waypoint", [f"/{WAY}", f"/{WAY_VIP}", "shop/way"])
@pytest.mark.parametrize(("asked", "named"), [(f"{POD}:8080", "pod"), (f"{VIP}:80", "service")])
def test_a_waypoint_takes_what_it_stands_for_however_it_is_named(waypoint: str, asked: str, named: str) -> None:
    attached: dict[str, Any] = {named: by(waypoint)}
    assert arriving(asked, "way", **attached) == int(asked.partition(":")[2])


@pytest.mark.parametrize(("asked", "attached"), [(POD, {}), (VIP, {}), (POD, {"service": by("shop/way")})])
def test_a_waypoint_refuses_what_is_not_attached_to_it(asked: str, attached: dict[str, Any]) -> None:
    assert arriving(f"{asked}:80", "way", **attached) == "400"


def test_a_service_whose_waypoint_is_another_is_refused() -> None:
    assert arriving(f"{VIP}:80", "way", service=by("shop/other")) == "400"


def test_a_tunnel_of_the_workloads_own_takes_everything_at_its_port() -> None:
    proxy = {"applicationTunnel": {"protocol": "PROXY", "port": 15088}}
    assert arriving(f"{POD}:8080", "way", pod=by("shop/way"), way=proxy) == 15088
    assert arriving("10.9.9.9:80", "way", way=proxy) == 15088
    assert arriving("web:80", pod=proxy) == 15088


def test_an_application_tunnel_without_a_port_keeps_the_port() -> None:
    assert arriving("10.9.9.9:80", "way", way={"applicationTunnel": {"protocol": "PROXY"}}) == 80


@pytest.mark.parametrize(
    ("authority", "port"),
    [
        ("web:80", 8080),  # the endpoint's own
        ("way:15008", "503"),  # the service's, which is ztunnel's own port
        ("web:81", "503"),  # a named port that the pod does not have
        ("web:82", "503"),
        ("else:80", "503"),
    ],
)
def test_a_host_name_is_translated_by_the_ports_of_its_endpoint_then_of_its_service(
    authority: str, port: int | str
) -> None:
    assert arriving(authority) == port


def test_a_host_name_of_two_namespaces_is_the_local_ones() -> None:
    services = [{"namespace": space, "hostname": "web", "ports": {80: port}} for space, port in (("a", 1), ("b", 2))]
    known = ztunnel_tables({"workloads": [{"uid": "x", "namespace": "a"}], "services": services})
    assert ztunnel_inbound(known, "x", "web:80") == 1
    known = ztunnel_tables({"workloads": [{"uid": "x", "namespace": "c"}], "services": services})
    assert ztunnel_inbound(known, "x", "web:80") == 2


@pytest.mark.parametrize("port", [15001, 15006, 15008])
def test_ztunnels_own_ports_are_refused(port: int) -> None:
    assert arriving(f"{POD}:{port}") == "503"


@pytest.mark.parametrize("authority", ["web", "web:", ":80", "web:x", "web:99999"])
def test_what_is_no_authority_says_so(authority: str) -> None:
    with pytest.raises(InputError, match="is no authority such as"):
        arriving(authority)


def test_an_unknown_workload_is_refused() -> None:
    refused = ztunnel_inbound(ztunnel_tables({}), "nobody", "web:80")
    assert isinstance(refused, Refusal)
    assert refused.error == "UnknownSourceWorkload"
