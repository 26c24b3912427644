"""A bounded HTTP/1.1 load by an asyncio client of our own: so many requests, so many at a time, so much patience.

Either a new connection for each request, as a curl loop has, or a number of connections that are kept.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Final, final

from meshsim.live.lab.resources import MARK, POD
from meshsim.model.frozen import frozen, record

CLOSED: Final = 0
"""The status of a request whose connection was closed (or refused) without an answer."""
REFUSED: Final = -1
FROM_GRPC: Final = {"7": 403, "12": 404, "13": 400, "14": 503, "16": 401}
"""HTTP statuses by what Envoy makes of them for gRPC (envoy source/common/grpc/status.cc); the rest is UNKNOWN."""
UNKNOWN: Final = 500
PATIENCE: Final = 20.0
"""Seconds for an answer: on loopback nothing is lost, and a busy machine may be slow."""


@final
@frozen
class Load:
    """What is sent: `requests` in all, over new connections or `per_connection` over each, `at_once` side by side."""

    addresses: Sequence[tuple[str, int]]
    path: str = "/"
    method: str = "GET"
    authority: str
    headers: Mapping[str, str]
    requests: int
    per_connection: int = 1
    varied: bool = False
    """Whether `per_connection` is the mean of what a connection carries, from 1 to twice as many less one."""
    at_once: int = 8
    row: str = "0"


@final
@record
class Reply:
    """One answer: `ident` is what the access logs know the request by; `connection` counts from 0."""

    ident: str
    connection: int
    status: int
    body: str


def drive(load: Load) -> list[Reply]:
    """Send a load and return every request's reply, in the order of connections."""
    return asyncio.run(_drive(load))


async def _drive(load: Load) -> list[Reply]:
    left = list(enumerate(lengths(load)))[::-1]
    replies: list[Reply] = []

    async def worker() -> None:
        while left:
            number, wanted = left.pop()
            replies.extend(await _connection(load, number, wanted))

    await asyncio.gather(*(worker() for _ in range(min(load.at_once, len(left)))))
    return sorted(replies, key=lambda reply: (reply.connection, reply.ident))


def lengths(load: Load) -> list[int]:
    """How many requests each connection carries; the same for the same row."""
    draw = random.Random(load.row)  # noqa: S311 - a load's shape, no secret
    found: list[int] = []
    left = load.requests
    while left:
        wanted = draw.randint(1, 2 * load.per_connection - 1) if load.varied else load.per_connection
        found.append(min(wanted, left))
        left -= found[-1]
    return found


async def _connection(load: Load, number: int, requests: int) -> list[Reply]:
    """Some requests over one connection; once it is closed, what is left of them counts as closed too."""
    idents = [f"{load.row}-{number:06d}-{index:04d}" for index in range(requests)]
    host, port = load.addresses[number % len(load.addresses)]
    loop = asyncio.get_running_loop()
    try:
        transport, client = await asyncio.wait_for(loop.create_connection(_Client, host, port), PATIENCE)
    except (OSError, TimeoutError):
        return [Reply(ident, number, REFUSED, "") for ident in idents]
    replies: list[Reply] = []
    try:
        for ident in idents:
            status, body = await client.request(_text(load, ident))
            replies.append(Reply(ident, number, status, body))
    finally:
        transport.abort()
    return replies


def _text(load: Load, ident: str) -> bytes:
    lines = [f"{load.method} {load.path} HTTP/1.1", f"host: {load.authority}", f"{MARK}: {ident}"]
    lines += [f"{name}: {value}" for name, value in load.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _status(status: int, headers: Mapping[str, str]) -> int:
    """The HTTP status of an answer. To a gRPC request Envoy itself answers 200 and says in `grpc-status` what is wrong;
    a pod that says who it is has answered."""
    said = headers.get("grpc-status", "0")
    return status if said == "0" or POD in headers else FROM_GRPC.get(said, UNKNOWN)


@final
class _Client(asyncio.Protocol):
    """One HTTP/1.1 connection, one request at a time; answers have a content-length, as all of Envoy's own have."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._waiting: asyncio.Future[tuple[int, str]] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def request(self, text: bytes) -> "asyncio.Future[tuple[int, str]]":
        """Send one request; the result is its status and body, or (CLOSED, "")."""
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        assert self._transport is not None
        if self._transport.is_closing():
            self._answer(CLOSED, "")
        else:
            self._timer = loop.call_later(PATIENCE, self._transport.abort)
            self._transport.write(text)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, ended, rest = self._received.partition(b"\r\n\r\n")
        if not ended:
            return
        first, *lines = head.decode(errors="replace").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) >= length:
            self._received = rest[length:]
            body = headers.get(POD) or rest[:length].decode(errors="replace")
            self._answer(_status(int(first.split(" ", 2)[1]), headers), body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._answer(CLOSED, "")

    def _answer(self, status: int, body: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result((status, body))
