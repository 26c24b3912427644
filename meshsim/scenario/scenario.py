"""A scenario as plain values: what the rest of the program reads. No file format above this line."""

from collections.abc import Mapping
from dataclasses import field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, final

from meshsim.manifests.inventory import Inventory
from meshsim.manifests.manifest import Manifest
from meshsim.model.evidence import Source
from meshsim.model.frozen import frozen

if TYPE_CHECKING:
    from meshsim.manifests.dumps.envoy import EnvoyDump
    from meshsim.manifests.dumps.ztunnel import ZtunnelDump

DIALECTS: tuple[str, ...] = (
    "solo/1.27",
    "solo/1.28",
    "solo/1.29",
    "solo/1.30",
    "istio/1.28",
    "istio/1.29",
    "istio/1.30",
    "istio/1.31",
)
DEFAULT_DIALECT = "solo/1.30"
"""What is simulated where no scenario file says otherwise: the product and version of the guide."""

DATAPLANES: tuple[str, ...] = ("ambient", "sidecar", "none")
FAMILIES: tuple[str, ...] = ("services", "workloads", "routes", "clusters", "endpoints", "dns", "peering")
"""The families of tables that a lag belongs to."""

Range = tuple[Fraction, Fraction]
"""Lowest and highest share that satisfy; equal for an exact one."""

Lag = tuple[float, float]
"""Shortest and longest delay in seconds."""


@final
@frozen
class ArgoVersions:
    """Versions as stated: `1.9` means the latest patch of that minor. None where nothing is stated."""

    controller: str | None = None
    gatewayapi: str | None = None


@final
@frozen
class Dumps:
    """What live proxies hold, in place of the compiled tables: the ztunnels', and each Envoy's by
    `waypoint:NAMESPACE/NAME`, `gateway:…` or `sidecar:…`."""

    ztunnel: "ZtunnelDump | None" = None
    envoy: "Mapping[str, EnvoyDump]" = field(default_factory=dict)


@final
@frozen
class ClusterSpec:
    """One cluster: what the scenario states of it, and the objects in it.

    `evidence` has the place of each stated value, by its dotted name: `network`, `region`, `zone`, `root`, `dialect`,
    `argo`, `dataplane`, `istiod.env.NAME`, `ztunnel.env.NAME`, `dumps.ztunnel`, `dumps.envoy.ID`, and `` for the
    cluster itself.
    """

    name: str
    network: str | None = None
    region: str | None = None
    zone: str | None = None
    root: str | None = None
    dialect: str | None = None
    argo: ArgoVersions | None = None
    dataplane: str | None = None
    manifests: tuple[Manifest, ...] = ()
    istiod_env: Mapping[str, str] = field(default_factory=dict)
    ztunnel_env: Mapping[str, str] = field(default_factory=dict)
    dumps: Dumps = Dumps()
    unread: Mapping[str, str] = field(default_factory=dict)
    """Kinds whose objects nobody could read, and why."""
    evidence: Mapping[str, Source] = field(default_factory=dict)


@final
@frozen
class CallSpec:
    """One call as stated; wildcards are not expanded yet."""

    frm: str
    to: str
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    connection: Literal["new", "keep-alive"] = "new"
    source: Source


@final
@frozen
class Traffic:
    """What only some questions need: requests a second, seconds a request takes, requests under way at once."""

    rate: float | None = None
    latency: float | None = None
    concurrency: int | None = None


@final
@frozen
class Timing:
    """Seconds: until a pod is ready, until a terminating one is gone, between resyncs of the controller."""

    pod_ready: float = 10.0
    pod_terminate: float = 0.0
    resync: float = 900.0


@final
@frozen
class Propagation:
    """Lags: `per` (a cluster or a proxy) and its family, else `families`, else `default`."""

    default: Lag = (0.0, 0.0)
    families: Mapping[str, Lag] = field(default_factory=dict)
    per: Mapping[str, Mapping[str, Lag]] = field(default_factory=dict)
    """By cluster or decision point, then by family or `default`."""


@final
@frozen
class Entry:
    """One entry of the timeline: `verb` with its `args`, at a moment or when its Rollout pauses next.

    `args` has the contract's keys (`rollout`, `image`, `labels`, …) as plain values; `to-revision` and `full` as
    written; `manifests` of an `apply` is a tuple of Manifests; `version` and `env` are as stated.
    Exactly one of `at` (seconds since the start) and `when` is given; `after` is waited on top of `when`.
    """

    verb: str
    args: Mapping[str, Any]
    at: float | None = None
    when: Literal["paused"] | None = None
    after: float = 0.0
    source: Source


@final
@frozen
class Expectation:
    """What must hold of every row it selects; None means not stated.

    `at` is seconds since the start, or `step:2`, `weight:25`, `60s#3` as written; `step: 2` arrives as `step:2`.
    `clusters` has the shares of the clusters that serve; a name without a share has None.
    """

    index: int
    source: Source
    at: float | str | None = None
    frm: str | None = None
    to: str | None = None
    path: str | None = None
    rollout: str | None = None
    verdict: str | None = None
    masked: bool | None = None
    reasons: tuple[str, ...] | None = None
    canary: Range | None = None
    stable: Range | None = None
    other: Range | None = None
    errors: Range | None = None
    clusters: Mapping[str, Range | None] | None = None
    decided_by: str | None = None
    never: bool = False
    known: str | None = None
    stated: Mapping[str, Any] = field(default_factory=dict)
    """The expectation as written, for reports."""


@final
@frozen
class Sampling:
    """How many requests are drawn, and from which seed."""

    requests: int = 50
    seed: int = 1


@final
@frozen
class Scenario:
    """Everything a run starts from.

    `path` is the scenario file as given, None without one. `peering` lists (watcher, peer) where it is a tuple, and
    is None where the manifests define the links. Empty `calls` mean the default calls.
    `evidence` has the place of each stated value by its dotted name: `dialect`, `argo.controller`, `dataplane`,
    `peering`, `peering.0`, `assume.KEY`, `traffic.rate`, `timing.resync`, `propagation.endpoints`, …
    """

    name: str
    path: str | None = None
    dialect: str = DEFAULT_DIALECT
    argo_controller: str | None = None
    argo_gatewayapi: str | None = None
    dataplane: str | None = None
    clusters: Mapping[str, ClusterSpec]
    peering: Literal["all", "none"] | tuple[tuple[str, str], ...] | None = None
    calls: tuple[CallSpec, ...] = ()
    traffic: Traffic = Traffic()
    timing: Timing = Timing()
    propagation: Propagation = Propagation()
    assume: Mapping[str, str] = field(default_factory=dict)
    timeline: tuple[Entry, ...] = ()
    expect: tuple[Expectation, ...] = ()
    sampling: Sampling = Sampling()
    inventory: Mapping[str, Inventory] = field(default_factory=dict)
    """Per cluster: what was read, and what was not."""
    evidence: Mapping[str, Source] = field(default_factory=dict)
