"""What analyses ask: the part of a session that they know, which lies above them."""

from typing import Protocol, Self

from meshsim.analysis.calls import Call
from meshsim.analysis.situation import Situation
from meshsim.mesh.mesh import Mesh
from meshsim.model.verdict import At, Row
from meshsim.scenario.scenario import CallSpec, Scenario

Rows = tuple[tuple[Call, tuple[Row, ...]], ...]
"""Every call with its verdicts, one for each Rollout that governs it."""


class Asked(Protocol):
    """A loaded scenario that answers for its moments, and again with an edited Mesh."""

    scenario: Scenario
    mesh: Mesh

    def moments(self, at: At | None, mode: str = "auto") -> tuple[tuple[At | None, int | None], ...]: ...

    def situation(self, at: At | None, mode: str = "auto") -> Situation: ...

    def calls_in(self, situation: Situation) -> list[Call]: ...

    def rows(self, at: At | None, mode: str = "auto") -> Rows: ...

    def forked(self, mesh: Mesh) -> Self: ...

    def asking(self, mesh: Mesh, call: CallSpec) -> Self: ...
