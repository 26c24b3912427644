"""What a run sends where there is more than fits into a minute."""

from live.one_gateway import cluster, gateway_phase, hosts, split

from meshsim.live.course import course
from meshsim.live.phase import Phase

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
