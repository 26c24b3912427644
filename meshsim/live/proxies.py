"""Which pods of a cluster run proxies whose tables can be asked for: one pod for each waypoint, gateway and sidecar."""

from collections.abc import Iterable, Iterator, Mapping
from typing import final

from meshsim.controlplane.binding import is_waypoint
from meshsim.controlplane.compile import ControlPlane
from meshsim.controlplane.components import EASTWEST_CLASSES, ISTIO_GATEWAY
from meshsim.controlplane.ingress_class import Ingress, ingress
from meshsim.mesh.build import build_mesh
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import Pod, capture
from meshsim.model.facts import Facts
from meshsim.model.frozen import record
from meshsim.scenario.load import load


@final
@record
class ProxyPod:
    """A pod to ask, and the proxy it runs, as a scenario's `dumps` names it."""

    proxy: str
    namespace: str
    pod: str


def proxies(scenario: str) -> Mapping[str, tuple[ProxyPod, ...]]:
    """Cluster → the pods to ask, by the scenario's own manifests: pods that these show, ready ones first."""
    mesh = build_mesh(load(scenario))
    plane = ControlPlane(mesh)
    return {name: tuple(_in_cluster(plane, here)) for name, here in mesh.clusters.items()}


def _in_cluster(plane: ControlPlane, here: Cluster) -> Iterator[ProxyPod]:
    asked: set[str] = set()
    for gateway in here.of("Gateway", ISTIO_GATEWAY):
        if gateway.get("spec", "gatewayClassName") in EASTWEST_CLASSES:
            continue
        waypoint = gateway.kind == "Gateway" and is_waypoint(gateway)
        if not waypoint and ingress(here, gateway, Facts()) is not Ingress.ISTIO:
            continue  # no Envoy that istiod configures
        kind = f"{ISTIO_GATEWAY}~" if gateway.kind == ISTIO_GATEWAY else ""
        component = plane.gateway(f"gateway:{here.name}/{gateway.namespace}/{kind}{gateway.name}")
        pod = _best(component.pods if component is not None else ())
        if pod is not None:
            asked.add(pod.uid)
            name = f"{'waypoint' if waypoint else 'gateway'}:{gateway.namespace}/{gateway.name}"
            yield ProxyPod(name, pod.namespace, pod.name)
    for (namespace, workload), pods in sorted(plane.registry.workloads(here.name).items()):
        mine = [pod for pod in pods if pod.real and pod.uid not in asked and capture(here, pod, Facts()) == "sidecar"]
        pod = _best(mine)
        if pod is not None:
            yield ProxyPod(f"sidecar:{namespace}/{workload}", pod.namespace, pod.name)


def _best(pods: Iterable[Pod]) -> Pod | None:
    """The first ready pod that the manifests show, else the first."""
    shown = sorted((pod for pod in pods if pod.real), key=lambda pod: (not pod.ready, pod.name))
    return shown[0] if shown else None
