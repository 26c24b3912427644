"""Upstream's view of other clusters. Expected values: istio pilot/pkg/serviceregistry/ambient/multicluster.go and its
tests (TestMulticlusterAmbientIndex_*, split horizon and merge cases)."""

import pytest
from made_meshes import (
    BOUND,
    GLOBAL,
    MULTI,
    ORDERS,
    WAYPOINT,
    cluster,
    endpoints,
    envoy_cluster,
    hosts,
    known,
    mesh,
    namespace,
    plane,
    pods,
    service,
    waypoint,
)

from meshsim.controlplane.compile import ControlPlane

STUB = service(labels=GLOBAL)
EASTWEST = """
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: eastwest, namespace: istio-system, labels: {topology.istio.io/network: c2}}
spec:
  gatewayClassName: istio-east-west
  listeners: [{name: cross, protocol: HBONE, port: 15008, tls: {mode: Terminate}}]
"""


def mesh_config(text: str) -> str:
    body = "\n".join(f"    {line}" for line in text.strip().splitlines())
    head = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n"
    return f"{head}data:\n  mesh: |\n{body}\n"


class TestEndpoints:
    def test_a_remote_network_is_one_entry_that_weighs_all_of_its_pods(self) -> None:
        made = plane(cluster("c1", STUB, pods(2)), cluster("c2", STUB, pods(3)))
        assert endpoints(made, "c1") == {"orders-0": 1, "orders-1": 1, "c2": 3}

    def test_the_entry_counts_unready_pods_and_is_healthy_without_any_ready_one(self) -> None:
        made = plane(cluster("c1", STUB), cluster("c2", STUB, pods(3, ready=0)))
        assert endpoints(made, "c1") == {"c2": 3}

    def test_no_remote_pods_no_entry(self) -> None:
        assert endpoints(plane(cluster("c1", STUB, pods(1)), cluster("c2", STUB)), "c1") == {"orders-0": 1}

    def test_pods_of_the_same_network_are_endpoints_one_by_one(self) -> None:
        made = plane(cluster("c1", STUB, pods(1)), cluster("c2", STUB, pods(2, "flat"), network="c1"))
        assert endpoints(made, "c1") == {"orders-0": 1, "flat-0": 1, "flat-1": 1}

    def test_clusters_of_one_remote_network_share_an_entry(self) -> None:
        there = [cluster(name, STUB, pods(n), network="n2") for name, n in (("c2", 2), ("c3", 5))]
        assert endpoints(plane(cluster("c1", STUB), *there), "c1") == {"n2": 7}

    @pytest.mark.parametrize(
        ("stated", "instead"),
        [
            ("HBONE", "TLS"),
            ("mode: Terminate", "mode: Passthrough"),
            (", tls: {mode: Terminate}", ""),
            ("network: c2", "network: c9"),
            (", labels: {topology.istio.io/network: c2}", ""),
            ("istio-east-west", "istio"),
            ("spec:", "status: {addresses: []}\nspec:"),
        ],
    )
    def test_a_network_whose_gateway_is_no_entry_vanishes(self, stated: str, instead: str) -> None:
        """networks.go remoteK8sGatewayToNetworkGateways: class, network label, HBONE with TLS Terminate, address."""
        changed = EASTWEST.replace(stated, instead)
        gateways = EASTWEST.replace("name: eastwest", "name: other").replace("network: c2", "network: c9") + changed
        there = cluster("c2", STUB, pods(3), gateways)
        assert endpoints(plane(cluster("c1", STUB, pods(1)), there), "c1") == {"orders-0": 1}

    @pytest.mark.parametrize("tls", ["{mode: Terminate}", "{options: {a: b}}"])
    def test_a_network_with_an_hbone_gateway_is_reached(self, tls: str) -> None:
        there = cluster("c2", STUB, pods(3), EASTWEST.replace("{mode: Terminate}", tls))
        assert endpoints(plane(cluster("c1", STUB), there), "c1") == {"c2": 3}

    @pytest.mark.parametrize(("network", "reached"), [("c2", {"c2": 3}), ("c9", {})])
    def test_a_gateway_of_the_watchers_may_stand_for_a_networks(self, network: str, reached: dict[str, int]) -> None:
        """networks.go localK8sGatewayToNetworkGateways."""
        changed = EASTWEST.replace("network: c2", f"network: {network}").replace("istio-east-west", "istio-remote")
        there = cluster("c2", STUB, pods(3), EASTWEST.replace("network: c2", "network: c9"))
        assert endpoints(plane(cluster("c1", STUB, changed), there), "c1") == reached

    def test_where_a_network_has_no_entry_the_gateway_that_is_none_is_said(self) -> None:
        there = cluster("c2", STUB, pods(3), EASTWEST.replace("network: c2", "network: c9"))
        facts = known(plane(cluster("c1", STUB), there), "c1").identity_facts
        assert ("label:topology.istio.io/network", "c9") in {(fact.name, fact.value) for fact in facts}

    def test_without_the_flag_nothing_of_other_clusters_is_known(self) -> None:
        made = plane(cluster("c1", STUB, pods(1), env={}), cluster("c2", STUB, pods(3)))
        assert endpoints(made, "c1") == {"orders-0": 1}

    def test_without_a_remote_secret_nothing_is_known(self) -> None:
        made = plane(cluster("c1", STUB, pods(1)), cluster("c2", STUB, pods(3)), links=[("c2", "c1")])
        assert endpoints(made, "c1") == {"orders-0": 1}
        assert endpoints(made, "c2")["c1"] == 1

    def test_entries_have_no_address_and_no_locality(self) -> None:
        made = plane(cluster("c1", STUB), cluster("c2", STUB, pods(1), region="r1", zone="z1"))
        entry = next(w for w in made.cluster("c1").ztunnel.workloads.values() if "SplitHorizon" in w.uid)
        assert (entry.ips, str(entry.locality), entry.network) == ((), "", "c2")


