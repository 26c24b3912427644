"""Which endpoints an Envoy prefers: the priorities and locality weights that istiod computes
(istio pilot/pkg/networking/core/loadbalancer/loadbalancer.go:250)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from meshsim.model.errors import InputError
from meshsim.tables.service import Scope
from meshsim.tables.workload import Locality

NETWORK: Final = "topology.istio.io/network"
CLUSTER: Final = "topology.istio.io/cluster"
REGION: Final = "topology.kubernetes.io/region"
ZONE: Final = "topology.kubernetes.io/zone"
SUBZONE: Final = "topology.istio.io/subzone"
NODE: Final = "kubernetes.io/hostname"
LABEL_OF_SCOPE: Final = {
    Scope.NETWORK: NETWORK,
    Scope.CLUSTER: CLUSTER,
    Scope.REGION: REGION,
    Scope.ZONE: ZONE,
    Scope.SUBZONE: SUBZONE,
    Scope.NODE: NODE,
}
_IMPLIED: Final = {"network": NETWORK, "cluster": CLUSTER}
_PARTS: Final = {REGION: "region", ZONE: "zone", SUBZONE: "subzone"}
_RANKS: Final = 5
"""A region rank is 0 to 4, so that five times a label rank keeps the labels' order (loadbalancer.go:250)."""


Row = Mapping[str, Any] | str | Locality | None


def priorities(
    endpoints: Sequence[Row],
    setting: Mapping[str, Any] | None,
    proxy_locality: Row,
    *,
    proxy_labels: Mapping[str, str] | None = None,
    failover: bool = True,
) -> list[int | None]:
    """The Envoy priority that Istio gives each endpoint; None for one that `distribute` leaves out.

    An endpoint has `locality` (`region/zone/subzone` or a mapping of these), or is a locality itself, and optionally
    `labels` (without them, those that follow from its locality), `network` and `cluster`, which stand for the topology
    labels of the same names. `setting` is a localityLbSetting (None or `enabled: false`: no priorities).
    `proxy_locality` may be a mapping that also holds the proxy's `labels`, `network` and `cluster`. `failover` says
    whether failover is active at all: outlier detection is set, or trafficDistribution forces it.

    >>> priorities(["us/a", {"locality": "us/b"}, {"region": "eu", "zone": "c"}], {}, "us/a")
    [0, 1, 2]
    """
    rows, proxy = [_row(endpoint) for endpoint in endpoints], _row(proxy_locality)
    localities = [_place(row) for row in rows]
    own = _place(proxy)
    if setting is None or setting.get("enabled") is False:
        return [0] * len(rows)
    if setting.get("distribute"):
        weights = distribute(localities, setting, own)
        return [0 if weights is None or locality in weights else None for locality in localities]
    if not failover:
        return [0] * len(rows)
    ranks = [0] * len(rows)
    names = setting.get("failoverPriority") or ()
    labels = {**_labels(proxy, own), **(proxy_labels or {})}
    if names and labels:
        found = [label_rank(_labels(row, at), labels, names) for row, at in zip(rows, localities, strict=True)]
        ranks = compacted(found)
    regions = [region for region in setting.get("failover") or () if region]
    if not names or regions:
        ranks = [rank * _RANKS + _locality_rank(own, at, regions) for rank, at in zip(ranks, localities, strict=True)]
    return list(compacted(ranks))


