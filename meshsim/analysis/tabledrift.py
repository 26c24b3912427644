"""The rows of two worlds' tables that differ: services and workloads of ztunnels, routes, clusters and hosts of Envoys.

Addresses that the model made up, because no manifest gives them, are not compared; pods are counted by the ReplicaSet
(or workload) that they are of.
"""

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Final, final

from meshsim.analysis.calls import Call
from meshsim.analysis.situation import Situation
from meshsim.dataplane.match import matches
from meshsim.model.evidence import Evidence
from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen
from meshsim.tables.envoy import Chain, Cluster, Endpoint, Proxy, Route, RouteMatch, StringMatch, Via
from meshsim.tables.service import Service
from meshsim.tables.views import ClusterView
from meshsim.tables.workload import GatewayAddress, Health, Workload

ABSENT: Final = "–"


@final
@frozen
class RowDrift:
    """One row that differs. `table` is service, workload, listener, route, cluster or endpoint; `holder` the proxies
    that hold it (`ztunnel:cluster2`, `waypoint:…`); `model` and `held` say it in words, "–" where there is none."""

    table: str
    holder: str
    key: str
    model: str
    held: str
    model_at: Evidence | None = field(default=None, compare=False)
    held_at: Evidence | None = field(default=None, compare=False)


def ztunnel(model: Situation, held: Situation, name: str, hosts: Iterable[str]) -> Iterator[RowDrift]:
    """The services of these hosts, their endpoints, and the waypoints that stand before them."""
    views = model.plane.cluster(name), held.plane.cluster(name)
    tables = [{s.hostname: s for s in view.ztunnel.services.values()} for view in views]
    wanted = dict.fromkeys(hosts)
    for host in list(wanted):
        for known in tables:
            wanted.update(dict.fromkeys(_waypoints(known.get(host))))
    holder = f"ztunnel:{name}"
    for host in wanted:
        one, other = tables[0].get(host), tables[1].get(host)
        if one is None and other is None:
            continue
        at = [_place(s.waypoint_why) if s is not None else None for s in (one, other)]
        mine, theirs = _service(one), _service(other)
        for what in mine | theirs:
            if mine.get(what, ABSENT) != theirs.get(what, ABSENT):
                yield RowDrift(
                    table="service", holder=holder, key=f"{host} {what}".rstrip(), model=mine.get(what, ABSENT),
                    held=theirs.get(what, ABSENT), model_at=at[0], held_at=at[1],
                )  # fmt: skip
        if one is None or other is None:
            continue
        pods = _workloads(model, views[0], one), _workloads(held, views[1], other)
        yield from _counted("workload", holder, host, *pods)


def _waypoints(service: Service | None) -> Iterator[str]:
    for address in (service.waypoint,) if service is not None else ():
        hostname = getattr(address.destination, "hostname", "") if address is not None else ""
        if hostname:
            yield hostname


def _service(service: Service | None) -> dict[str, str]:
    """A service in words. VIPs are the model's own inventions where no manifest gives one: networks are compared."""
    if service is None:
        return {"": ABSENT}
    balancing = service.load_balancing
    return {
        "": "known",
        "waypoint": _gateway(service.waypoint),
        "has VIPs on": ", ".join(sorted({vip.network or '""' for vip in service.vips})) or "none",
        "ports": ", ".join(map(str, sorted(service.ports))),
        "balancing": "standard"
        if balancing is None or not balancing.preferences
        else f"{balancing.mode.value} by {', '.join(scope.value for scope in balancing.preferences)}",
        "ingress-use-waypoint": str(service.ingress_use_waypoint).lower(),
    }


def _gateway(address: GatewayAddress | None) -> str:
    if address is None:
        return "none"
    destination = address.destination
    return str(getattr(destination, "hostname", destination))


Counted = dict[tuple[str, str], tuple[int, tuple[Fact, ...]]]
"""(whose pods, how they are) → how many, and what says so."""


