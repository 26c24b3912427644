"""References of a scenario to its clusters and objects: whether they are well formed and name a known cluster.

Whether the object itself exists is for the mesh to say, which knows the implied ones.
"""

import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Final

from meshsim.scenario.notation import Unfit, did_you_mean

_TARGETS: Final = {
    "waypoint": (3, "waypoint:CLUSTER/NAMESPACE/NAME"),
    "ingress": (3, "ingress:CLUSTER/NAMESPACE/NAME"),
    "eastwest": (1, "eastwest:CLUSTER"),
    "cluster": (1, "cluster:CLUSTER"),
    "zone": (2, "zone:CLUSTER/ZONE"),
    "node": (2, "node:CLUSTER/NAME"),
    "link": (2, "link:WATCHER/PEER"),
}


_CALLED: Final = re.compile(
    r"(?:pod:[^\s:]+|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:]*::[0-9A-Fa-f:.]*|[\w.*?-]+)(?::(\d+|\*))?", re.ASCII
)
"""A pod, an IPv6 address, or a host name or IPv4 address, with or without a port."""


def called(text: str, clusters: Collection[str]) -> None:
    """`to`: a host name or an IP address, or `pod:CLUSTER/NAMESPACE/WORKLOAD/N`, with or without a port."""
    found = _CALLED.fullmatch(text)
    if found is None:
        msg = f"{text!r} is no host and port"
        raise Unfit(msg, "write host:port, ip:port or pod:cluster/namespace/workload/n:port; a path goes into `path`")
    port = found[1]
    if port and port.isdigit() and not (len(port) < 6 and 0 < int(port) < 65536):
        msg = f"{text!r} has the port {port[:12]}, and ports are 1 to 65535"
        raise Unfit(msg)


def cluster(name: str, clusters: Collection[str]) -> None:
    """A cluster of the scenario; raises Unfit where it is none."""
    if name not in clusters:
        msg = f"there is no cluster {name!r}"
        raise Unfit(msg, did_you_mean(name, clusters))


def caller(text: str, clusters: Collection[str]) -> None:
    """`from`: a workload, `ingress:…`, `external:…`, or a cluster; `*` per segment; a unique suffix."""
    scheme, colon, rest = text.partition(":")
    if colon:
        if scheme == "external":
            cluster(rest, clusters)
        elif scheme == "ingress":
            _segments(rest, 3, "ingress:CLUSTER/NAMESPACE/NAME", clusters)
        else:
            msg = f"{text!r} is no caller"
            raise Unfit(msg, "write CLUSTER/NAMESPACE/WORKLOAD, ingress:CLUSTER/NAMESPACE/NAME or external:CLUSTER")
        return
    parts = text.split("/")
    if not all(parts) or len(parts) > 3:
        msg = f"{text!r} is no caller"
        raise Unfit(msg, "write CLUSTER/NAMESPACE/WORKLOAD")
    if len(parts) == 3:
        _some_cluster(parts[0], clusters)


def workload(text: str, clusters: Collection[str]) -> None:
    """`rollout` and `workload`: `cluster/namespace/name`, `*` per segment."""
    _segments(text, 3, "CLUSTER/NAMESPACE/NAME", clusters)


def object_(text: str, clusters: Collection[str]) -> None:
    """`object`: `cluster/Kind/namespace/name`, or `cluster/Kind/name` without a namespace."""
    parts = text.split("/")
    if len(parts) not in {3, 4} or not all(parts):
        msg = f"{text!r} is no object"
        raise Unfit(msg, "write CLUSTER/KIND/NAMESPACE/NAME, or CLUSTER/KIND/NAME without a namespace")
    cluster(parts[0], clusters)


def target(text: str, clusters: Collection[str]) -> None:
    """`target` of fail, recover and drain: one thing, by its whole name."""
    if "*" in text:
        msg = f"{text!r} names no single target"
        raise Unfit(msg, "write one entry a target")
    scheme, colon, rest = text.partition(":")
    if not colon:
        workload(text, clusters)
        return
    if scheme not in _TARGETS:
        msg = f"{scheme!r} is no kind of target"
        raise Unfit(msg, did_you_mean(scheme, _TARGETS))
    count, form = _TARGETS[scheme]
    _segments(rest, count, form, clusters)
    if scheme == "link":
        cluster(rest.split("/")[1], clusters)


def owner(text: str, clusters: Collection[str]) -> None:
    """A key of `propagation.per`: a cluster, or a proxy of one (`waypoint:cluster1/default/waypoint`)."""
    cluster(text.partition(":")[2].split("/")[0] if ":" in text else text, clusters)


def _segments(text: str, count: int, form: str, clusters: Collection[str]) -> None:
    parts = text.split("/")
    if len(parts) != count or not all(parts):
        msg = f"{text!r} is not of the form {form.rpartition(':')[2]}"
        raise Unfit(msg, f"write {form}")
    _some_cluster(parts[0], clusters)


def _some_cluster(name: str, clusters: Collection[str]) -> None:
    if "*" not in name:
        cluster(name, clusters)
    elif not any(fnmatchcase(known, name) for known in clusters):
        msg = f"no cluster matches {name!r}"
        raise Unfit(msg, did_you_mean(name, clusters))
