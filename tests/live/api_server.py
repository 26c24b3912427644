"""A Kubernetes API server that only reads: discovery and lists over HTTP, for a real kubectl on the loopback."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from meshsim.manifests.kinds import KINDS

PLURALS = {"Gateway.networking.istio.io": "gateways", "Gateway": "gateways", "GatewayClass": "gatewayclasses"}


def plural(kind: str) -> str:
    bare = kind.partition(".")[0].lower()
    return PLURALS.get(kind) or (
        f"{bare[:-1]}ies" if bare.endswith("y") else bare if bare.endswith("s") else f"{bare}s"
    )


class ApiServer:
    def __init__(self, objects: Sequence[Mapping[str, Any]], *, forbidden: Sequence[str] = (), extra=("Secret",)):
        self.forbidden = set(forbidden)
        self.asked: list[tuple[str, str]] = []
        self.groups: dict[str, dict[tuple[str, str], bool]] = {}
        self.lists: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for item in objects:
            version, kind = item["apiVersion"], item["kind"]
            group = version.rpartition("/")[0]
            known = next(n for n, k in KINDS.items() if n.partition(".")[0] == kind and group in k.groups)
            self.groups.setdefault(version, {})[kind, plural(known)] = KINDS[known].namespaced
            self.lists.setdefault((version, plural(known)), []).append(dict(item))
        for kind in extra:
            self.groups.setdefault("v1", {})[kind, plural(kind)] = True

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        parts = [part for part in path.partition("?")[0].split("/") if part]
        if parts == ["version"]:
            return 200, {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}
        if parts == ["api"]:
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if parts == ["apis"]:
            groups = [
                {"name": v.partition("/")[0], "versions": [self._v(v)], "preferredVersion": self._v(v)}
                for v in sorted(self.groups)
                if "/" in v
            ]
            return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        version = parts[1] if parts[0] == "api" else "/".join(parts[1:3])
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        if not rest:
            return self._resources(version)
        namespace = None
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        found = self.lists.get((version, rest[0]), [])
        if rest[0] in self.forbidden:
            message = f'{rest[0]} is forbidden: User "reader" cannot list resource "{rest[0]}"'
            return 403, self._status(403, "Forbidden", message)
        if len(rest) == 2:
            named = [item for item in found if item["metadata"]["name"] == rest[1]]
            return (200, named[0]) if named else (404, self._status(404, "NotFound", "not found"))
        items = [item for item in found if namespace in (None, item["metadata"].get("namespace"))]
        kind = next(k for k, p in self.groups[version] if p == rest[0])
        return 200, {"kind": f"{kind}List", "apiVersion": version, "metadata": {"resourceVersion": "7"}, "items": items}

    def _resources(self, version: str) -> tuple[int, dict[str, Any]]:
        listed = [
            {"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]}
            for (kind, name), namespaced in self.groups.get(version, {}).items()
        ]
        return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": listed}

    @staticmethod
    def _v(version: str) -> dict[str, str]:
        return {"groupVersion": version, "version": version.partition("/")[2]}

    @staticmethod
    def _status(code: int, reason: str, message: str) -> dict[str, Any]:
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        }  # fmt: skip


@contextmanager
def serving(server: ApiServer, directory: Path, context: str = "east") -> Iterator[Path]:
    """Serve on the loopback; gives the kubeconfig that leads there."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            server.asked.append((self.command, self.path))
            if self.headers.get("Upgrade") == "websocket" and hasattr(server, "upgrade"):
                server.upgrade(self)
                return
            code, value = server.answer(self.path) if self.command == "GET" else (405, {})
            body = json.dumps(value).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _reply

        def log_message(self, *_: object) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    config = directory / f"{context}.kubeconfig"
    config.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": context, "users": [{"name": "reader", "user": {}}],
        "clusters": [{"name": context, "cluster": {"server": f"http://127.0.0.1:{http.server_address[1]}"}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": "reader"}}],
    }))  # fmt: skip
    try:
        yield config
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
