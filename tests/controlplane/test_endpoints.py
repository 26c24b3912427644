"""The hosts of an Envoy cluster. Expected values: istio pilot/pkg/xds/endpoints/endpoint_builder.go:425-671,
ep_filters_test.go (TestEndpointsByNetworkFilter_AmbientMuiltiNetwork), core/loadbalancer/loadbalancer_test.go."""

import pytest
from made_meshes import (
    BOUND,
    GLOBAL,
    MULTI,
    ORDERS,
    WAYPOINT,
    cluster,
    envoy_cluster,
    hosts,
    namespace,
    plane,
    pods,
    proxy,
    service,
    waypoint,
)

from meshsim.tables.envoy import Cluster as EnvoyCluster
from meshsim.tables.envoy import Outlier
from meshsim.tables.workload import Locality

STUB = service(labels=GLOBAL)
HOME = (STUB, BOUND, waypoint())


def rule(policy: str = "{}", subsets: str = "[]") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: orders, namespace: shop}}
spec: {{host: orders, trafficPolicy: {policy}, subsets: {subsets}}}
"""


SPLIT = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: orders, namespace: shop}
spec:
  hosts: [orders]
  http:
  - route:
    - {destination: {host: orders, subset: stable}, weight: 50}
    - {destination: {host: orders, subset: canary}, weight: 50}
"""
SUBSETS = "[{name: stable, labels: {rev: a}}, {name: canary, labels: {rev: b}}]"


def whole(*clusters: object, at: str = "") -> EnvoyCluster:
    return envoy_cluster(plane(*clusters), WAYPOINT, ORDERS, ORDERS, at)  # type: ignore[arg-type]


class TestNetworks:
    def test_a_gateway_weighs_the_pods_behind_it(self) -> None:
        found = hosts(whole(cluster("c1", *HOME, pods(3)), cluster("c2", STUB, pods(1))))
        assert found == [("orders-0", 1, 0), ("orders-1", 1, 0), ("orders-2", 1, 0), ("c2", 1, 0)]

    def test_each_cluster_is_entered_by_its_own_gateway(self) -> None:
        there = [cluster(n, STUB, pods(k), network="n2") for n, k in (("c2", 1), ("c3", 2))]
        found = whole(cluster("c1", *HOME), *there)
        assert [(e.cluster, e.weight) for e in found.endpoints] == [("c2", 1), ("c3", 2)]

    def test_a_cluster_without_a_gateway_uses_all_of_its_network_evenly(self) -> None:
        gateway = """
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: eastwest, namespace: istio-system, labels: {topology.istio.io/network: n2}}
spec: {gatewayClassName: istio-east-west, listeners: [{name: cross, protocol: HBONE, port: 15008, tls: {}}]}
"""
        there = [cluster(n, STUB, gateway, network="n2") for n in ("c2", "c3")]
        found = whole(cluster("c1", *HOME, pods(1)), *there, cluster("c4", STUB, pods(3), network="n2"))
        assert [(e.cluster, e.weight) for e in found.endpoints] == [("c1", 2), ("c2", 3), ("c3", 3)]

    def test_a_gateway_keeps_the_locality_of_its_pods_and_asks_for_the_service(self) -> None:
        found = whole(cluster("c1", *HOME), cluster("c2", STUB, pods(2), region="r2", zone="z2"))
        (gateway,) = found.endpoints
        assert (gateway.locality, gateway.authority, gateway.source) == (
            Locality("r2", "z2"),
            f"{ORDERS}:8080",
            "waypoint",
        )

    def test_a_flat_peers_pods_are_hosts_themselves(self) -> None:
        found = whole(cluster("c1", *HOME, pods(1)), cluster("c2", STUB, pods(1, "flat"), network="c1"))
        assert hosts(found) == [("orders-0", 1, 0), ("flat-0", 1, 0)]

    def test_a_backend_that_is_not_global_keeps_to_its_cluster(self) -> None:
        found = whole(cluster("c1", service(), BOUND, waypoint(), pods(1)), cluster("c2", STUB, pods(3)))
        assert hosts(found) == [("orders-0", 1, 0)]


