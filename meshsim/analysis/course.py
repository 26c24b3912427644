"""One run of a session, for looking closer at a call at any of its moments."""

from collections.abc import Sequence
from functools import cached_property
from typing import final

from meshsim.analysis.asked import Asked
from meshsim.analysis.calls import Call
from meshsim.analysis.failinghosts import HostView
from meshsim.analysis.lagging import Lagging
from meshsim.analysis.situation import Situation
from meshsim.model.verdict import Row
from meshsim.simulation.events import History
from meshsim.simulation.propagation import has_lags
from meshsim.simulation.timeline import record


@final
class Course:
    """The run that a Timeline tells of, recorded again when it is first asked about."""

    def __init__(self, session: Asked, mode: str = "auto") -> None:
        self._session = session
        self._mode = mode
        self._views: dict[object, HostView | None] = {}

    @cached_property
    def _history(self) -> History:
        scenario = self._session.scenario
        return record(self._session.mesh, scenario.timeline, scenario.timing, self._mode, None)

    @cached_property
    def _lagging(self) -> Lagging | None:
        lags = self._session.scenario.propagation
        return Lagging(self._history, lags) if has_lags(lags) else None

    @cached_property
    def moments(self) -> Sequence[float]:
        """Every instant at which anything happens, or a proxy may learn of it."""
        if self._lagging is not None:
            return tuple(self._lagging.moments())
        return tuple(t for t, _, _ in self._history.instants())

    def view(self, t: float, row: Row) -> HostView | None:
        """A row's call at an instant, late proxies in the worst order of arrival."""
        key = (t, row.frm, row.to, row.path, tuple(sorted(row.headers.items())), row.rollout)
        if key not in self._views:
            self._views[key] = self._view(t, row)
        return self._views[key]

    def _view(self, t: float, row: Row) -> HostView | None:
        def picked(call: Call) -> bool:
            said = (call.caller.name, call.to, call.path, dict(call.headers))
            return said == (row.frm, row.to, row.path, dict(row.headers))

        if self._lagging is not None:
            found = self._lagging.worst_at(self._session, t, picked)
            return None if found is None else HostView(*found, like=row)
        now = Situation(self._history.deployed(self._history.upto(t)))
        call = next((one for one in self._session.calls_in(now) if picked(one)), None)
        return None if call is None else HostView(now, now, call, row)
