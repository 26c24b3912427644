"""The pod-template hash that Argo Rollouts puts on ReplicaSets, Services and subsets.

It is 32-bit FNV-1a over Go's JSON of the template, so the order of Go's struct fields, what `omitempty` drops and how
quantities are spelled all count. Two clusters agree on a hash only if their controllers' k8s libraries (`flavour`), the
template's source and the collision count agree too. Source: argo-rollouts utils/hash/hash.go:14-33.
"""

from collections.abc import Mapping
from typing import Any

from meshsim.model.errors import MalformedError
from meshsim.rollouts.go_json import FLAVOURS, NEW, go_json, struct
from meshsim.rollouts.memo import copied
from meshsim.rollouts.template_defaults import deployment_defaults, inline_defaults

_OFFSET, _PRIME, _MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(
    template: Mapping[str, Any], flavour: str = NEW, collision_count: int | None = None, source: str = "rollout"
) -> str:
    """The value of `rollouts-pod-template-hash` for a pod template (a dict as in YAML, `metadata` and `spec`).

    `flavour` is the controller's k8s library: `0.29` (argo-rollouts 1.2 to 1.8) or `0.34` (1.9 and later).
    `collision_count` is the Rollout's `status.collisionCount`; 0 is not the same as None.
    `source` is `rollout` for an inline template, `workloadRef` for one that a Deployment holds.
    Raises MalformedError, a ValueError, for another flavour or source, or a template or quantity that is none.

    >>> template_hash({})
    '658c46c486'
    >>> template_hash({}, flavour="0.29")
    '76bbb58f74'
    """
    if collision_count is not None and (isinstance(collision_count, bool) or not isinstance(collision_count, int)):
        msg = f"collision_count {collision_count!r} is no whole number"
        raise MalformedError(msg)
    digest = _fnv(template_json(template, flavour=flavour, source=source).encode())
    if collision_count is not None:
        digest = _fnv((collision_count & _MASK).to_bytes(4, "little") + bytes(4), digest)
    return _safe(str(digest))


def json_hash(value: Any) -> str:
    """FNV-1a of a JSON text, spelled like the template hash: what `status.currentStepHash` is."""
    return _safe(str(_fnv(go_json(value).encode())))


def template_json(template: Mapping[str, Any], flavour: str = NEW, source: str = "rollout") -> str:
    """The JSON text that is hashed."""
    if flavour not in FLAVOURS:
        msg = f"{flavour!r} is no hash flavour: use {' or '.join(FLAVOURS)}"
        raise MalformedError(msg)
    if not isinstance(template, Mapping):
        msg = f"{template!r} is no pod template: give metadata and spec as YAML has them"
        raise MalformedError(msg)
    filled: dict[str, Any] = copied(dict(template))
    if source == "rollout":
        filled = inline_defaults(filled, grpc_service=flavour == NEW)
    elif source == "workloadRef":
        filled = deployment_defaults(filled)
    else:
        msg = f"{source!r} is no template source: use rollout or workloadRef"
        raise MalformedError(msg)
    return go_json(struct("PodTemplateSpec", filled, flavour))


def same_template(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether two templates mean the same once defaulted, hash labels aside.

    This is how an existing ReplicaSet is found whose hash an older controller computed.
    Source: argo-rollouts utils/replicaset/replicaset.go PodTemplateEqualIgnoreHash.
    """
    return _comparable(left) == _comparable(right)


def _comparable(template: Mapping[str, Any]) -> str:
    bare = copied(dict(template))
    ((bare.get("metadata") or {}).get("labels") or {}).pop("rollouts-pod-template-hash", None)
    filled = deployment_defaults(bare)
    filled["spec"].pop("serviceAccount", None)
    return go_json(struct("PodTemplateSpec", filled, NEW))


def _fnv(data: bytes, digest: int = _OFFSET) -> int:
    for byte in data:
        digest = ((digest ^ byte) * _PRIME) & _MASK
    return digest


def _safe(text: str) -> str:
    return "".join(_ALPHABET[ord(character) % len(_ALPHABET)] for character in text)
