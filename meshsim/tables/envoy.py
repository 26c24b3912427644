"""Routes, clusters and endpoints, in the words of Envoy, as one proxy holds them."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, final

from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen, record
from meshsim.model.rule import Rule
from meshsim.tables.workload import Locality


class MatchType(StrEnum):
    """How a string is compared."""

    EXACT = "exact"
    PREFIX = "prefix"
    PATH_PREFIX = "path-prefix"
    REGEX = "regex"
    PRESENT = "present"


@final
@record
class StringMatch:
    """One comparison; `ignore_case` is for paths only."""

    type: MatchType
    value: str = ""
    ignore_case: bool = False


_ANYWHERE = {(MatchType.PREFIX, "/"), (MatchType.PATH_PREFIX, "/"), (MatchType.REGEX, ".*")}


@final
@frozen
class RouteMatch:
    """What a request must look like; all parts must hold. An empty match takes everything."""

    path: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: tuple[tuple[str, StringMatch], ...] = ()
    without_headers: tuple[tuple[str, StringMatch], ...] = ()
    query: tuple[tuple[str, StringMatch], ...] = ()

    @property
    def looks_at(self) -> frozenset[str]:
        """What of a request it depends on: `path`, `authority`, names of headers."""
        names = {name.lower() for name, _ in (*self.headers, *self.without_headers)}
        path = {"path"} if self.path is not None or self.query else set()
        authority = {"authority"} if self.authority is not None or names & {":authority", "host"} else set()
        return frozenset(names | path | authority)

    @property
    def catch_all(self) -> bool:
        """Whether no later route can be reached."""
        anywhere = self.path is None or (self.path.type, self.path.value) in _ANYWHERE
        conditions = (self.method, self.authority, *self.headers, *self.without_headers, *self.query)
        return anywhere and not any(conditions)


@final
@frozen
class WeightedCluster:
    """A destination of a route. `backend` is how its object names it (`helloworld-stable`, `helloworld/stable`)."""

    cluster: str
    weight: int
    backend: str = ""


@final
@frozen
class Route:
    """One route. Either `clusters` (share weight/Σ weights) or `direct_response`, an HTTP status.

    `object` and `rule` say which rule of which object it stands for; None and "default" for a default route.
    """

    match: RouteMatch = RouteMatch()
    clusters: tuple[WeightedCluster, ...] = ()
    direct_response: int | None = None
    object: str | None = None
    rule: str = "default"
    unmodelled: tuple[str, ...] = ()
    """Sentences on what this route does that is not modelled and matters."""
    alters: frozenset[str] = frozenset()
    """What of the request it changes for the next proxy: `path`, `authority`, names of headers."""
    why: tuple[Fact, ...] = field(default=(), compare=False)


class Via(StrEnum):
    """How an Envoy reaches an endpoint."""

    DIRECT = "direct"
    HBONE = "hbone"
    MTLS = "mtls"
    WAYPOINT = "waypoint"
    GATEWAY = "gateway"
    ZTUNNEL = "ztunnel"


@final
@frozen
class Endpoint:
    """One host of a cluster.

    `workload` is its workload uid. With `Via.GATEWAY`, `network` is the remote network, `authority` the
    service asked for there (`host:port`) and `source` the value of `x-istio-source`. With `Via.WAYPOINT` the
    endpoint is a waypoint's pod and `authority` the service address asked for. With `Via.ZTUNNEL` it is a service's
    VIP, which the proxy's pod `workload` calls like any client behind a ztunnel. `stranger` is a sentence where nobody
    can say whose pod it is.
    """

    address: str
    workload: str
    via: Via = Via.HBONE
    network: str = ""
    cluster: str = ""
    authority: str = ""
    source: str = ""
    healthy: bool = True
    weight: int = 1
    priority: int = 0
    locality: Locality = Locality()
    stranger: str = ""
    why: tuple[Fact, ...] = field(default=(), compare=False)


@final
@frozen
class Outlier:
    """When Envoy takes a host of a cluster out for its errors, times in seconds (envoy api
    config/cluster/v3/outlier_detection.proto; success rates are off wherever Istio writes it).

    A host that is out for the nth time comes back with the first sweep, one every `interval`, after n times `base`, at
    most `longest`. `percent` of all hosts may be out at once. `why` is where it is set.
    """

    consecutive: int = 5
    interval: float = 10.0
    base: float = 30.0
    longest: float = 300.0
    percent: int = 10
    limits: tuple[str, ...] = ()
    """Sentences on what of it is not modelled."""
    why: tuple[Fact, ...] = field(default=(), compare=False)


@final
@frozen
class Cluster:
    """One Envoy cluster: a service's port, perhaps a subset of it, with its hosts.

    `panic` is the healthy-panic threshold in percent. `locality_weights`, if set, weighs localities
    (`DestinationRule` `distribute`) instead of priorities.
    """

    name: str
    host: str
    port: int
    subset: str = ""
    lb: str = "LEAST_REQUEST"
    endpoints: tuple[Endpoint, ...] = ()
    panic: int = 0
    locality_weights: Mapping[Locality, int] | None = None
    assumed: tuple[tuple[str, str], ...] = ()
    """Contested defaults this cluster rests on: (assume key, chosen)."""
    empty_reason: str = ""
    """The reason code where `endpoints` is empty."""
    marks: frozenset[str] = frozenset()
    """Marks for the steps that choose this cluster: see `dataplane`."""
    why: tuple[Fact, ...] = field(default=(), compare=False)
    unmodelled: tuple[str, ...] = ()
    """Sentences on what this cluster does that is not modelled and matters."""
    contested: tuple[str, ...] = ()
    """Questions that the sources leave open about its hosts."""
    outlier: Outlier | None = None
    """Outlier detection; None where it is off."""

    @property
    def hosts(self) -> tuple[Endpoint, ...]:
        """The hosts that Envoy holds: of the localities that have a weight, where localities are weighed."""
        weights = self.locality_weights
        return self.endpoints if weights is None else tuple(e for e in self.endpoints if weights.get(e.locality))


@final
@frozen
class Chain:
    """What a proxy does with one address: `host:port` of a service (waypoint, sidecar), or a listener's port
    and virtual host (gateway). `http` False is a TCP proxy: only `routes[0]` counts, per connection."""

    host: str
    port: int
    http: bool = True
    routes: tuple[Route, ...] = ()
    rule: Rule
    facts: tuple[Fact, ...] = field(default=(), compare=False)
    tags: frozenset[str] = frozenset()
    open_question: str = ""
    """What the sources or the input leave open about the routes and their order."""


@final
@frozen
class Proxy:
    """One Envoy (or a set of identical ones): its place, its chains by `host:port`, its clusters by name.

    `id` is its decision-point id, such as `waypoint:cluster1/default/waypoint`.
    """

    id: str
    cluster: str
    network: str
    locality: Locality = Locality()
    chains: Mapping[str, Chain] = field(default_factory=dict)
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    missing_cluster_status: Mapping[str, int] = field(default_factory=dict)
    """Clusters that routes name and the proxy does not hold → the status of their share (500 or 503)."""
    principal: str = ""
    """Who it is to others: `trust-domain/ns/NAMESPACE/sa/ACCOUNT`."""


def plain(value: Any) -> Any:
    """A table row as plain values, for printing and for JSON."""
    from dataclasses import fields, is_dataclass

    if is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: plain(getattr(value, f.name))
            for f in fields(value)
            if not f.name.endswith("why") and f.name != "facts"
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [plain(item) for item in value]
    return value
