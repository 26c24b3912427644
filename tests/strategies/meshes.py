"""Random Solo meshes, as the scenario documents with inline manifests that a user could have written.

One Service `web` in namespace `shop`, a client in every cluster, and everything that the sources say the split
depends on drawn at random: who has pods, a Rollout, a waypoint, a label; how the clusters are joined; who calls what.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]

NAMESPACE = "shop"
SERVICE = "web"
PORT = 8080
GLOBAL = f"{SERVICE}.{NAMESPACE}.mesh.internal"
LOCAL = f"{SERVICE}.{NAMESPACE}.svc.cluster.local"
IMAGE = "registry.example.com/shop/web:1.0"


@dataclass(frozen=True)
class RandomMesh:
    """A scenario document and the moment at which it is asked; every document is plain values."""

    document: Document
    at: str


def service(name: str, labels: Mapping[str, str], annotations: Mapping[str, str], port_name: str) -> Document:
    """A Service over the pods of `web`."""
    metadata: Document = {"name": name, "namespace": NAMESPACE, "labels": dict(labels)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": {"app": SERVICE}, "ports": [{"name": port_name, "port": PORT, "targetPort": PORT}]},
    }


def namespace(name: str, labels: Mapping[str, str]) -> Document:
    """A Namespace with labels."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def template(app: str, image: str, labels: Mapping[str, str] = {}, annotations: Mapping[str, str] = {}) -> Document:
    """A pod template."""
    metadata: Document = {"labels": {"app": app, **labels}}
    if annotations:
        metadata["annotations"] = dict(annotations)
    ports = [{"containerPort": PORT}]
    return {"metadata": metadata, "spec": {"containers": [{"name": app, "image": image, "ports": ports}]}}


