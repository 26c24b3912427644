"""Which fields of an object matter and are not modelled.

A wrong answer is worse than none: a field that the engine does not read and that may change where a request goes
makes the answer undetermined, and so does a field that nobody has classified.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, final

from meshsim.manifests.field_tables import TABLES, Field
from meshsim.manifests.kinds import Bearing
from meshsim.manifests.manifest import Manifest
from meshsim.manifests.overlay import Path
from meshsim.manifests.stream import dotted
from meshsim.model.evidence import Evidence

_UNCLASSIFIED: Final = Field(Bearing.RELEVANT, "meshsim does not know this field")


def classified(kind: str) -> bool:
    """Whether the fields of this kind are classified."""
    return kind in TABLES


def classify(kind: str, path: Path) -> Field:
    """What the field at `path` means. Raises KeyError for a kind whose fields are not classified.

    >>> classify("HTTPRoute", ("spec", "rules", 0, "retry")).bearing
    <Bearing.IRRELEVANT: 'irrelevant'>
    """
    node: _Node | None = _tree(kind)
    field = _UNCLASSIFIED
    for step in path:
        node = node.step(step) if node is not None else None
        if node is not None and node.field is not None:
            field = node.field
    return field


def relevant_fields(manifest: Manifest) -> list[tuple[str, Evidence]]:
    """The present fields that matter and are not modelled, or that nobody has classified, with their places.

    Empty for kinds whose fields are not classified. Fields that say nothing (null, empty, a default) don't count.
    """
    if manifest.kind not in TABLES:
        return []
    found = _relevant(manifest.data, _tree(manifest.kind), _UNCLASSIFIED, ())
    return [(dotted(path), manifest.evidence(*path)) for path, _ in found]


def reasons(manifest: Manifest) -> list[tuple[str, str, Evidence]]:
    """The same with the sentence why each of them matters."""
    if manifest.kind not in TABLES:
        return []
    found = _relevant(manifest.data, _tree(manifest.kind), _UNCLASSIFIED, ())
    return [(dotted(path), field.why, manifest.evidence(*path)) for path, field in found]


@final
class _Node:
    """A step of the classified paths."""

    __slots__ = ("below", "field")

    def __init__(self) -> None:
        self.field: Field | None = None
        self.below: dict[str, _Node] = {}

    def step(self, step: str | int) -> "_Node | None":
        return self.below.get("[]" if isinstance(step, int) else step) or self.below.get("*")


@cache
def _tree(kind: str) -> _Node:
    root = _Node()
    for path, field in TABLES[kind].items():
        node = root
        for step in path.replace("[]", ".[]").split("."):
            node = node.below.setdefault(step, _Node())
        node.field = field
    return root


def _relevant(value: Any, node: _Node | None, inherited: Field, path: Path) -> Iterator[tuple[Path, Field]]:
    field = node.field if node is not None and node.field is not None else inherited
    last = node is None or not node.below
    if (last and field.bearing is not Bearing.RELEVANT) or value is None or value in ({}, []):
        return
    if node is None or last or not isinstance(value, (dict, list)):
        if field.bearing is Bearing.RELEVANT and not any(value is same or value == same for same in field.harmless):
            yield path, field
        return
    steps: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for step, item in steps:
        yield from _relevant(item, node.step(step), field, (*path, step))
