"""Time: simpy's queue, in whole nanoseconds, so that instants that are equal on paper are equal."""

from typing import Any, Final, final

import simpy

_TICKS: Final = 10**9
_LATER: Final = 2
"""The priority of what comes after everything else of an instant; simpy's own events have 1."""


def ticks(t: float) -> int:
    """Seconds as the queue counts them."""
    return round(t * _TICKS)


@final
class Clock:
    """`now` is the instant as people write it, `syncs` how many syncs it has had so far.

    `busy` counts, by whom, what is still to happen by itself: without any of it, all that is left are resyncs.
    """

    def __init__(self) -> None:
        self.env = simpy.Environment()
        self.now = 0.0
        self.syncs = 0
        self.busy: dict[object, int] = {}
        self._instant = 0

    def at(self, t: float) -> Any:
        """An event at `t`, after everything else of that instant."""
        event = self.env.event()
        event._ok, event._value = True, None
        priority: Any = _LATER
        self.env.schedule(event, priority=priority, delay=max(0, ticks(t) - self.env.now))
        return event

    def arrive(self, t: float | None = None) -> None:
        """Come to what is due now; `t` is its nominal time."""
        if self.env.now != self._instant:
            self._instant = int(self.env.now)
            self.syncs = 0
            self.now = t if t is not None and ticks(t) == self.env.now else self.env.now / _TICKS

    def stir(self, who: object, by: int) -> None:
        """Something more (or less) is to happen by itself."""
        self.busy[who] = self.busy.get(who, 0) + by
        if not self.busy[who]:
            del self.busy[who]
