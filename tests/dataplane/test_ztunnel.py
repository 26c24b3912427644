"""What a client's ztunnel does with one connection. Expected values: ztunnel src/proxy/outbound.rs, src/state.rs."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from meshsim.dataplane.inbound import inbound
from meshsim.dataplane.ztunnel import NextHop, Outcome, Refusal, from_waypoint, next_hops
from meshsim.model.evidence import Source
from meshsim.tables.load import ztunnel_tables
from meshsim.tables.ztunnel import ZtunnelTables

HALF = Fraction(1, 2)
CLIENT_UID = "c1//Pod/shop/client"
CLIENT: dict[str, Any] = {
    "uid": CLIENT_UID,
    "name": "client",
    "namespace": "shop",
    "workloadIps": ["10.1.0.1", "fd01::1"],
}
GATEWAY = {
    "uid": "c1//Pod/mesh/gate",
    "name": "gate",
    "namespace": "mesh",
    "workloadIps": ["10.9.0.1"],
    "network": "far",
}


def service(**more: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "namespace": "shop",
        "hostname": "web.shop",
        "vips": ["/10.0.0.1"],
        "ports": {80: 8080},
    } | more


def pod(name: str, ip: str | None, serves: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    uid = f"c1//Pod/shop/{name}"
    ips = [] if ip is None else [ip]
    return {"uid": uid, "name": name, "namespace": "shop", "workloadIps": ips, "services": dict(serves or {})} | more


def web(name: str, ip: str | None, **more: Any) -> dict[str, Any]:
    return pod(name, ip, {"shop/web.shop": {80: 8080}}, protocol="HBONE", **more)


def remote(name: str = "remote", **more: Any) -> dict[str, Any]:
    """An endpoint that stands for another network, reached through the gateway at far/10.9.0.1:15009."""
    far = {"network": "far", "networkGateway": {"destination": "far/10.9.0.1", "hboneMtlsPort": 15009}}
    return web(name, None, **(far | more))


def waypoint(name: str = "way", ip: str | None = "10.2.0.9", **more: Any) -> dict[str, Any]:
    return pod(name, ip, {"shop/way.shop": {15008: 15008}}, serviceAccount="way", **more)


WAYPOINT_SERVICE = {
    "name": "way",
    "namespace": "shop",
    "hostname": "way.shop",
    "vips": ["/10.0.0.9"],
    "ports": {15008: 15008},
}
BY_NAME = {"destination": "shop/way.shop", "hboneMtlsPort": 15008}


def tables(services: list[Any], workloads: list[Any], network: str = "") -> ZtunnelTables:
    return ztunnel_tables({"services": services, "workloads": [CLIENT, *workloads]}, network=network)


def call(known: ZtunnelTables, ip: str = "10.0.0.1", port: int = 80, source: str = CLIENT_UID) -> dict[Any, Fraction]:
    """Shares by (protocol, connect, authority), or by the error's name."""
    hops = next_hops(known, known.workloads[source], ip, port)
    assert sum(share for share, _ in hops) == 1
    return {said(hop): share for share, hop in hops}


def said(hop: Outcome) -> Any:
    return hop.error if isinstance(hop, Refusal) else (hop.protocol, hop.connect, hop.authority)


def only(known: ZtunnelTables, ip: str = "10.0.0.1", port: int = 80) -> NextHop:
    ((share, hop),) = next_hops(known, known.workloads[CLIENT_UID], ip, port)
    assert share == 1
    assert isinstance(hop, NextHop)
    return hop


def refusal(known: ZtunnelTables, ip: str = "10.0.0.1", port: int = 80) -> str:
    (error,) = call(known, ip, port)
    assert isinstance(error, str)
    return error


