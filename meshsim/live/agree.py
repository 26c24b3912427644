"""Whether counts agree with exact shares: two-sided binomial tests, and the multinomial where it can be summed.

Shares are Fractions and the sums are taken term by term; no approximation by a normal or a χ² law takes part.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final, final

from meshsim.live.lab.observe import Failure, Observation
from meshsim.model.frozen import record
from meshsim.model.shares import ONE, ZERO
from meshsim.model.trace import Delivered, Failed, Open, Trace
from meshsim.tables.views import Views

ALPHA: Final = 1e-6
"""A row disagrees below this; 1000 requests still tell 90/10 from 80/20."""
SILENT: Final = frozenset({"reset", "timeout", "refused", "tls", "denied"})
"""Codes of the model whose client gets no answer at all; a loopback lab cannot tell them apart."""
CUT_OFF: Final = {"UC": "UF"}
"""A tunnel that fails is a failed connection or a cut one, by who notices first (measured with Envoy 1.39.3)."""
SUMMABLE: Final = 100_000
Category = str | Failure
"""A pod's path, or a failure."""


@final
@record
class Agreement:
    """The counts against the shares: the p-value of the row, and of the category that is furthest off."""

    p: float
    worst: Category | None

    @property
    def holds(self) -> bool:
        return self.p >= ALPHA


def binomial(count: int, trials: int, share: Fraction) -> float:
    """The chance of a count at least as unlikely on either side: twice the smaller tail, at most 1.

    >>> round(binomial(8, 10, Fraction(1, 2)), 4), binomial(1, 10, Fraction(0)), binomial(10, 10, Fraction(1))
    (0.1094, 0.0, 1.0)
    """
    if share in {ZERO, ONE}:
        return 1.0 if count == trials * share else 0.0
    upper = count >= trials * share
    return min(1.0, 2 * _tail(count, trials, float(share), upper=upper))


def _tail(count: int, trials: int, share: float, *, upper: bool) -> float:
    """The sum of the binomial's terms from `count` outwards."""
    odds = share / (1 - share)
    term = math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(count + 1)
        - math.lgamma(trials - count + 1)
        + count * math.log(share)
        + (trials - count) * math.log1p(-share)
    )
    total, at = 0.0, count
    while term > total * 1e-17 and 0 <= at <= trials:
        total += term
        if upper:
            term *= (trials - at) / (at + 1) * odds
            at += 1
        else:
            term *= at / ((trials - at + 1) * odds)
            at -= 1
    return total


def multinomial(counts: Sequence[int], shares: Sequence[Fraction]) -> float | None:
    """The chance of counts no likelier than these; None where there are too many to sum.

    >>> round(multinomial([3, 0, 0], [Fraction(1, 3)] * 3), 4)
    0.1111
    """
    if any(count and not share for count, share in zip(counts, shares, strict=True)):
        return 0.0
    kept = [(count, share) for count, share in zip(counts, shares, strict=True) if share]
    trials = sum(counts)
    if math.comb(trials + len(kept) - 1, len(kept) - 1) > SUMMABLE:
        return None
    weights = [math.log(share) for _, share in kept]
    mine = _log_chance([count for count, _ in kept], weights, trials)
    chances = (_log_chance(other, weights, trials) for other in _compositions(trials, len(kept)))
    return min(1.0, math.fsum(math.exp(chance) for chance in chances if chance <= mine + 1e-9))


def _log_chance(counts: Sequence[int], weights: Sequence[float], trials: int) -> float:
    return math.lgamma(trials + 1) + sum(
        count * weight - math.lgamma(count + 1) for count, weight in zip(counts, weights, strict=True)
    )


def _compositions(total: int, parts: int) -> Iterator[list[int]]:
    if parts == 1:
        yield [total]
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield [first, *rest]


def compare(counts: Mapping[Category, int], shares: Mapping[Category, Fraction]) -> Agreement:
    """Counts against shares: each pod and failure by itself, and each revision's pods together.

    The row's p is the smallest of these times how many there are (Bonferroni): a bound that holds whatever the
    categories have to do with each other. What must never happen or always happens is held to that.
    """
    trials = sum(counts.values())
    groups = _revisions([*shares, *counts])
    tests = [
        (
            binomial(sum(counts.get(c, 0) for c in group), trials, sum((shares.get(c, ZERO) for c in group), ZERO)),
            group[0],
        )
        for group in groups
    ]
    if not tests or not trials:
        return Agreement(0.0 if shares else 1.0, None)
    p, worst = min(tests, key=lambda test: test[0])
    return Agreement(min(1.0, p * len(tests)), worst)


def _revisions(categories: Sequence[Category]) -> list[tuple[Category, ...]]:
    """Every category alone, and the pods of each ReplicaSet together where there are several."""
    single: list[tuple[Category, ...]] = [(category,) for category in dict.fromkeys(categories)]
    together: dict[str, dict[Category, None]] = {}
    for category in categories:
        if isinstance(category, str):
            together.setdefault(revision(category), {})[category] = None
    return single + [tuple(pods) for pods in together.values() if len(pods) > 1]


def revision(pod: str) -> str:
    """The ReplicaSet (or workload) of a pod's path.

    >>> revision("cluster1/shop/checkout-7f484fd795-0")
    'cluster1/shop/checkout-7f484fd795'
    """
    return pod.rpartition("-")[0]


def expected(trace: Trace, views: Views) -> dict[Category, Fraction]:
    """The shares of a trace in the words of an observation."""
    found: dict[Category, Fraction] = {}
    for path in trace.paths():
        outcome = path.outcome
        category: Category
        if isinstance(outcome, Delivered):
            row = views.pod(outcome.workload)
            category = row.path if row is not None else outcome.workload
        elif isinstance(outcome, Failed):
            category = said(Failure(outcome.code, outcome.flag, outcome.where))
        else:
            continue
        found[category] = found.get(category, ZERO) + path.share
    return {category: share for category, share in found.items() if share}


def undecided(trace: Trace) -> str:
    """The question that a trace leaves open; "" where it leaves none."""
    return next((path.outcome.question for path in trace.paths() if isinstance(path.outcome, Open)), "")


def said(failure: Failure) -> Failure:
    """A failure as far as client and lab can tell it: without an answer there is no code, and no flag of Envoy's."""
    if failure.code in SILENT or failure.code == "closed":
        return Failure("closed", "", failure.where)
    return Failure(failure.code, CUT_OFF.get(failure.flag, failure.flag), failure.where)


def counted(observation: Observation, *, first_only: bool = False) -> dict[Category, int]:
    """An observation's counts; with `first_only`, each connection counts once, by its first answer."""
    counts: dict[Category, int] = {}
    for answers in observation.connections:
        for answer in answers[:1] if first_only else answers:
            kind = said(answer) if isinstance(answer, Failure) else answer
            counts[kind] = counts.get(kind, 0) + 1
    return counts
