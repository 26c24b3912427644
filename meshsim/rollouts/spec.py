"""A Rollout's spec and status, read as the controller reads them (with its defaults).

Source: argo-rollouts utils/defaults/defaults.go and pkg/apis/rollouts/v1alpha1/types.go.
"""

import re
from collections.abc import Mapping
from typing import Any

Fields = Mapping[str, Any]
HASH_LABEL = "rollouts-pod-template-hash"
MANAGED_BY = "argo-rollouts.argoproj.io/managed-by-rollouts"
REVISION = "rollout.argoproj.io/revision"
DESIRED = "rollout.argoproj.io/desired-replicas"
DEADLINE = "scale-down-deadline"
_UNLIMITED = 2**31 - 1
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


def _get(fields: Fields | None, *path: str) -> Any:
    value: Any = fields
    for key in path:
        value = value.get(key) if type(value) is dict or isinstance(value, Mapping) else None
    return value


def canary(rollout: Fields) -> Fields:
    """`spec.strategy.canary`, empty where there is none."""
    return _get(rollout, "spec", "strategy", "canary") or {}


def is_canary(rollout: Fields) -> bool:
    """Whether the canary strategy is in force."""
    return isinstance(_get(rollout, "spec", "strategy", "canary"), Mapping) and not is_blue_green(rollout)


def is_blue_green(rollout: Fields) -> bool:
    """Whether the blue-green strategy is asked for."""
    return _get(rollout, "spec", "strategy", "blueGreen") is not None


def routing(rollout: Fields) -> Fields | None:
    """`trafficRouting`, or None for a basic canary."""
    found = canary(rollout).get("trafficRouting")
    return found if isinstance(found, Mapping) else None


def replicas_of(rollout: Fields) -> int:
    """`spec.replicas`, 1 by default."""
    count = _get(rollout, "spec", "replicas")
    return 1 if count is None else int(count)


def steps_of(rollout: Fields) -> list[Fields]:
    """The canary steps, empty where there are none."""
    return list(canary(rollout).get("steps") or ())


def is_dynamic(rollout: Fields) -> bool:
    """Whether the stable ReplicaSet shrinks as traffic leaves it (`dynamicStableScale`)."""
    return bool(canary(rollout).get("dynamicStableScale"))


def max_weight(rollout: Fields) -> int:
    """`maxTrafficWeight` or 100 (utils/weightutil)."""
    found = (routing(rollout) or {}).get("maxTrafficWeight")
    return 100 if found is None else int(found)


def ping_pong(rollout: Fields) -> tuple[str, str] | None:
    """(pingService, pongService) where the two Services take turns at being the stable one."""
    found = canary(rollout).get("pingPong")
    return (str(found.get("pingService") or ""), str(found.get("pongService") or "")) if found else None


def stable_is_ping(status: Fields) -> bool:
    """Which of the two is stable now: ping only where the status says so (trafficroutingutil.go IsStablePing)."""
    return bool(_get(status, "canary", "stablePingPong") == "ping")


def turns(rollout: Fields, status: Fields) -> tuple[str, str] | None:
    """(stable, canary) of a pingPong's two Services, None without pingPong."""
    pair = ping_pong(rollout)
    return pair if pair is None or stable_is_ping(status) else (pair[1], pair[0])


def routed_services(rollout: Fields, status: Fields) -> tuple[str, str]:
    """(stable, canary) Services that a route is weighted by, "" where there is none.

    stableService and canaryService come before pingPong (trafficroutingutil.go GetStableAndCanaryServices, for Istio).
    """
    named = str(canary(rollout).get("stableService") or ""), str(canary(rollout).get("canaryService") or "")
    return named if any(named) else turns(rollout, status) or named


def managed_services(rollout: Fields) -> tuple[str, ...]:
    """Every Service whose selector the Rollout writes."""
    spec = canary(rollout)
    names = (spec.get("stableService"), spec.get("canaryService"), *(ping_pong(rollout) or ()))
    return tuple(dict.fromkeys(str(name) for name in names if name))


