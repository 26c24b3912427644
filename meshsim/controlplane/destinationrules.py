"""Which DestinationRule counts for a host, and what it says (istio pilot/pkg/model/push_context.go:1259,
destination_rule.go:46)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE
from meshsim.model.names import absolute_host


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveRule:
    """What counts for a host: subsets by name with the object that defines each, and one traffic policy."""

    subsets: Mapping[str, tuple[Manifest, int, Mapping[str, Any]]]
    traffic_policy: Mapping[str, Any]
    objects: tuple[Manifest, ...]


def host_matches(pattern: str, host: str) -> bool:
    """An exact host, or a `*.` wildcard (istio pkg/config/host Name.Matches)."""
    if pattern == "*":
        return True
    return host.endswith(pattern[1:]) if pattern.startswith("*") else pattern == host


def exported(manifest: Manifest, to: str) -> bool:
    """Whether `exportTo` shows an object to a namespace; everywhere by default."""
    targets = manifest.get("spec", "exportTo", default=[])
    return not targets or any(t in {"*", to} or (t == "." and manifest.namespace == to) for t in targets)


def destination_rule(
    rules: Iterable[Manifest], host: str, service_namespace: str, proxy_namespace: str
) -> EffectiveRule | None:
    """The rule for `host` at a proxy: its own namespace's, else the service's exported, else the root's exported.

    The first level with a match wins and levels are not merged; within one, the most specific host wins, and rules
    for the same host with the same `exportTo` are merged, the first subset of a name winning.
    """
    usable = [rule for rule in rules if not rule.get("spec", "workloadSelector")]
    for namespace in _levels(service_namespace, proxy_namespace):
        level = [
            rule
            for rule in usable
            if rule.namespace == namespace
            and (namespace == proxy_namespace or exported(rule, proxy_namespace))
            and host_matches(_host(rule), host)
        ]
        if level:
            best = max((_host(rule) for rule in level), key=lambda h: (not h.startswith("*"), len(h)))
            return _merged([rule for rule in level if _host(rule) == best])
    return None


def _levels(service_namespace: str, proxy_namespace: str) -> Sequence[str]:
    if proxy_namespace == SYSTEM_NAMESPACE:
        return (SYSTEM_NAMESPACE, service_namespace)
    return tuple(dict.fromkeys((proxy_namespace, service_namespace, SYSTEM_NAMESPACE)))


def _host(rule: Manifest) -> str:
    return absolute_host(str(rule.get("spec", "host", default="")), rule.namespace)


def _merged(rules: list[Manifest]) -> EffectiveRule:
    ordered = sorted(rules, key=lambda r: (str(r.get("metadata", "creationTimestamp", default="")), r.name))
    export = ordered[0].get("spec", "exportTo", default=[])
    mergeable = [r for r in ordered if r.get("spec", "exportTo", default=[]) == export]
    subsets: dict[str, tuple[Manifest, int, Mapping[str, Any]]] = {}
    policy: Mapping[str, Any] = {}
    for rule in mergeable:
        policy = policy or rule.get("spec", "trafficPolicy", default={})
        for index, subset in enumerate(rule.get("spec", "subsets", default=[])):
            subsets.setdefault(str(subset.get("name")), (rule, index, subset))
    return EffectiveRule(subsets=subsets, traffic_policy=policy, objects=tuple(mergeable))


def policy_for_port(policy: Mapping[str, Any], port: int) -> Mapping[str, Any]:
    """A traffic policy with its port-level settings laid over it (whole fields, not merged)."""
    for setting in policy.get("portLevelSettings") or ():
        if (setting.get("port") or {}).get("number") == port:
            return {**policy, **setting}
    return policy
