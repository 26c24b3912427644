"""How many pods the canary and the stable ReplicaSet should have.

Source: argo-rollouts utils/replicaset/canary.go Go's float ceilings are whole-number
ceilings here; `sets` are ReplicaSets as in YAML.
"""

from fractions import Fraction
from typing import Any, NamedTuple

from meshsim.rollouts.replicaset import ReplicaSet
from meshsim.rollouts.spec import (
    Fields,
    abort_delay,
    canary,
    canary_weight,
    fenceposts,
    is_dynamic,
    is_promoted,
    max_weight,
    replicas_of,
    routing,
    stable_weight,
    steps_of,
    weights_of,
)
from meshsim.rollouts.versions import LATEST, controller


class Sets(NamedTuple):
    """The new ReplicaSet (of the current template), the stable one (maybe the same), and the others."""

    new: ReplicaSet | None
    stable: ReplicaSet | None
    others: tuple[ReplicaSet, ...]


NO_SETS = Sets(None, None, ())
"""Where nothing is known of the ReplicaSets."""


class Counts(NamedTuple):
    """Desired replicas: `canary` of the new ReplicaSet, `stable` of the stable one; also by these names as keys.

    >>> Counts(1, 4)["stable"]
    4
    """

    canary: int
    stable: int

    def __getitem__(self, key: Any) -> Any:
        return getattr(self, key) if key in self._fields else tuple(self)[key]


def current_step(rollout: Fields, status: Fields) -> tuple[Fields | None, int | None]:
    """(step, index): index None without steps, step None once all are done (canary.go GetCurrentCanaryStep)."""
    steps = steps_of(rollout)
    if not steps:
        return None, None
    index = int(status.get("currentStepIndex") or 0)
    return (None if index >= len(steps) else steps[index]), index


def current_set_weight(rollout: Fields, status: Fields) -> int:
    """The weight of the last setWeight step at or before the current one (canary.go:562)."""
    if status.get("abort"):
        return 0
    step, index = current_step(rollout, status)
    if step is None or index is None:
        return max_weight(rollout)
    return last_weight(rollout, index)


def last_weight(rollout: Fields, index: int) -> int:
    """The last setWeight at or before `index`, 0 if there is none."""
    for step in reversed(steps_of(rollout)[: index + 1]):
        if step.get("setWeight") is not None:
            return int(step["setWeight"])
    return 0


def active_canary_scale(rollout: Fields, status: Fields) -> Fields | None:
    """The setCanaryScale step in force, if any (canary.go:583)."""
    if routing(rollout) is None:
        return None
    if status.get("abort") and abort_delay(rollout)[0] is not None:
        return None
    step, index = current_step(rollout, status)
    if step is None or index is None:
        return None
    for earlier in reversed(steps_of(rollout)[: index + 1]):
        scale: Fields | None = earlier.get("setCanaryScale")
        if scale is not None:
            return None if scale.get("matchTrafficWeight") else scale
    return None


def canary_replicas_or_weight(
    rollout: Fields, status: Fields, sets: Sets = NO_SETS, *, version: str = LATEST
) -> tuple[int | None, int]:
    """(explicit replicas or None, weight) that the canary is scaled by (canary.go:502)."""
    if status.get("promoteFull") or not status.get("stableRS") or is_promoted(status):
        return None, max_weight(rollout)
    scale = active_canary_scale(rollout, status)
    if scale is not None and scale.get("replicas") is not None:
        return int(scale["replicas"]), 0
    if scale is not None and scale.get("weight") is not None:
        return None, int(scale["weight"])
    return None, desired_canary_weight(rollout, status, sets, version=version)


def desired_canary_weight(rollout: Fields, status: Fields, sets: Sets = NO_SETS, *, version: str = LATEST) -> int:
    """The weight pods are planned for; a dynamic abort walks the steps backwards (canary.go:518)."""
    behaviour = controller(version)
    backwards = status.get("abort") and is_dynamic(rollout) and behaviour["abort_by_steps"]
    if not backwards or sets.new is None or sets.stable is None:
        return current_set_weight(rollout, status)
    replicas = replicas_of(rollout)
    pods = replicas - sets.stable.available
    explicit = behaviour["abort_by_steps_explicit_delay"] and _explicit_abort_delay(rollout)
    if not explicit:
        pods = max(pods, sets.new.available)
    for step in reversed(steps_of(rollout)):
        weight = step.get("setWeight")
        if weight is not None and weight_to_replicas(rollout, int(weight)) < pods:
            return int(weight)
    return 0


