"""Who is let in by a pod's ztunnel. Expected values: Istio docs, AuthorizationPolicy and PeerAuthentication."""

from typing import Any

import pytest

from meshsim.dataplane.authorization import DENIED, NOT_ALLOWED, STRICT, refusal
from meshsim.tables.policy import Policy, Rule, Source, Strict

WAYPOINT = "cluster.local/ns/shop/sa/waypoint"
CLIENT = "cluster.local/ns/web/sa/front"
PLAIN = ""


def verdict(*policies: Policy, principal: str = CLIENT, port: int = 8080, stricts: tuple[Strict, ...] = ()) -> str:
    found = refusal(policies, stricts, namespace="shop", labels={"app": "cart"}, principal=principal, port=port)
    return "in" if found is None else found.rule.name


def policy(*rules: Rule, allow: bool = True, namespace: str = "shop", **fields: Any) -> Policy:
    return Policy(name="p", namespace=namespace, allow=allow, rules=rules, **fields)


def source(**fields: tuple[str, ...]) -> Rule:
    return Rule(sources=(Source(**fields),))


def test_without_policies_everybody_is_let_in() -> None:
    assert verdict() == verdict(principal=PLAIN) == "in"


@pytest.mark.parametrize(
    ("rule", "who", "found"),
    [
        (source(principals=(WAYPOINT,)), WAYPOINT, "in"),
        (source(principals=(WAYPOINT,)), CLIENT, NOT_ALLOWED.name),
        (source(principals=(WAYPOINT,)), PLAIN, NOT_ALLOWED.name),
        (source(principals=("cluster.local/ns/web/*",)), CLIENT, "in"),
        (source(principals=("*/sa/front",)), CLIENT, "in"),
        (source(principals=("*",)), CLIENT, "in"),
        (source(principals=("*",)), PLAIN, NOT_ALLOWED.name),  # `*` is anybody who has an identity
        (source(namespaces=("web",)), CLIENT, "in"),
        (source(namespaces=("shop",)), CLIENT, NOT_ALLOWED.name),
        (source(not_namespaces=("web",)), CLIENT, NOT_ALLOWED.name),
        (source(not_namespaces=("shop",)), CLIENT, "in"),
        (source(service_accounts=("web/front",)), CLIENT, "in"),
        (source(service_accounts=("shop/front",)), CLIENT, NOT_ALLOWED.name),
        (
            source(namespaces=("web",), not_principals=(CLIENT,)),
            CLIENT,
            NOT_ALLOWED.name,
        ),  # parts of a source are ANDed
        (Rule(), PLAIN, "in"),  # an empty rule takes everybody
        (Rule(ports=(8080,)), CLIENT, "in"),
        (Rule(ports=(9090,)), CLIENT, NOT_ALLOWED.name),
        (Rule(not_ports=(8080,)), CLIENT, NOT_ALLOWED.name),
    ],
)
def test_allow(rule: Rule, who: str, found: str) -> None:
    assert verdict(policy(rule), principal=who) == found


def test_an_allow_policy_without_rules_allows_nobody() -> None:
    assert verdict(policy()) == NOT_ALLOWED.name


def test_a_deny_policy_without_rules_denies_nobody() -> None:
    assert verdict(policy(allow=False)) == "in"


def test_deny_comes_before_allow() -> None:
    assert verdict(policy(Rule()), policy(source(namespaces=("web",)), allow=False)) == DENIED.name


def test_any_rule_of_any_policy_is_enough_to_allow() -> None:
    assert (
        verdict(policy(source(principals=(WAYPOINT,))), policy(Rule(ports=(1,)), source(namespaces=("web",)))) == "in"
    )


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"namespace": "shop"}, NOT_ALLOWED.name),
        ({"namespace": ""}, NOT_ALLOWED.name),  # the root namespace
        ({"namespace": "other"}, "in"),
        ({"selector": {"app": "cart"}}, NOT_ALLOWED.name),
        ({"selector": {"app": "other"}}, "in"),
    ],
)
def test_a_policy_counts_where_it_applies(fields: dict[str, Any], found: str) -> None:
    assert verdict(policy(**fields)) == found


@pytest.mark.parametrize(
    ("stricts", "found"),
    [
        ((Strict(name="m", namespace="", mode="STRICT"),), STRICT.name),
        ((Strict(name="m", namespace="", mode="PERMISSIVE"),), "in"),
        ((Strict(name="m", namespace="", mode="STRICT"), Strict(name="n", namespace="shop", mode="PERMISSIVE")), "in"),
        ((Strict(name="m", namespace="", mode="STRICT"), Strict(name="n", namespace="shop")), STRICT.name),  # UNSET
        ((Strict(name="n", namespace="other", mode="STRICT"),), "in"),
        (
            (
                Strict(name="n", namespace="shop", mode="STRICT"),
                Strict(name="w", namespace="shop", selector={"app": "cart"}, ports={8080: "PERMISSIVE"}),
            ),
            "in",
        ),
        (
            (
                Strict(name="n", namespace="shop", mode="STRICT"),
                Strict(name="w", namespace="shop", selector={"app": "cart"}, ports={9090: "PERMISSIVE"}),
            ),
            STRICT.name,
        ),
    ],
)
def test_plain_text_and_strict_mtls(stricts: tuple[Strict, ...], found: str) -> None:
    assert verdict(principal=PLAIN, stricts=stricts) == found
    assert verdict(principal=CLIENT, stricts=stricts) == "in"
