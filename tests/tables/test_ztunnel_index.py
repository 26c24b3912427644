"""How ztunnel indexes what it was sent (ztunnel src/state.rs, src/state/service.rs)."""

from typing import Any

import pytest

from meshsim.dataplane.balance import Found, by_address
from meshsim.tables.load import ztunnel_tables
from meshsim.tables.workload import NetworkAddress

POD = {"uid": "c1//Pod/shop/a", "workloadIps": ["10.2.0.1"]}
ENTRY = {"uid": "c1/networking.istio.io/WorkloadEntry/shop/a", "workloadIps": ["10.2.0.1"]}


@pytest.mark.parametrize("rows", [[POD, ENTRY], [ENTRY, POD]])
def test_a_pod_beats_a_workload_entry_of_the_same_address(rows: list[dict[str, Any]]) -> None:
    assert ztunnel_tables({"workloads": rows}).by_address[NetworkAddress("", "10.2.0.1")].uid == POD["uid"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_without_a_pod_one_that_takes_tunnels_has_the_address(order: tuple[int, int]) -> None:
    rows = [ENTRY | {"protocol": "HBONE"}, ENTRY | {"uid": "c1/networking.istio.io/WorkloadEntry/shop/b"}]
    tables = ztunnel_tables({"workloads": [rows[at] for at in order]})
    assert tables.by_address[NetworkAddress("", "10.2.0.1")].uid == ENTRY["uid"]


def test_of_equals_the_last_to_arrive_has_the_address() -> None:
    tables = ztunnel_tables({"workloads": [POD, POD | {"uid": "c1//Pod/shop/b"}]})
    assert tables.by_address[NetworkAddress("", "10.2.0.1")].uid == "c1//Pod/shop/b"


def test_a_host_network_workload_is_not_found_by_address() -> None:
    assert not ztunnel_tables({"workloads": [POD | {"networkMode": "HostNetwork"}]}).by_address


@pytest.mark.parametrize(("policy", "endpoints"), [("OnlyHealthy", ["a"]), ("AllowAll", ["a", "b"])])
def test_unready_endpoints_count_only_where_the_service_allows_all(policy: str, endpoints: list[str]) -> None:
    served = {"services": {"shop/web": {80: 80}}}
    balancer = {"routingPreferences": [], "mode": "Standard", "healthPolicy": policy}
    tables = ztunnel_tables(
        {
            "workloads": [{"uid": "a"} | served, {"uid": "b", "status": "Unhealthy"} | served],
            "services": [{"namespace": "shop", "hostname": "web", "loadBalancer": balancer}],
        }
    )
    (service,) = tables.services.values()
    assert [workload.uid for workload in tables.endpoints(service)] == endpoints


def test_ranges_are_kept_apart_from_addresses() -> None:
    tables = ztunnel_tables({"services": [{"hostname": "web", "vips": ["/10.0.0.1", "near/10.0.0.0/24"]}]})
    assert [str(prefix) for prefix, _ in tables.vip_ranges["near"]] == ["10.0.0.0/24"]
    assert NetworkAddress("", "10.0.0.1") in tables.by_vip


@pytest.mark.parametrize(("hosts", "last"), [(("web", "web2"), "web2"), (("web2", "web"), "web")])
def test_a_vip_of_two_services_in_a_namespace_is_the_last_ones(hosts: tuple[str, str], last: str) -> None:
    rows = [{"namespace": "shop", "hostname": host, "vips": ["/10.0.0.1"]} for host in hosts]
    found = by_address(ztunnel_tables({"services": rows}), "", "10.0.0.1", None)
    assert isinstance(found, Found)
    assert found.service is not None
    assert found.service.hostname == last
