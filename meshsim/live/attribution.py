"""Which pod gave an answer, and which revision it is: by the name in the answer, then by the hash of its ReplicaSet."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

from meshsim.live.recording import RolloutState
from meshsim.mesh.pods import HASH_LABEL
from meshsim.model.frozen import frozen

DEFAULT: Final = (
    r"\binstance[:=]\s*(?P<pod>[a-z0-9][-a-z0-9.]*)",
    r"(?i:\bhost_?name|\bpod(?:[_-]?name)?|\bx-pod-name)\"?\s*[:=]\s*\"?(?P<pod>[a-z0-9][-a-z0-9.]*)",
    r"(?i:\bversion)\"?\s*[:=]\s*\"?(?P<version>[A-Za-z0-9][-A-Za-z0-9._+]*)",
)
"""Where samples print who they are: `version: v1, instance: <pod>` (istio's helloworld), `Hostname: <pod>` (whoami),
`"hostname": "<pod>"` (podinfo)."""
_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_TOKEN: Final = re.compile(r"[a-z0-9][-a-z0-9.]*[a-z0-9]")
_OWNED: Final = re.compile(r"(?P<owner>.+)-(?P<hash>[a-z0-9]{5,10})-[a-z0-9]{5}")
"""A pod of a ReplicaSet: `<owner>-<hash>-<five>` (Kubernetes' generateName)."""
_WORDS: Final = re.compile(r"[-/:_@.]")


@final
@frozen
class LivePod:
    """A pod as the API server lists it."""

    cluster: str
    namespace: str
    name: str
    hash: str = ""
    ready: bool = False
    workload: str = ""
    containers: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    version: str = ""
    """Its `version` label."""

    @property
    def path(self) -> str:
        return f"{self.cluster}/{self.namespace}/{self.name}"


@final
@frozen
class Answerer:
    """Who answered, as far as an answer tells: "" for what it does not."""

    role: str = ""
    version: str = ""
    pod: str = ""
    cluster: str = ""

    @property
    def known(self) -> bool:
        return bool(self.role)


@final
class Attribution:
    """Answers to pods to roles, for one state of the Rollouts."""

    def __init__(
        self,
        pods: Sequence[LivePod],
        rollouts: Mapping[str, RolloutState],
        patterns: Sequence[str] = DEFAULT,
    ) -> None:
        """`rollouts` by `cluster/namespace/name`; `patterns` have groups `pod` and `version`, the first match of each
        decides. Raises re.error for one that is no regular expression."""
        self.patterns = [re.compile(pattern) for pattern in patterns]
        self.rollouts = rollouts
        self.by_name: dict[str, list[LivePod]] = {}
        for pod in pods:
            self.by_name.setdefault(pod.name, []).append(pod)
        self.roles_of_version = self._roles_of_version(pods)

    def of(self, text: str) -> Answerer:
        """Who an answer (headers, an empty line, body) says gave it: its body first."""
        head, _, body = text.replace("\r\n", "\n").partition("\n\n")
        said: dict[str, str] = {}
        for part in (body, head):
            for pattern in self.patterns:
                for found in pattern.finditer(part):
                    for group, value in found.groupdict().items():
                        if value and group not in said and (group != "pod" or self._is_pod(value)):
                            said[group] = value
        if "pod" not in said:
            named = next((name for name in _TOKEN.findall(body) if self._is_rollouts(name)), None)
            said |= {"pod": named} if named is not None else {}
        pods = self.by_name.get(said.get("pod", ""), [])
        version = said.get("version", "")
        if len(pods) == 1:
            pod = pods[0]
            return Answerer(role=self.role(pod.hash, pod.cluster), version=version, pod=pod.path, cluster=pod.cluster)
        if "pod" in said:
            named = _OWNED.fullmatch(said["pod"])
            digest = pods[0].hash if pods else named["hash"] if named is not None else ""
            return Answerer(role=self.role(digest) if digest else "", version=version, pod=said["pod"])
        return Answerer(role=self.roles_of_version.get(version, ""), version=version)

    def role(self, digest: str, cluster: str = "") -> str:
        """`stable`, `canary` or `other`, by hash in any cluster; the pod's own cluster's Rollout decides first.

        "" where nothing is known of any Rollout.
        """
        known = sorted(self.rollouts.items(), key=lambda item: item[0].partition("/")[0] != cluster)
        for _, state in known:
            if digest and digest == state.canary:
                return "canary"
            if digest and digest == state.stable:
                return "stable"
        return "other" if any(state.stable for _, state in known) else ""

    def _is_rollouts(self, name: str) -> bool:
        return any(pod.hash for pod in self.by_name.get(name, ()))

    def _is_pod(self, name: str) -> bool:
        """A name is a pod's where one is listed under it, or where it is built like one of a ReplicaSet's."""
        return name in self.by_name or (bool(_NAME.fullmatch(name)) and _OWNED.fullmatch(name) is not None)

    def _roles_of_version(self, pods: Sequence[LivePod]) -> dict[str, str]:
        """Versions that only one role's pods have, by label or as a word of their image's name."""
        found: dict[str, set[str]] = {}
        for pod in pods:
            role = self.role(pod.hash, pod.cluster) if pod.hash else ""
            if role in {"stable", "canary"}:
                words = {pod.version, *(word for image in pod.images for word in image_words(image))}
                for word in words - {""}:
                    found.setdefault(word, set()).add(role)
        return {word: next(iter(roles)) for word, roles in found.items() if len(roles) == 1}


def image_words(image: str) -> frozenset[str]:
    """What a version may be called by an image's name: the image, its tag, and the words of both.

    >>> sorted(image_words("docker.io/istio/examples-helloworld-v1:1.0"))[:3]
    ['1.0', 'docker.io/istio/examples-helloworld-v1:1.0', 'examples']
    """
    name = image.partition("@")[0].rpartition("/")[2]
    base, _, tag = name.partition(":")
    return frozenset(word for word in (image, tag, *_WORDS.split(base)) if word)


def live_pod(cluster: str, item: Mapping[str, Any]) -> LivePod | None:
    """A pod of `kubectl get pods -o json`; None where it is none."""
    metadata, spec, status = (_mapping(item.get(key)) for key in ("metadata", "spec", "status"))
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str) or not isinstance(namespace, str) or not _NAME.fullmatch(name):
        return None
    labels = _mapping(metadata.get("labels"))
    containers = [c for c in spec.get("containers") or () if isinstance(c, dict)]
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())
    return LivePod(
        cluster=cluster,
        namespace=namespace,
        name=name,
        hash=str(labels.get(HASH_LABEL) or ""),
        ready=ready and not metadata.get("deletionTimestamp"),
        workload=_workload(metadata, labels, name),
        containers=tuple(str(c.get("name")) for c in containers),
        images=tuple(str(c.get("image")) for c in containers if c.get("name") != "istio-proxy"),
        version=str(labels.get("version") or labels.get("app.kubernetes.io/version") or ""),
    )


def _workload(metadata: Mapping[str, Any], labels: Mapping[str, Any], name: str) -> str:
    """The Deployment, Rollout or StatefulSet a pod belongs to, by its owner's name without the template's hash."""
    owners = [owner for owner in metadata.get("ownerReferences") or () if isinstance(owner, dict)]
    owner = next((o for o in owners if o.get("controller")), owners[0] if owners else {})
    if owner.get("kind") != "ReplicaSet":
        return str(owner.get("name") or name)
    digest = str(labels.get("pod-template-hash") or labels.get(HASH_LABEL) or "")
    return str(owner.get("name")).removesuffix(f"-{digest}") if digest else str(owner.get("name"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
