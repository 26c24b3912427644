"""Which DestinationRule counts. Expected values: istio pilot/pkg/model/push_context.go:1259, destination_rule.go:46 and
push_context_test.go (TestSetDestinationRuleMerging, WithExportTo, WithWorkloadSelector)."""

from typing import Any, ClassVar

import pytest
from made_meshes import manifests

from meshsim.api import destination_rule_for
from meshsim.controlplane.destinationrules import EffectiveRule, policy_of

HOST = "orders.shop.svc.cluster.local"


def rule(name: str, namespace: str = "shop", host: str = HOST, created: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, **({"creationTimestamp": created} if created else {})}
    body = {"host": host, **spec}
    return {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": metadata, "spec": body}


def subsets(*names: str, **labels: str) -> list[dict[str, Any]]:
    return [{"name": name, "labels": labels or {"v": name}} for name in names]


def objects(*docs: dict[str, Any], proxy: str = "shop", host: str = HOST, **more: Any) -> list[str]:
    found = destination_rule_for(docs, host, proxy, **more)
    return found["objects"] if found is not None else []


class TestLevels:
    def test_the_proxys_namespace_then_the_services_then_the_root(self) -> None:
        docs = [rule("r", place) for place in ("istio-system", "shop", "client")]
        assert objects(*docs, proxy="client") == ["client/r"]
        assert objects(*docs[:2], proxy="client") == ["shop/r"]
        assert objects(docs[0], proxy="client") == ["istio-system/r"]

    def test_levels_are_not_merged(self) -> None:
        docs = [rule("a", "client", trafficPolicy={"tls": {}}), rule("b", subsets=subsets("v1"))]
        found = destination_rule_for(docs, HOST, "client")
        assert found is not None
        assert found["subsets"] == {}

    def test_a_third_namespaces_rule_is_nobodys(self) -> None:
        assert objects(rule("r", "elsewhere"), proxy="client") == []

    def test_a_proxy_of_the_root_asks_there_first(self) -> None:
        docs = [rule("r", "istio-system"), rule("r", "shop")]
        assert objects(*docs, proxy="istio-system") == ["istio-system/r"]

    @pytest.mark.parametrize(("export", "seen"), [(["."], False), (["client"], True), (["*"], True), ([], True)])
    def test_export_to_limits_who_sees_a_services_rule(self, export: list[str], seen: bool) -> None:
        assert bool(objects(rule("r", exportTo=export), proxy="client")) is seen

    def test_the_own_namespaces_rule_needs_no_export(self) -> None:
        assert objects(rule("r", "client", exportTo=["other"]), proxy="client") == ["client/r"]


class TestHosts:
    def test_exact_before_longest_wildcard(self) -> None:
        docs = [rule("wide", host="*.svc.cluster.local"), rule("near", host="*.shop.svc.cluster.local"), rule("exact")]
        assert objects(*docs) == ["shop/exact"]
        assert objects(*docs[:2]) == ["shop/near"]

    def test_a_short_host_is_of_the_rules_own_namespace(self) -> None:
        assert objects(rule("r", host="orders")) == ["shop/r"]
        assert objects(rule("r", "client", host="orders"), proxy="client") == []


class TestMerging:
    def test_subsets_are_joined_and_the_first_of_a_name_wins(self) -> None:
        docs = [
            rule("young", created="2026-02-01T00:00:00Z", subsets=subsets("v1", v="new") + subsets("v2")),
            rule("old", created="2026-01-01T00:00:00Z", subsets=subsets("v1", v="old")),
        ]
        found = destination_rule_for(docs, HOST, "shop")
        assert found is not None
        assert found["objects"] == ["shop/old", "shop/young"]
        assert {name: s["labels"] for name, s in found["subsets"].items()} == {"v1": {"v": "old"}, "v2": {"v": "v2"}}

    def test_the_first_traffic_policy_counts(self) -> None:
        docs = [
            rule("a"),
            rule("b", trafficPolicy={"loadBalancer": {"simple": "RANDOM"}}),
            rule("c", trafficPolicy={"loadBalancer": {"simple": "ROUND_ROBIN"}}),
        ]
        found = destination_rule_for(docs, HOST, "shop")
        assert found is not None
        assert found["trafficPolicy"] == {"loadBalancer": {"simple": "RANDOM"}}

    def test_only_with_the_same_export_to(self) -> None:
        docs = [rule("a", exportTo=["*"]), rule("b", exportTo=["."])]
        assert objects(*docs) == ["shop/a"]
        same = [rule("a", exportTo=["x", "shop"]), rule("b", exportTo=["shop", "x"])]
        assert objects(*same) == ["shop/a", "shop/b"]


class TestWorkloadSelector:
    CHOSEN: ClassVar = {"workloadSelector": {"matchLabels": {"app": "web"}}}

    def test_it_is_for_sidecars_of_its_namespace_that_it_selects(self) -> None:
        docs = [rule("plain", "client"), rule("chosen", "client", **self.CHOSEN)]
        assert objects(*docs, proxy="client", labels={"app": "web"}) == ["client/chosen"]
        assert objects(*docs, proxy="client", labels={"app": "other"}) == ["client/plain"]

    def test_it_is_not_for_a_waypoints_services(self) -> None:
        assert objects(rule("chosen", **self.CHOSEN)) == []

    def test_it_is_not_for_other_namespaces(self) -> None:
        assert objects(rule("chosen", **self.CHOSEN), proxy="client", labels={"app": "web"}) == []


class TestPolicies:
    def effective(self, policy: dict[str, Any], subset: dict[str, Any] | None = None) -> EffectiveRule:
        (owner,) = manifests("{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: r}}")
        body = {"name": "v1", "trafficPolicy": subset or {}}
        return EffectiveRule(subsets={"v1": (owner, 0, body)}, traffic_policy=policy, objects=(owner,))

    def test_a_subsets_fields_lie_over_the_rules(self) -> None:
        found = policy_of(self.effective({"tls": {"mode": "DISABLE"}, "loadBalancer": {}}, {"tls": {}}), "v1", 80)
        assert found == {"tls": {}, "loadBalancer": {}}

    def test_a_ports_settings_inherit_nothing(self) -> None:
        policy = {
            "outlierDetection": {"interval": "5s"},
            "loadBalancer": {"simple": "RANDOM"},
            "portLevelSettings": [{"port": {"number": 80}, "loadBalancer": {"simple": "ROUND_ROBIN"}}],
        }
        at_port = policy_of(self.effective(policy), "", 80)
        assert (at_port["loadBalancer"], at_port["outlierDetection"]) == ({"simple": "ROUND_ROBIN"}, None)
        assert policy_of(self.effective(policy), "", 81)["outlierDetection"] == {"interval": "5s"}

    def test_a_subsets_port_comes_last(self) -> None:
        subset = {"portLevelSettings": [{"port": {"number": 80}, "outlierDetection": {}}]}
        found = policy_of(self.effective({"outlierDetection": {"interval": "5s"}}, subset), "v1", 80)
        assert found["outlierDetection"] == {}

    def test_without_a_rule_there_is_no_policy(self) -> None:
        assert policy_of(None, "", 80) == {}
