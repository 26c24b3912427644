"""Addresses, host names, gateways and port maps as ztunnel's local configuration and its dump spell them."""

from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any, Final

from meshsim.model.errors import InputError
from meshsim.tables.plainrow import PlainRow, whole_number
from meshsim.tables.workload import HBONE_PORT, GatewayAddress, NamespacedHostname, NetworkAddress

Ports = Mapping[int, int]
"""Service port → target port; a target of 0 has a name instead of a number."""
MAX_PORT: Final = 65535


_PACKED: Final = {4, 16}
"""How many bytes an address has (ztunnel src/state/workload.rs `byte_to_ip`)."""


def packed_ip(value: Any) -> str | None:
    """An address as workload discovery sends it, 4 or 16 bytes: themselves, a list of numbers, or protobuf's JSON for
    them, which is base64. None where the value is no such thing.

    >>> packed_ip([127, 0, 0, 1]), packed_ip("fwAAAQ=="), packed_ip("127.0.0.1")
    ('127.0.0.1', '127.0.0.1', None)
    """
    raw: Any = value
    if isinstance(value, str):
        if not value.isascii() or "." in value or ":" in value:
            return None
        try:
            raw = b64decode(value.translate(_URL_SAFE), validate=True)
        except BadBase64:
            return None
    if not isinstance(raw, list | tuple | bytes) or len(raw) not in _PACKED:
        return None
    if any(type(byte) is not int or not 0 <= byte < 256 for byte in raw):
        return None
    return str(ip_address(bytes(raw)))


_URL_SAFE: Final = str.maketrans("-_", "+/")


def read_ip(value: Any, where: str) -> str:
    """An IP address in its canonical form, from text or from its bytes. Raises InputError."""
    packed = packed_ip(value)
    if packed is not None:
        return packed
    try:
        return str(ip_address(str(value).strip()))
    except ValueError:
        msg = f"{where} {value!r} is not an IP address"
        raise InputError(msg) from None


def _range(network: str, text: str, where: str) -> NetworkAddress:
    """An address, or a range in CIDR notation; a range of one address is that address."""
    if "/" not in text:
        return NetworkAddress(network, read_ip(text, where))
    try:
        prefix = ip_network(text, strict=False)
    except ValueError:
        msg = f"{where} {text!r} is no range of IP addresses such as 10.0.0.0/24"
        raise InputError(msg) from None
    single = prefix.prefixlen == prefix.max_prefixlen
    return NetworkAddress(network, str(prefix.network_address if single else prefix))


def read_address(value: Any, where: str) -> NetworkAddress:
    """`network/ip`, `network/cidr`, an IP alone, or `{network, address, length}`. Raises InputError."""
    if isinstance(value, Mapping):
        row = PlainRow(value, where)
        length = row.get("length")
        given = row.get("address", "ip", "cidr")
        address = packed_ip(given) or str(given or "")
        return _range(row.text("network"), address if length is None else f"{address}/{length}", where)
    packed = packed_ip(value)
    network, slash, address = ("", "/", packed) if packed is not None else str(value).partition("/")
    if not slash:
        network, address = "", network
    return _range(network, address, where)


def read_hostname(value: Any, where: str) -> NamespacedHostname:
    """`namespace/hostname`, or the mapping of both. Raises InputError."""
    if isinstance(value, Mapping):
        row = PlainRow(value, where)
        return NamespacedHostname(row.text("namespace"), row.text("hostname"))
    namespace, slash, hostname = str(value).partition("/")
    if not slash or not hostname:
        msg = f"{where} {value!r} is not namespace/hostname"
        raise InputError(msg)
    return NamespacedHostname(namespace, hostname)


def read_gateway(value: Any, where: str) -> GatewayAddress | None:
    """`{destination: network/ip | namespace/hostname, hboneMtlsPort: 15008}`, and its protobuf spelling."""
    if value is None:
        return None
    row = PlainRow({"destination": value} if isinstance(value, str) else value, where)
    if row.get("destination") == "" and row.get("hostname", "address") is None:
        return None  # what a program prints that has no word for none
    port = whole_number(row.get("hbonemtlsport", "port") or HBONE_PORT, f"{where}: port", MAX_PORT)
    name = row.get("hostname")
    if name is not None:
        text = not isinstance(name, Mapping) and "/" not in str(name)
        host = {"namespace": row.text("namespace"), "hostname": name} if text else name
        return GatewayAddress(read_hostname(host, f"{where}: hostname"), port)
    address = row.get("address")
    if address is not None:
        packed = packed_ip(address)
        inline = packed is not None or (not isinstance(address, Mapping) and "/" not in str(address))
        there = {"network": row.text("network"), "address": address} if inline else address
        return GatewayAddress(read_address(there, f"{where}: address"), port)
    destination = row.get("destination")
    if destination is None:
        row.fail("names no destination")
    if isinstance(destination, Mapping):
        return replace(read_gateway(destination, where) or GatewayAddress(NamespacedHostname("", "")), port=port)
    try:
        return GatewayAddress(read_address(destination, where), port)
    except InputError:
        return GatewayAddress(read_hostname(destination, f"{where}: destination"), port)


def read_ports(value: Any, where: str) -> Ports:
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
        pairs = dict(_port_pair(PlainRow(item, where)) for item in listed).items()
    return {
        whole_number(key, f"{where} port", MAX_PORT): whole_number(to, f"{where} port", MAX_PORT) for key, to in pairs
    }


def _port_pair(row: PlainRow) -> tuple[int, int]:
    """One `{servicePort: 80, targetPort: 8080}`; protobuf leaves a target of 0 out, but never the port itself."""
    port = row.get("serviceport", "port")
    if port is None:
        row.fail("an entry has no servicePort; write {servicePort: 80, targetPort: 8080}")
    return whole_number(port, f"{row.name}: servicePort", MAX_PORT), row.number("targetport", 0, MAX_PORT)
