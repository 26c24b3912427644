"""Tables of a small mesh written by hand: Service `web` (port 80) of namespace `shop`, its pods and its proxies.

`c1` and `c2` are clusters on networks `n1` and `n2`. Everything a hop may look at is a row here.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from meshsim.dataplane import eastwest, envoy
from meshsim.dataplane.match import HttpRequest
from meshsim.dataplane.resolve import from_gateway
from meshsim.dataplane.walk import Walk
from meshsim.model.rule import Rule
from meshsim.model.trace import Delivered, Failed, Open, Path, Step, Trace
from meshsim.tables.envoy import Chain, Cluster, Endpoint, Proxy, Route, Via, WeightedCluster
from meshsim.tables.service import LoadBalancing, Service
from meshsim.tables.views import ClusterView, Name, PodRow
from meshsim.tables.workload import (
    GatewayAddress,
    Locality,
    NamespacedHostname,
    NetworkAddress,
    Protocol,
    Workload,
)
from meshsim.tables.ztunnel import ZtunnelTables

ONE = Fraction(1)
HALF = Fraction(1, 2)
WEB = "web.shop"
WAY = "way.shop"
VIP = "10.0.0.1"
WAYPOINT = "waypoint:c1/shop/way"
SOLO = {"": "waypoint", "waypoint": "skip", "gateway": "label", "sidecar": "waypoint", "sidecar-l7": "skip"}
"""What Solo's east-west gateways do, by who says `x-istio-source`."""
RULE = Rule(name="test.chain", sentence="A chain made by hand.", source="this test")


class Tables:
    """Implements `tables.views.Views`."""

    def __init__(
        self, views: Iterable[ClusterView] = (), proxies: Iterable[Proxy] = (), pods: Iterable[PodRow] = ()
    ) -> None:
        self.views = {view.name: view for view in views}
        self.proxies = {proxy.id: proxy for proxy in proxies}
        self.pods = {row.uid: row for row in pods}

    def cluster(self, name: str) -> ClusterView:
        return self.views[name]

    def proxy(self, ident: str, locality: Locality) -> Proxy | None:
        return self.proxies.get(ident)

    def pod(self, uid: str) -> PodRow | None:
        return self.pods.get(uid)

    def pod_at(self, network: str, ip: str) -> str | None:
        """The pod at an address of a network, whichever cluster's it is."""
        known = (w for view in self.views.values() for w in view.ztunnel.workloads.values())
        return next((w.uid for w in known if w.network == network and ip in w.ips), None)


def walk(tables: Tables, path: str = "/", headers: Mapping[str, str] | None = None) -> Walk:
    """A GET for `web` on its way through the tables."""
    request = HttpRequest(path=path, authority=WEB, headers=headers or {})
    return Walk(views=tables, request=request, envoy=envoy.through, eastwest=eastwest.through, client=from_gateway)


def paths(steps: tuple[Step, ...]) -> list[Path]:
    """All ways, whose shares must sum to 1."""
    found = list(Trace(roots=steps).paths())
    assert sum(path.share for path in found) == 1
    return found


def ends(steps: tuple[Step, ...]) -> dict[str, Fraction]:
    """Shares by where ways end: a workload's uid, `code flag` of a failure, or the code of an open question."""
    shares: dict[str, Fraction] = {}
    for path in paths(steps):
        outcome = path.outcome
        if isinstance(outcome, Delivered):
            key = outcome.workload
        elif isinstance(outcome, Failed):
            key = f"{outcome.code} {outcome.flag}".strip()
        else:
            assert isinstance(outcome, Open)
            key = outcome.code
        shares[key] = shares.get(key, Fraction(0)) + path.share
    return shares


def tags(steps: tuple[Step, ...]) -> set[str]:
    return {tag for path in paths(steps) for step in path.steps for tag in step.tags}


def hops(steps: tuple[Step, ...]) -> set[tuple[str, ...]]:
    return {path.hops for path in paths(steps)}


# ------------------------------------------------------------------------------------------- what an Envoy holds


def host(uid: str, **more: Any) -> Endpoint:
    """A pod that an Envoy reaches by HBONE."""
    return Endpoint(**({"address": f"{uid}:8080", "workload": uid, "cluster": "c1", "network": "n1"} | more))


