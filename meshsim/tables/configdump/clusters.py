"""Clusters and their hosts (envoy api/envoy/config/cluster/v3/cluster.proto, endpoint/v3/endpoint.proto, and
admin/v3/clusters.proto for the health that Envoy itself has seen)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from meshsim.tables.configdump.message import Message
from meshsim.tables.configdump.outliers import outlier
from meshsim.tables.configdump.rows import Assignment, DumpedCluster, Host
from meshsim.tables.envoy import Cluster, Endpoint, Via
from meshsim.tables.workload import Locality

DEFAULT_PANIC: Final = 50
"""healthy_panic_threshold where it is absent (cluster.proto CommonLbConfig)."""
_POLICIES: Final = {
    "": "ROUND_ROBIN", "ROUND_ROBIN": "ROUND_ROBIN", "LEAST_REQUEST": "LEAST_REQUEST", "RANDOM": "RANDOM",
    "RoundRobin": "ROUND_ROBIN", "LeastRequest": "LEAST_REQUEST", "Random": "RANDOM",
}  # fmt: skip
_HASHED: Final = frozenset({"RING_HASH", "MAGLEV", "RingHash", "Maglev"})
_HEALTHY: Final = frozenset({"", "UNKNOWN", "HEALTHY"})
_FAILED: Final = (
    "failed_active_health_check", "failed_outlier_check", "failed_active_degraded_check", "pending_dynamic_removal",
    "pending_active_hc", "excluded_via_immediate_hc_fail", "active_hc_timeout",
)  # fmt: skip
_ORIGINAL_DST: Final = "envoy.filters.listener.original_dst"
_SOCKET_MATCH: Final = "envoy.transport_socket_match"
_OVERPROVISION: Final = 140


def split_name(name: str) -> tuple[str, str, int, str]:
    """Istio's name of a cluster, `direction|port|subset|host`, as (direction, host, port, subset); the subset of a
    waypoint's own (`http/canary`) without its protocol. Another name is a host without a direction.

    >>> split_name("inbound-vip|80|http/canary|web.shop.svc.cluster.local")
    ('inbound-vip', 'web.shop.svc.cluster.local', 80, 'canary')
    """
    parts = name.split("|")
    if len(parts) != 4 or not parts[1].isascii() or not parts[1].isdecimal() or len(parts[1]) > 5:
        return "", name, 0, ""
    direction, port, subset, host = parts
    return direction, host, int(port), subset.partition("/")[2] if direction == "inbound-vip" else subset


def cluster(row: Message, line: int = 0) -> DumpedCluster:
    """One cluster. Its hosts are known at once where they are part of it."""
    name = row.text("name")
    _, host, port, subset = split_name(name)
    policy, limits = _policy(row)
    common = row.row("common_lb_config")
    if row.has("lb_subset_config"):
        limits.append("lb_subset_config chooses among its hosts by metadata")
    if common.has("zone_aware_lb_config") and row.row("common_lb_config").row("zone_aware_lb_config").has(
        "min_cluster_size"
    ):
        limits.append("zone-aware balancing keeps to the proxy's zone by the size of its own cluster")
    kind = row.text("type") or "STATIC"
    if kind == "ORIGINAL_DST" or row.text("lb_policy") == "CLUSTER_PROVIDED":
        limits.append("ORIGINAL_DST, the original address is used")
    panic = common.row("healthy_panic_threshold")
    percent = panic.get("value") if common.has("healthy_panic_threshold") else DEFAULT_PANIC
    found = Cluster(
        name=name,
        host=host,
        port=port,
        subset=subset,
        lb=policy,
        panic=int(percent) if isinstance(percent, int | float) and 0 <= percent <= 100 else 0,
        locality_weights={} if common.has("locality_weighted_lb_config") else None,
        unmodelled=tuple(limits),
        outlier=outlier(row.row("outlier_detection")) if row.has("outlier_detection") else None,
    )
    service = row.row("eds_cluster_config").text("service_name") or name
    bare = DumpedCluster(cluster=found, service=service, hosts=None, line=line)
    return assigned(bare, assignment(row.row("load_assignment"))) if row.has("load_assignment") else bare


def _policy(row: Message) -> tuple[str, list[str]]:
    said = row.text("lb_policy")
    listed = list(row.row("load_balancing_policy").rows("policies"))
    if listed:
        said = listed[0].row("typed_extension_config").row("typed_config").type
    if said in _HASHED:
        return "RING_HASH", ["consistentHash: which endpoint a request gets depends on its hash key"]
    if said in {"CLUSTER_PROVIDED", *_POLICIES}:
        return _POLICIES.get(said, "LEAST_REQUEST"), []
    return "LEAST_REQUEST", [f"load balancing policy {said}"]


def assignment(row: Message, line: int = 0) -> Assignment:
    """The hosts of a ClusterLoadAssignment."""
    factor = row.row("policy").number("overprovisioning_factor", _OVERPROVISION)
    limits = {} if factor == _OVERPROVISION else {f"overprovisioning_factor {factor}": None}
    hosts: list[Host] = []
    weights: dict[tuple[int, Locality], int] = {}
    for group in row.rows("endpoints"):
        locality, priority = _locality(group.row("locality")), group.number("priority")
        weights[priority, locality] = weights.get((priority, locality), 0) + group.number("load_balancing_weight")
        for entry in group.rows("lb_endpoints"):
            hosts.append(_host(entry, locality, priority))
            if entry.text("health_status") == "DEGRADED":
                limits["degraded hosts are spared while others are healthy"] = None
    return Assignment(hosts=tuple(hosts), weights=weights, unmodelled=tuple(limits), line=line)


def assigned(known: DumpedCluster, hosts: Assignment) -> DumpedCluster:
    """A cluster with its hosts."""
    by_locality, more = _weights(known.cluster, hosts.hosts, hosts.weights)
    limits = (*known.cluster.unmodelled, *hosts.unmodelled, *more)
    shown = replace(known.cluster, locality_weights=by_locality, unmodelled=limits)
    return replace(known, cluster=shown, hosts=hosts.hosts, line=hosts.line or known.line)


def _weights(
    found: Cluster, hosts: Iterable[Host], weights: Mapping[tuple[int, Locality], int]
) -> tuple[Mapping[Locality, int] | None, list[str]]:
    """Weights of localities, where the cluster balances by them and they say more than their hosts' weights do."""
    if found.locality_weights is None or not weights:
        return None, []
    sums: dict[tuple[int, Locality], int] = {}
    ailing = False
    for host in hosts:
        at = host.endpoint.priority, host.endpoint.locality
        sums[at] = sums.get(at, 0) + host.endpoint.weight
        ailing = ailing or not host.endpoint.healthy
    levels = {priority for priority, _ in weights}
    proportional = all(
        weights[one] * sums.get(other, 0) == weights[other] * sums.get(one, 0)
        for one in weights
        for other in weights
        if one[0] == other[0]
    )
    if proportional and not ailing:
        return None, []
    if len(levels) > 1:
        return None, ["weights of localities at several priorities"]
    return {locality: weight for (_, locality), weight in weights.items() if weight}, []


