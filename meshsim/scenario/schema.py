"""What a scenario file may hold: the one place where its text is checked, and the source of its JSON Schema.

Unions are read by functions (see `notation`),
so that an error's location is simply a path in the file. `json_schema` uses pydantic proper.
"""

from typing import Any, Final

from pydantic_core import SchemaValidator
from pydantic_core import core_schema as core

from meshsim.manifests.shapes import shown
from meshsim.model.verdict import Verdict
from meshsim.scenario import fields
from meshsim.scenario.fields import Fields
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
_DURATION: Final = fields.read(duration, _SECONDS)
_RANGE: Final = fields.read(share_range, _FRACTION)
_VERSION: Final = fields.read(version, _VERSIONED)
_ARGO: Final = core.no_info_before_validator_function(
    _argo,
    fields.mapping_of(_VERSION, fields.one_of(("controller", "gatewayapi"))),
    metadata={"json": {"anyOf": [_VERSIONED, {"type": "object", "additionalProperties": _VERSIONED}]}},
)
_PEERING: Final = fields.read(
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
_MANIFESTS: Final = fields.read(
    _manifests, {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}}
)
_ENV: Final = fields.mapping_of(fields.mapping_of(fields.TEXT), fields.one_of(("env",)))

CLUSTER: Final[Fields] = {
    "network": fields.may(
        fields.TEXT, "default: the topology.istio.io/network label on istio-system, else the cluster's name"
    ),
    "region": fields.may(fields.TEXT, "locality of nodes that the manifests do not describe"),
    "zone": fields.may(fields.TEXT, "locality of nodes that the manifests do not describe"),
    "root": fields.may(fields.TEXT, "trust root; clusters with different roots cannot connect"),
    "dialect": fields.may(fields.one_of(DIALECTS), "product and version, where they differ from the scenario's"),
    "argo": fields.may(_ARGO, "versions of Argo Rollouts, where they differ from the scenario's"),
    "dataplane": fields.may(fields.one_of(DATAPLANES), "stands in for namespaces that no manifest describes"),
    "manifests": fields.opt(_MANIFESTS, "files, directories, globs, `-` for standard input, or inline objects"),
    "istiod": fields.opt(_ENV, "istiod's env"),
    "ztunnel": fields.opt(_ENV, "ztunnel's env"),
    "unread": fields.opt(
        fields.mapping_of(fields.TEXT), "kinds that nobody could read, and why: {HTTPRoute: forbidden}"
    ),
    "dumps": fields.opt(
        fields.mapping_of(fields.ANY, fields.one_of(("ztunnel", "envoy"))),
        "live dumps that replace tables: ztunnel: FILE, envoy: {PROXY: FILE, or [CONFIG_DUMP, CLUSTERS, …]}",
    ),
}
CALL: Final[Fields] = {
    "from": fields.must(fields.TEXT, "cluster/namespace/workload, ingress:CLUSTER/NAMESPACE/NAME, or external:CLUSTER"),
    "to": fields.must(fields.TEXT, "host:port; the port may be left out where there is only one"),
    "path": fields.opt(fields.TEXT, "default /"),
    "headers": fields.opt(fields.mapping_of(fields.TEXT), "request headers"),
    "connection": fields.opt(
        fields.one_of(("new", "keep-alive")), "a connection for each request (default), or one for all"
    ),
}
ENTRY: Final[Fields] = {
    "at": fields.may(_DURATION, "since the start"),
    "when": fields.may(fields.one_of(("paused",)), "as soon as the Rollout pauses next, after what is written above"),
    "after": fields.may(_DURATION, "a wait on top of `when`"),
    "do": fields.must(fields.one_of(tuple(VERBS)), "what happens"),
    "rollout": fields.may(fields.TEXT, "cluster/namespace/name"),
    "workload": fields.may(fields.TEXT, "cluster/namespace/name"),
    "container": fields.may(fields.TEXT),
    "image": fields.may(fields.TEXT),
    "full": fields.may(fields.FLAG, "promote past all steps"),
    "to-revision": fields.may(fields.count()),
    "step": fields.may(fields.count()),
    "template": fields.may(fields.TEXT, "the AnalysisTemplate"),
    "result": fields.may(fields.one_of(RESULTS)),
    "replicas": fields.may(fields.count()),
    "object": fields.may(fields.TEXT, "cluster/Kind/namespace/name, or cluster/Kind/name without a namespace"),
    "labels": fields.may(
        fields.read(_labels, {"type": ["object", "array"]}), "{key: value} to label, [key] to unlabel"
    ),
    "annotations": fields.may(fields.mapping_of(core.nullable_schema(fields.TEXT)), "null removes"),
    "patch": fields.may(fields.mapping_of(fields.ANY), "a JSON merge patch"),
    "cluster": fields.may(fields.TEXT),
    "manifests": fields.may(_MANIFESTS),
    "target": fields.may(
        fields.TEXT, "a workload, waypoint:…, ingress:…, eastwest:…, cluster:…, zone:…, node:…, link:…"
    ),
    "pods": fields.may(
        fields.read(share_or_count, {"type": ["integer", "string"]}), "how many pods of the workload, or a share"
    ),
    "revision": fields.may(fields.one_of(("stable", "canary"))),
    "weight": fields.may(fields.count(0, 100)),
    "component": fields.may(fields.one_of(COMPONENTS)),
    "env": fields.may(fields.mapping_of(core.nullable_schema(fields.TEXT)), "null removes"),
    "version": fields.may(_VERSION),
}
EXPECT: Final[Fields] = {
    "at": fields.may(fields.read(moment, _SECONDS), "240s, 60s#3, step:2 or weight:25"),
    "step": fields.may(fields.count(), "the probe at this step"),
    "from": fields.may(fields.TEXT),
    "to": fields.may(fields.TEXT),
    "path": fields.may(fields.TEXT),
    "rollout": fields.may(fields.TEXT, "cluster/namespace/name"),
    "verdict": fields.may(fields.one_of([verdict.value for verdict in Verdict])),
    "masked": fields.may(fields.FLAG),
    "reasons": fields.may(fields.read(_reasons, {"type": "array", "items": {"type": "string"}}), "all present"),
    "canary": fields.may(_RANGE, "effective share: 50%, 0.5, 1/3 or 45%..55%"),
    "stable": fields.may(_RANGE),
    "other": fields.may(_RANGE),
    "errors": fields.may(_RANGE),
    "clusters": fields.may(
        fields.read(cluster_shares, {"type": ["object", "array"]}), "the clusters that serve, with shares"
    ),
    "decided_by": fields.may(fields.TEXT),
    "never": fields.opt(fields.FLAG, "holds at no time"),
    "known": fields.may(fields.TEXT, "URL of the issue: fails today; passing is then a failure too"),
}
TRAFFIC: Final[Fields] = {
    "rate": fields.may(fields.read(rate, {"type": ["string", "number"]}), "requests a second, or 100/s"),
    "latency": fields.may(_DURATION),
    "concurrency": fields.may(fields.count(1)),
}
SCENARIO: Final[Fields] = {
    "apiVersion": fields.must(fields.one_of(("meshsim/v1",))),
    "kind": fields.must(fields.one_of(("Scenario",))),
    "name": fields.may(fields.TEXT),
    "dialect": fields.opt(fields.one_of(DIALECTS), f"product and version that is simulated; default {DEFAULT_DIALECT}"),
    "argo": fields.opt(
        _ARGO, "versions of the controller and of the Gateway API plugin; a minor means its latest patch"
    ),
    "dataplane": fields.may(fields.one_of(DATAPLANES), "stands in for namespaces that no manifest describes"),
    "clusters": fields.must(core.dict_schema(fields.TEXT, fields.mapping(CLUSTER), min_length=1, strict=True)),
    "peering": fields.may(_PEERING, "default: the `istio-remote` Gateways among the manifests"),
    "calls": fields.opt(
        fields.list_of(fields.mapping(CALL)),
        "who calls what; default: every class of clients to every governed Service",
    ),
    "traffic": fields.opt(fields.mapping(TRAFFIC), "load, only where a question needs it"),
    "timing": fields.opt(fields.mapping_of(_DURATION, fields.one_of(("pod_ready", "pod_terminate", "resync")))),
    "propagation": fields.opt(
        fields.mapping_of(fields.ANY, fields.one_of(("per", "default", *FAMILIES))),
        "lags by family of tables: a duration or [min, max]; `per` cluster or proxy",
    ),
    "assume": fields.opt(fields.mapping_of(fields.TEXT), "overrides of contested defaults"),
    "timeline": fields.opt(fields.list_of(fields.mapping(ENTRY)), "what happens over time"),
    "expect": fields.opt(fields.list_of(fields.mapping(EXPECT)), "what must hold; only the stated fields are compared"),
    "sampling": fields.opt(fields.mapping_of(fields.count(), fields.one_of(("requests", "seed")))),
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
    result: dict[str, Any] = SchemaValidator(fields.mapping(SCENARIO)).validate_python(value)
    return result


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors and `meshsim schema`."""
    schema = fields.json_schema(SCENARIO, "meshsim scenario")
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
