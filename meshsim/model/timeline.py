"""A run over time as values: what happened, what every Rollout showed, what every client got in each interval."""

from collections.abc import Mapping
from dataclasses import field
from fractions import Fraction
from typing import final

from meshsim.model.frozen import frozen
from meshsim.model.verdict import Row


@final
@frozen
class Happened:
    """One thing that happened at `t`, after `n` syncs of that instant. `kind` is `entry`, `sync` or `pods`."""

    t: float
    n: int
    kind: str
    subject: str
    what: str


@final
@frozen
class Showing:
    """What `kubectl argo rollouts get rollout` prints of a Rollout from `t` on (after sync `n` of that instant).

    `replicas` is (ReplicaSet, its role, available, desired), oldest first; `images` (image, its role); `counts` the
    CLI's Desired, Current, Updated, Ready, Available. `desired` is the canary share that the controller last recorded
    as written.
    """

    t: float
    n: int
    rollout: str
    phase: str
    message: str
    step: str
    set_weight: str
    actual_weight: str
    desired: Fraction
    replicas: tuple[tuple[str, str, int, int], ...] = ()
    images: tuple[tuple[str, str], ...] = ()
    counts: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)


@final
@frozen
class Span:
    """What one client got from `start` to `end` (None: from then on). `cause` is what began it.

    `micro` marks what held only between two syncs of one instant (`n` is the sync after which it held). `stale` says
    that a proxy on the way did not know the newest state; `worst` that it is the worst order in which updates arrive.
    """

    start: float
    end: float | None
    row: Row
    cause: str = ""
    n: int = 0
    micro: bool = False
    stale: bool = False
    worst: bool = False

    @property
    def seconds(self) -> float | None:
        return None if self.end is None else self.end - self.start


@final
@frozen
class Lane:
    """One call as one Rollout's row sees it, over time."""

    frm: str
    to: str
    path: str
    rollout: str | None
    spans: tuple[Span, ...]
    micro: tuple[Span, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    connection: str = "new"

    @property
    def caller(self) -> str:
        """Who calls, and how where that is special: two calls of one client to one address are told apart by it."""
        told = [f"{name}: {value}" for name, value in self.headers.items()]
        return " ".join([self.frm, *told, *([self.connection] if self.connection != "new" else [])])

    def at(self, t: float) -> Span | None:
        """What holds at an instant, after everything due then."""
        return next((span for span in reversed(self.spans) if span.start <= t), None)


@final
@frozen
class Window:
    """A stretch in which a client gets errors (`kind` error), or what a stale proxy decides (`stale`)."""

    kind: str
    start: float
    end: float | None
    lane: int
    share: Fraction
    sentence: str


@final
@frozen
class Timeline:
    """Everything that `meshsim timeline` says; printers only format it.

    `end` is the last instant looked at; `rests` whether nothing but resyncs is pending then. `safe_delays` are
    smallest delays without errors, by what they delay.
    """

    scenario: str
    dialect: str
    end: float
    rests: bool
    happened: tuple[Happened, ...]
    showings: tuple[Showing, ...]
    lanes: tuple[Lane, ...]
    windows: tuple[Window, ...] = ()
    notes: tuple[str, ...] = ()
    safe_delays: Mapping[str, float] = field(default_factory=dict)

    @property
    def rollouts(self) -> tuple[str, ...]:
        """Every Rollout that shows anything, by name."""
        return tuple(sorted({one.rollout for one in self.showings}))

    def shown(self, rollout: str, t: float, n: int | None = None) -> Showing | None:
        """What a Rollout shows at an instant: after everything due then, or after its `n`th sync."""
        for one in reversed(self.showings):
            if one.rollout == rollout and (one.t < t or (one.t == t and (n is None or one.n <= n))):
                return one
        return None
