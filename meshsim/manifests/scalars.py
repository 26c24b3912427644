"""Plain YAML scalars as Kubernetes reads them.

kubectl and the API server read YAML through sigs.k8s.io/yaml, whose scalar rules are goyaml.v2's: YAML 1.1 words
(`on`, `yes` and `y` are booleans), octal `0777`, underscores in numbers, yet no sexagesimal `12:30:45` and no
timestamps. The result is carried as JSON, so that `1.0` arrives as the integer 1.

Source: kubernetes-sigs/yaml goyaml.v2/resolve.go and yaml.go.
"""

import re
from typing import Any, Final

_WORDS: Final[dict[str, Any]] = {
    **{
        form: value
        for words, value in (("y yes true on", True), ("n no false off", False), ("null", None))
        for word in words.split()
        for form in (word, word.capitalize(), word.upper())
    },
    "": None,
    "~": None,
}
_INTEGER: Final = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_A_NUMBER: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BASES: Final = {"x": 16, "b": 2, "o": 8}
_LARGEST_INTEGER: Final = 2**64


def plain(text: str) -> Any:
    """The value of an unquoted scalar. Raises ValueError for infinities and not-a-number, which JSON cannot carry.

    >>> plain("on"), plain("0777"), plain("12:30:45"), plain("1.0"), plain("2026-01-02"), plain("1_000"), plain("08")
    (True, 511, '12:30:45', 1, '2026-01-02', 1000, 8)
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_A_NUMBER.fullmatch(text):
        msg = f"{text} is no number that Kubernetes can carry"
        raise ValueError(msg)
    number = text.replace("_", "") if text[0] != "." else text
    if _INTEGER.fullmatch(number):
        value = _integer(number)
        if -_LARGEST_INTEGER < 2 * value < 2 * _LARGEST_INTEGER:
            return value
    if _FLOAT.fullmatch(number):
        real = float(number)
        if real in {float("inf"), float("-inf")}:
            return text
        return int(real) if real.is_integer() and abs(real) < _LARGEST_INTEGER // 2 else real
    return text


def _integer(number: str) -> int:
    sign, digits = (-1, number[1:]) if number[0] == "-" else (1, number.removeprefix("+"))
    if len(digits) > 1 and digits[0] == "0":
        base = _BASES.get(digits[1].lower())
        return sign * (int(digits[2:], base) if base else int(digits, 8))
    return sign * int(digits) if len(digits) < 40 else sign * _LARGEST_INTEGER


def plain_key(text: str) -> str | None:
    """An unquoted mapping key as JSON spells it, None where it can be no key.

    >>> plain_key("on"), plain_key("0x10"), plain_key("a")
    ('true', '16', 'a')
    """
    try:
        value = plain(text)
    except ValueError:
        return text
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return None
