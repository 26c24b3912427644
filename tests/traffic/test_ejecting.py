"""Hosts that fail leave an Envoy's cluster with the nth error of the loop's own requests, and come back.

The scenario: five pods behind one waypoint whose endpoints arrive 100 s late. At 10 s some of them fail, so that until
110 s each of the five still gets a fifth of the requests.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from math import comb, exp, factorial
from pathlib import Path
from shutil import copytree

import pytest

from meshsim import session as sessions
from meshsim.analysis.course import Course
from meshsim.analysis.intervals import timeline
from meshsim.analysis.sampling_time import LaneSample, over_time
from meshsim.analysis.statistics import counts_fit
from meshsim.model.timeline import Timeline
from meshsim.report import sample as printed

SCENARIO = Path(__file__).parents[2] / "scenarios" / "time-late-proxies"
FAMILY = 1e-6
RATE = Fraction(20)
WAYPOINT = "waypoint:cluster1/default/waypoint"
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: stable, namespace: default}}
spec:
  host: helloworld-stable.default.svc.cluster.local
  trafficPolicy:
    outlierDetection: {detection}
"""


class Run:
    """A scenario's timeline with what looks closer at it."""

    def __init__(self, folder: Path, detection: str, *, fails: int, replicas: int, until: float, more: str) -> None:
        copytree(SCENARIO, folder)
        manifests = folder / "manifests" / "cluster1"
        rollout = (manifests / "rollout.yaml").read_text()
        (manifests / "rollout.yaml").write_text(rollout.replace("replicas: 1", f"replicas: {replicas}"))
        if detection:
            (manifests / "rule.yaml").write_text(RULE.format(detection=detection))
        (manifests / "more.yaml").write_text(more)
        text = (folder / "scenario.yaml").read_text()
        entry = f"  - {{at: 10s, do: fail, target: cluster1/default/helloworld, pods: {fails}}}\n"
        end = f"propagation: {{endpoints: 100s}}\ntraffic: {{rate: 20/s}}\ntimeline:\n{entry}"
        (folder / "scenario.yaml").write_text(text[: text.index("propagation:")] + end)
        self.session = sessions.load(folder)
        self.found: Timeline = timeline(self.session, until=until)
        self.course = Course(self.session)

    def loop(self, seed: int = 1, *, poisson: bool = False, followed: bool = True) -> LaneSample:
        course = self.course if followed else None
        [lane] = over_time(self.found, rate=RATE, seed=seed, poisson=poisson, course=course)
        return lane


Make = Callable[..., Run]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    def made(detection: str, *, fails: int = 1, replicas: int = 5, until: float = 200.0, more: str = "") -> Run:
        folder = tmp_path_factory.mktemp("ejecting") / "scenario"
        return Run(folder, detection, fails=fails, replicas=replicas, until=until, more=more)

    return made


@pytest.fixture(scope="module")
def one(make: Make) -> Run:
    """One of five fails, half of them may be out."""
    return make("{maxEjectionPercent: 50}")


def errors(lane: LaneSample, start: float = 0.0, stop: float = 1e9) -> int:
    return sum(s.counts.get("503 UF", 0) for s in lane.spans if s.start >= start and s.stop <= stop)


def law(bins: list[tuple[int, int]], chances: dict[int, Fraction]) -> list[Fraction]:
    found = [sum((chances[n] for n in range(low, high)), Fraction(0)) for low, high in bins]
    return [*found, 1 - sum(found)]


def test_at_a_fixed_pace_the_fifth_error_comes_after_a_negative_binomial_number_of_requests(one: Run) -> None:
    # One host of five: P(N = n) = C(n-1, 4) (1/5)^5 (4/5)^(n-5). Request 1 of the failure is sent at 10 s.
    p = Fraction(1, 5)
    chances = {n: comb(n - 1, 4) * p**5 * (1 - p) ** (n - 5) for n in range(5, 40)}
    bins = [(5, 13), (13, 18), (18, 22), (22, 26), (26, 30), (30, 36)]
    seen = [0] * (len(bins) + 1)
    for seed in range(1500):
        number = round((one.loop(seed).ejections[0].at - 10) * 20) + 1
        seen[next((i for i, (low, high) in enumerate(bins) if low <= number < high), len(bins))] += 1
    assert counts_fit(seen, law(bins, chances), FAMILY)


def test_with_poisson_arrivals_the_fifth_error_comes_at_a_gamma_time(one: Run) -> None:
    # A fifth of 20 a second is 4 a second: P(T > t) = e^(-4t) Σ (4t)^k / k!, k < 5.
    def later(t: float) -> float:
        return exp(-4 * t) * sum((4 * t) ** k / factorial(k) for k in range(5))

    ends = [0.5, 0.8, 1.1, 1.4, 1.8]
    cuts = [1.0, *map(later, ends), 0.0]
    seen = [0] * (len(ends) + 1)
    for seed in range(1500):
        time = one.loop(seed, poisson=True).ejections[0].at - 10
        seen[next((i for i, end in enumerate(ends) if time < end), len(ends))] += 1
    assert counts_fit(seen, [Fraction(a) - Fraction(b) for a, b in pairwise(cuts)], FAMILY)


