"""Who calls what: a scenario's calls expanded, and the default calls where it states none."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from fractions import Fraction
from typing import final

from meshsim.analysis.situation import Situation
from meshsim.controlplane.binding import is_waypoint
from meshsim.controlplane.components import ISTIO_GATEWAY, is_component
from meshsim.dataplane.match import HttpRequest
from meshsim.dataplane.resolve import is_address
from meshsim.dataplane.walk import Client, Target
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import Pod
from meshsim.model.errors import InputError
from meshsim.model.evidence import Evidence, Source
from meshsim.model.frozen import frozen
from meshsim.model.names import CLUSTER_DOMAIN, fqdn
from meshsim.model.shares import ONE
from meshsim.rollouts.spec import managed_services
from meshsim.scenario.scenario import CallSpec
from meshsim.tables.workload import Locality


@final
@frozen
class Caller:
    """One client location: how the answer names it, the clients it is averaged over, and whom it stands for."""

    name: str
    clients: tuple[tuple[Fraction, Client], ...]
    members: tuple[str, ...] = ()


@final
@frozen
class Call:
    """One call, ready to be resolved. `to` is as written; `target` what it means."""

    caller: Caller
    to: str
    target: Target
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    connection: str = "new"

    @property
    def cluster(self) -> str:
        """The cluster that the call comes from."""
        if self.caller.clients:
            return self.caller.clients[0][1].cluster
        return self.caller.name.partition(":")[2].split("/")[0]

    @property
    def address(self) -> str:
        """The callee as FQDN (or IP) and port."""
        return str(self.target)

    @property
    def request(self) -> HttpRequest:
        headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", ":authority"}}
        authority = next((v for k, v in self.headers.items() if k.lower() in {"host", ":authority"}), None)
        return HttpRequest(path=self.path, authority=authority or self.target.host or self.target.ip, headers=headers)


def expand(situation: Situation, spec: CallSpec) -> Iterator[Call]:
    """The calls that one entry means. Raises InputError where it names nothing."""
    for caller in callers(situation, spec.frm, spec.source):
        yield call_of(caller, spec, target_of(situation, caller, spec.to, spec.source))


def call_of(caller: Caller, spec: CallSpec, target: Target) -> Call:
    """An entry as one caller's call."""
    headers = dict(spec.headers)
    return Call(caller=caller, to=spec.to, target=target, path=spec.path, headers=headers, connection=spec.connection)


def callers(situation: Situation, name: str, where: Evidence | None) -> tuple[Caller, ...]:
    """The client locations that a `from` names."""
    kind, _, rest = name.partition(":")
    if kind == "ingress":
        return (_ingress(situation, rest, name, where),)
    if kind == "external":
        _cluster(situation, rest, where)
        return (Caller(name=name, clients=((ONE, Client(kind="external", cluster=rest)),)),)
    parts = name.split("/")
    found = [key for key in situation.workloads if _fits(key, parts)]
    if not found and len(parts) == 1:
        return (_some_client(situation, name, where),)
    if len(parts) == 1:
        return (_some_client(situation, name, where),)
    if not found:
        known = ", ".join("/".join(k) for k in list(situation.workloads)[:8])
        msg = f"no workload {name!r} to call from"
        raise InputError(msg, where=where, hint=f"write cluster/namespace/workload; there is {known or 'none'}")
    if len(parts) == 2 and "*" not in parts and len(found) > 1:
        msg = f"{name!r} is not unique: {', '.join('/'.join(k) for k in found)}"
        raise InputError(msg, where=where, hint="write cluster/namespace/workload")
    one = len(found) == 1 and "*" not in name
    return tuple(workload_caller(situation, key, name if one else "/".join(key)) for key in found)


def _cluster(situation: Situation, name: str, where: Evidence | None) -> None:
    if name not in situation.mesh.clusters:
        msg = f"there is no cluster {name!r}"
        raise InputError(msg, where=where, hint=f"clusters are {', '.join(sorted(situation.mesh.clusters))}")


def _fits(key: tuple[str, str, str], parts: list[str]) -> bool:
    """`cluster/namespace/workload` with `*` per segment, or `cluster/workload`."""
    if parts[-1] not in {"*", key[-1]}:
        return False
    if len(parts) == 2:
        return parts[0] in {key[0], "*"} and parts[1] in {key[2], "*"}
    return len(parts) == 3 and all(part in {actual, "*"} for part, actual in zip(parts, key, strict=True))


