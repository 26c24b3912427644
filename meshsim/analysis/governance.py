"""Which Rollouts govern a call (contract: one row per call and Rollout that governs it)."""

from collections.abc import Iterator, Mapping
from typing import final

from meshsim.analysis.calls import Call
from meshsim.analysis.situation import Managed, Situation
from meshsim.controlplane import gateways, httproutes, virtualservices
from meshsim.controlplane.destinationrules import host_matches
from meshsim.controlplane.known import KnownService
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import HASH_LABEL
from meshsim.model.names import fqdn
from meshsim.model.trace import Delivered, Trace


def governing(situation: Situation, call: Call, trace: Trace) -> tuple[Managed, ...]:
    """The Rollouts that govern a call: in a cluster visible to the client, a route that one manages attaches to the
    called host, or the called host or address leads to its pods."""
    cluster = call.cluster
    visible = {c.name for c in situation.mesh.visible(cluster)}
    hosts = _called_hosts(situation, call, trace)
    reached = {path.outcome.workload for path in trace.paths() if isinstance(path.outcome, Delivered)}
    if call.target.ip:  # a pod that refuses the connection is called all the same
        network = situation.mesh.clusters[cluster].network.value
        reached.add(situation.plane.pod_at(network, call.target.ip) or "")
    found = {rollout.id for host in hosts for rollout in _attached(situation, host, cluster)}
    found |= {rollout.id for host in hosts for rollout in _selecting(situation, host, cluster)}
    pods = (situation.plane.registry.pod_by_uid.get(uid) for uid in reached)
    found |= {(pod.cluster, pod.namespace, pod.workload) for pod in pods if pod is not None}
    return tuple(
        situation.rollouts[one]
        for one in sorted(found & situation.rollouts.keys())
        if situation.rollouts[one].routes and one[0] in visible
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


@final
class Attachments:
    """Which Rollouts' routes attach to which hosts, all of one situation."""

    def __init__(self, situation: Situation) -> None:
        self.by_host: dict[str, list[Managed]] = {}
        """Hosts that a VirtualService names, and every name of the Services that are parents of a route."""
        self.by_pattern: dict[str, list[Managed]] = {}
        """Wildcards of VirtualServices."""
        self.at_gateways: dict[str, dict[str, list[Managed]]] = {}
        """Cluster → hostname (or wildcard) of a route that attaches to one of its Gateways."""
        self.by_namespace: dict[str, list[Managed]] = {}
        services = {name: _named(situation, name) for name in {r.cluster for r in situation.rollouts.values()}}
        for rollout in situation.rollouts.values():
            if not rollout.routes:
                continue
            self.by_namespace.setdefault(rollout.id[1], []).append(rollout)
            for name in rollout.routes:
                manifest = situation.object(name)
                if manifest is None:
                    continue
                if manifest.kind == "VirtualService":
                    for host in virtualservices.hosts_of(manifest):
                        (self.by_pattern if host.startswith("*") else self.by_host).setdefault(host, []).append(rollout)
                    continue
                for host in _parents(services[rollout.cluster], manifest):
                    self.by_host.setdefault(host, []).append(rollout)
                if _at_gateway(situation.mesh.clusters[rollout.cluster], manifest):
                    there = self.at_gateways.setdefault(rollout.cluster, {})
                    for host in gateways.hostnames(manifest):
                        there.setdefault(host, []).append(rollout)

    def of(self, host: str, cluster: str) -> Iterator[Managed]:
        """The Rollouts with a route for a host; gateways' routes are for callers of their own cluster."""
        yield from self.by_host.get(host, ())
        for patterns in (self.by_pattern, self.at_gateways.get(cluster, {})):
            for pattern, rollouts in patterns.items():
                if host_matches(pattern, host):
                    yield from rollouts


def _named(situation: Situation, cluster: str) -> Mapping[tuple[str, str], list[KnownService]]:
    """A cluster's own Services as it knows them, by namespace and name."""
    found: dict[tuple[str, str], list[KnownService]] = {}
    for service in {id(one): one for one in situation.plane.known(cluster).values()}.values():
        if service.service is not None:
            found.setdefault((service.namespace, service.name), []).append(service)
    return found


def _parents(services: Mapping[tuple[str, str], list[KnownService]], route: Manifest) -> Iterator[str]:
    """Every name of the Services that a route attaches to."""
    for parent in route.get("spec", "parentRefs", default=[]):
        key = (parent.get("namespace") or route.namespace, parent.get("name"))
        for service in services.get(key, ()):
            if any(httproutes.attached_to_service([route], *key, port.number) for port in service.ports):
                yield from filter(None, (service.host, service.alias, *service.also))


def _at_gateway(cluster: Cluster, route: Manifest) -> bool:
    """Whether a route attaches to a listener of any Gateway of its cluster."""
    return any(
        (parent.get("kind") or "Gateway") == "Gateway" for parent in route.get("spec", "parentRefs", default=[])
    ) and any(
        httproutes.attached_to_gateway([route], gateway, listener)
        for gateway in cluster.of("Gateway")
        for listener in gateway.get("spec", "listeners", default=[])
    )


def _attached(situation: Situation, host: str, cluster: str) -> Iterator[Managed]:
    """The Rollouts with a route that attaches to a host: its parent Service's names, or a VirtualService's hosts. A
    cluster's local host means the routes of other clusters only where it means their endpoints, too."""
    far = not host.endswith(".svc.cluster.local") or _shared(situation, host, cluster)
    for rollout in situation.attachments.of(host, cluster):
        if far or rollout.cluster == cluster:
            yield rollout


def _shared(situation: Situation, host: str, cluster: str) -> bool:
    """Whether a local host means endpoints of other clusters too where it is called."""
    known = situation.plane.known(cluster).get(host)
    return known is not None and known.global_members


def _selecting(situation: Situation, host: str, cluster: str) -> Iterator[Managed]:
    """The Rollouts whose pods are among the called service's members, as the Rollout's cluster has them."""
    known = situation.plane.known(cluster).get(host)
    if known is None:
        return
    for rollout in situation.attachments.by_namespace.get(known.namespace, ()):
        if rollout.cluster != cluster:
            if not known.global_members:
                continue
            if not any(m.cluster == rollout.cluster for m in known.members) and host not in situation.plane.known(
                rollout.cluster
            ):
                continue
        service = situation.mesh.clusters[rollout.cluster].get("Service", known.namespace, known.name)
        selector = service.get("spec", "selector", default={}) if service is not None else {}
        wanted = {k: v for k, v in selector.items() if k != HASH_LABEL}
        labels = dict((rollout.state.template.get("metadata") or {}).get("labels") or {})
        if wanted and wanted.items() <= labels.items():
            yield rollout
