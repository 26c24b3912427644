"""The tables of a cluster's proxies on paper: columns as istioctl has them, and plain values."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from meshsim.analysis import holdings
from meshsim.analysis.situation import Situation
from meshsim.model.facts import Fact
from meshsim.report.formats import Paper
from meshsim.report.words import clean, place
from meshsim.tables import dump
from meshsim.tables.envoy import Endpoint, Route, RouteMatch, StringMatch, Via, plain
from meshsim.tables.service import Service
from meshsim.tables.workload import GatewayAddress, Workload

if TYPE_CHECKING:
    from rich.console import RenderableType

HEADERS: Final = {
    "services": ("NAMESPACE", "SERVICE NAME", "HOSTNAME", "SERVICE VIP", "WAYPOINT", "ENDPOINTS"),
    "workloads": ("NAMESPACE", "POD NAME", "CLUSTER", "ADDRESS", "NETWORK", "WAYPOINT", "PROTOCOL", "WEIGHT"),
    "routes": ("PROXY", "ADDRESS", "MATCH", "DESTINATION", "ROUTE"),
    "endpoints": ("PROXY", "CLUSTER", "ENDPOINT", "STATUS", "WEIGHT", "PRIORITY", "VIA"),
}


def printed(situation: Situation, cluster: str, what: str, only: str | None, output: str, paper: Paper) -> str:
    """A table in a format. Raises UsageError for an Envoy that is not there."""
    if output == "table":
        from meshsim.report.terminal.sheet import printed as sheet

        return sheet(_grid(situation, cluster, what, only), paper)
    from meshsim.report.data import as_json, as_yaml

    return (as_json if output == "json" else as_yaml)(values(situation, cluster, what, only))


def values(situation: Situation, cluster: str, what: str, only: str | None = None) -> Any:
    """Plain values: ztunnel's words for services and workloads, a row an item for routes and endpoints."""
    if what == "all":
        return {**values(situation, cluster, "services"), **values(situation, cluster, "workloads")}
    if what in {"services", "workloads"}:
        tables = situation.plane.cluster(cluster).ztunnel
        return {what: dump.services(tables) if what == "services" else dump.workloads(tables)}
    if what == "routes":
        return [
            {"proxy": one.proxy, "address": one.address, "http": one.chain.http, **plain(one.route)}
            for one in holdings.routes(situation, cluster, only)
        ]
    return [
        {"proxy": one.proxy, "envoy_cluster": one.cluster.name, "lb": one.cluster.lb}
        | (plain(one.endpoint) if one.endpoint is not None else {"empty": one.cluster.empty_reason or "no host"})
        for one in holdings.endpoints(situation, cluster, only)
    ]


def _grid(situation: Situation, cluster: str, what: str, only: str | None) -> "Iterator[RenderableType]":
    from rich.text import Text

    from meshsim.report.terminal.sheet import grid

    rows = list(_rows(situation, cluster, what, only))
    if not rows:
        yield Text(f"{cluster} has no {what}" + ("" if what in {"services", "workloads"} else " of any Envoy"))
        return
    made = grid(len(HEADERS[what]), header=HEADERS[what])
    for row in rows:
        made.add_row(*(Text(clean(text)) for text in row))
    yield made


def _rows(situation: Situation, cluster: str, what: str, only: str | None) -> Iterator[Sequence[str]]:
    tables = situation.plane.cluster(cluster).ztunnel
    if what == "services":
        for service in sorted(tables.services.values(), key=lambda one: (one.namespace, one.hostname)):
            yield _service(service, tables.endpoints(service))
    elif what == "workloads":
        for workload in sorted(tables.workloads.values(), key=lambda one: (one.namespace, one.name, one.uid)):
            yield _workload(workload)
    elif what == "routes":
        for route in holdings.routes(situation, cluster, only):
            held = route.route
            yield (route.proxy, route.address, _match(held.match), _destination(held), _object(held))
    else:
        for host in holdings.endpoints(situation, cluster, only):
            yield (host.proxy, host.cluster.name, *_endpoint(host.endpoint, host.cluster.empty_reason))


def _service(service: Service, endpoints: Sequence[Workload]) -> Sequence[str]:
    healthy = sum(one.status == "Healthy" for one in endpoints)
    vips = ",".join(str(vip).partition("/")[2] for vip in service.vips) or "None"
    count = f"{healthy}/{len(endpoints)}"
    return (service.namespace, service.name, service.hostname, vips, _waypoint(service.waypoint), count)


def _workload(one: Workload) -> Sequence[str]:
    address = ",".join(one.ips) or (one.hostname or (f"gateway {one.network}" if one.network_gateway else "None"))
    name = one.name or one.uid
    waypoint = _waypoint(one.waypoint)
    return (one.namespace, name, one.cluster, address, one.network, waypoint, str(one.protocol), str(one.capacity))


def _waypoint(waypoint: GatewayAddress | None) -> str:
    return str(waypoint) if waypoint is not None else "None"


def _match(match: RouteMatch) -> str:
    parts = [_string("", match.path)] if match.path is not None else ["*"]
    parts += [_string("method", match.method)] if match.method is not None else []
    parts += [_string(name, wanted) for name, wanted in (*match.headers, *match.query)]
    parts += [f"not {_string(name, wanted)}" for name, wanted in match.without_headers]
    return " ".join(parts)


def _string(name: str, wanted: StringMatch) -> str:
    signs = {"exact": "=", "prefix": "^", "path-prefix": "", "regex": "~", "present": ""}
    text = f"{signs[wanted.type]}{wanted.value}" + ("*" if wanted.type in {"prefix", "path-prefix"} else "")
    return f"{name}{text}" if name else text.removeprefix("=").removeprefix("^")


def _destination(route: Route) -> str:
    if route.direct_response is not None:
        return f"answers {route.direct_response}"
    return ", ".join(
        f"{one.cluster} {one.weight}" if len(route.clusters) > 1 else one.cluster for one in route.clusters
    )


def _object(route: Route) -> str:
    if route.object is None:
        return "default"
    at = next((place(fact.evidence) for fact in route.why if isinstance(fact, Fact) and fact.value is not None), "")
    return f"{route.object} rule {route.rule}" + (f"  {at}" if at else "")


def _endpoint(one: Endpoint | None, reason: str) -> Sequence[str]:
    if one is None:
        return ("no host", reason, "", "", "")
    via = {Via.GATEWAY: f"east-west gateway of {one.network}", Via.WAYPOINT: "waypoint"}.get(one.via, str(one.via))
    status = "HEALTHY" if one.healthy else "UNHEALTHY"
    return (one.workload or one.address, status, str(one.weight), str(one.priority), via)
