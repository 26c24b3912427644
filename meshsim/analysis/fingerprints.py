"""What of a situation decides where requests go, as one value: equal fingerprints, equal rows."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, final

from meshsim.mesh.mesh import Cluster
from meshsim.model.names import ObjectKey
from meshsim.rollouts.spec import weights_of
from meshsim.simulation.deployment import Deployed, RolloutId

_IRRELEVANT: Final = frozenset({"Rollout"})
"""Kinds that proxies know nothing of; what the judge takes from Rollouts is added apart."""


@final
class Fingerprints:
    """Fingerprints of one run: each object and each cluster is looked at once."""

    def __init__(self) -> None:
        self._objects: dict[int, tuple[Mapping[str, Any], int]] = {}
        self._clusters: dict[int, tuple[Cluster, int]] = {}

    def of(self, deployed: Deployed) -> tuple[object, ...]:
        """The fingerprint of a situation."""
        mesh = deployed.mesh
        clusters = tuple((name, self._cluster(mesh.clusters[name])) for name in sorted(mesh.clusters))
        rollouts = self.rollouts(deployed, sorted(deployed.states))
        return clusters, rollouts, mesh.links, mesh.down, tuple(sorted(mesh.assume.items()))

    def rollouts(self, deployed: Deployed, which: Iterable[RolloutId]) -> tuple[object, ...]:
        """What the judge takes from Rollouts."""
        return tuple(
            (
                rollout,
                (state := deployed.states[rollout]).status.get("stableRS"),
                state.status.get("currentPodHash"),
                bool(state.status.get("abort")),
                json.dumps((weights_of(state.status), state.status.get("canary")), sort_keys=True, default=str),
                self.object(state.rollout),
                deployed.refused.get(rollout),
            )
            for rollout in which
        )

    def _cluster(self, cluster: Cluster) -> int:
        known = self._clusters.get(id(cluster))
        if known is None:
            objects: frozenset[tuple[ObjectKey, int]] = frozenset(
                (key, self.object(manifest.data))
                for key, manifest in cluster.objects.items()
                if key.kind not in _IRRELEVANT
            )
            known = self._clusters[id(cluster)] = (cluster, hash((objects, self.settings(cluster))))
        return known[1]

    @staticmethod
    def settings(cluster: Cluster) -> tuple[object, ...]:
        """A cluster without its objects."""
        return (
            cluster.network.value,
            cluster.ztunnel_network.value,
            cluster.region,
            cluster.zone,
            cluster.root.value,
            str(cluster.dialect),
            None if cluster.dataplane is None else cluster.dataplane.value,
            tuple((key, setting.value) for key, setting in sorted(cluster.istiod.items())),
        )

    def object(self, data: Mapping[str, Any]) -> int:
        """One object; of a Rollout without its status."""
        known = self._objects.get(id(data))
        if known is None:
            own = data.get("kind") == "Rollout"
            bare = {key: value for key, value in data.items() if key != "status"} if own else data
            known = self._objects[id(data)] = (data, hash(json.dumps(bare, sort_keys=True, default=str)))
        return known[1]
