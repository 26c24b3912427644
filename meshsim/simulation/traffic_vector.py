"""Labels by numpy: the same bits and the same leaves as `traffic.plain_labels`, at memory speed.

One Philox is re-keyed for a stream; batches of 8 Ki words stay in the cache; a table of 64 Ki buckets turns sixteen
bits into a label. Buckets that a boundary runs through hold a mark, and are refined exactly.
"""

import sys
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from meshsim.simulation.philox import MULTIPLIERS, ROUNDS, WEYL, WORDS
from meshsim.simulation.streams import Purpose, Stream
from meshsim.simulation.traffic import BITS, BUCKETS, LAST, REST, Leaves, cuts, refined

BATCH: Final = 8192
"""Words a batch: 64 KiB of random bits and as many bytes of labels stay in the second-level cache."""
PER_WORD: Final = 4
SMALL: Final = 63 - BITS
"""Totals of up to so many bits leave room for sixteen more in 63."""
_ZERO: Final = np.zeros(1, dtype=np.int64)
_END: Final = np.full(1, BUCKETS, dtype=np.int64)

Labels = npt.NDArray[np.unsignedinteger[Any]]
U64 = npt.NDArray[np.uint64]

_GENERATOR: Final = np.random.Philox(key=0)
_PLACES: Final = np.empty(BATCH * PER_WORD, dtype=np.intp)
"""Where a batch's buckets become indices: fresh memory for each call would cost more than the look-up."""
_STATE: Final[Any] = {
    "bit_generator": "Philox",
    "buffer": (0, 0, 0, 0),
    "buffer_pos": 4,
    "has_uint32": 0,
    "uinteger": 0,
}


def keyed(source: Stream, purpose: Purpose, number: int = 0) -> np.random.Philox:
    """The Philox of numpy at block `number` of a stream: one generator, re-keyed, as a new one costs ten times as much.

    It is valid until the next call; not for several threads.
    """
    _STATE["state"] = {"counter": (number, 0, 0, purpose), "key": source.key}
    _GENERATOR.state = _STATE
    return _GENERATOR


class _Edges(NamedTuple):
    """Of each boundary between leaves: the first bucket at or above it, the bucket it lies in, where in that bucket in
    2^-64ths, rounded down, and whether exactly there."""

    first: npt.NDArray[np.int64]
    home: npt.NDArray[np.int64]
    floors: U64
    whole: npt.NDArray[np.bool_]


def _edges(of: Leaves) -> _Edges:
    """The boundaries of `traffic.cuts` as arrays, sixteen bits at a time where totals are small enough."""
    total = of.total
    if total >> SMALL:
        at = cuts(of)
        return _Edges(
            np.asarray(at.first, dtype=np.int64),
            np.asarray([place >> REST for place in at.fine], dtype=np.int64),
            np.asarray([place & LAST for place in at.fine], dtype=np.uint64),
            np.asarray(at.whole, dtype=np.bool_),
        )
    home, rest = np.divmod(np.cumsum(np.asarray(of.weights[:-1], dtype=np.int64)) << BITS, total)
    floors = np.zeros(len(rest), dtype=np.uint64)
    for _ in range(REST // BITS):
        part, rest = np.divmod(rest << BITS, total)
        floors = floors << np.uint64(BITS) | part.astype(np.uint64)
    whole = rest == 0
    return _Edges(home + ((floors != 0) | ~whole), home, floors, whole)


@lru_cache(maxsize=64)
def _table(of: Leaves) -> tuple[Labels, _Edges | None]:
    """The label of each bucket; the number of leaves is the mark of buckets that need refinement, if there are any."""
    at = _edges(of)
    ends = np.concatenate((_ZERO, at.first, _END))
    table = np.repeat(np.arange(len(of.weights), dtype=of.typecode), ends[1:] - ends[:-1])
    edges = at.home[at.first > at.home]
    table[edges] = len(of.weights)
    table.flags.writeable = False
    return table, at if len(edges) else None


def labels(source: Stream, of: Leaves, stop: int, start: int = 0) -> Labels:
    """Leaf numbers of the requests start … stop-1: shape (stop - start,), dtype `of.typecode`."""
    table, at = _table(of)
    head = start // (PER_WORD * WORDS) * WORDS
    """The first word that is drawn: whole blocks."""
    tail = -(-stop // PER_WORD)
    generator = keyed(source, Purpose.LABELS, head // WORDS)
    skip = start - head * PER_WORD
    drawn = np.empty((tail - head) * PER_WORD, dtype=table.dtype)
    mark = len(of.weights)
    waiting: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]] = []
    pending = 0
    for word in range(0, tail - head, BATCH):
        buckets = _halves(generator.random_raw(min(BATCH, tail - head - word)))
        place = _PLACES[: len(buckets)]
        place[...] = buckets
        piece = drawn[word * PER_WORD : word * PER_WORD + len(buckets)]
        table.take(place, out=piece)
        if at is not None:
            marked = (piece == mark).nonzero()[0]
            waiting.append((marked + word * PER_WORD, buckets[marked]))
            pending += len(marked)
            if pending >= BATCH:
                _refine(drawn, source, head * PER_WORD, waiting, of, at)
                waiting, pending = [], 0
    if at is not None and pending:
        _refine(drawn, source, head * PER_WORD, waiting, of, at)
    return drawn[skip : skip + stop - start]


def _refine(
    drawn: Labels,
    source: Stream,
    base: int,
    waiting: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]],
    of: Leaves,
    at: _Edges,
) -> None:
    """Replace the marks that wait by their leaves, many at once: the cost of a call is that of a few thousand."""
    places = np.concatenate([places for places, _ in waiting])
    buckets = np.concatenate([buckets for _, buckets in waiting])
    drawn[places] = _refined(source, places + base, buckets, of, at)


