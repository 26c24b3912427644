"""Which gateways lead into a network: upstream's discovery of east-west gateways
(istio pilot/pkg/serviceregistry/ambient/networks.go)."""

from typing import final

from meshsim.controlplane.components import EASTWEST_CLASSES
from meshsim.controlplane.registry import Registry
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.peers import REMOTE_CLASS
from meshsim.model.facts import Fact, Facts
from meshsim.model.frozen import record

HBONE = "HBONE"
NETWORK = "topology.istio.io/network"
CLASS = "istio-east-west"


@final
@record
class Leading:
    """The clusters through whose gateways a network is entered, by name, and what was read to know."""

    clusters: tuple[str, ...]
    why: tuple[Fact, ...] = ()


def leading_into(registry: Registry, here: Cluster, network: str) -> Leading:
    """The visible clusters of `network` whose east-west gateway takes HBONE.

    A network of which no manifest shows an east-west gateway has a healthy one in each of its clusters, and so has one
    for which `here` holds an istio-remote Gateway (`localK8sGatewayToNetworkGateways`).
    """
    facts = Facts()
    inside = [c for c in registry.mesh.peers(here.name) if c.network.value == network]
    shown = {c.name: _leads(c, network, facts) for c in inside}
    entries = sorted(name for name, leads in shown.items() if leads)
    if not entries and (all(leads is None for leads in shown.values()) or _names(here, network)):
        entries = sorted(shown)
    return Leading(tuple(entries), facts.read())


def _names(here: Cluster, network: str) -> bool:
    """Whether a cluster has a Gateway of its own that stands for those of another network."""
    return any(
        gateway.get("spec", "gatewayClassName") == REMOTE_CLASS
        and gateway.labels.get(NETWORK) == network
        and any(listener.get("protocol") == HBONE for listener in gateway.get("spec", "listeners", default=[]))
        for gateway in here.of("Gateway")
    )


def _leads(cluster: Cluster, network: str, facts: Facts) -> bool | None:
    """Whether one of a cluster's east-west Gateways leads into its network; None where its manifests show none."""
    shown = [g for g in cluster.of("Gateway") if g.get("spec", "gatewayClassName") in EASTWEST_CLASSES]
    return any(_is_entry(cluster, gateway, network, facts) for gateway in shown) if shown else None


def _is_entry(cluster: Cluster, gateway: Manifest, network: str, facts: Facts) -> bool:
    """A Gateway of class istio-east-west that names the network in a label and ends TLS at an HBONE listener; one with
    a status needs an address in it (`remoteK8sGatewayToNetworkGateways`). A TLS mode is Terminate by default."""
    if cluster.note(facts, gateway, "spec", "gatewayClassName") != CLASS:
        return False
    if cluster.label(facts, gateway, NETWORK) != network:
        return False
    if gateway.get("status") is not None and not cluster.note(facts, gateway, "status", "addresses"):
        return False
    listeners = gateway.get("spec", "listeners", default=[])
    ends = [
        listener.get("protocol") == HBONE
        and isinstance(listener.get("tls"), dict)
        and (listener["tls"].get("mode") or "Terminate") == "Terminate"
        for listener in listeners
    ]
    for index in range(len(listeners)):
        cluster.note(facts, gateway, "spec", "listeners", index, "protocol")
        cluster.note(facts, gateway, "spec", "listeners", index, "tls", "mode")
    return any(ends)
