"""A protobuf message as JSON: snake_case as Envoy prints it, or camelCase as istioctl's other commands do."""

from collections.abc import Iterator, Mapping
from typing import Any, Never, final

from meshsim.model.errors import InputError


@final
class Message:
    """A mapping that knows what to call itself in an error. A field that is absent has protobuf's default."""

    __slots__ = ("_values", "name")

    def __init__(self, value: Any, name: str) -> None:
        if not isinstance(value, Mapping):
            msg = f"{name}: {_short(value)} is not a mapping"
            raise InputError(msg)
        self.name = name
        self._values = value

    def fail(self, message: str) -> Never:
        msg = f"{self.name}: {message}"
        raise InputError(msg)

    def get(self, key: str) -> Any:
        """A field's value, None where it is absent."""
        found = self._values.get(key)
        return found if found is not None or "_" not in key else self._values.get(_camel(key))

    def has(self, *keys: str) -> bool:
        """Whether any of the fields is there, empty or not."""
        return any(self.get(key) is not None for key in keys)

    @property
    def whole(self) -> Mapping[Any, Any]:
        """The mapping itself."""
        return self._values

    def names(self) -> tuple[str, ...]:
        """The names of a map's entries."""
        return tuple(map(str, self._values))

    def text(self, key: str) -> str:
        value = self.get(key)
        if value is None:
            return ""
        if isinstance(value, Mapping | list | bool):
            self.fail(f"{key} {_short(value)} is not a text")
        return str(value)

    def flag(self, key: str) -> bool:
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            self.fail(f"{key} {_short(value)} is neither true nor false")
        return bool(value)

    def number(self, key: str, default: int = 0) -> int:
        """A whole number; 64 bits wide ones are texts in JSON."""
        value = self.get(key)
        if value is None:
            return default
        said = str(value)
        if isinstance(value, bool) or len(said) > 20 or not said.isascii() or not said.isdecimal():
            self.fail(f"{key} {_short(value)} is not a whole number")
        return int(said)

    def row(self, key: str) -> "Message":
        """A message inside; an absent one is empty."""
        value = self.get(key)
        return Message({} if value is None else value, f"{self.name}: {key}")

    def rows(self, key: str) -> Iterator["Message"]:
        """A repeated message."""
        for index, item in enumerate(self.sequence(key)):
            yield Message(item, f"{self.name}: {key}[{index}]")

    def sequence(self, key: str) -> list[Any]:
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail(f"{key} {_short(value)} is not a list")
        return value

    @property
    def type(self) -> str:
        """The last part of an Any's type, `HttpConnectionManager`; of the type that a TypedStruct stands for."""
        kind = self.text("@type").rpartition(".")[2]
        return self.text("type_url").rpartition(".")[2] if kind == "TypedStruct" else kind


def _camel(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}…"
