"""Whose pods the hosts of a dump are: by address where the manifests or a ztunnel's dump know it, else by where they
are listed.

istiod says of a host its workload's name, namespace and cluster (`name;namespace;service;revision;cluster`,
istio pilot/pkg/networking/util AppendLbEndpointMetadata), never its revision. A host without a known address is tied to
the pods that the same cluster of the same proxy has by the manifests, where these are all of one revision.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import final

from meshsim.controlplane.components import eastwest
from meshsim.controlplane.discovery import gateway_ip
from meshsim.controlplane.registry import Registry
from meshsim.manifests.dumps.envoy import EnvoyDump
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import HASH_LABEL
from meshsim.model.evidence import Dumped
from meshsim.model.facts import Fact
from meshsim.tables.configdump.rows import DumpedCluster, Host
from meshsim.tables.envoy import Cluster as EnvoyCluster
from meshsim.tables.envoy import Endpoint, Via
from meshsim.tables.workload import Locality

_PATIENCE = 5000
"""Clusters of a dump beyond which addresses are not looked for in other clusters than the one that is asked for."""


@final
class Hosts:
    """The hosts of one Envoy's dump. `compiled(name)` is the cluster that the manifests give the same proxy,
    `pod_at(network, ip)` the pod at an address, and whether the model gave it that address because no manifest does."""

    def __init__(
        self,
        dump: EnvoyDump,
        here: Cluster,
        registry: Registry,
        *,
        pod_at: Callable[[str, str], tuple[str, bool] | None],
        compiled: Callable[[str], EnvoyCluster | None],
        source: str,
    ) -> None:
        self.dump, self.here, self.registry = dump, here, registry
        self._pod_at, self._compiled, self._source = pod_at, compiled, source

    def endpoints(self, dumped: DumpedCluster) -> tuple[Endpoint, ...]:
        """A cluster's hosts with the workloads they are."""
        compiled = self._compiled(dumped.cluster.name)
        evidence = Dumped(self.dump.paths[0], dumped.line)
        waypoints = iter([e for e in compiled.endpoints if e.via is Via.WAYPOINT] if compiled is not None else ())
        found = []
        for host in dumped.hosts or ():
            made = self._endpoint(dumped, host, compiled, waypoints)
            said = f"{'healthy' if made.healthy else 'unhealthy'}, weight {made.weight}, priority {made.priority}"
            fact = Fact(dumped.cluster.name, host.key.partition("/")[2] or made.address, said, evidence)
            found.append(replace(made, why=(fact,)))
        return tuple(found)

    def _endpoint(
        self, dumped: DumpedCluster, host: Host, compiled: EnvoyCluster | None, waypoints: Iterator[Endpoint]
    ) -> Endpoint:
        known = host.endpoint
        if known.via is Via.GATEWAY:
            return self._gateway(dumped, host, compiled)
        if known.via in {Via.DIRECT, Via.MTLS} and self._at(known.address) is None and self._gateway_at(known.address):
            there = replace(known, via=Via.GATEWAY, authority="")
            return self._gateway(dumped, replace(host, endpoint=there, gateway=known.address), compiled)
        if known.via is Via.WAYPOINT:
            uid = self._at(host.waypoint) or next((e.workload for e in waypoints), None)
            pod = self.registry.pod_by_uid.get(uid or "")
            authority = f"{dumped.cluster.host}:{dumped.cluster.port}"
            at = Locality(pod.region, pod.zone) if pod is not None else known.locality
            placed = replace(known, address=host.waypoint, authority=authority, locality=at)
        else:
            uid = self._at(known.address) or self._ties.get(known.address.rpartition(":")[0])
            placed = known
        pod = self.registry.pod_by_uid.get(uid or "")
        own = next((e for e in compiled.endpoints if e.workload == uid), None) if compiled is not None else None
        if uid is None or (pod is None and own is None):
            return replace(placed, workload=known.address, stranger=self._strange(dumped, host))
        cluster = pod.cluster if pod is not None else own.cluster if own is not None else self.here.name
        network = self.registry.cluster(cluster).network.value
        via = own.via if own is not None and not known.workload and known.via is Via.DIRECT else placed.via
        return replace(placed, workload=uid, cluster=cluster, network=network, via=via)

    def _gateway(self, dumped: DumpedCluster, host: Host, compiled: EnvoyCluster | None) -> Endpoint:
        known = host.endpoint
        ident = known.workload.rpartition(";")[2]
        cluster = self._clusters.get(ident) if ident else None
        cluster = cluster or self._behind(host.gateway)
        authority = known.authority or f"{dumped.cluster.host}:{dumped.cluster.port}"
        if cluster is None:
            sentence = f"{self._place(dumped)} has a gateway {host.gateway} of a cluster {ident!r} that cannot be told"
            return replace(known, authority=authority, stranger=f"{sentence}: name a cluster of the scenario so")
        own = [e for e in compiled.endpoints if e.via is Via.GATEWAY and e.cluster == cluster] if compiled else []
        network = self.registry.cluster(cluster).network.value
        return replace(
            known,
            address=own[0].address if own else f"{network}/eastwest",
            workload=own[0].workload if own else f"{cluster}//gateway/{host.gateway}",
            network=network,
            cluster=cluster,
            authority=authority,
            source=self._source,
        )

    def _place(self, dumped: DumpedCluster) -> str:
        return f"{Dumped(self.dump.paths[0], dumped.line).path}: cluster {dumped.cluster.name}"

    def _strange(self, dumped: DumpedCluster, host: Host) -> str:
        said = host.endpoint.workload.split(";")
        name = f" ({said[1]}/{said[0]})" if len(said) > 1 and said[0] else ""
        return (
            f"{self._place(dumped)} has a host {host.waypoint or host.endpoint.address}{name} that no manifest "
            "explains: add its Pod, or a dump of its cluster's ztunnel"
        )

    def _at(self, address: str) -> str | None:
        ip = address.rpartition(":")[0].strip("[]")
        found = self._pod_at(self.here.network.value, ip) if ip else None
        if found is None or (found[1] and not self._made_up):
            return None
        return found[0]

    @cached_property
    def _made_up(self) -> bool:
        """Whether the dump is of the model's own tables: every host of pods that no manifest gives an address has the
        one that the model made up for a pod of its workload. A live mesh may use such addresses for other pods."""
        implied = {(pod.namespace, pod.workload) for pod in self.registry.pod_by_uid.values() if not pod.real}
        for _, host in self._all():
            known, parts = host.endpoint, host.endpoint.workload.split(";")
            if known.via in {Via.GATEWAY, Via.WAYPOINT} or len(parts) != 5:
                continue
            said = parts[1], parts[0]
            found = self._pod_at(self.here.network.value, known.address.rpartition(":")[0].strip("[]"))
            pod = self.registry.pod_by_uid.get(found[0]) if found is not None else None
            if found is not None and not found[1]:
                continue
            if said in implied if pod is None else said != (pod.namespace, pod.workload):
                return False
        return True

    def _all(self) -> Iterator[tuple[DumpedCluster, Host]]:
        for dumped in self.dump.tables.clusters.values():
            for host in dumped.hosts or ():
                yield dumped, host

    @cached_property
    def _clusters(self) -> Mapping[str, str]:
        """Istiod's names of clusters → the scenario's: the same, where the dump was taken, whose pods bear it, or the
        only one left."""
        names = self.registry.mesh.clusters
        votes: dict[str, Counter[str]] = {}
        for _, host in self._all():
            ident = host.endpoint.workload.rpartition(";")[2]
            if ident:
                mine = votes.setdefault(ident, Counter())
                uid = self._at(host.endpoint.address) if host.endpoint.via is not Via.GATEWAY else None
                pod = self.registry.pod_by_uid.get(uid or "")
                mine.update([pod.cluster] if pod is not None else [])
        found = {ident: ident for ident in votes if ident in names}
        if self.dump.tables.cluster_id:
            found[self.dump.tables.cluster_id] = self.here.name
        for ident, counted in votes.items():
            if ident not in found and counted:
                found[ident] = counted.most_common(1)[0][0]
        left = [ident for ident in votes if ident not in found]
        free = [name for name in names if name not in found.values()]
        if len(left) == 1 and len(free) == 1:
            found[left[0]] = free[0]
        return found

    def _behind(self, address: str) -> str | None:
        """The peer whose east-west gateway has an address; else the only one on another network."""
        found = self._gateway_at(address)
        return found or (self._peers[0].name if len(self._peers) == 1 else None)

    def _gateway_at(self, address: str) -> str | None:
        """The peer whose east-west gateway has an address, in its status or as the model counts them."""
        ip = address.rpartition(":")[0].strip("[]")
        names = tuple(sorted(self.registry.mesh.clusters))
        for peer in self._peers:
            manifest = eastwest(self.registry, peer).manifest
            stated = manifest.get("status", "addresses", default=[]) if manifest is not None else []
            if ip in {gateway_ip(names, peer.name), *(str(one.get("value")) for one in stated)}:
                return peer.name
        return None

    @cached_property
    def _peers(self) -> tuple[Cluster, ...]:
        here = self.here
        peers = self.registry.mesh.peers(here.name)
        return tuple(peer for peer in peers if peer.network.value != here.network.value)

    @cached_property
    def _ties(self) -> Mapping[str, str]:
        """Addresses that nobody knows → pods of the one revision that they can be, each pod once."""
        clusters = self.dump.tables.clusters
        taken = {uid for _, host in self._all() if (uid := self._at(host.endpoint.address)) is not None}
        groups: dict[str, set[tuple[str, ...]]] = {}
        for dumped in clusters.values() if len(clusters) <= _PATIENCE else ():
            unknown = [
                host.endpoint
                for host in dumped.hosts or ()
                if host.endpoint.workload.count(";") == 4
                and host.endpoint.via not in {Via.GATEWAY, Via.WAYPOINT}
                and self._at(host.endpoint.address) is None
            ]
            if unknown and (compiled := self._compiled(dumped.cluster.name)) is not None:
                free = [e.workload for e in compiled.endpoints if e.workload not in taken]
                for endpoint in unknown:
                    group = tuple(self._fitting(endpoint, free))
                    if group and self._one_revision(group):
                        groups.setdefault(endpoint.address.rpartition(":")[0], set()).add(group)
        found: dict[str, str] = {}
        for ip, possible in groups.items():
            common = set.intersection(*map(set, possible))
            free = sorted(common - set(found.values())) or sorted(common)
            if free:
                found[ip] = free[0]
        return found

    def _fitting(self, endpoint: Endpoint, uids: Sequence[str]) -> Iterator[str]:
        name, namespace, _, _, ident = endpoint.workload.split(";")
        for uid in uids:
            pod = self.registry.pod_by_uid.get(uid)
            if pod is None or pod.real or (pod.namespace, pod.workload) != (namespace, name):
                continue
            if self._clusters.get(ident, pod.cluster) == pod.cluster:
                yield uid

    def _one_revision(self, uids: Iterable[str]) -> bool:
        pods = [self.registry.pod_by_uid[uid] for uid in uids]
        return len({(pod.cluster, pod.labels.get(HASH_LABEL), pod.image) for pod in pods}) == 1
