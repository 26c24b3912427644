"""What keeps a name from being known in a cluster: the labels by which a Service of that name would be shared."""

from collections.abc import Callable, Iterator, Mapping
from typing import final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Mesh
from meshsim.model.facts import Fact, Facts

Read = Callable[[Facts, Cluster, Manifest, str], None]
"""Reads, recorded, what decides whether a cluster's Service is known under a host."""


@final
class Absent(Mapping[str, tuple[Fact, ...]]):
    """Host → what was read of the Services that it could mean, in the clusters that one sees; read when asked for."""

    def __init__(self, mesh: Mesh, cluster: str, read: Read) -> None:
        self._mesh = mesh
        self._cluster = cluster
        self._read = read

    def __getitem__(self, host: str) -> tuple[Fact, ...]:
        name, _, rest = host.partition(".")
        facts = Facts()
        for cluster in self._mesh.visible(self._cluster):
            service = cluster.get("Service", rest.partition(".")[0], name)
            if service is not None:
                self._read(facts, cluster, service, host)
        return facts.read()

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
