"""Which endpoints an Envoy prefers: the priorities and locality weights that istiod computes
(istio pilot/pkg/networking/core/loadbalancer/loadbalancer.go:250)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from meshsim.model.errors import InputError
from meshsim.tables.dialect import Dialect, parse_dialect
from meshsim.tables.plainrow import PlainRow, whole_number
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
_WHOLE: Final = 100
_RANKS: Final = 5
"""A region rank is 0 to 4, so that five times a label rank keeps the labels' order (loadbalancer.go:250)."""


def priorities(
    endpoints: Sequence[str | Mapping[str, Any] | None],
    setting: Mapping[str, Any] | None,
    proxy_locality: str | Mapping[str, Any],
    *,
    proxy_labels: Mapping[str, str] | None = None,
    failover: bool = True,
    dialect: str | Dialect = "istio/1.31",
) -> list[int | None]:
    """The Envoy priority that Istio gives each endpoint; None for one that `distribute` leaves out.

    An endpoint has `locality` (`region/zone/subzone` or a mapping) and optionally `labels` (without them, those that
    follow from its locality), `network` and `cluster`, which stand for the topology labels of the same names.
    `setting` is a localityLbSetting, or the `loadBalancer` that holds one or a zoneAwareLbSetting (None or
    `enabled: false`: no priorities). `proxy_locality` may be a mapping that also holds the proxy's `labels`, `network`
    and `cluster`. `failover` says whether failover is active at all: outlier detection is set, or trafficDistribution
    forces it.

    >>> priorities([{"locality": "us/a"}, {"locality": "us/b"}, {"locality": "eu/c"}], {}, "us/a")
    [0, 1, 2]
    >>> priorities([{"network": "n1"}, {"network": "n2"}], {"failoverPriority": ["topology.istio.io/network"]},
    ...            {"network": "n2"})
    [1, 0]
    >>> priorities([{"locality": "us/a"}, {"locality": "us/b"}], {"zoneAwareLbSetting": {}}, "us/a")
    [0, 0]
    """
    rows = _rows(endpoints)
    localities = [locality_of(row.get("locality", row)) for row in rows]
    proxy = _row(proxy_locality, "proxy_locality")
    own = _own(proxy)
    stated, by_region = _read({"enabled": False} if setting is None else setting)
    if stated.get("enabled") is False:
        return [0] * len(rows)
    if stated.get("distribute"):
        weights = _distributed(localities, stated, own)
        return [0 if weights is None or locality in weights else None for locality in localities]
    if not failover:
        return [0] * len(rows)
    regions = [(entry.text("from"), entry.text("to")) for entry in stated.rows("failover", "failover")]
    ranks = [0] * len(rows)
    names = [str(name) for name in stated.sequence("failoverpriority")]
    labels = {**_labels(proxy, own), **(proxy_labels or {})}
    if names and labels:
        known = parse_dialect(dialect) if isinstance(dialect, str) else dialect
        first = bool(known.value("locality.network-first"))
        found = [
            label_rank(_labels(row, at), labels, names, network_first=first)
            for row, at in zip(rows, localities, strict=True)
        ]
        ranks = compacted(found)
    if not names or regions:
        by_place = _region_rank if by_region else _locality_rank
        ranks = [rank * _RANKS + by_place(own, at, regions) for rank, at in zip(ranks, localities, strict=True)]
    return list(compacted(ranks))


def label_rank(
    labels: Mapping[str, str], proxy: Mapping[str, str], names: Sequence[str], *, network_first: bool = True
) -> int:
    """The rank of an endpoint under failoverPriority: labels left at the first mismatch, 0 where all match.

    `name=value` compares with that value instead of the proxy's, wherever the name stands. With `network_first` a
    mismatch of a leading network label counts for as many as all labels together, and the others still rank
    (loadbalancer.go priorityLabelOverrides, applyFailoverPriorityPerLocality).
    """
    keys = [name.partition("=")[0] for name in names]
    stated = dict(name.split("=") for name in names if name.count("=") == 1)
    offset = 0
    for index, key in enumerate(keys):
        if (stated[key] if key in stated else proxy.get(key, "")) == labels.get(key, ""):
            continue
        if network_first and index == 0 and names[0] == NETWORK:
            offset = len(keys)
            continue
        return offset + len(keys) - index
    return offset


