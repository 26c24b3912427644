"""What the proxies of one cluster hold, row by row: the tables behind every answer, for `meshsim tables`."""

from collections.abc import Iterator
from typing import Final, final

from meshsim.analysis.calls import served
from meshsim.analysis.situation import Situation
from meshsim.controlplane.binding import is_waypoint
from meshsim.controlplane.components import ISTIO_GATEWAY, waypoints
from meshsim.mesh.pods import capture
from meshsim.model.errors import UsageError
from meshsim.model.facts import Facts
from meshsim.model.frozen import frozen
from meshsim.tables.envoy import Chain, Cluster, Endpoint, Proxy, Route
from meshsim.tables.workload import Locality

PLUMBING: Final = frozenset({"istio-eastwest", "istio-east-west", "istio-remote"})
"""Gateway classes that forward bytes and hold no routes."""


@final
@frozen
class HeldRoute:
    """One route of one Envoy, in the order in which it is tried; `address` is `host:port`."""

    proxy: str
    address: str
    chain: Chain
    route: Route


@final
@frozen
class HeldEndpoint:
    """One host of one cluster of one Envoy."""

    proxy: str
    cluster: Cluster
    endpoint: Endpoint | None
    """None for a cluster that is empty."""


def envoys(situation: Situation, cluster: str) -> dict[str, tuple[str, ...]]:
    """The Envoys of a cluster by decision-point id, each with the addresses that it has something for."""
    here = situation.mesh.clusters[cluster]
    found: dict[str, tuple[str, ...]] = {}
    for waypoint in waypoints(situation.plane.registry, here):
        proxy = situation.plane.proxy(waypoint.id, Locality(region=here.region, zone=here.zone))
        if proxy is not None:
            found[waypoint.id] = tuple(proxy.chains)
    for gateway in here.of("Gateway", ISTIO_GATEWAY):
        if is_waypoint(gateway) or gateway.get("spec", "gatewayClassName") in PLUMBING:
            continue
        kind = f"{ISTIO_GATEWAY}~" if gateway.kind == ISTIO_GATEWAY and here.get("Gateway", *_place(gateway)) else ""
        addresses = dict.fromkeys(f"{host}:{port}" for host, port, _ in served(situation, cluster, gateway))
        found[f"gateway:{cluster}/{gateway.namespace}/{kind}{gateway.name}"] = tuple(addresses)
    for (namespace, workload), pods in sorted(situation.plane.registry.workloads(cluster).items()):
        if any(capture(here, pod, Facts()) == "sidecar" for pod in pods):
            ident = f"sidecar:{cluster}/{namespace}/{workload}"
            proxy = situation.plane.proxy(ident, _locality(pods[0]))
            if proxy is not None:
                found[ident] = tuple(proxy.chains)
    return found


def _place(gateway: object) -> tuple[str, str]:
    return gateway.namespace, gateway.name  # type: ignore[attr-defined]


def _locality(pod: object) -> Locality:
    return Locality(region=pod.region, zone=pod.zone)  # type: ignore[attr-defined]


def routes(situation: Situation, cluster: str, only: str | None = None) -> Iterator[HeldRoute]:
    """Every route of the cluster's Envoys, or of one. Raises UsageError for an Envoy that is not there."""
    for proxy, chains in _chains(situation, cluster, only):
        for address, chain in chains:
            for route in chain.routes:
                yield HeldRoute(proxy=proxy.id, address=address, chain=chain, route=route)


def endpoints(situation: Situation, cluster: str, only: str | None = None) -> Iterator[HeldEndpoint]:
    """Every host of every cluster that those routes name. Raises UsageError for an Envoy that is not there."""
    for proxy, chains in _chains(situation, cluster, only):
        named = dict.fromkeys(one.cluster for _, chain in chains for route in chain.routes for one in route.clusters)
        for name in named:
            held = proxy.clusters.get(name)
            if held is None:
                continue
            if not held.endpoints:
                yield HeldEndpoint(proxy=proxy.id, cluster=held, endpoint=None)
            for endpoint in held.endpoints:
                yield HeldEndpoint(proxy=proxy.id, cluster=held, endpoint=endpoint)


def _chains(situation: Situation, cluster: str, only: str | None) -> Iterator[tuple[Proxy, list[tuple[str, Chain]]]]:
    there = envoys(situation, cluster)
    if only is not None and only not in there:
        msg = f"{cluster} has no Envoy {only!r}"
        raise UsageError(msg, hint=f"it has {', '.join(there) or 'none'}")
    here = situation.mesh.clusters[cluster]
    for ident, addresses in there.items():
        if only is None or ident == only:
            proxy = situation.plane.proxy(ident, Locality(region=here.region, zone=here.zone))
            if proxy is not None:
                found = [(address, chain) for address in addresses if (chain := proxy.chains.get(address)) is not None]
                yield proxy, found