class TestSubsets:
    HERE = (*HOME, SPLIT, rule(subsets=SUBSETS), pods(4, "old", "rev: a"), pods(1, "new", "rev: b"))

    def subset(self, name: str, *there: str) -> EnvoyCluster:
        clusters = [cluster("c1", *self.HERE)] + ([cluster("c2", STUB, *there)] if there else [])
        return envoy_cluster(plane(*clusters), WAYPOINT, ORDERS, f"orders/{name}")

    def test_a_subset_is_filtered_before_networks_are_replaced(self) -> None:
        found = self.subset("canary", pods(4, "old", "rev: a"), pods(2, "new", "rev: b"))
        assert hosts(found) == [("new-0", 1, 0), ("c2", 2, 0)]

    def test_and_is_lost_at_the_gateway_where_others_are_behind_it(self) -> None:
        assert self.subset("canary", pods(4, "old", "rev: a"), pods(2, "new", "rev: b")).marks == {"subset-lost"}

    def test_nothing_is_lost_where_all_pods_there_are_in_the_subset(self) -> None:
        assert self.subset("canary", pods(2, "new", "rev: b")).marks == frozenset()

    def test_nothing_is_lost_where_nothing_crosses(self) -> None:
        assert self.subset("canary", pods(4, "old", "rev: a")).marks == frozenset()
        assert self.subset("canary").marks == frozenset()

    def test_an_empty_subset_says_why(self) -> None:
        docs = [*HOME, SPLIT, rule(subsets=SUBSETS), pods(4, "old", "rev: a")]
        found = envoy_cluster(plane(cluster("c1", *docs)), WAYPOINT, ORDERS, "orders/canary")
        assert (found.endpoints, found.empty_reason) == ((), "MS301")

    def test_a_subset_without_labels_is_the_whole_service(self) -> None:
        docs = [*HOME, SPLIT, rule(subsets="[{name: stable}, {name: canary}]"), pods(2)]
        found = envoy_cluster(plane(cluster("c1", *docs)), WAYPOINT, ORDERS, "orders/canary")
        assert len(found.endpoints) == 2

    def test_a_subsets_own_policy_counts(self) -> None:
        random = "[{name: stable}, {name: canary, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]"
        made = plane(cluster("c1", *HOME, SPLIT, rule(subsets=random), pods(2)))
        policies = [envoy_cluster(made, WAYPOINT, ORDERS, f"orders/{s}").lb for s in ("stable", "canary")]
        assert policies == ["LEAST_REQUEST", "RANDOM"]


class TestUnready:
    def health(self, dialect: str, policy: str = "{}", env: dict[str, str] | None = None) -> tuple[list[bool], int]:
        docs = (*HOME, pods(3, ready=1), rule(policy))
        found = whole(cluster("c1", *docs, dialect=dialect, env={**MULTI, **(env or {})}))
        return [e.healthy for e in found.endpoints], found.panic

    def test_up_to_1_30_they_are_absent(self) -> None:
        assert self.health("istio/1.30") == ([True], 0)

    def test_from_1_31_they_are_sent_as_unhealthy_and_panic_is_off(self) -> None:
        assert self.health("istio/1.31") == ([True, False, False], 0)

    def test_a_minimum_of_health_keeps_them_away_and_is_the_panic_threshold(self) -> None:
        assert self.health("istio/1.31", "{outlierDetection: {minHealthPercent: 30}}") == ([True], 30)

    def test_the_flags(self) -> None:
        assert self.health("istio/1.31", env={"PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS": "false"})[0] == [True]
        assert len(self.health("istio/1.29", env={"PILOT_SEND_UNHEALTHY_ENDPOINTS": "true"})[0]) == 3

    def test_a_service_that_publishes_unready_addresses_has_them_healthy(self) -> None:
        docs = (service(labels=GLOBAL, spec="  publishNotReadyAddresses: true"), BOUND, waypoint(), pods(2, ready=0))
        assert [e.healthy for e in whole(cluster("c1", *docs)).endpoints] == [True, True]

    @pytest.mark.parametrize(("dialect", "weight"), [("istio/1.30", 1), ("istio/1.31", 3)])
    def test_unready_pods_weigh_in_a_gateway_where_they_are_sent(self, dialect: str, weight: int) -> None:
        clusters = [
            cluster("c1", *HOME, dialect=dialect),
            cluster("c2", STUB, pods(3, ready=1), dialect=dialect),
        ]
        assert hosts(whole(*clusters)) == [("c2", weight, 0)]


