"""Outlier ejection over a timeline: hosts that fail every request leave an Envoy's cluster at their exact moments.

The loop decides it by its own requests: the moment at which the nth in a row meets a failing host is a control event
like any other. At a fixed pace it comes after a negative binomial number of requests at that host's share, with Poisson
arrivals at a gamma time. From then on the shares are those that the data plane finds with the host out, until a sweep
brings it back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Final, final

from meshsim.analysis.course import Course
from meshsim.analysis.ejections import Ejected, law
from meshsim.analysis.failinghosts import Detection, Flow, Host, HostView
from meshsim.model.shares import ZERO, total
from meshsim.model.timeline import Lane, Span
from meshsim.model.verdict import Row
from meshsim.simulation.detector import Detector
from meshsim.simulation.streams import Bits, Purpose, Stream, stream
from meshsim.simulation.traffic_until import Arriving, Pacing
from meshsim.tables.envoy import Cluster

MOST: Final = 1000
"""Ejections followed in one lane."""

Way = tuple[str, Host | None, Fraction]
"""A leaf of the requests: what its client sees, the failing host that it is of, its share."""


@final
@dataclass(slots=True)
class Piece:
    """A stretch of constant shares, with the requests drawn in it."""

    start: Fraction
    stop: Fraction
    cause: str
    verdict: str
    shares: dict[str, Fraction]
    counts: dict[str, int] = field(default_factory=dict)


def shares_of(row: Row | None) -> dict[str, Fraction]:
    """What a row's requests meet: versions, and what failed ones read; empty where it is undetermined."""
    if row is None or row.effective is None:
        return {}
    errors = total((f"{error.code} {error.flag}".strip(), error.share) for error in row.errors)
    return dict(row.versions) | errors