def deployment(name: str, space: str, replicas: int, pod: Document) -> Document:
    """A Deployment."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": space},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": pod["metadata"]["labels"]["app"]}},
            "template": pod,
        },
    }


def rollout(replicas: int, image: str, weights: tuple[int, ...], approach: str) -> Document:
    """A Rollout that pauses after each weight; it manages an HTTPRoute, or a VirtualService and a DestinationRule."""
    canary: Document
    if approach == "httproute":
        canary = {
            "stableService": f"{SERVICE}-stable",
            "canaryService": f"{SERVICE}-canary",
            "trafficRouting": {
                "plugins": {"argoproj-labs/gatewayAPI": {"namespace": NAMESPACE, "httpRoutes": [{"name": SERVICE}]}}
            },
        }
    else:
        canary = {
            "trafficRouting": {
                "istio": {
                    "virtualService": {"name": SERVICE, "routes": ["primary"]},
                    "destinationRule": {
                        "name": SERVICE,
                        "stableSubsetName": "stable",
                        "canarySubsetName": "canary",
                    },
                }
            }
        }
    canary["steps"] = [step for weight in weights for step in ({"setWeight": weight}, {"pause": {}})]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": SERVICE}},
            "template": template(SERVICE, image),
            "strategy": {"canary": canary},
        },
    }


def managed_objects(approach: str, hosts: tuple[str, ...]) -> list[Document]:
    """What a Rollout writes its weights into, before it did."""
    if approach == "httproute":
        route = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": SERVICE, "namespace": NAMESPACE},
            "spec": {
                "parentRefs": [{"group": "", "kind": "Service", "name": SERVICE}],
                "rules": [
                    {
                        "backendRefs": [
                            {"name": f"{SERVICE}-stable", "port": PORT, "weight": 100},
                            {"name": f"{SERVICE}-canary", "port": PORT, "weight": 0},
                        ]
                    }
                ],
            },
        }
        pair = [service(f"{SERVICE}-{role}", {}, {}, "http") for role in ("stable", "canary")]
        return [route, *pair]
    return [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": SERVICE, "namespace": NAMESPACE},
            "spec": {
                "gateways": ["mesh"],
                "hosts": list(hosts),
                "http": [
                    {
                        "name": "primary",
                        "route": [
                            {"destination": {"host": SERVICE, "subset": "stable"}, "weight": 100},
                            {"destination": {"host": SERVICE, "subset": "canary"}, "weight": 0},
                        ],
                    }
                ],
            },
        },
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": {"name": SERVICE, "namespace": NAMESPACE},
            "spec": {
                "host": SERVICE,
                "subsets": [{"name": role, "labels": {"app": SERVICE}} for role in ("stable", "canary")],
            },
        },
    ]


def waypoint(state: str, waypoint_for: str | None) -> list[Document]:
    """A waypoint Gateway that is `ready`, was `never` ready, or is `empty`: scaled to 0 after it was ready."""
    metadata: Document = {"name": "waypoint", "namespace": NAMESPACE}
    if waypoint_for is not None:
        metadata["labels"] = {"istio.io/waypoint-for": waypoint_for}
    gateway: Document = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": metadata,
        "spec": {
            "gatewayClassName": "istio-waypoint",
            "listeners": [{"name": "mesh", "protocol": "HBONE", "port": 15008}],
        },
    }
    if state == "never":
        gateway["status"] = {"conditions": [{"type": "Programmed", "status": "False", "reason": "AddressNotAssigned"}]}
    if state != "empty":
        return [gateway]
    pod = template("waypoint", "auto", {"gateway.networking.k8s.io/gateway-name": "waypoint"})
    return [gateway, deployment("waypoint", NAMESPACE, 0, pod)]


def ingress(backend: str) -> list[Document]:
    """An Istio ingress gateway with a route to the `hostname` or the `service`."""
    to = (
        {"group": "networking.istio.io", "kind": "Hostname", "name": GLOBAL, "port": PORT}
        if backend == "hostname"
        else {"name": SERVICE, "port": PORT}
    )
    return [
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "edge", "namespace": NAMESPACE},
            "spec": {
                "gatewayClassName": "istio",
                "listeners": [
                    {
                        "name": "http",
                        "protocol": "HTTP",
                        "port": 80,
                        "allowedRoutes": {"namespaces": {"from": "Same"}},
                    }
                ],
            },
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "edge", "namespace": NAMESPACE},
            "spec": {
                "parentRefs": [{"name": "edge"}],
                "hostnames": ["shop.example.com"],
                "rules": [{"backendRefs": [to]}],
            },
        },
    ]


def client(capture: str, same_namespace: bool, dns: bool) -> list[Document]:
    """A client: `ambient`, `sidecar` (whose proxy answers DNS, or does not) or `unmeshed`."""
    space = NAMESPACE if same_namespace else "visitors"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    if capture == "sidecar":
        labels["sidecar.istio.io/inject"] = "true"
        config = {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": str(dns).lower()}}
        annotations["proxy.istio.io/config"] = json.dumps(config)
    elif capture == "unmeshed":
        labels["istio.io/dataplane-mode"] = "none"
    pod = template("client", "registry.example.com/client:1", labels, annotations)
    made = [deployment("client", space, 1, pod)]
    if not same_namespace:
        made.append(namespace("visitors", {"istio.io/dataplane-mode": "ambient"}))
    return made


SCOPES = st.sampled_from(["global"] * 8 + ["global-only", "cluster", None])
PLACES = st.sampled_from([("r1", "z1"), ("r1", "z2"), ("r2", "z3")])


@st.composite
def cluster_parts(draw: st.DrawFn, first: bool, annotation: str | None, port: str, located: bool) -> Document:
    """One cluster's part of a scenario, without its network."""
    workload = "rollout" if first else draw(st.sampled_from(["rollout", "deployment", "deployment", "none"]))
    has_service = workload == "rollout" or draw(st.integers(0, 3)) > 0
    objects: list[Document] = []

    bound = draw(st.sampled_from(["namespace", "namespace", "service", "opt-out", "nothing", "nothing"]))
    state = draw(st.sampled_from(["ready", "ready", "ready", "ready", "absent", "never", "empty"]))
    if state != "absent":
        waypoint_for = draw(st.sampled_from([None, None, None, None, "service", "all", "workload"]))
        objects += waypoint(state, waypoint_for)
    labels = {"istio.io/dataplane-mode": "ambient"}
    if bound in {"namespace", "opt-out"}:
        labels["istio.io/use-waypoint"] = "waypoint"
    objects.append(namespace(NAMESPACE, labels))

    if has_service:
        own: dict[str, str] = {}
        scope = draw(SCOPES)
        if scope is not None:
            own["solo.io/service-scope"] = scope
        if scope == "global" and draw(st.integers(0, 3)) == 0:
            own["solo.io/service-takeover"] = "true"
        if bound in {"service", "opt-out"}:
            own["istio.io/use-waypoint"] = "waypoint" if bound == "service" else "none"
        if draw(st.booleans()):
            own["istio.io/ingress-use-waypoint"] = "true"
        distribution = {"networking.istio.io/traffic-distribution": annotation} if annotation else {}
        objects.append(service(SERVICE, own, distribution, port))

    if workload == "rollout":
        approach = draw(st.sampled_from(["httproute", "virtualservice"]))
        weights = draw(st.sampled_from([(10, 50), (25, 60), (40, 100), (50, 50), (5, 33)]))
        image = IMAGE if first else draw(st.sampled_from([IMAGE, IMAGE, f"{IMAGE}-next", f"{IMAGE}-other"]))
        objects.append(rollout(draw(st.integers(1, 5)), image, weights, approach))
        hosts = draw(st.sampled_from([(SERVICE, GLOBAL), (SERVICE, GLOBAL), (SERVICE,)]))
        objects += managed_objects(approach, hosts)
    elif workload == "deployment":
        objects.append(deployment(SERVICE, NAMESPACE, draw(st.integers(0, 3)), template(SERVICE, IMAGE)))

    capture = draw(st.sampled_from(["ambient"] * 5 + ["sidecar", "sidecar", "unmeshed"]))
    objects += client(capture, draw(st.booleans()), draw(st.integers(0, 4)) > 0)
    if draw(st.integers(0, 2)) == 0:
        objects += ingress(draw(st.sampled_from(["hostname", "hostname", "service"])))

    part: Document = {"manifests": objects, "istiod": {"env": {}}}
    if located:
        part["region"], part["zone"] = draw(PLACES)
    if capture == "sidecar" and draw(st.booleans()):
        part["istiod"]["env"]["ENABLE_WAYPOINT_INTEROP"] = draw(st.sampled_from(["true", "false", "false"]))
    return part


