"""A request's possible ways as a tree: hops with their decisions, and leaves that are pods or failures.

Every node carries `share`, the exact probability of arriving there; the children of a node sum to its share,
the leaves of a trace to 1.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import final

from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen
from meshsim.model.rule import Rule


@final
@frozen
class RouteUse:
    """The L7 rule that chose a backend: which object's rule, and the destination it chose.

    `object` is `cluster/Kind/namespace/name` (None for a default route); `rule` the index or name inside it;
    `backend` the destination chosen.
    """

    object: str | None
    rule: str
    backend: str


@final
@frozen
class Delivered:
    """The request reached an application: `workload` is a workload uid; `cluster`, `pod` where it runs."""

    workload: str
    cluster: str
    address: str


@final
@frozen
class Failed:
    """The request failed at `where`: `code` for the client, Envoy's `flag` or ztunnel's error name."""

    code: str
    flag: str
    where: str
    message: str


@final
@frozen
class Open:
    """The request's fate is not known: something on its path is not modelled (MS901) or contested (MS902)."""

    code: str
    question: str
    readings: tuple[str, ...]
    source: str
    key: str = ""
    """The `assume` key that settles it; each reading is a value of it."""


Outcome = Delivered | Failed | Open


@final
@frozen
class Step:
    """One decision at `hop` (a decision point's id): what was decided, by which rule, from which facts.

    `granularity` is what the decision is taken for: `connection` or `request`, or None where there was no choice.
    `reason` is a reason code this decision gives rise to. `l7` is true at an Envoy with HTTP routing.
    """

    hop: str
    share: Fraction
    decision: str
    rule: Rule
    facts: tuple[Fact, ...] = ()
    granularity: str | None = None
    l7: bool = False
    route: RouteUse | None = None
    tags: frozenset[str] = frozenset()
    """Machine-readable marks of the decision, for the judge: see `dataplane`."""
    children: tuple["Step", ...] = ()
    outcome: Outcome | None = None


@final
@frozen
class Path:
    """One way through the tree: its steps from the client to the leaf."""

    steps: tuple[Step, ...]

    @property
    def share(self) -> Fraction:
        return self.steps[-1].share

    @property
    def outcome(self) -> Outcome:
        outcome = self.steps[-1].outcome
        if outcome is None:
            msg = "a path ends in an outcome"
            raise ValueError(msg)
        return outcome

    @property
    def hops(self) -> tuple[str, ...]:
        """Decision points in order, without immediate repeats."""
        names: list[str] = []
        for step in self.steps:
            if not names or names[-1] != step.hop:
                names.append(step.hop)
        return tuple(names)


@final
@frozen
class Trace:
    """The whole tree of one call."""

    roots: tuple[Step, ...]

    def paths(self) -> Iterator[Path]:
        """Every way from the client to a leaf, in the tree's order."""
        stack: list[tuple[Step, tuple[Step, ...]]] = [(root, ()) for root in reversed(self.roots)]
        while stack:
            step, before = stack.pop()
            steps = (*before, step)
            if step.children:
                stack.extend((child, steps) for child in reversed(step.children))
            else:
                yield Path(steps=steps)
