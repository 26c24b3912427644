"""A Mesh compiled into the tables of every proxy, each part when it is first asked for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

from meshsim.controlplane.absent import Absent
from meshsim.controlplane.binding import is_waypoint
from meshsim.controlplane.chains import Lazy, sidecar_chain, waypoint_chain
from meshsim.controlplane.clusters import Clusters
from meshsim.controlplane.components import ISTIO_GATEWAY, Component, assumed_pod, component, waypoints
from meshsim.controlplane.discovery import contested_flat, workload_binding, ztunnel_tables
from meshsim.controlplane.gateways import gateway_chain
from meshsim.controlplane.hosts import Place, Reach
from meshsim.controlplane.ingress_class import Ingress, ingress, refuses_remote_entries
from meshsim.controlplane.known import Federation, KnownService, KnownWaypoint, Port, ports_of, target_port
from meshsim.controlplane.policies import peer_authentications, policies
from meshsim.controlplane.registry import Registry
from meshsim.controlplane.towaypoints import ToWaypoints, by_ztunnel, without_remote
from meshsim.controlplane.waypointpolicies import implicit_policies
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.health import with_faults
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Cluster, Mesh
from meshsim.mesh.pods import Pod, capture, dns_capture
from meshsim.model.errors import Bug
from meshsim.model.facts import Facts
from meshsim.model.names import subject
from meshsim.tables.envoy import Chain, Proxy
from meshsim.tables.envoy import Cluster as EnvoyCluster
from meshsim.tables.policy import Policy
from meshsim.tables.views import ClusterView, Name, PodRow
from meshsim.tables.workload import Locality

if TYPE_CHECKING:
    from meshsim.manifests.dumps.envoy import EnvoyDump

INTEROP_SOURCE: Final = "Solo docs, Argo Rollouts guide: on by default in Solo builds"
SOURCES: Final = ("", "waypoint", "gateway", "sidecar", "sidecar-l7")


def federation(kind: str) -> Callable[[Registry], Federation]:
    """How clusters learn of each other's services, by what a dialect calls it. Loaded when a dialect needs it."""
    if kind == "peering":
        from meshsim.controlplane.peering import Peering

        return Peering
    from meshsim.controlplane.splithorizon import SplitHorizon

    return SplitHorizon


