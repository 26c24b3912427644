"""What moves while calls are made: Rollouts and pods as the API servers have them, and the versions of everything."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final, final

from meshsim.live.attribution import LivePod, live_pod
from meshsim.live.commands import Ran, Runner
from meshsim.live.reading import Wanted
from meshsim.live.recording import RolloutState
from meshsim.model.frozen import frozen

NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_PRIVATE: Final = (
    (re.compile(r"User \"[^\"]*\""), "this user"),
    (re.compile(r"https?://[^\s\"]+"), "the server"),
    (re.compile(r"\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b|\[[0-9a-fA-F:]+\](:\d+)?"), "the server"),
)
"""What kubectl's errors say and nobody wants in a repository."""
COMPONENTS: Final = {"istiod": ("istio-system", "istiod"), "argo-rollouts": ("argo-rollouts", "argo-rollouts")}
"""Component → namespace and Deployment, as their installation guides have them."""


@final
@frozen
class State:
    """What moves: the Rollouts' states and the pods of their revisions, by cluster, and what could not be read."""

    rollouts: Mapping[str, RolloutState] = field(default_factory=dict)
    pods: tuple[LivePod, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)

    def changes(self, later: "State") -> tuple[str, ...]:
        """What is different later, a sentence each."""
        found = [
            f"{name}: {self.rollouts.get(name, RolloutState())} → {state}"
            for name, state in sorted(later.rollouts.items())
            if state != self.rollouts.get(name, RolloutState())
        ]
        before, after = ({pod.path for pod in state.pods if pod.hash and pod.ready} for state in (self, later))
        found += [f"pod {path} is gone or no longer ready" for path in sorted(before - after)]
        found += [f"pod {path} became ready" for path in sorted(after - before)]
        return tuple(found)


def read_state(
    spaces: Sequence[tuple[Wanted, str]], rollouts: Sequence[str], clusters: Mapping[str, Wanted], run: Runner
) -> State:
    """The Rollouts' states and the pods of the given namespaces, as far as they may be read."""
    states, pods, unread = {}, [], {}
    for name in rollouts:
        cluster, namespace, bare = named(name)
        if cluster not in clusters or not NAME.fullmatch(namespace) or not NAME.fullmatch(bare):
            continue
        ran = run(list_rollout(clusters[cluster], namespace, bare))
        found = _json(ran)
        if found is None:
            unread[name] = reason(ran)
        else:
            states[name] = _state(found)
    for wanted, namespace in spaces:
        ran = run(list_pods(wanted, namespace))
        found = _json(ran)
        if found is None:
            unread[f"{wanted.name}/{namespace} pods"] = reason(ran)
            continue
        listed = (live_pod(wanted.name, item) for item in found.get("items") or () if isinstance(item, dict))
        pods += [pod for pod in listed if pod is not None]
    return State(rollouts=states, pods=tuple(pods), unread=unread)


def versions(clusters: Mapping[str, Wanted], state: State, run: Runner) -> dict[str, Any]:
    """What was observed with and on: kubectl, and for each cluster Kubernetes, components' images, pods' images."""
    found: dict[str, Any] = {}
    for name, wanted in clusters.items():
        here: dict[str, Any] = {}
        said = _json(run(wanted.kubectl("version", "-o", "json"))) or {}
        for key, ours in (("clientVersion", "kubectl"), ("serverVersion", "kubernetes")):
            if isinstance(said.get(key), dict) and said[key].get("gitVersion"):
                (found if ours == "kubectl" else here)[ours] = str(said[key]["gitVersion"])
        for component, (namespace, deployment) in COMPONENTS.items():
            got = _json(
                run(wanted.kubectl("get", "deployments.apps", deployment, f"--namespace={namespace}", "-o", "json"))
            )
            containers = _at(got, "spec", "template", "spec", "containers")
            images = [str(c.get("image")) for c in containers or () if isinstance(c, dict) and c.get("image")]
            here[component] = images[0] if images else "unknown"
        images = sorted({image for pod in state.pods if pod.cluster == name and pod.hash for image in pod.images})
        if images:
            here["images"] = images
        found[name] = here
    return found


def list_rollout(wanted: Wanted, namespace: str, name: str) -> list[str]:
    """The call that reads a Rollout."""
    return wanted.kubectl("get", "rollouts.argoproj.io", name, f"--namespace={namespace}", "-o", "json")


def list_pods(wanted: Wanted, namespace: str) -> list[str]:
    """The call that lists the pods of a namespace."""
    return wanted.kubectl("get", "pods", f"--namespace={namespace}", "-o", "json")


def _state(item: Mapping[str, Any]) -> RolloutState:
    status = item.get("status") if isinstance(item.get("status"), dict) else {}
    assert isinstance(status, dict)
    stable, current = str(status.get("stableRS") or ""), str(status.get("currentPodHash") or "")
    step, weight = status.get("currentStepIndex"), _at(status, "canary", "weights", "canary", "weight")
    return RolloutState(
        phase=str(status.get("phase") or ""),
        step=step if isinstance(step, int) else None,
        weight=weight if isinstance(weight, int) else None,
        stable=stable,
        canary=current if current != stable else "",
    )


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def named(name: str) -> tuple[str, str, str]:
    """Cluster, namespace and name of `cluster/namespace/name`."""
    cluster, _, rest = name.partition("/")
    namespace, _, bare = rest.partition("/")
    return cluster, namespace, bare


def _json(ran: Ran) -> dict[str, Any] | None:
    if ran.code:
        return None
    try:
        found = json.loads(ran.out)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def reason(ran: Ran) -> str:
    """The last line that a program said, as the reason why something is missing; without who and where, as the reason
    is committed."""
    lines = [line.strip() for line in ran.err.splitlines() if line.strip()]
    said = lines[-1][:300] if lines else ""
    for pattern, word in _PRIVATE:
        said = pattern.sub(word, said)
    if "forbidden" in said.lower():
        return f"forbidden: {said}"
    return said or (f"kubectl ended with {ran.code}" if ran.code else "curl answered nothing")