def _workloads(situation: Situation, view: ClusterView, service: Service) -> Counted:
    found: Counted = {}
    for workload in view.ztunnel.endpoints(service):
        key = (_whose(situation, workload), _workload(workload))
        number, why = found.get(key, (0, ()))
        found[key] = (number + (workload.capacity if workload.network_gateway else 1), (*why, *workload.why))
    return found


def _workload(one: Workload) -> str:
    health = "healthy" if one.status is Health.HEALTHY else "unhealthy"
    where = f"on network {one.network or '(none)'}"
    if one.network_gateway is not None:
        return f"{health}, {where}, through its gateway"
    waypoint = f", waypoint {_gateway(one.waypoint)}" if one.waypoint is not None else ""
    return f"{health}, {where}, by {one.protocol.value}{waypoint}"


def _whose(situation: Situation, workload: Workload) -> str:
    if workload.network_gateway is not None:
        return f"{workload.cluster or workload.network}'s pods"
    return _pods_of(situation, workload.uid)


def _pods_of(situation: Situation, uid: str) -> str:
    row = situation.plane.pod(uid)
    pod = situation.plane.registry.pod_by_uid.get(row.uid) if row is not None else None
    if pod is None:
        return uid
    return pod.path.rpartition("-")[0] if pod.kind not in {"Pod", ""} and "-" in pod.name else pod.path


def _counted(table: str, holder: str, key: str, model: Counted, held: Counted) -> Iterator[RowDrift]:
    """What differs, by whose pods they are."""
    owners = dict.fromkeys(owner for owner, _ in (*model, *held))
    for owner in owners:
        one, other = _said(model, owner), _said(held, owner)
        if one != other:
            yield RowDrift(
                table=table, holder=holder, key=f"{key}: {owner}", model=one, held=other,
                model_at=_first(model, owner), held_at=_first(held, owner),
            )  # fmt: skip


def _said(counted: Counted, owner: str) -> str:
    parts = [f"{number} {how}" for (whose, how), (number, _) in sorted(counted.items()) if whose == owner]
    return "; ".join(parts) or ABSENT


def _first(counted: Counted, owner: str) -> Evidence | None:
    return next((_place(why) for (whose, _), (_, why) in counted.items() if whose == owner and why), None)


def _place(why: tuple[Fact, ...], name: str = "") -> Evidence | None:
    """Where a row comes from: the fact that bears on `name`, else the last, which is the most particular."""
    named = [fact.evidence for fact in why if name and name in fact.name]
    return named[0] if named else why[-1].evidence if why else None


def chain(model: Proxy, held: Proxy, address: str, call: Call | None) -> Iterator[RowDrift]:
    """What two proxies do with an address: every route, or those that a call's request fits."""
    one, other = model.chains.get(address), held.chains.get(address)
    if one is None and other is None:
        return
    ways = [ABSENT if c is None else "HTTP" if c.http else "bytes" for c in (one, other)]
    at = [_place(c.facts) if c is not None else None for c in (one, other)]
    if ways[0] != ways[1]:
        yield RowDrift(
            table="listener", holder=model.id, key=address, model=ways[0], held=ways[1], model_at=at[0], held_at=at[1]
        )
    if one is None or other is None:
        return
    mine, theirs = _routes(one, call), _routes(other, call)
    for said in dict.fromkeys((*mine, *theirs)):
        first, second = mine.get(said), theirs.get(said)
        texts = [_route(route) for route in (first, second)]
        if texts[0] == texts[1] and _led(first) != _led(second):
            texts = [_route(route, clusters=True) for route in (first, second)]
        if texts[0] != texts[1]:
            yield RowDrift(
                table="route", holder=model.id, key=f"{address} {said}", model=texts[0], held=texts[1],
                model_at=_place(first.why, "weight") if first is not None else at[0],
                held_at=_place(second.why, "weight") if second is not None else at[1],
            )  # fmt: skip


def _routes(known: Chain, call: Call | None) -> dict[str, Route]:
    """Routes by what they take; of two that take the same the first counts. Of a call's, the one that it takes."""
    if not known.http:
        return {"any connection": known.routes[0]} if known.routes else {}
    found: dict[str, Route] = {}
    for route in known.routes:
        if call is None or matches(route.match, call.request):
            found.setdefault(match_text(route.match), route)
            if call is not None:
                break
    return found