@final
class Ejecting:
    """One lane's loop of `rate` requests a second with its ejections; `names` and `seed` name its random numbers."""

    def __init__(
        self,
        lane: Lane,
        course: Course,
        source: Stream,
        rate: Fraction,
        seed: int,
        names: Sequence[str],
        *,
        poisson: bool = False,
    ) -> None:
        self._lane, self._course = lane, course
        self._seed, self._names = seed, tuple(names)
        self.met = False
        """Whether anything on the way of errors detects outliers."""
        self._detectors: dict[Detection, Detector] = {}
        self._poisson = poisson
        self._requests = Arriving(seed, names, rate) if poisson else Pacing(source, rate)
        self._last: dict[Host, int] = {}
        self.pieces: list[Piece] = []
        self.ejections: list[Ejected] = []
        self.laws: dict[str, None] = {}
        self.notes: dict[str, None] = {}

    def run(self, end: float) -> None:
        """Follow the lane up to `end`."""
        for span in self._lane.spans:
            start, stop = Fraction(span.start), Fraction(end if span.end is None else span.end)
            fresh = True
            for a, b in self._segments(span, start, stop):
                self._segment(span, a, b, fresh=fresh)
                fresh = False

    def _segments(self, span: Span, start: Fraction, stop: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
        """A span, in as many parts as something may have changed in that its row does not show."""
        failing = span.row.effective is not None and span.row.effective.error
        inner: list[Fraction] = []
        if failing or any(d.out for d in self._detectors.values()):
            inner = [Fraction(t) for t in self._course.moments if start < t < stop]
        yield from pairwise([start, *inner, stop])

    def _segment(self, span: Span, start: Fraction, stop: Fraction, *, fresh: bool) -> None:
        view = self._view(span, start)
        now, cause = start, span.cause
        while True:
            back = [
                f"{host} is back at {at.hop}" for at, d in self._detectors.items() for host in d.release(float(now))
            ]
            if back and now > start:
                cause, fresh = "; ".join(back), True
            flow = self._flow(span, view, now)
            returns = [Fraction(t) for d in self._detectors.values() for t in d.out.values()]
            until = min((t for t in returns if now < t < stop), default=stop)
            drawn, ejected, reached = self._drawn(flow, now, until)
            self._emit(span, flow, now, reached, cause, drawn, fresh=fresh)
            fresh, now = False, reached
            if ejected is not None:
                self._told(ejected, flow.clusters[ejected.at], now)
                cause, fresh = f"{ejected.at.hop} ejects {ejected.address}", True
            elif now >= stop:
                return

    def _view(self, span: Span, start: Fraction) -> HostView | None:
        effective = span.row.effective
        if effective is None:
            if any(d.out for d in self._detectors.values()):
                self.notes[f"from {float(start):g}s on nothing is known of what was ejected before"] = None
            self._detectors.clear()
            return None
        if not effective.error and not any(d.out for d in self._detectors.values()):
            for detector in self._detectors.values():
                detector.answered()
            return None
        return self._course.view(float(start), span.row)

    def _flow(self, span: Span, view: HostView | None, now: Fraction) -> Flow:
        """What holds now, once every detector knows what its Envoy holds."""
        if view is None:
            return Flow(row=span.row)
        flow = view.flow(self._out())
        self.met = self.met or bool(flow.clusters)
        for at, cluster in flow.clusters.items():
            assert cluster.outlier is not None
            known = self._detectors.get(at)
            if known is None or known.settings != cluster.outlier:
                bits = Bits(stream(self._seed, *self._names, "sweeps", *at), Purpose.TIMES)
                phase = bits.take(52) * 2.0**-52 * cluster.outlier.interval
                self._detectors[at] = known = Detector(cluster.outlier, phase)
            failing = {host.address for host in flow.failing if host.at == at}
            for gone in known.keep({e.address for e in cluster.hosts}, failing):
                self._gone(Host(at, gone), float(now))
        out = self._out()
        return view.flow(out) if out or flow.failing else replace(flow, row=span.row)

    def _out(self) -> frozenset[Host]:
        return frozenset(Host(at, address) for at, d in self._detectors.items() for address in d.out)

    def _drawn(self, flow: Flow, start: Fraction, stop: Fraction) -> tuple[dict[str, int], Host | None, Fraction]:
        """The requests from `start` to `stop`, or to the one that ejects a host; that host, and when it is."""
        ways = list(_ways(flow))
        if not ways:
            self._requests.skip(stop)
            return {}, None, stop
        watched, held = self._watched(flow, [host for _, host, _ in ways])

        def ejects(leaf: int, moment: float) -> bool:
            host = watched[leaf]
            return self._detectors[host.at].error(host.address, moment)

        shares = [share for _, _, share in ways]
        tally, leaf, end = self._requests.until(ejects, frozenset(watched), shares, start, stop)
        for number, host in held.items():
            self._detectors[host.at].held_back(host.address, tally[number])
        counts: dict[str, int] = {}
        for (name, _, _), count in zip(ways, tally, strict=True):
            counts[name] = counts.get(name, 0) + count
        return counts, None if leaf is None else watched[leaf], end

    def _watched(self, flow: Flow, hosts: Sequence[Host | None]) -> tuple[dict[int, Host], dict[int, Host]]:
        """The leaves whose requests are errors that count: of hosts that may go, and of those that the cap holds back.
        Says aloud where nobody may ever go."""
        watched: dict[int, Host] = {}
        held: dict[int, Host] = {}
        for note in flow.notes:
            self.notes[note] = None
        for leaf, host in enumerate(hosts):
            if host is None:
                continue
            cluster, detector = flow.clusters[host.at], self._detectors[host.at]
            number = len(cluster.hosts)
            if not detector.most(number):
                self.notes[
                    f"{host.at.hop} ejects nothing from {host.at.cluster}: "
                    f"{detector.settings.percent} % of {number} hosts, rounded down, is none"
                ] = None
            elif len(self.ejections) >= MOST:
                self.notes[f"after {MOST:,} ejections no further ones are followed"] = None
            elif detector.full(number):
                held[leaf] = host
            else:
                watched[leaf] = host
                self.laws[law(host.at, cluster, poisson=self._poisson)] = None
        return watched, held

    def _emit(
        self,
        span: Span,
        flow: Flow,
        start: Fraction,
        stop: Fraction,
        cause: str,
        drawn: dict[str, int],
        *,
        fresh: bool,
    ) -> None:
        """A new piece, or more of the last one where nothing has changed."""
        shares = shares_of(flow.row)
        verdict = flow.row.verdict.value if flow.row is not None else span.row.verdict.value
        last = self.pieces[-1] if self.pieces else None
        if fresh or last is None or (last.shares, last.verdict) != (shares, verdict):
            self.pieces.append(Piece(start, stop, cause, verdict, shares, drawn))
            return
        last.stop = stop
        for name, count in drawn.items():
            last.counts[name] = last.counts.get(name, 0) + count

    def _told(self, host: Host, cluster: Cluster, now: Fraction) -> None:
        pod = next((e.workload.rpartition("/")[2] for e in cluster.hosts if e.address == host.address), "")
        self._last[host] = len(self.ejections)
        self.ejections.append(
            Ejected(
                at=float(now),
                until=self._detectors[host.at].out[host.address],
                gone=False,
                hop=host.at.hop,
                cluster=host.at.cluster,
                host=f"{pod} ({host.address})" if pod else host.address,
            )
        )

    def _gone(self, host: Host, now: float) -> None:
        number = self._last[host]
        self.ejections[number] = replace(self.ejections[number], until=now, gone=True)


def _ways(flow: Flow) -> Iterator[Way]:
    """The leaves of a flow in order: a failing host's requests stand beside those that read the same, so that a
    label means the same name whether hosts are told apart or not."""
    for name, share in sorted(shares_of(flow.row).items()):
        own = [(host, parts[name]) for host, parts in sorted(flow.failing.items()) if name in parts]
        rest = share - sum((part for _, part in own), ZERO)
        if rest:
            yield name, None, rest
        for host, part in own:
            yield name, host, part
