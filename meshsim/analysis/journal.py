"""A sweep's journal: an append-only file of answers, from which an interrupted sweep goes on.

A line of JSON an answer, after a first line that names the sweep. The file may come from anywhere: every line is
checked, and a last line that was cut off is taken back.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NoReturn, final

from meshsim.analysis.sweep import Leaf, Record
from meshsim.mesh.variants import Setting
from meshsim.model.errors import InputError
from meshsim.model.evidence import Source
from meshsim.model.verdict import Found, Verdict

FORMAT: Final = "meshsim/sweep-journal/v1"
LONGEST: Final = 1_000_000
"""Bytes of a line; longer ones are nobody's answer."""
_VERDICTS: Final = frozenset({*(str(one.value) for one in Verdict), "refused"})
_PARTS: Final = ("stable", "canary", "other", "error")
_DIGITS: Final = 2_000


def journal(path: str) -> Callable[[str, Sequence[Setting]], Record]:
    """What `sweep` takes as `record`. Raises InputError for a file that is no journal, or another sweep's."""
    return lambda identity, settings: Journal(path, identity, settings)


@final
class Journal:
    """The answers in a file, and room for more."""

    def __init__(self, path: str, identity: str, settings: Sequence[Setting]) -> None:
        self._path = Path(path)
        self._identity = identity
        self._settings = settings
        self._leaves, end = self._read()
        try:
            with self._path.open("ab") as file:
                file.truncate(end)
                if end == 0:
                    file.write(_line({"format": FORMAT, "sweep": identity, "settings": [s.name for s in settings]}))
        except OSError as error:
            self._complain(f"cannot be written: {error.strerror or error}")

    def known(self) -> Iterable[Leaf]:
        return tuple(self._leaves)

    def keep(self, leaves: Iterable[Leaf]) -> None:
        try:
            with self._path.open("ab") as file:
                file.write(b"".join(_line(_plain(leaf)) for leaf in leaves))
        except OSError as error:
            self._complain(f"cannot be written: {error.strerror or error}")

    def _read(self) -> tuple[list[Leaf], int]:
        """The answers, and where the last whole line ends."""
        found: list[Leaf] = []
        end = 0
        try:
            with self._path.open("rb") as file:
                for number, line in enumerate(iter(lambda: file.readline(LONGEST + 1), b""), start=1):
                    if len(line) > LONGEST:
                        self._complain("has a line that is too long for a journal", number)
                    if not line.endswith(b"\n"):
                        if number == 1:
                            self._complain("is no journal of a sweep", number)
                        break
                    self._take(line, number, found)
                    end += len(line)
        except FileNotFoundError:
            return [], 0
        except OSError as error:
            self._complain(f"cannot be read: {error.strerror or error}")
        return found, end

    def _take(self, line: bytes, number: int, found: list[Leaf]) -> None:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            self._complain("is no journal of a sweep" if number == 1 else "has a broken line", number)
        if number > 1:
            try:
                found.append(_leaf(value, self._settings))
            except (TypeError, ValueError, KeyError, ZeroDivisionError):
                self._complain("has a line that is no answer of this sweep", number)
        elif not isinstance(value, dict) or value.get("format") != FORMAT:
            self._complain("is no journal of a sweep", number)
        elif value.get("sweep") != self._identity:
            self._complain("belongs to another sweep: other manifests, settings, calls or version", number)

    def _complain(self, what: str, line: int = 0) -> NoReturn:
        msg = f"the journal {what}"
        where = Source(str(self._path), line)
        raise InputError(msg, where=where, hint="give --journal a new file, or remove this one") from None


def _line(value: Any) -> bytes:
    return (json.dumps(value, separators=(",", ":")) + "\n").encode()


def _plain(leaf: Leaf) -> dict[str, Any]:
    return {
        "call": leaf.call,
        "taken": leaf.taken,
        "rows": [
            {
                "verdict": row.verdict,
                "rollout": row.rollout,
                "masked": row.masked,
                "reasons": row.reasons,
                "effective": None if row.effective is None else {name: str(share) for name, share in row.effective},
                "decided_by": row.decided_by,
                "refused": row.refused,
            }
            for row in leaf.rows
        ],
    }


def _leaf(value: Any, settings: Sequence[Setting]) -> Leaf:
    """An answer from plain values. Raises TypeError, ValueError or KeyError for anything else."""
    taken = tuple((_whole(index), _whole(chosen)) for index, chosen in value["taken"])
    fits = all(index < len(settings) and chosen < len(settings[index].options) for index, chosen in taken)
    if not fits or len({index for index, _ in taken}) != len(taken):
        raise ValueError
    return Leaf(call=_whole(value["call"]), taken=taken, rows=tuple(map(_row, value["rows"])))


def _row(value: Any) -> Found:
    shares = value["effective"]
    if value["verdict"] not in _VERDICTS or not isinstance(value["masked"], bool):
        raise ValueError
    return Found(
        verdict=value["verdict"],
        rollout=_text(value["rollout"]),
        masked=value["masked"],
        reasons=tuple(str(_text(code, needed=True)) for code in value["reasons"]),
        effective=None if shares is None else tuple((name, _share(shares[name])) for name in _PARTS),
        decided_by=_text(value["decided_by"]),
        refused=str(_text(value["refused"], needed=True)),
    )


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


def _text(value: Any, *, needed: bool = False) -> str | None:
    if not isinstance(value, str) and (needed or value is not None):
        raise ValueError
    return value


def _share(value: Any) -> Fraction:
    if not isinstance(value, str) or len(value) > _DIGITS or not value.replace("/", "", 1).isdigit():
        raise ValueError
    found = Fraction(value)
    if not 0 <= found <= 1:
        raise ValueError
    return found
