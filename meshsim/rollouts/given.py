"""What callers of the formulas may give, read into what the formulas take.

`rollout` is the object as YAML has it, or its spec alone. `status` is its status in Argo's words (default:
`rollout["status"]`); every field of it may be absent. `sets` are its ReplicaSets:

* a list of objects as YAML has them (label `rollouts-pod-template-hash`, `spec.replicas`, `status.replicas`,
  `status.availableReplicas`); an absent spec.replicas is 1, as everywhere in Kubernetes;
* a list of bare mappings: `hash` or `role` (`new` or `canary`, `stable`, `other`) or `name`, then `replicas`,
  `available` and `created` (by default `replicas`; absent counts are 0);
* a mapping by role (`new` or `canary`, `stable`, `others`), by pod-template hash or by name, of either form, of
  (replicas, available), or of a number of pods that are all available.

Which ReplicaSet is which: by `role` where it is said; else by the hashes of the status (`stableRS`, `currentPodHash`);
else by a hash or name that says it (`stable`, `canary`, `new`). Where the status has no `currentPodHash`, the new one
is that of the Rollout's template, else the latest that is not stable.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from meshsim.model.errors import InputError
from meshsim.rollouts.replicaset import ReplicaSet, by_hash, replica_set
from meshsim.rollouts.scale import NO_SETS, Sets
from meshsim.rollouts.shape import misfits, wrong_shapes
from meshsim.rollouts.spec import Fields, max_weight
from meshsim.rollouts.template_hash import template_hash
from meshsim.rollouts.versions import controller

SomeSets = Iterable[Mapping[str, Any] | ReplicaSet] | Mapping[str, Any] | Sets | None
_ROLES = {
    **dict.fromkeys(("new", "newRS", "canary", "canaryRS"), "new"),
    **dict.fromkeys(("stable", "stableRS"), "stable"),
    **dict.fromkeys(("other", "others", "older", "old", "olderRSs", "oldRSs", "otherRSs"), "others"),
}
_SAYS = {name.casefold(): role for name, role in _ROLES.items() if role != "others"}
_OBJECT = {"metadata", "spec", "status", "kind", "apiVersion"}
_SPELLINGS = {
    "hash": ("podTemplateHash", "pod_template_hash", "rollouts-pod-template-hash"),
    "available": ("availableReplicas", "available_replicas"),
    "created": ("statusReplicas", "current"),
}
_BARE = {"hash", "role", "name", "replicas", "available", "created", "ready", "readyReplicas", "revision", "deadline"}
_COUNTS = ("replicas", "available", "created")


def rollout_of(given: Any) -> Fields:
    """The Rollout, also where only its spec is given; InputError where a field has the wrong kind.

    >>> rollout_of({"replicas": 2, "strategy": {"canary": {}}})
    {'spec': {'replicas': 2, 'strategy': {'canary': {}}}}
    """
    _mapping(given, "a Rollout", "the object as YAML has it, or its spec")
    rollout: Fields = {"spec": given} if "spec" not in given and "strategy" in given else given
    _refuse({"spec": rollout.get("spec") or {}, "metadata": rollout.get("metadata") or {}}, "the Rollout's ")
    return rollout


def status_of(rollout: Fields, given: Any) -> Fields:
    """The status, by default the Rollout's own; InputError where a field has the wrong kind."""
    status = rollout.get("status") if given is None else given
    if status is None:
        return {}
    _mapping(
        status, "a status", 'in Argo\'s words, such as {"stableRS": …, "currentPodHash": …, "currentStepIndex": 1}'
    )
    weights = (status.get("canary") or {}).get("weights") if isinstance(status.get("canary"), Mapping) else None
    plain = isinstance(weights, Mapping) and any(isinstance(weight, int) for weight in weights.values())
    _refuse({"status": {**status, "canary": {}} if plain else status}, "the Rollout's ")
    known: Fields = status
    return known


def weights_given(rollout: Fields, weights: Any) -> Fields:
    """Traffic weights as in a status, by role, or as the canary's alone."""
    if isinstance(weights, int):
        return {"canary": weights, "stable": max_weight(rollout) - weights}
    _mapping(weights, "traffic weights", 'such as {"canary": 25, "stable": 75}')
    known: Fields = weights
    return known


