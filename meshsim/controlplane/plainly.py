"""The control plane's answers on plain documents, one object and a few others at a time: the seam of `meshsim.api`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshsim.controlplane import binding, destinationrules
from meshsim.manifests.given import GIVEN, Documents, given_manifest, given_manifests, plain_documents
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Setting
from meshsim.model.names import absolute_host, fqdn
from meshsim.tables.dialect import parse_dialect

_NETWORK: Final = "network1"


def _cluster(docs: Documents, dialect: str) -> Cluster:
    objects = given_manifests(docs)
    network = Setting(_NETWORK, GIVEN)
    return Cluster(
        name="cluster1",
        network=network,
        ztunnel_network=network,
        root=Setting("root1", GIVEN),
        dialect=parse_dialect(dialect),
        objects={m.key: m for m in objects},
    )


def bind(
    obj: Mapping[str, Any],
    namespace: str | Mapping[str, Any],
    gateways: Documents,
    kind: str = "service",
    dialect: str = "istio/1.31",
) -> dict[str, Any]:
    """The waypoint that an object is bound to.

    `namespace` is the object's, as a name or a Namespace document; `gateways` are Gateway, GatewayClass and Namespace
    documents; `kind` is `service` or `workload`. Gives `waypoint` (`namespace/name`, None where it is unbound),
    `address` (what ztunnel is told), `canary` and `canary_weight` (percent), and `reason`, a reason code where the
    object names a waypoint that it does not get.
    """
    described = dict(namespace) if isinstance(namespace, Mapping) else None
    name = str((described or {}).get("metadata", {}).get("name") or "default") if described else str(namespace)
    docs = [*plain_documents(gateways), *([{"kind": "Namespace", **described}] if described else [])]
    data = {**obj, "metadata": {**(obj.get("metadata") or {}), "namespace": name}}
    whole = given_manifest(data, kind="Pod" if kind == "workload" else "Service", name="unnamed")
    found = binding.bind(_cluster(docs, dialect), whole, name, kind)
    canary = found.canary.gateway if found.canary is not None else None
    return {
        "waypoint": f"{found.gateway.namespace}/{found.gateway.name}" if found.gateway is not None else None,
        "address": str(found.address) if found.address is not None else None,
        "canary": f"{canary.namespace}/{canary.name}" if canary is not None else None,
        "canary_weight": found.canary_weight,
        "reason": found.missing,
    }


def destination_rule_for(
    docs: Documents,
    host: str,
    proxy_namespace: str,
    labels: Mapping[str, str] | None = None,
    *,
    service_namespace: str | None = None,
) -> dict[str, Any] | None:
    """The DestinationRule that counts for `host` at a proxy in `proxy_namespace`; None where none does.

    `docs` are documents as in YAML, or YAML texts. The host's own namespace is `service_namespace`, else that of the
    Service or ServiceEntry among `docs` that has the host, else what a name `name.namespace.svc…` says, else the
    proxy's; a bare name is a Service of the proxy's namespace. `labels` are a sidecar's, for rules with a
    workloadSelector. Gives `objects` (`namespace/name`, those merged, the first of them first), `subsets` (name to
    labels and traffic policy) and `trafficPolicy`.

    >>> rule = {"kind": "DestinationRule", "metadata": {"name": "orders", "namespace": "shop"},
    ...         "spec": {"host": "orders", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]}}
    >>> found = destination_rule_for([rule], "orders.shop.svc.cluster.local", "client")
    >>> found["objects"], found["subsets"]["v1"]["labels"]
    (['shop/orders'], {'version': 'v1'})
    """
    known = given_manifests(docs)
    host = absolute_host(host, proxy_namespace)
    namespace = service_namespace or _namespace_of(known, host, proxy_namespace)
    rules = [m for m in known if m.kind == "DestinationRule"]
    found = destinationrules.destination_rule(rules, host, namespace, proxy_namespace, labels)
    if found is None:
        return None
    return {
        "objects": [f"{m.namespace}/{m.name}" for m in found.objects],
        "subsets": {
            name: {"labels": subset.get("labels") or {}, "trafficPolicy": subset.get("trafficPolicy") or {}}
            for name, (_, _, subset) in found.subsets.items()
        },
        "trafficPolicy": dict(found.traffic_policy),
    }


def _namespace_of(known: Sequence[Manifest], host: str, proxy_namespace: str) -> str:
    for one in known:
        own = [fqdn(one.name, one.namespace)] if one.kind == "Service" else []
        if host in (own or (one.get("spec", "hosts", default=[]) if one.kind == "ServiceEntry" else [])):
            return one.namespace
    parts = host.split(".")
    return parts[1] if len(parts) > 2 and parts[2] == "svc" else proxy_namespace
