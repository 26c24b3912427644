"""Connections to proxies that a fault keeps from answering: whoever still sends there gets nothing back."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from meshsim.model.rule import rule
from meshsim.model.trace import Failed, Step, Trace

DEAD: Final = rule(
    "outage.no-answer",
    "The proxy that the connection goes to is out of order, so nothing answers.",
    "ztunnel src/proxy/outbound.rs: a failed connection to the gateway closes the client's",
)


def cut(down: AbstractSet[str]) -> Callable[[Trace], Trace]:
    """Traces with every way that leads through a dead east-west gateway or cluster as a failure."""
    if not any(target.partition(":")[0] in {"eastwest", "cluster"} for target in down):
        return lambda trace: trace
    return lambda trace: Trace(roots=tuple(_step(step, down) for step in trace.roots))


def _step(step: Step, down: AbstractSet[str]) -> Step:
    if _dead(step.hop, down):
        message = f"{step.hop} does not answer"
        outcome = Failed(code="reset", flag="ConnectionFailed", where=step.hop, message=message)
        tags = step.tags | {"failed:MS501"}
        return replace(step, decision=message, rule=DEAD, children=(), outcome=outcome, tags=tags)
    return replace(step, children=tuple(_step(child, down) for child in step.children)) if step.children else step


def _dead(hop: str, down: AbstractSet[str]) -> bool:
    kind, _, place = hop.partition(":")
    return kind == "eastwest" and bool(down & {hop, f"cluster:{place}"})
