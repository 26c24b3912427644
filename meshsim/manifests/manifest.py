"""One Kubernetes object as plain values that remember where each of them stands."""

from collections.abc import Mapping
from typing import Any, Protocol, Self, final

from meshsim.manifests import overlay
from meshsim.manifests.kinds import canonical_kind, is_namespaced
from meshsim.manifests.overlay import Overlay, Path
from meshsim.manifests.watched import Watched
from meshsim.model.evidence import Evidence
from meshsim.model.names import ObjectKey

_NOTHING: Mapping[str, str] = {}


class Origin(Protocol):
    """Where an object was read: the place of any path in it, or of the path's nearest existing ancestor."""

    def place(self, path: Path, /) -> Evidence: ...


@final
class Everywhere:
    """The origin of an object that nobody wrote in a file: one evidence for every path."""

    __slots__ = ("evidence",)

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence

    def place(self, _path: Path) -> Evidence:
        return self.evidence


@final
class Manifest:
    """One object. Immutable by convention: `data` is shared between copies, so treat it as read-only.

    `kind` is bare for the group that everybody means by it (`Service`, `Gateway` of the Gateway API, `Rollout`),
    else `Kind.group` (`Gateway.networking.istio.io`, `Service.serving.knative.dev`).
    `namespace` is "" for cluster-scoped kinds.
    """

    __slots__ = ("_origin", "_overlay", "api_version", "data", "key", "kind", "name", "namespace")

    kind: str
    api_version: str
    namespace: str
    name: str
    key: ObjectKey
    data: dict[str, Any]

    def __init__(
        self, key: ObjectKey, api_version: str, data: dict[str, Any], origin: Origin, changes: Overlay | None = None
    ) -> None:
        self.key = key
        self.kind = key.kind
        self.namespace = key.namespace
        self.name = key.name
        self.api_version = api_version
        self.data = data
        self._origin = origin
        self._overlay: Overlay = changes if changes is not None else {}

    @classmethod
    def made(
        cls, api_version: str, kind: str, namespace: str, name: str, data: Mapping[str, Any], evidence: Evidence
    ) -> Self:
        """An object nobody wrote in a file; `apiVersion`, `kind` and `metadata.name` are filled in."""
        bare = kind.split(".", 1)[0]
        canonical = canonical_kind(api_version, bare)
        place = namespace if is_namespaced(canonical) is not False else ""
        identity = {"name": name, "namespace": place} if place else {"name": name}
        whole = {
            **data,
            "apiVersion": api_version,
            "kind": bare,
            "metadata": {**(data.get("metadata") or {}), **identity},
        }
        return cls(ObjectKey(canonical, place, name), api_version, whole, Everywhere(evidence))

    def get(self, *path: str | int, default: Any = None) -> Any:
        """The value at `path`; `default` where it is absent or null (Kubernetes reads null as absent)."""
        value: Any = self.data
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
                value = value[step]
            else:
                return default
        return default if value is None else value

    def evidence(self, *path: str | int) -> Evidence:
        """Where the value at `path` stands; for an absent one, its nearest existing ancestor."""
        found = overlay.look_up(self._overlay, path) if self._overlay else path
        return self._origin.place(found) if isinstance(found, tuple) else found

    @property
    def labels(self) -> Mapping[str, str]:
        """`metadata.labels`, empty where there are none; a null value is "", as the API server has it."""
        return _texts(self.get("metadata", "labels"))

    @property
    def annotations(self) -> Mapping[str, str]:
        """`metadata.annotations`, empty where there are none."""
        return _texts(self.get("metadata", "annotations"))

    def edited(self, edits: Mapping[Path, Any], evidence: Evidence) -> "Manifest":
        """A copy with each path set to its value: None removes the key, missing parents are created.

        Only what lies on the edited paths is copied. Identity (kind, namespace, name) cannot be edited.
        """
        data, changes = overlay.edited(self.data, self._overlay, edits, evidence)
        return Manifest(self.key, self.api_version, data, self._origin, changes)

    def replaced(self, data: dict[str, Any], evidence_of_changes: Evidence) -> "Manifest":
        """The object with new data: what differs gets the evidence, the rest keeps its place, moved list items too."""
        changes = overlay.difference(self.data, data, self._overlay, evidence_of_changes)
        return Manifest(self.key, self.api_version, data, self._origin, changes)

    def holding(self, data: dict[str, Any]) -> "Manifest":
        """The object with other data, every path of which is taken to stand where it stood."""
        return Manifest(self.key, self.api_version, data, self._origin, self._overlay)

    def __repr__(self) -> str:
        return f"<Manifest {self.key} {self.evidence()}>"


def _texts(values: Mapping[str, str | None] | None) -> Mapping[str, str]:
    if isinstance(values, Watched):
        return Watched({key: value or "" for key, value in values.parts()[0].items()}, values.parts()[1])
    if not values:
        return _NOTHING
    return {key: value or "" for key, value in values.items()} if None in values.values() else values  # type: ignore[return-value]