def match_text(match: RouteMatch) -> str:
    """What a route takes, in words: `any request`, `path /api* header x-canary=yes`."""
    parts = [f"path {_string(match.path)}"] if match.path is not None else []
    parts += [f"method {_string(match.method)}"] if match.method is not None else []
    parts += [f"authority {_string(match.authority)}"] if match.authority is not None else []
    parts += [f"header {name} {_string(said)}" for name, said in match.headers]
    parts += [f"no header {name} {_string(said)}" for name, said in match.without_headers]
    parts += [f"parameter {name} {_string(said)}" for name, said in match.query]
    return " ".join(parts) or "any request"


def _string(said: StringMatch) -> str:
    signs = {"exact": "", "prefix": "*", "path-prefix": "/*", "regex": " (regex)", "present": "present"}
    return f"{said.value}{signs[said.type]}{' (any case)' if said.ignore_case else ''}"


def _led(route: Route | None) -> tuple[str, ...]:
    return tuple(one.cluster for one in route.clusters) if route is not None else ()


def _route(route: Route | None, *, clusters: bool = False) -> str:
    """Where a route leads, in its object's words or by the names of clusters."""
    if route is None:
        return ABSENT
    if route.unmodelled:
        return f"not modelled: {'; '.join(route.unmodelled)}"
    names = [(one.cluster if clusters or not one.backend else one.backend, one.weight) for one in route.clusters]
    if route.direct_response is not None:
        what = f"answers {route.direct_response}"
    elif len(names) == 1:
        what = names[0][0]
    else:
        what = ", ".join(f"{name} {weight}" for name, weight in names)
    return f"{what} (rule {route.rule} of {route.object})" if route.object else f"{what} (default)"


def cluster(model: Situation, held: Situation, one: Proxy, other: Proxy, name: str) -> Iterator[RowDrift]:
    """A cluster's balancing and hosts at two proxies."""
    mine, theirs = one.clusters.get(name), other.clusters.get(name)
    if mine is None and theirs is None:
        return
    ailing = any(not e.healthy for c in (mine, theirs) if c is not None for e in c.endpoints)
    texts = [_balancing(c, ailing=ailing) for c in (mine, theirs)]
    at = [_place(c.why[:1]) if c is not None else None for c in (mine, theirs)]
    if texts[0] != texts[1]:
        yield RowDrift(
            table="cluster", holder=one.id, key=name, model=texts[0], held=texts[1], model_at=at[0], held_at=at[1]
        )
    if mine is not None and theirs is not None:
        yield from _counted("endpoint", one.id, name, _hosts(model, mine), _hosts(held, theirs))


def _balancing(found: Cluster | None, *, ailing: bool) -> str:
    """How a cluster balances; the panic threshold counts where a host is unhealthy."""
    if found is None:
        return ABSENT
    weights = found.locality_weights
    by = [f"{locality or 'no locality'} {weight}" for locality, weight in (weights or {}).items()]
    parts = [found.lb, *([f"panic below {found.panic}%"] if ailing else []), *by, *found.unmodelled]
    return ", ".join(parts)


def _hosts(situation: Situation, known: Cluster) -> Counted:
    found: Counted = {}
    for endpoint in known.endpoints:
        key = (_owner(situation, endpoint), _host(endpoint))
        number, why = found.get(key, (0, ()))
        found[key] = (number + 1, (*why, *endpoint.why))
    return found


def _owner(situation: Situation, endpoint: Endpoint) -> str:
    if endpoint.stranger:
        return endpoint.address
    if endpoint.via is Via.GATEWAY:
        return f"{endpoint.cluster}'s east-west gateway"
    return _pods_of(situation, endpoint.workload)


def _host(one: Endpoint) -> str:
    if one.stranger:
        return "whose pod nobody can say"
    health = "healthy" if one.healthy else "unhealthy"
    return f"{health}, weight {one.weight}, priority {one.priority}" + (
        "" if one.via is Via.GATEWAY else f", by {one.via}"
    )
