"""Every expectation of the scenarios below the given paths, as a test of its own.

It runs pytest with meshsim's plugin, which collects `scenario.yaml` and `*.meshsim.yaml`; in a project that has tests
already, plain `pytest` collects them, too.

exit codes: 0 all expectations hold, 1 some fail, 2 wrong call, 3 wrong input or no scenario, 4 only undetermined calls
stand in the way."""

import argparse
import os
import shlex
from collections.abc import Sequence
from typing import Any, Final

from meshsim.model.errors import InputError
from meshsim.model.evidence import Source

EXAMPLES: Final = """\
examples:
  meshsim test                          every scenario below this directory
  meshsim test scenarios -k ingress     those whose name or path has `ingress`
  meshsim test scenarios --junit report.xml --pytest '-x -n 4'
"""
_CODES: Final = {0: 0, 1: 1, 2: 3, 3: 70, 4: 2}
"""pytest's exit codes as ours; 2 is an error while collecting unless it was Ctrl-C."""
_NOTHING: Final = "no scenario here: tests are scenario.yaml with `apiVersion: meshsim/v1`, and *.meshsim.yaml"
INTERRUPTED: Final = 130


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("paths", nargs="*", help="files or directories (default: .)")
    parser.add_argument("-k", metavar="EXPRESSION", dest="only", help="tests whose name or path matches")
    parser.add_argument("--junit", metavar="FILE", help="also write JUnit XML")
    parser.add_argument(
        "--fail-on",
        choices=("failing", "bypassed", "partial", "skewed", "undetermined", "never"),
        help="also test the calls that no expectation covers: fail for this and everything worse",
    )
    parser.add_argument("--pytest", metavar="WORDS", default="", help="more words for pytest, in one argument")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line a test")


def run(options: argparse.Namespace) -> int:
    """Run pytest; return its exit code as ours."""
    import pytest

    paths, passed = options.paths, shlex.split(options.pytest)
    for path in paths:
        if not os.path.exists(path.partition("::")[0]):
            msg = "there is no such file or directory"
            raise InputError(msg, where=Source(path))
    count = _Count()
    words = ["-p", "no:meshsim", "-p", "meshsim.pytest_plugin", "-p", "no:cacheprovider", "-o", "python_files="]
    words += ["-o", "addopts=", "-o", "testpaths=", "-o", "filterwarnings=", "--rootdir", os.getcwd(), "--tb=short"]
    # meshsim is running already, and its plugin asserts nothing that pytest would have to rewrite.
    words += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    words += ["-v"] if options.verbose else ["-q"]
    words += ["-k", options.only] if options.only else []
    words += [f"--junitxml={options.junit}"] if options.junit else []
    words += ["--meshsim-fail-on", options.fail_on] if options.fail_on else []
    code = int(pytest.main([*words, *passed, *(paths or ["."])], plugins=[count]))
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        msg = f"none of {count.deselected} tests matches" if count.deselected else _NOTHING
        raise InputError(msg, where=Source(", ".join(paths) or "."))
    if code == 1 and count.failed and count.failed == count.undetermined:
        return 4
    return INTERRUPTED if code == pytest.ExitCode.INTERRUPTED and not count.errors else _CODES.get(code, 70)


class _Count:
    """What failed, and how much of it only for not knowing."""

    def __init__(self) -> None:
        self.failed = self.undetermined = self.errors = self.deselected = 0

    def pytest_deselected(self, items: Sequence[Any]) -> None:
        self.deselected += len(items)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed += 1
            self.undetermined += ("meshsim", "undetermined") in report.user_properties

    def pytest_collectreport(self, report: Any) -> None:
        self.errors += report.failed
