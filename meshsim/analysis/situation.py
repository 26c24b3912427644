"""One moment of one Mesh, ready to be asked: its tables, and its Rollouts as their controllers left them."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

from meshsim.analysis.outages import cut
from meshsim.controlplane.compile import ControlPlane
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Mesh
from meshsim.mesh.pods import HASH_LABEL, Pod
from meshsim.model.frozen import frozen
from meshsim.model.names import ObjectKey, parsed_subject, subject
from meshsim.model.trace import RouteUse, Trace
from meshsim.rollouts import State
from meshsim.rollouts.gatewayapi import is_managed, targets
from meshsim.rollouts.istio import http_indexes, virtual_services
from meshsim.rollouts.phase import weight_in_force
from meshsim.rollouts.spec import canary, managed_services, max_weight, routing
from meshsim.simulation.deployment import Deployed, RolloutId, name_of

if TYPE_CHECKING:
    from meshsim.analysis.governance import Attachments


@final
@frozen
class Managed:
    """One Rollout's hold on traffic: the routes it writes and the revisions it tells apart.

    `routes` are object names `cluster/Kind/namespace/name`; `canary_hash` is "" where no revision is under way.
    """

    id: RolloutId
    state: State
    routes: tuple[str, ...]
    stable_hash: str
    canary_hash: str
    weight: int
    most: int
    refused: str = ""

    @property
    def name(self) -> str:
        return name_of(self.id)

    @property
    def cluster(self) -> str:
        return self.id[0]

    def role(self, pod: Pod | None) -> str:
        """`stable`, `canary` or `other`, by pod-template hash, in any cluster."""
        found = pod.labels.get(HASH_LABEL) if pod is not None else None
        if found is not None and found == self.stable_hash:
            return "stable"
        return "canary" if found is not None and found == self.canary_hash else "other"


@final
class Situation:
    """A Mesh at a moment with everything derived from it."""

    def __init__(
        self, deployed: Deployed, *, plane: Any = None, correct: Callable[[Trace], Trace] | None = None
    ) -> None:
        """`plane` is what late proxies know in place of the Mesh as it is, `correct` what then becomes of a trace."""
        self.deployed = deployed
        self.mesh: Mesh = deployed.mesh
        self.plane: ControlPlane = ControlPlane(deployed.mesh) if plane is None else plane
        self.correct: Callable[[Trace], Trace] = correct if correct is not None else cut(deployed.mesh.down)
        self.rollouts: Mapping[RolloutId, Managed] = {
            rollout: _managed(deployed, rollout, state) for rollout, state in sorted(deployed.states.items())
        }

    @cached_property
    def governed(self) -> Mapping[str, frozenset[tuple[str, str]]]:
        """Cluster → (namespace, name) of its Services whose traffic a Rollout governs: its pods stand behind them, or
        a route it manages attaches to them."""
        return {name: frozenset(self._governed_in(name)) for name in self.mesh.clusters}

    @cached_property
    def governed_anywhere(self) -> frozenset[tuple[str, str]]:
        """(namespace, name) of the Services that a Rollout of any cluster governs."""
        return frozenset().union(*self.governed.values())

    @cached_property
    def workloads(self) -> Mapping[tuple[str, str, str], None]:
        """(cluster, namespace, workload) of everything that has pods or makes them, sorted."""
        found = {
            (name, namespace, workload)
            for name in self.mesh.clusters
            for namespace, workload in self.plane.registry.workloads(name)
        }
        for name, cluster in self.mesh.clusters.items():
            found |= {(name, m.namespace, m.name) for m in cluster.of("Deployment", "StatefulSet", "Rollout")}
        return dict.fromkeys(sorted(found))

    @cached_property
    def attachments(self) -> "Attachments":
        """Which Rollouts' routes attach to which hosts."""
        from meshsim.analysis.governance import Attachments

        return Attachments(self)

    def _governed_in(self, cluster: str) -> Iterator[tuple[str, str]]:
        for rollout in self.rollouts.values():
            if rollout.cluster != cluster or not rollout.routes:
                continue
            labels = dict((rollout.state.template.get("metadata") or {}).get("labels") or {})
            managed = {
                rollout.state.object("Service", str(n)) is not None and n
                for n in managed_services(rollout.state.rollout)
            }
            for service in self.mesh.clusters[cluster].of("Service"):
                selector = service.get("spec", "selector", default={})
                if service.namespace != rollout.id[1] or not selector or service.name in managed:
                    continue
                wanted = {k: v for k, v in selector.items() if k != HASH_LABEL}
                if wanted.items() <= labels.items():
                    yield service.namespace, service.name

    def object(self, name: str) -> Manifest | None:
        """The object `cluster/Kind/namespace/name`.

        A namespace may be missing: the plugin before v0.11 looks for its routes in none, and finds nothing.
        """
        cluster, key = parsed_subject(name)
        return self.mesh.clusters[cluster].objects.get(key)

    def manages(self, rollout: Managed, use: RouteUse | None) -> bool:
        """Whether a rule that was used is one whose weights the Rollout writes (or that it inserted)."""
        if use is None or use.object is None or use.object not in rollout.routes:
            return False
        manifest = self.object(use.object)
        if manifest is None:
            return False
        if manifest.kind == "VirtualService":
            return _is_managed_http(rollout.state, manifest, use.rule)
        rules = manifest.get("spec", "rules", default=[])
        found = [r for i, r in enumerate(rules) if str(r.get("name") or i) == use.rule]
        return bool(found) and _weighs(rollout.state, found[0])

    def inserted(self, rollout: Managed, use: RouteUse | None) -> bool:
        """Whether the controller inserted the rule that was used (`setHeaderRoute`): it wants the canary alone."""
        if use is None or use.object is None or use.object not in rollout.routes:
            return False
        manifest = self.object(use.object)
        http = manifest.get("spec", "http", default=[]) if manifest is not None else []
        if any(str(route.get("name")) == use.rule and route.get("mirror") for route in http):
            return False  # setMirrorRoute copies requests; the rule itself is split like the others
        names = [str(r.get("name")) for r in (routing(rollout.state.rollout) or {}).get("managedRoutes") or ()]
        return any(use.rule == name or use.rule.startswith(f"{name}-") for name in names)


