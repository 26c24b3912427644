"""A stand-in for ztunnel: Envoy with ztunnel's wire (CONNECT, mTLS, an inner tunnel that is not pooled) and its choice.

ztunnel is no Envoy. The stand-in reads the rows of workload discovery, puts every endpoint of a service into a
priority by how many routing preferences it matches, and never spills over to the next (overprovisioning × 10⁶), so
that the best matching ones win while there is one; an endpoint of capacity c stands c times in the cluster, drawn at
random for each connection (ztunnel src/state.rs:375). What follows from the choice is tested; that ztunnel chooses so
is not.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, final

from meshsim.live.lab.choices import Choice, Place, draw, kube_proxy
from meshsim.live.lab.plan import Plan
from meshsim.live.lab.resources import Config, address, listener, tcp_proxy
from meshsim.live.lab.senders import Sender
from meshsim.model.frozen import record
from meshsim.model.shares import spared
from meshsim.tables.service import LoadBalancing, Mode, Scope, Service, Visibility
from meshsim.tables.views import ClusterView
from meshsim.tables.workload import (
    GatewayAddress,
    NamespacedHostname,
    NetworkAddress,
    Protocol,
    Workload,
)

WHOLLY: Final = 100
"""The percentage at which a drained endpoint takes no new connection."""


def outbound(plan: Plan, view: ClusterView, uid: str, ip: str, port: int) -> Place:
    """The listener that captures connections of the client `uid` to `ip:port`; returns where it is."""
    process = f"ztunnel:{view.name}"
    source = view.ztunnel.workloads.get(uid) or _unlisted(plan, view, uid)
    made = _Outbound(plan, view, Sender(plan, process, view, plan.identity(view, source.identity)), source, ip, port)
    name = f"outbound|{uid}|{ip}|{port}"
    draw(plan, process, name, made.choices())
    where = plan.addresses.ip("outbound", view.name, uid, ip), plan.addresses.port(port)
    proxy = tcp_proxy(name, {name: 1}, plan.logs(process, "outbound"))
    plan.process(process).listeners[name] = listener(name, address(*where), [proxy])
    return where


def _unlisted(plan: Plan, view: ClusterView, uid: str) -> Workload:
    """A gateway's pod that no manifest shows, as the ztunnel of its node knows it."""
    row = plan.views.pod(uid)
    namespace = row.namespace if row is not None else ""
    return Workload(uid=uid, namespace=namespace, network=view.network, cluster=view.name, protocol=Protocol.HBONE)


