"""ztunnel's tables from plain values: its local configuration file and its config dump.

Both shapes, and workload discovery's own messages in protobuf's JSON, are read by one reader, as loosely as ztunnel's
own: keys in camelCase or snake_case, unknown keys ignored, workloads and services as a list or as a map (by address or
VIP), endpoints on the workload (local configuration) or on the service (dump), addresses as text or as bytes, members
of enumerations by name or by number. Values that make no sense are an InputError that names the row.
`tables.local` writes them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from meshsim.model.errors import InputError
from meshsim.model.evidence import Evidence
from meshsim.model.facts import Fact
from meshsim.tables.addresses import (
    MAX_PORT,
    Ports,
    packed_ip,
    read_address,
    read_gateway,
    read_hostname,
    read_ip,
    read_ports,
)
from meshsim.tables.plainrow import PlainRow, member_of, plain_key
from meshsim.tables.service import HealthPolicy, LoadBalancing, Mode, Scope, Service, Visibility
from meshsim.tables.workload import ApplicationTunnel, GatewayAddress, Health, Locality, NetworkMode, Protocol, Workload
from meshsim.tables.ztunnel import ZtunnelTables

_IP_FAMILIES = {
    "": "",
    "0": "",
    "1": "IPv4",
    "2": "IPv6",
    "3": "Dual",
    "automatic": "",
    "dual": "Dual",
    "ipv4": "IPv4",
    "ipv4only": "IPv4",
    "ipv6": "IPv6",
    "ipv6only": "IPv6",
}
_TUNNELS = {"0": "NONE", "1": "PROXY"}


def ztunnel_tables(
    mapping: Mapping[str, Any], *, network: str | None = None, evidence: Evidence | None = None
) -> ZtunnelTables:
    """Read ztunnel's tables from its local configuration or its config dump.

    `network` is the network the ztunnels believe they are on; by default the mapping's own `network` or that of
    its `config`. With `evidence`, every row's `why` says that its values come from there. Raises InputError.

    >>> tables = ztunnel_tables({"services": [{"name": "web", "namespace": "shop", "hostname": "web.shop",
    ...                                        "vips": ["/10.0.0.1"], "ports": {80: 8080}}]})
    >>> [str(key) for key in tables.services]
    ['shop/web.shop']
    """
    top = PlainRow(mapping, "the ztunnel tables")
    own = network if network is not None else top.text("network") or top.row("config").text("network")
    services: list[Service] = []
    listed: set[str] = set()
    serving: dict[str, dict[str, Ports]] = {}
    for row in (*top.rows("services", "service"), *top.rows("byvip", "service")):
        service = _service(row)
        services.append(_explained_service(service, evidence))
        endpoints = _endpoints(row, service)
        if endpoints is not None:
            listed.add(str(service.key))
            for uid, ports in endpoints.items():
                serving.setdefault(uid, {})[str(service.key)] = ports
    workloads = [
        _attached(_workload(row), listed, serving)
        for row in (*top.rows("workloads", "workload"), *top.rows("byaddr", "workload"))
    ]
    return ZtunnelTables(
        network=own, services=services, workloads=[_explained_workload(w, evidence) for w in workloads]
    )


def _service(row: PlainRow) -> Service:
    families = plain_key(row.text("ipfamilies"))
    if families not in _IP_FAMILIES:
        row.fail(f"ipFamilies {row.text('ipfamilies')!r} is none of IPv4, IPv6, Dual")
    vips = [read_address(vip, f"{row.name}: vip") for vip in row.sequence("vips", "addresses")]
    ranges = [read_address(vip, f"{row.name}: cidrVips") for vip in row.sequence("cidrvips")]
    balancing = row.get("loadbalancer", "loadbalancing")
    return Service(
        name=row.text("name"),
        namespace=row.text("namespace"),
        hostname=row.text("hostname"),
        vips=tuple(dict.fromkeys((*vips, *ranges))),
        ports=read_ports(row.get("ports"), f"{row.name}: ports"),
        waypoint=read_gateway(row.get("waypoint"), f"{row.name}: waypoint"),
        weighted_waypoints=tuple(_weighted(item, row) for item in row.sequence("weightedwaypoints")),
        load_balancing=None if balancing is None else _balancing(PlainRow(balancing, f"{row.name}: loadBalancer")),
        subject_alt_names=tuple(str(name) for name in row.sequence("subjectaltnames")),
        ip_families=_IP_FAMILIES[families],
        canonical=row.flag("canonical"),
        ingress_use_waypoint=row.flag("ingressusewaypoint"),
        visibility=row.choice("visibility", Visibility, Visibility.PUBLIC),
    )


def _weighted(item: Any, service: PlainRow) -> tuple[GatewayAddress, int]:
    where = f"{service.name}: weightedWaypoints"
    row = PlainRow(item, where)
    nested = row.get("waypoint", "gateway", "gatewayaddress")
    gateway = read_gateway(item if nested is None else nested, where)
    return gateway or row.fail("names no waypoint"), row.number("weight", 0)


def _balancing(row: PlainRow) -> LoadBalancing:
    preferences = row.sequence("routingpreferences", "routingpreference")
    return LoadBalancing(
        preferences=tuple(member_of(scope, Scope, f"{row.name}: routingPreferences") for scope in preferences),
        mode=row.choice("mode", Mode, Mode.STANDARD),
        health=row.choice("healthpolicy", HealthPolicy, HealthPolicy.ONLY_HEALTHY),
    )


def _endpoints(row: PlainRow, service: Service) -> dict[str, Ports] | None:
    """A dump's endpoints of a service: workload uid → port map; None where the row does not list any."""
    value = row.get("endpoints")
    if value is None:
        return None
    if not isinstance(value, Mapping | list | tuple):
        row.fail(f"endpoints {value!r} is neither a list nor a map")
    allow_all = service.load_balancing is not None and service.load_balancing.health is HealthPolicy.ALLOW_ALL
    found: dict[str, Ports] = {}
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        endpoint = PlainRow(item, f"{row.name}: endpoint {key}")
        if allow_all or endpoint.choice("status", Health, Health.HEALTHY) is Health.HEALTHY:
            uid = endpoint.text("workloaduid", str(key))
            found[uid] = read_ports(endpoint.get("port", "ports"), endpoint.name)
    return found


