"""`meshsim live kind` with programs that remember what they are told: the player and the script it prints."""

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from meshsim.cli.app import main
from meshsim.live.commands import Ran, run
from tests.live import fake_machine

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "scenarios" / "istio-waypoint-in-the-rollouts-cluster"
PROGRAMS = ("docker", "kind", "kubectl", "istioctl", "openssl", "kubectl-argo-rollouts", "sleep")
STATUSES = ["Healthy step 2 pods 4/4", "Paused step 1 pods 5/5"]
"""4 replicas, the steps [setWeight 25, pause]: settled behind the last, then paused with ceil(4 * 25 / 100) more."""


class Machine:
    """A machine with the programs that are needed, and nothing on it yet."""

    def __init__(self, home: Path):
        self.home, self.bin = home, home / "bin"
        self.bin.mkdir(parents=True)
        for name in PROGRAMS:
            self.program(name)
        self.state = {"networks": [], "clusters": [], "place": 0, "statuses": STATUSES}

    def run(self, command: Sequence[str], *, timeout: float = 0) -> Ran:
        """A program of it, without a process of its own; all others are real."""
        program, *words = command
        if program not in PROGRAMS:
            return run(command, timeout=timeout)
        code, out, err = fake_machine.call(self.home, program, list(words))
        return Ran(code, out.encode(), err)

    def program(self, name: str) -> None:
        path = self.bin / name
        fake = ROOT / "tests" / "live" / "fake_machine.py"
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{fake}" {name} "$@"\n', encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def state(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.home / "state.json").read_text(encoding="utf-8"))
        return found

    @state.setter
    def state(self, value: dict[str, object]) -> None:
        (self.home / "state.json").write_text(json.dumps(value), encoding="utf-8")

    @property
    def log(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.home / "log").read_text(encoding="utf-8").splitlines()]

    def count(self, *words: str) -> int:
        """How often a call began with these words."""
        return sum(call[: len(words)] == list(words) for call in self.log)

    def breaks(self, text: str) -> None:
        (self.home / "broken").write_text(text, encoding="utf-8")

    def is_mended(self) -> None:
        (self.home / "broken").unlink()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path / "machine")
    monkeypatch.setenv("FAKE_MACHINE", str(made.home))
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("meshsim.live.commands.run", made.run)
    now, slept = time.monotonic, [0.0]
    monkeypatch.setattr("time.sleep", lambda seconds: slept.append(slept.pop() + seconds))
    monkeypatch.setattr("time.monotonic", lambda: now() + slept[0])
    monkeypatch.chdir(tmp_path)
    return made


def play(*options: str) -> int:
    return main(["live", "kind", str(SCENARIO), "--stand-in", "--prefix", "t", "--work", "work", *options])


def test_a_scenario_is_played_observed_compared_and_taken_away(machine: Machine, capsys: pytest.CaptureFixture[str]):
    assert play() == 0
    said = capsys.readouterr()
    assert "cluster2/shop/web" in said.out
    assert "applied 25%" in said.out
    assert "== kind cluster t-cluster1 for cluster1" in said.err
    assert machine.state["clusters"] == machine.state["networks"] == []
    found = json.loads(Path("work/observations-01.json").read_text(encoding="utf-8"))
    assert [(one["at"], one["roles"]) for one in found["observations"]] == [("step:1", {"canary": 25, "stable": 75})]


def test_nothing_but_its_own_clusters_is_touched(machine: Machine):
    play()
    kubeconfig = str(Path("work/kubeconfig").absolute())
    contexts = {"--context=kind-t-cluster1", "--context=kind-t-cluster2"}
    for program, *words in machine.log:
        if program == "kubectl" or (program == "istioctl" and words[0] != "version"):
            assert f"--kubeconfig={kubeconfig}" in words
            assert len(contexts & set(words)) == 1
        if program == "kind" and words[0] != "get":
            assert words[words.index("--name") + 1] in {"t-cluster1", "t-cluster2"}
            assert words[words.index("--kubeconfig") + 1] == kubeconfig
    assert not (Path(os.environ["HOME"]) / ".kube").exists()


def test_it_goes_on_where_it_stopped(machine: Machine, capsys: pytest.CaptureFixture[str]):
    machine.breaks("create-remote-secret")
    assert play() == 3
    said = capsys.readouterr().err
    assert "it does not work today" in said
    assert "goes on from here" in said
    assert machine.state["clusters"] == ["t-cluster1", "t-cluster2"]
    machine.is_mended()
    assert play() == 0
    assert machine.count("docker", "network", "create") == 1
    assert machine.count("kind", "create", "cluster") == 2
    assert machine.count("istioctl", "install") == 2
    assert machine.state["clusters"] == []


def test_a_cluster_that_was_begun_is_made_anew(machine: Machine):
    machine.breaks("create cluster --name t-cluster2")
    assert play() == 3
    machine.state = {**machine.state, "clusters": ["t-cluster1", "t-cluster2"]}  # half of it was there
    machine.is_mended()
    assert play("--keep") == 0
    assert machine.state["clusters"] == ["t-cluster1", "t-cluster2"]
    assert machine.count("kind", "delete", "cluster", "--name", "t-cluster2") == 1
    assert machine.count("kind", "delete", "cluster", "--name", "t-cluster1") == 0


