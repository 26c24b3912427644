"""ztunnel's tables from its local configuration and its config dump, and back."""

from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshsim.model.errors import InputError
from meshsim.model.evidence import Dumped
from meshsim.tables.load import ztunnel_tables
from meshsim.tables.local import plain
from meshsim.tables.service import HealthPolicy, LoadBalancing, Mode, Scope, Service, Visibility
from meshsim.tables.workload import (
    ApplicationTunnel,
    GatewayAddress,
    Health,
    Locality,
    NamespacedHostname,
    NetworkAddress,
    NetworkMode,
    Protocol,
    Workload,
)
from meshsim.tables.ztunnel import ZtunnelTables


def one_workload(**more: Any) -> Workload:
    (workload,) = ztunnel_tables({"workloads": [{"uid": "w", "namespace": "shop"} | more]}).workloads.values()
    return workload


def one_service(**more: Any) -> Service:
    row = {"name": "web", "namespace": "shop", "hostname": "web.shop"} | more
    (service,) = ztunnel_tables({"services": [row]}).services.values()
    return service


class TestLocalConfiguration:
    FULL: ClassVar[dict[str, Any]] = {
        "uid": "c1//Pod/shop/a",
        "name": "a",
        "namespace": "shop",
        "serviceAccount": "web",
        "trustDomain": "td",
        "workloadIps": ["10.2.0.1", "FD00:0::1"],
        "hostname": "a.example.com",
        "network": "near",
        "protocol": "HBONE",
        "waypoint": {"destination": "shop/way.shop", "hboneMtlsPort": 15018},
        "networkGateway": {"destination": "far/10.9.0.1"},
        "services": {"shop/web.shop": {80: 8080, "81": 0}},
        "status": "Unhealthy",
        "clusterId": "c1",
        "locality": {"region": "r", "zone": "z", "subzone": "s"},
        "node": "n",
        "networkMode": "HostNetwork",
        "capacity": 0,
        "applicationTunnel": {"protocol": "PROXY", "port": 15088},
        "canonicalName": "ignored",
    }
    WORKLOAD = Workload(
        uid="c1//Pod/shop/a",
        name="a",
        namespace="shop",
        service_account="web",
        trust_domain="td",
        ips=("10.2.0.1", "fd00::1"),
        hostname="a.example.com",
        network="near",
        protocol=Protocol.HBONE,
        waypoint=GatewayAddress(NamespacedHostname("shop", "way.shop"), 15018),
        network_gateway=GatewayAddress(NetworkAddress("far", "10.9.0.1"), 15008),
        services={"shop/web.shop": {80: 8080, 81: 0}},
        status=Health.UNHEALTHY,
        cluster="c1",
        locality=Locality("r", "z", "s"),
        node="n",
        network_mode=NetworkMode.HOST_NETWORK,
        capacity=0,
        application_tunnel=ApplicationTunnel("PROXY", 15088),
    )

    def test_every_field_of_a_workload_is_read(self) -> None:
        assert one_workload(**self.FULL) == self.WORKLOAD

    def test_keys_may_be_in_snake_case(self) -> None:
        snake = {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): value for key, value in self.FULL.items()}
        assert one_workload(**snake) == self.WORKLOAD

    def test_a_workload_that_says_little_has_ztunnels_defaults(self) -> None:
        workload = one_workload()
        assert workload == Workload(uid="w", namespace="shop")
        assert (workload.capacity, workload.status, workload.protocol) == (1, Health.HEALTHY, Protocol.TCP)
        assert workload.identity == "spiffe://cluster.local/ns/shop/sa/default"

    def test_every_field_of_a_service_is_read(self) -> None:
        service = one_service(
            vips=["/10.0.0.1", "far/fd00::1"],
            ports={"80": 8080},
            waypoint={"destination": "/10.0.0.9", "port": 15008},
            weightedWaypoints=[{"waypoint": {"destination": "shop/way"}, "weight": 7}],
            loadBalancer={"routingPreferences": ["Network", "Region"], "mode": "Failover", "healthPolicy": "AllowAll"},
            subjectAltNames=["spiffe://x"],
            ipFamilies="Dual",
            canonical=True,
            ingressUseWaypoint=True,
            visibility="Namespace",
        )
        assert service == Service(
            name="web",
            namespace="shop",
            hostname="web.shop",
            vips=(NetworkAddress("", "10.0.0.1"), NetworkAddress("far", "fd00::1")),
            ports={80: 8080},
            waypoint=GatewayAddress(NetworkAddress("", "10.0.0.9"), 15008),
            weighted_waypoints=((GatewayAddress(NamespacedHostname("shop", "way")), 7),),
            load_balancing=LoadBalancing(
                preferences=(Scope.NETWORK, Scope.REGION), mode=Mode.FAILOVER, health=HealthPolicy.ALLOW_ALL
            ),
            subject_alt_names=("spiffe://x",),
            ip_families="Dual",
            canonical=True,
            ingress_use_waypoint=True,
            visibility=Visibility.NAMESPACE,
        )

    @pytest.mark.parametrize(
        "gateway",
        [
            {"destination": "shop/way", "hboneMtlsPort": 15018},
            {"destination": "shop/way", "port": 15018},
            {"destination": {"hostname": {"namespace": "shop", "hostname": "way"}}, "hbone_mtls_port": 15018},
            {"hostname": {"namespace": "shop", "hostname": "way"}, "hboneMtlsPort": 15018},
            {"hostname": "shop/way", "hboneMtlsPort": 15018},
            {"namespace": "shop", "hostname": "way", "hboneMtlsPort": 15018},
        ],
    )
    def test_a_gateway_by_host_name_in_each_spelling(self, gateway: Any) -> None:
        assert one_service(waypoint=gateway).waypoint == GatewayAddress(NamespacedHostname("shop", "way"), 15018)

    @pytest.mark.parametrize(
        "gateway",
        [
            {"destination": "far/10.9.0.1"},
            "far/10.9.0.1",
            {"address": {"network": "far", "address": "10.9.0.1"}},
            {"address": "far/10.9.0.1"},
            {"network": "far", "address": "10.9.0.1"},
        ],
    )
    def test_a_gateway_by_address_in_each_spelling(self, gateway: Any) -> None:
        assert one_workload(networkGateway=gateway).network_gateway == GatewayAddress(NetworkAddress("far", "10.9.0.1"))

    @pytest.mark.parametrize(
        ("vips", "ip"),
        [
            ({"vips": ["/10.0.0.0/24"]}, "10.0.0.0/24"),
            ({"cidrVips": ["/10.0.0.0/24"]}, "10.0.0.0/24"),
            ({"vips": ["/10.0.0.1/32"]}, "10.0.0.1"),
            ({"addresses": [{"network": "", "address": "10.0.0.0", "length": 24}]}, "10.0.0.0/24"),
            ({"addresses": [{"address": "10.0.0.1"}]}, "10.0.0.1"),
        ],
    )
    def test_vips_may_be_ranges(self, vips: Any, ip: str) -> None:
        assert one_service(**vips).vips == (NetworkAddress("", ip),)

    def test_the_protobuf_spelling_of_values_is_read(self) -> None:
        service = one_service(
            ports=[{"servicePort": 80, "targetPort": 8080}, {"service_port": 81}],
            loadBalancing={"routingPreference": ["NETWORK"], "mode": "FAILOVER", "healthPolicy": "ALLOW_ALL"},
            ipFamilies="IPV6_ONLY",
        )
        assert (service.ports, service.ip_families) == ({80: 8080, 81: 0}, "IPv6")
        assert service.load_balancing == LoadBalancing(
            preferences=(Scope.NETWORK,), mode=Mode.FAILOVER, health=HealthPolicy.ALLOW_ALL
        )
        workload = one_workload(
            tunnelProtocol="NONE",
            networkMode="HOST_NETWORK",
            status="UNHEALTHY",
            services={"shop/web": {"ports": [{"servicePort": 80, "targetPort": 1}]}},
        )
        assert (workload.protocol, workload.status) == (Protocol.TCP, Health.UNHEALTHY)
        assert (workload.network_mode, workload.services) == (NetworkMode.HOST_NETWORK, {"shop/web": {80: 1}})

    @pytest.mark.parametrize(
        ("packed", "ip"),
        [
            ("CgIAAQ==", "10.2.0.1"),
            ([10, 2, 0, 1], "10.2.0.1"),
            (b"\x0a\x02\x00\x01", "10.2.0.1"),
            ("/QAAAAAAAAAAAAAAAAAAAQ==", "fd00::1"),
            ("_QAAAAAAAAAAAAAAAAAAAQ==", "fd00::1"),
            ([0xFD, *[0] * 14, 1], "fd00::1"),
        ],
    )
    def test_an_address_may_be_its_bytes(self, packed: Any, ip: str) -> None:
        """As proto/workload.proto sends them, and as protobuf's JSON writes them."""
        assert one_workload(addresses=[packed]).ips == (ip,)
        assert one_service(addresses=[{"network": "near", "address": packed}]).vips == (NetworkAddress("near", ip),)
        waypoint = one_service(waypoint={"address": {"network": "near", "address": packed}}).waypoint
        assert waypoint == GatewayAddress(NetworkAddress("near", ip), 15008)

    @pytest.mark.parametrize("packed", ["AAAA", [1, 2, 3], [1, 2, 3, 256], [1, 2, 3, True], b"\x01", "=" * 8])
    def test_bytes_that_are_no_address_are_refused(self, packed: Any) -> None:
        with pytest.raises(InputError, match="is not an IP address"):
            one_workload(addresses=[packed])

    @pytest.mark.parametrize(
        ("row", "member"),
        [
            ({"tunnelProtocol": 0}, Protocol.TCP),
            ({"tunnelProtocol": 1}, Protocol.HBONE),
            ({"tunnelProtocol": "LEGACY_ISTIO_MTLS"}, Protocol.TCP),
        ],
    )
    def test_a_tunnel_protocol_may_be_its_number(self, row: dict[str, Any], member: Protocol) -> None:
        assert one_workload(**row).protocol == member

    def test_members_of_enumerations_may_be_their_numbers(self) -> None:
        """proto/workload.proto: scopes count from REGION = 1, modes and health policies from 0."""
        assert one_workload(status=1, networkMode=1).status == Health.UNHEALTHY
        stated = {"routingPreference": [1, 2, 3, 4, 5, 6], "mode": 2, "healthPolicy": 1}
        assert one_service(loadBalancing=stated, ipFamilies=2).load_balancing == LoadBalancing(
            preferences=(Scope.REGION, Scope.ZONE, Scope.SUBZONE, Scope.NODE, Scope.CLUSTER, Scope.NETWORK),
            mode=Mode.FAILOVER,
            health=HealthPolicy.ALLOW_ALL,
        )
        families = [one_service(ipFamilies=number).ip_families for number in range(4)]
        assert families == ["", "IPv4", "IPv6", "Dual"]

    def test_the_network_is_the_mappings_own_or_its_configs_or_the_callers(self) -> None:
        assert ztunnel_tables({}).network == ""
        assert ztunnel_tables({"network": "near"}).network == "near"
        assert ztunnel_tables({"config": {"network": "near"}}).network == "near"
        assert ztunnel_tables({"network": "near"}, network="far").network == "far"


