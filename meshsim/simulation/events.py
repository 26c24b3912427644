"""What happened, in order: every sync, every change of pods, every entry of a timeline, and the Mesh after each.

Syncs take no time. Those of one instant are its micro-steps, numbered from 1: `60s#3` is after the third.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, final

from meshsim.model.errors import UsageError
from meshsim.model.frozen import frozen
from meshsim.rollouts import State, Write
from meshsim.simulation.deployment import Deployed, RolloutId, put

START, ENTRY, SYNC, PODS = "start", "entry", "sync", "pods"
READY: Final = "pods-ready"
"""No verb of scenarios: what `scale` leads to once the new pods of a Deployment are ready."""


@final
@frozen
class Frame:
    """One happening at instant `t`, after `n` syncs of that instant.

    `kind` is `start`, `entry` (what a user, GitOps or a fault did), `sync`, or `pods`. `subject` is who
    (`cluster/namespace/rollout`, or an entry's place), `what` a sentence. `states` are the Rollouts that it changed;
    `base` is the whole situation where it changed the Mesh itself. `edits` are the fields a sync wrote.
    """

    t: float
    n: int
    kind: str
    subject: str = ""
    what: str = ""
    states: tuple[tuple[RolloutId, State], ...] = ()
    edits: tuple[Write, ...] = ()
    base: Deployed | None = None


@final
@dataclass(slots=True)
class History:
    """Every happening of one run, oldest first. `pending` is when something is next due by itself, None at rest;
    `waits` says what controllers still wait for."""

    frames: list[Frame] = field(default_factory=list)
    now: float = 0.0
    pending: float | None = None
    waits: tuple[str, ...] = ()
    _cached: tuple[int, Deployed] | None = None

    def deployed(self, index: int = -1) -> Deployed:
        """The situation after one frame; the last one by default."""
        if index < 0:
            index += len(self.frames)
        found, start = self._nearest(index)
        latest: dict[RolloutId, State] = {}
        for frame in self.frames[start : index + 1]:
            for rollout, state in frame.states:
                latest.pop(rollout, None)
                latest[rollout] = state
        for rollout, state in latest.items():
            found = put(found, rollout, state, observed=True)
        self._cached = (index, found)
        return found

    def _nearest(self, index: int) -> tuple[Deployed, int]:
        """The nearest known situation at or before a frame, and the frame after it."""
        least = self._cached[0] if self._cached is not None and self._cached[0] <= index else -1
        for place in range(index, least, -1):
            base = self.frames[place].base
            if base is not None:
                return base, place + 1
        assert self._cached is not None
        return self._cached[1], self._cached[0] + 1

    def upto(self, t: float) -> int:
        """The last frame at or before an instant."""
        return max(0, bisect_right(self.frames, t, key=lambda frame: frame.t) - 1)

    def sync(self, t: float, n: int) -> int:
        """The frame of the `n`th sync of an instant. Raises UsageError where there are fewer."""
        syncs = [i for i, frame in enumerate(self.frames) if frame.t == t and frame.kind == SYNC]
        if not 1 <= n <= len(syncs):
            there = f"{t:g}s has {len(syncs)} sync{'s' if len(syncs) != 1 else ''}"
            times = sorted({frame.t for frame in self.frames if frame.kind == SYNC})
            hint = f"there are syncs at {', '.join(f'{time:g}s' for time in times[:20])}" if times else "nothing syncs"
            msg = f"--at {t:g}s#{n}: {there}"
            raise UsageError(msg, hint=f"write 1 to {len(syncs)} after the #" if syncs else hint)
        return syncs[n - 1]

    def instants(self) -> Iterator[tuple[float, int, int]]:
        """(instant, first frame, last frame) of every instant at which something happened."""
        first = 0
        for index, frame in enumerate(self.frames):
            if index + 1 == len(self.frames) or self.frames[index + 1].t != frame.t:
                yield frame.t, first, index
                first = index + 1
