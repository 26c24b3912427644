"""Philox4x64-10, the counter-based generator: word w of a stream is a pure function of key and counter.

The same bits as `numpy.random.Philox`, without numpy: its constructor and a first `random_raw` cost more than a curl
loop's fifty draws. Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC11); numpy counts up before
it generates, so its block b (four words) belongs to the counter's low word plus b + 1.
"""

from collections.abc import Iterator
from typing import Final

MASK: Final = (1 << 64) - 1
MULTIPLIERS: Final = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
WEYL: Final = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
ROUNDS: Final = 10
WORDS: Final = 4
"""Words of 64 bits in a block."""

Key = tuple[int, int]
Block = tuple[int, int, int, int]


def block(key: Key, counter: Block) -> Block:
    """The four words at a counter (low word first).

    >>> [hex(word) for word in block((0, 0), (0, 0, 0, 0))][0]
    '0x16554d9eca36314c'
    """
    (k0, k1), (c0, c1, c2, c3) = key, counter
    m0, m1 = MULTIPLIERS
    w0, w1 = WEYL
    for _ in range(ROUNDS):
        low, high = m0 * c0, m1 * c2
        c0, c1, c2, c3 = (high >> 64) ^ c1 ^ k0, high & MASK, (low >> 64) ^ c3 ^ k1, low & MASK
        k0, k1 = (k0 + w0) & MASK, (k1 + w1) & MASK
    return c0, c1, c2, c3


def words(key: Key, start: int, high: tuple[int, int, int] = (0, 0, 0)) -> Iterator[int]:
    """The words of a stream from word `start` on, as `numpy.random.Philox(key=key, counter=(0, *high))` gives them."""
    c1, c2, c3 = high
    number, skip = divmod(start, WORDS)
    while True:
        yield from block(key, ((number + 1) & MASK, c1, c2, c3))[skip:]
        number, skip = number + 1, 0
