"""What an earlier answer found already, so that a run fails on what is new only."""

import json
from collections.abc import Mapping
from typing import Any, Final, final

from meshsim.model.errors import InputError
from meshsim.model.evidence import Source
from meshsim.model.frozen import frozen
from meshsim.model.shares import plain
from meshsim.model.verdict import SEVERITY, At, Checked, Row, Verdict

SCHEMA: Final = "meshsim/answer/v1"
Key = tuple[object, ...]


@final
@frozen
class Baseline:
    """Rows of an earlier answer with their verdicts, and its failed expectations, by what they say."""

    verdicts: Mapping[Key, Verdict]
    failed: frozenset[str]

    def has(self, at: At, row: Row) -> bool:
        """Whether the earlier answer found the same call no better; undetermined is known if it was so then."""
        before = self.verdicts.get(
            _key(at, row.frm, row.to, row.path, sorted(row.headers.items()), row.connection, row.rollout)
        )
        if before is None:
            return False
        if row.verdict is Verdict.UNDETERMINED:
            return before is Verdict.UNDETERMINED
        return SEVERITY.get(before, 0) >= SEVERITY.get(row.verdict, 0)

    def fails_too(self, check: Checked) -> bool:
        """Whether an expectation that says the same failed there, too; only its line may differ."""
        return _said({name: plain(value) for name, value in check.wanted.items()}) in self.failed


def read(content: bytes, file: str) -> Baseline:
    """A baseline from what `meshsim run -o json` wrote. Raises InputError for anything else."""
    answer = _answer(content, file)
    verdicts: dict[Key, Verdict] = {}
    failed: set[str] = set()
    try:
        moments = answer.get("probes") or answer.get("moments") or [answer]
        for moment in moments:
            for row in moment["verdicts"]:
                headers = sorted((row.get("headers") or {}).items())
                place = (row["from"], row["to"], row.get("path", "/"), headers, row.get("connection", "new"))
                verdicts[_key(moment["at"], *place, row["rollout"])] = Verdict(row["verdict"])
        for check in answer.get("expectations", ()):
            if not check["passed"]:
                failed.add(_said(check["wanted"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        msg = f"this answer is not as meshsim writes it: {error}"
        raise InputError(msg, where=Source(file), hint="write it again: meshsim run -o json > baseline.json") from None
    return Baseline(verdicts=verdicts, failed=frozenset(failed))


def _answer(content: bytes, file: str) -> Mapping[str, Any]:
    hint = "a baseline is what `meshsim run -o json` wrote"
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        msg = "this is no JSON"
        raise InputError(msg, where=Source(file, line), hint=hint) from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        msg = f"this is no answer of meshsim ({SCHEMA})"
        raise InputError(msg, where=Source(file), hint=hint)
    return found


def _key(at: object, *call: object) -> Key:
    moment = float(at) if isinstance(at, (int, float)) else at
    return (moment, *map(str, call))


def _said(wanted: object) -> str:
    return json.dumps(wanted, sort_keys=True, default=str)
