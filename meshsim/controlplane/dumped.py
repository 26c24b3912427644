"""A cluster's view as its ztunnels' dump has it: the dump's rows, tied to the pods that the manifests know.

A dump names pods by its own cluster id (`Kubernetes//Pod/…`) and by the names that Kubernetes gave them; manifests may
show those very pods, or only the workloads that made them. What cannot be tied to either is a stranger: a call that
meets it is undetermined.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, final

from meshsim.controlplane import links
from meshsim.controlplane.known import KnownService, KnownWaypoint
from meshsim.controlplane.registry import Registry
from meshsim.manifests.dumps.ztunnel import ZtunnelDump
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import Pod
from meshsim.model.facts import Facts
from meshsim.model.frozen import frozen
from meshsim.tables.service import Service
from meshsim.tables.views import ClusterView, Name
from meshsim.tables.workload import Workload
from meshsim.tables.ztunnel import ZtunnelTables

_POD: Final = "//Pod/"
_FLAT_ENTRY: Final = "autogenflat."
"""A flat peer's pod is `autogenflat.<cluster>.<namespace>.<pod>` (solo-io gloo-mesh-use-cases flat-network)."""
_CLUSTER_DOMAIN: Final = ".svc.cluster.local"


@final
@frozen
class Adopted:
    """The dump's tables with the model's uids and cluster names; `network` is what istiod says the cluster is on.

    `aliases` maps uids of the tables to the pod that speaks for them where several share one; `strangers` the uids
    that no manifest explains to a sentence; `addresses` (network, IP) to the uid of a pod.
    """

    network: str
    tables: ZtunnelTables
    aliases: Mapping[str, str]
    strangers: Mapping[str, str]
    addresses: Mapping[tuple[str, str], str]


def adopted(
    dump: ZtunnelDump, registry: Registry, here: Cluster, waypoints: Iterable[KnownWaypoint], entries: Mapping[str, str]
) -> Adopted:
    """The rows of a dump taken in `here`, in the words of the Mesh. `entries` are the generated entries of flat
    peers' pods that the manifests imply. Which peers are drained is their Gateways' to say: no page shows a row of
    ztunnel's that tells."""
    rows = dump.tables.workloads.values()
    clusters = _clusters(rows, registry, here)
    makers = _Makers(registry)
    served = {str(w.key): tuple(m.pod.uid for m in w.members if not m.gateway) for w in waypoints}
    taken: set[str] = set()
    kept: dict[str, Workload] = {}
    aliases: dict[str, str] = {}
    strangers: dict[str, str] = {}
    exact = {uid: _exact(registry, w, clusters) for uid, w in dump.tables.workloads.items()}
    mesh = registry.mesh
    spared = {
        name: links.drained(mesh, here, peer, Facts()) for name, peer in mesh.clusters.items() if peer is not here
    }
    taken.update(filter(None, exact.values()))
    for uid, workload in sorted(dump.tables.workloads.items()):
        cluster = clusters.get(_id(workload)) or _by_network(workload, registry)
        row = replace(workload, uid=_renamed(workload, clusters), cluster=cluster or workload.cluster)
        row = replace(row, drained=spared.get(row.cluster, 0))
        pods = (found,) if (found := exact[uid]) else _speakers(workload, cluster, makers, served)
        free = found or next((pod for pod in pods if pod not in taken and _POD in uid), None)
        if free is not None:
            taken.add(free)
            row = replace(row, uid=free)
        elif pods:
            aliases[row.uid] = pods[0]
        elif row.uid not in entries:
            sentence = _strange(dump, row, uid, cluster, here)
            strangers.update({row.uid: sentence} if sentence else {})
        kept[row.uid] = row
    addresses = {(w.network, ip): w.uid for w in kept.values() if w.uid not in strangers for ip in w.ips}
    network = here.network.value if dump.network is None else dump.network
    told = here.ztunnel_network.value != here.network.value
    tables = ZtunnelTables(
        network=dump.tables.network or (here.ztunnel_network.value if told else network),
        services=dump.tables.services.values(),
        workloads=kept.values(),
    )
    return Adopted(network=network, tables=tables, aliases=aliases, strangers=strangers, addresses=addresses)


