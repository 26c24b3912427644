"""Parts of a Mesh that have nothing to do with each other, so that each can be answered, and cached, by itself.

A large mesh is many services that never meet: a sync of one Rollout changes no answer about another's. Objects belong
to one part where one names another, selects the other's pods, or has its name, in whatever cluster and namespace: that
joins too much rather than too little. What is no service, workload or route (namespaces, gateways, policies, nodes,
mesh components) may matter to everybody, and is in every slice.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, final

from meshsim.analysis.calls import Call
from meshsim.analysis.fingerprints import Fingerprints
from meshsim.controlplane.binding import GATEWAY_NAME
from meshsim.controlplane.components import COMPONENT_NAMESPACES, ISTIO_GATEWAY
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Mesh
from meshsim.mesh.pods import HASH_LABEL
from meshsim.model.names import ObjectKey
from meshsim.simulation.deployment import Deployed, RolloutId

_ROUTES: Final = frozenset({"HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "VirtualService", "DestinationRule"})
_WORKLOADS: Final = frozenset(
    {"Rollout", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"}
)
_LOCAL: Final = _ROUTES | _WORKLOADS | {"Service"}
Place = tuple[str, ObjectKey]
"""(cluster, object)."""


@final
@dataclass(frozen=True, slots=True)
class _Ties:
    """What ties an object to others: the names in it, its pods' labels, the labels that it selects."""

    names: frozenset[str] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()
    selects: frozenset[tuple[str, str]] = frozenset()
    hosts: frozenset[str] | None = None
    """The hosts of a route that may serve a gateway; empty for any host."""
    everywhere: bool = False
    """Whether it may matter to every call."""


@final
@dataclass(slots=True)
class _Part:
    objects: dict[Place, Manifest] = field(default_factory=dict)
    rollouts: set[RolloutId] = field(default_factory=set)
    print: int | None = None
    inventory: int | None = None

    def changed(self) -> None:
        self.print = self.inventory = None


