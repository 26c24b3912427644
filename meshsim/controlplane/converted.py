"""Gateway API routes as the VirtualServices that istiod makes of them, on plain documents: the seam of `meshsim.api`
(istio pilot/pkg/config/kube/gateway/route_collections.go)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final, final

from meshsim.controlplane import asvirtualservice, gateways, httproutes
from meshsim.controlplane.delegates import MESH
from meshsim.controlplane.destinationrules import host_matches, specificity
from meshsim.controlplane.httproutes import Attached, Row
from meshsim.controlplane.routerefusal import extended
from meshsim.manifests.given import Documents, given_manifests
from meshsim.manifests.manifest import Manifest
from meshsim.model.names import fqdn
from meshsim.model.shares import normalised
from meshsim.tables.envoy import plain

UNKNOWN_SERVICE: Final = "UnknownService"
_KINDS: Final = {"HTTPRoute": "http", "GRPCRoute": "http", "TCPRoute": "tcp", "TLSRoute": "tls"}


def convert_httproute(docs: Documents) -> list[dict[str, Any]]:
    """What istiod makes of HTTPRoutes (GRPCRoutes, TCPRoutes, TLSRoutes): the VirtualServices that it goes on with.

    `docs` are documents as in YAML, or YAML texts; they may also hold ServiceEntries (whose hosts a parentRef of that
    kind means), Gateways and Namespaces (whose listeners and labels say what attaches), ReferenceGrants and Services.

    One row for each parent, host and port, in the order of `docs`:

    * `hosts`, `namespace` (the routes'), `gateways` (`mesh`, or `namespace/name` of a Gateway), `listener` (its name,
      where the Gateway is among `docs`) and `port` of the parentRef (None: all).
    * `routes`, most specific match first: `object`, `rule` (its name or index), `match`, `destinations` (`host`,
      `port`, `weight` as written, `share` as a Fraction, and `status` 500 where its share is answered with that: a
      backend of a kind that is refused, without a ReferenceGrant, or missing) and `status`, 500 where no backend of
      positive weight is left.
    * `http`, `tcp` or `tls`: the same as a VirtualService has it.

    A Service is missing where `docs` hold that of some backend and not this one; without any, nothing is looked up. A
    route that istiod refuses as a whole gives no row, nor does a parent that is missing.

    >>> route = '''
    ... kind: HTTPRoute
    ... metadata: {name: orders, namespace: shop}
    ... spec:
    ...   parentRefs: [{group: "", kind: Service, name: orders, port: 80}]
    ...   rules: [{backendRefs: [{name: stable, port: 80, weight: 3}, {name: canary, port: 80}]}]
    ... '''
    >>> (row,) = convert_httproute(route)
    >>> row["hosts"], row["port"], [str(d["share"]) for d in row["routes"][0]["destinations"]]
    (['orders.shop.svc.cluster.local'], 80, ['3/4', '1/4'])
    >>> row["http"][0]["route"][1]
    {'destination': {'host': 'canary.shop.svc.cluster.local', 'port': {'number': 80}}, 'weight': 1}
    """
    around = _Around(given_manifests(docs))
    found: dict[tuple[object, ...], _Parent] = {}
    for route in around.of(*_KINDS):
        if extended(route) and route.kind in httproutes.KINDS:
            continue
        for index, reference in enumerate(route.get("spec", "parentRefs", default=[])):
            for parent in _parents(around, route, reference):
                known = found.setdefault(_key(route, parent), parent)
                port = reference.get("port")
                known.attached.append(
                    Attached(
                        route=route,
                        parent=index,
                        port=int(port) if port is not None else None,
                        gateway=parent.gateway != MESH,
                    )
                )
    rows = [_row(around, parent) for parent in found.values()]
    return [row for row in rows if row["routes"]]


@final
@dataclass(slots=True)
class _Parent:
    """A parent's host: `gateway` is `mesh` or a Gateway, `section` which of `http`, `tcp`, `tls` its routes go to."""

    gateway: str
    listener: str | None
    host: str
    port: int | None
    section: str
    attached: list[Attached] = field(default_factory=list)


@final
class _Around:
    """The documents that routes are looked at beside."""

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        self._manifests = manifests
        self.services = {(m.namespace, m.name) for m in manifests if m.kind == "Service"}
        self.hostnames = {str(h) for m in self.of("ServiceEntry") for h in m.get("spec", "hosts", default=[])}
        self.namespaces = {m.name: m.labels for m in self.of("Namespace")}
        named = {
            (str(backend.get("namespace") or route.namespace), str(backend.get("name")))
            for route in self.of(*_KINDS)
            for rule in route.get("spec", "rules", default=[])
            for backend in rule.get("backendRefs") or ()
        }
        self.complete = bool(self.services & named)
        """Whether the Services of backends are among the documents, so that one that is not does not exist."""

    def of(self, *kinds: str) -> list[Manifest]:
        return [m for m in self._manifests if m.kind in kinds]

    def missing(self, host: str) -> bool:
        name, _, rest = host.partition(".")
        namespace, dot, _ = rest.partition(".svc.")
        if not self.complete or not dot:
            return False
        return (namespace, name) not in self.services and host not in self.hostnames


