"""The small notations of a scenario file: durations, shares, rates, versions, references."""

import re
from collections.abc import Collection
from fractions import Fraction
from typing import Any, Final

from meshsim.manifests.shapes import shown
from meshsim.model.errors import UsageError
from meshsim.model.shares import parse_share

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)(?:/(s|m|h))?")
_VERSION: Final = re.compile(r"v?\d+\.\d+(?:\.\d+)?(?:[-+][0-9A-Za-z.+-]+)?")
_CLUSTER_NAME: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_MOMENT: Final = re.compile(r"step:\d+|weight:\d{1,3}")

DURATION_PATTERN: Final = r"^(\d+(\.\d+)?(ms|s|m|h))+$"
QUOTE: Final = "quote it"
"""The hint for a value that should be text; whoever has the file adds what stands there."""

SHARE_PATTERN: Final = r"^\d+(\.\d+)?(/\d+)?%?(\.\.\d+(\.\d+)?(/\d+)?%?)?$"


class Unfit(ValueError):
    """A value that does not fit its notation, with the way out."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)


def duration(value: Any) -> float:
    """Seconds.

    >>> duration("90s"), duration("1h30m"), duration(5), duration("5ms")
    (90.0, 5400.0, 5.0, 0.005)
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e12:
        return float(value)
    if isinstance(value, str) and _DURATION.fullmatch(value) and len(value) < 40:
        seconds = sum(Fraction(number) * Fraction(str(_UNITS[unit])) for number, unit in _PART.findall(value))
        return float(seconds)
    msg = f"{shown(value)} is no duration"
    raise Unfit(msg, "write 90s, 5m, 1h30m, or seconds")


def lag(value: Any) -> tuple[float, float]:
    """A delay or the two ends of one: `2s`, `[1s, 3s]`."""
    if isinstance(value, list):
        if len(value) != 2:
            msg = f"a range of delays has two ends, not {len(value)}"
            raise Unfit(msg, "write [1s, 3s]")
        low, high = duration(value[0]), duration(value[1])
        if low > high:
            msg = f"{shown(value[0])} is longer than {shown(value[1])}"
            raise Unfit(msg, "put the shorter delay first")
        return low, high
    one = duration(value)
    return one, one


def moment(value: Any) -> float | str:
    """A time since the start in seconds, or `step:2`, `weight:25`, `60s#3` as it stands."""
    if isinstance(value, str):
        if _MOMENT.fullmatch(value):
            return value
        time, hash_sign, step = value.partition("#")
        if hash_sign and step.isascii() and step.isdigit():
            duration(time)
            return value
    try:
        return duration(value)
    except Unfit:
        msg = f"{shown(value)} is no moment"
        raise Unfit(msg, "write 240s, 60s#3, step:2 or weight:25") from None


def share(value: Any) -> Fraction:
    """An exact share between 0 and 1."""
    try:
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and len(str(value)) < 60:
            return parse_share(value)
    except ValueError as error:
        message = str(error)
        raise Unfit(message.partition(":")[0], message.partition(": ")[2]) from None
    msg = f"{shown(value)} is no share"
    raise Unfit(msg, "write 50%, 0.5 or 1/3")


def share_range(value: Any) -> tuple[Fraction, Fraction]:
    """A share or a range of shares, both ends included: `50%`, `45%..55%`."""
    if isinstance(value, str) and ".." in value:
        low, _, high = value.partition("..")
        ends = share(low), share(high)
        if ends[0] > ends[1]:
            msg = f"{value!r} starts above its end"
            raise Unfit(msg, f"write {high}..{low}")
        return ends
    one = share(value)
    return one, one


def cluster_shares(value: Any) -> dict[str, tuple[Fraction, Fraction] | None]:
    """Clusters that serve: names, or names with shares."""
    if isinstance(value, str):
        return {value: None}
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return dict.fromkeys(value)
    if isinstance(value, dict):
        return {name: None if one is None else share_range(one) for name, one in value.items()}
    msg = "clusters are names with shares"
    raise Unfit(msg, "write {cluster1: 100%} or [cluster1]")


def rate(value: Any) -> float:
    """Requests a second.

    >>> rate("100/s"), rate("30/m"), rate(5)
    (100.0, 0.5, 5.0)
    """
    match = _RATE.fullmatch(str(value)) if isinstance(value, (str, int, float)) and len(str(value)) < 40 else None
    if match is None or isinstance(value, bool):
        msg = f"{shown(value)} is no rate"
        raise Unfit(msg, "write 100/s, 30/m, or a number a second")
    return float(match[1]) / _UNITS[match[2] or "s"]


def version(value: Any) -> str:
    """A version as text: `1.10` without quotes is the number 1.1."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        msg = "YAML reads an unquoted version as a number, and 1.10 is the same number as 1.1"
        raise Unfit(msg, QUOTE)
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        msg = f"{shown(value)} is no version"
        raise Unfit(msg, 'write "1.9" or "1.9.1"')
    return value.removeprefix("v")


def share_or_count(value: Any) -> int | Fraction:
    """How many pods: a number, or a share of them."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.endswith("%"):
        return share(value)
    msg = f"{shown(value)} is no number of pods"
    raise Unfit(msg, "write 2 or 50%")


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A hint for a misspelt word: the nearest known one, else all of them."""
    return nearest(word, known) or (f"known: {', '.join(known)}" if known else "")


def nearest(word: str, known: Collection[str]) -> str:
    """A hint for a misspelt word: the nearest known one, if any is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else ""


def check_cluster_name(name: str) -> None:
    """Raise UsageError for a name that could not stand in `cluster/namespace/name`."""
    if not _CLUSTER_NAME.fullmatch(name):
        msg = f"{name!r} is no name of a cluster"
        raise UsageError(msg, hint="use letters, digits, `-`, `_` and `.`")