def workload_caller(situation: Situation, key: tuple[str, str, str], name: str) -> Caller:
    """A workload as a caller: its ready pods, one client per locality; with no pods it counts as one."""
    cluster, namespace, workload = key
    pods = situation.plane.registry.workloads(cluster).get((namespace, workload), ())
    ready = [p for p in pods if p.ready] or list(pods[:1])
    if not ready:
        absent = situation.plane.registry.absent
        ready = [pod for pod in absent.values() if (pod.cluster, pod.namespace, pod.workload) == key]
    if not ready:
        return Caller(name=name, clients=((ONE, Client(kind="pod", cluster=cluster, namespace=namespace, uid="")),))
    places: dict[tuple[str, str, str, str], list[Pod]] = {}
    for pod in ready:
        places.setdefault((pod.region, pod.zone, pod.node, str(pod.hash)), []).append(pod)
    clients = tuple(
        (
            Fraction(len(group), len(ready)),
            Client(
                kind="pod",
                cluster=cluster,
                namespace=namespace,
                uid=group[0].uid,
                locality=Locality(group[0].region, group[0].zone),
            ),
        )
        for group in places.values()
    )
    return Caller(name=name, clients=clients)


def _some_client(situation: Situation, cluster: str, where: Evidence | None) -> Caller:
    """Some client in a cluster: its first client workload."""
    _cluster(situation, cluster, where)
    known = client_workloads(situation, cluster)
    if not known:
        msg = f"{cluster} has no workload that could be a client"
        raise InputError(msg, where=where, hint=f"write {cluster}/namespace/workload and add its Deployment")
    return workload_caller(situation, (cluster, *known[0]), cluster)


def client_workloads(situation: Situation, cluster: str) -> list[tuple[str, str]]:
    """The workloads of a cluster that are users' own and not a governed Service's pods."""
    registry = situation.plane.registry
    here = situation.mesh.clusters[cluster]
    served = {
        pod.uid
        for service in here.of("Service")
        if (service.namespace, service.name) in situation.governed_anywhere
        for pod in registry.selected(cluster, service)
    }
    return [
        key
        for key, pods in sorted(registry.workloads(cluster).items())
        if not any(is_component(here, pod) for pod in pods) and not any(pod.uid in served for pod in pods)
    ]


def _ingress(situation: Situation, rest: str, name: str, where: Evidence | None) -> Caller:
    """A gateway as a caller: `cluster/ns/name`, or `cluster/Kind/ns/name` for Istio's Gateway."""
    parts = rest.split("/")
    kind = ""
    if len(parts) == 4:
        kind = parts.pop(1)
    if len(parts) != 3 or parts[0] not in situation.mesh.clusters:
        msg = f"{name!r} names no gateway"
        raise InputError(msg, where=where, hint="write ingress:cluster/namespace/gateway")
    cluster = situation.mesh.clusters[parts[0]]
    marked = f"{ISTIO_GATEWAY}~{parts[2]}" if kind == ISTIO_GATEWAY else parts[2]
    ident = f"gateway:{parts[0]}/{parts[1]}/{marked}"
    component = situation.plane.gateway(ident)
    if component is None:
        there = [f"{m.namespace}/{m.name}" for m in cluster.of("Gateway", ISTIO_GATEWAY)]
        msg = f"{parts[0]} has no Gateway {parts[1]}/{parts[2]}"
        raise InputError(msg, where=where, hint=f"it has {', '.join(there) or 'no Gateway'}")
    places: dict[Locality, int] = {}
    for pod in component.ready_pods:
        locality = Locality(pod.region, pod.zone)
        places[locality] = places.get(locality, 0) + 1
    whole = sum(places.values())
    clients = tuple(
        (Fraction(count, whole), Client(kind="gateway", cluster=parts[0], ident=ident, locality=locality))
        for locality, count in places.items()
    )
    return Caller(name=name, clients=clients)


def target_of(situation: Situation, caller: Caller, to: str, where: Evidence | None) -> Target:
    """What a `to` means from a caller: a host with its port, an IP, or `pod:cluster/ns/workload/n`."""
    if to.startswith("pod:"):
        return _pod_target(situation, to, where)
    host, _, port = to.rpartition(":") if ":" in to else (to, "", "")
    if not host or (port and not port.isdigit()):
        msg = f"{to!r} is no address"
        raise InputError(msg, where=where, hint="write host:port, ip:port or pod:cluster/namespace/workload/n:port")
    host = host.strip("[]")
    client = caller.clients[0][1] if caller.clients else None
    cluster = client.cluster if client is not None else caller.name.partition(":")[2].split("/")[0]
    if is_address(host):
        if not port:
            msg = f"{to!r} needs a port"
            raise InputError(msg, where=where, hint=f"write {host}:PORT")
        return Target(ip=host, port=int(port))
    if client is None or client.kind == "gateway":
        return Target(host=host, port=int(port) if port else _listener_port(situation, caller, where))
    full = expand_host(situation, cluster, client.namespace or "default", host)
    return Target(host=full, port=int(port) if port else _only_port(situation, cluster, full, to, where))


