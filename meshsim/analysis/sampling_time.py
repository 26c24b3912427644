"""Requests over a scenario's timeline: what a client sees in each interval between two changes of its routing."""

from collections.abc import Mapping
from fractions import Fraction
from typing import final

from meshsim.model.frozen import frozen
from meshsim.model.shares import total
from meshsim.model.timeline import Lane, Timeline
from meshsim.model.verdict import Row
from meshsim.simulation.streams import stream
from meshsim.simulation.traffic import Leaves, leaves
from meshsim.simulation.traffic_timeline import Interval, arrivals, paced


@final
@frozen
class SpanSample:
    """[start, stop) in seconds: exact shares and drawn counts by version (or by what a failed request reads).

    Both are empty where the call is undetermined then.
    """

    start: float
    stop: float
    cause: str
    verdict: str
    shares: Mapping[str, Fraction]
    counts: Mapping[str, int]


@final
@frozen
class LaneSample:
    """One client's requests over time."""

    frm: str
    to: str
    path: str
    spans: tuple[SpanSample, ...]


def over_time(
    found: Timeline, *, rate: Fraction, seed: int, frm: str | None = None, poisson: bool = False
) -> tuple[LaneSample, ...]:
    """Every lane's requests at `rate` a second, each independent: sent at a fixed pace (request i at i/rate), or as
    Poisson arrivals. Seeded by the scenario's name, client, callee and path."""
    lanes: dict[tuple[str, str, str], Lane] = {}
    for lane in found.lanes:
        if frm in {None, lane.frm}:
            lanes.setdefault((lane.frm, lane.to, lane.path), lane)
    return tuple(_sampled(found, lane, rate, seed, poisson=poisson) for lane in lanes.values())


def _sampled(found: Timeline, lane: Lane, rate: Fraction, seed: int, *, poisson: bool) -> LaneSample:
    source = stream(seed, found.scenario, lane.frm, lane.to, lane.path, "over time")
    shares = [_shares(span.row) for span in lane.spans]
    names = sorted({name for one in shares for name in one})
    parts = [
        Interval(
            Fraction(span.start),
            Fraction(found.end if span.end is None else span.end),
            leaves([one.get(name, Fraction(0)) for name in names]) if one else Leaves((1,)),
        )
        for span, one in zip(lane.spans, shares, strict=True)
    ]
    drawn = (arrivals if poisson else paced)(source, rate, parts)
    return LaneSample(
        frm=lane.frm,
        to=lane.to,
        path=lane.path,
        spans=tuple(
            SpanSample(
                start=span.start,
                stop=float(part.stop),
                cause=span.cause,
                verdict=span.row.verdict.value,
                shares=one,
                counts={name: count for name, count in zip(names, counts, strict=False) if one.get(name)},
            )
            for span, part, one, counts in zip(lane.spans, parts, shares, drawn, strict=True)
        ),
    )


def _shares(row: Row) -> dict[str, Fraction]:
    if row.effective is None:
        return {}
    errors = total((f"{error.code} {error.flag}".strip(), error.share) for error in row.errors)
    return dict(row.versions) | errors
