"""Which DestinationRule counts. Expected values: istio pilot/pkg/model/push_context.go:1259, destination_rule.go:46 and
push_context_test.go (TestSetDestinationRuleMerging, WithExportTo, WithWorkloadSelector)."""

from typing import Any, ClassVar

import pytest
from made_meshes import manifests

from meshsim.api import destination_rule_for
from meshsim.controlplane.destinationrules import EffectiveRule, policy_of
from meshsim.model.errors import InputError

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

    def test_a_proxy_of_the_root_has_only_private_rules_there_as_its_own(self) -> None:
        docs = [rule("all", "istio-system"), rule("r", "shop"), rule("own", "istio-system", exportTo=["."])]
        assert objects(*docs, proxy="istio-system") == ["istio-system/own"]
        assert objects(*docs[:2], proxy="istio-system") == ["shop/r"]
        assert objects(docs[0], proxy="istio-system") == ["istio-system/all"]

    def test_an_exact_rule_that_is_not_exported_to_the_proxy_hides_a_wildcard_of_its_namespace(self) -> None:
        docs = [rule("exact", exportTo=["far"]), rule("wide", host="*.shop.svc.cluster.local")]
        assert objects(*docs, proxy="client") == []
        assert objects(*docs, rule("root", "istio-system"), proxy="client") == ["istio-system/root"]

    def test_a_private_rule_hides_nothing_from_others(self) -> None:
        docs = [rule("exact", exportTo=["."]), rule("wide", host="*.shop.svc.cluster.local")]
        assert objects(*docs, proxy="client") == ["shop/wide"]

    @pytest.mark.parametrize(("export", "seen"), [(["."], False), (["client"], True), (["*"], True), ([], True)])
    def test_export_to_limits_who_sees_a_services_rule(self, export: list[str], seen: bool) -> None:
        assert bool(objects(rule("r", exportTo=export), proxy="client")) is seen

    @pytest.mark.parametrize(("export", "seen"), [(["other"], False), (["other", "client"], True), (["."], True)])
    def test_the_own_namespaces_rule_must_be_exported_to_it_too(self, export: list[str], seen: bool) -> None:
        assert bool(objects(rule("r", "client", exportTo=export), proxy="client")) is seen


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
        assert objects(*docs) == ["shop/b"]  # of several that stay apart, the last (sidecar.go:713)
        assert objects(*docs, proxy="client") == ["shop/a"]
        same = [rule("a", exportTo=["x", "shop"]), rule("b", exportTo=["shop", "x"])]
        assert objects(*same) == ["shop/a", "shop/b"]


class TestWorkloadSelector:
    CHOSEN: ClassVar = {"workloadSelector": {"matchLabels": {"app": "web"}}}

    def test_it_is_for_sidecars_of_its_namespace_that_it_selects(self) -> None:
        docs = [rule("plain", "client"), rule("chosen", "client", **self.CHOSEN)]
        assert objects(*docs, proxy="client", labels={"app": "web"}) == ["client/chosen"]
        assert objects(*docs, proxy="client", labels={"app": "other"}) == ["client/plain"]

    def test_it_takes_the_rule_for_all_along(self) -> None:
        plain = rule("plain", "client", exportTo=["."], subsets=subsets("v2"), trafficPolicy={"tls": {}})
        chosen = rule("chosen", "client", exportTo=["far"], subsets=subsets("v1"), **self.CHOSEN)
        found = destination_rule_for([plain, chosen], HOST, "client", labels={"app": "web"})
        assert found is not None
        assert (found["objects"], sorted(found["subsets"])) == (["client/chosen", "client/plain"], ["v1", "v2"])
        assert found["trafficPolicy"] == {"tls": {}}

    def test_others_of_the_namespace_do_not_go_on_to_the_services(self) -> None:
        docs = [rule("chosen", "client", **self.CHOSEN), rule("service")]
        assert objects(*docs, proxy="client", labels={"app": "other"}) == []

    def test_it_is_not_for_a_waypoints_services(self) -> None:
        assert objects(rule("chosen", **self.CHOSEN)) == []

    def test_it_is_not_for_other_namespaces(self) -> None:
        assert objects(rule("chosen", **self.CHOSEN), proxy="client", labels={"app": "web"}) == []


