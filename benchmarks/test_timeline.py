"""A week of rollouts of 100 services in 5 clusters: the clock's cost grows with control events, not with requests.

The anchor is what a simpy process costs per request, measured in the same run: a week at one request a second and
service would be 60 million of them. The ratios are the result, absolute times are not.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import simpy

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Mesh
from meshsim.model.evidence import Assumed, Source
from meshsim.rollouts.spec import HASH_LABEL
from meshsim.scenario.scenario import ClusterSpec, Entry, Scenario, Timing
from meshsim.simulation.timeline import record

CLUSTERS, SERVICES, DAYS = 5, 100, 7
DAY = 86_400.0
REQUESTS = 20_000
PER_EVENT = 150
"""A control event may cost as much as this many requests of a process per request."""
WEIGHTS = ((20, "10m"), (50, "10m"))


def objects(name: str) -> list[dict[str, Any]]:
    """A service with its Rollout, its route and the two Services that it manages."""
    metadata = {"name": name, "namespace": "default"}
    ports = [{"name": "http", "port": 80}]
    selecting = {"selector": {"app": name}, "ports": ports}
    services = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {**metadata, "name": service}, "spec": selecting}
        for service in (name, f"{name}-stable", f"{name}-canary")
    ]
    split = (("stable", 100), ("canary", 0))
    refs = [{"name": f"{name}-{role}", "port": 80, "weight": weight} for role, weight in split]
    parents = [{"group": "", "kind": "Service", "name": name, "port": 80}]
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata,
        "spec": {"parentRefs": parents, "rules": [{"backendRefs": refs}]},
    }
    steps = [step for weight, pause in WEIGHTS for step in ({"setWeight": weight}, {"pause": {"duration": pause}})]
    canary = {
        "stableService": f"{name}-stable",
        "canaryService": f"{name}-canary",
        "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoutes": [{"name": name}]}}},
        "steps": steps,
    }
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": "app:0"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template, "strategy": {"canary": canary}}
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": metadata, "spec": spec}
    return [*services, route, rollout]


def mesh(services: int) -> Mesh:
    """The services, dealt out to the clusters in turn."""
    from meshsim.mesh.build import build_mesh

    evidence = Assumed("benchmark")
    clusters = {}
    for number in range(CLUSTERS):
        docs = [doc for index in range(number, services, CLUSTERS) for doc in objects(f"s{index}")]
        made = [Manifest.made(d["apiVersion"], d["kind"], "default", d["metadata"]["name"], d, evidence) for d in docs]
        clusters[f"c{number}"] = ClusterSpec(name=f"c{number}", manifests=tuple(made))
    return build_mesh(Scenario(name="week", clusters=clusters))


def entries(services: int, days: int) -> list[Entry]:
    """A new image for every service every day."""
    return [
        Entry(
            verb="set-image",
            args={"rollout": f"c{i % CLUSTERS}/default/s{i}", "container": f"s{i}", "image": f"app:{day + 1}"},
            at=day * DAY + i * 60.0,
            source=Source("benchmark"),
        )
        for day in range(days)
        for i in range(services)
    ]


def cost(action: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    found = action()
    return time.process_time() - began, found


def per_request() -> float:
    """CPU seconds of one request as a simpy process of its own."""

    def request(env: simpy.Environment) -> Any:
        yield env.timeout(0.005)

    def run() -> None:
        env = simpy.Environment()
        for _ in range(REQUESTS):
            env.process(request(env))
        env.run()

    return statistics.median(cost(run)[0] for _ in range(3)) / REQUESTS


def test_a_week_of_rollouts_costs_as_much_as_a_few_requests_per_control_event() -> None:
    found = mesh(SERVICES)
    took, history = cost(lambda: record(found, entries(SERVICES, DAYS), Timing(), "auto", None))
    done = list(history.deployed().states.values())
    assert {state.status["phase"] for state in done} == {"Healthy"}
    assert {len({s.labels[HASH_LABEL] for s in state.sets if s.replicas}) for state in done} == {1}
    events = len(history.frames)
    ratio = took / events / per_request()
    print(f"\na week of {SERVICES} services: {events} control events, {took:.1f} s CPU, {ratio:.0f} requests per event")
    assert ratio <= PER_EVENT


def test_cost_grows_with_control_events() -> None:
    """Twice the rollouts, about twice the cost: at most 2.6 times."""
    found = mesh(20)

    def took(days: int) -> float:
        return statistics.median(
            cost(lambda: record(found, entries(20, days), Timing(), "auto", None))[0] for _ in range(3)
        )

    one, two = took(2), took(4)
    print(f"\n4 days cost {two / one:.2f} times as much as 2")
    assert two / one <= 2.6