def expand_host(situation: Situation, cluster: str, namespace: str, host: str) -> str:
    """A short name as the client's resolver completes it; other names stand as they are. The name of an ExternalName
    Service is that of its target (istio pilot/pkg/serviceregistry/ambient/services.go: it is in no registry)."""
    completed = _completed(situation, cluster, namespace, host)
    seen = {completed}
    while (target := _external(situation.mesh.clusters[cluster], completed)) and target not in seen:
        completed = target
        seen.add(completed)
    return completed


def _external(here: Cluster, host: str) -> str:
    """The target of an ExternalName Service, "" for any other name."""
    name, _, rest = host.partition(".")
    service = here.get("Service", rest.partition(".")[0], name) if host.endswith(f".svc.{CLUSTER_DOMAIN}") else None
    if service is None or service.get("spec", "type") != "ExternalName":
        return ""
    return str(service.get("spec", "externalName", default="")).rstrip(".")


def _completed(situation: Situation, cluster: str, namespace: str, host: str) -> str:
    known = situation.plane.known(cluster)
    bare = host.rstrip(".")
    if bare in known:
        return bare
    parts = bare.split(".")
    if len(parts) == 1:
        return fqdn(bare, namespace)
    if len(parts) == 2:
        return fqdn(parts[0], parts[1])
    if len(parts) == 3 and parts[2] == "svc":
        return f"{bare}.{CLUSTER_DOMAIN}"
    return bare


def _only_port(situation: Situation, cluster: str, host: str, to: str, where: Evidence | None) -> int:
    service = situation.plane.known(cluster).get(host)
    everywhere = [s for c in situation.mesh.clusters if (s := situation.plane.known(c).get(host)) is not None]
    service = service or (everywhere[0] if everywhere else None)
    if service is None:
        return 80
    if len(service.ports) != 1:
        ports = ", ".join(str(p.number) for p in service.ports)
        msg = f"{to!r} needs a port: {host} has {ports or 'none'}"
        raise InputError(msg, where=where, hint=f"write {to}:PORT")
    return service.ports[0].number


def _listener_port(situation: Situation, caller: Caller, where: Evidence | None) -> int:
    component = situation.plane.gateway(caller.clients[0][1].ident) if caller.clients else None
    manifest = component.manifest if component is not None else None
    ports = set()
    if manifest is not None:
        ports = {listener.get("port") for listener in manifest.get("spec", "listeners", default=[])}
        ports |= {(s.get("port") or {}).get("number") for s in manifest.get("spec", "servers", default=[])}
    if len(ports) != 1:
        msg = f"the call through {caller.name} needs a port"
        raise InputError(msg, where=where, hint=f"its listeners have {', '.join(map(str, sorted(ports))) or 'none'}")
    return int(ports.pop())


def _pod_target(situation: Situation, to: str, where: Evidence | None) -> Target:
    """`pod:<cluster>/<ns>/<workload>/<n>:port`: the nth pod, from zero, oldest ReplicaSet first."""
    address, _, port = to.removeprefix("pod:").rpartition(":")
    parts = address.split("/")
    if len(parts) != 4 or not parts[3].isdigit() or not port.isdigit() or parts[0] not in situation.mesh.clusters:
        msg = f"{to!r} names no pod"
        raise InputError(msg, where=where, hint="write pod:cluster/namespace/workload/n:port")
    pods = situation.plane.registry.workloads(parts[0]).get((parts[1], parts[2]), ())
    if int(parts[3]) >= len(pods):
        msg = f"{to!r}: {'/'.join(parts[:3])} has {len(pods)} pods at this moment"
        raise InputError(msg, where=where, hint="count from 0")
    return Target(ip=pods[int(parts[3])].ip, port=int(port))


def default_calls(situation: Situation) -> tuple[Call, ...]:
    """One call per client class to the FQDN and the global name of every governed Service, and one per gateway with
    a route to it."""
    found: list[Call] = []
    targets = _default_targets(situation)
    classes = {name: client_classes(situation, name) for name in sorted(situation.mesh.clusters) if targets}
    for hosts in targets:
        for cluster, callers_here in classes.items():
            known = situation.plane.known(cluster)
            for host in hosts:
                if host in known:
                    for caller in callers_here:
                        found.extend(_call(caller, host, port.number) for port in known[host].ports)
    return (*found, *_default_ingress(situation))


def _call(caller: Caller, host: str, port: int) -> Call:
    return Call(caller=caller, to=f"{host}:{port}", target=Target(host=host, port=port), path="/")


def _default_targets(situation: Situation) -> list[tuple[str, ...]]:
    found: dict[tuple[str, ...], None] = {}
    for cluster in sorted(situation.mesh.clusters):
        for namespace, name in sorted(situation.governed[cluster]):
            host = fqdn(name, namespace)
            known = situation.plane.known(cluster).get(host)
            found[(host, known.alias) if known is not None and known.alias else (host,)] = None
    return list(found)


