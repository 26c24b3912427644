"""Known failures of Argo Rollouts as clients meet them: each names the public issue it comes from."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from meshsim.mesh import edits
from meshsim.model.evidence import Assumed
from meshsim.model.timeline import Timeline
from meshsim.scenario.scenario import Propagation
from meshsim.session import Session

NAME = "cluster1/default/helloworld"
CURL = "cluster2/default/curl"
MakeSession = Callable[..., Session]


def image(at: float, version: int, rollout: str = NAME) -> tuple[float, str, dict[str, Any]]:
    container = rollout.rpartition("/")[2]
    return at, "set-image", {"rollout": rollout, "container": container, "image": f"example.com/app:v{version}"}


def canary(session: Session, rollout: str = NAME, **fields: Any) -> Session:
    """The session with fields of the canary strategy."""
    cluster, namespace, name = rollout.split("/")
    patch = {"spec": {"strategy": {"canary": fields}}}
    return Session(
        session.scenario, edits.patched(session.mesh, f"{cluster}/Rollout/{namespace}/{name}", patch, Assumed("test"))
    )


def controller(session: Session, version: str) -> Session:
    clusters = [replace(cluster, argo=(version, "0.15")) for cluster in session.mesh.clusters.values()]
    return Session(session.scenario, session.mesh.fork(*clusters))


def errors(found: Timeline) -> list[tuple[float, float | None, Fraction]]:
    return [(w.start, w.end, w.share) for w in found.windows if w.kind == "error"]


@pytest.mark.parametrize("version", ["1.8", "1.9", "1.10"])
def test_superseded_subset_is_empty_while_routes_are_late(scenario: MakeSession, version: str) -> None:
    """argo-rollouts#4775, #4564: at 150 s the canary subset moves to v3, which has no pod; the weight of 50 is taken
    away in the same instant, and a waypoint that hears of it 2 s later answers 503 for that share."""
    late = Propagation(families={"routes": (2.0, 2.0)})
    session = controller(scenario("guide-virtualservice", [image(150.0, 3)], propagation=late), version)
    found = session.timeline(frm=CURL, until=159.0)
    assert errors(found) == [(150.0, 152.0, Fraction(1, 2))]


def test_superseded_pods_go_at_once_while_endpoints_are_late(scenario: MakeSession) -> None:
    """argo-rollouts#4534, #4390: v2 is scaled to 0 without a delay in the sync that sees v3 ready, at 150 + 10 s; its
    share of 50 % fails until the endpoints arrive, 3 s later."""
    late = Propagation(families={"endpoints": (3.0, 3.0)})
    entries = [image(60.0, 2), image(150.0, 3)]
    session = scenario("guide-gateway-api", entries, keep=False, propagation=late)
    session = canary(session, steps=[{"setWeight": 50}, {"pause": {}}])
    assert errors(session.timeline(frm=CURL, until=200.0)) == [(160.0, 163.0, Fraction(1, 2))]


def test_dynamic_stable_scale_leaves_no_pods_for_late_proxies(scenario: MakeSession) -> None:
    """argo-rollouts#3586, #3681: the old ReplicaSet goes right after the flip at 240 s, with no scale-down delay."""
    late = Propagation(families={"endpoints": (2.0, 2.0)})
    session = canary(scenario("guide-gateway-api", propagation=late), dynamicStableScale=True)
    windows = errors(session.timeline(frm=CURL))
    assert (240.0, 242.0, Fraction(1)) in windows


def test_a_bypass_sees_old_pods_for_the_scale_down_delay(scenario: MakeSession) -> None:
    """Nobody but the route knows revisions: after the promotion 4 old and 4 new pods are picked alike for 30 s."""
    base = scenario("no-waypoint-unmasked", keep=False)
    rollout = "/".join(next(iter(base.situation(0.0).rollouts)))
    state = next(iter(base.situation(0.0).deployed.states.values()))
    container = state.template["spec"]["containers"][0]["name"]
    entries = [
        (10.0, "set-image", {"rollout": rollout, "container": container, "image": "example.com/app:v2"}),
        (60.0, "promote", {"rollout": rollout, "full": True}),
    ]
    session = scenario("no-waypoint-unmasked", entries)
    row = next(row for _, rows in session.rows(75.0) for row in rows if row.verdict == "bypassed")
    assert row.effective is not None
    assert (row.effective.other, row.effective.stable) == (Fraction(1, 2), Fraction(1, 2))
    later = next(row for _, rows in session.rows(101.0) for row in rows if row.verdict == "bypassed")
    assert later.effective is not None
    assert later.effective.stable == 1


def test_controller_upgrade_keeps_the_old_hash_until_a_new_revision(scenario: MakeSession) -> None:
    """argo-rollouts#4696: an existing ReplicaSet is found by its template, only new ones get the new hash."""
    upgrade = (50.0, "set-version", {"cluster": "cluster1", "component": "argo", "version": "1.9"})
    session = controller(scenario("guide-gateway-api", [upgrade]), "1.8")
    hashes = [
        [found.hash for found in session.situation(at).deployed.states["cluster1", "default", "helloworld"].sets]
        for at in (40.0, 55.0, 70.0)
    ]
    assert hashes == [["57477d556b"], ["57477d556b"], ["57477d556b", "75d45d7fb7"]]


