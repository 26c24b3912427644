"""Meshes from YAML written in a test: clusters by name, each with its documents."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from meshsim.controlplane.compile import ControlPlane
from meshsim.controlplane.known import KnownService
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Mesh, Setting
from meshsim.model.evidence import Assumed
from meshsim.tables.dialect import parse_dialect
from meshsim.tables.envoy import Chain, Proxy
from meshsim.tables.envoy import Cluster as EnvoyCluster
from meshsim.tables.workload import Locality

HERE = Assumed("written in the test")
MULTI = {"AMBIENT_ENABLE_MULTI_NETWORK": "true"}
ORDERS = "orders.shop.svc.cluster.local"


def manifests(text: str) -> list[Manifest]:
    """The documents of a YAML text; namespace `shop` where none is given."""
    found = []
    for doc in yaml.safe_load_all(text):
        if doc:
            metadata = doc["metadata"]
            place = metadata.get("namespace", "shop")
            found.append(Manifest.made(doc["apiVersion"], doc["kind"], place, metadata["name"], doc, HERE))
    return found


def cluster(
    name: str,
    *texts: str,
    network: str = "",
    dialect: str = "istio/1.30",
    env: Mapping[str, str] = MULTI,
    region: str = "",
    zone: str = "",
) -> Cluster:
    """One cluster; its network has its name unless said otherwise."""
    where = Setting(network or name, HERE)
    return Cluster(
        name=name,
        network=where,
        ztunnel_network=where,
        root=Setting("root1", HERE),
        region=region,
        zone=zone,
        dialect=parse_dialect(dialect),
        dataplane=Setting("ambient", HERE),
        istiod={key: Setting(value, HERE) for key, value in env.items()},
        objects={m.key: m for text in texts for m in manifests(text)},
    )


def mesh(*clusters: Cluster, links: Iterable[tuple[str, str]] | None = None, **fields: Any) -> Mesh:
    """Clusters that all see each other unless said otherwise."""
    names = [c.name for c in clusters]
    every = frozenset((a, b) for a in names for b in names if a != b)
    return Mesh(
        name="test",
        clusters={c.name: c for c in clusters},
        links=every if links is None else frozenset(links),
        **fields,
    )


def plane(*clusters: Cluster, **fields: Any) -> ControlPlane:
    return ControlPlane(mesh(*clusters, **fields))


def known(made: ControlPlane, where: str, host: str = ORDERS) -> KnownService:
    return made.known(where)[host]


def endpoints(made: ControlPlane, where: str, host: str = ORDERS) -> dict[str, int]:
    """What ztunnel has for a service: network (or pod name on its own network) → capacity, healthy ones only."""
    view = made.cluster(where)
    service = view.names[host].service
    assert service is not None
    return {
        workload.network if workload.network_gateway else workload.name: workload.capacity
        for workload in view.ztunnel.endpoints(service)
    }


def proxy(made: ControlPlane, ident: str, locality: str = "") -> Proxy:
    found = made.proxy(ident, Locality(*(*locality.split("/"), "", "", "")[:3]))
    assert found is not None
    return found


def chain(made: ControlPlane, ident: str, host: str = ORDERS, port: int = 8080) -> Chain:
    return proxy(made, ident).chains[f"{host}:{port}"]


def backends(made: ControlPlane, ident: str, host: str = ORDERS, port: int = 8080) -> list[list[tuple[str, int]]]:
    """Each route of a service at a proxy, in order, as (backend, weight)."""
    return [[(c.backend, c.weight) for c in route.clusters] for route in chain(made, ident, host, port).routes]


def envoy_cluster(made: ControlPlane, ident: str, host: str, backend: str, locality: str = "") -> EnvoyCluster:
    """The cluster behind a backend of a service's routes."""
    at = proxy(made, ident, locality)
    for route in at.chains[f"{host}:8080"].routes:
        for weighted in route.clusters:
            if weighted.backend == backend:
                return at.clusters[weighted.cluster]
    raise AssertionError(backend)


def hosts(found: EnvoyCluster) -> list[tuple[str, int, int]]:
    """(pod or network, weight, priority) of each endpoint."""
    return [
        (e.network if e.via.value == "gateway" else e.workload.rpartition("/")[2], e.weight, e.priority)
        for e in found.endpoints
    ]


def service(
    name: str = "orders", labels: str = "", spec: str = "", namespace: str = "shop", app: str = "orders"
) -> str:
    return f"""
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}}}}}
spec:
  selector: {{app: {app}}}
  ports: [{{name: http, port: 8080}}]
{spec}
"""


GLOBAL = "istio.io/global: 'true'"


def pods(count: int, name: str = "orders", labels: str = "", namespace: str = "shop", ready: int | None = None) -> str:
    """A Deployment of `count` pods labelled `app: orders`, `ready` of them ready."""
    status = "" if ready is None else f"status: {{replicas: {count}, availableReplicas: {ready}}}"
    more = f", {labels}" if labels else ""
    return f"""
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: {count}
  template:
    metadata: {{labels: {{app: orders{more}}}}}
    spec: {{containers: [{{name: app, image: example.com/app}}]}}
{status}
"""


def waypoint(
    name: str = "waypoint", namespace: str = "shop", labels: str = "", more: str = "", status: str = ""
) -> str:
    return f"""
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}}}}}
spec:
  gatewayClassName: istio-waypoint
  listeners: [{{name: mesh, protocol: HBONE, port: 15008{more}}}]
{status}
"""


def namespace(labels: str = "", name: str = "shop", annotations: str = "") -> str:
    """An ambient namespace."""
    whole = ", ".join(filter(None, ("istio.io/dataplane-mode: ambient", labels)))
    return f"""
---
apiVersion: v1
kind: Namespace
metadata: {{name: {name}, labels: {{{whole}}}, annotations: {{{annotations}}}}}
"""


BOUND = namespace("istio.io/use-waypoint: waypoint")
WAYPOINT = "waypoint:c1/shop/waypoint"
