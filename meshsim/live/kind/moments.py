"""Which moments of a scenario a real cluster can be held at, and what its Rollouts show there.

A cluster keeps its own time. What can be compared is a moment at rest: what every Rollout has come to after some
entries of the timeline, before the next. Where the next entry comes while something is still under way, the moment
passes, and only the time between the two is kept.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final, Protocol, final

from meshsim.analysis.calls import Call
from meshsim.analysis.situation import Situation
from meshsim.mesh.mesh import Mesh
from meshsim.model.frozen import frozen
from meshsim.model.verdict import Row
from meshsim.rollouts import State, next_due, shown
from meshsim.rollouts.spec import steps_of
from meshsim.scenario.scenario import Entry, Scenario
from meshsim.simulation.deployment import Deployed, RolloutId
from meshsim.simulation.events import ENTRY, History
from meshsim.simulation.timeline import record

MODE: Final = "settle"
"""A new cluster begins with Rollouts that are deployed and settled, whatever a status in the manifests says."""
At = float | str
_STARTS_PODS: Final = frozenset({"scale", "recover"})


class Subject(Protocol):
    """A loaded scenario (`meshsim.session.Session`)."""

    scenario: Scenario
    mesh: Mesh

    def situation(self, at: At | None, mode: str = "auto") -> Situation: ...
    def moments(self, at: At | None, mode: str = "auto") -> tuple[tuple[At | None, int | None], ...]: ...
    def calls_in(self, situation: Situation) -> list[Call]: ...
    def rows(self, at: At | None, mode: str = "auto") -> tuple[tuple[Call, tuple[Row, ...]], ...]: ...


@final
@frozen
class Moment:
    """What happens next (`entries`), and what then holds: `at` where it can be observed, else `passes` seconds until
    the next entry. `shows` is each Rollout's status in the words of `status_of`."""

    entries: tuple[Entry, ...] = ()
    at: At | None = None
    passes: float = 0.0
    shows: Mapping[RolloutId, str]
    mesh: Mesh


def status_of(state: State) -> str:
    """Phase, step, available and all pods, as `STATUS` prints them of a real Rollout."""
    status = state.status
    step = status.get("currentStepIndex")
    available, pods = status.get("availableReplicas") or "", status.get("replicas") or ""
    return f"{shown(state).phase} step {step if step is not None else ''} pods {available}/{pods}"


STATUS: Final = "{.status.phase} step {.status.currentStepIndex} pods {.status.availableReplicas}/{.status.replicas}"
"""The jsonpath of the same. kubectl prints nothing for what is absent, and Argo leaves out zeros."""


def over_time(subject: Subject) -> Iterator[Moment]:
    """The start and every group of entries, with the moment at rest that follows it."""
    scenario = subject.scenario
    history = record(subject.mesh, scenario.timeline, scenario.timing, MODE, None)
    groups = list(_groups(scenario, history))
    for index, (start, entries) in enumerate(groups):
        end = groups[index + 1][0] if index + 1 < len(groups) else None
        yield _moment(scenario, history, start, end, entries)


def unreached(subject: Subject) -> tuple[Entry, ...]:
    """Entries that wait for a pause which never comes."""
    scenario = subject.scenario
    history = record(subject.mesh, scenario.timeline, scenario.timing, MODE, None)
    return tuple(entry for entry in scenario.timeline if _when(entry, history) is None)


def _groups(scenario: Scenario, history: History) -> Iterator[tuple[float, tuple[Entry, ...]]]:
    """Entries of one instant together, in the order in which they happen; the start, where nothing happens at 0."""
    found: dict[float, list[Entry]] = {}
    for entry in scenario.timeline:
        when = _when(entry, history)
        if when is not None:
            found.setdefault(when, []).append(entry)
    for when in sorted({0.0, *found}):
        yield when, tuple(found.get(when, ()))


def _when(entry: Entry, history: History) -> float | None:
    if entry.at is not None:
        return entry.at
    subject = f"timeline ({entry.source})"
    return next((f.t for f in history.frames if f.kind == ENTRY and f.subject == subject), None)


def _moment(
    scenario: Scenario, history: History, start: float, end: float | None, entries: tuple[Entry, ...]
) -> Moment:
    until = [i for i, frame in enumerate(history.frames) if end is None or frame.t < end]
    last = until[-1] if until else 0
    deployed = history.deployed(last)
    at = max(start, history.frames[last].t)
    late = end is not None and any(entry.verb in _STARTS_PODS for entry in entries)
    pending = _pending(deployed) or (late and end is not None and end - start < scenario.timing.pod_ready)
    shows = {name: status_of(state) for name, state in deployed.states.items() if name not in deployed.refused}
    rests = end is None or not pending
    return Moment(
        entries=entries,
        at=at if rests else None,
        passes=0.0 if rests or end is None else end - start,
        shows=shows,
        mesh=deployed.mesh,
    )


def _pending(deployed: Deployed) -> bool:
    """Whether a Rollout would go on by itself: it is asked as if it had just synced."""
    return any(next_due(replace(state, woken=False)) is not None for state in deployed.states.values())


@final
@frozen
class Held:
    """A Rollout that can be held at its weights. `steps` are its own, with a pause `added` after each weight that none
    follows; `rests` are the indices of the pauses without an end, in order; `weights` say at which of them a weight is
    held."""

    steps: tuple[Mapping[str, object], ...]
    added: bool
    rests: tuple[int, ...]
    weights: Mapping[int, int]


def probes(subject: Subject) -> tuple[tuple[At, int], ...]:
    """The weights at which the scenario's Rollouts are asked about, where it has no timeline."""
    return tuple((at, weight) for at, weight in subject.moments(None, MODE) if at is not None and weight is not None)


def held(state: State, weights: Collection[int]) -> Held:
    """How a Rollout is held at each of the weights that it has, each at its first step."""
    own = [dict(step) for step in steps_of(state.rollout)]
    made: list[Mapping[str, object]] = []
    rests: list[int] = []
    found: dict[int, int] = {}
    for index, step in enumerate(own):
        made.append(step)
        if _endless(step):
            rests.append(len(made) - 1)
        weight = step.get("setWeight")
        if isinstance(weight, int) and weight in weights and weight not in found:
            found[weight] = len(rests)
            if not _endless(own[index + 1] if index + 1 < len(own) else {}):
                made.append({"pause": {}})
                rests.append(len(made) - 1)
    return Held(steps=tuple(made), added=len(made) > len(own), rests=tuple(rests), weights=found)


def _endless(step: Mapping[str, object]) -> bool:
    pause = step.get("pause")
    return "pause" in step and not (isinstance(pause, Mapping) and pause.get("duration"))
