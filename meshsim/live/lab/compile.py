"""Tables compiled to what every Envoy of the lab is told. Pure: it reads the tables and nothing else of the model.

It starts at the clients, makes what they connect to, then what that connects to, until nothing new is asked for. The
weights, endpoints and priorities are the tables'; no share that the data plane's walk computed takes part, so that
the lab can contradict it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, final

from meshsim.live.lab import choices, eastwest, envoys, pods, ztunnel
from meshsim.live.lab.addresses import Addresses
from meshsim.live.lab.certificates import Authorities
from meshsim.live.lab.plan import AppPort, AtEastwest, AtWaypoint, Inbound, MutualTls, Plan
from meshsim.live.lab.resources import Resources
from meshsim.model.frozen import frozen
from meshsim.tables.views import ClusterView, Name, Views
from meshsim.tables.workload import Locality, NetworkAddress


class Caller(Protocol):
    """Who calls: a pod, a gateway or somebody outside (`dataplane.walk.Client`)."""

    @property
    def kind(self) -> str: ...
    @property
    def cluster(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def ident(self) -> str: ...
    @property
    def locality(self) -> Locality: ...


@final
@frozen
class Visit:
    """One client and what it calls: a host or an IP, a port, and the Host header it sends."""

    client: Caller
    host: str
    ip: str
    port: int
    authority: str


@final
@frozen
class Door:
    """Where a client's connections enter the lab: its addresses, taken in turn, and the first hop's name.

    `closed` says why the lab cannot take the client in.
    """

    addresses: tuple[tuple[str, int], ...] = ()
    hop: str = ""
    closed: str = ""


@final
@frozen
class Compiled:
    """The processes of a lab at one moment, with what each is told, and the visitors' doors in order.

    `pods` are the paths of pods by the names of their counters; `uneven` says that requests must come one by one, as
    Envoy bends unequal weights under concurrent load (measured with Envoy 1.39.3).
    """

    processes: Mapping[str, Resources]
    doors: tuple[Door, ...]
    pods: Mapping[str, str]
    uneven: bool


def compile_lab(
    views: Views,
    visits: Sequence[Visit],
    addresses: Addresses,
    authorities: Authorities,
    directory: Path,
    *,
    pooled: bool = False,
) -> Compiled:
    """What every process must be told so that these visits can be made."""
    plan = Plan(views, addresses, authorities, directory, pooled=pooled)
    doors = tuple(_door(plan, visit) for visit in visits)
    for demand in plan.demands():
        match demand:
            case AppPort():
                pods.application(plan, demand)
            case Inbound():
                pods.inbound(plan, demand)
            case MutualTls():
                pods.mutual_tls(plan, demand)
            case AtWaypoint():
                envoys.waypoint(plan, demand)
            case AtEastwest():
                eastwest.gateway(plan, demand)
    plan.close()
    return Compiled(processes=plan.processes, doors=doors, pods=plan.pods, uneven=plan.uneven)


def _door(plan: Plan, visit: Visit) -> Door:
    client = visit.client
    view = plan.views.cluster(client.cluster)
    if client.kind == "gateway":
        domains = list(dict.fromkeys([visit.host or visit.ip, visit.authority]))
        address = f"{visit.host or visit.ip}:{visit.port}"
        place = envoys.ingress(plan, client.ident, view, client.locality, address, domains)
        return Door(addresses=(place,), hop=client.ident)
    row = plan.views.pod(client.uid) if client.uid else None
    capture = "none" if client.kind == "external" else row.capture if row is not None else None
    if capture is None:
        return Door(closed="nothing says which proxy handles the client's traffic")
    if visit.ip:
        return _to_ip(plan, view, client, capture, None, visit.ip, visit.port)
    name = view.names.get(visit.host)
    if name is None or (name.mesh_only and capture == "none") or not name.ips:
        return Door(closed=f"no name service takes part: {view.name} has no address for {visit.host}")
    doors = [_to_ip(plan, view, client, capture, name, ip, visit.port) for ip in name.ips]
    return Door(addresses=tuple(place for door in doors for place in door.addresses), hop=doors[0].hop)


def _to_ip(plan: Plan, view: ClusterView, client: Caller, capture: str, name: Name | None, ip: str, port: int) -> Door:
    row = plan.views.pod(client.uid) if client.uid else None
    if capture == "ambient":
        return Door(addresses=(ztunnel.outbound(plan, view, client.uid, ip, port),), hop=f"ztunnel:{view.name}")
    if capture == "sidecar" and row is not None:
        workload = view.ztunnel.workloads.get(client.uid)
        locality = workload.locality if workload is not None else Locality()
        place = envoys.sidecar(plan, row.proxy, client.uid, view, locality, f"{_host(view, name, ip)}:{port}")
        if place is None:
            process = envoys.process_of(row.proxy, locality)
            place = choices.kube_proxy(plan, view, ip, port, process)
        return Door(addresses=(place,), hop=row.proxy)
    return Door(addresses=(choices.kube_proxy(plan, view, ip, port),), hop=f"kube-proxy:{view.name}")


def _host(view: ClusterView, name: Name | None, ip: str) -> str:
    """The service that a sidecar sees in an address; a headless one's pods are addresses of their own."""
    if name is not None:
        return "" if name.headless else name.host
    services = view.ztunnel.by_vip.get(NetworkAddress(view.network, ip), ())
    return services[0].hostname if services else ""
