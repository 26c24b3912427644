"""The programs of `meshsim live kind` for tests: docker, kind, kubectl, istioctl, helm and the like, by the name they
are called under. What they are told is logged, and what they were told before they remember.

`$FAKE_MACHINE` is a directory: `state.json` has the Docker networks, the kind clusters and the Rollout's place among
`statuses`; `log` every call, a JSON list a line; a call that contains the text of `broken` fails.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

STABLE, CANARY = "6c7d8f9b5d", "7f5b94c6d8"
PODS = {STABLE: 4, CANARY: 1}
REQUESTED = 25
"""Of a hundred answers, those of the canary: what a waypoint with the weight 25 gives."""


def call(home: Path, program: str, words: list[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one call."""
    with (home / "log").open("a", encoding="utf-8") as log:
        log.write(json.dumps([program, *words]) + "\n")
    broken = (home / "broken").read_text(encoding="utf-8") if (home / "broken").exists() else None
    if broken and broken in " ".join([program, *words]):
        return 1, "", "it does not work today\n"
    state = json.loads((home / "state.json").read_text(encoding="utf-8"))
    said = ANSWERS.get(program, lambda _, __: "")(state, words)
    (home / "state.json").write_text(json.dumps(state), encoding="utf-8")
    return 0, said, ""


def main(program: str, words: list[str]) -> int:
    code, out, err = call(Path(os.environ["FAKE_MACHINE"]), program, words)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code


def docker(state: dict[str, Any], words: list[str]) -> str:
    match words:
        case ["version", "--format", "{{.Server.Arch}}"]:
            return "arm64\n"
        case ["version", *_]:
            return "28.2.2\n"
        case ["network", "ls", *_]:
            return "".join(f"{name}\n" for name in ["bridge", "host", *state["networks"]])
        case ["network", "create", *_]:
            state["networks"].append(words[-1])
        case ["network", "rm", name]:
            state["networks"].remove(name)
        case ["inspect", *_]:
            return "172.30.0.4\n"
    return ""


def kind(state: dict[str, Any], words: list[str]) -> str:
    match words[:2]:
        case ["get", "clusters"]:
            return "".join(f"{name}\n" for name in state["clusters"])
        case ["create", "cluster"]:
            state["clusters"].append(words[words.index("--name") + 1])
        case ["delete", "cluster"]:
            state["clusters"].remove(words[words.index("--name") + 1])
    return ""


def openssl(_: dict[str, Any], words: list[str]) -> str:
    for option in ("-out", "-keyout"):
        if option in words:
            Path(words[words.index(option) + 1]).write_text("a key\n", encoding="utf-8")
    return ""


def istioctl(_: dict[str, Any], words: list[str]) -> str:
    if words[0] == "version":
        return "client version: 1.30.1\n"
    return "apiVersion: v1\nkind: Secret\n" if words[0] == "create-remote-secret" else ""


def kubectl(state: dict[str, Any], words: list[str]) -> str:
    bare = [word for word in words if not word.startswith(("--kubeconfig=", "--context=", "--request-timeout="))]
    cluster = next((word.rpartition("-")[2] for word in words if word.startswith("--context=")), "")
    if bare[0] in {"patch", "argo"} and "rollouts" in " ".join(bare):
        state["place"] += 1
    if bare[0] == "exec":
        return answers(bare[bare.index("--") + 1 :])
    if bare[0] == "version":
        return json.dumps({"clientVersion": {"gitVersion": "v1.32.1"}, "serverVersion": {"gitVersion": "v1.31.4"}})
    if bare[0] != "get":
        return ""
    if "jsonpath={.status.addresses[0].value}" in bare:
        return "172.30.200.1"
    if bare[-1].startswith("jsonpath={.status.phase}"):
        return str(state["statuses"][state["place"]])
    if bare[1] == "rollouts.argoproj.io":
        weights = {"canary": {"weights": {"canary": {"weight": 25}}}}
        hashes = {"stableRS": STABLE, "currentPodHash": CANARY}
        return json.dumps({"status": {"phase": "Paused", "currentStepIndex": 1, **hashes, **weights}})
    return json.dumps(
        {
            "items": pods()
            if cluster == "cluster1"
            else [pod(f"web-{STABLE}-abcde", "web", {"app": "web", "pod-template-hash": STABLE})]
        }
    )


def pods() -> list[dict[str, Any]]:
    return [
        pod(f"orders-{found}-{i}abcd", "orders", {"app": "orders", "rollouts-pod-template-hash": found})
        for found, number in PODS.items()
        for i in range(number)
    ]


def pod(name: str, owner: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": labels,
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{owner}-6c7d8f9b5d", "controller": True}],
        },
        "spec": {"containers": [{"name": "meshsim-curl", "image": "curl"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def answers(curl: list[str]) -> str:
    """What curl prints of its loop: a quarter of the answers are the canary's."""
    number = int(re.search(r"#\[1-(\d+)\]$", curl[-1])[1])  # type: ignore[index]
    mark = curl[curl.index("-w") + 1].split()[0].removeprefix("\\n")
    said = ""
    for i in range(number):
        name = f"orders-{CANARY if i % 4 == 3 else STABLE}-0abcd"
        said += f"HTTP/1.1 200 OK\r\n\r\nHostname: {name}\n\n{mark} 200 1 0\n"
    return said


ANSWERS = {"docker": docker, "kind": kind, "istioctl": istioctl, "kubectl": kubectl, "openssl": openssl}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
