"""How many requests a real check needs: to tell an applied split from a bypassed one, and when no number suffices.

The test is exact and one-sided: with probability at most `alpha` it calls an applied split bypassed, with probability
at most `beta` it overlooks the bypass. Published with it, and computed here: 7, 21, 44 and 90 requests for a split
of 50, 20, 10 and 5 % that is bypassed to 0; 535 for one of 50 % that is bypassed to 40 %.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from math import ceil, floor, log, sqrt
from typing import Final, final

from meshsim.analysis.statistics import at_least_is, at_most_is
from meshsim.model.frozen import frozen
from meshsim.model.shares import ONE, ZERO, percent
from meshsim.model.verdict import Row, Verdict
from meshsim.simulation.units import Client, Unit, plan, units

LEVEL: Final = Fraction(1, 100)
"""Both errors of a check: 1 % and 1 %."""
COURSE_UP_TO: Final = 5_000
"""Sequential tests are computed for pairs that a fixed test tells apart with so many requests."""
EXACT_UP_TO: Final = 20_000
"""Above so many requests the number is the normal approximation's, and said to be about so many."""
_ROLES: Final = ("stable", "canary", "other", "error")


@lru_cache(maxsize=4096)
def requests_needed(p0: Fraction, p1: Fraction, alpha: Fraction = LEVEL, beta: Fraction = LEVEL) -> int | None:
    """The fewest independent requests with which a test tells a share p0 (applied) from p1 (bypassed).

    None where no number does: the shares are equal. Exact up to `EXACT_UP_TO`, the normal approximation above.
    Raises ValueError for shares outside 0 … 1 and errors outside 0 … 1/2.

    >>> [requests_needed(Fraction(p, 100), Fraction(0)) for p in (50, 20, 10, 5)]
    [7, 21, 44, 90]
    """
    if not (0 <= p0 <= 1 and 0 <= p1 <= 1 and 0 < alpha < Fraction(1, 2) and 0 < beta < Fraction(1, 2)):
        msg = f"no test tells {p0} from {p1} with errors {alpha} and {beta}: shares lie in 0 … 1, errors in 0 … 1/2"
        raise ValueError(msg)
    if p0 == p1:
        return None
    if p0 < p1:
        p0, p1 = 1 - p0, 1 - p1
    if p0 == 1 or p1 == 0:
        return _sure(p0, p1, alpha, beta)
    about = _approximate(p0, p1, alpha, beta)
    if about > EXACT_UP_TO:
        return about
    return _smallest(p0, p1, alpha, beta)


def _sure(p0: Fraction, p1: Fraction, alpha: Fraction, beta: Fraction) -> int:
    """One side never (or always) shows it: a single request of the other kind decides."""
    if p0 == 1 and p1 == 0:
        return 1
    rest, level = (1 - p0, alpha) if p1 == 0 else (p1, beta)
    n = max(1, ceil(log(level) / log(rest)) - 1)
    while rest**n > level:
        n += 1
    return n


def _approximate(p0: Fraction, p1: Fraction, alpha: Fraction, beta: Fraction) -> int:
    from statistics import NormalDist

    normal = NormalDist()
    a, b = float(p0), float(p1)
    spread = -normal.inv_cdf(float(alpha)) * sqrt(a * (1 - a)) - normal.inv_cdf(float(beta)) * sqrt(b * (1 - b))
    return ceil((spread / float(p0 - p1)) ** 2)


def _smallest(p0: Fraction, p1: Fraction, alpha: Fraction, beta: Fraction) -> int:
    """The test calls it bypassed at c hits or fewer. For each c, n must be so large that an applied split rarely has
    so few, and so small that a bypassed one rarely has more; the room between grows with c, but for rounding."""

    def least(c: int) -> int:
        return _first(lambda n: at_most_is(n, c, p0, alpha), c, int(c / p0))

    def room(c: int) -> int:
        most = _first(lambda n: not at_least_is(n, c + 1, p1, beta), c + 1, int(c / p1)) - 1
        return most - least(c)

    low, high = 0, 1
    while room(high) < 0:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if room(middle) < -2 else (low, middle)
    return least(next(c for c in range(low, EXACT_UP_TO) if room(c) >= 0))


