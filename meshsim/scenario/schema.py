"""What a scenario file may hold: the one place where its text is checked, and the source of its JSON Schema.

The schema is given to pydantic's core as it is, without model classes: importing pydantic and building models takes
longer than everything else that `meshsim run` does with a small mesh. Unions are read by functions (see `notation`),
so that an error's location is simply a path in the file. `json_schema` uses pydantic proper.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from pydantic_core import SchemaValidator
from pydantic_core import core_schema as core

from meshsim.manifests.shapes import shown
from meshsim.model.verdict import Verdict
from meshsim.scenario.notation import (
    DURATION_PATTERN,
    SHARE_PATTERN,
    Unfit,
    cluster_shares,
    duration,
    moment,
    rate,
    share_or_count,
    share_range,
    version,
)
from meshsim.scenario.scenario import DATAPLANES, DEFAULT_DIALECT, DIALECTS, FAMILIES
from meshsim.scenario.verbs import COMPONENTS, RESULTS, VERBS, keys_of

Schema = Any
Fields = dict[str, Any]

_TEXT: Final[Schema] = core.str_schema(strict=True)
_FLAG: Final[Schema] = core.bool_schema(strict=True)
_ANY: Final[Schema] = core.any_schema()


def _one_of(words: Sequence[str]) -> Schema:
    return core.literal_schema(list(words))


def _count(least: int = 0, most: int | None = None) -> Schema:
    return core.int_schema(strict=True, ge=least, le=most)


def _read(function: Callable[[Any], Any], json: dict[str, Any]) -> Schema:
    """A value that `function` reads or refuses; `json` is its JSON Schema."""
    return core.no_info_plain_validator_function(function, metadata={"json": json})


def _map(values: Schema, keys: Schema = _TEXT) -> Schema:
    return core.dict_schema(keys, values, strict=True)


def _list(items: Schema) -> Schema:
    return core.list_schema(items, strict=True)


def _may(schema: Schema, description: str = "") -> Schema:
    """An optional field; null is the same as leaving it out."""
    return core.typed_dict_field(core.nullable_schema(schema), required=False, metadata={"description": description})


def _opt(schema: Schema, description: str = "") -> Schema:
    """An optional field that cannot be null."""
    return core.typed_dict_field(schema, required=False, metadata={"description": description})


def _must(schema: Schema, description: str = "") -> Schema:
    return core.typed_dict_field(schema, required=True, metadata={"description": description})


def _mapping(fields: Fields) -> Schema:
    return core.typed_dict_schema(fields, extra_behavior="forbid", strict=True)


def _argo(value: Any) -> Any:
    return value if isinstance(value, dict) else {"controller": version(value)}


def _peering(value: Any) -> Any:
    if isinstance(value, list) or value == "all" or value == "none":
        return value
    msg = f"{shown(value)} is neither all, none, nor a list of links"
    raise Unfit(msg, "write [{watcher: cluster2, peer: cluster1}]")


def _manifests(value: Any) -> Any:
    if isinstance(value, (str, dict)):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, (str, dict)) for item in value):
        msg = "this is no list of paths, globs, `-`, or objects"
        raise Unfit(msg, "write [manifests/cluster1/]")
    return value


def _labels(value: Any) -> Any:
    if not isinstance(value, (dict, list)) or not all(isinstance(key, str) for key in value):
        msg = "these are neither {key: value} nor [key]"
        raise Unfit(msg, "label takes {key: value}, unlabel [key]")
    return value


def _reasons(value: Any) -> Any:
    reasons = [value] if isinstance(value, str) else value
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        msg = f"{shown(value)} is no list of reason codes"
        raise Unfit(msg, "write [MS201] or [client-local-waypoint]")
    return reasons


_SECONDS: Final = {"anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"type": "number", "minimum": 0}]}
_FRACTION: Final = {
    "anyOf": [{"type": "string", "pattern": SHARE_PATTERN}, {"type": "number", "minimum": 0, "maximum": 1}]
}
_VERSIONED: Final = {"type": "string", "pattern": r"^v?\d+\.\d+(\.\d+)?"}
_DURATION: Final = _read(duration, _SECONDS)
_RANGE: Final = _read(share_range, _FRACTION)
_VERSION: Final = _read(version, _VERSIONED)
_ARGO: Final = core.no_info_before_validator_function(
    _argo,
    _map(_VERSION, _one_of(("controller", "gatewayapi"))),
    metadata={"json": {"anyOf": [_VERSIONED, {"type": "object", "additionalProperties": _VERSIONED}]}},
)
_PEERING: Final = _read(
    _peering,
    {
        "anyOf": [
            {"enum": ["all", "none"]},
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"watcher": {"type": "string"}, "peer": {"type": "string"}},
                    "required": ["watcher", "peer"],
                },
            },
        ]
    },
)
_MANIFESTS: Final = _read(_manifests, {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}})
_ENV: Final = _map(_map(_TEXT), _one_of(("env",)))

CLUSTER: Final[Fields] = {
    "network": _may(_TEXT, "default: the topology.istio.io/network label on istio-system, else the cluster's name"),
    "region": _may(_TEXT, "locality of nodes that the manifests do not describe"),
    "zone": _may(_TEXT, "locality of nodes that the manifests do not describe"),
    "root": _may(_TEXT, "trust root; clusters with different roots cannot connect"),
    "dialect": _may(_one_of(DIALECTS), "product and version, where they differ from the scenario's"),
    "argo": _may(_ARGO, "versions of Argo Rollouts, where they differ from the scenario's"),
    "dataplane": _may(_one_of(DATAPLANES), "stands in for namespaces that no manifest describes"),
    "manifests": _opt(_MANIFESTS, "files, directories, globs, `-` for standard input, or inline objects"),
    "istiod": _opt(_ENV, "istiod's env"),
    "ztunnel": _opt(_ENV, "ztunnel's env"),
    "unread": _opt(_map(_TEXT), "kinds that nobody could read, and why: {HTTPRoute: forbidden}"),
    "dumps": _opt(
        _map(_ANY, _one_of(("ztunnel", "envoy"))),
        "live dumps that replace tables: ztunnel: FILE, envoy: {PROXY: FILE, or [CONFIG_DUMP, CLUSTERS]}",
    ),
}
CALL: Final[Fields] = {
    "from": _must(_TEXT, "cluster/namespace/workload, ingress:CLUSTER/NAMESPACE/NAME, or external:CLUSTER"),
    "to": _must(_TEXT, "host:port; the port may be left out where there is only one"),
    "path": _opt(_TEXT, "default /"),
    "headers": _opt(_map(_TEXT), "request headers"),
    "connection": _opt(_one_of(("new", "keep-alive")), "a connection for each request (default), or one for all"),
}
ENTRY: Final[Fields] = {
    "at": _may(_DURATION, "since the start"),
    "when": _may(_one_of(("paused",)), "as soon as the Rollout pauses next"),
    "after": _may(_DURATION, "a wait on top of `when`"),
    "do": _must(_one_of(tuple(VERBS)), "what happens"),
    "rollout": _may(_TEXT, "cluster/namespace/name"),
    "workload": _may(_TEXT, "cluster/namespace/name"),
    "container": _may(_TEXT),
    "image": _may(_TEXT),
    "full": _may(_FLAG, "promote past all steps"),
    "to-revision": _may(_count()),
    "step": _may(_count()),
    "template": _may(_TEXT, "the AnalysisTemplate"),
    "result": _may(_one_of(RESULTS)),
    "replicas": _may(_count()),
    "object": _may(_TEXT, "cluster/Kind/namespace/name, or cluster/Kind/name without a namespace"),
    "labels": _may(_read(_labels, {"type": ["object", "array"]}), "{key: value} to label, [key] to unlabel"),
    "annotations": _may(_map(core.nullable_schema(_TEXT)), "null removes"),
    "patch": _may(_map(_ANY), "a JSON merge patch"),
    "cluster": _may(_TEXT),
    "manifests": _may(_MANIFESTS),
    "target": _may(_TEXT, "a workload, waypoint:…, ingress:…, eastwest:…, cluster:…, zone:…, node:…, link:…"),
    "pods": _may(_read(share_or_count, {"type": ["integer", "string"]}), "how many pods of the workload, or a share"),
    "revision": _may(_one_of(("stable", "canary"))),
    "weight": _may(_count(0, 100)),
    "component": _may(_one_of(COMPONENTS)),
    "env": _may(_map(core.nullable_schema(_TEXT)), "null removes"),
    "version": _may(_VERSION),
}
EXPECT: Final[Fields] = {
    "at": _may(_read(moment, _SECONDS), "240s, 60s#3, step:2 or weight:25"),
    "step": _may(_count(), "the probe at this step"),
    "from": _may(_TEXT),
    "to": _may(_TEXT),
    "path": _may(_TEXT),
    "rollout": _may(_TEXT, "cluster/namespace/name"),
    "verdict": _may(_one_of([verdict.value for verdict in Verdict])),
    "masked": _may(_FLAG),
    "reasons": _may(_read(_reasons, {"type": "array", "items": {"type": "string"}}), "all present"),
    "canary": _may(_RANGE, "effective share: 50%, 0.5, 1/3 or 45%..55%"),
    "stable": _may(_RANGE),
    "other": _may(_RANGE),
    "errors": _may(_RANGE),
    "clusters": _may(_read(cluster_shares, {"type": ["object", "array"]}), "the clusters that serve, with shares"),
    "decided_by": _may(_TEXT),
    "never": _opt(_FLAG, "holds at no time"),
    "known": _may(_TEXT, "URL of the issue: fails today; passing is then a failure too"),
}
TRAFFIC: Final[Fields] = {
    "rate": _may(_read(rate, {"type": ["string", "number"]}), "requests a second, or 100/s"),
    "latency": _may(_DURATION),
    "concurrency": _may(_count(1)),
}
SCENARIO: Final[Fields] = {
    "apiVersion": _must(_one_of(("meshsim/v1",))),
    "kind": _must(_one_of(("Scenario",))),
    "name": _may(_TEXT),
    "dialect": _opt(_one_of(DIALECTS), f"product and version that is simulated; default {DEFAULT_DIALECT}"),
    "argo": _opt(_ARGO, "versions of the controller and of the Gateway API plugin; a minor means its latest patch"),
    "dataplane": _may(_one_of(DATAPLANES), "stands in for namespaces that no manifest describes"),
    "clusters": _must(core.dict_schema(_TEXT, _mapping(CLUSTER), min_length=1, strict=True)),
    "peering": _may(_PEERING, "default: the `istio-remote` Gateways among the manifests"),
    "calls": _opt(_list(_mapping(CALL)), "who calls what; default: every class of clients to every governed Service"),
    "traffic": _opt(_mapping(TRAFFIC), "load, only where a question needs it"),
    "timing": _opt(_map(_DURATION, _one_of(("pod_ready", "pod_terminate", "resync")))),
    "propagation": _opt(
        _map(_ANY, _one_of(("per", "default", *FAMILIES))),
        "lags by family of tables: a duration or [min, max]; `per` cluster or proxy",
    ),
    "assume": _opt(_map(_TEXT), "overrides of contested defaults"),
    "timeline": _opt(_list(_mapping(ENTRY)), "what happens over time"),
    "expect": _opt(_list(_mapping(EXPECT)), "what must hold; only the stated fields are compared"),
    "sampling": _opt(_map(_count(), _one_of(("requests", "seed")))),
}
PARTS: Final[dict[str, Fields]] = {
    "clusters": CLUSTER,
    "calls": CALL,
    "timeline": ENTRY,
    "expect": EXPECT,
    "traffic": TRAFFIC,
}
"""The fields below each key of a scenario that has fields of its own."""


def validated(value: dict[str, Any]) -> dict[str, Any]:
    """The file's values read: durations as seconds, shares as Fractions. Raises pydantic_core's ValidationError."""
    result: dict[str, Any] = SchemaValidator(_mapping(SCENARIO)).validate_python(value)
    return result


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors and `meshsim schema`."""
    from pydantic.json_schema import GenerateJsonSchema

    class Generate(GenerateJsonSchema):
        """Functions and fields say themselves what they take."""

        def function_plain_schema(self, schema: Any) -> dict[str, Any]:
            return dict(schema["metadata"]["json"])

        def function_before_schema(self, schema: Any) -> dict[str, Any]:
            return dict(schema["metadata"]["json"])

        def nullable_schema(self, schema: Any) -> dict[str, Any]:
            return self.generate_inner(schema["schema"])

        def typed_dict_field_schema(self, schema: Any) -> dict[str, Any]:
            inner = self.generate_inner(schema["schema"])
            description = schema["metadata"]["description"]
            return {**inner, "description": description} if description else inner

    schema = Generate().generate(_mapping(SCENARIO))
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "meshsim scenario"
    schema["properties"]["timeline"]["items"]["allOf"] = [
        {
            "if": {"properties": {"do": {"const": verb}}},
            "then": {
                "required": [key for key in taken.needs if "|" not in key],
                "propertyNames": {"enum": ["at", "when", "after", "do", *keys_of(verb)]},
            },
        }
        for verb, taken in VERBS.items()
    ]
    return schema