class TestAddresses:
    def test_an_unknown_address_passes_through(self) -> None:
        hop = only(tables([], [web("a", "10.2.0.1")]), "1.2.3.4")
        assert (said(hop), hop.kind, hop.workload) == (("TCP", "1.2.3.4:80", None), "passthrough", None)

    def test_a_tcp_pod_is_dialled_on_the_port_asked_for(self) -> None:
        hop = only(tables([], [pod("a", "10.2.0.1")]), "10.2.0.1")
        assert (said(hop), hop.kind) == (("TCP", "10.2.0.1:80", None), "workload")

    def test_an_hbone_pod_is_dialled_on_15008_and_asked_for_by_ip(self) -> None:
        known = tables([], [web("a", "10.2.0.1", node="elsewhere")])
        assert call(known, "10.2.0.1") == {("HBONE", "10.2.0.1:15008", "10.2.0.1:80"): 1}

    @pytest.mark.parametrize("port", [15001, 15006, 15008])
    def test_ztunnels_own_ports_on_loopback_are_a_loop(self, port: int) -> None:
        assert refusal(tables([], []), "127.0.0.1", port) == "SelfCall"

    def test_other_ports_on_loopback_are_no_loop(self) -> None:
        assert call(tables([], []), "127.0.0.1") == {("TCP", "127.0.0.1:80", None): 1}

    def test_ztunnels_own_ports_elsewhere_are_no_loop(self) -> None:
        assert call(tables([], []), "1.2.3.4", 15008) == {("TCP", "1.2.3.4:15008", None): 1}

    def test_a_pods_own_ip_is_kept_for_each_family(self) -> None:
        both = pod("a", "10.2.0.1") | {"workloadIps": ["10.2.0.1", "fd02::1"]}
        assert call(tables([], [both]), "10.2.0.1") == {("TCP", "10.2.0.1:80", None): 1}
        assert call(tables([], [both]), "fd02::1") == {("TCP", "[fd02::1]:80", None): 1}

    def test_a_pod_of_another_network_is_not_known_by_its_ip(self) -> None:
        known = tables([], [pod("a", "10.2.0.1", network="far")])
        assert only(known, "10.2.0.1").kind == "passthrough"

    def test_an_ip_of_another_spelling_is_the_same_address(self) -> None:
        both = pod("a", "fd02::1")
        assert call(tables([], [both]), "fd02:0:0::1") == {("TCP", "[fd02::1]:80", None): 1}

    def test_a_vip_of_another_network_is_not_addressable(self) -> None:
        known = tables([service(vips=["far/10.0.0.1"])], [web("a", "10.2.0.1")])
        assert only(known).kind == "passthrough"

    def test_a_workload_ip_that_equals_a_vip_switches_the_services_waypoint_off(self) -> None:
        # the waypoint lookup finds the workload first, the endpoint lookup the service first
        known = tables(
            [service(waypoint=BY_NAME), WAYPOINT_SERVICE], [pod("shadow", "10.0.0.1"), web("a", "10.2.0.1"), waypoint()]
        )
        assert call(known) == {("HBONE", "10.2.0.1:15008", "10.2.0.1:8080"): 1}


