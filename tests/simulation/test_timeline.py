"""The guide's rollout in time, and what users, GitOps and faults do to it."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from meshsim.model.errors import InputError, UsageError
from meshsim.model.evidence import Source
from meshsim.model.timeline import Timeline
from meshsim.rollouts import shown
from meshsim.scenario.scenario import Entry, Expectation
from meshsim.session import Session
from meshsim.simulation.entries import sentence
from meshsim.simulation.timeline import record

R = ("cluster1", "default", "helloworld")
NAME = "cluster1/default/helloworld"
V2 = {"rollout": NAME, "container": "helloworld", "image": "docker.io/istio/examples-helloworld-v2:1.0"}
F, N = "f9558664b", "75d45d7fb7"
MakeSession = Callable[..., Session]
STEPS = [
    # at, step, SetWeight, ActualWeight, phase, stable Service, canary Service, route stable/canary
    ("60s#1", "3/3", "100", "100", "Progressing", F, F, (100, 0)),
    ("60s#2", "0/3", "0", "0", "Progressing", F, F, (100, 0)),
    ("60s#3", "0/3", "0", "0", "Paused", F, F, (100, 0)),
    ("120s#1", "0/3", "0", "0", "Progressing", F, F, (100, 0)),
    ("120s#2", "1/3", "50", "0", "Progressing", F, F, (100, 0)),
    ("120s#3", "1/3", "50", "0", "Progressing", F, F, (100, 0)),
    ("130s#1", "2/3", "50", "50", "Progressing", F, N, (50, 50)),
    ("130s#2", "2/3", "50", "50", "Paused", F, N, (50, 50)),
    ("240s#2", "3/3", "100", "100", "Progressing", F, N, (50, 50)),
    ("240s#3", "3/3", "100", "100", "Healthy", F, N, (0, 100)),
    ("240s#4", "3/3", "100", "100", "Healthy", N, N, (100, 0)),
    ("270s#1", "3/3", "100", "100", "Healthy", N, N, (100, 0)),
]
"""argo-rollouts rollout/canary.go, rollout/service.go and rollout/trafficrouting.go, traced sync by sync (1.10)."""


def upgraded(session: Session) -> Session:
    """The session with controller 1.10, where creating a ReplicaSet is a sync of its own."""
    clusters = [replace(cluster, argo=("1.10", "0.15")) for cluster in session.mesh.clusters.values()]
    return Session(session.scenario, session.mesh.fork(*clusters))


@pytest.mark.parametrize("row", STEPS, ids=lambda row: row[0])
def test_every_micro_step_of_the_guides_rollout(scenario: MakeSession, row: tuple[Any, ...]) -> None:
    at, step, set_weight, actual, phase, stable, canary, weights = row
    situation = upgraded(scenario("guide-gateway-api")).situation(at)
    state = situation.deployed.states[R]
    seen = shown(state)
    assert (seen.step, seen.set_weight, seen.actual_weight, seen.phase) == (step, set_weight, actual, phase)
    objects = situation.mesh.clusters["cluster1"]
    for service, wanted in (("helloworld-stable", stable), ("helloworld-canary", canary)):
        found = objects.get("Service", "default", service)
        assert found is not None
        assert found.get("spec", "selector", "rollouts-pod-template-hash") == wanted
    route = objects.get("HTTPRoute", "default", "helloworld-svc")
    assert route is not None
    refs = route.get("spec", "rules", 0, "backendRefs")
    assert tuple(ref["weight"] for ref in refs) == weights


SUBSET_STEPS = [
    # at, step, SetWeight, ActualWeight, phase, subset stable, subset canary, route stable/canary
    ("60s#1", "3/3", "100", "100", "Progressing", F, F, (100, 0)),
    ("60s#2", "0/3", "0", "0", "Progressing", F, F, (100, 0)),
    ("60s#3", "0/3", "0", "0", "Paused", F, N, (100, 0)),
    ("120s#1", "0/3", "0", "0", "Progressing", F, N, (100, 0)),
    ("120s#2", "1/3", "50", "0", "Progressing", F, N, (100, 0)),
    ("120s#3", "1/3", "50", "0", "Progressing", F, N, (100, 0)),
    ("120s#4", "1/3", "50", "0", "Progressing", F, N, (100, 0)),
    ("130s#1", "2/3", "50", "50", "Progressing", F, N, (50, 50)),
    ("130s#2", "2/3", "50", "50", "Paused", F, N, (50, 50)),
    ("240s#2", "3/3", "100", "100", "Progressing", F, N, (50, 50)),
    ("240s#3", "3/3", "100", "100", "Healthy", F, N, (0, 100)),
    ("240s#4", "3/3", "100", "100", "Healthy", N, N, (100, 0)),
    ("270s#1", "3/3", "100", "100", "Healthy", N, N, (100, 0)),
]
"""The same with subsets; 120s#4 is the sync that fails because the canary's pod is not there yet."""