DUMP: dict[str, Any] = {
    "workloads": {
        "near/10.2.0.1": {
            "workloadIps": ["10.2.0.1"],
            "protocol": "HBONE",
            "uid": "c1//Pod/shop/a",
            "name": "a",
            "namespace": "shop",
            "network": "near",
            "status": "Healthy",
            "clusterId": "c1",
        },
        "near/10.2.0.2": {"workloadIps": ["10.2.0.2"], "uid": "c1//Pod/shop/b", "namespace": "shop", "network": "near"},
    },
    "services": {
        "near/10.0.0.1": {
            "name": "web",
            "namespace": "shop",
            "hostname": "web.shop",
            "vips": ["near/10.0.0.1"],
            "ports": {"80": 8080},
            "endpoints": {
                "c1//Pod/shop/a:near/10.2.0.1": {
                    "workloadUid": "c1//Pod/shop/a",
                    "service": "shop/web.shop",
                    "address": "near/10.2.0.1",
                    "port": {"80": 9090},
                },
                "c1//Pod/shop/gone": {"workloadUid": "c1//Pod/shop/gone", "port": {"80": 9090}},
            },
        }
    },
    "certificates": [],
    "policies": [],
    "workloadState": {},
}


class TestDump:
    def test_maps_and_lists_read_alike(self) -> None:
        listed = DUMP | {"workloads": list(DUMP["workloads"].values()), "services": list(DUMP["services"].values())}
        assert plain(ztunnel_tables(DUMP)) == plain(ztunnel_tables(listed))

    def test_endpoints_of_a_service_become_the_workloads_services(self) -> None:
        workloads = ztunnel_tables(DUMP).workloads
        assert workloads["c1//Pod/shop/a"].services == {"shop/web.shop": {80: 9090}}
        assert workloads["c1//Pod/shop/b"].services == {}

    def test_a_workload_that_only_names_the_service_is_an_endpoint_only_where_the_service_lists_it(self) -> None:
        rows = {key: row | {"services": ["shop/web.shop"]} for key, row in DUMP["workloads"].items()}
        tables = ztunnel_tables(DUMP | {"workloads": rows})
        assert tables.workloads["c1//Pod/shop/b"].services == {}

    def test_a_workload_that_only_names_a_service_without_a_list_is_its_endpoint(self) -> None:
        assert one_workload(services=["shop/web.shop"]).services == {"shop/web.shop": {}}

    def test_endpoints_may_be_a_list_and_say_their_health(self) -> None:
        endpoints = [
            {"workloadUid": "w", "port": {80: 80}, "status": "Healthy"},
            {"workloadUid": "x", "port": {80: 80}, "status": "Unhealthy"},
        ]
        service = {"name": "web", "namespace": "shop", "hostname": "web", "endpoints": endpoints}
        tables = ztunnel_tables({"workloads": [{"uid": "w"}, {"uid": "x"}], "services": [service]})
        assert {uid: dict(w.services) for uid, w in tables.workloads.items()} == {"w": {"shop/web": {80: 80}}, "x": {}}

    def test_rows_know_that_they_were_dumped(self) -> None:
        tables = ztunnel_tables(DUMP, evidence=Dumped("ztunnel.json"))
        (service,) = tables.services.values()
        assert [fact.evidence for fact in service.waypoint_why] == [Dumped("ztunnel.json")]
        assert [str(fact) for fact in service.waypoint_why] == ["shop/web.shop waypoint: absent"]


