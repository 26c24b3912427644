"""Labels by numpy: the same bits and the same leaves as `traffic.plain_labels`, at memory speed.

One Philox is re-keyed for a stream; batches of 8 Ki words stay in the cache; a table of 64 Ki buckets turns sixteen
bits into a label. Buckets that a boundary runs through hold a mark, and are refined exactly.
"""

import sys
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from meshsim.simulation.philox import MASK, MULTIPLIERS, ROUNDS, WEYL, WORDS
from meshsim.simulation.streams import Purpose, Stream
from meshsim.simulation.traffic import BUCKETS, Cuts, Leaves, cuts, refined

BATCH: Final = 8192
"""Words a batch: 64 KiB of random bits and as many bytes of labels stay in the second-level cache."""
PER_WORD: Final = 4

Labels = npt.NDArray[np.unsignedinteger[Any]]
U64 = npt.NDArray[np.uint64]

_GENERATOR: Final = np.random.Philox(key=0)


def keyed(source: Stream, purpose: Purpose, number: int = 0) -> np.random.Philox:
    """numpy's Philox at block `number` of a stream: one generator, re-keyed, since a new one costs ten times as much.

    It is valid until the next call; not for several threads.
    """
    counter = (number & MASK, 0, 0, int(purpose))
    _GENERATOR.state = {
        "bit_generator": "Philox",
        "state": {"counter": counter, "key": source.key},
        "buffer": (0, 0, 0, 0),
        "buffer_pos": 4,
        "has_uint32": 0,
        "uinteger": 0,
    }
    return _GENERATOR


@lru_cache(maxsize=64)
def _table(of: Leaves) -> tuple[Labels, Cuts]:
    """The label of each bucket; the number of leaves is the mark of buckets that need refinement."""
    at = cuts(of)
    ends = np.asarray((*at.first, BUCKETS), dtype=np.int64)
    kind = np.dtype(of.typecode)
    table = np.repeat(np.arange(len(of.weights), dtype=kind), np.diff(ends, prepend=0))
    if at.edges:
        table[np.fromiter(at.edges, dtype=np.int64)] = len(of.weights)
    table.flags.writeable = False
    return table, at


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
    index = np.empty(BATCH * PER_WORD, dtype=np.intp)
    for word in range(0, tail - head, BATCH):
        size = min(BATCH, tail - head - word)
        buckets = _halves(generator.random_raw(size))
        place = index[: len(buckets)]
        place[...] = buckets
        piece = drawn[word * PER_WORD : word * PER_WORD + len(buckets)]
        table.take(place, out=piece, mode="clip")
        if at.edges:
            marked = (piece == mark).nonzero()[0]
            if len(marked):
                first = (head + word) * PER_WORD
                piece[marked] = _refined(source, marked + first, buckets[marked], at)
    return drawn[skip : skip + stop - start]


def _halves(raw: U64) -> npt.NDArray[np.uint16]:
    """64-bit words as 16-bit buckets, lowest bits first."""
    return (raw if sys.byteorder == "little" else raw.byteswap()).view(np.dtype("<u2"))


def _refined(source: Stream, indices: npt.NDArray[np.int64], buckets: npt.NDArray[np.uint16], at: Cuts) -> Labels:
    """Exact leaves of requests in buckets with a boundary: 64 further bits for all at once, more where they tie."""
    word = first_words(source, indices)
    starts, floors, ends, whole = _edges(at)
    begin, end = starts[buckets], ends[buckets]
    found = begin.copy()
    tied = np.zeros(len(indices), dtype=bool)
    for step in range(int((end - begin).max())):
        here = np.minimum(begin + step, len(floors) - 1)
        live = begin + step < end
        floor = floors[here]
        found += live & ((word > floor) | ((word == floor) & whole[here]))
        tied |= live & (word == floor) & ~whole[here]
    for place in tied.nonzero()[0]:
        found[place] = refined(source, int(indices[place]), int(buckets[place]), at)
    return found


@lru_cache(maxsize=64)
def _edges(at: Cuts) -> tuple[npt.NDArray[np.int64], U64, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """For each bucket the boundaries inside it (start and end positions among all), and where each lies in its bucket:
    whole 2^-64ths, and whether exactly there."""
    scaled = [divmod(place << 80, at.total) for place in at.places]
    buckets = np.arange(BUCKETS, dtype=np.int64)
    below = np.asarray(at.first, dtype=np.int64)
    home = np.asarray([place >> 64 for place, _ in scaled], dtype=np.int64)
    return (
        np.searchsorted(below, buckets, side="right"),
        np.asarray([place & MASK for place, _ in scaled], dtype=np.uint64),
        np.searchsorted(home, buckets, side="right"),
        np.asarray([not rest for _, rest in scaled], dtype=np.bool_),
    )


def first_words(source: Stream, indices: npt.NDArray[np.int64]) -> U64:
    """The first refinement word of each request: Philox over many counters at once."""
    c0: U64 = indices.astype(np.uint64) + np.uint64(1)
    c1, c2, c3 = (np.full_like(c0, value) for value in (0, 0, int(Purpose.REFINE)))
    k0, k1 = source.key
    for _ in range(ROUNDS):
        high0, low0 = _product(c0, MULTIPLIERS[0])
        high1, low1 = _product(c2, MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ np.uint64(k0), low1, high0 ^ c3 ^ np.uint64(k1), low0
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0


def _product(value: U64, factor: int) -> tuple[U64, U64]:
    """High and low words of a 128-bit product."""
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    f1, f0 = np.uint64(factor >> 32), np.uint64(factor & 0xFFFFFFFF)
    v1, v0 = value >> half, value & mask
    middle = v1 * f0 + (v0 * f0 >> half)
    other = v0 * f1 + (middle & mask)
    return v1 * f1 + (middle >> half) + (other >> half), value * np.uint64(factor)


def histogram(found: Labels, width: int) -> tuple[int, ...]:
    """How often each of the labels 0 … width-1 occurs."""
    totals = np.zeros(width, dtype=np.int64)
    for begin in range(0, len(found), BATCH * PER_WORD):
        totals += np.bincount(found[begin : begin + BATCH * PER_WORD], minlength=width)
    return tuple(totals.tolist())
