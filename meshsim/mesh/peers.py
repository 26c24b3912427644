"""Whose services a cluster watches, by the `istio-remote` Gateways that it holds (Solo docs, multicluster peering)."""

from collections.abc import Iterator, Mapping
from typing import Final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster

REMOTE_CLASS: Final = "istio-remote"
CLUSTER_LABEL: Final = "topology.istio.io/cluster"
NETWORK_LABEL: Final = "topology.istio.io/network"
_NAMED: Final = "istio-remote-peer-"


def remote_gateways(cluster: Cluster, clusters: Mapping[str, Cluster]) -> Iterator[tuple[Manifest, str]]:
    """A cluster's `istio-remote` Gateways with the peer that each stands for: by cluster label, name, or network."""
    for gateway in cluster.of("Gateway"):
        if gateway.get("spec", "gatewayClassName") != REMOTE_CLASS:
            continue
        named = gateway.labels.get(CLUSTER_LABEL) or gateway.name.removeprefix(_NAMED)
        if named in clusters and named != cluster.name:
            yield gateway, named
            continue
        network = gateway.labels.get(NETWORK_LABEL)
        for other in clusters.values():
            if network is not None and other.network.value == network and other.name != cluster.name:
                yield gateway, other.name