class TestServices:
    def test_an_endpoint_is_asked_for_by_its_target_port(self) -> None:
        known = tables([service()], [web("a", "10.2.0.1")])
        hop = only(known)
        assert said(hop) == ("HBONE", "10.2.0.1:15008", "10.2.0.1:8080")
        assert (hop.service_port, hop.target_port) == (80, 8080)
        assert hop.service is known.services[hop.service.key] if hop.service else False

    def test_a_service_without_endpoints_has_no_healthy_upstream(self) -> None:
        assert refusal(tables([service()], [])) == "NoHealthyUpstream"

    def test_a_port_the_service_does_not_define_has_no_healthy_upstream(self) -> None:
        assert refusal(tables([service()], [web("a", "10.2.0.1")]), port=81) == "NoHealthyUpstream"

    def test_unready_pods_are_no_endpoints(self) -> None:
        assert refusal(tables([service()], [web("a", "10.2.0.1", status="Unhealthy")])) == "NoHealthyUpstream"

    def test_unready_pods_are_endpoints_where_the_service_allows_all(self) -> None:
        allow = service(loadBalancer={"routingPreferences": [], "mode": "Standard", "healthPolicy": "AllowAll"})
        known = tables([allow], [web("a", "10.2.0.1", status="Unhealthy")])
        assert only(known).connect == "10.2.0.1:15008"

    def test_a_named_target_port_is_the_endpoints_own(self) -> None:
        named = service(ports={80: 0, 8080: 0})
        matching = pod("a", "10.2.0.1", {"shop/web.shop": {80: 1234}})
        other = pod("b", "10.2.0.2", {"shop/web.shop": {8080: 9999}})
        assert call(tables([named], [matching, other])) == {("TCP", "10.2.0.1:1234", None): 1}

    def test_a_host_network_pod_is_reached_through_its_service(self) -> None:
        first = pod("a", "10.3.0.1", {"shop/web.shop": {80: 80}}, networkMode="HostNetwork")
        second = pod("b", "10.3.0.1", networkMode="HostNetwork")
        hop = only(tables([service(ports={80: 80})], [first, second]))
        assert said(hop) == ("TCP", "10.3.0.1:80", None)
        assert hop.workload is not None
        assert hop.workload.name == "a"

    def test_a_nodes_address_is_no_host_network_pod(self) -> None:
        known = tables([service(ports={80: 80})], [pod("a", "10.3.0.1", networkMode="HostNetwork")])
        hop = only(known, "10.3.0.1")
        assert (said(hop), hop.workload) == (("TCP", "10.3.0.1:80", None), None)

    @pytest.mark.parametrize(
        ("families", "called", "connect"),
        [
            ("IPv6", "10.0.0.1", "[fd02::1]"),
            ("IPv4", "10.0.0.1", "10.2.0.1"),
            ("IPv4", "fd00::1", "10.2.0.1"),
            ("Dual", "10.0.0.1", "10.2.0.1"),
            ("Dual", "fd00::1", "[fd02::1]"),
            ("", "fd00::1", "[fd02::1]"),
        ],
    )
    def test_the_ip_family_is_the_services_then_the_calls(self, families: str, called: str, connect: str) -> None:
        both = web("a", None) | {"workloadIps": ["10.2.0.1", "fd02::1"]}
        dual = service(vips=["/10.0.0.1", "/fd00::1"], ipFamilies=families)
        assert call(tables([dual], [both]), called) == {("HBONE", f"{connect}:15008", f"{connect}:8080"): 1}

    def test_a_pod_without_an_ip_of_the_services_family_has_no_valid_destination(self) -> None:
        known = tables([service(ipFamilies="IPv6")], [web("a", "10.2.0.1")])
        assert refusal(known) == "NoValidDestination"

    def test_a_workload_known_by_name_is_dialled_by_name(self) -> None:
        named = pod("a", None, {"shop/web.shop": {80: 8080}}, hostname="db.example.com")
        assert call(tables([service()], [named])) == {("TCP", "db.example.com:8080", None): 1}

    def test_a_passthrough_service_keeps_the_address_and_ignores_endpoints(self) -> None:
        through = service(loadBalancer={"routingPreferences": [], "mode": "Passthrough", "healthPolicy": "AllowAll"})
        hop = only(tables([through], [web("a", "10.2.0.1")]))
        assert (said(hop), hop.kind) == (("TCP", "10.0.0.1:80", None), "passthrough")


