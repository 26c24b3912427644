"""Proxies that are Envoys in the mesh too: waypoints, ingress gateways and sidecars, from their own tables."""

from collections.abc import Iterable
from typing import Final

from meshsim.live.lab import choices, ztunnel
from meshsim.live.lab.plan import UNNAMED, AtWaypoint, Plan
from meshsim.live.lab.resources import (
    Config,
    address,
    connect_route,
    connection_manager,
    http1,
    inside,
    listener,
    passes_metadata,
    static,
    tcp_proxy,
)
from meshsim.live.lab.routes import envoy_route
from meshsim.live.lab.senders import Sender
from meshsim.tables.envoy import Chain, Cluster, Endpoint, Proxy, Via
from meshsim.tables.views import ClusterView
from meshsim.tables.workload import Locality, NamespacedHostname, NetworkAddress

Place = tuple[str, int]
POLICIES: Final = frozenset({"LEAST_REQUEST", "ROUND_ROBIN", "RANDOM"})


def process_of(ident: str, locality: Locality) -> str:
    """The process of a proxy: proxies in one place hold the same tables."""
    return f"{ident}@{locality}" if str(locality) else ident


def waypoint(plan: Plan, demand: AtWaypoint) -> None:
    """A waypoint's pod that takes a CONNECT request in for one of its chains, or for the pod behind it."""
    proxy = plan.views.proxy(demand.ident, demand.locality) if demand.ident else None
    process = process_of(demand.ident, demand.locality)
    identity = plan.pod_identity(demand.uid)
    sender = Sender(plan, process, plan.home(demand.uid), identity)
    cluster = ""
    if demand.workload:
        cluster = _before_a_pod(plan, process, sender, demand.workload, demand.port)
    elif proxy is not None and (chain := proxy.chains.get(demand.address)) is not None:
        cluster = f"chain|{demand.address}"
        serve(plan, process, cluster, None, proxy, chain, sender)
        plan.process(process).clusters[cluster] = static(cluster, inside(cluster))
    routes = [connect_route(cluster)] if cluster else []
    plan.terminate(process, plan.ip(demand.uid), identity, demand.authority, routes)


def sidecar(plan: Plan, ident: str, uid: str, view: ClusterView, locality: Locality, host: str) -> Place | None:
    """A client's own sidecar for `host` (`host:port`); None where it has no chain for it and lets it pass through."""
    proxy = plan.views.proxy(ident, locality)
    chain = proxy.chains.get(host) if proxy is not None and host in set(proxy.chains) else None
    if proxy is None or chain is None:
        return None
    row = view.ztunnel.workloads.get(uid)
    identity = plan.identity(view, row.identity if row is not None else UNNAMED)
    process = process_of(ident, locality)
    where = plan.addresses.ip("sidecar", ident, locality, host), plan.addresses.port(chain.port)
    serve(plan, process, f"sidecar|{host}", address(*where), proxy, chain, Sender(plan, process, view, identity))
    return where


def ingress(plan: Plan, ident: str, view: ClusterView, locality: Locality, host: str, domains: list[str]) -> Place:
    """An ingress gateway's listener for `host:port`; without a chain there is no listener, and nothing answers."""
    proxy = plan.views.proxy(ident, locality)
    _, namespace, name = ident.partition(":")[2].split("/")[:3]
    where = plan.addresses.ip("ingress", ident, locality, host), plan.addresses.port(int(host.rpartition(":")[2]))
    chain = proxy.chains.get(host) if proxy is not None else None
    if proxy is not None and chain is not None:
        bare = name.rpartition("~")[2]
        identity = plan.identity(view, f"spiffe://cluster.local/ns/{namespace}/sa/{bare}")
        process = process_of(ident, locality)
        sender = Sender(plan, process, view, identity)
        serve(plan, process, f"ingress|{host}", address(*where), proxy, chain, sender, domains)
    return where


def serve(
    plan: Plan,
    process: str,
    name: str,
    where: Config | None,
    proxy: Proxy,
    chain: Chain,
    sender: Sender,
    domains: Iterable[str] = ("*",),
) -> None:
    """A chain as a listener: HTTP by its routes, or bytes to the clusters of its first route."""
    for cluster in _named(proxy, chain):
        _backend(plan, process, cluster, sender)
    logs = plan.logs(process, "http" if chain.http else "tcp")
    if chain.http:
        routes = [envoy_route(route, proxy.missing_cluster_status) for route in chain.routes]
        hosts = [{"name": name, "domains": list(domains), "routes": routes}]
        filters = [connection_manager(name, logs, rds=plan.routes(process, name, hosts))]
    else:
        weights = {w.cluster: w.weight for w in chain.routes[0].clusters}
        filters = [tcp_proxy(name, weights, logs)]
    plan.process(process).listeners[name] = listener(name, where, filters)


def _named(proxy: Proxy, chain: Chain) -> list[Cluster]:
    names = dict.fromkeys(weighted.cluster for route in chain.routes for weighted in route.clusters)
    return [proxy.clusters[name] for name in names if name in proxy.clusters]


