"""YAML nodes as plain values."""

import base64
from typing import Any, Final, NoReturn

from yaml.nodes import MappingNode, Node, ScalarNode

from meshsim.manifests.nodes import MERGE, key_of
from meshsim.manifests.scalars import plain, plain_key
from meshsim.manifests.templates import template_at
from meshsim.model.errors import InputError
from meshsim.model.evidence import Source

MAX_DEPTH: Final = 200
MAX_NODES: Final = 1_000_000
"""Of one document, aliases expanded: what an alias bomb would grow to."""

_TAG: Final = "tag:yaml.org,2002:"


class Constructor:
    """Makes plain values of the nodes of one text. Texts are resolved once each: the same few recur."""

    __slots__ = ("_aliases", "_built", "_data", "_file", "_keys", "_nodes", "_plains")

    def __init__(self, file: str, data: bytes) -> None:
        self._file = file
        self._data = data
        self._aliases = b"&" in data and b"*" in data
        self._plains = _Plains()
        self._keys = _Keys()
        self._built: dict[int, tuple[Any, int]] = {}
        self._nodes = 0

    def document(self, node: Node) -> Any:
        """The value of a document's root. Raises InputError with the place of what cannot be read."""
        self._nodes = 0
        self._built.clear()
        return self._value(node, 0)

    def _value(self, node: Any, depth: int) -> Any:
        if node.__class__ is ScalarNode:
            return self._scalar(node)
        return self._aliased(node, depth) if self._aliases else self._collection(node, depth)

    def _scalar(self, node: Any) -> Any:
        try:
            if node.tag is None:
                return node.value if node.style else self._plains[node.value]
            return _tagged(node)
        except ValueError as error:
            _fail(str(error), node, self._file)

    def _aliased(self, node: Any, depth: int) -> Any:
        """A collection that may be met again: built once, counted each time, so that an alias bomb is found."""
        known = self._built.get(id(node))
        if known is not None:
            if known[1] == 0:
                _fail("this anchor contains itself", node, self._file)
            self._nodes += known[1]
            _budget(self._nodes, node, self._file)
            return known[0]
        before = self._nodes
        self._built[id(node)] = (None, 0)
        self._nodes += len(node.value) + 1
        _budget(self._nodes, node, self._file)
        value = self._collection(node, depth)
        self._built[id(node)] = (value, self._nodes - before)
        return value

    def _collection(self, node: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise RecursionError
        if node.tag is not None and node.tag not in {_TAG + "map", _TAG + "seq"}:
            _fail(f"the tag {_short(node.tag)} is nothing that Kubernetes reads", node, self._file, "remove it")
        if node.__class__ is MappingNode:
            return self._mapping(node, depth + 1)
        return [self._value(item, depth + 1) for item in node.value]

    def _mapping(self, node: Any, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merges: list[dict[str, Any]] = []
        keys, plains = self._keys, self._plains
        for key_node, value_node in node.value:
            if key_node.__class__ is not ScalarNode:
                _bad_key(key_node, self._data, self._file)
            key = key_node.value if key_node.style else keys[key_node.value]
            if key is None:
                _fail("null cannot be a key", key_node, self._file, "quote it")
            if key in result:
                _duplicate(node, key, self._file)
            if value_node.__class__ is ScalarNode and value_node.value in plains and not value_node.style:
                value = plains[value_node.value] if value_node.tag is None else self._scalar(value_node)
            else:
                value = self._value(value_node, depth)
            if key == MERGE:
                merges += _merged(value, value_node, self._file)
            else:
                result[key] = value
        for merge in merges:
            result = {**merge, **result}
        return result


class _Plains(dict[str, Any]):
    def __missing__(self, text: str) -> Any:
        value = self[text] = plain(text)
        return value


class _Keys(dict[str, "str | None"]):
    def __missing__(self, text: str) -> str | None:
        key = self[text] = MERGE if text == "<<" else plain_key(text)
        return key


def _budget(nodes: int, node: Node, file: str) -> None:
    if nodes > MAX_NODES:
        _fail(f"aliases expand this document to more than {MAX_NODES:,} values", node, file)


def _fail(message: str, node: Node, file: str, hint: str = "") -> NoReturn:
    mark = node.start_mark
    raise InputError(message, where=Source(file, mark.line + 1, mark.column + 1), hint=hint)


def _duplicate(node: Any, key: str, file: str) -> NoReturn:
    both = [pair[0] for pair in node.value if isinstance(pair[0], ScalarNode) and key_of(pair[0]) == key]
    name = "<<" if key == MERGE else key
    first = both[0].start_mark.line + 1
    _fail(f"key {name!r} is given twice, first on line {first}", both[1], file, "keep one of them")


def _bad_key(node: Node, data: bytes, file: str) -> NoReturn:
    line = data.splitlines()[node.start_mark.line : node.start_mark.line + 1]
    template = template_at(line[0], node.start_mark.line, file) if line else None
    if template is not None:
        raise template
    _fail("a mapping or list cannot be a key", node, file, "quote the text if `{` or `[` was meant literally")


def _merged(value: Any, node: Node, file: str) -> list[dict[str, Any]]:
    merges = value if isinstance(value, list) else [value]
    if not all(isinstance(merge, dict) for merge in merges):
        _fail("`<<` takes a mapping or a list of mappings", node, file)
    return merges


def _tagged(node: Any) -> Any:
    """A scalar with an explicit tag."""
    tag = _short(node.tag)
    if tag in {"!!str", "!!timestamp", "!"}:
        return node.value
    if tag == "!!binary":
        try:
            return base64.b64decode(node.value).decode()
        except ValueError:
            msg = "this is no base64 of a text"
            raise ValueError(msg) from None
    wanted = {"!!int": (int,), "!!float": (int, float), "!!bool": (bool,), "!!null": (type(None),)}.get(tag)
    if wanted is None:
        msg = f"the tag {tag} is nothing that Kubernetes reads"
        raise ValueError(msg)
    value = plain(node.value)
    if type(value) not in wanted:
        msg = f"{node.value!r} is no {tag}"
        raise ValueError(msg)
    return value


def _short(tag: str) -> str:
    return "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