class TestServiceWaypoints:
    def test_a_waypoint_by_ip_is_asked_for_the_original_address(self) -> None:
        known = tables([service(waypoint={"destination": "/10.2.0.9", "hboneMtlsPort": 15008})], [waypoint()])
        hop = only(known)
        assert (said(hop), hop.kind) == (("HBONE", "10.2.0.9:15008", "10.0.0.1:80"), "waypoint")

    def test_a_waypoint_by_host_name_is_any_of_its_pods(self) -> None:
        known = tables([service(waypoint=BY_NAME), WAYPOINT_SERVICE], [waypoint(), waypoint("way2", "10.2.0.8")])
        assert call(known) == {
            ("HBONE", "10.2.0.9:15008", "10.0.0.1:80"): HALF,
            ("HBONE", "10.2.0.8:15008", "10.0.0.1:80"): HALF,
        }

    def test_a_waypoint_by_vip_is_any_of_its_pods(self) -> None:
        bound = service(waypoint={"destination": "/10.0.0.9", "hboneMtlsPort": 15008})
        assert only(tables([bound, WAYPOINT_SERVICE], [waypoint()])).connect == "10.2.0.9:15008"

    def test_a_waypoint_by_a_workloads_host_name_is_that_workload(self) -> None:
        way = pod("way", "10.2.0.9", hostname="way.shop")
        assert only(tables([service(waypoint=BY_NAME)], [way])).connect == "10.2.0.9:15008"

    def test_a_workloads_host_name_counts_only_in_its_namespace(self) -> None:
        way = pod("way", "10.2.0.9", hostname="way.shop", namespace="elsewhere")
        assert refusal(tables([service(waypoint=BY_NAME)], [way])) == "UnknownWaypoint"

    def test_a_host_name_is_a_service_before_it_is_a_workload(self) -> None:
        named = pod("named", "10.2.0.7", hostname="way.shop")
        known = tables([service(waypoint=BY_NAME), WAYPOINT_SERVICE], [named, waypoint()])
        assert only(known).connect == "10.2.0.9:15008"

    def test_an_unknown_waypoint_fails_closed_though_pods_are_ready(self) -> None:
        assert refusal(tables([service(waypoint=BY_NAME)], [web("a", "10.2.0.1")])) == "UnknownWaypoint"

    def test_a_waypoint_without_ready_pods_fails_closed(self) -> None:
        known = tables(
            [service(waypoint=BY_NAME), WAYPOINT_SERVICE], [web("a", "10.2.0.1"), waypoint(status="Unhealthy")]
        )
        assert refusal(known) == "UnknownWaypoint"

    def test_a_waypoint_is_used_for_a_port_the_service_does_not_define(self) -> None:
        known = tables([service(waypoint=BY_NAME), WAYPOINT_SERVICE], [waypoint()])
        assert call(known, port=81) == {("HBONE", "10.2.0.9:15008", "10.0.0.1:81"): 1}

    def test_a_passthrough_service_uses_its_waypoint(self) -> None:
        through = service(loadBalancer={"mode": "Passthrough"}, waypoint={"destination": "/10.2.0.9"})
        assert call(tables([through], [waypoint()])) == {("HBONE", "10.2.0.9:15008", "10.0.0.1:80"): 1}

    def test_a_waypoint_port_that_is_not_on_the_service_needs_an_application_tunnel(self) -> None:
        bare = WAYPOINT_SERVICE | {"ports": {80: 80}}
        plain = pod("way", "10.2.0.9", {"shop/way.shop": {80: 80}})
        assert refusal(tables([service(waypoint=BY_NAME), bare], [plain])) == "UnknownWaypoint"
        tunnel = plain | {"applicationTunnel": {"protocol": "PROXY", "port": 15088}}
        assert only(tables([service(waypoint=BY_NAME), bare], [tunnel])).connect == "10.2.0.9:15008"

    def test_an_application_tunnel_without_a_port_maps_nothing(self) -> None:
        bare = WAYPOINT_SERVICE | {"ports": {80: 80}}
        tunnel = pod("way", "10.2.0.9", {"shop/way.shop": {}}, applicationTunnel={"protocol": "PROXY"})
        assert refusal(tables([service(waypoint=BY_NAME), bare], [tunnel])) == "UnknownWaypoint"

    def test_weighted_waypoints_share_connections_by_weight(self) -> None:
        canary = {"name": "new", "namespace": "shop", "hostname": "new.shop", "ports": {15008: 15008}}
        both = [{"waypoint": BY_NAME, "weight": 90}, {"waypoint": {"destination": "shop/new.shop"}, "weight": 10}]
        known = tables(
            [service(waypoint=BY_NAME, weightedWaypoints=both), WAYPOINT_SERVICE, canary],
            [waypoint(), pod("new", "10.2.0.7", {"shop/new.shop": {15008: 15008}})],
        )
        assert call(known) == {
            ("HBONE", "10.2.0.9:15008", "10.0.0.1:80"): Fraction(9, 10),
            ("HBONE", "10.2.0.7:15008", "10.0.0.1:80"): Fraction(1, 10),
        }

    def test_a_lost_weighted_waypoint_loses_its_share_only(self) -> None:
        both = [{"waypoint": BY_NAME, "weight": 90}, {"waypoint": {"destination": "shop/new.shop"}, "weight": 10}]
        known = tables([service(weightedWaypoints=both), WAYPOINT_SERVICE], [waypoint()])
        assert call(known)["UnknownWaypoint"] == Fraction(1, 10)

    def test_weighted_waypoints_that_weigh_nothing_leave_the_primary(self) -> None:
        nothing = [{"waypoint": {"destination": "shop/new.shop"}, "weight": 0}]
        known = tables([service(waypoint=BY_NAME, weightedWaypoints=nothing), WAYPOINT_SERVICE], [waypoint()])
        assert only(known).connect == "10.2.0.9:15008"

    def test_a_waypoint_by_ip_keeps_its_family(self) -> None:
        way = waypoint() | {"workloadIps": ["10.2.0.9", "fd02::9"]}
        known = tables([service(vips=["/fd00::1"], waypoint={"destination": "/10.2.0.9"})], [way])
        assert call(known, "fd00::1") == {("HBONE", "10.2.0.9:15008", "[fd00::1]:80"): 1}

    def test_a_waypoint_by_host_name_takes_the_calls_family(self) -> None:
        way = waypoint() | {"workloadIps": ["10.2.0.9", "fd02::9"]}
        known = tables([service(vips=["/fd00::1"], waypoint=BY_NAME), WAYPOINT_SERVICE], [way])
        assert call(known, "fd00::1") == {("HBONE", "[fd02::9]:15008", "[fd00::1]:80"): 1}

    def test_a_waypoints_own_preferences_choose_its_pods(self) -> None:
        near = WAYPOINT_SERVICE | {"loadBalancer": {"routingPreferences": ["Network"], "mode": "Failover"}}
        far = waypoint("far", None, network="far", networkGateway={"destination": "far/10.9.0.1"})
        known = tables([service(waypoint=BY_NAME), near], [waypoint(), far, GATEWAY])
        assert only(known).connect == "10.2.0.9:15008"