def _backend(plan: Plan, process: str, cluster: Cluster, sender: Sender) -> None:
    """A cluster with its hosts: priorities, health, weights, panic threshold and locality weights as in the table."""
    weights = cluster.locality_weights
    groups: dict[tuple[int, Locality], list[Config]] = {}
    for number, endpoint in enumerate(cluster.endpoints):
        priority = 0 if weights is not None else endpoint.priority
        if weights is None or weights.get(endpoint.locality):
            groups.setdefault((priority, endpoint.locality), []).append(_host(endpoint, sender, number))
    assignment = {"endpoints": [_group(*key, hosts, cluster) for key, hosts in groups.items()]}
    common: Config = {"healthy_panic_threshold": {"value": cluster.panic}, "update_merge_window": "0s"}
    if weights is not None:
        common["locality_weighted_lb_config"] = {}
    policy = cluster.lb if cluster.lb in POLICIES else "LEAST_REQUEST"
    plan.uneven = plan.uneven or (policy != "RANDOM" and len({e.weight for e in cluster.endpoints}) > 1)
    unpooled = not plan.pooled and any(e.via is Via.GATEWAY for e in cluster.endpoints)
    plan.backend(
        process,
        cluster.name,
        assignment,
        policy,
        common_lb_config=common,
        **http1(1 if unpooled else 0),
        **passes_metadata(),
    )


def _group(priority: int, locality: Locality, hosts: list[Config], cluster: Cluster) -> Config:
    made: Config = {"priority": priority, "lb_endpoints": hosts}
    if str(locality):
        parts = {"region": locality.region, "zone": locality.zone, "sub_zone": locality.subzone}
        made["locality"] = {name: part for name, part in parts.items() if part}
    if cluster.locality_weights is not None:
        made["load_balancing_weight"] = cluster.locality_weights[locality]
    return made


def _host(endpoint: Endpoint, sender: Sender, number: int) -> Config:
    port = int(endpoint.address.rpartition(":")[2]) if endpoint.via is not Via.GATEWAY else 0
    match endpoint.via:
        case Via.DIRECT:
            reached = sender.plainly(endpoint.workload, port)
        case Via.MTLS:
            reached = sender.by_sidecar(endpoint.workload, port)
        case Via.HBONE:
            reached = sender.by_hbone(endpoint.workload, port)
        case Via.WAYPOINT:
            asked = endpoint.authority
            reached = sender.by_waypoint(endpoint.workload, asked, chain=asked, locality=endpoint.locality)
        case Via.ZTUNNEL:
            reached = _as_client(sender, endpoint)
        case Via.GATEWAY:
            name = _gateway_name(sender, endpoint)
            reached = sender.by_gateway(endpoint.cluster, endpoint.authority, endpoint.source, name, str(number))
    made: Config = {
        "endpoint": {"address": reached["address"]},
        "health_status": "HEALTHY" if endpoint.healthy else "UNHEALTHY",
        "load_balancing_weight": endpoint.weight,
    }
    return {**made, "metadata": reached["metadata"]} if "metadata" in reached else made


def _as_client(sender: Sender, endpoint: Endpoint) -> Config:
    """A service's VIP, called from the gateway's own pod: captured by its ztunnel, or balanced by kube-proxy."""
    ip, _, port = endpoint.address.rpartition(":")
    row = sender.plan.views.pod(endpoint.workload)
    if row is not None and row.capture == "ambient":
        return {"address": address(*ztunnel.outbound(sender.plan, sender.view, endpoint.workload, ip, int(port)))}
    return {"address": address(*choices.kube_proxy(sender.plan, sender.view, ip, int(port)))}


def _gateway_name(sender: Sender, endpoint: Endpoint) -> str:
    """The SPIFFE name of the gateway behind which an endpoint is, as this proxy's cluster knows it."""
    tables = sender.view.ztunnel
    entry = tables.workloads.get(endpoint.workload)
    known = entry.network_gateway.destination if entry is not None and entry.network_gateway is not None else None
    found = tables.by_address.get(known) if isinstance(known, NetworkAddress) else None
    if isinstance(known, NamespacedHostname):
        service = tables.services.get(known)
        found = next(iter(tables.endpoints(service)), None) if service is not None else None
    if found is None:
        found = next(
            (w for w in tables.workloads.values() if "/Gateway/" in w.uid and w.cluster == endpoint.cluster), None
        )
    return found.identity if found is not None else UNNAMED


def _before_a_pod(plan: Plan, process: str, sender: Sender, uid: str, port: int) -> str:
    """A waypoint in front of an addressed pod: no service's routes, straight to the pod."""
    name = f"workload|{uid}|{port}"
    host = sender.by_hbone(uid, port)
    lb_host = {"endpoint": {"address": host["address"]}, "metadata": host["metadata"]}
    plan.backend(process, name, {"endpoints": [{"lb_endpoints": [lb_host]}]}, "RANDOM", **passes_metadata())
    return name
