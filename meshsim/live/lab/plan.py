"""What the lab has to run: proxies and pods that are asked for one by one, collected until nothing new is asked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final, final

from meshsim.live.lab.addresses import Addresses
from meshsim.live.lab.certificates import Authorities
from meshsim.live.lab.resources import (
    Config,
    Identity,
    Resources,
    address,
    by_eds,
    connection_manager,
    listener,
    log,
    virtual_host,
)
from meshsim.model.frozen import record
from meshsim.tables.views import ClusterView, PodRow, Views
from meshsim.tables.workload import HBONE_PORT, Locality

UNNAMED: Final = "spiffe://cluster.local/ns/unknown/sa/default"
ACCESS_LOG: Final = "access.jsonl"


@final
@record
class AppPort:
    """A pod's application on a port."""

    uid: str
    port: int


@final
@record
class Inbound:
    """A pod's HBONE port, asked by CONNECT for `authority`, which stands for a port of the pod."""

    uid: str
    authority: str
    port: int


@final
@record
class MutualTls:
    """A pod's port behind its own sidecar."""

    uid: str
    port: int


@final
@record
class AtWaypoint:
    """A waypoint's pod, asked by CONNECT for `authority`, which stands for its chain `address` (`host:port`), or for
    `port` of the pod `workload` where the waypoint stands before a pod."""

    uid: str
    ident: str
    locality: Locality
    authority: str
    address: str = ""
    workload: str = ""
    port: int = 0


@final
@record
class AtEastwest:
    """A cluster's east-west gateway, asked by CONNECT for `authority` (`host:port`)."""

    cluster: str
    authority: str


Demand = AppPort | Inbound | MutualTls | AtWaypoint | AtEastwest


@final
@dataclass(slots=True)
class _Terminator:
    """A listener that takes CONNECT requests in: its identity, and its routes by the authority asked for."""

    ip: str
    port: int
    identity: Identity
    domains: dict[str, list[Config]] = field(default_factory=dict)


@final
class Plan:
    """The processes of a lab and their resources, growing while tables are compiled."""

    def __init__(
        self, views: Views, addresses: Addresses, authorities: Authorities, directory: Path, *, pooled: bool = False
    ) -> None:
        self.views = views
        self.addresses = addresses
        self.authorities = authorities
        self.directory = directory
        self.pooled = pooled
        """Keep upstream connections through a remote network's gateway, as a real waypoint does."""
        self.processes: dict[str, Resources] = {}
        self.pods: dict[str, str] = {}
        """Paths of the pods that answer, by the name under which their counters are kept."""
        self.uneven = False
        """Whether some cluster has hosts of different weight: then concurrent requests would bend its shares."""
        self._asked: dict[Demand, None] = {}
        self._open: list[Demand] = []
        self._terminators: dict[tuple[str, str], _Terminator] = {}
        self.peers: dict[tuple[str, str, str], set[str]] = {}
        """Whom each sender expects at the other end: (process, cluster, its identity) → SPIFFE names."""
        self.gateway_names: dict[str, str] = {}
        """The SPIFFE name under which senders know a cluster's east-west gateway."""

    @property
    def hbone(self) -> int:
        """The lab's HBONE port."""
        return self.addresses.port(HBONE_PORT)

    def ask(self, demand: Demand) -> None:
        """Ask for something that a proxy or a client connects to."""
        if demand not in self._asked:
            self._asked[demand] = None
            self._open.append(demand)

    def demands(self) -> Iterator[Demand]:
        """What is asked for and not yet made, until nothing is left."""
        while self._open:
            yield self._open.pop(0)

    def process(self, name: str) -> Resources:
        """The resources of one Envoy process."""
        return self.processes.setdefault(name, Resources())

    def folder(self, process: str) -> Path:
        """Where a process has its files."""
        return self.folder_in(self.directory, process)

    @staticmethod
    def folder_in(directory: Path, process: str) -> Path:
        """Where a process has its files in a lab's directory."""
        return directory / re.sub(r"[^A-Za-z0-9]+", "-", process)

    def file(self, process: str, kind: str, name: str) -> Path:
        """The xDS file of one resource, in a directory of its own: Envoy reads it again when the directory changes."""
        return self.folder(process) / kind / sha256(name.encode()).hexdigest()[:16] / "resource.json"

    def logs(self, process: str, where: str) -> list[Config]:
        """The access log of a process."""
        return log(self.folder(process) / ACCESS_LOG, where)

    def pod(self, uid: str) -> tuple[str, PodRow | None]:
        """A pod's own uid (an entry that stands for it has another) and its row."""
        row = self.views.pod(uid)
        return (row.uid if row is not None else uid), row

    def ip(self, uid: str, of: str = "pod") -> str:
        """A pod's loopback address: where its ztunnel or gateway listens, its application (`of` app) or its sidecar.

        In a mesh these are one address, and captured; here each has its own, so that no port is taken twice.
        """
        return self.addresses.ip(of, self.pod(uid)[0])

    def home(self, uid: str) -> ClusterView:
        """The tables of the cluster in which a pod runs."""
        own, row = self.pod(uid)
        return self.views.cluster(row.cluster if row is not None else own.partition("/")[0])

    def identity(self, view: ClusterView, name: str) -> Identity:
        """A certificate under a cluster's root."""
        chain, key = self.authorities.leaf(view.root, name)
        return Identity(name=name, chain=chain, key=key, bundle=self.authorities.bundle(view.root))

    def pod_identity(self, uid: str) -> Identity:
        """The certificate of a pod, under its own cluster's root."""
        home = self.home(uid)
        row = home.ztunnel.workloads.get(self.pod(uid)[0])
        return self.identity(home, row.identity if row is not None else UNNAMED)

    def terminate(self, process: str, ip: str, identity: Identity, authority: str, routes: list[Config]) -> None:
        """Let a process take CONNECT requests for an authority in at `ip`'s HBONE port."""
        key = (process, ip)
        made = self._terminators.setdefault(key, _Terminator(ip, self.hbone, identity))
        made.domains.setdefault(authority, routes)

    def backend(self, process: str, name: str, assignment: Config, policy: str, **more: object) -> None:
        """A cluster of a process whose hosts come by EDS."""
        file = self.file(process, "eds", name)
        made = self.process(process)
        made.endpoints[name] = {"cluster_name": name, **assignment}
        made.clusters[name] = by_eds(name, file, policy, **more)

    def routes(self, process: str, name: str, hosts: list[Config]) -> str:
        """A route configuration of a process that comes by RDS; returns its file."""
        file = self.file(process, "rds", name)
        self.process(process).routes[name] = {"name": name, "virtual_hosts": hosts, "validate_clusters": False}
        return str(file)

    def close(self) -> None:
        """Make the listeners whose authorities are all known now."""
        for (process, ip), made in self._terminators.items():
            name = f"hbone|{ip}"
            hosts = [virtual_host(domain, routes) for domain, routes in made.domains.items()]
            manager = connection_manager(
                name, self.logs(process, "hbone"), {"name": name, "virtual_hosts": hosts}, connect=True
            )
            where = address(ip, made.port)
            self.process(process).listeners[name] = listener(name, where, [manager], made.identity)