class TestWorkloadWaypoints:
    def test_a_pod_by_ip_is_reached_through_its_waypoint(self) -> None:
        bound = pod("a", "10.2.0.1", waypoint={"destination": "/10.2.0.9", "hboneMtlsPort": 15008})
        known = tables([], [bound, waypoint()])
        assert call(known, "10.2.0.1") == {("HBONE", "10.2.0.9:15008", "10.2.0.1:80"): 1}

    def test_the_waypoint_of_the_client_is_not_used(self) -> None:
        known = tables(
            [], [pod("a", "10.2.0.1", waypoint={"destination": "/10.2.0.9"}), pod("b", "10.2.0.2"), waypoint()]
        )
        assert call(known, "10.2.0.2", source="c1//Pod/shop/a") == {("TCP", "10.2.0.2:80", None): 1}

    def test_a_pods_waypoint_is_not_used_where_its_service_is_addressed(self) -> None:
        known = tables([service()], [web("a", "10.2.0.1", waypoint={"destination": "/10.2.0.9"}), waypoint()])
        assert only(known).connect == "10.2.0.1:15008"

    def test_a_services_waypoint_is_not_used_where_its_pod_is_addressed(self) -> None:
        known = tables([service(waypoint=BY_NAME), WAYPOINT_SERVICE], [web("a", "10.2.0.1"), waypoint()])
        assert only(known, "10.2.0.1").kind == "workload"

    def test_an_unknown_workload_waypoint_fails_closed(self) -> None:
        known = tables([], [pod("a", "10.2.0.1", waypoint=BY_NAME)])
        assert refusal(known, "10.2.0.1") == "UnknownWaypoint"

    def test_a_waypoint_by_ip_answers_for_the_other_family(self) -> None:
        bound = pod("a", None, waypoint={"destination": "/10.2.0.9"}) | {"workloadIps": ["10.2.0.1", "fd02::3"]}
        way = waypoint() | {"workloadIps": ["10.2.0.9", "fd02::9"]}
        assert call(tables([], [bound, way]), "fd02::3") == {("HBONE", "10.2.0.9:15008", "[fd02::3]:80"): 1}

    def test_the_waypoint_itself_goes_straight_to_the_pod(self) -> None:
        known = tables([WAYPOINT_SERVICE], [pod("a", "10.2.0.1", waypoint=BY_NAME), waypoint()])
        assert call(known, "10.2.0.1", source="c1//Pod/shop/way") == {("TCP", "10.2.0.1:80", None): 1}

    def test_another_pod_with_the_waypoints_identity_is_not_the_waypoint(self) -> None:
        known = tables([WAYPOINT_SERVICE], [pod("a", "10.2.0.1", waypoint=BY_NAME), waypoint()])
        like = ztunnel_tables({"workloads": [pod("like", "10.2.0.77", serviceAccount="way")]}).workloads
        target = known.workloads["c1//Pod/shop/a"]
        assert not from_waypoint(known, like["c1//Pod/shop/like"], target)
        assert from_waypoint(known, known.workloads["c1//Pod/shop/way"], target)

    def test_a_workload_waypoint_on_another_network_has_no_valid_destination(self) -> None:
        # there is no network check on this way, and a remote pseudo-endpoint has no address
        far = waypoint("far", None, network="far", networkGateway={"destination": "far/10.9.0.1"})
        known = tables([WAYPOINT_SERVICE], [pod("a", "10.2.0.1", waypoint=BY_NAME), far, GATEWAY])
        assert refusal(known, "10.2.0.1") == "NoValidDestination"


