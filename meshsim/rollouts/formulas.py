"""The controller's formulas one by one, on plain values: a Rollout, its status and its ReplicaSets as in YAML.

`sets` are ReplicaSets (labels, spec.replicas, status.replicas, status.availableReplicas); which of them is new and
which stable follows from `status.currentPodHash` and `status.stableRS`. `version` is the controller's.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from meshsim.rollouts import scale, weight
from meshsim.rollouts.phase import phase_of
from meshsim.rollouts.reconcile import reconcile
from meshsim.rollouts.replicaset import ReplicaSet, replica_set
from meshsim.rollouts.spec import Fields, fenceposts, pause_seconds
from meshsim.rollouts.state import state_of
from meshsim.rollouts.steps import step_hash
from meshsim.rollouts.versions import LATEST, LATEST_GATEWAYAPI

__all__ = [
    "abort_weight",
    "approximate_counts",
    "canary_target",
    "current_set_weight",
    "desired_canary_weight",
    "fenceposts",
    "pause_seconds",
    "phase",
    "replicas_at_weight",
    "stable_ready",
    "step_hash",
    "sync",
]
Sets = Iterable[Mapping[str, Any] | ReplicaSet]


def _status(rollout: Fields, status: Fields | None) -> Fields:
    return (rollout.get("status") or {}) if status is None else status


def current_set_weight(rollout: Fields, status: Fields | None = None) -> int:
    """The weight of the last setWeight step at or before the current one: 0 on abort, the maximum once all steps are
    done (argo-rollouts utils/replicaset/canary.go GetCurrentSetWeight).

    >>> steps = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 40}]
    >>> ro = {"spec": {"strategy": {"canary": {"steps": steps}}}}
    >>> [current_set_weight(ro, {"currentStepIndex": index}) for index in range(4)]
    [10, 10, 40, 100]
    """
    return scale.current_set_weight(rollout, _status(rollout, status))


def desired_canary_weight(
    rollout: Fields, status: Fields | None = None, sets: Sets = (), *, version: str = LATEST
) -> int:
    """The weight that pods are planned for; a dynamic abort walks the steps backwards (canary.go:518)."""
    known = _status(rollout, status)
    return scale.desired_canary_weight(rollout, known, scale.pick_sets(known, sets), version=version)


def canary_target(
    rollout: Fields, status: Fields | None = None, sets: Sets = (), *, version: str = LATEST
) -> tuple[int | None, int]:
    """(explicit replicas or None, weight) that the canary is scaled by (canary.go GetCanaryReplicasOrWeight)."""
    known = _status(rollout, status)
    return scale.canary_replicas_or_weight(rollout, known, scale.pick_sets(known, sets), version=version)


def replicas_at_weight(replicas: int, percent: int, most: int = 100) -> int:
    """Replicas for a weight, rounded up (canary.go trafficWeightToReplicas).

    >>> [replicas_at_weight(n, w) for n, w in ((10, 5), (4, 25), (1, 1), (3, 0))]
    [1, 1, 1, 0]
    """
    return -(-replicas * percent // most)


def approximate_counts(replicas: int, percent: int, *, surge: int = 1, most: int = 100) -> tuple[int, int]:
    """(canary, stable) pods nearest to a weight without traffic routing (canary.go approximateWeightedCanaryStable…).

    >>> approximate_counts(10, 15, surge=1)
    (2, 9)
    """
    found = scale.approximate_counts(replicas, percent, most, surge)
    return found.canary, found.stable


def abort_weight(rollout: Fields, status: Fields | None = None, sets: Sets = (), *, version: str = LATEST) -> int:
    """The weight written on an abort or a dynamic rollback: 0 unless dynamicStableScale has shrunk the stable
    ReplicaSet (rollout/trafficrouting.go:361-396)."""
    known = _status(rollout, status)
    return weight.abort_weight(rollout, known, scale.pick_sets(known, sets), version=version)


def stable_ready(rollout: Fields, stable: Mapping[str, Any] | None, share: int, *, version: str = LATEST) -> bool:
    """Whether the stable ReplicaSet has enough available pods for `share` of the traffic (trafficrouting.go:142)."""
    return weight.stable_ready(rollout, None if stable is None else replica_set(stable), share, version=version)


def phase(rollout: Fields, status: Fields | None = None) -> tuple[str, str]:
    """(phase, message) of a status, the first that holds (utils/rollout/rolloututil.go CalculateRolloutPhase)."""
    return phase_of(rollout, _status(rollout, status))


class Synced(NamedTuple):
    """What one sync did: the new status, objects and ReplicaSets, what it wrote in order, and what it failed with.

    `sets` is hash → (available, created, spec.replicas); `writes` are `Kind/namespace/name path = value`.
    """

    status: dict[str, Any]
    objects: list[Mapping[str, Any]]
    sets: dict[str, tuple[int, int, int]]
    writes: list[str]
    error: str


def sync(
    rollout: Fields,
    docs: Iterable[Fields] = (),
    *,
    version: str = LATEST,
    gatewayapi_version: str = LATEST_GATEWAYAPI,
    results: Mapping[int | str, str] | None = None,
    now: float = 0.0,
) -> Synced:
    """One reconcile of the controller (rollout/controller.go syncHandler): `docs` are the Services, routes and
    ReplicaSets of its cluster; times in the status are seconds. Nothing given is changed."""
    from dataclasses import replace

    state = state_of(rollout, docs, version=version, gatewayapi_version=gatewayapi_version, results=results)
    done = reconcile(replace(state, now=now))
    return Synced(
        status=dict(done.state.status),
        objects=done.state.docs(),
        sets={found.hash: (found.available, found.created, found.replicas) for found in done.state.sets},
        writes=[f"{edit.key} {edit.dotted} = {edit.value}" for edit in done.edits],
        error="" if done.error is None else str(done.error.message),
    )
