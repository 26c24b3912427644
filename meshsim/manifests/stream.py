"""A text of YAML documents as Manifests: lists unpacked, identities established, types checked."""

import re
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, NoReturn

from meshsim.manifests.kinds import canonical_kind, group_of, is_namespaced
from meshsim.manifests.located import Located, documents
from meshsim.manifests.manifest import Manifest
from meshsim.manifests.overlay import Path
from meshsim.manifests.shapes import METADATA, SHAPES, Problem, problem, shown
from meshsim.manifests.templates import HELM, HELM_BYTES, PLACEHOLDER, unrendered
from meshsim.model.errors import InputError, InputErrors
from meshsim.model.evidence import Source
from meshsim.model.names import ObjectKey

DEFAULT_NAMESPACE: Final = "default"
"""Where kubectl puts an object without a namespace, unless the kubeconfig says otherwise, which meshsim can't know."""

_NOT_DEPLOYED: Final = {
    "kustomize.config.k8s.io": "it is input of kustomize",
    "kind.x-k8s.io": "it is input of kind",
    "meshsim": "it is a meshsim scenario",
    "kubeadm.k8s.io": "it is input of kubeadm",
    "config.istio.io": "it is input of an installer",
}
_NAMELESS: Final = {"IstioOperator": "install.istio.io"}
"""What an installer reads from files and what needs no name there: kind → group."""
_QUOTES_TEMPLATES: Final = {"ConfigMap", "Secret", "CustomResourceDefinition"}
_NAME: Final = re.compile(r"[^\s/{}$]{1,253}")
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NO_KIND: Final = "it has no apiVersion and kind"


class Reading(NamedTuple):
    """What a text held: its objects, and how many documents; `why_not` where a file holds no Kubernetes objects."""

    manifests: tuple[Manifest, ...]
    documents: int
    why_not: str = ""


def read(text: bytes | str, file: str, *, namespace: str = DEFAULT_NAMESPACE, explicit: bool = True) -> Reading:
    """The objects of a text. Unless `explicit`, a text without any is told from a broken manifest and passed over.

    Raises InputError, with every document's first error.
    """
    found = [document for document in documents(text, file) if document.value is not None]
    why_not = _no_manifests(found)
    if why_not and not explicit:
        return Reading((), len(found), why_not)
    if why_not and why_not != _NO_KIND:
        msg = f"holds no Kubernetes object: {why_not}"
        hint = "give its directory" if "kustomize" in why_not else ""
        raise InputError(msg, where=Source(file), hint=hint)
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    templated = HELM_BYTES.search(data) is not None
    return Reading(manifests(found, namespace=namespace, templated=templated), len(found))


def manifests(
    found: list[Located], *, namespace: str = DEFAULT_NAMESPACE, templated: bool = False
) -> tuple[Manifest, ...]:
    """The objects that documents hold, in order, `List` kinds unpacked."""
    objects: list[Manifest] = []
    errors: list[InputError] = []
    for document in found:
        try:
            for item in _unpacked(document):
                try:
                    objects.append(_manifest(item, namespace, templated=templated))
                except InputError as error:
                    errors.append(error)
        except InputError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else InputErrors(tuple(errors))
    return tuple(objects)


def _no_manifests(found: list[Located]) -> str:
    values = [document.value for document in found]
    if not values:
        return "it is empty"
    mappings = [value for value in values if isinstance(value, dict)]
    for value in mappings:
        if isinstance(value.get("apiVersion"), str) and isinstance(value.get("kind"), str):
            why = _NOT_DEPLOYED.get(group_of(value["apiVersion"]))
            if why:
                return why
            if value["apiVersion"] == "v1" and value["kind"] == "Config" and "contexts" in value:
                return "it is a kubeconfig"
            return ""
        if "metadata" in value and ("kind" in value or "apiVersion" in value):
            return ""
    return _NO_KIND


def _unpacked(document: Located) -> Iterator[Located]:
    """The document, or the items of a list of objects, however deep."""
    value = document.value
    kind = value.get("kind") if isinstance(value, dict) else None
    items = value.get("items") if isinstance(kind, str) and kind.endswith("List") else None
    if not isinstance(kind, str) or not kind.endswith("List") or ("items" not in value and kind != "List"):
        yield document
        return
    if items is None:
        return
    if not isinstance(items, list):
        msg = "items of a List must be a list"
        raise InputError(msg, where=document.place(("items",)))
    for index, item in enumerate(items):
        if item is None:
            continue
        inner = document.child("items", index)
        if isinstance(item, dict) and kind != "List":
            inner.value = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List"), **item}
        yield from _unpacked(inner)


