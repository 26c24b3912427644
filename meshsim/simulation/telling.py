"""A sync in words: what the controller did, from what it wrote and how the status changed."""

from collections.abc import Iterator

from meshsim.rollouts import State, Write, shown
from meshsim.rollouts.errors import RolloutError
from meshsim.rollouts.spec import DEADLINE, HASH_LABEL, canary_weight, weights_of


def told(before: State, after: State, edits: tuple[Write, ...], error: RolloutError | None) -> str:
    """One sentence on a sync; its parts in the order in which they were done."""
    parts = list(dict.fromkeys([*_edits(edits, before), *_status(before, after)]))
    if error is not None:
        parts.append(f"fails: {error.message}")
    return ", ".join(parts) or "updates its conditions"


def pods_told(before: State, after: State) -> str:
    """One sentence on pods that changed."""
    known = {found.name: found for found in before.sets}
    parts = []
    for found in after.sets:
        old = known.get(found.name)
        if old is None or (old.available, old.created) != (found.available, found.created):
            parts.append(f"{found.name} has {found.available} of {found.created} pods available")
    return ", ".join(parts) or "pods change"


def _edits(edits: tuple[Write, ...], before: State) -> Iterator[str]:
    sets = {found.name: found for found in before.sets}
    for edit in edits:
        last = edit.path[-1]
        if edit.key.kind == "ReplicaSet":
            known = sets.get(edit.key.name)
            if last == "replicas":
                yield (
                    f"creates ReplicaSet {edit.key.name}"
                    if known is None
                    else f"scales {edit.key.name} from {known.replicas} to {edit.value}"
                )
            elif last == DEADLINE and edit.value is not None:
                yield f"{edit.key.name} is to go at {edit.value:g}s"
        elif last == HASH_LABEL:
            where = "selects" if "selector" in edit.path else f"subset {_index(edit)} selects"
            yield f"{edit.key.kind} {edit.key.name} {where} {edit.value or 'any revision'}"
        elif last == "weight":
            values = [str(part.value) for part in edits if part.key == edit.key and part.path[-1] == "weight"]
            yield f"{edit.key.kind} {edit.key.name} weights {'/'.join(values)}"


def _index(edit: Write) -> str:
    return next((str(part) for part in edit.path if isinstance(part, int)), "")


def _status(before: State, after: State) -> Iterator[str]:
    old, new = before.status, after.status
    if old.get("stableRS") != new.get("stableRS"):
        yield f"{new.get('stableRS')} becomes the stable revision"
    if old.get("currentPodHash") != new.get("currentPodHash") and old.get("currentPodHash"):
        yield f"a new revision, {new.get('currentPodHash')}"
    weights = canary_weight(weights_of(old)), canary_weight(weights_of(new))
    if weights[0] != weights[1]:
        yield f"weight {weights[0]} to {weights[1]}"
    was, now = shown(before), shown(after)
    if was.step != now.step:
        yield f"step {now.step}"
    if (was.phase, was.message) != (now.phase, now.message):
        yield f"{now.phase} {now.message}".strip()
