"""Meshes written out: the Service `web` of `shop` with its Rollout in c1, and what stands around it."""

from typing import Any

from strategies.meshes import (
    IMAGE,
    NAMESPACE,
    SERVICE,
    Document,
    client,
    deployment,
    managed_objects,
    namespace,
    rollout,
    service,
    template,
    waypoint,
)

LOCAL = "web.shop.svc.cluster.local:8080"
GLOBAL = "web.shop.mesh.internal:8080"
CLIENT = "c1/shop/client"


def with_rollout(
    *,
    replicas: int = 4,
    weights: tuple[int, ...] = (25, 50),
    approach: str = "httproute",
    image: str = IMAGE,
    scope: str | None = "global",
    bound: bool = True,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    capture: str = "ambient",
    more: tuple[Document, ...] = (),
    state: str = "ready",
) -> Document:
    """A cluster with a Rollout of `web`, its waypoint (`bound` by the namespace) and a client."""
    own = {"solo.io/service-scope": scope} if scope else {}
    space = {"istio.io/dataplane-mode": "ambient"} | ({"istio.io/use-waypoint": "waypoint"} if bound else {})
    return {
        "manifests": [
            namespace(NAMESPACE, space),
            *waypoint(state, None),
            service(SERVICE, own | (labels or {}), annotations or {}, "http"),
            rollout(replicas, image, weights, approach),
            *managed_objects(approach, (SERVICE, GLOBAL.partition(":")[0])),
            *client(capture, same_namespace=True, dns=True),
            *more,
        ]
    }


def with_pods(count: int, *, scope: str | None = "global", annotations: dict[str, str] | None = None) -> Document:
    """A cluster with a plain Deployment behind `web`, no waypoint, and a client."""
    own = {"solo.io/service-scope": scope} if scope else {}
    return {
        "manifests": [
            namespace(NAMESPACE, {"istio.io/dataplane-mode": "ambient"}),
            service(SERVICE, own, annotations or {}, "http"),
            deployment(SERVICE, NAMESPACE, count, template(SERVICE, IMAGE)),
            *client("ambient", same_namespace=True, dns=True),
        ]
    }


def with_client(capture: str = "ambient") -> Document:
    """A cluster with nothing but a client."""
    labels = {"istio.io/dataplane-mode": "ambient"}
    return {"manifests": [namespace(NAMESPACE, labels), *client(capture, same_namespace=True, dns=True)]}


def scenario(*parts: Document, calls: list[tuple[str, str]] | None = None, **more: Any) -> Document:
    """Clusters c1, c2, … on networks of their own, all linked."""
    clusters = {f"c{i}": {"network": f"network{i}", **part} for i, part in enumerate(parts, 1)}
    document: Document = {"apiVersion": "meshsim/v1", "kind": "Scenario", "name": "case", "dialect": "solo/1.30"}
    document |= {"clusters": clusters, "peering": "all", **more}
    if calls is not None:
        document["calls"] = [{"from": frm, "to": to} for frm, to in calls]
    return document


def the(part: Document, kind: str, name: str) -> Document:
    """One manifest of a cluster's part, to be changed in place."""
    return next(m for m in part["manifests"] if (m["kind"], m["metadata"]["name"]) == (kind, name))
