"""Plain values read as loosely as ztunnel reads them: keys compared without case, `_` or `-`, unknown ones ignored."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Never, TypeVar, final

from meshsim.model.errors import InputError
from meshsim.tables.service import Mode, Scope
from meshsim.tables.workload import Protocol

E = TypeVar("E", bound=StrEnum)
_ALIASES: Final = {
    "none": Protocol.TCP.value,
    "legacyistiomtls": Protocol.TCP.value,
    "unspecifiedmode": Mode.STANDARD.value,
}
_LONGEST: Final = 20
"""More digits than any number here has; Python would not even convert some thousands of them."""


@final
class PlainRow:
    """A mapping whose keys are compared without case, `_` or `-`; it knows what to call itself in an error."""

    def __init__(self, value: Any, name: str) -> None:
        if not isinstance(value, Mapping):
            msg = f"{name}: {value!r} is not a mapping"
            raise InputError(msg)
        self.name = name
        self._values = {plain_key(key): item for key, item in value.items() if item is not None}

    def fail(self, message: str) -> Never:
        msg = f"{self.name}: {message}"
        raise InputError(msg)

    def get(self, *keys: str) -> Any:
        return next((self._values[key] for key in keys if key in self._values), None)

    def text(self, key: str, default: str = "") -> str:
        value = self.get(key)
        if value is None:
            return default
        if isinstance(value, Mapping | list | bool):
            self.fail(f"{key} {value!r} is not a text")
        return str(value)

    def flag(self, key: str) -> bool:
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            self.fail(f"{key} {value!r} is neither true nor false")
        return bool(value)

    def number(self, key: str, default: int, most: int = 2**32 - 1) -> int:
        value = self.get(key)
        return default if value is None else whole_number(value, f"{self.name}: {key}", most)

    def row(self, key: str) -> "PlainRow":
        return PlainRow(self.get(key) or {}, f"{self.name}: {key}")

    def sequence(self, *keys: str) -> Sequence[Any]:
        value = self.get(*keys)
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            self.fail(f"{keys[0]} {value!r} is not a list")
        return value

    def texts(self, *keys: str) -> Sequence[Any]:
        """A list, or one text that stands for a list of one."""
        value = self.get(*keys)
        return ((value,) if value else ()) if isinstance(value, str) else self.sequence(*keys)

    def choice(self, key: str, kind: type[E], default: E) -> E:
        value = self.get(key)
        return default if value is None or value == "" else member_of(value, kind, f"{self.name}: {key}")

    def rows(self, key: str, noun: str) -> Iterable["PlainRow"]:
        value = self.get(key)
        if value is None:
            return
        if not isinstance(value, Mapping | list | tuple):
            self.fail(f"{key} {value!r} is neither a list nor a map")
        numbered = value.items() if isinstance(value, Mapping) else enumerate(value)
        for position, item in numbered:
            label = item.get("name") or item.get("hostname") if isinstance(item, Mapping) else None
            yield PlainRow(item, f"{noun} {label or position}")


def plain_key(key: object) -> str:
    """A key or an enumeration's value as it is compared."""
    return _plainly(str(key))


@lru_cache(maxsize=4096)
def _plainly(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def whole_number(value: Any, where: str, most: int) -> int:
    """A whole number from 0 to `most`, also as a text. Raises InputError."""
    text = str(value)
    digits = text.isascii() and text.isdecimal() and len(text) <= _LONGEST
    if isinstance(value, bool) or not digits or int(text) > most:
        msg = f"{where} {value!r} is not a whole number from 0 to {most}"
        raise InputError(msg)
    return int(text)


def member_of(value: Any, kind: type[E], where: str) -> E:
    """The member of an enumeration that a text names, or its number in ztunnel's proto/workload.proto, where members
    count from 0 in the order that they have here, scopes from 1. Raises InputError."""
    if type(value) is int:
        numbered = dict(enumerate(kind, start=1 if issubclass(kind, Scope) else 0))
        if value in numbered:
            return numbered[value]
    said = plain_key(value)
    said = plain_key(_ALIASES[said]) if _ALIASES.get(said) in set(kind) else said
    for member in kind:
        if plain_key(member.value) == said:
            return member
    msg = f"{where} {value!r} is none of {', '.join(kind)}"
    raise InputError(msg)
