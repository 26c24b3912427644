"""A scenario's timeline played on a Mesh: the situation at an instant, after one sync of it, or at rest."""

from collections.abc import Sequence

from meshsim.mesh.mesh import Mesh
from meshsim.rollouts import at_rest, next_due
from meshsim.scenario.scenario import Entry, Timing
from meshsim.simulation.deployment import Deployed, start
from meshsim.simulation.events import START, Frame, History


def play(mesh: Mesh, entries: Sequence[Entry], timing: Timing, mode: str, until: float | str | None) -> Deployed:
    """The situation at `until`: seconds (after everything due at that instant), `60s#3` (after its third sync), or
    at rest where it is None."""
    if isinstance(until, str):
        t, n = micro(until)
        history = record(mesh, entries, timing, mode, t)
        return history.deployed(history.sync(t, n))
    return record(mesh, entries, timing, mode, until).deployed()


def micro(moment: str) -> tuple[float, int]:
    """The instant and the number of the sync of a moment such as `60s#3`.

    >>> micro("60s#3"), micro("1m30s#1")
    ((60.0, 3), (90.0, 1))
    """
    from meshsim.scenario.notation import duration

    time, _, number = moment.partition("#")
    return duration(float(time) if time.replace(".", "", 1).isdigit() else time), int(number)


def record(mesh: Mesh, entries: Sequence[Entry], timing: Timing, mode: str, until: float | None) -> History:
    """Everything that happens up to and including `until`, or until everything is at rest where it is None.

    simpy is loaded only where there is something to drive.
    """
    deployed = start(mesh, mode)
    if not entries and _quiet(deployed, timing, until):
        return History(frames=[Frame(t=0.0, n=0, kind=START, what="the start", base=deployed)], now=until or 0.0)
    from meshsim.simulation.engine import Engine, horizon

    return Engine(deployed, entries, timing, mesh).run(until, horizon(entries))


def _quiet(deployed: Deployed, timing: Timing, until: float | None) -> bool:
    """Whether nothing happens by itself up to an instant."""
    if until is None:
        return all(at_rest(state) for state in deployed.states.values())
    if until >= timing.resync:
        return False
    due = [next_due(state) for state in deployed.states.values()]
    return all(time is None or time > until for time in due)
