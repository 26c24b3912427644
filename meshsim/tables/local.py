"""ztunnel's tables as plain values, in the words of its local configuration; `tables.load` reads them back."""

from collections.abc import Mapping
from typing import Any

from meshsim.tables.service import Service
from meshsim.tables.workload import GatewayAddress, Workload
from meshsim.tables.ztunnel import ZtunnelTables


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


def _plain_ports(ports: Mapping[int, int]) -> dict[str, int]:
    return {str(port): target for port, target in ports.items()}


def _plain_gateway(gateway: GatewayAddress | None) -> dict[str, Any] | None:
    return None if gateway is None else {"destination": str(gateway.destination), "hboneMtlsPort": gateway.port}
