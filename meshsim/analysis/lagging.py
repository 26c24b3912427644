"""What clients get while proxies are late: rows from views of different moments, in the worst order of arrival."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any, Final, final

from meshsim.analysis.asked import Asked, Rows
from meshsim.analysis.calls import Call
from meshsim.analysis.fingerprints import Fingerprints
from meshsim.analysis.judge import judge
from meshsim.analysis.reality import Reality
from meshsim.analysis.situation import Situation
from meshsim.analysis.staleviews import Planes, StalePlane
from meshsim.mesh import edits
from meshsim.mesh.mesh import Mesh
from meshsim.model.evidence import Assumed
from meshsim.model.shares import ZERO
from meshsim.model.timeline import Timeline
from meshsim.model.verdict import SEVERITY, Row
from meshsim.scenario.scenario import Propagation
from meshsim.simulation.deployment import Deployed
from meshsim.simulation.events import History
from meshsim.simulation.propagation import PEERING, TICKS, Snapshots, Variable, lag_of, ticks

MOST_ORDERS: Final = 512
"""Orders of arrival tried per call and moment; beyond it only the oldest and the newest view of each family."""


@final
class Lagging:
    """One run seen through late proxies."""

    def __init__(self, history: History, lags: Propagation) -> None:
        self._history = history
        self._lags = lags
        self._times: list[int] = []
        self._frames: list[int] = []
        prints, last = Fingerprints(), None
        meshes = []
        for t, _, index in history.instants():
            deployed = history.deployed(index)
            found = prints.of(deployed)
            if found != last:
                last = found
                self._times.append(ticks(t))
                self._frames.append(index)
                meshes.append(deployed.mesh)
        self.snapshots = Snapshots(tuple(self._times), tuple(meshes))
        self.planes = Planes(self.snapshots)

    def moments(self) -> Iterator[float]:
        """Every instant at which somebody may learn something."""
        clusters = tuple(self.snapshots.meshes[0].clusters)
        for tick in self.snapshots.boundaries(self._lags, clusters):
            yield tick / TICKS

    def rows_at(self, session: Asked, t: float, picked: Callable[[Call], bool] = lambda _: True) -> tuple[Rows, bool]:
        """Every call with its rows at an instant, in the worst order in which updates may have arrived."""
        tick = ticks(t)
        deployed = self._history.deployed(self._history.upto(t))
        now = Situation(deployed)
        known = _Knowledge(self, tick)
        found: list[tuple[Call, tuple[Row, ...]]] = []
        chosen = False
        for call in session.calls_in(now):
            if not picked(call):
                continue
            rows, _, orders = self._worst(deployed, now, call, known, t)
            chosen = chosen or orders > 1
            found.append((call, rows))
        return tuple(found), chosen

    def worst_at(
        self, session: Asked, t: float, picked: Callable[[Call], bool]
    ) -> tuple[Situation, Situation, Call] | None:
        """The first call picked, with the situation as it is and as late proxies see it in the worst order."""
        deployed = self._history.deployed(self._history.upto(t))
        now, known = Situation(deployed), _Knowledge(self, ticks(t))
        for call in session.calls_in(now):
            if picked(call):
                _, choice, _ = self._worst(deployed, now, call, known, t)
                return now, self._situation(deployed, now, known, choice, t), call
        return None

    def situation_at(self, t: float) -> Situation:
        """The situation at an instant with every update as late as it may be."""
        deployed = self._history.deployed(self._history.upto(t))
        known = _Knowledge(self, ticks(t))
        return self._situation(deployed, Situation(deployed), known, {}, t, oldest=True)

    def _situation(
        self,
        deployed: Deployed,
        now: Situation,
        known: "_Knowledge",
        choice: Mapping[Variable, int],
        t: float,
        *,
        oldest: bool = False,
    ) -> Situation:
        plane = StalePlane(self.planes, now.plane, known.chooser(choice, oldest=oldest))
        return Situation(deployed, plane=plane, correct=Reality(now, deployed, t).correct)

    def _worst(
        self, deployed: Deployed, now: Situation, call: Call, known: "_Knowledge", t: float
    ) -> tuple[tuple[Row, ...], Mapping[Variable, int], int]:
        """The rows of the worst order, that order, and how many were tried: only families that the call's way asks
        for, and that may be late, are varied."""
        tried: dict[tuple[tuple[Variable, int], ...], tuple[Row, ...]] = {}
        asked: dict[Variable, Sequence[int]] = {}
        while True:
            before = len(asked)
            for choice in _orders(asked):
                key = tuple(sorted(choice.items()))
                if key not in tried:
                    known.asked.clear()
                    tried[key] = judge(self._situation(deployed, now, known, choice, t), call)
                    asked.update(known.asked)
            if len(asked) == before or len(tried) > MOST_ORDERS:
                break
        worst = max(tried, key=lambda key: _badness(tried[key]))
        return tried[worst], dict(worst), len(tried)


@final
class _Knowledge:
    """Which Meshes everybody may know at one tick; `asked` collects what was ambiguous and asked for."""

    def __init__(self, lagging: Lagging, tick: int) -> None:
        self._lagging = lagging
        self._tick = tick
        self.asked: dict[Variable, Sequence[int]] = {}

    def chooser(self, choice: Mapping[Variable, int], *, oldest: bool) -> Callable[[str, str], tuple[int, int]]:
        """(owner, family) → (which Mesh its own cluster is known as, which one its peers are)."""
        snapshots, lags = self._lagging.snapshots, self._lagging._lags

        def choose(owner: str, family: str) -> tuple[int, int]:
            cluster = owner.partition(":")[2].split("/")[0]
            own = lag_of(lags, owner, family)
            more = lag_of(lags, cluster, PEERING)
            late = own[0] + more[0], own[1] + more[1]
            here = snapshots.candidates(self._tick, own, family, cluster, peers=False)
            there = snapshots.candidates(self._tick, late, family, cluster, peers=True)
            return (
                self._one((owner, family), here, choice, oldest=oldest),
                self._one((owner, f"{family} of peers"), there, choice, oldest=oldest),
            )

        return choose

    def _one(
        self, variable: Variable, candidates: Sequence[int], choice: Mapping[Variable, int], *, oldest: bool
    ) -> int:
        if len(candidates) > 1:
            self.asked[variable] = candidates
        if oldest:
            return candidates[0]
        picked = choice.get(variable, candidates[-1])
        return picked if picked in candidates else candidates[-1]


def _orders(asked: Mapping[Variable, Sequence[int]]) -> Iterator[dict[Variable, int]]:
    """Every combination of what may be known; only the ends of each where there are too many."""
    variables = sorted(asked)
    count = 1
    for variable in variables:
        count *= len(asked[variable])
    ends = [asked[v] if count <= MOST_ORDERS else (asked[v][0], asked[v][-1]) for v in variables]
    for number, picked in enumerate(product(*ends)):
        if number >= MOST_ORDERS:
            return
        yield dict(zip(variables, picked, strict=True))


def _badness(rows: Sequence[Row]) -> tuple[Any, ...]:
    """Errors first, then the verdict, then how far the canary's share is off."""
    error = max((row.effective.error for row in rows if row.effective is not None), default=ZERO)
    severity = max((SEVERITY.get(row.verdict, 0) for row in rows), default=0)
    return error, severity, max((_off(row) for row in rows), default=ZERO)


def _off(row: Row) -> Fraction:
    if row.effective is None or row.desired is None:
        return ZERO
    return abs(row.effective.canary - row.desired["canary"]) + row.effective.other


def smallest_delay(mesh: Mesh, rollout: str, run: Callable[[Mesh], Timeline], *, most: int = 600) -> float | None:
    """The smallest `scaleDownDelaySeconds` of a Rollout with which no client gets an error in any order of arrival;
    None where none up to `most` seconds is enough. Found by bisection; each step is a whole `run` of an edited Mesh."""
    cluster, namespace, name = rollout.split("/")

    def fails(seconds: int) -> bool:
        patch = {"spec": {"strategy": {"canary": {"scaleDownDelaySeconds": seconds}}}}
        evidence = Assumed(f"scaleDownDelaySeconds: {seconds}")
        edited = edits.patched(mesh, f"{cluster}/Rollout/{namespace}/{name}", patch, evidence)
        return any(window.kind == "error" for window in run(edited).windows)

    if fails(most):
        return None
    low, high = -1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fails(middle) else (low, middle)
    return float(high)
