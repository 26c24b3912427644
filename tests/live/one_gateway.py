"""Small tables: one ingress gateway in front of plain pods."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from meshsim.analysis.calls import Call, Caller
from meshsim.dataplane.walk import Client, Target
from meshsim.live.phase import Phase
from meshsim.model.rule import Rule
from meshsim.tables.envoy import Chain, Cluster, Endpoint, Proxy, Route, Via, WeightedCluster
from meshsim.tables.views import ClusterView, PodRow
from meshsim.tables.workload import Locality
from meshsim.tables.ztunnel import ZtunnelTables

GATEWAY = "gateway:c1/ns/gw"
RULE = Rule("test.gateway", "A gateway of a test.", "this test")


class OneGateway:
    """Tables of one cluster with one ingress gateway in front of plain pods. Implements `Views`."""

    def __init__(self, routes: tuple[Route, ...], clusters: Mapping[str, Cluster], missing: Mapping[str, int]) -> None:
        tables = ZtunnelTables(network="n1", services=(), workloads=())
        self.view = ClusterView(
            name="c1", network="n1", root="root1", ztunnel=tables, names={}, kube={}, eastwest={}, eastwest_sources={}
        )
        chain = Chain(host="app", port=80, routes=routes, rule=RULE)
        self.gateway = Proxy(
            id=GATEWAY,
            cluster="c1",
            network="n1",
            chains={"app:80": chain},
            clusters=clusters,
            missing_cluster_status=missing,
        )

    def cluster(self, name: str) -> ClusterView:
        return self.view

    def proxy(self, ident: str, locality: Locality) -> Proxy | None:
        return self.gateway

    def pod(self, uid: str) -> PodRow | None:
        return PodRow(uid=uid, cluster="c1", path=uid, capture="none")

    def pod_at(self, network: str, ip: str) -> str | None:
        return None


def hosts(
    name: str, count: int, *, healthy: int | None = None, priority: int = 0, weight: int = 1
) -> tuple[Endpoint, ...]:
    """Pods `name-0`, `name-1`, …, of which the first `healthy` are."""
    return tuple(
        Endpoint(
            address=f"10.0.0.{number}:8080",
            workload=f"{name}-{number}",
            via=Via.DIRECT,
            healthy=healthy is None or number < healthy,
            priority=priority,
            weight=weight,
        )
        for number in range(count)
    )


def cluster(name: str, endpoints: tuple[Endpoint, ...], **more: object) -> Cluster:
    return replace(Cluster(name=name, host=name, port=8080, endpoints=endpoints), **more)


def split(**weights: int) -> tuple[Route, ...]:
    """One route to clusters by weight."""
    return (
        Route(clusters=tuple(WeightedCluster(cluster=name, weight=w, backend=name) for name, w in weights.items())),
    )


def gateway_phase(
    name: str,
    routes: tuple[Route, ...],
    clusters: tuple[Cluster, ...],
    *,
    missing: Mapping[str, int] | None = None,
    path: str = "/",
    headers: Mapping[str, str] | None = None,
    connection: str = "keep-alive",
    host: str = "app",
) -> Phase:
    """A phase in which a client calls the gateway."""
    client = Client(kind="gateway", cluster="c1", ident=GATEWAY)
    call = Call(
        caller=Caller(name="client", clients=((Fraction(1), client),)),
        to=f"{host}:80",
        target=Target(host=host, port=80),
        path=path,
        headers=headers or {},
        connection=connection,
    )
    views = OneGateway(routes, {c.name: c for c in clusters}, missing or {})
    return Phase(name=name, views=views, calls=(call,))
