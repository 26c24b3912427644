"""Sessions over the repository's scenarios, with entries added in Python."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from meshsim.model.evidence import Source
from meshsim.scenario.scenario import Entry, Propagation
from meshsim.session import Session, load

SCENARIOS = Path(__file__).parents[2] / "scenarios"
Entries = list[tuple[float, str, dict[str, Any]]]


def session_of(
    name: str, entries: Entries | None = None, *, keep: bool = True, propagation: Propagation | None = None
) -> Session:
    """A scenario with entries (at, verb, arguments) after (or, without `keep`, in place of) its own."""
    found = load(SCENARIOS / name / "scenario.yaml")
    more = tuple(Entry(verb=verb, args=args, at=at, source=Source("test")) for at, verb, args in entries or [])
    timeline = (*found.scenario.timeline, *more) if keep else more
    lags = propagation or found.scenario.propagation
    return Session(replace(found.scenario, timeline=timeline, propagation=lags, expect=()), found.mesh)
