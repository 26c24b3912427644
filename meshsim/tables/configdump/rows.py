"""What one Envoy holds, as its dump has it, before workloads and objects are recognised in it."""

from collections.abc import Mapping
from dataclasses import field
from typing import final

from meshsim.model.frozen import frozen
from meshsim.tables.envoy import Cluster, Endpoint, Route, WeightedCluster
from meshsim.tables.workload import Locality


@final
@frozen
class DumpedRoute:
    """One route: `config` is the object it came from as istiod names it, `/apis/GROUP/VERSION/namespaces/…`, `name`
    the route's own. `absent_status` answers where a cluster it names is missing; `route.object` is not known yet."""

    name: str
    config: str
    route: Route
    absent_status: int = 503


@final
@frozen
class VirtualHost:
    """The routes for some authorities: exact names, `*.suffix`, `prefix.*`, `*`."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[DumpedRoute, ...]


@final
@frozen
class RouteConfiguration:
    """Virtual hosts under one name; `line` is where it begins in the dump."""

    name: str
    hosts: tuple[VirtualHost, ...]
    line: int = 0


@final
@frozen
class FilterChain:
    """What a listener does with a connection: HTTP by routes (a `route_config` by name, or its own `hosts`), or bytes
    to `clusters`. It takes connections to `ranges` (any where empty) with one of `server_names` (any where empty).
    `inline` is the name of its own route configuration."""

    name: str
    http: bool
    route_config: str = ""
    inline: str = ""
    hosts: tuple[VirtualHost, ...] = ()
    clusters: tuple[WeightedCluster, ...] = ()
    config: str = ""
    ranges: tuple[str, ...] = ()
    port: int | None = None
    server_names: tuple[str, ...] = ()
    unmodelled: tuple[str, ...] = ()


@final
@frozen
class Listener:
    """An address and port, or an internal listener (port 0), with its filter chains."""

    name: str
    address: str
    port: int
    chains: tuple[FilterChain, ...]
    line: int = 0


@final
@frozen
class Host:
    """One host of a cluster, under the `key` that `clusters?format=json` has it by. `endpoint.address` is `ip:port`
    behind any tunnel, `endpoint.workload` what istiod says of it, `name;namespace;service;revision;cluster`; `gateway`
    is the address of the network's gateway, `waypoint` that of a waypoint's pod."""

    key: str
    endpoint: Endpoint
    gateway: str = ""
    waypoint: str = ""


@final
@frozen
class Assignment:
    """The hosts of one cluster, and what its localities weigh: (priority, locality) → weight."""

    hosts: tuple[Host, ...]
    weights: Mapping[tuple[int, Locality], int] = field(default_factory=dict)
    unmodelled: tuple[str, ...] = ()
    line: int = 0


@final
@frozen
class DumpedCluster:
    """One cluster: `cluster.endpoints` is empty, `hosts` None where the dump does not tell them. `service` is the name
    under which istiod tells its hosts."""

    cluster: Cluster
    service: str = ""
    hosts: tuple[Host, ...] | None
    line: int = 0


@final
@frozen
class EnvoyTables:
    """All of a dump. `listeners` is None where only hosts were dumped. `node` is the Envoy's own id,
    `waypoint~10.0.0.7~waypoint-5b9.shop~…`, `cluster_id` the name that istiod gave its Kubernetes cluster."""

    listeners: tuple[Listener, ...] | None
    routes: Mapping[str, RouteConfiguration]
    clusters: Mapping[str, DumpedCluster]
    node: str = ""
    cluster_id: str = ""
    locality: Locality | None = field(default=None)
