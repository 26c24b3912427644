"""What holding observations against the model comes to, as values."""

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from typing import final

from meshsim.live.exact import Counted, Law
from meshsim.live.recording import Observed, Recording
from meshsim.model.frozen import frozen
from meshsim.model.verdict import At, Row


class Outcome(StrEnum):
    """What a comparison came to."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    UNDETERMINED = "undetermined"
    NOT_OBSERVED = "not observed"


class Evidence(StrEnum):
    """What an agreement proves of the split."""

    TELLS = "tells"
    """The other story is ruled out."""
    MASKED = "masked"
    """The other story gives the same shares: no number of requests could tell."""
    TOO_FEW = "too few"
    BLIND = "blind"
    """Revisions were not told apart."""
    NONE = "none"
    """There is no other story to rule out."""


@final
@frozen
class Tested:
    """One label: what was counted, the model's share, and how likely counts at least as far off are."""

    label: str
    counted: Counted | None
    law: Law
    p: float
    said: tuple[Fraction, Fraction] | None = None
    """A published share without counts."""
    requests: Counted | None = None
    """The same by requests, whatever was drawn."""
    connections: Counted | None = None
    """The same by kept connections, where it is known how many there were."""


@final
@frozen
class Story:
    """Another way that the call could be treated: its shares by role, how likely the counts are under it, and how many
    draws tell it from the model (None: no number does)."""

    name: str
    shares: Mapping[str, Fraction]
    p: float | None = None
    needed: int | None = None
    same: bool = False


@final
@frozen
class Held:
    """One observation held against the model. `p` is the call's, already multiplied by the number of its tests."""

    observed: Observed
    outcome: Outcome
    why: tuple[str, ...] = ()
    at: At | None = None
    row: Row | None = None
    tests: tuple[Tested, ...] = ()
    p: float | None = None
    unit: str = "request"
    evidence: Evidence = Evidence.NONE
    stories: tuple[Story, ...] = ()
    canary: frozenset[str] = frozenset()
    """The labels that stand for the canary alone."""
    notes: tuple[str, ...] = ()


@final
@frozen
class Result:
    """A file held against a scenario. `alpha` is the whole file's, `level` each call's."""

    recording: Recording
    held: tuple[Held, ...]
    alpha: Fraction
    level: float

    def of(self, outcome: Outcome) -> tuple[Held, ...]:
        return tuple(one for one in self.held if one.outcome is outcome)
