"""JUnit XML: a suite a moment, a case a call; and a suite of the expectations."""

from typing import Final, final

import junitparser

from meshsim.analysis.gate import uncovered
from meshsim.model.verdict import Answer
from meshsim.report.formats import Heading, Paper
from meshsim.report.incidents import Incident, incidents, stated, subject
from meshsim.report.view import address, caller
from meshsim.report.words import clean, when


@final
class JunitPrinter:
    """The `junit` format. What is undetermined, or in the baseline already, is skipped with its sentence."""

    def answer(self, found: Answer, heading: Heading, paper: Paper) -> str:
        report = junitparser.JUnitXml("meshsim")
        told = {id(one.finding.check or one.finding.row): one for one in incidents(found, heading)}
        name = clean(found.scenario)
        judged = {id(row) for _, row in uncovered(found)}
        for moment in found.moments:
            suite = junitparser.TestSuite(f"{name} {when(moment.at, moment.weight)}")
            for row in moment.rows:
                if id(row) in judged:
                    rollout = f" [{clean(row.rollout)}]" if row.rollout else ""
                    case = junitparser.TestCase(f"{caller(row)} → {address(row)}{rollout}", name, 0)
                    suite.add_testcase(_with_result(case, told.get(id(row))))
            if len(suite):
                report.add_testsuite(suite)
        if found.expectations:
            suite = junitparser.TestSuite(f"{name} expectations")
            for check in found.expectations:
                place = f"{clean(heading.file)}:{check.line}" if heading.file else f"line {check.line}"
                case = junitparser.TestCase(f"{subject(check)}: {stated(check)} ({place})", name, 0)
                suite.add_testcase(_with_result(case, told.get(id(check))))
            report.add_testsuite(suite)
        report.update_statistics()  # type: ignore[no-untyped-call, unused-ignore]
        return HEAD + str(report.tostring().decode("utf-8")).strip() + "\n"  # type: ignore[no-untyped-call, unused-ignore]


HEAD: Final = "<?xml version='1.0' encoding='utf-8'?>\n"
JUNIT: Final = JunitPrinter()


def _with_result(case: junitparser.TestCase, one: Incident | None) -> junitparser.TestCase:
    if one is None:
        return case
    if one.fails:
        failure = junitparser.Failure(one.title, one.rule)
        failure.text = one.text
        case.result = [failure]
    elif one.known or one.undetermined:
        prefix = "in the baseline: " if one.known else "undetermined: "
        case.result = [junitparser.Skipped(prefix + one.title, one.rule)]
    return case
