"""Which ReplicaSet the stable and the canary Service select.

Source: argo-rollouts rollout/service.go:255-336.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from meshsim.rollouts.replicaset import ReplicaSet
from meshsim.rollouts.scale import pick_sets
from meshsim.rollouts.spec import HASH_LABEL, MANAGED_BY, Fields, canary, is_promoted, routing
from meshsim.rollouts.versions import LATEST
from meshsim.rollouts.weight import decide, rolling_back


def selected(service: Fields) -> str:
    """The pod-template hash in a Service's selector, "" if none."""
    return str(((service.get("spec") or {}).get("selector") or {}).get(HASH_LABEL) or "")


def is_adopted(service: Fields) -> bool:
    """Whether a Rollout already manages the Service: only then one available pod is enough to switch it."""
    return MANAGED_BY in ((service.get("metadata") or {}).get("annotations") or {})


def may_switch(service: Fields, found: ReplicaSet, *, check: bool) -> bool:
    """Whether the selector may move to `found` now (service.go:294-336 ensureSVCTargets)."""
    if selected(service) == found.hash:
        return False
    if not check:
        return True
    if not is_adopted(service) and not found.fully_available:
        return False
    return found.available > 0


def switched(service: Fields, found: ReplicaSet, rollout_name: str) -> dict[str, Any]:
    """The Service with its selector on `found`, marked as managed."""
    spec = service.get("spec") or {}
    metadata = service.get("metadata") or {}
    return {
        **service,
        "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), MANAGED_BY: rollout_name}},
        "spec": {**spec, "selector": {**(spec.get("selector") or {}), HASH_LABEL: found.hash}},
    }


def services_at(
    rollout: Fields,
    status: Fields | None = None,
    sets: Iterable[Mapping[str, Any] | ReplicaSet] = (),
    *,
    services: Iterable[Fields] = (),
    version: str = LATEST,
) -> dict[str, str]:
    """Service name → pod-template hash that its selector has after one sync; "" where it has none yet.

    `services` are the Service objects as they are before (default: both already managed, without a hash). On an abort
    with traffic routing the sync points the canary Service at the canary and back at stable: the latter is returned.
    """
    known = (rollout.get("status") or {}) if status is None else status
    picked = pick_sets(known, sets)
    present = {(service.get("metadata") or {}).get("name"): service for service in services}
    stable_name, canary_name = canary(rollout).get("stableService"), canary(rollout).get("canaryService")
    managed: Fields = {"metadata": {"annotations": {MANAGED_BY: ""}}}
    now: dict[str, str] = {name: selected(present.get(name, managed)) for name in (stable_name, canary_name) if name}

    def ensure(name: str | None, found: ReplicaSet | None, *, check: bool) -> None:
        if name and found is not None:
            service = present.get(name, managed)
            if now[name] != found.hash and may_switch(_with_hash(service, now[name]), found, check=check):
                now[name] = found.hash

    aborted = bool(known.get("abort")) and not is_promoted(known)
    ensure(stable_name, picked.stable, check=True)
    if aborted and routing(rollout) is None:
        ensure(canary_name, picked.stable, check=True)
    elif not rolling_back(rollout, known, picked.new):
        ensure(canary_name, picked.new, check=True)
    if routing(rollout) is not None and decide(rollout, known, picked, aborted=aborted, version=version).resets_service:
        ensure(canary_name, picked.stable, check=False)
    return now


def _with_hash(service: Fields, pod_hash: str) -> Fields:
    spec = service.get("spec") or {}
    selector = {key: value for key, value in (spec.get("selector") or {}).items() if key != HASH_LABEL}
    return {**service, "spec": {**spec, "selector": {**selector, **({HASH_LABEL: pod_hash} if pod_hash else {})}}}
