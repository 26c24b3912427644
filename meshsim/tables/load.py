"""ztunnel's tables from plain values and back: its local configuration file and its config dump.

Both shapes are read by one reader, as loosely as ztunnel's own: keys in camelCase or snake_case, unknown keys
ignored, workloads and services as a list or as a map (by address or VIP), endpoints on the workload (local
configuration) or on the service (dump). Values that make no sense are an InputError that names the row.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Any, Never, TypeVar, final

from meshsim.model.errors import InputError
from meshsim.model.evidence import Evidence
from meshsim.model.facts import Fact
from meshsim.tables.service import HealthPolicy, LoadBalancing, Mode, Scope, Service, Visibility
from meshsim.tables.workload import (
    HBONE_PORT,
    ApplicationTunnel,
    GatewayAddress,
    Health,
    Locality,
    NamespacedHostname,
    NetworkAddress,
    NetworkMode,
    Protocol,
    Workload,
)
from meshsim.tables.ztunnel import ZtunnelTables

E = TypeVar("E", bound=StrEnum)
Ports = Mapping[int, int]
_MAX_PORT = 65535
_IP_FAMILIES = {
    "": "",
    "automatic": "",
    "dual": "Dual",
    "ipv4": "IPv4",
    "ipv4only": "IPv4",
    "ipv6": "IPv6",
    "ipv6only": "IPv6",
}
_ALIASES = {"none": Protocol.TCP.value, "unspecifiedmode": Mode.STANDARD.value}


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
    top = _Row(mapping, "the ztunnel tables")
    own = network if network is not None else top.text("network") or top.row("config").text("network")
    services: list[Service] = []
    listed: dict[str, dict[str, Ports]] = {}
    for row in (*top.rows("services", "service"), *top.rows("byvip", "service")):
        service = _service(row)
        services.append(_explained_service(service, evidence))
        endpoints = _endpoints(row, service)
        if endpoints is not None:
            listed[str(service.key)] = endpoints
    workloads = [
        _attached(_workload(row), listed)
        for row in (*top.rows("workloads", "workload"), *top.rows("byaddr", "workload"))
    ]
    return ZtunnelTables(
        network=own, services=services, workloads=[_explained_workload(w, evidence) for w in workloads]
    )


@final
class _Row:
    """A mapping whose keys are compared without case, `_` or `-`; it knows what to call itself in an error."""

    def __init__(self, value: Any, name: str) -> None:
        if not isinstance(value, Mapping):
            msg = f"{name}: {value!r} is not a mapping"
            raise InputError(msg)
        self.name = name
        self._values = {_plain_key(key): item for key, item in value.items() if item is not None}

    def fail(self, message: str) -> Never:
        msg = f"{self.name}: {message}"
        raise InputError(msg)

    def get(self, *keys: str) -> Any:
        return next((self._values[key] for key in keys if key in self._values), None)

    def text(self, key: str, default: str = "") -> str:
        value = self.get(key)
        if value is None:
            return default
        if isinstance(value, Mapping | list | bool):
            self.fail(f"{key} {value!r} is not a text")
        return str(value)

    def flag(self, key: str) -> bool:
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            self.fail(f"{key} {value!r} is neither true nor false")
        return bool(value)

    def number(self, key: str, default: int, most: int = 2**32 - 1) -> int:
        value = self.get(key)
        return default if value is None else _number(value, f"{self.name}: {key}", most)

    def row(self, key: str) -> "_Row":
        return _Row(self.get(key) or {}, f"{self.name}: {key}")

    def sequence(self, *keys: str) -> Sequence[Any]:
        value = self.get(*keys)
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            self.fail(f"{keys[0]} {value!r} is not a list")
        return value

    def texts(self, *keys: str) -> Sequence[Any]:
        """A list, or one text that stands for a list of one."""
        value = self.get(*keys)
        return ((value,) if value else ()) if isinstance(value, str) else self.sequence(*keys)

    def choice(self, key: str, kind: type[E], default: E) -> E:
        value = self.get(key)
        return default if value is None else _choice(value, kind, f"{self.name}: {key}")

    def rows(self, key: str, noun: str) -> Iterable["_Row"]:
        value = self.get(key)
        if value is None:
            return
        if not isinstance(value, Mapping | list | tuple):
            self.fail(f"{key} {value!r} is neither a list nor a map")
        numbered = value.items() if isinstance(value, Mapping) else enumerate(value)
        for position, item in numbered:
            label = item.get("name") or item.get("hostname") if isinstance(item, Mapping) else None
            yield _Row(item, f"{noun} {label or position}")


def _plain_key(key: object) -> str:
    return str(key).replace("_", "").replace("-", "").lower()


def _number(value: Any, where: str, most: int) -> int:
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdecimal() or int(text) > most:
        msg = f"{where} {value!r} is not a whole number from 0 to {most}"
        raise InputError(msg)
    return int(text)


def _choice(value: Any, kind: type[E], where: str) -> E:
    said = _plain_key(value)
    said = _plain_key(_ALIASES[said]) if _ALIASES.get(said) in set(kind) else said
    for member in kind:
        if _plain_key(member.value) == said:
            return member
    msg = f"{where} {value!r} is none of {', '.join(kind)}"
    raise InputError(msg)


def _ip(value: Any, where: str) -> str:
    try:
        return str(ip_address(str(value).strip()))
    except ValueError:
        msg = f"{where} {value!r} is not an IP address"
        raise InputError(msg) from None


def _range(network: str, text: str, where: str) -> NetworkAddress:
    """An address, or a range in CIDR notation; a range of one address is that address."""
    if "/" not in text:
        return NetworkAddress(network, _ip(text, where))
    try:
        prefix = ip_network(text, strict=False)
    except ValueError:
        msg = f"{where} {text!r} is no range of IP addresses such as 10.0.0.0/24"
        raise InputError(msg) from None
    single = prefix.prefixlen == prefix.max_prefixlen
    return NetworkAddress(network, str(prefix.network_address if single else prefix))


def _network_address(value: Any, where: str) -> NetworkAddress:
    if isinstance(value, Mapping):
        row = _Row(value, where)
        length = row.get("length")
        address = str(row.get("address", "ip", "cidr") or "")
        return _range(row.text("network"), address if length is None else f"{address}/{length}", where)
    network, slash, address = str(value).partition("/")
    if not slash:
        network, address = "", network
    return _range(network, address, where)


def _hostname(value: Any, where: str) -> NamespacedHostname:
    if isinstance(value, Mapping):
        row = _Row(value, where)
        return NamespacedHostname(row.text("namespace"), row.text("hostname"))
    namespace, slash, hostname = str(value).partition("/")
    if not slash or not hostname:
        msg = f"{where} {value!r} is not namespace/hostname"
        raise InputError(msg)
    return NamespacedHostname(namespace, hostname)


def _gateway(value: Any, where: str) -> GatewayAddress | None:
    """`{destination: network/ip | namespace/hostname, hboneMtlsPort: 15008}`, and its protobuf spelling."""
    if value is None:
        return None
    row = _Row({"destination": value} if isinstance(value, str) else value, where)
    port = _number(row.get("hbonemtlsport", "port") or HBONE_PORT, f"{where}: port", _MAX_PORT)
    name = row.get("hostname")
    if name is not None:
        text = not isinstance(name, Mapping) and "/" not in str(name)
        host = {"namespace": row.text("namespace"), "hostname": name} if text else name
        return GatewayAddress(_hostname(host, f"{where}: hostname"), port)
    address = row.get("address")
    if address is not None:
        inline = not isinstance(address, Mapping) and "/" not in str(address)
        there = {"network": row.text("network"), "address": address} if inline else address
        return GatewayAddress(_network_address(there, f"{where}: address"), port)
    destination = row.get("destination")
    if destination is None:
        row.fail("names no destination")
    if isinstance(destination, Mapping):
        return replace(_gateway(destination, where) or GatewayAddress(NamespacedHostname("", "")), port=port)
    try:
        return GatewayAddress(_network_address(destination, where), port)
    except InputError:
        return GatewayAddress(_hostname(destination, f"{where}: destination"), port)


def _ports(value: Any, where: str) -> Ports:
    """`{80: 8080}`, or a list of `{servicePort, targetPort}`; a target of 0 has a name instead of a number."""
    if value is None:
        return {}
    if isinstance(value, Mapping) and "ports" not in value:
        pairs = value.items()
    else:
        listed = value["ports"] if isinstance(value, Mapping) else value
        if not isinstance(listed, list | tuple):
            msg = f"{where} {value!r} is no port map such as {{80: 8080}}"
            raise InputError(msg)
        pairs = dict(_port_pair(_Row(item, where)) for item in listed).items()
    return {_number(key, f"{where} port", _MAX_PORT): _number(to, f"{where} port", _MAX_PORT) for key, to in pairs}


def _port_pair(row: _Row) -> tuple[int, int]:
    """One `{servicePort: 80, targetPort: 8080}`; protobuf leaves a target of 0 out, but never the port itself."""
    port = row.get("serviceport", "port")
    if port is None:
        row.fail("an entry has no servicePort; write {servicePort: 80, targetPort: 8080}")
    return _number(port, f"{row.name}: servicePort", _MAX_PORT), row.number("targetport", 0, _MAX_PORT)


def _service(row: _Row) -> Service:
    families = _plain_key(row.text("ipfamilies"))
    if families not in _IP_FAMILIES:
        row.fail(f"ipFamilies {row.text('ipfamilies')!r} is none of IPv4, IPv6, Dual")
    vips = [_network_address(vip, f"{row.name}: vip") for vip in row.sequence("vips", "addresses")]
    ranges = [_network_address(vip, f"{row.name}: cidrVips") for vip in row.sequence("cidrvips")]
    balancing = row.get("loadbalancer", "loadbalancing")
    return Service(
        name=row.text("name"),
        namespace=row.text("namespace"),
        hostname=row.text("hostname"),
        vips=tuple(dict.fromkeys((*vips, *ranges))),
        ports=_ports(row.get("ports"), f"{row.name}: ports"),
        waypoint=_gateway(row.get("waypoint"), f"{row.name}: waypoint"),
        weighted_waypoints=tuple(_weighted(item, row) for item in row.sequence("weightedwaypoints")),
        load_balancing=None if balancing is None else _balancing(_Row(balancing, f"{row.name}: loadBalancer")),
        subject_alt_names=tuple(str(name) for name in row.sequence("subjectaltnames")),
        ip_families=_IP_FAMILIES[families],
        canonical=row.flag("canonical"),
        ingress_use_waypoint=row.flag("ingressusewaypoint"),
        visibility=row.choice("visibility", Visibility, Visibility.PUBLIC),
    )


def _weighted(item: Any, service: _Row) -> tuple[GatewayAddress, int]:
    where = f"{service.name}: weightedWaypoints"
    row = _Row(item, where)
    nested = row.get("waypoint", "gateway", "gatewayaddress")
    gateway = _gateway(item if nested is None else nested, where)
    return gateway or row.fail("names no waypoint"), row.number("weight", 0)


def _balancing(row: _Row) -> LoadBalancing:
    preferences = row.sequence("routingpreferences", "routingpreference")
    return LoadBalancing(
        preferences=tuple(_choice(scope, Scope, f"{row.name}: routingPreferences") for scope in preferences),
        mode=row.choice("mode", Mode, Mode.STANDARD),
        health=row.choice("healthpolicy", HealthPolicy, HealthPolicy.ONLY_HEALTHY),
    )


def _endpoints(row: _Row, service: Service) -> dict[str, Ports] | None:
    """A dump's endpoints of a service: workload uid → port map; None where the row does not list any."""
    value = row.get("endpoints")
    if value is None:
        return None
    if not isinstance(value, Mapping | list | tuple):
        row.fail(f"endpoints {value!r} is neither a list nor a map")
    allow_all = service.load_balancing is not None and service.load_balancing.health is HealthPolicy.ALLOW_ALL
    found: dict[str, Ports] = {}
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        endpoint = _Row(item, f"{row.name}: endpoint {key}")
        if allow_all or endpoint.choice("status", Health, Health.HEALTHY) is Health.HEALTHY:
            uid = endpoint.text("workloaduid", str(key))
            found[uid] = _ports(endpoint.get("port", "ports"), endpoint.name)
    return found