class TestErrors:
    @pytest.mark.parametrize(
        ("mapping", "message"),
        [
            ([], "the ztunnel tables: [] is not a mapping"),
            ({"workloads": 3}, "the ztunnel tables: workloads 3 is neither a list nor a map"),
            ({"workloads": ["x"]}, "workload 0: 'x' is not a mapping"),
            ({"workloads": [{"name": "a", "workloadIps": ["x"]}]}, "workload a: workloadIps 'x' is not an IP address"),
            ({"workloads": [{"name": "a", "workloadIps": "x"}]}, "workload a: workloadIps 'x' is not an IP address"),
            ({"workloads": [{"name": "a", "protocol": "QUIC"}]}, "workload a: protocol 'QUIC' is none of TCP, HBONE"),
            ({"workloads": [{"name": "a", "status": "Odd"}]}, "workload a: status 'Odd' is none of Healthy, Unhealthy"),
            (
                {"workloads": [{"name": "a", "capacity": -1}]},
                "workload a: capacity -1 is not a whole number from 0 to 4294967295",
            ),
            (
                {"workloads": [{"name": "a", "services": {"web": {}}}]},
                "workload a: services 'web' is not namespace/hostname",
            ),
            (
                {"workloads": [{"name": "a", "services": {"shop/web": {80: 70000}}}]},
                "workload a: services shop/web port 70000 is not a whole number from 0 to 65535",
            ),
            (
                {"workloads": [{"name": "a", "status": 2}]},
                "workload a: status 2 is none of Healthy, Unhealthy",
            ),
            ({"workloads": [{"name": "a", "waypoint": {}}]}, "workload a: waypoint: names no destination"),
            ({"services": [{"name": "web", "vips": ["/x"]}]}, "service web: vip 'x' is not an IP address"),
            (
                {"services": [{"name": "web", "vips": ["/10.0.0.0/99"]}]},
                "service web: vip '10.0.0.0/99' is no range of IP addresses such as 10.0.0.0/24",
            ),
            (
                {"services": [{"name": "web", "loadBalancer": {"mode": "Odd"}}]},
                "service web: loadBalancer: mode 'Odd' is none of Standard, Strict, Failover, Passthrough",
            ),
            (
                {"services": [{"name": "web", "canonical": "yes"}]},
                "service web: canonical 'yes' is neither true nor false",
            ),
            (
                {"services": [{"name": "web", "ipFamilies": "v5"}]},
                "service web: ipFamilies 'v5' is none of IPv4, IPv6, Dual",
            ),
        ],
    )
    def test_bad_values_name_the_row_and_the_value(self, mapping: Any, message: str) -> None:
        with pytest.raises(InputError) as caught:
            ztunnel_tables(mapping)
        assert str(caught.value) == message

    def test_a_number_of_thousands_of_digits_is_refused(self) -> None:
        with pytest.raises(InputError, match="is not a whole number from 0 to"):
            one_workload(capacity="9" * 5000)

    def test_unknown_keys_are_ignored(self) -> None:
        assert one_workload(somethingNew={"deep": 1}) == Workload(uid="w", namespace="shop")


