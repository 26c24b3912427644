"""The user's own programs (kubectl, istioctl): argument lists, bounded time and output, ended on Ctrl-C."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Final, final

from meshsim.model.frozen import record

MOST_BYTES: Final = 256 * 1024 * 1024
MOST_ERROR: Final = 64 * 1024
TIMEOUT: Final = 120.0


@final
@record
class Ran:
    """How a program ended: its exit code, standard output, and the start of standard error."""

    code: int
    out: bytes
    err: str


Runner = Callable[[Sequence[str]], Ran]
"""Runs one argument list. Tests give their own."""


def run(command: Sequence[str], *, timeout: float = TIMEOUT, most: int = MOST_BYTES) -> Ran:
    """Run a program without a shell. Code 127: there is none; 124: it took too long; 125: it said too much."""
    try:
        process = subprocess.Popen(  # noqa: S603 - an argument list, and the program is the user's
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Ran(127, b"", f"{command[0]}: {error.strerror}")
    try:
        return _gather(process, time.monotonic() + timeout, timeout, most)
    finally:
        _end(process)


def _gather(process: "subprocess.Popen[bytes]", deadline: float, timeout: float, most: int) -> Ran:
    out, err = bytearray(), bytearray()
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return Ran(124, b"", f"no answer within {timeout:g} s")
            for key, _ in selector.select(left):
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    selector.unregister(key.fd)
                elif key.fileobj is process.stdout:
                    out += chunk
                elif len(err) < MOST_ERROR:
                    err += chunk
            if len(out) > most:
                return Ran(125, b"", f"more than {most:,} bytes of output")
    try:
        code = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return Ran(124, b"", f"no end within {timeout:g} s")
    return Ran(code, bytes(out), err[:MOST_ERROR].decode("utf-8", "replace"))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the program and what it started, and nothing else: it leads a process group of its own."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
