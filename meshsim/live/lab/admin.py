"""An Envoy's administration interface over its Unix socket: whether it is ready, what it counted, what it is told."""

import json
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import final
from urllib.parse import quote


@final
class _Local(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(self.timeout)
        try:
            made.connect(str(self.path))
        except OSError:
            made.close()
            raise
        self.sock = made


@final
class Admin:
    """The administration interface at a Unix socket."""

    def __init__(self, path: Path, timeout: float = 5.0) -> None:
        self.path = path
        self.timeout = timeout

    def ready(self) -> bool:
        """Whether Envoy has everything it was told at the start."""
        try:
            return self.ask("/ready").strip() == "LIVE"
        except (OSError, HTTPException):
            return False

    def counters(self, pattern: str) -> dict[str, int]:
        """Statistics whose names match an RE2 expression."""
        found: dict[str, int] = {}
        for stat in json.loads(self.ask(f"/stats?format=json&filter={quote(pattern)}"))["stats"]:
            if "name" in stat and isinstance(stat.get("value"), int):
                found[stat["name"]] = stat["value"]
        return found

    def set_runtime(self, key: str, value: int) -> None:
        """Set one runtime key, at once."""
        self.ask(f"/runtime_modify?{quote(key)}={value}", "POST")

    def ask(self, target: str, method: str = "GET") -> str:
        """One request's answer. Raises OSError or HTTPException where nobody answers."""
        connection = _Local(self.path, self.timeout)
        try:
            connection.request(method, target)
            return connection.getresponse().read().decode()
        finally:
            connection.close()
