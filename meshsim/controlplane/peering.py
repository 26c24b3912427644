"""Solo's peering: what each cluster knows of its peers' services (Solo docs, multicluster multi-apps; public workshops).

Every linked cluster gets a generated ServiceEntry per global service, one WorkloadEntry per remote cluster on
another network (`autogen.*`, reached through that network's gateway), and one per remote pod on the same network
(`autogenflat.*`).
"""

from collections.abc import Iterator

from meshsim.controlplane.binding import bind
from meshsim.controlplane.distribution import distribution, load_balancing
from meshsim.controlplane.ingress_label import ingress_use_waypoint
from meshsim.controlplane.known import KnownService, Member, ports_of
from meshsim.controlplane.propagation import FLAG, common, propagated
from meshsim.controlplane.registry import Registry
from meshsim.controlplane.scope import scope, segment, shared, taken_over
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import capture
from meshsim.model.facts import Facts
from meshsim.model.names import fqdn


def known_services(registry: Registry, name: str) -> tuple[KnownService, ...]:
    """Every service that cluster `name` knows: its own under their local hosts, the global ones under theirs."""
    here = registry.cluster(name)
    found = list(_local(registry, here))
    found.extend(_global(registry, here))
    return tuple(found)


def _local(registry: Registry, here: Cluster) -> Iterator[KnownService]:
    """The local hosts: this cluster's own Services, and those that a peer's takeover brings in."""
    own = {(s.namespace, s.name): s for s in here.of("Service") if s.get("spec", "type") != "ExternalName"}
    takeovers = _takeovers(registry, here)
    shared_keys = {(namespace, name) for namespace, name, _, _ in _shared_services(registry, here)}
    for key in sorted(own.keys() | takeovers.keys()):
        namespace, name = key
        service = own.get(key)
        facts = Facts()
        taken = key in takeovers
        if taken:
            facts.take(takeovers[key][1].read())
        members = tuple(_own_members(registry, here, service)) if service is not None else ()
        l7_members = members
        everyone = tuple(_members(registry, here, namespace, name, facts)) if key in shared_keys else ()
        if taken:
            members = everyone
        origin = service if service is not None else takeovers[key][0]
        spread = Facts()
        chosen = distribution(
            here, service, namespace, here.dialect.value("global.distribution") if taken else "", spread
        )
        balancing = load_balancing(here, service, chosen, spread)
        ingress = Facts()
        vip = registry.cluster_ips.get((here.name, namespace, name), "")
        if service is None:
            vip = registry.entry_vip(_hosts(registry, here), _global_host(here, namespace, name))
        yield KnownService(
            host=fqdn(name, namespace),
            name=name,
            namespace=namespace,
            service=service,
            origin=origin,
            ports=ports_of(origin),
            vip=vip,
            global_members=taken,
            alias=_global_host(here, namespace, name),
            binding=bind(here, service, namespace),
            distribution=chosen,
            load_balancing=balancing,
            balancing_facts=spread.read(),
            ingress_use_waypoint=ingress_use_waypoint(here, service, namespace, ingress),
            ingress_facts=ingress.read(),
            members=members,
            l7_members=l7_members,
            flat_members=tuple(m for m in everyone if not m.gateway and m.cluster != here.name),
            identity_facts=facts.read(),
        )


def _global(registry: Registry, here: Cluster) -> Iterator[KnownService]:
    """The generated ServiceEntries `<svc>.<ns>.<domain>` of this cluster."""
    hosts = _hosts(registry, here)
    for namespace, name, holders, facts in _shared_services(registry, here):
        host = _global_host(here, namespace, name)
        service = here.get("Service", namespace, name)
        origin = service if service is not None else holders[0][1]
        spread, ingress = Facts(), Facts()
        asked = service if service is not None else holders[0][1]
        asking = here if service is not None else holders[0][0]
        chosen = distribution(asking, asked, namespace, here.dialect.value("global.distribution"), spread)
        members = tuple(_members(registry, here, namespace, name, facts))
        yield KnownService(
            host=host,
            name=name,
            namespace=namespace,
            service=service,
            origin=origin,
            ports=ports_of(origin),
            vip=registry.entry_vip(hosts, host),
            global_host=True,
            global_members=True,
            alias=fqdn(name, namespace),
            binding=bind(here, service, namespace),
            distribution=chosen,
            load_balancing=load_balancing(asking, asked, chosen, spread),
            balancing_facts=spread.read(),
            ingress_use_waypoint=ingress_use_waypoint(here, service, namespace, ingress)
            if service is not None
            else ingress_use_waypoint(holders[0][0], holders[0][1], namespace, ingress),
            ingress_facts=ingress.read(),
            members=members,
            l7_members=members,
            identity_facts=facts.read(),
        )


def _global_host(here: Cluster, namespace: str, name: str) -> str:
    return f"{name}.{namespace}.{segment(here, Facts()).domain}"


