"""What a kustomization refers to, so that a base below a walked directory is not read a second time."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshsim.manifests.located import documents
from meshsim.manifests.render import kustomization_in
from meshsim.model.errors import InputError

_LISTS: Final = ("resources", "bases", "components", "crds", "patchesStrategicMerge", "configurations", "transformers")
_FILES_IN: Final = ("patches", "patchesJson6902", "replacements", "configMapGenerator", "secretGenerator")


def referenced_by(directories: Sequence[str]) -> Mapping[str, str]:
    """Real paths of the files and directories that these kustomizations refer to, with the one that does."""
    covered: dict[str, str] = {}
    for directory in directories:
        for path in _references(directory):
            real = os.path.realpath(os.path.join(directory, path))
            if real != os.path.realpath(directory):
                covered.setdefault(real, directory)
    return covered


def _references(directory: str) -> list[str]:
    file = kustomization_in(directory)
    try:
        with open(file or "", "rb") as stream:
            found = documents(stream.read(), str(file))
    except (OSError, InputError):
        return []
    value: Any = found[0].value if found else None
    if not isinstance(value, dict):
        return []
    paths = [item for name in _LISTS for item in _items(value, name) if isinstance(item, str)]
    for name in _FILES_IN:
        for item in _items(value, name):
            if isinstance(item, dict):
                paths += [item["path"]] if isinstance(item.get("path"), str) else []
                paths += [text.rpartition("=")[2] for text in _items(item, "files") if isinstance(text, str)]
    return [path for path in paths if "\n" not in path and "://" not in path and "\0" not in path]


def _items(value: Mapping[str, Any], name: str) -> list[Any]:
    items = value.get(name)
    return items if isinstance(items, list) else []
