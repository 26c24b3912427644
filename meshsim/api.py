"""Pure functions on plain values: the seam under `meshsim.load`, for tests and for people who build on the model.

Everything takes dicts and lists as YAML and JSON have them. `meshsim.rollouts.formulas` is loaded when first asked for.

Tables and ztunnel
    `ztunnel_tables(mapping)` reads ztunnel's local configuration or config dump; `plain(tables)` writes it.
    `ztunnel_next_hops(tables, source_uid, "ip:port")` is the decision of the client's ztunnel.
    `load_balance(tables, source_uid, service, port)` is its choice between a service's endpoints.
    `ztunnel_inbound(tables, local_uid, authority)` is where the ztunnel of a destination delivers a tunnel.
istiod
    `bind(obj, namespace, gateways, kind)`: the waypoint of an object. `convert_httproute(docs)`: Gateway API routes as
    istiod has them. `destination_rule_for(docs, host, proxy_namespace)`: the rule that counts for a host at a proxy.
    `docs` are mappings, YAML texts, `List`s, or many of these.
Envoy
    `priority_load([(healthy, total), …], panic=0)`; `priorities(endpoints, setting, proxy_locality)` and
    `locality_weights(…)`, what istiod tells it under failover and distribute.
Argo Rollouts
    `meshsim.rollouts.formulas`; `meshsim.rollouts.given` says what `rollout`, `status` and `sets` may look like.
    Pods: `desired_counts(rollout, status, sets)`, `at_desired(…)`, `threshold_met`, `replicas_at_weight`,
    `approximate_counts`, `canary_target`, `desired_canary_weight`, `fenceposts`.
    Traffic: `weight_at(rollout, status, sets)`, `services_at(…)`, `current_set_weight`, `abort_weight`, `stable_ready`.
    Writers: `write_httproute(docs, rollout, weight)`, `write_virtualservice(docs, rollout, weight)`,
    `write_destinationrule(docs, rollout, canary_hash, stable_hash)`: `docs` with the writes in them, or RolloutError.
    Hashes: `template_hash(template, flavour, collision_count, source)`, `step_hash(rollout)`.
    The rest: `phase(rollout, status)`, `pause_seconds(pause)`, and `sync(rollout, docs)`, one whole reconcile.
Traffic
    `outlier_ejections(errors, rate)`: when Envoy takes failing hosts out, drawn from the exact law of its streaks.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache, wraps
from importlib import import_module
from ipaddress import ip_address
from typing import Any

from meshsim.controlplane.converted import convert_httproute
from meshsim.controlplane.locality import locality_weights, priorities
from meshsim.controlplane.plainbinding import bind
from meshsim.controlplane.plainrules import destination_rule_for
from meshsim.dataplane import balance, inbound, priority, ztunnel
from meshsim.dataplane.balance import Candidate
from meshsim.dataplane.ztunnel import NextHop, Refusal
from meshsim.manifests.given import plain_documents
from meshsim.model.errors import InputError, MalformedError
from meshsim.tables import load
from meshsim.tables.addresses import MAX_PORT, read_hostname
from meshsim.tables.local import plain
from meshsim.tables.plainrow import member_of
from meshsim.tables.service import Service
from meshsim.tables.workload import NamespacedHostname, Workload
from meshsim.tables.ztunnel import ZtunnelTables

__all__ = [
    "Candidate",
    "NextHop",
    "Refusal",
    "bind",
    "convert_httproute",
    "destination_rule_for",
    "load_balance",
    "locality_weights",
    "plain",
    "priorities",
    "priority_load",
    "ztunnel_inbound",
    "ztunnel_next_hops",
    "ztunnel_tables",
]

_ROLLOUTS = frozenset(
    {
        "abort_weight",
        "approximate_counts",
        "at_desired",
        "canary_target",
        "current_set_weight",
        "desired_canary_weight",
        "desired_counts",
        "fenceposts",
        "pause_seconds",
        "phase",
        "replicas_at_weight",
        "services_at",
        "stable_ready",
        "step_hash",
        "sync",
        "template_hash",
        "threshold_met",
        "weight_at",
        "write_destinationrule",
        "write_httproute",
        "write_virtualservice",
    }
)


def __getattr__(name: str) -> Any:
    if name == "outlier_ejections":
        return import_module("meshsim.simulation.traffic_ejection").outlier_ejections
    if name in _ROLLOUTS:
        return _told(name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


@cache
def _told(name: str) -> Callable[..., Any]:
    """A formula that refuses what it cannot read with a sentence; a call with the wrong arguments stays a TypeError."""
    function: Callable[..., Any] = getattr(import_module("meshsim.rollouts.formulas"), name)

    @wraps(function)
    def told(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except InputError:
            raise
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            inside = error.__traceback__.tb_next if error.__traceback__ is not None else None
            if inside is None:
                raise
            msg = f"{name} cannot read what it was given: {error}"
            raise MalformedError(msg, hint="give the objects as YAML has them") from error

    return told


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROLLOUTS, "outlier_ejections"})


def ztunnel_tables(mapping: Mapping[str, Any] | str | bytes, network: str | None = None) -> ZtunnelTables:
    """Tables from ztunnel's local configuration (workloads, services), its config dump, or the messages of workload
    discovery in protobuf's JSON; as a mapping, or as the YAML or JSON text of one.

    Keys may be in camelCase or snake_case, rows in lists or in maps, addresses texts or bytes (base64, or a list of
    numbers), members of enumerations names or numbers. `network` is the network the ztunnels believe they are on; by
    default the mapping's own, else "". Raises `meshsim.model.errors.InputError` for values that make no sense.

    >>> tables = ztunnel_tables({
    ...     "workloads": [
    ...         {"uid": "client", "workloadIps": ["10.1.0.1"]},
    ...         {"uid": "a", "workload_ips": ["10.2.0.1"], "protocol": "HBONE", "services": {"shop/web": {80: 8080}}},
    ...         {"uid": "b", "addresses": ["CgIAAg=="], "tunnel_protocol": 1,
    ...          "services": {"shop/web": {"ports": [{"service_port": 80, "target_port": 8080}]}}},
    ...     ],
    ...     "services": [{"namespace": "shop", "hostname": "web", "vips": ["/10.0.0.1"], "ports": {80: 8080}}],
    ... })
    >>> sorted(tables.workloads)
    ['a', 'b', 'client']
    """
    if isinstance(mapping, str | bytes):
        found = plain_documents(mapping)
        if len(found) != 1:
            msg = f"the text of the ztunnel tables holds {len(found)} documents instead of one"
            raise InputError(msg)
        mapping = found[0]
    return load.ztunnel_tables(mapping, network=network)


def ztunnel_next_hops(
    tables: ZtunnelTables, source_uid: str, destination: str
) -> list[tuple[Fraction, NextHop | Refusal]] | Refusal:
    """Where the ztunnel of workload `source_uid` connects to for `destination` (`ip:port`, `[ip6]:port`).

    A list of (share, NextHop) whose shares sum to 1; where ztunnel refuses every connection, the Refusal alone; where
    it refuses some (one of two weighted waypoints is gone), their share stands in the list with a Refusal, whose
    `error` is ztunnel's word for it (`NoHealthyUpstream`, `UnknownWaypoint`, …). A source without a uid of its own may
    be named `namespace/name`, or by name or IP where only one workload has it.
    Tables that do not say their network, and know nothing at the address without one, take the source's.

    >>> tables = ztunnel_tables({
    ...     "workloads": [{"uid": "client", "workloadIps": ["10.1.0.1"]},
    ...                   {"uid": "a", "workloadIps": ["10.2.0.1"], "protocol": "HBONE",
    ...                    "services": {"shop/web": {80: 8080}}}],
    ...     "services": [{"namespace": "shop", "hostname": "web", "vips": ["/10.0.0.1"], "ports": {80: 8080, 81: 8081}},
    ...                  {"namespace": "shop", "hostname": "idle", "vips": ["/10.0.0.2"], "ports": {80: 8080}}],
    ... })
    >>> [(str(share), hop.protocol, hop.connect, hop.authority)
    ...  for share, hop in ztunnel_next_hops(tables, "client", "10.0.0.1:80")]
    [('1', 'HBONE', '10.2.0.1:15008', '10.2.0.1:8080')]
    >>> ztunnel_next_hops(tables, "client", "10.0.0.2:80").error
    'NoHealthyUpstream'
    """
    source = _workload(tables, source_uid)
    if source is None:
        return ztunnel.unknown_source(source_uid)
    host, port = _destination(destination)
    if not tables.network and source.network and not balance.by_address(tables, "", host, source):
        services, workloads = tables.services.values(), tables.workloads.values()
        tables = ZtunnelTables(network=source.network, services=services, workloads=workloads)
    hops = ztunnel.next_hops(tables, source, host, port)
    refusals = [hop for _, hop in hops if isinstance(hop, ztunnel.Refusal)]
    if len(refusals) == len(hops) and len({refusal.error for refusal in refusals}) == 1:
        return refusals[0]
    return list(hops)


def ztunnel_inbound(tables: ZtunnelTables, local_uid: str, authority: str) -> int | Refusal:
    """The port of workload `local_uid` to which its ztunnel delivers a tunnel for `authority`.

    `authority` is `ip:port` or, through an east-west gateway, `hostname:port`. A Refusal says the status of ztunnel's
    answer: 400 for an address that is not the workload's, 503 for a service or port that is unknown.

    >>> tables = ztunnel_tables({
    ...     "workloads": [{"uid": "a", "workloadIps": ["10.2.0.1"], "services": {"shop/web": {80: 8080}}}],
    ...     "services": [{"namespace": "shop", "hostname": "web", "vips": ["/10.0.0.1"], "ports": {80: 8080}}],
    ... })
    >>> ztunnel_inbound(tables, "a", "10.2.0.1:9000"), ztunnel_inbound(tables, "a", "web:80")
    (9000, 8080)
    >>> ztunnel_inbound(tables, "a", "10.2.0.9:9000").message
    '400 for 10.2.0.9:9000: IP mismatch'
    """
    local = _workload(tables, local_uid)
    if local is None:
        return ztunnel.unknown_source(local_uid)
    host, _, port = str(authority).rpartition(":")
    if not host or not _is_port(port):
        msg = f"{authority!r} is no authority such as 10.0.0.1:80, [fd00::1]:80 or web.shop.svc.cluster.local:80"
        raise InputError(msg)
    return inbound.inbound(tables, local, authority)


def load_balance(
    tables: ZtunnelTables,
    source_uid: str,
    service: str | NamespacedHostname | Service | Mapping[str, Any],
    port: int | str,
    mode: str = "Standard",
) -> list[tuple[Fraction, Candidate]] | Refusal:
    """The endpoints (`.uid`, `.workload`, `.port`) that a connection to `port` of `service` is spread over.

    `service` is `namespace/hostname`, `{namespace, hostname}`, or a host name that only one namespace has; where no
    host name fits, `namespace/name`. Shares sum to 1; the list is empty where no endpoint may be chosen. `mode` is
    `Standard`, or `Waypoint` for a lookup of a waypoint's service. An unknown source is a Refusal; an unknown service
    an InputError.

    >>> tables = ztunnel_tables({
    ...     "workloads": [{"uid": "client", "workloadIps": ["10.1.0.1"]},
    ...                   {"uid": "a", "workloadIps": ["10.2.0.1"], "services": {"shop/web": {80: 8080}}},
    ...                   {"uid": "b", "workloadIps": ["10.2.0.2"], "services": {"shop/web": {80: 8080}},
    ...                    "capacity": 3}],
    ...     "services": [{"namespace": "shop", "hostname": "web", "ports": {80: 8080}}],
    ... })
    >>> [(str(share), candidate.uid) for share, candidate in load_balance(tables, "client", "shop/web", 80)]
    [('1/4', 'a'), ('3/4', 'b')]
    >>> load_balance(tables, "client", "shop/web", 81)
    []
    """
    source = _workload(tables, source_uid)
    if source is None:
        return ztunnel.unknown_source(source_uid)
    if not _is_port(port):
        msg = f"port {port!r} is not a whole number from 0 to {MAX_PORT}"
        raise InputError(msg)
    how = member_of(mode, balance.Resolution, "mode")
    return list(balance.load_balance(tables, source, _service(tables, service), int(port), how).shares)


def priority_load(levels: Sequence[tuple[int, int]], panic: int = 0, overprovision: int = 140) -> list[int]:
    """Envoy's load of each priority, in whole percents, from its (healthy, total) hosts.

    `panic` is the threshold in percent (Envoy's own default is 50, Istio's clusters mostly have 0). Where nothing can
    be picked Envoy books everything on the first priority, and answers 503.

    >>> priority_load([(5, 10), (10, 10)])
    [70, 30]
    >>> priority_load([(0, 10), (0, 10)], panic=50)
    [50, 50]
    >>> priority_load([(0, 10), (0, 10)])
    [100, 0]
    """
    if not isinstance(levels, list | tuple):
        msg = f"{levels!r} is no list of (healthy, total), one for each priority"
        raise InputError(msg)
    for level in levels:
        pair = isinstance(level, list | tuple) and len(level) == 2 and all(type(count) is int for count in level)
        if not pair or not 0 <= level[0] <= level[1]:
            msg = f"{level!r} is no (healthy, total) of a priority's hosts such as (5, 10)"
            raise InputError(msg)
    for name, percent in (("panic", panic), ("overprovision", overprovision)):
        if type(percent) is not int or percent < 0:
            msg = f"{name} {percent!r} is not a whole number of percent"
            raise InputError(msg)
    return list(priority.priority_load(levels, panic, overprovision).percents)


def _is_port(port: int | str) -> bool:
    text = str(port)
    return text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PORT)) and int(text) <= MAX_PORT


def _destination(destination: str) -> tuple[str, int]:
    """An address and a port; an IPv4 address in IPv6's clothes is IPv4 (ztunnel src/socket.rs `to_canonical`)."""
    host, _, port = str(destination).rpartition(":")
    try:
        address = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        address = None
    if address is None or not _is_port(port):
        msg = f"{destination!r} is no ip:port such as 10.0.0.1:80 or [fd00::1]:80"
        raise InputError(msg)
    return str(getattr(address, "ipv4_mapped", None) or address), int(port)


def _workload(tables: ZtunnelTables, uid: str) -> Workload | None:
    """A workload by its uid; else the only one that has this `namespace/name`, name or IP."""
    if uid in tables.workloads:
        return tables.workloads[uid]
    named = [w for w in tables.workloads.values() if uid in {f"{w.namespace}/{w.name}", w.name, *w.ips}]
    return named[0] if uid and len(named) == 1 else None


def _service(tables: ZtunnelTables, service: str | NamespacedHostname | Service | Mapping[str, Any]) -> Service:
    if isinstance(service, Service):
        return service
    said = str(read_hostname(service, "service") if isinstance(service, Mapping) else service)
    services = tables.services.values()
    found = [s for s in services if said in {str(s.key), s.hostname}]
    found = found or [s for s in services if said == f"{s.namespace}/{s.name}"]
    if len(found) != 1:
        msg = f"{said} names {'no service' if not found else 'several services'}; write namespace/hostname"
        raise InputError(msg)
    return found[0]
