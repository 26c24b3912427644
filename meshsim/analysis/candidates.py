"""Single edits worth trying for a call, from the facts that its trace read: what could have been otherwise there."""

from collections.abc import Iterator
from typing import Final

from meshsim.analysis.calls import Call
from meshsim.analysis.candidate import EDIT, Candidate, json_patch, kubectl, meant, with_manifests
from meshsim.analysis.candidate_names import another_name, published
from meshsim.analysis.candidate_routes import rerouted
from meshsim.analysis.situation import Situation
from meshsim.controlplane.attachment import WAYPOINT_FOR
from meshsim.controlplane.binding import USE_WAYPOINT, is_waypoint
from meshsim.controlplane.ingress_label import LABEL as INGRESS
from meshsim.controlplane.links import DRAINING
from meshsim.controlplane.meshconfig import GLOBAL_LABEL
from meshsim.controlplane.scope import SCOPE
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.edits import patched, with_env, with_labels
from meshsim.mesh.mesh import Mesh
from meshsim.model.evidence import Evidence
from meshsim.model.facts import Fact
from meshsim.model.names import parsed_subject
from meshsim.model.verdict import Row

MODE: Final = "istio.io/dataplane-mode"
INJECTION: Final = ("istio-injection", "istio.io/rev")
PROPAGATED: Final = "app,rollouts-pod-template-hash"
_CLUSTER_SCOPED: Final = frozenset({"Namespace"})


def candidates(situation: Situation, mesh: Mesh, call: Call, row: Row) -> Iterator[Candidate]:
    """Edits in order of size; each once."""
    seen: set[str] = set()
    for candidate in _all(situation, mesh, call, row):
        if candidate.command not in seen:
            seen.add(candidate.command)
            yield candidate


def _all(situation: Situation, mesh: Mesh, call: Call, row: Row) -> Iterator[Candidate]:
    facts = _facts(row)
    yield from another_name(situation, call, row)
    for fact in facts:
        kind, _, key = fact.name.partition(":")
        if kind == "label":
            yield from _label(mesh, fact, key)
            if key == MODE and fact.value == "none":
                yield from _enrolled_again(mesh, fact)
        elif kind == "env":
            yield from _env(mesh, fact, key)
        elif fact.name.startswith("spec.ports") and fact.name.endswith((".name", ".appProtocol")):
            yield from _protocol(mesh, fact)
        elif fact.name == "spec.replicas" and fact.value == 0:
            yield _scaled(mesh, fact)
        elif fact.name.startswith("status.") and fact.subject.split("/")[1] == "Gateway":
            yield from _programmed(mesh, fact)
        elif kind == "annotation" and key == DRAINING and fact.value is not None:
            yield _undrained(mesh, fact)
    yield from rerouted(situation, mesh, call, row)
    yield from published(situation, mesh, call, row)
    yield from _bound(situation, mesh, call, row)
    yield from _deploy_waypoint(situation, mesh, call, row)
    yield from _into_ambient(mesh, call)
    yield from _networks_agree(mesh, call, row)


def _facts(row: Row) -> tuple[Fact, ...]:
    found: dict[tuple[str, str], Fact] = {}
    for path in row.trace.paths():
        for step in path.steps:
            for fact in step.facts:
                found.setdefault((fact.subject, fact.name), fact)
    return tuple(found.values())


def _label(mesh: Mesh, fact: Fact, key: str) -> Iterator[Candidate]:
    for value in _values(mesh, fact, key):
        yield from _labelled(mesh, fact.subject, key, value, fact.evidence)


def _scaled(mesh: Mesh, fact: Fact) -> Candidate:
    """A component that somebody scaled to zero gets a pod."""
    cluster, kind, namespace, name = fact.subject.split("/")
    return Candidate(
        sentence=f"scale {kind} {namespace}/{name} in {cluster} to 1",
        where=fact.evidence,
        command=kubectl(cluster, namespace, f"scale {kind.lower()} {name} --replicas 1"),
        mesh=patched(mesh, fact.subject, {"spec": {"replicas": 1}}, EDIT),
    )


def _values(mesh: Mesh, fact: Fact, key: str) -> list[str | None]:
    """Other values that a label could have."""
    cluster, kind, *rest = fact.subject.split("/")
    if cluster not in mesh.clusters:
        return []
    if key == USE_WAYPOINT:
        place = rest[0]
        names = [m.name for m in mesh.clusters[cluster].of("Gateway") if is_waypoint(m) and m.namespace == place]
        return [*([None] if fact.value is not None else []), *(n for n in names if n != fact.value)]
    if key == WAYPOINT_FOR and fact.value not in {"service", "all"}:
        return ["service"]
    if key == INGRESS and fact.value != "true" and kind == "Service":
        return ["true"]
    if key == SCOPE and kind == "Service":
        return [None] if fact.value is not None else ["global"]
    if key == GLOBAL_LABEL and kind == "Service":
        return [None] if fact.value is not None else ["true"]
    if key == MODE and fact.value != "ambient" and kind == "Namespace":
        return ["ambient"]
    return []


