"""Names that lead to the split: another one to call, or what gives the called one endpoints where it is called."""

from collections.abc import Iterator

from meshsim.analysis.calls import Call
from meshsim.analysis.candidate import EDIT, Callee, Candidate, kubectl, meant, with_manifests
from meshsim.analysis.situation import Managed, Situation
from meshsim.controlplane.scope import SCOPE, TAKEOVER
from meshsim.dataplane.walk import Target
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.edits import with_labels
from meshsim.mesh.mesh import Mesh
from meshsim.model.names import fqdn
from meshsim.model.verdict import Row


def published(situation: Situation, mesh: Mesh, call: Call, row: Row) -> Iterator[Candidate]:
    """What makes the called name lead to the Rollout's pods from the client's cluster: the labels that share the
    Service, a link between the clusters, a Service of that name (which upstream needs on every network)."""
    rollout = meant(situation, call, row)
    if rollout is None or not call.caller.clients or not call.target.host:
        return
    client = call.caller.clients[0][1].cluster
    if client != rollout.cluster and (client, rollout.cluster) not in mesh.links:
        yield _linked(mesh, client, rollout.cluster)
    for namespace, name in sorted(situation.governed[rollout.cluster]):
        service = mesh.clusters[rollout.cluster].get("Service", namespace, name)
        if service is not None:
            yield from _shared(mesh, rollout.cluster, client, service, call)
            yield from _stub(mesh, rollout, client, service)


def _shared(mesh: Mesh, owner: str, client: str, service: Manifest, call: Call) -> Iterator[Candidate]:
    """The labels of Solo's global services, on the objects that lack them."""
    local = call.target.host == fqdn(service.name, service.namespace)
    for cluster in dict.fromkeys((owner, client)):
        manifest = mesh.clusters[cluster].get("Service", service.namespace, service.name)
        if manifest is None or mesh.clusters[cluster].dialect.value("federation") != "peering":
            continue
        wanted = {SCOPE: "global", **({TAKEOVER: "true"} if local else {})}
        missing = {key: value for key, value in wanted.items() if manifest.labels.get(key) != value}
        if not missing:
            continue
        words = [f"{key}={value}" for key, value in missing.items()]
        yield Candidate(
            sentence=f"label Service {manifest.namespace}/{manifest.name} in {cluster} with {' and '.join(words)}",
            where=manifest.evidence("metadata", "labels"),
            command=kubectl(
                cluster, manifest.namespace, f"label service {manifest.name} {' '.join(words)} --overwrite"
            ),
            mesh=with_labels(mesh, f"{cluster}/Service/{manifest.namespace}/{manifest.name}", missing, EDIT),
            size=len(missing),
        )


def _stub(mesh: Mesh, rollout: Managed, client: str, service: Manifest) -> Iterator[Candidate]:
    """The same Service in the client's cluster, which gives its name a VIP there (ztunnel src/dns/server.rs:332)."""
    here = mesh.clusters[client]
    if (
        here.dialect.value("federation") != "split-horizon"
        or here.get("Service", service.namespace, service.name) is not None
    ):
        return
    if here.namespace(service.namespace) is None:
        return
    kept = {key: value for key, value in service.data["spec"].items() if key not in {"clusterIP", "clusterIPs"}}
    stub = Manifest.made(
        "v1",
        "Service",
        service.namespace,
        service.name,
        {"metadata": {"labels": dict(service.labels)}, "spec": kept},
        EDIT,
    )
    copied = kubectl(rollout.cluster, service.namespace, f"get service {service.name} -o yaml")
    drop = "'del(.metadata.resourceVersion, .metadata.uid, .spec.clusterIP, .spec.clusterIPs, .status)'"
    yield Candidate(
        sentence=f"give {client} a Service {service.namespace}/{service.name} like that of {rollout.cluster}",
        where=service.evidence("metadata"),
        command=f"{copied} | yq {drop} | {kubectl(client, '', 'apply -f -')}",
        mesh=with_manifests(mesh, client, [stub]),
        size=4,
    )


def _linked(mesh: Mesh, watcher: str, peer: str) -> Candidate:
    """A link by which the watcher sees the peer's services."""
    return Candidate(
        sentence=f"link {watcher} to {peer}, so that it sees the services there",
        where=None,
        command=f"istioctl multicluster link --contexts {watcher},{peer}"
        if mesh.clusters[watcher].dialect.value("federation") == "peering"
        else f"istioctl create-remote-secret --context {peer} --name {peer} | {kubectl(watcher, '', 'apply -f -')}",
        mesh=mesh.fork(links=mesh.links | {(watcher, peer)}),
        size=3,
    )


def another_name(situation: Situation, call: Call, row: Row) -> Iterator[Candidate]:
    """Calling the Service by name, where a pod's IP (or a name that does not lead to the split) was called."""
    rollout = meant(situation, call, row)
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