class TestLocality:
    TWO = (
        lambda spec, *docs: cluster(
            "c1", service(labels=GLOBAL, spec=spec), BOUND, waypoint(), pods(1), *docs, region="r1", zone="z1"
        ),
        cluster("c2", STUB, pods(2), region="r1", zone="z1"),
    )

    def ranks(self, spec: str = "", *docs: str) -> list[tuple[str, int, int]]:
        make, there = self.TWO
        return hosts(whole(make(spec, *docs), there, at="r1/z1"))

    def test_by_default_networks_share_one_priority(self) -> None:
        assert self.ranks() == [("orders-0", 1, 0), ("c2", 2, 0)]

    @pytest.mark.parametrize("asked", ["PreferClose", "PreferSameZone", "PreferSameNode"])
    def test_a_distribution_puts_gateways_last_without_outlier_detection(self, asked: str) -> None:
        assert self.ranks(f"  trafficDistribution: {asked}") == [("orders-0", 1, 0), ("c2", 2, 1)]

    def test_a_destination_rule_goes_before_the_distribution_and_needs_outlier_detection(self) -> None:
        setting = "loadBalancer: {localityLbSetting: {failoverPriority: [topology.istio.io/network]}}"
        close = "  trafficDistribution: PreferClose"
        assert self.ranks(close, rule(f"{{{setting}}}"))[1] == ("c2", 2, 0)
        assert self.ranks(close, rule(f"{{{setting}, outlierDetection: {{}}}}"))[1] == ("c2", 2, 0)
        detected = rule(f"{{{setting}, outlierDetection: {{interval: 5s}}}}")
        assert self.ranks(close, detected)[1] == ("c2", 2, 1)

    def test_a_destination_rule_may_switch_it_off(self) -> None:
        off = rule("{loadBalancer: {localityLbSetting: {enabled: false}}, outlierDetection: {interval: 5s}}")
        assert self.ranks("  trafficDistribution: PreferClose", off)[1] == ("c2", 2, 0)

    def test_outlier_detection_alone_fails_over_by_region_and_zone(self) -> None:
        here = cluster("c1", *HOME, pods(1), rule("{outlierDetection: {interval: 5s}}"), region="r1", zone="z1")
        others = [
            cluster(f"c{n}", STUB, pods(1, f"p{n}"), network="c1", region=region, zone=zone)
            for n, (region, zone) in enumerate((("r1", "z2"), ("r2", "z1")), start=2)
        ]
        assert hosts(whole(here, *others, at="r1/z1")) == [("orders-0", 1, 0), ("p2-0", 1, 1), ("p3-0", 1, 2)]

    def test_the_mesh_may_switch_locality_off(self) -> None:
        config = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: "{localityLbSetting: {enabled: false}, serviceScopeConfigs: [{scope: GLOBAL}]}"
