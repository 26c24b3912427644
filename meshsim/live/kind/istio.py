"""Istio in ambient mode on each cluster, by the user's istioctl or helm, and how the clusters find each other.

Upstream: istio.io, ambient/install/multicluster; Solo Enterprise for Istio: its public install and peering pages
(labs 002, 003 and 006 of its workshop for ambient multicluster). Versions are the programs' own: meshsim has none.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from meshsim.controlplane.components import EASTWEST_CLASSES, ISTIO_GATEWAY
from meshsim.controlplane.links import DRAINING
from meshsim.live.kind.clusters import yaml_text
from meshsim.live.kind.places import Place, Settings
from meshsim.live.kind.steps import Check, Filled, Remove, Run, Secret, Step, Write, work
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Mesh

CHARTS: Final = "https://istio-release.storage.googleapis.com/charts"
SOLO_CHARTS: Final = "oci://us-docker.pkg.dev/soloio-img/istio-helm"
SOLO_HUB: Final = "us-docker.pkg.dev/soloio-img/istio"
GATEWAY_API: Final[Mapping[int, str]] = {27: "v1.3.0", 28: "v1.4.0", 29: "v1.4.0", 30: "v1.5.0", 31: "v1.5.0"}
"""Istio's minor → the Gateway API that its installation page (or Solo's workshop) of that time applies."""
SOLO_ENV: Final[Mapping[str, str]] = {
    "PILOT_ENABLE_IP_AUTOALLOCATE": "true",
    "PILOT_ENABLE_K8S_SELECT_WORKLOAD_ENTRIES": "false",
}
"""What peering needs (semantics: Solo docs, multicluster install)."""
REMOTE_CLASS: Final = "istio-remote"


def lacking(places: Sequence[Place], mesh: Mesh, settings: Settings) -> Iterator[str]:
    """What makes an installation impossible as asked."""
    if settings.install == "helm" and not settings.istio_version:
        yield "helm installs a version that is named: write --istio-version 1.30.1 (for Solo's charts 1.30.2-solo)"
    products = {place.product for place in places}
    for watcher, peer in sorted(mesh.links):
        if mesh.clusters[watcher].dialect.product != mesh.clusters[peer].dialect.product:
            yield f"{watcher} and {peer} are linked, and Istio and Solo Enterprise for Istio have no way to link them"
    if len(products) > 1 and settings.install == "helm":
        yield "clusters of two products cannot be installed with one --istio-version: use istioctl, one for each"


def install(places: Sequence[Place], settings: Settings) -> Iterator[Step]:
    """The Gateway API's definitions and Istio, on each cluster."""
    for place in places:
        yield _definitions(place)
        yield _istio(place, settings)


def versions(places: Sequence[Place], settings: Settings) -> Iterator[Check]:
    """Each istioctl must be of its cluster's product and minor version."""
    for place in {p.program + str(p.cluster.dialect): p for p in reversed(places)}.values():
        if settings.install != "istioctl" and not place.solo:
            continue
        minor = f"1.{place.cluster.dialect.minor}"
        wanted = f"*{minor}.*solo*" if place.solo else f"*{minor}.*"
        product = "Solo Enterprise for Istio" if place.solo else "Istio"
        if settings.install == "istioctl":
            yield Check(
                words=(place.program, "version", "--remote=false"),
                wanted=wanted,
                complaint=f"{place.program} is not the istioctl of {product} {minor}, which {place.name} runs by the "
                f"scenario: name yours with --istioctl {place.name}=PATH, or change `dialect:`",
            )


def _definitions(place: Place) -> Step:
    version = GATEWAY_API[place.cluster.dialect.minor]
    url = f"https://github.com/kubernetes-sigs/gateway-api/releases/download/{version}/experimental-install.yaml"
    return Step(
        name=f"gateway-api-{place.kind}",
        title=f"{place.name}: Gateway API {version}",
        commands=(Run(words=place.kubectl("apply", "--server-side", "-f", url), retry=60),),
    )


def _istio(place: Place, settings: Settings) -> Step:
    product = "Solo Enterprise for Istio" if place.solo else "Istio"
    commands = _by_helm(place, settings) if settings.install == "helm" else _by_istioctl(place, settings)
    name = f"{place.kind}/licence.yaml"
    secret = Secret(name=name, text=_licence(settings), env=settings.licence)
    whole = (secret, *commands, Remove(names=(name,))) if place.solo else commands
    return Step(
        name=f"istio-{place.kind}",
        title=f"{place.name}: {product} 1.{place.cluster.dialect.minor}, ambient",
        commands=(
            *whole,
            *(
                Run(words=place.kubectl("rollout", "status", what, "-n", SYSTEM_NAMESPACE, "--timeout=300s"), limit=320)
                for what in ("deployment/istiod", "daemonset/ztunnel", "daemonset/istio-cni-node")
            ),
        ),
        why=("The licence is in a file only while it is needed.",) if place.solo else (),
    )


