"""A loop that runs through a rollout sees each step's split while it lasts."""

from fractions import Fraction
from pathlib import Path

from meshsim import session as sessions
from meshsim.analysis.intervals import timeline
from meshsim.analysis.sampling_time import over_time
from meshsim.analysis.statistics import counts_fit

SCENARIO = Path(__file__).parents[2] / "scenarios" / "guide-virtualservice"
V1, V2 = "docker.io/istio/examples-helloworld-v1:1.0", "docker.io/istio/examples-helloworld-v2:1.0"
FOUND = timeline(sessions.load(SCENARIO))


def test_a_paced_loop_sees_v1_then_half_and_half_then_v2() -> None:
    # The guide: setWeight 50 until it is promoted; ten requests a second in every interval.
    for lane in over_time(FOUND, rate=Fraction(10), seed=1):
        first, middle, *_, last = lane.spans
        assert set(first.counts) == {V1}
        assert set(last.counts) == {V2}
        assert dict(middle.shares) == {V1: Fraction(1, 2), V2: Fraction(1, 2)}
        assert counts_fit(list(middle.counts.values()), [Fraction(1, 2)] * 2, 1e-6 / len(FOUND.lanes))
        assert all(sum(span.counts.values()) == 10 * (span.stop - span.start) for span in lane.spans)


def test_poisson_arrivals_number_about_the_rate_times_the_time() -> None:
    for lane in over_time(FOUND, rate=Fraction(10), seed=1, poisson=True):
        number = sum(sum(span.counts.values()) for span in lane.spans)
        mean = 10 * FOUND.end
        assert abs(number - mean) < 6 * mean**0.5


def test_one_client_gets_the_same_requests_alone_as_among_all() -> None:
    alone = over_time(FOUND, rate=Fraction(10), seed=1, frm="cluster2/default/curl")
    assert alone
    everyone = {(lane.frm, lane.to): lane for lane in over_time(FOUND, rate=Fraction(10), seed=1)}
    assert all(everyone[lane.frm, lane.to] == lane for lane in alone)