def _parents(around: _Around, route: Manifest, reference: Mapping[str, Any]) -> Iterator[_Parent]:
    place, name = str(reference.get("namespace") or route.namespace), str(reference.get("name"))
    port = reference.get("port")
    section = _KINDS[route.kind]
    if httproutes.names_service(reference):
        if around.missing(fqdn(name, place)):
            return
        yield _Parent(MESH, None, fqdn(name, place), int(port) if port is not None else None, section)
    elif (reference.get("kind"), reference.get("group")) == ("ServiceEntry", "networking.istio.io"):
        for entry in around.of("ServiceEntry"):
            if (entry.namespace, entry.name) == (place, name):
                for host in entry.get("spec", "hosts", default=[]):
                    yield _Parent(MESH, None, str(host), int(port) if port is not None else None, section)
    elif httproutes.names_gateway(reference):
        given = [g for g in around.of("Gateway") if (g.namespace, g.name) == (place, name)]
        hostnames = ["*"] if route.kind == "TCPRoute" else gateways.hostnames(route)
        if not given:
            for host in hostnames:
                yield _Parent(f"{place}/{name}", None, host, None, section)
        for gateway in given:
            yield from _listeners(around, route, reference, gateway, hostnames)


def _listeners(
    around: _Around, route: Manifest, reference: Mapping[str, Any], gateway: Manifest, hostnames: Sequence[str]
) -> Iterator[_Parent]:
    """The listeners of a Gateway that a route attaches to. A hostname that a more exact listener of the same port takes
    is not this one's (conversion.go hostnameAllowedByIsolation)."""
    listeners = gateway.get("spec", "listeners", default=[])
    for listener in listeners:
        if not httproutes.attaches(reference, listener) or not gateways.takes_kind(listener, route.kind):
            continue
        labels = around.namespaces.get(route.namespace, {})
        if not gateways.takes_namespace(gateway, listener, route.namespace, labels):
            continue
        own = str(listener.get("hostname") or "*")
        rivals = [
            str(other.get("hostname") or "*")
            for other in listeners
            if other is not listener
            and (other.get("port"), other.get("protocol")) == (listener.get("port"), listener.get("protocol"))
        ]
        if not any(host_matches(own, h) or host_matches(h, own) for h in hostnames):
            continue
        for host in hostnames:
            if own != "*" and own.startswith("*") and not (host_matches(own, host) or host_matches(host, own)):
                continue
            taken = any(specificity(r) > specificity(own) and host_matches(r, host) for r in rivals if r != own)
            if not taken:
                name = f"{gateway.namespace}/{gateway.name}"
                yield _Parent(name, str(listener.get("name")), host, None, _KINDS[route.kind])


def _key(route: Manifest, parent: _Parent) -> tuple[object, ...]:
    """What routes of several objects are merged by: a gateway's listener and host, or namespace, port and host; routes
    of connections are never merged."""
    own = route.key if parent.section != "http" else None
    if parent.gateway == MESH:
        return route.namespace, parent.port, parent.host, own
    return parent.gateway, parent.listener, parent.host, own


def _row(around: _Around, parent: _Parent) -> dict[str, Any]:
    oldest = min(parent.attached, key=lambda a: (httproutes.age(a.route), a.route.namespace, a.route.name))
    rows = _found(around, parent, httproutes.rows(parent.attached, grants=around.of("ReferenceGrant")))
    return {
        "hosts": [parent.host],
        "namespace": oldest.route.namespace,
        "gateways": [parent.gateway],
        "listener": parent.listener,
        "port": parent.port,
        "routes": [_plain_row(row) for row in rows],
        parent.section: [
            asvirtualservice.written(row, parent.section, parent.port, parent.host, around.missing) for row in rows
        ],
    }


def _found(around: _Around, parent: _Parent, rows: Sequence[Row]) -> list[Row]:
    """Rows in the order that istiod has them, each destination with what is known to be missing."""
    if parent.section != "http":
        rows = sorted(rows, key=lambda row: row.index)
    return [
        replace(
            row,
            destinations=tuple(replace(d, missing=not d.refused and around.missing(d.host)) for d in row.destinations),
        )
        for row in rows
    ]


def _plain_row(row: Row) -> dict[str, Any]:
    shares = normalised({index: d.weight for index, d in enumerate(row.destinations)})
    return {
        "object": f"{row.route.namespace}/{row.route.name}",
        "rule": str(row.rule.get("name") or row.index),
        "match": plain(row.match),
        "destinations": [
            {
                "host": UNKNOWN_SERVICE if d.refused else d.host,
                "port": d.port,
                "weight": d.weight,
                "share": shares.get(index, Fraction(0)),
                "status": 500 if d.refused or d.missing else None,
            }
            for index, d in enumerate(row.destinations)
        ],
        "status": row.status,
    }
