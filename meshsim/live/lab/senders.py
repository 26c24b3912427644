"""How a proxy of the lab reaches what its tables name: plainly, by mTLS, by HBONE, or by HBONE inside HBONE.

A host of such a cluster is an internal listener that does the tunnelling, and its metadata says where to dial, as in
Istio's waypoints (istio pilot/pkg/networking/core/cluster_waypoint.go, `connect_originate`).
"""

from typing import Final, final

from meshsim.live.lab.plan import UNNAMED, AppPort, AtEastwest, AtWaypoint, Inbound, MutualTls, Plan
from meshsim.live.lab.resources import (
    ORIGINAL_DST,
    Config,
    Identity,
    address,
    by_metadata,
    http2,
    inside,
    listener,
    original_destination,
    static,
    tcp_proxy,
    upstream_tls,
)
from meshsim.model.frozen import record
from meshsim.tables.views import ClusterView
from meshsim.tables.workload import Locality

ANY_IN_DOMAIN: Final = "spiffe://"


@final
@record
class Sender:
    """A proxy in its role as a client of other proxies."""

    plan: Plan
    process: str
    view: ClusterView
    identity: Identity

    def plainly(self, uid: str, port: int) -> Config:
        """A pod's application, in plain text."""
        self.plan.ask(AppPort(self.plan.pod(uid)[0], port))
        return {"address": address(self.plan.ip(uid, "app"), self.plan.addresses.port(port))}

    def nowhere(self, port: int) -> Config:
        """An address at which nothing listens."""
        return {"address": address(self.plan.addresses.ip("nothing"), self.plan.addresses.port(port))}

    def by_sidecar(self, uid: str, port: int) -> Config:
        """A pod's application behind its own sidecar."""
        own = self.plan.pod(uid)[0]
        self.plan.ask(MutualTls(own, port))
        dialled = f"{self.plan.ip(uid, 'sidecar')}:{self.plan.addresses.port(port)}"
        return self._through(self._originator(uid, "mtls"), dialled)

    def by_hbone(self, uid: str, port: int, extra: str = "") -> Config:
        """A pod's ztunnel, asked for the pod's own address."""
        own = self.plan.pod(uid)[0]
        authority = f"{self.plan.ip(uid)}:{self.plan.addresses.port(port)}"
        self.plan.ask(Inbound(own, authority, port))
        return self._through(self._originator(uid, "hbone"), authority, extra)

    def by_waypoint(
        self,
        uid: str,
        authority: str,
        *,
        chain: str = "",
        workload: str = "",
        port: int = 0,
        locality: Locality,
        extra: str = "",
    ) -> Config:
        """A waypoint's pod, asked for a service's address (or for a pod's, whose uid is `workload`)."""
        own, row = self.plan.pod(uid)
        ident = row.proxy if row is not None else ""
        self.plan.ask(AtWaypoint(own, ident, locality, authority, chain, workload, port))
        dialled = f"{self.plan.ip(uid)}:{self.plan.hbone}"
        return self._through(self._asking(uid, authority), dialled, extra)

    def by_gateway(self, cluster: str, authority: str, source: str, name: str, extra: str = "") -> Config:
        """Another network's east-west gateway, asked for a service there; the tunnel inside is for whom it chooses.

        `source` goes into the outer CONNECT as `x-istio-source`. The inner connection is not pooled
        (ztunnel src/proxy/outbound.rs; istio pilot/pkg/networking/core/cluster_waypoint.go).
        """
        self.plan.gateway_names.setdefault(cluster, name)
        self.plan.ask(AtEastwest(cluster, authority))
        key = f"{cluster}|{authority}|{source}|{self.identity.name}"
        inner, outer = f"inner|{key}", f"outer|{key}"
        made = self.plan.process(self.process)
        gateway = address(self.plan.addresses.ip("eastwest", cluster), self.plan.hbone)
        made.clusters[outer] = static(outer, gateway, **http2(), **upstream_tls(self.identity, [name]))
        tunnel = tcp_proxy(outer, {outer: 1}, self._logs("outer"), authority, source)
        made.listeners[outer] = listener(outer, None, [tunnel])
        anybody = upstream_tls(self.identity, [ANY_IN_DOMAIN], prefix=True)
        made.clusters[inner] = static(inner, inside(outer), **http2(1), **anybody)
        made.listeners[inner] = listener(inner, None, [tcp_proxy(inner, {inner: 1}, self._logs("inner"), authority)])
        return {"address": inside(inner, extra or "0")}

    def _through(self, originator: str, dialled: str, extra: str = "") -> Config:
        metadata = {"filter_metadata": {ORIGINAL_DST: {"local": dialled}}}
        return {"address": inside(originator, f"{dialled}/{extra}"), "metadata": metadata}

    def _originator(self, uid: str, way: str) -> str:
        """The internal listener that dials a pod: by HBONE for its own address, or by mTLS."""
        name = f"{way}|{self.identity.name}"
        cluster = self._dialler(uid, way)
        hostname = "%DOWNSTREAM_LOCAL_ADDRESS%" if way == "hbone" else ""
        tunnel = tcp_proxy(name, {cluster: 1}, self._logs(way), hostname)
        self.plan.process(self.process).listeners[name] = by_metadata(listener(name, None, [tunnel]))
        return name

    def _asking(self, uid: str, authority: str) -> str:
        """The internal listener that dials a waypoint's pod and asks for a service."""
        name = f"ask|{authority}|{self.identity.name}"
        tunnel = tcp_proxy(name, {self._dialler(uid, "hbone"): 1}, self._logs("ask"), authority)
        self.plan.process(self.process).listeners[name] = by_metadata(listener(name, None, [tunnel]))
        return name

    def _dialler(self, uid: str, way: str) -> str:
        """The cluster that dials pods, with the names that this proxy's own tables give them."""
        name = f"dial|{way}|{self.identity.name}"
        names = self.plan.peers.setdefault((self.process, name, self.identity.name), set())
        row = self.view.ztunnel.workloads.get(uid)
        names.add(row.identity if row is not None else self.plan.pod_identity(uid).name or UNNAMED)
        tls = upstream_tls(self.identity, sorted(names), alpn="h2" if way == "hbone" else "")
        port, protocol = (self.plan.hbone, http2()) if way == "hbone" else (None, {})
        self.plan.process(self.process).clusters[name] = original_destination(name, port, **protocol, **tls)
        return name

    def _logs(self, where: str) -> list[Config]:
        return self.plan.logs(self.process, where)
