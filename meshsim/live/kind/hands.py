"""The user's hands on the clusters while a timeline is replayed: what was applied, scaled, and put out of order."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, final

from meshsim.live.kind import standin
from meshsim.live.kind.objects import clean, resource
from meshsim.live.kind.places import Place
from meshsim.live.kind.steps import Run
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Mesh
from meshsim.model.names import ObjectKey
from meshsim.scenario.scenario import Entry
from meshsim.simulation.entries import rollout_ids

ROLLOUTS: Final = "rollouts.argoproj.io"


class Unreplayable(ValueError):
    """An entry that real clusters cannot be made to do, with the reason."""


@final
class Hands:
    """The user's hands on the clusters, over a timeline: what was applied, what is out of order."""

    def __init__(
        self,
        places: Mapping[str, Place],
        mesh: Mesh,
        applied: Mapping[str, str],
        clients: frozenset[str],
        *,
        stand_in: bool,
        wait: float,
    ) -> None:
        self.places, self.mesh, self.stand_in, self.wait, self.clients = places, mesh, stand_in, wait, clients
        self.files = {name: [file] for name, file in applied.items()}
        """Cluster → the files that were applied to it, in order."""
        self.known: dict[tuple[str, ObjectKey], Manifest] = {
            (name, key): manifest
            for name, cluster in mesh.clusters.items()
            for key, manifest in cluster.objects.items()
        }
        self.replicas: dict[tuple[str, str, str, str], int] = {}
        self.cordoned: set[str] = set()
        self.paused: set[str] = set()

    def place(self, cluster: str) -> Place:
        return self.places[cluster]

    def rollouts(self, entry: Entry) -> Iterator[tuple[Place, str, str]]:
        """The Rollouts that an entry names."""
        for cluster, namespace, name in rollout_ids(self.mesh, entry):
            yield self.place(cluster), namespace, name

    def workload(self, cluster: str, namespace: str, name: str) -> Manifest | None:
        """A workload by name."""
        kinds = ("Rollout", "Deployment", "StatefulSet", "DaemonSet")
        found = (self.known.get((cluster, ObjectKey(kind, namespace, name))) for kind in kinds)
        return next((manifest for manifest in found if manifest is not None), None)

    def documents(self, place: Place, manifests: tuple[Manifest, ...]) -> list[dict[str, Any]]:
        """Objects as they are applied."""
        cleaned = [clean(place, manifest) for manifest in manifests]
        if not self.stand_in:
            return cleaned
        return [
            standin.with_stand_ins(document, calls=f"{place.name}/{m.namespace}/{m.name}" in self.clients)
            for document, m in zip(cleaned, manifests, strict=True)
        ]

    def scaled(self, place: Place, manifest: Manifest, replicas: int, *, remember: bool) -> Run:
        """A workload with so many replicas; `remember` where that is what it recovers to."""
        kind = resource(manifest.api_version, manifest.kind)
        if remember:
            self.replicas[place.name, manifest.kind, manifest.namespace, manifest.name] = replicas
        words = ("scale", f"{kind}/{manifest.name}", f"--replicas={replicas}", "-n", manifest.namespace)
        return Run(words=place.kubectl(*words))