@final
class Parts:
    """The parts of a Mesh, kept up while it changes: `look` at each situation before asking about it."""

    def __init__(self) -> None:
        self._prints = Fingerprints()
        self._deployed: Deployed | None = None
        self._ties: dict[int, tuple[Mapping[str, Any], _Ties]] = {}
        self._owner: dict[Place, str] = {}
        self._parts: dict[str, _Part] = {}
        self._by_name: dict[str, str] = {}
        self._gateways: tuple[frozenset[tuple[str, str]], ...] = ()
        self._always: frozenset[str] = frozenset()
        self._common = _Part()
        self._settings: tuple[object, ...] = ()
        self._divisions = 0

    @property
    def names(self) -> frozenset[str]:
        """What the parts are called: each by one of its objects."""
        return frozenset(self._parts)

    def look(self, deployed: Deployed) -> None:
        """Bring everything up to a situation; only what differs from the last one is looked at again."""
        before = self._deployed
        self._deployed = deployed
        if before is None or not self._follow(before, deployed):
            self._divide(deployed)
        mesh = deployed.mesh
        settings = tuple(self._prints.settings(mesh.clusters[name]) for name in sorted(mesh.clusters))
        self._settings = (settings, mesh.links, mesh.down, tuple(sorted(mesh.assume.items())))
        for rollout, state in deployed.states.items():
            if before is None or before.states.get(rollout) is not state:
                key = (rollout[0], ObjectKey("Rollout", rollout[1], rollout[2]))
                self._part(key).changed()

    def of(self, call: Call, workload: str) -> frozenset[str] | None:
        """The parts that a call may meet; `workload` is its client's name. None where that cannot be told: all."""
        if call.target.ip or not call.target.host:
            return None
        host = call.target.host
        found = {self._by_name[name] for name in (host.partition(".")[0],) if name in self._by_name}
        if call.caller.name.startswith("ingress:"):
            found |= set(self._serving(host))
        if not found:
            return None
        if workload in self._by_name:
            found.add(self._by_name[workload])
        return frozenset(found) | self._always

    def fingerprint(self, parts: Iterable[str]) -> tuple[object, ...]:
        """What of these parts, and of what matters to everybody, decides where requests go."""
        return (self._settings, self._print(self._common), *(self._print(self._parts[name]) for name in sorted(parts)))

    def slice(self, parts: Iterable[str]) -> Deployed:
        """The situation with these parts alone, and what matters to everybody."""
        assert self._deployed is not None
        deployed = self._deployed
        objects: dict[str, dict[ObjectKey, Manifest]] = {name: {} for name in deployed.mesh.clusters}
        rollouts: set[RolloutId] = set()
        for part in (self._common, *(self._parts[name] for name in parts)):
            rollouts |= part.rollouts
            for (cluster, key), manifest in part.objects.items():
                objects[cluster][key] = manifest
        clusters = [replace(deployed.mesh.clusters[name], objects=found) for name, found in objects.items()]
        return Deployed(
            mesh=deployed.mesh.fork(*clusters),
            states={name: state for name, state in deployed.states.items() if name in rollouts},
            refused={name: why for name, why in deployed.refused.items() if name in rollouts},
            open={name: what for name, what in deployed.open.items() if name in rollouts},
        )

    def alike(self, one: Manifest, other: Manifest) -> bool:
        """Whether two states of an object tie it to the same others."""
        return self._tied(one) == self._tied(other)

    def inventory(self) -> int:
        """What decides which calls there are: everything but how many pods a revision has, and which."""
        assert self._deployed is not None
        mesh = self._deployed.mesh
        return hash(
            (self._divisions, *(self._listed(p) for p in (self._common, *self._parts.values())), mesh.links, mesh.down)
        )

    def _listed(self, part: _Part) -> int:
        if part.inventory is None:
            found = {(place[0], self._bare(m)) for place, m in part.objects.items()}
            part.inventory = hash(frozenset(one for one in found if one[1] is not None))
        return part.inventory

    def _bare(self, manifest: Manifest) -> object:
        """An object without what controllers write all the time; None for a revision without pods."""
        data, ties = manifest.data, self._tied(manifest)
        spec = data.get("spec") or {}
        if manifest.kind == "ReplicaSet":
            pods = bool(spec.get("replicas", 1) or (data.get("status") or {}).get("replicas"))
            return (manifest.namespace, _owner_of(data) or manifest.name, ties.labels, _inert(spec)) if pods else None
        if manifest.kind == "Service":
            return manifest.key, ties, repr((manifest.labels, {k: v for k, v in spec.items() if k != "selector"}))
        if manifest.kind == "Rollout":
            template = _inert(spec) if spec.get("template") else ""
            return manifest.key, ties, template, repr((spec.get("strategy"), spec.get("workloadRef")))
        return manifest.key, ties if manifest.kind in _ROUTES else self._prints.object(data)

    # Division

    def _follow(self, before: Deployed, after: Deployed) -> bool:
        """Take over what changed since; False where that changes the division itself."""
        if before.mesh.clusters.keys() != after.mesh.clusters.keys() or before.states.keys() != after.states.keys():
            return False
        for name, cluster in after.mesh.clusters.items():
            old = before.mesh.clusters[name].objects
            new = cluster.objects
            if old is new:
                continue
            for key, manifest in new.items():
                known = old.get(key)
                if known is manifest:
                    continue
                if not self._same_place((name, key), known, manifest):
                    return False
                part = self._part((name, key))
                part.objects[name, key] = manifest
                part.changed()
            if len(new) != len(old) or any(key not in new for key in old):
                for key in [key for key in old if key not in new]:
                    if key.kind != "ReplicaSet":
                        return False
                    part = self._part((name, key))
                    part.objects.pop((name, key), None)
                    part.changed()
        return True

    def _same_place(self, place: Place, known: Manifest | None, manifest: Manifest) -> bool:
        """Whether an object is in the same part as before; a new ReplicaSet is in its owner's."""
        ties = self._tied(manifest)
        if known is not None:
            return ties == self._tied(known)
        owner = _owner_of(manifest.data)
        if manifest.kind != "ReplicaSet" or owner not in self._by_name or ties.everywhere:
            return False
        part = self._by_name[owner]
        alike = any(
            key.namespace == place[1].namespace and key.kind in _WORKLOADS and self._tied(found).labels == ties.labels
            for (_, key), found in self._parts[part].objects.items()
        )
        self._owner[place] = part
        return alike

    def _part(self, place: Place) -> _Part:
        return self._parts.get(self._owner.get(place, ""), self._common)

    def _divide(self, deployed: Deployed) -> None:
        mesh = deployed.mesh
        self._divisions += 1
        self._gateways = tuple(_gateway_labels(mesh))
        self._ties.clear()
        everything = [((c.name, key), m) for c in mesh.clusters.values() for key, m in c.objects.items()]
        gateways = set(_deployed_as(mesh))
        addressed = set(_addressed(mesh))
        local = [
            (place, m, ties)
            for place, m in everything
            if m.kind in _LOCAL
            and not (ties := self._tied(m)).everywhere
            and m.name not in addressed
            and not (m.kind in {"Deployment", "ReplicaSet", "Pod"} and _workloads(m) & gateways and not _rolled(m))
        ]
        anchors = {m.name for _, m, _ in local}
        joined = _Joined()
        by_label: dict[tuple[str, tuple[str, str]], list[tuple[frozenset[tuple[str, str]], str]]] = {}
        for place, manifest, ties in local:
            joined.join(manifest.name, *(ties.names & anchors))
            if manifest.kind in _WORKLOADS:
                for label in ties.labels:
                    by_label.setdefault((place[1].namespace, label), []).append((ties.labels, manifest.name))
        for place, manifest, ties in local:
            for labels, name in by_label.get((place[1].namespace, min(ties.selects)), ()) if ties.selects else ():
                if ties.selects <= labels:
                    joined.join(manifest.name, name)
        self._by_name = {name: joined.root(name) for name in anchors}
        self._owner = {place: self._by_name[manifest.name] for place, manifest, _ in local}
        self._parts = {name: _Part() for name in set(self._by_name.values())}
        self._common = _Part()
        for place, manifest in everything:
            self._part(place).objects[place] = manifest
        for rollout in deployed.states:
            self._part((rollout[0], ObjectKey("Rollout", rollout[1], rollout[2]))).rollouts.add(rollout)
        shared = [self._tied(m) for place, m in everything if place not in self._owner and m.kind in _LOCAL]
        self._always = frozenset(
            {self._by_name[name] for ties in shared for name in ties.names if name in self._by_name}
        )

    def _serving(self, host: str) -> Iterator[str]:
        """The parts with a route that a gateway may use for a host."""
        for name, part in self._parts.items():
            for manifest in part.objects.values():
                hosts = self._tied(manifest).hosts
                if hosts is not None and (not hosts or host in hosts):
                    yield name
                    break

    def _tied(self, manifest: Manifest) -> _Ties:
        known = self._ties.get(id(manifest.data))
        if known is None:
            known = self._ties[id(manifest.data)] = (manifest.data, _ties(manifest, self._gateways))
        return known[1]

    def _print(self, part: _Part) -> int:
        if part.print is None:
            assert self._deployed is not None
            objects = frozenset(
                (place, self._prints.object(m.data)) for place, m in part.objects.items() if m.kind != "Rollout"
            )
            part.print = hash((objects, self._prints.rollouts(self._deployed, sorted(part.rollouts))))
        return part.print


