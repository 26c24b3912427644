"""Outlier detection as a dump has it (envoy api/envoy/config/cluster/v3/outlier_detection.proto)."""

from fractions import Fraction
from typing import Final

from meshsim.tables.configdump.message import Message
from meshsim.tables.envoy import Outlier

DEFAULT: Final = Outlier()
ALWAYS: Final = 100


def outlier(row: Message) -> Outlier | None:
    """When the cluster's hosts are taken out; None where neither 5xx errors nor gateway errors in a row do it.

    Gateway errors are 5xx errors as well, so of two thresholds the lower one is met first. By default 5xx errors eject
    and gateway errors do not; success rates and failure percentages are told as limits.
    """
    limits: list[str] = []
    streaks = []
    for errors, enforced, default in (
        ("consecutive_5xx", "enforcing_consecutive_5xx", ALWAYS),
        ("consecutive_gateway_failure", "enforcing_consecutive_gateway_failure", 0),
    ):
        chance, streak = row.number(enforced, default), row.number(errors, DEFAULT.consecutive)
        if streak and chance:
            streaks.append(streak)
        if 0 < chance < ALWAYS:
            limits.append(f"{enforced} {chance}")
    if row.flag("split_external_local_origin_errors"):
        limits.append("split_external_local_origin_errors")
    if row.number("enforcing_success_rate", ALWAYS):
        limits.append("ejection by success rate")
    if row.number("enforcing_failure_percentage", 0):
        limits.append("ejection by failure percentage")
    if row.flag("always_eject_one_host"):
        limits.append("always_eject_one_host")
    if not streaks:
        return None
    base = _seconds(row, "base_ejection_time", DEFAULT.base)
    return Outlier(
        consecutive=min(streaks),
        interval=_seconds(row, "interval", DEFAULT.interval),
        base=base,
        longest=max(base, _seconds(row, "max_ejection_time", DEFAULT.longest)),
        percent=min(ALWAYS, row.number("max_ejection_percent", DEFAULT.percent)),
        limits=tuple(limits),
    )


def _seconds(row: Message, key: str, default: float) -> float:
    """A duration: `10s` or `0.050s`."""
    said = row.text(key)
    number = said.removesuffix("s")
    if not said:
        return default
    if not said.endswith("s") or len(number) > 24 or not number.replace(".", "", 1).isdecimal():
        row.fail(f"{key} {said!r} is no duration")
    return float(Fraction(number)) or default
