"""T1 to T7: what drawing requests costs, as a share of numpy's, heapq's and SimPy's own cost in the same run."""

import heapq
import random
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import accumulate, count
from typing import Any

import numpy as np
import simpy

from benchmarks.ratios import ratio, report
from meshsim.simulation import traffic_vector
from meshsim.simulation.streams import Purpose, stream
from meshsim.simulation.traffic import Leaves, counts, labels
from meshsim.simulation.traffic_timeline import Interval, arrivals, intervals

SIXTEEN = Leaves(tuple(range(1, 17)))
"""Sixteen leaves of a denominator (136) that no power of two divides: fifteen boundaries need refinement."""
MANY = 10_000_000
ROUTES = [
    ("scenario", f"cluster1/default/client-{i}", "helloworld.default.mesh.internal:5000", "/") for i in range(2000)
]
EVENTS = 57
SECONDS = 580
REQUESTS = 100_000


def test_counts_do_not_depend_on_the_number_of_requests(benchmark: Any) -> None:
    seeds = count()

    def many() -> None:
        for _ in range(50):
            counts(stream(next(seeds), "T1"), SIXTEEN, 10**9)

    def few() -> None:
        for _ in range(50):
            counts(stream(next(seeds), "T1"), SIXTEEN, 10**3)

    report(benchmark, "T1", "counts, 16 leaves: t(N = 1e9) / t(N = 1e3)", ratio(many, few), "≤ 2", many)


def test_a_label_per_request_against_numpys_choice(benchmark: Any) -> None:
    shares = np.array(SIXTEEN.weights) / SIXTEEN.total
    generator = np.random.default_rng(1)

    def ours() -> object:
        return traffic_vector.labels(stream(1, "T2"), SIXTEEN, MANY)

    found = ratio(ours, lambda: generator.choice(16, size=MANY, p=shares), 5)
    report(benchmark, "T2", "a label per request, 16 leaves, N = 1e7 / Generator.choice(p)", found, "≤ 0.15", ours)


def test_a_label_per_request_against_raw_words(benchmark: Any) -> None:
    def ours() -> object:
        return traffic_vector.labels(stream(1, "T3"), SIXTEEN, MANY)

    def raw() -> object:
        generator, stored = np.random.Philox(1), np.empty(MANY, np.uint8)
        words = MANY // 4
        for begin in range(0, words, 8192):
            end = min(begin + 8192, words)
            stored[begin * 4 : end * 4] = generator.random_raw(end - begin).view(np.uint16)
        return stored

    report(benchmark, "T3", "the same / raw 16-bit words, a byte of each stored", ratio(ours, raw), "≤ 3.0", ours)


def test_a_stream_per_route_against_a_seed_sequence(benchmark: Any) -> None:
    def ours() -> None:
        for names in ROUTES:
            traffic_vector.keyed(stream(1, *names), Purpose.LABELS)

    def theirs() -> None:
        for i in range(len(ROUTES)):
            np.random.default_rng(np.random.SeedSequence(1, spawn_key=(i,)))

    report(
        benchmark,
        "T4",
        "a stream per route / default_rng(SeedSequence(spawn_key))",
        ratio(ours, theirs, 15),
        "≤ 0.25",
        ours,
    )


def _piece(place: int) -> bytes:
    return labels(stream(1, "T5"), SIXTEEN, (place + 1) * 62_500, place * 62_500).tobytes()


def test_workers_order_and_chunks_do_not_show(benchmark: Any) -> None:
    whole = labels(stream(1, "T5"), SIXTEEN, 1_000_000).tobytes()
    with ProcessPoolExecutor(2) as pool:
        pieces = list(pool.map(_piece, reversed(range(16))))
    same = b"".join(reversed(pieces)) == whole
    assert same
    report(
        benchmark, "T5", "1e6 labels: 1 worker, 2 workers backwards, 16 chunks", "identical", "identical", lambda: None
    )


def timeline() -> tuple[Interval, ...]:
    starts = [i * SECONDS // (EVENTS + 1) for i in range(EVENTS + 1)]
    return intervals(starts, SECONDS, [Leaves((100 - i, i, 3, 7, 1)) for i in range(EVENTS + 1)])


def ours_over_time() -> "Any":
    seeds = count()
    parts, rate = timeline(), Fraction(REQUESTS, SECONDS)

    def run() -> object:
        # A new seed each time; the table of labels is built anew as well.
        traffic_vector._table.cache_clear()
        return arrivals(stream(next(seeds), "T6"), rate, parts)

    return run


def heap_loop() -> object:
    """An event loop as one writes it: a heap of (time, number, what), an event per request."""
    parts, rate = timeline(), REQUESTS / SECONDS
    rng, numbers = random.Random(1), count()
    events: list[tuple[float, int, str, int]] = [
        (float(p.start), next(numbers), "control", i) for i, p in enumerate(parts)
    ]
    heapq.heapify(events)
    heapq.heappush(events, (rng.expovariate(rate), next(numbers), "request", 0))
    seen: dict[tuple[int, int], int] = {}
    cumulative: list[int] = []
    names = range(5)
    current = 0
    while events:
        now, _, kind, which = heapq.heappop(events)
        if kind == "control":
            current, cumulative = which, list(accumulate(parts[which].of.weights))
            continue
        if now >= SECONDS:
            break
        leaf = rng.choices(names, cum_weights=cumulative)[0]
        seen[current, leaf] = seen.get((current, leaf), 0) + 1
        heapq.heappush(events, (now + rng.expovariate(rate), next(numbers), "request", 0))
    return seen


def simpy_processes() -> object:
    """A SimPy process per request, one for arrivals, one for control."""
    parts, rate = timeline(), REQUESTS / SECONDS
    rng, env = random.Random(1), simpy.Environment()
    seen: dict[tuple[int, int], int] = {}
    state: dict[str, Any] = {}

    def control() -> Any:
        for i, part in enumerate(parts):
            yield env.timeout(float(part.start) - env.now)
            state.update(at=i, weights=list(accumulate(part.of.weights)))

    def request() -> Any:
        yield env.timeout(0.005)
        leaf = rng.choices(range(5), cum_weights=state["weights"])[0]
        seen[state["at"], leaf] = seen.get((state["at"], leaf), 0) + 1

    def source() -> Any:
        while True:
            yield env.timeout(rng.expovariate(rate))
            env.process(request())

    env.process(control())
    env.process(source())
    env.run(until=SECONDS)
    return seen


def test_traffic_over_a_timeline_against_a_heap(benchmark: Any) -> None:
    ours = ours_over_time()
    found = ratio(ours, heap_loop, 7, repeats=20)
    report(
        benchmark,
        "T6",
        "57 control events, 1e5 requests / a heapq event per request",
        f"1/{1 / found:.0f}",
        "≤ 1/100",
        ours,
    )


def test_traffic_over_a_timeline_against_simpy(benchmark: Any) -> None:
    ours = ours_over_time()
    found = ratio(ours, simpy_processes, 5, repeats=20)
    report(benchmark, "T7", "the same / a SimPy process per request", f"1/{1 / found:.0f}", "≤ 1/500", ours)
