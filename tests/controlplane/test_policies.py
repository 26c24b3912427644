"""AuthorizationPolicy as ztunnel gets it. Expected values: Istio docs, ambient, Layer 4 security policy."""

from typing import Any

import pytest

from meshsim.controlplane.policies import is_for_ztunnel, policies, unevaluated
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Setting
from meshsim.model.evidence import Assumed
from meshsim.tables.dialect import parse_dialect
from meshsim.tables.policy import Policy, Rule, Source

HERE = Assumed("test")


def manifest(spec: dict[str, Any], namespace: str = "shop") -> Manifest:
    return Manifest.made("security.istio.io/v1", "AuthorizationPolicy", namespace, "p", {"spec": spec}, HERE)


def compiled(spec: dict[str, Any], namespace: str = "shop") -> list[Policy]:
    one = manifest(spec, namespace)
    name = Setting("n", HERE)
    cluster = Cluster(
        name="c1",
        network=name,
        ztunnel_network=name,
        root=name,
        dialect=parse_dialect("istio/1.30"),
        objects={one.key: one},
    )
    return list(policies(cluster))


def rules(*given: Any, action: str = "ALLOW") -> tuple[Rule, ...]:
    (one,) = compiled({"action": action, "rules": list(given)})
    return one.rules


def test_a_waypoint_only_policy() -> None:
    (one,) = compiled(
        {
            "selector": {"matchLabels": {"app": "cart"}},
            "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/waypoint"]}}]}],
        }
    )
    assert (one.allow, one.namespace, one.selector) == (True, "shop", {"app": "cart"})
    assert one.rules == (Rule(sources=(Source(principals=("cluster.local/ns/shop/sa/waypoint",)),)),)


def test_the_root_namespace_is_the_whole_mesh() -> None:
    (one,) = compiled({}, "istio-system")
    assert (one.namespace, one.allow, one.rules) == ("", True, ())


@pytest.mark.parametrize("attribute", [{"methods": ["GET"]}, {"paths": ["/x"]}, {"hosts": ["a"]}, {"notPaths": ["/"]}])
def test_what_ztunnel_cannot_read_never_allows_and_always_denies(attribute: dict[str, Any]) -> None:
    rule = {"from": [{"source": {"namespaces": ["web"]}}], "to": [{"operation": attribute}]}
    assert rules(rule) == ()
    assert rules(rule, action="DENY") == (Rule(sources=(Source(namespaces=("web",)),)),)


def test_request_identities_never_allow() -> None:
    mixed = {"from": [{"source": {"requestPrincipals": ["*"]}}, {"source": {"namespaces": ["web"]}}]}
    assert rules(mixed) == (Rule(sources=(Source(namespaces=("web",)),)),)
    assert rules({"from": [{"source": {"requestPrincipals": ["*"]}}]}) == ()


def test_each_operation_is_a_rule_and_ports_are_numbers() -> None:
    found = rules({"to": [{"operation": {"ports": ["80", "443"]}}, {"operation": {"notPorts": ["22"]}}]})
    assert found == (Rule(ports=(80, 443)), Rule(not_ports=(22,)))


def test_service_accounts_default_to_the_policys_namespace() -> None:
    (found,) = rules({"from": [{"source": {"serviceAccounts": ["own", "web/front"]}}]})
    assert found.sources[0].service_accounts == ("shop/own", "web/front")


@pytest.mark.parametrize("spec", [{"targetRefs": [{"kind": "Gateway", "name": "w"}]}, {"action": "AUDIT"}])
def test_others_policies_are_not_ztunnels(spec: dict[str, Any]) -> None:
    assert compiled(spec) == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"rules": [{}]}, ""),
        ({"action": "CUSTOM"}, "action CUSTOM"),
        ({"rules": [{"when": [{"key": "source.ip", "values": ["1.2.3.4"]}]}]}, "`when` conditions"),
        ({"rules": [{"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]}]}, "ipBlocks"),
    ],
)
def test_what_is_not_modelled_is_said(spec: dict[str, Any], said: str) -> None:
    assert unevaluated(manifest(spec)) == said


@pytest.mark.parametrize("rubbish", [7, "x", [7], [{"from": 7}], [{"from": [7], "to": [7]}], {"from": []}])
def test_rubbish_is_no_crash(rubbish: Any) -> None:
    compiled({"rules": rubbish})
    assert is_for_ztunnel(manifest({"rules": rubbish}))
    unevaluated(manifest({"rules": rubbish}))
