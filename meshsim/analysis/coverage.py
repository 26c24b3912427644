"""What the input holds that matters to a call and is not modelled: then the answer is undetermined and says so."""

from collections.abc import Iterator

from meshsim.analysis.calls import Call
from meshsim.analysis.situation import Managed, Situation
from meshsim.manifests.fields import relevant_fields
from meshsim.manifests.kinds import KINDS, Bearing
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE
from meshsim.model.names import subject
from meshsim.model.trace import Delivered, Path, Trace

_CLASSIFIED = frozenset(
    {"Service", "Gateway", "Gateway.networking.istio.io", "HTTPRoute", "VirtualService", "DestinationRule", "Rollout"}
)
_PLACES = frozenset({"Node"})
"""Kinds whose absence the scenario can stand in for (`region`, `zone`); a finding says that they are missing."""
_POLICIES = ("AuthorizationPolicy", "EnvoyFilter", "WasmPlugin")


def unmodelled(situation: Situation, call: Call, rollout: Managed | None, trace: Trace) -> tuple[str, ...]:
    """Sentences on fields and objects on the path that matter and are not modelled."""
    found: dict[str, None] = dict.fromkeys(unread(situation))
    paths = tuple(trace.paths())
    for manifest, cluster in _on_path(situation, rollout, paths):
        for field, where in relevant_fields(manifest):
            found[f"{subject(cluster, manifest.key)} {field} ({where}) is not modelled"] = None
    for sentence in _objects(situation, paths):
        found[sentence] = None
    return tuple(found)


def unread(situation: Situation) -> Iterator[str]:
    """Sentences on kinds that decide where requests go and that nobody could read: any call may depend on them."""
    for name, cluster in situation.mesh.clusters.items():
        for kind, why in cluster.unread.items():
            known = KINDS.get(kind)
            if known is not None and known.bearing is Bearing.MODELLED and kind not in _PLACES:
                yield f"{kind} objects of {name} were not read: {why}"


def _on_path(situation: Situation, rollout: Managed | None, paths: tuple[Path, ...]) -> Iterator[tuple[Manifest, str]]:
    """The objects that the decisions rest on, each once, and the Rollout itself."""
    seen: dict[str, None] = {}
    for path in paths:
        for step in path.steps:
            if step.route is not None and step.route.object is not None:
                seen[step.route.object] = None
            for fact in step.facts:
                seen[fact.subject] = None
    if rollout is not None:
        cluster, namespace, name = rollout.id
        seen[f"{cluster}/Rollout/{namespace}/{name}"] = None
    for name in seen:
        parts = name.split("/")
        if len(parts) == 4 and parts[1] in _CLASSIFIED and parts[0] in situation.mesh.clusters:
            manifest = situation.object(name)
            if manifest is not None:
                yield manifest, parts[0]


def _objects(situation: Situation, paths: tuple[Path, ...]) -> Iterator[str]:
    """Policies and extensions that act on a proxy or pod of the path."""
    places: dict[tuple[str, str], None] = {}
    unmeshed: dict[tuple[str, str], None] = {}
    for path in paths:
        for step in path.steps:
            kind, _, rest = step.hop.partition(":")
            if kind in {"waypoint", "gateway", "sidecar"} and "/" in rest:
                cluster, namespace = rest.split("/")[:2]
                places[cluster, namespace] = None
        if isinstance(path.outcome, Delivered):
            pod = situation.plane.registry.pod_by_uid.get(path.outcome.workload)
            if pod is not None:
                places[pod.cluster, pod.namespace] = None
                if any("unmeshed" in step.tags for step in path.steps):
                    unmeshed[pod.cluster, pod.namespace] = None
    for cluster, namespace in places:
        here = situation.mesh.clusters[cluster]
        for manifest in here.of(*_POLICIES):
            if manifest.namespace in {namespace, SYSTEM_NAMESPACE}:
                yield f"{subject(cluster, manifest.key)} ({manifest.evidence()}) acts on this path and is not modelled"
    for cluster, namespace in unmeshed:
        for manifest in situation.mesh.clusters[cluster].of("PeerAuthentication"):
            mode = manifest.get("spec", "mtls", "mode", default="PERMISSIVE")
            if manifest.namespace in {namespace, SYSTEM_NAMESPACE} and mode == "STRICT":
                yield (
                    f"{subject(cluster, manifest.key)} ({manifest.evidence()}): STRICT mTLS against a client outside "
                    "the mesh is not modelled"
                )
