"""Observations held against the model, in words: who was answered what, what the model says, and what that proves."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final, final

from meshsim.analysis.power import EXACT_UP_TO
from meshsim.analysis.statistics import exact_interval
from meshsim.live.outcomes import Evidence, Held, Outcome, Result, Story, Tested
from meshsim.live.stories import APPLIED, BYPASS
from meshsim.model.frozen import frozen
from meshsim.model.shares import ZERO, percent
from meshsim.report.words import clean, shares, when

CONFIDENCE: Final = Fraction(95, 100)
RULES_OUT: Final = {
    Evidence.MASKED: "nothing: MASKED",
    Evidence.TOO_FEW: "nothing yet: too few",
    Evidence.BLIND: "nothing of the split",
    Evidence.NONE: "",
}
NAMES: Final = {APPLIED: "an applied split", BYPASS: "a bypass to the pods"}


@final
@frozen
class Line:
    """One observation in words."""

    held: Held
    caller: str
    counted: str
    model: str
    p: str
    rules_out: str
    every: tuple[str, ...] = ()
    """Every label."""
    why: tuple[str, ...] = ()


@final
@frozen
class Group:
    """Observations of one address at one moment of one Rollout."""

    to: str
    wants: str
    lines: tuple[Line, ...]


def groups(found: Result) -> tuple[Group, ...]:
    """The observations by what was called, in the order of the file; without those that were not made."""
    made: dict[tuple[str, str], list[Line]] = {}
    for one in found.held:
        if one.outcome is Outcome.NOT_OBSERVED:
            continue
        made.setdefault((called(one), _wants(one)), []).append(line_of(one))
    return tuple(Group(to=to, wants=wants, lines=tuple(lines)) for (to, wants), lines in made.items())


def conclusion(found: Result) -> str:
    """One sentence on the whole."""
    wrong, agree = found.of(Outcome.DISAGREES), found.of(Outcome.AGREES)
    compared = len(wrong) + len(agree)
    if not compared:
        return "nothing could be held against the model"
    agreed = "1 agrees" if compared == 1 else f"all {compared} agree"
    said = f"{len(wrong)} of {compared} {'disagrees' if len(wrong) == 1 else 'disagree'}" if wrong else agreed
    parts = [f"{said} with the model (alpha {percent(found.alpha)} for the file, exact tests)"]
    telling = sum(one.evidence is Evidence.TELLS for one in agree)
    if agree:
        parts.append(f"{telling} of {len(agree)} agreements could have told a bypass from an applied split")
    parts += [f"{len(found.of(Outcome.UNDETERMINED))} undetermined"] * bool(found.of(Outcome.UNDETERMINED))
    parts += [f"{len(found.of(Outcome.NOT_OBSERVED))} not observed"] * bool(found.of(Outcome.NOT_OBSERVED))
    return "; ".join(parts)


def called(one: Held) -> str:
    """What was called, and how where it matters."""
    path = "" if one.observed.path == "/" else one.observed.path
    headers = "".join(f" {name}={value}" for name, value in sorted(one.observed.headers.items()))
    kept = " keep-alive" if one.observed.connection != "new" else ""
    return clean(f"{one.observed.to}{path}{headers}{kept}")


def _wants(one: Held) -> str:
    parts = ["at rest" if one.at is None else when(one.at)] if one.row is not None else []
    if one.row is not None and one.row.rollout:
        wants = f" wants {shares(one.row.desired.items())}" if one.row.desired else ""
        parts.append(f"rollout {clean(one.row.rollout)}{wants}")
    return " · ".join(parts)


def line_of(one: Held) -> Line:
    """An observation in words."""
    test = _telling(one)
    return Line(
        held=one,
        caller=clean(one.observed.frm),
        counted=f"{clean(test.label)} {_count(test)}" if test is not None else "",
        model=f"{one.row.verdict} {_law(test)}" if test is not None and one.row is not None else "",
        p="" if one.p is None else _p(one.p),
        rules_out=_rules_out(one),
        every=tuple(f"{clean(t.label)}: {_count(t)}, the model says {_law(t)}" for t in one.tests if not _silent(t)),
        why=tuple(_whys(one)),
    )


def _telling(one: Held) -> Tested | None:
    """The label to show of a row: the one that is furthest off where they disagree, else the canary's, else the one
    that is expected least."""
    told = [test for test in one.tests if not _silent(test)]
    if one.outcome is Outcome.DISAGREES:
        return min(
            told, key=lambda test: (f"{test.p:.3e}" if test.p else "", test.label not in one.canary), default=None
        )
    return min(told, key=lambda test: (test.label not in one.canary, test.law.low, test.label), default=None)


def _rules_out(one: Held) -> str:
    if one.outcome is not Outcome.AGREES or one.row is None:
        return ""
    if one.evidence is Evidence.TELLS:
        return NAMES[one.stories[0].name]
    return RULES_OUT[one.evidence]


def _silent(test: Tested) -> bool:
    """Labels that nobody expected and nobody saw need no words."""
    never = test.law.exact and test.law.low == ZERO
    return never and test.counted is not None and test.counted.high == 0


def _count(test: Tested) -> str:
    """`25% (250 of 1,000)`, or a published share as it is."""
    if test.said is not None or test.counted is None:
        of = f" of {test.counted.trials:,}" if test.counted is not None else ""
        return f"{_span(*test.said)}{of}" if test.said is not None else ""
    low, high, trials = test.counted.low, test.counted.high, test.counted.trials
    unit = " connections" if test.law.exact and test.law.unit == "connection" else ""
    number = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{_span(*test.counted.share)} ({number} of {trials:,}{unit})"


def _law(test: Tested) -> str:
    return _span(test.law.low, test.law.high)


def _span(low: Fraction, high: Fraction) -> str:
    return percent(low) if low == high else f"{percent(low)} to {percent(high)}"


def _p(value: float) -> str:
    return "0" if value == 0 else f"{value:.2g}" if value >= 1e-99 else "<1e-99"


def _whys(one: Held) -> Iterator[str]:
    """What a row has to be told in words."""
    yield from map(clean, one.why)
    if one.outcome is Outcome.DISAGREES:
        worst = _telling(one)
        if worst is not None:
            yield _off(worst)
        for story in one.stories:
            if story.p is not None and story.p > float(1 - CONFIDENCE):
                yield f"the counts fit {_story(story)}: p {_p(story.p)}"
    if one.outcome is Outcome.AGREES:
        for story in one.stories:
            yield _evidence(one, story)
    yield from map(clean, one.notes)


def _off(test: Tested) -> str:
    said = f"{clean(test.label)}: the model says {_law(test)}, "
    if test.counted is None or test.said is not None:
        return f"{said}published is {_count(test)}"
    low = exact_interval(test.counted.low, test.counted.trials, CONFIDENCE)[0]
    high = exact_interval(test.counted.high, test.counted.trials, CONFIDENCE)[1]
    return f"{said}and what was counted speaks for {low:.1%} to {high:.1%} (95%)"


def _evidence(one: Held, story: Story) -> str:
    told = _story(story)
    if story.p is None:
        return f"revisions were not told apart: nothing here speaks for or against {told}"
    if story.same:
        return f"MASKED: {told} looks the same, and no number of requests could tell"
    if one.evidence is Evidence.TELLS:
        return f"rules out {told}: p {_p(story.p)}"
    if story.needed is None:
        return f"does not rule out {told}"
    about = "" if story.needed <= EXACT_UP_TO else "about "
    return f"does not rule out {told}, p {_p(story.p)}: {about}{story.needed:,} {one.unit}s would tell"


def _story(story: Story) -> str:
    return f"{NAMES[story.name]} ({shares(story.shares.items())})"
