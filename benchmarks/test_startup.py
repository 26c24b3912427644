"""T12 to T14: what `meshsim run` costs before and around its answer, in bare interpreters and imports."""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.ratios import report

ROOT = Path(__file__).parent.parent
SCENARIO = ROOT / "scenarios" / "guide-gateway-api"
"""More than twenty documents, a timeline, and expectations at moments of it."""
HEAVY = ("numpy", "scipy", "networkx", "pandas", "matplotlib", "dask")
RUN = "import sys; from meshsim.cli.app import main; main(['run', sys.argv[1], '-o', 'json', '--fail-on', 'never'])"
ROUNDS = 11
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
ENVIRONMENT["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / f"meshsim-bytecode-{os.getuid()}")
"""Bytecode is kept, wherever the user's shell wants none: the first run of each candidate writes it."""


def child(code: str) -> float:
    """CPU seconds of a fresh interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", code, str(SCENARIO)],
        cwd=ROOT,
        env=ENVIRONMENT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def medians(*codes: str) -> list[float]:
    for code in codes:
        child(code)
    times = [[child(code) for code in codes] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def test_a_run_against_importing_yaml_and_pydantic(benchmark: Any) -> None:
    ours, anchor = medians(RUN, "import yaml; from pydantic import BaseModel")
    report(
        benchmark, "T12", "meshsim run -o json / import yaml and pydantic", ours / anchor, "≤ 2.5", lambda: child(RUN)
    )


def test_a_run_against_a_bare_interpreter(benchmark: Any) -> None:
    ours, anchor = medians(RUN, "pass")
    report(benchmark, "T13", "the same / python -c pass", ours / anchor, "≤ 20", lambda: child(RUN))


def test_a_run_loads_nothing_heavy(benchmark: Any) -> None:
    code = f"{RUN}; print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    found = subprocess.run(
        [sys.executable, "-c", code, str(SCENARIO)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    loaded = found.stderr.split()
    assert not loaded
    report(
        benchmark, "T14", f"of {', '.join(HEAVY)}, loaded by a run", ", ".join(loaded) or "none", "none", lambda: None
    )
