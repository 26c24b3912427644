"""Further names of a global service: the patterns of its Segment (solo workshops 008; from 1.30)."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from meshsim.controlplane.attachment import selects
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.model.facts import Facts

_PART: Final = re.compile(
    r"""\{(?:(?P<word>service|namespace)|(?P<map>labels|annotations)\[(['"])(?P<key>[^'"]+)\3\])\}"""
)


def aliases(here: Cluster, described: Manifest | None, service: Manifest, facts: Facts) -> Iterator[str]:
    """The host names that a cluster's Segment gives a service beside `<svc>.<ns>.<domain>`.

    A pattern with a selector is for the Services it selects; one that names a label or an annotation which the Service
    lacks, or anything else, gives no name.
    """
    if described is None or not here.dialect.value("segment.aliases"):
        return
    for index, entry in enumerate(described.get("spec", "aliases", default=[])):
        if not isinstance(entry, dict) or not selects(entry.get("selector") or {}, service.labels):
            continue
        pattern = here.note(facts, described, "spec", "aliases", index, "pattern")
        name = _expanded(pattern, service) if isinstance(pattern, str) else None
        if name:
            yield name


def _expanded(pattern: str, service: Manifest) -> str | None:
    maps: Mapping[str, Mapping[str, str]] = {"labels": service.labels, "annotations": service.annotations}
    words = {"service": service.name, "namespace": service.namespace}
    values = [words[m["word"]] if m["word"] else maps[m["map"]].get(m["key"], "") for m in _PART.finditer(pattern)]
    rest = _PART.split(pattern)[:: _PART.groups + 1]
    if not all(values) or any("{" in text or "}" in text for text in rest):
        return None
    return "".join(text + value for text, value in zip(rest, [*values, ""], strict=True))
