"""The validator's errors as sentences with the place in the file and the way out."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import ValidationError

from meshsim.manifests.located import Located
from meshsim.manifests.overlay import Path
from meshsim.manifests.shapes import shown
from meshsim.manifests.stream import dotted
from meshsim.model.errors import InputError
from meshsim.scenario.notation import QUOTE, did_you_mean
from meshsim.scenario.schema import PARTS, SCENARIO

_KINDS: Mapping[str, str] = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "list_type": "a list",
}
_LIMITS: Mapping[str, str] = {
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
}


def complaints(
    error: ValidationError,
    document: Located,
    *,
    whole: str = "the scenario",
    fields: Mapping[str, Any] = SCENARIO,
    parts: Mapping[str, Mapping[str, Any]] = PARTS,
) -> list[InputError]:
    """One sentence for each of the errors, in the order of the file. `fields` are what a file of this kind (`whole`)
    may have, `parts` those below a key."""
    known = {"": fields, **parts}
    said = [_sentence(dict(one), document, whole, known) for one in error.errors(include_url=False)]
    return sorted(said, key=lambda one: (getattr(one.where, "line", 0), getattr(one.where, "column", 0)))


def _sentence(
    error: dict[str, Any], document: Located, whole: str, fields: Mapping[str, Mapping[str, Any]]
) -> InputError:
    path: Path = tuple(error["loc"])
    context = error.get("ctx") or {}
    kind = error["type"]
    at_key = bool(path) and path[-1] == "[key]"
    if at_key:
        path = path[:-1]
    value = error.get("input")
    if kind == "extra_forbidden" or at_key:
        known = _known_keys(path, context, fields)
        message = f"unknown key {path[-1]!r}{_inside(path[:-1])}"
        return InputError(message, where=document.key_place(path), hint=did_you_mean(str(path[-1]), known))
    where = document.place(path)
    name = dotted(path) or whole
    if kind == "missing":
        return InputError(f"{dotted(path[:-1]) or whole} has no {path[-1]!r}", where=where)
    if kind == "literal_error":
        known = tuple(_words(context.get("expected", "")))
        if value is None:
            return InputError(f"{name} is empty", where=where, hint=f"known: {', '.join(known)}")
        hint = did_you_mean(value, known) if isinstance(value, str) else f"known: {', '.join(known)}"
        return InputError(f"{name}: {shown(value)} is not known", where=where, hint=hint)
    quote = f'{QUOTE}: "{document.written(path)}"'
    if kind == "value_error":
        cause = context.get("error")
        hint = getattr(cause, "hint", "")
        return InputError(f"{name}: {cause}", where=where, hint=quote if hint == QUOTE else hint)
    if kind == "too_short":
        return InputError(f"{name} needs at least one entry", where=where)
    if kind in _LIMITS:
        return InputError(f"{name} must be {_LIMITS[kind].format(**context)}, not {shown(value)}", where=where)
    wanted = _KINDS.get(kind)
    if wanted is None:
        return InputError(f"{name}: {error['msg']}", where=where)
    hint = quote if wanted == "text" and isinstance(value, (bool, int, float)) else ""
    if value is None:
        return InputError(f"{name} is empty; it takes {wanted}", where=where, hint="give it a value or remove the key")
    return InputError(f"{name} must be {wanted}, not {shown(value)}", where=where, hint=hint)


def _known_keys(path: Path, context: Mapping[str, Any], fields: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    if context.get("expected"):
        return tuple(_words(context["expected"]))
    return tuple(fields.get(str(path[0]), fields[""]) if len(path) > 1 else fields[""])


def _words(expected: str) -> list[str]:
    """The literals of a validator's `'a', 'b' or 'c'`."""
    return expected.replace("' or '", "', '").strip("'").split("', '")


def _inside(path: Path) -> str:
    return f" in {dotted(path)}" if path else ""
