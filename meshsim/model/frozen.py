"""Frozen dataclasses whose methods are shared instead of generated one by one for each class.

`dataclasses.dataclass(frozen=True)` compiles six functions for every class. With over a hundred value classes that was
40 % of what `meshsim run` needed before its first line of work (Python 3.11). `frozen` and `record` make real
dataclasses (`fields`, `replace`, `asdict` work), slotted, whose instances refuse assignment, and compile one function
each: `__init__`.
"""

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

C = TypeVar("C", bound=type)
_set = object.__setattr__


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,))
def frozen(cls: C) -> C:
    """A frozen, slotted dataclass that takes its fields by keyword."""
    return _made(cls, kw_only=True)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def record(cls: C) -> C:
    """A frozen, slotted dataclass that takes its fields in order, too."""
    return _made(cls, kw_only=False)


def _made(cls: C, *, kw_only: bool) -> C:
    decorate: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)
    made: C = decorate(cls)
    fields = dataclasses.fields(made)
    compared = [f.name for f in fields if f.compare]
    shared: dict[str, Any] = {
        "__init__": _init(made, fields, kw_only=kw_only),
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__repr__": _repr,
        "__getstate__": _state,
        "__setstate__": _restore,
    }
    if compared:
        shared["__eq__"], shared["__hash__"] = _compare(attrgetter(*compared))
    for name, function in shared.items():
        if name not in cls.__dict__ or name in {"__setattr__", "__delattr__"}:
            setattr(made, name, function)
    return made


def _init(cls: type, fields: tuple["dataclasses.Field[Any]", ...], *, kw_only: bool) -> Callable[..., None]:
    """`__init__` in one piece of source; defaults and factories are looked up by position."""
    names: dict[str, Any] = {"_set": _set, "_missing": dataclasses.MISSING}
    arguments, lines = [], []
    for index, f in enumerate(fields):
        if f.default is not dataclasses.MISSING:
            names[f"_d{index}"] = f.default
            arguments.append(f"{f.name}=_d{index}")
        elif f.default_factory is not dataclasses.MISSING:
            names[f"_f{index}"] = f.default_factory
            arguments.append(f"{f.name}=_missing")
            lines.append(f" if {f.name} is _missing: {f.name} = _f{index}()")
        else:
            arguments.append(f.name)
        lines.append(f" _set(self, {f.name!r}, {f.name})")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    star = "*, " if kw_only and arguments else ""
    exec(f"def __init__(self, {star}{', '.join(arguments)}):\n" + "\n".join(lines or [" pass"]), names)  # noqa: S102 - our own field names
    init: Callable[..., None] = names["__init__"]
    return init


def _compare(key: Callable[[Any], Any]) -> tuple[Callable[[Any, Any], Any], Callable[[Any], int]]:
    def equal(self: Any, other: object) -> Any:
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(key(self))

    return equal, hashed


def _refuse(self: object, name: str, *_: object) -> None:
    msg = f"cannot assign to field {name!r}"
    raise dataclasses.FrozenInstanceError(msg)


def _state(self: object) -> list[Any]:
    """For pickle and copy: the values in order."""
    return [getattr(self, f.name) for f in dataclasses.fields(self)]  # type: ignore[arg-type]


def _restore(self: object, state: list[Any]) -> None:
    for f, value in zip(dataclasses.fields(self), state, strict=True):  # type: ignore[arg-type]
        _set(self, f.name, value)


def _repr(self: object) -> str:
    shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)  # type: ignore[arg-type]
    return f"{self.__class__.__qualname__}({shown})"