def _halves(raw: U64) -> npt.NDArray[np.uint16]:
    """64-bit words as 16-bit buckets, lowest bits first."""
    return (raw if sys.byteorder == "little" else raw.byteswap()).view(np.dtype("<u2"))


def _refined(
    source: Stream, indices: npt.NDArray[np.int64], buckets: npt.NDArray[np.uint16], of: Leaves, at: _Edges
) -> npt.NDArray[np.int64]:
    """Exact leaves of requests in buckets with a boundary: 64 further bits for all at once, more where they tie."""
    word = first_words(source, indices)
    first, home, floors, whole = at
    begin = np.searchsorted(first, buckets, side="right")
    end = np.searchsorted(home, buckets, side="right")
    found: npt.NDArray[np.int64] = begin.astype(np.int64)
    tied = np.zeros(len(indices), dtype=bool)
    for step in range(int((end - begin).max())):
        here = np.minimum(begin + step, len(floors) - 1)
        live = begin + step < end
        floor = floors[here]
        found += live & ((word > floor) | ((word == floor) & whole[here]))
        tied |= live & (word == floor) & ~whole[here]
    for place in tied.nonzero()[0]:
        found[place] = refined(source, int(indices[place]), int(buckets[place]), cuts(of))
    return found


def first_words(source: Stream, indices: npt.NDArray[np.int64]) -> U64:
    """The first refinement word of each request: Philox over many counters at once, both its products in one array."""
    even = np.zeros((2, len(indices)), dtype=np.uint64)
    odd = np.zeros_like(even)
    even[0] = indices.astype(np.uint64) + np.uint64(1)
    odd[1] = int(Purpose.REFINE)
    keys = np.asarray(source.key, dtype=np.uint64).reshape(2, 1)
    for _ in range(ROUNDS):
        high, low = _products(even)
        even, odd = high[::-1] ^ odd ^ keys, low[::-1]
        keys = keys + _WEYL
    words: U64 = even[0]
    return words


_HALF: Final = np.uint64(32)
_MASK: Final = np.uint64(0xFFFFFFFF)
_FACTORS: Final = np.asarray(MULTIPLIERS, dtype=np.uint64).reshape(2, 1)
_HIGH: Final = _FACTORS >> _HALF
_LOW: Final = _FACTORS & _MASK
_WEYL: Final = np.asarray(WEYL, dtype=np.uint64).reshape(2, 1)


def _products(values: U64) -> tuple[U64, U64]:
    """High and low words of 128-bit products: row 0 with the first multiplier, row 1 with the second."""
    high, low = values >> _HALF, values & _MASK
    middle = low * _LOW
    middle >>= _HALF
    middle += high * _LOW
    low *= _HIGH
    low += middle & _MASK
    low >>= _HALF
    middle >>= _HALF
    high *= _HIGH
    high += middle
    high += low
    return high, values * _FACTORS


def histogram(found: Labels, width: int) -> tuple[int, ...]:
    """How often each of the labels 0 … width-1 occurs."""
    totals = np.zeros(width, dtype=np.int64)
    for begin in range(0, len(found), BATCH * PER_WORD):
        piece = found[begin : begin + BATCH * PER_WORD]
        place = _PLACES[: len(piece)]
        place[...] = piece
        totals += np.bincount(place, minlength=width)
    return tuple(totals.tolist())
