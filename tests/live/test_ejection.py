"""Outlier detection and what it does to failover: the cap counts all hosts of a cluster, whatever their priority."""

from fractions import Fraction

import pytest
from live.one_gateway import GATEWAY, cluster, gateway_phase, hosts, split

from meshsim.dataplane.priority import priority_load
from meshsim.live.agree import compare
from meshsim.live.check import compiled
from meshsim.live.lab.lab import Lab

pytestmark = pytest.mark.usefixtures("envoy")
BROKEN = 5


def ejected(percent: int, near: int = 10, far: int = 10) -> tuple[int, dict[str, int]]:
    """Five of the near hosts always answer 503. How many are out, and then the answers (by level) and failures."""
    endpoints = (*hosts("near", near), *hosts("far", far, priority=1))
    phase = gateway_phase("ejection", split(app=1), (cluster("app", endpoints),))
    with Lab() as lab:
        moment = compiled(lab, phase)
        moment.processes[GATEWAY].clusters["app"]["outlier_detection"] = {
            "consecutive_5xx": 3,
            "interval": "0.05s",
            "base_ejection_time": "60s",
            "max_ejection_percent": percent,
            "enforcing_success_rate": 0,
        }
        lab.show(moment)
        for number in range(BROKEN):
            lab.break_pod(f"near-{number}", 100)

        def send(requests: int) -> dict[str, int]:
            found = lab.measure(moment.doors[0], authority="app", requests=requests, per_connection=50)
            levels = {"near-x": 0, "far-x": 0, "failed-x": sum(found.failures.values())}
            for pod, count in found.pods.items():
                levels[f"{pod.partition('-')[0]}-x"] += count
            return levels

        send(400)  # what detection costs
        out = lab.counters(GATEWAY, r"^cluster\.app\.outlier_detection\.ejections_active$")
        return sum(out.values()), send(600)


def test_all_broken_hosts_out_leaves_failover_to_the_healthy_share():
    out, answers = ejected(100)
    near, far = priority_load([(10 - BROKEN, 10), (10, 10)]).shares
    assert out == BROKEN
    assert compare(answers, {"near-x": near, "far-x": far}).holds, answers


def test_the_default_cap_counts_all_hosts_and_prevents_failover():
    # 10 % of 20 hosts: two are out, 8 of 10 are healthy, nothing spills over, and 3 of the 8 fail
    out, answers = ejected(10)
    assert out == 2
    assert priority_load([(8, 10), (10, 10)]).percents == (100, 0)
    assert compare(answers, {"near-x": Fraction(5, 8), "failed-x": Fraction(3, 8)}).holds, answers
