"""Solo's view of other clusters. Expected values: Solo docs (multicluster multi-apps, failover, Argo Rollouts guide)
and the public solo workshops 006, 015, 016."""

import pytest
from made_meshes import (
    ORDERS,
    WAYPOINT,
    cluster,
    endpoints,
    envoy_cluster,
    hosts,
    known,
    namespace,
    plane,
    pods,
    service,
    waypoint,
)

from meshsim.controlplane.compile import ControlPlane
from meshsim.mesh.mesh import Cluster

SHARED = "solo.io/service-scope: global"
TAKEN = f"{SHARED}, solo.io/service-takeover: 'true'"
EVERYWHERE = "orders.shop.mesh.internal"


def solo(name: str, *texts: str, **more: object) -> Cluster:
    return cluster(name, *texts, **{"dialect": "solo/1.30", "env": {}, **more})  # type: ignore[arg-type]


def hosts_known(made: ControlPlane, where: str) -> set[str]:
    return set(made.known(where))


class TestScope:
    def test_an_unlabelled_service_has_its_local_host_alone(self) -> None:
        made = plane(solo("c1", service()), solo("c2"))
        assert (hosts_known(made, "c1"), hosts_known(made, "c2")) == ({ORDERS}, set())

    def test_a_global_one_has_a_host_in_every_cluster(self) -> None:
        made = plane(solo("c1", service(labels=SHARED)), solo("c2"))
        assert (hosts_known(made, "c1"), hosts_known(made, "c2")) == ({ORDERS, EVERYWHERE}, {EVERYWHERE})

    def test_the_namespaces_label_counts_where_the_service_has_none(self) -> None:
        assert EVERYWHERE in plane(solo("c1", service(), namespace(SHARED))).known("c1")
        own = service(labels="solo.io/service-scope: cluster")
        assert EVERYWHERE not in plane(solo("c1", own, namespace(SHARED))).known("c1")

    def test_a_cluster_that_does_not_label_contributes_no_endpoints(self) -> None:
        made = plane(solo("c1", service(labels=SHARED), pods(1)), solo("c2", service(), pods(2)))
        assert endpoints(made, "c1", EVERYWHERE) == {"orders-0": 1}

    def test_a_cluster_that_is_not_watched_is_unknown(self) -> None:
        made = plane(solo("c1"), solo("c2", service(labels=SHARED)), links=[("c2", "c1")])
        assert hosts_known(made, "c1") == set()


class TestSegments:
    def in_segment(self, name: str, segment: str) -> Cluster:
        system = namespace(f"admin.solo.io/segment: {segment}", name="istio-system") if segment else ""
        described = f"""
---
apiVersion: admin.solo.io/v1alpha1
kind: Segment
metadata: {{name: {segment}, namespace: istio-system}}
spec: {{domain: {segment}.example}}
"""
        return solo(name, service(labels=SHARED), pods(1), system, described if segment else "")

    def test_a_segments_domain_is_the_suffix(self) -> None:
        assert "orders.shop.blue.example" in plane(self.in_segment("c1", "blue")).known("c1")

    def test_segments_do_not_see_each_other(self) -> None:
        made = plane(self.in_segment("c1", "blue"), self.in_segment("c2", "green"))
        assert endpoints(made, "c1", "orders.shop.blue.example") == {"orders-0": 1}

    def test_one_segment_does(self) -> None:
        made = plane(self.in_segment("c1", "blue"), self.in_segment("c2", "blue"))
        assert endpoints(made, "c1", "orders.shop.blue.example") == {"orders-0": 1, "c2": 1}

    def test_an_unlabelled_cluster_is_in_the_default_segment(self) -> None:
        made = plane(self.in_segment("c1", ""), self.in_segment("c2", "blue"))
        assert endpoints(made, "c1", EVERYWHERE) == {"orders-0": 1}

    def test_the_suffix_may_be_set(self) -> None:
        made = plane(solo("c1", service(labels=SHARED), env={"PEERING_DISCOVERY_SUFFIX": "corp.example"}))
        assert "orders.shop.corp.example" in made.known("c1")


class TestEndpoints:
    SHARING = service(labels=SHARED)

    def test_a_peer_on_another_network_is_one_entry(self) -> None:
        made = plane(solo("c1", self.SHARING, pods(2)), solo("c2", self.SHARING, pods(3)))
        assert endpoints(made, "c1", EVERYWHERE) == {"orders-0": 1, "orders-1": 1, "c2": 3}

    def test_it_is_withdrawn_without_a_ready_pod(self) -> None:
        made = plane(solo("c1", self.SHARING, pods(2)), solo("c2", self.SHARING, pods(3, ready=0)))
        assert set(endpoints(made, "c1", EVERYWHERE)) == {"orders-0", "orders-1"}

    def test_a_flat_peers_pods_are_entries_of_their_own(self) -> None:
        made = plane(solo("c1", self.SHARING), solo("c2", self.SHARING, pods(2), network="c1"))
        assert set(endpoints(made, "c1", EVERYWHERE)) == {f"autogenflat.c2.shop.orders-{n}" for n in (0, 1)}

    def test_a_flat_entry_has_no_workload_waypoint(self) -> None:
        bound = (namespace("istio.io/use-waypoint: waypoint"), waypoint(labels="istio.io/waypoint-for: all"))
        made = plane(solo("c1", self.SHARING), solo("c2", self.SHARING, pods(1), *bound, network="c1"))
        entries = [w for w in made.cluster("c1").ztunnel.workloads.values() if "autogenflat" in w.uid]
        assert [w.waypoint for w in entries] == [None]

    def test_the_local_host_keeps_local_endpoints(self) -> None:
        made = plane(solo("c1", self.SHARING, pods(1)), solo("c2", self.SHARING, pods(3)))
        assert endpoints(made, "c1") == {"orders-0": 1}

    def test_global_services_prefer_their_own_network(self) -> None:
        made = plane(solo("c1", self.SHARING, pods(1)), solo("c2", self.SHARING, pods(3)))
        assert (known(made, "c1").distribution, known(made, "c1", EVERYWHERE).distribution) == ("", "prefernetwork")

    def test_an_entry_has_the_locality_of_its_remote_gateways_labels(self) -> None:
        remote = """
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: istio-remote-peer-c2
  namespace: istio-eastwest
  labels: {topology.kubernetes.io/region: r2, topology.kubernetes.io/zone: z2}
spec: {gatewayClassName: istio-remote}
"""
        made = plane(solo("c1", self.SHARING, remote), solo("c2", self.SHARING, pods(1)))
        (entry,) = [w for w in made.cluster("c1").ztunnel.workloads.values() if w.network_gateway]
        assert str(entry.locality) == "r2/z2"


