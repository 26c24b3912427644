"""The hosts of an Envoy cluster: a service's members as one proxy sees them (istio pilot/pkg/xds/endpoints)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import lcm
from typing import Any, Final

from meshsim.controlplane import links
from meshsim.controlplane.destinationrules import EffectiveRule, policy_of
from meshsim.controlplane.distribution import SCOPES
from meshsim.controlplane.hosts import Host, Place, hosts_of, proxy_labels, row_of
from meshsim.controlplane.known import KnownService, Member, Port, target_port
from meshsim.controlplane.locality import LABEL_OF_SCOPE, distribute, priorities
from meshsim.controlplane.meshconfig import locality_setting, mesh_config
from meshsim.controlplane.outliers import outlier_of
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import HASH_LABEL
from meshsim.model.facts import Fact, Facts
from meshsim.model.names import subject
from meshsim.model.shares import spared
from meshsim.tables.envoy import Cluster as EnvoyCluster
from meshsim.tables.envoy import Endpoint, Via
from meshsim.tables.workload import Locality

LB: Final = {
    "LEAST_CONN": "LEAST_REQUEST",
    "LEAST_REQUEST": "LEAST_REQUEST",
    "RANDOM": "RANDOM",
    "ROUND_ROBIN": "ROUND_ROBIN",
}
ZONE_AWARE: Final = "zoneAwareLbSetting"
SUBSET_LOST: Final = "subset-lost"
VIA: Final = {"ambient": Via.HBONE, "sidecar": Via.MTLS}
AUTO_UNREADY: Final = "PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS"
ALWAYS_UNREADY: Final = "PILOT_SEND_UNHEALTHY_ENDPOINTS"
WITHOUT_INTEROP: Final = "sidecar_without_interop"
FLAG_SOURCE: Final = "istio pilot/pkg/features/pilot.go"


def cluster_of(
    place: Place,
    service: KnownService,
    port: Port,
    *,
    name: str,
    subset: str = "",
    rule: EffectiveRule | None = None,
    assume: Mapping[str, str],
    local_only: bool = False,
) -> EnvoyCluster:
    """The cluster for a service's port, or for a subset of it, as the proxy at `place` holds it.

    In istiod's order: subset, what may be sent to, other networks' pods replaced by gateways, priorities
    (endpoint_builder.go:425-671).
    """
    facts = Facts()
    members = _candidates(service, subset, local_only)
    facts.take(service.identity_facts)
    labels: Mapping[str, Any] = {}
    if subset and rule is not None:
        owner, index, definition = rule.subsets[subset]
        labels = definition.get("labels") or {}
        facts.note(
            subject(place.cluster.name, owner.key),
            f"spec.subsets.{subset}.labels",
            ", ".join(f"{k}={v}" for k, v in sorted(labels.items())),
            owner.evidence("spec", "subsets", index, "labels"),
        )
    policy = policy_of(rule, subset, port.number)
    matching, contested = _matching(members, labels, facts)
    reachable = [m for m in matching if place.reach.remote or not (m.gateway or m.through)]
    if any(m.gateway or m.through for m in matching):
        facts.take(place.reach.why)
    unready, panic = _unready(place.cluster, policy, facts)
    served = [
        m
        for m in reachable
        if (unready or m.ready or _publishes_unready(service)) and m.drained < links.FIRM and _serves(m, port)
    ]
    hosts, assumed = hosts_of(place, served, assume)
    setting, forced, why = _setting(place, service, policy)
    ranks = priorities(
        [row_of(host) for host in hosts],
        setting,
        {"locality": place.locality, "labels": proxy_labels(place)},
        failover=forced or bool(policy.get("outlierDetection")),
        dialect=place.cluster.dialect,
    )
    facts.take(why)
    hosts, soft = _spared(hosts, ranks)
    lb, limits = _load_balancer(policy)
    endpoints = tuple(
        _endpoint(place, service, port, host, priority=rank)
        for host, rank in zip(hosts, ranks, strict=True)
        if rank is not None
    )
    empty = "" if endpoints else _why_empty(place.cluster.name, members, matching, labels)
    if not endpoints and service.global_host and service.remote_members:
        empty = "MS307"
    elif not endpoints and subset and not members and not local_only:
        empty, contested = _elsewhere(service, labels)
    if not reachable and matching:
        empty = "MS307"
    return EnvoyCluster(
        name=name,
        host=service.host,
        port=port.number,
        subset=subset,
        lb=lb,
        endpoints=endpoints,
        panic=panic,
        locality_weights=_locality_weights(place, hosts, setting),
        assumed=(
            *(assumed if _weighed(endpoints) else ()),
            *((("soft_drain", "share"),) if soft else ()),
            *(((WITHOUT_INTEROP, "pods"),) if place.source == "sidecar-l7" and any(m.gateway for m in served) else ()),
        ),
        empty_reason=empty,
        marks=frozenset({SUBSET_LOST}) if _loses_subset(members, served, labels) else frozenset(),
        why=facts.read(),
        unmodelled=(*limits, *_node_local(service, served), *_zone_aware(service, hosts, setting)),
        contested=(*contested, *_unsure(service, endpoints)),
        outlier=outlier_of(policy, rule, subset, place.cluster.name),
    )


def _serves(member: Member, port: Port) -> bool:
    """Whether an endpoint has the port: one whose pod lacks a named target port is in no EndpointSlice for it
    (Kubernetes docs, Service: port definitions)."""
    return member.gateway or bool(member.through) or target_port(port, member.pod) > 0


def _weighed(endpoints: Sequence[Endpoint]) -> bool:
    """Whether what a remote network's entry weighs decides: it shares the best priority with other hosts."""
    best = min((e.priority for e in endpoints if e.healthy), default=0)
    first = [e for e in endpoints if e.priority == best]
    return len(first) > 1 and any(e.via is Via.GATEWAY for e in first)