class TestScope:
    def test_the_watchers_own_object_decides_for_the_watcher(self) -> None:
        made = plane(cluster("c1", service(), pods(1)), cluster("c2", STUB, pods(3)))
        assert endpoints(made, "c1") == {"orders-0": 1}
        assert endpoints(made, "c2") == {"orders-0": 1, "orders-1": 1, "orders-2": 1}

    def test_a_local_object_elsewhere_contributes_nothing(self) -> None:
        made = plane(cluster("c1", STUB, pods(1)), cluster("c2", service(), pods(3)))
        assert endpoints(made, "c1") == {"orders-0": 1}

    def test_a_remote_service_is_known_only_if_it_is_global(self) -> None:
        made = plane(cluster("c1"), cluster("c2", STUB, service("local"), pods(1)))
        assert set(made.known("c1")) == {ORDERS}

    def test_flat_pods_stay_endpoints_of_a_local_service_for_ztunnel_but_not_for_envoys(self) -> None:
        made = plane(cluster("c1", service(), pods(1)), cluster("c2", STUB, pods(1, "flat"), network="c1"))
        assert endpoints(made, "c1") == {"orders-0": 1, "flat-0": 1}
        assert [m.cluster for m in known(made, "c1").l7_members] == ["c1"]

    @pytest.mark.parametrize(("label", "team", "shared"), [("yes", "a", True), ("yes", "b", False), ("no", "a", False)])
    def test_both_selectors_must_match_where_both_are_set(self, label: str, team: str, shared: bool) -> None:
        config = mesh_config("""
serviceScopeConfigs:
- namespaceSelector: {matchLabels: {team: a}}
  servicesSelector: {matchExpressions: [{key: share, operator: In, values: ["yes"]}]}
  scope: GLOBAL
""")
        there = cluster("c2", service(labels=f"share: '{label}'"), pods(1), namespace(f"team: {team}"))
        assert (ORDERS in plane(cluster("c1", config), there).known("c1")) is shared

    def test_a_mesh_config_without_scopes_shares_nothing(self) -> None:
        made = plane(cluster("c1", mesh_config("enableTracing: true")), cluster("c2", STUB, pods(1)))
        assert made.known("c1") == {}

    def test_the_watchers_configuration_decides_not_the_peers(self) -> None:
        """services.go GlobalNestedWorkloadServicesCollection hands its own meshConfig to remote Services."""
        made = plane(cluster("c1"), cluster("c2", STUB, pods(1), mesh_config("serviceScopeConfigs: []")))
        assert ORDERS in made.known("c1")

    def test_an_entry_for_local_scope_takes_nothing_away(self) -> None:
        """services.go matchServiceScope returns at the first GLOBAL match and passes over all others."""
        config = mesh_config("""
serviceScopeConfigs:
- servicesSelector: {matchLabels: {istio.io/global: "true"}}
  scope: LOCAL
- servicesSelector: {matchLabels: {istio.io/global: "true"}}
  scope: GLOBAL
""")
        assert ORDERS in plane(cluster("c1", config), cluster("c2", STUB, pods(1))).known("c1")

    @pytest.mark.parametrize(
        "text",
        [
            "serviceScopeConfigs: 5",
            "serviceScopeConfigs: [5, {scope: GLOBAL, servicesSelector: {matchExpressions: [5]}}]",
            "serviceSettings: 5",
            "serviceSettings: [5, {settings: {clusterLocal: true}, hosts: 5}]",
        ],
    )
    def test_a_configuration_of_the_wrong_shapes_shares_nothing(self, text: str) -> None:
        made = plane(cluster("c1", STUB, pods(1), mesh_config(text)), cluster("c2", STUB, pods(3)))
        assert endpoints(made, "c1") == {"orders-0": 1}

    def test_a_cluster_local_host_keeps_an_envoys_endpoints_here(self) -> None:
        config = mesh_config("""
serviceScopeConfigs:
- servicesSelector: {matchLabels: {istio.io/global: "true"}}
  scope: GLOBAL
serviceSettings:
- settings: {clusterLocal: true}
  hosts: ["*.shop.svc.cluster.local"]
""")
        made = plane(cluster("c1", STUB, pods(1), config), cluster("c2", STUB, pods(3)))
        assert [m.cluster for m in known(made, "c1").l7_members] == ["c1"]


