"""Which waypoint an object is bound to. Expected values: istio pilot/pkg/serviceregistry/ambient/waypoints.go and
waypoints_test.go."""

from typing import Any, ClassVar

import pytest

from meshsim.api import bind


def gateway(name: str = "waypoint", namespace: str = "shop", **more: Any) -> dict[str, Any]:
    listener = {"name": "mesh", "protocol": "HBONE", "port": 15008, **more.pop("listener", {})}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": more.pop("labels", {}),
            "annotations": more.pop("annotations", {}),
        },
        "spec": {"gatewayClassName": more.pop("gateway_class", "istio-waypoint"), "listeners": [listener]},
        **more,
    }


def obj(labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "orders", "labels": labels or {}, "annotations": more.pop("annotations", {})}, **more}


def place(name: str = "shop", **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


USE = {"istio.io/use-waypoint": "waypoint"}
ELSEWHERE = {**USE, "istio.io/use-waypoint-namespace": "infra"}


def bound(found: dict[str, Any]) -> tuple[str | None, str]:
    return found["waypoint"], found["reason"]


class TestReference:
    def test_the_objects_own_label(self) -> None:
        assert bound(bind(obj(USE), "shop", [gateway()])) == ("shop/waypoint", "")

    def test_the_namespaces_label_where_the_object_has_none(self) -> None:
        assert bound(bind(obj(), place(**USE), [gateway()])) == ("shop/waypoint", "")

    def test_a_namespace_document_among_the_others_counts_too(self) -> None:
        assert bound(bind(obj(), "shop", [gateway(), place(**USE)])) == ("shop/waypoint", "")

    def test_none_opts_out_and_the_namespace_is_not_asked(self) -> None:
        assert bound(bind(obj({"istio.io/use-waypoint": "none"}), place(**USE), [gateway()])) == (None, "")

    def test_a_dangling_reference_does_not_fall_back_to_the_namespace(self) -> None:
        assert bound(bind(obj({"istio.io/use-waypoint": "gone"}), place(**USE), [gateway()])) == (None, "MS210")

    def test_another_namespaces_label_has_no_effect(self) -> None:
        assert bound(bind(obj(), "shop", [gateway(), place("other", **USE)])) == (None, "")

    def test_nothing_asked_nothing_bound(self) -> None:
        assert bound(bind(obj(), "shop", [gateway()])) == (None, "")

    @pytest.mark.parametrize("kind", ["service", "workload"])
    def test_waypoints_and_gateways_themselves_have_none(self, kind: str) -> None:
        managed = {**USE, "gateway.istio.io/managed": "istio.io-mesh-controller"}
        assert bound(bind(obj(managed), "shop", [gateway(labels={"istio.io/waypoint-for": "all"})], kind)) == (None, "")


class TestReady:
    def test_a_gateway_without_an_address_never_became_ready(self) -> None:
        status = {"conditions": [{"type": "Programmed", "status": "False"}]}
        assert bound(bind(obj(USE), "shop", [gateway(status=status)])) == (None, "MS207")

    @pytest.mark.parametrize(
        ("addresses", "address"),
        [
            (
                [{"type": "Hostname", "value": "waypoint.shop.svc.cluster.local"}],
                "shop/waypoint.shop.svc.cluster.local",
            ),
            ([{"type": "IPAddress", "value": "10.0.0.9"}], "network1/10.0.0.9"),
            ([{"value": "10.0.0.9"}], "network1/10.0.0.9"),
            (
                [{"type": "IPAddress", "value": "10.0.0.9"}, {"type": "Hostname", "value": "w"}],
                "shop/waypoint.shop.svc.cluster.local",
            ),
        ],
    )
    def test_a_host_name_goes_before_an_ip(self, addresses: list[dict[str, str]], address: str) -> None:
        found = bind(obj(USE), "shop", [gateway(status={"addresses": addresses})])
        assert found["address"] == f"{address}:15008"


class TestAllowedRoutes:
    @pytest.mark.parametrize(
        ("namespaces", "allowed"),
        [
            (None, False),
            ({"from": "Same"}, False),
            ({"from": "All"}, True),
            ({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, True),
            ({"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}, False),
            (
                {
                    "from": "Selector",
                    "selector": {
                        "matchExpressions": [
                            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop"]}
                        ]
                    },
                },
                True,
            ),
        ],
    )
    def test_a_waypoint_of_another_namespace(self, namespaces: dict[str, Any] | None, allowed: bool) -> None:
        listener = {"allowedRoutes": {"namespaces": namespaces}} if namespaces else {}
        found = bind(obj(ELSEWHERE), place(team="a"), [gateway(namespace="infra", listener=listener)])
        assert bound(found) == (("infra/waypoint", "") if allowed else (None, "MS210"))

    def test_the_own_namespace_needs_no_permission(self) -> None:
        listener = {"allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}}}
        assert bound(bind(obj(USE), "shop", [gateway(listener=listener)])) == ("shop/waypoint", "")

    def test_a_sandwiched_waypoint_is_entered_at_the_port_its_class_binds(self) -> None:
        sandwich = gateway(namespace="infra", gateway_class="my-waypoint")
        sandwich["spec"]["listeners"] = [
            {"name": "hbone", "protocol": "HBONE", "port": 15008},
            {"name": "in", "protocol": "TCP", "port": 15088, "allowedRoutes": {"namespaces": {"from": "All"}}},
        ]
        gateway_class = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {
                "name": "my-waypoint",
                "annotations": {"ambient.istio.io/waypoint-inbound-binding": "PROXY/15088"},
            },
        }
        assert bound(bind(obj(ELSEWHERE), "shop", [sandwich])) == (None, "MS210")
        assert bound(bind(obj(ELSEWHERE), "shop", [sandwich, gateway_class])) == ("infra/waypoint", "")


class TestTrafficType:
    @pytest.mark.parametrize(
        ("waypoint_for", "kind", "takes"),
        [
            (None, "service", True),
            (None, "workload", False),
            ("service", "workload", False),
            ("workload", "service", False),
            ("workload", "workload", True),
            ("all", "service", True),
            ("all", "workload", True),
            ("none", "service", False),
        ],
    )
    def test_the_label_says_what_a_waypoint_is_for(self, waypoint_for: str | None, kind: str, takes: bool) -> None:
        labels = {"istio.io/waypoint-for": waypoint_for} if waypoint_for else {}
        assert (bind(obj(USE), "shop", [gateway(labels=labels)], kind)["waypoint"] is not None) is takes

    def test_the_class_gives_the_default_and_the_gateway_overrides_it(self) -> None:
        gateway_class = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": "istio-waypoint", "labels": {"istio.io/waypoint-for": "workload"}},
        }
        own = gateway(labels={"istio.io/waypoint-for": "service"})
        assert bound(bind(obj(USE), "shop", [gateway(), gateway_class])) == (None, "MS210")
        assert bound(bind(obj(USE), "shop", [own, gateway_class])) == ("shop/waypoint", "")


class TestServiceEntries:
    def entry(self, export: list[str]) -> dict[str, Any]:
        return obj(ELSEWHERE, apiVersion="networking.istio.io/v1", kind="ServiceEntry", spec={"exportTo": export})

    def test_one_for_its_own_namespace_binds_no_waypoint_of_another(self) -> None:
        shared = gateway(namespace="infra", listener={"allowedRoutes": {"namespaces": {"from": "All"}}})
        assert bound(bind(self.entry(["."]), "shop", [shared])) == (None, "MS210")
        assert bound(bind(self.entry(["*"]), "shop", [shared])) == ("infra/waypoint", "")


class TestCanaryWaypoints:
    LABELS: ClassVar = {**USE, "istio.io/use-waypoint-canary": "next"}
    BOTH: ClassVar = [gateway(), gateway("next")]

    def weight(self, value: str) -> dict[str, str]:
        return {"istio.io/use-waypoint-canary-weight": value}

    def test_the_weight_is_the_canarys_percent(self) -> None:
        found = bind(obj(self.LABELS, annotations=self.weight("20")), "shop", self.BOTH)
        assert (found["waypoint"], found["canary"], found["canary_weight"]) == ("shop/waypoint", "shop/next", 20)

    def test_before_1_31_there_is_one_waypoint(self) -> None:
        labelled = obj(self.LABELS, annotations=self.weight("20"))
        assert bind(labelled, "shop", self.BOTH, dialect="istio/1.30")["canary"] is None

    def test_without_a_weight_nothing_goes_there(self) -> None:
        assert bind(obj(self.LABELS), "shop", self.BOTH)["canary_weight"] == 0

    @pytest.mark.parametrize("weight", ["101", "-1", "5.5", "many", "²"])
    def test_a_bad_weight_leaves_the_primary_alone(self, weight: str) -> None:
        found = bind(obj(self.LABELS, annotations=self.weight(weight)), "shop", self.BOTH)
        assert (found["waypoint"], found["canary"]) == ("shop/waypoint", None)

    def test_a_missing_canary_leaves_the_primary_alone(self) -> None:
        found = bind(obj(self.LABELS, annotations=self.weight("20")), "shop", [gateway()])
        assert (found["waypoint"], found["canary"], found["reason"]) == ("shop/waypoint", None, "")

    def test_without_a_primary_there_is_no_canary(self) -> None:
        found = bind(obj(self.LABELS, annotations=self.weight("20")), "shop", [gateway("next")])
        assert bound(found) == (None, "MS210")

    def test_the_namespaces_canary_counts_only_with_the_namespaces_waypoint(self) -> None:
        described = place(**self.LABELS)
        described["metadata"]["annotations"] = self.weight("20")
        assert bind(obj(), described, self.BOTH)["canary"] == "shop/next"
        assert bind(obj(USE), described, self.BOTH)["canary"] is None