def test_abort_in_subset_mode_leaves_the_canary_subset_on_the_dead_hash(scenario: MakeSession) -> None:
    """argo-rollouts#1838: whoever still names the subset gets 503."""
    session = scenario("guide-virtualservice", [(150.0, "abort", {"rollout": NAME})])
    mesh = session.situation(230.0).mesh
    rule = mesh.clusters["cluster1"].of("DestinationRule")[0]
    labels = {part["name"]: part["labels"].get("rollouts-pod-template-hash") for part in rule.get("spec", "subsets")}
    assert labels["canary"] == "75d45d7fb7"
    row = next(row for _, rows in session.rows(230.0) for row in rows if row.frm == CURL)
    assert row.effective is not None
    assert (row.effective.stable, row.effective.error) == (1, 0)


def test_promote_before_the_pause_is_persisted_skips_a_step(scenario: MakeSession) -> None:
    """pkg/kubectl-argo-rollouts/cmd/promote: without a pause condition the step index is raised by one. The guide's
    second promote at 240 s then finds the last pause already behind it."""
    session = scenario("guide-gateway-api", [(125.0, "promote", {"rollout": NAME})])
    state = session.situation(125.0).deployed.states["cluster1", "default", "helloworld"]
    assert state.status["currentStepIndex"] == 2


def test_analysis_results_belong_to_their_revision(scenario: MakeSession) -> None:
    """A failed analysis aborts; after a retry it is run anew (rollout/analysis.go)."""
    steps = [{"setWeight": 50}, {"analysis": {"templates": [{"templateName": "checks"}]}}]
    entries = [
        image(10.0, 2),
        (30.0, "analysis-result", {"rollout": NAME, "template": "checks", "result": "failed"}),
        (50.0, "retry", {"rollout": NAME}),
        (80.0, "analysis-result", {"rollout": NAME, "step": 1, "result": "successful"}),
    ]
    session = canary(scenario("guide-gateway-api", entries, keep=False), steps=steps)
    states = [session.situation(at).deployed.states["cluster1", "default", "helloworld"] for at in (40.0, 79.0, 80.0)]
    assert [state.status["phase"] for state in states] == ["Degraded", "Progressing", "Healthy"]


def test_a_drifted_route_stays_wrong_until_the_resync(scenario: MakeSession) -> None:
    """rollouts-plugin-trafficrouter-gatewayapi#208: HTTPRoutes are not watched; VirtualServices are."""
    gateway = scenario("time-gitops-sync").timeline(frm=CURL, until=1000.0)
    skewed = [(s.start, s.end) for s in gateway.lanes[0].spans if "MS406" in s.row.reasons]
    assert skewed == [(200.0, 900.0)]
    bare = [{"name": name, "labels": {"app": "helloworld"}} for name in ("stable", "canary")]
    patch = {"object": "cluster1/DestinationRule/default/helloworld", "patch": {"spec": {"subsets": bare}}}
    repaired = scenario("guide-virtualservice", [(200.0, "patch", patch)]).situation(200.0).mesh.clusters["cluster1"]
    labels = repaired.of("DestinationRule")[0].get("spec", "subsets", 1, "labels")
    assert labels["rollouts-pod-template-hash"] == "75d45d7fb7"


def test_what_the_controller_wrote_before_it_failed_is_no_rewriting(scenario: MakeSession) -> None:
    """rollout/trafficrouting.go: no canary pod is available, so the weight goes to 0 first; the DestinationRule then
    waits for that pod (istio.go shouldDelay), the sync fails, and the status still records 50."""
    lost = (150.0, "fail", {"target": NAME, "pods": 1, "revision": "canary"})
    session = scenario("guide-virtualservice", [lost])
    row = next(row for _, rows in session.rows(155.0) for row in rows if row.frm == CURL)
    assert (row.verdict, row.reasons) == ("skewed", ("MS402",))
    assert row.desired == {"stable": Fraction(1, 2), "canary": Fraction(1, 2)}
    assert row.effective is not None
    assert (row.effective.stable, row.effective.canary) == (1, 0)


def test_a_plugin_without_a_namespace_writes_nothing_and_says_so(scenario: MakeSession) -> None:
    """gatewayapi#67, #123: before v0.11 an empty namespace finds no route. v1 keeps its 100, the promotion at 120 s
    brings v2 no pod; nothing that a client meets was written by the Rollout."""
    session = canary(
        scenario("guide-gateway-api"), trafficRouting={"plugins": {"argoproj-labs/gatewayAPI": {"namespace": None}}}
    )
    clusters = [replace(cluster, argo=("1.9", "0.10")) for cluster in session.mesh.clusters.values()]
    session = Session(session.scenario, session.mesh.fork(*clusters))
    row = next(row for row in session.verdicts(at=200) if row.frm == CURL)
    assert row.effective is not None
    assert (row.verdict.value, row.effective.stable, "MS404" in row.reasons) == ("bypassed", 1, True)
    assert any("not found" in note for note in row.notes)
    assert [one.row.verdict.value for one in session.explain(CURL, row.to, at=200)] == ["bypassed"]