def _licence(settings: Settings) -> str:
    """The file's text up to the licence itself."""
    if settings.install == "helm":
        return "license:\n  value: "
    return "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  values:\n    license:\n      value: "


def _by_istioctl(place: Place, settings: Settings) -> tuple[Write | Run, ...]:
    file = place.file("istio.yaml")
    licence = ("-f", work(f"{place.kind}/licence.yaml")) if place.solo else ()
    words = place.istioctl("install", "--skip-confirmation", "-f", work(file), *licence)
    return Write(name=file, text=yaml_text([_operator(place, settings)])), Run(words=words, limit=900)


def _operator(place: Place, settings: Settings) -> dict[str, Any]:
    env = [{"name": key, "value": value} for key, value in _env(place).items()]
    components: dict[str, Any] = {"pilot": {"k8s": {"env": env}}} if env else {}
    if needs_classic_ingress(place):
        components["ingressGateways"] = [{"name": "istio-ingressgateway", "enabled": True}]
    values: dict[str, Any] = {"global": _global(place, settings)}
    ztunnel = _ztunnel(place)
    if ztunnel:
        values["ztunnel"] = ztunnel
    if place.solo:
        values["platforms"] = {"peering": {"enabled": True}}
    spec: dict[str, Any] = {"profile": "ambient"}
    mesh = mesh_config(place)
    if mesh:
        spec["meshConfig"] = mesh
    if components:
        spec["components"] = components
    return {"apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator", "spec": {**spec, "values": values}}


def _global(place: Place, settings: Settings) -> dict[str, Any]:
    hub = settings.hub or (SOLO_HUB if place.solo else "")
    return {
        **({"hub": hub} if hub else {}),
        **({"tag": settings.tag} if settings.tag else {}),
        "meshID": "mesh1",
        "multiCluster": {"clusterName": place.name},
        "network": place.cluster.network.value,
    }


def _env(place: Place) -> dict[str, str]:
    """Istiod's environment: what the scenario and its manifests say, over what Solo's peering needs."""
    own = {key: setting.value for key, setting in place.cluster.istiod.items()}
    return dict(sorted({**(SOLO_ENV if place.solo else {}), **own}.items()))


def _ztunnel(place: Place) -> dict[str, Any]:
    env = {key: value for key, value in sorted(place.ztunnel.items()) if key != "NETWORK"}
    own: dict[str, Any] = {"env": env} if env else {}
    if place.cluster.ztunnel_network.value != place.cluster.network.value:
        own["network"] = place.cluster.ztunnel_network.value
    return own


def mesh_config(place: Place) -> dict[str, Any]:
    """The mesh configuration among the manifests (ConfigMap istio), as istiod's installation takes it."""
    config = place.cluster.get("ConfigMap", SYSTEM_NAMESPACE, "istio")
    text = config.get("data", "mesh") if config is not None else None
    try:
        found = yaml.safe_load(text) if isinstance(text, str) else None
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def needs_classic_ingress(place: Place) -> bool:
    """Whether an Istio Gateway selects the classic ingress gateway, and no manifest has one."""
    selecting = any(m.get("spec", "selector", "istio") == "ingressgateway" for m in place.cluster.of(ISTIO_GATEWAY))
    there = any(
        m.get("spec", "template", "metadata", "labels", "istio") == "ingressgateway"
        for m in place.cluster.of("Deployment")
    )
    return selecting and not there


def _by_helm(place: Place, settings: Settings) -> Iterator[Write | Run]:
    cluster = place.cluster.network.value
    shared = {"profile": "ambient", "global": _global(place, settings)}
    istiod = {**shared, **({"env": _env(place)} if _env(place) else {})}
    mesh = mesh_config(place)
    istiod |= {"meshConfig": mesh} if mesh else {}
    istiod |= {"platforms": {"peering": {"enabled": True}}} if place.solo else {}
    charts = {
        "base": ("istio-base", {"defaultRevision": "default"}),
        "istiod": ("istiod", istiod),
        "cni": ("istio-cni", {**shared, "ambient": {"dnsCapture": True}}),
        "ztunnel": (
            "ztunnel",
            {**shared, "multiCluster": {"clusterName": place.name}, "network": cluster, **_ztunnel(place)},
        ),
    }
    if needs_classic_ingress(place):
        charts["gateway"] = ("istio-ingressgateway", {})
    for chart, (release, values) in charts.items():
        file = place.file(f"helm-{chart}.yaml")
        yield Write(name=file, text=yaml_text([values]))
        where = (f"{SOLO_CHARTS}/{chart}",) if place.solo else (chart, "--repo", CHARTS)
        licence = ("-f", work(f"{place.kind}/licence.yaml")) if place.solo and chart == "istiod" else ()
        words = ("upgrade", "--install", release, *where, "--version", settings.istio_version, "-n", SYSTEM_NAMESPACE)
        yield Run(
            words=place.helm(*words, "-f", work(file), *licence, "--wait", "--timeout", "300s"), limit=320, retry=60
        )


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
