"""The pod-template hash that Argo Rollouts puts on ReplicaSets, Services and subsets.

It is 32-bit FNV-1a over Go's JSON of the template, so the order of Go's struct fields, what `omitempty` drops and how
quantities are spelled all count. Two clusters agree on a hash only if their controllers' k8s libraries (`flavour`), the
template's source and the collision count agree too. Source: argo-rollouts utils/hash/hash.go:14-33.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from meshsim.rollouts.memo import copied
from meshsim.rollouts.pod_template_fields import FIELDS
from meshsim.rollouts.quantity import canonical_quantity
from meshsim.rollouts.template_defaults import deployment_defaults, inline_defaults

_OFFSET, _PRIME, _MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
OLD, NEW = "0.29", "0.34"
FLAVOURS = (OLD, NEW)


def template_hash(
    template: Mapping[str, Any], flavour: str = NEW, collision_count: int | None = None, source: str = "rollout"
) -> str:
    """The value of `rollouts-pod-template-hash` for a pod template (a dict as in YAML, `metadata` and `spec`).

    `flavour` is the controller's k8s library: `0.29` (argo-rollouts 1.2 to 1.8) or `0.34` (1.9 and later).
    `collision_count` is the Rollout's `status.collisionCount`; 0 is not the same as None.
    `source` is `rollout` for an inline template, `workloadRef` for one that a Deployment holds.
    Raises ValueError for another flavour or source, or a quantity that is none.

    >>> template_hash({})
    '658c46c486'
    >>> template_hash({}, flavour="0.29")
    '76bbb58f74'
    """
    digest = _fnv(template_json(template, flavour=flavour, source=source).encode())
    if collision_count is not None:
        digest = _fnv((collision_count & _MASK).to_bytes(4, "little") + bytes(4), digest)
    return _safe(str(digest))


def json_hash(value: Any) -> str:
    """FNV-1a of a JSON text, spelled like the template hash: what `status.currentStepHash` is."""
    return _safe(str(_fnv(_go_json(value).encode())))


def template_json(template: Mapping[str, Any], flavour: str = NEW, source: str = "rollout") -> str:
    """The JSON text that is hashed."""
    if flavour not in FLAVOURS:
        msg = f"{flavour!r} is no hash flavour: use {' or '.join(FLAVOURS)}"
        raise ValueError(msg)
    filled: dict[str, Any] = copied(dict(template))
    if source == "rollout":
        filled = inline_defaults(filled, grpc_service=flavour == NEW)
    elif source == "workloadRef":
        filled = deployment_defaults(filled)
    else:
        msg = f"{source!r} is no template source: use rollout or workloadRef"
        raise ValueError(msg)
    return _go_json(_struct("PodTemplateSpec", filled, flavour))


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
    return _go_json(_struct("PodTemplateSpec", filled, NEW))


def _fnv(data: bytes, digest: int = _OFFSET) -> int:
    for byte in data:
        digest = ((digest ^ byte) * _PRIME) & _MASK
    return digest


def _safe(text: str) -> str:
    return "".join(_ALPHABET[ord(character) % len(_ALPHABET)] for character in text)


class _Field(NamedTuple):
    name: str
    type: str
    always: bool


@cache
def _types(flavour: str) -> dict[str, tuple[_Field, ...]]:
    """Struct name → fields in Go's order, for one flavour."""
    table: dict[str, tuple[_Field, ...]] = {}
    for line in FIELDS.replace("\n  ", " ").splitlines():
        name, *fields = line.split()
        table[name] = tuple(field for text in fields if (field := _field(text, flavour)) is not None)
    return table


def _field(text: str, flavour: str) -> _Field | None:
    name, _, rest = text.partition(":")
    kind = rest.rstrip("!~+-")
    marks = rest[len(kind) :]
    if ("+" in marks and flavour == OLD) or ("-" in marks and flavour == NEW):
        return None
    return _Field(name, kind, "!" in marks or ("~" in marks and flavour == NEW))


def _struct(name: str, value: Any, flavour: str) -> dict[str, Any]:
    given = value if isinstance(value, Mapping) else {}
    written: dict[str, Any] = {}
    for field in _types(flavour)[name]:
        item = given.get(field.name)
        if name == "ObjectMeta" and field.name == "creationTimestamp":
            # `omitzero` came with 0.34; before it a zero time was written as null.
            if flavour == OLD or item is not None:
                written[field.name] = item
            continue
        kind = field.type
        if kind == "quantity":
            written[field.name] = canonical_quantity(item) if item is not None else "0"
        elif kind[0] not in "*[{" and kind in _types(flavour):
            written[field.name] = _struct(kind, item, flavour)  # omitempty never drops a struct, and a quantity is one
        elif kind[0] == "*":
            if item is not None or field.always:
                written[field.name] = None if item is None else _value(kind[1:], item, flavour)
        elif item or field.always:
            written[field.name] = _zero(kind) if item is None else _value(kind, item, flavour)
    return written


def _zero(kind: str) -> Any:
    """What Go writes for a field that is not there and has no omitempty."""
    return {"str": "", "int": 0, "intstr": 0, "bool": False, "quantity": "0"}.get(kind)


def _value(kind: str, item: Any, flavour: str) -> Any:
    if kind[0] == "[":
        return [_value(kind[1:], entry, flavour) for entry in item]
    if kind[0] == "{":
        return {str(key): _value(kind[1:], item[key], flavour) for key in sorted(item)}
    if kind[0] == "*":
        return None if item is None else _value(kind[1:], item, flavour)
    if kind == "quantity":
        return "0" if item is None else canonical_quantity(item)
    if kind in _types(flavour):
        return _struct(kind, item, flavour)
    return _zero(kind) if item is None else item


def _go_json(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
