"""A bounded loop of requests as one curl process in a client's pod, without a shell.

curl repeats a URL for each number of a range, and a range in the fragment never leaves the client: `http://h/p#[1-20]`
is twenty requests for `/p`. It uses one connection while it can, so that keep-alive is the loop as it is, and a new
connection for each request takes `Connection: close`. How many connections there were is not assumed: curl says for
each answer whether it had to connect (curl(1), URL globbing, `--write-out` num_connects; checked with curl 7.88.1).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, final

from meshsim.model.frozen import record

MOST_TEXT: Final = 64 * 1024
"""Bytes of one answer that are looked at."""
NO_ANSWER: Final[Mapping[int, str]] = {
    5: "nxdomain",
    6: "nxdomain",
    7: "refused",
    28: "timeout",
    35: "tls",
    52: "reset",
    56: "reset",
    60: "tls",
}
"""curl's exit codes (libcurl-errors(3)) in the words of the model's errors."""
_HOST: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH: Final = re.compile(r"/[\x21\x22\x24-\x7e]*")
_GLOB: Final = re.compile(r"([\[\]{}\\])")


class Unsendable(ValueError):
    """A call that curl cannot be asked for, with the reason."""


@final
@record
class Reply:
    """What one request was answered: `code` as curl has it (`000`: nothing), its exit code, whether it had to connect,
    and the start of the answer, headers first."""

    code: str
    exit: int
    connected: bool
    text: str

    @property
    def error(self) -> str:
        """What it is called where no pod can be made out: `503`, `reset`, …; "" for an answer below 400."""
        if self.code == "000":
            return NO_ANSWER.get(self.exit, "000")
        return self.code if self.code >= "400" else ""


def url(host: str, port: int, path: str) -> str:
    r"""The URL of a call. Raises Unsendable for what could be read as anything else.

    >>> url("helloworld.default.mesh.internal", 5000, "/a[b]")
    'http://helloworld.default.mesh.internal:5000/a\\[b\\]'
    """
    name = f"[{host}]" if ":" in host else host
    if not _HOST.fullmatch(name):
        msg = f"{host!r} is no host that curl could be given"
        raise Unsendable(msg)
    if not _PATH.fullmatch(path):
        msg = f"the path {path!r} has characters that a request line cannot carry"
        raise Unsendable(msg)
    shown = name.replace("[", "\\[").replace("]", "\\]") if name.startswith("[") else name
    return f"http://{shown}:{port}" + _GLOB.sub(r"\\\1", path)


def header(name: str, value: str) -> str:
    """A header as curl takes it. Raises Unsendable for one that would be another option, file or line.

    >>> header("x-canary", "yes"), header("x-empty", "")
    ('x-canary: yes', 'x-empty;')
    """
    if not _HEADER.fullmatch(name.removeprefix(":")) or not value.isprintable():
        msg = f"the header {name!r} has characters that a header cannot carry"
        raise Unsendable(msg)
    said = "Host" if name.lower() == ":authority" else name
    if said.startswith(":"):
        msg = f"{name!r} is set by the client itself"
        raise Unsendable(msg)
    return f"{said}: {value}" if value else f"{said};"


def address(text: str) -> str:
    """An address as `--connect-to` takes it, with a port or without. Raises Unsendable for anything else.

    >>> address("203.0.113.9"), address("gw.example.com:8080"), address("2001:db8::1")
    ('203.0.113.9:', 'gw.example.com:8080', '[2001:db8::1]:')
    """
    bare = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
    host, _, port = bare.rpartition(":") if re.search(r":\d+\Z", bare) else (bare, "", "")
    if not _HOST.fullmatch(host) or (port and not 1 <= int(port) <= 65535):
        msg = f"{text!r} is no address that curl could be given"
        raise Unsendable(msg)
    return f"{host}:{port}"


def curl(
    host: str,
    port: int,
    path: str,
    headers: Mapping[str, str],
    *,
    connection: str,
    number: int,
    timeout: float,
    mark: str,
    via: str = "",
) -> list[str]:
    """The argument list of a loop of `number` requests, each at most `timeout` seconds long. `via` is the address that
    is connected to whatever the host (curl(1), `--connect-to` without a host of its own).

    `mark` begins the line that ends each answer; it must not be guessable, as answers are not to be trusted.
    """
    words = ["curl", "-q", "-s", "-i", "--noproxy", "*", "--path-as-is", "--http1.1"]
    words += ["--max-time", f"{timeout:g}", "--connect-timeout", f"{timeout:g}"]
    words += ["--connect-to", f"::{address(via)}"] if via else []
    for name, value in headers.items():
        words += ["-H", header(name, value)]
    if connection == "new":
        words += ["-H", "Connection: close"]
    words += ["-w", f"\\n{mark} %{{http_code}} %{{num_connects}} %{{exitcode}}\\n"]
    return [*words, f"{url(host, port, path)}#[1-{number}]"]


def replies(out: bytes, mark: str) -> Iterator[Reply]:
    """The answers in curl's output, in order. An answer that was cut off before its mark is none."""
    start = 0
    for found in re.finditer(rb"\n" + mark.encode() + rb" (\d{3}) (\d*) (\d*)\r?\n", out):
        text = out[start : min(found.start(), start + MOST_TEXT)].decode("utf-8", "replace")
        start = found.end()
        yield Reply(found[1].decode(), int(found[3] or 0), int(found[2] or 0) > 0, text)
