"""When an Envoy takes hosts out: a DestinationRule's outlierDetection as istiod writes it into the cluster
(istio pilot/pkg/networking/core/cluster_traffic_policy.go applyOutlierDetection)."""

from collections.abc import Mapping
from fractions import Fraction
from re import compile as pattern
from typing import Any, Final

from meshsim.controlplane.destinationrules import EffectiveRule
from meshsim.model.facts import Fact, Facts
from meshsim.model.names import subject
from meshsim.tables.envoy import Outlier

DEFAULT: Final = Outlier()
SETTING: Final = "outlierDetection"
UNITS: Final = {
    "h": Fraction(3600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 10**3),
    "us": Fraction(1, 10**6),
    "ns": Fraction(1, 10**9),
}
_PART: Final = pattern(r"(\d{1,12}(?:\.\d{1,9})?)(ms|us|ns|h|m|s)")


def outlier_of(policy: Mapping[str, Any], rule: EffectiveRule | None, subset: str, cluster: str) -> Outlier | None:
    """The outlier detection of a cluster with this policy; None where nothing is ever ejected.

    What is left out takes Envoy's default, which is Istio's too: 5 errors, 10 s, 30 s, 10 %. Gateway errors count as
    5xx errors as well, so that of two thresholds the lower one is met first. An ejection lasts 300 s at most
    (max_ejection_time, which Istio does not write).
    """
    stated = policy.get(SETTING)
    if not isinstance(stated, Mapping):
        return None
    thresholds = [_whole(stated.get("consecutive5xxErrors"), DEFAULT.consecutive)]
    thresholds.append(_whole(stated.get("consecutiveGatewayErrors"), 0))
    streaks = [errors for errors in thresholds if errors]
    if not streaks:
        return None
    base = _seconds(stated.get("baseEjectionTime"), DEFAULT.base)
    return Outlier(
        consecutive=min(streaks),
        interval=_seconds(stated.get("interval"), DEFAULT.interval),
        base=base,
        longest=max(base, DEFAULT.longest),
        percent=min(100, _whole(stated.get("maxEjectionPercent"), 0) or DEFAULT.percent),
        why=_source(rule, subset, cluster),
    )


def _source(rule: EffectiveRule | None, subset: str, cluster: str) -> tuple[Fact, ...]:
    """Where the setting stands: in the subset, else in the first trafficPolicy of the rules that count together."""
    facts = Facts()
    if rule is None:
        return ()
    if subset:
        owner, index, definition = rule.subsets[subset]
        if SETTING in str(definition.get("trafficPolicy") or ""):
            place = ("spec", "subsets", index, "trafficPolicy")
            name = f"spec.subsets.{subset}.trafficPolicy.{SETTING}"
            facts.note(subject(cluster, owner.key), name, "set", owner.evidence(*place, SETTING))
            return facts.read()
    for owner in rule.objects:
        if owner.get("spec", "trafficPolicy") is not None:
            name = f"spec.trafficPolicy.{SETTING}"
            facts.note(subject(cluster, owner.key), name, "set", owner.evidence("spec", "trafficPolicy", SETTING))
            break
    return facts.read()


def _whole(value: Any, default: int) -> int:
    """A count; what is none is refused by the API server, and takes the default here."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def _seconds(value: Any, default: float) -> float:
    """A duration such as `1m30s`; Istio refuses those below 1 ms, which take the default here.

    >>> _seconds("1m30s", 10.0), _seconds("500ms", 10.0), _seconds(None, 10.0)
    (90.0, 0.5, 10.0)
    """
    text = str(value or "")
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return default
    found = float(sum((Fraction(number) * UNITS[unit] for number, unit in parts), Fraction(0)))
    return found if found >= 1e-3 else default
