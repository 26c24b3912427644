"""What was read of a cluster, what was not, and what was read but is not modelled."""

from collections import Counter
from collections.abc import Iterable
from typing import final

from meshsim.manifests.kinds import KINDS, Bearing
from meshsim.manifests.manifest import Manifest
from meshsim.model.frozen import frozen


@final
@frozen
class ReadFile:
    """A file that was read: how many documents, and how many objects of each kind."""

    path: str
    documents: int
    kinds: tuple[tuple[str, int], ...]


@final
@frozen
class Skipped:
    """A file or a directory that was not read, and why."""

    path: str
    why: str


@final
@frozen
class Inventory:
    """The account of one cluster's sources."""

    read: tuple[ReadFile, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    unknown: tuple[Manifest, ...] = ()
    """Objects of kinds that meshsim has never heard of."""
    relevant: tuple[Manifest, ...] = ()
    """Objects whose kind bears on routing and is not modelled."""
    irrelevant: tuple[Manifest, ...] = ()
    """Objects whose kind does not bear on routing."""


def account(read: list[ReadFile], skipped: list[Skipped], manifests: Iterable[Manifest]) -> Inventory:
    """The inventory of what was read, objects sorted by what their kind means for routing."""
    by_bearing: dict[Bearing | None, list[Manifest]] = {}
    for manifest in manifests:
        kind = KINDS.get(manifest.kind)
        by_bearing.setdefault(kind.bearing if kind is not None else None, []).append(manifest)
    return Inventory(
        read=tuple(read),
        skipped=tuple(skipped),
        unknown=tuple(by_bearing.get(None, ())),
        relevant=tuple(by_bearing.get(Bearing.RELEVANT, ())),
        irrelevant=tuple(by_bearing.get(Bearing.IRRELEVANT, ())),
    )


def read_file(path: str, documents: int, manifests: Iterable[Manifest]) -> ReadFile:
    """The row of one file."""
    kinds = Counter(manifest.kind for manifest in manifests)
    return ReadFile(path=path, documents=documents, kinds=tuple(sorted(kinds.items())))


def sentences(cluster: str, inventory: Inventory) -> tuple[str, ...]:
    """What a user should know of one cluster's sources: what was not read, and what matters and is not modelled."""
    said = [f"{cluster}: {skipped.path} was not read: {skipped.why}" for skipped in inventory.skipped]
    said += [
        f"{cluster}: {manifest.key} is not modelled: {KINDS[manifest.kind].why} ({manifest.evidence()})"
        for manifest in inventory.relevant
    ]
    unknown = Counter(manifest.kind for manifest in inventory.unknown)
    said += [f"{cluster}: {count} of the unknown kind {kind}" for kind, count in sorted(unknown.items())]
    return tuple(said)
