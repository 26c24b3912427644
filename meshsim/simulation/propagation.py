"""Lags: which moment of the Mesh each proxy knows, per family of tables.

A proxy's view is, per family, the compile of the Mesh as it was one lag ago; objects of another cluster come later by
the lag of `peering`. Where a lag is a range, every moment in it is possible.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Mesh
from meshsim.scenario.scenario import Lag, Propagation

TICKS: Final = 10**9
DATA_PLANE: Final = ("services", "workloads", "routes", "clusters", "endpoints", "dns")
PEERING: Final = "peering"
Variable = tuple[str, str]
"""(owner, family): what one proxy, or one cluster's ztunnels, know of one family."""


def lag_of(lags: Propagation, owner: str, family: str) -> Lag:
    """The lag of a family for an owner: a proxy's own, else its cluster's, else the family's, else the default.

    `owner` is a cluster, or a proxy such as `waypoint:cluster1/default/waypoint` or `ztunnel:cluster1`.
    """
    cluster = owner.partition(":")[2].split("/")[0] if ":" in owner else owner
    for name in dict.fromkeys((owner, cluster)):
        own = lags.per.get(name, {})
        if family in own or "default" in own:
            return own.get(family, own.get("default", lags.default))
    return lags.families.get(family, lags.default)


def has_lags(lags: Propagation) -> bool:
    """Whether anything is ever late."""
    return any(high > 0 for _, high in stated(lags))


def stated(lags: Propagation) -> list[Lag]:
    """Every lag that a scenario states."""
    own = (lag for found in lags.per.values() for lag in found.values())
    return [lags.default, *lags.families.values(), *own]


_ROUTES: Final = frozenset({"HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "VirtualService"})
_PODS: Final = frozenset({"ReplicaSet", "Pod", "Deployment", "StatefulSet", "DaemonSet", "Job"})
_SELECTOR: Final = "selector"
"""A Service of which nothing but the selector changed."""


def families_of(changed: str) -> frozenset[str]:
    """The families that a change of an object of this kind reaches; what is not told apart reaches all of them."""
    if changed in _ROUTES:
        return frozenset({"routes"})
    if changed == "DestinationRule":
        return frozenset({"clusters", "endpoints"})
    if changed in _PODS or changed == _SELECTOR:
        return frozenset({"endpoints", "workloads", "dns"})
    return frozenset() if changed == "Rollout" else frozenset(DATA_PLANE)


def changes(before: Cluster, after: Cluster) -> frozenset[str]:
    """The kinds of the objects that differ between two moments of a cluster; "settings" for its own settings."""
    found: set[str] = set()
    if before is after:
        return frozenset()
    for key in before.objects.keys() | after.objects.keys():
        old, new = before.objects.get(key), after.objects.get(key)
        if old is new or (old is not None and new is not None and old.data == new.data):
            continue
        same = old is not None and new is not None and key.kind == "Service" and _bare(old) == _bare(new)
        found.add(_SELECTOR if same else key.kind)
    if (before.istiod, before.dialect, before.network) != (after.istiod, after.dialect, after.network):
        found.add("settings")
    return frozenset(found)


def _bare(service: Manifest) -> dict[str, Any]:
    """A Service without its selector and annotations."""
    metadata = {key: value for key, value in service.data.get("metadata", {}).items() if key != "annotations"}
    spec = {key: value for key, value in service.data.get("spec", {}).items() if key != "selector"}
    return {"metadata": metadata, "spec": spec}


@final
@dataclass(frozen=True)
class Snapshots:
    """The distinct Meshes of a run: `times[i]` (ticks) is when `meshes[i]` came about."""

    times: tuple[int, ...]
    meshes: tuple[Mesh, ...]

    def index(self, tick: int) -> int:
        """The Mesh that is in force at a tick; before the first one, the first."""
        return max(0, bisect_right(self.times, tick) - 1)

    def candidates(self, tick: int, lag: Lag, family: str, cluster: str, *, peers: bool) -> tuple[int, ...]:
        """The Meshes that differ in a family of a cluster (or of its peers), and that something with this lag may know
        at a tick, oldest first."""
        low, high = ticks(lag[0]), ticks(lag[1])
        versions = self._versions(family, cluster, peers)
        possible = range(self.index(tick - high), self.index(tick - low) + 1)
        return tuple(dict.fromkeys(versions[index] for index in possible))

    def _versions(self, family: str, cluster: str, peers: bool) -> tuple[int, ...]:
        """For each Mesh the first one that is the same as far as a family of a cluster (or of its peers) goes."""
        key = (family, cluster, peers)
        if key not in self._known:
            found = [0]
            for index in range(1, len(self.meshes)):
                reached = any(
                    family in families_of(kind)
                    for name, kinds in self._changes[index].items()
                    if (name != cluster) == peers
                    for kind in kinds
                )
                reached = reached or self.meshes[index].down != self.meshes[index - 1].down
                found.append(index if reached else found[-1])
            self._known[key] = tuple(found)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[str, str, bool], tuple[int, ...]]:
        return {}

    @cached_property
    def _changes(self) -> tuple[Mapping[str, frozenset[str]], ...]:
        """For each Mesh and cluster, the kinds that changed since the one before."""
        found: list[Mapping[str, frozenset[str]]] = [{}]
        for before, after in pairwise(self.meshes):
            found.append({name: changes(before.clusters[name], after.clusters[name]) for name in after.clusters})
        return tuple(found)

    def boundaries(self, lags: Propagation, clusters: Iterable[str]) -> list[int]:
        """Every tick at which what somebody may know changes."""
        delays = {0, *(ticks(end) for lag in stated(lags) for end in lag)}
        names = tuple(clusters)
        if len(names) > 1:
            peering = {ticks(end) for name in names for end in lag_of(lags, name, PEERING)}
            delays |= {delay + more for delay in delays for more in peering}
        return sorted({time + delay for time in self.times for delay in delays})

    def mixed(self, own: int, peers: int, cluster: str) -> Mesh:
        """The Mesh as `cluster` may know it: itself as of one moment, its peers as of another."""
        here, there = self.meshes[own], self.meshes[peers]
        if own == peers:
            return here
        clusters = [found for name, found in there.clusters.items() if name != cluster]
        down = {target for target in here.down if _where(target) == cluster}
        down |= {target for target in there.down if _where(target) != cluster}
        return here.fork(*clusters, down=frozenset(down))


def _where(target: str) -> str:
    """The cluster that a fault belongs to; a link's is its watcher."""
    return target.partition(":")[2].split("/")[0]


def ticks(seconds: float) -> int:
    """Seconds as whole nanoseconds: sums of lags are exact."""
    return round(seconds * TICKS)
