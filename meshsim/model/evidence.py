"""Where a fact comes from: a file, a controller's write, an assumption, or a proxy's dump."""

from typing import final

from meshsim.model.frozen import record


@final
@record
class Source:
    """A value read from a file. `line` and `column` count from 1; 0 means the whole file."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@final
@record
class Written:
    """A value that a controller or a user's command wrote at `at` (seconds since the scenario's start)."""

    by: str
    at: float

    def __str__(self) -> str:
        return f"written by {self.by} at {self.at:g}s"


@final
@record
class Assumed:
    """A value nothing in the input states; `statement` says what was taken for granted."""

    statement: str

    def __str__(self) -> str:
        return f"assumed: {self.statement}"


@final
@record
class Dumped:
    """A value read from a live proxy's dump."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"dumped: {self.path}:{self.line}" if self.line else f"dumped: {self.path}"


Evidence = Source | Written | Assumed | Dumped
