"""Single edits worth trying for a call, from the facts that its trace read: what could have been otherwise there."""

from collections.abc import Iterator
from typing import Final, final

from meshsim.analysis.calls import Call
from meshsim.analysis.situation import Situation
from meshsim.controlplane.binding import is_waypoint
from meshsim.controlplane.links import DRAINING
from meshsim.dataplane.walk import Target
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.edits import patched, with_env, with_labels
from meshsim.mesh.mesh import Mesh
from meshsim.model.evidence import Assumed, Evidence
from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen
from meshsim.model.names import ObjectKey, fqdn
from meshsim.model.verdict import Row

USE: Final = "istio.io/use-waypoint"
FOR: Final = "istio.io/waypoint-for"
INGRESS: Final = "istio.io/ingress-use-waypoint"
SCOPE: Final = "solo.io/service-scope"
MODE: Final = "istio.io/dataplane-mode"
PROPAGATED: Final = "app,rollouts-pod-template-hash"
EDIT: Final = Assumed("the edit under test")
_CLUSTER_SCOPED: Final = frozenset({"Namespace"})


@final
@frozen
class Callee:
    """Another address for the same call."""

    to: str
    target: Target


@final
@frozen
class Candidate:
    """One edit: what it says, where, how to do it, and the Mesh (or the callee) with it. `size` orders candidates."""

    sentence: str
    where: Evidence | None
    command: str
    mesh: Mesh | None = None
    to: Callee | None = None
    size: int = 1


def candidates(situation: Situation, mesh: Mesh, call: Call, row: Row) -> Iterator[Candidate]:
    """Edits in order of size; each once."""
    seen: set[str] = set()
    for candidate in _all(situation, mesh, call, row):
        if candidate.command not in seen:
            seen.add(candidate.command)
            yield candidate


def _all(situation: Situation, mesh: Mesh, call: Call, row: Row) -> Iterator[Candidate]:
    facts = _facts(row)
    yield from _other_address(situation, call, row)
    for fact in facts:
        kind, _, key = fact.name.partition(":")
        if kind == "label":
            yield from _label(mesh, fact, key)
            if key == MODE and fact.value == "none":
                yield from _enrolled_again(mesh, fact)
        elif kind == "annotation" and key == DRAINING and fact.value not in {None, "0"}:
            yield _undrained(mesh, fact)
        elif kind == "env":
            yield from _env(mesh, fact, key)
        elif fact.name.startswith("spec.ports") and fact.name.endswith((".name", ".appProtocol")):
            yield from _protocol(mesh, fact)
        elif fact.name == "spec.replicas" and fact.value == 0:
            yield _scaled(mesh, fact)
    yield from _hosts(situation, mesh, call, row)
    yield from _deploy_waypoint(situation, mesh, row)


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
        command=f"kubectl --context {cluster} -n {namespace} scale {kind.lower()} {name} --replicas 1",
        mesh=patched(mesh, fact.subject, {"spec": {"replicas": 1}}, EDIT),
    )


def _undrained(mesh: Mesh, fact: Fact) -> Candidate:
    """A drained cluster takes its share again."""
    cluster, kind, namespace, name = fact.subject.split("/")
    return Candidate(
        sentence=f"end the drain of {cluster}: {DRAINING}=0 on {kind} {namespace}/{name}",
        where=fact.evidence,
        command=f"kubectl --context {cluster} -n {namespace} annotate gateway {name} {DRAINING}=0 --overwrite",
        mesh=with_labels(mesh, fact.subject, {DRAINING: "0"}, EDIT, "annotations"),
    )


def _values(mesh: Mesh, fact: Fact, key: str) -> list[str | None]:
    """Other values that a label could have."""
    cluster, kind, *rest = fact.subject.split("/")
    if cluster not in mesh.clusters:
        return []
    if key == USE:
        place = rest[0]
        names = [m.name for m in mesh.clusters[cluster].of("Gateway") if is_waypoint(m) and m.namespace == place]
        return [*([None] if fact.value is not None else []), *(n for n in names if n != fact.value)]
    if key == FOR and fact.value not in {"service", "all"}:
        return ["service"]
    if key == INGRESS and fact.value != "true" and kind == "Service":
        return ["true"]
    if key == SCOPE and kind == "Service":
        return [None] if fact.value is not None else ["global"]
    if key == MODE and fact.value != "ambient" and kind == "Namespace":
        return ["ambient"]
    return []


