"""Who runs an ingress Gateway, and how it reaches a backend: by its class, or by its class's controller."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.model.facts import Facts
from meshsim.model.names import ObjectKey


class Ingress(StrEnum):
    """How a gateway sends on.

    `ISTIO` speaks HBONE itself and goes to pods unless told to use waypoints (Solo docs, failover: Istio ingress).
    `AGENT` is agentgateway, which heeds the same label (measured in tjorourke/solo-labs, migration on GKE).
    `CLIENT` is Solo's kgateway: it does not originate HBONE and calls the service's VIP like any pod behind a
    ztunnel (Solo docs, failover: kgateway). Of an `UNKNOWN` one nobody says what it does.
    """

    ISTIO = "istio"
    AGENT = "agentgateway"
    CLIENT = "kgateway"
    UNKNOWN = "unknown"


_CLASSES: Final = {
    "istio": Ingress.ISTIO,
    "agentgateway": Ingress.AGENT,
    "enterprise-agentgateway": Ingress.AGENT,
    "kgateway": Ingress.CLIENT,
    "enterprise-kgateway": Ingress.CLIENT,
    "gloo-gateway": Ingress.CLIENT,
}
_CONTROLLERS: Final = {
    "istio.io/gateway-controller": Ingress.ISTIO,
    "kgateway.dev/agentgateway": Ingress.AGENT,
    "agentgateway.dev/agentgateway": Ingress.AGENT,
    "solo.io/enterprise-agentgateway": Ingress.AGENT,
    "kgateway.dev/kgateway": Ingress.CLIENT,
    "solo.io/enterprise-kgateway": Ingress.CLIENT,
    "solo.io/gloo-gateway": Ingress.CLIENT,
}
_LAST_REFUSING: Final = (2, 3, 3)
"""agentgateway up to this version rejects the entry that stands for a remote network (tjorourke/solo-labs,
agentgw-multi-cluster-kind: 503; fixed afterwards)."""
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


def ingress(cluster: Cluster, gateway: Manifest, facts: Facts) -> Ingress:
    """Who runs a Gateway. Its GatewayClass decides where the manifests have it, else the well-known class names."""
    if gateway.kind != "Gateway":
        return Ingress.ISTIO
    name = str(cluster.note(facts, gateway, "spec", "gatewayClassName") or "")
    described = cluster.get("GatewayClass", "", name)
    controller = cluster.note(facts, described, "spec", "controllerName") if described is not None else None
    if controller is not None:
        return _CONTROLLERS.get(str(controller), Ingress.UNKNOWN)
    return _CLASSES.get(name, Ingress.UNKNOWN)


def refuses_remote_entries(cluster: Cluster, facts: Facts) -> bool | None:
    """Whether this cluster's agentgateway rejects the entries of remote networks; None where no image says which
    version it is."""
    found = sorted(_versions(cluster))
    if not found:
        return None
    version, name, index = found[0]
    path = ("spec", "template", "spec", "containers", index, "image")
    cluster.note(facts, cluster.objects[name], *path)
    return version <= _LAST_REFUSING


def _versions(cluster: Cluster) -> Iterator[tuple[tuple[int, ...], ObjectKey, int]]:
    for workload in cluster.of("Deployment"):
        for index, container in enumerate(workload.get("spec", "template", "spec", "containers", default=[])):
            image, _, tag = str(container.get("image") or "").partition("@")[0].rpartition(":")
            match = _VERSION.match(tag)
            if "agentgateway" in image and match:
                yield tuple(int(part) for part in match.groups()), workload.key, index
