"""`meshsim snapshot` with a real kubectl, against an API server of our own on the loopback."""

import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from meshsim import session
from meshsim.cli.app import main
from meshsim.manifests.kinds import KINDS
from meshsim.mesh.mesh import Cluster
from tests.live.api_server import ApiServer, serving

SCENARIO = Path(__file__).parents[2] / "scenarios" / "canary-gateway-api"
NOISE = {"uid": "0b1c", "resourceVersion": "42", "managedFields": [{"manager": "kubectl"}]}


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubectl that knows no cluster but ours: no home, no kubeconfig."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on this machine: snapshots are tested with a fake one only")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", "/dev/null")


def served(cluster: Cluster) -> list[dict[str, Any]]:
    """A cluster's objects as an API server would return them."""
    found = []
    for key, manifest in cluster.objects.items():
        metadata: Mapping[str, Any] = manifest.data["metadata"]
        space = {"namespace": key.namespace} if KINDS[key.kind].namespaced else {}
        found.append({**manifest.data, "metadata": {**metadata, **space, **NOISE}})
    return found


def verdicts(path: Path) -> list[tuple[object, ...]]:
    answer = session.load(path).answer()
    return [
        (moment.at, row.frm, row.to, row.path, row.verdict, row.effective, row.decided_by)
        for moment in answer.moments
        for row in moment.rows
    ]


@pytest.mark.usefixtures("kubectl")
def test_a_snapshot_answers_as_the_manifests_it_was_taken_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    original = session.load(SCENARIO)
    servers = {name: ApiServer(served(cluster)) for name, cluster in original.mesh.clusters.items()}
    with ExitStack() as stack:
        files = [stack.enter_context(serving(server, tmp_path, name)) for name, server in servers.items()]
        monkeypatch.setenv("KUBECONFIG", ":".join(map(str, files)))
        contexts = [word for name in servers for word in ("--context", name)]
        assert main(["snapshot", *contexts, "-o", str(tmp_path / "snapshot")]) == 0
    text = (SCENARIO / "scenario.yaml").read_text()
    for name in servers:
        text = text.replace(f"- manifests/{name}/", f"- {name}/manifests/")
    copy = tmp_path / "snapshot" / "copy.yaml"
    copy.write_text(text)
    found = verdicts(copy)
    assert len(found) == 9
    assert found == verdicts(SCENARIO / "scenario.yaml")
    kept = "".join(path.read_text() for path in (tmp_path / "snapshot").rglob("*.yaml"))
    assert not any(noise in kept for noise in ("resourceVersion", "managedFields", "0b1c"))


@pytest.mark.usefixtures("kubectl")
def test_a_reader_without_all_rights_gets_the_rest_and_honest_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    server = ApiServer(served(session.load(SCENARIO).mesh.clusters["cluster1"]), forbidden=["httproutes"])
    where = str(tmp_path / "snapshot")
    with serving(server, tmp_path, "cluster1") as config:
        assert main(["snapshot", "--context", "cluster1", "--kubeconfig", str(config), "-o", where]) == 0
    said = capsys.readouterr().out
    assert "  not read: HTTPRoute: forbidden\n" in said
    assert "where you may read some namespaces only: --namespace NS" in said
    assert main(["run", where]) == 4
    assert "HTTPRoute was not read: forbidden" in capsys.readouterr().out
    assert {verb for verb, _ in server.asked} == {"GET"}
    assert [path for _, path in server.asked if "secrets" in path] == []


@pytest.mark.usefixtures("kubectl")
def test_a_context_that_is_not_there_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["snapshot", "--context", "nowhere", "-o", str(tmp_path / "snapshot")]) == 3
    said = capsys.readouterr().err
    assert said.startswith("error: context 'nowhere' cannot be read: ")
    assert not (tmp_path / "snapshot").exists()


def test_a_dry_run_prints_calls_and_makes_none(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    assert main(["snapshot", "--context", "east=my context", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "kubectl '--context=my context' --request-timeout=60s api-resources --verbs=list --no-headers"
    assert all(" get " in line and line.endswith("-o json") for line in lines[1:-3])
    assert lines[-3:] == [
        "istioctl ztunnel-config all -o json '--context=my context'",
        "istioctl proxy-config all POD.NAMESPACE -o json '--context=my context'",
        "istioctl proxy-config eds POD.NAMESPACE -o json '--context=my context'",
    ]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--context", "a"],
        ["--context", "..=a", "-o", "x"],
        ["--context", "a", "--context", "a", "-o", "x"],
        ["--context", "a", "-n", "../x", "-o", "x"],
        ["--context", "a", "--dialect", "solo/9", "-o", "x"],
    ],
)
def test_wrong_calls_exit_2_before_anything_is_called(words: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    assert main(["snapshot", *words]) == 2
