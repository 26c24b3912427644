"""Which service an address means and which endpoint is drawn.

Expected values: ztunnel src/state.rs, src/state/service.rs; arithmetic.
"""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.dataplane import balance
from meshsim.dataplane.balance import Balanced, Resolution, by_address, load_balance, service_by_vip
from meshsim.dataplane.ztunnel import next_hops
from meshsim.tables.load import ztunnel_tables
from meshsim.tables.workload import Workload
from meshsim.tables.ztunnel import ZtunnelTables

CLIENT = {
    "uid": "client",
    "namespace": "shop",
    "workloadIps": ["10.1.0.1"],
    "network": "near",
    "clusterId": "c1",
    "node": "n1",
    "locality": {"region": "r1", "zone": "z1", "subzone": "s1"},
}
SPREAD = ["Network", "Region", "Zone"]


def meaning(services: list[dict[str, Any]], ip: str, namespace: str = "shop", network: str = "") -> str | None:
    client = Workload(uid="client", namespace=namespace)
    found = service_by_vip(ztunnel_tables({"services": services}), network, ip, client)
    return None if found is None else str(found.service.key)


def named(namespace: str, hostname: str, *vips: str, **more: Any) -> dict[str, Any]:
    return {"name": hostname, "namespace": namespace, "hostname": hostname, "vips": list(vips)} | more


class TestVips:
    def test_the_clients_namespace_beats_canonical(self) -> None:
        rows = [named("mesh", "a", "/10.0.0.1", canonical=True), named("shop", "b", "/10.0.0.1")]
        assert meaning(rows, "10.0.0.1") == "shop/b"
        assert meaning(rows[::-1], "10.0.0.1") == "shop/b"

    def test_canonical_beats_the_first(self) -> None:
        rows = [
            named("one", "a", "/10.0.0.1"),
            named("two", "b", "/10.0.0.1", canonical=True),
            named("x", "c", "/10.0.0.1"),
        ]
        assert meaning(rows, "10.0.0.1") == "two/b"
        assert meaning(rows[::-1], "10.0.0.1") == "two/b"

    def test_without_either_the_first_is_meant_and_the_choice_is_contested(self) -> None:
        tables = ztunnel_tables({"services": [named("one", "a", "/10.0.0.1"), named("two", "b", "/10.0.0.1")]})
        found = service_by_vip(tables, "", "10.0.0.1", Workload(uid="client", namespace="shop"))
        assert found is not None
        assert (str(found.service.key), [str(key) for key in found.contested]) == ("one/a", ["one/a", "two/b"])

    def test_a_shared_vip_is_that_of_each_clients_own_namespace(self) -> None:
        rows = [named("one", "a", "/10.0.0.1", "/10.0.0.2"), named("two", "a", "/10.0.0.1", "/10.0.0.3")]
        assert [meaning(rows, "10.0.0.1", ns) for ns in ("one", "two")] == ["one/a", "two/a"]
        assert [meaning(rows, "10.0.0.2", ns) for ns in ("one", "two")] == ["one/a", "one/a"]

    def test_a_namespace_service_is_only_visible_in_its_namespace(self) -> None:
        rows = [named("one", "a", "/10.0.0.1", visibility="Namespace")]
        assert [meaning(rows, "10.0.0.1", ns) for ns in ("one", "two", "")] == ["one/a", None, "one/a"]

    def test_vips_are_of_a_network(self) -> None:
        rows = [named("shop", "a", "near/10.0.0.1")]
        assert [meaning(rows, "10.0.0.1", network=network) for network in ("near", "far", "")] == ["shop/a", None, None]

    def test_a_workloads_ip_is_found_before_a_vip_and_a_vip_before_an_upstream_workload(self) -> None:
        tables = ztunnel_tables(
            {"services": [named("shop", "a", "/10.0.0.1")], "workloads": [{"uid": "w", "workloadIps": ["10.0.0.1"]}]}
        )
        assert isinstance(by_address(tables, "", "10.0.0.1", None), Workload)
        assert service_by_vip(tables, "", "10.0.0.1", Workload(uid="client", namespace="shop")) is not None


