"""AuthorizationPolicy and PeerAuthentication as istiod sends them to ztunnel.

Only policies without `targetRefs` reach ztunnel. It reads connections, not requests: a rule with attributes of requests
never matches in an ALLOW policy and matches whatever they say in a DENY policy, which is the safe side of both
(Istio docs, ambient, "Use Layer 4 security policy"; istio pilot/pkg/serviceregistry/kube/controller/ambient).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Cluster
from meshsim.model.facts import Fact
from meshsim.model.names import subject
from meshsim.tables.policy import Policy, Rule, Source, Strict

_REQUEST: Final = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
_PEER: Final = ("principals", "notPrincipals", "namespaces", "notNamespaces", "serviceAccounts", "notServiceAccounts")
_L7_PEER: Final = ("requestPrincipals", "notRequestPrincipals")
_ADDRESS: Final = ("ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks")


def policies(cluster: Cluster) -> Iterator[Policy]:
    """The policies that a cluster's ztunnels enforce."""
    for manifest in cluster.of("AuthorizationPolicy"):
        action = str(manifest.get("spec", "action", default="ALLOW"))
        if is_for_ztunnel(manifest) and action in {"ALLOW", "DENY"}:
            allow = action == "ALLOW"
            yield Policy(
                name=f"AuthorizationPolicy {manifest.namespace}/{manifest.name}",
                namespace=_scope(manifest),
                selector=_selector(manifest),
                allow=allow,
                rules=tuple(
                    one for raw in _list(manifest.get("spec", "rules")) for one in _rules(raw, manifest, allow)
                ),
                why=(_fact(cluster, manifest, "spec.action", action),),
            )


def peer_authentications(cluster: Cluster) -> Iterator[Strict]:
    """The PeerAuthentications of a cluster."""
    for manifest in cluster.of("PeerAuthentication"):
        mode = str(manifest.get("spec", "mtls", "mode", default="UNSET"))
        ports = manifest.get("spec", "portLevelMtls", default={})
        yield Strict(
            name=f"PeerAuthentication {manifest.namespace}/{manifest.name}",
            namespace=_scope(manifest),
            selector=_selector(manifest),
            mode=mode,
            ports={
                int(number): str(said.get("mode", "UNSET"))
                for number, said in _mapping(ports).items()
                if str(number).isdigit() and isinstance(said, Mapping)
            },
            why=(_fact(cluster, manifest, "spec.mtls.mode", mode),),
        )


def is_for_ztunnel(manifest: Manifest) -> bool:
    """Whether a policy names no target: one that does is a waypoint's or a gateway's."""
    return not manifest.get("spec", "targetRefs") and not manifest.get("spec", "targetRef")


def unevaluated(manifest: Manifest) -> str:
    """What of a ztunnel policy is not modelled: "" where all of it is."""
    if manifest.get("spec", "action", default="ALLOW") == "CUSTOM":
        return "action CUSTOM"
    for rule in _list(manifest.get("spec", "rules")):
        if not isinstance(rule, Mapping):
            continue
        if rule.get("when"):
            return "`when` conditions"
        for entry in _list(rule.get("from")):
            source = _mapping(_mapping(entry).get("source"))
            given = [key for key in _ADDRESS if source.get(key)]
            if given:
                return given[0]
    return ""


def _scope(manifest: Manifest) -> str:
    """The root namespace is the whole mesh."""
    return "" if manifest.namespace == SYSTEM_NAMESPACE else manifest.namespace


def _selector(manifest: Manifest) -> dict[str, str]:
    found = manifest.get("spec", "selector", "matchLabels", default={})
    return {str(key): str(value) for key, value in _mapping(found).items()}


def _rules(raw: Any, manifest: Manifest, allow: bool) -> Iterator[Rule]:
    """A rule as ztunnel has it: one for each operation, none where an ALLOW rule asks for attributes of requests."""
    given = _mapping(raw)
    sources: list[Source] = []
    for entry in _list(given.get("from")):
        fields = _mapping(_mapping(entry).get("source"))
        if allow and any(fields.get(key) for key in _L7_PEER):
            continue
        sources.append(_source(fields, manifest.namespace))
    if given.get("from") and not sources:
        return
    for entry in _list(given.get("to")) or [{}]:
        operation = _mapping(_mapping(entry).get("operation"))
        if allow and any(operation.get(key) for key in _REQUEST):
            continue
        yield Rule(sources=tuple(sources), ports=_ports(operation, "ports"), not_ports=_ports(operation, "notPorts"))


def _source(fields: Mapping[str, Any], namespace: str) -> Source:
    texts = {key: tuple(str(value) for value in _list(fields.get(key))) for key in _PEER}
    qualified = {
        key: tuple(value if "/" in value else f"{namespace}/{value}" for value in texts[key])
        for key in ("serviceAccounts", "notServiceAccounts")
    }
    return Source(
        principals=tuple(value.removeprefix("spiffe://") for value in texts["principals"]),
        not_principals=tuple(value.removeprefix("spiffe://") for value in texts["notPrincipals"]),
        namespaces=texts["namespaces"],
        not_namespaces=texts["notNamespaces"],
        service_accounts=qualified["serviceAccounts"],
        not_service_accounts=qualified["notServiceAccounts"],
    )


def _ports(operation: Mapping[str, Any], key: str) -> tuple[int, ...]:
    return tuple(int(port) for port in _list(operation.get(key)) if str(port).isdigit())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _fact(cluster: Cluster, manifest: Manifest, name: str, value: str) -> Fact:
    return Fact(subject=subject(cluster.name, manifest.key), name=name, value=value, evidence=manifest.evidence("spec"))
