"""A week of rollouts of 100 services in 5 clusters: the clock's cost grows with control events, not with requests.

The anchor is what a simpy process costs per request, measured in the same run: a week at one request a second and
service would be 60 million of them. The ratios are the result, absolute times are not.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import simpy

from benchmarks.ratios import report
from meshsim.analysis.routings import Rows
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Mesh
from meshsim.model.evidence import Assumed, Source
from meshsim.rollouts.spec import HASH_LABEL
from meshsim.scenario.scenario import ClusterSpec, Entry, Scenario, Timing
from meshsim.session import Session
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


def test_a_week_of_rollouts_costs_as_much_as_a_few_requests_per_control_event(benchmark: Any) -> None:
    found = mesh(SERVICES)
    took, history = cost(lambda: record(found, entries(SERVICES, DAYS), Timing(), "auto", None))
    done = list(history.deployed().states.values())
    assert {state.status["phase"] for state in done} == {"Healthy"}
    assert {len({s.labels[HASH_LABEL] for s in state.sets if s.replicas}) for state in done} == {1}
    events = len(history.frames)
    what = f"a week of {SERVICES} services in {CLUSTERS} clusters, per control event ({events:,}) / a SimPy process"
    ratio = took / events / per_request()
    report(benchmark, "T17", what, ratio, f"≤ {PER_EVENT}", lambda: None)


def test_what_one_clients_timeline_costs_beside_the_clock(benchmark: Any) -> None:
    """Of all the services of the mesh, the rows of one: what the other ones do costs no compile and no resolving."""
    found = asked(SERVICES, days=1)
    scenario = found.scenario
    clock, history = cost(lambda: record(found.mesh, scenario.timeline, scenario.timing, "auto", None))
    took, _ = cost(lambda: found.timeline(to="s7.default.svc.cluster.local"))
    what = f"the timeline of a call in a mesh of {SERVICES} services / its clock alone"
    report(benchmark, "T18", what, took / clock, "≤ 4", lambda: None)
    rows = Rows(found, history, None, "s7.default.svc.cluster.local")
    for index in range(len(history.frames)):
        rows.at(index)
    assert 0 < rows.resolved <= len([frame for frame in history.frames if "/s7" in frame.subject]) + 1


def test_cost_grows_with_control_events() -> None:
    """Counts, which have no noise: twice the rollouts are twice the events and twice the calls resolved, at most."""

    def counted(days: int) -> tuple[int, int]:
        found = asked(10, days=days)
        history = record(found.mesh, found.scenario.timeline, found.scenario.timing, "auto", None)
        rows = Rows(found, history, None, None)
        for index in range(len(history.frames)):
            rows.at(index)
        return len(history.frames), rows.resolved

    (events, resolved), (more_events, more_resolved) = counted(1), counted(2)
    assert more_events - 1 <= 2 * (events - 1)
    assert more_resolved <= 2 * resolved


def asked(services: int, days: int) -> Session:
    """A session on the services, with a client beside each cluster's."""
    made = mesh(services)
    client = {
        "metadata": {"labels": {"app": "client"}},
        "spec": {"containers": [{"name": "client", "image": "client"}]},
    }
    metadata = {"name": "client", "namespace": "default"}
    doc = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": client}}
    one = Manifest.made("apps/v1", "Deployment", "default", "client", doc, Assumed("benchmark"))
    made = made.fork(*(cluster.with_objects([one]) for cluster in made.clusters.values()))
    timeline = tuple(entries(services, days))
    return Session(Scenario(name="week", clusters={}, timeline=timeline), made)