def _attached(workload: Workload, listed: Mapping[str, Mapping[str, Ports]]) -> Workload:
    """Join a dump's endpoint lists into the workload: they say who serves a service, and on which ports."""
    services = {key: ports for key, ports in workload.services.items() if ports or key not in listed}
    for key, endpoints in listed.items():
        if workload.uid in endpoints:
            services[key] = {**services.get(key, {}), **endpoints[workload.uid]}
    return replace(workload, services=services)


def _workload_ip(value: Any, network: str, where: str) -> str:
    """A workload's own address, also as `network/ip`: the network has to be the workload's."""
    named, slash, address = str(value).rpartition("/")
    if slash and named != network:
        msg = f"{where} {value!r} is on network {named!r}, but the workload is on {network!r}; make them the same"
        raise InputError(msg)
    return _ip(address, where)


def _workload(row: _Row) -> Workload:
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
        waypoint=_gateway(row.get("waypoint"), f"{row.name}: waypoint"),
        network_gateway=_gateway(row.get("networkgateway"), f"{row.name}: networkGateway"),
        services=_served(row),
        status=row.choice("status", Health, Health.HEALTHY),
        cluster=row.text("clusterid"),
        locality=_locality(row),
        node=row.text("node"),
        network_mode=row.choice("networkmode", NetworkMode, NetworkMode.STANDARD),
        capacity=row.number("capacity", 1),
        application_tunnel=None if tunnel is None else _tunnel(_Row(tunnel, f"{row.name}: applicationTunnel")),
    )