NAMES = st.text("abc", min_size=1, max_size=3)
IPS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
NETWORKS = st.sampled_from(["", "near", "far"])
PORTS = st.dictionaries(st.integers(0, 65535), st.integers(0, 65535), max_size=3)
HOSTNAMES = st.builds(NamespacedHostname, NAMES, NAMES)
ADDRESSES = st.builds(NetworkAddress, NETWORKS, IPS)
RANGES = st.builds(NetworkAddress, NETWORKS, st.sampled_from(["10.0.0.0/24", "fd00::/112"]))
GATEWAYS = st.builds(GatewayAddress, st.one_of(HOSTNAMES, ADDRESSES), st.integers(1, 65535))
LOCALITIES = st.builds(Locality, NAMES, NAMES, st.sampled_from(["", "s"]))
SERVICES = st.builds(
    Service,
    name=NAMES,
    namespace=NAMES,
    hostname=NAMES,
    vips=st.lists(st.one_of(ADDRESSES, RANGES), max_size=3, unique=True).map(tuple),
    ports=PORTS,
    waypoint=st.none() | GATEWAYS,
    weighted_waypoints=st.lists(st.tuples(GATEWAYS, st.integers(0, 100)), max_size=2).map(tuple),
    load_balancing=st.none()
    | st.builds(
        LoadBalancing,
        preferences=st.lists(st.sampled_from(Scope), max_size=3).map(tuple),
        mode=st.sampled_from(Mode),
        health=st.sampled_from(HealthPolicy),
    ),
    subject_alt_names=st.lists(NAMES, max_size=2).map(tuple),
    ip_families=st.sampled_from(["", "IPv4", "IPv6", "Dual"]),
    canonical=st.booleans(),
    ingress_use_waypoint=st.booleans(),
    visibility=st.sampled_from(Visibility),
    why=st.just(()),
    waypoint_why=st.just(()),
    balancing_why=st.just(()),
)
WORKLOADS = st.builds(
    Workload,
    uid=NAMES,
    name=NAMES,
    namespace=NAMES,
    service_account=NAMES,
    trust_domain=NAMES,
    ips=st.lists(IPS, max_size=2).map(tuple),
    hostname=st.sampled_from(["", "a.example.com"]),
    network=NETWORKS,
    protocol=st.sampled_from(Protocol),
    waypoint=st.none() | GATEWAYS,
    network_gateway=st.none() | GATEWAYS,
    services=st.dictionaries(HOSTNAMES.map(str), PORTS, max_size=2),
    status=st.sampled_from(Health),
    cluster=NAMES,
    locality=LOCALITIES,
    node=NAMES,
    network_mode=st.sampled_from(NetworkMode),
    capacity=st.integers(0, 2**32 - 1),
    application_tunnel=st.none()
    | st.builds(ApplicationTunnel, st.sampled_from(["NONE", "PROXY"]), st.none() | st.integers(1, 65535)),
    why=st.just(()),
)


