"""What the input holds that matters to a call and is not modelled: then the answer is undetermined and says so."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from meshsim.analysis.calls import Call
from meshsim.analysis.extensions import GATEWAY_NAME, Place, acting
from meshsim.analysis.istiodflags import switched
from meshsim.analysis.situation import Managed, Situation
from meshsim.controlplane.policies import is_for_ztunnel, unevaluated
from meshsim.manifests.fields import relevant_fields
from meshsim.manifests.kinds import KINDS, Bearing
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE
from meshsim.mesh.pods import capture
from meshsim.model.facts import Fact, Facts
from meshsim.model.names import subject
from meshsim.model.trace import Delivered, Path, Trace

_CLASSIFIED = frozenset(
    {"Service", "Gateway", "Gateway.networking.istio.io", "HTTPRoute", "VirtualService", "DestinationRule", "Rollout"}
)
_RULE: Final = re.compile(r"spec\.(?P<section>rules|http)\[(?P<number>\d+)\]\.(?P<rest>.*)")
_AFFINITY: Final = "spec.sessionAffinity"
"""It binds kube-proxy alone: neither ztunnel nor istiod reads it."""
_FURTHER: Final = "spec.externalIPs"
"""They matter to who calls one of them, and to nobody who calls by name."""
_PLACES = frozenset({"Node"})
"""Kinds whose absence the scenario can stand in for (`region`, `zone`); a finding says that they are missing."""


def unmodelled(situation: Situation, call: Call, rollout: Managed | None, trace: Trace) -> tuple[str, ...]:
    """Sentences on fields and objects on the path that matter and are not modelled."""
    found: dict[str, None] = dict.fromkeys(unread(situation))
    paths = tuple(trace.paths())
    used = _rules_used(paths)
    plain = any(step.hop.startswith("kube-proxy") for path in paths for step in path.steps)
    for manifest, cluster in _on_path(situation, rollout, paths):
        for field, where in relevant_fields(manifest):
            if _elsewhere(manifest, field, used.get(subject(cluster, manifest.key), frozenset())):
                continue
            if field == _FURTHER or (field == _AFFINITY and not plain):
                continue
            found[f"{subject(cluster, manifest.key)} {field} ({where}) is not modelled"] = None
    for sentence in (*_further(situation, call), *_objects(situation, call, paths), *switched(situation, paths)):
        found[sentence] = None
    return tuple(found)


def _further(situation: Situation, call: Call) -> Iterator[str]:
    """Services that answer at the called address as at an external IP."""
    if call.target.ip and call.cluster in situation.mesh.clusters:
        for manifest in situation.mesh.clusters[call.cluster].of("Service"):
            if call.target.ip in manifest.get("spec", "externalIPs", default=[]):
                name, where = subject(call.cluster, manifest.key), manifest.evidence("spec", "externalIPs")
                yield f"{name} {_FURTHER} ({where}) is not modelled"


def _rules_used(paths: tuple[Path, ...]) -> Mapping[str, frozenset[str]]:
    """The rules of each route object that took a request on its way, by name or number."""
    found: dict[str, set[str]] = {}
    for path in paths:
        for step in path.steps:
            if step.route is not None and step.route.object is not None:
                found.setdefault(step.route.object, set()).add(step.route.rule)
    return {name: frozenset(rules) for name, rules in found.items()}


def _elsewhere(manifest: Manifest, field: str, used: frozenset[str]) -> bool:
    """Whether a field belongs to a rule that took none of the requests; what a rule matches always counts."""
    inside = _RULE.match(field)
    if inside is None or inside["rest"].startswith("match"):
        return False
    section, number = inside["section"], int(inside["number"])
    name = manifest.get("spec", section, number, "name")
    return str(name or number) not in used


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
            seen.update(dict.fromkeys(looked_at(step.facts)))
    if rollout is not None:
        cluster, namespace, name = rollout.id
        seen[f"{cluster}/Rollout/{namespace}/{name}"] = None
    for name in seen:
        parts = name.split("/")
        if len(parts) == 4 and parts[1] in _CLASSIFIED and parts[0] in situation.mesh.clusters:
            manifest = situation.object(name)
            if manifest is not None:
                yield manifest, parts[0]


def looked_at(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Of what a decision rests on, the objects whose fields are looked through."""
    kinds = ((fact.subject, fact.subject.split("/")) for fact in facts)
    return tuple(dict.fromkeys(name for name, parts in kinds if len(parts) == 4 and parts[1] in _CLASSIFIED))