def client_classes(situation: Situation, cluster: str) -> tuple[Caller, ...]:
    """A cluster's client workloads grouped by what an answer can depend on: capture, locality, namespace settings."""
    here = situation.mesh.clusters[cluster]
    registry = situation.plane.registry
    classes: dict[tuple[object, ...], list[tuple[str, str]]] = {}
    for namespace, workload in client_workloads(situation, cluster):
        pods = registry.workloads(cluster)[namespace, workload]
        described = here.namespace(namespace)
        label = described.labels.get("istio.io/use-waypoint") if described is not None else None
        caught = {registry.captured(pod)[0] for pod in pods}
        places = {(pod.region, pod.zone) for pod in pods}
        sidecar = namespace if "sidecar" in caught else ""
        key = (tuple(sorted(map(str, caught))), tuple(sorted(places)), label, sidecar)
        classes.setdefault(key, []).append((namespace, workload))
    return tuple(
        Caller(
            name=f"{cluster}/{group[0][0]}/{group[0][1]}",
            clients=workload_caller(situation, (cluster, *group[0]), "").clients,
            members=tuple(f"{cluster}/{namespace}/{workload}" for namespace, workload in group),
        )
        for group in classes.values()
    )


def _default_ingress(situation: Situation) -> Iterator[Call]:
    """Every ingress Gateway with a route, at each hostname it serves."""
    for name in sorted(situation.mesh.clusters):
        cluster = situation.mesh.clusters[name]
        for gateway in cluster.of("Gateway", ISTIO_GATEWAY):
            if is_waypoint(gateway) or str(gateway.get("spec", "gatewayClassName")) in {
                "istio-eastwest",
                "istio-east-west",
                "istio-remote",
            }:
                continue
            for host, port, path in served(situation, name, gateway):
                namesake = cluster.get("Gateway", gateway.namespace, gateway.name)
                marked = "" if gateway.kind == "Gateway" or namesake is None else f"{ISTIO_GATEWAY}/"
                spec = CallSpec(
                    frm=f"ingress:{name}/{marked}{gateway.namespace}/{gateway.name}",
                    to=f"{host}:{port}",
                    path=path,
                    source=Source("default calls"),
                )
                yield from expand(situation, spec)


def served(situation: Situation, name: str, gateway: "object") -> Iterator[tuple[str, int, str]]:
    """(host, port, path) of every address that an ingress Gateway has a route for."""
    from meshsim.controlplane.httproutes import KINDS, attached_to_gateway
    from meshsim.controlplane.virtualservices import gateways_of
    from meshsim.manifests.manifest import Manifest

    assert isinstance(gateway, Manifest)
    cluster = situation.mesh.clusters[name]
    seen: dict[tuple[str, int, str], None] = {}
    if gateway.kind == ISTIO_GATEWAY:
        for entry in cluster.of("VirtualService"):
            if f"{gateway.namespace}/{gateway.name}" in gateways_of(entry):
                for server in gateway.get("spec", "servers", default=[]):
                    for host in entry.get("spec", "hosts", default=[]):
                        number = (server.get("port") or {}).get("number")
                        if number and _leads(situation, name, entry.get("spec", "http", default=[])):
                            seen[str(host).replace("*", "any"), int(number), "/"] = None
    else:
        for listener in gateway.get("spec", "listeners", default=[]):
            for attached in attached_to_gateway(cluster.of(*KINDS), gateway, listener):
                if not _leads(situation, name, attached.route.get("spec", "rules", default=[])):
                    continue
                hosts = attached.route.get("spec", "hostnames", default=[]) or [listener.get("hostname") or "any"]
                for host in hosts:
                    seen[str(host).replace("*", "any"), int(listener.get("port")), "/"] = None
    yield from seen


def _leads(situation: Situation, cluster: str, rules: list[dict[str, object]]) -> bool:
    """Whether any rule names a governed Service (or one of its Rollout's own)."""
    names = set()
    for other in situation.mesh.clusters:
        for namespace, name in situation.governed[other]:
            names |= {name, fqdn(name, namespace)}
            known = situation.plane.known(other).get(fqdn(name, namespace))
            if known is not None and known.alias:
                names.add(known.alias)
    for rollout in situation.rollouts.values():
        names |= set(managed_services(rollout.state.rollout))
    for rule in rules:
        for ref in [*_list(rule.get("backendRefs")), *(_dict(r).get("destination") for r in _list(rule.get("route")))]:
            entry = _dict(ref)
            if entry.get("name") in names or entry.get("host") in names:
                return True
    return False


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