def whole_weight(weight: Any) -> int:
    """A weight as SetWeight takes it, an integer without bounds (both routers check none)."""
    if isinstance(weight, bool) or not isinstance(weight, int):
        msg = f"weight {weight!r} is no whole number, such as 25"
        raise InputError(msg)
    return weight


def hash_given(found: Any) -> str:
    """A pod-template hash; "" (or None) where there is no such ReplicaSet."""
    if found is not None and not isinstance(found, str):
        msg = f"{found!r} is no pod-template hash, which is text: quote it"
        raise InputError(msg)
    return found or ""


def docs_of(docs: Any) -> list[Fields]:
    """Objects as YAML has them, one, many or a List of them; InputError where a field has the wrong kind."""
    if isinstance(docs, Mapping):
        docs = docs["items"] if isinstance(docs.get("items"), list) else [docs]
    if isinstance(docs, str) or not isinstance(docs, Iterable):
        msg = f"{docs!r} are no objects: give one as YAML has it, or a list of them"
        raise InputError(msg)
    found = [doc for doc in docs if doc is not None]
    for doc in found:
        _mapping(doc, "an object", "it as YAML has it")
        name = (doc.get("metadata") or {}).get("name") if isinstance(doc.get("metadata"), Mapping) else None
        for path, problem in misfits(doc):
            msg = f"{doc.get('kind') or 'object'} {name or ''}: {'.'.join(str(part) for part in path)} {problem}"
            raise InputError(msg)
    return found


def _mapping(value: Any, what: str, wanted: str) -> None:
    if not isinstance(value, Mapping):
        msg = f"{value!r} is not {what}: give {wanted}"
        raise InputError(msg)


def _refuse(fields: Fields, of: str) -> None:
    for path, problem in wrong_shapes(fields):
        msg = f"{of}{'.'.join(str(part) for part in path)} {problem}"
        raise InputError(msg)


def picked(rollout: Fields, status: Fields, sets: SomeSets, *, version: str) -> Sets:
    """The new, the stable and the other ReplicaSets among `sets`, whatever the form they are given in."""
    if sets is None:
        return NO_SETS
    if isinstance(sets, Sets):
        return sets
    known = [(one_set(found, order), role) for order, (found, role) in enumerate(_listed(status, sets))]
    said = {role: one for one, role in known}
    unsaid = [one for one, role in known if not role]
    recorded = status.get("stableRS") or ""
    stable = said.get("stable") or _hashed(unsaid, recorded)
    if stable is None and (recorded or len(known) > 1):
        stable = _saying(unsaid, "stable")
    new = said.get("new") or _newest(rollout, status, unsaid, stable, version)
    if new is not None and stable is not None and new.name == stable.name:
        new = stable
    taken = {one.name for one in (new, stable) if one is not None}
    return Sets(new, stable, tuple(one for one, _ in known if one.name not in taken))


def all_sets(status: Fields, sets: SomeSets) -> list[ReplicaSet]:
    """All ReplicaSets in the order they are given in."""
    if isinstance(sets, Sets):
        return [one for one in dict.fromkeys((sets.new, sets.stable)) if one is not None] + list(sets.others)
    return [] if sets is None else [one_set(found, order) for order, (found, _) in enumerate(_listed(status, sets))]


def _listed(status: Fields, sets: Iterable[Any] | Mapping[str, Any]) -> Iterable[tuple[Any, str]]:
    """Every ReplicaSet with the role that is said of it, "" where none is."""
    if not isinstance(sets, Mapping):
        if isinstance(sets, str) or not isinstance(sets, Iterable):
            msg = f"{sets!r} are no ReplicaSets: give a list of them, or a mapping by role or pod-template hash"
            raise InputError(msg)
        for found in sets:
            if found is not None:
                yield found, _role(found)
    elif sets.keys() & _OBJECT:
        yield sets, ""
    elif sets.keys() <= _ROLES.keys():
        hashes = {"new": status.get("currentPodHash") or "canary", "stable": status.get("stableRS") or "stable"}
        for name, found in sets.items():
            role = _ROLES[name]
            if role != "others":
                if found is not None:
                    yield _under(hashes[role], found), role
                continue
            for index, one in enumerate([found] if isinstance(found, Mapping) else found or ()):
                yield _under(f"other-{index}", one), role
    else:
        for name, found in sets.items():
            if found is not None:
                yield _under(str(name), found), _role(found)


