"""A Mesh with edits, as one writes them in Python: what `session.fork(...)` takes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from meshsim.mesh import edits
from meshsim.mesh.mesh import Mesh
from meshsim.model.errors import UsageError
from meshsim.model.evidence import Assumed
from meshsim.tables.dialect import parse_dialect

KEYWORDS: Final = (
    "patch",
    "fields",
    "labels",
    "annotations",
    "delete",
    "replicas",
    "istiod",
    "dialect",
    "argo",
    "network",
    "peering",
    "assume",
    "fail",
)
"""What `fork` takes."""
TARGETS: Final = ("link", "eastwest", "cluster", "waypoint", "ingress")
Labels = Mapping[str, Mapping[str, str | None]]


def fork(
    mesh: Mesh,
    *,
    patch: Mapping[str, Mapping[str, Any]] | None = None,
    fields: Mapping[str, Mapping[str, Any]] | None = None,
    labels: Labels | None = None,
    annotations: Labels | None = None,
    delete: Iterable[str] = (),
    replicas: Mapping[str, int] | None = None,
    istiod: Mapping[str, Mapping[str, str | None]] | None = None,
    dialect: str | Mapping[str, str] | None = None,
    argo: str | Mapping[str, str] | None = None,
    network: Mapping[str, str] | None = None,
    peering: str | Iterable[tuple[str, str]] | None = None,
    assume: Mapping[str, str] | None = None,
    fail: Iterable[str] = (),
) -> Mesh:
    """The Mesh with every edit made, in this order; see `Session.fork` for what each means.

    Raises InputError for an object that is not there, UsageError for a value that no cluster could have.
    """
    where = Assumed("fork")
    for name, changes in (labels or {}).items():
        mesh = edits.with_labels(mesh, name, changes, where)
    for name, changes in (annotations or {}).items():
        mesh = edits.with_labels(mesh, name, changes, where, field="annotations")
    for name, number in (replicas or {}).items():
        mesh = edits.patched(mesh, name, {"spec": {"replicas": number}}, where)
    for name, change in (patch or {}).items():
        mesh = edits.patched(mesh, name, change, where)
    for name, values in (fields or {}).items():
        mesh = edits.with_fields(mesh, name, values, where)
    for name in [delete] if isinstance(delete, str) else delete:
        mesh = edits.without(mesh, name, where)
    for cluster, env in (istiod or {}).items():
        mesh = edits.with_env(mesh, _known(mesh, cluster), "istiod", env, where)
    if dialect is not None:
        named = _each(mesh, dialect)
        changed = (replace(mesh.clusters[_known(mesh, c)], dialect=parse_dialect(d, where)) for c, d in named.items())
        mesh = mesh.fork(*changed)
    for cluster, version in ({} if argo is None else _each(mesh, argo)).items():
        mesh = edits.with_version(mesh, _known(mesh, cluster), "argo", version, where)
    for cluster, named_network in (network or {}).items():
        mesh = edits.with_network(mesh, _known(mesh, cluster), named_network, where)
    if peering is not None:
        mesh = mesh.fork(links=_links(mesh, peering))
    if assume is not None:
        mesh = mesh.fork(assume={**mesh.assume, **assume})
    down = _targets(fail)
    return mesh.fork(down=mesh.down | down) if down else mesh


def _targets(fail: Iterable[str]) -> frozenset[str]:
    down = frozenset([fail] if isinstance(fail, str) else fail)
    for target in down:
        if target.partition(":")[0] not in TARGETS:
            msg = f"fork cannot fail {target!r}"
            raise UsageError(msg, hint=f"targets are {', '.join(TARGETS)}; for pods use replicas")
    return down


def _each(mesh: Mesh, value: str | Mapping[str, str]) -> Mapping[str, str]:
    """One value for all clusters, or one by cluster."""
    return dict.fromkeys(mesh.clusters, value) if isinstance(value, str) else value


def _known(mesh: Mesh, cluster: str) -> str:
    if cluster not in mesh.clusters:
        msg = f"there is no cluster {cluster!r}"
        raise UsageError(msg, hint=f"clusters are {', '.join(sorted(mesh.clusters))}")
    return cluster


def _links(mesh: Mesh, peering: str | Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """`all`, `none`, or pairs (watcher, peer)."""
    if peering == "none":
        return frozenset()
    if peering == "all":
        return frozenset((a, b) for a in mesh.clusters for b in mesh.clusters if a != b)
    if isinstance(peering, str):
        msg = f"peering is all, none or pairs of (watcher, peer), not {peering!r}"
        raise UsageError(msg)
    return frozenset((_known(mesh, watcher), _known(mesh, peer)) for watcher, peer in peering)
