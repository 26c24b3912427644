"""YAML nodes as plain values."""

import base64
from collections.abc import Callable
from typing import Any, Final, NoReturn

from yaml.nodes import MappingNode, Node, ScalarNode

from meshsim.manifests.nodes import MERGE, key_of
from meshsim.manifests.scalars import key_text, plain
from meshsim.manifests.templates import template_at
from meshsim.model.errors import InputError
from meshsim.model.evidence import Source

MAX_DEPTH: Final = 200
MAX_NODES: Final = 1_000_000
"""Of one document, aliases expanded: what an alias bomb would grow to."""

_TAG: Final = "tag:yaml.org,2002:"


def constructor(file: str, *, aliases: bool, data: bytes) -> Callable[[Node], Any]:
    """A function from a root node to its plain value. Texts are resolved once each: the same few recur."""
    plains = _Plains()
    keys = _Keys()
    built: dict[int, tuple[Any, int]] = {}
    nodes = 0

    def scalar(node: Any) -> Any:
        try:
            if node.tag is not None:
                return _tagged(node)
            return node.value if node.style else plains[node.value]
        except ValueError as error:
            _fail(str(error), node, file)

    def mapping(node: Any, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merges: list[dict[str, Any]] = []
        for key_node, value_node in node.value:
            if key_node.__class__ is not ScalarNode:
                _bad_key(key_node, data, file)
            key = key_node.value if key_node.style else keys[key_node.value]
            if key is None:
                _fail("null cannot be a key", key_node, file, "quote it")
            if key in result:
                _duplicate(node, key, file)
            if value_node.__class__ is not ScalarNode:
                value = collection(value_node, depth)
                if key == MERGE:
                    merges += _merged(value, value_node, file)
                    continue
            elif value_node.tag is None and not value_node.style:
                try:
                    value = plains[value_node.value]
                except ValueError as error:
                    _fail(str(error), value_node, file)
            else:
                value = scalar(value_node)
            result[key] = value
        if MERGE in result:
            _merged(result[MERGE], node, file)
        for merge in merges:
            result = {**merge, **result}
        return result

    def collection(node: Any, depth: int) -> Any:
        nonlocal nodes
        if aliases and id(node) in built:
            value, size = built[id(node)]
            if size == 0:
                _fail("this anchor contains itself", node, file)
            nodes += size
            _budget(nodes, node, file)
            return value
        if depth > MAX_DEPTH:
            raise RecursionError
        if node.tag is not None and node.tag not in {_TAG + "map", _TAG + "seq"}:
            _fail(f"the tag {_short(node.tag)} is nothing that Kubernetes reads", node, file, "remove it")
        before = nodes
        nodes += len(node.value) + 1
        if aliases:
            built[id(node)] = (None, 0)
            _budget(nodes, node, file)
        if node.__class__ is MappingNode:
            value = mapping(node, depth + 1)
        else:
            value = [
                scalar(item) if item.__class__ is ScalarNode else collection(item, depth + 1) for item in node.value
            ]
        if aliases:
            built[id(node)] = (value, nodes - before)
        return value

    def document(node: Node) -> Any:
        nonlocal nodes
        nodes = 0
        built.clear()
        return scalar(node) if node.__class__ is ScalarNode else collection(node, 0)

    return document


class _Plains(dict[str, Any]):
    def __missing__(self, text: str) -> Any:
        value = self[text] = plain(text)
        return value


class _Keys(dict[str, "str | None"]):
    def __missing__(self, text: str) -> str | None:
        key = self[text] = MERGE if text == "<<" else key_text(plain(text) if text[:2].lower() != ".n" else text)
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
