"""What the proxies themselves say of the traffic: access logs for failures, counters for answers."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, final

from meshsim.live.lab.drive import CLOSED, REFUSED, Reply
from meshsim.live.lab.plan import ACCESS_LOG
from meshsim.model.frozen import frozen, record

PASSED_ON: Final = "via_upstream"
"""The details of a response that came from further on."""
RETRIED: Final = frozenset({"URX"})
"""Flags that say how often it was tried, not what failed."""
DECISIVE: Final = ("UH", "NR", "NC")
"""Flags of a failure that a proxy decided by itself, whatever came after."""
FAILED: Final = frozenset((*DECISIVE, "UF"))
"""Flags of a failure, also where the answer's code is 200, as it is to gRPC requests."""
PATIENCE: Final = 10.0
"""Seconds that a loaded machine may take to write its access logs."""


@final
@record
class Failure:
    """A failure as the proxy says it: the client's `code` (`503`, or `closed` without an answer), Envoy's flag, and the
    hop that decided it."""

    code: str
    flag: str
    where: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.code, self.flag, f"at {self.where}" if self.where else "") if part)


@final
@frozen
class Observation:
    """What came back: answers by pod, failures by kind, over so many requests; `connections` has each connection's
    answers in order, pods and failures alike."""

    pods: Mapping[str, int]
    failures: Mapping[Failure, int]
    requests: int
    connections: tuple[tuple[str | Failure, ...], ...] = ()


@final
class AccessLogs:
    """The access logs of all processes, read on from where they were."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._files = {name: folder / ACCESS_LOG for name, folder in folders.items()}
        self._read: dict[str, int] = {}
        self._rest: dict[str, str] = {}

    def fresh(self) -> list[tuple[str, dict[str, str]]]:
        """Lines since the last call, as (process, fields)."""
        found: list[tuple[str, dict[str, str]]] = []
        for name, file in self._files.items():
            if not file.exists():
                continue
            with file.open(encoding="utf-8") as lines:
                lines.seek(self._read.get(name, 0))
                text = self._rest.get(name, "") + lines.read()
                self._read[name] = lines.tell()
            *whole, self._rest[name] = text.split("\n")
            found.extend((name, _plain(json.loads(line))) for line in whole if line)
        return found


def _plain(line: Mapping[str, object]) -> dict[str, str]:
    return {key: "" if value in {None, "-"} else str(value) for key, value in line.items()}


def observe(replies: Sequence[Reply], logs: AccessLogs, first_hop: str) -> Observation:
    """The replies with the failures' reasons, as soon as the access logs have them."""
    failed = [reply for reply in replies if reply.status != 200]
    lines = logs.fresh()
    limit = time.monotonic() + PATIENCE
    while failed and not _complete(failed, lines) and time.monotonic() < limit:
        time.sleep(0.02)
        lines += logs.fresh()
    by_request, silent = _by_request(lines), _silent(lines)
    connections: dict[int, list[str | Failure]] = {}
    for reply in replies:
        answer = reply.body if reply.status == 200 else _failure(reply, by_request, silent, first_hop)
        connections.setdefault(reply.connection, []).append(answer)
    answers = [answer for _, some in sorted(connections.items()) for answer in some]
    return Observation(
        pods=Counter(answer for answer in answers if isinstance(answer, str)),
        failures=Counter(answer for answer in answers if isinstance(answer, Failure)),
        requests=len(replies),
        connections=tuple(tuple(some) for _, some in sorted(connections.items())),
    )


def _failure(reply: Reply, by_request: Mapping[str, Failure], silent: Failure | None, first_hop: str) -> Failure:
    """Why a request was not answered by a pod, as far as the proxies say it."""
    closed = Failure("closed", "", first_hop)
    if reply.status == REFUSED:
        return closed
    said = by_request.get(reply.ident)
    if reply.status == CLOSED:
        return said or silent or closed
    return Failure(str(reply.status), said.flag if said else "", said.where if said else "")


def _complete(failed: Iterable[Reply], lines: Sequence[tuple[str, Mapping[str, str]]]) -> bool:
    """Whether every answered failure has the line of the hop that decided it, and any closed connection a line."""
    known = _by_request(lines)
    return all(
        reply.ident in known if reply.status > CLOSED else bool(_origins(lines)) or reply.status == REFUSED
        for reply in failed
    )


def _by_request(lines: Sequence[tuple[str, Mapping[str, str]]]) -> dict[str, Failure]:
    """For each request that an HTTP hop failed, that hop: the one whose answer came from nowhere else."""
    found: dict[str, Failure] = {}
    for process, line in lines:
        flags = [flag for flag in line["flags"].split(",") if flag not in RETRIED]
        if line["id"] and line["details"] != PASSED_ON and (line["code"] != "200" or FAILED.intersection(flags)):
            found[line["id"]] = Failure(line["code"], ",".join(flags), _hop(process))
    return found


def _origins(lines: Sequence[tuple[str, Mapping[str, str]]]) -> list[Failure]:
    """Where connections without HTTP failed: the proxies that had nowhere to go, else those that could not connect.

    A tunnel's refusal shows as a failure of every proxy before it; only the last one decided it.
    """
    bytes_only = [(process, line) for process, line in lines if not line["id"] and line["flags"]]
    decided = [
        Failure("closed", flag, _hop(process))
        for process, line in bytes_only
        for flag in DECISIVE
        if flag in line["flags"].split(",")
    ]
    if decided:
        return decided
    return [
        Failure("closed", "UF", _hop(process))
        for process, line in bytes_only
        if "UF" in line["flags"].split(",") and "tunnel" not in line["details"]
    ]


def _silent(lines: Sequence[tuple[str, Mapping[str, str]]]) -> Failure | None:
    origins = Counter(_origins(lines))
    return origins.most_common(1)[0][0] if origins else None


def _hop(process: str) -> str:
    """The decision point of a process, without the place that tells its likes apart."""
    return process.partition("@")[0]
