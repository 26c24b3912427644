"""Ejections over a timeline as values, and the law that they follow as a sentence."""

from typing import final

from meshsim.analysis.failinghosts import Detection
from meshsim.model.frozen import frozen
from meshsim.tables.envoy import Cluster


@final
@frozen
class Ejected:
    """At `at` seconds the Envoy `hop` takes `host` out of its cluster, until `until`: it is back then, or `gone` from
    what the Envoy knows."""

    at: float
    until: float
    gone: bool
    hop: str
    cluster: str
    host: str


def law(at: Detection, cluster: Cluster, *, poisson: bool) -> str:
    """By which law the hosts of a cluster are ejected, and what is taken for granted."""
    outlier = cluster.outlier
    assert outlier is not None
    source = f" ({', '.join(str(fact.evidence) for fact in outlier.why)})" if outlier.why else ""
    when = "a gamma time" if poisson else "negative binomial"
    nth, hosts = _ordinal(outlier.consecutive), len(cluster.hosts)
    fast = ", though LEAST_REQUEST sends more to hosts that fail fast" if cluster.lb == "LEAST_REQUEST" else ""
    return (
        f"{at.hop} ejects from {at.cluster}{source}: a host goes with the {nth} error in a row of this loop's own "
        f"requests ({when} at its share{fast}), at most {outlier.percent} % of {hosts} hosts, and is back with a sweep "
        f"(every {outlier.interval:g}s, phase drawn) after {outlier.base:g}s times how often; the loop has the Envoy "
        "to itself and nothing is retried"
    )


def _ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th.

    >>> [_ordinal(n) for n in (1, 2, 5, 11, 23)]
    ['1st', '2nd', '5th', '11th', '23rd']
    """
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in {11, 12, 13} else "th"
    return f"{number}{ending}"