def _locality(row: Message) -> Locality:
    return Locality(row.text("region"), row.text("zone"), row.text("sub_zone"))


def _host(row: Message, locality: Locality, priority: int) -> Host:
    metadata = row.row("metadata").row("filter_metadata")
    istio, socket, tunnel = metadata.row("istio"), metadata.row(_SOCKET_MATCH), metadata.row(_ORIGINAL_DST)
    address, inside = _address(row.row("endpoint").row("address"))
    target = istio.row("double_hbone").text("hbone_target_address")
    local, waypoint, gateway = tunnel.text("local") or address, tunnel.text("waypoint"), ""
    via = Via.HBONE if inside else Via.MTLS if socket.text("tlsMode") == "istio" else Via.DIRECT
    if target or inside.startswith("inner_connect"):
        via, gateway, local = Via.GATEWAY, local, ""
    elif waypoint:
        via = Via.WAYPOINT
    endpoint = Endpoint(
        address=local,
        workload=istio.text("workload"),
        via=via,
        authority=target,
        healthy=row.text("health_status") in _HEALTHY,
        weight=row.number("load_balancing_weight", 1),
        priority=priority,
        locality=locality,
    )
    return Host(key=f"{inside}/{address}", endpoint=endpoint, gateway=gateway, waypoint=waypoint)


def _address(row: Message) -> tuple[str, str]:
    """`ip:port` (or a path), and the internal listener that leads there, "" where none does."""
    if row.has("envoy_internal_address"):
        internal = row.row("envoy_internal_address")
        return internal.text("endpoint_id"), internal.text("server_listener_name")
    if row.has("pipe"):
        return row.row("pipe").text("path"), ""
    socket = row.row("socket_address")
    ip = socket.text("address")
    return f"[{ip}]:{socket.number('port_value')}" if ":" in ip else f"{ip}:{socket.number('port_value')}", ""


def statuses(row: Message) -> tuple[Host, ...]:
    """A cluster's hosts as `clusters?format=json` has them, with the health that Envoy itself has seen; what tunnels
    carry is not in it."""
    found = []
    for status in row.rows("host_statuses"):
        address, inside = _address(status.row("address"))
        health = status.row("health_status")
        healthy = health.text("eds_health_status") in _HEALTHY and not any(health.flag(key) for key in _FAILED)
        gateway = address if inside.startswith("inner_connect") else ""
        endpoint = Endpoint(
            address="" if gateway else address,
            workload="",
            via=Via.GATEWAY if gateway else Via.HBONE if inside else Via.DIRECT,
            healthy=healthy,
            weight=status.number("weight", 1),
            priority=status.number("priority"),
            locality=_locality(status.row("locality")),
        )
        found.append(Host(key=f"{inside}/{address}", endpoint=endpoint, gateway=gateway))
    return tuple(found)


def with_statuses(known: DumpedCluster, seen: tuple[Host, ...]) -> DumpedCluster:
    """A cluster with the health that Envoy has seen; with its hosts, where nothing else tells them."""
    if known.hosts is None:
        several = known.cluster.locality_weights is not None and len({one.endpoint.locality for one in seen}) > 1
        limits = ("the weights of its localities, which clusters?format=json does not tell",) if several else ()
        shown = replace(known.cluster, locality_weights=None, unmodelled=(*known.cluster.unmodelled, *limits))
        return replace(known, cluster=shown, hosts=seen)
    health = {host.key: host.endpoint.healthy for host in seen}
    hosts = tuple(
        replace(host, endpoint=replace(host.endpoint, healthy=health.get(host.key, host.endpoint.healthy)))
        for host in known.hosts
    )
    return replace(known, hosts=hosts)