def _first(true: Callable[[int], bool], low: int, guess: int) -> int:
    """The smallest n ≥ low at which a condition holds that stays true from there on."""
    high, step = max(guess, low), 1
    while not true(high):
        low, high, step = high + 1, high + step, step * 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if true(middle) else (middle + 1, high)
    return low


@final
@frozen
class Sequential:
    """A test that looks after every request: how many it takes on average where the split is applied, and where it is
    bypassed, and its true errors (computed over all courses, to 1e-9)."""

    if_applied: float
    if_bypassed: float
    false_alarm: float
    missed: float


@lru_cache(maxsize=1024)
def sequential(p0: Fraction, p1: Fraction, alpha: Fraction = LEVEL, beta: Fraction = LEVEL) -> Sequential | None:
    """Wald's sequential probability ratio test of p0 (applied) against p1 (bypassed), with the bounds 1/alpha and
    beta, at which Ville's inequality keeps both errors. None where the shares are equal, or where the fixed test
    needs more than `COURSE_UP_TO` requests."""
    needed = requests_needed(p0, p1, alpha, beta)
    if needed is None or needed > COURSE_UP_TO:
        return None
    if p0 < p1:
        p0, p1 = 1 - p0, 1 - p1
    if p0 == 1 or p1 == 0:
        return _first_other(p0, p1, needed)
    means, ends = zip(*(_course(p, p0, p1, float(alpha), float(beta)) for p in (p0, p1)), strict=True)
    return Sequential(if_applied=means[0], if_bypassed=means[1], false_alarm=ends[0][0], missed=ends[1][1])


def _first_other(p0: Fraction, p1: Fraction, needed: int) -> Sequential:
    """One side never (or always) shows it: the first request of the other kind decides, and `needed` without one."""
    rest = 1 - p0 if p1 == 0 else p1
    mean = float((1 - rest**needed) / (1 - rest))
    if p1 == 0:
        return Sequential(if_applied=mean, if_bypassed=needed, false_alarm=float(rest**needed), missed=0.0)
    return Sequential(if_applied=needed, if_bypassed=mean, false_alarm=0.0, missed=float(rest**needed))


def _course(p: Fraction, p0: Fraction, p1: Fraction, alpha: float, beta: float) -> tuple[float, tuple[float, float]]:
    """Mean length of the walk under a share p, and how often it ends at bypassed and at applied. A hit lowers the
    likelihood ratio of p1 to p0, so after n requests the walk goes on between two numbers of hits."""
    down, up = log(p0 / p1), log((1 - p1) / (1 - p0))
    hit, miss = float(p), float(1 - p)
    alive, first = [1.0], 0
    n, mean, bypassed, applied = 0, 0.0, 0.0, 0.0
    weight = 1.0
    while weight > 1e-12:
        mean += weight
        n += 1
        moved = [a * miss + b * hit for a, b in zip((*alive, 0.0), (0.0, *alive), strict=True)]
        low = max(0, floor((n * up + log(alpha)) / (down + up)) + 1 - first)
        high = max(low, ceil((n * up - log(beta)) / (down + up)) - first)
        bypassed += sum(moved[:low])
        applied += sum(moved[high:])
        alive, first = moved[low:high], first + low
        weight = sum(alive)
    return mean, (bypassed, applied)


@final
@frozen
class Comparison:
    """Two hypotheses on what a client gets, and the kind of answers that tells them apart best.

    `roles` are counted (`canary`, or several); `applied` and `bypassed` are their shares; `needed` is None where no
    number of requests suffices.
    """

    roles: tuple[str, ...]
    applied: Fraction
    bypassed: Fraction
    needed: int | None

    @property
    def exact(self) -> bool:
        return self.needed is None or self.needed <= EXACT_UP_TO


def compare(applied: Mapping[str, Fraction], bypassed: Mapping[str, Fraction]) -> Comparison:
    """The roles whose count tells two splits apart with the fewest requests (the first of equals)."""
    best: Comparison | None = None
    tried = set()
    for roles in _events(applied, bypassed):
        p0, p1 = (sum((shares.get(role, ZERO) for role in roles), ZERO) for shares in (applied, bypassed))
        either = max((p0, p1), (1 - p0, 1 - p1))
        if either in tried:
            continue
        tried.add(either)
        found = Comparison(roles=roles, applied=p0, bypassed=p1, needed=requests_needed(p0, p1))
        if found.needed is not None and (best is None or best.needed is None or found.needed < best.needed):
            best = found
    same = applied.get("canary", ZERO)
    return best or Comparison(roles=("canary",), applied=same, bypassed=same, needed=None)


