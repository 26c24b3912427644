"""Upstream's split horizon: one service of one name across clusters, seen differently from each network
(istio pilot/pkg/serviceregistry/ambient/multicluster.go).

A link is a remote secret. A Service that the watcher's meshConfig makes global is merged with its namesakes; pods
on the watcher's network are its endpoints one by one, those of another network as one entry behind that network's
east-west gateway.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, final

from meshsim.controlplane.binding import MANAGED, bind
from meshsim.controlplane.components import Component, waypoints
from meshsim.controlplane.distribution import distribution, load_balancing
from meshsim.controlplane.globalscope import global_entry, note_entry
from meshsim.controlplane.ingress_label import ingress_use_waypoint
from meshsim.controlplane.known import KnownService, KnownWaypoint, Member, ports_of
from meshsim.controlplane.members import local_members, pod_member
from meshsim.controlplane.meshconfig import GLOBAL_LABEL, is_cluster_local, scope_configs
from meshsim.controlplane.networkgateways import Leading, leading_into
from meshsim.controlplane.registry import Registry
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.health import reachable
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import Pod
from meshsim.model.facts import Fact, Facts
from meshsim.model.frozen import record
from meshsim.model.names import fqdn, subject
from meshsim.tables.workload import NetworkAddress

MULTI_NETWORK: Final = "AMBIENT_ENABLE_MULTI_NETWORK"
FLAG_SOURCE: Final = "istio pilot/pkg/features/ambient.go"
Key = tuple[str, str]


@final
@record
class _Offer:
    """One cluster's Service and the entry of the watcher's configuration that makes it global, None if it is local."""

    cluster: Cluster
    service: Manifest
    entry: int | None
    facts: tuple[Fact, ...]

    @property
    def shared(self) -> bool:
        return self.entry is not None


@final
class SplitHorizon:
    """All clusters' services, merged anew for every watcher."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._offers: dict[tuple[str, str], Mapping[Key, _Offer]] = {}
        self._pods: dict[tuple[str, Key], tuple[Member, ...]] = {}

    def sharing(self, facts: Facts, cluster: Cluster, service: Manifest, _host: str) -> None:
        """The label that the mesh's configuration asks for, and the flag without which nothing is shared."""
        cluster.label(facts, service, GLOBAL_LABEL)
        cluster.flag(facts, MULTI_NETWORK, "false", FLAG_SOURCE)

    def known(self, name: str) -> tuple[KnownService, ...]:
        """Every service that cluster `name` knows: its own, and the global ones of the clusters it watches."""
        here = self.registry.cluster(name)
        flag = Facts()
        several = here.flag(flag, MULTI_NETWORK, "false", FLAG_SOURCE)
        own = self._offered(here, here)
        offers: dict[Key, list[_Offer]] = {key: [offer] for key, offer in own.items()}
        for peer in self.registry.mesh.peers(name) if several else ():
            for key, offer in self._offered(here, peer).items():
                if offer.shared:
                    offers.setdefault(key, []).append(offer)
        gateways: dict[str, Leading] = {}
        merged = (self._merged(here, key, offers[key], flag.read(), gateways) for key in sorted(offers))
        return tuple(merged if several else (self._kept(here, service, flag.read()) for service in merged))

    def _kept(self, here: Cluster, service: KnownService, flag: tuple[Fact, ...]) -> KnownService:
        """A service of a cluster whose istiod shares none, whatever their labels (services.go `checkServiceScope`); of
        one that shows nothing of its istiod nothing is concluded."""
        if not here.istiod:
            return service
        why = flag if any(self.registry.mesh.peers(here.name)) else ()
        return replace(service, global_members=False, identity_facts=(*service.identity_facts, *why))

    def waypoints(self, name: str) -> tuple[KnownWaypoint, ...]:
        """This cluster's waypoints, with the pods of namesakes elsewhere where the waypoint's own Service is global,
        and those of other clusters alone whose Service is."""
        here = self.registry.cluster(name)
        found: dict[Key, list[tuple[Cluster, Component]]] = {}
        several = here.flag(Facts(), MULTI_NETWORK, "false", FLAG_SOURCE)
        for cluster in self.registry.mesh.visible(name) if several else (here,):
            for waypoint in waypoints(self.registry, cluster):
                shared = self._waypoint_shared(here, cluster, waypoint)
                if cluster.name == name or shared:
                    found.setdefault((waypoint.namespace, waypoint.name), []).append((cluster, waypoint))
        gateways: dict[str, Leading] = {}
        return tuple(self._known_waypoint(here, key, owners, gateways) for key, owners in sorted(found.items()))

    def _offered(self, here: Cluster, cluster: Cluster) -> Mapping[Key, _Offer]:
        """What a cluster offers; watchers with the same configuration see the same."""
        entries = scope_configs(here)
        known = (str(entries), cluster.name)
        if known not in self._offers:
            found: dict[Key, _Offer] = {}
            for service in cluster.of("Service"):
                if service.get("spec", "type") == "ExternalName" or service.labels.get(MANAGED):
                    continue
                facts = Facts()
                ident, where = subject(cluster.name, service.key), service.evidence("metadata", "labels")
                facts.note(ident, f"label:{GLOBAL_LABEL}", service.labels.get(GLOBAL_LABEL), where)
                entry = global_entry(entries, cluster, service.namespace, service.labels)
                found[service.namespace, service.name] = _Offer(cluster, service, entry, facts.read())
            self._offers[known] = found
        return self._offers[known]

    def _members(self, offer: _Offer) -> tuple[Member, ...]:
        key = (offer.cluster.name, (offer.service.namespace, offer.service.name))
        if key not in self._pods:
            self._pods[key] = tuple(local_members(self.registry, offer.cluster, offer.service))
        return self._pods[key]

    def _merged(
        self,
        here: Cluster,
        key: Key,
        offers: list[_Offer],
        flag: tuple[Fact, ...],
        gateways: dict[str, Leading],
    ) -> KnownService:
        """One service as `here` knows it. The base is `here`'s own object, else the first: its waypoint, balancing
        and ports count, and its scope decides whether the others' pods do (multicluster.go:578-681)."""
        namespace, name = key
        base = offers[0]
        host = fqdn(name, namespace)
        own = base.service if base.cluster.name == here.name else None
        facts, spread, ingress = Facts(), Facts(), Facts()
        if len(offers) > 1 or own is None:
            facts.take(flag)
        for offer in offers:
            facts.take(offer.facts)
            note_entry(here, offer.entry, facts)
        elsewhere = [
            offer
            for offer in offers
            if offer.cluster.name != here.name and reachable(self.registry.mesh.down, here.name, offer.cluster.name)
        ]
        mine = self._members(base) if own is not None else ()
        near, far = self._elsewhere(here, elsewhere, gateways)
        for network in dict.fromkeys(member.network for member in far):
            facts.take(() if gateways[network].clusters else gateways[network].why)
        members = (*mine, *near, *(self._coalesced(key, base, far, gateways) if base.shared else ()))
        envoys = mine
        if base.shared and not is_cluster_local(here, host):
            envoys = (*mine, *near, *(self._behind(m, gateways) for m in far if gateways[m.network].clusters))
        vips = self._vips(offers if base.shared else offers[:1], key)
        local_vip = next((vip.ip for vip in vips if vip.network == here.network.value), "")
        asked = base.cluster
        chosen = distribution(asked, base.service, namespace, here.dialect.value("global.distribution"), spread)
        balancing = load_balancing(asked, base.service, chosen, spread)
        return KnownService(
            host=host,
            name=name,
            namespace=namespace,
            service=own,
            origin=base.service,
            defined_in=base.cluster.name,
            ports=ports_of(base.service),
            vip=self.registry.cluster_ips.get((here.name, *key), "") if own is not None else local_vip,
            vips=vips,
            global_members=base.shared,
            binding=bind(asked, base.service, namespace),
            distribution=chosen,
            load_balancing=balancing,
            balancing_facts=spread.read(),
            ingress_use_waypoint=ingress_use_waypoint(asked, base.service, namespace, ingress),
            ingress_facts=ingress.read(),
            members=members,
            l7_members=envoys,
            identity_facts=facts.read(),
        )

    def _elsewhere(
        self, here: Cluster, offers: Iterable[_Offer], gateways: dict[str, Leading]
    ) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
        """The other clusters' pods: those on this network, and those behind gateways."""
        near: list[Member] = []
        far: list[Member] = []
        for offer in offers:
            network = offer.cluster.network.value
            if network == here.network.value:
                near.extend(self._members(offer))
                continue
            if network not in gateways:
                gateways[network] = leading_into(self.registry, here, network)
            far.extend(self._members(offer))
        return tuple(near), tuple(far)

    def _coalesced(
        self,
        key: Key,
        base: _Offer,
        far: Iterable[Member],
        gateways: Mapping[str, Leading],
    ) -> Iterator[Member]:
        """One entry for each remote network that has a gateway: it weighs all of the network's pods, ready or not,
        and is always healthy (multicluster.go:315-380)."""
        by_network: dict[str, list[Member]] = {}
        for member in far:
            by_network.setdefault(member.network, []).append(member)
        host = fqdn(key[1], key[0])
        for network, members in by_network.items():
            if gateways[network].clusters:
                pods = tuple(pod for member in members for pod in member.pods)
                yield _gateway_member(network, gateways[network].clusters[0], f"{key[0]}/{host}", pods, base.facts)

    def _behind(self, member: Member, gateways: Mapping[str, Leading]) -> Member:
        """A remote pod for an Envoy, with the gateways that stand in for it: its own cluster's, else all of its
        network's (istio pilot/pkg/xds/endpoints/ep_filters.go selectNetworkGateways)."""
        leading = gateways[member.network].clusters
        return replace(member, through=(member.cluster,) if member.cluster in leading else leading)

    def _vips(self, offers: Iterable[_Offer], key: Key) -> tuple[NetworkAddress, ...]:
        """The VIPs on all networks; each is only addressable on its own."""
        found = {
            NetworkAddress(offer.cluster.network.value, ip)
            for offer in offers
            if (ip := self.registry.cluster_ips.get((offer.cluster.name, *key), ""))
        }
        return tuple(sorted(found))

    def _waypoint_shared(self, here: Cluster, cluster: Cluster, waypoint: Component) -> bool:
        """Whether a waypoint's own Service is global; a generated one carries its Gateway's labels (istio
        pilot/pkg/config/kube/gateway/deploymentcontroller.go)."""
        shown = cluster.get("Service", waypoint.namespace, waypoint.name)
        manifest = shown if shown is not None else waypoint.manifest
        assert manifest is not None
        labels = manifest.labels
        if shown is None and manifest.get("spec", "infrastructure") is not None:
            labels = {str(k): str(v) for k, v in manifest.get("spec", "infrastructure", "labels", default={}).items()}
        return global_entry(scope_configs(here), cluster, waypoint.namespace, labels) is not None

    def _known_waypoint(
        self,
        here: Cluster,
        key: Key,
        owners: list[tuple[Cluster, Component]],
        gateways: dict[str, Leading],
    ) -> KnownWaypoint:
        namespace, name = key
        host = fqdn(name, namespace)
        first, component = owners[0]
        shared = self._waypoint_shared(here, first, component)
        near: list[Member] = []
        far: dict[str, list[Pod]] = {}
        for cluster, waypoint in owners:
            if cluster.name != here.name and not reachable(self.registry.mesh.down, here.name, cluster.name):
                continue
            if cluster.network.value == here.network.value:
                near.extend(pod_member(self.registry, pod) for pod in waypoint.pods)
            elif shared:
                far.setdefault(cluster.network.value, []).extend(waypoint.pods)
        for network in far:
            if network not in gateways:
                gateways[network] = leading_into(self.registry, here, network)
        entries = (
            _gateway_member(network, gateways[network].clusters[0], f"{namespace}/{host}", tuple(pods), ())
            for network, pods in far.items()
            if gateways[network].clusters
        )
        addresses = component.manifest.get("status", "addresses", default=[]) if component.manifest is not None else []
        return KnownWaypoint(
            name=name,
            namespace=namespace,
            host=host,
            vips=tuple(
                NetworkAddress(first.network.value, str(entry.get("value")))
                for entry in addresses
                if (entry.get("type") or "IPAddress") == "IPAddress"
            ),
            own=first.name == here.name,
            members=(*near, *entries),
        )


def _gateway_member(network: str, cluster: str, service: str, pods: tuple[Pod, ...], facts: tuple[Fact, ...]) -> Member:
    return Member(
        uid=f"{network}/SplitHorizonWorkload/{cluster}/{service}",
        cluster=cluster,
        network=network,
        pods=pods,
        gateway=True,
        always_ready=True,
        facts=facts,
    )