def _labelled(mesh: Mesh, name: str, key: str, value: str | None, where: Evidence) -> Iterator[Candidate]:
    cluster, object_key = parsed_subject(name)
    kind, rest = object_key.kind, name.split("/")[2:]
    here = mesh.clusters[cluster]
    base = mesh
    if object_key not in here.objects:
        if kind != "Namespace":
            return
        base = _with_namespace(mesh, cluster, rest[-1])
    if value is None:
        sentence, size = f"remove label {key} from {kind} {'/'.join(rest)} in {cluster}", 1
        setting = f"{key}-"
    else:
        sentence, size = f"label {kind} {'/'.join(rest)} in {cluster} with {key}={value}", 1
        setting = f"{key}={value} --overwrite"
    scope = "" if kind in _CLUSTER_SCOPED or len(rest) == 1 else rest[0]
    yield Candidate(
        sentence=sentence,
        where=where,
        command=kubectl(cluster, scope, f"label {kind.lower()} {rest[-1]} {setting}"),
        mesh=with_labels(base, name, {key: value}, EDIT),
        size=size,
    )


def _with_namespace(mesh: Mesh, cluster: str, name: str) -> Mesh:
    """The Mesh with a Namespace that no manifest describes, as the scenario's dataplane has it."""
    here = mesh.clusters[cluster]
    labels = {}
    if here.dataplane is not None and here.dataplane.value == "ambient":
        labels = {MODE: "ambient"}
    elif here.dataplane is not None and here.dataplane.value == "sidecar":
        labels = {"istio-injection": "enabled"}
    made = Manifest.made("v1", "Namespace", "", name, {"metadata": {"labels": labels}}, EDIT)
    return mesh.fork(here.with_objects([made]))


def _env(mesh: Mesh, fact: Fact, key: str) -> Iterator[Candidate]:
    values = {
        "ENABLE_WAYPOINT_INTEROP": "true",
        "ENABLE_PEERING_LABEL_PROPAGATION": PROPAGATED,
        "ENABLE_INGRESS_WAYPOINT_ROUTING": "true",
        "AMBIENT_ENABLE_MULTI_NETWORK": "true",
        "AMBIENT_ENABLE_MULTI_NETWORK_WAYPOINT": "true",
        "AMBIENT_ENABLE_MULTI_NETWORK_INGRESS": "true",
    }
    value = values.get(key)
    cluster = fact.subject.split("/")[0]
    if value is None or fact.value == value or cluster not in mesh.clusters:
        return
    yield Candidate(
        sentence=f"set {key}={value} on istiod in {cluster}",
        where=fact.evidence,
        command=kubectl(cluster, "istio-system", f"set env deployment/istiod {key}={value}"),
        mesh=with_env(mesh, cluster, "istiod", {key: value}, EDIT),
        size=2,
    )


def _protocol(mesh: Mesh, fact: Fact) -> Iterator[Candidate]:
    cluster, kind, namespace, name = fact.subject.split("/")
    manifest = mesh.clusters[cluster].get(kind, namespace, name)
    index = int(fact.name.split(".")[2])
    if manifest is None:
        return
    edited = manifest.edited({("spec", "ports", index, "appProtocol"): "http"}, EDIT)
    yield Candidate(
        sentence=(
            f"declare port {manifest.get('spec', 'ports', index, 'port')} of Service {namespace}/{name} in {cluster} "
            "as HTTP (appProtocol: http)"
        ),
        where=fact.evidence,
        command=json_patch(
            cluster, manifest, {"op": "add", "path": f"/spec/ports/{index}/appProtocol", "value": "http"}
        ),
        mesh=with_manifests(mesh, cluster, [edited]),
        size=2,
    )


def _enrolled_again(mesh: Mesh, fact: Fact) -> Iterator[Candidate]:
    """The label that takes a workload's pods out of the mesh, removed from its template."""
    cluster, kind, namespace, name = fact.subject.split("/")
    manifest = mesh.clusters[cluster].get(kind, namespace, name)
    path = ("spec", "template", "metadata", "labels", MODE)
    if manifest is None or manifest.get(*path) is None:
        return
    yield Candidate(
        sentence=f"remove label {MODE} from the pods of {kind} {namespace}/{name} in {cluster}",
        where=manifest.evidence(*path),
        command=json_patch(
            cluster, manifest, {"op": "remove", "path": f"/spec/template/metadata/labels/{MODE.replace('/', '~1')}"}
        ),
        mesh=with_manifests(mesh, cluster, [manifest.edited({path: None}, EDIT)]),
    )


