"""Clients of gateways, and those outside every mesh: a pod of its own in each cluster that has such callers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from meshsim.analysis.calls import Call
from meshsim.controlplane.components import ISTIO_GATEWAY
from meshsim.controlplane.ingress_class import Ingress, ingress
from meshsim.live.kind import standin
from meshsim.live.kind.clusters import yaml_text
from meshsim.live.kind.istio import needs_classic_ingress
from meshsim.live.kind.places import Place
from meshsim.live.kind.steps import Command, Run, Step, Write, work
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE
from meshsim.model.facts import Facts

NAMESPACE: Final = "meshsim-outside"
CLIENT: Final = "curl"


def callers(calls: Iterable[Call], places: Mapping[str, Place]) -> Mapping[str, Place]:
    """The callers that are no pods and can be stood for, with their cluster."""
    found: dict[str, Place] = {}
    for call in calls:
        scheme, colon, rest = call.caller.name.partition(":")
        place = places.get(rest.split("/")[0])
        if colon and place is not None and (scheme == "external" or address(place, call.caller.name) is not None):
            found[call.caller.name] = place
    return found


def address(place: Place, caller: str) -> tuple[str, ...] | None:
    """The call that prints the address of an ingress gateway; None where nobody knows its Service."""
    parts = caller.partition(":")[2].split("/")
    namespace, name = parts[-2], parts[-1]
    stated = place.cluster.get("Gateway", namespace, name)
    if len(parts) == 3 and stated is not None:
        if ingress(place.cluster, stated, Facts()) is not Ingress.ISTIO:
            return None  # nobody installs its controller here
        kind, path = "gateways.gateway.networking.k8s.io", "jsonpath={.status.addresses[0].value}"
        return place.kubectl("get", kind, name, "-n", namespace, "-o", path)
    service = _service(place, place.cluster.get(ISTIO_GATEWAY, namespace, name))
    path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    return None if service is None else place.kubectl("get", "services", service[1], "-n", service[0], "-o", path)


def _service(place: Place, gateway: Manifest | None) -> tuple[str, str] | None:
    """Namespace and name of the load balancer before the pods that an Istio Gateway selects."""
    wanted = gateway.get("spec", "selector", default={}) if gateway is not None else {}
    if not wanted:
        return None
    for service in place.cluster.of("Service"):
        selector = service.get("spec", "selector", default={})
        if service.get("spec", "type") == "LoadBalancer" and wanted.items() <= selector.items():
            return service.namespace, service.name
    classic = needs_classic_ingress(place) and wanted == {"istio": "ingressgateway"}
    return (SYSTEM_NAMESPACE, "istio-ingressgateway") if classic else None


def steps(found: Mapping[str, Place]) -> Iterator[Step]:
    """A client in each cluster that needs one."""
    for place in _once(found.values()):
        file = place.file("outside.yaml")
        status = ("rollout", "status", f"deployments.apps/{CLIENT}", "-n", NAMESPACE, "--timeout=180s")
        yield Step(
            name=f"outside-{place.kind}",
            title=f"{place.name}: a client outside the mesh",
            commands=(
                Write(name=file, text=yaml_text(_client())),
                Run(words=place.kubectl("apply", "-f", work(file))),
                Run(words=place.kubectl(*status), limit=200),
            ),
            why=("It stands for whoever calls through an ingress gateway, or from outside.",),
        )


def _once(places: Iterable[Place]) -> Sequence[Place]:
    return list({place.kind: place for place in places}.values())


def asked(found: Mapping[str, Place]) -> tuple[list[Command], tuple[tuple[str, str, str], ...]]:
    """What finds the gateways' addresses, and who stands for each caller, as `Observe.through` has it."""
    commands: list[Command] = []
    through = []
    for number, (caller, place) in enumerate(found.items(), 1):
        words = address(place, caller) if caller.startswith("ingress:") else None
        if words is not None:
            commands.append(Run(words=words, var=f"GW{number}"))
        through.append((caller, f"{place.name}/{NAMESPACE}/{CLIENT}", f"GW{number}" if words is not None else ""))
    return commands, tuple(through)


def _client() -> list[dict[str, Any]]:
    labels = {"app": CLIENT}
    container = {"name": standin.CONTAINER, "image": standin.CLIENT, "command": ["sleep", "infinity"]}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"istio.io/dataplane-mode": "none"}},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": CLIENT, "namespace": NAMESPACE},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    ]