def _role(found: Any) -> str:
    said = found.get("role") if isinstance(found, Mapping) else None
    if said is None:
        return ""
    if said not in _ROLES:
        msg = f"{said!r} is no role of a ReplicaSet: use new (or canary), stable or other"
        raise InputError(msg)
    return _ROLES[said]


def _under(pod_hash: str, found: Any) -> Any:
    """Bare counts with the hash that they are listed under."""
    if isinstance(found, int) and not isinstance(found, bool):
        found = (found, found)
    if isinstance(found, Sequence) and not isinstance(found, str):
        if len(found) != 2:
            msg = f"{found!r} is no ReplicaSet: give (replicas, available)"
            raise InputError(msg)
        return {"hash": pod_hash, "replicas": found[0], "available": found[1]}
    if not isinstance(found, Mapping) or found.keys() & {"metadata", "hash", "name", *_SPELLINGS["hash"]}:
        return found
    return {"metadata": {"name": pod_hash}, **found, "hash": pod_hash}


def one_set(found: Any, order: int = 0) -> ReplicaSet:
    """One ReplicaSet, in any of its forms; InputError where it is none.

    >>> found = one_set({"role": "canary", "replicas": 3, "availableReplicas": 2})
    >>> found.replicas, found.created, found.available
    (3, 3, 2)
    """
    if isinstance(found, ReplicaSet):
        return found
    _mapping(found, "a ReplicaSet", 'the object as YAML has it, or {"hash": …, "replicas": …, "available": …}')
    bare = {key: value for key, value in found.items() if key not in _OBJECT}
    for name, others in _SPELLINGS.items():
        for other in others:
            if other in bare:
                bare.setdefault(name, bare.pop(other))
    unknown = sorted(str(key) for key in bare.keys() - _BARE)
    if unknown:
        msg = f"a ReplicaSet has no {', '.join(unknown)}: use {', '.join(sorted(_BARE))}, or metadata, spec and status"
        raise InputError(msg)
    for name in _COUNTS:
        count = bare.get(name)
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 0):
            msg = f"{name} of a ReplicaSet is a number of pods, not {count!r}"
            raise InputError(msg)
    given = {key: value for key, value in found.items() if key in _OBJECT}
    for key, value in given.items():
        if key in {"metadata", "spec", "status"} and value is not None:
            _mapping(value, f"the {key} of a ReplicaSet", "a mapping")
    if not bare:
        return replica_set(given, order)
    name = bare.pop("name", None)
    if name is not None:
        given["metadata"] = {"name": name, **(given.get("metadata") or {})}
    return replica_set({"hash": bare.get("hash") or "", **given, **bare}, order)


def _hashed(known: Sequence[ReplicaSet], wanted: str) -> ReplicaSet | None:
    """By hash, else by the name `<rollout>-<hash>` of one that shows none."""
    found = by_hash(known, wanted)
    if found is not None or not wanted:
        return found
    return next((one for one in known if one.hash in {"", one.name} and f"-{one.name}".endswith(f"-{wanted}")), None)


def _saying(known: Sequence[ReplicaSet], role: str) -> ReplicaSet | None:
    return next(
        (one for one in known if role in {_SAYS.get(one.name.casefold()), _SAYS.get(one.hash.casefold())}), None
    )


def _newest(
    rollout: Fields, status: Fields, known: Sequence[ReplicaSet], stable: ReplicaSet | None, version: str
) -> ReplicaSet | None:
    recorded = status.get("currentPodHash") or ""
    if recorded:
        both = [stable] if stable is not None else []
        return _hashed([*known, *both], recorded) or _saying(known, "new")
    template = (rollout.get("spec") or {}).get("template")
    if template:
        flavour = controller(version)["hash_flavour"]
        found = by_hash(known, template_hash(template, flavour, status.get("collisionCount")))
        if found is not None:
            return found
    said = _saying(known, "new")
    rest = (one for one in known if one is not stable)
    return said or max(rest, key=lambda one: (one.revision, one.order), default=None)
