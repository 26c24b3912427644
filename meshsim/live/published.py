"""Observation files as users commit them: what `meshsim live observe` wrote, and what people wrote down by hand."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from pydantic_core import SchemaValidator, ValidationError

from meshsim.live.labels import is_error
from meshsim.live.recording import SCHEMA, Observed, Recording, RolloutState
from meshsim.manifests.located import Located, documents
from meshsim.manifests.shapes import shown
from meshsim.manifests.sources import STANDARD_INPUT, read_bytes
from meshsim.model.errors import InputError, raise_all
from meshsim.model.evidence import Source
from meshsim.model.shares import ONE
from meshsim.scenario import fields
from meshsim.scenario.complaints import complaints
from meshsim.scenario.notation import SHARE_PATTERN, Unfit, moment, share_range

MOST: Final = 1_000_000_000
"""Requests of one call."""


def _errors(value: Any) -> dict[str, int]:
    """A number of failed requests, or numbers by code."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST:
        return {"error": value} if value else {}
    if not isinstance(value, dict):
        msg = f"{shown(value)} is no number of errors"
        raise Unfit(msg, 'write 3, or by what the sender read: {"503": 3}')
    for code, count in value.items():
        if not isinstance(code, str):
            msg = f"the code {code!r} must be text"
            raise Unfit(msg, f'quote it: "{code}"')
        if not is_error(code):
            msg = f"{code!r} is no error"
            raise Unfit(
                msg, "write an HTTP code of 400 and above, 000, reset, refused, timeout, denied, nxdomain or tls"
            )
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MOST:
            msg = f"{shown(count)} is no number of requests"
            raise Unfit(msg)
    return dict(value)


