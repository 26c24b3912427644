"""Which endpoints an Envoy prefers: priorities from distributions and DestinationRules
(istio pilot/pkg/networking/core/loadbalancer/loadbalancer.go:250)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshsim.tables.service import Scope

NETWORK = "topology.istio.io/network"
REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
SUBZONE = "topology.istio.io/subzone"
NODE = "kubernetes.io/hostname"
LABEL_OF_SCOPE: Final = {
    Scope.NETWORK: NETWORK,
    Scope.REGION: REGION,
    Scope.ZONE: ZONE,
    Scope.SUBZONE: SUBZONE,
    Scope.NODE: NODE,
}


def label_ranks(
    endpoints: Sequence[Mapping[str, str]], priority: Sequence[str], proxy: Mapping[str, str]
) -> tuple[int, ...]:
    """Each endpoint's priority from a `failoverPriority` list of label keys (or `key=value`), compacted from 0.

    The rank is the number of labels from the first mismatch on; where the first label is the network and it
    mismatches, all labels count once more and the rest still ranks (loadbalancer.go priorityLabelOverrides).
    """
    return compacted(tuple(_rank(endpoint, priority, proxy) for endpoint in endpoints))


def _rank(endpoint: Mapping[str, str], priority: Sequence[str], proxy: Mapping[str, str]) -> int:
    rank, rest = 0, list(priority)
    if rest and rest[0] == NETWORK and endpoint.get(NETWORK, "") != proxy.get(NETWORK, ""):
        rank, rest = len(priority), rest[1:]
    for index, label in enumerate(rest):
        key, _, wanted = label.partition("=")
        if endpoint.get(key, "") != (wanted or proxy.get(key, "")):
            return rank + len(rest) - index
    return rank


def region_ranks(
    endpoints: Sequence[Mapping[str, str]], failover: Sequence[Mapping[str, Any]], proxy: Mapping[str, str]
) -> tuple[int, ...]:
    """Default locality ranks: same subzone, zone, region, failover target, elsewhere; compacted from 0."""
    target = next((str(f.get("to")) for f in failover if f.get("from") == proxy.get(REGION, "")), "")
    ranks = []
    for endpoint in endpoints:
        if endpoint.get(REGION, "") != proxy.get(REGION, ""):
            ranks.append(3 if not failover or endpoint.get(REGION, "") == target else 4)
        elif endpoint.get(ZONE, "") != proxy.get(ZONE, ""):
            ranks.append(2)
        else:
            ranks.append(0 if endpoint.get(SUBZONE, "") == proxy.get(SUBZONE, "") else 1)
    return compacted(tuple(ranks))


def compacted(ranks: tuple[int, ...]) -> tuple[int, ...]:
    """Ranks as consecutive priorities from 0."""
    order = {rank: index for index, rank in enumerate(sorted(set(ranks)))}
    return tuple(order[rank] for rank in ranks)
