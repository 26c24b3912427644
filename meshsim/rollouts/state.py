"""One Rollout at one moment: its spec and status, its ReplicaSets, and the objects it reads and writes."""

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any, final

from meshsim.model.frozen import frozen
from meshsim.model.names import ObjectKey
from meshsim.rollouts import gatewayapi, istio
from meshsim.rollouts.errors import RolloutError
from meshsim.rollouts.memo import remembered
from meshsim.rollouts.replicaset import ReplicaSet, by_hash, replica_set
from meshsim.rollouts.spec import HASH_LABEL, Fields, managed_services
from meshsim.rollouts.template_hash import template_hash
from meshsim.rollouts.versions import LATEST, LATEST_GATEWAYAPI, controller

Results = Mapping[int | str, str]
"""Step index (or template or plugin name) → `successful`, `failed`, `inconclusive`, `error`; nothing: it runs on."""


@final
@frozen
class Write:
    """One field that the controller wrote: `path` from the object's root, `value` None where it was removed."""

    key: ObjectKey
    path: tuple[str | int, ...]
    value: Any
    at: float
    by: str

    @property
    def dotted(self) -> str:
        return ".".join(str(part) for part in self.path)


@final
@frozen
class State:
    """Immutable; every function of this package returns a new one. Plain values inside are never changed in place.

    `rollout` is the object without its status; `status` is in Argo's words; times in it (`startTime`, `abortedAt`,
    conditions' times) are seconds. `objects` are the Services, routes, VirtualServices, DestinationRules and the
    workload it refers to. `writes` is everything the controller wrote, in order. `error` is what the last sync failed
    with. `woken` says that a sync is due now. `notes` are sentences on what is not modelled or loops, `waits` on what
    the last sync waited for.
    """

    rollout: Mapping[str, Any]
    status: Mapping[str, Any] = field(default_factory=dict)
    sets: tuple[ReplicaSet, ...] = ()
    objects: Mapping[ObjectKey, Mapping[str, Any]] = field(default_factory=dict)
    writes: tuple[Write, ...] = ()
    results: Results = field(default_factory=dict)
    version: str = LATEST
    gatewayapi: str = LATEST_GATEWAYAPI
    now: float = 0.0
    woken: bool = True
    error: RolloutError | None = None
    notes: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str((self.rollout.get("metadata") or {}).get("name") or "")

    @property
    def namespace(self) -> str:
        return istio.home(self.rollout)

    @property
    def by(self) -> str:
        """Who writes: `Rollout namespace/name`."""
        return f"Rollout {self.namespace}/{self.name}"

    @property
    def generation(self) -> int:
        return int((self.rollout.get("metadata") or {}).get("generation") or 1)

    @property
    def template(self) -> Mapping[str, Any]:
        """The pod template in force: inline, or the referred workload's."""
        workload = self.workload
        source = workload if workload is not None else self.rollout
        return (source.get("spec") or {}).get("template") or {}

    @property
    def template_source(self) -> str:
        return "workloadRef" if (self.rollout.get("spec") or {}).get("workloadRef") else "rollout"

    @property
    def workload(self) -> Mapping[str, Any] | None:
        """The Deployment, ReplicaSet or PodTemplate of `workloadRef`."""
        key = self.workload_key
        return None if key is None else self.objects.get(key)

    @property
    def workload_key(self) -> ObjectKey | None:
        reference = (self.rollout.get("spec") or {}).get("workloadRef")
        if not reference:
            return None
        return ObjectKey(str(reference.get("kind")), self.namespace, str(reference.get("name")))

    @property
    def template_hash(self) -> str:
        """What the controller computes for the template in force."""
        return _hash_of(
            self.template,
            controller(self.version)["hash_flavour"],
            self.status.get("collisionCount"),
            self.template_source,
        )

    @property
    def stable(self) -> ReplicaSet | None:
        return by_hash(self.sets, self.status.get("stableRS") or "")

    @property
    def current(self) -> ReplicaSet | None:
        """The ReplicaSet of `status.currentPodHash`."""
        return by_hash(self.sets, self.status.get("currentPodHash") or "")

    def object(self, kind: str, name: str, namespace: str = "") -> Mapping[str, Any] | None:
        """One of its objects, by default in its own namespace."""
        return self.objects.get(ObjectKey(kind, namespace or self.namespace, name))

    def docs(self) -> list[Mapping[str, Any]]:
        return list(self.objects.values())

    def wake(self) -> "State":
        """The same with a sync due: something that the controller watches has changed."""
        return replace(self, woken=True)


