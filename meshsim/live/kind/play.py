"""A plan played: each step once, on record when it is done, with bounded waits and a sentence for what fails."""

import fnmatch
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, final

from meshsim.live.commands import Ran
from meshsim.live.kind.clusters import CLUSTER, NETWORK, deletion
from meshsim.live.kind.script import digest
from meshsim.live.kind.steps import (
    Await,
    Check,
    Claim,
    Command,
    Compare,
    Filled,
    Observe,
    Plan,
    Remove,
    Run,
    Secret,
    Step,
    Wait,
    Write,
)
from meshsim.live.observe import Through
from meshsim.model.errors import InputError

STATE: Final = "steps"
"""The record: `plan DIGEST`, `ours WHAT NAME`, `done STEP`, a line each, as the script keeps it."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")
_PAUSE: Final = 3.0
_QUICK: Final = 20.0


class Runner(Protocol):
    """Runs one argument list within a time. Tests give their own."""

    def __call__(self, command: Sequence[str], /, *, timeout: float) -> Ran: ...


@final
class Failed(InputError):
    """A step that did not succeed. What was done stays done."""


def recorded(directory: Path) -> list[str]:
    """The record of a working directory. Raises InputError where it cannot be read."""
    try:
        return (directory / STATE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{directory / STATE} cannot be read: {error}"
        raise InputError(msg, hint="name another directory with --work") from None


def remove(directory: Path, run: Runner, *, told: Callable[[str], None]) -> None:
    """Take away what a record has as made from its directory, and then the record. Raises Failed."""
    values = {"WORK": str(directory.absolute())}
    for what in (CLUSTER, NETWORK):
        start = f"ours {what} "
        for name in (line.removeprefix(start) for line in recorded(directory) if line.startswith(start)):
            if not _NAME.fullmatch(name):
                continue
            told(f"== delete the {what} {name}")
            words = [w.with_values(values) if isinstance(w, Filled) else w for w in deletion(what, name)]
            ran = run(words, timeout=300.0)
            if ran.code:
                said = ran.err.strip() or f"it ended with {ran.code}"
                msg = f"{shlex.join(words)}\n{said}"
                raise Failed(msg, hint="--delete tries again")
    (directory / STATE).unlink(missing_ok=True)


@final
class Player:
    """Plays a plan in a working directory. `observe` and `compare` are given the file to write or to read (and
    who stands for callers that are no pods); `compare` returns an exit code. `told` hears a line for each step."""

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        run: Runner,
        *,
        observe: Callable[[Observe, Path, Mapping[str, Through]], None],
        compare: Callable[[Compare, Path], int],
        told: Callable[[str], None],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.plan, self.directory, self.run = plan, directory.absolute(), run
        self.observe, self.compare, self.told = observe, compare, told
        self.clock, self.sleep, self.environ = clock, sleep, environ
        self.values = {"WORK": str(self.directory)}
        self.codes: list[int] = []

    # the record

    @property
    def lines(self) -> list[str]:
        """The record so far."""
        return recorded(self.directory)

    def note(self, line: str) -> None:
        """Put a line on record."""
        if line not in self.lines:
            self._file(STATE, line + "\n", append=True)

    def play(self, *, keep: bool = False) -> int:
        """Do what is not done yet; without `keep`, take everything away in the end. Returns 0, 1 where a comparison
        disagrees, 4 where one is undetermined and none disagrees. Raises Failed, InputError."""
        before, identity = self.lines, f"plan {digest(self.plan)}"
        if before and identity not in before:
            msg = f"{self.directory} was begun with another scenario, or with other options"
            raise InputError(msg, hint="take it away with --delete (and the options of then), or name another --work")
        if any(line.startswith("done ") for line in before):
            self.told(f"going on in {self.directory}: {sum(x.startswith('done ') for x in before)} steps are done")
        self.note(identity)
        for step in self.plan.steps:
            self._step(step)
        if not keep:
            self.remove()
        return 1 if 1 in self.codes else 4 if 4 in self.codes else 0

    def remove(self) -> None:
        """Take away what is on record as made from here, and nothing else."""
        remove(self.directory, self.run, told=self.told)

    def _step(self, step: Step) -> None:
        lines = self.lines
        if f"done {step.name}" in lines:
            self._again(step)
            return
        if not step.always:
            self.told(f"== {step.title}")
        for command in step.commands:
            self._do(step, command)
        if not step.always:
            self.note(f"done {step.name}")

    def _again(self, step: Step) -> None:
        """A step that is done: what it counted is held against the model again, so that the answer is whole."""
        for command in step.commands:
            if isinstance(command, Compare):
                self._do(step, command)

    # commands

    def _do(self, step: Step, command: Command) -> None:
        if isinstance(command, Run):
            self._run(step, command)
        elif isinstance(command, Write):
            self._file(command.name, self._filled(command.text))
        elif isinstance(command, Secret):
            self._secret(command)
        elif isinstance(command, Remove):
            for name in command.names:
                (self.directory / name).unlink(missing_ok=True)
        elif isinstance(command, Await):
            self._await(step, command)
        elif isinstance(command, Check):
            ran = self.run(self._words(command.words), timeout=_QUICK)
            if ran.code or not fnmatch.fnmatchcase(ran.out.decode("utf-8", "replace").strip(), command.wanted):
                raise InputError(command.complaint)
        elif isinstance(command, Claim):
            self._claim(step, command)
        elif isinstance(command, Wait):
            self.sleep(command.seconds)
        elif isinstance(command, Observe):
            through = {
                caller: Through(client=client, address=self.values[var] if var else "")
                for caller, client, var in command.through
            }
            self.observe(command, self.directory / command.name, through)
        else:
            self.codes.append(self.compare(command, self.directory / command.name))

    def _run(self, step: Step, command: Run) -> None:
        end = self.clock() + command.retry
        while True:
            ran = self.run(self._words(command.words), timeout=command.limit)
            if ran.code == 0 or command.anyway or self.clock() >= end:
                break
            self.sleep(_PAUSE)
        if ran.code and not command.anyway:
            raise self._failed(step, command.words, ran)
        text = ran.out.decode("utf-8", "replace")
        if command.var:
            self.values[command.var] = text.strip()
            if not text.strip():
                raise self._failed(step, command.words, Ran(1, b"", "it said nothing"))
        if command.out is not None:
            self._file(str(Path(self._filled(command.out)).relative_to(self.directory)), text)

    def _await(self, step: Step, command: Await) -> None:
        end, got = self.clock() + command.limit, ""
        while True:
            ran = self.run(self._words(command.words), timeout=_QUICK)
            got = ran.out.decode("utf-8", "replace").strip() if ran.code == 0 else ""
            if fnmatch.fnmatchcase(got, command.wanted):
                return
            if self.clock() >= end:
                break
            self.sleep(_PAUSE)
        last = ran.err.strip().splitlines()[-1:] or [""]
        seen = f"it is {got!r}" if got else f"nothing answers: {last[0]}" if last[0] else "nothing answers"
        msg = f"{step.title}: {command.what} did not come within {command.limit:g} s: wanted {command.wanted!r}, {seen}"
        raise Failed(msg, hint=self._hint())

    def _claim(self, step: Step, command: Claim) -> None:
        ran = self.run(self._words(command.listing), timeout=_QUICK)
        if ran.code:
            raise self._failed(step, command.listing, ran)
        if command.name in ran.out.decode("utf-8", "replace").split():
            if f"ours {command.what} {command.name}" not in self.lines:
                msg = f"there is a {command.what} {command.name} already, and it was not made from {self.directory}"
                raise InputError(msg, hint="choose another --prefix: what is not ours is not touched")
            undone = self.run(self._words(command.undo), timeout=300.0)
            if undone.code:
                raise self._failed(step, command.undo, undone)
        self.note(f"ours {command.what} {command.name}")

    def _secret(self, command: Secret) -> None:
        value = self.environ.get(command.env, "")
        if not value or "\n" in value.strip():
            msg = f"the environment variable {command.env} has no licence"
            raise InputError(msg, hint=f"export {command.env}=…, or name another variable with --license-env")
        self._file(command.name, f"{command.text}{value.strip()}\n")

    # details

    def _words(self, words: Sequence[str]) -> list[str]:
        return [self._filled(word) for word in words]

    def _filled(self, text: str) -> str:
        return text.with_values(self.values) if isinstance(text, Filled) else text

    def _file(self, name: str, text: str, *, append: bool = False) -> None:
        """Write a file for its owner alone: some hold keys."""
        path = self.directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
            with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            msg = f"{path} cannot be written: {error.strerror}"
            raise InputError(msg, hint="name another directory with --work") from None

    def _failed(self, step: Step, words: Sequence[str], ran: Ran) -> Failed:
        said = [line for line in ran.err.splitlines() if line.strip()][-3:] or [f"it ended with {ran.code}"]
        asked = shlex.join(self._words(words))
        shown = asked if len(asked) <= 300 else asked[:299] + "…"
        return Failed(f"{step.title}: {shown}\n" + "\n".join(said), hint=self._hint())

    def _hint(self) -> str:
        return "the same command goes on from here; with --delete it takes away what was created"
