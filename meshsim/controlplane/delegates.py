"""The routes of VirtualServices with those of their delegates in place
(istio pilot/pkg/model/virtualservice.go:196, virtualservice_controller.go mergeVirtualServices)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from meshsim.controlplane.destinationrules import exported
from meshsim.manifests.manifest import Manifest

MESH: Final = "mesh"
_INHERITED: Final = (
    "rewrite",
    "directResponse",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirrorPercent",
    "mirrorPercentage",
    "corsPolicy",
    "mirrors",
    "headers",
)
_STRINGS: Final = ("uri", "scheme", "method", "authority")
_MAPS: Final = ("headers", "withoutHeaders", "queryParams")


class HttpRoute(NamedTuple):
    """One `http` entry: the object that it stands in, its number there, and what holds for it after the merge."""

    owner: Manifest
    number: int
    spec: Mapping[str, Any]


def http_of(entry: Manifest, others: Iterable[Manifest]) -> Iterator[HttpRoute]:
    """The `http` entries of a VirtualService, each that delegates replaced by its delegate's.

    A delegate has no hosts and must be exported to the root's namespace; an entry whose delegate is missing is left
    out, and so is a delegate's entry that takes what the root's does not.
    """
    delegates = {(one.namespace, one.name): one for one in others if not one.get("spec", "hosts")}
    for index, http in enumerate(entry.get("spec", "http", default=[])):
        reference = http.get("delegate")
        if not reference:
            yield HttpRoute(entry, index, _resolved(http, entry.namespace))
            continue
        key = (str(reference.get("namespace") or entry.namespace), str(reference.get("name")))
        delegate = delegates.get(key)
        if delegate is None or not exported(delegate, entry.namespace):
            continue
        root = _resolved(http, entry.namespace)
        for number, leaf in enumerate(delegate.get("spec", "http", default=[])):
            merged = _merged(root, _resolved(leaf, delegate.namespace))
            if merged is not None:
                yield HttpRoute(delegate, number, merged)


def gateway_name(name: str, namespace: str) -> str:
    """A gateway as `namespace/name` (istio pilot/pkg/model/config.go resolveGatewayName); `mesh` stands for itself.

    >>> [gateway_name(name, "shop") for name in ("front", "./front", "infra/front", "front.infra.svc.cluster.local")]
    ['shop/front', 'shop/front', 'infra/front', 'infra/front']
    """
    if name == MESH:
        return name
    place, slash, rest = name.partition("/")
    if slash:
        return f"{namespace}/{rest}" if place == "." else name
    bare, dot, after = name.partition(".")
    return f"{after.partition('.')[0]}/{bare}" if dot else f"{namespace}/{name}"


def _resolved(http: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    """An entry with the gateways of its matches by their full names."""
    matches = [
        {**match, "gateways": [gateway_name(str(name), namespace) for name in match["gateways"]]}
        if match.get("gateways")
        else match
        for match in http.get("match") or ()
    ]
    return {**http, "match": matches} if matches else http


def _merged(root: Mapping[str, Any], leaf: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A delegate's entry under the root's; None where their matches conflict."""
    matches = _matches(root.get("match") or (), leaf.get("match") or ())
    if matches is None:
        return None
    names = [str(part["name"]) for part in (root, leaf) if part.get("name")]
    inherited = {key: root[key] for key in _INHERITED if leaf.get(key) is None and root.get(key) is not None}
    return {**leaf, **inherited, "match": matches, **({"name": "-".join(names)} if names else {})}


def _matches(root: Sequence[Mapping[str, Any]], leaf: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]] | None:
    """Every match of the delegate's within each of the root's that it fits; all of them must fit one."""
    if not root or not leaf:
        return [*root, *leaf]
    found: list[Mapping[str, Any]] = []
    for inner in leaf:
        fitting = [_both(outer, inner) for outer in root if not _conflict(outer, inner)]
        if not fitting:
            return None
        found += fitting
    return found


def _both(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> Mapping[str, Any]:
    joined = {
        key: {**(outer.get(key) or {}), **(inner.get(key) or {})}
        for key in (*_MAPS, "sourceLabels")
        if outer.get(key) or inner.get(key)
    }
    kept = {key: value for key, value in inner.items() if value not in (None, "", [], 0)}
    outside = {key: value for key, value in outer.items() if key not in {"ignoreUriCase", "name"}}
    names = [str(part["name"]) for part in (outer, inner) if part.get("name")]
    return {**outside, **kept, **joined, **({"name": "-".join(names)} if names else {})}


def _conflict(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> bool:
    pairs = [(outer.get(key), inner.get(key)) for key in _STRINGS]
    for key in _MAPS:
        pairs += [((outer.get(key) or {}).get(name), value) for name, value in (inner.get(key) or {}).items()]
    if any(_apart(one, other) for one, other in pairs):
        return True
    if bool(outer.get("ignoreUriCase")) != bool(inner.get("ignoreUriCase")):
        return True
    if outer.get("port") and inner.get("port") and outer["port"] != inner["port"]:
        return True
    namespace = outer.get("sourceNamespace")
    if namespace and inner.get("sourceNamespace") != namespace:
        return True
    labels = outer.get("sourceLabels") or {}
    if any(labels.get(key, value) != value for key, value in (inner.get("sourceLabels") or {}).items()):
        return True
    gateways = set(outer.get("gateways") or ())
    return bool(gateways) and not set(inner.get("gateways") or ()) <= gateways


def _apart(outer: Mapping[str, Any] | None, inner: Mapping[str, Any] | None) -> bool:
    """Whether a delegate's condition is not within the root's; beside a regular expression nothing else may stand."""
    if outer is None or inner is None:
        return False
    if (outer.get("regex") and any(inner.values())) or (inner.get("regex") and any(outer.values())):
        return True
    if outer.get("exact"):
        return bool(inner.get("prefix")) or inner.get("exact") != outer["exact"]
    if outer.get("prefix"):
        said = inner.get("prefix") or inner.get("exact")
        return not (said and str(said).startswith(str(outer["prefix"])))
    return True
