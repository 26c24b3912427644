"""The part of a Mesh that a swept call can meet: what else there is, is neither compiled nor looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from meshsim.analysis.asked import Asked
from meshsim.analysis.calls import Call, Caller
from meshsim.analysis.parts import Parts, divisible
from meshsim.dataplane.walk import Target
from meshsim.mesh.mesh import Mesh
from meshsim.mesh.variants import Setting, Variants
from meshsim.model.errors import UsageError
from meshsim.model.names import ObjectKey
from meshsim.model.verdict import At
from meshsim.scenario.scenario import CallSpec
from meshsim.simulation.deployment import Deployed, probe

Part = Mapping[str, frozenset[ObjectKey]]
"""Cluster → its objects."""
_LEADING: Final = frozenset({"Gateway", "Gateway.networking.istio.io"})


def part_of(
    asked: Asked, variants: Variants, settings: Sequence[Setting], spec: CallSpec, at: At | None, mode: str
) -> Part | None:
    """What a call can meet in any variant; None where that cannot be told, or where it is everything.

    A Mesh is divided once, so no setting may change what its objects have to do with each other.
    """
    mesh = asked.mesh
    if asked.scenario.timeline or not divisible(mesh) or "/" not in spec.frm:
        return None
    parts = Parts()
    parts.look(Deployed(mesh=mesh, states={}))
    if not all(_tied_alike(parts, mesh, changed, paths) for changed, paths in variants.changes()):
        return None
    host, _, port = spec.to.rpartition(":") if ":" in spec.to else (spec.to, "", "0")
    if spec.to.startswith("pod:") or not host or host.replace(".", "").isdigit() or not port.isdigit():
        return None
    call = Call(caller=Caller(name=spec.frm, clients=()), to=spec.to, target=Target(host=host, port=int(port)), path="")
    names = parts.of(call, spec.frm.rpartition("/")[2])
    if names is None or names == parts.names:
        return None
    found = {name: frozenset(cluster.objects) for name, cluster in parts.slice(names).mesh.clusters.items()}
    moments = [option.asks["at"] for one in settings if one.name == "at" for option in one.options] or [at]
    return found if all(_held(of_part(mesh, found), moment, mode) for moment in moments) else None


def of_part(mesh: Mesh, part: Part) -> Mesh:
    """The Mesh with the objects of a part alone."""
    return mesh.fork(
        *(
            replace(cluster, objects={key: one for key, one in cluster.objects.items() if key in part[name]})
            for name, cluster in mesh.clusters.items()
        )
    )


def _tied_alike(
    parts: Parts, mesh: Mesh, changed: Mesh, paths: Sequence[tuple[str, ObjectKey, tuple[object, ...]]]
) -> bool:
    """Whether objects that one value changes have to do with the same others as before."""
    for cluster, key, path in paths:
        before, after = mesh.clusters[cluster].objects[key], changed.clusters[cluster].objects[key]
        if key.kind in _LEADING and path[:1] != ("metadata",):
            return False
        if key.kind == "Rollout" and path[:2] in {("spec",), ("spec", "strategy")}:
            return False
        if not parts.alike(before, after):
            return False
    return True


def _held(mesh: Mesh, moment: At | None, mode: str) -> bool:
    """Whether the Rollouts of a part can be held at a moment as those of the whole Mesh can."""
    if isinstance(moment, str) and moment.partition(":")[0] in {"step", "weight"}:
        try:
            probe(mesh, moment, mode)
        except UsageError:
            return False
    return True
