"""meshsim: is the canary split that Argo Rollouts manages applied for this client, or silently bypassed, and why?

>>> import meshsim
>>> session = meshsim.load("scenarios/client-local-waypoint")
>>> [row.verdict.value for row in session.verdicts()]
['bypassed', 'applied']
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from meshsim.version import VERSION

if TYPE_CHECKING:
    from meshsim.session import Session

__version__ = VERSION
__all__ = ["__version__", "load"]


def load(
    source: str | Path | Mapping[str, str | Sequence[str]], *, dialect: str | None = None, dataplane: str | None = None
) -> "Session":
    """Load a scenario file, a directory with a `scenario.yaml`, or clusters as `{name: manifests}`.

    `dialect` and `dataplane` are for clusters without a scenario file. Raises `model.errors.InputError` with file and
    line where the input is missing or invalid.
    """
    from meshsim.session import load as load_session

    if "IPython" in sys.modules:
        from meshsim.report.jupyter import register

        register()
    return load_session(source, dialect=dialect, dataplane=dataplane)
