"""Where the lab's listeners are: loopback addresses for pods, gateways and VIPs, and ports that nobody else has."""

import random
import socket
from collections.abc import Hashable, Iterable
from typing import Final, final

from meshsim.live.lab.listeners import EVERYWHERE, listeners
from meshsim.model.errors import InputError

PRIVILEGED: Final = 1024
SHIFT: Final = 20000
"""Added to a port that the lab may not or should not bind."""
LARGEST: Final = 65535
BLOCKS: Final = (16, 250)
KEEPER: Final = 15999
"""The port of the listener that keeps a block."""


@final
class Addresses:
    """Hands out one address of `127.<block>.0.0/16` for each thing, always the same for the same thing.

    `occupied` are ports on which somebody listens at every address.
    """

    def __init__(self, block: int, occupied: Iterable[int] = ()) -> None:
        self.block = block
        self._occupied = frozenset(occupied)
        self._given: dict[Hashable, str] = {}
        self._ports: dict[int, int] = {}

    def ip(self, *thing: Hashable) -> str:
        """The address of a thing, named by a kind and whatever tells it apart."""
        if thing not in self._given:
            number = len(self._given)
            self._given[thing] = f"127.{self.block}.{number // 250 + 1}.{number % 250 + 1}"
        return self._given[thing]

    def port(self, number: int) -> int:
        """The port on which the lab serves `number`: itself, unless it is privileged or somebody listens everywhere."""
        if number not in self._ports:
            found = number
            while found < PRIVILEGED or found in self._occupied or found in self._ports.values():
                found = found + SHIFT if found + SHIFT <= LARGEST else (found + SHIFT) % LARGEST + PRIVILEGED
            self._ports[number] = found
        return self._ports[number]

    @property
    def network(self) -> str:
        """The prefix that all of the lab's addresses have."""
        return f"127.{self.block}."


@final
class Block:
    """A block of loopback addresses that is this lab's alone until it is closed.

    Envoy's listeners share their port with any other process that asks for it (SO_REUSEPORT), so a stale lab would take
    half of the traffic without an error, and so would one that starts at the same time. The block is therefore one in
    which nothing listens, and a listener of our own, which shares with nobody, keeps it: the kernel gives it up when
    this process ends, however it ends.
    """

    def __init__(self, taken: Iterable[tuple[str, int]] | None = None) -> None:
        listening = frozenset(taken if taken is not None else listeners())
        busy = {ip.split(".")[1] for ip, _ in listening if ip.startswith("127.")}
        free = [block for block in range(*BLOCKS) if str(block) not in busy]
        random.SystemRandom().shuffle(free)
        self._keeper, number = _kept(free)
        self.addresses = Addresses(number, {port for ip, port in listening if ip == EVERYWHERE})

    def close(self) -> None:
        """Give the block up."""
        self._keeper.close()


def _kept(blocks: Iterable[int]) -> tuple[socket.socket, int]:
    """The first of the blocks that nobody else keeps, and what keeps it."""
    for block in blocks:
        keeper = socket.socket()
        try:
            keeper.bind((f"127.{block}.255.254", KEEPER))
            keeper.listen(1)
        except OSError:
            keeper.close()
            continue
        return keeper, block
    msg = "every block of 127.0.0.0/8 has a listener"
    raise InputError(msg, hint="end the processes that listen there: ss -ltnp 'src 127.0.0.0/8'")
