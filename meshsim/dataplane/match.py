"""Whether an HTTP request matches a route, as Envoy compares (route matcher, string matcher, RE2).

Regular expressions are matched by following all alternatives at once, so no pattern can take exponential time,
as in RE2; what RE2 refuses (look-around, back-references) is refused here too.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import lru_cache, reduce
from typing import NoReturn, final
from urllib.parse import parse_qsl

from meshsim.model.errors import InputError
from meshsim.model.frozen import record
from meshsim.model.rule import rule
from meshsim.tables.envoy import MatchType, RouteMatch, StringMatch

FIRST_MATCH = rule(
    "envoy.first-matching-route",
    "Routes are tried in order and the first whose conditions all hold is taken.",
    "Envoy HTTP route matching",
)


@final
@record
class HttpRequest:
    """What a route can look at. `path` may carry a query; header names are compared without case."""

    path: str = "/"
    method: str = "GET"
    authority: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def matches(route_match: RouteMatch, request: HttpRequest) -> bool:
    """Whether every condition of `route_match` holds for `request`. Raises InputError for an invalid regex."""
    path, _, query = request.path.partition("?")
    headers = {name.lower(): value for name, value in request.headers.items()}
    pseudo = {
        ":path": request.path,
        ":method": request.method,
        ":authority": request.authority,
        "host": request.authority,
    }
    seen = pseudo | headers
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters.setdefault(name, value)
    return (
        _holds(route_match.path, path)
        and _holds(route_match.method, request.method)
        and _holds(route_match.authority, request.authority)
        and all(_holds(condition, seen.get(name.lower())) for name, condition in route_match.headers)
        and not any(_refused(condition, seen.get(name.lower())) for name, condition in route_match.without_headers)
        and all(_holds(condition, parameters.get(name)) for name, condition in route_match.query)
    )


def _refused(condition: StringMatch, value: str | None) -> bool:
    """A header that must not match; a missing one compares as empty, except for mere presence."""
    return _holds(condition, value if value is not None or condition.type is MatchType.PRESENT else "")


def _holds(condition: StringMatch | None, value: str | None) -> bool:
    if condition is None:
        return True
    if value is None:
        return False
    wanted, said = condition.value, value
    if condition.type is MatchType.PRESENT:
        return True
    if condition.type is MatchType.REGEX:
        return full_match(f"(?i){wanted}" if condition.ignore_case else wanted, said)
    if condition.ignore_case:
        wanted, said = wanted.lower(), said.lower()
    if condition.type is MatchType.EXACT:
        return said == wanted
    if condition.type is MatchType.PREFIX:
        return said.startswith(wanted)
    stem = wanted.rstrip("/")
    return not stem or said == stem or said.startswith(f"{stem}/")


def full_match(pattern: str, text: str) -> bool:
    """Whether the RE2 expression `pattern` matches all of `text`, in time polynomial in both.

    Raises InputError where RE2 would refuse the pattern.

    >>> full_match("/v[0-9]+(/.*)?", "/v2/items"), full_match("(a+)+b", "a" * 64)
    (True, False)
    """
    return len(text) in _compiled(pattern)(text, frozenset({0}))


# A compiled expression maps the positions where it may start in a text to those where it may end.
_Positions = frozenset[int]
_Matcher = Callable[[str, _Positions], _Positions]
_MOST_REPEATS = 1000
_COUNT = re.compile(r"\{(\d+)(,(\d*))?\}")
_GROUP = re.compile(r"\?(?:(:)|P?<([A-Za-z_]\w*)>|([ims]+)([:)]))")
_ESCAPE = re.compile(r"\\(?:[dDwWsSfnrtvabBAzQ]|x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]+\}|[^A-Za-z0-9])")
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?[a-z]+:\]|\\.|[^\]\\])*\]")
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "digit": "0-9",
    "lower": "a-z",
    "upper": "A-Z",
    "space": r"\s",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
}


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> _Matcher:
    return _Parser(pattern).parse()


@final
class _Parser:
    """Reads RE2 syntax: alternatives of sequences of repeated atoms."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.flags = re.ASCII
        self.repeats = 1  # the largest product of nested repeat counts in the atom just read

    def parse(self) -> _Matcher:
        whole = self.alternatives()
        if self.at < len(self.pattern):
            self.refuse("an unmatched )")
        return whole

    def refuse(self, what: str) -> NoReturn:
        msg = f"the regular expression {self.pattern!r} has {what} at position {self.at}, which RE2 refuses"
        raise InputError(msg)

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self, token: re.Pattern[str]) -> re.Match[str] | None:
        found = token.match(self.pattern, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def alternatives(self) -> _Matcher:
        options = [self.sequence()]
        nested = self.repeats
        while self.peek() == "|":
            self.at += 1
            options.append(self.sequence())
            nested = max(nested, self.repeats)
        self.repeats = nested
        return options[0] if len(options) == 1 else _either(options)

    def sequence(self) -> _Matcher:
        parts: list[_Matcher] = []
        nested = 1
        while self.peek() not in {"", "|", ")"}:
            self.repeats = 1
            parts.append(self.repeated(self.atom()))
            nested = max(nested, self.repeats)
        self.repeats = nested
        return _sequence(parts)

    def repeated(self, atom: _Matcher) -> _Matcher:
        simple = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(self.peek())
        if simple is not None:
            self.at += 1
            least, most = simple
        else:
            count = self.take(_COUNT)
            if count is None:
                return atom
            least = int(count[1])
            most = least if count[2] is None else int(count[3]) if count[3] else None
            self.repeats *= max(least, most or 0, 1)
            if self.repeats > _MOST_REPEATS or (most is not None and most < least):
                self.refuse(f"the repeat count {count[0]}")
        if self.peek() == "?":  # lazy: the same full matches
            self.at += 1
        if self.peek() in {"*", "+", "?"}:
            self.refuse("a doubled repetition")
        return _repeat(atom, least, most)

    def atom(self) -> _Matcher:
        char = self.peek()
        if char == "(":
            return self.group()
        if char in {"*", "+", "?"}:
            self.refuse("nothing to repeat")
        if char in {"^", "$"}:
            self.at += 1
            return _assertion(char, self.flags)
        if char == "[":
            found = self.take(_CLASS)
            if found is None:
                self.refuse("an unclosed [")
            return self.one(re.sub(r"\[:([a-z]+):\]", self.posix, found[0]))
        if char == "\\":
            return self.escape()
        self.at += 1
        return self.one("." if char == "." else re.escape(char))

    def posix(self, name: re.Match[str]) -> str:
        if name[1] not in _POSIX:
            self.refuse(f"the unknown class {name[0]}")
        return _POSIX[name[1]]

    def group(self) -> _Matcher:
        self.at += 1
        flags = self.flags
        if self.peek() == "?":
            opened = self.take(_GROUP)
            if opened is None:
                self.refuse("a look-around or unknown group")
            for flag in opened[3] or "":
                self.flags |= {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}[flag]
            if opened[4] == ")":
                return _sequence([])
        inner = self.alternatives()
        if self.peek() != ")":
            self.refuse("an unclosed (")
        self.at += 1
        self.flags = flags
        return inner

    def escape(self) -> _Matcher:
        found = self.take(_ESCAPE)
        if found is None:
            self.refuse(f"the escape {self.pattern[self.at : self.at + 2]}")
        token = found[0]
        if token == r"\Q":
            end = self.pattern.find(r"\E", self.at)
            literal = self.pattern[self.at : end if end >= 0 else None]
            self.at = end + 2 if end >= 0 else len(self.pattern)
            return _sequence([self.one(re.escape(char)) for char in literal])
        if token in {r"\b", r"\B", r"\A", r"\z"}:
            return _assertion(r"\Z" if token == r"\z" else token, self.flags)
        if token.startswith(r"\x{"):
            return self.one(re.escape(chr(int(token[3:-1], 16))))
        return self.one(token)

    def one(self, token: str) -> _Matcher:
        try:
            char = re.compile(token, self.flags)
        except re.error as error:
            self.refuse(f"{token!r} ({error})")
        return lambda text, starts: frozenset(p + 1 for p in starts if p < len(text) and char.fullmatch(text[p]))


def _sequence(parts: Iterable[_Matcher]) -> _Matcher:
    ordered = tuple(parts)
    return lambda text, starts: reduce(lambda ends, part: part(text, ends) if ends else ends, ordered, starts)


def _either(options: Iterable[_Matcher]) -> _Matcher:
    ordered = tuple(options)
    return lambda text, starts: frozenset().union(*(option(text, starts) for option in ordered))


def _assertion(token: str, flags: int) -> _Matcher:
    # $ is the end of the text in RE2, where Python's also matches before a final newline
    where = re.compile(r"\Z" if token == "$" and not flags & re.MULTILINE else token, flags)
    return lambda text, starts: frozenset(p for p in starts if where.match(text, p))


def _repeat(atom: _Matcher, least: int, most: int | None) -> _Matcher:
    def matcher(text: str, starts: _Positions) -> _Positions:
        ends = starts
        for _ in range(least):
            before, ends = ends, atom(text, ends)
            if ends == before:
                break
        reached, fresh, rounds = ends, ends, 0
        while fresh and (most is None or rounds < most - least):
            fresh = atom(text, fresh) - reached
            reached |= fresh
            rounds += 1
        return reached

    return matcher
