"""Observations held against the model, for a pull request and for CI."""

from typing import Final

import junitparser

from meshsim.live.outcomes import Outcome, Result
from meshsim.report.formats import Heading
from meshsim.report.junit import HEAD
from meshsim.report.markdown import code, escaped, grid
from meshsim.report.observedview import called, conclusion, groups, line_of
from meshsim.report.words import clean, when

GLYPHS: Final = {
    Outcome.AGREES: "✅",
    Outcome.DISAGREES: "❌",
    Outcome.UNDETERMINED: "❓",
    Outcome.NOT_OBSERVED: "▫️",
}


def markdown(found: Result, heading: Heading) -> str:
    """For a pull request."""
    blocks = [f"### {escaped(clean(heading.scenario))}: observations against the model", escaped(conclusion(found))]
    if found.recording.source:
        blocks.append(f"Source: {escaped(clean(found.recording.source))}")
    for group in groups(found):
        blocks.append(f"**{code(group.to)}** {escaped(group.wants)}".strip())
        rows = [
            (
                f"{GLYPHS[line.held.outcome]} {line.held.outcome}",
                code(line.caller),
                escaped("; ".join(line.every)),
                *map(escaped, (line.p, line.rules_out)),
            )
            for line in group.lines
        ]
        blocks.append(grid(("result", "from", "counted, and what the model says", "p", "rules out"), rows))
        whys = [f"* {code(line.caller)}: {escaped(why)}" for line in group.lines for why in line.why]
        if whys:
            blocks.append("\n".join(whys))
    missing = [
        f"* {code(line.caller)} → {code(called(line.held))}: {escaped('; '.join(line.why))}"
        for line in map(line_of, found.of(Outcome.NOT_OBSERVED))
    ]
    if missing:
        blocks.append("\n".join(["Not observed:", "", *missing]))
    return "\n\n".join(blocks) + "\n"


def junit(found: Result, heading: Heading) -> str:
    """A case an observation; what is undetermined or was not observed is skipped with its sentence."""
    report = junitparser.JUnitXml("meshsim")
    name = clean(heading.scenario)
    suite = junitparser.TestSuite(f"{name} observations")
    for one in found.held:
        line = line_of(one)
        moment = f" {when(one.at)}" if one.at is not None else ""
        case = junitparser.TestCase(f"{line.caller} → {called(one)}{moment}", name, 0)
        text = "\n".join([*line.every, *line.why])
        if one.outcome is Outcome.DISAGREES:
            failure = junitparser.Failure("the counts disagree with the model", "disagrees")
            failure.text = text
            case.result = [failure]
        elif one.outcome is not Outcome.AGREES:
            case.result = [junitparser.Skipped(f"{one.outcome}: {'; '.join(line.why)}", "undetermined")]
        else:
            case.system_out = "\n".join([f"rules out: {line.rules_out or 'nothing, as there is no other story'}", text])
        suite.add_testcase(case)
    report.add_testsuite(suite)
    report.update_statistics()  # type: ignore[no-untyped-call, unused-ignore]
    return HEAD + str(report.tostring().decode("utf-8")).strip() + "\n"  # type: ignore[no-untyped-call, unused-ignore]