def locality_weights(
    endpoints: Sequence[Row], setting: Mapping[str, Any] | None, proxy_locality: Row
) -> list[int] | None:
    """The weight that `distribute` gives each endpoint, or group of them with a `weight` of its own; 0 for one that it
    leaves out. None where it says nothing for the proxy. Endpoints and the proxy are as in `priorities`.

    >>> setting = {"distribute": [{"from": "us/*", "to": {"us/a": 80, "us/b": 20}}]}
    >>> locality_weights(["us/a", "us/a", "us/b", "eu/c"], setting, "us/a")
    [40, 40, 20, 0]
    """
    if setting is None or setting.get("enabled") is False:
        return None
    entry = _distribution(setting, _place(_row(proxy_locality)))
    if entry is None:
        return None
    rows = [_row(endpoint) for endpoint in endpoints]
    sizes = [1 if row.get("weight") is None else int(row["weight"]) for row in rows]
    found = [0] * len(rows)
    left = set(range(len(rows)))
    for pattern, weight in (entry.get("to") or {}).items():
        matched = [index for index in left if _matches(_place(rows[index]), str(pattern))]
        total = sum(sizes[index] for index in matched)
        left.difference_update(matched)
        for index in matched:
            found[index] = -(-sizes[index] * int(weight) // total) if total else 0
    return found


def label_rank(labels: Mapping[str, str], proxy: Mapping[str, str], names: Sequence[str]) -> int:
    """The rank of an endpoint under failoverPriority: labels left at the first mismatch, 0 where all match.

    `name=value` compares with that value instead of the proxy's. A mismatch of a leading network label counts for
    as many as all labels together, and the others still rank (loadbalancer.go priorityLabelOverrides).
    """
    offset = 0
    for index, name in enumerate(names):
        key, given, value = str(name).partition("=")
        if (value if given else proxy.get(key, "")) == labels.get(key, ""):
            continue
        if index == 0 and str(name) == NETWORK:
            offset = len(names)
            continue
        return offset + len(names) - index
    return offset


def distribute(
    localities: Iterable[Locality],
    setting: Mapping[str, Any],
    proxy: Locality,
    weights: Sequence[int] | None = None,
) -> dict[Locality, int] | None:
    """Locality weights under `distribute`: the first `from` that matches the proxy; None where none does.

    `localities` has one entry for each endpoint, `weights` their weights (1 by default). A wildcard's weight is
    divided over the localities it matches in proportion to their endpoints, rounded up, and those that nothing
    matches are left out.
    """
    entry = _distribution(setting, proxy)
    if entry is None:
        return None
    counts: dict[Locality, int] = {}
    for index, locality in enumerate(localities):
        counts[locality] = counts.get(locality, 0) + (weights[index] if weights is not None else 1)
    found: dict[Locality, int] = {}
    for pattern, weight in (entry.get("to") or {}).items():
        matched = [at for at in counts if at not in found and _matches(at, str(pattern))]
        total = sum(counts[at] for at in matched)
        found.update({at: -(-counts[at] * int(weight) // total) for at in matched})
    return {at: weight for at, weight in found.items() if weight}


def _distribution(setting: Mapping[str, Any], proxy: Locality) -> Mapping[str, Any] | None:
    """The first entry of `distribute` whose `from` has the proxy."""
    entries = [entry for entry in setting.get("distribute") or () if entry]
    return next((entry for entry in entries if _matches(proxy, str(entry.get("from", "")))), None)


def compacted(ranks: Sequence[int]) -> list[int]:
    """Ranks as consecutive priorities from 0."""
    order = {rank: index for index, rank in enumerate(sorted(set(ranks)))}
    return [order[rank] for rank in ranks]


def locality_of(value: Any) -> Locality:
    """A locality from `region/zone/subzone`, a mapping of the parts, or itself."""
    if isinstance(value, Locality):
        return value
    if isinstance(value, Mapping):
        subzone = next((value[key] for key in ("subzone", "subZone", "sub_zone") if value.get(key)), "")
        return Locality(str(value.get("region") or ""), str(value.get("zone") or ""), str(subzone))
    if value is not None and not isinstance(value, str):
        msg = f"a locality is region/zone/subzone or a mapping of these, and this is {value!r}"
        raise InputError(msg)
    return Locality(*(*(value or "").split("/"), "", "", "")[:3])


def _row(value: Row) -> Mapping[str, Any]:
    """An endpoint or a proxy as a mapping; a bare locality is one without anything else."""
    return value if isinstance(value, Mapping) else {"locality": locality_of(value)}


def _place(row: Mapping[str, Any]) -> Locality:
    return locality_of(row["locality"] if "locality" in row else row)


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


def _labels(row: Mapping[str, Any], locality: Locality) -> dict[str, str]:
    """Labels as failoverPriority sees them. Network and cluster are always labels; region, zone and subzone follow
    from the locality only where no labels are given: a gateway's endpoint has a locality and no labels for it."""
    given = row.get("labels")
    implied = {name: str(row.get(part) or "") for part, name in _IMPLIED.items()}
    if given is None:
        implied |= {name: getattr(locality, part) for name, part in _PARTS.items()}
    return {name: value for name, value in implied.items() if value} | dict(given or {})