class TestHostsNamespace:
    """TestSetDestinationRuleWithExportTo: hosts whose name does not say their namespace."""

    DOCS: ClassVar = [
        rule("one", "test1", "httpbin.org", exportTo=[".", "ns1"]),
        rule("two", "test2", "httpbin.org", exportTo=["test2", "ns1", "test1", "new"]),
        rule("local", "test4", "httpbin.org", exportTo=["test4"]),
        rule("root", "istio-system", "httpbin.org"),
        rule("own", "istio-system", "httpbin.org", exportTo=["."]),
        rule("short", "istio-system", "*.org", exportTo=["."]),
        rule("long", "istio-system", "*.app.org", exportTo=["."]),
        rule("five", "test5", "api.test.com", exportTo=["istio-system"]),
    ]

    @pytest.mark.parametrize(
        ("proxy", "service", "host", "expected"),
        [
            ("test1", "test2", "httpbin.org", "test1/one"),
            ("test2", "test1", "httpbin.org", "test2/two"),
            ("new", "test2", "httpbin.org", "test2/two"),
            ("ns1", "test1", "httpbin.org", "test1/one"),
            ("ns1", "random", "httpbin.org", "istio-system/root"),
            ("test5", "test4", "httpbin.org", "istio-system/root"),
            ("istio-system", "random", "httpbin.org", "istio-system/own"),
            ("istio-system", "istio-system", "foo.app.org", "istio-system/long"),
            ("istio-system", "test5", "api.test.com", "test5/five"),
            ("istio-system", "test7", "api.test.com", None),
        ],
    )
    def test_it_is_stated_or_an_entrys(self, proxy: str, service: str, host: str, expected: str | None) -> None:
        entry = {"kind": "ServiceEntry", "metadata": {"name": "e", "namespace": service}, "spec": {"hosts": [host]}}
        wanted = [expected] if expected else []
        assert objects(*self.DOCS, proxy=proxy, host=host, service_namespace=service) == wanted
        assert objects(entry, *self.DOCS, proxy=proxy, host=host) == wanted

    def test_a_bare_name_is_of_the_proxys_namespace(self) -> None:
        assert objects(rule("r"), host="orders") == ["shop/r"]


class TestDocuments:
    TEXT = "{kind: DestinationRule, metadata: {name: r, namespace: shop}, spec: {host: orders}}"

    def test_yaml_texts_and_lists_are_documents_too(self) -> None:
        listed = {"kind": "List", "items": [rule("r")]}
        for docs in (self.TEXT, [self.TEXT], listed, [listed], rule("r")):
            found = destination_rule_for(docs, HOST, "client")
            assert found is not None
            assert found["objects"] == ["shop/r"]

    @pytest.mark.parametrize(
        ("docs", "said"),
        [
            ([7], "a document is a mapping or a YAML text, and this is 7"),
            ([{"spec": {}}], "a document needs kind and metadata.name"),
            ([{"kind": "DestinationRule", "metadata": []}], "metadata must be a mapping, not a list"),
            ([rule("r", host=[])], "DestinationRule r: spec.host must be text, not a list"),
        ],
    )
    def test_others_are_refused_in_a_sentence(self, docs: Any, said: str) -> None:
        with pytest.raises(InputError) as caught:
            destination_rule_for(docs, HOST, "client")
        assert said in str(caught.value)

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            ((5, "shop"), "host must be a name, not 5"),
            ((HOST, None), "proxy_namespace must be a name, not None"),
            ((HOST, "shop", "app=a"), "labels 'app=a' is not a mapping"),
        ],
    )
    def test_so_are_other_arguments(self, args: tuple[Any, ...], said: str) -> None:
        with pytest.raises(InputError, match=said):
            destination_rule_for([], *args)


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
