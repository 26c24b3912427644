"""Which Rollouts govern a call (contract: one row per call and Rollout that governs it)."""

from collections.abc import Iterator

from meshsim.analysis.calls import Call
from meshsim.analysis.situation import Managed, Situation
from meshsim.controlplane import gateways, httproutes, virtualservices
from meshsim.controlplane.destinationrules import host_matches
from meshsim.mesh.pods import Pod
from meshsim.model.names import fqdn
from meshsim.model.trace import Delivered, Trace


def governing(situation: Situation, call: Call, trace: Trace) -> tuple[Managed, ...]:
    """The Rollouts that govern a call: in a cluster visible to the client, a route that one manages attaches to the
    called host, or the called host or address leads to its pods."""
    cluster = call.cluster
    visible = {c.name for c in situation.mesh.visible(cluster)}
    hosts = _called_hosts(situation, call, trace)
    reached = {
        pod.uid
        for path in trace.paths()
        if isinstance(path.outcome, Delivered)
        and (pod := situation.plane.registry.pod_by_uid.get(path.outcome.workload)) is not None
    }
    if call.target.ip:  # a pod that refuses the connection is called all the same
        network = situation.mesh.clusters[cluster].network.value
        reached.add(situation.plane.pod_at(network, call.target.ip) or "")
    return tuple(
        rollout
        for rollout in situation.rollouts.values()
        if rollout.routes
        and rollout.cluster in visible
        and (
            any(_attaches(situation, rollout, host, cluster) for host in hosts)
            or any(_selects(situation, rollout, host, cluster) for host in hosts)
            or any(pod.uid in reached for pod in _pods(situation, rollout))
        )
    )


def _called_hosts(situation: Situation, call: Call, trace: Trace) -> tuple[str, ...]:
    """The called host; through a gateway, the hosts of the backends that its rules choose."""
    if call.target.ip:
        return ()
    hosts: dict[str, None] = {call.target.host: None}
    cluster = call.cluster
    for path in trace.paths():
        for step in path.steps:
            use = step.route
            if use is None or not step.hop.startswith("gateway:") or use.object is None:
                continue
            hosts.update(dict.fromkeys(_backend_hosts(situation, use.object, use.backend, cluster)))
    return tuple(hosts)


def _backend_hosts(situation: Situation, name: str, backend: str, cluster: str) -> Iterator[str]:
    manifest = situation.object(name)
    host = backend.partition("/")[0]
    known = situation.plane.known(cluster)
    if host in known:
        yield host
    elif manifest is not None:
        yield fqdn(host, manifest.namespace)
        if host != backend or "." in host:
            yield host


def _attaches(situation: Situation, rollout: Managed, host: str, cluster: str) -> bool:
    """Whether a route of the Rollout attaches to a host: its parent Service's names, or a VirtualService's hosts."""
    here = situation.mesh.clusters[rollout.cluster]
    known = situation.plane.known(rollout.cluster)
    if rollout.cluster != cluster and host.endswith(".svc.cluster.local") and not _shared(situation, host, cluster):
        return False
    for name in rollout.routes:
        manifest = situation.object(name)
        if manifest is None:
            continue
        if manifest.kind == "VirtualService":
            if any(host_matches(pattern, host) for pattern in virtualservices.hosts_of(manifest)):
                return True
            continue
        for service in known.values():
            if host not in {service.host, service.alias, *service.also} or service.service is None:
                continue
            if any(
                httproutes.attached_to_service([manifest], service.namespace, service.name, port.number)
                for port in service.ports
            ):
                return True
        for gateway in here.of("Gateway"):
            for listener in gateway.get("spec", "listeners", default=[]):
                if httproutes.attached_to_gateway([manifest], gateway, listener) and any(
                    host_matches(pattern, host) for pattern in gateways.hostnames(manifest)
                ):
                    return rollout.cluster == cluster
    return False


def _shared(situation: Situation, host: str, cluster: str) -> bool:
    """Whether a local host means endpoints of other clusters too where it is called."""
    known = situation.plane.known(cluster).get(host)
    return known is not None and known.global_members


def _selects(situation: Situation, rollout: Managed, host: str, cluster: str) -> bool:
    """Whether the called service's members, as a cluster of the Rollout has them, are pods of the Rollout."""
    labels = dict((rollout.state.template.get("metadata") or {}).get("labels") or {})
    known = situation.plane.known(cluster).get(host)
    if known is None:
        return False
    if rollout.cluster != cluster and not known.global_members:
        return False
    if rollout.cluster != cluster and not any(m.cluster == rollout.cluster for m in known.members):
        there = situation.plane.known(rollout.cluster).get(host)
        if there is None:
            return False
    service = situation.mesh.clusters[rollout.cluster].get("Service", known.namespace, known.name)
    if service is None or service.namespace != rollout.id[1]:
        return False
    selector = service.get("spec", "selector", default={})
    wanted = {k: v for k, v in selector.items() if k != "rollouts-pod-template-hash"}
    return bool(wanted) and wanted.items() <= labels.items()


def _pods(situation: Situation, rollout: Managed) -> tuple[Pod, ...]:
    return situation.plane.registry.workloads(rollout.cluster).get((rollout.id[1], rollout.id[2]), ())
