"""Which fields of the objects on a call's path leave its answer open: those that act on these requests alone."""

from typing import Any, ClassVar

import pytest
from strategies.asking import ask
from strategies.cases import CLIENT, LOCAL, scenario, the, with_rollout
from strategies.meshes import NAMESPACE, SERVICE, Document

from meshsim.model.verdict import Verdict


def verdict(part: Document) -> Verdict:
    (row,) = ask(scenario(part, calls=[(CLIENT, LOCAL)]), "step:1")
    return row.verdict


def managed(part: Document) -> dict[str, Any]:
    rule: dict[str, Any] = the(part, "HTTPRoute", SERVICE)["spec"]["rules"][0]
    return rule


def other_rule(part: Document, **fields: Any) -> Document:
    """A rule for another path, which takes none of the call's requests."""
    matches = [{"path": {"type": "PathPrefix", "value": "/elsewhere"}}]
    rule = {"matches": matches, "backendRefs": [{"name": f"{SERVICE}-stable", "port": 8080}], **fields}
    the(part, "HTTPRoute", SERVICE)["spec"]["rules"].append(rule)
    return part


MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": f"{SERVICE}-canary", "port": 8080}}}
REDIRECT = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}
REWRITE = {
    "type": "URLRewrite",
    "urlRewrite": {"hostname": "b", "path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}},
}
HEADERS = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "b"}]}}


class TestRules:
    @pytest.mark.parametrize(
        "fields",
        [
            {"timeouts": {"request": "1s", "backendRequest": "1s"}},
            {"retry": {"attempts": 3, "codes": [503]}},
            {"filters": [MIRROR]},
            {"filters": [REWRITE, HEADERS]},
        ],
    )
    def test_what_changes_no_share_leaves_nothing_open(self, fields: dict[str, Any]) -> None:
        part = with_rollout()
        managed(part).update(fields)
        assert verdict(part) is Verdict.APPLIED

    @pytest.mark.parametrize(
        "fields",
        [
            {"filters": [REDIRECT]},
            {"sessionPersistence": {"type": "Cookie"}},
            {"filters": [{"type": "ExtensionRef", "extensionRef": {"group": "x", "kind": "Y", "name": "z"}}]},
        ],
    )
    def test_what_does_leaves_the_answer_open_in_the_rule_that_takes_the_requests(self, fields: dict[str, Any]) -> None:
        part = with_rollout()
        managed(part).update(fields)
        assert verdict(part) is Verdict.UNDETERMINED

    @pytest.mark.parametrize("fields", [{"filters": [REDIRECT]}, {"sessionPersistence": {"type": "Cookie"}}])
    def test_and_none_in_another(self, fields: dict[str, Any]) -> None:
        assert verdict(other_rule(with_rollout(), **fields)) is Verdict.APPLIED


class TestParents:
    def test_a_service_without_its_empty_group_gets_no_route(self) -> None:
        part = with_rollout()
        del the(part, "HTTPRoute", SERVICE)["spec"]["parentRefs"][0]["group"]
        assert verdict(part) is not Verdict.APPLIED


class TestServices:
    def test_affinity_binds_kube_proxy_alone(self) -> None:
        part = with_rollout()
        the(part, "Service", SERVICE)["spec"]["sessionAffinity"] = "ClientIP"
        assert verdict(part) is Verdict.APPLIED

    def test_an_external_ip_matters_to_who_calls_it(self) -> None:
        part = with_rollout()
        the(part, "Service", SERVICE)["spec"]["externalIPs"] = ["192.0.2.9"]
        (by_ip,) = ask(scenario(part, calls=[(CLIENT, "192.0.2.9:8080")]), "step:1")
        assert (verdict(part), by_ip.verdict) == (Verdict.APPLIED, Verdict.UNDETERMINED)


def virtual_service(part: Document) -> Document:
    spec: Document = the(part, "VirtualService", SERVICE)["spec"]
    return spec


DELAY = {"delay": {"percentage": {"value": 50}, "fixedDelay": "1s"}}
ABORT = {"abort": {"percentage": {"value": 50}, "httpStatus": 500}}


