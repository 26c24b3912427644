"""Where the lab's listeners are: loopback addresses for pods, gateways and VIPs, and ports that nobody else has."""

import random
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Final, final

from meshsim.model.errors import InputError

PRIVILEGED: Final = 1024
SHIFT: Final = 20000
"""Added to a port that the lab may not or should not bind."""
LARGEST: Final = 65535
TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
LISTENING: Final = "0A"
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - compared with, never bound


@final
class Addresses:
    """Hands out one address of `127.<block>.0.0/16` for each thing, always the same for the same thing.

    Envoy's listeners share their port with any other process that asks for it (SO_REUSEPORT), so a stale lab would take
    half of the traffic without an error; the block is therefore one in which nothing listens.
    """

    def __init__(self, taken: Iterable[tuple[str, int]] | None = None, draw: random.Random | None = None) -> None:
        listening = frozenset(taken if taken is not None else listeners())
        self._wildcard = {port for ip, port in listening if ip == EVERYWHERE}
        busy = {ip.split(".")[1] for ip, _ in listening if ip.startswith("127.")}
        free = [block for block in range(16, 250) if str(block) not in busy]
        if not free:
            msg = "every block of 127.0.0.0/8 has a listener"
            raise InputError(msg, hint="end the processes that listen there: ss -ltnp 'src 127.0.0.0/8'")
        self.block = (draw or random.SystemRandom()).choice(free)
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
            while found < PRIVILEGED or found in self._wildcard or found in self._ports.values():
                found = found + SHIFT if found + SHIFT <= LARGEST else (found + SHIFT) % LARGEST + PRIVILEGED
            self._ports[number] = found
        return self._ports[number]

    @property
    def network(self) -> str:
        """The prefix that all of the lab's addresses have."""
        return f"127.{self.block}."


def listeners(tables: Iterable[str] = TABLES) -> list[tuple[str, int]]:
    """Every TCP listener of this machine as (IPv4 address, port); one on all addresses is `0.0.0.0`."""
    found = []
    for table in tables:
        path = Path(table)
        rows = path.read_text(encoding="ascii").splitlines()[1:] if path.exists() else []
        for row in rows:
            fields = row.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == LISTENING:
                found.append((_dotted(address), int(port, 16)))
    return found


def _dotted(address: str) -> str:
    """The kernel's little-endian hexadecimal as an IPv4 address; an IPv6 one counts by its last four bytes.

    >>> _dotted("0100007F"), _dotted("00000000000000000000000000000000")
    ('127.0.0.1', '0.0.0.0')
    """
    tail = address[-8:]
    return ".".join(str(int(tail[at : at + 2], 16)) for at in (6, 4, 2, 0))
