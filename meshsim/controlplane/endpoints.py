"""The hosts of an Envoy cluster: a service's members as one proxy sees them (istio pilot/pkg/xds/endpoints)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any, Final, final

from meshsim.controlplane.destinationrules import EffectiveRule, policy_for_port
from meshsim.controlplane.distribution import SCOPES
from meshsim.controlplane.known import KnownService, Member, Port, target_port
from meshsim.controlplane.locality import LABEL_OF_SCOPE, NETWORK, NODE, REGION, ZONE, label_ranks, region_ranks
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import HASH_LABEL
from meshsim.model.facts import Fact, Facts
from meshsim.model.names import subject
from meshsim.tables.envoy import Cluster as EnvoyCluster
from meshsim.tables.envoy import Endpoint, Via
from meshsim.tables.workload import Locality

LB: Final = {"LEAST_CONN": "LEAST_REQUEST", "LEAST_REQUEST": "LEAST_REQUEST", "RANDOM": "RANDOM", "ROUND_ROBIN": "ROUND_ROBIN"}
REMOTE_WEIGHT: Final = "remote_weight"
VIA: Final = {"ambient": Via.HBONE, "sidecar": Via.MTLS}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a proxy stands and what it says of itself in `x-istio-source`."""

    cluster: Cluster
    locality: Locality
    source: str
    remote: bool = True
    """Whether it sends to other networks at all."""
    node: str = ""


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
    """The cluster for a service's port, or for a subset of it, as the proxy at `place` holds it."""
    facts = Facts()
    members = _candidates(service, subset, local_only)
    facts.take(service.identity_facts)
    labels: Mapping[str, Any] = {}
    policy: Mapping[str, Any] = rule.traffic_policy if rule is not None else {}
    if subset and rule is not None:
        owner, index, definition = rule.subsets[subset]
        labels = definition.get("labels") or {}
        policy = {**policy, **(definition.get("trafficPolicy") or {})}
        facts.note(
            subject(place.cluster.name, owner.key),
            f"spec.subsets.{subset}.labels",
            ", ".join(f"{k}={v}" for k, v in sorted(labels.items())),
            owner.evidence("spec", "subsets", index, "labels"),
        )
    policy = policy_for_port(policy, port.number)
    matching, unmodelled = _matching(members, labels, facts)
    served = [m for m in matching if place.remote or not m.gateway]
    unready = place.cluster.dialect.value("endpoints.unready")
    served = [m for m in served if unready == "unhealthy" or m.ready]
    ranks, ranked = _priorities(place, service, served, policy)
    facts.take(ranked)
    weights, assumed = _weights(place, served, assume)
    lb, limits = _load_balancer(policy)
    endpoints = tuple(
        _endpoint(place, service, port, member, priority=rank, weight=weight)
        for member, rank, weight in zip(served, ranks, weights, strict=True)
    )
    return EnvoyCluster(
        name=name,
        host=service.host,
        port=port.number,
        subset=subset,
        lb=lb,
        endpoints=endpoints,
        assumed=assumed if any(e.via is Via.GATEWAY for e in endpoints) and len(endpoints) > 1 else (),
        empty_reason="" if endpoints else _why_empty(place.cluster.name, members, matching, labels),
        why=facts.read(),
        unmodelled=(*unmodelled, *limits),
    )


def _candidates(service: KnownService, subset: str, local_only: bool) -> tuple[Member, ...]:
    """The members an Envoy holds. The plain local host keeps local endpoints; a subset of it takes a flat peer's
    pods along where their labels match (Solo docs, Argo Rollouts guide: including remote pods in subsets)."""
    return service.l7_members if local_only or not subset else (*service.l7_members, *service.flat_members)


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


def _why_empty(
    here: str, members: Sequence[Member], matching: Sequence[Member], labels: Mapping[str, Any]
) -> str:
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


def _labels(place: Place, member: Member) -> dict[str, str]:
    if member.gateway:
        return {NETWORK: member.network}
    pod = member.pod
    return {**member.labels, NETWORK: member.network, REGION: pod.region, ZONE: pod.zone, NODE: pod.node}


