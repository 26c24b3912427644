"""What a choice is drawn for decides what a client sees: requests, connections, pooled connections, sessions, turns."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest

from meshsim.analysis.statistics import counts_fit
from meshsim.model.rule import Rule
from meshsim.model.trace import Delivered, RouteUse, Step, Trace
from meshsim.simulation.streams import stream
from meshsim.simulation.traffic import HISTOGRAM, labels, leaves
from meshsim.simulation.traffic_client import Traffic
from meshsim.simulation.units import Client, Unit, draws, plan, units, ways

RULE = Rule("test", "A test.", "test")
FAMILY = 1e-6
HALF = Fraction(1, 2)


def pod(name: str, share: Fraction) -> Step:
    outcome = Delivered(workload=name, cluster="c1", address=name)
    return Step(hop="ztunnel:c1", share=share, decision="takes it in", rule=RULE, outcome=outcome)


def at_ztunnel(*shares: Fraction) -> Trace:
    """ztunnel picks a pod for the connection."""
    pods = tuple(pod(f"pod-{i}", share) for i, share in enumerate(shares))
    return Trace(
        roots=(
            Step(hop="ztunnel:c2", share=Fraction(1), decision="", rule=RULE, granularity="connection", children=pods),
        )
    )


def backend(name: str, share: Fraction, *children: Step) -> Step:
    route = RouteUse(object="c1/HTTPRoute/ns/route", rule="0", backend=name)
    return Step(
        hop="waypoint:c1/ns/w",
        share=share,
        decision="",
        rule=RULE,
        granularity="request",
        l7=True,
        route=route,
        children=children,
    )


def at_waypoint(canary: Fraction, stable_pods: int = 1) -> Trace:
    """ztunnel hands over to a waypoint, which splits each request."""
    stable = 1 - canary
    split = (
        backend("stable", stable, *(pod(f"stable-{i}", stable / stable_pods) for i in range(stable_pods))),
        backend("canary", canary, pod("canary-0", canary)),
    )
    return Trace(
        roots=(
            Step(hop="ztunnel:c1", share=Fraction(1), decision="", rule=RULE, granularity="connection", children=split),
        )
    )


def across_networks(*shares: Fraction) -> Trace:
    """A client-local waypoint forwards through the other network's gateway, which picks a pod for its connection."""
    pods = tuple(pod(f"pod-{i}", share) for i, share in enumerate(shares))
    gateway = Step(
        hop="eastwest:c1", share=Fraction(1), decision="", rule=RULE, granularity="connection", children=pods
    )
    return Trace(roots=(backend("default", Fraction(1), gateway),))


def traffic(trace: Trace, client: Client, seed: int = 1, policy: str = "RANDOM") -> Traffic:
    choice = plan(trace, client, lambda step: policy)
    return Traffic(choice=choice, client=client, width=len(list(trace.paths())), seed=seed, names=("test",))


def test_a_curl_loop_draws_anew_for_every_request_even_at_ztunnel() -> None:
    found = traffic(at_ztunnel(HALF, HALF), Client())
    assert units(found.choice) == (Unit.REQUEST,)
    assert found.labels(5000) == labels(stream(1, "test"), leaves([HALF, HALF]), 5000)


def test_a_kept_connection_never_changes_its_pod_behind_ztunnel() -> None:
    found = traffic(at_ztunnel(HALF, HALF), Client(connection="keep-alive", concurrency=10))
    drawn = found.labels(1000)
    assert all(len(set(drawn[connection::10])) == 1 for connection in range(10))
    assert set(drawn) == {0, 1}


def test_a_kept_connection_sees_both_backends_behind_a_waypoint() -> None:
    found = traffic(at_waypoint(Fraction(1, 10)), Client(connection="keep-alive", concurrency=10))
    drawn = found.labels(1000)
    assert units(found.choice) == (Unit.REQUEST,)
    assert all(set(drawn[connection::10]) == {0, 1} for connection in range(10))


def test_pods_behind_ztunnel_are_drawn_by_their_shares_for_each_connection() -> None:
    shares = [Fraction(3, 4), Fraction(1, 4)]
    firsts = Counter(
        traffic(at_ztunnel(*shares), Client(connection="keep-alive"), seed).labels(1)[0] for seed in range(2000)
    )
    assert counts_fit([firsts[0], firsts[1]], shares, FAMILY)


def test_a_connection_closed_after_k_requests_is_drawn_again() -> None:
    found = traffic(at_ztunnel(HALF, HALF), Client(connection="keep-alive", per_connection=100))
    drawn = found.labels(20_000)
    blocks = [set(drawn[begin : begin + 100]) for begin in range(0, 20_000, 100)]
    assert all(len(block) == 1 for block in blocks)
    assert counts_fit(
        [sum(block == {0} for block in blocks), sum(block == {1} for block in blocks)], [HALF, HALF], FAMILY
    )


def test_variance_of_a_share_over_connections_of_100_requests_is_100_times_the_binomial() -> None:
    # Measured with Envoy 1.39.3: 108 times over 30 runs of 10 connections with 100 requests; in theory 100.
    client = Client(connection="keep-alive", concurrency=10)
    sums = [traffic(at_ztunnel(HALF, HALF), client, seed).counts(1000)[0] for seed in range(500)]
    variance = sum((x - 500) ** 2 for x in sums) / len(sums) / 250
    # 500 squares of nearly normal scores: sd of their mean is √(2/500) = 0.063; five of them.
    assert abs(variance / 100 - 1) < 5 * 0.0633