def test_a_cluster_of_somebody_else_is_left_alone(machine: Machine, capsys: pytest.CaptureFixture[str]):
    machine.state = {**machine.state, "clusters": ["t-cluster1"]}
    assert play() == 3
    assert "there is a kind cluster t-cluster1 already" in capsys.readouterr().err
    assert play("--delete") == 0
    assert machine.state["clusters"] == ["t-cluster1"]
    assert machine.state["networks"] == []


def test_kept_clusters_go_with_delete(machine: Machine):
    assert play("--keep") == 0
    assert machine.state["clusters"] == ["t-cluster1", "t-cluster2"]
    assert main(["live", "kind", "--delete", "--work", "work"]) == 0  # whatever the scenario is by now
    assert machine.state["clusters"] == machine.state["networks"] == []
    assert play("--delete") == 3


def test_a_rollout_that_does_not_come_there_is_said(machine: Machine, capsys: pytest.CaptureFixture[str]):
    machine.state = {**machine.state, "statuses": [STATUSES[0], "Progressing step 0 pods 4/5"]}
    assert play("--wait", "10") == 3
    said = capsys.readouterr().err
    assert "wanted 'Paused step 1 *'" in said
    assert "it is 'Progressing step 0 pods 4/5'" in said


def test_another_scenario_does_not_go_on_from_this_one(machine: Machine, capsys: pytest.CaptureFixture[str]):
    assert play("--keep") == 0
    assert play("--keep", "--requests", "7") == 3
    assert "begun with another scenario, or with other options" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["kind", "istioctl"])
def test_programs_that_are_missing_are_named(
    machine: Machine, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (machine.bin / missing).unlink()
    monkeypatch.setenv("PATH", str(machine.bin))
    assert play() == 3
    assert f"not on this machine: {missing}\n" in capsys.readouterr().err


def test_the_wrong_istioctl_is_refused_before_anything_is_created(machine: Machine, capsys: pytest.CaptureFixture[str]):
    solo = ROOT / "scenarios" / "guide-gateway-api"
    os.environ["SOLO_LICENSE_KEY"] = "a-licence"
    try:
        assert main(["live", "kind", str(solo), "--work", "solo"]) == 3
    finally:
        del os.environ["SOLO_LICENSE_KEY"]
    assert "istioctl is not the istioctl of Solo Enterprise for Istio 1.30" in capsys.readouterr().err
    assert machine.state["networks"] == []


def test_solo_takes_a_licence(machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.delenv("SOLO_LICENSE_KEY", raising=False)
    assert main(["live", "kind", str(ROOT / "scenarios" / "guide-gateway-api")]) == 3
    assert "takes a licence, and the environment variable SOLO_LICENSE_KEY is not set" in capsys.readouterr().err


def test_images_that_nobody_can_pull_are_said(machine: Machine, capsys: pytest.CaptureFixture[str]):
    assert main(["live", "kind", str(SCENARIO)]) == 3
    said = capsys.readouterr().err
    assert "nobody can pull registry.example.com/shop/orders:2.4.0, registry.example.com/shop/web:1.9.2" in said
    assert "--stand-in" in said


def dry_run(capsys: pytest.CaptureFixture[str], scenario: Path, *options: str) -> str:
    assert main(["live", "kind", str(scenario), "--dry-run", *options]) == 0
    return capsys.readouterr().out


def test_the_script_and_the_player_run_the_same(machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    options = ("--stand-in", "--prefix", "t", "--work", "work")
    script = tmp_path / "kind.sh"
    script.write_text(dry_run(capsys, SCENARIO, *options), encoding="utf-8")
    assert play() == 0
    played = machine.log
    machine.state = {"networks": [], "clusters": [], "place": 0, "statuses": STATUSES}
    (machine.home / "log").unlink()
    shutil.rmtree("work")
    meshsim = machine.bin / "meshsim"
    meshsim.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m meshsim "$@"\n', encoding="utf-8")
    meshsim.chmod(0o755)
    ran = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False)
    assert (ran.returncode, "1 agrees with the model" in ran.stdout) == (0, True), ran.stderr
    assert [call for call in machine.log if call[0] != "sleep"] == unmarked(played, machine.log)
    assert machine.state["clusters"] == machine.state["networks"] == []


def unmarked(played: list[list[str]], ran: list[list[str]]) -> list[list[str]]:
    """The player's calls with the script's marks, which nobody could guess."""
    marks = iter([w for call in ran for w in call if w.startswith("\\n") and "%{http_code}" in w])
    return [[next(marks) if w.startswith("\\n") and "%{http_code}" in w else w for w in call] for call in played]


def test_the_script_goes_on_where_it_stopped(machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    script = tmp_path / "kind.sh"
    script.write_text(dry_run(capsys, SCENARIO, "--stand-in", "--work", "work"), encoding="utf-8")
    (machine.bin / "meshsim").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (machine.bin / "meshsim").chmod(0o755)
    machine.breaks("istioctl install")
    assert subprocess.run(["bash", str(script)], capture_output=True, check=False).returncode == 1
    machine.is_mended()
    ran = subprocess.run(
        ["bash", str(script)], capture_output=True, text=True, check=False, env={**os.environ, "KEEP": "1"}
    )
    assert ran.returncode == 1, ran.stderr  # what the comparison says, here a disagreement
    assert machine.count("kind", "create", "cluster") == 2
    assert machine.state["clusters"] == ["meshsim-cluster1", "meshsim-cluster2"]
    gone = subprocess.run(["bash", str(script), "delete"], capture_output=True, text=True, check=False)
    assert (gone.returncode, machine.state["clusters"], machine.state["networks"]) == (0, [], [])