class TestOtherNetworks:
    def test_a_remote_endpoint_is_reached_by_service_name_through_its_gateway(self) -> None:
        hop = only(tables([service()], [remote(), GATEWAY]))
        assert (said(hop), hop.kind) == (("DOUBLEHBONE", "10.9.0.1:15009", "web.shop:80"), "gateway")
        assert hop.workload is not None
        assert hop.upstream is not None
        assert (hop.workload.name, hop.upstream.name) == ("gate", "remote")

    def test_a_gateway_by_host_name_is_dialled_on_its_target_port(self) -> None:
        named = {"name": "gw", "namespace": "mesh", "hostname": "gw.mesh", "ports": {15009: 15009}}
        gate = GATEWAY | {"services": {"mesh/gw.mesh": {15009: 15008}}}
        far = remote(networkGateway={"destination": "mesh/gw.mesh", "hboneMtlsPort": 15009})
        known = tables([service(), named], [far, gate])
        assert call(known) == {("DOUBLEHBONE", "10.9.0.1:15008", "web.shop:80"): 1}

    def test_a_gateway_by_a_workloads_host_name_is_that_workload(self) -> None:
        far = remote(networkGateway={"destination": "mesh/gw.mesh", "hboneMtlsPort": 15009})
        known = tables([service()], [far, GATEWAY | {"hostname": "gw.mesh"}])
        assert call(known) == {("DOUBLEHBONE", "10.9.0.1:15009", "web.shop:80"): 1}

    def test_several_gateway_pods_share_connections(self) -> None:
        named = {"name": "gw", "namespace": "mesh", "hostname": "gw.mesh", "ports": {15008: 15008}}
        pods = [
            GATEWAY | {"uid": f"gate{n}", "workloadIps": [f"10.9.0.{n}"], "services": {"mesh/gw.mesh": {}}}
            for n in (1, 2)
        ]
        known = tables([service(), named], [remote(networkGateway={"destination": "mesh/gw.mesh"}), *pods])
        assert call(known) == {
            ("DOUBLEHBONE", "10.9.0.1:15008", "web.shop:80"): HALF,
            ("DOUBLEHBONE", "10.9.0.2:15008", "web.shop:80"): HALF,
        }

    def test_a_remote_endpoint_without_a_gateway_has_no_valid_destination(self) -> None:
        known = tables([service()], [web("a", "10.2.0.1", network="far")])
        assert refusal(known) == "NoValidDestination"

    def test_a_remote_endpoint_without_address_and_gateway_is_no_endpoint(self) -> None:
        assert refusal(tables([service()], [web("a", None, network="far")])) == "NoHealthyUpstream"

    def test_an_unknown_gateway_is_refused(self) -> None:
        assert refusal(tables([service()], [remote()])) == "UnknownNetworkGateway"

    def test_a_gateway_without_ready_pods_is_refused(self) -> None:
        named = {"name": "gw", "namespace": "mesh", "hostname": "gw.mesh", "ports": {15008: 15008}}
        gate = GATEWAY | {"services": {"mesh/gw.mesh": {}}, "status": "Unhealthy"}
        known = tables([service(), named], [remote(networkGateway={"destination": "mesh/gw.mesh"}), gate])
        assert refusal(known) == "UnknownNetworkGateway"

    def test_an_application_tunnel_does_not_stand_in_for_a_gateways_port(self) -> None:
        named = {"name": "gw", "namespace": "mesh", "hostname": "gw.mesh", "ports": {80: 80}}
        gate = GATEWAY | {
            "services": {"mesh/gw.mesh": {80: 80}},
            "applicationTunnel": {"protocol": "PROXY", "port": 15088},
        }
        known = tables([service(), named], [remote(networkGateway={"destination": "mesh/gw.mesh"}), gate])
        assert refusal(known) == "UnknownNetworkGateway"

    def test_a_waypoint_on_another_network_is_asked_for_the_service_itself(self) -> None:
        far = waypoint(
            "far", None, network="far", networkGateway={"destination": "far/10.9.0.1", "hboneMtlsPort": 15009}
        )
        hop = only(tables([service(waypoint=BY_NAME), WAYPOINT_SERVICE], [far, GATEWAY]))
        assert said(hop) == ("DOUBLEHBONE", "10.9.0.1:15009", "web.shop:80")
        assert hop.upstream is not None
        assert hop.upstream.name == "far"

    def test_local_and_remote_endpoints_share_by_capacity_without_preferences(self) -> None:
        known = tables([service()], [web("a", "10.2.0.1"), web("b", "10.2.0.2"), remote(capacity=3), GATEWAY])
        assert call(known) == {
            ("HBONE", "10.2.0.1:15008", "10.2.0.1:8080"): Fraction(1, 5),
            ("HBONE", "10.2.0.2:15008", "10.2.0.2:8080"): Fraction(1, 5),
            ("DOUBLEHBONE", "10.9.0.1:15009", "web.shop:80"): Fraction(3, 5),
        }

    @pytest.mark.parametrize(("status", "protocol"), [("Healthy", "HBONE"), ("Unhealthy", "DOUBLEHBONE")])
    def test_a_network_preference_leaves_the_network_only_without_ready_pods(self, status: str, protocol: str) -> None:
        near = service(
            loadBalancer={"routingPreferences": ["Network"], "mode": "Failover", "healthPolicy": "OnlyHealthy"}
        )
        assert only(tables([near], [web("a", "10.2.0.1", status=status), remote(), GATEWAY])).protocol == protocol

    def test_a_gateway_reached_in_the_clients_network_is_not_used_for_local_endpoints(self) -> None:
        near = web("a", None, networkGateway={"destination": "far/10.9.0.1"})
        assert refusal(tables([service()], [near, GATEWAY])) == "NoHealthyUpstream"

    def test_networks_are_compared_with_the_clients_own(self) -> None:
        client = CLIENT | {"network": "near"}
        known = ztunnel_tables(
            {
                "services": [service(vips=["near/10.0.0.1"])],
                "workloads": [client, web("a", "10.2.0.1", network="near")],
            },
            network="near",
        )
        assert call(known) == {("HBONE", "10.2.0.1:15008", "10.2.0.1:8080"): 1}

    def test_a_ztunnel_on_the_wrong_network_misses_the_waypoint(self) -> None:
        client = CLIENT | {"network": "near"}
        known = ztunnel_tables(
            {
                "services": [service(vips=["near/10.0.0.1"], waypoint=BY_NAME)],
                "workloads": [client, web("a", "10.2.0.1", network="near")],
            },
            network="typo",
        )
        assert call(known) == {("HBONE", "10.2.0.1:15008", "10.2.0.1:8080"): 1}


