"""Random streams by name: a client's stream depends on seed and names alone, never on the order of anything.

A stream's key is a hash of its names. What is drawn for different purposes (labels, their refinement, counts) lies
apart by the counter's highest word, so one key serves them all.
"""

from enum import IntEnum
from hashlib import blake2b
from struct import unpack
from typing import NamedTuple, final

from meshsim.simulation.philox import MASK, Block, Key, block


class Purpose(IntEnum):
    """What the words are for: the counter's highest word."""

    LABELS = 0
    REFINE = 1
    COUNTS = 2
    TIMES = 3


class Stream(NamedTuple):
    """An independent stream of 2^66 words for each purpose."""

    key: Key

    def block(self, number: int, purpose: Purpose, level: int = 0) -> Block:
        """Block `number` (four 64-bit words) of a purpose; `level` numbers further blocks for the same number."""
        return block(self.key, ((number + 1) & MASK, 0, level, purpose))


def stream(seed: int, *names: str) -> Stream:
    """The stream of `names` (scenario, client, callee, path, …) under a seed.

    Names are hashed with NULs between them (names that hold one, as Python writes them), so that ("a", "bc") and
    ("ab", "c") are different streams.

    >>> stream(1, "a", "bc") == stream(1, "ab", "c"), stream(1, "a") == stream(1, "a")
    (False, True)
    """
    text = "\0".join((str(seed), *names))
    if text.count("\0") != len(names):
        text = ascii((seed, names))
    return Stream(unpack("<2Q", blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()))


@final
class Bits:
    """A stream's words read one after the other, a few bits at a time."""

    __slots__ = ("_held", "_left", "_next", "_purpose", "_stream")

    def __init__(self, source: Stream, purpose: Purpose) -> None:
        self._stream = source
        self._purpose = purpose
        self._held = 0
        self._left = 0
        self._next = 0

    def take(self, count: int) -> int:
        """The next `count` bits as an integer."""
        while self._left < count:
            a, b, c, d = self._stream.block(self._next, self._purpose)
            self._next += 1
            self._held |= (a | b << 64 | c << 128 | d << 192) << self._left
            self._left += 256
        found = self._held & ((1 << count) - 1)
        self._held >>= count
        self._left -= count
        return found

    def below(self, limit: int) -> int:
        """A uniform integer in [0, limit), exactly: out-of-range draws are thrown away."""
        count = (limit - 1).bit_length()
        while (found := self.take(count)) >= limit:
            pass
        return found

    def tails(self) -> int:
        """How many fair coins fall tails before the first head."""
        count = 0
        while not self.take(1):
            count += 1
        return count