def _events(*splits: Mapping[str, Fraction]) -> Iterator[tuple[str, ...]]:
    """Sets of roles to count: canary first, then other single ones, then pairs (the rest are their complements)."""
    present = [role for role in ("canary", "stable", "other", "error") if any(split.get(role) for split in splits)]
    for size in (1, 2):
        yield from combinations(present, size)


@final
@frozen
class PowerNote:
    """What a check on one client would need.

    `unit` is what is counted: `request`, `connection` or `pooled upstream connection`; `n` how many (None: masked);
    `sequential_n` how many a sequential test takes on average where the split is bypassed.
    """

    unit: str
    n: int | None
    sequential_n: int | None
    text: str


def for_row(row: Row, unit: str | None = None) -> PowerNote | None:
    """The check that shows this row's bypass: what the Rollout wants against what the client gets, in the `unit` that
    the client's way of sending draws (default: by the call's `connection`).

    None where there is nothing to show: applied, undetermined, ungoverned, another Rollout's, or plainly failing.
    """
    found = _compared(row)
    if found is None:
        return None
    unit = unit or unit_of(row)
    if found.needed is None:
        return PowerNote(unit=unit, n=None, sequential_n=None, text="masked: no number of requests suffices")
    course = sequential(found.applied, found.bypassed)
    return PowerNote(
        unit=unit,
        n=found.needed,
        sequential_n=ceil(course.if_bypassed) if course is not None else None,
        text=sentence(found, unit),
    )


def brief(row: Row) -> str:
    """How many answers show this row's bypass, for a cell of a table: `44 requests`; empty where there is nothing to
    check. It costs no more than the search for n; the sequential test is left to `for_row`."""
    found = _compared(row)
    if found is None:
        return ""
    return "no number suffices" if found.needed is None else _amount(found, unit_of(row))


def _compared(row: Row) -> Comparison | None:
    if row.verdict not in {Verdict.BYPASSED, Verdict.PARTIAL} or row.desired is None or row.effective is None:
        return None
    return compare(row.desired, dict(row.effective.items()))


def _amount(found: Comparison, unit: str) -> str:
    about = "" if found.exact else "about "
    return f"{about}{found.needed:,} {unit}{'' if found.needed == 1 else 's'}"


def sentence(found: Comparison, unit: str, alpha: Fraction = LEVEL, beta: Fraction = LEVEL) -> str:
    """A comparison in words.

    >>> sentence(Comparison(roles=("canary",), applied=Fraction(1, 10), bypassed=Fraction(0), needed=44), "request")
    '44 requests tell 10% from 0% (1%/1%)'
    """
    if found.needed is None:
        return "no number of requests suffices"
    what = "" if found.roles == ("canary",) else f" {' + '.join(found.roles)}"
    return (
        f"{_amount(found, unit)} {'tells' if found.needed == 1 else 'tell'} {percent(found.applied)}{what} "
        f"from {percent(found.bypassed)} ({percent(alpha)}/{percent(beta)})"
    )


def unit_of(row: Row) -> str:
    """What a check of a row has to count: its coarsest unit."""
    found = units(plan(row.trace, Client(connection=row.connection)))
    for unit in (Unit.POOLED, Unit.CONNECTION):
        if unit in found:
            return str(unit)
    return str(Unit.REQUEST)


def causes(row: Row, others: Sequence[Row]) -> tuple[tuple[str, Comparison], ...]:
    """An applied row's split against each bypass cause: those that other rows of its Rollout meet (named by their
    reasons), and the plainest, that no request reaches the canary."""
    if row.desired is None or row.effective is None:
        return ()
    found: dict[str, Comparison] = {"no request reaches the canary": compare(row.desired, {"stable": ONE})}
    for other in others:
        bypassed = other.verdict in {Verdict.BYPASSED, Verdict.PARTIAL} and other.rollout == row.rollout
        if bypassed and other.effective is not None and other.reasons:
            found[f"{other.reasons[0]}, as {other.frm}"] = compare(row.desired, dict(other.effective.items()))
    return tuple(found.items())
