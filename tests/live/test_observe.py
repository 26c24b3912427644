"""Calls from client pods: what kubectl is asked, what is counted, and what is said where something is missing."""

import json
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from meshsim.analysis.calls import Call
from meshsim.cli.app import main
from meshsim.live.commands import Ran
from meshsim.live.observe import Settings, Through, commands, observe
from meshsim.live.reading import Wanted
from meshsim.live.recording import SCHEMA, Recording, plain, text
from meshsim.session import Session
from tests.live.observed import CANARY, OBJECTS, ROLLOUT, STABLE, STATUS, answering, server_pod

SCENARIOS = Path(__file__).parents[2] / "scenarios"
CLUSTERS = {name: Wanted(name=name, context=f"kind-{name}") for name in ("cluster1", "cluster2")}


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


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            'Error from server (Forbidden): pods is forbidden: User "ann@example.com" cannot create',
            "Error from server (Forbidden): pods is forbidden: this user cannot create",
        ),
        (
            "Unable to connect to the server: dial tcp 192.0.2.7:6443: i/o timeout",
            "Unable to connect to the server: dial tcp the server: i/o timeout",
        ),
        ('Get "https://k8s.example.com/api?timeout=32s": no such host', 'Get "the server": no such host'),
    ],
)
def test_who_asked_and_where_stay_out_of_the_file(calls: list[Call], said: str, kept: str):
    why = observed(calls[:1], Kubectl(OBJECTS, lambda n: Ran(1, b"", f"{said}\n"))).observations[0].not_sent
    assert why.removeprefix("forbidden: ") == kept


def test_a_cluster_without_a_context_and_a_gateway_are_not_called_from(scenario: Callable[[str], Session]):
    session = scenario("guide-gateway-api")
    calls = session.calls_in(session.situation(0.0))
    found = observe(calls, [], {"cluster2": CLUSTERS["cluster2"]}, Kubectl({}), mark=lambda: "MARK").observations
    assert found[0].not_sent == "no context is given for cluster1"
    assert "has no ready pod" in found[1].not_sent or "cannot be listed" in found[1].not_sent
    assert "ingress gateway is no pod" in found[2].not_sent


def test_a_pod_of_the_model_has_no_address_to_call(scenario: Callable[[str], Session]):
    session = scenario("flat-pod-ip")
    probed = session.situation(session.moments(None)[0][0])
    calls = [call for call in session.calls_in(probed) if call.to.startswith("pod:")]
    found = observe(calls, [], CLUSTERS, Kubectl({}), mark=lambda: "MARK").observations
    assert found
    assert all("names a pod of the model" in one.not_sent for one in found)


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


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A `kubectl` on PATH that runs the real curl against a server here; the file of its calls."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    with answering() as port:
        program = tmp_path / "bin" / "kubectl"
        program.parent.mkdir()
        script = Path(__file__).with_name("fake_kubectl.py").read_text(encoding="utf-8")
        program.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        log = tmp_path / "log"
        (tmp_path / "known.json").write_text(
            json.dumps({"get": OBJECTS, "port": port, "log": str(log)}), encoding="utf-8"
        )
        monkeypatch.setenv("FAKE_KUBECTL", str(tmp_path / "known.json"))
        monkeypatch.setenv("PATH", f"{program.parent}:{Path(shutil.which('curl') or '').parent}")
        yield log


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


@pytest.mark.parametrize("name", sorted(path.parent.name for path in SCENARIO.parents[1].glob("*/scenario.yaml")))
def test_every_shipped_scenario_has_calls_that_can_be_listed(
    name: str, scenario: Callable[[str], Session], capsys: pytest.CaptureFixture[str]
):
    contexts = [word for cluster in scenario(name).mesh.clusters for word in ("--context", cluster)]
    assert main(["live", "observe", str(SCENARIO.parents[1] / name), *contexts, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("kubectl --context=cluster") for line in lines)


def test_an_expression_without_a_name_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["live", "observe", str(SCENARIO), *CONTEXTS, "--identify", "(.*)"]) == 2
    assert "no group" in capsys.readouterr().err


def test_a_client_of_ones_own_stands_for_those_of_a_gateway(scenario: Callable[[str], Session]):
    session = scenario("guide-gateway-api")
    (call,) = [c for c in session.calls_in(session.situation(0.0)) if c.caller.name.startswith("ingress:")]
    client = {
        "metadata": {
            "name": "curl-1",
            "namespace": "tools",
            "ownerReferences": [{"kind": "StatefulSet", "name": "curl"}],
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    kubectl = Kubectl({"kind-cluster1 pods tools": {"items": [client]}})
    through = {call.caller.name: Through(client="cluster1/tools/curl", address="203.0.113.9")}
    settings = Settings(requests=20, through=through)
    (found,) = observe([call], [], CLUSTERS, kubectl, settings, mark=lambda: "MARK").observations
    assert (found.frm, found.requests, found.note) == (call.caller.name, 20, "made from cluster1/tools/curl")
    (words,) = [called for called in kubectl.called if "exec" in called]
    assert words[words.index("--connect-to") + 1] == "::203.0.113.9:"
    assert words[-1] == "http://helloworld.istio:80/hello#[1-20]"
    assert "203.0.113.9" not in text(Recording(observations=(found,)))


@pytest.mark.parametrize(
    "given",
    ["ingress:c/n/g", "web=c/n/w@1.2.3.4", "ingress:c/n/g=c/w", "ingress:c/n/g=c/n/w@", "ingress:c/n/g=c/n/w@-x y"],
)
def test_a_stand_in_that_is_none_is_refused(given: str, capsys: pytest.CaptureFixture[str]):
    asked = ["live", "observe", str(SCENARIOS / "guide-gateway-api"), "--context", "cluster1", "--through", given]
    assert main([*asked, "--dry-run"]) == 2
    assert "--through" in capsys.readouterr().err
