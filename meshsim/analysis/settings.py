"""Settings as people write them: `label:cluster2/Namespace/shop:istio.io/use-waypoint` with `waypoint` or nothing."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from meshsim.mesh.variants import Option, Setting
from meshsim.model.errors import UsageError

MOST_OPTIONS: Final = 1000
ABSENT: Final = "absent"
"""How the lack of a value is shown; `-` is how it is asked for."""
_RANGE: Final = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?")
_YES: Final = {"yes": True, "true": True, "no": False, "false": False}
Parts = tuple[str, str]


def setting(name: str, values: Sequence[Any]) -> Setting:
    """A setting and its values, None for an absent one. Raises UsageError."""
    kind, _, rest = name.partition(":")
    make = _KINDS.get(kind)
    if make is None:
        near = get_close_matches(kind, _KINDS, n=1)
        msg = f"there is no kind of setting {kind!r}"
        raise UsageError(msg, hint=f"did you mean {near[0]}?" if near else f"kinds are {', '.join(_KINDS)}")
    form, needs, made = make
    parts: Parts = _split(rest, needs) if needs else (rest, "")
    if needs > 0 and not all(parts[:needs]):
        msg = f"{name!r} does not say what it changes"
        raise UsageError(msg, hint=f"write {form}")
    options = tuple(_option(name, value, made, parts) for value in values)
    texts = [one.text for one in options]
    if not options or len(set(texts)) != len(texts):
        msg = f"{name} has {'a value twice' if options else 'no value'}"
        raise UsageError(msg, hint=f"write {form}=VALUE,VALUE")
    return Setting(name=name, options=options)


def parsed(text: str) -> Setting:
    """`NAME=VALUE,VALUE…`: `-` is an absent value, `1..4` and `10..50..10` are numbers, `["a,b", "c"]` is JSON.

    >>> [option.text for option in parsed("replicas:c1/Rollout/shop/cart=1..3").options]
    ['1', '2', '3']
    >>> [option.text for option in parsed("label:c1/Namespace/shop:istio.io/use-waypoint=waypoint,-").options]
    ['waypoint', 'absent']
    """
    name, equals, said = text.partition("=")
    if not equals or not name:
        msg = f"--vary {text!r} is not SETTING=VALUE,VALUE"
        raise UsageError(msg, hint="write label:cluster2/Namespace/shop:istio.io/use-waypoint=waypoint,-")
    if said.startswith("["):
        try:
            values = json.loads(said)
        except ValueError as error:
            msg = f"--vary {name}: the values are no JSON list: {error}"
            raise UsageError(msg) from None
        return setting(name, values if isinstance(values, list) else [values])
    values = []
    for one in said.split(","):
        numbers = _RANGE.fullmatch(one)
        values += _numbers(name, *numbers.groups()) if numbers else [None if one == "-" else _plain(one)]
    return setting(name, values)


def _numbers(name: str, low: str, high: str, step: str | None) -> Sequence[int]:
    found = range(int(low), int(high) + 1, int(step or 1) or 1)
    if not 0 < len(found) <= MOST_OPTIONS:
        msg = f"--vary {name}: {low}..{high} has {len(found):,} values"
        raise UsageError(msg, hint=f"a setting has 1 to {MOST_OPTIONS:,} values, the smaller number first")
    return found


def _plain(text: str) -> Any:
    """A number or a truth value as JSON has it, else the text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | bool) else text


def _split(rest: str, needs: int) -> Parts:
    first, _, second = rest.partition(":") if needs == 2 else (rest, "", "")
    return first, second


def _option(name: str, value: Any, made: Callable[[Parts, Any], Mapping[str, Any]], parts: Parts) -> Option:
    text = ABSENT if value is None else json.dumps(value) if not isinstance(value, str) else value
    try:
        found = made(parts, value)
    except (TypeError, ValueError):
        msg = f"{name} cannot be {text}"
        raise UsageError(msg) from None
    asks = {key: found[key] for key in _ASKS if key in found}
    edits = {key: change for key, change in found.items() if key not in _ASKS}
    return Option(text=text, edits=edits, asks=asks)


def _text(value: Any) -> str | None:
    if isinstance(value, dict | list):
        raise TypeError
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _needed(value: Any) -> str:
    found = _text(value)
    if found is None:
        raise ValueError
    return found


def _whether(value: Any, edits: Mapping[str, Any]) -> Mapping[str, Any]:
    chosen = value if isinstance(value, bool) else _YES.get(value)
    if chosen is None:
        raise ValueError
    return edits if chosen else {}


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


def _of_cluster(key: str) -> Callable[[Parts, Any], Mapping[str, Any]]:
    def made(parts: Parts, value: Any) -> Mapping[str, Any]:
        return {key: {parts[0]: _needed(value)} if parts[0] else _needed(value)}

    return made


def _at(_: Parts, value: Any) -> Mapping[str, Any]:
    from meshsim.scenario.notation import Unfit, moment

    try:
        return {"at": moment(value)}
    except Unfit as error:
        raise ValueError from error


def _connection(_: Parts, value: Any) -> Mapping[str, Any]:
    if value not in {"new", "keep-alive"}:
        raise ValueError
    return {"connection": value}


_ASKS: Final = ("at", "path", "connection", "headers")
_KINDS: Final[Mapping[str, tuple[str, int, Callable[[Parts, Any], Mapping[str, Any]]]]] = {
    "label": ("label:CLUSTER/KIND/NAMESPACE/NAME:KEY", 2, lambda p, v: {"labels": {p[0]: {p[1]: _text(v)}}}),
    "annotation": (
        "annotation:CLUSTER/KIND/NAMESPACE/NAME:KEY",
        2,
        lambda p, v: {"annotations": {p[0]: {p[1]: _text(v)}}},
    ),
    "field": ("field:CLUSTER/KIND/NAMESPACE/NAME:spec.some.field", 2, lambda p, v: {"fields": {p[0]: {p[1]: v}}}),
    "replicas": ("replicas:CLUSTER/KIND/NAMESPACE/NAME", 1, lambda p, v: {"replicas": {p[0]: _count(v)}}),
    "delete": ("delete:CLUSTER/KIND/NAMESPACE/NAME=no,yes", 1, lambda p, v: _whether(v, {"delete": [p[0]]})),
    "env": ("env:CLUSTER:VARIABLE", 2, lambda p, v: {"istiod": {p[0]: {p[1]: _text(v)}}}),
    "dialect": ("dialect or dialect:CLUSTER", 0, _of_cluster("dialect")),
    "argo": ("argo or argo:CLUSTER", 0, _of_cluster("argo")),
    "network": ("network:CLUSTER", 1, _of_cluster("network")),
    "peering": ("peering=all,none", 0, lambda _, v: {"peering": _needed(v)}),
    "assume": ("assume:QUESTION", 1, lambda p, v: {"assume": {p[0]: _needed(v)}}),
    "fail": ("fail:eastwest:CLUSTER=no,yes", 1, lambda p, v: _whether(v, {"fail": [p[0]]})),
    "at": ("at=step:1,step:3", 0, _at),
    "path": ("path=/,/v2", 0, lambda _, v: {"path": _needed(v)}),
    "header": ("header:NAME", 1, lambda p, v: {"headers": {p[0]: _text(v)}}),
    "connection": ("connection=new,keep-alive", 0, _connection),
}
"""Kind of setting → how it is written, how many parts name it, and what a value changes: keywords of `forks.fork`, or
the question."""
KINDS: Final = tuple(form for form, _, _ in _KINDS.values())
