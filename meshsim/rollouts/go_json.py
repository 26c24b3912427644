"""Go's JSON of the API types that the controller hashes: struct order, `omitempty`, map keys sorted, HTML escaped.

Source: Go encoding/json; the tables of `pod_template_fields` and `canary_step_fields`.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from meshsim.rollouts import canary_step_fields, pod_template_fields
from meshsim.rollouts.quantity import canonical_quantity

OLD, NEW = "0.29", "0.34"
FLAVOURS = (OLD, NEW)


class _Field(NamedTuple):
    name: str
    type: str
    always: bool


@cache
def _types(flavour: str) -> dict[str, tuple[_Field, ...]]:
    """Struct name → fields in Go's order, for one flavour."""
    table: dict[str, tuple[_Field, ...]] = {}
    lines = pod_template_fields.FIELDS + canary_step_fields.FIELDS
    for line in lines.replace("\n  ", " ").splitlines():
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


def struct(name: str, value: Any, flavour: str = NEW) -> dict[str, Any]:
    """The fields of a value of the type `name` that Go writes, in its order."""
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
            written[field.name] = struct(kind, item, flavour)  # omitempty never drops a struct, and a quantity is one
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
        return struct(kind, item, flavour)
    if kind == "raw":
        return _sorted(item)
    return _zero(kind) if item is None else item


def go_json(value: Any) -> str:
    """The text of plain values in Go's spelling."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _sorted(value: Any) -> Any:
    """What no struct describes comes from the API server, which sorts the keys."""
    if isinstance(value, Mapping):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
