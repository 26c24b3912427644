"""Exact shares: Fractions in, Fractions out; text and JSON forms at the edge."""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, TypeVar

K = TypeVar("K")
ZERO = Fraction(0)
ONE = Fraction(1)
_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:/\s*(\d+))?\s*(%)?\s*\Z")


def parse_share(text: str | float) -> Fraction:
    """Read `50%`, `0.5`, `1/3` or a number as an exact share between 0 and 1.

    Raises ValueError where it is none.

    >>> parse_share("50%"), parse_share("1/3"), parse_share(0.2)
    (Fraction(1, 2), Fraction(1, 3), Fraction(1, 5))
    """
    match = _NUMBER.match(str(text))
    if match is None or (match[2] is not None and int(match[2]) == 0):
        msg = f"{text!r} is no share: write 50%, 0.5 or 1/3"
        raise ValueError(msg)
    value = Fraction(match[1]) / int(match[2] or 1) / (100 if match[3] else 1)
    if value > 1:
        way = "shares are at most 100%" if match[3] or match[2] or value > 100 else f"write {text}% for percent"
        msg = f"{text!r} is above 1: {way}"
        raise ValueError(msg)
    return value


def percent(share: Fraction) -> str:
    """A share as an architect reads it: exact where two decimals suffice, rounded with `≈` where not.

    >>> percent(Fraction(1, 2)), percent(Fraction(1, 3)), percent(Fraction(1, 8))
    ('50%', '≈33.3%', '12.5%')
    """
    value = share * 100
    if value.denominator == 1:
        return f"{value.numerator}%"
    exact = f"{float(value):.2f}".rstrip("0")
    if Fraction(exact) == value:
        return f"{exact}%"
    return f"≈{float(value):.1f}%"


def total(shares: Iterable[tuple[K, Fraction]]) -> dict[K, Fraction]:
    """Sum shares by key, leaving out zeros, keys in order of first appearance."""
    sums: dict[K, Fraction] = {}
    for key, share in shares:
        sums[key] = sums.get(key, ZERO) + share
    return {key: share for key, share in sums.items() if share}


def normalised(weights: Mapping[K, int | Fraction]) -> dict[K, Fraction]:
    """Weights as shares of their sum; empty where the sum is zero."""
    whole = sum(weights.values(), ZERO)
    return {key: Fraction(weight) / whole for key, weight in weights.items() if weight} if whole else {}


def spared(weights: Mapping[K, int | Fraction], drained: Mapping[K, int]) -> dict[K, Fraction]:
    """Weights as shares where `drained` gives the percentage of its normal share that a key is spared: the others
    take it in proportion, and those alone that are drained share by what is left of each.

    >>> spared({"here": 3, "there": 7}, {"there": 50})
    {'here': Fraction(13, 20), 'there': Fraction(7, 20)}
    """
    if not any(drained.values()):
        return normalised(weights)
    left = {key: Fraction(weight) * (100 - drained.get(key, 0)) / 100 for key, weight in weights.items()}
    whole = {key: weight for key, weight in weights.items() if not drained.get(key, 0)}
    if not sum(whole.values()):
        return normalised(left)
    every = sum(weights.values(), ZERO)
    rest = 1 - sum((left[key] for key in weights if key not in whole), ZERO) / every
    shares = {key: rest * share for key, share in normalised(whole).items()}
    return {key: found for key in weights if (found := shares.get(key, left[key] / every))}


def plain(value: object) -> Any:
    """A value as JSON has it: exact shares as text, ranges as `low..high`, mappings and lists throughout."""
    match value:
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case (Fraction() as low, Fraction() as high):
            return str(low) if low == high else f"{low}..{high}"
        case list() | tuple() | set() | frozenset():
            return [plain(one) for one in value]
        case None | bool() | int():
            return value
        case float():
            return value if value == value and abs(value) != float("inf") else str(value)
        case _:
            return str(value)
