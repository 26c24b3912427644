"""What exists: clusters, their objects and settings, and how they are joined. Values only; `fork` gives a new one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, final

from meshsim.manifests.manifest import Manifest
from meshsim.model.evidence import Assumed, Evidence
from meshsim.model.facts import Facts
from meshsim.model.frozen import record
from meshsim.model.names import ObjectKey, subject
from meshsim.tables.dialect import Dialect

if TYPE_CHECKING:
    from meshsim.manifests.dumps.envoy import EnvoyDump
    from meshsim.manifests.dumps.ztunnel import ZtunnelDump

SYSTEM_NAMESPACE = "istio-system"
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


@final
@record
class Setting:
    """A value with the place it comes from."""

    value: str
    evidence: Evidence


@final
@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One Kubernetes cluster: its objects by key, and the settings of its mesh components.

    `network` is what istiod believes, `ztunnel_network` what its ztunnels believe. `dataplane` stands in for
    namespaces that no manifest describes; None means nobody said.
    """

    name: str
    network: Setting
    ztunnel_network: Setting
    region: str = ""
    zone: str = ""
    root: Setting
    dialect: Dialect
    dataplane: Setting | None = None
    argo: tuple[str, str] = ("1.9", "0.15")
    istiod: Mapping[str, Setting] = field(default_factory=dict)
    ztunnel_dump: "ZtunnelDump | None" = None
    """What its ztunnels really hold, in place of what a control plane would tell them."""
    envoy_dumps: "Mapping[str, EnvoyDump]" = field(default_factory=dict)
    """What its Envoys really hold, by `waypoint:NAMESPACE/NAME`, `gateway:…`, `sidecar:…`."""
    objects: Mapping[ObjectKey, Manifest]
    unread: Mapping[str, str] = field(default_factory=dict)
    """Kinds that may have objects which nobody could read, and why."""

    @cached_property
    def _by_kind(self) -> Mapping[str, tuple[Manifest, ...]]:
        found: dict[str, list[Manifest]] = {}
        for key in sorted(self.objects):
            found.setdefault(key.kind, []).append(self.objects[key])
        return {kind: tuple(manifests) for kind, manifests in found.items()}

    def of(self, *kinds: str) -> tuple[Manifest, ...]:
        """All objects of the kinds, in order of name: document order never matters."""
        return tuple(manifest for kind in kinds for manifest in self._by_kind.get(kind, ()))

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """One object, or None."""
        return self.objects.get(ObjectKey(kind, namespace, name))

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """Namespaces that are described or used, sorted."""
        described = {m.name for m in self.of("Namespace")}
        return tuple(sorted(described | {key.namespace for key in self.objects if key.namespace}))

    def label(self, facts: Facts, manifest: Manifest | None, key: str, missing: str = "") -> str | None:
        """Read a label, recorded. `missing` names the object where there is none (`Namespace/default`)."""
        if manifest is None:
            facts.note(
                f"{self.name}/{missing}", f"label:{key}", None, Assumed(f"no {missing} in {self.name}'s manifests")
            )
            return None
        value = manifest.labels.get(key)
        where = manifest.evidence("metadata", "labels", key)
        facts.note(subject(self.name, manifest.key), f"label:{key}", value, where)
        return value

    def annotation(self, facts: Facts, manifest: Manifest | None, key: str) -> str | None:
        """Read an annotation, recorded."""
        if manifest is None:
            return None
        value = manifest.annotations.get(key)
        where = manifest.evidence("metadata", "annotations", key)
        facts.note(subject(self.name, manifest.key), f"annotation:{key}", value, where)
        return value

    def note(self, facts: Facts, manifest: Manifest, *path: str | int) -> object:
        """Read a field, recorded."""
        value = manifest.get(*path)
        dotted = ".".join(str(part) for part in path)
        shown = value if isinstance(value, str | int | float | bool) or value is None else "…"
        facts.note(subject(self.name, manifest.key), dotted, shown, manifest.evidence(*path))
        return value

    def env(self, facts: Facts, name: str, default: str, source: str) -> str:
        """Read an istiod environment variable, recorded; `source` says where its default is written."""
        setting = self.istiod.get(name)
        if setting is None:
            facts.note(f"{self.name}/istiod", f"env:{name}", default or None, Assumed(f"default of {name} ({source})"))
            return default
        facts.note(f"{self.name}/istiod", f"env:{name}", setting.value, setting.evidence)
        return setting.value

    def flag(self, facts: Facts, name: str, default: str, source: str) -> bool:
        """Read a boolean environment variable, recorded; the default where it holds what is none."""
        return parse_bool(self.env(facts, name, default, source), default=default == "true")

    def namespace(self, name: str) -> Manifest | None:
        """The Namespace object, if the manifests describe it."""
        return self.get("Namespace", "", name)

    def with_objects(self, changed: Iterable[Manifest], removed: Iterable[ObjectKey] = ()) -> "Cluster":
        """A copy with objects put in place of those with the same key."""
        gone = frozenset(removed)
        objects = {key: m for key, m in self.objects.items() if key not in gone} if gone else dict(self.objects)
        objects.update({m.key: m for m in changed})
        return replace(self, objects=objects)


