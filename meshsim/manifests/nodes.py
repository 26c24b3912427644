"""Where a value stands in a composed document: walks along a path through nodes, or through the marks left of them."""

from typing import Any, Final

from yaml.nodes import MappingNode, Node, ScalarNode

from meshsim.manifests.overlay import Path
from meshsim.manifests.scalars import plain_key

MERGE: Final = "\0<<"
"""The name of an unquoted `<<`, which is no key."""

Marks = tuple[int, int, dict[str, Any] | list[Any] | None]
"""Line, column, and the marks of the children: what of the nodes survives pickling."""


def walk(node: Any, path: Path) -> tuple[int, int, Any]:
    """Line, column and node at `path`, or at its nearest existing ancestor. A block stands where its key does."""
    if isinstance(node, tuple):
        return _walk_marks(node, path)
    mark = node.start_mark
    for step in path:
        if isinstance(node, MappingNode):
            found = pair(node, step)
            if found is None:
                break
            key, node = found
            mark = _mark(key, node)
        elif isinstance(node, ScalarNode) or not isinstance(step, int) or not 0 <= step < len(node.value):
            break
        else:
            node = node.value[step]
            mark = node.start_mark
    return mark.line, mark.column, node


def _mark(key: Any, value: Any) -> Any:
    block = not isinstance(value, ScalarNode) and not value.flow_style
    return key.start_mark if block or value.value == "" else value.start_mark


def key_of(node: Any) -> str | None:
    """A key as text, `MERGE` for an unquoted `<<`."""
    if node.style:
        return str(node.value)
    return MERGE if node.value == "<<" else plain_key(node.value)


def pair(node: Any, step: str | int) -> tuple[Node, Node] | None:
    """The key and value nodes of `step`, looking through merges."""
    merges: list[Any] = []
    for key, value in node.value:
        name = key_of(key)
        if name == step:
            return key, value
        if name == MERGE:
            merges += [value] if isinstance(value, MappingNode) else value.value
    for merge in merges:
        found = pair(merge, step)
        if found is not None:
            return found
    return None


def marks_of(node: Any, known: dict[int, Marks]) -> Marks:
    """The marks of a node and of everything below it."""
    if id(node) not in known:
        children: dict[str, Any] | list[Any] | None = None
        if isinstance(node, MappingNode):
            named: dict[str, Any] = {}
            for key, value in node.value:
                name = key_of(key)
                inner = marks_of(value, known)
                if name == MERGE:
                    merges: list[Any] = inner[2] if isinstance(inner[2], list) else [inner]
                    for merge in merges:
                        named = {**merge[2], **named}
                    continue
                at = _mark(key, value)
                named[str(name)] = (at.line, at.column, inner[2])
            children = named
        elif not isinstance(node, ScalarNode):
            children = [marks_of(item, known) for item in node.value]
        known[id(node)] = (node.start_mark.line, node.start_mark.column, children)
    return known[id(node)]


def _walk_marks(marks: Marks, path: Path) -> tuple[int, int, Any]:
    for step in path:
        children = marks[2]
        if isinstance(children, dict) and step in children:
            marks = children[str(step)]
        elif isinstance(children, list) and isinstance(step, int) and 0 <= step < len(children):
            marks = children[step]
        else:
            break
    return marks[0], marks[1], marks