def _served(row: _Row) -> dict[str, Ports]:
    value = row.get("services")
    if value is None:
        return {}
    if isinstance(value, Mapping):
        pairs: Iterable[tuple[Any, Any]] = value.items()
    else:
        pairs = ((name, None) for name in row.sequence("services"))
    return {
        str(_hostname(key, f"{row.name}: services")): _ports(to, f"{row.name}: services {key}") for key, to in pairs
    }


def _locality(row: _Row) -> Locality:
    value = row.get("locality")
    if isinstance(value, str):
        return Locality(*(*value.split("/"), "", "", "")[:3])
    parts = row.row("locality")
    return Locality(parts.text("region"), parts.text("zone"), parts.text("subzone"))


def _tunnel(row: _Row) -> ApplicationTunnel:
    return ApplicationTunnel(row.text("protocol", "NONE").upper(), row.number("port", 0, _MAX_PORT) or None)


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


def plain(tables: ZtunnelTables) -> dict[str, Any]:
    """The tables as plain values in the words of ztunnel's local configuration; `ztunnel_tables` reads them back."""
    return {
        "network": tables.network,
        "workloads": [_plain_workload(workload) for workload in tables.workloads.values()],
        "services": [_plain_service(service) for service in tables.services.values()],
    }


def _plain_service(service: Service) -> dict[str, Any]:
    balancing = service.load_balancing
    row: dict[str, Any] = {
        "name": service.name,
        "namespace": service.namespace,
        "hostname": service.hostname,
        "vips": [str(vip) for vip in service.vips],
        "ports": _plain_ports(service.ports),
        "waypoint": _plain_gateway(service.waypoint),
        "weightedWaypoints": [
            {"waypoint": _plain_gateway(gateway), "weight": weight} for gateway, weight in service.weighted_waypoints
        ],
        "loadBalancer": None
        if balancing is None
        else {
            "routingPreferences": [scope.value for scope in balancing.preferences],
            "mode": balancing.mode.value,
            "healthPolicy": balancing.health.value,
        },
        "subjectAltNames": list(service.subject_alt_names),
        "ipFamilies": service.ip_families,
        "canonical": service.canonical,
        "ingressUseWaypoint": service.ingress_use_waypoint,
        "visibility": service.visibility.value,
    }
    return _said(row)


