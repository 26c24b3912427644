"""Ports that get in each other's way on one machine, or that a pod does not have: the lab keeps them apart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshsim.live.check import Compared, check
from meshsim.live.replay import phases
from meshsim.report.lab import text
from meshsim.session import load

pytestmark = pytest.mark.usefixtures("envoy")
AMBIENT = {"istio.io/dataplane-mode": "ambient"}
SIDECARS = {"istio-injection": "enabled"}


def named(kind: str, version: str, name: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels or {}, **({} if kind == "Namespace" else {"namespace": "odd"})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **({"spec": spec} if spec else {})}


def workload(name: str, replicas: int = 1) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "main", "image": "registry.example.com/odd:1", "ports": [{"containerPort": 9000}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return named("Deployment", "apps/v1", name, replicas=replicas, selector={"matchLabels": labels}, template=template)


def service(name: str, port: int, target: int | str, app: str = "server") -> dict[str, Any]:
    return named(
        "Service", "v1", name, selector={"app": app}, ports=[{"name": "http", "port": port, "targetPort": target}]
    )


def sent(folder: Path, mesh: dict[str, str], services: Iterator[dict[str, Any]]) -> dict[str, Compared]:
    """A client calls every service; each call agrees."""
    made = list(services)
    manifests = [named("Namespace", "v1", "odd", mesh), workload("client"), workload("server", 2), *made]
    calls = [{"from": "c1/odd/client", "to": f"{one['metadata']['name']}.odd.svc.cluster.local"} for one in made]
    scenario = {
        "apiVersion": "meshsim/v1",
        "kind": "Scenario",
        "name": "odd",
        "dialect": "istio/1.30",
        "clusters": {"c1": {"manifests": manifests}},
        "calls": calls,
    }
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    outcome = check(phases(load(folder)), requests=60)
    assert not outcome.disagreements, text(outcome)
    return {row.to.partition(".")[0]: row for row in outcome.compared}


@pytest.mark.parametrize("mesh", [AMBIENT, SIDECARS], ids=["ambient", "sidecars"])
def test_a_pod_may_use_any_port_also_the_tunnels_own(tmp_path: Path, mesh: dict[str, str]):
    ports = {"last": 65535, "tunnel": 15008, "keeper": 15999, "first": 1, "high": 60000}
    rows = sent(tmp_path, mesh, (service(name, port, port) for name, port in ports.items()))
    answered = {name: set(row.envoy) for name, row in rows.items()}
    assert answered == {name: {"c1/odd/server-0", "c1/odd/server-1"} for name in ports}


@pytest.mark.parametrize(
    ("mesh", "said"), [(AMBIENT, "closed at ztunnel:c1"), (SIDECARS, "503 UH at sidecar:c1/odd/client")]
)
def test_a_named_port_that_no_pod_has_leaves_no_endpoint(tmp_path: Path, mesh: dict[str, str], said: str):
    # ztunnel: istio ambient/workloads.go leaves the port out, ztunnel src/state.rs:375 the endpoint; a sidecar's
    # endpoints are those of the EndpointSlices
    rows = sent(tmp_path, mesh, iter([service("misnamed", 80, "web")]))
    assert [str(kind) for kind in rows["misnamed"].envoy] == [said]
