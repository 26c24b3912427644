"""What of a situation decides where requests go, as one value: equal fingerprints, equal rows."""

import json
from collections.abc import Mapping
from typing import Any, Final, final

from meshsim.mesh.mesh import Cluster
from meshsim.model.names import ObjectKey
from meshsim.rollouts.spec import weights_of
from meshsim.simulation.deployment import Deployed

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
        rollouts = tuple(
            (
                rollout,
                state.status.get("stableRS"),
                state.status.get("currentPodHash"),
                json.dumps(weights_of(state.status), sort_keys=True),
                self._object(state.rollout),
                deployed.refused.get(rollout),
            )
            for rollout, state in sorted(deployed.states.items())
        )
        return clusters, rollouts, mesh.links, mesh.down, tuple(sorted(mesh.assume.items()))

    def _cluster(self, cluster: Cluster) -> int:
        known = self._clusters.get(id(cluster))
        if known is None:
            objects: frozenset[tuple[ObjectKey, int]] = frozenset(
                (key, self._object(manifest.data))
                for key, manifest in cluster.objects.items()
                if key.kind not in _IRRELEVANT
            )
            settings = (
                cluster.network.value,
                cluster.ztunnel_network.value,
                cluster.region,
                cluster.zone,
                cluster.root.value,
                str(cluster.dialect),
                None if cluster.dataplane is None else cluster.dataplane.value,
                tuple((key, setting.value) for key, setting in sorted(cluster.istiod.items())),
            )
            known = self._clusters[id(cluster)] = (cluster, hash((objects, settings)))
        return known[1]

    def _object(self, data: Mapping[str, Any]) -> int:
        known = self._objects.get(id(data))
        if known is None:
            own = data.get("kind") == "Rollout"
            bare = {key: value for key, value in data.items() if key != "status"} if own else data
            known = self._objects[id(data)] = (data, hash(json.dumps(bare, sort_keys=True, default=str)))
        return known[1]