"""
        here = cluster("c1", *HOME, pods(1), rule("{outlierDetection: {interval: 5s}}"), config, region="r1")
        far = cluster("c2", STUB, pods(1, "far"), network="c1", region="r2")
        assert hosts(whole(here, far, at="r1")) == [("orders-0", 1, 0), ("far-0", 1, 0)]

    def test_distribute_weighs_localities_gateways_among_them(self) -> None:
        setting = "{distribute: [{from: r1/*, to: {r1/*: 80, r2/*: 20}}]}"
        here = cluster(
            "c1", *HOME, pods(1), rule(f"{{loadBalancer: {{localityLbSetting: {setting}}}}}"), region="r1", zone="z1"
        )
        found = whole(here, cluster("c2", STUB, pods(3), region="r2", zone="z2"), at="r1/z1")
        assert found.locality_weights == {Locality("r1", "z1"): 80, Locality("r2", "z2"): 20}

    def test_distribute_elsewhere_does_nothing(self) -> None:
        setting = "{distribute: [{from: r9/*, to: {r1/*: 100}}]}"
        docs = (*HOME, pods(1), rule(f"{{loadBalancer: {{localityLbSetting: {setting}}}}}"))
        found = whole(cluster("c1", *docs, region="r1"), at="r1")
        assert (found.locality_weights, len(found.endpoints)) == (None, 1)


class TestNotModelled:
    @pytest.mark.parametrize(
        "policy", ["{loadBalancer: {consistentHash: {useSourceIp: true}}}", "{loadBalancer: {simple: PASSTHROUGH}}"]
    )
    def test_policies_that_choose_by_something_else_say_so(self, policy: str) -> None:
        assert whole(cluster("c1", *HOME, pods(2), rule(policy))).unmodelled

    def test_a_node_local_service_over_several_nodes_says_so(self) -> None:
        node = """
