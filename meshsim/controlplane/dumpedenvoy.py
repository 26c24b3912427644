"""An Envoy's tables as its dump has them: chains by the address they are for, routes with their objects, hosts with
their pods.

A waypoint's chains are named for service and port (istio pilot/pkg/networking/core/listener_waypoint.go
buildWaypointInternal); a sidecar's listeners are bound to a VIP or to a port of all addresses, a gateway's to a port,
and their routes are chosen by authority (pilot/pkg/networking/core/httproute.go).
"""

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, final

from meshsim.controlplane.chains import (
    NOT_HTTP,
    SERVICE_DEFAULT,
    SERVICE_ROUTES,
    SIDECAR_HANDOVER,
    SIDECAR_ROUTES,
    TCP_ROUTES,
    Lazy,
)
from meshsim.controlplane.dumpedhosts import Hosts
from meshsim.controlplane.dumpedroutes import origin
from meshsim.controlplane.gateways import GATEWAY_ROUTES, NO_ROUTE
from meshsim.manifests.dumps.envoy import EnvoyDump
from meshsim.mesh.mesh import Cluster
from meshsim.model.evidence import Dumped
from meshsim.model.facts import Fact
from meshsim.model.rule import Rule
from meshsim.tables.configdump.clusters import split_name
from meshsim.tables.configdump.domains import Domains
from meshsim.tables.configdump.rows import DumpedRoute, FilterChain, Listener, VirtualHost
from meshsim.tables.configdump.selection import everywhere, fitting, leads_to, service_of
from meshsim.tables.envoy import Chain, Proxy, Route, Via
from meshsim.tables.envoy import Cluster as EnvoyCluster

PASSTHROUGH: Final = "PassthroughCluster"


