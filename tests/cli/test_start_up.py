"""T14: what `meshsim run -o json` must not load, and that a command loads its own module only."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCENARIO = "scenarios/client-local-waypoint"
HEAVY = {"numpy", "scipy", "networkx", "pandas", "matplotlib", "dask", "distributed", "rich", "simpy", "typer", "click"}


def loaded(*words: str) -> set[str]:
    code = (
        "import contextlib, io, json, sys\n"
        "from meshsim.cli.app import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): assert main(sys.argv[1:]) in {0, 1}\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("output", ["json", "yaml", "markdown"])
def test_run_loads_nothing_heavy(output: str) -> None:
    assert not HEAVY & {name.partition(".")[0] for name in loaded("run", SCENARIO, "-o", output)}


def test_a_table_is_the_only_reason_to_load_rich() -> None:
    modules = loaded("run", SCENARIO)
    assert "rich" in modules
    assert not (HEAVY - {"rich"}) & {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("words", [[], ["--version"], ["rules", "-o", "json"]])
def test_what_needs_no_engine_loads_none(words: list[str]) -> None:
    modules = loaded(*words)
    assert not [
        name for name in modules if name.startswith(("meshsim.session", "meshsim.analysis", "yaml", "pydantic"))
    ]


def test_a_command_loads_its_own_module_only() -> None:
    modules = loaded("run", SCENARIO, "-o", "json")
    assert "meshsim.cli.run" in modules
    assert not {f"meshsim.cli.{verb}" for verb in ("explain", "init", "rules", "schema", "draft", "starter")} & modules
