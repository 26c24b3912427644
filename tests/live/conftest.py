"""What the live tests share: whether there is an Envoy, and the shipped scenarios' moments."""

from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.live.lab.faults import LabMissing
from meshsim.live.lab.program import binary
from meshsim.live.phase import Phase
from meshsim.live.replay import phases
from meshsim.session import Session, load

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.fixture(scope="session")
def envoy() -> str:
    """The Envoy to run; without one the test is skipped, and says what is missing."""
    try:
        return binary()
    except LabMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def scenario() -> Callable[[str], Session]:
    """A shipped scenario by its folder."""
    return lambda name: load(SCENARIOS / name)


@pytest.fixture(scope="session")
def last_phase(scenario: Callable[[str], Session]) -> Callable[[str], Phase]:
    """The last probe of a shipped scenario, or its last change where it has a timeline."""

    def made(name: str) -> Phase:
        session = scenario(name)
        if session.scenario.timeline:
            return phases(session)[-1]
        return phases(session, session.moments(None)[-1][0])[-1]

    return made
