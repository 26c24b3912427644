"""The registry of output formats. Adding one is a module with a `Printer` and a line here; it loads when asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, final

from meshsim.model.frozen import frozen
from meshsim.model.reasons import Reason
from meshsim.model.verdict import Answer, Explanation

if TYPE_CHECKING:
    from meshsim.analysis.gate import Gate

FORMATS: Final[dict[str, str]] = {
    "table": "meshsim.report.terminal:TABLE",
    "json": "meshsim.report.data:JSON",
    "yaml": "meshsim.report.data:YAML",
    "markdown": "meshsim.report.markdown:MARKDOWN",
}
"""Name for `-o` → where its printer is."""
PAGES: Final[dict[str, str]] = {"html": "meshsim.report.page:PAGE"}
"""Formats of answers and explanations only."""
CI_FORMATS: Final[dict[str, str]] = {
    "junit": "meshsim.report.junit:JUNIT",
    "github": "meshsim.report.github:GITHUB",
    "sarif": "meshsim.report.sarif:SARIF",
}
"""Formats of an answer for machines that comment on a change."""


@final
@frozen
class Paper:
    """What is printed on. `width` is None where lines may be as long as they are (a pipe).

    `drawn` paper is a terminal: lines, glyphs; `coloured` adds colours. Words are the same on all of it.
    """

    width: int | None = None
    drawn: bool = False
    coloured: bool = False


@final
@frozen
class Heading:
    """What an answer does not know of itself: `source` is what follows the verb to get the same scenario again
    (`scenarios/x`, `--cluster east=…`); `file` the scenario file whose lines expectations name."""

    scenario: str = ""
    dialect: str = ""
    source: str = ""
    file: str = ""
    gate: "Gate | None" = None
    """What fails the run."""


class AnswerPrinter(Protocol):
    """A format of answers."""

    def answer(self, found: Answer, heading: Heading, paper: Paper) -> str: ...


class CallPrinter(AnswerPrinter, Protocol):
    """A format of answers and of explanations."""

    def explanations(self, found: tuple[Explanation, ...], heading: Heading, paper: Paper) -> str: ...


class Printer(CallPrinter, Protocol):
    """Everything that a format can be asked to print."""

    def reasons(self, found: tuple[Reason, ...], paper: Paper) -> str: ...


def printer(name: str) -> Printer:
    """The printer of a format in `FORMATS`."""
    found: Printer = _loaded(FORMATS[name])
    return found


def call_printer(name: str) -> CallPrinter:
    """The printer of a format in `FORMATS` or `PAGES`."""
    found: CallPrinter = _loaded({**FORMATS, **PAGES}[name])
    return found


def answer_printer(name: str) -> AnswerPrinter:
    """The printer of a format in `FORMATS`, `PAGES` or `CI_FORMATS`."""
    found: AnswerPrinter = _loaded({**FORMATS, **PAGES, **CI_FORMATS}[name])
    return found


def _loaded(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)