class TestMerge:
    def test_vips_of_all_networks_are_joined_and_each_is_addressable_on_its_own(self) -> None:
        made = plane(
            cluster("c1", service(labels=GLOBAL, spec="  clusterIP: 10.1.0.1")),
            cluster("c2", service(labels=GLOBAL, spec="  clusterIP: 10.2.0.1")),
        )
        assert [str(vip) for vip in known(made, "c1").vips] == ["c1/10.1.0.1", "c2/10.2.0.1"]
        assert made.cluster("c1").names[ORDERS].ips == ("10.1.0.1",)
        assert made.cluster("c2").names[ORDERS].ips == ("10.2.0.1",)

    def test_a_service_without_a_vip_on_this_network_has_no_address(self) -> None:
        view = plane(cluster("c1"), cluster("c2", STUB, pods(1))).cluster("c1")
        assert view.names[ORDERS].ips == ()
        assert view.no_vip == {ORDERS}

    def test_on_one_network_a_peers_vip_serves(self) -> None:
        there = cluster("c2", service(labels=GLOBAL, spec="  clusterIP: 10.2.0.1"), pods(1), network="c1")
        assert plane(cluster("c1"), there).cluster("c1").names[ORDERS].ips == ("10.2.0.1",)

    def test_waypoint_and_balancing_are_the_watchers_own(self) -> None:
        close = service(labels=GLOBAL, spec="  trafficDistribution: PreferClose")
        made = plane(cluster("c1", STUB, pods(1)), cluster("c2", close, pods(1), BOUND, waypoint()))
        here, there = known(made, "c1"), known(made, "c2")
        assert (here.binding.address, here.load_balancing) == (None, None)
        assert str(there.binding.address) == "shop/waypoint.shop.svc.cluster.local:15008"
        assert there.distribution == "preferclose"

    def test_ports_are_the_watchers_own(self) -> None:
        other = STUB.replace("8080", "9090")
        made = plane(cluster("c1", STUB), cluster("c2", other, pods(1)))
        assert [p.number for p in known(made, "c1").ports] == [8080]
        assert [p.number for p in known(made, "c2").ports] == [9090]

    def test_a_service_known_from_elsewhere_brings_its_waypoint_by_name(self) -> None:
        made = plane(cluster("c1"), cluster("c2", STUB, pods(1), BOUND, waypoint()))
        assert str(known(made, "c1").binding.address) == "shop/waypoint.shop.svc.cluster.local:15008"


