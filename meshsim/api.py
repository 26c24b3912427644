"""Pure functions on plain values: the seam under `meshsim.load`, for tests and for people who build on the model.

Everything takes dicts and lists as YAML and JSON have them. `meshsim.rollouts.formulas` is loaded when first asked for.

Tables and ztunnel
    `ztunnel_tables(mapping)` reads ztunnel's local configuration or config dump; `plain(tables)` writes it.
    `ztunnel_next_hops(tables, source_uid, "ip:port")` is the decision of the client's ztunnel.
    `load_balance(tables, source_uid, service, port)` is its choice between a service's endpoints.
istiod
    `bind(obj, namespace, gateways, kind)`: the waypoint of an object. `convert_httproute(docs)`: HTTPRoutes as istiod
    has them. `destination_rule_for(docs, host, proxy_namespace)`: the rule that counts for a host at a proxy.
Envoy
    `priority_load([(healthy, total), …], panic=0)` and `priorities(endpoints, setting, proxy_locality)`.
Argo Rollouts
    `meshsim.rollouts.formulas`, which says what `rollout`, `status` and `sets` may look like.
    Pods: `desired_counts(rollout, status, sets)`, `at_desired(…)`, `threshold_met`, `replicas_at_weight`,
    `approximate_counts`, `canary_target`, `desired_canary_weight`, `fenceposts`.
    Traffic: `weight_at(rollout, status, sets)`, `services_at(…)`, `current_set_weight`, `abort_weight`, `stable_ready`.
    Writers: `write_httproute(docs, rollout, weight)`, `write_virtualservice(docs, rollout, weight)`,
    `write_destinationrule(docs, rollout, canary_hash, stable_hash)`: `docs` with the writes in them, or RolloutError.
    Hashes: `template_hash(template, flavour, collision_count, source)`, `step_hash(rollout)`.
    The rest: `phase(rollout, status)`, `pause_seconds(pause)`, and `sync(rollout, docs)`, one whole reconcile.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib import import_module
from ipaddress import ip_address
from typing import Any

from meshsim.controlplane.locality import priorities
from meshsim.controlplane.plainly import bind, convert_httproute, destination_rule_for
from meshsim.dataplane import balance, priority, ztunnel
from meshsim.dataplane.balance import Candidate
from meshsim.dataplane.ztunnel import NextHop, Refusal
from meshsim.model.errors import InputError
from meshsim.tables import load
from meshsim.tables.local import plain
from meshsim.tables.service import Service
from meshsim.tables.workload import NamespacedHostname
from meshsim.tables.ztunnel import ZtunnelTables

__all__ = [
    "Candidate",
    "NextHop",
    "Refusal",
    "bind",
    "convert_httproute",
    "destination_rule_for",
    "load_balance",
    "plain",
    "priorities",
    "priority_load",
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
    if name in _ROLLOUTS:
        return getattr(import_module("meshsim.rollouts.formulas"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROLLOUTS})


def ztunnel_tables(mapping: Mapping[str, Any], network: str | None = None) -> ZtunnelTables:
    """Tables from ztunnel's local configuration (workloads, services) or its config dump.

    `network` is the network the ztunnels believe they are on; by default the mapping's own, else "".
    Raises `meshsim.model.errors.InputError` for values that make no sense.
    """
    return load.ztunnel_tables(mapping, network=network)


def ztunnel_next_hops(
    tables: ZtunnelTables, source_uid: str, destination: str
) -> list[tuple[Fraction, NextHop | Refusal]] | Refusal:
    """Where the ztunnel of workload `source_uid` connects to for `destination` (`ip:port`, `[ip6]:port`).

    A list of (share, NextHop) whose shares sum to 1; where ztunnel refuses every connection, the Refusal alone; where
    it refuses some (one of two weighted waypoints is gone), their share stands in the list with a Refusal.
    Tables that do not say their network, and know nothing at the address without one, take the source's.
    """
    source = tables.workloads.get(source_uid)
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


def load_balance(
    tables: ZtunnelTables,
    source_uid: str,
    service: str | NamespacedHostname | Service,
    port: int,
    mode: str = "Standard",
) -> list[tuple[Fraction, Candidate]] | Refusal:
    """The endpoints (`.uid`, `.workload`, `.port`) that a connection to `port` of `service` is spread over.

    `service` is `namespace/hostname` (or a host name that only one namespace has). Shares sum to 1; the list is empty
    where no endpoint may be chosen. `mode` is `Standard`, or `Waypoint` for a lookup of a waypoint's service. An
    unknown source is a Refusal; an unknown service an InputError.
    """
    source = tables.workloads.get(source_uid)
    if source is None:
        return ztunnel.unknown_source(source_uid)
    return list(balance.load_balance(tables, source, _service(tables, service), port, balance.Resolution(mode)).shares)


def priority_load(levels: Sequence[tuple[int, int]], panic: int = 0, overprovision: int = 140) -> list[int]:
    """Envoy's load of each priority, in whole percents, from its (healthy, total) hosts; all 0 where it answers 503.

    >>> priority_load([(5, 10), (10, 10)])
    [70, 30]
    """
    return list(priority.priority_load(levels, panic, overprovision).percents)


def _destination(destination: str) -> tuple[str, int]:
    host, _, port = destination.rpartition(":")
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]"))), int(port)
    except ValueError:
        msg = f"{destination!r} is no ip:port such as 10.0.0.1:80 or [fd00::1]:80"
        raise InputError(msg) from None


def _service(tables: ZtunnelTables, service: str | NamespacedHostname | Service) -> Service:
    if isinstance(service, Service):
        return service
    found = [s for s in tables.services.values() if str(service) in {str(s.key), s.hostname}]
    if len(found) != 1:
        msg = f"{service} names {'no service' if not found else 'several services'}; write namespace/hostname"
        raise InputError(msg)
    return found[0]