@pytest.mark.parametrize("row", SUBSET_STEPS, ids=lambda row: row[0])
def test_every_micro_step_with_subsets(scenario: MakeSession, row: tuple[Any, ...]) -> None:
    at, step, set_weight, actual, phase, stable, canary, weights = row
    situation = upgraded(scenario("guide-virtualservice")).situation(at)
    state = situation.deployed.states[R]
    seen = shown(state)
    assert (seen.step, seen.set_weight, seen.actual_weight, seen.phase) == (step, set_weight, actual, phase)
    assert (state.error is not None) is (at == "120s#4")
    objects = situation.mesh.clusters["cluster1"]
    rule, service = objects.of("DestinationRule")[0], objects.of("VirtualService")[0]
    hashes = {part["name"]: part["labels"].get("rollouts-pod-template-hash") for part in rule.get("spec", "subsets")}
    assert (hashes["stable"], hashes["canary"]) == (stable, canary)
    route = {part["destination"]["subset"]: part["weight"] for part in service.get("spec", "http", 0, "route")}
    assert (route["stable"], route["canary"]) == weights


def test_a_sync_that_is_not_there_is_refused_with_those_that_are(scenario: MakeSession) -> None:
    with pytest.raises(UsageError, match=r"60s has \d syncs"):
        upgraded(scenario("guide-gateway-api")).situation("60s#9")


def test_pods_are_created_after_the_sync_that_scales_and_ready_ten_seconds_later(scenario: MakeSession) -> None:
    session = upgraded(scenario("guide-gateway-api"))
    ready = {at: session.situation(at).deployed.states[R].sets[-1].available for at in ("120s#3", 129.0, 130.0)}
    assert ready == {"120s#3": 0, 129.0: 0, 130.0: 1}


@pytest.mark.parametrize(
    ("target", "code", "clients"),
    [
        ("waypoint:cluster1/default/waypoint", "MS206", {"cluster1/default/curl", "cluster2/default/curl"}),
        ("eastwest:cluster1", "MS501", {"cluster2/default/curl"}),
        ("link:cluster2/cluster1", "MS501", {"cluster2/default/curl"}),
        ("cluster:cluster1", "MS501", {"cluster1/default/curl", "cluster2/default/curl"}),
    ],
)
def test_an_outage_fails_those_behind_it_until_it_recovers(
    scenario: MakeSession, target: str, code: str, clients: set[str]
) -> None:
    outage = [(150.0, "fail", {"target": target}), (160.0, "recover", {"target": target})]
    found = scenario("guide-gateway-api", outage).timeline(to="helloworld.default.mesh.internal")
    failing = {lane.frm for lane in found.lanes if (span := lane.at(155.0)) and span.row.verdict == "failing"}
    assert failing == clients
    for lane in found.lanes:
        span = lane.at(155.0)
        assert span is not None
        assert (code in span.row.reasons) == (lane.frm in clients)
        after = lane.at(160.0)
        assert after is not None
        assert after.row.verdict == "applied"


def test_half_of_the_pods_are_the_oldest_rounded_up(scenario: MakeSession) -> None:
    workload = "cluster1/accounts/sessions"
    some = [(10.0, "fail", {"target": workload, "pods": "30%"})]
    down = scenario("failover-to-the-rollout", some).situation(20.0)
    state = down.deployed.states["cluster1", "accounts", "sessions"]
    assert [found.available for found in state.sets] == [5]  # 8 - ceil(2.4)


def test_a_failed_canary_takes_its_weight_with_it(scenario: MakeSession) -> None:
    """argo-rollouts rollout/trafficrouting.go:222: no available pod of the new revision, weight 0."""
    found = scenario("guide-gateway-api", [(150.0, "fail", {"target": NAME, "revision": "canary"})]).situation(155.0)
    assert found.rollouts[R].weight == 0


def test_gitops_leaves_the_hash_in_the_selector_and_resets_the_weights(scenario: MakeSession) -> None:
    session = scenario("time-gitops-sync")
    objects = session.situation(250.0).mesh.clusters["cluster1"]
    service, route = (
        objects.get("Service", "default", "helloworld-canary"),
        objects.get("HTTPRoute", "default", "helloworld-svc"),
    )
    assert service is not None
    assert route is not None
    assert service.get("spec", "selector", "rollouts-pod-template-hash") == N
    assert [ref["weight"] for ref in route.get("spec", "rules", 0, "backendRefs")] == [100, 0]


