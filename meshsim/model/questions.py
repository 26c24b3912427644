"""The contested questions: what each asks, the readings that sources support, and who says so.

A scenario's `assume` overrides the default of a question by its key.
"""

from collections.abc import Mapping
from typing import Final

QUESTIONS: Final[Mapping[str, tuple[str, tuple[str, ...], str]]] = {
    "remote_weight": (
        "how much a remote network's one entry weighs beside local endpoints",
        ("network", "pods", "endpoint"),
        "fe-solo-enterprise-for-istio-workshops 015 saw 49/51 at a waypoint; istio multicluster.go:315 counts pods",
    ),
    "flat_waypoint": (
        "whether a peer's waypoint stands before a service whose endpoints are in several clusters of one network",
        ("pods",),
        "Solo docs, Argo Rollouts guide: flat network considerations; solo gloo-mesh-use-cases flat-network",
    ),
    "client_namespace_waypoint": (
        "whether a waypoint label on the client's namespace captures calls to another namespace's service",
        ("ignored", "captures"),
        "istio waypoints.go:99 (destinations only); Solo docs, Argo Rollouts guide says 'client namespace'",
    ),
    "soft_drain": (
        "what a draining weight between 1 and 99 leaves to a cluster",
        ("share", "weight"),
        "Solo docs, operations: drain (the rest of its traffic); kgateway docs (the rest of its weight)",
    ),
    "remote_ingress": (
        "whether what an ingress gateway sends to another cluster meets the waypoint there",
        ("label", "never"),
        "istio release note 60162 (where the Service has the ingress label); undocumented for Solo",
    ),
    "mixed_routes": (
        "which of an HTTPRoute and a VirtualService for one service comes first",
        ("order", "unsupported"),
        "istio push_context.go:1138 (an order); public Solo PoC guide (do not mix them)",
    ),
    "virtualservice_hosts": (
        "whether a VirtualService covers the global name that its hosts leave out",
        ("hosts", "service"),
        "Solo docs, Argo Rollouts guide: the hosts field says which traffic matches",
    ),
    "network_mismatch": (
        "what becomes of a service's address that ztunnel does not find on its own network",
        ("passthrough",),
        "fe-solo-enterprise-for-istio-workshops 014 (waypoints are bypassed); ztunnel src/proxy/outbound.rs:660",
    ),
    "destination_rule_failover": (
        "whether a DestinationRule switches failover off where no Envoy is on the path",
        ("no-effect", "off"),
        "ztunnel reads no DestinationRule; Solo docs, Argo Rollouts guide says to disable failover by one",
    ),
    "sidecar_without_interop": (
        "what a remote sidecar without interop gets behind an HBONE gateway",
        ("pods", "503"),
        "Solo docs, Argo Rollouts guide (bypassed); istio endpoint_builder.go:317 (no endpoint: 503)",
    ),
}

ADVISORY: Final[Mapping[str, str]] = {
    "client_namespace_waypoint": "ignored",
    "sidecar_without_interop": "pods",
    "soft_drain": "share",
    "remote_ingress": "label",
    "mixed_routes": "order",
    "virtualservice_hosts": "hosts",
    "network_mismatch": "passthrough",
    "destination_rule_failover": "no-effect",
}
"""Questions whose other readings are named and not modelled: the reading that is."""


def choosable(key: str, clusters: tuple[str, ...]) -> tuple[str, ...]:
    """The readings of a question that a scenario with these clusters can choose."""
    if key in ADVISORY:
        return (ADVISORY[key],)
    return (*QUESTIONS[key][1], *(clusters if key == "flat_waypoint" else ()))
