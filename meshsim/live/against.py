"""Observations held against the model: is what clients were answered what the model says, and could it have told?

Counts of each label are tested against their exact share (two-sided binomial tests of independent draws; a call's
smallest p-value times the number of its tests, Bonferroni; the level alpha is shared by the calls of a file). Then the
same counts are held against the other story: a bypass to the pods where the model says applied, the applied split where
it says bypassed. An agreement that fits both is no evidence, and is called so.
"""

from dataclasses import replace
from fractions import Fraction
from typing import Final

from meshsim.live.comparison import Comparison, Subject
from meshsim.live.outcomes import Evidence, Held, Outcome, Result
from meshsim.live.recording import Recording
from meshsim.model.verdict import At

ALPHA: Final = Fraction(1, 100)
"""The chance that a file whose counts do come from the model is called wrong somewhere."""


def hold(
    recording: Recording, subject: Subject, *, at: At | None = None, mode: str = "auto", alpha: Fraction = ALPHA
) -> Result:
    """Hold every observation against the model. `at` is the moment of those that state none and have no recorded one.

    Raises InputError, with the line, for calls and labels that mean nothing in the scenario.
    """
    drafts = [Comparison(recording, one, subject, at, mode).draft() for one in recording.observations]
    tested = sum(draft.p is not None for draft in drafts)
    level = float(alpha) / max(1, tested)
    return Result(recording=recording, held=tuple(_decided(draft, level) for draft in drafts), alpha=alpha, level=level)


def _decided(draft: Held, level: float) -> Held:
    """The outcome at a level."""
    if draft.p is None:
        return draft
    if draft.p < level:
        return replace(draft, outcome=Outcome.DISAGREES, evidence=Evidence.NONE)
    return replace(draft, outcome=Outcome.AGREES, evidence=_evidence(draft, level))


def _evidence(draft: Held, level: float) -> Evidence:
    if not draft.stories:
        return Evidence.NONE
    if any(story.p is None for story in draft.stories):
        return Evidence.BLIND
    left = [story for story in draft.stories if story.p is not None and story.p >= level]
    if any(story.same for story in left):
        return Evidence.MASKED
    return Evidence.TOO_FEW if left else Evidence.TELLS