def _manifest(document: Located, namespace: str, *, templated: bool) -> Manifest:
    data = document.value
    if data.__class__ is not dict:
        msg = f"a Kubernetes object is a mapping, and this is {shown(data)}"
        raise InputError(msg, where=document.place())
    api_version = _text(document, "apiVersion")
    kind = _text(document, "kind")
    metadata = data.get("metadata")
    if kind in _NAMELESS and group_of(api_version) == _NAMELESS[kind]:
        metadata = {"name": kind.lower(), **(metadata if metadata.__class__ is dict else {})}
    if metadata.__class__ is not dict:
        msg = f"{kind} has no metadata" if metadata is None else f"metadata of {kind} must be a mapping"
        raise InputError(msg, where=document.place(("metadata",)), hint="give it metadata.name")
    name = metadata.get("name")
    if name is None and metadata.get("generateName").__class__ is str:
        place = document.place(("metadata", "generateName"))
        name = f"{metadata['generateName']}{zlib.crc32(str(place).encode()):08x}"
    if name is None or name == "":
        msg = f"{kind} has no metadata.name"
        raise InputError(msg, where=document.place(("metadata", "name")), hint="every object needs a name")
    if name.__class__ is not str or not _NAME.fullmatch(name):
        _bad_name(document, kind, "name", name)
    space = metadata.get("namespace")
    if space is not None and (space.__class__ is not str or not _NAMESPACE.fullmatch(space)) and space != "":
        _bad_name(document, kind, "namespace", space)
    canonical = canonical_kind(api_version, kind)
    namespaced = is_namespaced(canonical)
    space = "" if namespaced is False else space or (namespace if namespaced else "")
    wrong = problem(metadata, METADATA)
    if wrong is not None:
        _wrong(document, canonical, name, wrong._replace(path=("metadata", *wrong.path)))
    shape = SHAPES.get(canonical)
    if shape is not None:
        wrong = problem(data, shape)
        if wrong is not None:
            _wrong(document, canonical, name, wrong)
    if templated and canonical not in _QUOTES_TEMPLATES:
        _refuse_templates(document, data, ())
    return Manifest(ObjectKey(canonical, space, name), api_version, data, document)


def _text(document: Located, field: str) -> str:
    value = document.value.get(field)
    if value.__class__ is str and value:
        return str(value)
    absent = value is None or value == ""
    msg = f"this object has no {field}" if absent else f"{field} must be text, not {shown(value)}"
    raise InputError(msg, where=document.place((field,)), hint="a manifest has apiVersion, kind and metadata.name")


def _bad_name(document: Located, kind: str, field: str, value: Any) -> NoReturn:
    place = document.place(("metadata", field))
    if isinstance(value, str) and PLACEHOLDER.search(value):
        said = f"{field}: {value}"
        raise unrendered(said, place)
    unquoted = isinstance(value, (bool, int, float))
    written = document.written(("metadata", field))
    hint = f'quote it: "{written}"' if unquoted else "use lower-case letters, digits and `-`"
    msg = f"{kind} has the {field} {shown(value)}, which is no name"
    raise InputError(msg, where=place, hint=hint)


def _wrong(document: Located, kind: str, name: str, wrong: Problem) -> NoReturn:
    path = wrong.path
    in_map = len(path) > 1 and path[-2] in {"labels", "annotations", "matchLabels", "selector"}
    field = f"{dotted(path[:-1])}: " if in_map else f"{dotted(path)} "
    message, hint = wrong.message, wrong.hint
    if wrong.unquoted:
        written = document.written(path) or ""
        read = f", which YAML reads as {message} and not as text" if written not in message else ", which is not text"
        message = f"{path[-1]} has the value {written}{read}" if in_map else f"has the value {written}{read}"
        hint = f'quote it: {path[-1]}: "{written}"' if isinstance(path[-1], str) else f'quote it: "{written}"'
    said = f"{kind} {name}: {field}{message}"
    raise InputError(said, where=document.place(path), hint=hint)


def _refuse_templates(document: Located, value: Any, path: Path) -> None:
    if isinstance(value, str):
        if HELM.search(value):
            raise unrendered(value, document.place(path))
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_templates(document, item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_templates(document, item, (*path, index))


def dotted(path: Path) -> str:
    """A path as people write it.

    >>> dotted(("spec", "rules", 0, "backendRefs", 1, "weight"))
    'spec.rules[0].backendRefs[1].weight'
    """
    parts = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    return "".join(parts).removeprefix(".")