class TestVipRanges:
    @pytest.mark.parametrize(
        ("ip", "meant"),
        [
            ("10.0.0.5", "shop/a"),
            ("10.0.0.255", "shop/a"),
            ("10.0.1.5", None),
            ("fd00::5", "shop/a"),
            ("fd01::5", None),
        ],
    )
    def test_a_range_holds_the_addresses_of_its_family(self, ip: str, meant: str | None) -> None:
        assert meaning([named("shop", "a", cidrVips=["/10.0.0.0/24", "/fd00::/112"])], ip) == meant

    def test_families_never_match_each_other(self) -> None:
        rows = [named("shop", "v4", "/10.0.0.0/24"), named("shop", "v6", "/fd00::/112")]
        assert meaning(rows, "253.0.0.0") is None
        assert meaning(rows, "a00::5") is None

    def test_the_longest_prefix_wins(self) -> None:
        rows = [named("shop", "wide", "/10.0.0.0/16"), named("shop", "narrow", "/10.0.0.0/24")]
        assert [meaning(rows, ip) for ip in ("10.0.0.5", "10.0.1.5")] == ["shop/narrow", "shop/wide"]

    def test_an_exact_vip_beats_a_range(self) -> None:
        rows = [named("shop", "range", "/10.0.0.0/24"), named("other", "exact", "/10.0.0.5")]
        assert [meaning(rows, ip) for ip in ("10.0.0.5", "10.0.0.6")] == ["other/exact", "shop/range"]

    def test_the_clients_namespace_beats_a_longer_prefix(self) -> None:
        rows = [named("other", "narrow", "/10.0.0.0/24"), named("shop", "wide", "/10.0.0.0/16")]
        assert [meaning(rows, "10.0.0.5", ns) for ns in ("shop", "x")] == ["shop/wide", "other/narrow"]

    def test_canonical_decides_between_equal_prefixes(self) -> None:
        rows = [named("one", "a", "/10.0.0.0/24"), named("two", "b", "/10.0.0.0/24", canonical=True)]
        assert meaning(rows, "10.0.0.5") == "two/b"

    def test_a_range_of_one_address_is_exact(self) -> None:
        rows = [named("shop", "range", "/10.0.0.0/24"), named("other", "one", "/10.0.0.5/32")]
        assert meaning(rows, "10.0.0.5") == "other/one"

    def test_ranges_are_of_a_network(self) -> None:
        rows = [named("shop", "a", "near/10.0.0.0/24")]
        assert [meaning(rows, "10.0.0.5", network=network) for network in ("near", "far")] == ["shop/a", None]


def endpoint(uid: str, **more: Any) -> dict[str, Any]:
    row = {"uid": uid, "namespace": "shop", "workloadIps": [f"10.2.0.{uid[-1]}"], "services": {"shop/web": {80: 8080}}}
    return row | {"network": "near"} | more


def at(region: str, zone: str = "", subzone: str = "") -> dict[str, Any]:
    return {"locality": {"region": region, "zone": zone, "subzone": subzone}}


def balanced(endpoints: list[dict[str, Any]], mode: str | None = None, *preferences: str, **client: Any) -> Balanced:
    tables = spread(endpoints, mode, *preferences, **client)
    (service,) = tables.services.values()
    return load_balance(tables, tables.workloads["client"], service, 80)


def spread(endpoints: list[dict[str, Any]], mode: str | None, *preferences: str, **client: Any) -> ZtunnelTables:
    balancer = {"routingPreferences": list(preferences), "mode": mode, "healthPolicy": "OnlyHealthy"}
    row = named("shop", "web", "near/10.0.0.1", ports={80: 8080}, loadBalancer=balancer if mode else None)
    return ztunnel_tables({"services": [row], "workloads": [CLIENT | client, *endpoints]}, network="near")


def shares(found: Balanced) -> dict[str, Fraction]:
    assert sum(share for share, _ in found.shares) in {0, 1}
    return {candidate.uid: share for share, candidate in found.shares}


GATEWAYED = {"workloadIps": [], "network": "far", "networkGateway": {"destination": "far/10.9.0.1"}}


class TestCapacity:
    def test_without_preferences_endpoints_share_by_capacity(self) -> None:
        found = balanced([endpoint("e1"), endpoint("e2"), endpoint("e3", capacity=3, **GATEWAYED)])
        assert shares(found) == {"e1": Fraction(1, 5), "e2": Fraction(1, 5), "e3": Fraction(3, 5)}
        assert found.rule is balance.BY_CAPACITY

    def test_capacity_zero_is_never_picked(self) -> None:
        assert shares(balanced([endpoint("e1"), endpoint("e2", capacity=0)])) == {"e1": 1}

    def test_nothing_but_capacity_zero_is_no_endpoint(self) -> None:
        found = balanced([endpoint("e1", capacity=0)])
        assert shares(found) == {}
        assert found.rule is balance.NO_CAPACITY

    def test_capacity_zero_still_outranks(self) -> None:
        rows = [endpoint("e1", capacity=0, **at("r1")), endpoint("e2", **at("r2"))]
        assert shares(balanced(rows, "Failover", "Region")) == {}


