"""Which gateways lead into a network: upstream's discovery of east-west gateways
(istio pilot/pkg/serviceregistry/ambient/networks.go)."""

from meshsim.controlplane.components import EASTWEST_CLASSES
from meshsim.controlplane.registry import Registry
from meshsim.mesh.mesh import Cluster

HBONE = "HBONE"


def gateway_clusters(registry: Registry, here: Cluster, network: str) -> tuple[str, ...]:
    """The visible clusters of `network` whose east-west gateway takes HBONE, by name.

    A network of which no manifest shows an east-west gateway has a healthy one in each of its clusters; one whose
    gateways have no HBONE listener has none for ambient traffic.
    """
    inside = [c for c in registry.mesh.peers(here.name) if c.network.value == network]
    shown = {c.name: _listens(c) for c in inside}
    known = [name for name, listens in shown.items() if listens is not None]
    if not known:
        return tuple(sorted(shown))
    return tuple(sorted(name for name in known if shown[name]))


def _listens(cluster: Cluster) -> bool | None:
    """Whether a cluster's east-west Gateway has an HBONE listener; None where its manifests show no such Gateway."""
    shown = [g for g in cluster.of("Gateway") if g.get("spec", "gatewayClassName") in EASTWEST_CLASSES]
    if not shown:
        return None
    return any(
        str(listener.get("protocol")).upper() == HBONE
        for g in shown
        for listener in g.get("spec", "listeners", default=[])
    )
