"""Clusters to observe, as kubectl lists them, and a server whose answers name their pods."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CANARY, STABLE = "74d4db7bbc", "9f8c6b2d4a"
ROLLOUT = "cluster1/shop/catalog"
STATUS = {
    "phase": "Paused",
    "currentStepIndex": 1,
    "stableRS": STABLE,
    "currentPodHash": CANARY,
    "canary": {"weights": {"canary": {"weight": 25}, "stable": {"weight": 75}}},
}


def pod(name: str, owner: str, digest: str, key: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {key: digest},
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{owner}-{digest}", "controller": True}],
        },
        "spec": {"containers": [{"name": owner, "image": f"registry/{owner}:1"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def server_pod(digest: str) -> dict[str, Any]:
    return pod(f"catalog-{digest}-aaaaa", "catalog", digest, "rollouts-pod-template-hash")


OBJECTS = {
    "kind-cluster1 rollouts.argoproj.io shop": {
        "metadata": {"name": "catalog", "namespace": "shop"},
        "status": STATUS,
    },
    "kind-cluster1 pods shop": {
        "items": [server_pod(STABLE), server_pod(CANARY), pod("basket-7d9-b1", "basket", "7d9", "pod-template-hash")]
    },
    "kind-cluster2 pods shop": {"items": [pod("recommender-6c5-c1", "recommender", "6c5", "pod-template-hash")]},
    "kind-cluster1 deployments.apps istio-system": {
        "metadata": {"name": "istiod", "namespace": "istio-system"},
        "spec": {"template": {"spec": {"containers": [{"image": "registry/pilot:1.30.2"}]}}},
    },
}


class Answers(BaseHTTPRequestHandler):
    """Every fourth request is the canary's; a connection stays open until its client closes it."""

    protocol_version = "HTTP/1.1"
    count = 0

    def do_GET(self) -> None:
        digest = CANARY if Answers.count % 4 == 0 else STABLE
        Answers.count += 1
        body = f"Hello version: v1, instance: catalog-{digest}-aaaaa\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def answering() -> Iterator[int]:
    """The server's port, while it runs."""
    Answers.count = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