@final
class ControlPlane:
    """The control planes of all clusters of one Mesh. Implements `tables.views.Views`."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.registry = Registry(mesh)
        self._federations: dict[str, Federation] = {}
        self._waypoints: dict[str, tuple[KnownWaypoint, ...]] = {}
        self._to_waypoints = ToWaypoints(self.registry, self.known, self.known_waypoints)
        self._views: dict[str, ClusterView] = {}
        self._known: dict[str, Mapping[str, KnownService]] = {}
        self._proxies: dict[tuple[str, Locality], Proxy | None] = {}
        self._makers: dict[tuple[str, Locality], Clusters] = {}
        self._gateway_pods: dict[str, Pod] = {}
        """Pods of gateways that call like clients, where no manifest shows them."""
        self._entries: dict[str, str] = {}
        """Generated entries of flat peers' pods → the pods; further rows of dumps → the pod that speaks for them."""
        self._addresses: dict[tuple[str, str], str] = {}
        """(network, IP) → uid, of dumps."""

    def known(self, cluster: str) -> Mapping[str, KnownService]:
        """The services a cluster knows, by host."""
        if cluster not in self._known:
            services = self._federation(cluster).known(cluster)
            self._known[cluster] = {host: s for s in services for host in (s.host, *s.also)}
            for service in services:
                self._entries.update(
                    {m.uid: m.pod.uid for m in service.members if not m.gateway and m.uid != m.pod.uid}
                )
        return self._known[cluster]

    def known_waypoints(self, cluster: str) -> tuple[KnownWaypoint, ...]:
        """The waypoints that a cluster's proxies can be sent to."""
        if cluster not in self._waypoints:
            self._waypoints[cluster] = self._federation(cluster).waypoints(cluster)
        return self._waypoints[cluster]

    def _federation(self, cluster: str) -> Federation:
        kind = self.mesh.clusters[cluster].dialect.value("federation")
        if kind not in self._federations:
            self._federations[kind] = federation(kind)(self.registry)
        return self._federations[kind]

    def cluster(self, name: str) -> ClusterView:
        """One cluster's tables."""
        if name not in self._views:
            here = self.mesh.clusters[name]
            self._views[name] = self._dumped(here) if here.ztunnel_dump is not None else self._view(here)
        return self._views[name]

    def pod(self, uid: str) -> PodRow | None:
        """One pod as the data plane needs it."""
        pod = self.registry.pod_by_uid.get(self._entries.get(uid, uid)) or self.registry.absent.get(uid)
        pod = pod or self._gateway_pods.get(uid)
        if pod is None:
            return self._component_rows.get(uid)
        uid = pod.uid
        facts = Facts()
        caught = capture(self.registry.cluster(pod.cluster), pod, facts)
        proxy = self._component_rows[uid].proxy if uid in self._component_rows else ""
        if caught == "sidecar" and not proxy:
            proxy = f"sidecar:{pod.cluster}/{pod.namespace}/{pod.workload}"
        return PodRow(
            uid=uid,
            cluster=pod.cluster,
            path=pod.path,
            capture=caught,
            capture_why=facts.read(),
            proxy=proxy,
            ready=pod.ready,
            mesh_dns=caught != "sidecar" or dns_capture(pod),
            labels=pod.labels,
            namespace=pod.namespace,
        )

    @property
    def _component_rows(self) -> Mapping[str, PodRow]:
        rows = getattr(self, "_rows", None)
        if rows is None:
            rows = {
                pod.uid: PodRow(uid=pod.uid, cluster=pod.cluster, path=pod.path, capture="none", proxy=waypoint.id)
                for cluster in self.mesh.clusters.values()
                for waypoint in waypoints(self.registry, cluster)
                for pod in waypoint.pods
            }
            self._rows = rows
        return rows

    def pod_at(self, network: str, ip: str) -> str | None:
        """The uid of the pod that answers at an IP of a network: clusters on one network route to each other's pods."""
        return self._addresses.get((network, ip)) or self.registry.pod_by_address.get((network, ip))

    def proxy(self, ident: str, locality: Locality) -> Proxy | None:
        """One Envoy's tables; its chains are made as they are asked for."""
        key = (ident, locality)
        if key not in self._proxies:
            made = self._make_proxy(ident, locality)
            dump = self._envoy_dump(ident)
            self._proxies[key] = made if made is None or dump is None else self._dumped_proxy(made, dump)
        return self._proxies[key]

    def _envoy_dump(self, ident: str) -> "EnvoyDump | None":
        kind, _, rest = ident.partition(":")
        cluster, namespace, name = rest.split("/")[:3]
        return self.mesh.clusters[cluster].envoy_dumps.get(f"{kind}:{namespace}/{name.rpartition('~')[2]}")

    def _dumped_proxy(self, compiled: Proxy, dump: "EnvoyDump") -> Proxy:
        from meshsim.controlplane.dumpedenvoy import DumpedEnvoy
        from meshsim.controlplane.dumpedhosts import Hosts

        here = self.mesh.clusters[compiled.cluster]
        view = self.cluster(here.name)
        source = self._makers[compiled.id, compiled.locality].place.source

        def known(name: str) -> EnvoyCluster | None:
            self.make_cluster(compiled.id, compiled.locality, name)
            return compiled.clusters.get(name)

        def addresses(host: str) -> tuple[str, ...]:
            found = view.names.get(host)
            vips = (vip.ip for vip in found.service.vips) if found is not None and found.service is not None else ()
            return tuple(dict.fromkeys((*(found.ips if found is not None else ()), *vips)))

        def pod_at(network: str, ip: str) -> tuple[str, bool] | None:
            told = self._addresses.get((network, ip))
            uid = told or self.registry.pod_by_address.get((network, ip))
            if uid is None:
                return None
            row, pod = self.pod(uid), self.registry.pod_by_uid.get(uid)
            return (row.uid if row is not None else uid), told is None and pod is not None and not pod.real

        hosts = Hosts(dump, here, self.registry, pod_at=pod_at, compiled=known, source=source)
        ports = self._target_ports(compiled.id) if compiled.id.startswith("gateway:") else {}
        envoy = DumpedEnvoy(dump, here, compiled, hosts, addresses=addresses, ports=lambda port: ports.get(port, ()))
        return envoy.proxy()

    def _target_ports(self, ident: str) -> Mapping[int, tuple[int, ...]]:
        """What the pods of a gateway listen on for each port of their Services."""
        component = self.gateway(ident)
        found: dict[int, tuple[int, ...]] = {}
        for pod in component.pods[:1] if component is not None else ():
            for service in self.mesh.clusters[pod.cluster].of("Service"):
                selector = service.get("spec", "selector", default={})
                if service.namespace == pod.namespace and selector and selector.items() <= dict(pod.labels).items():
                    for port in ports_of(service):
                        found[port.number] = (*found.get(port.number, ()), target_port(port, pod))
        return found

    def make_cluster(self, ident: str, locality: Locality, name: str) -> None:
        """Make a cluster of an Envoy that no route names now: istiod sends them all (`outbound|5000|subset|host`)."""
        clusters = self._makers.get((ident, locality))
        parts = name.split("|")
        service = clusters.known.get(parts[-1]) if clusters is not None and len(parts) == 4 else None
        port = service.port(int(parts[1])) if service is not None and parts[1].isdigit() else None
        if clusters is not None and service is not None and port is not None:
            clusters.service(service, port, parts[2].partition("/")[2] if parts[0] == "inbound-vip" else parts[2])

    def gateway(self, ident: str) -> Component | None:
        """The pods behind a `gateway:cluster/ns/name`."""
        cluster, manifest = self._gateway_manifest(ident)
        return self._gateway_component(cluster, manifest, ident) if manifest is not None else None

    def _make_proxy(self, ident: str, locality: Locality) -> Proxy | None:
        kind, _, rest = ident.partition(":")
        if kind == "waypoint":
            return self._waypoint(ident, rest, locality)
        if kind == "gateway":
            return self._gateway(ident, locality)
        if kind == "sidecar":
            return self._sidecar(ident, rest, locality)
        msg = f"{ident} is no Envoy"
        raise Bug(msg)

    def _waypoint(self, ident: str, rest: str, locality: Locality) -> Proxy | None:
        name, namespace, gateway_name = rest.split("/")
        here = self.mesh.clusters[name]
        gateway = here.get("Gateway", namespace, gateway_name)
        if gateway is None or not is_waypoint(gateway):
            return None
        known = self.known(name)
        mine = {s.host: s for s in known.values() if any(g.key == gateway.key for g in s.binding.gateways)}
        place = Place(cluster=here, locality=locality, source="waypoint", reach=_reach(here, "waypoint.remote"))
        clusters = Clusters(place, namespace, known, self.mesh.assume, frozenset(mine))

        def make(address: str) -> Chain | None:
            found = _split(mine, address)
            return waypoint_chain(clusters, *found, gateway) if found is not None else None

        return self._proxy(ident, here, locality, tuple(_addresses(mine)), make, clusters)

    def _sidecar(self, ident: str, rest: str, locality: Locality) -> Proxy:
        name, namespace, workload = rest.split("/")
        here = self.mesh.clusters[name]
        known = self.known(name)
        facts = Facts()
        default = here.dialect.value("sidecar.interop")
        interop = bool(default) and here.flag(facts, "ENABLE_WAYPOINT_INTEROP", default, INTEROP_SOURCE)
        pods = self.registry.workloads(name).get((namespace, workload), ())
        place = Place(
            cluster=here,
            locality=locality,
            source="sidecar" if interop else "sidecar-l7",
            reach=_reach(here, "sidecar.hbone-gateway"),
        )
        labels = pods[0].labels if pods else {}
        clusters = Clusters(place, namespace, known, self.mesh.assume, labels=labels)

        def make(address: str) -> Chain | None:
            found = _split(known, address)
            if found is None:
                return None
            chain = sidecar_chain(
                clusters,
                *found,
                interop=facts.read() if interop else None,
                labels=labels,
                handover=self._to_waypoints.handover,
            )
            return replace(chain, facts=(*facts.read(), *(f for f in chain.facts if f not in facts.read())))

        return self._proxy(ident, here, locality, tuple(_addresses(known)), make, clusters)

    def _gateway_manifest(self, ident: str) -> tuple[Cluster, Manifest | None]:
        name, namespace, gateway = ident.partition(":")[2].split("/")[:3]
        here = self.mesh.clusters[name]
        kind, _, bare = gateway.rpartition("~")
        if kind:
            return here, here.get(ISTIO_GATEWAY, namespace, bare)
        found = here.get("Gateway", namespace, gateway) or here.get(ISTIO_GATEWAY, namespace, gateway)
        return here, found

    def _gateway_component(self, here: Cluster, manifest: Manifest, ident: str) -> Component:
        if manifest.kind != ISTIO_GATEWAY:
            return component(self.registry, here, manifest, ident)
        selector = manifest.get("spec", "selector", default={})
        pods = tuple(p for p in self.registry.pods(here.name) if selector.items() <= dict(p.labels).items())
        shown = any(
            selector.items() <= (d.get("spec", "template", "metadata", "labels", default={})).items()
            for d in here.of("Deployment")
        )
        namespace = pods[0].namespace if pods else SYSTEM_NAMESPACE
        if not pods and not shown:
            pods = (assumed_pod(here, namespace, "istio-ingressgateway", None),)
        return Component(
            id=ident,
            cluster=here.name,
            namespace=namespace,
            name=manifest.name,
            manifest=manifest,
            pods=with_faults(self.mesh.down, pods, ident),
            evidence=manifest.evidence(),
        )

    def _gateway(self, ident: str, locality: Locality) -> Proxy | None:
        here, manifest = self._gateway_manifest(ident)
        if manifest is None:
            return None
        pods = self._gateway_component(here, manifest, ident)
        place = Place(cluster=here, locality=locality, source="gateway", reach=_reach(here, "ingress.remote"))
        clusters = Clusters(place, pods.namespace, self.known(here.name), self.mesh.assume)
        self._ways_of(manifest, here, pods, clusters)

        def make(address: str) -> Chain | None:
            host, _, port = address.rpartition(":")
            return gateway_chain(manifest, host, int(port), clusters)

        return self._proxy(ident, here, locality, (), make, clusters)

    def _ways_of(self, manifest: Manifest, here: Cluster, gateway: Component, clusters: Clusters) -> None:
        """How a gateway reaches its backends, by who runs it."""
        kind = ingress(here, manifest, Facts())
        place = clusters.place
        clusters.instead = lambda service, port: self._to_waypoints.ingress(place, service, port)
        if kind is Ingress.CLIENT and gateway.ready_pods:
            pod = gateway.ready_pods[0]
            self._gateway_pods[pod.uid] = pod
            clusters.marks = frozenset({"as-client"})
            clusters.instead = lambda service, port: by_ztunnel(place, service, port, pod)
        elif kind is Ingress.AGENT:
            facts = Facts()
            refusing = refuses_remote_entries(here, facts)
            clusters.known = {
                host: without_remote(service, refusing, facts.read()) for host, service in clusters.known.items()
            }
        elif kind is Ingress.UNKNOWN:
            clusters.instead = lambda service, port: None
            path = ("spec", "gatewayClassName")
            stated = f"{manifest.get(*path)} ({manifest.evidence(*path)})"
            clusters.unmodelled = (f"nobody knows gateway class {stated}: add its GatewayClass if Istio runs it",)

    def _proxy(
        self,
        ident: str,
        here: Cluster,
        locality: Locality,
        addresses: tuple[str, ...],
        make: Callable[[str], Chain | None],
        clusters: Clusters,
    ) -> Proxy:
        self._makers[ident, locality] = clusters
        return Proxy(
            id=ident,
            cluster=here.name,
            network=here.network.value,
            locality=locality,
            chains=Lazy(addresses, make),
            clusters=clusters.made,
            missing_cluster_status=clusters.missing,
            principal=self._principal(ident),
        )

    def _implicit(self, here: Cluster, known: Mapping[str, KnownService]) -> Iterator[Policy]:
        pods = ((pod, workload_binding(self.registry, pod)) for pod in self.registry.pods(here.name))
        return implicit_policies(here, known.values(), pods, self._principal)

    def _dumped(self, here: Cluster) -> ClusterView:
        from meshsim.controlplane.dumped import adopted, dumped_view

        assert here.ztunnel_dump is not None
        view = self._view(here)
        held = adopted(here.ztunnel_dump, self.registry, here, self.known_waypoints(here.name), self._entries)
        self._entries.update(held.aliases)
        self._addresses.update(held.addresses)
        return dumped_view(view, held, self.known(here.name))

    def _principal(self, ident: str) -> str:
        """Who an Envoy is: its pods' service account; a Gateway's own is named after it, with its class unless it is a
        waypoint (istio pilot/pkg/config/kube/gateway/deploymentcontroller.go getDefaultName)."""
        kind, _, rest = ident.partition(":")
        cluster, namespace, name = rest.split("/")[:3]
        workloads = self.registry.workloads(cluster)
        account = name
        if kind == "gateway":
            manifest = self._gateway_manifest(ident)[1]
            account = f"{name}-{manifest.get('spec', 'gatewayClassName', default='istio')}" if manifest else name
        pods = workloads.get((namespace, name)) or workloads.get((namespace, account)) or ()
        described = next((pod.service_account for pod in pods if pod.service_account != "default"), "")
        return f"cluster.local/ns/{namespace}/sa/{described or ('default' if kind == 'sidecar' else account)}"

    def _view(self, here: Cluster) -> ClusterView:
        known = self.known(here.name)
        tables = ztunnel_tables(
            self.registry, here, tuple({id(s): s for s in known.values()}.values()), self.known_waypoints(here.name)
        )
        by_host = {service.hostname: service for service in tables.services.values()}
        names: dict[str, Name] = {}
        kube: dict[str, tuple[tuple[str, int], ...]] = {}
        for host, service in known.items():
            row = by_host[service.host]
            ready = tuple(m for m in service.members if m.ready)
            headless = _is_headless(service)
            names[host] = Name(
                host=service.host,
                service=row,
                ips=tuple(m.pod.ip for m in ready if not m.gateway)
                if headless
                else tuple(filter(None, (service.vip,))),
                mesh_only=service.service is None or service.global_host,
                headless=headless,
                why=service.identity_facts,
            )
            if service.service is None or service.global_host or headless:
                continue
            for port in service.ports:
                kube[f"{service.vip}:{port.number}"] = tuple(
                    (m.uid, target) for m in service.l7_members if m.ready and (target := target_port(port, m.pod))
                )
        return ClusterView(
            name=here.name,
            network=here.network.value,
            root=here.root.value,
            ztunnel=tables,
            names=names,
            absent=Absent(self.mesh, here.name, self._federation(here.name).sharing),
            kube=kube,
            eastwest={source: here.dialect.value(f"eastwest.source.{source}") for source in SOURCES},
            eastwest_sources={source: here.dialect.row(f"eastwest.source.{source}").source for source in SOURCES},
            eastwest_assumed={"gateway": here.dialect.value("eastwest.assumed.gateway")},
            waypoint_missing={h: s.binding.missing for h, s in known.items() if s.binding.missing},
            contested={
                host: tuple(c.name for c in found)
                for host, service in known.items()
                if (found := contested_flat(self.registry, here, service))
            },
            assumed={
                h: ((("remote_weight", "pods"),))
                for h, s in known.items()
                if any(m.gateway and not m.always_ready for m in s.members)
            },
            entries=_entries(here),
            policies=(*policies(here), *self._implicit(here, known)),
            stricts=tuple(peer_authentications(here)),
            no_vip=frozenset(h for h, s in known.items() if not s.vip and not _is_headless(s)),
            unserved=frozenset(h for h, s in known.items() if not s.global_members)
            if here.dialect.value("eastwest.global-only")
            else frozenset(),
        )