class TestTakeover:
    def test_the_local_host_is_answered_from_everywhere(self) -> None:
        made = plane(solo("c1", service(labels=TAKEN), pods(1)), solo("c2", service(labels=SHARED), pods(3)))
        assert endpoints(made, "c1") == {"orders-0": 1, "c2": 3}

    def test_each_cluster_asks_its_own_label_first(self) -> None:
        made = plane(solo("c1", service(labels=TAKEN), pods(1)), solo("c2", service(labels=SHARED), pods(3)))
        assert set(endpoints(made, "c2")) == {"orders-0", "orders-1", "orders-2"}

    def test_a_cluster_without_the_service_gets_the_local_host(self) -> None:
        made = plane(solo("c1"), solo("c2", service(labels=TAKEN), pods(3)))
        assert endpoints(made, "c1") == {"c2": 3}

    def test_an_envoy_here_keeps_local_endpoints_all_the_same(self) -> None:
        docs = (service(labels=TAKEN), pods(1), namespace("istio.io/use-waypoint: waypoint"), waypoint())
        made = plane(solo("c1", *docs), solo("c2", service(labels=SHARED), pods(3)))
        assert hosts(envoy_cluster(made, WAYPOINT, ORDERS, ORDERS)) == [("orders-0", 1, 0)]

    def test_global_only_takes_over_by_itself(self) -> None:
        made = plane(solo("c1", service(labels="solo.io/service-scope: global-only")), solo("c2"))
        assert known(made, "c1").global_members


SPLIT = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: orders, namespace: shop}
spec:
  hosts: [orders.shop.mesh.internal]
  http: [{route: [{destination: {host: orders.shop.mesh.internal, subset: new}}]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: orders, namespace: shop}
spec: {host: orders.shop.mesh.internal, subsets: [{name: new, labels: {rev: b}}]}
"""
BACKEND = f"{EVERYWHERE}/new"


class TestPropagation:
    def subset(self, env: dict[str, str], peer_env: dict[str, str], *there: str) -> object:
        bound = (namespace("istio.io/use-waypoint: waypoint"), waypoint())
        here = solo("c1", service(labels=SHARED), *bound, SPLIT, env=env)
        made = plane(here, solo("c2", service(labels=SHARED), *there, env=peer_env))
        return envoy_cluster(made, WAYPOINT, EVERYWHERE, BACKEND)

    FLAG = "ENABLE_PEERING_LABEL_PROPAGATION"

    def test_by_default_no_label_of_the_pods_is_seen(self) -> None:
        found = self.subset({}, {}, pods(1, labels="rev: b"))
        assert (found.endpoints, found.empty_reason) == ((), "MS302")  # type: ignore[attr-defined]

    @pytest.mark.parametrize("value", ["all", "rev", "app,rev"])
    def test_a_propagated_label_matches(self, value: str) -> None:
        flag = {self.FLAG: value}
        found = self.subset(flag, flag, pods(2, labels="rev: b"))
        assert hosts(found) == [("c2", 1, 0)]  # type: ignore[arg-type]

    def test_settings_that_differ_leave_it_open(self) -> None:
        found = self.subset({self.FLAG: "all"}, {}, pods(1, labels="rev: b"))
        assert found.contested  # type: ignore[attr-defined]

    def test_pods_of_different_labels_behind_one_entry_leave_it_open(self) -> None:
        flag = {self.FLAG: "all"}
        found = self.subset(flag, flag, pods(1, "a", "rev: a"), pods(1, "b", "rev: b"))
        assert found.contested  # type: ignore[attr-defined]


class TestWeight:
    def weights(self, **assume: str) -> list[tuple[str, int, int]]:
        bound = (namespace("istio.io/use-waypoint: waypoint"), waypoint())
        spread = "solo.io/service-scope: global"
        any_ = service(labels=spread).replace(
            "metadata: {", "metadata: {annotations: {networking.istio.io/traffic-distribution: Any}, "
        )
        made = plane(solo("c1", any_, pods(2), *bound), solo("c2", service(labels=spread), pods(3)), assume=assume)
        return hosts(envoy_cluster(made, WAYPOINT, EVERYWHERE, EVERYWHERE))

    def test_a_network_is_as_heavy_as_another_by_default(self) -> None:
        assert self.weights() == [("orders-0", 1, 0), ("orders-1", 1, 0), ("c2", 2, 0)]

    def test_the_other_readings(self) -> None:
        assert self.weights(remote_weight="pods")[-1] == ("c2", 3, 0)
        assert self.weights(remote_weight="endpoint")[-1] == ("c2", 1, 0)
