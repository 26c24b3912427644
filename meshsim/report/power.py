"""How many requests a check needs, as a table to plan one by: no scenario, only the two shares to be told apart."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

from meshsim.analysis.power import EXACT_UP_TO, LEVEL, Sequential, requests_needed, sequential
from meshsim.analysis.statistics import false_alarm, misses
from meshsim.model.shares import percent
from meshsim.report.data import as_json

SCHEMA: Final = "meshsim/power/v1"
Pair = tuple[Fraction, Fraction]
PAIRS: Final[tuple[Pair, ...]] = (
    *((Fraction(share, 100), Fraction(0)) for share in (50, 20, 10, 5)),
    (Fraction(1, 2), Fraction(2, 5)),
)
"""What is shown unasked: canaries of usual weights that a bypass hides, and one that it only shrinks."""
CURLS: Final = 50
"""How many curls people send by hand."""
LIVE: Final = Fraction(1, 20)
WANTED: Final = Fraction(1, 2)
TOLERANCE: Final = Fraction(1, 10)


def table(pairs: Sequence[Pair]) -> str:
    """The requests that tell each pair of shares (applied, bypassed) apart, in columns."""
    header = ("if applied", "if bypassed", "requests", "one by one, if applied", "one by one, if bypassed")
    rows = [header, *((percent(a), percent(b), _number(a, b), *_course(sequential(a, b))) for a, b in pairs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    level = percent(LEVEL)
    missed = f"{float(misses(LIVE, CURLS)):.1%}"
    alarmed = f"{float(false_alarm(WANTED, CURLS, TOLERANCE)):.1%}"
    return "\n".join(
        [
            f"requests that tell an applied split from a bypassed one (false alarm {level}, oversight {level})",
            *lines,
            "One by one, a sequential test stops as soon as it is sure: the mean number of requests that it takes.",
            "Keep-alive clients whose ztunnel chooses count connections; a client-local waypoint across networks",
            "counts its pooled upstream connections. `meshsim run` says which, for each bypassed call.",
            f"{CURLS} requests miss a live canary of {percent(LIVE)} {missed} of the time; a check of",
            f"{percent(WANTED)} ± {100 * TOLERANCE} points on them raises a false alarm {alarmed} of the time.",
            "",
        ]
    )


def _number(applied: Fraction, bypassed: Fraction) -> str:
    needed = requests_needed(applied, bypassed)
    if needed is None:
        return "no number suffices"
    return f"{'about ' if needed > EXACT_UP_TO else ''}{needed:,}"


def _course(found: Sequential | None) -> tuple[str, str]:
    return ("–", "–") if found is None else (f"{found.if_applied:.1f}", f"{found.if_bypassed:.1f}")


def as_text(pairs: Sequence[Pair]) -> str:
    """The same as JSON: shares as exact text, `needed` null where no number suffices."""
    return as_json({"schema": SCHEMA, "errors": [str(LEVEL), str(LEVEL)], "pairs": [_pair(*pair) for pair in pairs]})


def _pair(applied: Fraction, bypassed: Fraction) -> dict[str, Any]:
    course = sequential(applied, bypassed)
    return {
        "applied": str(applied),
        "bypassed": str(bypassed),
        "needed": requests_needed(applied, bypassed),
        "sequential": None
        if course is None
        else {
            "if_applied": course.if_applied,
            "if_bypassed": course.if_bypassed,
            "false_alarm": course.false_alarm,
            "missed": course.missed,
        },
    }
