"""How the clusters find each other: east-west gateways, and a link for each (watcher, peer).

Upstream: istio.io, ambient/install/multicluster; Solo Enterprise for Istio: its public peering pages (lab 006 of its
workshop for ambient multicluster).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from meshsim.controlplane.components import EASTWEST_CLASSES
from meshsim.controlplane.links import DRAINING
from meshsim.live.kind.clusters import yaml_text
from meshsim.live.kind.places import Place
from meshsim.live.kind.steps import Filled, Run, Step, Write, work
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Mesh

REMOTE_CLASS: Final = "istio-remote"


def join(places: Sequence[Place], mesh: Mesh) -> Iterator[Step]:
    """East-west gateways where there are several networks, and a link for each (watcher, peer)."""
    networks = {place.cluster.network.value for place in places}
    known = {place.name: place for place in places}
    links = [(known[a], known[b]) for a, b in sorted(mesh.links)]
    for place in places:
        linked = any(place in pair for pair in links)
        if linked and (len(networks) > 1 or place.solo):
            yield _eastwest(place)
    for watcher, peer in links:
        yield _peer(watcher, peer) if watcher.solo else _remote_secret(watcher, peer)


def _draining(*gateways: Manifest | None) -> dict[str, str]:
    """The annotation by which a Gateway of the manifests drains its cluster."""
    found = [gateway.annotations.get(DRAINING, "") for gateway in gateways if gateway is not None]
    return next(({DRAINING: weight} for weight in found if weight.isascii() and weight.isdigit()), {})


def _stated_eastwest(place: Place) -> Manifest | None:
    gateways = place.cluster.of("Gateway")
    return next((g for g in gateways if g.get("spec", "gatewayClassName") in EASTWEST_CLASSES), None)


def eastwest_name(place: Place) -> tuple[str, str]:
    """Namespace and name of a cluster's east-west gateway: those of the manifests, else the product's."""
    stated = _stated_eastwest(place)
    if stated is not None:
        return stated.namespace, stated.name
    return ("istio-eastwest", "istio-eastwest") if place.solo else (SYSTEM_NAMESPACE, "istio-eastwestgateway")


def _eastwest(place: Place) -> Step:
    namespace, name = eastwest_name(place)
    labels = {"topology.istio.io/network": place.cluster.network.value}
    if place.solo:
        labels |= {"topology.istio.io/cluster": place.name, "istio.io/expose-istiod": "15012"}
        listeners = _passthrough()
    else:
        terminated = {"mode": "Terminate", "options": {"gateway.istio.io/tls-terminate-mode": "ISTIO_MUTUAL"}}
        listeners = [{"name": "mesh", "port": 15008, "protocol": "HBONE", "tls": terminated}]
    spec = {"gatewayClassName": "istio-eastwest" if place.solo else "istio-east-west", "listeners": listeners}
    documents = [_space(namespace), _gateway(namespace, name, labels, _draining(_stated_eastwest(place)), spec)]
    file = place.file("eastwest.yaml")
    programmed = ("--for=condition=Programmed", "--timeout=300s", "-n", namespace)
    return Step(
        name=f"eastwest-{place.kind}",
        title=f"{place.name}: east-west gateway",
        commands=(
            Write(name=file, text=yaml_text(documents)),
            Run(words=place.kubectl("apply", "-f", work(file)), retry=60),
            Run(words=place.kubectl("wait", f"gateways.gateway.networking.k8s.io/{name}", *programmed), limit=320),
        ),
    )


def _passthrough() -> list[dict[str, Any]]:
    through = {"tls": {"mode": "Passthrough"}}
    return [
        {"name": "cross-network", "port": 15008, "protocol": "HBONE", **through},
        {"name": "xds-tls", "port": 15012, "protocol": "TLS", **through},
    ]


def _space(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _gateway(
    namespace: str, name: str, labels: Mapping[str, str], annotations: Mapping[str, str], spec: Mapping[str, Any]
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "labels": dict(labels)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": metadata, "spec": dict(spec)}


def remote_name(watcher: Place, peer: Place) -> tuple[str, str]:
    """Namespace and name of the Gateway by which a Solo cluster watches a peer: as in the manifests, where these have
    one."""
    stated = _stated(watcher, peer)
    if stated is not None:
        return stated.namespace, stated.name
    return eastwest_name(watcher)[0], f"istio-remote-peer-{peer.kind}"


def _stated(watcher: Place, peer: Place) -> Manifest | None:
    for gateway in watcher.cluster.of("Gateway"):
        named = gateway.labels.get("topology.istio.io/cluster") or gateway.name.removeprefix("istio-remote-peer-")
        if gateway.get("spec", "gatewayClassName") == REMOTE_CLASS and named == peer.name:
            return gateway
    return None


def _peer(watcher: Place, peer: Place) -> Step:
    """A Solo link: a Gateway of class istio-remote with the address of the peer's east-west gateway."""
    namespace, name = remote_name(watcher, peer)
    address = f"EW{peer.number}"
    labels = {
        "topology.istio.io/cluster": peer.name,
        "topology.istio.io/network": peer.cluster.network.value,
        **_region(watcher, peer),
    }
    annotations = {
        "gateway.istio.io/service-account": eastwest_name(peer)[1],
        "gateway.istio.io/trust-domain": "cluster.local",
        **_draining(_stated(watcher, peer)),
    }
    spec = {
        "gatewayClassName": REMOTE_CLASS,
        "addresses": [{"type": "IPAddress", "value": f"${address}"}],
        "listeners": _passthrough(),
    }
    file = watcher.file(f"peer-{peer.kind}.yaml")
    documents = [_space(namespace), _gateway(namespace, name, labels, annotations, spec)]
    return Step(
        name=f"link-{watcher.kind}-{peer.kind}",
        title=f"{watcher.name} watches {peer.name}",
        commands=(
            _address(peer, address),
            Write(name=file, text=Filled(yaml_text(documents))),
            Run(words=watcher.kubectl("apply", "-f", work(file)), retry=60),
        ),
    )


def _region(watcher: Place, peer: Place) -> dict[str, str]:
    """The locality that the watcher's own Gateway for the peer states."""
    stated = _stated(watcher, peer)
    keys = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")
    return {key: stated.labels[key] for key in keys if stated is not None and stated.labels.get(key)}


def _address(place: Place, var: str) -> Run:
    namespace, name = eastwest_name(place)
    gateway = f"gateways.gateway.networking.k8s.io/{name}"
    return Run(
        words=place.kubectl("get", gateway, "-n", namespace, "-o", "jsonpath={.status.addresses[0].value}"), var=var
    )


def _remote_secret(watcher: Place, peer: Place) -> Step:
    """An upstream link: the watcher's istiod may read the peer's API server, by the address of its node."""
    node = f"NODE{peer.number}"
    shown = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    file = watcher.file(f"remote-secret-{peer.kind}.yaml")
    server = Filled(f"--server=https://${node}:6443")
    made = peer.istioctl("create-remote-secret", f"--name={peer.name}", server)
    return Step(
        name=f"link-{watcher.kind}-{peer.kind}",
        title=f"{watcher.name} watches {peer.name}",
        commands=(
            Run(words=("docker", "inspect", "--format", shown, peer.node), var=node),
            Run(words=made, out=work(file), retry=30),
            Run(words=watcher.kubectl("apply", "-f", work(file))),
        ),
        why=("The server in kind's own kubeconfig is a port of this machine, which no pod can reach.",),
    )
