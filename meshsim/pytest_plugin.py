"""Scenarios as tests: pytest collects `scenario.yaml` and `*.meshsim.yaml`, one test an expectation.

A `scenario.yaml` is collected where it says `apiVersion: meshsim/v1`. An expectation with `known:` is a strict xfail.
A scenario that expects nothing is one test, which fails as `meshsim run` would; `--meshsim-fail-on LEVEL` adds that
test to every scenario.
"""

from collections.abc import Generator, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from meshsim.model.verdict import Answer, Checked
    from meshsim.report.formats import Heading
    from meshsim.session import Session

FILE: Final = "scenario.yaml"
SUFFIX: Final = ".meshsim.yaml"
MARK: Final = b"meshsim/v1"
_SNIFFED: Final = 64 * 1024
UNDETERMINED: Final = pytest.StashKey[bool]()
"""On an item that failed: whether nothing but *undetermined* stood in the way."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """One option of ours."""
    group = parser.getgroup("meshsim", "meshsim scenarios")
    group.addoption(
        "--meshsim-fail-on",
        metavar="LEVEL",
        choices=("failing", "bypassed", "partial", "skewed", "undetermined", "never"),
        help="also test the calls that no expectation covers: fail for this and everything worse",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ScenarioFile | None":
    """A scenario, by its name and, unless the name leaves no doubt, by what it says."""
    if file_path.name.endswith(SUFFIX) or (file_path.name == FILE and _is_ours(file_path)):
        file: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
        return file
    return None


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return MARK in file.read(_SNIFFED)
    except OSError:
        return False


class ScenarioFile(pytest.File):
    """A scenario; loaded when it is collected, answered once."""

    @cached_property
    def loaded(self) -> "Session":
        from meshsim.model.errors import MeshsimError
        from meshsim.session import load

        try:
            return load(self.shown)
        except MeshsimError as error:
            raise self.CollectError(_complaint(error)) from None

    @cached_property
    def shown(self) -> str:
        """The path as a user would write it."""
        here = self.config.invocation_params.dir
        return str(self.path.relative_to(here)) if self.path.is_relative_to(here) else str(self.path)

    @cached_property
    def answer(self) -> "Answer":
        return self.loaded.answer()

    @property
    def heading(self) -> "Heading":
        from meshsim.report.formats import Heading

        return Heading(scenario=self.loaded.scenario.name, source=self.shown, file=self.shown)

    def collect(self) -> Iterator[pytest.Item]:
        wanted = self.loaded.scenario.expect
        for expectation in wanted:
            name = f"expect-{expectation.index}-line-{expectation.source.line}"
            yield ExpectationItem.from_parent(self, name=name, index=expectation.index, line=expectation.source.line)
        level = self.config.getoption("--meshsim-fail-on")
        if level or not wanted:
            yield CallsItem.from_parent(self, name="calls", fail_on=level or "skewed")


class Missed(Exception):
    """What a test found, as lines to print."""


class _Item(pytest.Item):
    parent: ScenarioFile
    line = 0

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from meshsim.model.errors import MeshsimError

        if isinstance(excinfo.value, Missed):
            return str(excinfo.value)
        if isinstance(excinfo.value, MeshsimError):
            return _complaint(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, self.line - 1 if self.line else None, f"{self.parent.name}::{self.name}"


class ExpectationItem(_Item):
    """One expectation."""

    def __init__(self, *, index: int, line: int, **rest: Any) -> None:
        super().__init__(**rest)
        self.index = index
        self.line = line

    def runtest(self) -> None:
        check = next(one for one in self.parent.answer.expectations if one.index == self.index)
        known = check.wanted.get("known")
        if check.passed and known is not None:
            pytest.xfail(str(known))
        if not check.passed:
            from meshsim.model.verdict import Verdict

            unclear = bool(check.rows) and all(row.verdict is Verdict.UNDETERMINED for row in check.rows)
            self.stash[UNDETERMINED] = unclear
            raise Missed(_missed(check, self.parent.heading))


class CallsItem(_Item):
    """The calls that no expectation covers."""

    def __init__(self, *, fail_on: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.fail_on = fail_on

    def runtest(self) -> None:
        from dataclasses import replace

        from meshsim.analysis.gate import UNDETERMINED as UNCLEAR
        from meshsim.analysis.gate import Gate, exit_code
        from meshsim.report.incidents import incidents

        gate = Gate(fail_on=self.fail_on)
        code = exit_code(replace(self.parent.answer, expectations=()), gate)
        if code:
            heading = replace(self.parent.heading, gate=gate)
            found = [one for one in incidents(self.parent.answer, heading) if one.finding.row is not None]
            blamed = [one for one in found if one.fails or (code == UNCLEAR and one.undetermined)]
            self.stash[UNDETERMINED] = code == UNCLEAR
            raise Missed("\n\n".join("\n  ".join([one.title, *one.lines]) for one in blamed))


def _missed(check: "Checked", heading: "Heading") -> str:
    """What was wanted, what is, and how it came about."""
    from meshsim.report.incidents import stated, subject, why
    from meshsim.report.words import clean, quoted

    lines = [f"{subject(check)}", f"  expected {stated(check)}  ({clean(heading.file)}:{check.line})"]
    lines += [f"  {clean(sentence)}" for sentence in check.failures]
    for row in check.rows[:3]:
        lines += ["", f"{clean(row.frm)} → {clean(row.to)}", f"  {' → '.join(map(clean, row.hops)) or 'no hop'}"]
        lines += [f"  {line}" for line in why(row)]
        at = check.wanted.get("at", f"step:{check.wanted['step']}" if "step" in check.wanted else None)
        moment = f" --at {quoted(str(at))}" if at is not None else ""
        words = f"{quoted(heading.source)} {quoted(clean(row.frm))} {quoted(clean(row.to))}"
        lines.append(f"  next: meshsim explain {words}{moment}")
    return "\n".join(lines)


def _complaint(error: Any) -> str:
    several = getattr(error, "errors", (error,))
    lines = []
    for one in several:
        place = f"{one.where}: " if one.where is not None else ""
        lines.append(f"{place}{one.message}")
        lines += [f"  → {line}" for line in one.hint.splitlines()]
    return "\n".join(lines)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Tell whoever reads reports that only *undetermined* stood in the way."""
    report: Any = yield
    if item.stash.get(UNDETERMINED, False):
        report.user_properties.append(("meshsim", "undetermined"))
    return report
