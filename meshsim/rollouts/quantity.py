"""Kubernetes quantities in the one spelling that Go's encoder writes.

Source: k8s.io/apimachinery pkg/api/resource quantity.go (ParseQuantity, CanonicalizeBytes).
"""

import re
from fractions import Fraction

from meshsim.model.errors import MalformedError

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SHAPE = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+|[numkMGTPE]?)\Z")
_NANO = 10**9
_DECIMAL_DIGITS = 18
_BINARY_DIGITS = 15
_LARGEST = 2**63 - 1


def canonical_quantity(text: str | float) -> str:
    """A quantity as the API machinery writes it; raises MalformedError where `text` is none.

    >>> [canonical_quantity(q) for q in ("0.1", "1024Mi", "1000m", "0.5Gi", "1e3", 1000, "1.5Ki")]
    ['100m', '1Gi', '1', '512Mi', '1e3', '1k', '1536']
    """
    sign, digits, suffix = _parts(text)
    if _kept(digits, suffix):
        return str(text).strip()
    exact = _exact(digits, suffix)
    # Finer than a nano is rounded up, away from zero; larger than an int64 is capped (quantity.go ParseQuantity).
    value = Fraction(-((-exact * _NANO) // 1), _NANO)
    if suffix in _BINARY:
        value = min(value, Fraction(_LARGEST))
    form = "binary" if suffix in _BINARY else "exponent" if _is_exponent(suffix) else "decimal"
    if value == 0:
        return "0"
    if form == "binary" and (value < 1024 or value.denominator != 1):
        form = "decimal"  # so that nothing is lost
    head = "-" if sign == "-" else ""
    return head + (_binary(int(value)) if form == "binary" else _decimal(value, exponent=form == "exponent"))


def in_millis(text: str | float) -> str | float:
    """A quantity rounded up to whole thousandths, as it is where it has no finer part (quantity.go RoundUp).

    >>> [in_millis(q) for q in ("0.0001", "100u", "1.5", "1e-4")]
    ['1m', '1m', '1.5', '1e-3']
    """
    sign, digits, suffix = _parts(text)
    millis = _exact(digits, suffix) * 1000
    if millis.denominator == 1:
        return text
    unit = "e-3" if _is_exponent(suffix) else "m"
    return canonical_quantity(f"{sign}{-(-millis // 1)}{unit}")


def _parts(text: str | float) -> tuple[str, str, str]:
    match = _SHAPE.match(str(text).strip())
    if match is None:
        msg = f"{text!r} is no quantity: write digits with a suffix such as m, k, M, Ki, Mi or Gi"
        raise MalformedError(msg)
    sign, digits, suffix = match.groups()
    return sign, digits, suffix


def _exact(digits: str, suffix: str) -> Fraction:
    return Fraction(digits + "0" if digits.endswith(".") else digits) * _scale(suffix)


def _is_exponent(suffix: str) -> bool:
    return suffix[:1] in {"e", "E"} and len(suffix) > 1


def _kept(digits: str, suffix: str) -> bool:
    """Whether ParseQuantity keeps the spelling it read: its test for "already canonical" lets `1.234` and `+1` pass."""
    whole, _, part = digits.partition(".")
    whole = whole.lstrip("0") or "0"
    if suffix in _BINARY:
        return not part and int(whole) & 7 != 0 and len(whole) + 3 * _BINARY[suffix] < _BINARY_DIGITS
    scale = (_DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])) - len(part)
    shifted = whole + part
    fast = len(shifted) <= _DECIMAL_DIGITS and scale >= _DECIMAL["n"]
    return fast and scale % 3 == 0 and not shifted.endswith("000") and not shifted.startswith("0")


def _scale(suffix: str) -> Fraction:
    if suffix in _BINARY:
        return Fraction(1024) ** _BINARY[suffix]
    if suffix in _DECIMAL:
        return Fraction(10) ** _DECIMAL[suffix]
    return Fraction(10) ** int(suffix[1:])


def _binary(value: int) -> str:
    power = 0
    while value % 1024 == 0 and power < len(_BINARY):
        value //= 1024
        power += 1
    return f"{value}{['', *_BINARY][power]}"


def _decimal(value: Fraction, *, exponent: bool) -> str:
    mantissa, power = int(value * _NANO), -9
    while mantissa % 1000 == 0 and (exponent or power < _DECIMAL["E"]):
        mantissa //= 1000
        power += 3
    if exponent:
        return f"{mantissa}e{power}" if power else str(mantissa)
    return str(mantissa) + next(name for name, scale in _DECIMAL.items() if scale == power)