def _means(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        msg = f"{shown(value)} does not say what labels mean"
        raise Unfit(msg, "write {v1: stable, v2: canary}; a meaning is a role, a cluster, an image or a pod")
    return value


_COUNT: Final = fields.count(0, MOST)
_COUNTS: Final = fields.mapping_of(_COUNT)
_SHARE: Final = fields.read(
    share_range,
    {"anyOf": [{"type": "string", "pattern": SHARE_PATTERN}, {"type": "number", "minimum": 0, "maximum": 1}]},
)
_MOMENT: Final = fields.read(moment, {"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0}]})
_NUMBERS: Final = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
_ERRORS: Final = fields.read(_errors, {"anyOf": [{"type": "integer", "minimum": 0}, _NUMBERS]})
_MEANS: Final = fields.read(_means, {"type": "object", "additionalProperties": {"type": "string"}})
_BY: Final[fields.Fields] = {
    "counts": fields.opt(_COUNTS, "answers by whatever tells them apart: roles, versions, clusters, pods, zones"),
    "roles": fields.opt(_COUNTS, "answers by stable, canary, other"),
    "versions": fields.opt(_COUNTS, "answers by version: an image, its tag, a word of it, or the pods' version label"),
    "clusters": fields.opt(_COUNTS, "answers by cluster of the scenario"),
    "pods": fields.opt(_COUNTS, "answers by pod, cluster/namespace/name"),
    "zones": fields.opt(_COUNTS, "answers by zone of the pod's node"),
}
OBSERVATION: Final[fields.Fields] = {
    "from": fields.must(fields.TEXT, "the client, as in a scenario's calls"),
    "to": fields.must(fields.TEXT, "the address and port, as in a scenario's calls"),
    "path": fields.opt(fields.TEXT, "default: /"),
    "headers": fields.opt(fields.mapping_of(fields.TEXT)),
    "connection": fields.opt(
        fields.one_of(("new", "keep-alive")),
        "new: one for each request (default, unless there were fewer connections than requests)",
    ),
    "at": fields.opt(_MOMENT, "the moment in the scenario: 240s, step:2, weight:25"),
    "rollout": fields.opt(fields.TEXT, "cluster/namespace/name: whose roles, where several Rollouts govern the call"),
    "requests": fields.opt(_COUNT, "how many were sent (default: the sum of the counts)"),
    "connections": fields.opt(_COUNT, "how many connections carried them (keep-alive)"),
    **_BY,
    "first": fields.opt(fields.mapping(_BY), "the first answer of each connection, counted alike"),
    "mixed": fields.opt(_COUNT, "connections that more than one pod answered"),
    "shares": fields.opt(fields.mapping_of(_SHARE), "where no counts are published: 50%, 1/3, 45%..55%"),
    "errors": fields.opt(_ERRORS, "failed requests: a number, or numbers by what the sender read"),
    "unattributed": fields.opt(_COUNT, "answers that name nobody"),
    "means": fields.opt(_MEANS, "label → what it means in the scenario"),
    "moved": fields.opt(fields.list_of(fields.TEXT), "what changed while it was counted"),
    "not_sent": fields.opt(fields.TEXT, "why the call was not made"),
    "note": fields.opt(fields.TEXT),
}
_STATE: Final[fields.Fields] = {
    "phase": fields.opt(fields.TEXT),
    "step": fields.opt(_COUNT),
    "weight": fields.opt(_COUNT),
    "stable": fields.opt(fields.TEXT),
    "canary": fields.opt(fields.TEXT),
}
FILE: Final[fields.Fields] = {
    "$schema": fields.opt(fields.TEXT, "for editors: where this schema is"),
    "schema": fields.must(fields.one_of((SCHEMA,))),
    "scenario": fields.opt(fields.TEXT, "the scenario's name"),
    "source": fields.opt(fields.TEXT, "where the numbers are from"),
    "observed": fields.opt(fields.TEXT, "when, as you like it"),
    "versions": fields.opt(fields.mapping_of(fields.ANY), "of what was observed"),
    "rollouts": fields.opt(fields.mapping_of(fields.mapping(_STATE)), "the Rollouts' states at the start"),
    "means": fields.opt(_MEANS, "label → what it means, for every observation"),
    "unstable": fields.opt(fields.FLAG, "something moved meanwhile"),
    "observations": fields.must(fields.list_of(fields.mapping(OBSERVATION))),
}
PARTS: Final = {"observations": OBSERVATION, "rollouts": _STATE}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an observation file, for editors."""
    return fields.json_schema(FILE, "meshsim observations")


def read(path: str | os.PathLike[str]) -> Recording:
    """The observations in a file, JSON or YAML; `-` is standard input. Raises InputError with the line."""
    import sys

    name = os.fspath(path)
    if name == STANDARD_INPUT:
        return parse(sys.stdin.buffer.read(), "standard input")
    return parse(read_bytes(name), name)


def parse(content: bytes, file: str) -> Recording:
    """The observations in a text. Raises InputError with the line."""
    found = [document for document in documents(content, file) if document.value is not None]
    if len(found) != 1 or not isinstance(found[0].value, dict):
        what = "is empty" if not found else "holds several documents" if len(found) > 1 else "is no mapping"
        msg = f"{what}, and should be meshsim observations"
        raise InputError(msg, where=Source(file), hint=f'begin with {{"schema": "{SCHEMA}", "observations": []}}')
    document = found[0]
    if document.value.get("kind") == "Scenario":
        msg = "this is a scenario, not a file of observations"
        raise InputError(msg, where=document.place(("kind",)), hint="meshsim live compare OBSERVATIONS SCENARIO")
    try:
        value: dict[str, Any] = SchemaValidator(fields.mapping(FILE)).validate_python(document.value)
    except ValidationError as error:
        raise_all(complaints(error, document, whole="the file", fields=FILE, parts=PARTS))
        raise
    if not value["observations"]:
        msg = "there are no observations"
        raise InputError(msg, where=document.place(("observations",)))
    errors: list[InputError] = []
    read: list[Observed] = []
    for index, one in enumerate(value["observations"]):
        try:
            read.append(_observed(one, document, index))
        except InputError as error:
            errors.append(error)
    raise_all(errors)
    return Recording(
        observations=tuple(read),
        scenario=value.get("scenario", ""),
        source=value.get("source", ""),
        observed=value.get("observed", ""),
        versions=value.get("versions", {}),
        rollouts={name: RolloutState(**state) for name, state in value.get("rollouts", {}).items()},
        means=value.get("means", {}),
        file=file,
    )


def _observed(value: Mapping[str, Any], document: Located, index: int) -> Observed:
    """One observation, with its sums checked."""
    at = ("observations", index)
    counted, errors = _counts(value, document, at)
    unattributed = value.get("unattributed", 0)
    whole = sum(errors.values()) + max((sum(counts.values()) for counts in counted.values()), default=0)
    requests = value.get("requests", whole + unattributed)
    shared = value.get("connections", requests) < requests
    first = {"any" if key == "counts" else key: counts for key, counts in value.get("first", {}).items()}
    one = Observed(
        frm=value["from"],
        to=value["to"],
        path=value.get("path", "/"),
        headers=value.get("headers", {}),
        connection=value.get("connection", "keep-alive" if shared else "new"),
        at=value.get("at"),
        rollout=value.get("rollout"),
        requests=requests,
        connections=value.get("connections"),
        counted=counted,
        first=first,
        mixed=value.get("mixed"),
        errors=errors,
        shares=value.get("shares", {}),
        unattributed=unattributed,
        moved=tuple(value.get("moved", ())),
        not_sent=value.get("not_sent", ""),
        note=value.get("note", ""),
        means=value.get("means", {}),
        where=document.place(at),
    )
    for key, message, hint in _faults(one, "errors" in value):
        raise InputError(message, where=document.key_place((*at, key)) if key else document.place(at), hint=hint)
    return one if requests else replace(one, counted={}, errors={})


def _counts(
    value: Mapping[str, Any], document: Located, at: tuple[str, int]
) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """Answers by dimension, and errors: those among the counts are errors, too."""
    means = value.get("means", {})
    counted = {"any" if key == "counts" else key: dict(value[key]) for key in _BY if value.get(key)}
    errors = dict(value.get("errors", {}))
    for label in [label for label in counted.get("any", {}) if is_error(label) and label not in means]:
        if label in errors:
            msg = f"{label!r} is counted twice, under counts and errors"
            raise InputError(msg, where=document.key_place((*at, "counts", label)))
        errors[label] = counted["any"].pop(label)
    return (
        {key: counts for key, counts in counted.items() if counts},
        {code: count for code, count in errors.items() if count or len(errors) == 1},
    )


def _faults(one: Observed, errors: bool) -> Iterator[tuple[str, str, str]]:
    """What cannot be: the key that it stands under ("" for the whole), the sentence, the way out."""
    if not one.path.startswith("/"):
        yield "path", f"the path {one.path!r} does not begin with /", ""
    if one.not_sent:
        return
    if not one.counted and not one.errors and not one.shares:
        yield "", "this observation counts nothing", "write counts: {v1: 25, v2: 25}, errors, or shares"
    if not one.shares and not one.requests:
        yield "", "this observation is of no request", "say how many there were: requests: 50"
    for key, counts in one.counted.items():
        name, several = ("counts" if key == "any" else key), sum(counts.values()) + one.failed
        if several > one.requests:
            yield name, f"{name} and errors sum to {several}, which is more than {one.requests} requests", ""
    for what, several in (("errors", one.failed), ("errors and unattributed", one.failed + one.unattributed)):
        if several > one.requests:
            key = "errors" if errors else "unattributed" if one.unattributed else "counts"
            yield key, f"{what} sum to {several}, which is more than {one.requests} requests", ""
    if sum((low for low, _ in one.shares.values()), Fraction(0)) > ONE:
        yield "shares", "the shares sum to more than 100%", ""
    yield from _connection_faults(one)


def _connection_faults(one: Observed) -> Iterator[tuple[str, str, str]]:
    there = one.connections if one.connections is not None else one.requests
    if one.connections == 0 or there > one.requests > 0:
        yield "connections", f"{one.requests} requests cannot use {there} connections", ""
    if there < one.requests and one.connection == "new":
        said = f"{one.requests} requests over {there} connections are not a connection each"
        yield "connections", said, "write connection: keep-alive"
    for counts in one.first.values():
        if sum(counts.values()) > (one.connections or 0):
            yield "first", f"first has {sum(counts.values())} connections, and there were {one.connections or 0}", ""