@st.composite
def links_of(draw: st.DrawFn, names: list[str]) -> str | list[Document]:
    """All links, seldom with one of them missing: a link is directed."""
    missing = draw(st.sampled_from([None] * 6 + [(a, b) for a in names for b in names if a != b]))
    if missing is None:
        return "all"
    return [{"watcher": a, "peer": b} for a in names for b in names if a != b and (a, b) != missing]


@st.composite
def meshes(draw: st.DrawFn, flat: bool | None = None) -> RandomMesh:
    """A mesh of two or three clusters, calls from every client and ingress gateway, and a probed step."""
    count = draw(st.sampled_from([2, 2, 3]))
    if flat is None:
        flat = draw(st.integers(0, 3)) == 0
    annotation = draw(st.sampled_from([None, None, "PreferNetwork", "Any", "Any", "PreferClose"]))
    located = annotation == "PreferClose" or draw(st.booleans())
    port = draw(st.sampled_from(["http"] * 7 + ["tcp"]))
    propagated = draw(st.sampled_from([None, "all", "app,rollouts-pod-template-hash", "app"]))
    clusters: Document = {}
    for number in range(1, count + 1):
        part = draw(cluster_parts(number == 1, annotation, port, located))
        part["network"] = "shared" if flat else f"network{number}"
        if flat:
            part["istiod"]["env"]["PEERING_ENABLE_FLAT_NETWORKS"] = "true"
        if propagated is not None:
            part["istiod"]["env"]["ENABLE_PEERING_LABEL_PROPAGATION"] = propagated
        clusters[f"c{number}"] = part
    return RandomMesh(
        document={
            "apiVersion": "meshsim/v1",
            "kind": "Scenario",
            "name": "random",
            "dialect": "solo/1.30",
            "clusters": clusters,
            "peering": draw(links_of(sorted(clusters))),
            "calls": calls_of(clusters, draw(st.sampled_from(sorted(clusters)))),
        },
        at=draw(st.sampled_from(["step:1", "step:1", "step:3", "step:4"])),
    )


def calls_of(clusters: Document, addressed: str) -> list[Document]:
    """Every client to the local and the global name and to the first pod of a cluster, every ingress to its route."""
    calls: list[Document] = []
    for name, part in clusters.items():
        for manifest in part["manifests"]:
            space, called = manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
            if manifest["kind"] == "Deployment" and called == "client":
                addresses = [f"{LOCAL}:{PORT}", f"{GLOBAL}:{PORT}"]
                if pods_in(clusters[addressed]["manifests"]):
                    addresses.append(f"pod:{addressed}/{NAMESPACE}/{SERVICE}/0:{PORT}")
                calls += [{"from": f"{name}/{space}/client", "to": address} for address in addresses]
            if manifest["kind"] == "Gateway" and called == "edge":
                calls.append({"from": f"ingress:{name}/{space}/edge", "to": "shop.example.com:80"})
    return calls


def pods_in(manifests: list[Document]) -> bool:
    """Whether a cluster has a pod of `web`."""
    return any(
        m["kind"] in {"Deployment", "Rollout"} and m["metadata"]["name"] == SERVICE and m["spec"]["replicas"] > 0
        for m in manifests
    )
