"""Which DestinationRule counts for a host, and what it says (istio pilot/pkg/model/push_context.go:1259,
destination_rule.go:46)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE
from meshsim.model.frozen import frozen
from meshsim.model.names import absolute_host


@final
@frozen
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
    rules: Iterable[Manifest],
    host: str,
    service_namespace: str,
    proxy_namespace: str,
    labels: Mapping[str, str] | None = None,
) -> EffectiveRule | None:
    """The rule for `host` at a proxy: its own namespace's, else the service's exported, else the root's exported.

    The first level with a match wins and levels are not merged; within one, the most specific host wins, and rules
    for the same host with the same `exportTo` are merged, the first subset of a name winning. `labels` are a
    sidecar's: a rule with a workloadSelector counts for a proxy of its namespace that it selects, before those
    without; None is a proxy that no such rule is for (a waypoint's services, gateways).
    """
    for namespace in _levels(service_namespace, proxy_namespace):
        level = [
            rule
            for rule in rules
            if rule.namespace == namespace
            and (namespace == proxy_namespace or exported(rule, proxy_namespace))
            and _selects(rule, proxy_namespace, labels)
            and host_matches(_host(rule), host)
        ]
        if level:
            best = max((_host(rule) for rule in level), key=lambda h: (not h.startswith("*"), len(h)))
            return _merged([rule for rule in level if _host(rule) == best])
    return None


def _selects(rule: Manifest, proxy_namespace: str, labels: Mapping[str, str] | None) -> bool:
    """Whether a rule is for this proxy as far as its workloadSelector says."""
    selector = rule.get("spec", "workloadSelector")
    if not selector:
        return True
    wanted = selector.get("matchLabels") or {}
    return labels is not None and rule.namespace == proxy_namespace and wanted.items() <= dict(labels).items()


def _levels(service_namespace: str, proxy_namespace: str) -> Sequence[str]:
    if proxy_namespace == SYSTEM_NAMESPACE:
        return tuple(dict.fromkeys((SYSTEM_NAMESPACE, service_namespace)))
    return tuple(dict.fromkeys((proxy_namespace, service_namespace, SYSTEM_NAMESPACE)))


def _host(rule: Manifest) -> str:
    return absolute_host(str(rule.get("spec", "host", default="")), rule.namespace)


def _merged(rules: list[Manifest]) -> EffectiveRule:
    """One rule from several for the same host: those that share the oldest one's `exportTo` and workloadSelector
    (istio ENABLE_ENHANCED_DESTINATIONRULE_MERGE)."""
    ordered = sorted(
        rules,
        key=lambda r: (
            not r.get("spec", "workloadSelector"),
            str(r.get("metadata", "creationTimestamp", default="")),
            r.name,
        ),
    )
    first = ordered[0]
    same = [r for r in ordered if _visibility(r) == _visibility(first)]
    subsets: dict[str, tuple[Manifest, int, Mapping[str, Any]]] = {}
    policy: Mapping[str, Any] = {}
    for rule in same:
        policy = policy or rule.get("spec", "trafficPolicy", default={})
        for index, subset in enumerate(rule.get("spec", "subsets", default=[])):
            subsets.setdefault(str(subset.get("name")), (rule, index, subset))
    return EffectiveRule(subsets=subsets, traffic_policy=policy, objects=tuple(same))


def _visibility(rule: Manifest) -> tuple[frozenset[str], str]:
    """What two rules for one host must share to be merged."""
    return frozenset(map(str, rule.get("spec", "exportTo", default=[]))), str(rule.get("spec", "workloadSelector"))


def policy_of(rule: EffectiveRule | None, subset: str, port: int) -> Mapping[str, Any]:
    """The traffic policy of a port and subset: the rule's, its port's, the subset's fields laid over it, the
    subset's port's (istio pilot/pkg/networking/util MergeTrafficPolicy)."""
    if rule is None:
        return {}
    policy = _with_port(rule.traffic_policy, rule.traffic_policy, port)
    if not subset:
        return policy
    own = rule.subsets[subset][2].get("trafficPolicy") or {}
    return _with_port({**policy, **own}, own, port)


_PORT_FIELDS = ("connectionPool", "outlierDetection", "loadBalancer", "tls")


def _with_port(policy: Mapping[str, Any], source: Mapping[str, Any], port: int) -> Mapping[str, Any]:
    """A port's settings do not inherit: what they leave out goes back to the default."""
    for setting in source.get("portLevelSettings") or ():
        if (setting.get("port") or {}).get("number") == port:
            return {**policy, **{field: setting.get(field) for field in _PORT_FIELDS}}
    return policy