def _entries(here: Cluster) -> dict[str, str]:
    """What the user's ServiceEntries give; generated ones repeat what global services have."""
    found: dict[str, str] = {}
    for entry in here.of("ServiceEntry"):
        if entry.name.startswith("autogen"):
            continue
        for given in (*entry.get("spec", "hosts", default=[]), *entry.get("spec", "addresses", default=[])):
            where = f"{subject(here.name, entry.key)} ({entry.evidence()})"
            found.setdefault(str(given), f"{where} has {given}, and its endpoints are not modelled")
    return found


def _is_headless(service: KnownService) -> bool:
    """Whether a service has no VIP anywhere: one that has it on other networks alone is not addressable here."""
    return not service.vip and not service.vips


def _reach(here: Cluster, behaviour: str) -> Reach:
    """Whether a kind of proxy sends to other networks: never (""), always, or by a flag and its default."""
    facts = Facts()
    row = here.dialect.row(behaviour)
    flag, _, default = row.value.partition("=")
    remote = here.flag(facts, flag, default, row.source) if default else bool(row.value)
    return Reach(remote=remote, why=facts.read())


def _addresses(known: Mapping[str, KnownService]) -> list[str]:
    return [f"{host}:{port.number}" for host, service in known.items() for port in service.ports]


def _split(known: Mapping[str, KnownService], address: str) -> tuple[KnownService, Port] | None:
    host, _, number = address.rpartition(":")
    service = known.get(host)
    port = service.port(int(number)) if service is not None else None
    return (service, port) if service is not None and port is not None else None
