"""What playing a scenario on kind clusters consists of, as values: a script prints them, a player runs them.

Whatever acts on a cluster is an argument list, and nothing is piped: outputs go to files of the working directory, or
to a variable. A `Filled` text has `$WORK` or such a variable in it; every other text is literal.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, final

from meshsim.model.frozen import frozen

WORK: Final = "WORK"
"""The variable of the working directory."""
VARIABLE: Final = re.compile(r"\$(WORK|ARCH|HASH|GW\d+|NODE\d+|EW\d+)(?![A-Za-z0-9_])")
"""What is replaced in a `Filled` text. Any other `$` is a dollar sign."""


class Filled(str):
    """A text with variables: `$WORK` and those that a `Run` sets."""

    __slots__ = ()

    def with_values(self, values: Mapping[str, str]) -> str:
        """The text with its variables replaced. Raises KeyError for one that has no value."""
        return VARIABLE.sub(lambda found: values[found[1]], self)


def work(name: str) -> Filled:
    """A file of the working directory."""
    return Filled(f"$WORK/{name}")


@final
@frozen
class Run:
    """Run a program. `out` takes its standard output (a file), `var` its only line; `limit` seconds each time, again
    for `retry` seconds until it succeeds; `anyway`: go on where it fails."""

    words: tuple[str, ...]
    out: Filled | None = None
    var: str = ""
    limit: float = 120.0
    retry: float = 0.0
    anyway: bool = False


@final
@frozen
class Write:
    """Write a file of the working directory, for its owner alone."""

    name: str
    text: str | Filled


@final
@frozen
class Secret:
    """Write a file with the value of one of the user's environment variables at the end of `text`."""

    name: str
    text: str
    env: str


@final
@frozen
class Remove:
    """Remove files of the working directory."""

    names: tuple[str, ...]


@final
@frozen
class Await:
    """Ask until the output has a pattern (`*` and `?` as in a shell), at most `limit` seconds. `what` says what is
    waited for, as the end of "… did not come"."""

    words: tuple[str, ...]
    wanted: str
    what: str
    limit: float


@final
@frozen
class Check:
    """Ask once; the output must have the pattern, else `complaint` says what is wrong and what to do."""

    words: tuple[str, ...]
    wanted: str
    complaint: str


@final
@frozen
class Claim:
    """Make sure that a name is free, or ours from an earlier try, which `undo` then removes. `listing` prints the names
    that exist, one a line."""

    name: str
    listing: tuple[str, ...]
    undo: tuple[str, ...]
    what: str


@final
@frozen
class Wait:
    """Do nothing for a while."""

    seconds: float
    why: str


@final
@frozen
class Observe:
    """Make the scenario's calls and count who answers (`meshsim live observe`), as of a moment of the scenario.
    `through` has who stands for callers that are no pods: caller, client, and the variable with the address, or ""."""

    name: str
    at: float | str
    through: tuple[tuple[str, str, str], ...] = ()


@final
@frozen
class Compare:
    """Hold what was counted against the model (`meshsim live compare`)."""

    name: str


Command = Run | Write | Secret | Remove | Await | Check | Claim | Wait | Observe | Compare


@final
@frozen
class Step:
    """Commands that are done together: what is done is not done again. `why` are comments."""

    name: str
    title: str
    commands: tuple[Command, ...]
    why: tuple[str, ...] = ()
    always: bool = False
    """Done in every run, since it changes nothing: checks."""


@final
@frozen
class Plan:
    """Everything, in order. `programs` must be there; `notes` say what is not as the scenario has it; `lacking` what
    makes it impossible as asked."""

    scenario: str
    source: tuple[str, ...]
    """The words that name the scenario on the command line."""
    prefix: str
    programs: tuple[str, ...]
    secrets: tuple[str, ...] = ()
    """Environment variables that must be set."""
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    contexts: Mapping[str, str]
    """Cluster → context."""
    requests: int = 100
    container: str = ""
    names_only: bool = False

    def observing(self, command: Observe) -> list[str]:
        """The words of `meshsim live observe` for a moment."""
        at = f"{command.at:g}s" if isinstance(command.at, int | float) else command.at
        contexts = [word for name, context in self.contexts.items() for word in ("--context", f"{name}={context}")]
        container = ["--container", self.container] if self.container else []
        names = ["--names-only"] if self.names_only else []
        through = [w for found in command.through for w in ("--through", _through(*found))]
        return [
            *("meshsim", "live", "observe", *self.source, *contexts, "--kubeconfig", work("kubeconfig"), "--at", at),
            *("--settle", "--requests", str(self.requests), *container, *names, *through, "-o", work(command.name)),
        ]

    def comparing(self, command: Compare) -> list[str]:
        """The words of `meshsim live compare` for a file."""
        return ["meshsim", "live", "compare", work(command.name), *self.source, "--settle"]


def _through(caller: str, client: str, var: str) -> str:
    return Filled(f"{caller}={client}@${var}") if var else f"{caller}={client}"


def runs(steps: Sequence[Step]) -> Iterator[tuple[str, ...]]:
    """Every argument list that steps may run, also while waiting and claiming."""
    for step in steps:
        for command in step.commands:
            if isinstance(command, Run | Await | Check):
                yield command.words
            elif isinstance(command, Claim):
                yield command.listing
                yield command.undo
