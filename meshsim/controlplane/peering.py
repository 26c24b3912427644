"""Solo's peering: what each cluster knows of its peers' services (Solo docs, multicluster multi-apps; workshops).

Every linked cluster gets a generated ServiceEntry per global service, one WorkloadEntry per remote cluster on
another network (`autogen.*`, reached through that network's gateway), and one per remote pod on the same network
(`autogenflat.*`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import final

from meshsim.controlplane import links
from meshsim.controlplane.aliases import aliases
from meshsim.controlplane.binding import bind, waypoint_vips
from meshsim.controlplane.components import waypoints
from meshsim.controlplane.distribution import distribution, load_balancing
from meshsim.controlplane.ingress_label import ingress_use_waypoint
from meshsim.controlplane.known import KnownService, KnownWaypoint, Member, ports_of
from meshsim.controlplane.members import local_members, pod_member
from meshsim.controlplane.propagation import FLAG, common, propagated, settings
from meshsim.controlplane.registry import Registry
from meshsim.controlplane.scope import Segment, scope, segment, shared, taken_over
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.health import reachable
from meshsim.mesh.mesh import Cluster
from meshsim.model.facts import Fact, Facts
from meshsim.model.frozen import record
from meshsim.model.names import fqdn


@final
@record
class _Offer:
    """One cluster's Service, whether it shares it, and whether it asks for a global name (`global-only` does not:
    the older one-label form only widens the local name), with what was read to know."""

    service: Manifest
    shared: bool
    named: bool
    facts: tuple[Fact, ...]


@final
@record
class _Shared:
    """A service that at least one visible cluster shares: who does, and what was read."""

    namespace: str
    name: str
    host: str
    named: bool
    """Whether the global host exists."""
    holders: tuple[tuple[Cluster, Manifest], ...]
    facts: tuple[Fact, ...]


Key = tuple[str, str]


@final
class Peering:
    """Who shares what with whom, each cluster's offers and each watcher's view of them computed once."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._offers: dict[str, Mapping[Key, _Offer]] = {}
        self._segments: dict[str, Segment] = {}
        self._links: dict[tuple[str, str], links.Link] = {}

    def sharing(self, facts: Facts, cluster: Cluster, service: Manifest, host: str) -> None:
        """The scope of a Service, and for its local name takeover."""
        scope(cluster, service, facts)
        if host == fqdn(service.name, service.namespace):
            taken_over(cluster, service, facts)

    def known(self, name: str) -> tuple[KnownService, ...]:
        """Every service that cluster `name` knows: its own under their local hosts, the global ones under theirs."""
        here = self.registry.cluster(name)
        common_services = self._shared_services(here)
        vips = self.registry.entry_vips(entry.host for entry in common_services.values())
        found = list(self._local(here, common_services))
        takeovers = _takeovers(here, common_services)
        for key, entry in common_services.items():
            borrowed = key in takeovers and here.get("Service", *key) is None
            if entry.named or borrowed:
                found.append(self._global(here, entry, vips, borrowed=borrowed))
        return tuple(found)

    def waypoints(self, name: str) -> tuple[KnownWaypoint, ...]:
        """This cluster's waypoints, and those of flat peers under generated names (Solo docs, Argo Rollouts guide:
        flat network considerations)."""
        here = self.registry.cluster(name)
        flat = (p for p in self.registry.mesh.peers(name) if p.network.value == here.network.value)
        return tuple(
            KnownWaypoint(
                name=waypoint.name,
                namespace=waypoint.namespace,
                host=waypoint_host(here, waypoint.cluster, waypoint.namespace, waypoint.name),
                vips=waypoint_vips(owner, waypoint.manifest),
                own=waypoint.cluster == name,
                members=tuple(
                    replace(pod_member(self.registry, pod), drained=self._drained(here, owner)) for pod in waypoint.pods
                ),
            )
            for owner in (here, *flat)
            for waypoint in waypoints(self.registry, owner)
        )

    def _drained(self, here: Cluster, owner: Cluster) -> int:
        return 0 if owner.name == here.name else self._link(here, owner).drained

    def _segment(self, cluster: Cluster) -> Segment:
        if cluster.name not in self._segments:
            self._segments[cluster.name] = segment(cluster, Facts())
        return self._segments[cluster.name]

    def _link(self, here: Cluster, peer: Cluster) -> links.Link:
        if (here.name, peer.name) not in self._links:
            self._links[here.name, peer.name] = links.link(self.registry.mesh, here, peer)
        return self._links[here.name, peer.name]

    def _offered(self, cluster: Cluster) -> Mapping[Key, _Offer]:
        if cluster.name not in self._offers:
            found: dict[Key, _Offer] = {}
            for service in cluster.of("Service"):
                if service.get("spec", "type") == "ExternalName":
                    continue
                facts = Facts()
                chosen = scope(cluster, service, facts)
                found[service.namespace, service.name] = _Offer(
                    service, shared(chosen), shared(chosen) and chosen != "global-only", facts.read()
                )
            self._offers[cluster.name] = found
        return self._offers[cluster.name]

    def _shared_services(self, here: Cluster) -> Mapping[Key, _Shared]:
        """What any visible cluster of the same segment shares, sorted by name; own cluster first among the holders."""
        mine = self._segment(here)
        holders: dict[Key, list[tuple[Cluster, Manifest]]] = {}
        facts: dict[Key, Facts] = {}
        named: set[Key] = set()
        for cluster in self.registry.mesh.visible(here.name):
            same = self._segment(cluster).name == mine.name
            link = self._link(here, cluster) if cluster.name != here.name else None
            about = link.facts if link is not None else ()
            for key, offer in self._offered(cluster).items():
                facts.setdefault(key, Facts()).take((*about, *offer.facts))
                if link is not None and not link.up:
                    continue
                if offer.shared and same:
                    holders.setdefault(key, []).append((cluster, offer.service))
                    if offer.named:
                        named.add(key)
        return {
            key: _Shared(*key, f"{key[1]}.{key[0]}.{mine.domain}", key in named, tuple(holders[key]), facts[key].read())
            for key in sorted(holders)
        }

    def _local(self, here: Cluster, common_services: Mapping[Key, _Shared]) -> Iterator[KnownService]:
        """The local hosts of this cluster's own Services. One that a peer's takeover brings in is a second name of
        the generated entry (solo workshops 016), see `_global`."""
        own = {key: offer.service for key, offer in self._offered(here).items()}
        takeovers = _takeovers(here, common_services)
        domain = self._segment(here).domain
        for key in sorted(own):
            namespace, name = key
            service = own[key]
            facts, spread, ingress = Facts(), Facts(), Facts()
            taken = key in takeovers
            if taken:
                facts.take(takeovers[key][1].read())
            l7_members = tuple(local_members(self.registry, here, service))
            everyone = tuple(self._members(here, namespace, name, facts)) if key in common_services else ()
            default = here.dialect.value("global.distribution") if taken else ""
            chosen = distribution(here, service, namespace, default, spread)
            balancing = load_balancing(here, service, chosen, spread)
            vip = self.registry.cluster_ips.get((here.name, namespace, name), "")
            yield KnownService(
                host=fqdn(name, namespace),
                name=name,
                namespace=namespace,
                service=service,
                origin=service,
                defined_in=here.name,
                ports=ports_of(service),
                vip=vip,
                global_members=taken,
                alias=f"{name}.{namespace}.{domain}",
                binding=bind(here, service, namespace),
                distribution=chosen,
                load_balancing=balancing,
                balancing_facts=spread.read(),
                ingress_use_waypoint=ingress_use_waypoint(here, service, namespace, ingress),
                ingress_facts=ingress.read(),
                members=everyone if taken else l7_members,
                l7_members=l7_members,
                flat_members=tuple(m for m in everyone if not m.gateway and m.cluster != here.name),
                remote_members=tuple(m for m in everyone if m.gateway),
                identity_facts=facts.read(),
            )

    def _global(self, here: Cluster, entry: _Shared, vips: Mapping[str, str], *, borrowed: bool) -> KnownService:
        """A generated ServiceEntry `<svc>.<ns>.<domain>` of this cluster; `borrowed` gives it the local host too."""
        namespace, name = entry.namespace, entry.name
        service = here.get("Service", namespace, name)
        asking, asked = (here, service) if service is not None else entry.holders[0]
        facts, spread, ingress = Facts(), Facts(), Facts()
        facts.take(entry.facts)
        chosen = distribution(asking, asked, namespace, here.dialect.value("global.distribution"), spread)
        members = tuple(self._members(here, namespace, name, facts))
        return KnownService(
            host=entry.host if entry.named else fqdn(name, namespace),
            name=name,
            namespace=namespace,
            service=service,
            origin=asked,
            defined_in=asking.name,
            ports=ports_of(asked),
            vip=vips[entry.host],
            global_host=True,
            global_members=True,
            alias=fqdn(name, namespace),
            also=(
                *((fqdn(name, namespace),) if borrowed and entry.named else ()),
                *(aliases(here, self._segment(here).manifest, asked, facts) if entry.named else ()),
            ),
            binding=bind(here, service, namespace),
            distribution=chosen,
            load_balancing=load_balancing(asking, asked, chosen, spread),
            balancing_facts=spread.read(),
            ingress_use_waypoint=ingress_use_waypoint(asking, asked, namespace, ingress),
            ingress_facts=ingress.read(),
            members=members,
            l7_members=members,
            identity_facts=facts.read(),
        )

    def _members(self, here: Cluster, namespace: str, name: str, facts: Facts) -> Iterator[Member]:
        """The endpoints of a global service as `here` sees them. A cluster contributes only where it shares the
        service (Solo docs, Argo Rollouts guide: "also marks its local service")."""
        mine = self._segment(here)
        for cluster in self.registry.mesh.visible(here.name):
            offer = self._offered(cluster).get((namespace, name))
            if offer is None:
                continue
            facts.take(offer.facts)
            if not offer.shared or self._segment(cluster).name != mine.name:
                continue
            if cluster.name == here.name:
                yield from local_members(self.registry, here, offer.service)
            else:
                yield from self._of_peer(here, cluster, offer.service, facts)

    def _of_peer(self, here: Cluster, peer: Cluster, service: Manifest, facts: Facts) -> Iterator[Member]:
        link = self._link(here, peer)
        facts.take(link.facts)
        if not link.up or not reachable(self.registry.mesh.down, here.name, peer.name):
            return
        facts.take(link.draining)
        yield from _peered(self.registry, here, peer, service, link)