def _weighs(state: State, rule: Mapping[str, Any]) -> bool:
    """Whether the plugin writes weights into a rule, or made it: it names a managed Service."""
    spec = canary(state.rollout)
    names = {spec.get("stableService"), spec.get("canaryService")}
    if is_managed(state.rollout, rule, version=state.gatewayapi):
        managed = [str(r.get("name")) for r in (routing(state.rollout) or {}).get("managedRoutes") or ()]
        return any(str(rule.get("name") or "").startswith(name) for name in managed)
    return any(backend.get("name") in names for backend in rule.get("backendRefs") or ())


def _is_managed_http(state: State, manifest: Manifest, rule: str) -> bool:
    """Whether the controller writes a VirtualService's http route: one its spec names, or one it inserted."""
    routes = manifest.get("spec", "http", default=[])
    index = next((i for i, r in enumerate(routes) if str(r.get("name") or i) == rule), None)
    managed = {str(r.get("name")) for r in (routing(state.rollout) or {}).get("managedRoutes") or ()}
    if index is None:
        return False
    if str(routes[index].get("name") or "") in managed:
        return True
    for namespace, name, entry in virtual_services(state.rollout):
        if (namespace, name) == (manifest.namespace, manifest.name):
            try:
                return index in http_indexes(list(entry.get("routes") or ()), list(routes))
            except Exception:  # noqa: BLE001 - the controller refuses this VirtualService; then it writes nothing
                return False
    return False


def _managed(deployed: Deployed, rollout: RolloutId, state: State) -> Managed:
    cluster = rollout[0]
    routes = [
        subject(cluster, ObjectKey(t.kind.kind, t.namespace, t.name))
        for t in targets(state.rollout, state.docs(), version=state.gatewayapi)
    ]
    routes += [
        subject(cluster, ObjectKey("VirtualService", namespace, name))
        for namespace, name, _ in virtual_services(state.rollout)
    ]
    stable = str(state.status.get("stableRS") or "")
    current = str(state.status.get("currentPodHash") or "")
    return Managed(
        id=rollout,
        state=state,
        routes=tuple(routes) if routing(state.rollout) is not None else (),
        stable_hash=stable,
        canary_hash=current if current != stable else "",
        weight=weight_in_force(state),
        most=max_weight(state.rollout),
        refused=deployed.refused.get(rollout, ""),
    )
