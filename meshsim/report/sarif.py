"""SARIF 2.1.0: findings as code scanning shows them. Source: OASIS SARIF 2.1.0, sections 3.13, 3.27, 3.49."""

from typing import Any, Final, final

from meshsim.model.evidence import Source
from meshsim.model.reasons import REASONS
from meshsim.model.verdict import Answer
from meshsim.report.data import as_json
from meshsim.report.formats import Heading, Paper
from meshsim.report.incidents import EXPECTATION, Incident, incidents
from meshsim.report.view import address, caller
from meshsim.version import VERSION

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


@final
class SarifPrinter:
    """The `sarif` format: a result a finding, a rule a reason code."""

    def answer(self, found: Answer, heading: Heading, paper: Paper) -> str:
        results = list(incidents(found, heading))
        rules = list(dict.fromkeys(one.rule for one in results))
        driver = {
            "name": "meshsim",
            "version": VERSION,
            "rules": [_rule(code) for code in rules],
        }
        run = {
            "tool": {"driver": driver},
            "columnKind": "unicodeCodePoints",
            "results": [_result(one, rules.index(one.rule)) for one in results],
        }
        return as_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


SARIF: Final = SarifPrinter()


def _rule(code: str) -> dict[str, Any]:
    reason = REASONS.get(code)
    if reason is not None:
        return {"id": code, "name": reason.slug, "shortDescription": {"text": reason.meaning}}
    meaning = "an expectation of the scenario does not hold" if code == EXPECTATION else f"the call is {code}"
    return {"id": code, "name": code, "shortDescription": {"text": meaning}}


def _result(one: Incident, rule: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": one.rule,
        "ruleIndex": rule,
        "level": "error" if one.fails else "note" if one.known else "warning",
        "message": {"text": "\n".join([one.title, *one.lines])},
        "partialFingerprints": {"call/v1": _fingerprint(one)},
    }
    if one.known:
        found["baselineState"] = "unchanged"
    if one.place is not None:
        found["locations"] = [{"physicalLocation": _location(one.place)}]
    return found


def _fingerprint(one: Incident) -> str:
    """What stays the same while lines move."""
    row = one.finding.row
    if row is None:
        return one.title
    return f"{one.finding.at} {caller(row)} {address(row)} {row.rollout} {one.rule}"


def _location(place: Source) -> dict[str, Any]:
    from urllib.parse import quote

    found: dict[str, Any] = {"artifactLocation": {"uri": quote(place.path.replace("\\", "/"))}}
    if place.line:
        found["region"] = {"startLine": place.line} | ({"startColumn": place.column} if place.column else {})
    return found
