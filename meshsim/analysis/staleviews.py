"""The tables of late proxies: each family from the compile of another moment's Mesh."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final, final

from meshsim.controlplane.chains import Lazy
from meshsim.controlplane.compile import ControlPlane
from meshsim.controlplane.registry import Registry
from meshsim.mesh.pods import Pod
from meshsim.simulation.propagation import Snapshots
from meshsim.tables.envoy import Chain, Proxy
from meshsim.tables.envoy import Cluster as EnvoyCluster
from meshsim.tables.views import ClusterView, PodRow
from meshsim.tables.workload import Locality
from meshsim.tables.ztunnel import ZtunnelTables

NO_CLUSTER: Final = 503
"""Envoy answers NC where a route names a cluster that it does not have yet."""


@final
class Planes:
    """Compiled Meshes of a run, each once."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._known: dict[tuple[int, int, str], ControlPlane] = {}

    def at(self, own: int, peers: int, cluster: str) -> ControlPlane:
        """What the control plane of `cluster` makes of itself as of one Mesh and its peers as of another."""
        key = (own, peers, cluster if own != peers else "")
        if key not in self._known:
            self._known[key] = ControlPlane(self._snapshots.mixed(own, peers, cluster))
        return self._known[key]

    @cached_property
    def pods(self) -> Mapping[str, Pod]:
        """Every pod that ever was, the newest of each name."""
        found: dict[str, Pod] = {}
        for index in range(len(self._snapshots.meshes)):
            found.update(self.at(index, index, "").registry.pod_by_uid)
        return found


class _AllPods:
    """A registry of the present that still knows pods of the past."""

    def __init__(self, now: Registry, pods: Mapping[str, Pod]) -> None:
        self._now = now
        self.pod_by_uid = {**pods, **now.pod_by_uid}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now, name)


@final
class StalePlane:
    """Implements `tables.views.Views`; what is no proxy's table (names of services, gateways) is the present's.

    `choose(owner, family)` says which Mesh an owner's own cluster, and which one its peers, are known as.
    """

    def __init__(self, planes: Planes, now: ControlPlane, choose: Callable[[str, str], tuple[int, int]]) -> None:
        self._planes = planes
        self._now = now
        self._choose = choose
        self._proxies: dict[tuple[str, Locality], Proxy | None] = {}
        self.mesh = now.mesh
        self.registry = _AllPods(now.registry, planes.pods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now, name)

    def _plane(self, owner: str, family: str) -> ControlPlane:
        cluster = owner.partition(":")[2].split("/")[0]
        return self._planes.at(*self._choose(owner, family), cluster)

    def cluster(self, name: str) -> ClusterView:
        """One cluster's tables, as its ztunnels, its DNS and its kube-proxy know them."""
        owner = f"ztunnel:{name}"
        services = self._plane(owner, "services").cluster(name)
        workloads = self._plane(owner, "workloads").cluster(name)
        names = self._plane(owner, "dns").cluster(name)
        endpoints = self._plane(owner, "endpoints").cluster(name)
        if services is workloads is names is endpoints:
            return services
        tables = ZtunnelTables(
            network=services.ztunnel.network,
            services=services.ztunnel.services.values(),
            workloads=workloads.ztunnel.workloads.values(),
        )
        return replace(services, ztunnel=tables, names=names.names, kube=endpoints.kube)

    def pod(self, uid: str) -> PodRow | None:
        """One pod, now or as it was."""
        found = self._now.pod(uid)
        if found is not None:
            return found
        for plane in reversed(list(self._planes._known.values())):
            found = plane.pod(uid)
            if found is not None:
                return found
        return None

    def proxy(self, ident: str, locality: Locality) -> Proxy | None:
        """One Envoy: its routes, its clusters and their endpoints, each of another moment."""
        key = (ident, locality)
        if key not in self._proxies:
            self._proxies[key] = self._make(ident, locality)
        return self._proxies[key]

    def _make(self, ident: str, locality: Locality) -> Proxy | None:
        routes, clusters, endpoints = (self._plane(ident, family) for family in ("routes", "clusters", "endpoints"))
        found = routes.proxy(ident, locality)
        if found is None or routes is clusters is endpoints:
            return found
        made: dict[str, EnvoyCluster] = {}
        missing: dict[str, int] = {}

        def make(address: str) -> Chain | None:
            chain = found.chains.get(address)
            for route in chain.routes if chain is not None else ():
                for weighted in route.clusters:
                    name = weighted.cluster
                    if name in found.missing_cluster_status and name not in found.clusters:
                        missing[name] = found.missing_cluster_status[name]
                        continue
                    policy = _cluster(clusters, ident, locality, address, name)
                    hosts = _cluster(endpoints, ident, locality, address, name)
                    if policy is None:
                        missing[name] = NO_CLUSTER
                    elif hosts is None:
                        made[name] = replace(policy, endpoints=(), empty_reason="MS402")
                    else:
                        made[name] = replace(policy, endpoints=hosts.endpoints, empty_reason=hosts.empty_reason)
            return chain

        return replace(found, chains=Lazy(tuple(found.chains), make), clusters=made, missing_cluster_status=missing)


def _cluster(plane: ControlPlane, ident: str, locality: Locality, address: str, name: str) -> EnvoyCluster | None:
    """A cluster of an Envoy by name, as one compile has it; made where no route of that moment names it."""
    proxy = plane.proxy(ident, locality)
    if proxy is None:
        return None
    if name not in proxy.clusters:
        proxy.chains.get(address)
    if name not in proxy.clusters:
        plane.make_cluster(ident, locality, name)
    return proxy.clusters.get(name)
