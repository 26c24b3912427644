"""The DestinationRule that counts, on plain documents: the seam of `meshsim.api`."""

from collections.abc import Mapping, Sequence
from typing import Any

from meshsim.controlplane import destinationrules
from meshsim.manifests.given import Documents, given_manifests
from meshsim.manifests.manifest import Manifest
from meshsim.model.errors import InputError
from meshsim.model.names import absolute_host, fqdn


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
    for what, value in (("host", host), ("proxy_namespace", proxy_namespace)):
        if not isinstance(value, str) or not value:
            msg = f"{what} must be a name, not {value!r}"
            raise InputError(msg)
    if labels is not None and not isinstance(labels, Mapping):
        msg = f"labels {labels!r} is not a mapping"
        raise InputError(msg)
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