def dumped_view(view: ClusterView, held: Adopted, known: Mapping[str, KnownService]) -> ClusterView:
    """The view with the dump in place of the compiled tables. What the sources leave open, a dump settles."""
    tables = held.tables
    by_host = {service.hostname: service for service in tables.services.values()}
    names: dict[str, Name] = {}
    moved: dict[str, str] = {}
    for host, name in view.names.items():
        row = by_host.get(name.host)
        if row is None and name.mesh_only:
            continue
        ips = name.ips if row is None else _ips(held, row, name.headless, name.mesh_only)
        names[host] = replace(name, service=row, ips=ips, why=(*name.why, *(row.waypoint_why if row else ())))
        if row is not None and ips and not name.mesh_only and not name.headless:
            moved[known[host].vip] = ips[0]
    kube = {f"{moved.get(key.rpartition(':')[0], key.rpartition(':')[0])}:{key.rpartition(':')[2]}": pods
            for key, pods in view.kube.items()}  # fmt: skip
    for host, row in by_host.items():
        if host in names or host in view.names:
            continue
        in_cluster = host.endswith(_CLUSTER_DOMAIN)
        ips = _ips(held, row, headless=not row.vips, mesh_only=not in_cluster)
        names[host] = Name(host=host, service=row, ips=ips, mesh_only=not in_cluster, headless=not row.vips)
        if in_cluster and ips and row.vips:
            kube.update({f"{ips[0]}:{port}": tuple(_targets(tables, row, port)) for port in row.ports})
    return replace(
        view,
        network=held.network,
        ztunnel=tables,
        names=names,
        kube=kube,
        contested={},
        assumed={},
        no_vip=frozenset(host for host, name in names.items() if not name.ips and not name.headless),
        strangers=held.strangers,
        unserved=frozenset(),
    )


def _ips(held: Adopted, row: Service, headless: bool, mesh_only: bool) -> tuple[str, ...]:
    """The addresses that DNS answers: the VIP on the client's network, as ztunnel's DNS proxy does (istio/ztunnel
    src/dns/server.rs); Kubernetes' DNS answers a Service's ClusterIP whatever ztunnel thinks of networks."""
    if headless:
        return tuple(w.ips[0] for w in held.tables.endpoints(row) if w.ips and not w.network_gateway)
    single = [vip for vip in row.vips if "/" not in vip.ip]
    own = [vip.ip for vip in single if vip.network == held.network]
    return tuple((own or ([] if mesh_only else [vip.ip for vip in single]))[:1])


def _targets(tables: ZtunnelTables, row: Service, port: int) -> Iterator[tuple[str, int]]:
    for workload in tables.endpoints(row):
        if workload.ips and not workload.network_gateway:
            yield workload.uid, workload.services[str(row.key)].get(port) or port


def _strange(dump: ZtunnelDump, row: Workload, uid: str, cluster: str | None, here: Cluster) -> str:
    """Why a row cannot be placed; "" for what needs no pod, such as a network's gateway or a machine outside."""
    if cluster is None and _id(row):
        return (
            f"the dump {dump.path} has {uid} in a cluster {_id(row)!r} that cannot be told to be one of the "
            "scenario's: name the cluster so, or give it the manifests of its pods"
        )
    if _POD in uid or (row.ips and row.cluster != here.name and row.services and not row.network_gateway):
        return (
            f"the dump {dump.path} has {uid}, which no manifest of {cluster or 'the scenario'} explains: "
            "add its Pod or its ReplicaSet"
        )
    return ""


def _renamed(workload: Workload, clusters: Mapping[str, str]) -> str:
    """A uid begins with the id of the cluster that the row comes from."""
    ident, slash, rest = workload.uid.partition("/")
    return f"{clusters[ident]}/{rest}" if slash and ident in clusters else workload.uid


def _id(workload: Workload) -> str:
    return workload.cluster or (workload.uid.partition(_POD)[0] if _POD in workload.uid else "")


def _pod_key(workload: Workload) -> tuple[str, str]:
    namespace, _, name = workload.uid.partition(_POD)[2].partition("/")
    return namespace, name