def _priorities(
    place: Place, service: KnownService, members: Sequence[Member], policy: Mapping[str, Any]
) -> tuple[tuple[int, ...], tuple[Fact, ...]]:
    """Each member's priority: a DestinationRule's locality setting, else the distribution, else one level.

    A DestinationRule's failover needs outlier detection; a distribution's does not (loadbalancer.go:250).
    """
    proxy = {
        NETWORK: place.cluster.network.value,
        REGION: place.locality.region,
        ZONE: place.locality.zone,
        NODE: place.node,
    }
    labels = [_labels(place, member) for member in members]
    setting = (policy.get("loadBalancer") or {}).get("localityLbSetting")
    if isinstance(setting, dict):
        if setting.get("enabled") is False or not policy.get("outlierDetection"):
            return (0,) * len(members), ()
        if setting.get("failoverPriority"):
            return label_ranks(labels, [str(key) for key in setting["failoverPriority"]], proxy), ()
        return region_ranks(labels, setting.get("failover") or (), proxy), ()
    scopes = SCOPES.get(service.distribution)
    if scopes is not None:
        return label_ranks(labels, [LABEL_OF_SCOPE[scope] for scope in scopes], proxy), service.balancing_facts
    if policy.get("outlierDetection"):
        return region_ranks(labels, (), proxy), ()
    return (0,) * len(members), ()


def _weights(
    place: Place, members: Sequence[Member], assume: Mapping[str, str]
) -> tuple[tuple[int, ...], tuple[tuple[str, str], ...]]:
    """Each member's weight. What a remote network's one entry weighs beside local pods is contested (`remote_weight`)."""
    default = place.cluster.dialect.value("remote.weight.l7")
    chosen = assume.get(REMOTE_WEIGHT, default)
    gateways = [m for m in members if m.gateway]
    if not gateways:
        return (1,) * len(members), ()
    if chosen == "pods":
        weights = tuple(len(m.pods) if m.gateway else 1 for m in members)
    elif chosen == "endpoint":
        weights = (1,) * len(members)
    else:
        sizes: dict[str, int] = {}
        for member in members:
            sizes[member.network] = sizes.get(member.network, 0) + 1
        whole = lcm(*sizes.values())
        weights = tuple(whole // sizes[m.network] for m in members)
    return weights, ((REMOTE_WEIGHT, chosen),)


def _load_balancer(policy: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The balancing policy, and what of it is not modelled."""
    balancer = policy.get("loadBalancer") or {}
    limits = []
    if balancer.get("consistentHash"):
        limits.append("consistentHash: which endpoint a request gets depends on its hash key")
    setting = balancer.get("localityLbSetting") or {}
    if setting.get("distribute"):
        limits.append("localityLbSetting.distribute: locality weights")
    simple = str(balancer.get("simple") or "LEAST_REQUEST")
    if simple == "PASSTHROUGH":
        limits.append("loadBalancer PASSTHROUGH: the original address is used")
    return LB.get(simple, "LEAST_REQUEST"), tuple(limits)


def _endpoint(place: Place, service: KnownService, port: Port, member: Member, *, priority: int, weight: int) -> Endpoint:
    if member.gateway:
        authority = service.alias if service.global_members and not service.global_host else service.host
        return Endpoint(
            address=f"{member.network}/eastwest",
            workload=member.uid,
            via=Via.GATEWAY,
            network=member.network,
            cluster=member.cluster,
            authority=f"{authority}:{port.number}",
            source=place.source,
            weight=weight,
            priority=priority,
            why=member.facts,
        )
    pod = member.pod
    return Endpoint(
        address=f"{pod.ip}:{target_port(port, pod)}",
        workload=pod.uid,
        via=VIA.get(member.capture or "", Via.DIRECT),
        network=member.network,
        cluster=member.cluster,
        healthy=pod.ready,
        weight=weight,
        priority=priority,
        locality=Locality(pod.region, pod.zone),
        why=member.facts,
    )
