"""Istio in ambient mode on each cluster, by the user's istioctl or helm.

Upstream: istio.io, ambient/install/multicluster; Solo Enterprise for Istio: its public install and peering pages
(labs 002, 003 and 006 of its workshop for ambient multicluster). Versions are the programs' own: meshsim has none.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from meshsim.controlplane.components import ISTIO_GATEWAY
from meshsim.live.kind.clusters import yaml_text
from meshsim.live.kind.places import Place, Settings
from meshsim.live.kind.steps import Check, Remove, Run, Secret, Step, Write, work
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
