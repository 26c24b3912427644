"""Exact shares turned into requests: a label per request, and counts per leaf.

A label says which leaf a request takes. Sixteen random bits a request pick one of 65,536 buckets; a bucket that a
boundary between two leaves runs through is refined with further bits until the request lies on one side, so the law
is exact for integer weights of any denominator. Label i is a pure function of the stream and i: the first fifty of a
million are the run of fifty, in any chunks, by any worker, with or without numpy.

Counts of up to `HISTOGRAM` requests are the histogram of the labels. Above it they are drawn directly, by exact
conditional binomials, in a time that does not depend on the number of requests.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate
from math import lcm
from typing import Final, final

from meshsim.model.frozen import record
from meshsim.simulation.streams import Purpose, Stream

HISTOGRAM: Final = 1 << 17
"""Up to so many requests the counts are the histogram of the labels (131,072)."""
VECTOR: Final = 1 << 14
"""From so many labels on, numpy is worth its import."""
BITS: Final = 16
BUCKETS: Final = 1 << BITS
FINE: Final = 80
"""A bucket and the word that refines it: so many bits place a request against a boundary at once."""
REST: Final = FINE - BITS
LAST: Final = (1 << REST) - 1
PER_BLOCK: Final = 16
"""Requests that one Philox block of 256 bits labels."""


@final
@record
class Leaves:
    """Integer weights of the leaves 0 … n-1; leaf j has share weights[j]/total."""

    weights: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.weights or min(self.weights) < 0 or not any(self.weights):
            msg = f"weights {self.weights!r} must be whole numbers from 0 on, not all 0"
            raise ValueError(msg)

    @property
    def total(self) -> int:
        return sum(self.weights)

    @property
    def typecode(self) -> str:
        """The smallest unsigned type with room for every leaf and a mark: `B`, `H` or `I`."""
        return "B" if len(self.weights) < 1 << 8 else "H" if len(self.weights) < 1 << 16 else "I"


def leaves(shares: Iterable[Fraction]) -> Leaves:
    """Shares as integer weights over their common denominator. Raises ValueError where they do not sum to 1.

    >>> leaves([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)])
    Leaves(weights=(3, 2, 1))
    """
    found = tuple(shares)
    if sum(found) != 1:
        msg = f"shares sum to {sum(found)}, not 1"
        raise ValueError(msg)
    whole = lcm(*(share.denominator for share in found))
    return Leaves(tuple(share.numerator * (whole // share.denominator) for share in found))


@final
@record
class Cuts:
    """Where leaves meet: `places` are the inner cumulative weights, `fine` the same in 2^-80ths, rounded down, and
    `whole` whether they lie exactly there; `first` is the first bucket wholly at or above each, `edges` are the buckets
    that a boundary runs through."""

    total: int
    places: tuple[int, ...]
    fine: tuple[int, ...]
    whole: tuple[bool, ...]
    first: tuple[int, ...]
    edges: frozenset[int]


def cuts(of: Leaves) -> Cuts:
    """The boundaries between leaves in buckets."""
    total = of.total
    places = tuple(accumulate(of.weights))[:-1]
    scaled = [divmod(place << FINE, total) for place in places]
    fine = tuple([floor for floor, _ in scaled])
    whole = tuple([not rest for _, rest in scaled])
    first = tuple(
        [(floor + LAST if exact else floor + LAST + 1) >> REST for floor, exact in zip(fine, whole, strict=True)]
    )
    edges = frozenset(
        [bucket - 1 for bucket, floor, exact in zip(first, fine, whole, strict=True) if not exact or floor & LAST]
    )
    return Cuts(total=total, places=places, fine=fine, whole=whole, first=first, edges=edges)


def refined(source: Stream, index: int, bucket: int, at: Cuts) -> int:
    """The leaf of request `index`, whose bucket a boundary runs through: further bits until it is certain."""
    value, count, level = bucket, BITS, 0
    while True:
        for word in source.block(index, Purpose.REFINE, level):
            value, count = value << 64 | word, count + 64
            low = bisect_right(at.places, value * at.total >> count)
            high = bisect_right(at.places, ((value + 1) * at.total - 1) >> count)
            if low == high:
                return low
        level += 1


def labels(source: Stream, of: Leaves, stop: int, start: int = 0) -> "array[int]":
    """Leaf numbers of the requests start … stop-1, as an array of the smallest unsigned type (`of.typecode`)."""
    if stop - start >= VECTOR:
        from meshsim.simulation import traffic_vector

        found = array(of.typecode)
        found.frombytes(traffic_vector.labels(source, of, stop, start).tobytes())
        return found
    return plain_labels(source, of, stop, start)


def plain_labels(source: Stream, of: Leaves, stop: int, start: int = 0) -> "array[int]":
    """`labels` by Python alone."""
    at = cuts(of)
    first, edges = at.first, at.edges
    found = array(of.typecode)
    for number in range(start // PER_BLOCK, -(-stop // PER_BLOCK)):
        base = number * PER_BLOCK
        words = source.block(number, Purpose.LABELS)
        buckets = [word >> shift & 0xFFFF for word in words for shift in (0, 16, 32, 48)]
        picked = [bisect_right(first, bucket) for bucket in buckets]
        if edges and not edges.isdisjoint(buckets):
            for offset, bucket in enumerate(buckets):
                if bucket in edges:
                    picked[offset] = refined(source, base + offset, bucket, at)
        found.extend(picked[max(start - base, 0) : stop - base])
    return found


def label(source: Stream, of: Leaves, index: int) -> int:
    """The leaf of one request."""
    return plain_labels(source, of, index + 1, index)[0]


def counts(source: Stream, of: Leaves, requests: int) -> tuple[int, ...]:
    """How many of `requests` requests take each leaf: multinomial, in O(leaves) above `HISTOGRAM` requests."""
    if requests > HISTOGRAM:
        from meshsim.simulation.traffic_counts import multinomial

        return multinomial(source, of, requests)
    if requests >= VECTOR:
        from meshsim.simulation import traffic_vector

        return traffic_vector.histogram(traffic_vector.labels(source, of, requests), len(of.weights))
    return histogram(plain_labels(source, of, requests), len(of.weights))


def histogram(found: Sequence[int], width: int) -> tuple[int, ...]:
    """How often each of the labels 0 … width-1 occurs."""
    totals = [0] * width
    for one in found:
        totals[one] += 1
    return tuple(totals)
