"""The scenario file as pydantic models: the one place where its text is checked, and the source of its JSON Schema.

Importing this module costs pydantic; nothing below or above it does, and only `load` of a scenario file needs it.
Unions are read by functions (see `notation`), so that an error's location is simply a path in the file.
"""

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from meshsim.manifests.shapes import shown
from meshsim.model.verdict import Verdict
from meshsim.scenario.notation import (
    DURATION_PATTERN,
    SHARE_PATTERN,
    Unfit,
    cluster_shares,
    duration,
    lag,
    moment,
    rate,
    share_or_count,
    share_range,
    version,
)
from meshsim.scenario.scenario import DATAPLANES, DIALECTS, FAMILIES
from meshsim.scenario.verbs import COMPONENTS, RESULTS, VERBS, keys_of

_DURATION = {"anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"type": "number", "minimum": 0}]}
_SHARE = {"anyOf": [{"type": "string", "pattern": SHARE_PATTERN}, {"type": "number", "minimum": 0, "maximum": 1}]}
_VERSION = {"type": "string", "pattern": r"^v?\d+\.\d+(\.\d+)?"}
_LAG = {"anyOf": [*_DURATION["anyOf"], {"type": "array", "items": _DURATION, "minItems": 2, "maxItems": 2}]}
_SHARES_OF = {
    "anyOf": [{"type": "object", "additionalProperties": _SHARE}, {"type": "array", "items": {"type": "string"}}]
}

Duration = Annotated[float, BeforeValidator(duration), WithJsonSchema(_DURATION)]
LagOf = Annotated[tuple[float, float], BeforeValidator(lag), WithJsonSchema(_LAG)]
Rate = Annotated[
    float, BeforeValidator(rate), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0}]})
]
RangeOf = Annotated[tuple[Fraction, Fraction], BeforeValidator(share_range), WithJsonSchema(_SHARE)]
Version = Annotated[str, BeforeValidator(version), WithJsonSchema(_VERSION)]
Dialect = Literal[DIALECTS]  # type: ignore[valid-type]
Dataplane = Literal[DATAPLANES]  # type: ignore[valid-type]
Family = Literal[("default", *FAMILIES)]  # type: ignore[valid-type]
VERDICTS = tuple(verdict.value for verdict in Verdict)
VerdictName = Literal[VERDICTS]  # type: ignore[valid-type]
Lags = dict[Family, LagOf]


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
    keys = value if isinstance(value, (dict, list)) else None
    if keys is None or not all(isinstance(key, str) for key in keys):
        msg = "these are neither {key: value} nor [key]"
        raise Unfit(msg, "label takes {key: value}, unlabel [key]")
    return value


def _reasons(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_ARGO = {"anyOf": [_VERSION, {"type": "object", "properties": {"controller": _VERSION, "gatewayapi": _VERSION}}]}
_LINK = {"type": "object", "properties": {"watcher": {"type": "string"}, "peer": {"type": "string"}}}
_SOURCES = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}}
Argo = Annotated[dict[Literal["controller", "gatewayapi"], Version], BeforeValidator(_argo), WithJsonSchema(_ARGO)]
Peering = Annotated[
    Any,
    BeforeValidator(_peering),
    WithJsonSchema({"anyOf": [{"enum": ["all", "none"]}, {"type": "array", "items": _LINK}]}),
]
Manifests = Annotated[list[Any], BeforeValidator(_manifests), WithJsonSchema(_SOURCES)]
Labels = Annotated[Any, BeforeValidator(_labels), WithJsonSchema({"type": ["object", "array"]})]
Env = dict[Literal["env"], dict[str, str]]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True, populate_by_name=False)


class Cluster(_Part):
    """One cluster."""

    network: str | None = Field(None, description="default: the topology.istio.io/network label on istio-system")
    region: str | None = Field(None, description="locality of nodes that the manifests do not describe")
    zone: str | None = None
    root: str | None = Field(None, description="trust root; clusters with different roots cannot connect")
    dialect: Dialect | None = None
    argo: Argo | None = None
    dataplane: Dataplane | None = None
    manifests: Manifests = Field(default=[], description="files, directories, globs, `-`, or inline objects")
    istiod: Env = Field(default={}, description="istiod's env")
    ztunnel: Env = Field(default={}, description="ztunnel's env")
    dumps: dict[Literal["ztunnel", "envoy"], Any] = Field(
        default={}, description="live dumps that replace the compiled tables: ztunnel: FILE, envoy: {PROXY: FILE}"
    )


