"""Requests over a scenario's timeline: what a client sees in each interval between two changes of its routing."""

from collections.abc import Mapping
from fractions import Fraction
from typing import final

from meshsim.analysis.course import Course
from meshsim.analysis.ejecting import Ejecting, shares_of
from meshsim.analysis.ejections import Ejected
from meshsim.model.frozen import frozen
from meshsim.model.timeline import Lane, Timeline
from meshsim.simulation.streams import Stream, stream
from meshsim.simulation.traffic import Leaves, leaves
from meshsim.simulation.traffic_timeline import Interval, arrivals, paced


@final
@frozen
class SpanSample:
    """[start, stop) in seconds: exact shares and drawn counts by version (or by what a failed request reads).

    Both are empty where the call is undetermined then. The request that ejects a host belongs to the span it ends.
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
    """One client's requests over time, the ejections that they led to, the law of those, and what is not followed."""

    frm: str
    to: str
    path: str
    spans: tuple[SpanSample, ...]
    ejections: tuple[Ejected, ...] = ()
    laws: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def over_time(
    found: Timeline,
    *,
    rate: Fraction,
    seed: int,
    frm: str | None = None,
    poisson: bool = False,
    course: Course | None = None,
) -> tuple[LaneSample, ...]:
    """Every lane's requests at `rate` a second, each independent: sent at a fixed pace (request i at i/rate), or as
    Poisson arrivals. Seeded by the scenario's name, client, callee and path.

    With the `course` of the run, hosts that fail are ejected where an Envoy detects outliers.
    """
    lanes: dict[tuple[str, str, str], Lane] = {}
    for lane in found.lanes:
        if frm in {None, lane.frm}:
            lanes.setdefault((lane.frm, lane.to, lane.path), lane)
    return tuple(_lane(found, lane, rate, seed, poisson=poisson, course=course) for lane in lanes.values())


def _lane(
    found: Timeline, lane: Lane, rate: Fraction, seed: int, *, poisson: bool, course: Course | None
) -> LaneSample:
    names = (found.scenario, lane.frm, lane.to, lane.path)
    source = stream(seed, *names, "over time")
    failing = any(span.row.effective is not None and span.row.effective.error for span in lane.spans)
    if course is None or not failing:
        return _sampled(found, lane, rate, source, poisson=poisson)
    followed = Ejecting(lane, course, source, rate, seed, names, poisson=poisson)
    followed.run(found.end)
    if not followed.met:
        return _sampled(found, lane, rate, source, poisson=poisson)
    return LaneSample(
        frm=lane.frm,
        to=lane.to,
        path=lane.path,
        spans=tuple(
            SpanSample(
                start=float(piece.start),
                stop=float(piece.stop),
                cause=piece.cause,
                verdict=piece.verdict,
                shares=piece.shares,
                counts=piece.counts,
            )
            for piece in followed.pieces
        ),
        ejections=tuple(followed.ejections),
        laws=tuple(followed.laws),
        notes=tuple(followed.notes),
    )


def _sampled(found: Timeline, lane: Lane, rate: Fraction, source: Stream, *, poisson: bool) -> LaneSample:
    shares = [shares_of(span.row) for span in lane.spans]
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