def locality_weights(
    endpoints: Sequence[str | Mapping[str, Any] | None],
    setting: Mapping[str, Any] | None,
    proxy_locality: str | Mapping[str, Any],
) -> list[int] | None:
    """The weight that `distribute` gives each endpoint, or group of them with a `weight` of its own; 0 for one that it
    leaves out. None where it says nothing for the proxy. Arguments are as in `priorities`.

    >>> setting = {"distribute": [{"from": "us/*", "to": {"us/a": 80, "us/b": 20}}]}
    >>> locality_weights(["us/a", "us/a", "us/b", "eu/c"], setting, "us/a")
    [40, 40, 20, 0]
    """
    rows = _rows(endpoints)
    localities = [locality_of(row.get("locality", row)) for row in rows]
    proxy = _row(proxy_locality, "proxy_locality")
    stated, _ = _read({"enabled": False} if setting is None else setting)
    sizes = [1 if row.get("weight") is None else whole_number(row["weight"], "weight", _WHOLE) for row in rows]
    whole = None if stated.get("enabled") is False else _distributed(localities, stated, _own(proxy), sizes)
    if whole is None:
        return None
    totals = {at: sum(size for size, where in zip(sizes, localities, strict=True) if where == at) for at in whole}
    return [
        -(-whole[at] * size // totals[at]) if at in whole else 0 for at, size in zip(localities, sizes, strict=True)
    ]


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
    return _distributed(localities, PlainRow(setting, "setting"), proxy, weights)


def _distributed(
    localities: Iterable[Locality], setting: PlainRow, proxy: Locality, weights: Sequence[int] | None = None
) -> dict[Locality, int] | None:
    entries = setting.rows("distribute", "distribute")
    entry = next((entry for entry in entries if _matches(proxy, entry.text("from"))), None)
    if entry is None:
        return None
    counts: dict[Locality, int] = {}
    for index, locality in enumerate(localities):
        counts[locality] = counts.get(locality, 0) + (weights[index] if weights is not None else 1)
    found: dict[Locality, int] = {}
    to = entry.get("to") or {}
    if not isinstance(to, Mapping):
        entry.fail(f"to {to!r} is not a mapping of weights")
    for pattern, stated in to.items():
        weight = whole_number(stated, f"weight of {pattern} in distribute", _WHOLE)
        matched = [at for at in counts if at not in found and _matches(at, str(pattern))]
        total = sum(counts[at] for at in matched) or 1
        found.update({at: -(-counts[at] * weight // total) for at in matched})
    return {at: weight for at, weight in found.items() if weight}


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
    return Locality(*(*str(value or "").split("/"), "", "", "")[:3])


def _locality_rank(proxy: Locality, endpoint: Locality, regions: Sequence[tuple[str, str]]) -> int:
    if proxy.region == endpoint.region:
        if proxy.zone != endpoint.zone:
            return 2
        return 0 if proxy.subzone == endpoint.subzone else 1
    to = next((after for before, after in regions if before == proxy.region), None)
    return 3 if to is None or endpoint.region == to else 4


def _region_rank(proxy: Locality, endpoint: Locality, regions: Sequence[tuple[str, str]]) -> int:
    """Zone-aware balancing leaves zones to Envoy, and ranks regions alone: own, its failover, the rest."""
    return max(0, _locality_rank(proxy, endpoint, regions) - 2)


def _read(stated: Any) -> tuple[PlainRow, bool]:
    """The setting itself, and whether it is a zone-aware one; a DestinationRule's `loadBalancer` holds either."""
    setting = PlainRow(stated, "setting")
    for name in ("zoneawarelbsetting", "localitylbsetting"):
        if setting.get(name) is not None:
            return setting.row(name), name.startswith("zone")
    return setting, False


def _own(proxy: Mapping[str, Any]) -> Locality:
    return locality_of(proxy.get("locality", proxy))


def _rows(endpoints: Sequence[str | Mapping[str, Any] | None]) -> list[Mapping[str, Any]]:
    if isinstance(endpoints, list | tuple):
        return [_row(endpoint, f"endpoint {index}") for index, endpoint in enumerate(endpoints)]
    msg = f"endpoints {endpoints!r} is not a list"
    raise InputError(msg)


def _row(value: Any, name: str) -> Mapping[str, Any]:
    if value is None or isinstance(value, str):
        return {"locality": value}
    if isinstance(value, Mapping):
        if isinstance(value.get("labels") or {}, Mapping):
            return value
        msg = f"{name}: labels {value['labels']!r} is not a mapping"
        raise InputError(msg)
    msg = f"{name}: {value!r} is neither a mapping nor a locality"
    raise InputError(msg)


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