@settings(max_examples=40)
@given(NETWORKS, st.lists(SERVICES, max_size=3), st.lists(WORKLOADS, max_size=3))
def test_tables_survive_being_written_and_read(
    network: str, services: list[Service], workloads: list[Workload]
) -> None:
    tables = ZtunnelTables(network=network, services=services, workloads=workloads)
    again = ztunnel_tables(plain(tables))
    assert again.network == network
    assert dict(again.services) == dict(tables.services)
    assert dict(again.workloads) == dict(tables.workloads)


def _ported(ports: Any) -> Service:
    row = {"name": "web", "namespace": "shop", "hostname": "web.shop", "ports": ports}
    (service,) = ztunnel_tables({"services": [row]}).services.values()
    return service


@pytest.mark.parametrize(
    "entry",
    [
        {"servicePort": 80, "targetPort": 8080},
        {"service_port": 80, "target_port": 8080},
        {"port": 80, "targetPort": 8080},
    ],
)
def test_a_port_entry_is_read_in_every_spelling(entry: dict[str, int]) -> None:
    assert _ported([entry]).ports == {80: 8080}


def test_a_port_entry_without_its_port_is_refused_not_taken_for_port_0() -> None:
    with pytest.raises(InputError, match=r"service web: ports: an entry has no servicePort"):
        _ported([{"targetPort": 8080}])


