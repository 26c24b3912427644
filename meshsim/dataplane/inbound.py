"""The ztunnel of a destination: the port of its pod to which it delivers a tunnel that asks for an authority.

It never looks for the destination's waypoint: whoever reaches a pod's tunnel port has left L7 behind
(istio/ztunnel src/proxy/inbound.rs `validate_destination`, `find_inbound_upstream`).
"""

from ipaddress import ip_address

from meshsim.dataplane.balance import Found, by_address, by_destination
from meshsim.dataplane.ztunnel import OWN_PORTS, SELF_CALL, Refusal
from meshsim.model.rule import rule
from meshsim.tables.service import Service
from meshsim.tables.workload import Workload
from meshsim.tables.ztunnel import ZtunnelTables

IP_MISMATCH = rule(
    "ztunnel.inbound-ip-mismatch",
    "A tunnel may only ask for the workload's own address, or for one whose waypoint the workload is (400).",
    "ztunnel src/proxy/inbound.rs:386-725",
)
UNKNOWN_HOST = rule(
    "ztunnel.inbound-unknown-service",
    "The service and port that the tunnel asks for are not known at the destination (503).",
    "ztunnel src/proxy/inbound.rs:386-725",
)


def inbound(tables: ZtunnelTables, local: Workload, authority: str) -> int | Refusal:
    """The port of `local` to which its ztunnel delivers a tunnel for `authority`, `ip:port` or `hostname:port`.

    A service's port becomes the endpoint's own, else the service's number. A workload with a tunnel of its own takes
    everything at that tunnel's port. Raises ValueError where the authority has no port.
    """
    host, _, digits = authority.rpartition(":")
    asked, host = int(digits), host.strip("[]")
    try:
        ip = str(ip_address(host))
    except ValueError:
        port = _named(tables, local, host, asked)
        if port is None:
            message = f"503 for {authority}: unknown service or port"
            return Refusal(error="HttpStatus", message=message, rule=UNKNOWN_HOST)
    else:
        if ip not in local.ips and local.application_tunnel is None and not _stands_for(tables, local, ip):
            return Refusal(error="HttpStatus", message=f"400 for {authority}: IP mismatch", rule=IP_MISMATCH)
        port = asked
    if port in OWN_PORTS:
        return Refusal(error="HttpStatus", message=f"503 for {authority}: it is ztunnel itself", rule=SELF_CALL)
    tunnel = local.application_tunnel
    return port if tunnel is None or tunnel.port is None else tunnel.port


def _named(tables: ZtunnelTables, local: Workload, host: str, port: int) -> int | None:
    """A host name may belong to several namespaces: the local one's counts, else the last to arrive."""
    services = [service for service in tables.services.values() if service.hostname == host]
    services.sort(key=lambda service: service.namespace == local.namespace)
    if not services:
        return None
    mapped = local.services.get(str(services[-1].key), {}).get(port)
    return mapped if mapped is not None else services[-1].ports.get(port) or None


def _stands_for(tables: ZtunnelTables, local: Workload, ip: str) -> bool:
    """Whether `local` is the waypoint of what `ip` names: a waypoint behind a ztunnel, without a tunnel protocol."""
    found = by_address(tables, tables.network or local.network, ip, None)
    addressed = found.service if isinstance(found, Found) else found
    if addressed is None or addressed.waypoint is None:
        return False
    waypoint = by_destination(tables, addressed.waypoint)
    if isinstance(waypoint, Service):
        return any(pod.uid == local.uid for pod in tables.endpoints(waypoint))
    return waypoint is not None and bool(set(waypoint.ips) & set(local.ips))