def test_a_watched_object_is_repaired_at_once(scenario: MakeSession) -> None:
    """The controller watches Services: a user's selector is back before anybody else acts."""
    key = "cluster1/Service/default/helloworld-stable"
    patch = {"spec": {"selector": {"rollouts-pod-template-hash": "nonsense"}}}
    found = scenario("guide-gateway-api", [(90.0, "patch", {"object": key, "patch": patch})]).situation(90.0)
    service = found.mesh.clusters["cluster1"].get("Service", "default", "helloworld-stable")
    assert service is not None
    assert service.get("spec", "selector", "rollouts-pod-template-hash") == F


def test_a_cluster_that_is_down_has_no_controller(scenario: MakeSession) -> None:
    entries = [(100.0, "fail", {"target": "cluster:cluster1"}), (300.0, "recover", {"target": "cluster:cluster1"})]
    session = scenario("guide-gateway-api", [*entries, (310.0, "promote", {"rollout": NAME})])
    assert shown(session.situation(250.0).deployed.states[R]).step == "0/3"
    assert shown(session.situation(310.0).deployed.states[R]).step == "1/3"


def test_a_deleted_rollout_takes_its_pods_along_and_a_new_one_starts_over(scenario: MakeSession) -> None:
    session = scenario("guide-gateway-api", [(300.0, "delete", {"object": "cluster1/Rollout/default/helloworld"})])
    gone = session.situation(301.0)
    assert not gone.mesh.clusters["cluster1"].of("Rollout", "ReplicaSet")
    assert gone.deployed.states == {}


def test_scaling_a_deployment_up_takes_until_its_pods_are_ready(scenario: MakeSession) -> None:
    entry = (10.0, "scale", {"workload": "cluster2/accounts/sessions", "replicas": 2})
    session = scenario("failover-to-the-rollout", [entry])
    served = [session.rows(at)[0][1][0].clusters for at in (15.0, 20.0)]
    assert served == [{"cluster1": 1}, {"cluster2": 1}]


def test_unknown_targets_are_refused_with_what_there_is(scenario: MakeSession) -> None:
    with pytest.raises(InputError, match="has no Gateway default/nothing"):
        scenario("guide-gateway-api", [(1.0, "fail", {"target": "waypoint:cluster1/default/nothing"})]).situation(2.0)


@pytest.mark.parametrize(
    ("patch", "sentence"),
    [
        ({"spec": {"ports": "http"}}, "spec.ports must be a list"),
        ({"kind": "Deployment"}, "keeps its apiVersion, kind, name and namespace"),
        ({"metadata": {"name": "another"}}, "keeps its apiVersion, kind, name and namespace"),
        ({"metadata": None}, "keeps its apiVersion, kind, name and namespace"),
    ],
)
def test_a_patch_that_the_api_server_refuses_is_refused(
    scenario: MakeSession, patch: dict[str, Any], sentence: str
) -> None:
    """Kubernetes API conventions: what identifies an object is immutable, and a field has the type of its schema."""
    entry = (1.0, "patch", {"object": "cluster1/Service/default/helloworld", "patch": patch})
    with pytest.raises(InputError, match=sentence):
        scenario("guide-gateway-api", [entry]).situation(2.0)


@pytest.mark.parametrize(
    ("verb", "names"),
    [("analysis-result", {"step": 1}), ("plugin-result", {"step": 9}), ("analysis-result", {"template": "rate"})],
)
def test_a_result_that_no_step_waits_for_is_refused(scenario: MakeSession, verb: str, names: dict[str, Any]) -> None:
    """The guide's Rollout has the steps setWeight, pause, setWeight: nothing that ends with a result."""
    entry = (1.0, verb, {"rollout": "cluster1/default/helloworld", "result": "failed", **names})
    with pytest.raises(InputError, match="waits for a result"):
        scenario("guide-gateway-api", [entry]).situation(2.0)


def spans(found: Timeline, frm: str) -> list[tuple[float, float | None, Fraction]]:
    lane = next(lane for lane in found.lanes if lane.frm == frm)
    return [(s.start, s.end, s.row.effective.canary) for s in lane.spans if s.row.effective is not None]


def test_intervals_are_merged_while_nothing_changes(scenario: MakeSession) -> None:
    found = scenario("guide-gateway-api").timeline(frm="cluster2/default/curl")
    assert spans(found, "cluster2/default/curl") == [
        (0.0, 130.0, Fraction(0)),
        (130.0, 240.0, Fraction(1, 2)),
        (240.0, None, Fraction(0)),
    ]
    assert found.rests