class TestEligibility:
    def test_a_remote_endpoint_without_address_needs_a_gateway(self) -> None:
        found = balanced([endpoint("e1", workloadIps=[], network="far"), endpoint("e2", **GATEWAYED)])
        assert shares(found) == {"e2": 1}
        assert [(workload.uid, why) for workload, why in found.removed] == [("e1", balance.NO_ADDRESS)]

    def test_a_local_endpoint_without_address_is_out_even_with_a_gateway(self) -> None:
        found = balanced([endpoint("e1", workloadIps=[], networkGateway={"destination": "far/10.9.0.1"})])
        assert shares(found) == {}

    def test_a_host_name_is_an_address(self) -> None:
        assert shares(balanced([endpoint("e1", workloadIps=[], hostname="db.example.com")])) == {"e1": 1}

    def test_an_undefined_port_has_no_endpoint(self) -> None:
        tables = spread([endpoint("e1")], None)
        (service,) = tables.services.values()
        found = load_balance(tables, tables.workloads["client"], service, 81)
        assert found.shares == ()
        assert found.rule is balance.PORT_UNKNOWN

    @pytest.mark.parametrize(
        ("service_ports", "endpoint_ports", "tunnel", "mode", "port"),
        [
            ({80: 0}, {80: 9090}, None, Resolution.STANDARD, 9090),
            ({80: 8080}, {}, None, Resolution.STANDARD, 8080),
            ({80: 8080}, {80: 9090}, None, Resolution.STANDARD, 9090),
            ({80: 0}, {}, {"protocol": "PROXY", "port": 15088}, Resolution.WAYPOINT, 80),
            ({}, {}, {"protocol": "PROXY", "port": 15088}, Resolution.WAYPOINT, 80),
            ({80: 0}, {}, None, Resolution.WAYPOINT, None),
        ],
    )
    def test_ports_are_translated(
        self, service_ports: Any, endpoint_ports: Any, tunnel: Any, mode: Resolution, port: int | None
    ) -> None:
        row = endpoint("e1", services={"shop/web": endpoint_ports}, applicationTunnel=tunnel)
        tables = ztunnel_tables({"services": [named("shop", "web", ports=service_ports)], "workloads": [CLIENT, row]})
        (service,) = tables.services.values()
        ((_, candidate),) = load_balance(tables, tables.workloads["client"], service, 80, mode).shares
        assert candidate.port == port