@final
class DumpedEnvoy:
    """One proxy of a Mesh whose dump is known. `compiled` is what the manifests give the same proxy; `addresses` are a
    host's own (VIPs); `ports` the ports of the pod behind a port of the gateway's Service."""

    def __init__(
        self,
        dump: EnvoyDump,
        here: Cluster,
        compiled: Proxy,
        hosts: Hosts,
        *,
        addresses: Callable[[str], Iterable[str]],
        ports: Callable[[int], Iterable[int]] = lambda _: (),
    ) -> None:
        self.dump, self.here, self.compiled, self.hosts = dump, here, compiled, hosts
        self._addresses, self._ports = addresses, ports
        self.kind = compiled.id.partition(":")[0]
        self._missing: dict[str, int] = {}
        self._domains: dict[int, Domains] = {}
        self._listeners = dump.tables.listeners or ()

    def proxy(self) -> Proxy:
        """The proxy with the dump's tables; a dump of hosts alone leaves its routes to the manifests, and one of routes
        alone its listeners and hosts."""
        tables = self.dump.tables
        clusters: Mapping[str, EnvoyCluster] = Lazy(tuple(tables.clusters), self._cluster)
        if tables.listeners is None:
            clusters = ChainMap(_Writable(clusters), _Writable(self.compiled.clusters))
            chains = self.compiled.chains
            if any(tables.routes):
                chains = Lazy(tuple(chains), self._by_routes)
            return replace(self.compiled, chains=chains, clusters=clusters, missing_cluster_status=self._missing)
        return replace(
            self.compiled,
            chains=Lazy(tuple(self._known()), self._chain),
            clusters=clusters,
            missing_cluster_status=self._missing,
        )

    def _known(self) -> Iterator[str]:
        if self.kind == "waypoint":
            for listener in self._listeners:
                for chain in listener.chains:
                    if found := service_of(chain):
                        yield f"{found[1]}:{found[0]}"
        elif self.kind == "sidecar":
            yield from (address for address in self.compiled.chains if self._of_sidecar(*_split(address)) is not None)

    def _chain(self, address: str) -> Chain | None:
        host, port = _split(address)
        if self.kind == "waypoint":
            found = self._of_waypoint(host, port)
        elif self.kind == "sidecar":
            found = self._of_sidecar(host, port)
        else:
            found = self._of_gateway(host, port)
        return self._made(address, host, port, *found) if found is not None else None

    def _by_routes(self, address: str) -> Chain | None:
        """The manifests' chain with the dump's routes, by the name that istiod gives a route configuration
        (pilot/pkg/networking/core/listener_waypoint.go, httproute.go, gateway.go)."""
        compiled = self.compiled.chains.get(address)
        host, port = _split(address)
        names = {
            "waypoint": (f"inbound-vip|{port}|http|{host}",),
            "sidecar": (f"{host}:{port}", str(port)),
        }.get(self.kind, tuple(f"http.{number}" for number in (port, *self._ports(port))))
        name = next((name for name in names if name in self.dump.tables.routes), None)
        if name is None or (compiled is not None and not compiled.http):
            return compiled
        chain = FilterChain(name=name, http=True, route_config=name)
        listener = Listener(name=name, address="", port=port, chains=(chain,))
        return self._made(address, host, port, listener, chain, self._host(chain, host, port, self._addresses(host)))

    def _of_waypoint(self, host: str, port: int) -> tuple[Listener, FilterChain, VirtualHost | None] | None:
        """A request takes the HTTP chain where a port that declares nothing has two."""
        both = [
            (listener, chain)
            for listener in self._listeners
            for chain in listener.chains
            if service_of(chain) == (port, host)
        ]
        chosen = next((pair for pair in both if pair[1].http), both[0] if both else None)
        return (*chosen, self._host(chosen[1], host, port, ())) if chosen is not None else None

    def _of_sidecar(self, host: str, port: int) -> tuple[Listener, FilterChain, VirtualHost | None] | None:
        """The listener of the service's own address, or one that leads to its cluster (manifests need not tell VIPs);
        else the one of all addresses. What that passes on unknown is none of the sidecar's."""
        vips = tuple(self._addresses(host))
        bound = [x for x in self._listeners if x.port == port and (x.address in vips or leads_to(x, host))]
        for listener in bound or [x for x in self._listeners if x.port == port and everywhere(x.address)]:
            chain = fitting(listener, vips, host)
            if chain is None:
                continue
            found = self._host(chain, host, port, vips)
            if chain.http and found is not None and not _passes_on(found):
                return listener, chain, found
            if not chain.http and not any(w.cluster == PASSTHROUGH for w in chain.clusters):
                return listener, chain, None
        return None

    def _of_gateway(self, host: str, port: int) -> tuple[Listener, FilterChain, VirtualHost | None] | None:
        for number in (port, *self._ports(port)):
            for listener in self._listeners:
                if listener.port == number and (chain := fitting(listener, (), host)) is not None:
                    return listener, chain, self._host(chain, host, port, ())
        return None

    def _host(self, chain: FilterChain, host: str, port: int, vips: Iterable[str]) -> VirtualHost | None:
        routes = self.dump.tables.routes.get(chain.route_config) if chain.route_config else None
        hosts = routes.hosts if routes is not None else chain.hosts
        if id(hosts) not in self._domains:
            self._domains[id(hosts)] = Domains(hosts)
        return self._domains[id(hosts)].best(host, port, vips)

    def _made(
        self, address: str, host: str, port: int, listener: Listener, chain: FilterChain, virtual: VirtualHost | None
    ) -> Chain:
        compiled = self.compiled.chains.get(address)
        configuration = self.dump.tables.routes.get(chain.route_config)
        line = configuration.line if configuration is not None and configuration.line else listener.line
        evidence = Dumped(self.dump.paths[0], line)
        said = chain.route_config or chain.name or listener.name
        fact = Fact(self.compiled.id, f"listener {listener.name or listener.port}", said, evidence)
        before = compiled.routes if compiled is not None else ()
        if chain.http:
            rows = virtual.routes if virtual is not None else ()
            routes = tuple(self._route(row, chain, before, evidence) for row in rows)
        else:
            routes = (self._tcp(chain, before, evidence),)
        rule, tags = self._rule(chain, routes, compiled)
        return Chain(host=host, port=port, http=chain.http, routes=routes, rule=rule, facts=(fact,), tags=tags)

    def _rule(
        self, chain: FilterChain, routes: tuple[Route, ...], compiled: Chain | None
    ) -> tuple[Rule, frozenset[str]]:
        routed = any(route.object is not None for route in routes)
        tags = frozenset[str]()
        if self.kind == "waypoint":
            if chain.http:
                return (SERVICE_ROUTES if routed else SERVICE_DEFAULT), tags
            return (TCP_ROUTES if routed else NOT_HTTP), frozenset({"not-http"})
        if self.kind == "sidecar":
            if not chain.http and self._hands_over(routes, compiled):
                return SIDECAR_HANDOVER, frozenset({"handover"})
            return SIDECAR_ROUTES, tags
        return (GATEWAY_ROUTES if routes else NO_ROUTE), tags

    def _hands_over(self, routes: tuple[Route, ...], compiled: Chain | None) -> bool:
        """Whether a sidecar's bytes for a service go to its waypoint."""
        hosts = [
            host.endpoint.via
            for route in routes
            for one in route.clusters
            if (dumped := self.dump.tables.clusters.get(one.cluster)) is not None
            for host in dumped.hosts or ()
        ]
        handed = compiled is not None and "handover" in compiled.tags
        return handed or (bool(hosts) and all(via is Via.WAYPOINT for via in hosts))

    def _route(self, row: DumpedRoute, chain: FilterChain, compiled: tuple[Route, ...], evidence: Dumped) -> Route:
        found = origin(self.here, row, compiled)
        limits = [*chain.unmodelled, *row.route.unmodelled, *([found.question] if found.question else ())]
        name = row.name or row.config.rpartition("/")[2] or "default"
        facts = [Fact(self.compiled.id, f"route {name}", row.config or "istiod's default", evidence)]
        weighted = []
        for one in row.route.clusters:
            backend = _backend(one.cluster, found.object, compiled)
            weighted.append(replace(one, backend=backend))
            if len(row.route.clusters) > 1:
                facts.append(Fact(self.compiled.id, f"route {name} {backend} weight", one.weight, evidence))
            if one.cluster not in self.dump.tables.clusters:
                self._missing[one.cluster] = row.absent_status
        return replace(
            row.route,
            clusters=tuple(weighted),
            object=found.object,
            rule=found.rule,
            unmodelled=tuple(f"{self.compiled.id} ({evidence.path}): {limit}" for limit in dict.fromkeys(limits)),
            why=tuple(facts),
        )

    def _tcp(self, chain: FilterChain, compiled: tuple[Route, ...], evidence: Dumped) -> Route:
        """Bytes by weight. istiod does not name the object behind every such chain; where the manifests' route leads to
        the same clusters, it is that one."""
        wanted = {w.cluster for w in chain.clusters}
        like = next((r for r in compiled if r.object and {w.cluster for w in r.clusters} == wanted), None)
        row = DumpedRoute(name="", config=chain.config, route=Route(clusters=chain.clusters))
        made = self._route(row, chain, compiled, evidence)
        if like is not None:
            return replace(made, object=like.object, rule=like.rule, unmodelled=())
        return made

    def _cluster(self, name: str) -> EnvoyCluster | None:
        dumped = self.dump.tables.clusters.get(name)
        if dumped is None:
            return None
        compiled = self.compiled.clusters.get(name)
        endpoints = self.hosts.endpoints(dumped)
        limits = list(dumped.cluster.unmodelled)
        if dumped.hosts is None:
            limits.append("the dump does not tell its hosts")
        own = self.dump.tables.locality
        preferring = len({e.priority for e in endpoints}) > 1 or dumped.cluster.locality_weights is not None
        if own is not None and own != self.compiled.locality and preferring and str(self.compiled.locality):
            limits.append(f"it is of a pod in {own}, and what one in {self.compiled.locality} prefers is not known")

        shown = f"{sum(e.healthy for e in endpoints)} of {len(endpoints)} hosts healthy"
        evidence = Dumped(self.dump.paths[0], dumped.line)
        facts = (Fact(self.compiled.id, f"cluster {name}", shown, evidence), *(f for e in endpoints for f in e.why))
        empty = "" if endpoints else compiled.empty_reason if compiled is not None else ""
        outlier = dumped.cluster.outlier
        if outlier is not None:
            why = Fact(self.compiled.id, f"cluster {name} outlier_detection", "set", evidence)
            outlier = replace(outlier, why=(why,))
        return replace(
            dumped.cluster,
            endpoints=endpoints,
            empty_reason=empty or ("MS301" if dumped.cluster.subset and not endpoints else ""),
            marks=compiled.marks if compiled is not None else frozenset(),
            why=facts,
            unmodelled=tuple(f"{evidence.path}: {limit}" for limit in limits),
            outlier=outlier,
        )


class _Writable(dict[str, EnvoyCluster]):
    """A mapping that is read, in the shape that ChainMap asks for."""

    def __init__(self, inner: Mapping[str, EnvoyCluster]) -> None:
        super().__init__()
        self._inner = inner

    def __getitem__(self, key: str) -> EnvoyCluster:
        return self._inner[key]

    def __contains__(self, key: object) -> bool:
        return self._inner.get(str(key)) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._inner)

    def __len__(self) -> int:
        return len(self._inner)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def _passes_on(found: VirtualHost) -> bool:
    return any(w.cluster == PASSTHROUGH for row in found.routes for w in row.route.clusters)


def _backend(cluster: str, owner: str | None, compiled: tuple[Route, ...]) -> str:
    """What the object calls a cluster; without one, `name/subset` of the cluster's host."""
    for route in compiled:
        for one in route.clusters:
            if one.cluster == cluster and one.backend and (owner is None) == (route.object is None):
                return one.backend
    _, host, _, subset = split_name(cluster)
    short = host if owner is None else host.partition(".")[0]
    return f"{short}/{subset}" if subset else short
