"""Calls from client pods: what kubectl is asked, what is counted, and what is said where something is missing."""

import json
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from meshsim.analysis.calls import Call
from meshsim.cli.app import main
from meshsim.live.commands import Ran
from meshsim.live.observe import Settings, commands, observe
from meshsim.live.reading import Wanted
from meshsim.live.recording import SCHEMA, Recording, plain, text
from meshsim.session import Session

CLUSTERS = {name: Wanted(name=name, context=f"kind-{name}") for name in ("cluster1", "cluster2")}
CANARY, STABLE = "74d4db7bbc", "9f8c6b2d4a"
ROLLOUT = "cluster1/shop/catalog"
STATUS = {
    "phase": "Paused",
    "currentStepIndex": 1,
    "stableRS": STABLE,
    "currentPodHash": CANARY,
    "canary": {"weights": {"canary": {"weight": 25}, "stable": {"weight": 75}}},
}


def pod(name: str, owner: str, digest: str, key: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {key: digest},
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{owner}-{digest}", "controller": True}],
        },
        "spec": {"containers": [{"name": owner, "image": f"registry/{owner}:1"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def server_pod(digest: str) -> dict[str, Any]:
    return pod(f"catalog-{digest}-aaaaa", "catalog", digest, "rollouts-pod-template-hash")


OBJECTS = {
    "kind-cluster1 rollouts.argoproj.io shop": {"status": STATUS},
    "kind-cluster1 pods shop": {
        "items": [server_pod(STABLE), server_pod(CANARY), pod("basket-7d9-b1", "basket", "7d9", "pod-template-hash")]
    },
    "kind-cluster2 pods shop": {"items": [pod("recommender-6c5-c1", "recommender", "6c5", "pod-template-hash")]},
    "kind-cluster1 deployments.apps istio-system": {
        "spec": {"template": {"spec": {"containers": [{"image": "registry/pilot:1.30.2"}]}}}
    },
}


class Kubectl:
    """Answers `get` from objects, and an exec with one revision's pod after the other."""

    def __init__(self, objects: Mapping[str, Any], answer: Callable[[int], str | Ran] | None = None):
        self.objects = objects
        self.answer = answer or (lambda n: STABLE if n % 4 else CANARY)
        self.called: list[list[str]] = []
        self.sent = 0

    def __call__(self, command: Sequence[str]) -> Ran:
        words = list(command)
        self.called.append(words)
        if "exec" in words:
            return self.exec(words)
        if "version" in words:
            return Ran(0, json.dumps({"clientVersion": {"gitVersion": "v1.32.1"}}).encode(), "")
        context, space = words[1].partition("=")[2], next((w[12:] for w in words if w.startswith("--namespace=")), "")
        found = self.objects.get(f"{context} {words[words.index('get') + 1]} {space}")
        if found is None:
            return Ran(1, b"", 'Error from server (Forbidden): nothing for User "me"\n')
        return Ran(0, json.dumps(found).encode(), "")

    def exec(self, words: list[str]) -> Ran:
        number = int(words[-1].rpartition("-")[2].rstrip("]"))
        kept = "Connection: close" not in words
        out = b""
        for n in range(number):
            said = self.answer(self.sent)
            if isinstance(said, Ran):
                return said
            self.sent += 1
            connected = int(not kept or n == 0)
            code = f"200 {connected} 0" if said else "503 1 0"
            body = f"instance: catalog-{said}-aaaaa" if said else "no healthy upstream"
            out += f"HTTP/1.1 200 OK\r\n\r\n{body}\nMARK {code}\n".encode()
        return Ran(0, out, "")


@pytest.fixture
def calls(scenario: Callable[[str], Session]) -> list[Call]:
    session = scenario("client-local-waypoint")
    return list(session.calls_in(session.situation(0.0)))


def observed(calls: Sequence[Call], kubectl: Kubectl, **settings: Any) -> Recording:
    return observe(calls, [ROLLOUT], CLUSTERS, kubectl, Settings(**settings), mark=lambda: "MARK")


def test_counts_are_by_role_pod_and_cluster(calls: list[Call]):
    found = observed(calls[:1], Kubectl(OBJECTS), requests=40).observations[0]
    assert (found.requests, found.connections) == (40, 40)
    assert found.counted["roles"] == {"canary": 10, "stable": 30}
    assert found.counted["pods"][f"cluster1/shop/catalog-{CANARY}-aaaaa"] == 10
    assert found.counted["clusters"] == {"cluster1": 40}
    assert (found.errors, found.unattributed, found.moved) == ({}, 0, ())


def test_kubectl_is_asked_to_get_and_to_exec_and_for_nothing_else(calls: list[Call]):
    kubectl = Kubectl(OBJECTS)
    observed(calls, kubectl)
    verbs = {next(word for word in words[1:] if not word.startswith("-")) for words in kubectl.called}
    assert verbs == {"get", "exec", "version"}


def test_what_runs_in_the_pod_is_one_curl_after_two_dashes_and_no_shell(calls: list[Call]):
    kubectl = Kubectl(OBJECTS)
    observed(calls[:1], kubectl)
    words = next(words for words in kubectl.called if "exec" in words)
    assert words[: words.index("--") + 2] == [
        "kubectl",
        "--context=kind-cluster2",
        "exec",
        "--namespace=shop",
        "recommender-6c5-c1",
        "--",
        "curl",
    ]


def test_errors_and_answers_of_nobody_are_counted_as_such(calls: list[Call]):
    found = observed(calls[:1], Kubectl(OBJECTS, lambda n: "" if n < 3 else "zzz"), requests=10).observations[0]
    assert found.errors == {"503": 3}
    assert found.unattributed == 7
    assert "roles" not in found.counted


def test_a_rollout_that_moved_meanwhile_is_said(calls: list[Call]):
    kubectl = Kubectl(dict(OBJECTS))

    def answer(n: int) -> str:
        kubectl.objects = {
            **OBJECTS,
            "kind-cluster1 rollouts.argoproj.io shop": {"status": {**STATUS, "currentStepIndex": 2}},
        }
        return STABLE

    kubectl.answer = answer
    found = observed(calls, kubectl, requests=5)
    assert "step 1" in found.observations[0].moved[0]
    assert "step 2" in found.observations[0].moved[0]
    assert found.observations[1].moved == ()
    assert not found.stable
    assert plain(found)["unstable"] is True


def test_a_pod_that_went_away_meanwhile_is_said(calls: list[Call]):
    kubectl = Kubectl(dict(OBJECTS))

    def answer(n: int) -> str:
        kubectl.objects = {**OBJECTS, "kind-cluster1 pods shop": {"items": [server_pod(STABLE)]}}
        return STABLE

    kubectl.answer = answer
    assert f"catalog-{CANARY}-aaaaa is gone" in observed(calls[:1], kubectl, requests=5).observations[0].moved[0]


def test_calls_that_cannot_be_made_say_why_and_the_others_are_made(calls: list[Call]):
    objects = {key: value for key, value in OBJECTS.items() if key != "kind-cluster2 pods shop"}
    first, second = observed(calls, Kubectl(objects), requests=5).observations
    assert "cannot be listed: forbidden" in first.not_sent
    assert second.requests == 5


def test_an_exec_that_is_forbidden_is_the_reason(calls: list[Call]):
    refused = Ran(1, b"", 'Error from server (Forbidden): pods "x" is forbidden: cannot create resource "pods/exec"\n')
    assert "pods/exec" in observed(calls[:1], Kubectl(OBJECTS, lambda n: refused)).observations[0].not_sent


def test_a_cluster_without_a_context_and_a_gateway_are_not_called_from(scenario: Callable[[str], Session]):
    session = scenario("guide-gateway-api")
    calls = session.calls_in(session.situation(0.0))
    found = observe(calls, [], {"cluster2": CLUSTERS["cluster2"]}, Kubectl({}), mark=lambda: "MARK").observations
    assert found[0].not_sent == "no context is given for cluster1"
    assert "has no ready pod" in found[1].not_sent or "cannot be listed" in found[1].not_sent
    assert "ingress gateway is no pod" in found[2].not_sent


def test_time_for_a_call_is_bounded(calls: list[Call]):
    ticks = iter(range(0, 10_000, 100))
    found = observe(
        calls[:1],
        [ROLLOUT],
        CLUSTERS,
        Kubectl(OBJECTS),
        Settings(requests=1000, limit=250),
        clock=lambda: float(next(ticks)),
        mark=lambda: "MARK",
    )
    assert found.observations[0].requests == 40


def test_the_same_answers_make_the_same_file(calls: list[Call]):
    first, second = (text(observed(calls, Kubectl(OBJECTS), requests=20)) for _ in range(2))
    assert first == second
    said = json.loads(first)
    assert said["schema"] == SCHEMA
    assert said["versions"]["cluster1"]["istiod"] == "registry/pilot:1.30.2"
    assert said["versions"]["cluster1"]["argo-rollouts"] == "unknown"
    assert said["rollouts"][ROLLOUT] == {
        "phase": "Paused",
        "step": 1,
        "weight": 25,
        "stable": STABLE,
        "canary": CANARY,
    }


def test_a_dry_run_lists_the_calls_and_makes_none(calls: list[Call]):
    listed = commands(calls, [ROLLOUT], CLUSTERS, Settings())
    assert [words[2] if "exec" in words else words[3] for words in listed] == ["get", "get", "get", "exec", "exec"]


class Answers(BaseHTTPRequestHandler):
    """Every fourth request is the canary's; a connection stays open until its client closes it."""

    protocol_version = "HTTP/1.1"
    count = 0

    def do_GET(self) -> None:
        digest = CANARY if Answers.count % 4 == 0 else STABLE
        Answers.count += 1
        body = f"Hello version: v1, instance: catalog-{digest}-aaaaa\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A `kubectl` on PATH that runs the real curl against a server here; the file of its calls."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    Answers.count = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        program = tmp_path / "bin" / "kubectl"
        program.parent.mkdir()
        script = Path(__file__).with_name("fake_kubectl.py").read_text(encoding="utf-8")
        program.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        log = tmp_path / "log"
        known = {"get": OBJECTS, "port": server.server_address[1], "log": str(log)}
        (tmp_path / "known.json").write_text(json.dumps(known), encoding="utf-8")
        monkeypatch.setenv("FAKE_KUBECTL", str(tmp_path / "known.json"))
        monkeypatch.setenv("PATH", f"{program.parent}:{Path(shutil.which('curl') or '').parent}")
        yield log
        server.shutdown()
        thread.join()


SCENARIO = Path(__file__).parents[2] / "scenarios" / "client-local-waypoint" / "scenario.yaml"
CONTEXTS = ["--context", "cluster1=kind-cluster1", "--context", "cluster2=kind-cluster2"]


def test_a_program_named_kubectl_and_a_real_curl_make_a_file(
    fake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "observations.json"
    assert main(["live", "observe", str(SCENARIO), *CONTEXTS, "--requests", "40", "-o", str(file)]) == 0
    first, second = json.loads(file.read_text(encoding="utf-8"))["observations"]
    assert (first["requests"], first["connections"], first["roles"]) == (40, 40, {"canary": 10, "stable": 30})
    assert second["from"] == "cluster1/shop/basket"
    assert "canary 10, stable 30 of 40" in capsys.readouterr().out


def test_keep_alive_is_one_connection_an_exec(fake: Path, tmp_path: Path):
    scenario = tmp_path / "scenario.yaml"
    manifests = str(SCENARIO.parent / "manifests")
    written = SCENARIO.read_text(encoding="utf-8").replace("- manifests/", f"- {manifests}/")
    scenario.write_text(
        written.replace("    path: /items\n  - from", "    path: /items\n    connection: keep-alive\n  - from", 1),
        encoding="utf-8",
    )
    file = tmp_path / "observations.json"
    main(["live", "observe", str(scenario), *CONTEXTS, "--requests", "40", "-o", str(file)])
    first = json.loads(file.read_text(encoding="utf-8"))["observations"][0]
    assert (first["connection"], first["requests"], first["connections"]) == ("keep-alive", 40, 2)
    assert first["mixed"] == 2
    assert first["first"]["roles"] == {"canary": 2}


def test_nothing_answers_where_nothing_listens(fake: Path, tmp_path: Path):
    known = json.loads((tmp_path / "known.json").read_text(encoding="utf-8"))
    (tmp_path / "known.json").write_text(json.dumps({**known, "port": 1}), encoding="utf-8")
    file = tmp_path / "observations.json"
    main(["live", "observe", str(SCENARIO), *CONTEXTS, "--requests", "4", "-o", str(file)])
    assert json.loads(file.read_text(encoding="utf-8"))["observations"][0]["errors"] == {"refused": 4}


def test_contexts_must_be_of_the_scenarios_clusters(capsys: pytest.CaptureFixture[str]):
    assert main(["live", "observe", str(SCENARIO), "--context", "cluster3=x"]) == 2
    assert "no cluster 'cluster3'" in capsys.readouterr().err


def test_an_expression_without_a_name_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["live", "observe", str(SCENARIO), *CONTEXTS, "--identify", "(.*)"]) == 2
    assert "no group" in capsys.readouterr().err