class TestPreferences:
    def test_strict_takes_full_matches_only(self) -> None:
        found = balanced([endpoint("e1", **at("r1", "z1")), endpoint("e2", **at("r1", "z2"))], "Strict", *SPREAD)
        assert shares(found) == {"e1": 1}
        assert found.rule is balance.STRICT

    def test_strict_without_a_full_match_has_no_endpoint(self) -> None:
        found = balanced([endpoint("e2", **at("r1", "z2"))], "Strict", *SPREAD)
        assert shares(found) == {}
        assert found.rule is balance.STRICT

    def test_strict_on_the_node_is_internal_traffic_policy_local(self) -> None:
        assert shares(balanced([endpoint("e1", node="n1"), endpoint("e2", node="n2")], "Strict", "Node")) == {"e1": 1}

    def test_strict_on_network_never_leaves_it(self) -> None:
        assert shares(balanced([endpoint("e1", **GATEWAYED)], "Strict", *SPREAD, **at(""))) == {}

    def test_failover_takes_any_endpoint_where_none_matches(self) -> None:
        found = balanced([endpoint("e1", **at("r2")), endpoint("e2", **at("r3"))], "Failover", "Region")
        assert shares(found) == {"e1": Fraction(1, 2), "e2": Fraction(1, 2)}

    def test_a_later_match_does_not_count_after_a_mismatch(self) -> None:
        found = balanced(
            [endpoint("e1", **at("r2", "z1")), endpoint("e2", **at("r3", "z9"))], "Failover", "Region", "Zone"
        )
        assert shares(found) == {"e1": Fraction(1, 2), "e2": Fraction(1, 2)}

    LADDER = (
        ("e1", at("r1", "z1")),
        ("e2", at("r1", "z2")),
        ("e3", at("r2", "z2")),
        ("e4", at("r1", "z1") | GATEWAYED),
        ("e5", at("r1", "z2") | GATEWAYED),
        ("e6", at("r2", "z2") | GATEWAYED),
    )

    @pytest.mark.parametrize("gone", range(6))
    def test_network_dominates_and_remote_endpoints_still_rank_by_region_and_zone(self, gone: int) -> None:
        rows = [endpoint(uid, **more) for uid, more in self.LADDER[gone:]]
        assert shares(balanced(rows, "Failover", *SPREAD)) == {self.LADDER[gone][0]: 1}

    def test_ranks_are_those_of_the_table(self) -> None:
        for (uid, more), rank in zip(self.LADDER, (5, 4, 3, 2, 1, 0), strict=True):
            ((_, candidate),) = balanced([endpoint(uid, **more)], "Failover", *SPREAD).shares
            assert candidate.rank == rank

    def test_network_that_is_not_the_first_preference_ends_the_comparison(self) -> None:
        rows = [endpoint("e1", **at("r1", "z1") | GATEWAYED), endpoint("e2", **at("r1", "z9") | GATEWAYED)]
        assert set(shares(balanced(rows, "Failover", "Region", "Network", "Zone"))) == {"e1", "e2"}

    def test_empty_localities_match_empty_ones(self) -> None:
        rows = [endpoint("e1", **GATEWAYED), endpoint("e2", **at("r2") | GATEWAYED)]
        assert shares(balanced(rows, "Failover", *SPREAD, locality={})) == {"e1": 1}

    @pytest.mark.parametrize(
        ("scope", "mine"),
        [("Subzone", at("r9", "z9", "s1")), ("Cluster", {"clusterId": "c1"}), ("Node", {"node": "n1"})],
    )
    def test_every_scope_compares_its_own_field(self, scope: str, mine: dict[str, Any]) -> None:
        assert shares(balanced([endpoint("e1", **mine), endpoint("e2")], "Failover", scope)) == {"e1": 1}

    def test_standard_mode_ignores_preferences(self) -> None:
        assert set(shares(balanced([endpoint("e1", **at("r1")), endpoint("e2")], "Standard", "Region"))) == {"e1", "e2"}

    def test_passthrough_ranks_where_the_service_is_reached_through_a_reference(self) -> None:
        assert shares(balanced([endpoint("e1", **at("r1")), endpoint("e2")], "Passthrough", "Region")) == {"e1": 1}

    def test_one_ready_endpoint_of_the_best_rank_takes_everything(self) -> None:
        rows = [endpoint("e1", **at("r1", "z1")), *(endpoint(f"x{n}", capacity=9, **at("r2")) for n in range(9))]
        assert shares(balanced(rows, "Failover", *SPREAD)) == {"e1": 1}

    def test_what_ranking_removed_is_named(self) -> None:
        found = balanced([endpoint("e1", **at("r1")), endpoint("e2", **at("r2"))], "Failover", "Region")
        assert [(workload.uid, why) for workload, why in found.removed] == [("e2", balance.OUTRANKED)]
        assert found.rule is balance.OUTRANKED


PLACES = st.sampled_from(["", "r1", "r2"])
ENDPOINTS = st.lists(
    st.fixed_dictionaries(
        {
            "network": st.sampled_from(["near", "far"]),
            "capacity": st.integers(0, 5),
            "status": st.sampled_from(["Healthy", "Unhealthy"]),
            "protocol": st.sampled_from(["HBONE", "TCP"]),
            "locality": st.fixed_dictionaries({"region": PLACES, "zone": PLACES}),
            "networkGateway": st.sampled_from([None, {"destination": "far/10.9.0.1"}, {"destination": "mesh/none"}]),
            "services": st.sampled_from([{"shop/web": {80: 8080}}, {"shop/web": {}}, {}]),
        }
    ),
    max_size=6,
)
MODES = st.sampled_from([None, "Standard", "Strict", "Failover", "Passthrough"])
SCOPES = st.lists(st.sampled_from(["Network", "Region", "Zone", "Cluster"]), max_size=4)


@given(ENDPOINTS, MODES, SCOPES, st.randoms(use_true_random=False))
def test_shares_sum_to_one_and_the_order_of_rows_changes_nothing(
    rows: list[dict[str, Any]], mode: str | None, scopes: list[str], random: Any
) -> None:
    endpoints = [endpoint(f"e{n}", **row) for n, row in enumerate(rows)]
    endpoints.append({"uid": "gate", "network": "far", "workloadIps": ["10.9.0.1"]})

    def outcome(listed: list[dict[str, Any]]) -> dict[tuple[str, ...], Fraction]:
        tables = spread(listed, mode, *scopes)
        found: dict[tuple[str, ...], Fraction] = {}
        for share, hop in next_hops(tables, tables.workloads["client"], "10.0.0.1", 80):
            key = (getattr(hop, "error", ""), getattr(hop, "connect", ""), getattr(hop, "authority", None) or "")
            found[key] = found.get(key, Fraction(0)) + share
        return found

    straight = outcome(endpoints)
    assert sum(straight.values()) == 1
    assert all(share > 0 for share in straight.values())
    random.shuffle(endpoints)
    assert outcome(endpoints) == straight