class TestWaypoints:
    FAR = (STUB, pods(1), BOUND, waypoint())

    def bound_elsewhere(self, *here: str, far: tuple[str, ...] = FAR) -> ControlPlane:
        return plane(cluster("c1", *here), cluster("c2", *far))

    def test_a_local_waypoint_of_the_same_name_serves_it(self) -> None:
        made = self.bound_elsewhere(waypoint())
        (found,) = made.known_waypoints("c1")
        assert [m.cluster for m in found.members] == ["c1"]

    def test_without_one_and_not_global_the_waypoint_is_unknown(self) -> None:
        assert self.bound_elsewhere().known_waypoints("c1") == ()

    def test_a_global_waypoint_is_reached_through_its_networks_gateway(self) -> None:
        far = (STUB, pods(1), BOUND, waypoint(labels=GLOBAL))
        (found,) = self.bound_elsewhere(far=far).known_waypoints("c1")
        assert [(m.gateway, m.network) for m in found.members] == [(True, "c2")]

    def test_a_global_waypoint_in_both_clusters_has_pods_of_both_and_prefers_the_near_ones(self) -> None:
        both = (BOUND, waypoint(labels=GLOBAL), STUB)
        made = plane(cluster("c1", *both), cluster("c2", *both, pods(1)))
        (found,) = made.known_waypoints("c1")
        assert [(m.gateway, m.network) for m in found.members] == [(False, "c1"), (True, "c2")]
        row = made.cluster("c1").ztunnel.services[found.key]
        assert row.load_balancing is not None
        assert [p.value for p in row.load_balancing.preferences] == ["Network", "Region", "Zone"]

    def test_infrastructure_labels_are_what_a_generated_service_carries(self) -> None:
        gateway = waypoint(labels=GLOBAL).replace("spec:\n", "spec:\n  infrastructure: {labels: {a: b}}\n")
        assert self.bound_elsewhere(far=(STUB, pods(1), BOUND, gateway)).known_waypoints("c1") == ()


def test_drained_clusters_and_broken_links_give_no_endpoints() -> None:
    clusters = (cluster("c1", STUB, pods(1)), cluster("c2", STUB, pods(3)))
    for fault in ("link:c1/c2", "drain:c2"):
        made = ControlPlane(mesh(*clusters, down=frozenset({fault})))
        assert endpoints(made, "c1") == {"orders-0": 1}


def test_waypoints_of_every_version_send_across_networks() -> None:
    for dialect in ("istio/1.28", "istio/1.29", "istio/1.31"):
        made = plane(
            cluster("c1", STUB, BOUND, waypoint(), dialect=dialect), cluster("c2", STUB, pods(2), dialect=dialect)
        )
        assert hosts(envoy_cluster(made, WAYPOINT, ORDERS, ORDERS)) == [("c2", 2, 0)]


def test_the_waypoint_flag_keeps_waypoints_at_home() -> None:
    env = {**MULTI, "AMBIENT_ENABLE_MULTI_NETWORK_WAYPOINT": "false"}
    made = plane(cluster("c1", STUB, BOUND, waypoint(), env=env), cluster("c2", STUB, pods(2)))
    assert hosts(envoy_cluster(made, WAYPOINT, ORDERS, ORDERS)) == []


class TestEastWest:
    def served(self, *there: str, env: dict[str, str] = MULTI) -> bool:
        made = plane(cluster("c1", STUB), cluster("c2", pods(1), *there, env=env))
        return ORDERS not in made.cluster("c2").unserved

    def test_the_gateway_serves_what_is_global_in_its_own_cluster(self) -> None:
        """istio ambientindex.go:606: the gateway's services are those of scope GLOBAL, by its own istiod."""
        assert self.served(STUB)
        assert not self.served(service())
        assert not self.served(STUB, mesh_config("serviceScopeConfigs: []"))

    def test_without_multi_network_nothing_is_global(self) -> None:
        assert not self.served(STUB, env={"PILOT_ENABLE_AMBIENT": "true"})
        assert not self.served(STUB, env={"AMBIENT_ENABLE_MULTI_NETWORK": "false"})

    def test_of_a_cluster_that_shows_nothing_of_its_istiod_nothing_is_concluded(self) -> None:
        assert self.served(STUB, env={})