class TestExplanations:
    def test_every_outcome_names_a_rule_with_a_source(self) -> None:
        known = tables([service(), WAYPOINT_SERVICE], [web("a", "10.2.0.1"), remote(), GATEWAY])
        for _, hop in next_hops(known, known.workloads[CLIENT_UID], "10.0.0.1", 80):
            assert hop.rule.sentence
            assert hop.rule.source.startswith("ztunnel src/")

    def test_the_waypoint_field_is_among_the_facts_that_decided(self) -> None:
        rows = {"services": [service(waypoint=BY_NAME), WAYPOINT_SERVICE], "workloads": [CLIENT, waypoint()]}
        known = ztunnel_tables(rows, evidence=Source("dump.json"))
        facts = [(fact.subject, fact.name) for fact in only(known).facts]
        assert ("shop/web.shop", "waypoint") in facts
        assert ("shop/way.shop", "loadBalancer") in facts
        assert (waypoint()["uid"], "status") in facts

    def test_equal_outcomes_are_one(self) -> None:
        both = [{"waypoint": BY_NAME, "weight": 1}, {"waypoint": {"destination": "/10.2.0.9"}, "weight": 1}]
        assert only(tables([service(weightedWaypoints=both), WAYPOINT_SERVICE], [waypoint()])).kind == "waypoint"


