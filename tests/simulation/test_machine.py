"""A stateful machine of commands and faults: no impossible state, every run ends at a fixpoint, and the timeline agrees
with the static answer, of the run and of the Mesh as it is at that instant."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from conftest_simulation import SCENARIOS
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from meshsim.analysis.lanes import same_routing
from meshsim.mesh import edits
from meshsim.mesh.mesh import Mesh
from meshsim.model.errors import InputError, UsageError
from meshsim.model.evidence import Assumed, Source
from meshsim.rollouts import State, next_due, reconcile
from meshsim.rollouts.services import selected
from meshsim.rollouts.spec import canary_weight, managed_services, stable_weight, steps_of, weights_of
from meshsim.scenario.scenario import Entry
from meshsim.session import Session, load
from meshsim.simulation.deployment import rollouts_of
from meshsim.simulation.timeline import record

LOADED = {
    name: load(SCENARIOS / name / "scenario.yaml")
    for name in ("guide-gateway-api", "guide-virtualservice", "active-active", "time-flat-alignment")
}
"""Both approaches with one Rollout, and with one in each cluster."""


def targets_of(mesh: Mesh) -> list[str]:
    """What can fail."""
    found = ["eastwest:cluster1", "link:cluster2/cluster1", "cluster:cluster1", *map("/".join, rollouts_of(mesh))]
    for cluster in mesh.clusters.values():
        found += [
            f"waypoint:{cluster.name}/{gateway.namespace}/{gateway.name}"
            for gateway in cluster.of("Gateway")
            if gateway.get("spec", "gatewayClassName") == "istio-waypoint"
        ]
        found += [f"{cluster.name}/{client.namespace}/{client.name}" for client in cluster.of("Deployment")][:1]
    return found


WHICH = st.integers(0, 1)


def _possible(before: State, after: State) -> None:
    """A step index goes on by one, back to the start, or to the end; selectors name ReplicaSets that exist."""
    steps = len(steps_of(after.rollout))
    was, now = (int(state.status.get("currentStepIndex") or 0) for state in (before, after))
    assert now in {was, min(was + 1, steps), 0, steps}
    known = {found.hash for found in (*before.sets, *after.sets)}
    for name in managed_services(after.rollout):
        service = after.object("Service", name)
        assert service is None or selected(service) in {"", *known}


def _settled(state: State, now: float) -> None:
    """One sync more changes nothing, unless the last one failed, loops, or is due anyway."""
    if state.error is None and not any("hot loop" in note for note in state.notes) and next_due(state) != now:
        assert not reconcile(replace(state, now=now).wake()).changed


class Operator(RuleBasedStateMachine):
    """Somebody who does anything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.now = 0.0
        self.base = LOADED["guide-gateway-api"]
        self.rollouts: list[str] = []
        self.targets: list[str] = []
        self.client = ""

    @initialize(
        name=st.sampled_from(sorted(LOADED)),
        version=st.sampled_from(["1.8", "1.9", "1.10"]),
        dynamic=st.booleans(),
        replicas=st.sampled_from([None, 4]),
        under_way=st.integers(0, 3),
    )
    def begin(self, name: str, version: str, dynamic: bool, replicas: int | None, under_way: int) -> None:
        """A Rollout at rest, or some steps into an update, where commands and faults have more to break."""
        base = LOADED[name]
        mesh = base.mesh.fork(*(replace(cluster, argo=(version, "0.15")) for cluster in base.mesh.clusters.values()))
        self.rollouts = ["/".join(rollout) for rollout in rollouts_of(mesh)]
        for rollout in self.rollouts:
            cluster, namespace, own = rollout.split("/")
            spec: dict[str, Any] = {"strategy": {"canary": {"dynamicStableScale": True}}} if dynamic else {}
            spec |= {"replicas": replicas} if replicas is not None else {}
            mesh = edits.patched(mesh, f"{cluster}/Rollout/{namespace}/{own}", {"spec": spec}, Assumed("test"))
        self.base = Session(replace(base.scenario, timeline=(), expect=()), mesh)
        self.targets = targets_of(mesh)
        self.client = next(call.frm for call in base.scenario.calls if ":" not in call.frm)
        for step in range(under_way):
            if step:
                self.act("promote", rollout=self.rollouts[0])
            else:
                self.act("set-image", rollout=self.rollouts[0], container="*", image="app:v2")
            self.now += 15.0

    def one(self, which: int) -> str:
        return self.rollouts[which % len(self.rollouts)]

    def act(self, verb: str, **args: Any) -> None:
        entry = Entry(verb=verb, args=args, at=self.now, source=Source("test"))
        session = Session(replace(self.base.scenario, timeline=(*self.entries, entry), expect=()), self.base.mesh)
        try:
            record(session.mesh, session.scenario.timeline, session.scenario.timing, "auto", self.now)
        except (InputError, UsageError):
            return  # refused in a sentence, such as a container that is not there
        self.entries.append(entry)

    @rule(seconds=st.sampled_from([0.0, 1.0, 10.0, 35.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(version=st.integers(1, 3), which=WHICH)
    def set_image(self, version: int, which: int) -> None:
        self.act("set-image", rollout=self.one(which), container="*", image=f"app:v{version}")

    @rule(verb=st.sampled_from(["promote", "abort", "retry", "pause", "resume", "undo"]), which=WHICH)
    def command(self, verb: str, which: int) -> None:
        self.act(verb, rollout=self.one(which))

    @rule(which=WHICH)
    def promote_full(self, which: int) -> None:
        self.act("promote", rollout=self.one(which), full=True)

    @rule(replicas=st.integers(0, 4), which=WHICH)
    def scale(self, replicas: int, which: int) -> None:
        self.act("scale", rollout=self.one(which), replicas=replicas)

    @rule(verb=st.sampled_from(["fail", "recover"]), place=st.integers(0, 11))
    def fault(self, verb: str, place: int) -> None:
        self.act(verb, target=self.targets[place % len(self.targets)])

    @rule(pods=st.sampled_from([1, "50%"]), which=WHICH)
    def some_pods(self, pods: int | str, which: int) -> None:
        self.act("fail", target=self.one(which), pods=pods)

    @rule(place=st.integers(0, 11))
    def outage(self, place: int) -> None:
        """Long enough to be noticed, and not made good again."""
        self.act("fail", target=self.targets[place % len(self.targets)])
        self.now += 5.0

    @rule()
    def gitops(self) -> None:
        self.act("gitops-sync", cluster="cluster1")

    @rule(weight=st.sampled_from([0, 100]))
    def drain(self, weight: int) -> None:
        self.act("drain", target="eastwest:cluster1", weight=weight)

    def session(self) -> Session:
        return Session(replace(self.base.scenario, timeline=tuple(self.entries), expect=()), self.base.mesh)

    @invariant()
    def nothing_impossible(self) -> None:
        found = self.session()
        history = record(found.mesh, found.scenario.timeline, found.scenario.timing, "auto", self.now)
        for frame in history.frames:
            for _, state in frame.states:
                weights = weights_of(state.status)
                if weights is not None:
                    # argo-rollouts#4424: with surplus pods, a full promotion under dynamicStableScale exceeds 100
                    assert 0 <= canary_weight(weights) <= (10_000 if state.status.get("promoteFull") else 100)
                    assert canary_weight(weights) + stable_weight(weights) == 100
                for sets in state.sets:
                    assert 0 <= sets.available <= sets.created
                    assert sets.created == sum(pod.stopped_at is None for pod in sets.pods)
                assert len({sets.hash for sets in state.sets}) == len(state.sets)
                assert int(state.status.get("currentStepIndex") or 0) <= len(steps_of(state.rollout))
        assert [f.t for f in history.frames] == sorted(f.t for f in history.frames)
        for state in history.deployed().states.values():
            assert not any("did not settle" in note for note in state.notes)
        for rollout in history.deployed().states:
            own = (state for frame in history.frames for name, state in frame.states if name == rollout)
            for before, after in pairwise(own):
                _possible(before, after)
        if not any(entry.verb in {"gitops-sync", "fail"} for entry in self.entries):
            for state in history.deployed().states.values():
                _settled(state, self.now)

    def timeline_equals_static_answer(self) -> None:
        """At every instant at which anything changed for a client, or anybody did anything."""
        session = self.session()
        found = session.timeline(frm=self.client, until=self.now)
        acted = {entry.at or 0.0 for entry in self.entries}
        for t in sorted({0.0, self.now, *acted, *(span.start for lane in found.lanes for span in lane.spans)}):
            rows = [row for _, rows in self.session().rows(t) for row in rows if row.frm == self.client]
            lanes = [lane for lane in found.lanes if (span := lane.at(t)) and (span.end is None or span.end > t)]
            assert len(rows) == len(lanes)
            for row in rows:
                lane = next(x for x in lanes if (x.to, x.path, x.rollout) == (row.to, row.path, row.rollout))
                span = lane.at(t)
                assert span is not None
                assert same_routing(span.row, row)

    @rule()
    def a_mesh_answers_the_same_however_it_came_about(self) -> None:
        """What a snapshot of the clusters at this moment would be answered."""
        session = self.session()
        mesh = session.situation(self.now).mesh
        fresh = Session(replace(session.scenario, timeline=()), mesh)
        answers = [
            {
                (row.frm, row.to, row.path, row.rollout): (row.verdict, row.effective, row.desired, row.errors)
                for _, rows in one
                for row in rows
            }
            for one in (session.rows(self.now), fresh.rows(0.0, "observed"))
        ]
        assert answers[0] == answers[1]

    def teardown(self) -> None:
        """Its timeline was right all along, and left alone it comes to rest."""
        if not self.entries:
            return
        self.timeline_equals_static_answer()
        found = self.session()
        history = record(found.mesh, found.scenario.timeline, found.scenario.timing, "auto", None)
        assert history.pending is None or any(target.startswith("cluster:") for target in history.deployed().mesh.down)


Operator.TestCase.settings = settings(
    max_examples=30, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
TestOperator = pytest.mark.filterwarnings("ignore")(Operator.TestCase)
