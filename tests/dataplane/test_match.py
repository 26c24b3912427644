"""Whether a request matches a route. Expected values: Envoy's and the Gateway API's definitions; RE2 syntax."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.dataplane.match import HttpRequest, full_match, matches
from meshsim.model.errors import InputError
from meshsim.tables.envoy import MatchType, RouteMatch, StringMatch

EXACT, PREFIX, SEGMENTS, REGEX, PRESENT = (
    MatchType.EXACT,
    MatchType.PREFIX,
    MatchType.PATH_PREFIX,
    MatchType.REGEX,
    MatchType.PRESENT,
)


def path(kind: MatchType, value: str, said: str, *, ignore_case: bool = False) -> bool:
    return matches(RouteMatch(path=StringMatch(kind, value, ignore_case)), HttpRequest(said))


class TestPaths:
    def test_an_empty_match_takes_everything(self) -> None:
        assert matches(RouteMatch(), HttpRequest("/anything", method="DELETE"))

    @pytest.mark.parametrize(
        ("kind", "value", "said", "expected"),
        [
            (EXACT, "/hello", "/hello", True),
            (EXACT, "/hello", "/hello/", False),
            (EXACT, "/hello", "/hello?name=x", True),
            (PREFIX, "/hello", "/helloworld", True),
            (PREFIX, "/hello", "/hell", False),
            (SEGMENTS, "/hello", "/hello", True),
            (SEGMENTS, "/hello", "/hello/", True),
            (SEGMENTS, "/hello", "/hello/world", True),
            (SEGMENTS, "/hello", "/helloworld", False),
            (SEGMENTS, "/hello/", "/hello", True),
            (SEGMENTS, "/hello/", "/helloworld", False),
            (SEGMENTS, "/", "/anything", True),
            (SEGMENTS, "/hello", "/hello?x=1", True),
            (REGEX, "/v[12]", "/v1", True),
            (REGEX, "/v[12]", "/v12", False),
            (REGEX, "/v[12].*", "/v12", True),
        ],
    )
    def test_paths_compare_without_the_query(self, kind: MatchType, value: str, said: str, expected: bool) -> None:
        assert path(kind, value, said) is expected

    @pytest.mark.parametrize(
        ("kind", "value"), [(EXACT, "/Hello"), (PREFIX, "/HEL"), (SEGMENTS, "/HELLO"), (REGEX, "/HEL+O")]
    )
    def test_case_is_ignored_on_demand(self, kind: MatchType, value: str) -> None:
        assert path(kind, value, "/hello", ignore_case=True)
        assert not path(kind, value, "/hello")


class TestOtherParts:
    def test_methods_compare_with_case(self) -> None:
        route = RouteMatch(method=StringMatch(EXACT, "GET"))
        assert matches(route, HttpRequest())
        assert not matches(route, HttpRequest(method="get"))

    def test_authority(self) -> None:
        route = RouteMatch(authority=StringMatch(PREFIX, "web."))
        assert matches(route, HttpRequest(authority="web.shop:80"))
        assert not matches(route, HttpRequest(authority="shop"))

    def test_header_names_compare_without_case_and_values_with(self) -> None:
        route = RouteMatch(headers=(("X-Canary", StringMatch(EXACT, "yes")),))
        assert matches(route, HttpRequest(headers={"x-canary": "yes"}))
        assert matches(route, HttpRequest(headers={"X-CANARY": "yes"}))
        assert not matches(route, HttpRequest(headers={"x-canary": "Yes"}))
        assert not matches(route, HttpRequest())

    def test_presence(self) -> None:
        route = RouteMatch(headers=(("x-canary", StringMatch(PRESENT)),))
        assert matches(route, HttpRequest(headers={"x-canary": ""}))
        assert not matches(route, HttpRequest())

    def test_all_headers_must_hold(self) -> None:
        route = RouteMatch(headers=(("a", StringMatch(EXACT, "1")), ("b", StringMatch(REGEX, "[23]"))))
        assert matches(route, HttpRequest(headers={"a": "1", "b": "3"}))
        assert not matches(route, HttpRequest(headers={"a": "1", "b": "4"}))

    def test_a_header_that_must_not_match_may_be_missing(self) -> None:
        route = RouteMatch(without_headers=(("x-canary", StringMatch(EXACT, "yes")),))
        assert matches(route, HttpRequest())
        assert matches(route, HttpRequest(headers={"x-canary": "no"}))
        assert not matches(route, HttpRequest(headers={"x-canary": "yes"}))

    def test_a_header_that_must_be_absent(self) -> None:
        route = RouteMatch(without_headers=(("x-canary", StringMatch(PRESENT)),))
        assert matches(route, HttpRequest())
        assert not matches(route, HttpRequest(headers={"x-canary": "no"}))

    def test_the_first_value_of_a_query_parameter_counts(self) -> None:
        route = RouteMatch(query=(("v", StringMatch(EXACT, "2")),))
        assert matches(route, HttpRequest("/?v=2&v=3"))
        assert not matches(route, HttpRequest("/?v=3&v=2"))
        assert not matches(route, HttpRequest("/v=2"))

    def test_all_parts_must_hold(self) -> None:
        route = RouteMatch(path=StringMatch(EXACT, "/a"), method=StringMatch(EXACT, "POST"))
        assert not matches(route, HttpRequest("/a"))
        assert matches(route, HttpRequest("/a", method="POST"))


class TestRegularExpressions:
    @pytest.mark.parametrize(
        ("pattern", "text", "expected"),
        [
            ("", "", True),
            ("a|b|", "", True),
            ("(?:ab)+", "abab", True),
            ("(?P<name>a)b", "ab", True),
            ("a{2,3}", "aaaa", False),
            ("a{2,}", "aaaa", True),
            ("a{2}", "aa", True),
            ("a{,2}", "a{,2}", True),
            ("[^/]+/[[:digit:]]*", "ab/12", True),
            ("[]a]+", "a]", True),
            (r"\d+\.\w*", "12.a_", True),
            (r"\Q.*\E.*", ".*x", True),
            (r"\Q.*\E.*", "xx", False),
            (r"\x41\x{42}", "AB", True),
            ("^abc$", "abc", True),
            ("a^b", "ab", False),
            ("a$", "a\n", False),
            ("(?i)ABC", "abc", True),
            ("(?i:A)B", "ab", False),
            (".", "\n", False),
            ("(?s).", "\n", True),
            (r"a\b.b", "a-b", True),
            ("a.*?b", "axbxb", True),
            ("(a*)*", "aaa", True),
            ("(a|ab)(c|bcd)(d*)", "abcd", True),
        ],
    )
    def test_the_whole_text_must_match(self, pattern: str, text: str, expected: bool) -> None:
        assert full_match(pattern, text) is expected

    @pytest.mark.parametrize(
        "pattern",
        ["(?=a)", "(?<!a)b", r"(a)\1", "(?>a)", "a**", "a++", "*a", "(a", "a)", "[a", r"\p", "a{1001}", "a{3,2}",
         "(a{100}){100}", "[z-a]", "[[:nope:]]"],
    )  # fmt: skip
    def test_what_re2_refuses_is_refused_with_the_pattern(self, pattern: str) -> None:
        with pytest.raises(InputError, match=re.escape(repr(pattern))):
            full_match(pattern, "a")

    @pytest.mark.parametrize(
        "pattern", ["(a+)+b", "(a*)*b", "(a|a)*b", "(a|aa)+b", "(.*)(.*)(.*)(.*)b", "(a?){60}a{60}b"]
    )
    def test_no_pattern_takes_exponential_time(self, pattern: str) -> None:
        assert not full_match(pattern, "a" * 300)

    ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "(?:a|b)", "(?:ab|)", "(?:a*b)"])
    PATTERNS = st.lists(st.tuples(ATOMS, st.sampled_from(["", "*", "+", "?", "{1,2}", "*?"])), max_size=5)

    @given(PATTERNS, st.text("abc", max_size=6))
    def test_it_agrees_with_pythons_matcher(self, parts: list[tuple[str, str]], text: str) -> None:
        pattern = "".join(atom + count for atom, count in parts)
        assert full_match(pattern, text) is (re.fullmatch(pattern, text) is not None)


def test_requests_have_defaults() -> None:
    request: Any = HttpRequest()
    assert (request.path, request.method, request.authority, dict(request.headers)) == ("/", "GET", "", {})