def gateway_to(cluster: str, source: str = "waypoint", **more: Any) -> Endpoint:
    """A remote network behind its east-west gateway."""
    row = {"address": f"gw-{cluster}:15008", "workload": f"gw-{cluster}", "via": Via.GATEWAY, "cluster": cluster}
    return Endpoint(**(row | {"authority": f"{WEB}:80", "source": source, "network": cluster} | more))


def backend(name: str, *endpoints: Endpoint, **more: Any) -> Cluster:
    return Cluster(name=name, host=WEB, port=80, endpoints=endpoints, **more)


def split(name: str = "split", **weights: int) -> Route:
    """A rule of the managed route that splits between backends."""
    clusters = tuple(WeightedCluster(cluster=key, weight=weight, backend=key) for key, weight in weights.items())
    return Route(clusters=clusters, object=f"c1/HTTPRoute/shop/{name}", rule="0")


def proxy(*routes: Route, clusters: Iterable[Cluster] = (), ident: str = WAYPOINT, **more: Any) -> Proxy:
    """An Envoy with one chain for `web:80`."""
    row: dict[str, Any] = {"host": WEB, "port": 80, "routes": routes, "rule": RULE}
    for key in ("http", "open_question"):
        if key in more:
            row[key] = more.pop(key)
    here = ident.partition(":")[2].split("/")[0]
    return Proxy(
        id=ident,
        cluster=here,
        network=f"n{here[1:]}",
        chains={f"{WEB}:80": Chain(**row)},
        clusters={cluster.name: cluster for cluster in clusters},
        **more,
    )


# ---------------------------------------------------------------------------------------- what a cluster knows


def workload(uid: str, cluster: str = "c1", serves: str = WEB, **more: Any) -> Workload:
    """A pod with an HBONE port; `web` is served on 8080, a waypoint on 15008."""
    ports = {15008: 15008} if serves == WAY else {80: 8080}
    row = {
        "uid": uid,
        "name": uid,
        "namespace": "shop",
        "ips": (f"10.1.{cluster[1:]}.{sum(uid.encode()) % 250}",),
        "network": f"n{cluster[1:]}",
        "cluster": cluster,
        "protocol": Protocol.HBONE,
        "services": {f"shop/{serves}": ports} if serves else {},
    }
    return Workload(**(row | more))


def remote(cluster: str, count: int, **more: Any) -> Workload:
    """The entry that stands for `count` pods of `web` on another network, and the address of its gateway."""
    gateway = GatewayAddress(NetworkAddress(f"n{cluster[1:]}", f"10.9.0.{cluster[1:]}"))
    row = {"ips": (), "network_gateway": gateway, "capacity": count}
    return workload(f"autogen.{cluster}", cluster, **(row | more))


def gateway_pod(cluster: str) -> Workload:
    """The workload at the address of a network gateway."""
    return workload(f"gw-{cluster}", cluster, serves="", ips=(f"10.9.0.{cluster[1:]}",))


def service(
    network: str = "n1", *, bound: bool = False, balancing: LoadBalancing | None = None, **more: Any
) -> Service:
    row: dict[str, Any] = {
        "name": "web",
        "namespace": "shop",
        "hostname": WEB,
        "vips": (NetworkAddress(network, VIP),),
        "ports": {80: 8080},
        "waypoint": GatewayAddress(NamespacedHostname("shop", WAY)) if bound else None,
        "load_balancing": balancing,
    }
    return Service(**(row | more))


def waypoint_service(network: str = "n1") -> Service:
    vips = (NetworkAddress(network, "10.0.0.9"),)
    return Service(name="way", namespace="shop", hostname=WAY, vips=vips, ports={15008: 15008})


def view(cluster: str, services: Iterable[Service], workloads: Iterable[Workload], **more: Any) -> ClusterView:
    """A cluster's tables; every service has its name in DNS."""
    network = f"n{cluster[1:]}"
    services = tuple(services)
    names = {s.hostname: Name(host=s.hostname, service=s, ips=(s.vips[0].ip,)) for s in services}
    row = {
        "name": cluster,
        "network": network,
        "root": "root1",
        "ztunnel": ZtunnelTables(network=more.pop("ztunnel_network", network), services=services, workloads=workloads),
        "names": names,
        "kube": {},
        "eastwest": SOLO,
        "eastwest_sources": {},
    }
    return ClusterView(**(row | more))


def pod_row(uid: str, cluster: str = "c1", capture: str | None = "ambient", ident: str = "") -> PodRow:
    return PodRow(uid=uid, cluster=cluster, path=f"{cluster}/shop/{uid}", capture=capture, proxy=ident)
