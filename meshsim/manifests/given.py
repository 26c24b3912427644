"""Objects given in Python: mappings as YAML and JSON have them, `List`s of them, YAML texts, or many of these."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from meshsim.manifests.kinds import canonical_kind
from meshsim.manifests.located import documents
from meshsim.manifests.manifest import Manifest
from meshsim.manifests.shapes import METADATA, SHAPES, problem, shown
from meshsim.manifests.stream import DEFAULT_NAMESPACE, dotted
from meshsim.model.errors import InputError
from meshsim.model.evidence import Assumed, Evidence

GIVEN: Final = Assumed("an argument")
_TEXT: Final = "the given text"

Documents = Mapping[str, Any] | str | bytes | Iterable[Any]
"""One document, a `List` of documents, a YAML text of any number of them, or any number of these."""


def plain_documents(docs: Documents | None) -> list[dict[str, Any]]:
    """The documents as dicts of their own. Raises InputError for what is none.

    >>> [d["kind"] for d in plain_documents(["kind: A", {"kind": "List", "items": [{"kind": "B"}, {"kind": "C"}]}])]
    ['A', 'B', 'C']
    """
    return list(_documents(docs))


def given_manifests(docs: Documents | None) -> list[Manifest]:
    """The documents as objects; `apiVersion` and `metadata.namespace` may be left out.

    Raises InputError for a document without kind or name, or with a field of the wrong type.
    """
    return [given_manifest(doc) for doc in plain_documents(docs)]


def given_manifest(doc: Mapping[str, Any], *, kind: str = "", name: str = "") -> Manifest:
    """One document as an object; `kind` and `name` are what it is where it does not say so."""
    data = _plain(doc)
    metadata = data.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        msg = f"metadata must be a mapping, not {shown(metadata)}"
        raise InputError(msg)
    metadata = metadata or {}
    kind, name = data.get("kind") or kind, metadata.get("name") or name
    if not isinstance(kind, str) or not isinstance(name, str) or not kind or not name:
        msg = "a document needs kind and metadata.name"
        raise InputError(msg, hint="give objects as their YAML has them")
    api_version = str(data.get("apiVersion") or "v1")
    check_fields(data, api_version, kind, name)
    namespace = str(metadata.get("namespace") or DEFAULT_NAMESPACE)
    return Manifest.made(api_version, kind, namespace, name, data, GIVEN)


def check_fields(
    data: Mapping[str, Any], api_version: str, kind: str, name: str, where: Evidence | None = None
) -> None:
    """Raise InputError where a field has a type that the API server would refuse."""
    wrong = problem({"metadata": data.get("metadata")}, {"metadata": METADATA}) or problem(
        data, SHAPES.get(canonical_kind(api_version, kind), {})
    )
    if wrong is not None:
        said = f"is {wrong.message}, not text" if wrong.unquoted else wrong.message
        msg = f"{kind} {name}: {dotted(wrong.path)} {said}"
        raise InputError(msg, where=where, hint=wrong.hint)


def _documents(docs: Any) -> Iterator[dict[str, Any]]:
    if docs is None:
        return
    if isinstance(docs, (str, bytes)):
        for document in documents(docs, _TEXT):
            if isinstance(document.value, str):
                msg = f"a YAML text with a document is expected, and this holds the word {shown(document.value)}"
                raise InputError(msg)
            yield from _documents(document.value)
    elif isinstance(docs, Mapping):
        items = docs.get("items")
        if str(docs.get("kind") or "").endswith("List") and isinstance(items, (list, tuple)):
            yield from _documents(items)
        else:
            yield _plain(docs)
    elif isinstance(docs, Iterable):
        for doc in docs:
            yield from _documents(doc)
    else:
        msg = f"a document is a mapping or a YAML text, and this is {shown(docs)}"
        raise InputError(msg)


def _plain(value: Any) -> Any:
    """Mappings as dicts, sequences as lists: what the rest of the program looks into."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
