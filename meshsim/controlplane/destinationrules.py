"""Which DestinationRule counts for a host, and what it says (istio pilot/pkg/model/push_context.go:1259,
destination_rule.go:46, sidecar.go:713)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE
from meshsim.model.frozen import frozen
from meshsim.model.names import absolute_host

_EVERYWHERE: Final = "*"
_HERE: Final = "."


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


def specificity(pattern: str) -> tuple[bool, int]:
    """How specific a host is: an exact one before the longest wildcard (istio pilot/pkg/model/host.go)."""
    return not pattern.startswith("*"), len(pattern)


def exported(manifest: Manifest, to: str) -> bool:
    """Whether `exportTo` shows an object to a namespace; everywhere by default, nowhere with `~` (unless `*` is there
    too: push_context.go initVirtualServices)."""
    targets = manifest.get("spec", "exportTo", default=[])
    if not targets or _EVERYWHERE in targets:
        return True
    return "~" not in targets and any(t == to or (t == _HERE and manifest.namespace == to) for t in targets)


def destination_rule(
    rules: Iterable[Manifest],
    host: str,
    service_namespace: str,
    proxy_namespace: str,
    labels: Mapping[str, str] | None = None,
) -> EffectiveRule | None:
    """The rule for `host` at a proxy: its own namespace's, else the service's exported, else the root's exported.

    The first level with a rule for the host wins, even where that rule has a workloadSelector that does not select
    the proxy; levels are not merged. Within one, the most specific host wins. `labels` are a sidecar's: a rule with a
    workloadSelector counts for a proxy of its namespace that it selects, before those without; None is a proxy that
    no such rule is for (a waypoint's services).
    """
    known = [rule for rule in rules if host_matches(_host(rule), host)]
    for level in _levels(known, service_namespace, proxy_namespace):
        if not level:
            continue
        for group in level:
            if _selects(group, proxy_namespace, labels):
                return group.effective()
        everyones = [group for group in level if group.selector is None]
        return everyones[-1].effective() if everyones else None  # of several not merged, the last (sidecar.go:713)
    return None


def _levels(
    rules: Sequence[Manifest], service_namespace: str, proxy_namespace: str
) -> Iterable[Sequence["_Consolidated"]]:
    """The rules to ask, level by level. What the proxy's own namespace does not export to itself is not its own; a
    proxy in the root namespace has only what that namespace keeps to itself as its own, so that rules for everybody
    there do not hide those of the services (push_context.go destinationRule)."""
    own = [rule for rule in rules if rule.namespace == proxy_namespace]
    if proxy_namespace == SYSTEM_NAMESPACE:
        yield _consolidated([rule for rule in own if _private(rule)])
    else:
        yield _consolidated([rule for rule in own if _local(rule)])
    for namespace in dict.fromkeys((service_namespace, SYSTEM_NAMESPACE)):
        groups = _consolidated([r for r in rules if r.namespace == namespace and not _private(r)])
        yield [g for g in groups if not g.export or g.export & {_EVERYWHERE, proxy_namespace}]


@final
@dataclass(slots=True)
class _Consolidated:
    """Rules for one host that istiod has merged: those that share `exportTo` and workloadSelector with the first,
    and those that reach at least as far (ENABLE_ENHANCED_DESTINATIONRULE_MERGE)."""

    export: frozenset[str]
    selector: Mapping[str, str] | None
    namespace: str
    rules: list[Manifest] = field(default_factory=list)

    def effective(self) -> EffectiveRule:
        """Subsets joined, the first of a name winning, and the first traffic policy."""
        subsets: dict[str, tuple[Manifest, int, Mapping[str, Any]]] = {}
        policies: list[Mapping[str, Any] | None] = []
        for rule in self.rules:
            policies.append(rule.get("spec", "trafficPolicy"))
            for index, subset in enumerate(rule.get("spec", "subsets", default=[])):
                subsets.setdefault(str(subset.get("name")), (rule, index, subset))
        policy: Mapping[str, Any] = next((p for p in policies if p is not None), {})
        return EffectiveRule(subsets=subsets, traffic_policy=policy, objects=tuple(self.rules))


def _consolidated(rules: Sequence[Manifest]) -> list[_Consolidated]:
    """The rules of the most specific host, merged where istiod merges them, those with a selector first, then by age.

    A rule joins every earlier one that it can; istiod lets the comparison with the last of them decide whether it
    stands alone too.
    """
    best = max((_host(rule) for rule in rules), key=specificity, default="")
    ordered = sorted(
        (rule for rule in rules if _host(rule) == best),
        key=lambda r: (_selector(r) is None, str(r.get("metadata", "creationTimestamp", default="")), r.name),
    )
    groups: list[_Consolidated] = []
    for rule in ordered:
        export, selector = _export(rule), _selector(rule)
        alone = True
        for group in groups:
            reaches = export == group.export or (group.export and export >= group.export)
            joins = reaches and (selector is None or group.selector is None or selector == group.selector)
            if joins:
                group.rules.append(rule)
            alone = not (joins and (selector == group.selector or export == group.export))
        if alone:
            groups.append(_Consolidated(export=export, selector=selector, namespace=rule.namespace, rules=[rule]))
    return groups


def _selects(group: _Consolidated, proxy_namespace: str, labels: Mapping[str, str] | None) -> bool:
    """Whether rules with a workloadSelector are for this proxy."""
    if group.selector is None or labels is None or group.namespace != proxy_namespace:
        return False
    return group.selector.items() <= dict(labels).items()


def _selector(rule: Manifest) -> Mapping[str, str] | None:
    selector = rule.get("spec", "workloadSelector")
    return None if selector is None else selector.get("matchLabels") or {}


def _export(rule: Manifest) -> frozenset[str]:
    """A rule's `exportTo`; one with a workloadSelector never leaves its namespace."""
    if _selector(rule) is not None:
        return frozenset({_HERE})
    return frozenset(map(str, rule.get("spec", "exportTo", default=[])))


def _private(rule: Manifest) -> bool:
    """Whether a rule is for its own namespace alone."""
    export = _export(rule)
    return len(export) == 1 and export <= {_HERE, rule.namespace}


def _local(rule: Manifest) -> bool:
    """Whether a rule counts for the proxies of its own namespace."""
    export = _export(rule)
    return not export or bool(export & {_EVERYWHERE, _HERE, rule.namespace})


def _host(rule: Manifest) -> str:
    return absolute_host(str(rule.get("spec", "host", default="")), rule.namespace)


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
