"""Rollouts that no mesh route carries out: what they do instead, so that nobody looks for their split here."""

from collections.abc import Iterator
from typing import Final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Mesh
from meshsim.rollouts.gatewayapi import PLUGIN

_STRATEGY: Final = ("spec", "strategy")
_CANARY: Final = (*_STRATEGY, "canary")
_ROUTING: Final = (*_CANARY, "trafficRouting")
_OPTIONS: Final = frozenset({"managedRoutes", "maxTrafficWeight"})
"""Keys of `trafficRouting` that are no router."""


def unrouted(mesh: Mesh) -> Iterator[str]:
    """A sentence for each Rollout whose traffic is split by something that is not modelled, or by nothing."""
    for cluster in mesh.clusters.values():
        for rollout in cluster.of("Rollout"):
            why = _why(rollout)
            if why:
                yield f"{cluster.name}: {rollout.key} {why}"


def _why(rollout: Manifest) -> str:
    if rollout.get(*_STRATEGY, "blueGreen") is not None:
        return f"is blue-green, which is not modelled ({rollout.evidence(*_STRATEGY, 'blueGreen')})"
    if rollout.get(*_CANARY) is None:
        return ""
    routing = rollout.get(*_ROUTING)
    if not isinstance(routing, dict):
        return f"has no trafficRouting: its canary gets its share of the pods ({rollout.evidence(*_CANARY)})"
    plugins = [str(name) for name in routing.get("plugins") or {}]
    if "istio" in routing or any(name.lower() == PLUGIN.lower() for name in plugins):
        return ""
    routers = [name for name in routing if name != "plugins" and name not in _OPTIONS]
    named = ", ".join([*routers, *plugins])
    if not named:
        return f"names no traffic router: its canary gets its share of the pods ({rollout.evidence(*_ROUTING)})"
    return f"splits traffic by {named}, which is not modelled ({rollout.evidence(*_ROUTING)})"
