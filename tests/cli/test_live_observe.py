"""`meshsim live observe` with a real kubectl and a real curl, against an API server of our own on the loopback."""

import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from programs import kubectl_minor

from meshsim.cli.app import main
from tests.live.api_server import serving
from tests.live.exec_server import ExecServer
from tests.live.observed import OBJECTS, answering

SCENARIO = Path(__file__).parents[2] / "scenarios" / "client-local-waypoint"
KINDS = {
    "rollouts.argoproj.io": ("argoproj.io/v1alpha1", "Rollout"),
    "pods": ("v1", "Pod"),
    "deployments.apps": ("apps/v1", "Deployment"),
}


def served(context: str) -> list[dict[str, Any]]:
    """The objects of a context as its API server has them."""
    found = []
    for key, value in OBJECTS.items():
        place, resource, _ = key.split(" ")
        if place == context:
            version, kind = KINDS[resource]
            items = value.get("items", [value])
            found += [{"apiVersion": version, "kind": kind, **item} for item in items]
    return found


@pytest.mark.skipif(
    not (shutil.which("curl") and kubectl_minor() >= 31),
    reason="needs curl, and kubectl 1.31, which speaks WebSocket in exec",
)
def test_a_real_kubectl_runs_a_real_curl_in_the_clients_pods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with answering() as port, ExitStack() as stack:
        servers = {f"kind-{name}": ExecServer(served(f"kind-{name}"), port) for name in ("cluster1", "cluster2")}
        files = [stack.enter_context(serving(server, tmp_path, name)) for name, server in servers.items()]
        monkeypatch.setenv("KUBECONFIG", ":".join(map(str, files)))
        contexts = ["--context", "cluster1=kind-cluster1", "--context", "cluster2=kind-cluster2"]
        out = tmp_path / "observations.json"
        code = main(["live", "observe", str(SCENARIO), *contexts, "--requests", "40", "-o", str(out)])
        assert (code, capsys.readouterr().err.count("40 requests")) == (0, 2)
        compared = main(["live", "compare", str(out), str(SCENARIO)])
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [one["roles"] for one in found["observations"]] == [{"canary": 10, "stable": 30}] * 2
    assert found["versions"]["cluster1"]["kubernetes"] == "v1.32.0"
    assert compared == 0
    path, command = servers["kind-cluster2"].commands[0]
    assert path == "/api/v1/namespaces/shop/pods/recommender-6c5-c1/exec"
    assert (command[0], command[-1]) == ("curl", "http://catalog.shop.mesh.internal:8080/items#[1-20]")
    assert {method for server in servers.values() for method, path in server.asked if "/exec?" not in path} == {"GET"}