def _ips(**addresses: Any) -> tuple[str, ...]:
    row = {"uid": "w", "name": "w", "namespace": "shop", "network": "east", **addresses}
    return ztunnel_tables({"workloads": [row]}).workloads["w"].ips


@pytest.mark.parametrize(
    "addresses",
    [
        {"workloadIps": ["10.0.0.1"]},
        {"workloadIps": "10.0.0.1"},
        {"workload_ip": "10.0.0.1"},
        {"workloadIps": ["east/10.0.0.1"]},
    ],
)
def test_a_workloads_address_is_read_in_every_spelling(addresses: dict[str, Any]) -> None:
    assert _ips(**addresses) == ("10.0.0.1",)


def test_a_workloads_address_on_another_network_is_refused() -> None:
    with pytest.raises(InputError, match=r"workload w: workloadIps 'west/10.0.0.1' is on network 'west'"):
        _ips(workloadIps=["west/10.0.0.1"])


def test_rows_of_a_program_that_has_no_word_for_none_are_read():
    """istioctl prints its own rows with empty texts, lists and objects where a ztunnel leaves things out, and gateways
    without their port (istio/istio istioctl/pkg/writer/ztunnel/configdump/api.go)."""
    gateway = "n2/SplitHorizonWorkload/istio-system/eastwest/203.0.113.9/shop/web.shop.svc.cluster.local"
    empty = {"hostname": "", "node": "", "locality": {}, "applicationTunnel": {"protocol": ""}, "trustDomain": ""}
    mapping = {
        "workloads": [
            {**empty, "uid": gateway, "name": gateway, "namespace": "shop", "network": "n2", "status": "Healthy"}
            | {
                "workloadIps": [],
                "networkGateway": {"destination": "n2/203.0.113.9"},
                "protocol": "HBONE",
                "capacity": 2,
            },
            {**empty, "uid": "c//Pod/shop/web-1", "name": "web-1", "namespace": "shop", "network": "n1", "status": ""}
            | {"workloadIps": ["10.0.0.1"], "protocol": "HBONE", "waypoint": {"destination": ""}},
        ],
        "services": [
            {
                "name": "web",
                "namespace": "shop",
                "hostname": "web.shop.svc.cluster.local",
                "vips": ["n1/10.1.0.1"],
                "ports": {"80": 8080},
                "loadBalancer": {"mode": "", "routingPreferences": None, "healthPolicy": ""},
                "waypoint": {"destination": ""},
                "endpoints": {
                    uid: {"workloadUid": uid, "service": "", "port": {"80": 8080}}
                    for uid in ("c//Pod/shop/web-1", gateway)
                },
                "ipFamilies": "",
            }
        ],
        "policies": None,
        "certificates": None,
    }
    tables = ztunnel_tables(mapping)
    remote, local = tables.workloads[gateway], tables.workloads["c//Pod/shop/web-1"]
    assert (str(remote.network_gateway), remote.capacity, remote.application_tunnel) == (
        "n2/203.0.113.9:15008",
        2,
        None,
    )
    assert (local.waypoint, local.application_tunnel, local.status.value) == (None, None, "Healthy")
    (service,) = tables.services.values()
    assert service.waypoint is None
    assert service.load_balancing is not None
    assert (service.load_balancing.mode, service.load_balancing.preferences) == (Mode.STANDARD, ())
    assert {w.uid for w in tables.endpoints(service)} == {gateway, "c//Pod/shop/web-1"}