@pytest.mark.parametrize("offset", [0, 30, 60, 61, 100, 160])
def test_disruption_window_of_flat_clusters_is_the_offset_beyond_a_minute(scenario: MakeSession, offset: int) -> None:
    """cluster1's subsets follow its promotion at 130 s; cluster2's first pod with that hash is ready at 70 s + offset:
    Solo docs, Argo Rollouts guide, 'After cluster1's rollout completes'."""
    base = scenario("time-flat-alignment")
    entries = [replace(e, at=60.0 + offset) if e.at == 90.0 else e for e in base.scenario.timeline]
    entries = [replace(e, at=75.0 + 60 + offset) if e.at == 150.0 else e for e in entries]
    session = Session(replace(base.scenario, timeline=tuple(entries)), base.mesh)
    lane = next(x for x in session.timeline().lanes if x.rollout == "cluster1/orders/pricing")
    out = [(s.start, s.end) for s in lane.spans if "cluster2" not in s.row.clusters]
    length = sum((end or 1e9) - start for start, end in out)
    assert length == max(0, offset - 60)


def test_two_rollouts_take_turns_at_one_instant(scenario: MakeSession) -> None:
    base = scenario("time-flat-alignment")
    same = tuple(replace(e, at=60.0) if e.at == 90.0 else e for e in base.scenario.timeline)
    history = record(base.mesh, same, base.scenario.timing, "auto", 60.0)
    turns = [frame.subject for frame in history.frames if frame.kind == "sync"]
    assert turns[:2] == ["cluster1/orders/pricing", "cluster1/orders/pricing"] or turns[0] != turns[1]
    assert set(turns) == {"cluster1/orders/pricing", "cluster2/orders/pricing"}


@pytest.mark.parametrize(
    ("entries", "paused_at_100", "step_at_200"),
    [
        # Written above the promotion at 120 s: the pause at 60 s is promoted at once, and 120 s ends the second one.
        ([("at", 60.0, "set-image"), ("when", 0.0, "promote"), ("at", 120.0, "promote")], "2/3", "3/3"),
        # Written below it: it means the pause after 120 s, which the pods reach at 130 s.
        ([("at", 60.0, "set-image"), ("at", 120.0, "promote"), ("when", 0.0, "promote")], "0/3", "3/3"),
        ([("at", 60.0, "set-image"), ("at", 120.0, "promote"), ("when", 600.0, "promote")], "0/3", "2/3"),
    ],
)
def test_when_paused_means_the_pause_after_what_is_written_above(
    scenario: MakeSession, entries: list[tuple[str, float, str]], paused_at_100: str, step_at_200: str
) -> None:
    timeline = tuple(
        Entry(
            verb=verb,
            args=V2 if verb == "set-image" else {"rollout": NAME},
            source=Source("test"),
            **({"at": time} if kind == "at" else {"when": "paused", "after": time}),
        )
        for kind, time, verb in entries
    )
    there = scenario("guide-gateway-api")
    session = Session(replace(there.scenario, timeline=timeline), there.mesh)
    steps = [shown(session.situation(at).deployed.states[R]).step for at in (100.0, 200.0)]
    assert steps == [paused_at_100, step_at_200]


def test_an_entry_is_told_with_its_zeros() -> None:
    """`drain … weight: 0` takes connections again, and `scale … replicas: 0` ends all pods."""
    entry = Entry(verb="drain", args={"target": "eastwest:cluster1", "weight": 0}, at=0.0, source=Source("test"))
    assert sentence(entry) == "drain eastwest:cluster1 (weight 0)"
    scaled = Entry(verb="scale", args={"rollout": "a/b/c", "replicas": 0}, at=0.0, source=Source("test"))
    assert sentence(scaled) == "scale a/b/c (replicas 0)"


def test_an_abort_shows_in_the_timeline_from_its_own_instant(scenario: MakeSession) -> None:
    """The row is asked anew even where neither weight nor pods change with it, as for a bypassed client."""
    session = scenario("time-abort")
    lane = session.timeline().lanes[0]
    for t in sorted({span.start for span in lane.spans}):
        row = next(row for _, rows in scenario("time-abort").rows(t) for row in rows)
        span = lane.at(t)
        assert span is not None
        assert (span.row.verdict, span.row.reasons) == (row.verdict, row.reasons)


@pytest.mark.parametrize(("verdict", "holds"), [("failing", False), ("skewed", True)])
def test_never_holds_at_no_time_of_the_timeline(scenario: MakeSession, verdict: str, holds: bool) -> None:
    """The waypoint is down from 130 to 140 s, and in order again at rest."""
    place = {"target": "waypoint:cluster1/default/waypoint"}
    found = scenario("guide-gateway-api", [(130.0, "fail", place), (140.0, "recover", place)])
    stated = {"from": "cluster2/default/curl", "verdict": verdict, "never": True}
    expected = Expectation(
        index=0, source=Source("test"), stated=stated, frm="cluster2/default/curl", verdict=verdict, never=True
    )
    checked = Session(replace(found.scenario, expect=(expected,)), found.mesh).answer().expectations[0]
    assert checked.passed is holds
    assert holds or checked.failures[0].startswith("at 130s: ")
