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

    @pytest.mark.parametrize(
        ("controller", "waypoint"),
        [
            ("istio.io-mesh-controller", None),
            ("istio.io-eastwest-controller", None),
            ("istio.io-gateway-controller", "shop/waypoint"),
        ],
    )
    def test_the_services_of_waypoints_and_east_west_gateways_have_none(
        self, controller: str, waypoint: str | None
    ) -> None:
        managed = {**USE, "gateway.istio.io/managed": controller}
        assert bound(bind(obj(managed), "shop", [gateway()])) == (waypoint, "")

    @pytest.mark.parametrize(("instance_of", "waypoint"), [("waypoint", None), ("other", "shop/waypoint")])
    def test_the_pods_of_a_waypoint_have_none(self, instance_of: str, waypoint: str | None) -> None:
        """A pod that names a Gateway that is not there is a pod like any other."""
        pod = obj({**USE, "gateway.networking.k8s.io/gateway-name": instance_of})
        takes_all = gateway(labels={"istio.io/waypoint-for": "all"})
        assert bound(bind(pod, "shop", [takes_all], "workload")) == (waypoint, "")

    def test_an_empty_name_or_namespace_is_a_reference_that_leads_nowhere(self) -> None:
        assert bound(bind(obj({"istio.io/use-waypoint": ""}), place(**USE), [gateway()])) == (None, "MS210")
        assert bound(bind(obj({**USE, "istio.io/use-waypoint-namespace": ""}), "shop", [gateway()])) == (None, "MS210")

    def test_any_gateway_with_an_address_is_bound_whatever_it_listens_for(self) -> None:
        """ztunnel then finds no port for tunnels there, and fails closed."""
        ingress = gateway("front", gateway_class="istio", listener={"protocol": "HTTP", "port": 80})
        ingress["status"] = {"addresses": [{"type": "IPAddress", "value": "10.0.0.9"}]}
        assert bound(bind(obj({"istio.io/use-waypoint": "front"}), "shop", [ingress])) == ("shop/front", "")


