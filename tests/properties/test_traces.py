"""Whatever the mesh: traces are trees of exact shares, and every decision says why."""

from hypothesis import HealthCheck, given, settings
from strategies.asking import QUICK, ask, load, steps, whole
from strategies.meshes import RandomMesh, meshes

from meshsim.model.trace import Delivered, Failed, Open
from meshsim.model.verdict import Row, Verdict


@settings(max_examples=60, suppress_health_check=list(HealthCheck), **QUICK)
@given(meshes())
def test_shares_of_every_trace_sum_to_one_and_children_to_their_step(mesh: RandomMesh) -> None:
    for row in ask(mesh.document, mesh.at):
        for trace in (row.trace, *row.readings):
            assert whole(trace.roots) == 1
            assert sum(path.share for path in trace.paths()) == 1
            for step in steps(trace.roots):
                assert 0 < step.share <= 1
                assert (step.outcome is None) == bool(step.children), step.hop
                assert not step.children or whole(step.children) == step.share, step.hop


@settings(max_examples=40, suppress_health_check=list(HealthCheck), **QUICK)
@given(meshes())
def test_every_step_names_a_rule_and_every_rule_its_source(mesh: RandomMesh) -> None:
    for row in ask(mesh.document, mesh.at):
        for step in steps(row.trace.roots):
            assert step.rule.name
            assert step.rule.sentence.endswith(".")
            assert step.rule.source
            assert step.hop
            assert step.decision
            for fact in step.facts:
                assert fact.subject
                assert str(fact.evidence)


@settings(max_examples=40, suppress_health_check=list(HealthCheck), **QUICK)
@given(meshes())
def test_a_row_adds_up(mesh: RandomMesh) -> None:
    """Roles, clusters, pods, versions and errors are five ways to cut the same whole."""
    for row in ask(mesh.document, mesh.at):
        if row.verdict is Verdict.UNDETERMINED:
            undetermined(row)
            continue
        assert row.effective is not None
        error = row.effective.error
        assert sum(share for _, share in row.effective.items()) == 1
        assert sum(found.share for found in row.errors) == error
        for cut in (row.clusters, row.pods, row.versions):
            assert sum(cut.values()) + error == 1
            assert all(share > 0 for share in cut.values()), "zero shares are left out"
        leaves = [path.outcome for path in row.trace.paths()]
        assert all(isinstance(leaf, Delivered | Failed) for leaf in leaves)
        assert row.desired is None or sum(row.desired.values()) == 1
        assert (row.rollout is None) == (row.desired is None)
        assert row.applied_share is not None
        assert 0 <= row.applied_share <= 1
        assert len(row.reasons) == len(set(row.reasons))
        if row.verdict is Verdict.APPLIED:
            assert row.applied_share == 1
            assert dict(row.effective.items()) | {"stable": 0, "canary": 0} == {
                "stable": 0, "canary": 0, "other": 0, "error": 0,
            }  # fmt: skip
            assert row.desired == {"stable": row.effective.stable, "canary": row.effective.canary}
        if row.verdict in {Verdict.BYPASSED, Verdict.ELSEWHERE}:
            assert row.applied_share == 0
            assert row.reasons, "a bypass says why"


def undetermined(row: Row) -> None:
    assert row.effective is None
    assert row.applied_share is None
    assert row.desired is None
    assert row.reasons
    opens = [path.outcome for path in row.trace.paths() if isinstance(path.outcome, Open)]
    assert opens or row.notes


@settings(max_examples=25, suppress_health_check=list(HealthCheck), **QUICK)
@given(meshes())
def test_an_undetermined_rows_readings_are_answers_and_a_choice_settles_it(mesh: RandomMesh) -> None:
    for row in ask(mesh.document, mesh.at):
        opens = [o for path in row.trace.paths() if isinstance(o := path.outcome, Open)]
        for question in opens:
            for reading in question.readings:
                chosen = load({**mesh.document, "assume": {question.key: reading}}).answer(at=mesh.at)
                again = [
                    r for r in chosen.moments[0].rows if (r.frm, r.to, r.rollout) == (row.frm, row.to, row.rollout)
                ]
                assert again[0].verdict is not Verdict.UNDETERMINED
                assert reading in {a.chosen for a in again[0].assumptions}
