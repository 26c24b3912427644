"""Who listens on this machine: the kernel's answer by netlink, or its tables in /proc where there is no netlink.

A lab that has closed tens of thousands of connections makes /proc/net/tcp long: reading it takes half a second, while
netlink names the listeners alone (sock_diag(7)).
"""

import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
LISTENING: Final = "0A"
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - compared with, never bound
SOCK_DIAG: Final = 4
BY_FAMILY: Final = 20
DUMP: Final = 0x301
"""NLM_F_REQUEST | NLM_F_DUMP."""
DONE: Final = 3
FAILED: Final = 2
LISTEN_ONLY: Final = 1 << 10
HEADER: Final = struct.Struct("=IHHII")
SOCKET_ID: Final = 48
PATIENCE: Final = 2.0


def listeners() -> list[tuple[str, int]]:
    """Every TCP listener of this machine as (IPv4 address, port); one on all addresses is `0.0.0.0`."""
    try:
        return [*_dump(socket.AF_INET), *_dump(socket.AF_INET6)]
    except (OSError, AttributeError, struct.error):
        return in_tables()


def _dump(family: int) -> Iterator[tuple[str, int]]:
    """The listeners of one address family by netlink."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, SOCK_DIAG) as kernel:
        kernel.settimeout(PATIENCE)
        asked = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, LISTEN_ONLY) + bytes(SOCKET_ID)
        kernel.send(HEADER.pack(HEADER.size + len(asked), BY_FAMILY, DUMP, 0, 0) + asked)
        while True:
            answer = kernel.recv(1 << 16)
            while answer:
                length, kind, *_ = HEADER.unpack_from(answer)
                if kind == DONE:
                    return
                if kind == FAILED:
                    msg = "the kernel does not list its sockets"
                    raise OSError(msg)
                yield _listener(answer[HEADER.size : length], family)
                answer = answer[(length + 3) & ~3 :]


def _listener(message: bytes, family: int) -> tuple[str, int]:
    """An inet_diag_msg: four bytes, the port, the other's port, the address. IPv6 counts by its last four bytes."""
    (port,) = struct.unpack_from("!H", message, 4)
    start = 8 if family == socket.AF_INET else 20
    return socket.inet_ntoa(message[start : start + 4]), port


def in_tables(tables: Iterable[str] = TABLES) -> list[tuple[str, int]]:
    """The same by the kernel's tables."""
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
