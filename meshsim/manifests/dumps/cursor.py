"""JSON read piece by piece: a dump of a hundred megabytes is never a tree in memory, and every piece has a line."""

import json
from collections.abc import Iterator
from typing import Any, Final, Never, final

from meshsim.model.errors import InputError
from meshsim.model.evidence import Source

_DECODER: Final = json.JSONDecoder()
_BLANK: Final = " \t\r\n"


@final
class Cursor:
    """A place in a JSON text. `members` and `elements` stop at each value, which has to be read before going on."""

    def __init__(self, content: bytes, path: str, hint: str) -> None:
        self._path, self._hint = path, hint
        try:
            self._text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            self.fail("this is no JSON: it is not UTF-8")
        self._at = 0
        self._line, self._counted = 1, 0
        self._blank()

    @property
    def line(self) -> int:
        """The line of the next value. Cursors only move on, so that each line is counted once."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    @property
    def opens(self) -> str:
        """The first character of the next value."""
        return self._text[self._at : self._at + 1]

    def fail(self, message: str, line: int = 0) -> Never:
        raise InputError(message, where=Source(self._path, line), hint=self._hint)

    def value(self) -> Any:
        """Read the next value whole."""
        try:
            found, self._at = _DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            self.fail(f"this is no JSON: {error.msg}", error.lineno)
        except RecursionError:
            self.fail("this is no JSON that can be read: it is nested too deeply", self.line)
        except ValueError as error:
            self.fail(f"this is no JSON that can be read: {error}", self.line)
        self._blank()
        return found

    def members(self) -> Iterator[str]:
        """The keys of the object that is next."""
        self._expect("{")
        if self._taken("}"):
            return
        while True:
            if self.opens != '"':
                self.fail("this is no JSON: Expecting property name enclosed in double quotes", self.line)
            key = self.value()
            self._expect(":")
            yield str(key)
            if self._taken("}"):
                return
            self._expect(",")

    def elements(self) -> Iterator[int]:
        """The lines of the items of the array that is next."""
        self._expect("[")
        if self._taken("]"):
            return
        while True:
            yield self.line
            if self._taken("]"):
                return
            self._expect(",")

    def end(self) -> None:
        """Nothing may follow."""
        if self.opens:
            self.fail("this is no JSON: Extra data", self.line)

    def _taken(self, char: str) -> bool:
        if self.opens != char:
            return False
        self._at += 1
        self._blank()
        return True

    def _expect(self, char: str) -> None:
        if not self._taken(char):
            self.fail(
                f"this is no JSON: Expecting {char!r}" if self.opens else "this is no JSON: it ends early", self.line
            )

    def _blank(self) -> None:
        while self._text[self._at : self._at + 1] in _BLANK and self._at < len(self._text):
            self._at += 1