class Call(_Part):
    """Who calls what."""

    frm: str = Field(alias="from", description="cluster/namespace/workload, ingress:…, external:CLUSTER")
    to: str = Field(description="host:port, or pod:CLUSTER/NAMESPACE/WORKLOAD/N:PORT")
    path: str = "/"
    headers: dict[str, str] = {}
    connection: Literal["new", "keep-alive"] = "new"


class TimelineEntry(_Part):
    """Something that happens; which keys go with which verb is in `verbs`."""

    at: Duration | None = None
    when: Literal["paused"] | None = None
    after: Duration | None = None
    do: Literal[tuple(VERBS)]  # type: ignore[valid-type]
    rollout: str | None = None
    workload: str | None = None
    container: str | None = None
    image: str | None = None
    full: bool | None = None
    to_revision: int | None = Field(None, alias="to-revision", ge=0)
    step: int | None = Field(None, ge=0)
    template: str | None = None
    result: Literal[RESULTS] | None = None  # type: ignore[valid-type]
    replicas: int | None = Field(None, ge=0)
    object: str | None = None
    labels: Labels | None = None
    annotations: dict[str, str | None] | None = None
    patch: dict[str, Any] | None = None
    cluster: str | None = None
    manifests: Manifests | None = None
    target: str | None = None
    pods: Annotated[Any, BeforeValidator(share_or_count), WithJsonSchema({"type": ["integer", "string"]})] = None
    revision: Literal["stable", "canary"] | None = None
    weight: int | None = Field(None, ge=0, le=100)
    component: Literal[COMPONENTS] | None = None  # type: ignore[valid-type]
    env: dict[str, str | None] | None = None
    version: Version | None = None


class Expect(_Part):
    """What must hold; only the stated fields are compared."""

    at: Annotated[Any, BeforeValidator(moment), WithJsonSchema(_DURATION)] = None
    step: int | None = Field(None, ge=0)
    frm: str | None = Field(None, alias="from")
    to: str | None = None
    path: str | None = None
    rollout: str | None = None
    verdict: VerdictName | None = None
    masked: bool | None = None
    reasons: Annotated[list[str], BeforeValidator(_reasons)] | None = None
    canary: RangeOf | None = None
    stable: RangeOf | None = None
    other: RangeOf | None = None
    errors: RangeOf | None = None
    clusters: Annotated[Any, BeforeValidator(cluster_shares), WithJsonSchema(_SHARES_OF)] = None
    decided_by: str | None = None
    never: bool = False
    known: str | None = Field(None, description="URL of the issue: fails today; passing is then a failure too")


class Traffic(_Part):
    """Load, only where a question needs it."""

    rate: Rate | None = None
    latency: Duration | None = None
    concurrency: int | None = Field(None, ge=1)


class ScenarioFile(_Part):
    """A meshsim scenario."""

    api_version: Literal["meshsim/v1"] = Field(alias="apiVersion")
    kind: Literal["Scenario"]
    name: str | None = None
    dialect: Dialect = "solo/1.30"
    argo: Argo = {}
    dataplane: Dataplane | None = Field(None, description="stands in for namespaces that no manifest describes")
    clusters: dict[str, Cluster] = Field(min_length=1)
    peering: Peering = None
    calls: list[Call] = []
    traffic: Traffic = Traffic.model_construct()
    timing: dict[Literal["pod_ready", "pod_terminate", "resync"], Duration] = {}
    propagation: dict[Literal[("per", "default", *FAMILIES)], Any] = Field(  # type: ignore[valid-type]
        default={}, description="lags by family of tables: a duration or [min, max]; `per` cluster or proxy"
    )
    assume: dict[str, str] = Field(default={}, description="overrides of contested defaults")
    timeline: list[TimelineEntry] = []
    expect: list[Expect] = []
    sampling: dict[Literal["requests", "seed"], Annotated[int, Field(ge=0)]] = {}


MODELS: dict[str, type[BaseModel]] = {
    "clusters": Cluster,
    "calls": Call,
    "timeline": TimelineEntry,
    "expect": Expect,
    "traffic": Traffic,
}


def fields_of(model: type[BaseModel]) -> tuple[str, ...]:
    """A model's keys as the file spells them."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors and `meshsim schema`."""
    schema = ScenarioFile.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "meshsim scenario"
    schema["$defs"]["TimelineEntry"]["allOf"] = [
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
