"""What a run sends where there is more than fits into a minute."""

from fractions import Fraction

from live.one_gateway import cluster, gateway_phase, hosts, split

from meshsim.live.course import Leg, course
from meshsim.live.phase import Phase
from meshsim.model.rule import Rule
from meshsim.model.trace import Delivered, Step, Trace

CLUSTERS = (cluster("a", hosts("a", 1)), cluster("b", hosts("b", 1)))


def moment(name: str, **weights: int) -> Phase:
    return gateway_phase(name, split(**weights), CLUSTERS)


def sent(phases: list[Phase], most: int) -> list[str]:
    return [
        phase.name
        for phase, legs in zip(phases, course(phases, most=most), strict=True)
        for leg in legs
        if not leg.spared and not leg.why
    ]


def test_few_rows_are_all_sent_however_alike():
    assert sent([moment("one", a=1), moment("two", a=1)], most=2) == ["one", "two"]


def test_of_many_each_answer_is_sent_once_and_said_where():
    phases = [moment("one", a=1), moment("two", a=1, b=1), moment("three", a=1)]
    assert sent(phases, most=2) == ["one", "two"]
    assert [leg.spared for leg in course(phases, most=2)[2]] == ["answered by the same decisions as at one"]


def test_of_too_many_answers_splits_are_kept_before_what_cannot_be_told_apart():
    phases = [moment("all a", a=1), moment("all b", b=1), moment("half", a=1, b=1), moment("third", a=1, b=2)]
    assert sent(phases, most=2) == ["half", "third"]
    assert "--at" in course(phases, most=2)[0][0].spared


def test_other_weights_are_another_answer():
    phases = [moment("half", a=1, b=1), moment("third", a=1, b=2), moment("half again", a=1, b=1)]
    assert sent(phases, most=2) == ["half", "third"]


HALF = Fraction(1, 2)
HERE = Rule("test.here", "A decision of a test.", "this test")


def way(*decisions: tuple[str, bool, str | None]) -> Trace:
    """Two equal ways at each choice: (hop, whether it routes by request, what the decision is taken for)."""
    children = tuple(
        Step(hop="pod", share=HALF, decision=pod, rule=HERE, outcome=Delivered(workload=pod, cluster="c", address=""))
        for pod in ("a", "b")
    )
    for hop, l7, granularity in reversed(decisions):
        step = Step(hop=hop, share=HALF * 2, decision="", rule=HERE, l7=l7, granularity=granularity, children=children)
        children = (step,)
    return Trace(roots=children)


def pinned(trace: Trace) -> bool:
    (leg,) = course([moment("one", a=1)])[0]
    return Leg(located=leg.located, trace=trace, model={}).pinned


def test_a_choice_of_ztunnel_is_kept_for_the_clients_connection():
    assert pinned(way(("ztunnel", False, "connection")))
    assert not pinned(way(("ztunnel", False, None), ("waypoint", True, "request")))


def test_a_choice_behind_a_waypoint_is_not_the_client_connections():
    assert not pinned(way(("waypoint", True, None), ("eastwest", False, "connection")))
