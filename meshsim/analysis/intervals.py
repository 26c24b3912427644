"""Intervals of constant routing: each distinct routing is compiled and resolved once, and only when it changes."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Final

from meshsim.analysis.asked import Asked
from meshsim.analysis.lagging import Lagging
from meshsim.analysis.lanes import Lanes
from meshsim.analysis.routings import Rows
from meshsim.analysis.windows import windows_of
from meshsim.model.timeline import Happened, Showing, Timeline
from meshsim.rollouts import ReplicaSet, State, shown
from meshsim.rollouts.phase import weight_in_force
from meshsim.rollouts.spec import max_weight, replicas_of
from meshsim.simulation.deployment import RolloutId, name_of
from meshsim.simulation.events import ENTRY, PODS, START, SYNC, History
from meshsim.simulation.propagation import has_lags
from meshsim.simulation.timeline import record

Progress = Callable[[int, int], None]
QUIET: Final = "nothing but the clock"


def timeline(
    session: Asked,
    *,
    frm: str | None = None,
    to: str | None = None,
    until: float | None = None,
    mode: str = "auto",
    micro: bool = False,
    progress: Progress | None = None,
) -> Timeline:
    """The whole timeline of a session, for the calls picked by `frm` and `to`."""
    scenario = session.scenario
    history = record(session.mesh, scenario.timeline, scenario.timing, mode, until)
    rows = Rows(session, history, frm, to)
    lanes = Lanes()
    lagging = Lagging(history, scenario.propagation) if has_lags(scenario.propagation) else None
    instants = list(history.instants())
    for done, (t, first, last) in enumerate(instants):
        if micro:
            for index in range(first, last + 1):
                frame = history.frames[index]
                if frame.kind in {SYNC, ENTRY}:
                    concerned = None if frame.base is not None else {name_of(rollout) for rollout, _ in frame.states}
                    lanes.micro(rows.at(index), t, frame.n, frame.what, concerned)
        if lagging is None:
            lanes.add(rows.at(last), t, partial(_cause, history, first, last))
        if progress is not None:
            progress(done + 1, len(instants))
    if lagging is not None:
        for t in lagging.moments():
            if until is not None and t > until:
                break
            found, chosen = lagging.rows_at(session, t, rows.picked)
            fresh = rows.at(history.upto(t))
            lanes.add(found, t, partial(_nearest_cause, history, t), fresh=fresh, worst=chosen)
    made = lanes.made()
    return Timeline(
        scenario=scenario.name,
        dialect=scenario.dialect,
        end=max(history.now, max((f.t for f in history.frames), default=0.0)),
        rests=history.pending is None,
        happened=tuple(
            Happened(t=f.t, n=f.n, kind=f.kind, subject=f.subject, what=f.what)
            for f in history.frames
            if f.kind != START
        ),
        showings=tuple(_showings(history)),
        lanes=made,
        windows=windows_of(made),
        notes=tuple(dict.fromkeys([*(n for s in history.deployed().states.values() for n in s.notes), *history.waits])),
    )


def _cause(history: History, first: int, last: int, rollout: str | None) -> str:
    """What an instant was about for a Rollout: users' entries first, else what controllers did; where it had no part
    in it, what happened to anybody."""
    everything = history.frames[first : last + 1]
    own = [f for f in everything if f.base is not None or any(name_of(one) == rollout for one, _ in f.states)]
    frames = [frame for frame in own if frame.kind != START] or everything
    entries = [frame.what for frame in frames if frame.kind == ENTRY]
    others = [frame.what for frame in frames if frame.kind in {SYNC, PODS}]
    return "; ".join(dict.fromkeys(entries or others)) or QUIET


def _nearest_cause(history: History, t: float, rollout: str | None) -> str:
    last = history.upto(t)
    first = last
    while first and history.frames[first - 1].t == history.frames[last].t:
        first -= 1
    told = _cause(history, first, last, rollout)
    at = history.frames[last].t
    return told if at == t else f"what came at {at:g}s reaches a proxy: {told}"


def _showings(history: History) -> Iterator[Showing]:
    """What each Rollout shows, each time it changes."""
    last: dict[RolloutId, Showing] = {}
    for frame in history.frames:
        states = frame.base.states.items() if frame.base is not None else frame.states
        for rollout, state in states:
            found = showing(rollout, state, frame.t, frame.n)
            if rollout not in last or replace(found, t=last[rollout].t, n=last[rollout].n) != last[rollout]:
                last[rollout] = found
                yield found


def showing(rollout: RolloutId, state: State, t: float, n: int) -> Showing:
    """What the CLI prints of a Rollout."""
    seen = shown(state)
    stable, current = state.status.get("stableRS"), state.status.get("currentPodHash")
    sets = [
        (found, "stable" if found.hash == stable else "canary" if found.hash == current else "")
        for found in sorted(state.sets, key=lambda found: found.revision)
        if found.replicas or found.created or found.hash in {stable, current}
    ]
    status = state.status
    count = [int(status.get(key) or 0) for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
    return Showing(
        t=t,
        n=n,
        rollout=name_of(rollout),
        phase=seen.phase,
        message=seen.message,
        step=seen.step,
        set_weight=seen.set_weight,
        actual_weight=seen.actual_weight,
        desired=Fraction(weight_in_force(state), max_weight(state.rollout)),
        replicas=tuple((found.name, role, found.available, found.replicas) for found, role in sets),
        images=tuple(dict.fromkeys((image, role) for found, role in sets for image in _images(found, state))),
        counts=(replicas_of(state.rollout), count[0], count[1], count[2], count[3]),
    )


def _images(found: ReplicaSet, state: State) -> Iterator[str]:
    template = found.template if found.template is not None else state.template
    for container in (template.get("spec") or {}).get("containers") or ():
        yield str(container.get("image") or "")