def _hosts(registry: Registry, here: Cluster) -> tuple[str, ...]:
    """The global hosts of a cluster, sorted: their order gives the addresses."""
    return tuple(sorted(_global_host(here, ns, name) for ns, name, _, _ in _shared_services(registry, here)))


def _shared_services(
    registry: Registry, here: Cluster
) -> Iterator[tuple[str, str, list[tuple[Cluster, Manifest]], Facts]]:
    """(namespace, name, the visible clusters that share it, what was read), sorted. Own cluster first."""
    found: dict[tuple[str, str], tuple[list[tuple[Cluster, Manifest]], Facts]] = {}
    mine = segment(here, Facts())
    for cluster in registry.mesh.visible(here.name):
        theirs = segment(cluster, Facts())
        for service in cluster.of("Service"):
            if service.get("spec", "type") == "ExternalName":
                continue
            holders, facts = found.setdefault((service.namespace, service.name), ([], Facts()))
            if shared(scope(cluster, service, facts)) and theirs.name == mine.name:
                holders.append((cluster, service))
    for (namespace, name), (holders, facts) in sorted(found.items(), key=lambda item: item[0]):
        if holders:
            yield namespace, name, holders, facts


def _takeovers(registry: Registry, here: Cluster) -> dict[tuple[str, str], tuple[Manifest, Facts]]:
    """Services whose local host is answered from the global endpoints here: this cluster's own label where it has
    the Service, else any peer's (solo workshops 016)."""
    found: dict[tuple[str, str], tuple[Manifest, Facts]] = {}
    for namespace, name, holders, _ in _shared_services(registry, here):
        own = here.get("Service", namespace, name)
        for cluster, service in holders:
            if own is not None and cluster.name != here.name:
                continue
            facts = Facts()
            if taken_over(cluster, service, facts):
                found[namespace, name] = (service, facts)
                break
    return found


def _own_members(registry: Registry, here: Cluster, service: Manifest | None) -> Iterator[Member]:
    if service is None:
        return
    for pod in registry.selected(here.name, service):
        facts = Facts()
        yield Member(
            uid=pod.uid,
            cluster=here.name,
            network=here.network.value,
            pods=(pod,),
            labels=pod.labels,
            capture=capture(here, pod, facts),
        )


def _members(registry: Registry, here: Cluster, namespace: str, name: str, facts: Facts) -> Iterator[Member]:
    """The endpoints of a global service as `here` sees them. A cluster contributes only where it shares the
    service (Solo docs, Argo Rollouts guide: "also marks its local service")."""
    mine = segment(here, Facts())
    for cluster in registry.mesh.visible(here.name):
        service = cluster.get("Service", namespace, name)
        if service is None or not shared(scope(cluster, service, facts)) or segment(cluster, Facts()).name != mine.name:
            continue
        if cluster.name == here.name:
            yield from _own_members(registry, here, service)
        elif f"link:{here.name}/{cluster.name}" not in registry.mesh.down:
            yield from _peered(registry, here, cluster, service)


def _peered(registry: Registry, here: Cluster, peer: Cluster, service: Manifest) -> Iterator[Member]:
    pods = registry.selected(peer.name, service)
    facts = Facts()
    facts.note(here.name, "network", here.network.value, here.network.evidence)
    facts.note(peer.name, "network", peer.network.value, peer.network.evidence)
    if here.network.value == peer.network.value:
        for pod in pods:
            own = Facts()
            readings = propagated(here, peer, pod, own)
            yield Member(
                uid=f"{here.name}//WorkloadEntry/istio-system/autogenflat.{peer.name}.{pod.namespace}.{pod.name}",
                cluster=peer.name,
                network=peer.network.value,
                pods=(pod,),
                labels=common(readings),
                labels_propagated=any(readings),
                possible=readings,
                contested=_question(here, peer) if len(readings) > 1 else "",
                capture=capture(peer, pod, Facts()),
                facts=(*facts.read(), *own.read()),
            )
        return
    if not any(pod.ready for pod in pods):
        return
    seen = [propagated(here, peer, pod, facts) for pod in pods]
    possible = [labels for readings in seen for labels in readings]
    question = ""
    if any(len(readings) > 1 for readings in seen):
        question = _question(here, peer)
    elif any(labels != possible[0] for labels in possible):
        question = "the aggregated entry stands for pods with different labels"
    yield Member(
        uid=f"{here.name}//WorkloadEntry/istio-system/autogen.{peer.name}.{service.namespace}.{service.name}",
        cluster=peer.name,
        network=peer.network.value,
        pods=pods,
        gateway=True,
        labels=common(possible),
        labels_propagated=any(possible),
        possible=tuple(possible),
        contested=question,
        facts=facts.read(),
    )


def _question(here: Cluster, peer: Cluster) -> str:
    return f"{FLAG} differs between {here.name} and {peer.name}, and no source says whose counts"
