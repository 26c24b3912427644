"""Waypoint binding on plain documents, one object and a few Gateways at a time: `meshsim.api.bind`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshsim.controlplane import binding
from meshsim.manifests.given import GIVEN, Documents, given_manifest, plain_documents
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Setting
from meshsim.model.errors import InputError
from meshsim.tables.dialect import parse_dialect

_NETWORK: Final = "network1"
_TRAFFIC: Final = {
    "service": "service",
    "serviceentry": "service",
    "workload": "workload",
    "pod": "workload",
    "workloadentry": "workload",
}
_METADATA: Final = ("name", "namespace", "labels", "annotations")
_CLUSTER_WIDE: Final = frozenset({"Namespace", "GatewayClass"})
_DEFAULT_KIND: Final = {"service": "Service", "workload": "Pod"}


def bind(
    obj: Mapping[str, Any],
    namespace: str | Mapping[str, Any] | None,
    gateways: Documents,
    kind: str | None = None,
    dialect: str = "istio/1.31",
    network: str = _NETWORK,
) -> dict[str, Any]:
    """The waypoint that an object is bound to.

    `namespace` is the object's, as a name or a Namespace document; without it, what the object says. `gateways` are
    Gateways, GatewayClasses and Namespaces (a document without a kind is a Gateway, one without a namespace is in the
    object's); one without a status is ready. What a document's metadata hold may also stand at its top.
    `kind` is `service` or `workload`, or Service, ServiceEntry, Pod, WorkloadEntry; by default the object's own, and
    `service` where it says none. `network` is the cluster's. Gives `waypoint` (`namespace/name`, None where it is
    unbound), `address` (what ztunnel is told), `canary` and `canary_weight` (percent), and `reason`, a reason code
    where the object names a waypoint that it does not get.
    Raises InputError for documents that make no sense.

    >>> waypoint = {"kind": "Gateway", "metadata": {"name": "waypoint", "namespace": "shop"},
    ...             "spec": {"gatewayClassName": "istio-waypoint",
    ...                      "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]}}
    >>> shop = {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"istio.io/use-waypoint": "waypoint"}}}
    >>> bind({"metadata": {"name": "web"}}, shop, [waypoint])["waypoint"]
    'shop/waypoint'
    >>> bind({"metadata": {"name": "web", "labels": {"istio.io/use-waypoint": "none"}}}, shop, [waypoint])["waypoint"]
    >>> bind({"metadata": {"name": "web"}}, shop, [waypoint], "workload")["waypoint"]
    """
    if kind is None:
        own = obj.get("kind") if isinstance(obj, Mapping) else None
        kind = own if isinstance(own, str) else "service"
    traffic = _TRAFFIC.get(str(kind).lower())
    if traffic is None:
        msg = f"kind {kind!r} is neither service nor workload"
        raise InputError(msg)
    described = _checked(namespace, "Namespace", "default") if isinstance(namespace, Mapping) else None
    place = described.name if described is not None else str(namespace or "")
    bound = _checked(obj, _DEFAULT_KIND[traffic], "unnamed", place)
    docs = [_checked(doc, "Gateway", "", inside=bound.namespace) for doc in plain_documents(gateways)]
    cluster = _cluster((*docs, *((described,) if described is not None else ())), dialect, network)
    found = binding.bind(cluster, bound, bound.namespace, traffic)
    canary = found.canary.gateway if found.canary is not None else None
    return {
        "waypoint": _named(found.gateway),
        "address": str(found.address) if found.address is not None else None,
        "canary": _named(canary),
        "canary_weight": found.canary_weight,
        "reason": found.missing,
    }


def _named(gateway: Manifest | None) -> str | None:
    return None if gateway is None else f"{gateway.namespace}/{gateway.name}"


def _cluster(objects: Sequence[Manifest], dialect: str, network: str) -> Cluster:
    here = Setting(network, GIVEN)
    return Cluster(
        name="cluster1",
        network=here,
        ztunnel_network=here,
        root=Setting("root1", GIVEN),
        dialect=parse_dialect(dialect),
        objects={m.key: m for m in objects},
    )


def _checked(doc: Mapping[str, Any], kind: str, name: str, namespace: str = "", inside: str = "") -> Manifest:
    """A document as an object, its kind, name and namespace filled in where they are not said, the last with `inside`;
    `namespace` where it is given is the object's, whatever the document says."""
    if not isinstance(doc, Mapping):
        msg = f"{doc!r} is no document; write a mapping with metadata.name"
        raise InputError(msg)
    metadata = doc.get("metadata")
    if metadata is None:
        metadata = {key: doc[key] for key in _METADATA if key in doc}
        doc = {key: value for key, value in doc.items() if key not in _METADATA}
    if not isinstance(metadata, Mapping):
        msg = f"metadata of {doc.get('kind') or kind} must be a mapping, not {metadata!r}"
        raise InputError(msg)
    filled = {"name": name} | {key: value for key, value in metadata.items() if value is not None}
    if namespace:
        filled["namespace"] = namespace
    elif inside and str(doc.get("kind") or kind) not in _CLUSTER_WIDE:
        filled.setdefault("namespace", inside)
    return given_manifest({"kind": kind, **doc, "metadata": filled})
