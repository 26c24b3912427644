"""An Envoy's tables from files: its `config_dump` with endpoints, and its `clusters?format=json`."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Final, final

from meshsim.manifests.dumps.cursor import Cursor
from meshsim.manifests.located import collector_off
from meshsim.manifests.sources import MAX_DUMP, read_bytes
from meshsim.model.errors import InputError
from meshsim.model.evidence import Source
from meshsim.model.frozen import frozen
from meshsim.tables.configdump.clusters import assigned, assignment, cluster, statuses, with_statuses
from meshsim.tables.configdump.listeners import listener
from meshsim.tables.configdump.message import Message
from meshsim.tables.configdump.routes import route_configuration
from meshsim.tables.configdump.rows import Assignment, DumpedCluster, EnvoyTables, Host, Listener, RouteConfiguration
from meshsim.tables.envoy import Cluster
from meshsim.tables.workload import Locality

HOW: Final = (
    "write it with: kubectl exec POD -n NAMESPACE -c istio-proxy -- pilot-agent request GET 'config_dump?include_eds'; "
    "or name both what istioctl proxy-config all POD.NAMESPACE -o json writes and what istioctl proxy-config eds does"
)
"""What gives a file that can be read."""


@final
@frozen
class EnvoyDump:
    """The tables of one Envoy as its dumps have them; `paths` are the files, the main one first."""

    paths: tuple[str, ...]
    digest: str
    tables: EnvoyTables = field(compare=False)

    def __str__(self) -> str:
        return f"{' and '.join(self.paths)} (sha256 {self.digest[:12]})"


def read(paths: Sequence[str]) -> EnvoyDump:
    """The dump in a file, or in several of one Envoy: a `config_dump`, a `clusters`, and the lists that istioctl's
    `proxy-config eds`, `endpoint`, `listener`, `route` and `cluster` print. Raises InputError with the file and what is
    wrong in it."""
    parts = _Parts()
    digest = hashlib.sha256()
    for path in paths:
        content = read_bytes(path, MAX_DUMP)
        digest.update(content)
        with collector_off():
            _Reader(parts, path).read(content)
    if parts.listeners is None and not (parts.assigned or parts.statuses or any(parts.routes)):
        msg = (
            "this config_dump has no listeners, no routes by name and no endpoints: nobody can say what the Envoy does"
        )
        raise InputError(msg, where=Source(paths[0]), hint=HOW)
    if parts.hostless():
        msg = "this config_dump has no endpoints, so nobody can say where requests go"
        raise InputError(msg, where=Source(paths[0]), hint=HOW)
    return EnvoyDump(paths=tuple(paths), digest=digest.hexdigest(), tables=parts.joined())


class _Parts:
    """What was read so far, of one Envoy."""

    def __init__(self) -> None:
        self.listeners: dict[str, Listener] | None = None
        self.routes: dict[str, RouteConfiguration] = {}
        self.clusters: dict[str, DumpedCluster] = {}
        self.assigned: dict[str, Assignment] = {}
        self.statuses: dict[str, tuple[Host, ...]] = {}
        self.node = self.cluster_id = ""
        self.locality: Locality | None = None

    def hostless(self) -> bool:
        """Whether no file has the hosts of clusters that get them from istiod."""
        return not (self.assigned or self.statuses) and any(held.hosts is None for held in self.clusters.values())

    def joined(self) -> EnvoyTables:
        """Clusters with their hosts, wherever these were told."""
        found: dict[str, DumpedCluster] = {}
        for name in {**self.clusters, **dict.fromkeys(self.assigned), **dict.fromkeys(self.statuses)}:
            known = self.clusters.get(name) or DumpedCluster(cluster=_bare(name), hosts=None)
            told = self.assigned.get(name) or self.assigned.get(known.service)
            if told is not None:
                known = assigned(known, told)
            if name in self.statuses:
                known = with_statuses(known, self.statuses[name])
            found[name] = known
        return EnvoyTables(
            listeners=tuple(self.listeners.values()) if self.listeners is not None else None,
            routes=self.routes,
            clusters=found,
            node=self.node,
            cluster_id=self.cluster_id,
            locality=self.locality,
        )


def _bare(name: str) -> Cluster:
    return cluster(Message({"name": name, "type": "EDS"}, f"cluster {name}")).cluster


class _Reader:
    """One file. Which lists a dump may have is in envoy api/envoy/admin/v3/config_dump_shared.proto."""

    def __init__(self, parts: _Parts, path: str) -> None:
        self.parts, self.path = parts, path

    def read(self, content: bytes) -> None:
        at = Cursor(content, self.path, HOW)
        known = False
        if at.opens == "[":
            for line in at.elements():
                known = True
                self._take(at, line, self._listed)
            at.end()
        elif at.opens != "{":
            at.value()
            self._wrong(at)
        else:
            known = self._object(at)
        if not known:
            self._wrong(at)

    def _object(self, at: Cursor) -> bool:
        known = False
        for key in at.members():
            if key == "configs" and at.opens == "[":
                known = True
                for _ in at.elements():
                    self._section(at)
            elif key in {"cluster_statuses", "clusterStatuses"} and at.opens == "[":
                known = True
                for line in at.elements():
                    self._take(at, line, self._status)
            else:
                at.value()
        at.end()
        return known

    def _listed(self, row: Message, line: int) -> None:
        """An item of a list that istioctl prints; which list it is shows in the fields."""
        if row.has("cluster_name"):
            self.endpoint(Message({"endpoint_config": row.whole}, row.name), line)
        elif row.has("host_statuses", "added_via_api"):
            self._status(row, line)
        elif row.has("virtual_hosts"):
            self.route(Message({"route_config": row.whole}, row.name), line)
        elif row.has("filter_chains", "internal_listener", "listener_filters"):
            self.listener(Message({"listener": row.whole}, row.name), line)
        elif row.has("lb_policy", "eds_cluster_config", "load_assignment", "transport_socket", "connect_timeout"):
            self.cluster(Message({"cluster": row.whole}, row.name), line)
        else:
            row.fail("this is no listener, route configuration, cluster or endpoint of an Envoy")

    def _wrong(self, at: Cursor) -> None:
        at.fail(
            "this is no dump of an Envoy: it has neither configs nor cluster_statuses, nor is it a list of istioctl's"
        )

    def _section(self, at: Cursor) -> None:
        if at.opens != "{":
            at.value()
            return
        for key in at.members():
            take = _SECTIONS.get(key) or _SECTIONS.get(_snake(key))
            if take is None or at.opens not in "[{":
                said = at.value()
                if key != "@type":
                    continue
                if ".v2alpha." in str(said):
                    at.fail("this dump is in the words of Envoy's API v2, which Istio has not used since 1.8")
                if str(said).endswith(".ListenersConfigDump"):
                    self.parts.listeners = self.parts.listeners or {}
            elif at.opens == "{":
                self._take(at, at.line, lambda row, line, take=take: take(self, row, line))  # type: ignore[misc]
            else:
                for line in at.elements():
                    self._take(at, line, lambda row, line, take=take: take(self, row, line))  # type: ignore[misc]

    def _take(self, at: Cursor, line: int, take: "Callable[[Message, int], None]") -> None:
        try:
            take(Message(at.value(), "an entry"), line)
        except InputError as error:
            if error.where is not None:
                raise
            raise InputError(error.message, where=Source(self.path, line), hint=HOW) from None

    def bootstrap(self, row: Message, line: int) -> None:
        node = row.row("node")
        self.parts.node = node.text("id")
        self.parts.cluster_id = node.row("metadata").text("CLUSTER_ID")
        if node.has("locality"):
            where = node.row("locality")
            self.parts.locality = Locality(where.text("region"), where.text("zone"), where.text("sub_zone"))

    def listener(self, row: Message, line: int) -> None:
        state = row.row("active_state") if row.has("active_state") else row
        self.parts.listeners = self.parts.listeners if self.parts.listeners is not None else {}
        if state.has("listener"):
            found = listener(_named(state.row("listener"), "listener"), line)
            self.parts.listeners[found.name or f"{found.address}_{found.port}"] = found

    def route(self, row: Message, line: int) -> None:
        if row.has("route_config"):
            found = route_configuration(_named(row.row("route_config"), "route configuration"), line)
            self.parts.routes.setdefault(found.name, found)

    def cluster(self, row: Message, line: int) -> None:
        if row.has("cluster"):
            found = cluster(_named(row.row("cluster"), "cluster"), line)
            self.parts.clusters[found.cluster.name] = found

    def endpoint(self, row: Message, line: int) -> None:
        if row.has("endpoint_config"):
            config = row.row("endpoint_config")
            config.name = f"endpoints of {config.text('cluster_name')}"
            self.parts.assigned.setdefault(config.text("cluster_name"), assignment(config, line))

    def _status(self, row: Message, line: int) -> None:
        named = _named(row, "cluster")
        self.parts.statuses[named.text("name")] = statuses(named)


def _named(row: Message, noun: str) -> Message:
    row.name = f"{noun} {row.text('name')}"
    return row


def _snake(key: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in key)


_SECTIONS: Final[dict[str, Callable[[_Reader, Message, int], None]]] = {
    "bootstrap": _Reader.bootstrap,
    "static_listeners": _Reader.listener,
    "dynamic_listeners": _Reader.listener,
    "static_route_configs": _Reader.route,
    "dynamic_route_configs": _Reader.route,
    "static_clusters": _Reader.cluster,
    "dynamic_active_clusters": _Reader.cluster,
    "static_endpoint_configs": _Reader.endpoint,
    "dynamic_endpoint_configs": _Reader.endpoint,
}
"""Warming and draining resources take no traffic."""
