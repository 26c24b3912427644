"""Services that differ in nothing but names.

Where exchanging all names of one service (its own, its workloads', its Rollout's and routes', its pod-template hashes)
for those of another leaves a Mesh as it is, calls of the two get the same, names exchanged: nothing in a mesh depends
on what a service is called. So one answer stands for both, whatever it looked at.

Each object is in a group with all objects that mention one of its names. Two groups are alike if their objects, with
names numbered in their order, are the same values. A group stands for itself alone where a name could mean more than
its object: where a Namespace, a Gateway or a setting mentions it, where it is a key, a port's name, or under a key of
some API (`istio.io/…`). Nobody stands for anybody in a mesh whose routes have patterns over hosts.
"""

import hashlib
import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, final

from meshsim.analysis.situation import Situation
from meshsim.mesh.mesh import Mesh
from meshsim.mesh.pods import HASH_LABEL

_ROUTES: Final = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "VirtualService", "DestinationRule")
_NAMING: Final = frozenset({"Service", "Deployment", "StatefulSet", "DaemonSet", "Rollout", *_ROUTES})
"""Kinds whose objects' names are a service's own."""
_OWN: Final = _NAMING | {"ReplicaSet", "ServiceAccount", "ConfigMap", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
"""Kinds that may mention its names and mean nothing more by them."""
_PATTERNED: Final = frozenset({*_ROUTES, "ServiceEntry", "Sidecar"})
"""Kinds that match hosts by patterns."""
_PORTS: Final = frozenset({"ports", "listeners", "servers"})
_HOSTS: Final = frozenset({"host", "hosts", "hostnames"})
_NAMED_UNDER: Final = ("app.kubernetes.io/", "argo-rollouts.argoproj.io/managed-by-rollouts")
"""Keys of APIs whose values are names, and nothing more (Kubernetes docs, recommended labels; argo-rollouts
utils/defaults)."""
_OVER_HOSTS: Final = frozenset({"regex", "regularexpression", "authority", ":authority"})
_ORDINARY: Final = re.compile(r"(?=.*[a-z])[a-z0-9-]+")
_RUN: Final = re.compile(r"[A-Za-z0-9-]+")
_MOST_PARTS: Final = 8
_APART: Final = frozenset({"objects", "ztunnel_dump", "envoy_dumps"})


@final
class Likeness:
    """Which services of one situation are alike. `key` of two addresses is equal only where one answer is for both."""

    def __init__(self, situation: Situation) -> None:
        mesh = situation.mesh
        dumped = any(cluster.ztunnel_dump or cluster.envoy_dumps for cluster in mesh.clusters.values())
        patterned = any(_patterned(m.data) for c in mesh.clusters.values() for m in c.of(*_PATTERNED))
        self._groups: Mapping[str, _Group] = {} if dumped or patterned else _grouped(situation)
        """Word → its group, where it may be exchanged."""

    def key(self, host: str, port: int) -> object:
        """What the answers of calls to an address depend on, but for the client."""
        group = self.group(host)
        return (group.signature, group.numbered(host), port) if group is not None else (host, port)

    def group(self, text: str) -> "_Group | None":
        """The group whose words occur in a text; None where there is none."""
        found = {id(self._groups[word]): self._groups[word] for word in _occurring(text, self._groups)}
        return next(iter(found.values())) if len(found) == 1 else None

    def place(self, cluster: str, namespace: str, workload: str) -> "tuple[_Group, object] | None":
        """The group of a workload, and which of the group's workloads it is."""
        group = self.group(workload)
        return (group, (cluster, namespace, group.numbered(workload))) if group is not None else None


@final
class _Group:
    """Words that are exchanged together. `signature` is that of everything that mentions them."""

    def __init__(self, words: Iterable[str], hashes: Iterable[str]) -> None:
        self._numbers = {
            word: f"\0{kind}{n}\0" for kind, found in (("n", words), ("h", hashes)) for n, word in _sorted(found)
        }
        self.signature = ""

    def numbered(self, text: str) -> str:
        """A text with the group's words as numbers, the longest first."""
        return _RUN.sub(self._run, text)

    def _run(self, found: re.Match[str]) -> str:
        parts, done, start = found[0].split("-"), [], 0
        while start < len(parts):
            for end in range(min(len(parts), start + _MOST_PARTS), start, -1):
                number = self._numbers.get("-".join(parts[start:end]))
                if number is not None:
                    done.append(number)
                    start = end
                    break
            else:
                done.append(parts[start])
                start += 1
        return "-".join(done)

    def value(self, value: Any) -> Any:
        """Plain values with the group's words as numbers; keys stay as they are."""
        if isinstance(value, str):
            return self.numbered(value)
        if isinstance(value, Mapping):
            return {str(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        return value


def _sorted(words: Iterable[str]) -> Iterator[tuple[int, str]]:
    return iter(enumerate(sorted(words)))


def _words(mesh: Mesh) -> tuple[frozenset[str], frozenset[str]]:
    """Words that may be exchanged: names that no other name begins with, and pod-template hashes."""
    names = {
        manifest.name
        for cluster in mesh.clusters.values()
        for manifest in cluster.of(*_NAMING)
        if _ORDINARY.fullmatch(manifest.name) and manifest.name.count("-") < _MOST_PARTS
    }
    roots = {name for name in names if not any(prefix in names for prefix in _prefixes(name))}
    labels = (m.labels.get(HASH_LABEL) for cluster in mesh.clusters.values() for m in cluster.of("ReplicaSet"))
    hashes = {one for one in labels if one and _ORDINARY.fullmatch(one) and "-" not in one}
    return frozenset(roots - hashes), frozenset(hashes - roots)


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split("-")
    return ("-".join(parts[:count]) for count in range(1, len(parts)))


def _occurring(text: str, words: Container[str]) -> Iterator[str]:
    """The words that stand in a text, bounded by anything but letters and digits."""
    for run in _RUN.findall(text):
        parts = run.split("-")
        for start in range(len(parts)):
            for end in range(start + 1, min(len(parts), start + _MOST_PARTS) + 1):
                word = "-".join(parts[start:end])
                if word in words:
                    yield word


def _patterned(value: Any, key: str = "") -> bool:
    """Whether a route's values compare hosts by patterns."""
    if isinstance(value, str):
        return ("*" in value and key in _HOSTS) or value.lower() in {*_OVER_HOSTS, "host"}
    if isinstance(value, Mapping):
        return any(
            name.lower() in _OVER_HOSTS or (name == "host" and not isinstance(item, str)) or _patterned(item, name)
            for name, item in value.items()
        )
    return isinstance(value, list) and any(_patterned(item, key) for item in value)


@final
class _Mentions:
    """The words that occur in one object, and those of them that mean more than a name there."""

    def __init__(self, words: Container[str]) -> None:
        self._words = words
        self._known: dict[str, tuple[str, ...]] = {}
        self.found: dict[str, None] = {}
        self.fixed: dict[str, None] = {}

    def of(self, content: Any) -> tuple[str, ...]:
        self.found.clear()
        self._look(content, key="", fixed=False)
        return tuple(self.found)

    def _look(self, value: Any, *, key: str, fixed: bool) -> None:
        if isinstance(value, str):
            if value not in self._known:
                self._known[value] = tuple(_occurring(value, self._words))
            words = dict.fromkeys(self._known[value])
            self.found.update(words)
            if fixed or ("/" in key and not key.startswith(_NAMED_UNDER)):
                self.fixed.update(words)
        elif isinstance(value, Mapping):
            for name, item in value.items():
                self._look(str(name), key="", fixed=True)
                self._look(item, key=str(name), fixed=fixed or name in _PORTS)
        elif isinstance(value, list):
            for item in value:
                self._look(item, key=key, fixed=fixed)


def _grouped(situation: Situation) -> Mapping[str, _Group]:
    """Word → group, of the words that may be exchanged."""
    names, hashes = _words(situation.mesh)
    joined: dict[str, str] = {}
    mentions = _Mentions(names | hashes)
    members: list[tuple[str, Any]] = []
    for where, content, own in _content(situation):
        found = mentions.of([*(part for part in where[:1] + where[-1:]), content])
        if not own:
            mentions.fixed.update(dict.fromkeys(found))
        for word in found:
            _join(joined, found[0], word)
        if found:
            members.append((found[0], [list(where), content]))
    fixed = {_root(joined, word) for word in mentions.fixed}
    words: dict[str, list[str]] = {}
    for word in names | hashes:
        root = _root(joined, word)
        if root not in fixed:
            words.setdefault(root, []).append(word)
    groups = {root: _Group(set(found) & names, set(found) & hashes) for root, found in words.items()}
    texts: dict[str, list[str]] = {}
    for word, content in members:
        root = _root(joined, word)
        if root in groups:
            texts.setdefault(root, []).append(json.dumps(groups[root].value(content), sort_keys=True, default=repr))
    for root, group in groups.items():
        group.signature = hashlib.sha256("\n".join(sorted(texts.get(root, ()))).encode()).hexdigest()
    return {word: groups[root] for root, found in words.items() for word in found}


def _root(joined: dict[str, str], word: str) -> str:
    while (above := joined.get(word, word)) != word:
        joined[word] = joined.get(above, above)
        word = above
    return word


def _join(joined: dict[str, str], one: str, other: str) -> None:
    joined[_root(joined, other)] = _root(joined, one)


def _content(situation: Situation) -> Iterator[tuple[tuple[str, ...], Any, bool]]:
    """Everything that a situation holds: where, what, and whether it can be a service's own."""
    mesh = situation.mesh
    for name, cluster in mesh.clusters.items():
        for key, manifest in cluster.objects.items():
            metadata = {k: v for k, v in manifest.get("metadata", default={}).items() if k != "namespace"}
            content = _plain({**manifest.data, "metadata": metadata})
            yield (name, key.kind, key.namespace, key.name), content, key.kind in _OWN
        settings = {f.name: getattr(cluster, f.name) for f in fields(cluster) if f.name not in _APART}
        yield (name,), _plain([settings, cluster.namespaces]), False
    yield ("mesh",), _plain([sorted(mesh.links), mesh.assume, sorted(mesh.down)]), False
    for rollout, managed in situation.rollouts.items():
        state = {f.name: getattr(managed.state, f.name) for f in fields(managed.state) if f.name != "writes"}
        said = [situation.deployed.refused.get(rollout), situation.deployed.open.get(rollout)]
        yield rollout, _plain([state, said]), True


def _plain(value: Any) -> Any:
    """Values of any kind as mappings, lists, numbers and texts; where they come from is left out."""
    if value is None or isinstance(value, str | int | float):
        return value
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name != "evidence"}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _plain(item) for key, item in value.items()}
        return [_plain(pair) for pair in sorted(value.items(), key=str)]
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    return str(value)