@final
@record
class _Outbound:
    plan: Plan
    view: ClusterView
    sender: Sender
    source: Workload
    ip: str
    port: int

    @property
    def network(self) -> str:
        """Where the client's ztunnel believes it is."""
        return self.view.ztunnel.network

    def choices(self) -> list[Choice]:
        """In the order of ztunnel's outbound proxy: a service's waypoint, its endpoints, a workload, anything else."""
        tables = self.view.ztunnel
        here = NetworkAddress(self.network, self.ip)
        workload = tables.by_address.get(here)
        service = self._service(here)
        if workload is None and service is not None and (service.weighted_waypoints or service.waypoint is not None):
            return self._to_waypoints(service)
        if service is not None:
            return self._to_endpoints(service)
        if workload is not None:
            return self._to_workload(workload)
        place = kube_proxy(self.plan, self.view, self.ip, self.port)
        return [Choice({"address": address(*place)}, Fraction(1))]

    def _service(self, where: NetworkAddress) -> Service | None:
        """The service with a VIP: the client's namespace, then a canonical one (ztunnel src/state/service.rs:877)."""
        found = [
            service
            for service in self.view.ztunnel.by_vip.get(where, ())
            if service.visibility is Visibility.PUBLIC or service.namespace == self.source.namespace
        ]
        near = [service for service in found if service.namespace == self.source.namespace]
        canonical = [service for service in found if service.canonical]
        return next(iter((*near, *reversed(canonical), *found)), None)

    def _to_waypoints(self, service: Service) -> list[Choice]:
        stated = [(gateway, weight) for gateway, weight in service.weighted_waypoints if weight]
        gateways = stated or ([(service.waypoint, 1)] if service.waypoint is not None else [])
        found: list[Choice] = []
        for gateway, weight in gateways:
            pods = self._best(self._behind(gateway))
            whole = sum(pod.capacity for pod in pods)
            found += [
                Choice(self._waypoint_pod(pod, service, str(number)), Fraction(weight * pod.capacity, whole))
                for number, pod in enumerate(pods)
                if pod.capacity
            ]
        return found

    def _waypoint_pod(self, pod: Workload, service: Service, extra: str) -> Config:
        if pod.network != self.network:
            return self._remote(pod, service, extra)
        return self.sender.by_waypoint(
            pod.uid,
            f"{self.ip}:{self.port}",
            chain=f"{service.hostname}:{self.port}",
            locality=pod.locality,
            extra=extra,
        )

    def _behind(self, gateway: GatewayAddress) -> tuple[Sequence[Workload], LoadBalancing | None]:
        """The pods of a waypoint, and how to choose between them."""
        tables = self.view.ztunnel
        if isinstance(gateway.destination, NamespacedHostname):
            service = tables.services.get(gateway.destination)
            single = tables.by_hostname.get(gateway.destination)
        else:
            service = next(iter(tables.by_vip.get(gateway.destination, ())), None)
            single = tables.by_address.get(gateway.destination)
        if service is not None:
            return tables.endpoints(service), service.load_balancing
        return ((single,) if single is not None else ()), None

    def _best(self, behind: tuple[Sequence[Workload], LoadBalancing | None]) -> list[Workload]:
        taking = [w for w in behind[0] if w.drained < WHOLLY]
        ranked = [(r, w) for w in taking if (r := _matched(self.source, self.network, w, behind[1])) is not None]
        most = max((rank for rank, _ in ranked), default=0)
        return [workload for rank, workload in ranked if rank == most]

    def _to_endpoints(self, service: Service) -> list[Choice]:
        if self.port not in service.ports:
            return []
        found: list[tuple[int, Workload, Config]] = []
        for number, workload in enumerate(self.view.ztunnel.endpoints(service)):
            rank = _matched(self.source, self.network, workload, service.load_balancing)
            port = workload.services.get(str(service.key), {}).get(self.port) or service.ports[self.port]
            if rank is None or not port or not workload.capacity or workload.drained == WHOLLY:
                continue
            host = (
                self._remote(workload, service, str(number))
                if workload.network != self.network
                else self._pod(workload, port)
            )
            found.append((rank, workload, host))
        shares: dict[int, Fraction] = {}
        for level in {rank for rank, _, _ in found}:
            own = {i: workload for i, (rank, workload, _) in enumerate(found) if rank == level}
            shares |= spared({i: w.capacity for i, w in own.items()}, {i: w.drained for i, w in own.items()})
        return [Choice(host, shares[i], -rank) for i, (rank, _, host) in enumerate(found)]

    def _to_workload(self, workload: Workload) -> list[Choice]:
        if workload.waypoint is None:
            return [Choice(self._pod(workload, self.port), Fraction(1))]
        authority = f"{self.ip}:{self.port}"
        return [
            Choice(
                self.sender.by_waypoint(
                    pod.uid, authority, workload=workload.uid, port=self.port, locality=pod.locality, extra=str(number)
                ),
                Fraction(pod.capacity),
            )
            for number, pod in enumerate(self._best(self._behind(workload.waypoint)))
        ]

    def _pod(self, workload: Workload, port: int) -> Config:
        if workload.protocol is Protocol.HBONE:
            return self.sender.by_hbone(workload.uid, port)
        return self.sender.plainly(workload.uid, port)

    def _remote(self, workload: Workload, service: Service, extra: str) -> Config:
        """The gateway of another network; without one, nowhere."""
        tables = self.view.ztunnel
        gateway = workload.network_gateway
        if gateway is None:
            return self.sender.nowhere(self.port)
        pods, _ = self._behind(gateway)
        if not pods:
            return self.sender.nowhere(self.port)
        found = tables.workloads[pods[0].uid]
        return self.sender.by_gateway(found.cluster, f"{service.hostname}:{self.port}", "", found.identity, extra)


def _matched(source: Workload, network: str, target: Workload, balancing: LoadBalancing | None) -> int | None:
    """How many routing preferences a target matches, counted from the first; None where a strict service leaves it out.

    A leading Network preference that fails does not end the count, and one that holds outweighs all others.
    """
    if balancing is None or balancing.mode in {Mode.STANDARD, Mode.PASSTHROUGH}:
        return 0
    matched, bonus = 0, 0
    for position, scope in enumerate(balancing.preferences):
        same = _equal(source, network, target, scope)
        if scope is Scope.NETWORK and position == 0:
            matched += same
            bonus = len(balancing.preferences) - 1 if same else 0
        elif same:
            matched += 1
        else:
            break
    if balancing.mode is Mode.STRICT and matched < len(balancing.preferences):
        return None
    return matched + bonus


def _equal(source: Workload, network: str, target: Workload, scope: Scope) -> bool:
    pairs: dict[Scope, tuple[str, str]] = {
        Scope.REGION: (source.locality.region, target.locality.region),
        Scope.ZONE: (source.locality.zone, target.locality.zone),
        Scope.SUBZONE: (source.locality.subzone, target.locality.subzone),
        Scope.NODE: (source.node, target.node),
        Scope.CLUSTER: (source.cluster, target.cluster),
        Scope.NETWORK: (network, target.network),
    }
    here, there = pairs[scope]
    return here == there
