"""Makes `conftest_simulation` importable in every import mode, and its sessions a fixture."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.session import Session

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def scenario() -> Callable[..., Session]:
    from conftest_simulation import session_of

    return session_of
