"""The east-west gateway as an Envoy: it takes the outer CONNECT in and forwards what is inside, unread.

Whether that goes to the service's waypoint or to its pods is decided by `x-istio-source`
(istio pilot/pkg/networking/core/listener_waypoint.go:388).
"""

from meshsim.live.lab.plan import UNNAMED, AtEastwest, AtWaypoint, Inbound, Plan
from meshsim.live.lab.resources import Config, address, connect_route
from meshsim.tables.service import Service
from meshsim.tables.views import ClusterView
from meshsim.tables.workload import GatewayAddress, NamespacedHostname, Workload


def gateway(plan: Plan, demand: AtEastwest) -> None:
    """A cluster's gateway, asked for one service."""
    view = plan.views.cluster(demand.cluster)
    process = f"eastwest:{view.name}"
    host, _, number = demand.authority.rpartition(":")
    name = view.names.get(host)
    routes: list[Config] = []
    if name is not None and name.service is not None:
        routes = _routes(plan, view, process, name.service, demand.authority, int(number))
    own = plan.identity(view, plan.gateway_names.get(demand.cluster, UNNAMED))
    plan.terminate(process, plan.addresses.ip("eastwest", demand.cluster), own, demand.authority, routes)


def _routes(plan: Plan, view: ClusterView, process: str, service: Service, authority: str, port: int) -> list[Config]:
    """One route for each source that tells on itself, the unnamed one last."""

    def cluster(source: str) -> str:
        action = view.eastwest.get(source, "waypoint")
        wanted = action == "waypoint" or (action == "label" and service.ingress_use_waypoint)
        if service.waypoint is not None and wanted:
            return _to_waypoint(plan, view, process, service.waypoint, authority)
        return _to_pods(plan, view, process, service, authority, port)

    named = sorted(source for source in view.eastwest if source)
    return [*(connect_route(cluster(source), source) for source in named), connect_route(cluster(""))]


def _to_waypoint(plan: Plan, view: ClusterView, process: str, bound: GatewayAddress, authority: str) -> str:
    name = f"waypoint|{authority}"
    destination = bound.destination
    if isinstance(destination, NamespacedHostname):
        service = view.ztunnel.services.get(destination)
    else:
        service = next(iter(view.ztunnel.by_vip.get(destination, ())), None)
    pods = view.ztunnel.endpoints(service) if service is not None else ()
    for pod in pods:
        uid, row = plan.pod(pod.uid)
        plan.ask(AtWaypoint(uid, row.proxy if row is not None else "", pod.locality, authority, authority))
    return _cluster(plan, process, name, pods)


def _to_pods(plan: Plan, view: ClusterView, process: str, service: Service, authority: str, port: int) -> str:
    """The service's pods on the gateway's own network."""
    pods = [w for w in view.ztunnel.endpoints(service) if w.network == view.network and w.network_gateway is None]
    for pod in pods:
        target = pod.services.get(str(service.key), {}).get(port, port)
        plan.ask(Inbound(plan.pod(pod.uid)[0], authority, target))
    return _cluster(plan, process, f"pods|{authority}", pods)


def _cluster(plan: Plan, process: str, name: str, pods: "tuple[Workload, ...] | list[Workload]") -> str:
    """Pods by their HBONE ports; LEAST_REQUEST, as Istio has it for every cluster without a DestinationRule."""
    hosts = [
        {"endpoint": {"address": address(plan.ip(pod.uid), plan.hbone)}, "load_balancing_weight": pod.capacity}
        for pod in pods
        if pod.capacity
    ]
    plan.uneven = plan.uneven or len({pod.capacity for pod in pods}) > 1
    common = {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"}
    plan.backend(process, name, {"endpoints": [{"lb_endpoints": hosts}]}, "LEAST_REQUEST", common_lb_config=common)
    return name