def weights_of(status: Fields) -> Fields | None:
    """`status.canary.weights`, or None."""
    found = _get(status, "canary", "weights")
    return found if isinstance(found, Mapping) else None


def canary_weight(weights: Fields | None) -> int:
    """The canary weight of recorded weights, 0 where there are none."""
    return _weight(weights, "canary")


def stable_weight(weights: Fields | None) -> int:
    """The stable weight of recorded weights, 0 where there are none."""
    return _weight(weights, "stable")


def _weight(weights: Fields | None, role: str) -> int:
    """Of `{"canary": {"weight": 25}}` as in a status, or of `{"canary": 25}`."""
    found = (weights or {}).get(role)
    return int(found.get("weight") or 0) if isinstance(found, Mapping) else int(found or 0)


def is_promoted(status: Fields) -> bool:
    """Fully promoted: the stable ReplicaSet is the current one (utils/rollout/rolloututil.go IsFullyPromoted)."""
    return (status.get("stableRS") or "") == (status.get("currentPodHash") or "")


def scale_down_delay(rollout: Fields) -> int:
    """`scaleDownDelaySeconds`: 30 by default with traffic routing, else 0."""
    if routing(rollout) is None:
        return 0
    found = canary(rollout).get("scaleDownDelaySeconds")
    return 30 if found is None else int(found)


def scale_down_limit(rollout: Fields) -> int:
    """How many old ReplicaSets may wait for their scale-down delay."""
    found = canary(rollout).get("scaleDownDelayRevisionLimit")
    return _UNLIMITED if found is None else int(found)


def abort_delay(rollout: Fields) -> tuple[int | None, bool]:
    """(seconds, was it set); None seconds means never (`abortScaleDownDelaySeconds: 0`)."""
    if routing(rollout) is None:
        return 0, False
    found = canary(rollout).get("abortScaleDownDelaySeconds")
    if found is None:
        return 30, False
    return (int(found) or None), True


def progress_deadline(rollout: Fields) -> int:
    """`progressDeadlineSeconds`, 600 by default."""
    found = _get(rollout, "spec", "progressDeadlineSeconds")
    return 600 if found is None else int(found)


def history_limit(rollout: Fields) -> int:
    """`revisionHistoryLimit`, 10 by default."""
    found = _get(rollout, "spec", "revisionHistoryLimit")
    return 10 if found is None else int(found)


def pause_seconds(pause: Fields) -> float | None:
    """How long a pause step lasts: None without a duration, -1 where it does not parse (it is over at once).

    A bare number counts as seconds, a string as Go parses it, cut to whole seconds.
    Source: pkg/apis/rollouts/v1alpha1/types.go DurationSeconds.

    >>> [pause_seconds(p) for p in ({}, {"duration": 30}, {"duration": "1h30m"}, {"duration": "45"})]
    [None, 30, 5400, 45]
    """
    duration = pause.get("duration")
    if duration is None:
        return None
    if isinstance(duration, int):
        return duration
    text = str(duration)
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.lstrip("+"):
        return -1
    return int(sum(float(number) * _UNITS[unit] for number, unit in parts))


def percent_or_count(value: Any, of: int, *, up: bool) -> int:
    """An int-or-percent field against `of`; any string is a percentage (argo-rollouts utils/replicaset MaxSurge)."""
    if isinstance(value, int):
        return value
    percentage = int(str(value).strip().rstrip("%"))
    return -(-of * percentage // 100) if up else of * percentage // 100


def fenceposts(rollout: Fields) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods.

    Source: utils/replicaset/replicaset.go resolveFenceposts, MaxSurge, MaxUnavailable.
    """
    replicas = replicas_of(rollout)
    surge = percent_or_count(_or(canary(rollout).get("maxSurge"), "25%"), replicas, up=True)
    unavailable = percent_or_count(_or(canary(rollout).get("maxUnavailable"), "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, 0 if replicas == 0 else min(unavailable, replicas)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
