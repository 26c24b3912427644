"""The contested defaults: what was chosen, what else is said, and by whom."""

from collections.abc import Iterable, Mapping
from typing import Final

from meshsim.model.trace import Path
from meshsim.model.verdict import Assumption

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


def assumption(key: str, chosen: str) -> Assumption:
    """One contested default as a row."""
    question, readings, source = QUESTIONS[key]
    alternatives = tuple(reading for reading in readings if reading != chosen)
    return Assumption(question=f"{key}: {question}", chosen=chosen, alternatives=alternatives, source=source)


def of_paths(paths: Iterable[Path]) -> tuple[Assumption, ...]:
    """The contested defaults that a trace rests on, by its steps' marks."""
    found: dict[tuple[str, str], None] = {}
    for path in paths:
        for step in path.steps:
            for tag in sorted(step.tags):
                if tag.startswith("assumed:"):
                    key, _, value = tag.removeprefix("assumed:").partition("=")
                    found[key, value] = None
    return tuple(assumption(key, value) for key, value in found)
