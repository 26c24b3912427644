"""The controller's formulas and writers one by one, as pure functions on plain values: what `meshsim.api` offers of
Argo Rollouts.

`rollout`, `status` and `sets` may have any of the forms of `meshsim.rollouts.given`; what makes no sense is refused
with an InputError. `version` is the controller's, such as "1.9" or "1.8.2"; weights are 0 to maxTrafficWeight (100),
times are seconds. Nothing given is changed. What the controller or the plugin fails with is raised as
`meshsim.rollouts.RolloutError`, in their words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from meshsim.rollouts import gatewayapi, istio, scale, weight
from meshsim.rollouts.given import (
    SomeSets,
    all_sets,
    docs_of,
    hash_given,
    one_set,
    picked,
    rollout_of,
    status_of,
    weights_given,
    whole_weight,
)
from meshsim.rollouts.phase import phase_of
from meshsim.rollouts.reconcile import reconcile
from meshsim.rollouts.replicaset import ReplicaSet
from meshsim.rollouts.scale import Counts
from meshsim.rollouts.services import may_switch, selected, switched
from meshsim.rollouts.spec import (
    MANAGED_BY,
    Fields,
    canary,
    canary_weight,
    fenceposts,
    is_promoted,
    managed_services,
    pause_seconds,
    routing,
    turns,
    weights_of,
)
from meshsim.rollouts.state import state_of
from meshsim.rollouts.steps import step_hash
from meshsim.rollouts.template_hash import template_hash
from meshsim.rollouts.versions import LATEST, LATEST_GATEWAYAPI

__all__ = [
    "Counts",
    "abort_weight",
    "approximate_counts",
    "at_desired",
    "canary_target",
    "current_set_weight",
    "desired_canary_weight",
    "desired_counts",
    "fenceposts",
    "pause_seconds",
    "phase",
    "replicas_at_weight",
    "services_at",
    "stable_ready",
    "step_hash",
    "sync",
    "template_hash",
    "threshold_met",
    "weight_at",
    "write_destinationrule",
    "write_httproute",
    "write_virtualservice",
]


# How many pods


def desired_counts(
    rollout: Fields,
    status: Fields | None = None,
    sets: SomeSets = None,
    weights: Fields | int | None = None,
    *,
    version: str = LATEST,
) -> Counts:
    """(canary, stable) replicas that the controller wants.

    `weights` (as in the status, or `{"canary": 25, "stable": 75}`, or just 25) default to `status.canary.weights`.
    `sets` matter for aborts with dynamicStableScale, and for basic canaries, which get there in several syncs: without
    them the counts that they end at are returned.
    Source: argo-rollouts utils/replicaset/canary.go:124-428.
    """
    rollout = rollout_of(rollout)
    known = status_of(rollout, status)
    found = picked(rollout, known, sets, version=version)
    if routing(rollout) is None and found == scale.NO_SETS:
        return scale.resting_counts(rollout, known, version=version)
    used = weights_of(known) if weights is None else weights_given(rollout, weights)
    return scale.counts(rollout, known, found, used, version=version)


def at_desired(
    rollout: Fields,
    status: Fields | None = None,
    sets: SomeSets = None,
    weights: Fields | int | None = None,
    *,
    version: str = LATEST,
) -> bool:
    """Whether canary and stable have the pods that the current step asks for.

    `weights` are the traffic weights taken into account; unlike `desired_counts` the default is none, as the
    controller asks before it knows them. Source: argo-rollouts utils/replicaset/canary.go:59.
    """
    rollout = rollout_of(rollout)
    known = status_of(rollout, status)
    found = picked(rollout, known, sets, version=version)
    used = None if weights is None else weights_given(rollout, weights)
    return scale.is_at_desired(rollout, known, found, used, version=version)


def threshold_met(rollout: Fields, found: Mapping[str, Any] | None, desired: int, *, version: str = LATEST) -> bool:
    """Whether a ReplicaSet has `desired` pods, or as many of them as replicaProgressThreshold asks (canary.go:35).

    >>> ro = {"spec": {"strategy": {"canary": {"replicaProgressThreshold": {"type": "Percent", "value": 90}}}}}
    >>> [threshold_met(ro, {"hash": "a", "replicas": 10, "available": n}, 10) for n in (8, 9)]
    [False, True]
    """
    return scale.threshold_met(rollout, None if found is None else one_set(found), desired, version=version)


def current_set_weight(rollout: Fields, status: Fields | None = None) -> int:
    """The weight of the last setWeight step at or before the current one: 0 on abort, the maximum once all steps are
    done (argo-rollouts utils/replicaset/canary.go GetCurrentSetWeight).

    >>> steps = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 40}]
    >>> ro = {"spec": {"strategy": {"canary": {"steps": steps}}}}
    >>> [current_set_weight(ro, {"currentStepIndex": index}) for index in range(4)]
    [10, 10, 40, 100]
    """
    rollout = rollout_of(rollout)
    return scale.current_set_weight(rollout, status_of(rollout, status))


def desired_canary_weight(
    rollout: Fields, status: Fields | None = None, sets: SomeSets = None, *, version: str = LATEST
) -> int:
    """The weight that pods are planned for; a dynamic abort walks the steps backwards (canary.go:518)."""
    rollout = rollout_of(rollout)
    known = status_of(rollout, status)
    return scale.desired_canary_weight(rollout, known, picked(rollout, known, sets, version=version), version=version)


def canary_target(
    rollout: Fields, status: Fields | None = None, sets: SomeSets = None, *, version: str = LATEST
) -> tuple[int | None, int]:
    """(explicit replicas or None, weight) that the canary is scaled by (canary.go GetCanaryReplicasOrWeight)."""
    rollout = rollout_of(rollout)
    known = status_of(rollout, status)
    found = picked(rollout, known, sets, version=version)
    return scale.canary_replicas_or_weight(rollout, known, found, version=version)


def replicas_at_weight(replicas: int, percent: int, most: int = 100) -> int:
    """Replicas for a weight of `most`, rounded up (canary.go trafficWeightToReplicas).

    >>> [replicas_at_weight(n, w) for n, w in ((10, 5), (4, 25), (1, 1), (3, 0))]
    [1, 1, 1, 0]
    """
    return -(-replicas * percent // most)


def approximate_counts(replicas: int, percent: int, *, surge: int = 1, most: int = 100) -> Counts:
    """(canary, stable) pods nearest to a weight without traffic routing (canary.go approximateWeightedCanaryStable…).

    >>> tuple(approximate_counts(10, 15, surge=1))
    (2, 9)
    """
    return scale.approximate_counts(replicas, percent, most, surge)


# Which weight, which Services


def weight_at(
    rollout: Fields, status: Fields | None = None, sets: SomeSets = None, *, version: str = LATEST
) -> int | None:
    """The canary weight after a sync in this situation (rollout/trafficrouting.go:161-396).

    While stable has too few pods for the rest, nothing is written, and what `status.canary.weights` records stands.
    None where there is no weight: without traffic routing, or where nothing is recorded and nothing written.
    """
    rollout = rollout_of(rollout)
    known = status_of(rollout, status)
    if routing(rollout) is None:
        return None
    decision = weight.decide(rollout, known, picked(rollout, known, sets, version=version), version=version)
    if not decision.held:
        return decision.weight
    recorded = weights_of(known)
    return None if recorded is None else canary_weight(recorded)


def abort_weight(rollout: Fields, status: Fields | None = None, sets: SomeSets = None, *, version: str = LATEST) -> int:
    """The weight written on an abort or a dynamic rollback: 0 unless dynamicStableScale has shrunk the stable
    ReplicaSet (rollout/trafficrouting.go:361-396)."""
    rollout = rollout_of(rollout)
    known = status_of(rollout, status)
    return weight.abort_weight(rollout, known, picked(rollout, known, sets, version=version), version=version)


def stable_ready(rollout: Fields, stable: Mapping[str, Any] | None, share: int, *, version: str = LATEST) -> bool:
    """Whether the stable ReplicaSet has enough available pods for `share` of the traffic (trafficrouting.go:142)."""
    return weight.stable_ready(rollout, None if stable is None else one_set(stable), share, version=version)


def services_at(
    rollout: Fields,
    status: Fields | None = None,
    sets: SomeSets = None,
    *,
    services: Iterable[Fields] | Fields = (),
    version: str = LATEST,
) -> dict[str, str]:
    """Service name → pod-template hash that its selector has after one sync; "" where it has none yet.

    `services` are the Service objects as they are before (default: all already managed, without a hash). On an abort
    with traffic routing the sync points the canary Service at the canary and back at stable: the latter is returned.
    Source: argo-rollouts rollout/service.go:255-336.
    """
    rollout = rollout_of(rollout)
    known = status_of(rollout, status)
    found = picked(rollout, known, sets, version=version)
    blank: Fields = {"metadata": {"annotations": {MANAGED_BY: ""}}}
    given = {(service.get("metadata") or {}).get("name"): service for service in docs_of(services)}
    now: dict[str, Fields] = {name: given.get(name, blank) for name in managed_services(rollout)}

    def ensure(name: str | None, target: ReplicaSet | None, *, check: bool) -> None:
        if name and target is not None and may_switch(now[name], target, check=check):
            now[name] = switched(now[name], target, "")

    stable_name, canary_name = canary(rollout).get("stableService"), canary(rollout).get("canaryService")
    promoted = bool(known.get("stableRS")) and is_promoted(known)
    aborted = bool(known.get("abort")) and not promoted
    pair = turns(rollout, known)
    if pair is not None and not is_promoted(known):
        ensure(pair[1], found.new, check=False)
    ensure(stable_name, found.stable, check=True)
    if aborted and routing(rollout) is None:
        ensure(canary_name, found.stable, check=True)
    elif not weight.rolling_back(rollout, known, found.new):
        ensure(canary_name, found.new, check=True)
    if routing(rollout) is not None:
        decision = weight.decide(rollout, known, found, aborted=aborted, version=version)
        if decision.resets_service:
            ensure(canary_name, found.stable, check=False)
    return {name: selected(service) for name, service in now.items()}


# What is written


def write_httproute(
    docs: Iterable[Fields] | Fields, rollout: Fields, weight: int, *, version: str = LATEST_GATEWAYAPI
) -> list[dict[str, Any]]:
    """`docs` (routes as in YAML, one or many) with the weights that the plugin of that `version` writes.

    Only the routes that the Rollout configures are changed; without a plugin configuration, all. RolloutError: a
    configured route is missing, or does not name both services (rollouts-plugin-trafficrouter-gatewayapi httproute.go).
    The plugin checks no bounds: above 100 the stable's weight is negative, and the API server refuses what is written.

    >>> canary = {"canaryService": "new", "stableService": "old"}
    >>> refs = [{"name": "old", "port": 80}, {"name": "new", "port": 80}]
    >>> route = {"kind": "HTTPRoute", "metadata": {"name": "r"}, "spec": {"rules": [{"backendRefs": refs}]}}
    >>> [written] = write_httproute(route, {"spec": {"strategy": {"canary": canary}}}, 30)
    >>> [ref["weight"] for ref in written["spec"]["rules"][0]["backendRefs"]]
    [70, 30]
    """
    return gatewayapi.write_httproute(docs_of(docs), rollout_of(rollout), whole_weight(weight), version=version)


def write_virtualservice(
    docs: Iterable[Fields] | Fields,
    rollout: Fields,
    weight: int,
    *,
    additional: Iterable[Fields] = (),
    version: str = LATEST,
) -> list[dict[str, Any]]:
    """`docs` (one or many) with the weights that SetWeight writes into the VirtualServices that the Rollout names.

    `additional` are experiment destinations (`serviceName`, `weight`). RolloutError: a VirtualService or a route is
    missing or does not name both destinations (rollout/trafficrouting/istio/istio.go:223-283).
    """
    return istio.write_virtualservice(
        docs_of(docs), rollout_of(rollout), whole_weight(weight), additional=additional, version=version
    )


def write_destinationrule(
    docs: Iterable[Fields] | Fields,
    rollout: Fields,
    canary_hash: str,
    stable_hash: str,
    *,
    additional: Iterable[Fields] = (),
    sets: SomeSets = (),
    version: str = LATEST,
) -> list[dict[str, Any]]:
    """`docs` (one or many) with the hashes that UpdateHash writes into the two subsets of the named DestinationRule.

    Other labels stay, an empty hash removes the label, and subsets that the Rollout does not name go. `additional` are
    experiment destinations (`serviceName`, `podTemplateHash`). With `sets` RolloutError also where the switch waits
    for their pods; up to 1.8.4 it is then left as it is (rollout/trafficrouting/istio/istio.go:385-483).
    """
    rollout = rollout_of(rollout)
    found = all_sets(status_of(rollout, None), sets)
    canary_hash, stable_hash = hash_given(canary_hash), hash_given(stable_hash)
    return istio.write_destinationrule(
        docs_of(docs), rollout, canary_hash, stable_hash, additional=additional, sets=found, version=version
    )


# The whole


def phase(rollout: Fields, status: Fields | None = None) -> tuple[str, str]:
    """(phase, message) of a status, the first that holds (utils/rollout/rolloututil.go CalculateRolloutPhase)."""
    rollout = rollout_of(rollout)
    return phase_of(rollout, status_of(rollout, status))


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
    ReplicaSets of its cluster; times in the status are seconds. `results` are those of analysis, experiment and plugin
    steps, by step index or name: `successful`, `failed`, `inconclusive`, `error`. What it fails with is `error`."""
    state = state_of(
        rollout_of(rollout), docs_of(docs), version=version, gatewayapi_version=gatewayapi_version, results=results
    )
    done = reconcile(replace(state, now=now))
    return Synced(
        status=dict(done.state.status),
        objects=done.state.docs(),
        sets={found.hash: (found.available, found.created, found.replicas) for found in done.state.sets},
        writes=[f"{edit.key} {edit.dotted} = {edit.value}" for edit in done.edits],
        error="" if done.error is None else str(done.error.message),
    )
