"""Members as one proxy's hosts: pods, and gateways in place of the pods of other networks
(istio pilot/pkg/xds/endpoints/ep_filters.go)."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from math import lcm
from typing import Any, Final, final

from meshsim.controlplane.known import Member
from meshsim.controlplane.locality import CLUSTER, NETWORK, NODE, REGION, SUBZONE, ZONE
from meshsim.mesh.mesh import Cluster
from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen
from meshsim.tables.workload import Locality

REMOTE_WEIGHT: Final = "remote_weight"


@final
@frozen
class Reach:
    """Whether a proxy sends to other networks at all, and what was read for it."""

    remote: bool = True
    why: tuple[Fact, ...] = field(default=(), compare=False)


@final
@frozen
class Place:
    """Where a proxy stands and what it says of itself in `x-istio-source`."""

    cluster: Cluster
    locality: Locality
    source: str
    reach: Reach = Reach()
    node: str = ""


@final
@frozen
class Host:
    """A pod, or a gateway with the locality of the pods it stands for and no labels of theirs."""

    member: Member
    gateway: bool
    network: str
    cluster: str
    locality: Locality
    weight: int = 1


def hosts_of(
    place: Place, members: Sequence[Member], assume: Mapping[str, str]
) -> tuple[tuple[Host, ...], tuple[tuple[str, str], ...]]:
    """Members as hosts. Pods of another network become its gateways, one for each locality, with the pods' weight
    divided among them; all weights are scaled so that they stay whole (ep_filters.go:48-285)."""
    scale = lcm(*(len(m.through) for m in members if m.through))
    hosts: list[Host] = []
    behind: dict[tuple[str, str, Locality], list[Member]] = {}
    for member in members:
        if member.through:
            where = Locality(member.pod.region, member.pod.zone)
            for gateway in member.through:
                behind.setdefault((member.network, gateway, where), []).append(member)
        else:
            hosts.append(_host(member, scale))
    for (network, gateway, where), found in behind.items():
        weight = sum(scale // len(m.through) for m in found)
        first = found[0]
        hosts.append(Host(member=first, gateway=True, network=network, cluster=gateway, locality=where, weight=weight))
    if any(member.gateway for member in members):
        return _weighted(place, hosts, assume)
    return tuple(hosts), ()


def _host(member: Member, weight: int) -> Host:
    where = Locality() if member.gateway else Locality(member.pod.region, member.pod.zone)
    return Host(
        member=member,
        gateway=member.gateway,
        network=member.network,
        cluster=member.cluster,
        locality=where,
        weight=weight,
    )


def _weighted(
    place: Place, hosts: Sequence[Host], assume: Mapping[str, str]
) -> tuple[tuple[Host, ...], tuple[tuple[str, str], ...]]:
    """What a remote network's one generated entry weighs beside local pods is contested (`remote_weight`)."""
    chosen = assume.get(REMOTE_WEIGHT, place.cluster.dialect.value("remote.weight.l7"))
    if chosen == "pods":
        weights = [len(h.member.pods) if h.gateway else 1 for h in hosts]
    elif chosen == "endpoint":
        weights = [1] * len(hosts)
    else:
        sizes: dict[str, int] = {}
        for host in hosts:
            sizes[host.network] = sizes.get(host.network, 0) + 1
        whole = lcm(*sizes.values())
        weights = [whole // sizes[h.network] for h in hosts]
    found = tuple(replace(host, weight=weight) for host, weight in zip(hosts, weights, strict=True))
    return found, ((REMOTE_WEIGHT, chosen),)


def row_of(host: Host) -> Mapping[str, Any]:
    """A host as `priorities` reads it: a gateway has the labels network and cluster alone."""
    row: dict[str, Any] = {"locality": host.locality, "network": host.network, "cluster": host.cluster, "labels": {}}
    if not host.gateway:
        pod = host.member.pod
        topology = {REGION: pod.region, ZONE: pod.zone, NODE: pod.node}
        row["labels"] = {**host.member.labels, **{key: value for key, value in topology.items() if value}}
    return row


def proxy_labels(place: Place) -> dict[str, str]:
    """The proxy's own topology labels, as far as they are known."""
    own = {
        NETWORK: place.cluster.network.value,
        CLUSTER: place.cluster.name,
        REGION: place.locality.region,
        ZONE: place.locality.zone,
        SUBZONE: place.locality.subzone,
        NODE: place.node,
    }
    return {key: value for key, value in own.items() if value}
