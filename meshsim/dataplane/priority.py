"""How Envoy spreads a cluster's traffic: priorities, health, panic, locality weights, endpoint weights.

Istio assigns the priorities (pilot/pkg/networking/core/loadbalancer), Envoy turns health into whole percents of
load for each of them (load_balancer_impl.cc; measured in ENVOY-LAB §2.6) and draws a host inside the one picked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

from meshsim.model.rule import rule
from meshsim.model.shares import ONE, ZERO, normalised
from meshsim.tables.envoy import Cluster, Endpoint
from meshsim.tables.workload import Locality

OVERPROVISION = 140
NETWORK_LABEL = "topology.istio.io/network"
_LOCALITY_LABELS = {
    "topology.kubernetes.io/region": "region",
    "topology.kubernetes.io/zone": "zone",
    "topology.istio.io/subzone": "subzone",
}
_WHOLE = 100

PRIORITY_LOAD = rule(
    "envoy.priority-load",
    "A priority takes min(100, 140·healthy/total) percent of the traffic; the rest goes to the next one.",
    "ENVOY-LAB §2.6; Envoy priority levels",
)
PANIC = rule(
    "envoy.panic",
    "Where all priorities together cannot take the traffic and fewer hosts than the threshold are healthy, "
    "health is ignored.",
    "ENVOY-LAB §2.6; Envoy panic threshold",
)
NO_HEALTHY_HOST = rule(
    "envoy.no-healthy-host",
    "The cluster has no host that may be picked, so Envoy answers 503 (UH); no other cluster takes over.",
    "ENVOY-LAB §2.5",
)
LOCALITY_WEIGHTS = rule(
    "envoy.locality-weights",
    "Localities are drawn by weight × min(1, 1.4 × healthy share), hosts inside the one drawn.",
    "ENVOY-LAB §2.6",
)
HOST_WEIGHTS = rule(
    "envoy.host-weights",
    "Hosts are drawn by weight: round robin exactly, least request while load is low; random ignores weights.",
    "ENVOY-LAB §2.8",
)


@final
@dataclass(frozen=True, slots=True)
class Loads:
    """What each priority takes, in whole percents that sum to 100 (or to 0: nothing can be picked), and which of
    them are in panic."""

    percents: tuple[int, ...]
    panic: tuple[bool, ...]

    @property
    def shares(self) -> tuple[Fraction, ...]:
        return tuple(Fraction(percent, _WHOLE) for percent in self.percents)


def priority_load(levels: Sequence[tuple[int, int]], panic: int = 0, overprovision: int = OVERPROVISION) -> Loads:
    """Envoy's load of each priority from its `(healthy, total)` hosts; `panic` is the threshold in percent.

    >>> priority_load([(5, 10), (10, 10)]).percents
    (70, 30)
    >>> priority_load([(0, 10), (0, 10)]).percents
    (0, 0)
    """
    health = [min(_WHOLE, overprovision * healthy // total) if total else 0 for healthy, total in levels]
    norm = min(_WHOLE, sum(health))
    in_panic = tuple(
        norm < _WHOLE and (_WHOLE * healthy < panic * total if total else panic > 0) for healthy, total in levels
    )
    if levels and all(in_panic):
        return Loads(_by_host_count([total for _, total in levels]), in_panic)
    loads: list[int] = []
    left = _WHOLE if norm else 0
    for value in health:
        load = min(left, _WHOLE * value // norm) if norm else 0
        loads.append(load)
        left -= load
    return Loads(_with_remainder(loads, left, health), in_panic)


def _by_host_count(totals: Sequence[int]) -> tuple[int, ...]:
    hosts = sum(totals)
    loads = [_WHOLE * total // hosts if hosts else 0 for total in totals]
    return _with_remainder(loads, _WHOLE - sum(loads) if hosts else 0, totals)


def _with_remainder(loads: list[int], left: int, able: Sequence[int]) -> tuple[int, ...]:
    """What rounding left over goes to the first priority that can take it."""
    for index, value in enumerate(able):
        if value:
            loads[index] += left
            break
    return tuple(loads)


def locality_weighted(
    weights: Mapping[Locality, int], hosts: Mapping[Locality, tuple[int, int]], overprovision: int = OVERPROVISION
) -> dict[Locality, Fraction]:
    """Each locality's share: its weight times min(1, 1.4·healthy/total), not rounded. `hosts`: (healthy, total).

    >>> here, there = Locality("a"), Locality("b")
    >>> locality_weighted({here: 80, there: 20}, {here: (5, 10), there: (10, 10)})[here]
    Fraction(14, 19)
    """
    effective: dict[Locality, Fraction] = {}
    for locality, weight in weights.items():
        healthy, total = hosts.get(locality, (0, 0))
        if total:
            effective[locality] = weight * min(ONE, Fraction(overprovision * healthy, _WHOLE * total))
    return normalised(effective)


def choose(cluster: Cluster) -> tuple[tuple[Fraction, Endpoint], ...]:
    """Every endpoint a request of this cluster may be sent to, with its exact share; empty is a 503 (UH)."""
    weights = cluster.locality_weights
    endpoints = [e for e in cluster.endpoints if weights is None or weights.get(e.locality)]
    levels: dict[int, list[Endpoint]] = {}
    for endpoint in endpoints:
        levels.setdefault(0 if weights is not None else endpoint.priority, []).append(endpoint)
    ordered = [levels[priority] for priority in sorted(levels)]
    loads = priority_load([_health(level) for level in ordered], cluster.panic)
    chosen: list[tuple[Fraction, Endpoint]] = []
    for level, share, panic in zip(ordered, loads.shares, loads.panic, strict=True):
        hosts = level if panic else [endpoint for endpoint in level if endpoint.healthy]
        if weights is None or panic:
            chosen += _drawn(hosts, share, cluster.lb)
            continue
        by_locality: dict[Locality, list[Endpoint]] = {}
        for endpoint in level:
            by_locality.setdefault(endpoint.locality, []).append(endpoint)
        counts = {locality: _health(members) for locality, members in by_locality.items()}
        for locality, part in locality_weighted(weights, counts).items():
            healthy = [endpoint for endpoint in by_locality[locality] if endpoint.healthy]
            chosen += _drawn(healthy, share * part, cluster.lb)
    return tuple((share, endpoint) for share, endpoint in chosen if share)


def _health(endpoints: Sequence[Endpoint]) -> tuple[int, int]:
    """Healthy and total weight; host counts where every weight is 1."""
    return sum(e.weight for e in endpoints if e.healthy), sum(e.weight for e in endpoints)


def _drawn(hosts: Sequence[Endpoint], share: Fraction, policy: str) -> list[tuple[Fraction, Endpoint]]:
    weights = normalised({i: 1 if policy == "RANDOM" else host.weight for i, host in enumerate(hosts)})
    return [(share * weights.get(i, ZERO), host) for i, host in enumerate(hosts)]


def priorities(
    endpoints: Sequence[Mapping[str, Any]],
    setting: Mapping[str, Any] | None,
    proxy_locality: str | Mapping[str, Any],
    *,
    proxy_labels: Mapping[str, str] | None = None,
    failover: bool = True,
) -> list[int | None]:
    """The Envoy priority that Istio gives each endpoint; None for one that `distribute` leaves out.

    An endpoint has `locality` (`region/zone/subzone` or a mapping) and optionally `labels` (without them, those that
    follow from its locality), `network` and `cluster`, which stand for the topology labels of the same names. `setting` is a localityLbSetting (None or
    `enabled: false`: no priorities). `proxy_locality` may be a mapping that also holds the proxy's `labels`,
    `network` and `cluster`. `failover` says whether failover is active at all: outlier detection is set, or
    trafficDistribution forces it (istio.md §5.6).

    >>> priorities([{"locality": "us/a"}, {"locality": "us/b"}, {"locality": "eu/c"}], {}, "us/a")
    [0, 1, 2]
    """
    localities = [_locality(endpoint.get("locality")) for endpoint in endpoints]
    proxy = proxy_locality if isinstance(proxy_locality, Mapping) else {"locality": proxy_locality}
    own = _locality(proxy.get("locality", proxy))
    if setting is None or setting.get("enabled") is False:
        return [0] * len(endpoints)
    if setting.get("distribute"):
        weights = distribute(localities, setting, own)
        return [0 if weights is None or locality in weights else None for locality in localities]
    if not failover:
        return [0] * len(endpoints)
    ranks = [0] * len(endpoints)
    names = setting.get("failoverPriority") or ()
    labels = {**_labels(proxy, own), **(proxy_labels or {})}
    if names and labels:
        ranks = _compact(
            [label_rank(_labels(e, at), labels, names) for e, at in zip(endpoints, localities, strict=True)]
        )
    regions = setting.get("failover") or ()
    if not names or regions:
        ranks = [rank * 5 + _locality_rank(own, at, regions) for rank, at in zip(ranks, localities, strict=True)]
    return list(_compact(ranks))


def label_rank(labels: Mapping[str, str], proxy: Mapping[str, str], names: Sequence[str]) -> int:
    """The rank of an endpoint under failoverPriority: labels left at the first mismatch, 0 where all match.

    `name=value` compares with that value instead of the proxy's. A mismatch of a leading network label counts for
    as many as all labels together, and the others still rank (istio.md §5.6).
    """
    offset = 0
    for index, name in enumerate(names):
        key, given, value = name.partition("=")
        if (value if given else proxy.get(key, "")) == labels.get(key, ""):
            continue
        if index == 0 and key == NETWORK_LABEL:
            offset = len(names)
            continue
        return offset + len(names) - index
    return offset


def distribute(
    localities: Iterable[Locality], setting: Mapping[str, Any], proxy: Locality
) -> dict[Locality, int] | None:
    """Locality weights under `distribute`: the first `from` that matches the proxy; None where none does.

    `localities` has one entry for each endpoint (of weight 1); a wildcard's weight is divided over the localities
    it matches in proportion to their endpoints, rounded up, and those that nothing matches are left out.
    """
    entry = next((e for e in setting.get("distribute") or () if _matches(proxy, str(e.get("from", "")))), None)
    if entry is None:
        return None
    counts: dict[Locality, int] = {}
    for locality in localities:
        counts[locality] = counts.get(locality, 0) + 1
    weights: dict[Locality, int] = {}
    for pattern, weight in (entry.get("to") or {}).items():
        matched = [at for at in counts if at not in weights and _matches(at, pattern)]
        total = sum(counts[at] for at in matched)
        weights.update({at: -(-counts[at] * int(weight) // total) for at in matched})
    return {at: weight for at, weight in weights.items() if weight}


def _compact(ranks: Sequence[int]) -> list[int]:
    order = {rank: index for index, rank in enumerate(sorted(set(ranks)))}
    return [order[rank] for rank in ranks]


def _locality_rank(proxy: Locality, endpoint: Locality, regions: Sequence[Mapping[str, Any]]) -> int:
    if proxy.region == endpoint.region:
        if proxy.zone != endpoint.zone:
            return 2
        return 0 if proxy.subzone == endpoint.subzone else 1
    to = next((str(entry.get("to", "")) for entry in regions if entry.get("from") == proxy.region), None)
    return 3 if to is None or endpoint.region == to else 4


def _matches(locality: Locality, pattern: str) -> bool:
    region, zone, subzone = (*pattern.split("/"), "", "", "")[:3]
    return (
        region in {"*", locality.region} and zone in {"", "*", locality.zone} and subzone in {"", "*", locality.subzone}
    )


def _locality(value: Any) -> Locality:
    if isinstance(value, Locality):
        return value
    if isinstance(value, Mapping):
        return Locality(*(str(value.get(part) or "") for part in ("region", "zone", "subzone")))
    return Locality(*(*str(value or "").split("/"), "", "", "")[:3])


def _labels(row: Mapping[str, Any], locality: Locality) -> dict[str, str]:
    """Labels as failoverPriority sees them. Network and cluster are always labels; region, zone and subzone follow
    from the locality only where no labels are given: a gateway's endpoint has a locality and no labels for it."""
    given = row.get("labels")
    implied = {f"topology.istio.io/{part}": str(row.get(part) or "") for part in ("network", "cluster")}
    if given is None:
        implied |= {name: getattr(locality, part) for name, part in _LOCALITY_LABELS.items()}
    return {name: value for name, value in implied.items() if value} | dict(given or {})