@pytest.mark.parametrize("poisson", [False, True])
def test_each_ejection_costs_five_errors_and_nothing_fails_while_the_host_is_out(one: Run, poisson: bool) -> None:
    for seed in range(20):
        lane = one.loop(seed, poisson=poisson)
        assert errors(lane) == 5 * len(lane.ejections)
        first = lane.ejections[0]
        assert errors(lane, 10, first.at) == 5
        assert errors(lane, first.at, first.until) == 0
        [after] = [span for span in lane.spans if span.start == first.at]
        assert after.verdict == "applied"
        assert set(after.shares.values()) == {Fraction(1)}


def test_a_host_is_back_with_the_first_sweep_after_thirty_seconds_and_then_out_for_sixty(one: Run) -> None:
    phases = set()
    for seed in range(20):
        first, second = one.loop(seed).ejections[:2]
        assert first.at + 30 <= first.until < first.at + 40
        assert first.until < second.at
        # The second time it is out for 60 s at least, unless the endpoints without it arrive before that.
        assert (second.until, second.gone) == (110.0, True) or second.until >= second.at + 60
        phases.add(first.until % 10)
    assert len(phases) == 20


def test_before_the_first_ejection_the_requests_are_those_of_a_loop_without(one: Run) -> None:
    with_, without = one.loop(), one.loop(followed=False)
    assert with_.spans[0] == without.spans[0]
    assert without.ejections == ()
    assert sum(sum(s.counts.values()) for s in with_.spans) == sum(sum(s.counts.values()) for s in without.spans)


def test_the_same_seed_gives_the_same_bytes_and_the_law_is_told(one: Run) -> None:
    text = printed.over_time([one.loop()])
    assert text == printed.over_time([one.loop()])
    assert f"{WAYPOINT} ejects helloworld-" in text
    assert "rule.yaml:8): a host goes with the 5th error in a row" in text
    assert "at most 50 % of 5 hosts" in text


def test_ten_percent_of_less_than_ten_hosts_ejects_nothing(make: Make) -> None:
    lane = make("{consecutive5xxErrors: 1}").loop()
    assert lane.ejections == ()
    assert any("10 % of 5 hosts, rounded down, is none" in note for note in lane.notes)
    assert errors(lane) > 300  # a fifth of 2,000


def test_without_outlier_detection_every_byte_stays(make: Make) -> None:
    plain = make("")
    for poisson in (False, True):
        assert plain.loop(poisson=poisson) == plain.loop(poisson=poisson, followed=False)


def test_the_cap_holds_the_second_host_back_until_the_first_is_back(make: Make) -> None:
    # 20 % of 5 hosts is one: of two failing hosts one is out, and the other has one of the four that are left.
    run = make("{maxEjectionPercent: 20, consecutive5xxErrors: 3}", fails=2)
    for poisson in (False, True):
        lane = run.loop(poisson=poisson)
        for before, after in pairwise(lane.ejections):
            assert before.until <= after.at
        [span] = [span for span in lane.spans if span.start == lane.ejections[0].at]
        assert span.shares["503 UF"] == Fraction(1, 4)
        assert counts_fit(
            [span.counts["503 UF"], sum(span.counts.values()) - span.counts["503 UF"]],
            [Fraction(1, 4), Fraction(3, 4)],
            FAMILY,
        )


def test_what_is_left_is_the_data_planes_own_answer_panic_included(make: Make) -> None:
    # One of three out: 140·2/3 = 93 % of health and 67 % in, no panic, a failing one of two. Two out: 46 % of health
    # and 33 % in, below minHealthPercent: panic, so that all three are used again, and the two that are out fail.
    lane = make("{maxEjectionPercent: 100, minHealthPercent: 50}", fails=2, replicas=3).loop()
    first, second = lane.ejections[:2]
    assert [span.shares["503 UF"] for span in lane.spans if span.start == first.at] == [Fraction(1, 2)]
    assert [span.shares["503 UF"] for span in lane.spans if span.start == second.at] == [Fraction(2, 3)]


def test_two_envoys_count_apart_and_are_not_followed(make: Make) -> None:
    more = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: waypoint, namespace: default, labels: {gateway.networking.k8s.io/gateway-name: waypoint}}
spec:
  replicas: 2
  selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: waypoint}}
  template:
    metadata: {labels: {gateway.networking.k8s.io/gateway-name: waypoint}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.30"}]}
"""
    run = make("{maxEjectionPercent: 50}", more=more)
    lane = run.loop()
    assert lane.notes == (f"{WAYPOINT} is 2 Envoys, and each counts its own errors: their ejections are not followed",)
    assert lane.spans == run.loop(followed=False).spans
