"""Which paths of an object were changed after it was read, and by what.

An overlay maps a path to the evidence of whoever wrote it, or to the path at which that part of the object stood
before list items moved. The longest prefix of a path that is in the overlay decides.
"""

from collections.abc import Mapping
from typing import Any

from meshsim.model.evidence import Evidence

Path = tuple[str | int, ...]
"""Keys and list indices from the root of an object."""

Overlay = dict[Path, Evidence | Path]


def look_up(overlay: Overlay, path: Path) -> Evidence | Path:
    """The evidence of whoever wrote `path`, or the path in the original object at which it stands."""
    for length in range(len(path), -1, -1):
        found = overlay.get(path[:length])
        if found is not None:
            return found + path[length:] if isinstance(found, tuple) else found
    return path


def edited(
    data: dict[str, Any], overlay: Overlay, edits: Mapping[Path, Any], evidence: Evidence
) -> tuple[dict[str, Any], Overlay]:
    """Copy-on-write of `data` with every path set (None removes), and the overlay that says so."""
    new: dict[str, Any] = dict(data)
    changes = dict(overlay)
    fresh: set[int] = {id(new)}
    for path, value in edits.items():
        if not path:
            msg = "an edit needs a path"
            raise ValueError(msg)
        written = _set(new, path, value, fresh)
        if written is not None:
            _write(changes, written, evidence)
    return new, changes


def difference(old: Any, new: Any, overlay: Overlay, evidence: Evidence) -> Overlay:
    """The overlay of `new`, which takes the place of `old`: `evidence` where they differ, else where it stood."""
    changes: Overlay = {}
    _differ(old, new, (), (), overlay, evidence, changes)
    return changes


def _set(root: dict[str, Any], path: Path, value: Any, fresh: set[int]) -> Path | None:
    """Set one path inside `root`, copying containers that are shared; the topmost path that this wrote."""
    container: Any = root
    for depth, step in enumerate(path[:-1]):
        child = _child(container, step)
        if not isinstance(child, (dict, list)):
            if value is None:
                return None
            nested: Any = value
            for name in reversed(path[depth + 1 :]):
                nested = [nested] if isinstance(name, int) else {name: nested}
            _put(container, step, nested)
            return path[: depth + 1]
        if id(child) not in fresh:
            child = dict(child) if isinstance(child, dict) else list(child)
            fresh.add(id(child))
            _put(container, step, child)
        container = child
    last = path[-1]
    if value is not None:
        _put(container, last, value)
        return path
    if isinstance(container, dict) and last in container:
        del container[last]
        return path
    if isinstance(container, list) and isinstance(last, int) and last < len(container):
        del container[last]
        return path[:-1]
    return None


def _child(container: Any, step: str | int) -> Any:
    if isinstance(container, dict):
        return container.get(step)
    return container[step] if isinstance(step, int) and 0 <= step < len(container) else None


def _put(container: Any, step: str | int, value: Any) -> None:
    if isinstance(container, list):
        if not isinstance(step, int) or not 0 <= step <= len(container):
            msg = f"{step!r} is no index of a list of {len(container)}"
            raise ValueError(msg)
        if step == len(container):
            container.append(value)
            return
    container[step] = value


def _write(changes: Overlay, path: Path, evidence: Evidence) -> None:
    """Enter `path`; what was known below it is gone."""
    for other in [known for known in changes if len(known) > len(path) and known[: len(path)] == path]:
        del changes[other]
    changes[path] = evidence


def _differ(old: Any, new: Any, was: Path, now: Path, overlay: Overlay, evidence: Evidence, changes: Overlay) -> None:
    if old is new or (type(old) is type(new) and old == new):
        _carry(was, now, overlay, changes)
    elif isinstance(old, dict) and isinstance(new, dict):
        _carry(was, now, overlay, changes, below=False)
        for key in old.keys() | new.keys():
            if key not in new or key not in old:
                changes[(*now, key)] = evidence
            else:
                _differ(old[key], new[key], (*was, key), (*now, key), overlay, evidence, changes)
        for known, by in overlay.items():
            if len(known) == len(was) + 1 and known[:-1] == was and known[-1] not in old and known[-1] not in new:
                changes.setdefault(now + known[len(was) :], by)
    elif isinstance(old, list) and isinstance(new, list):
        _carry(was, now, overlay, changes, below=False)
        for index, source in enumerate(_matched(old, new)):
            if source is None:
                changes[(*now, index)] = evidence
            else:
                _differ(old[source], new[index], (*was, source), (*now, index), overlay, evidence, changes)
        if len(new) < len(old):
            changes[now] = evidence if not new else changes.get(now, look_up(overlay, was))
    else:
        changes[now] = evidence


def _carry(was: Path, now: Path, overlay: Overlay, changes: Overlay, *, below: bool = True) -> None:
    """Keep what was known of `was` for `now`."""
    stood = look_up(overlay, was)
    if look_up(changes, now) != stood:
        changes[now] = stood
    if below:
        for known, by in overlay.items():
            if len(known) > len(was) and known[: len(was)] == was:
                changes[now + known[len(was) :]] = by


def _matched(old: list[Any], new: list[Any]) -> list[int | None]:
    """For each new item the old one it continues: an equal one, a namesake, or (equal lengths) the same index."""
    sources: list[int | None] = [None] * len(new)
    free = list(range(len(old)))
    for index, item in enumerate(new):
        if index in free and old[index] == item:
            sources[index] = index
            free.remove(index)
    for same in (_equal, _same_name):
        for index, item in enumerate(new):
            if sources[index] is None:
                sources[index] = next((at for at in free if same(old[at], item)), None)
                if sources[index] is not None:
                    free.remove(sources[index])  # type: ignore[arg-type]
    if len(old) == len(new):
        for index in range(len(new)):
            if sources[index] is None and index in free:
                sources[index] = index
    return sources


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other)


def _same_name(one: Any, other: Any) -> bool:
    return isinstance(one, dict) and isinstance(other, dict) and one.get("name") == other.get("name") is not None
