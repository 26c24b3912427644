"""What the peering Gateways say of a link: whether it came up, how far the peer is drained, and where the peer is."""

from typing import Final, final

from meshsim.controlplane.components import EASTWEST_CLASSES
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Mesh
from meshsim.mesh.peers import remote_gateways
from meshsim.model.facts import Fact, Facts
from meshsim.model.frozen import record

DRAINING: Final = "solo.io/draining-weight"
CONNECTED: Final = "gloo.solo.io/PeerConnected"
FIRM: Final = 100


def gateways_to(mesh: Mesh, here: Cluster, peer: Cluster) -> tuple[Manifest, ...]:
    """The `istio-remote` Gateways of `here` for one peer."""
    return tuple(gateway for gateway, name in remote_gateways(here, mesh.clusters) if name == peer.name)


def connected(mesh: Mesh, here: Cluster, peer: Cluster, facts: Facts) -> bool:
    """Whether the link came up. A peering Gateway whose status says that it is not connected brings no endpoints
    (solo workshops 006: the entries appear only once the peer's gateway is reachable)."""
    for gateway in gateways_to(mesh, here, peer):
        for index, condition in enumerate(gateway.get("status", "conditions", default=[])):
            if condition.get("type") == CONNECTED:
                return here.note(facts, gateway, "status", "conditions", index, "status") != "False"
    return True


def drained(mesh: Mesh, here: Cluster, peer: Cluster, facts: Facts) -> int:
    """How many percent of its normal share a peer is spared: the annotation on the peer's own east-west Gateway, or
    on the peering Gateway for it here (Solo docs, operations: drain; from 1.28)."""
    if not here.dialect.value("draining"):
        return 0
    own = [(peer, gateway) for gateway in peer.of("Gateway") if _is_eastwest(gateway)]
    found = [*own, *((here, gateway) for gateway in gateways_to(mesh, here, peer))]
    return max((_weight(cluster.annotation(facts, gateway, DRAINING)) for cluster, gateway in found), default=0)


def _is_eastwest(gateway: Manifest) -> bool:
    return gateway.get("spec", "gatewayClassName") in EASTWEST_CLASSES


def _weight(text: str | None) -> int:
    """A draining weight; what is none drains nothing."""
    return min(int(text), FIRM) if text is not None and text.isascii() and text.isdigit() else 0


def locality(mesh: Mesh, here: Cluster, peer: Cluster) -> tuple[str, str]:
    """A peer's aggregated entries take region and zone from the labels of the peering Gateway for it; without labels
    there is none (solo workshops 006, istio-ambient-az-aware-routing)."""
    for gateway in gateways_to(mesh, here, peer):
        labels = gateway.labels
        return labels.get("topology.kubernetes.io/region", ""), labels.get("topology.kubernetes.io/zone", "")
    return "", ""


@final
@record
class Link:
    """A link as the watching cluster has it: read once, it counts for every service."""

    up: bool
    drained: int
    locality: tuple[str, str]
    facts: tuple[Fact, ...]
    """What said whether it came up."""
    draining: tuple[Fact, ...]


def link(mesh: Mesh, here: Cluster, peer: Cluster) -> Link:
    """What `here` knows of its link to a peer."""
    facts, draining = Facts(), Facts()
    up = connected(mesh, here, peer, facts)
    percent = drained(mesh, here, peer, draining)
    return Link(up, percent, locality(mesh, here, peer), facts.read(), draining.read())


def outage(mesh: Mesh, client: str, server: str) -> str:
    """The reason code of a link that did not come up, or of a drained peer: MS501, MS503, or nothing."""
    if client == server or (client, server) not in mesh.links:
        return ""
    here, peer = mesh.clusters[client], mesh.clusters[server]
    if here.dialect.value("federation") != "peering":
        return ""
    if not connected(mesh, here, peer, Facts()):
        return "MS501"
    return "MS503" if drained(mesh, here, peer, Facts()) else ""