class TestReady:
    def test_a_gateway_without_an_address_never_became_ready(self) -> None:
        status = {"conditions": [{"type": "Programmed", "status": "False"}]}
        assert bound(bind(obj(USE), "shop", [gateway(status=status)])) == (None, "MS207")

    def test_a_status_with_an_empty_list_of_addresses_is_taken_at_its_word(self) -> None:
        """waypoints.go:361: without an address the waypoint does not exist for istiod. A status that leaves them out,
        as manifests in a repository do, says nothing of them."""
        programmed = [{"type": "Programmed", "status": "True"}]
        for status in ({"addresses": []}, {"addresses": [], "conditions": programmed}):
            assert bound(bind(obj(USE), "shop", [gateway(status=status)])) == (None, "MS207")
        for status in ({}, {"conditions": programmed}):
            assert bound(bind(obj(USE), "shop", [gateway(status=status)])) == ("shop/waypoint", "")

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
                [{"type": "IPAddress", "value": "10.0.0.9"}, {"type": "Hostname", "value": "waypoint.shop.svc.corp"}],
                "shop/waypoint.shop.svc.corp",
            ),
            ([{"type": "IPAddress", "value": "pending"}, {"value": "fd00::9"}], "network1/fd00::9"),
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

    @pytest.mark.parametrize(
        ("namespaces", "allowed"),
        [
            ({"from": "Same"}, True),
            ({"from": "None"}, True),
            ({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, True),
            ({"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}, False),
            ({"from": "Selector", "selector": {}}, True),
            ({"from": "Selector"}, False),
        ],
    )
    @pytest.mark.parametrize("level", ["object", "namespace"])
    def test_a_selector_has_to_match_the_waypoints_own_namespace_too(
        self, namespaces: dict[str, Any], allowed: bool, level: str
    ) -> None:
        """An empty selector matches everything, a missing one nothing (Kubernetes' LabelSelectorAsSelector)."""
        own, described = (obj(USE), place(team="a")) if level == "object" else (obj(), place(team="a", **USE))
        found = bind(own, described, [gateway(listener={"allowedRoutes": {"namespaces": namespaces}})])
        assert bound(found) == (("shop/waypoint", "") if allowed else (None, "MS210"))

    @pytest.mark.parametrize(("port", "waypoint"), [(15008, "infra/waypoint"), (15009, None)])
    def test_only_the_tunnels_own_port_counts(self, port: int, waypoint: str | None) -> None:
        listener = {"port": port, "allowedRoutes": {"namespaces": {"from": "All"}}}
        assert bind(obj(ELSEWHERE), "shop", [gateway(namespace="infra", listener=listener)])["waypoint"] == waypoint

    @pytest.mark.parametrize(
        ("annotation", "waypoint"),
        [
            ("PROXY/15088", "infra/waypoint"),
            ("NONE/15088", "infra/waypoint"),
            ("PROXY", None),
            ("NONE", None),
            ("proxy/15088", None),
            ("PROXY/15088/1", None),
            ("PROXY/many", None),
        ],
    )
    def test_the_inbound_binding_names_a_port_or_the_first_listener_for_the_proxy_protocol(
        self, annotation: str, waypoint: str | None
    ) -> None:
        """The second listener admits every namespace, the first, the one for the PROXY protocol, its own only."""
        sandwich = gateway(namespace="infra", annotations={"ambient.istio.io/waypoint-inbound-binding": annotation})
        sandwich["spec"]["listeners"] = [
            {"name": "own", "protocol": "istio.io/PROXY", "port": 15089},
            {"name": "in", "protocol": "TCP", "port": 15088, "allowedRoutes": {"namespaces": {"from": "All"}}},
        ]
        assert bind(obj(ELSEWHERE), "shop", [sandwich])["waypoint"] == waypoint

    def test_the_proxy_protocol_alone_is_enough_whatever_the_port(self) -> None:
        sandwich = gateway(namespace="infra", annotations={"ambient.istio.io/waypoint-inbound-binding": "PROXY"})
        admits = {"allowedRoutes": {"namespaces": {"from": "All"}}}
        sandwich["spec"]["listeners"] = [{"name": "in", "protocol": "istio.io/PROXY", "port": 15015, **admits}]
        assert bind(obj(ELSEWHERE), "shop", [sandwich])["waypoint"] == "infra/waypoint"

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

    def test_a_namespaces_waypoint_for_services_is_none_for_its_pods_without_a_word(self) -> None:
        assert bound(bind(obj(), place(**USE), [gateway()], "workload")) == (None, "")
        assert bound(bind(obj(USE), "shop", [gateway()], "workload")) == (None, "MS210")
        only_pods = gateway(labels={"istio.io/waypoint-for": "workload"})
        assert bound(bind(obj(), place(**USE), [only_pods])) == (None, "MS210")

    def test_the_class_gives_the_default_and_the_gateway_overrides_it(self) -> None:
        gateway_class = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": "istio-waypoint", "labels": {"istio.io/waypoint-for": "workload"}},
        }
        own = gateway(labels={"istio.io/waypoint-for": "service"})
        assert bound(bind(obj(USE), "shop", [gateway(), gateway_class])) == (None, "MS210")
        assert bound(bind(obj(USE), "shop", [own, gateway_class])) == ("shop/waypoint", "")


class TestDocuments:
    def test_a_gateway_without_a_namespace_is_in_the_objects(self) -> None:
        here = {**gateway(), "metadata": {"name": "waypoint"}}
        assert bound(bind(obj(USE), "shop", [here])) == ("shop/waypoint", "")
        assert bound(bind(obj(ELSEWHERE), "shop", [here])) == (None, "MS210")

    def test_metadata_may_stand_at_the_top(self) -> None:
        assert bound(bind({"name": "orders", "labels": USE}, "shop", [gateway()])) == ("shop/waypoint", "")
        assert bound(bind(obj(), {"name": "shop", "labels": USE}, [gateway()])) == ("shop/waypoint", "")

    @pytest.mark.parametrize(
        ("kind", "traffic", "waypoint"),
        [
            ("Pod", "workload", "shop/waypoint"),
            ("WorkloadEntry", "workload", "shop/waypoint"),
            ("Service", "workload", None),
            ("ServiceEntry", "workload", None),
            (None, "workload", None),
            ("Pod", "service", None),
            ("Service", "service", "shop/waypoint"),
            (None, "service", "shop/waypoint"),
        ],
    )
    def test_the_traffic_is_that_of_the_objects_own_kind(
        self, kind: str | None, traffic: str, waypoint: str | None
    ) -> None:
        for_one = gateway(labels={"istio.io/waypoint-for": traffic})
        given = obj(USE) if kind is None else obj(USE, kind=kind)
        assert bind(given, "shop", [for_one])["waypoint"] == waypoint

    def test_classes_and_namespaces_have_none(self) -> None:
        kind = {
            "kind": "GatewayClass",
            "metadata": {"name": "istio-waypoint", "labels": {"istio.io/waypoint-for": "all"}},
        }
        found = bind(obj(USE), "shop", [gateway(), kind, {"kind": "Namespace", "metadata": {"name": "shop"}}], "Pod")
        assert bound(found) == ("shop/waypoint", "")


class TestServiceEntries:
    def entry(self, export: list[str]) -> dict[str, Any]:
        return obj(ELSEWHERE, apiVersion="networking.istio.io/v1", kind="ServiceEntry", spec={"exportTo": export})

    SHARED: ClassVar = gateway(namespace="infra", listener={"allowedRoutes": {"namespaces": {"from": "All"}}})

    def config(self, visibility: str) -> dict[str, Any]:
        meta = {"name": "istio", "namespace": "istio-system"}
        return {"kind": "ConfigMap", "metadata": meta, "data": {"mesh": f"serviceEntryVisibility: {visibility}"}}

    @pytest.mark.parametrize("export", [["."], ["*"], ["shop"]])
    def test_export_to_is_not_read(self, export: list[str]) -> None:
        """services.go serviceEntriesInfo takes its visibility from the meshConfig alone."""
        assert bound(bind(self.entry(export), "shop", [self.SHARED])) == ("infra/waypoint", "")

    @pytest.mark.parametrize(
        ("visibility", "waypoint"),
        [
            ("{defaultVisibility: NAMESPACE}", None),
            ("{defaultVisibility: NONE}", None),
            ("{defaultVisibility: PUBLIC}", "infra/waypoint"),
            ("{defaultVisibility: NAMESPACE, policies: [{visibility: PUBLIC}]}", "infra/waypoint"),
            ("{policies: [{visibility: NAMESPACE, matchingRules: [{}]}]}", "infra/waypoint"),
            (
                "{policies: [{visibility: NAMESPACE, matchingRules: [{namespaceSelector: {matchLabels: {team: a}}}]}]}",
                None,
            ),
            (
                "{policies: [{visibility: NAMESPACE, matchingRules: [{namespaceSelector: {matchLabels: {team: b}}}]}]}",
                "infra/waypoint",
            ),
        ],
    )
    def test_one_for_its_own_namespace_binds_no_waypoint_of_another(
        self, visibility: str, waypoint: str | None
    ) -> None:
        docs = [self.SHARED, self.config(visibility)]
        found = bind(self.entry([]), place(team="a"), docs, "ServiceEntry")
        assert bound(found) == (waypoint, "" if waypoint else "MS210")
        assert bind(self.entry([]), place(team="a"), docs, dialect="istio/1.30")["waypoint"] == "infra/waypoint"

    @pytest.mark.parametrize("visibility", ["5", "{policies: 5}", "{policies: [5, {visibility: 5, matchingRules: 5}]}"])
    def test_a_visibility_of_the_wrong_shape_hides_nothing(self, visibility: str) -> None:
        found = bind(self.entry([]), "shop", [self.SHARED, self.config(visibility)], "ServiceEntry")
        assert found["waypoint"] == "infra/waypoint"

    def test_one_for_its_own_namespace_binds_a_waypoint_there(self) -> None:
        docs = [gateway(), self.config("{defaultVisibility: NAMESPACE}")]
        entry = obj(USE, apiVersion="networking.istio.io/v1", kind="ServiceEntry", spec={})
        assert bound(bind(entry, "shop", docs)) == ("shop/waypoint", "")


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

    @pytest.mark.parametrize("weight", ["101", "-1", "5.5", "many", "²", "", "9" * 5000])
    def test_a_bad_weight_leaves_the_primary_alone(self, weight: str) -> None:
        found = bind(obj(self.LABELS, annotations=self.weight(weight)), "shop", self.BOTH)
        assert (found["waypoint"], found["canary"]) == ("shop/waypoint", None)

    def test_a_missing_canary_leaves_the_primary_alone(self) -> None:
        found = bind(obj(self.LABELS, annotations=self.weight("20")), "shop", [gateway()])
        assert (found["waypoint"], found["canary"], found["reason"]) == ("shop/waypoint", None, "")

    def test_without_a_primary_there_is_no_canary(self) -> None:
        found = bind(obj(self.LABELS, annotations=self.weight("20")), "shop", [gateway("next")])
        assert bound(found) == (None, "MS210")

    @pytest.mark.parametrize("name", ["", "none", "waypoint"])
    def test_no_name_or_the_primarys_is_no_canary(self, name: str) -> None:
        labels = {**USE, "istio.io/use-waypoint-canary": name}
        assert bind(obj(labels, annotations=self.weight("20")), "shop", self.BOTH)["canary"] is None

    def test_a_canary_of_another_namespace(self) -> None:
        labels = {**self.LABELS, "istio.io/use-waypoint-canary-namespace": "infra"}
        shared = gateway("next", "infra", listener={"allowedRoutes": {"namespaces": {"from": "All"}}})
        found = bind(obj(labels, annotations=self.weight("20")), "shop", [gateway(), shared])
        assert (found["canary"], found["canary_weight"]) == ("infra/next", 20)

    def test_pods_have_no_canary(self) -> None:
        takes_all = {"istio.io/waypoint-for": "all"}
        both = [gateway(labels=takes_all), gateway("next", labels=takes_all)]
        found = bind(obj(self.LABELS, annotations=self.weight("20")), "shop", both, "workload")
        assert (found["waypoint"], found["canary"]) == ("shop/waypoint", None)

    def test_under_the_namespaces_waypoint_each_is_the_objects_where_it_states_it(self) -> None:
        """Label and weight are looked for one by one: on the object, then on the namespace."""
        described = place(**USE, **{"istio.io/use-waypoint-canary": "third"})
        described["metadata"]["annotations"] = self.weight("30")
        three = [*self.BOTH, gateway("third")]
        own = obj({"istio.io/use-waypoint-canary": "next"})
        found = bind(own, described, three)
        assert (found["canary"], found["canary_weight"]) == ("shop/next", 30)
        found = bind(obj(annotations=self.weight("42")), described, three)
        assert (found["canary"], found["canary_weight"]) == ("shop/third", 42)

    def test_the_namespaces_canary_counts_only_with_the_namespaces_waypoint(self) -> None:
        described = place(**self.LABELS)
        described["metadata"]["annotations"] = self.weight("20")
        assert bind(obj(), described, self.BOTH)["canary"] == "shop/next"
        assert bind(obj(USE), described, self.BOTH)["canary"] is None
