"""How far a command has come, on a terminal's standard error, where it takes time."""

import sys
import time
from collections.abc import Callable
from typing import Any, Final, final

PATIENCE: Final = 0.5
"""Seconds before a progress bar is shown."""


@final
class Progress:
    """A bar on a terminal's standard error, once it has taken long enough to wonder."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Callable[[int, int], None]:
        return self._tell

    def _tell(self, done: int, whole: int) -> None:
        if self._bar is None:
            if not sys.stderr.isatty() or time.monotonic() - self._began < PATIENCE:
                return
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._doing, total=whole)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=whole)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
