"""Where labels fit along an axis of time: none over another, each as near to its instant as there is room."""

from collections.abc import Callable, Iterable
from typing import Final, final

from meshsim.model.frozen import frozen

_WIDE: Final = 0.56
"""Width of an average character of DejaVu Sans, in font sizes."""


@final
@frozen
class Ruler:
    """An axis of time: `seconds` long and `points` wide on paper."""

    seconds: float
    points: float

    def width(self, text: str, size: float) -> float:
        """How many seconds a text takes up."""
        return len(text) * size * _WIDE * self.seconds / self.points


def first_fitting(texts: Iterable[str], room: float, width: Callable[[str], float]) -> str:
    """The first text that is no wider than the room; "" where none is."""
    return next((text for text in texts if text and width(text) <= room), "")


@final
class Rows:
    """Rows of labels: each goes to the first row in which it overlaps no other, nor the stem of one above."""

    def __init__(self) -> None:
        self._taken: list[list[tuple[float, float]]] = []

    def place(self, begin: float, end: float, stem: float | None = None) -> int:
        """The row of a label from `begin` to `end`; its stem stands at an instant, through all rows below."""
        row = self._free(begin, end)
        for below in self._taken[:row] if stem is not None else ():
            below.append((stem or 0.0, stem or 0.0))
        return row

    def _free(self, begin: float, end: float) -> int:
        for row, taken in enumerate(self._taken):
            if all(end <= left or begin >= right for left, right in taken):
                taken.append((begin, end))
                return row
        self._taken.append([(begin, end)])
        return len(self._taken) - 1

    @property
    def count(self) -> int:
        return len(self._taken)
