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
    "sidecar_without_interop": (
        "what a remote sidecar without interop gets behind an HBONE gateway",
        ("pods", "503"),
        "Solo docs, Argo Rollouts guide (bypassed); istio endpoint_builder.go:317 (no endpoint: 503)",
    ),
}

ADVISORY: Final[Mapping[str, str]] = {"client_namespace_waypoint": "ignored", "sidecar_without_interop": "pods"}
"""Questions whose other readings are named and not modelled: the reading that is."""


def choosable(key: str, clusters: tuple[str, ...]) -> tuple[str, ...]:
    """The readings of a question that a scenario with these clusters can choose."""
    if key in ADVISORY:
        return (ADVISORY[key],)
    return (*QUESTIONS[key][1], *(clusters if key == "flat_waypoint" else ()))
