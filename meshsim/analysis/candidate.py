"""An edit worth trying: what it says, where, the command that makes it, and the Mesh (or the address) with it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

from meshsim.analysis.calls import Call
from meshsim.analysis.situation import Managed, Situation
from meshsim.dataplane.walk import Target
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Mesh
from meshsim.model.evidence import Assumed, Evidence
from meshsim.model.frozen import frozen
from meshsim.model.verdict import Row

EDIT: Final = Assumed("the edit under test")


@final
@frozen
class Callee:
    """Another address for the same call."""

    to: str
    target: Target


@final
@frozen
class Candidate:
    """One edit: what it says, where, how to do it, and the Mesh (or the callee) with it. `size` orders candidates."""

    sentence: str
    where: Evidence | None
    command: str
    mesh: Mesh | None = None
    to: Callee | None = None
    size: int = 1


def meant(situation: Situation, call: Call, row: Row) -> Managed | None:
    """The Rollout that the row is about; of a call that fails before any governs it, the one whose Service has the
    called name."""
    if row.rollout is not None:
        return next((one for one in situation.rollouts.values() if one.name == row.rollout), None)
    name, _, rest = call.target.host.partition(".")
    called = (rest.partition(".")[0], name)
    return next((one for one in situation.rollouts.values() if called in situation.governed[one.cluster]), None)


def kubectl(cluster: str, namespace: str, words: str) -> str:
    """A kubectl line in a cluster's context, and in a namespace where there is one."""
    scope = f" -n {namespace}" if namespace else ""
    return f"kubectl --context {cluster}{scope} {words}"


def json_patch(cluster: str, manifest: Manifest, *operations: Mapping[str, Any]) -> str:
    """The kubectl line that patches an object (RFC 6902)."""
    kind = manifest.kind.lower()
    patch = json.dumps(list(operations)).replace("'", "'\\''")
    return kubectl(cluster, manifest.namespace, f"patch {kind} {manifest.name} --type json -p '{patch}'")


def with_manifests(mesh: Mesh, cluster: str, manifests: Sequence[Manifest]) -> Mesh:
    """The Mesh with objects of one cluster put in place."""
    return mesh.fork(mesh.clusters[cluster].with_objects(manifests))
