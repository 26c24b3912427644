"""Lags: which moment of the Mesh each proxy knows, per family of tables.

A proxy's view is, per family, the compile of the Mesh as it was one lag ago; objects of another cluster come later by
the lag of `peering`. Where a lag is a range, every moment in it is possible.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final

from meshsim.mesh.mesh import Mesh
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
        stated = lags.per.get(name, {})
        if family in stated:
            return stated[family]
        if "default" in stated:
            return stated["default"]
    return lags.families.get(family, lags.default)


def has_lags(lags: Propagation) -> bool:
    """Whether anything is ever late."""
    stated = [lags.default, *lags.families.values(), *(lag for found in lags.per.values() for lag in found.values())]
    return any(high > 0 for _, high in stated)


@final
@dataclass(frozen=True, slots=True)
class Snapshots:
    """The distinct Meshes of a run: `times[i]` (ticks) is when `meshes[i]` came about."""

    times: tuple[int, ...]
    meshes: tuple[Mesh, ...]

    def index(self, tick: int) -> int:
        """The Mesh that is in force at a tick; before the first one, the first."""
        return max(0, bisect_right(self.times, tick) - 1)

    def candidates(self, tick: int, lag: Lag) -> range:
        """The Meshes that something with this lag may know at a tick, oldest first."""
        low, high = ticks(lag[0]), ticks(lag[1])
        return range(self.index(tick - high), self.index(tick - low) + 1)

    def boundaries(self, lags: Propagation, clusters: Iterable[str]) -> list[int]:
        """Every tick at which what somebody may know changes."""
        stated = [lags.default, *lags.families.values(), *(lag for found in lags.per.values() for lag in found.values())]
        delays = {0, *(ticks(end) for lag in stated for end in lag)}
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
