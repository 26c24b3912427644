"""How Envoy spreads a cluster's traffic: priorities, health, panic, locality weights, endpoint weights.

The control plane assigns the priorities; Envoy turns health into whole percents of load for each of them
(load_balancer_impl.cc; measured with Envoy 1.39.3) and draws a host inside the one picked.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import final

from meshsim.model.frozen import record
from meshsim.model.rule import rule
from meshsim.model.shares import ONE, ZERO, normalised
from meshsim.tables.envoy import Cluster, Endpoint
from meshsim.tables.workload import Locality

OVERPROVISION = 140
_WHOLE = 100

PRIORITY_LOAD = rule(
    "envoy.priority-load",
    "A priority takes min(100, 140·healthy/total) percent of the traffic; the rest goes to the next one.",
    "Envoy priority levels; measured with Envoy 1.39.3",
)
PANIC = rule(
    "envoy.panic",
    "Where all priorities together cannot take the traffic and fewer hosts than the threshold are healthy, "
    "health is ignored.",
    "Envoy panic threshold; measured with Envoy 1.39.3",
)
NO_HEALTHY_HOST = rule(
    "envoy.no-healthy-host",
    "The cluster has no host that may be picked, so Envoy answers 503 (UH); no other cluster takes over.",
    "measured with Envoy 1.39.3",
)
LOCALITY_WEIGHTS = rule(
    "envoy.locality-weights",
    "Localities are drawn by weight × min(1, 1.4 × healthy share), hosts inside the one drawn.",
    "measured with Envoy 1.39.3",
)
HOST_WEIGHTS = rule(
    "envoy.host-weights",
    "Hosts are drawn by weight: round robin exactly, least request while load is low; random ignores weights.",
    "measured with Envoy 1.39.3",
)


@final
@record
class Loads:
    """What each priority takes, in whole percents that sum to 100, and which of them are in panic. Where no host can be
    picked at all, Envoy books everything on the first one, and answers 503."""

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
    (100, 0)
    """
    health = [min(_WHOLE, overprovision * healthy // total) if total else 0 for healthy, total in levels]
    norm = min(_WHOLE, sum(health))
    panic = min(_WHOLE, panic)
    in_panic = tuple(
        norm < _WHOLE and (_WHOLE * healthy < panic * total if total else panic > 0) for healthy, total in levels
    )
    if levels and all(in_panic):
        return Loads(_by_host_count([total for _, total in levels]), in_panic)
    if not norm:
        return Loads(_nowhere(len(levels)), in_panic)
    loads: list[int] = []
    left = _WHOLE
    for value in health:
        load = min(left, _WHOLE * value // norm)
        loads.append(load)
        left -= load
    return Loads(_with_remainder(loads, left, health), in_panic)


def _by_host_count(totals: Sequence[int]) -> tuple[int, ...]:
    hosts = sum(totals)
    if not hosts:
        return _nowhere(len(totals))
    loads = [_WHOLE * total // hosts for total in totals]
    return _with_remainder(loads, _WHOLE - sum(loads), totals)


def _nowhere(levels: int) -> tuple[int, ...]:
    """Nothing can be picked: the first priority gets what none can take (load_balancer_impl.cc
    `recalculatePerPriorityPanic`, `recalculateLoadInTotalPanic`)."""
    return (_WHOLE, *[0] * (levels - 1)) if levels else ()


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
    levels: dict[int, list[Endpoint]] = {}
    for endpoint in cluster.hosts:
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
    """Healthy hosts and all hosts. Weights do not count: `weighted_priority_health` is off and Istio never sets it
    (measured with Envoy 1.39.3: 3 of 4 hosts healthy with 5 of 8 of the weight spill nothing)."""
    return sum(e.healthy for e in endpoints), len(endpoints)


def _drawn(hosts: Sequence[Endpoint], share: Fraction, policy: str) -> list[tuple[Fraction, Endpoint]]:
    weights = normalised({i: 1 if policy == "RANDOM" else host.weight for i, host in enumerate(hosts)})
    return [(share * weights.get(i, ZERO), host) for i, host in enumerate(hosts)]