def _objects(situation: Situation, call: Call, paths: tuple[Path, ...]) -> Iterator[str]:
    """Policies and extensions that act on a proxy or pod of the path, and are not modelled."""
    for place in _places(situation, paths):
        here = situation.mesh.clusters[place.cluster]
        about = [
            (manifest, _policy(manifest, place))
            for manifest in here.of("AuthorizationPolicy")
            if manifest.namespace in {place.namespace, SYSTEM_NAMESPACE}
        ]
        for manifest, does in (*about, *acting(here, place, dict(call.headers))):
            if does:
                yield f"{subject(place.cluster, manifest.key)} ({manifest.evidence()}) {does} and is not modelled"


def _places(situation: Situation, paths: tuple[Path, ...]) -> Iterator[Place]:
    found: dict[Place, None] = {}
    for path in paths:
        for step in path.steps:
            kind, _, rest = step.hop.partition(":")
            if kind in {"waypoint", "gateway", "sidecar"} and "/" in rest:
                cluster, namespace, name = rest.split("/")[:3]
                labels = _proxy_labels(situation, cluster, namespace, kind, name.rpartition("~")[2])
                found[Place(cluster, namespace, kind, name, labels)] = None
        if isinstance(path.outcome, Delivered):
            pod = situation.plane.registry.pod_by_uid.get(path.outcome.workload)
            if pod is not None:
                caught = capture(situation.mesh.clusters[pod.cluster], pod, Facts()) or "unknown"
                labels = tuple(sorted(pod.labels.items()))
                found[Place(pod.cluster, pod.namespace, caught, pod.name, labels)] = None
    yield from found


def _proxy_labels(
    situation: Situation, cluster: str, namespace: str, kind: str, name: str
) -> tuple[tuple[str, str], ...]:
    """A proxy's pods' labels; a Gateway's pods bear its name where the manifests show none (Istio docs, Gateway API,
    automated deployment)."""
    own = {GATEWAY_NAME: name} if kind != "sidecar" else {}
    registry = situation.plane.registry
    bearing = registry.matching(cluster, namespace, own)[:1] if own else ()
    workload = bearing[0].workload if bearing else "" if own else name
    pods = registry.workloads(cluster).get((namespace, workload), ())
    if pods:
        return tuple(sorted({**pods[0].labels, **own}.items()))
    gateway = situation.mesh.clusters[cluster].get("Gateway", namespace, name)
    if gateway is not None:
        own |= {str(k): str(v) for k, v in gateway.get("spec", "infrastructure", "labels", default={}).items()}
    return tuple(sorted(own.items()))


def _policy(manifest: Manifest, place: Place) -> str:
    """How an AuthorizationPolicy acts there beyond what is modelled: what a pod's ztunnel enforces is."""
    if not is_for_ztunnel(manifest):
        targets = manifest.get("spec", "targetRefs") or [manifest.get("spec", "targetRef")]
        named = {(t.get("kind"), t.get("name")) for t in targets if isinstance(t, dict)}
        gateways = {name for kind, name in named if kind == "Gateway"}
        others = any(kind != "Gateway" for kind, _ in named)
        acts = place.kind in {"waypoint", "gateway"} and (others or place.name in gateways)
        return "acts on requests at this path" if acts else ""
    if place.kind == "waypoint":
        return ""  # without targetRefs no waypoint reads it
    selector = manifest.get("spec", "selector", "matchLabels", default={})
    if not selector.items() <= dict(place.labels).items():
        return ""
    if place.kind == "ambient":
        what = unevaluated(manifest)
        return f"has {what}" if what else ""
    return "acts on this path" if place.kind in {"gateway", "sidecar"} else ""
