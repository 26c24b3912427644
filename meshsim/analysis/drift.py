"""Where the tables that the manifests compile to and those of live dumps differ, as far as a call reads them.

A row matters where the walk of a call looked at it, in either world.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar, final

from meshsim.analysis.calls import Call
from meshsim.analysis.judge import judge
from meshsim.analysis.situation import Situation
from meshsim.analysis.tabledrift import RowDrift, chain, cluster, ztunnel
from meshsim.dataplane.resolve import resolve
from meshsim.mesh.mesh import Mesh
from meshsim.model.frozen import frozen
from meshsim.model.verdict import Row
from meshsim.tables.configdump.clusters import split_name
from meshsim.tables.envoy import Proxy
from meshsim.tables.views import ClusterView, PodRow
from meshsim.tables.workload import Locality, NetworkAddress

V = TypeVar("V")


@final
@frozen
class CallDrift:
    """One call and Rollout: its rows in both worlds, and the rows of tables that it reads and that differ."""

    model: Row | None
    held: Row | None
    rows: tuple[RowDrift, ...]

    @property
    def same(self) -> bool:
        """Whether clients get the same, decided at the same place."""
        return self.model is not None and self.held is not None and _told(self.model) == _told(self.held)


@final
@frozen
class Drift:
    """All calls; `others` are rows that differ and that no call read (only where they were asked for)."""

    calls: tuple[CallDrift, ...]
    others: tuple[RowDrift, ...] = ()

    @property
    def changed(self) -> tuple[CallDrift, ...]:
        return tuple(call for call in self.calls if not call.same)


def without_dumps(mesh: Mesh) -> Mesh:
    """The Mesh as its manifests alone have it."""
    return mesh.fork(*(replace(c, ztunnel_dump=None, envoy_dumps={}) for c in mesh.clusters.values()))


def drift(
    model: Situation, held: Situation, calls: Iterable[tuple[Call | None, Call | None]], *, every: bool = False
) -> Drift:
    """Every call in both worlds. `every` adds the differences of calls that get the same, and of tables unread."""
    compared: list[CallDrift] = []
    read: dict[RowDrift, None] = {}
    for one, other in calls:
        rows = tuple(_read(model, held, one, other))
        read.update(dict.fromkeys(rows))
        mine = {row.rollout: row for row in judge(model, one)} if one is not None else {}
        theirs = {row.rollout: row for row in judge(held, other)} if other is not None else {}
        for rollout in {**mine, **theirs}:
            found = CallDrift(model=mine.get(rollout), held=theirs.get(rollout), rows=rows)
            compared.append(found if every or not found.same else replace(found, rows=()))
    others = [row for row in _everything(model, held) if row not in read] if every else []
    return Drift(calls=tuple(compared), others=tuple(others))


def _told(row: Row) -> tuple[object, ...]:
    return row.verdict, row.masked, row.effective, row.clusters, row.versions, row.errors, row.decided_by


@final
class _Noted(Mapping[str, V], Generic[V]):
    """A mapping that notes which keys were asked for."""

    def __init__(self, inner: Mapping[str, V], asked: dict[str, None]) -> None:
        self._inner, self._asked = inner, asked

    def __getitem__(self, key: str) -> V:
        self._asked[key] = None
        return self._inner[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._inner)

    def __len__(self) -> int:
        return len(self._inner)


@final
class _Asked:
    """Views that note what a walk asks them for."""

    def __init__(self, plane: Any) -> None:
        self._plane = plane
        self.hosts: dict[str, dict[str, None]] = {}
        self.chains: dict[tuple[str, Locality], dict[str, None]] = {}
        self.clusters: dict[tuple[str, Locality], dict[str, None]] = {}

    def cluster(self, name: str) -> ClusterView:
        view: ClusterView = self._plane.cluster(name)
        return replace(view, names=_Noted(view.names, self.hosts.setdefault(name, {})))

    def proxy(self, ident: str, locality: Locality) -> Proxy | None:
        found: Proxy | None = self._plane.proxy(ident, locality)
        if found is None:
            return None
        key = (ident, locality)
        chains, clusters = self.chains.setdefault(key, {}), self.clusters.setdefault(key, {})
        return replace(found, chains=_Noted(found.chains, chains), clusters=_Noted(found.clusters, clusters))

    def pod(self, uid: str) -> PodRow | None:
        found: PodRow | None = self._plane.pod(uid)
        return found

    def pod_at(self, network: str, ip: str) -> str | None:
        found: str | None = self._plane.pod_at(network, ip)
        return found


def _read(model: Situation, held: Situation, one: Call | None, other: Call | None) -> Iterator[RowDrift]:
    """The rows that a call reads in either world and that differ."""
    asked = []
    for situation, call in ((model, one), (held, other)):
        views = _Asked(situation.plane)
        if call is not None:
            resolve(views, call.caller.clients, call.target, call.request, situation.mesh.assume)
        asked.append(views)
    call = one or other
    assert call is not None
    for name in dict.fromkeys((*asked[0].hosts, *asked[1].hosts)):
        hosts = dict.fromkeys((*asked[0].hosts.get(name, ()), *asked[1].hosts.get(name, ())))
        if call.target.ip:
            hosts.update(dict.fromkeys(_at_address(model, held, name, call.target.ip)))
        if dumped_ztunnel(held, name):
            yield from ztunnel(model, held, name, hosts)
    for key in dict.fromkeys((*asked[0].chains, *asked[1].chains)):
        pair = model.plane.proxy(*key), held.plane.proxy(*key)
        addresses = dict.fromkeys((*asked[0].chains.get(key, ()), *asked[1].chains.get(key, ())))
        clusters = dict.fromkeys((*asked[0].clusters.get(key, ()), *asked[1].clusters.get(key, ())))
        if pair[0] is None or pair[1] is None or not dumped_envoy(held, key[0]):
            continue
        for address in addresses:
            yield from chain(pair[0], pair[1], address, call)
        for name in clusters:
            yield from cluster(model, held, pair[0], pair[1], name)


def dumped_ztunnel(held: Situation, cluster: str) -> bool:
    """Whether a cluster's ztunnels were dumped."""
    return held.mesh.clusters[cluster].ztunnel_dump is not None


