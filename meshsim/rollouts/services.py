"""Which ReplicaSet the stable and the canary Service select.

Source: argo-rollouts rollout/service.go:255-336.
"""

from typing import Any

from meshsim.rollouts.replicaset import ReplicaSet
from meshsim.rollouts.spec import HASH_LABEL, MANAGED_BY, Fields


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
