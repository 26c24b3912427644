"""YAML documents as plain values, with the file, line and column of every one of them.

PyYAML's C composer builds the nodes; a small constructor of our own makes plain values of them, which is twice as
fast as PyYAML's safe loader. Nothing is copied for the positions: a document keeps its root node, and a place is
looked up only when somebody asks for it.
"""

import gc
import operator
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self, final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from meshsim.manifests.construct import MAX_DEPTH, Constructor
from meshsim.manifests.nodes import Marks, marks_of, pair, walk
from meshsim.manifests.overlay import Path
from meshsim.manifests.templates import template_at
from meshsim.model.errors import InputError
from meshsim.model.evidence import Source

try:
    from yaml.cyaml import CParser as _Composer  # type: ignore[attr-defined]
except ImportError:
    from meshsim.manifests.pure import PureComposer as _Composer  # type: ignore[assignment]

MAX_BYTES: Final = 64 * 2**20

_SURROGATES: Final = re.compile(rb"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)


class _Parser(_Composer):  # type: ignore[misc, unused-ignore]
    """The composer without tag resolution: an absent tag stays None. The hooks are C functions that do nothing."""

    descend_resolver = operator.is_
    ascend_resolver = gc.isenabled

    def resolve(self, _kind: type[Node], _value: str | None, _implicit: tuple[bool, bool]) -> None:
        return None


class _GuardedParser(_Parser):
    """The same with a limit on depth, since the C composer recurses until the stack ends."""

    depth = 0

    def descend_resolver(self, _parent: Node | None, _index: Any) -> None:  # type: ignore[override, unused-ignore]
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError

    def ascend_resolver(self) -> None:  # type: ignore[override, unused-ignore]
        self.depth -= 1


@final
class Located:
    """A value read from `file`, and where each part of it stands."""

    __slots__ = ("_node", "_places", "file", "value")

    def __init__(self, value: Any, node: Node | Marks, file: str) -> None:
        self.value = value
        self._node = node
        self._places: dict[Path, Source] = {}
        self.file = file

    def place(self, path: Path = ()) -> Source:
        """Where the value at `path` stands, or its nearest existing ancestor. A block stands where its key does."""
        known = self._places.get(path)
        if known is None:
            line, column, _ = walk(self._node, path)
            known = self._places[path] = Source(self.file, line + 1, column + 1)
        return known

    def key_place(self, path: Path) -> Source:
        """Where the key at the end of `path` stands: the place to name when a key is wrong."""
        node = walk(self._node, path[:-1])[2]
        found = pair(node, path[-1]) if isinstance(node, MappingNode) else None
        if found is None:
            return self.place(path)
        mark = found[0].start_mark
        return Source(self.file, mark.line + 1, mark.column + 1)

    def written(self, path: Path) -> str | None:
        """The text of the scalar at an existing `path` as the file has it: `on`, `1.10`."""
        node = walk(self._node, path)[2]
        return node.value if isinstance(node, ScalarNode) else None

    def child(self, *path: str | int) -> Self:
        """The value at an existing `path` as a document of its own."""
        value = self.value
        for step in path:
            value = value[step]
        return type(self)(value, walk(self._node, path)[2], self.file)

    def __reduce__(self) -> tuple[Any, ...]:
        node = self._node if isinstance(self._node, tuple) else marks_of(self._node, {})
        return (Located, (self.value, node, self.file))


@contextmanager
def collector_off() -> Iterator[None]:
    """Without garbage collection: loading makes many objects and no garbage.

    Freezing and thawing puts them among the old objects, which spares the walk over all of them right afterwards.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def documents(text: bytes | str, file: str) -> list[Located]:
    """All documents of a YAML or JSON text, empty ones with the value None. Raises InputError with the place."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > MAX_BYTES:
        msg = f"has {len(data):,} bytes; meshsim reads files up to {MAX_BYTES:,}"
        raise InputError(msg, where=Source(file))
    if b"\\u" in data:
        data = _SURROGATES.sub(_astral, data)
    build = Constructor(file, data).document
    found: list[Located] = []
    with collector_off():
        try:
            parser = (_GuardedParser if _may_be_deep(data) else _Parser)(data)
            while parser.check_node():
                node: Any = parser.get_node()
                found.append(Located(build(node), node, file))
        except RecursionError:
            raise _too_deep(Source(file)) from None
        except (yaml.YAMLError, UnicodeError) as error:
            raise _syntax(error, data, file) from None
    return found


def _too_deep(where: Source) -> InputError:
    return InputError(f"is nested more than {MAX_DEPTH} levels deep", where=where)


def _may_be_deep(data: bytes) -> bool:
    """Whether a document could nest deeply at all: block nesting needs columns, flow nesting needs brackets."""
    brackets = max(part.count(b"[") + part.count(b"{") for part in data.split(b"\n---"))
    return brackets > MAX_DEPTH or max(map(len, data.splitlines()), default=0) > MAX_DEPTH


def _syntax(error: Exception, data: bytes, file: str) -> InputError:
    """A YAML error as a sentence with its place."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        reason = getattr(error, "reason", None) or str(error)
        return InputError(f"is no UTF-8 text ({reason})", where=Source(file), hint="save it as UTF-8")
    lines = data.splitlines()
    for at in (mark.line, *range(mark.line - 1, max(mark.line - 4, -1), -1)):
        template = template_at(lines[at], at, file) if at < len(lines) else None
        if template is not None:
            return template
    problem = str(getattr(error, "problem", "") or error)
    context = str(getattr(error, "context", "") or "")
    if "quoted scalar" in context and "end of stream" in problem:
        mark = getattr(error, "context_mark", None) or mark
        return InputError("this quoted text never ends", where=Source(file, mark.line + 1, mark.column + 1))
    before = lines[mark.line][: mark.column + 1] if mark.line < len(lines) else b""
    if "\\t" in problem or "tab" in problem or (b"\t" in before and not before.strip()):
        message, hint = "a tab cannot indent YAML", "use spaces"
    elif "mapping values are not allowed" in problem:
        message, hint = "`: ` is not allowed here", "indent the line like its neighbours, or quote a text that has `: `"
    elif (
        "expected key" in problem or "block end" in problem or "'-' indicator" in problem or "block sequence" in problem
    ):
        message, hint = "the indentation does not fit the lines above", "align it with its neighbours"
    elif "nesting depth" in problem:  # libyaml's own limit, where it has one
        return _too_deep(Source(file, mark.line + 1, mark.column + 1))
    elif "undefined alias" in problem:
        message, hint = "this alias has no anchor in the document", ""
    else:
        message, hint = f"is not YAML: {context + ', ' if context else ''}{problem}", ""
    return InputError(message, where=Source(file, mark.line + 1, mark.column + 1), hint=hint)


def _astral(match: re.Match[bytes]) -> bytes:
    """The character of a JSON pair of surrogate escapes, which libyaml refuses."""
    return (chr(int(match[1], 16)) + chr(int(match[2], 16))).encode("utf-16", "surrogatepass").decode("utf-16").encode()
