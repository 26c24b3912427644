"""Whether a pod's ztunnel lets a connection in: mutual TLS first, then DENY, then ALLOW policies."""

from collections.abc import Iterable, Mapping
from typing import Final, final

from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen
from meshsim.model.rule import Rule as ModelRule
from meshsim.model.rule import rule
from meshsim.tables.policy import Policy, Rule, Source, Strict

STRICT: Final = rule(
    "ztunnel.strict-mtls",
    "The pod takes connections by mutual TLS only, so plain text is closed.",
    "Istio docs, PeerAuthentication; ambient: STRICT is enforced by ztunnel",
)
DENIED: Final = rule(
    "ztunnel.policy-denies",
    "A DENY policy for the pod names this connection, so its ztunnel closes it.",
    "ztunnel src/state.rs: assert_rbac, deny policies before allow policies",
)
NOT_ALLOWED: Final = rule(
    "ztunnel.policy-allows-others",
    "ALLOW policies exist for the pod and none names this connection, so its ztunnel closes it.",
    "ztunnel src/state.rs: assert_rbac; Istio docs, AuthorizationPolicy",
)


@final
@frozen
class Refused:
    """Why a connection is closed, and the policies that were read."""

    rule: ModelRule
    message: str
    facts: tuple[Fact, ...]


def refusal(
    policies: Iterable[Policy],
    stricts: Iterable[Strict],
    *,
    namespace: str,
    labels: Mapping[str, str],
    principal: str,
    port: int,
) -> Refused | None:
    """The refusal of a connection to a pod's `port`; None where it is let in.

    `principal` is the peer's `trust-domain/ns/NAMESPACE/sa/ACCOUNT`, "" for plain text.
    """
    decisive = _strictest(stricts, namespace, labels, port)
    if not principal and decisive is not None:
        return Refused(
            rule=STRICT, message=f"{decisive.name} wants mutual TLS, and this is plain text", facts=decisive.why
        )
    mine = [p for p in policies if p.namespace in {"", namespace} and p.selector.items() <= labels.items()]
    who = principal or "plain text"
    for policy in mine:
        if not policy.allow and any(matches(one, principal, port) for one in policy.rules):
            return Refused(rule=DENIED, message=f"{policy.name} denies {who}", facts=policy.why)
    allowing = [policy for policy in mine if policy.allow]
    if allowing and not any(matches(one, principal, port) for policy in allowing for one in policy.rules):
        names = ", ".join(dict.fromkeys(policy.name for policy in allowing))
        facts = tuple(fact for policy in allowing for fact in policy.why)
        return Refused(rule=NOT_ALLOWED, message=f"{names} allows others, not {who}", facts=facts)
    return None


def _strictest(stricts: Iterable[Strict], namespace: str, labels: Mapping[str, str], port: int) -> Strict | None:
    """The PeerAuthentication that makes the port STRICT: the narrowest one that says anything decides
    (Istio docs, PeerAuthentication: workload over namespace over mesh; the oldest of equals is not known here)."""
    fitting = [s for s in stricts if s.namespace in {"", namespace} and s.selector.items() <= labels.items()]
    for one in sorted(fitting, key=lambda s: (not s.selector, not s.namespace, s.name)):
        mode = one.ports.get(port, "UNSET") if one.selector else "UNSET"
        mode = one.mode if mode == "UNSET" else mode
        if mode != "UNSET":
            return one if mode == "STRICT" else None
    return None


def matches(one: Rule, principal: str, port: int) -> bool:
    """Whether a rule names a connection."""
    if (one.ports and port not in one.ports) or port in one.not_ports:
        return False
    return not one.sources or any(_is_from(source, principal) for source in one.sources)


def _is_from(source: Source, principal: str) -> bool:
    """An identity that is absent satisfies no positive list and offends no negative one."""
    parts = principal.split("/")
    namespace, account = (parts[2], f"{parts[2]}/{parts[4]}") if len(parts) == 5 else ("", "")
    return all(
        (not wanted or any(_fits(text, value) for text in wanted)) and not any(_fits(text, value) for text in unwanted)
        for wanted, unwanted, value in (
            (source.principals, source.not_principals, principal),
            (source.namespaces, source.not_namespaces, namespace),
            (source.service_accounts, source.not_service_accounts, account),
        )
    )


def _fits(pattern: str, value: str) -> bool:
    if not value:
        return False
    if pattern == "*":
        return True
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def port_of(address: str) -> int:
    """The port at the end of an address; 0 where there is none."""
    number = address.rpartition(":")[2]
    return int(number) if number.isdigit() else 0