def waypoint_host(here: Cluster, owner: str, namespace: str, name: str) -> str:
    """A waypoint's Service host; a flat peer's waypoint is known under a generated name."""
    return fqdn(name, namespace) if owner == here.name else f"{name}.{owner}.autogen"


def _takeovers(here: Cluster, common_services: Mapping[Key, _Shared]) -> dict[Key, tuple[Manifest, Facts]]:
    """Services whose local host is answered from the global endpoints here: this cluster's own label where it has
    the Service, else any peer's (solo workshops 016)."""
    found: dict[Key, tuple[Manifest, Facts]] = {}
    for key, entry in common_services.items():
        own = here.get("Service", *key)
        for cluster, service in entry.holders:
            if own is not None and cluster.name != here.name:
                continue
            facts = Facts()
            if taken_over(cluster, service, facts):
                found[key] = (service, facts)
                break
    return found


def _peered(registry: Registry, here: Cluster, peer: Cluster, service: Manifest, link: links.Link) -> Iterator[Member]:
    pods = registry.selected(peer.name, service)
    facts = Facts()
    facts.note(here.name, "network", here.network.value, here.network.evidence)
    facts.note(peer.name, "network", peer.network.value, peer.network.evidence)
    values = settings(here, peer, facts)
    if here.network.value == peer.network.value:
        for pod in pods:
            readings = propagated(values, pod)
            yield Member(
                uid=f"{here.name}//WorkloadEntry/istio-system/autogenflat.{peer.name}.{pod.namespace}.{pod.name}",
                cluster=peer.name,
                network=peer.network.value,
                pods=(pod,),
                labels=common(readings),
                labels_propagated=any(readings),
                possible=readings,
                contested=_question(here, peer) if len(readings) > 1 else "",
                capture=registry.captured(pod)[0],
                drained=link.drained,
                facts=facts.read(),
            )
        return
    if not any(pod.ready for pod in pods):
        return
    seen = [propagated(values, pod) for pod in pods]
    possible = [labels for readings in seen for labels in readings]
    question = ""
    if any(len(readings) > 1 for readings in seen):
        question = _question(here, peer)
    elif any(labels != possible[0] for labels in possible):
        question = "the aggregated entry stands for pods with different labels"
    region, zone = link.locality
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
        region=region,
        zone=zone,
        drained=link.drained,
        facts=facts.read(),
    )


def _question(here: Cluster, peer: Cluster) -> str:
    return f"{FLAG} differs between {here.name} and {peer.name}, and no source says whose counts"