def _unsure(service: KnownService, endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
    """A question about remote entries matters only where one can be picked."""
    best = min((e.priority for e in endpoints if e.healthy), default=0)
    picked = any(e.via is Via.GATEWAY and e.priority == best for e in endpoints)
    return (service.unsure,) if service.unsure and picked else ()


def _spared(hosts: Sequence[Host], ranks: Sequence[int | None]) -> tuple[tuple[Host, ...], bool]:
    """The hosts with the weights that leave drained clusters less than their normal share, within each priority."""
    if not any(host.member.drained for host in hosts):
        return tuple(hosts), False
    shares: dict[int, Fraction] = {}
    for rank in set(ranks):
        own = [index for index, found in enumerate(ranks) if found == rank]
        weights = {index: hosts[index].weight for index in own}
        shares |= spared(weights, {index: hosts[index].member.drained for index in own})
    whole = lcm(*(share.denominator for share in shares.values()))
    return tuple(replace(host, weight=int(shares.get(i, 0) * whole)) for i, host in enumerate(hosts)), True


def _candidates(service: KnownService, subset: str, local_only: bool) -> tuple[Member, ...]:
    """The members an Envoy holds. The plain local host keeps local endpoints; a subset of it takes a flat peer's
    pods along where their labels match (Solo docs, Argo Rollouts guide: including remote pods in subsets)."""
    return service.l7_members if local_only or not subset else (*service.l7_members, *service.flat_members)


def _unready(cluster: Cluster, policy: Mapping[str, Any], facts: Facts) -> tuple[bool, int]:
    """Whether unready pods are sent as unhealthy hosts, and the panic threshold in percent
    (istio cluster_traffic_policy.go:332,551)."""
    health = int((policy.get("outlierDetection") or {}).get("minHealthPercent") or 0)
    if cluster.flag(Facts(), ALWAYS_UNREADY, "false", FLAG_SOURCE):
        cluster.flag(facts, ALWAYS_UNREADY, "false", FLAG_SOURCE)
        return True, health
    if cluster.dialect.value("endpoints.unready") != "unhealthy":
        return False, health
    return health <= 0 and cluster.flag(facts, AUTO_UNREADY, "true", FLAG_SOURCE), health


def _publishes_unready(service: KnownService) -> bool:
    return service.origin.get("spec", "publishNotReadyAddresses") is True


def _node_local(service: KnownService, members: Sequence[Member]) -> tuple[str, ...]:
    """A Service with internalTrafficPolicy Local keeps to the proxy's own node, and no proxy's node is known."""
    if service.origin.get("spec", "internalTrafficPolicy") != "Local":
        return ()
    if len({(m.cluster, m.pod.node) for m in members}) < 2:
        return ()
    return (f"internalTrafficPolicy Local of {service.host}: which pods it keeps depends on the proxy's node",)


def _loses_subset(members: Sequence[Member], served: Sequence[Member], labels: Mapping[str, Any]) -> bool:
    """Whether a subset ends at a network's border: a gateway's entry names the service only, so that the remote
    gateway may pick a pod outside the subset (istio util.AppendDoubleHBONEMetadata)."""
    if not labels:
        return False
    crossed = {m.network for m in served if m.through}
    kept = {m.uid for m in served}
    return any(m.through and m.network in crossed and m.ready and m.uid not in kept for m in members)


def _matching(
    members: Sequence[Member], labels: Mapping[str, Any], facts: Facts
) -> tuple[list[Member], tuple[str, ...]]:
    """The members that carry all of a subset's labels, and open questions where that cannot be said."""
    if not labels:
        return list(members), ()
    wanted = {str(k): str(v) for k, v in labels.items()}
    found: list[Member] = []
    questions: list[str] = []
    for member in members:
        facts.take(member.facts)
        if wanted.items() <= dict(member.labels).items():
            found.append(member)
        elif member.contested and any(wanted.items() <= dict(seen).items() for seen in member.possible):
            questions.append(member.contested)
    return found, tuple(dict.fromkeys(questions))


def _why_empty(here: str, members: Sequence[Member], matching: Sequence[Member], labels: Mapping[str, Any]) -> str:
    """The reason code of a cluster without hosts."""
    if not labels or not members:
        return "MS306"
    if matching:
        return "MS301"
    wanted = {str(k): str(v) for k, v in labels.items()}
    remote = [m for m in members if m.cluster != here]
    if remote and any(not m.labels_propagated for m in remote):
        return "MS302"
    hashed = [m for m in members if HASH_LABEL in m.pod.labels]
    if HASH_LABEL in wanted and members and not hashed:
        return "MS304"
    if HASH_LABEL in wanted and remote and len(remote) == len(members):
        return "MS303"
    return "MS301"


def _elsewhere(service: KnownService, labels: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Why a subset of the local host without any local pod is empty where other networks hold the service: their
    entries lack the labels, or, where they have them, the question whether the local host's subsets take them along
    (Solo docs, Argo Rollouts guide: cross-cluster subset matching; solo workshops 016: a local host keeps its own)."""
    if not service.remote_members:
        return "MS306", ()
    wanted = {str(k): str(v) for k, v in labels.items()}
    if not any(
        wanted.items() <= dict(seen).items() for m in service.remote_members for seen in (m.labels, *m.possible)
    ):
        return "MS302", ()
    return "MS306", (f"whether a subset of {service.host} takes in other networks' entries that carry its labels",)


def _setting(
    place: Place, service: KnownService, policy: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, bool, tuple[Fact, ...]]:
    """The setting that counts, and whether it acts without outlier detection: a DestinationRule's, else the service's
    distribution (which does), else the mesh's. A waypoint's clusters are never zone-aware (loadbalancer.go:250)."""
    zones = place.source != "waypoint" and bool(place.cluster.dialect.value("locality.zone-aware"))
    balancer = policy.get("loadBalancer") or {}
    if zones and isinstance(balancer.get(ZONE_AWARE), dict):
        return {ZONE_AWARE: balancer[ZONE_AWARE]}, False, ()
    stated = balancer.get("localityLbSetting")
    if isinstance(stated, dict):
        return (None if stated.get("enabled") is False else stated), False, ()
    scopes = SCOPES.get(service.distribution)
    if scopes is not None:
        return {"failoverPriority": [LABEL_OF_SCOPE[scope] for scope in scopes]}, True, service.balancing_facts
    mesh_wide = mesh_config(place.cluster).get(ZONE_AWARE)
    if zones and isinstance(mesh_wide, dict):
        return {ZONE_AWARE: mesh_wide}, False, ()
    return locality_setting(place.cluster), False, ()


def _zone_aware(service: KnownService, hosts: Sequence[Host], setting: Mapping[str, Any] | None) -> tuple[str, ...]:
    stated = (setting or {}).get(ZONE_AWARE)
    if stated is None or stated.get("enabled") is False or len({host.locality for host in hosts}) < 2:
        return ()
    return (f"{ZONE_AWARE} of {service.host}: what each zone gets depends on how many proxies the zones have",)


def _locality_weights(
    place: Place, hosts: Sequence[Host], setting: Mapping[str, Any] | None
) -> Mapping[Locality, int] | None:
    """`distribute` as weights of localities; those that it does not name are left out."""
    if setting is None or not setting.get("distribute"):
        return None
    return distribute([h.locality for h in hosts], setting, place.locality, [h.weight for h in hosts])


def _load_balancer(policy: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The balancing policy, and what of it is not modelled."""
    balancer = policy.get("loadBalancer") or {}
    limits = []
    if balancer.get("consistentHash"):
        limits.append("consistentHash: which endpoint a request gets depends on its hash key")
    simple = str(balancer.get("simple") or "LEAST_REQUEST")
    if simple == "PASSTHROUGH":
        limits.append("loadBalancer PASSTHROUGH: the original address is used")
    return LB.get(simple, "LEAST_REQUEST"), tuple(limits)


def _endpoint(place: Place, service: KnownService, port: Port, host: Host, *, priority: int) -> Endpoint:
    member = host.member
    if host.gateway:
        authority = (
            service.alias if service.global_members and service.alias and not service.global_host else service.host
        )
        return Endpoint(
            address=f"{host.network}/eastwest" if member.gateway else f"{host.network}/eastwest/{host.cluster}",
            workload=member.uid,
            via=Via.GATEWAY,
            network=host.network,
            cluster=host.cluster,
            authority=f"{authority}:{port.number}",
            source=place.source,
            weight=host.weight,
            priority=priority,
            locality=host.locality,
            why=member.facts,
        )
    pod = member.pod
    return Endpoint(
        address=f"{pod.ip}:{target_port(port, pod)}",
        workload=pod.uid,
        via=VIA.get(member.capture or "", Via.DIRECT),
        network=host.network,
        cluster=host.cluster,
        healthy=pod.ready or _publishes_unready(service),
        weight=host.weight,
        priority=priority,
        locality=host.locality,
        why=member.facts,
    )
