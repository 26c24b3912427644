"""The API server of the tests with `pods/exec`: kubectl's WebSocket protocol, and the real curl on the loopback.

Frames carry a channel in their first byte: 1 is standard output, 2 standard error, 3 the status at the end
(Kubernetes, remotecommand protocol v5.channel.k8s.io).
"""

import base64
import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.live.api_server import ApiServer

PROTOCOL = "v5.channel.k8s.io"
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class ExecServer(ApiServer):
    def __init__(self, objects: Sequence[Mapping[str, Any]], port: int, **more: Any):
        super().__init__(objects, **more)
        self.port = port
        self.commands: list[tuple[str, list[str]]] = []
        """(path, command) of every exec."""

    def upgrade(self, request: BaseHTTPRequestHandler) -> None:
        """Run what is asked for and send what it says."""
        url = urlsplit(request.path)
        command = parse_qs(url.query)["command"]
        self.commands.append((url.path, command))
        accepted = hashlib.sha1(f"{request.headers['Sec-WebSocket-Key']}{MAGIC}".encode()).digest()
        request.send_response(101)
        request.send_header("Upgrade", "websocket")
        request.send_header("Connection", "Upgrade")
        request.send_header("Sec-WebSocket-Accept", base64.b64encode(accepted).decode())
        request.send_header("Sec-WebSocket-Protocol", PROTOCOL)
        request.end_headers()
        led = ["--connect-to", f"::127.0.0.1:{self.port}"]
        ran = subprocess.run([*command[:-1], *led, command[-1]], check=False, capture_output=True)
        for channel, text in ((1, ran.stdout), (2, ran.stderr), (3, _status(ran.returncode))):
            for start in range(0, len(text), 4096):
                request.wfile.write(_frame(0x82, bytes([channel]) + text[start : start + 4096]))
        request.wfile.write(_frame(0x88, (1000).to_bytes(2, "big")))
        request.wfile.flush()
        request.connection.settimeout(5)
        try:
            while request.connection.recv(4096):
                pass
        except (TimeoutError, OSError):
            pass
        request.close_connection = True


def _status(code: int) -> bytes:
    if not code:
        return json.dumps({"metadata": {}, "status": "Success"}).encode()
    causes = [{"reason": "ExitCode", "message": str(code)}]
    failed = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
    return json.dumps({"metadata": {}, **failed, "message": f"command terminated with exit code {code}"}).encode()


def _frame(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    head = bytes([kind, size]) if size < 126 else bytes([kind, 126]) + size.to_bytes(2, "big")
    return head + payload