def _programmed(mesh: Mesh, fact: Fact) -> Iterator[Candidate]:
    """A Gateway without an address gets one: no edit of ours, yet what has to come about."""
    cluster, _, namespace, name = fact.subject.split("/")
    manifest = mesh.clusters[cluster].get("Gateway", namespace, name)
    if manifest is None or manifest.get("status", "addresses"):
        return
    status = {"addresses": [{"type": "IPAddress", "value": "192.0.2.1"}]}
    edited = manifest.edited({("status",): status}, EDIT)
    yield Candidate(
        sentence=f"get Gateway {namespace}/{name} in {cluster} programmed: it has no address",
        where=fact.evidence,
        command=kubectl(cluster, namespace, f"wait gateway {name} --for=condition=Programmed"),
        mesh=with_manifests(mesh, cluster, [edited]),
        size=3,
    )


def _undrained(mesh: Mesh, fact: Fact) -> Candidate:
    cluster, kind, namespace, name = fact.subject.split("/")
    return Candidate(
        sentence=f"remove annotation {DRAINING} from {kind} {namespace}/{name} in {cluster}",
        where=fact.evidence,
        command=kubectl(cluster, namespace, f"annotate {kind.lower()} {name} {DRAINING}-"),
        mesh=with_labels(mesh, fact.subject, {DRAINING: None}, EDIT, "annotations"),
    )


def _bound(situation: Situation, mesh: Mesh, call: Call, row: Row) -> Iterator[Candidate]:
    """The Rollout's Service, or its namespace, bound to a waypoint that is there."""
    rollout = meant(situation, call, row)
    if rollout is None:
        return
    cluster, namespace, _ = rollout.id
    here = mesh.clusters[cluster]
    for gateway in here.of("Gateway"):
        if not is_waypoint(gateway) or gateway.namespace != namespace:
            continue
        for _, name in sorted(situation.governed[cluster]):
            service = here.get("Service", namespace, name)
            if service is not None:
                subject = f"{cluster}/Service/{namespace}/{name}"
                yield from _labelled(mesh, subject, USE_WAYPOINT, gateway.name, service.evidence("metadata", "labels"))


def _into_ambient(mesh: Mesh, call: Call) -> Iterator[Candidate]:
    """A client's namespace out of injection and into ambient: an upstream sidecar never meets a waypoint."""
    if not call.caller.clients or call.caller.clients[0][1].kind == "gateway":
        return
    client = call.caller.clients[0][1]
    name = f"{client.cluster}/Namespace/{client.namespace}"
    manifest = mesh.clusters[client.cluster].namespace(client.namespace)
    injected = [key for key in INJECTION if manifest is not None and key in manifest.labels]
    if manifest is None or not injected:
        return
    gone = " ".join(f"{key}-" for key in injected)
    yield Candidate(
        sentence=f"label Namespace {client.namespace} in {client.cluster} with {MODE}=ambient and without injection",
        where=manifest.evidence("metadata", "labels", injected[0]),
        command=kubectl(client.cluster, "", f"label namespace {client.namespace} {MODE}=ambient {gone} --overwrite"),
        mesh=with_labels(mesh, name, {MODE: "ambient", **dict.fromkeys(injected)}, EDIT),
        size=3,
    )


def _networks_agree(mesh: Mesh, call: Call, row: Row) -> Iterator[Candidate]:
    """Ztunnel's NETWORK as istio-system has it, where the two differ (MS105)."""
    if "MS105" not in row.reasons or not call.caller.clients:
        return
    here = mesh.clusters[call.caller.clients[0][1].cluster]
    if here.network.value == here.ztunnel_network.value:
        return
    setting = f"NETWORK={here.network.value}"
    yield Candidate(
        sentence=f"set {setting} on ztunnel in {here.name}",
        where=here.ztunnel_network.evidence,
        command=kubectl(here.name, "istio-system", f"set env daemonset/ztunnel {setting}"),
        mesh=with_env(mesh, here.name, "ztunnel", {"NETWORK": here.network.value}, EDIT),
        size=2,
    )


def _deploy_waypoint(situation: Situation, mesh: Mesh, call: Call, row: Row) -> Iterator[Candidate]:
    """A waypoint for the Rollout's namespace where it has none: `istioctl waypoint apply --enroll-namespace`."""
    rollout = meant(situation, call, row)
    if rollout is None:
        return
    cluster, namespace, _ = rollout.id
    here = mesh.clusters[cluster]
    if any(is_waypoint(g) and g.namespace == namespace for g in here.of("Gateway")):
        return
    spec = {
        "gatewayClassName": "istio-waypoint",
        "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}],
    }
    gateway = Manifest.made("gateway.networking.k8s.io/v1", "Gateway", namespace, "waypoint", {"spec": spec}, EDIT)
    described = here.namespace(namespace)
    base = mesh if described is not None else _with_namespace(mesh, cluster, namespace)
    base = base.fork(base.clusters[cluster].with_objects([gateway]))
    yield Candidate(
        sentence=f"deploy a waypoint in {namespace} of {cluster} and enroll the namespace",
        where=described.evidence("metadata", "labels") if described is not None else None,
        command=f"istioctl --context {cluster} waypoint apply -n {namespace} --enroll-namespace",
        mesh=with_labels(base, f"{cluster}/Namespace/{namespace}", {USE_WAYPOINT: "waypoint"}, EDIT),
        size=4,
    )