def parse_bool(text: str, *, default: bool) -> bool:
    """What Go's strconv.ParseBool takes; anything else is warned of and means the default (istio pkg/env/var.go).

    >>> [parse_bool(text, default=True) for text in ("T", "0", "False", "no", "tRuE", "")]
    [True, False, False, True, True, True]
    """
    return True if text in _TRUE else False if text in _FALSE else default


@final
@dataclass(frozen=True, kw_only=True)
class Mesh:
    """All clusters and how they are joined.

    `links` holds (watcher, peer): the watcher sees the peer's services. `assume` overrides contested defaults.
    """

    name: str
    clusters: Mapping[str, Cluster]
    links: frozenset[tuple[str, str]]
    assume: Mapping[str, str] = field(default_factory=dict)
    down: frozenset[str] = frozenset()
    """Targets that are out of order: `link:watcher/peer`, `eastwest:cluster`, `cluster:cluster`."""

    def peers(self, watcher: str) -> tuple[Cluster, ...]:
        """The clusters whose services `watcher` sees, without itself, by name."""
        return tuple(self.clusters[name] for name in sorted(self.clusters) if (watcher, name) in self.links)

    def visible(self, watcher: str) -> tuple[Cluster, ...]:
        """`watcher` itself, then its peers."""
        return (self.clusters[watcher], *self.peers(watcher))

    def fork(self, *changed: Cluster, **fields: object) -> "Mesh":
        """A new Mesh with clusters replaced by name, and other fields replaced."""
        clusters = {**self.clusters, **{cluster.name: cluster for cluster in changed}}
        return replace(self, clusters=clusters, **fields)  # type: ignore[arg-type]

    def digest(self) -> str:
        """What identifies this Mesh: equal content, equal digest, whatever the files' order."""
        import hashlib
        import json

        content = {
            name: {
                "objects": {str(key): c.objects[key].data for key in sorted(c.objects)},
                "settings": [
                    c.network.value,
                    c.ztunnel_network.value,
                    c.region,
                    c.zone,
                    c.root.value,
                    str(c.dialect),
                    c.argo,
                ],
                "dataplane": c.dataplane.value if c.dataplane is not None else None,
                "ztunnel_dump": c.ztunnel_dump.digest if c.ztunnel_dump is not None else None,
                "envoy_dumps": {key: held.digest for key, held in sorted(c.envoy_dumps.items())},
                "istiod": {key: setting.value for key, setting in sorted(c.istiod.items())},
            }
            for name, c in sorted(self.clusters.items())
        }
        whole = [content, sorted(self.links), sorted(self.assume.items()), sorted(self.down)]
        return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:16]
