"""A choice taken once for each connection: ztunnel's between endpoints, kube-proxy's between a Service's pods."""

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Final, final

from meshsim.live.lab.plan import UNNAMED, Plan
from meshsim.live.lab.resources import Config, address, listener, passes_metadata, tcp_proxy
from meshsim.live.lab.senders import Sender
from meshsim.model.frozen import record
from meshsim.tables.views import ClusterView

NEVER_SPILLS: Final = 1_000_000
"""An overprovisioning factor at which one host of a priority takes all of the traffic."""
Place = tuple[str, int]


@final
@record
class Choice:
    """One way on: its host, its weight, and how many preferences fewer than the best it matches."""

    host: Config
    weight: Fraction
    priority: int = 0


def kube_proxy(plan: Plan, view: ClusterView, ip: str, port: int, process: str = "") -> Place:
    """What the cluster's own network does with an address: a ClusterIP is balanced over ready pods, a pod is reached,
    and nothing answers anywhere else. `process` is the proxy that lets the address pass, if one does."""
    process = process or f"kube-proxy:{view.name}"
    sender = Sender(plan, process, view, plan.identity(view, UNNAMED))
    pods = view.kube.get(f"{ip}:{port}")
    if pods is None:
        uid = plan.views.pod_at(view.network, ip)
        host = sender.plainly(uid, port) if uid is not None else sender.nowhere(port)
        choices = [Choice(host, Fraction(1))]
    else:
        choices = [Choice(sender.plainly(uid, target), Fraction(1)) for uid, target in pods]
    name = f"address|{ip}|{port}"
    draw(plan, process, name, choices)
    where = plan.addresses.ip("address", process, ip), plan.addresses.port(port)
    proxy = tcp_proxy(name, {name: 1}, plan.logs(process, "address"))
    plan.process(process).listeners[name] = listener(name, address(*where), [proxy])
    return where


def draw(plan: Plan, process: str, name: str, choices: Sequence[Choice]) -> None:
    """A cluster that draws one of the choices for each connection."""
    counts = _whole([choice.weight for choice in choices])
    levels: dict[int, list[Config]] = {}
    for choice, count in zip(choices, counts, strict=True):
        for copy in range(count):
            levels.setdefault(choice.priority, []).append(_copy(choice.host, copy))
    rank = {priority: index for index, priority in enumerate(sorted(levels))}
    assignment = {
        "policy": {"overprovisioning_factor": NEVER_SPILLS},
        "endpoints": [{"priority": rank[priority], "lb_endpoints": hosts} for priority, hosts in levels.items()],
    }
    common = {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"}
    plan.backend(process, name, assignment, "RANDOM", common_lb_config=common, **passes_metadata())


def _copy(host: Config, number: int) -> Config:
    """The same host once more: Envoy tells internal hosts apart by their id."""
    where = host["address"].get("envoy_internal_address")
    if where is None or not number:
        return _host(host)
    again = {
        **host,
        "address": {"envoy_internal_address": {**where, "endpoint_id": f"{where['endpoint_id']}#{number}"}},
    }
    return _host(again)


def _host(host: Config) -> Config:
    made: Config = {"endpoint": {"address": host["address"]}}
    return {**made, "metadata": host["metadata"]} if "metadata" in host else made


def _whole(weights: Sequence[Fraction]) -> list[int]:
    """Weights as the smallest whole numbers in the same proportion.

    >>> _whole([Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)])
    [2, 1, 1]
    """
    common = lcm(*(weight.denominator for weight in weights)) if weights else 1
    counts = [int(weight * common) for weight in weights]
    divisor = gcd(*counts) or 1
    return [count // divisor for count in counts]
