"""What a call's trace comes to: the verdict, the shares, and why. The contract's answer as values."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from fractions import Fraction
from typing import final

from meshsim.model.evidence import Evidence
from meshsim.model.frozen import frozen, record
from meshsim.model.shares import ZERO
from meshsim.model.trace import Trace

At = float | str
"""A moment: seconds since the start, `60s#3`, `step:N` or `weight:W`."""


class Verdict(StrEnum):
    """Whether the Argo-managed split is what a client meets."""

    APPLIED = "applied"
    SKEWED = "skewed"
    PARTIAL = "partial"
    BYPASSED = "bypassed"
    ELSEWHERE = "elsewhere"
    FAILING = "failing"
    UNGOVERNED = "ungoverned"
    UNDETERMINED = "undetermined"


SEVERITY: Mapping[Verdict, int] = {
    Verdict.FAILING: 4,
    Verdict.BYPASSED: 3,
    Verdict.PARTIAL: 2,
    Verdict.SKEWED: 1,
}
"""For `--fail-on`: failing > bypassed > partial > skewed; the others never fail a run by severity."""


@final
@frozen
class Shares:
    """Exact shares by role; they sum to 1."""

    stable: Fraction = ZERO
    canary: Fraction = ZERO
    other: Fraction = ZERO
    error: Fraction = ZERO

    def __getitem__(self, role: str) -> Fraction:
        return dict(self.items())[role]

    def items(self) -> tuple[tuple[str, Fraction], ...]:
        return (("stable", self.stable), ("canary", self.canary), ("other", self.other), ("error", self.error))


@final
@frozen
class ErrorShare:
    """A share of requests that fail: `code` as in `503`, `reset`; `flag` Envoy's response flag; `where` the hop."""

    share: Fraction
    code: str
    flag: str
    where: str


@final
@frozen
class Assumption:
    """A contested question, what was chosen, what else is said, and by whom."""

    question: str
    chosen: str
    alternatives: tuple[str, ...]
    source: str


@final
@frozen
class Row:
    """One call, one Rollout, one verdict. Shares are None where undetermined, `desired` where not governed."""

    frm: str
    to: str
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    connection: str = "new"
    member_names: tuple[str, ...] = ()
    """The workloads that it stands for; none where it is one of its own."""
    rollout: str | None
    verdict: Verdict
    masked: bool = False
    reasons: tuple[str, ...] = ()
    desired: Mapping[str, Fraction] | None
    effective: Shares | None
    applied_share: Fraction | None
    versions: Mapping[str, Fraction] = field(default_factory=dict)
    clusters: Mapping[str, Fraction] = field(default_factory=dict)
    pods: Mapping[str, Fraction] = field(default_factory=dict)
    errors: tuple[ErrorShare, ...] = ()
    decided_by: str | None = None
    granularity: str = "request"
    hops: tuple[str, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences for people: what is not modelled, which reading is open, what has no effect."""
    trace: Trace
    readings: tuple[Trace, ...] = ()
    """Every reading, where the sources leave the call open."""

    @property
    def members(self) -> int:
        """How many workloads the row stands for."""
        return len(self.member_names) or 1

    @property
    def exact(self) -> Mapping[str, str] | None:
        """The effective shares that are not zero, as text: `{"canary": "1/5"}`; None where undetermined."""
        return None if self.effective is None else {role: str(share) for role, share in self.effective.items() if share}


setattr(Row, "from", property(lambda row: row.frm, doc="The JSON key of `frm`, by getattr: `from` is Python's own."))


@final
@record
class Found:
    """What a row comes to, without its ways. `effective` is None where it is undetermined; `refused` says why a variant
    of a mesh cannot be."""

    verdict: str
    rollout: str | None = None
    masked: bool = False
    reasons: tuple[str, ...] = ()
    effective: tuple[tuple[str, Fraction], ...] | None = None
    decided_by: str | None = None
    refused: str = ""


def in_brief(row: Row) -> Found:
    """What a row comes to."""
    return Found(
        verdict=row.verdict.value,
        rollout=row.rollout,
        masked=row.masked,
        reasons=row.reasons,
        effective=None if row.effective is None else row.effective.items(),
        decided_by=row.decided_by,
    )


@final
@frozen
class Moment:
    """Rows of one moment. `at` is seconds since the start, or `step:N` for a probe; `weight` the probe's weight."""

    at: float | str
    weight: int | None = None
    rows: tuple[Row, ...]


@final
@frozen
class Checked:
    """One expectation: its place, whether it holds, and what was found instead."""

    index: int
    line: int
    passed: bool
    wanted: Mapping[str, object]
    actual: Mapping[str, object]
    failures: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    """The rows it selected."""


@final
@frozen
class Answer:
    """Everything `meshsim run` says; printers only format it."""

    scenario: str
    dialect: str
    moments: tuple[Moment, ...]
    probes: bool
    """True where the moments are probes of a step × client matrix."""
    expectations: tuple[Checked, ...] = ()
    findings: tuple[str, ...] = ()
    """Sentences on the input that hold whatever the call (unread files, settings without effect)."""


@final
@frozen
class Repair:
    """One edit that restores the split, verified by resolving the call again.

    `sentence` says what to change, `where` at which place, `command` how with kubectl (or the changed call);
    `after` is the call's row with the edit; `also` are sentences on other rows that it changes.
    """

    sentence: str
    where: Evidence | None
    command: str
    after: Row
    also: tuple[str, ...] = ()


@final
@frozen
class Explanation:
    """One call explained: its row at a moment, the smallest repair if one was found, and how to prove it live.

    `proofs` are `istioctl` or `kubectl` lines with what they should show.
    """

    at: float | str
    weight: int | None
    row: Row
    repair: Repair | None
    tried: int
    proofs: tuple[tuple[str, str], ...] = ()