def test_a_waypoint_across_networks_pins_each_pooled_connection_to_one_pod() -> None:
    # Measured with Envoy 1.39.3: 3,000 requests over 16 connections, pods 3:1, gave .69 .75 .81 .88: sixteenths.
    found = traffic(across_networks(Fraction(3, 4), Fraction(1, 4)), Client(pool=16))
    counts = found.counts(3200)
    assert units(found.choice) == (Unit.POOLED,)
    assert all(count % 200 == 0 for count in counts)
    assert draws(found.client, units(found.choice), 3200) == 16


def test_pooled_connections_follow_the_pods_ratio_on_average() -> None:
    shares = [Fraction(3, 4), Fraction(1, 4)]
    pins = [0, 0]
    for seed in range(300):
        for pin, count in enumerate(traffic(across_networks(*shares), Client(pool=16), seed).counts(16)):
            pins[pin] += count
    assert counts_fit(pins, shares, FAMILY)


def test_a_cookie_keeps_the_first_choice() -> None:
    found = traffic(at_waypoint(Fraction(1, 10)), Client(sessions=1))
    assert len(set(found.labels(200))) == 1
    seen = Counter(traffic(at_waypoint(Fraction(1, 10)), Client(sessions=1), seed).labels(1)[0] for seed in range(2000))
    canary = next(i for i, path in enumerate(ways(at_waypoint(Fraction(1, 10)))) if "canary" in str(path.outcome))
    assert counts_fit([seen[canary], seen[1 - canary]], [Fraction(1, 10), Fraction(9, 10)], FAMILY)


def test_round_robin_gives_equal_endpoints_equal_counts() -> None:
    # Measured with Envoy 1.39.3: 20,000 requests over 5 endpoints were 4,000 each, dispersion 0.
    found = traffic(at_waypoint(Fraction(1, 6), 5), Client(), policy="ROUND_ROBIN")
    drawn = Counter(found.labels(12_000))
    canary = next(i for i, path in enumerate(ways(at_waypoint(Fraction(1, 6), 5))) if "canary" in path.outcome.workload)  # type: ignore[union-attr]
    stable = [count for leaf, count in drawn.items() if leaf != canary]
    assert max(stable) - min(stable) <= 1
    assert counts_fit([sum(stable), drawn[canary]], [Fraction(5, 6), Fraction(1, 6)], FAMILY)
    many = [count for leaf, count in enumerate(found.counts(10**9)) if leaf != canary]
    assert max(many) - min(many) <= 1


@pytest.mark.parametrize(
    ("trace", "client", "policy"),
    [
        (at_ztunnel(HALF, HALF), Client(), "RANDOM"),
        (at_ztunnel(HALF, Fraction(1, 3), Fraction(1, 6)), Client(connection="keep-alive", concurrency=7), "RANDOM"),
        (across_networks(HALF, HALF), Client(pool=16), "RANDOM"),
        (at_waypoint(Fraction(1, 10), 3), Client(), "ROUND_ROBIN"),
        (at_waypoint(Fraction(1, 10), 3), Client(connection="keep-alive", per_connection=9, concurrency=4), "RANDOM"),
    ],
)
def test_counts_are_the_histogram_of_the_labels(trace: Trace, client: Client, policy: str) -> None:
    found = traffic(trace, client, policy=policy)
    seen = Counter(found.labels(30_000))
    assert found.counts(30_000) == tuple(seen[leaf] for leaf in range(found.width))
    assert sum(found.counts(HISTOGRAM + 7)) == HISTOGRAM + 7


@pytest.mark.parametrize(
    ("trace", "client"),
    [
        (at_ztunnel(HALF, HALF), Client(connection="keep-alive", concurrency=3)),
        (across_networks(HALF, HALF), Client(pool=5)),
        (at_ztunnel(HALF, HALF), Client(connection="keep-alive", concurrency=3, per_connection=4)),
    ],
)
def test_any_chunk_of_a_clients_requests_is_a_piece_of_the_whole(trace: Trace, client: Client) -> None:
    found = traffic(trace, client)
    whole = found.labels(1000)
    for start, stop in ((0, 50), (1, 2), (17, 999), (500, 1000)):
        assert found.labels(stop, start) == whole[start:stop]


def test_the_order_of_sibling_steps_changes_no_request() -> None:
    forwards = at_ztunnel(HALF, Fraction(1, 3), Fraction(1, 6))
    root = forwards.roots[0]
    backwards = Trace(roots=(replace(root, children=tuple(reversed(root.children))),))
    names = [[path.outcome.workload for path in ways(trace)] for trace in (forwards, backwards)]  # type: ignore[union-attr]
    first, second = (traffic(trace, Client()).labels(500) for trace in (forwards, backwards))
    assert [names[0][leaf] for leaf in first] == [names[1][leaf] for leaf in second]


def test_a_client_without_a_connection_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one connection"):
        Client(concurrency=0)