def _plain_workload(workload: Workload) -> dict[str, Any]:
    where, tunnel = workload.locality, workload.application_tunnel
    row: dict[str, Any] = {
        "uid": workload.uid,
        "name": workload.name,
        "namespace": workload.namespace,
        "serviceAccount": workload.service_account,
        "trustDomain": workload.trust_domain,
        "workloadIps": list(workload.ips),
        "hostname": workload.hostname,
        "network": workload.network,
        "protocol": workload.protocol.value,
        "waypoint": _plain_gateway(workload.waypoint),
        "networkGateway": _plain_gateway(workload.network_gateway),
        "services": {key: _plain_ports(ports) for key, ports in workload.services.items()},
        "status": workload.status.value,
        "clusterId": workload.cluster,
        "locality": _said({"region": where.region, "zone": where.zone, "subzone": where.subzone}),
        "node": workload.node,
        "networkMode": workload.network_mode.value,
        "capacity": workload.capacity,
        "applicationTunnel": tunnel and _said({"protocol": tunnel.protocol, "port": tunnel.port}),
    }
    return _said(row)


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty or false; a number says something even where it is 0."""
    return {key: value for key, value in row.items() if value or type(value) is int}


def _plain_ports(ports: Ports) -> dict[str, int]:
    return {str(port): target for port, target in ports.items()}


def _plain_gateway(gateway: GatewayAddress | None) -> dict[str, Any] | None:
    return None if gateway is None else {"destination": str(gateway.destination), "hboneMtlsPort": gateway.port}