---
apiVersion: v1
kind: Pod
metadata: {name: on-%s, namespace: shop, labels: {app: orders}}
spec: {nodeName: %s, containers: [{name: app, image: i}]}
"""
        local = service(labels=GLOBAL, spec="  internalTrafficPolicy: Local")
        docs = (local, BOUND, waypoint())
        assert whole(cluster("c1", *docs, node % ("a", "a"), node % ("b", "b"))).unmodelled
        assert not whole(cluster("c1", *docs, node % ("a", "a"))).unmodelled


INGRESS = """
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec: {gatewayClassName: istio, listeners: [{name: http, protocol: HTTP, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: front, namespace: shop}
spec:
  parentRefs: [{name: front}]
  rules: [{backendRefs: [{name: orders, namespace: %s, port: 8080}]}]
"""


class TestIngress:
    USE = "istio.io/ingress-use-waypoint: 'true'"

    def front(self, *clusters: object, service_namespace: str = "shop") -> EnvoyCluster:
        at = proxy(plane(*clusters), "gateway:c1/shop/front")  # type: ignore[arg-type]
        route = at.chains["example.com:80"].routes[0]
        return at.clusters[route.clusters[0].cluster]

    def test_without_the_label_it_goes_to_the_pods(self) -> None:
        found = self.front(cluster("c1", *HOME, pods(2), INGRESS % "shop"))
        assert [e.via.value for e in found.endpoints] == ["hbone", "hbone"]

    @pytest.mark.parametrize("where", ["service", "namespace"])
    def test_with_it_the_waypoints_pods_are_its_endpoints(self, where: str) -> None:
        own = service(labels=self.USE if where == "service" else "")
        place = namespace(f"istio.io/use-waypoint: waypoint, {self.USE}") if where == "namespace" else BOUND
        found = self.front(cluster("c1", own, place, waypoint(), pods(2), INGRESS % "shop"))
        assert [(e.via.value, e.authority) for e in found.endpoints] == [("waypoint", f"{ORDERS}:8080")]

    def test_the_services_label_goes_before_its_namespaces(self) -> None:
        own = service(labels="istio.io/ingress-use-waypoint: 'false'")
        place = namespace(f"istio.io/use-waypoint: waypoint, {self.USE}")
        found = self.front(cluster("c1", own, place, waypoint(), pods(1), INGRESS % "shop"))
        assert [e.via.value for e in found.endpoints] == ["hbone"]

    def test_the_flag_switches_it_off(self) -> None:
        env = {"ENABLE_INGRESS_WAYPOINT_ROUTING": "false"}
        docs = (service(labels=self.USE), BOUND, waypoint(), pods(1), INGRESS % "shop")
        assert [e.via.value for e in self.front(cluster("c1", *docs, env=env)).endpoints] == ["hbone"]

    def test_up_to_1_28_a_split_service_loses_the_label(self) -> None:
        shared = service(labels=f"{GLOBAL}, {self.USE}")
        for dialect, via in (("istio/1.28", "hbone"), ("istio/1.29", "waypoint")):
            here = cluster("c1", shared, BOUND, waypoint(), pods(1), INGRESS % "shop", dialect=dialect)
            found = self.front(here, cluster("c2", shared, pods(1), dialect=dialect))
            assert [e.via.value for e in found.endpoints] == [via]

    def test_it_crosses_networks_by_a_flag_from_1_29(self) -> None:
        env = {**MULTI, "AMBIENT_ENABLE_MULTI_NETWORK_INGRESS": "true"}
        for dialect, flag, crosses in (
            ("istio/1.28", env, False),
            ("istio/1.29", MULTI, False),
            ("istio/1.29", env, True),
        ):
            here = cluster("c1", STUB, INGRESS % "shop", dialect=dialect, env=flag)
            found = self.front(here, cluster("c2", STUB, pods(2), dialect=dialect))
            assert hosts(found) == ([("c2", 2, 0)] if crosses else [])

    def test_two_weighted_waypoints_share_by_weight(self) -> None:
        label = "istio.io/use-waypoint: waypoint, istio.io/use-waypoint-canary: next"
        place = namespace(f"{label}, {self.USE}", annotations="istio.io/use-waypoint-canary-weight: '20'")
        docs = (service(), place, waypoint(), waypoint("next"), pods(1), INGRESS % "shop")
        found = self.front(cluster("c1", *docs, dialect="istio/1.31"))
        assert [(e.workload.rpartition("/")[2], e.weight) for e in found.endpoints] == [
            ("waypoint-0", 800_000),
            ("next-0", 200_000),
        ]

    def test_a_backend_of_another_namespace_needs_a_reference_grant(self) -> None:
        far = service(namespace="other"), pods(1, namespace="other")
        grant = """
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]
  to: [{group: "", kind: Service}]
"""
        at = proxy(plane(cluster("c1", *far, INGRESS % "other")), "gateway:c1/shop/front")
        name = at.chains["example.com:80"].routes[0].clusters[0].cluster
        assert at.missing_cluster_status[name] == 500
        assert len(self.front(cluster("c1", *far, INGRESS % "other", grant)).endpoints) == 1


class TestOutlierDetection:
    """Envoy's defaults where a DestinationRule leaves something out (Istio API, OutlierDetection)."""

    def test_it_is_off_unless_a_rule_sets_it(self) -> None:
        assert whole(cluster("c1", *HOME, pods(1))).outlier is None

    def test_what_is_left_out_takes_envoys_defaults_and_the_place_is_known(self) -> None:
        found = whole(cluster("c1", *HOME, pods(1), rule("{outlierDetection: {}}"))).outlier
        assert found == Outlier(consecutive=5, interval=10.0, base=30.0, longest=300.0, percent=10)
        assert [fact.name for fact in found.why] == ["spec.trafficPolicy.outlierDetection"]

    def test_every_field_is_taken_and_the_lower_threshold_counts(self) -> None:
        said = (
            "{outlierDetection: {consecutive5xxErrors: 7, consecutiveGatewayErrors: 3, interval: 1m30s, "
            "baseEjectionTime: 500ms, maxEjectionPercent: 40}}"
        )
        found = whole(cluster("c1", *HOME, pods(1), rule(said))).outlier
        assert found == Outlier(consecutive=3, interval=90.0, base=0.5, longest=300.0, percent=40)

    def test_zero_errors_switch_it_off(self) -> None:
        said = "{outlierDetection: {consecutive5xxErrors: 0}}"
        assert whole(cluster("c1", *HOME, pods(1), rule(said))).outlier is None
