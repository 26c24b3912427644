"""The control plane's answers on plain documents, one object and a few others at a time: the seam of `meshsim.api`."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from meshsim.controlplane import destinationrules, httproutes
from meshsim.controlplane.httproutes import Attached, Row
from meshsim.manifests.manifest import Manifest
from meshsim.model.errors import InputError
from meshsim.model.evidence import Assumed
from meshsim.model.names import fqdn
from meshsim.model.shares import normalised
from meshsim.tables.envoy import plain

_GIVEN: Final = Assumed("an argument")
UNKNOWN_SERVICE: Final = "UnknownService"


def manifest_of(doc: Mapping[str, Any]) -> Manifest:
    """A document as an object. Raises InputError where it has no kind or name."""
    metadata = doc.get("metadata") or {}
    kind, name = doc.get("kind"), metadata.get("name")
    if not kind or not name:
        msg = "a document needs kind and metadata.name"
        raise InputError(msg)
    namespace = str(metadata.get("namespace") or "default")
    return Manifest.made(str(doc.get("apiVersion") or "v1"), str(kind), namespace, str(name), dict(doc), _GIVEN)


def convert_httproute(docs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What istiod makes of HTTPRoutes (and GRPCRoutes) for the mesh: a row for each parent, namespace and port.

    `docs` may also hold ServiceEntries, whose hosts a parentRef of that kind means. A row has `hosts`, `namespace`
    (the routes'), `port` (None: all) and `routes`, most specific match first: `object`, `rule` (its name or index),
    `match`, `destinations` (`host`, `port`, `weight` as written, `share` as a Fraction, and `status` 500 where the
    backend is of a kind that is refused) and `status`, 500 where no backend of positive weight is left. Whether a
    host exists is not looked up: a missing one answers its share with 500 too.
    """
    manifests = [manifest_of(doc) for doc in docs]
    entries = {(m.namespace, m.name): m for m in manifests if m.kind == "ServiceEntry"}
    attached: dict[tuple[str, tuple[str, ...], int | None], list[Attached]] = {}
    for route in manifests:
        if route.kind not in httproutes.KINDS:
            continue
        for index, parent in enumerate(route.get("spec", "parentRefs", default=[])):
            for host in _parent_hosts(parent, route.namespace, entries):
                port = parent.get("port")
                key = (route.namespace, (host,), int(port) if port is not None else None)
                attached.setdefault(key, []).append(Attached(route=route, parent=index, port=port))
    return [
        {
            "hosts": list(hosts),
            "namespace": namespace,
            "port": port,
            "routes": [_plain_row(row) for row in httproutes.rows(items)],
        }
        for (namespace, hosts, port), items in attached.items()
    ]


def _parent_hosts(
    parent: Mapping[str, Any], namespace: str, entries: Mapping[tuple[str, str], Manifest]
) -> tuple[str, ...]:
    kind, group = parent.get("kind"), parent.get("group") or ""
    place, name = str(parent.get("namespace") or namespace), str(parent.get("name"))
    if kind == "Service" and group in {"", "core"}:
        return (fqdn(name, place),)
    if kind == "ServiceEntry" and group == "networking.istio.io" and (place, name) in entries:
        return tuple(map(str, entries[place, name].get("spec", "hosts", default=[])))
    return ()


def _plain_row(row: Row) -> dict[str, Any]:
    shares = normalised({index: d.weight for index, d in enumerate(row.destinations)})
    return {
        "object": f"{row.route.namespace}/{row.route.name}",
        "rule": str(row.rule.get("name") or row.index),
        "match": plain(row.match),
        "destinations": [
            {
                "host": UNKNOWN_SERVICE if d.refused or d.port is None else d.host,
                "port": d.port,
                "weight": d.weight,
                "share": shares.get(index, Fraction(0)),
                "status": 500 if d.refused or d.port is None else None,
            }
            for index, d in enumerate(row.destinations)
        ],
        "status": row.status,
    }


def destination_rule_for(
    docs: Sequence[Mapping[str, Any]],
    host: str,
    proxy_namespace: str,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any] | None:
    """The DestinationRule that counts for `host` at a proxy in `proxy_namespace`; None where none does.

    A host `name.namespace.svc…` belongs to that namespace, another to the proxy's. `labels` are a sidecar's, for
    rules with a workloadSelector. Gives `objects` (`namespace/name`, those merged), `subsets` (name to labels and
    traffic policy) and `trafficPolicy`.
    """
    parts = host.split(".")
    namespace = parts[1] if len(parts) > 2 and parts[2] == "svc" else proxy_namespace
    rules = [m for m in map(manifest_of, docs) if m.kind == "DestinationRule"]
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
