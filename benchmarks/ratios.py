"""A candidate against its anchor: timed by turns in one run, in CPU time; the ratio of the medians is the result."""

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

ROUNDS = 9


def cpu(work: Callable[[], object]) -> float:
    gc.collect()
    gc.disable()
    start = time.process_time()
    result = work()
    taken = time.process_time() - start
    gc.enable()
    del result
    return taken


def ratio(
    candidate: Callable[[], object], anchor: Callable[[], object], rounds: int = ROUNDS, repeats: int = 1
) -> float:
    """CPU time of the candidate over the anchor's. A candidate of about a millisecond is run `repeats` times a round:
    a round then measures it, not the caches that the anchor and the garbage collector left cold."""

    def several() -> None:
        for _ in range(repeats):
            candidate()

    several()
    anchor()
    times = [(cpu(several) / repeats, cpu(anchor)) for _ in range(rounds)]
    return statistics.median(a for a, _ in times) / statistics.median(b for _, b in times)


def report(benchmark: Any, ident: str, what: str, found: float | str, target: str, work: Callable[[], object]) -> None:
    """Keep a ratio for the table at the end of the run; pytest-benchmark times the candidate once."""
    benchmark.extra_info.update(id=ident, what=what, ratio=found, target=target)
    benchmark.pedantic(work, rounds=1)