def divisible(mesh: Mesh) -> bool:
    """Whether a Mesh can be taken apart: not where dumps speak for it, or entries select pods of workloads."""
    return not any(
        cluster.ztunnel_dump is not None
        or cluster.envoy_dumps
        or any(entry.get("spec", "workloadSelector") for entry in cluster.of("ServiceEntry"))
        for cluster in mesh.clusters.values()
    )


class _Joined:
    """Names joined into groups (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def root(self, name: str) -> str:
        parent = self._parent.setdefault(name, name)
        while parent != name:
            self._parent[name] = name = self._parent[parent]
            parent = self._parent[name]
        return name

    def join(self, first: str, *others: str) -> None:
        for other in others:
            self._parent[self.root(other)] = self.root(first)


def _ties(manifest: Manifest, gateways: tuple[frozenset[tuple[str, str]], ...]) -> _Ties:
    kind, data = manifest.kind, manifest.data
    if kind not in _LOCAL:
        return _Ties(everywhere=True)
    spec = _mapping(data.get("spec"))
    own = manifest.namespace in COMPONENT_NAMESPACES
    if kind in _ROUTES:
        names = frozenset(_names(spec))
        wild = any(text.startswith("*") for text in _texts(spec))
        return _Ties(names=names, hosts=_hosts(kind, spec), everywhere=own or wild)
    if kind == "Service":
        selector = _mapping(spec.get("selector"))
        selects = frozenset((str(k), str(v)) for k, v in selector.items() if k != HASH_LABEL)
        own = own or _of_gateway(selects, gateways)
        return _Ties(names=frozenset(_names(spec.get("externalName"))), selects=selects, everywhere=own)
    labels = _pod_labels(kind, data)
    named = {*_workloads(manifest), *_names(spec.get("workloadRef")), *_names(spec.get("strategy"))}
    own = own or _of_gateway(labels, gateways) or "rollouts-controller" in manifest.name
    return _Ties(names=frozenset(named), labels=labels, everywhere=own)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _pod_labels(kind: str, data: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """The labels of a workload's pods, without the revision's hash."""
    spec = data.get("spec") or {}
    if kind == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    metadata = data.get("metadata") if kind == "Pod" else (spec.get("template") or {}).get("metadata")
    labels = (metadata or {}).get("labels") or {}
    return frozenset((str(k), str(v)) for k, v in labels.items() if k != HASH_LABEL)


def _inert(spec: Mapping[str, Any]) -> str:
    """What of a revision's pods decides how they are captured, besides labels."""
    template = spec.get("template") or {}
    containers = (template.get("spec") or {}).get("containers") or ()
    annotations = (template.get("metadata") or {}).get("annotations")
    return repr((annotations, [container.get("name") for container in containers]))