def _explicit_abort_delay(rollout: Fields) -> bool:
    seconds, was_set = abort_delay(rollout)
    return was_set and seconds is not None


def weight_to_replicas(rollout: Fields, weight: int) -> int:
    """ceil(replicas x weight / max) (canary.go:428 trafficWeightToReplicas)."""
    return -(-replicas_of(rollout) * weight // max_weight(rollout))


def min_pods(rollout: Fields, count: int, *, version: str = LATEST) -> int:
    """At least minPodsPerReplicaSet, unless 0; traffic routing only (canary.go:357)."""
    least = canary(rollout).get("minPodsPerReplicaSet")
    if count == 0 or least is None or routing(rollout) is None:
        return count
    if controller(version)["min_pods_capped"]:
        least = min(int(least), replicas_of(rollout))
    return max(count, int(least))


def routed_counts(
    rollout: Fields, status: Fields, sets: Sets, weights: Fields | None, *, version: str = LATEST
) -> Counts:
    """Counts with traffic routing (canary.go:377); `weights` only matter with dynamicStableScale."""
    explicit, weight = canary_replicas_or_weight(rollout, status, sets, version=version)
    count = explicit
    if count is None:
        count = min_pods(rollout, weight_to_replicas(rollout, weight), version=version)
    if not is_dynamic(rollout):
        return Counts(count, replicas_of(rollout))
    stable = weight_to_replicas(rollout, max_weight(rollout) - weight)
    if weights is not None:
        stable = max(stable, weight_to_replicas(rollout, stable_weight(weights)))
        if status.get("abort"):
            count = max(count, weight_to_replicas(rollout, canary_weight(weights)))
    return Counts(min_pods(rollout, count, version=version), min_pods(rollout, stable, version=version))


def threshold_met(rollout: Fields, found: ReplicaSet | None, desired: int, *, version: str = LATEST) -> bool:
    """All desired pods there, or as many as replicaProgressThreshold asks (canary.go:35).

    Without a threshold spec, desired and available must be equal: a surplus fails too.
    """
    threshold = canary(rollout).get("replicaProgressThreshold") if controller(version)["progress_threshold"] else None
    if found is None:
        return False
    if threshold is None or int(threshold.get("value") or 0) < 0:
        return desired == found.replicas == found.available
    value = int(threshold.get("value") or 0)
    if str(threshold.get("type") or "").startswith("Percent"):
        return desired == 0 or Fraction(100 * found.available, desired) >= value
    return found.available >= value


def counts(rollout: Fields, status: Fields, sets: Sets, weights: Fields | None, *, version: str = LATEST) -> Counts:
    """Desired counts, with or without traffic routing."""
    if routing(rollout) is None:
        return basic_counts(rollout, status, sets, version=version)
    return routed_counts(rollout, status, sets, weights, version=version)


def is_at_desired(
    rollout: Fields, status: Fields, sets: Sets, weights: Fields | None, *, version: str = LATEST
) -> bool:
    """Whether canary and stable have the pods that the current step asks for (canary.go:59)."""
    wanted = counts(rollout, status, sets, weights, version=version)
    if not threshold_met(rollout, sets.new, wanted.canary, version=version):
        return False
    basic = routing(rollout) is None
    if basic or not is_dynamic(rollout):
        stable = sets.stable
        if stable is None or not wanted.stable == stable.replicas == stable.created:
            return False
    return not basic or sum(found.available for found in sets.others) == 0


def resting_counts(rollout: Fields, status: Fields, *, version: str = LATEST) -> Counts:
    """The counts that a step comes to in the end, whatever ReplicaSets there are now."""
    if routing(rollout) is not None:
        return routed_counts(rollout, status, NO_SETS, weights_of(status), version=version)
    _, weight = canary_replicas_or_weight(rollout, status, version=version)
    return approximate_counts(replicas_of(rollout), weight, max_weight(rollout), fenceposts(rollout)[0])


def basic_counts(rollout: Fields, status: Fields, sets: Sets, *, version: str = LATEST) -> Counts:
    """Counts without traffic routing: as close to the weight as surge and unavailability allow (canary.go:124-339)."""
    replicas = replicas_of(rollout)
    surge, unavailable = fenceposts(rollout)
    _, weight = canary_replicas_or_weight(rollout, status, sets, version=version)
    want_new, want_stable = approximate_counts(replicas, weight, max_weight(rollout), surge)
    new, stable = sets.new, sets.stable
    separate = stable is not None and (new is None or new.name != stable.name)
    new_count = new.replicas if new else 0
    stable_count = stable.replicas if stable and separate else 0
    if not separate:
        want_new, want_stable = replicas, 0
    old = sum(found.replicas for found in sets.others)
    most, least = replicas + surge, replicas - unavailable
    room = most - (old + new_count + stable_count)
    if separate and stable_count < want_stable and room > 0:
        grown = min(stable_count + room, want_stable)
        room -= grown - stable_count
        stable_count = grown
    if new is not None and new.replicas < want_new and room > 0:
        new_count = min(new.replicas + room, want_new)
    if old > 0:
        return Counts(new_count, stable_count)  # older ReplicaSets go first
    rising = new is None or want_new >= new.replicas
    spare = _for_scale_down(new, ignore=not rising) + _for_scale_down(stable, ignore=rising) - least
    if spare <= 0:
        return Counts(new_count, stable_count)
    if not rising:
        new_count = _drained(new, want_new, spare, new_count)
        new_count, stable_count = _within_limits(new, stable, new_count, stable_count, most, least)
    elif separate:
        stable_count = _drained(stable, want_stable, spare, stable_count)
        stable_count, new_count = _within_limits(stable, new, stable_count, new_count, most, least)
    return Counts(new_count, stable_count)


def approximate_counts(replicas: int, weight: int, most: int, surge: int) -> Counts:
    """The canary and stable counts nearest to `weight` of `most`, a tie rounded up (canary.go:218-289)."""
    if replicas == 0:
        return Counts(0, 0)
    up, down = -(-replicas * weight // most), replicas * weight // most
    none_allowed = weight in {0, most} or (replicas == 1 and surge == 0)
    options: list[tuple[int, int]] = []
    if up < replicas or none_allowed:
        options.append((up, replicas))
    if not _tied(replicas, weight, most) and (down != 0 or none_allowed):
        options.append((down, replicas))
    if surge > 0:
        options.append((up, replicas + 1))
        if not _tied(replicas + 1, weight, most) and (down != 0 or none_allowed):
            options.append((down, replicas + 1))
    if not options:
        return Counts(0, replicas)
    best = min(options, key=lambda option: abs(Fraction(option[0] * most, option[1]) - weight))
    return Counts(best[0], best[1] - best[0])


def _tied(total: int, weight: int, most: int) -> bool:
    return Fraction(total * weight, most) % 1 == Fraction(1, 2)


def _for_scale_down(found: ReplicaSet | None, *, ignore: bool) -> int:
    """Replicas that count as there when scaling down (canary.go GetReplicasForScaleDown)."""
    if found is None:
        return 0
    return found.replicas if ignore or found.replicas < found.available else found.available


def _drained(found: ReplicaSet | None, wanted: int, spare: int, count: int) -> int:
    if found is not None and found.replicas > wanted:
        return max(wanted, found.replicas - spare)
    return count


def _within_limits(
    drained: ReplicaSet | None, kept: ReplicaSet | None, drained_count: int, kept_count: int, most: int, least: int
) -> tuple[int, int]:
    """Trim to maxSurge without breaking maxUnavailable (canary.go adjustReplicaWithinLimits)."""
    over = max(0, kept_count + drained_count - most)
    available = min(drained.available, drained_count) if drained else 0
    if kept is not None:
        kept_count -= over
        available += min(kept.available, kept_count)
        lost = max(0, kept.available - kept_count)
        kept_count += min(lost, max(0, least - available))
        drained_count -= max(0, kept_count + drained_count - most)
    return drained_count, kept_count
