"""What changes between two scenarios, and which difference is to blame. Expected values: each scenario's own twin."""

from pathlib import Path

import pytest

import meshsim
import meshsim.session
from meshsim.analysis.compare import Difference
from meshsim.model.errors import InputError, UsageError
from meshsim.model.verdict import Verdict

CASE = "scenarios/client-local-waypoint"
NAMESPACE = "cluster2/Namespace/shop"
LABEL = "istio.io/use-waypoint"


@pytest.fixture(scope="module")
def session() -> meshsim.session.Session:
    return meshsim.load(CASE)


def verdicts(found: Difference) -> list[tuple[str, str]]:
    return [(one.old.verdict.value, one.new.verdict.value) for one in found.changes if one.old and one.new]


def test_a_scenario_does_not_differ_from_itself(session: meshsim.session.Session) -> None:
    found = session.compare(meshsim.load(CASE))
    assert (found.changes, found.edits, bool(found)) == ((), (), False)
    assert found.calls == 2


def test_the_line_that_flips_the_verdict_is_named(session: meshsim.session.Session) -> None:
    found = session.compare(meshsim.load(f"{CASE}/twin.yaml"))
    assert verdicts(found) == [("bypassed", "applied")]
    ((edit,),) = [change.because for change in found.changes]
    (field,) = edit.fields
    assert (edit.subject, field.path) == (NAMESPACE, f"metadata.labels[{LABEL}]")
    assert (field.old, field.new) == ("waypoint", None)
    assert str(field.old_at) == f"{CASE}/manifests/cluster2/namespace.yaml:9"


def test_differences_that_do_not_matter_are_not_blamed(session: meshsim.session.Session) -> None:
    """The label flips the verdict; an annotation on the client's Deployment and more replicas of it do nothing."""
    client = "cluster2/Deployment/shop/recommender"
    other = session.fork(labels={NAMESPACE: {LABEL: None}}, annotations={client: {"note": "x"}}, replicas={client: 5})
    found = session.compare(other)
    assert len(found.edits) == 2
    assert [[edit.subject for edit in one.because] for one in found.changes] == [[NAMESPACE]]


def test_two_differences_that_are_only_together_to_blame() -> None:
    """subset-without-propagated-labels: both istiods must propagate the labels."""
    case = "scenarios/subset-without-propagated-labels"
    found = meshsim.load(case).compare(meshsim.load(f"{case}/twin.yaml"))
    assert [{edit.subject for edit in one.because} for one in found.changes] == [{"cluster1/istiod", "cluster2/istiod"}]


def test_a_fork_leaves_the_original_alone(session: meshsim.session.Session) -> None:
    before = [row.verdict for row in session.verdicts()]
    after = [row.verdict for row in session.fork(labels={NAMESPACE: {LABEL: None}}).verdicts()]
    assert (before, after) == ([Verdict.BYPASSED, Verdict.APPLIED], [Verdict.APPLIED] * 2)
    assert [row.verdict for row in session.verdicts()] == before


@pytest.mark.parametrize(
    ("edits", "verdict"),
    [
        ({"patch": {NAMESPACE: {"metadata": {"labels": {LABEL: None}}}}}, Verdict.APPLIED),
        ({"delete": ["cluster2/Gateway/shop/waypoint"]}, Verdict.APPLIED),  # the reference dangles: fails open
        ({"fail": ["eastwest:cluster1"]}, Verdict.FAILING),
        ({"peering": "none"}, Verdict.FAILING),
        ({"dialect": "solo/1.29"}, Verdict.BYPASSED),
    ],
)
def test_every_kind_of_edit(session: meshsim.session.Session, edits: dict[str, object], verdict: Verdict) -> None:
    row = next(row for row in session.fork(**edits).verdicts() if row.frm == "cluster2/shop/recommender")
    assert row.verdict is verdict


@pytest.mark.parametrize(
    ("edits", "error", "says"),
    [
        ({"label": {}}, UsageError, "fork has no edit 'label'"),
        ({"delete": ["cluster2/Gateway/shop/none"]}, InputError, "cluster2 has no"),
        ({"istiod": {"cluster9": {}}}, UsageError, "there is no cluster 'cluster9'"),
        ({"dialect": "solo/9"}, InputError, "dialect 'solo/9' is unknown"),
        ({"fail": ["pod:x"]}, UsageError, "cannot fail"),
        ({"peering": "some"}, UsageError, "peering is all, none"),
    ],
)
def test_a_wrong_edit_is_a_sentence(
    session: meshsim.session.Session, edits: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        session.fork(**edits)


def test_every_twin_is_explained_by_its_one_edit() -> None:
    """Each twin makes one edit: whatever verdict changes, a difference was found for it."""
    for twin in sorted(Path("scenarios").glob("*/twin.yaml"))[::5]:
        old, new = meshsim.load(str(twin.with_name("scenario.yaml"))), meshsim.load(str(twin))
        found = old.compare(new)
        for one in found.changes:
            if one.old is not None and one.new is not None and found.edits:
                assert one.because, f"{twin.parent.name}: {one.old.frm}"