class TestEntries:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"fault": DELAY}, Verdict.APPLIED),
            ({"timeout": "1s", "retries": {"attempts": 2}}, Verdict.APPLIED),
            ({"mirror": {"host": SERVICE}, "mirrorPercentage": {"value": 10}}, Verdict.APPLIED),
            (
                {"rewrite": {"uri": "/a", "authority": "b"}, "headers": {"request": {"add": {"a": "b"}}}},
                Verdict.APPLIED,
            ),
            ({"fault": DELAY, "timeout": "1s"}, Verdict.UNDETERMINED),
            ({"fault": ABORT}, Verdict.UNDETERMINED),
            ({"redirect": {"uri": "/a"}}, Verdict.UNDETERMINED),
            ({"retries": {"attempts": 2, "retryRemoteLocalities": True}}, Verdict.UNDETERMINED),
        ],
    )
    def test_what_an_entry_does_beside_routing(self, fields: dict[str, Any], expected: Verdict) -> None:
        part = with_rollout(approach="virtualservice")
        virtual_service(part)["http"][0].update(fields)
        assert verdict(part) is expected

    @pytest.mark.parametrize(
        ("match", "expected"),
        [
            ({"uri": {"prefix": "/elsewhere"}}, Verdict.APPLIED),
            ({"headers": {"@request.auth.claims.group": {"exact": "beta"}}}, Verdict.APPLIED),
            ({"scheme": {"exact": "https"}}, Verdict.UNDETERMINED),
        ],
    )
    def test_an_entry_before_it_counts_where_nobody_knows_what_it_takes(
        self, match: dict[str, Any], expected: Verdict
    ) -> None:
        part = with_rollout(approach="virtualservice")
        virtual_service(part)["http"].insert(0, {"match": [match], "redirect": {"uri": "/a"}, "fault": ABORT})
        assert verdict(part) is expected

    def test_a_rollout_may_manage_a_delegate(self) -> None:
        part = with_rollout(approach="virtualservice")
        leaf = virtual_service(part)
        hosts = leaf.pop("hosts")
        del leaf["gateways"]
        root = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "root", "namespace": NAMESPACE},
            "spec": {"hosts": hosts, "http": [{"delegate": {"name": SERVICE, "namespace": NAMESPACE}}]},
        }
        part["manifests"].append(root)
        assert verdict(part) is Verdict.APPLIED


class TestPolicies:
    @pytest.mark.parametrize(
        ("setting", "expected"),
        [
            ({"loadBalancer": {"simple": "ROUND_ROBIN"}}, Verdict.APPLIED),
            ({"connectionPool": {"http": {"maxRetries": 1}}}, Verdict.APPLIED),
            ({"loadBalancer": {"warmup": {"duration": "10s"}}}, Verdict.UNDETERMINED),
            ({"loadBalancer": {"consistentHash": {"httpHeaderName": "a"}}}, Verdict.UNDETERMINED),
        ],
    )
    def test_a_ports_policy_is_read_like_any(self, setting: dict[str, Any], expected: Verdict) -> None:
        part = with_rollout(approach="virtualservice")
        rule = the(part, "DestinationRule", SERVICE)["spec"]
        rule["trafficPolicy"] = {"portLevelSettings": [{"port": {"number": 8080}, **setting}]}
        assert verdict(part) is expected


class TestServiceEntries:
    ENTRY: ClassVar[Document] = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "bank", "namespace": NAMESPACE},
        "spec": {"hosts": ["bank.example.com", "*.wild.example.com"], "addresses": ["192.0.2.1"], "resolution": "NONE"},
    }

    @pytest.mark.parametrize("called", ["bank.example.com", "a.wild.example.com", "192.0.2.1"])
    def test_calls_to_what_one_gives_are_open(self, called: str) -> None:
        (row,) = ask(scenario(with_rollout(more=(self.ENTRY,)), calls=[(CLIENT, f"{called}:443")]), "step:1")
        assert row.verdict is Verdict.UNDETERMINED

    @pytest.mark.parametrize("name", ["bank", "autogen.shop.web"])
    def test_a_services_own_host_is_the_services(self, name: str) -> None:
        entry = {**self.ENTRY, "metadata": {"name": name, "namespace": NAMESPACE}}
        entry["spec"] = {**entry["spec"], "hosts": ["web.shop.svc.cluster.local"]}
        assert verdict(with_rollout(more=(entry,))) is Verdict.APPLIED

    def test_other_names_do_not_resolve(self) -> None:
        (row,) = ask(scenario(with_rollout(more=(self.ENTRY,)), calls=[(CLIENT, "wild.example.com:443")]), "step:1")
        assert row.verdict is Verdict.FAILING
