"""What a request must look like: Envoy's RouteMatch (envoy api/envoy/config/route/v3/route_components.proto)."""

import re
from typing import Final

from meshsim.model.frozen import record
from meshsim.tables.configdump.message import Message
from meshsim.tables.envoy import MatchType, RouteMatch, StringMatch

Named = tuple[str, StringMatch]
_UNMODELLED: Final = {
    "runtime_fraction": "it takes only a fraction of the requests",
    "grpc": "it takes gRPC requests only",
    "tls_context": "it looks at the client's certificate",
    "dynamic_metadata": "it looks at metadata that filters set",
    "filter_state": "it looks at state that filters set",
    "path_match_policy": "a path template decides",
    "cookies": "it looks at cookies",
}


@record
class Read:
    """A match and what of it is not modelled; `never` where no plain HTTP request can fit."""

    match: RouteMatch
    unmodelled: tuple[str, ...] = ()
    never: bool = False


def route_match(row: Message) -> Read:
    """A route's match in the tables' words."""
    path = _path(row)
    method = authority = None
    headers: list[Named] = []
    without: list[Named] = []
    limits = [why for key, why in _UNMODELLED.items() if row.has(key)]
    for header in row.rows("headers"):
        name = header.text("name").lower()
        wanted = _value(header)
        if wanted is None:
            limits.append(f"the comparison of header {name} is of another kind")
        elif header.flag("invert_match"):
            without.append((name, wanted))
            if wanted.type is not MatchType.PRESENT and not header.flag("treat_missing_header_as_empty"):
                headers.append((name, StringMatch(MatchType.PRESENT)))
        elif header.get("present_match") is False:
            without.append((name, wanted))
        elif name == ":method" and method is None:
            method = wanted
        elif name == ":authority" and authority is None:
            authority = wanted
        else:
            headers.append((name, wanted))
    query = []
    for parameter in row.rows("query_parameters"):
        said = _string(parameter.row("string_match")) if parameter.has("string_match") else None
        if said is None and parameter.has("string_match"):
            limits.append(f"the comparison of parameter {parameter.text('name')} is of another kind")
        query.append((parameter.text("name"), said or StringMatch(MatchType.PRESENT)))
    found = RouteMatch(
        path=path,
        method=method,
        authority=authority,
        headers=tuple(headers),
        without_headers=tuple(without),
        query=tuple(query),
    )
    return Read(found, tuple(limits), never=row.has("connect_matcher"))


def _path(row: Message) -> StringMatch | None:
    ignored = row.get("case_sensitive") is False
    if row.has("path"):
        return StringMatch(MatchType.EXACT, row.text("path"), ignored)
    if row.has("safe_regex"):
        return StringMatch(MatchType.REGEX, row.row("safe_regex").text("regex"), ignored)
    if row.has("path_separated_prefix"):
        return StringMatch(MatchType.PATH_PREFIX, row.text("path_separated_prefix"), ignored)
    prefix = row.text("prefix")
    return None if prefix in {"", "/"} else StringMatch(MatchType.PREFIX, prefix, ignored)


def _value(row: Message) -> StringMatch | None:
    """A header's comparison, also in the words of older versions; None for one that is not modelled."""
    if row.has("string_match"):
        return _string(row.row("string_match"))
    for old, key in (("exact_match", "exact"), ("prefix_match", "prefix"), ("suffix_match", "suffix"),
                     ("contains_match", "contains")):  # fmt: skip
        if row.has(old):
            return _string(Message({key: row.text(old)}, row.name))
    if row.has("safe_regex_match"):
        return StringMatch(MatchType.REGEX, row.row("safe_regex_match").text("regex"))
    if row.has("range_match"):
        return None
    return StringMatch(MatchType.PRESENT)


def _string(row: Message) -> StringMatch | None:
    ignored = row.flag("ignore_case")
    if row.has("exact"):
        return StringMatch(MatchType.EXACT, row.text("exact"), ignored)
    if row.has("prefix"):
        return StringMatch(MatchType.PREFIX, row.text("prefix"), ignored)
    if row.has("safe_regex"):
        return StringMatch(MatchType.REGEX, row.row("safe_regex").text("regex"))
    if row.has("suffix"):
        return StringMatch(MatchType.REGEX, f"(?s).*{re.escape(row.text('suffix'))}", ignored)
    if row.has("contains"):
        return StringMatch(MatchType.REGEX, f"(?s).*{re.escape(row.text('contains'))}.*", ignored)
    return None
