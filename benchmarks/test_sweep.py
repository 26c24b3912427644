"""T10: how many resolver runs answer all variants of 20 two-valued settings. Counts, which have no noise.

Two sets of settings: one in which 6 concern the call and 14 are labels and annotations that nothing reads, and one in
which 15 of 20 are read on the way to any answer, because the tables of what a call can meet are compiled whole.
"""

from pathlib import Path
from typing import Any

import pytest

import meshsim
from benchmarks.ratios import report
from meshsim.model.errors import UsageError

SCENARIO = Path(__file__).parents[1] / "scenarios" / "client-local-waypoint"
CAP = 2_000
CONCERN: dict[str, list[Any]] = {
    "label:cluster2/Namespace/shop:istio.io/use-waypoint": ["waypoint", None],
    "label:cluster1/Namespace/shop:istio.io/use-waypoint": ["waypoint", None],
    "label:cluster2/Namespace/shop:istio.io/dataplane-mode": ["ambient", None],
    "label:cluster1/Service/shop/catalog:solo.io/service-scope": ["global", None],
    "label:cluster1/Gateway/shop/waypoint:istio.io/waypoint-for": [None, "workload"],
    "annotation:cluster1/Service/shop/catalog:networking.istio.io/traffic-distribution": [None, "PreferNetwork"],
}
BESIDE = {f"label:cluster{1 + n % 2}/Namespace/shop:team-{n}": ["a", "b"] for n in range(7)} | {
    f"annotation:cluster1/Service/shop/catalog:owner-{n}": ["a", "b"] for n in range(7)
}
READ: dict[str, list[Any]] = CONCERN | {
    "label:cluster1/Namespace/shop:istio.io/dataplane-mode": ["ambient", None],
    "label:cluster1/Service/shop/catalog:istio.io/use-waypoint": [None, "none"],
    "label:cluster1/Service/shop/catalog-canary:solo.io/service-scope": [None, "global"],
    "label:cluster2/Gateway/shop/waypoint:istio.io/waypoint-for": [None, "workload"],
    "replicas:cluster1/Rollout/shop/catalog": [4, 8],
    "replicas:cluster1/Deployment/shop/basket": [1, 2],
    "replicas:cluster2/Deployment/shop/recommender": [1, 2],
    "field:cluster1/Service/shop/catalog:spec.ports.0.appProtocol": [None, "http"],
    "field:cluster1/Rollout/shop/catalog:spec.revisionHistoryLimit": [2, 5],
    "env:cluster1:ENABLE_PEERING_LABEL_PROPAGATION": [None, "app,rollouts-pod-template-hash"],
    "env:cluster2:PILOT_ENABLE_INGRESS_WAYPOINT_ROUTING": [None, "false"],
    "label:cluster2/Deployment/shop/recommender:team": ["a", "b"],
    "connection": ["new", "keep-alive"],
    "dialect": ["solo/1.30", "solo/1.29"],
}


def test_t10_where_few_settings_concern_the_call(benchmark: Any) -> None:
    vary = CONCERN | BESIDE
    found = meshsim.load(SCENARIO).sweep(vary, at="step:1", frm="recommender")
    assert found.variants == 2**20
    assert len(found.leaves) <= 1_000
    what = "resolver runs for 2^20 variants, 6 of the 20 settings concern the call"
    report(benchmark, "T10", what, str(len(found.leaves)), "<= 1,000", lambda: None)


def test_t10_where_most_settings_are_read(benchmark: Any) -> None:
    """The target is missed here, and the row says so."""
    from meshsim.analysis.sweep import sweep

    assert len(READ) == 20
    with pytest.raises(UsageError, match=f"more than {CAP:,} runs"):
        sweep(meshsim.load(SCENARIO), READ, at="step:1", frm="recommender", most_runs=CAP)
    what = "the same, 15 of the 20 settings are read by any run"
    report(benchmark, "T10", what, f"missed: more than {CAP:,}", "<= 1,000", lambda: None)