def _clusters(rows: Iterable[Workload], registry: Registry, here: Cluster) -> Mapping[str, str]:
    """The dump's cluster ids → the scenario's clusters: by name; an only id that is no name is where the dump was
    taken; others are whose pods they are, where that is one cluster's alone."""
    names = registry.mesh.clusters
    pods: dict[str, list[tuple[str, str]]] = {}
    for workload in rows:
        if _id(workload):
            pods.setdefault(_id(workload), [])
            if _POD in workload.uid:
                pods[_id(workload)].append(_pod_key(workload))
    found = {ident: ident for ident in pods if ident in names}
    open_ids = [ident for ident in sorted(pods) if ident not in names and pods[ident]]
    free = [name for name in sorted(names) if name not in found]
    if len(open_ids) == 1 and here.name in free:
        return {**found, open_ids[0]: here.name}
    makers = _Makers(registry)
    for ident in open_ids:
        votes = Counter(name for name in free for key in pods[ident] if makers.of(name, *key))
        best = votes.most_common(2)
        if best and (len(best) == 1 or best[0][1] > best[1][1]):
            found[ident] = best[0][0]
    return found


def _by_network(workload: Workload, registry: Registry) -> str | None:
    """A row without a cluster id, or behind a network's gateway, belongs to the one cluster on its network."""
    if _id(workload) and not workload.network_gateway:
        return None
    there = [c.name for c in registry.mesh.clusters.values() if c.network.value == workload.network]
    return there[0] if len(there) == 1 else None


def _exact(registry: Registry, workload: Workload, clusters: Mapping[str, str]) -> str | None:
    """The pod of the manifests that a row is, by name."""
    if _POD in workload.uid:
        namespace, name = _pod_key(workload)
        uid = f"{clusters.get(_id(workload), '')}{_POD}{namespace}/{name}"
        return uid if uid in registry.pod_by_uid else None
    return None


def _speakers(
    workload: Workload, cluster: str | None, makers: "_Makers", served: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """The implied pods that a row can stand for, in order: of its ReplicaSet, or of the waypoint that it serves as."""
    if cluster is None:
        return ()
    if _POD not in workload.uid:
        _, flat, name = workload.uid.rpartition("/")[2].partition(_FLAT_ENTRY)
        parts = name.split(".", 2) if flat else []
        named = tuple(pod.uid for pod in makers.of(cluster, parts[1], parts[2])) if len(parts) == 3 else ()
        return named or makers.at(workload)
    namespace, name = _pod_key(workload)
    made = tuple(pod.uid for pod in makers.of(cluster, namespace, name))
    return made or tuple(
        uid for key in workload.services for uid in served.get(key, ()) if uid.startswith(f"{cluster}{_POD}")
    )


@final
class _Makers:
    """Implied pods by what made them, under the name that Kubernetes gives such a pod."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._made: dict[str, Mapping[tuple[str, str, str], tuple[Pod, ...]]] = {}

    def at(self, workload: Workload) -> tuple[str, ...]:
        """The real pod at an address of a generated entry of a flat peer's pod."""
        found = [self.registry.pod_by_address.get((workload.network, ip)) for ip in workload.ips]
        return tuple(uid for uid in found if uid is not None and self.registry.pod_by_uid[uid].real)

    def of(self, cluster: str, namespace: str, name: str) -> tuple[Pod, ...]:
        """The pods that may be `name`: itself; else those of the ReplicaSet, DaemonSet or Deployment it is named for
        (`<replicaset>-<5 letters>`, `<deployment>-<hash>-<5 letters>`)."""
        uid = f"{cluster}{_POD}{namespace}/{name}"
        if uid in self.registry.pod_by_uid:
            return (self.registry.pod_by_uid[uid],)
        made = self._by_maker(cluster)
        maker = name.rpartition("-")[0]
        return made.get((namespace, "", maker)) or made.get((namespace, "Deployment", maker.rpartition("-")[0]), ())

    def _by_maker(self, cluster: str) -> Mapping[tuple[str, str, str], tuple[Pod, ...]]:
        if cluster not in self._made:
            found: dict[tuple[str, str, str], list[Pod]] = {}
            for pod in self.registry.pods(cluster):
                if not pod.real:
                    deployed = pod.kind == "Deployment"
                    maker = pod.workload if deployed else pod.name.rpartition("-")[0]
                    found.setdefault((pod.namespace, "Deployment" if deployed else "", maker), []).append(pod)
            self._made[cluster] = {key: tuple(pods) for key, pods in found.items()}
        return self._made[cluster]
