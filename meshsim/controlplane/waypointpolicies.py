"""The ALLOW policies that istiod makes for waypoints where PILOT_AUTO_ALLOW_WAYPOINT_POLICY is on: a pod behind a
waypoint takes connections from that waypoint alone, unless another policy allows more
(istio pilot/pkg/serviceregistry/ambient/workloads.go `implicitWaypointPolicies`)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from meshsim.controlplane.binding import Binding
from meshsim.controlplane.known import KnownService
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import Pod
from meshsim.model.facts import Fact, Facts
from meshsim.tables.policy import Policy, Rule, Source

FLAG: Final = "PILOT_AUTO_ALLOW_WAYPOINT_POLICY"
SOURCE: Final = "istio pilot/pkg/features/ambient.go"
Bound = tuple[str, Mapping[str, str], Binding]


def implicit_policies(
    here: Cluster,
    services: Iterable[KnownService],
    pods: Iterable[tuple[Pod, Binding]],
    principal: Callable[[str], str],
) -> Iterator[Policy]:
    """The implicit policies of a cluster; none by default. `principal` says who the proxy of a decision point is.

    A service's waypoint counts for every pod that the service selects, a pod's own for the pod.
    """
    facts = Facts()
    if not here.flag(facts, FLAG, "false", SOURCE):
        return
    seen: set[tuple[str, frozenset[tuple[str, str]], str]] = set()
    for namespace, labels, binding in (*_of_services(services), *_of_pods(pods)):
        for gateway in (binding.gateway, binding.canary.gateway if binding.canary is not None else None):
            if gateway is None:
                continue
            waypoint = f"{gateway.namespace}/{gateway.name}"
            key = (namespace, frozenset(labels.items()), waypoint)
            if key not in seen:
                seen.add(key)
                who = principal(f"waypoint:{here.name}/{waypoint}")
                yield _policy(waypoint, namespace, labels, who, (*facts.read(), *binding.facts))


def _policy(waypoint: str, namespace: str, labels: Mapping[str, str], who: str, why: tuple[Fact, ...]) -> Policy:
    return Policy(
        name=f"the implicit policy of waypoint {waypoint}",
        namespace=namespace,
        selector=dict(labels),
        rules=(Rule(sources=(Source(principals=(who,)),)),),
        why=why,
    )


def _of_services(services: Iterable[KnownService]) -> Iterator[Bound]:
    for service in services:
        selector = service.service.get("spec", "selector") if service.service is not None else None
        if isinstance(selector, dict) and selector:
            yield service.namespace, {str(key): str(value) for key, value in selector.items()}, service.binding


def _of_pods(pods: Iterable[tuple[Pod, Binding]]) -> Iterator[Bound]:
    for pod, binding in pods:
        if pod.labels:
            yield pod.namespace, pod.labels, binding