def _attached(workload: Workload, listed: Collection[str], serving: Mapping[str, Mapping[str, Ports]]) -> Workload:
    """Join a dump's endpoint lists into the workload: they say who serves a service, and on which ports. `listed` are
    the services that have such a list, `serving` maps a workload's uid to those it is on."""
    services = {key: ports for key, ports in workload.services.items() if ports or key not in listed}
    for key, ports in serving.get(workload.uid, {}).items():
        services[key] = {**services.get(key, {}), **ports}
    return replace(workload, services=services)


def _workload_ip(value: Any, network: str, where: str) -> str:
    """A workload's own address, also as `network/ip`: the network has to be the workload's."""
    packed = packed_ip(value)
    named, slash, address = ("", "", packed) if packed is not None else str(value).rpartition("/")
    if slash and named != network:
        msg = f"{where} {value!r} is on network {named!r}, but the workload is on {network!r}; make them the same"
        raise InputError(msg)
    return read_ip(address, where)


def _workload(row: PlainRow) -> Workload:
    ips = row.texts("workloadips", "addresses") or row.texts("workloadip")
    network = row.text("network")
    tunnel = row.get("applicationtunnel")
    addresses = tuple(_workload_ip(ip, network, f"{row.name}: workloadIps") for ip in ips)
    name, namespace = row.text("name"), row.text("namespace")
    protocol = "protocol" if row.get("protocol") is not None else "tunnelprotocol"
    return Workload(
        uid=row.text("uid") or f"{network}/{addresses[0] if addresses else f'{namespace}/{name}'}",
        name=name,
        namespace=namespace,
        service_account=row.text("serviceaccount") or "default",
        trust_domain=row.text("trustdomain") or "cluster.local",
        ips=addresses,
        hostname=row.text("hostname"),
        network=network,
        protocol=row.choice(protocol, Protocol, Protocol.TCP),
        waypoint=read_gateway(row.get("waypoint"), f"{row.name}: waypoint"),
        network_gateway=read_gateway(row.get("networkgateway"), f"{row.name}: networkGateway"),
        services=_served(row),
        status=row.choice("status", Health, Health.HEALTHY),
        cluster=row.text("clusterid"),
        locality=_locality(row),
        node=row.text("node"),
        network_mode=row.choice("networkmode", NetworkMode, NetworkMode.STANDARD),
        capacity=row.number("capacity", 1),
        application_tunnel=None if tunnel is None else _tunnel(PlainRow(tunnel, f"{row.name}: applicationTunnel")),
    )


def _served(row: PlainRow) -> dict[str, Ports]:
    value = row.get("services")
    if value is None:
        return {}
    if isinstance(value, Mapping):
        pairs: Iterable[tuple[Any, Any]] = value.items()
    else:
        pairs = ((name, None) for name in row.sequence("services"))
    return {
        str(read_hostname(key, f"{row.name}: services")): read_ports(to, f"{row.name}: services {key}")
        for key, to in pairs
    }


def _locality(row: PlainRow) -> Locality:
    value = row.get("locality")
    if isinstance(value, str):
        return Locality(*(*value.split("/"), "", "", "")[:3])
    parts = row.row("locality")
    return Locality(parts.text("region"), parts.text("zone"), parts.text("subzone"))


def _tunnel(row: PlainRow) -> ApplicationTunnel | None:
    """An application's tunnel. istioctl's own rows have one without a protocol where there is none
    (istio/istio istioctl/pkg/writer/ztunnel/configdump/api.go)."""
    protocol = row.text("protocol", "NONE").upper()
    if not protocol and row.get("port") is None:
        return None
    return ApplicationTunnel(_TUNNELS.get(protocol, protocol), row.number("port", 0, MAX_PORT) or None)


def _explained_service(service: Service, evidence: Evidence | None) -> Service:
    if evidence is None:
        return service
    subject = str(service.key)
    waypoint = (Fact(subject, "waypoint", service.waypoint and str(service.waypoint), evidence),)
    said = None if service.load_balancing is None else service.load_balancing.mode.value
    return replace(service, waypoint_why=waypoint, balancing_why=(Fact(subject, "loadBalancer", said, evidence),))


def _explained_workload(workload: Workload, evidence: Evidence | None) -> Workload:
    if evidence is None:
        return workload
    return replace(workload, why=(Fact(workload.uid, "status", workload.status.value, evidence),))
