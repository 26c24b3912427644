"""Linux grants a user 128 inotify instances, and each file that Envoy watches takes one: the lab lives with fewer."""

from pathlib import Path

import pytest
from live.one_gateway import GATEWAY, cluster, gateway_phase, hosts, split

from meshsim.live.check import check
from meshsim.live.lab import watches
from meshsim.live.lab.faults import LabMissing
from meshsim.live.lab.resources import Resources
from meshsim.report.lab import text


def resources(routes: int, hosts: int) -> Resources:
    return Resources(
        routes={f"r{n}": {"name": f"r{n}"} for n in range(routes)},
        endpoints={f"e{n}": {"cluster_name": f"e{n}"} for n in range(hosts)},
    )


def test_envoys_of_the_mesh_come_first_and_routes_before_hosts():
    processes = {"ztunnel:a": resources(0, 2), "waypoint:a/ns/w": resources(2, 2)}
    # two for each process, then the waypoint's routes, and one of its clusters
    assert watches.choose(processes, 7) == {
        ("waypoint:a/ns/w", "routes", "r0"),
        ("waypoint:a/ns/w", "routes", "r1"),
        ("waypoint:a/ns/w", "hosts", "e0"),
    }
    assert len(watches.choose(processes, 1000)) == 6


def test_too_few_for_the_processes_themselves_says_which_setting_to_raise():
    with pytest.raises(LabMissing, match=r"need 6 inotify instances.*left is 5\n.*max_user_instances") as missing:
        watches.choose(dict.fromkeys(("a", "b", "c"), resources(0, 0)), 5)
    assert missing.value.exit_code == 3


def test_what_is_free_is_the_limit_without_what_is_used(tmp_path: Path):
    limit = tmp_path / "limit"
    limit.write_text("128\n")
    descriptors = tmp_path / "proc" / "17" / "fd"
    descriptors.mkdir(parents=True)
    (descriptors / "3").symlink_to("anon_inode:inotify")
    (descriptors / "4").symlink_to("socket:[1]")
    assert watches.free(limit, tmp_path / "proc") == 127


@pytest.mark.usefixtures("envoy")
@pytest.mark.parametrize("room", [4, 5, 100])
def test_weights_and_hosts_move_live_however_few_files_are_watched(monkeypatch: pytest.MonkeyPatch, room: int):
    monkeypatch.setattr(watches, "free", lambda: room * watches.SHARE)
    clusters = (cluster("a", hosts("a", 2)), cluster("b", hosts("b", 3)))
    phases = [
        gateway_phase("90/10", split(a=90, b=10), clusters),
        gateway_phase("10/90", split(a=10, b=90), clusters),
        gateway_phase("no b", split(a=10, b=90), (clusters[0], cluster("b", ()))),
        gateway_phase("b again", split(a=0, b=1), (clusters[0], cluster("b", hosts("b", 1)))),
    ]
    outcome = check(phases, requests=150)
    assert not outcome.disagreements, text(outcome)
    assert outcome.processes == (GATEWAY, "pods")
