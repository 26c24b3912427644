"""Outlier ejection as control events, at their exact hitting times.

A host is ejected after so many consecutive errors. Its requests are a thinned Poisson process, independent of other
hosts'; how many it takes to the first streak is a compound geometric number, and the moment of that request a gamma
variable in the host's own time (the requests that it may expect). Between two ejections shares are constant, so
every host's own time runs at a known pace and nothing is simulated per request.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import cos, log, pi, sqrt
from typing import Final, final

from meshsim.model.errors import InputError
from meshsim.model.frozen import record
from meshsim.simulation.streams import Bits, Purpose, Stream, stream
from meshsim.simulation.traffic_counts import binomial, geometric

CONSECUTIVE: Final = 5
"""Envoy's and Istio's default of consecutive 5xx errors."""
CAP_PERCENT: Final = 10
"""Envoy's default `max_ejection_percent`, of all hosts of the cluster, whatever their priority."""


@final
@record
class Ejection:
    """At `at` seconds `host` has answered `requests` requests, the last ones errors, and is taken out."""

    at: float
    host: str
    requests: int


def cap(hosts: int, percent: int = CAP_PERCENT, *, always_one: bool = False) -> int:
    """How many hosts may be out at once: the percentage of all hosts, rounded down.

    Measured with Envoy 1.39.3: 2 of 20 at 10 %, 6 of 20 at 30 %. `always_one` is Envoy's `always_eject_one_host`.

    >>> cap(20), cap(20, 30), cap(5), cap(5, always_one=True)
    (2, 6, 0, 1)
    """
    return min(hosts, max(hosts * percent // 100, int(always_one)))


def mean_requests(errors: Fraction, consecutive: int = CONSECUTIVE) -> Fraction:
    """Requests that a host answers on average until its first streak: (1 - e^r) / ((1 - e)·e^r).

    >>> mean_requests(Fraction(1), 5), mean_requests(Fraction(1, 2), 3)
    (Fraction(5, 1), Fraction(14, 1))
    """
    return sum((1 / errors**i for i in range(1, consecutive + 1)), Fraction(0))


def requests_until(bits: Bits, errors: Fraction, consecutive: int = CONSECUTIVE) -> int:
    """Requests until the first `consecutive` errors in a row, each an error with probability `errors` > 0. Exact.

    Attempts at a streak are independent: one ends after j < r errors by a success, with weight e^j(1 - e), or
    succeeds with probability e^r. So only how many attempts end at each j is drawn.
    """
    attempts = geometric(bits, errors**consecutive)
    total, left = consecutive, 1 - errors**consecutive
    for j in range(consecutive):
        weight = errors**j * (1 - errors)
        ended = binomial(bits, attempts, weight / left) if attempts else 0
        total += ended * (j + 1)
        attempts -= ended
        left -= weight
    return total


def ejections(
    source: Sequence[str],
    seed: int,
    *,
    rate: Fraction,
    errors: Mapping[str, Fraction],
    shares: Callable[[frozenset[str]], Mapping[str, Fraction]],
    most: int,
    consecutive: int = CONSECUTIVE,
    until: float = float("inf"),
) -> tuple[Ejection, ...]:
    """The ejections of a cluster's hosts in order, at most `most`, before `until` seconds.

    `errors` is each host's error probability; `shares(ejected)` each host's share of the `rate` requests a second
    while those hosts are out. Streams are named by `source` and the host, so hosts may be listed in any order.
    The law is exact but for the 53 bits of a moment.
    """
    needs: dict[str, tuple[float, int]] = {}
    for host, share in errors.items():
        if share:
            bits = Bits(stream(seed, *source, "ejection", host), Purpose.TIMES)
            requests = requests_until(bits, share, consecutive)
            needs[host] = (_gamma(bits, requests), requests)
    now, found = 0.0, []
    out: frozenset[str] = frozenset()
    while needs and len(out) < most:
        pace = {host: float(rate * share) for host, share in shares(out).items() if share}
        waits = {host: need / pace[host] for host, (need, _) in needs.items() if host in pace}
        if not waits:
            break
        first = min(waits, key=lambda host: (waits[host], host))
        now += waits[first]
        if now >= until:
            break
        found.append(Ejection(now, first, needs[first][1]))
        needs = {
            host: (need - waits[first] * pace.get(host, 0.0), requests)
            for host, (need, requests) in needs.items()
            if host != first
        }
        out |= {first}
    return tuple(found)


def outlier_ejections(
    errors: Mapping[str, Fraction | str | int | float],
    rate: Fraction | str | float,
    *,
    consecutive: int = CONSECUTIVE,
    max_ejection_percent: int = CAP_PERCENT,
    always_eject_one_host: bool = False,
    seed: int = 1,
    until: float = float("inf"),
) -> list[dict[str, object]]:
    """When Envoy takes the hosts of a cluster out, and after how many of their requests, drawn from the exact law.

    `errors` is the probability that a host answers with an error (a number, `"1/2"` or `"50%"`), for every host of the
    cluster; `rate` requests a second go to the hosts that are in, evenly, as Poisson arrivals. A host is out from its
    `consecutive`th error in a row on, while fewer than `max_ejection_percent` of all hosts are out, rounded down; its
    return is left to the caller. Each row has `at` (seconds), `host` and `requests`. Raises InputError.

    >>> outlier_ejections({"a": 1, "b": 0}, 10)
    []
    >>> [(row["host"], row["requests"]) for row in outlier_ejections({"a": 1, "b": 0}, 10, max_ejection_percent=50)]
    [('a', 5)]
    """
    chances = {str(host): _probability(host, share) for host, share in errors.items()}
    pace = _number(rate, "rate")
    if pace <= 0 or consecutive < 1 or not 0 <= max_ejection_percent <= 100:
        msg = f"rate {rate}, consecutive {consecutive} and max_ejection_percent {max_ejection_percent} cannot be"
        raise InputError(msg, hint="write a positive rate, at least one error, and 0 to 100 percent")

    def shares(out: frozenset[str]) -> Mapping[str, Fraction]:
        left = [host for host in chances if host not in out]
        return {host: Fraction(1, len(left)) for host in left}

    found = ejections(
        ("outlier ejections",),
        seed,
        rate=pace,
        errors=chances,
        shares=shares,
        most=cap(len(chances), max_ejection_percent, always_one=always_eject_one_host),
        consecutive=consecutive,
        until=until,
    )
    return [{"at": one.at, "host": one.host, "requests": one.requests} for one in found]


def _probability(host: str, share: Fraction | str | float) -> Fraction:
    found = _number(share, f"the errors of {host}")
    if not 0 <= found <= 1:
        msg = f"the errors of {host} are {share}, which is no probability"
        raise InputError(msg, hint="write a number from 0 to 1, or a percentage")
    return found


def _number(value: Fraction | str | float, what: str) -> Fraction:
    """A number exactly: `0.1` is one tenth, as it is written."""
    text = str(value).strip()
    try:
        return Fraction(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except (ValueError, ZeroDivisionError) as error:
        msg = f"{what}: {value!r} is no number"
        raise InputError(msg, hint="write 0.5, 1/2 or 50%") from error


def hitting_time(
    source: Stream, rate: Fraction, errors: Fraction = Fraction(1), consecutive: int = CONSECUTIVE
) -> float:
    """Seconds until a host that gets `rate` requests a second is ejected: Gamma(r, 1/rate) where each is an error."""
    bits = Bits(source, Purpose.TIMES)
    return _gamma(bits, requests_until(bits, errors, consecutive)) / float(rate)


def _gamma(bits: Bits, shape: int) -> float:
    """A Gamma(shape, 1) variable: a sum of exponentials, or Marsaglia and Tsang's method (2000) for many."""
    if shape <= 16:
        return sum(exponential(bits) for _ in range(shape))
    d = shape - 1 / 3
    c = 1 / sqrt(9 * d)
    while True:
        x = sqrt(-2 * log(_unit(bits))) * cos(2 * pi * _unit(bits))
        v = (1 + c * x) ** 3
        if v > 0 and log(_unit(bits)) < 0.5 * x * x + d - d * v + d * log(v):
            return d * v


def exponential(bits: Bits) -> float:
    """An exponential variable of mean 1."""
    return -log(_unit(bits))


def _unit(bits: Bits) -> float:
    """A uniform number in (0, 1), in steps of 2^-53."""
    return (bits.take(52) * 2 + 1) * 2.0**-53