def dumped_envoy(held: Situation, ident: str) -> bool:
    """Whether an Envoy was dumped."""
    kind, _, rest = ident.partition(":")
    cluster, namespace, name = rest.split("/")[:3]
    return f"{kind}:{namespace}/{name.rpartition('~')[2]}" in held.mesh.clusters[cluster].envoy_dumps


def _everything(model: Situation, held: Situation) -> Iterator[RowDrift]:
    """Every row of the proxies that were dumped."""
    from meshsim.analysis.holdings import envoys

    for name, here in held.mesh.clusters.items():
        if dumped_ztunnel(held, name):
            services = (s.plane.cluster(name).ztunnel.services.values() for s in (model, held))
            yield from ztunnel(model, held, name, dict.fromkeys(s.hostname for table in services for s in table))
        if not here.envoy_dumps:
            continue
        at = Locality(region=here.region, zone=here.zone)
        mine, theirs = envoys(model, name), envoys(held, name)
        for ident in {**mine, **theirs}:
            one, other = model.plane.proxy(ident, at), held.plane.proxy(ident, at)
            if one is None or other is None or not dumped_envoy(held, ident):
                continue
            for address in dict.fromkeys((*mine.get(ident, ()), *theirs.get(ident, ()))):
                yield from chain(one, other, address, None)
            for cluster_name in dict.fromkeys((*one.clusters, *other.clusters)):
                if not split_name(cluster_name)[0]:
                    continue  # the Envoy's own: agent, prometheus_stats, …
                yield from cluster(model, held, one, other, cluster_name)


def _at_address(model: Situation, held: Situation, cluster: str, ip: str) -> Iterator[str]:
    for situation in (model, held):
        view = situation.plane.cluster(cluster)
        for service in view.ztunnel.by_vip.get(NetworkAddress(view.network, ip), ()):
            yield service.hostname
