"""What clients of real clusters were answered, as a file that can be committed: counts, versions, and the moment.

The same values hold what `meshsim live observe` counted and what people published by hand. Nothing but counts, names
and versions is kept: no body, no header of an answer, no address.
"""

import json
from collections.abc import Mapping
from dataclasses import field
from fractions import Fraction
from typing import Any, Final, Literal, final

from meshsim.model.evidence import Source
from meshsim.model.frozen import frozen

SCHEMA: Final = "meshsim/observation/v1"
DIMENSIONS: Final = ("roles", "versions", "clusters", "pods", "zones")
"""What answers can be counted by. Each counts every answered request once."""

Counts = Mapping[str, int]
At = float | str


@final
@frozen
class RolloutState:
    """A Rollout as its status said: `step` is `currentStepIndex`, `weight` the canary's last written weight (None
    where the status has none), `canary` "" where no revision is under way."""

    phase: str = ""
    step: int | None = None
    weight: int | None = None
    stable: str = ""
    canary: str = ""

    def __str__(self) -> str:
        parts = [self.phase] if self.phase else []
        parts += [f"step {self.step}"] if self.step is not None else []
        parts += [f"weight {self.weight}"] if self.weight is not None else []
        parts += [f"stable {self.stable}"] if self.stable else []
        parts += [f"canary {self.canary}"] if self.canary else []
        return ", ".join(parts) or "nothing known"


@final
@frozen
class Observed:
    """One call as it was observed.

    `counted` are counts by dimension (see `DIMENSIONS`; `any` holds published labels of whatever kind), `errors` counts
    by what the sender read (`503`, or `000` and its like where there was no answer), `shares` published shares where no
    counts are known. `connections` is how many connections carried the requests, None where nobody counted; `first` are
    counts of each connection's first answer; `mixed` how many connections were answered by more than one pod. `moved`
    says what changed meanwhile, `not_sent` why there is nothing.
    """

    frm: str
    to: str
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    connection: Literal["new", "keep-alive"] = "new"
    at: At | None = None
    rollout: str | None = None
    requests: int = 0
    connections: int | None = None
    counted: Mapping[str, Counts] = field(default_factory=dict)
    first: Mapping[str, Counts] = field(default_factory=dict)
    mixed: int | None = None
    errors: Counts = field(default_factory=dict)
    shares: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    unattributed: int = 0
    moved: tuple[str, ...] = ()
    not_sent: str = ""
    note: str = ""
    means: Mapping[str, str] = field(default_factory=dict)
    where: Source | None = None

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


@final
@frozen
class Recording:
    """A file of observations. `rollouts` are the states at the start; `source` says where the numbers are from."""

    observations: tuple[Observed, ...]
    scenario: str = ""
    source: str = ""
    observed: str = ""
    versions: Mapping[str, Any] = field(default_factory=dict)
    rollouts: Mapping[str, RolloutState] = field(default_factory=dict)
    means: Mapping[str, str] = field(default_factory=dict)
    file: str = ""

    @property
    def stable(self) -> bool:
        """Whether nothing moved while anything was counted."""
        return not any(one.moved for one in self.observations)


def plain(recording: Recording) -> dict[str, Any]:
    """Plain values in a fixed order: what is empty is left out, names are sorted, so that diffs show what changed."""
    said: dict[str, Any] = {"schema": SCHEMA}
    for key in ("scenario", "source", "observed"):
        if getattr(recording, key):
            said[key] = getattr(recording, key)
    if recording.versions:
        said["versions"] = _sorted(recording.versions)
    if recording.rollouts:
        said["rollouts"] = {name: _state(state) for name, state in sorted(recording.rollouts.items())}
    if recording.means:
        said["means"] = dict(sorted(recording.means.items()))
    if not recording.stable:
        said["unstable"] = True
    said["observations"] = [_observed(one) for one in recording.observations]
    return said


def text(recording: Recording) -> str:
    """The file."""
    return json.dumps(plain(recording), indent=2, ensure_ascii=False) + "\n"


def _sorted(value: Any) -> Any:
    return {key: _sorted(value[key]) for key in sorted(value)} if isinstance(value, Mapping) else value


def _state(state: RolloutState) -> dict[str, Any]:
    found = {key: getattr(state, key) for key in ("phase", "step", "weight", "stable", "canary")}
    return {key: value for key, value in found.items() if value not in {None, ""}}


def _observed(one: Observed) -> dict[str, Any]:
    said: dict[str, Any] = {"from": one.frm, "to": one.to, "path": one.path}
    if one.headers:
        said["headers"] = dict(sorted(one.headers.items()))
    said["connection"] = one.connection
    for key in ("at", "rollout", "note"):
        if getattr(one, key) not in {None, ""}:
            said[key] = getattr(one, key)
    if one.not_sent:
        return {**said, "not_sent": one.not_sent}
    said["requests"] = one.requests
    if one.connections is not None:
        said["connections"] = one.connections
    said |= _counts(one.counted)
    if one.first:
        said["first"] = _counts(one.first)
    if one.mixed:
        said["mixed"] = one.mixed
    if one.shares:
        said["shares"] = {label: _range(*ends) for label, ends in sorted(one.shares.items())}
    if one.errors:
        said["errors"] = dict(sorted(one.errors.items()))
    if one.unattributed:
        said["unattributed"] = one.unattributed
    if one.means:
        said["means"] = dict(sorted(one.means.items()))
    if one.moved:
        said["moved"] = list(one.moved)
    return said


def _counts(counted: Mapping[str, Counts]) -> dict[str, Any]:
    """Counts by dimension, in the order of `DIMENSIONS`; labels of any kind go by `counts`."""
    return {
        "counts" if key == "any" else key: dict(sorted(counted[key].items()))
        for key in ("any", *DIMENSIONS)
        if counted.get(key)
    }


def _range(low: Fraction, high: Fraction) -> str:
    return str(low) if low == high else f"{low}..{high}"