def _of_gateway(labels: frozenset[tuple[str, str]], gateways: tuple[frozenset[tuple[str, str]], ...]) -> bool:
    """Whether labels are a gateway's pods'."""
    marked = any(key == GATEWAY_NAME or (key == "istio" and value.endswith("gateway")) for key, value in labels)
    return marked or any(selector <= labels for selector in gateways)


def _gateway_labels(mesh: Mesh) -> Iterator[frozenset[tuple[str, str]]]:
    """The pods that Istio's Gateways select."""
    for cluster in mesh.clusters.values():
        for gateway in cluster.of(ISTIO_GATEWAY):
            selector = gateway.get("spec", "selector", default={}) or {}
            if selector:
                yield frozenset((str(k), str(v)) for k, v in selector.items())


def _deployed_as(mesh: Mesh) -> Iterator[str]:
    """The Deployments that Gateways are carried out by."""
    for cluster in mesh.clusters.values():
        for gateway in cluster.of("Gateway", ISTIO_GATEWAY):
            yield gateway.name
            yield f"{gateway.name}-{gateway.get('spec', 'gatewayClassName', default='')}"


def _workloads(manifest: Manifest) -> frozenset[str]:
    """The workloads that an object may be, or be a part of: web-5f6c8-x2x9q is a pod of web."""
    owner = _owner_of(manifest.data)
    if _rolled(manifest):
        return frozenset({owner, manifest.name})
    names = {manifest.name} | ({owner} if owner else set())
    if manifest.kind in {"ReplicaSet", "Pod", "Job"}:
        names |= {manifest.name.rsplit("-", 1)[0], manifest.name.rsplit("-", 2)[0]}
    return frozenset(names)


def _rolled(manifest: Manifest) -> bool:
    """Whether a ReplicaSet is a Rollout's."""
    return manifest.kind == "ReplicaSet" and bool(_owner_of(manifest.data, "Rollout"))


def _addressed(mesh: Mesh) -> Iterator[str]:
    """The Services that Gateways name as their addresses."""
    for cluster in mesh.clusters.values():
        for gateway in cluster.of("Gateway"):
            yield from _names(gateway.get("spec", "addresses", default=[]))


def _owner_of(data: Mapping[str, Any], kind: str = "") -> str:
    owners = (data.get("metadata") or {}).get("ownerReferences") or ()
    return next((str(owner.get("name")) for owner in owners if kind in {"", owner.get("kind")}), "")


def _hosts(kind: str, spec: Mapping[str, Any]) -> frozenset[str] | None:
    """The hosts for which a gateway may use a route; None where none does."""
    if kind == "DestinationRule":
        return None
    if kind == "VirtualService":
        return frozenset(map(str, spec.get("hosts") or ())) if set(spec.get("gateways") or ()) - {"mesh"} else None
    parents = spec.get("parentRefs") or ()
    if parents and all(parent.get("kind") in {"Service", "Hostname", "ServiceEntry"} for parent in parents):
        return None
    return frozenset(map(str, spec.get("hostnames") or ()))


def _names(value: Any) -> Iterator[str]:
    """Every name in a value: each part of a path or address, hosts by their first label."""
    for text in _texts(value):
        for part in text.split("/"):
            yield part.partition(":")[0].partition(".")[0]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
