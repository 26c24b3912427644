"""Tables in which hosts of Envoys' clusters are marked: taken out, or looked at one by one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, final

from meshsim.tables.envoy import Cluster, Proxy
from meshsim.tables.workload import Locality

Change = Callable[[str, Locality, Cluster], Cluster]
"""(decision-point id, where it runs, a cluster that it asks for) → that cluster as it shall be."""


@final
class MarkedPlane:
    """Implements `tables.views.Views`: another plane's tables, with clusters changed as they are asked for."""

    def __init__(self, plane: Any, change: Change) -> None:
        self._plane = plane
        self._change = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plane, name)

    def proxy(self, ident: str, locality: Locality) -> Proxy | None:
        """One Envoy's tables."""
        found: Proxy | None = self._plane.proxy(ident, locality)
        if found is None:
            return None
        return replace(found, clusters=_Changed(found.clusters, lambda one: self._change(ident, locality, one)))


@final
class _Changed(Mapping[str, Cluster]):
    """Clusters that are made, and changed, when they are asked for."""

    def __init__(self, held: Mapping[str, Cluster], change: Callable[[Cluster], Cluster]) -> None:
        self._held = held
        self._change = change

    def __getitem__(self, name: str) -> Cluster:
        return self._change(self._held[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)
