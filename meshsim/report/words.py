"""The words of reports: names, facts, places and shares, safe to show and the same on every paper."""

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from meshsim.model.evidence import Evidence
from meshsim.model.facts import Fact
from meshsim.model.shares import percent

_CONTROL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SPACE: Final = re.compile(r"\s+")
_SHELL_SAFE: Final = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


def clean(text: object) -> str:
    r"""Text on one line without anything that a terminal would obey or that would reorder what is read.

    Manifests are written by others: a name may hold an escape sequence or a right-to-left override.

    >>> clean("a\x1b[31mb\nc")
    'a\\x1b[31mb c'
    """
    one_line = _SPACE.sub(" ", str(text).strip())
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), one_line)


def quoted(word: str) -> str:
    """A word for a shell.

    >>> quoted("cluster2/default/curl"), quoted("a b"), quoted("")
    ('cluster2/default/curl', "'a b'", "''")
    """
    return word if _SHELL_SAFE.fullmatch(word) else "'" + word.replace("'", "'\"'\"'") + "'"


def when(at: float | str, weight: int | None = None) -> str:
    """A moment: `at 240s`, `step:2, canary 25%`."""
    if isinstance(at, str):
        return clean(at) + (f", canary {weight}%" if weight is not None else "")
    return f"at {at:g}s"


def shares(found: Iterable[tuple[str, Fraction]]) -> str:
    """Shares by name, zeros left out: `stable 75%, canary 25%`."""
    return ", ".join(f"{clean(name)} {percent(share)}" for name, share in found if share)


def fact_text(fact: Fact) -> str:
    """A fact as one reads a manifest: `cluster2/Namespace/shop istio.io/use-waypoint: waypoint`."""
    kind, colon, key = fact.name.partition(":")
    said = key if colon and kind in {"label", "annotation", "env"} else fact.name
    value = "absent" if fact.value is None else fact.value if fact.value != "" else '""'
    return clean(f"{fact.subject} {said}: {value}")


def place(evidence: Evidence | None) -> str:
    """Where a fact stands."""
    return "" if evidence is None else clean(evidence)
