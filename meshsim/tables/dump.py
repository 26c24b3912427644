"""ztunnel's tables in the shape of its config dump, the one that `istioctl ztunnel-config all -o json` prints.

Unlike the local configuration (`tables.local.plain`), a dump lists the endpoints on the service, and a waypoint's port
is called `port` (istio/istio istioctl/pkg/ztunnelconfig/ztunnelconfig.go). `tables.load.ztunnel_tables` reads it back.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from meshsim.tables.local import plain
from meshsim.tables.service import Service
from meshsim.tables.workload import Workload
from meshsim.tables.ztunnel import ZtunnelTables

_GATEWAYS: Final = ("waypoint", "networkGateway")


def services(tables: ZtunnelTables) -> list[dict[str, Any]]:
    """The services with the endpoints that ztunnel holds for them."""
    return [
        {**_gateways(row), "endpoints": _endpoints(service, tables.endpoints(service))}
        for row, service in zip(plain(tables)["services"], tables.services.values(), strict=True)
    ]


def workloads(tables: ZtunnelTables) -> list[dict[str, Any]]:
    """The workloads; which services they serve is said by the services."""
    return [
        {key: value for key, value in _gateways(row).items() if key != "services"} for row in plain(tables)["workloads"]
    ]


def _endpoints(service: Service, serving: Iterable[Workload]) -> dict[str, Any]:
    key = str(service.key)
    found: dict[str, Any] = {}
    for workload in serving:
        address = f"{workload.network}/{workload.ips[0]}" if workload.ips else ""
        found[f"{workload.uid}:{address}"] = {
            "workloadUid": workload.uid,
            "service": key,
            **({"address": address} if address else {}),
            "port": {str(port): target for port, target in workload.services[key].items()},
            "status": workload.status.value,
        }
    return found


def _gateways(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _gateway(value) if key in _GATEWAYS else value for key, value in row.items()}


def _gateway(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"destination": value["destination"], "port": value["hboneMtlsPort"]}
