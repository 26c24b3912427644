"""Facts and the accessor that records which of them were read.

Behaviour depends on the input only through facts (a label, a field, a flag, a row of the tables). Everything
that reads one reads it through a `Facts` recorder, so that what was read is at once the explanation, the
signature of an equivalence class, and the list of things an edit could change.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, final

from meshsim.model.evidence import Evidence
from meshsim.model.frozen import record


@final
@record
class Fact:
    """One thing that was looked at: `subject` has `name` = `value`, known from `evidence`.

    `subject` is `cluster/Kind/namespace/name` for an object, `cluster/istiod` for a component, or a proxy's id.
    `name` is `label:KEY`, `annotation:KEY`, `env:NAME`, or a dotted field path; `value` None means absent.
    """

    subject: str
    name: str
    value: Any
    evidence: Evidence

    def __str__(self) -> str:
        kind, _, key = self.name.rpartition(":")
        said = key if kind in {"label", "annotation", "env"} else self.name
        value = "absent" if self.value is None else repr(self.value) if isinstance(self.value, str) else self.value
        return f"{self.subject} {said}: {value}"


@final
@dataclass(slots=True)
class Facts:
    """A recorder: every read is kept once, in reading order."""

    _read: dict[tuple[str, str], Fact] = field(default_factory=dict)

    def note(self, subject: str, name: str, value: Any, evidence: Evidence) -> Any:
        """Record that `name` of `subject` was read and return its value."""
        if (subject, name) not in self._read:
            self._read[subject, name] = Fact(subject, name, value, evidence)
        return value

    def take(self, facts: Iterable[Fact]) -> None:
        """Record facts that somebody else read (a row's own reasons)."""
        for fact in facts:
            self._read.setdefault((fact.subject, fact.name), fact)

    def read(self) -> tuple[Fact, ...]:
        """What was read so far, in order."""
        return tuple(self._read.values())