_hash_of = remembered(template_hash)


def key_of(doc: Fields) -> ObjectKey:
    """The key of an object as YAML has it; without a namespace it is in `default`."""
    metadata = doc.get("metadata") or {}
    return ObjectKey(str(doc.get("kind")), str(metadata.get("namespace") or "default"), str(metadata.get("name")))


def state_of(
    rollout: Fields,
    docs: Iterable[Fields] = (),
    *,
    version: str = LATEST,
    gatewayapi_version: str = LATEST_GATEWAYAPI,
    results: Results | None = None,
) -> State:
    """The State of a Rollout (as in YAML) among `docs`, the objects of its cluster; what it does not touch is left out.

    ReplicaSets among `docs` are taken where it owns them: by ownerReference, else by its selector and the hash label.
    """
    known = list(docs)
    bare = {key: value for key, value in rollout.items() if key != "status"}
    state = State(
        rollout=bare,
        status=dict(rollout.get("status") or {}),
        version=version,
        gatewayapi=gatewayapi_version,
        results=dict(results or {}),
    )
    wanted = named_objects(state, known)
    owned = [doc for doc in known if doc.get("kind") == "ReplicaSet" and _owns(bare, doc)]
    owned.sort(key=lambda doc: str((doc.get("metadata") or {}).get("creationTimestamp") or ""))
    return replace(
        state,
        objects={key: doc for doc in known if (key := key_of(doc)) in wanted},
        sets=tuple(replica_set(doc, order) for order, doc in enumerate(owned)),
    )


def named_objects(state: State, docs: Iterable[Fields] = ()) -> set[ObjectKey]:
    """The keys of everything the Rollout names; `docs` are searched by the plugin's route selectors."""
    home = state.namespace
    found = {ObjectKey("Service", home, name) for name in managed_services(state.rollout)}
    for target in gatewayapi.targets(state.rollout, docs, version=state.gatewayapi):
        found.add(ObjectKey(target.kind.kind, target.namespace, target.name))
    for namespace, name, _ in istio.virtual_services(state.rollout):
        found.add(ObjectKey("VirtualService", namespace, name))
    rule = istio.destination_rule(state.rollout)
    if rule is not None:
        found.add(ObjectKey("DestinationRule", home, str(rule.get("name"))))
    if state.workload_key is not None:
        found.add(state.workload_key)
    return found


def _owns(rollout: Fields, doc: Fields) -> bool:
    metadata, owner = doc.get("metadata") or {}, rollout.get("metadata") or {}
    if (metadata.get("namespace") or "default") != (owner.get("namespace") or "default"):
        return False
    references = metadata.get("ownerReferences") or ()
    if references:
        return any(part.get("kind") == "Rollout" and part.get("name") == owner.get("name") for part in references)
    labels = metadata.get("labels") or {}
    wanted = ((rollout.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return HASH_LABEL in labels and bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def changes(before: Any, after: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    """(path, new value) of every difference; lists of unequal length differ as a whole."""
    if before is after or before == after:
        return []
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found: list[tuple[tuple[str | int, ...], Any]] = []
        for key in [*after, *(key for key in before if key not in after)]:
            if key in after:
                found += changes(before.get(key, _ABSENT), after[key], (*path, key))
            else:
                found.append(((*path, key), None))
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            part
            for index, pair in enumerate(zip(before, after, strict=True))
            for part in changes(*pair, (*path, index))
        ]
    if before is _ABSENT and isinstance(after, Mapping) and after:
        return [part for key, value in after.items() for part in changes(_ABSENT, value, (*path, key))]
    return [] if before == after else [(path, after)]


_ABSENT: Any = object()
