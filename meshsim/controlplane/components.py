"""The mesh's own proxies: waypoints, east-west gateways and ingress gateways, with the pods that run them.

They exist and are healthy where the manifests show nothing of them; a Deployment or Pods in the manifests decide
otherwise.
"""

from collections.abc import Iterator
from typing import Final, final

from meshsim.controlplane.attachment import ready
from meshsim.controlplane.binding import GATEWAY_NAME, is_waypoint
from meshsim.controlplane.registry import Registry
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.health import with_faults
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Cluster
from meshsim.mesh.pods import Pod
from meshsim.model.evidence import Assumed, Evidence
from meshsim.model.facts import Facts
from meshsim.model.frozen import frozen

EASTWEST_CLASSES: Final = frozenset({"istio-eastwest", "istio-east-west"})
ISTIO_GATEWAY: Final = "Gateway.networking.istio.io"
COMPONENT_NAMESPACES: Final = frozenset(
    {SYSTEM_NAMESPACE, "istio-eastwest", "istio-gateways", "argo-rollouts", "kube-system"}
)


@final
@frozen
class Component:
    """One proxy deployment: its decision-point id, where it runs, and its ready pods' localities."""

    id: str
    cluster: str
    namespace: str
    name: str
    manifest: Manifest | None
    pods: tuple[Pod, ...]
    evidence: Evidence

    @property
    def ready_pods(self) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.pods if pod.ready)


def waypoints(registry: Registry, cluster: Cluster) -> Iterator[Component]:
    """The waypoints of a cluster that ever became ready."""
    for gateway in cluster.of("Gateway"):
        if is_waypoint(gateway) and ready(cluster, gateway, Facts()):
            yield component(registry, cluster, gateway, f"waypoint:{cluster.name}/{gateway.namespace}/{gateway.name}")


def component(registry: Registry, cluster: Cluster, gateway: Manifest, ident: str) -> Component:
    """A Gateway's deployment: its labelled pods, its Deployment by name, else one healthy pod."""
    names = {gateway.name, f"{gateway.name}-{gateway.get('spec', 'gatewayClassName', default='')}"}
    pods = tuple(
        pod
        for pod in registry.in_namespace(cluster.name, gateway.namespace)
        if (pod.labels.get(GATEWAY_NAME) == gateway.name or (pod.workload in names and pod.kind == "Deployment"))
    )
    shown = any(cluster.get("Deployment", gateway.namespace, name) is not None for name in names)
    if not pods and not shown:
        pods = (assumed_pod(cluster, gateway.namespace, gateway.name, gateway),)
    return Component(
        id=ident,
        cluster=cluster.name,
        namespace=gateway.namespace,
        name=gateway.name,
        manifest=gateway,
        pods=with_faults(registry.mesh.down, pods, ident),
        evidence=gateway.evidence(),
    )


def eastwest(registry: Registry, cluster: Cluster) -> Component:
    """The east-west gateway of a cluster; assumed where no manifest shows one."""
    ident = f"eastwest:{cluster.name}"
    for gateway in cluster.of("Gateway"):
        if gateway.get("spec", "gatewayClassName") in EASTWEST_CLASSES:
            return component(registry, cluster, gateway, ident)
    name = "istio-eastwest"
    return Component(
        id=ident,
        cluster=cluster.name,
        namespace=name,
        name=name,
        manifest=None,
        pods=with_faults(registry.mesh.down, (assumed_pod(cluster, name, name, None),), ident),
        evidence=Assumed(f"{cluster.name} has a healthy east-west gateway"),
    )


def assumed_pod(cluster: Cluster, namespace: str, name: str, owner: Manifest | None) -> Pod:
    """One healthy pod of a component that no manifest shows."""
    evidence = Assumed(f"{namespace}/{name} runs in {cluster.name} and is healthy")
    return Pod(
        cluster=cluster.name,
        namespace=namespace,
        name=f"{name}-0",
        workload=name,
        kind="Deployment",
        owner=owner or Manifest.made("apps/v1", "Deployment", namespace, name, {}, evidence),
        labels={GATEWAY_NAME: name},
        service_account=name,
        region=cluster.region,
        zone=cluster.zone,
        ready=True,
        evidence=evidence,
    )


def is_component(cluster: Cluster, pod: Pod) -> bool:
    """Whether a pod belongs to the mesh or to Argo rather than to a user."""
    if pod.namespace in COMPONENT_NAMESPACES or GATEWAY_NAME in pod.labels:
        return True
    if pod.labels.get("istio", "").endswith("gateway") or "rollouts-controller" in pod.workload:
        return True
    return cluster.get("Gateway", pod.namespace, pod.workload) is not None
