"""A ReplicaSet and its pods, as much of them as the controller and the mesh look at."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any, final

from meshsim.mesh.pods import SIMULATED
from meshsim.model.frozen import frozen
from meshsim.rollouts.spec import DEADLINE, DESIRED, HASH_LABEL, REVISION

NEVER = math.inf


@final
@frozen
class Pod:
    """One pod: `number` in its ReplicaSet, seconds when it was created, is ready and (terminating) gone."""

    number: int
    born: float = 0.0
    ready_at: float = 0.0
    stopped_at: float | None = None
    gone_at: float | None = None

    def ready(self, at: float) -> bool:
        """Whether it is an endpoint at `at`: ready and not being terminated."""
        return self.ready_at <= at and (self.stopped_at is None or self.stopped_at > at)

    def exists(self, at: float) -> bool:
        """Whether its process still runs (a terminating pod does, until `gone_at`)."""
        return self.born <= at and (self.gone_at is None or self.gone_at > at)


@final
@frozen
class ReplicaSet:
    """`replicas` is spec.replicas; `created` and `available` are its status, as the controller's cache shows it.

    `desired` is the desired-replicas annotation, `deadline` the scale-down-deadline in seconds, `order` the order of
    creation. `template` is the pod template without the hash label, None where unknown. `broken` are the numbers of
    pods that a fault keeps from being ready; `breaks` says that pods made from now on are broken too.
    """

    name: str
    hash: str
    namespace: str = ""
    revision: int = 0
    replicas: int = 0
    created: int = 0
    available: int = 0
    desired: int | None = None
    deadline: float | None = None
    order: int = 0
    template: Mapping[str, Any] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    broken: frozenset[int] = frozenset()
    breaks: bool = False

    @property
    def fully_available(self) -> bool:
        """utils/replicaset/replicaset.go:640 IsReplicaSetAvailable: scaled up and all there."""
        return self.replicas != 0 and self.available != 0 and self.replicas <= self.available


def replica_set(doc: "Mapping[str, Any] | ReplicaSet", order: int = 0) -> ReplicaSet:
    """A ReplicaSet from its YAML (labels, spec.replicas, status.replicas, status.availableReplicas).

    The hash is the label `rollouts-pod-template-hash`; missing counts are 0, a missing spec.replicas is 1
    (argo-rollouts utils/defaults GetReplicasOrDefault). `{"hash", "replicas", "available", "created"}` will do, too.
    """
    if isinstance(doc, ReplicaSet):
        return doc
    if "hash" in doc:
        doc = _written_out(doc)
    metadata = doc.get("metadata") or {}
    spec = doc.get("spec") or {}
    status = doc.get("status") or {}
    labels = dict(metadata.get("labels") or {})
    annotations = metadata.get("annotations") or {}
    replicas = 1 if spec.get("replicas") is None else int(spec["replicas"])
    available = int(status.get("availableReplicas") or 0)
    created = int(status.get("replicas") or 0)
    deadline = annotations.get(DEADLINE)
    return ReplicaSet(
        name=str(metadata.get("name") or labels.get(HASH_LABEL) or f"replicaset-{order}"),
        namespace=str(metadata.get("namespace") or ""),
        hash=str(labels.get(HASH_LABEL) or ""),
        revision=int(annotations.get(REVISION) or 0),
        replicas=replicas,
        created=created,
        available=available,
        desired=None if annotations.get(DESIRED) is None else int(annotations[DESIRED]),
        deadline=float(deadline) if isinstance(deadline, int | float) else (0.0 if deadline else None),
        order=order,
        template=_bare(spec.get("template")),
        labels=labels,
        pods=_listed(status.get(SIMULATED)) or pods_of(created, available),
    )


def _listed(pods: Any) -> tuple[Pod, ...]:
    """The pods that a run of the controller listed in a ReplicaSet's status: which of them are ready, not only how
    many. A ReplicaSet of a cluster lists none."""
    if not isinstance(pods, list):
        return ()
    return tuple(Pod(number=number, born=-NEVER, ready_at=-NEVER if ready else NEVER) for number, ready in pods)


def _written_out(bare: Mapping[str, Any]) -> dict[str, Any]:
    """Bare counts as YAML has them."""
    spec, status = dict(bare.get("spec") or {}), dict(bare.get("status") or {})
    for name, where, key in (
        ("replicas", spec, "replicas"),
        ("available", status, "availableReplicas"),
        ("availableReplicas", status, "availableReplicas"),
        ("created", status, "replicas"),
    ):
        if bare.get(name) is not None:
            where[key] = bare[name]
    if "replicas" in spec:
        status.setdefault("replicas", spec["replicas"])
    metadata = dict(bare.get("metadata") or {})
    labels = {HASH_LABEL: bare["hash"], **(metadata.get("labels") or {})}
    annotations = {key: bare[name] for name, key in (("revision", REVISION), ("deadline", DEADLINE)) if name in bare}
    annotations |= metadata.get("annotations") or {}
    return {"metadata": {**metadata, "labels": labels, "annotations": annotations}, "spec": spec, "status": status}


def pods_of(created: int, available: int, number: int = 0) -> tuple[Pod, ...]:
    """`created` pods, the first `available` of them ready since ever."""
    return tuple(
        Pod(number=number + index, born=-NEVER, ready_at=-NEVER if index < available else NEVER)
        for index in range(max(created, available))
    )


def _bare(template: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The template without the label that the controller injected."""
    labels = ((template or {}).get("metadata") or {}).get("labels") or {}
    if template is None or HASH_LABEL not in labels:
        return template
    kept = {key: value for key, value in labels.items() if key != HASH_LABEL}
    return {**template, "metadata": {**template["metadata"], "labels": kept}}


def follow_spec(
    found: ReplicaSet, at: float, *, pod_ready: float = 0.0, pod_terminate: float = 0.0, min_ready: float = 0.0
) -> ReplicaSet:
    """What the ReplicaSet controller and kubelet make of it at `at`: pods created, removed and become ready.

    Pods not ready go first, then the youngest. Source: kubernetes pkg/controller/controller_utils.go ActivePods order.
    """
    pods = tuple(pod for pod in found.pods if pod.gone_at is None or pod.gone_at > at)
    active = [pod for pod in pods if pod.stopped_at is None]
    broken = found.broken
    if len(active) < found.replicas:
        first = 1 + max((pod.number for pod in found.pods), default=-1)
        made = tuple(
            Pod(number=first + index, born=at, ready_at=at + pod_ready) for index in range(found.replicas - len(active))
        )
        pods += made
        broken |= {pod.number for pod in made} if found.breaks else set()
    elif len(active) > found.replicas:
        keep = sorted(
            active,
            key=lambda pod: (pod.ready_at > at or pod.number in broken, pod.ready_at, pod.born, pod.number),
        )[: found.replicas]
        kept = {pod.number for pod in keep}
        pods = tuple(
            pod
            if pod.stopped_at is not None or pod.number in kept
            else replace(pod, stopped_at=at, gone_at=at + pod_terminate)
            for pod in pods
        )
        pods = tuple(pod for pod in pods if pod.gone_at is None or pod.gone_at > at)
    active = [pod for pod in pods if pod.stopped_at is None]
    available = sum(1 for pod in active if pod.ready_at + min_ready <= at and pod.number not in broken)
    broken &= {pod.number for pod in active}
    return replace(found, pods=pods, created=len(active), available=available, broken=broken)


def by_hash(sets: Iterable[ReplicaSet], wanted: str) -> ReplicaSet | None:
    """The ReplicaSet with that pod-template hash."""
    return next((found for found in sets if wanted and found.hash == wanted), None)