class TestInbound:
    def test_the_pods_own_address_is_delivered_on_the_port_asked_for(self) -> None:
        known = tables([service()], [web("a", "10.2.0.1")])
        assert inbound(known, known.workloads["c1//Pod/shop/a"], "10.2.0.1:8080") == 8080

    def test_a_host_name_is_translated_by_the_services_port_map(self) -> None:
        known = tables([service()], [web("a", "10.2.0.1")])
        assert inbound(known, known.workloads["c1//Pod/shop/a"], "web.shop:80") == 8080

    @pytest.mark.parametrize(
        ("authority", "status"), [("other.shop:80", "503"), ("web.shop:81", "503"), ("10.0.0.1:80", "400")]
    )
    def test_what_is_not_the_pods_own_is_refused(self, authority: str, status: str) -> None:
        known = tables([service()], [web("a", "10.2.0.1")])
        refused = inbound(known, known.workloads["c1//Pod/shop/a"], authority)
        assert isinstance(refused, Refusal)
        assert status in refused.message

    def test_a_waypoint_takes_the_addresses_it_stands_for(self) -> None:
        sandwich = waypoint(applicationTunnel={"protocol": "PROXY", "port": 15088})
        known = tables([service(waypoint=BY_NAME), WAYPOINT_SERVICE], [sandwich])
        assert inbound(known, known.workloads["c1//Pod/shop/way"], "10.0.0.1:80") == 15088