def _labelled(mesh: Mesh, name: str, key: str, value: str | None, where: Evidence) -> Iterator[Candidate]:
    cluster, kind, *rest = name.split("/")
    here = mesh.clusters[cluster]
    object_key = ObjectKey(kind, rest[0] if len(rest) == 2 else "", rest[-1])
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
    scope = "" if kind in _CLUSTER_SCOPED or len(rest) == 1 else f" -n {rest[0]}"
    yield Candidate(
        sentence=sentence,
        where=where,
        command=f"kubectl --context {cluster}{scope} label {kind.lower()} {rest[-1]} {setting}",
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
    }
    value = values.get(key)
    cluster = fact.subject.split("/")[0]
    if value is None or fact.value == value or cluster not in mesh.clusters:
        return
    yield Candidate(
        sentence=f"set {key}={value} on istiod in {cluster}",
        where=fact.evidence,
        command=f"kubectl --context {cluster} -n istio-system set env deployment/istiod {key}={value}",
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
    patch = f'[{{"op": "add", "path": "/spec/ports/{index}/appProtocol", "value": "http"}}]'
    yield Candidate(
        sentence=(
            f"declare port {manifest.get('spec', 'ports', index, 'port')} of Service {namespace}/{name} in {cluster} "
            "as HTTP (appProtocol: http)"
        ),
        where=fact.evidence,
        command=f"kubectl --context {cluster} -n {namespace} patch service {name} --type json -p '{patch}'",
        mesh=mesh.fork(mesh.clusters[cluster].with_objects([edited])),
        size=2,
    )


def _enrolled_again(mesh: Mesh, fact: Fact) -> Iterator[Candidate]:
    """The label that takes a workload's pods out of the mesh, removed from its template."""
    cluster, kind, namespace, name = fact.subject.split("/")
    manifest = mesh.clusters[cluster].get(kind, namespace, name)
    path = ("spec", "template", "metadata", "labels", MODE)
    if manifest is None or manifest.get(*path) is None:
        return
    patch = f'[{{"op": "remove", "path": "/spec/template/metadata/labels/{MODE.replace("/", "~1")}"}}]'
    yield Candidate(
        sentence=f"remove label {MODE} from the pods of {kind} {namespace}/{name} in {cluster}",
        where=manifest.evidence(*path),
        command=f"kubectl --context {cluster} -n {namespace} patch {kind.lower()} {name} --type json -p '{patch}'",
        mesh=mesh.fork(mesh.clusters[cluster].with_objects([manifest.edited({path: None}, EDIT)])),
    )


def _hosts(situation: Situation, mesh: Mesh, call: Call, row: Row) -> Iterator[Candidate]:
    """The called host added to a managed VirtualService."""
    rollout = next((r for r in situation.rollouts.values() if r.name == row.rollout), None)
    if rollout is None or not call.target.host:
        return
    for route in rollout.routes:
        cluster, kind, namespace, name = route.split("/")
        manifest = mesh.clusters[cluster].get(kind, namespace, name)
        hosts = manifest.get("spec", "hosts", default=[]) if manifest is not None else []
        if kind != "VirtualService" or manifest is None or call.target.host in hosts:
            continue
        edited = manifest.edited({("spec", "hosts"): [*hosts, call.target.host]}, EDIT)
        patch = f'[{{"op": "add", "path": "/spec/hosts/-", "value": "{call.target.host}"}}]'
        yield Candidate(
            sentence=f"add {call.target.host} to the hosts of VirtualService {namespace}/{name} in {cluster}",
            where=manifest.evidence("spec", "hosts"),
            command=f"kubectl --context {cluster} -n {namespace} patch virtualservice {name} --type json -p '{patch}'",
            mesh=mesh.fork(mesh.clusters[cluster].with_objects([edited])),
            size=2,
        )


def _other_address(situation: Situation, call: Call, row: Row) -> Iterator[Candidate]:
    """Calling the Service by name, where a pod's IP (or a name that does not lead to the split) was called."""
    rollout = next((r for r in situation.rollouts.values() if r.name == row.rollout), None)
    if rollout is None or not call.caller.clients or call.caller.clients[0][1].kind == "gateway":
        return
    known = situation.plane.known(call.caller.clients[0][1].cluster)
    for namespace, name in sorted(situation.governed[rollout.cluster]):
        there = situation.plane.known(rollout.cluster).get(fqdn(name, namespace))
        names = [there.alias, there.host] if there is not None else []
        for host in names:
            service = known.get(host)
            if service is None or host == call.target.host or not service.ports:
                continue
            port = service.port(call.target.port) or service.ports[0]
            address = f"{host}:{port.number}"
            yield Candidate(
                sentence=f"call {address} instead of {call.to}",
                where=None,
                command=f"curl http://{address}{call.path}",
                to=Callee(to=address, target=Target(host=host, port=port.number)),
                size=1 if call.target.ip else 3,
            )


def _deploy_waypoint(situation: Situation, mesh: Mesh, row: Row) -> Iterator[Candidate]:
    """A waypoint for the Rollout's namespace where it has none: `istioctl waypoint apply --enroll-namespace`."""
    rollout = next((r for r in situation.rollouts.values() if r.name == row.rollout), None)
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
        mesh=with_labels(base, f"{cluster}/Namespace/{namespace}", {USE: "waypoint"}, EDIT),
        size=4,
    )
