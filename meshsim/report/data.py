"""The answer and the explanation as plain values, for JSON and YAML: the contract's keys, in the contract's order.

Shares appear twice: as floats for arithmetic at a glance, and exactly, as fractions in text (`1/3`).
"""

import json
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, final

from meshsim.model.evidence import Evidence
from meshsim.model.facts import Fact
from meshsim.model.reasons import Reason
from meshsim.model.rule import Rule
from meshsim.model.shares import ONE, plain
from meshsim.model.trace import Delivered, Failed, Open, Outcome, Step, Trace
from meshsim.model.verdict import Answer, Assumption, Checked, Explanation, Moment, Repair, Row, Verdict
from meshsim.report.formats import Heading, Paper

if TYPE_CHECKING:
    from meshsim.analysis.power import PowerNote

ANSWER_SCHEMA: Final = "meshsim/answer/v1"
EXPLANATION_SCHEMA: Final = "meshsim/explanation/v1"
_BRANCHES: Final = Rule(
    "client.branches",
    "The client's requests part ways before the first proxy: its pods differ, or the name has several addresses.",
    "meshsim",
)
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def answer(found: Answer) -> dict[str, Any]:
    """The whole answer. With probes, `verdicts` is the first probe's."""
    first = found.moments[0] if found.moments else None
    made: dict[str, Any] = {
        "schema": ANSWER_SCHEMA,
        "scenario": found.scenario,
        "dialect": found.dialect,
        "at": first.at if first is not None else 0.0,
        "assumptions": _assumptions(one for moment in found.moments for row in moment.rows for one in row.assumptions),
        "expectations": [_checked(check) for check in found.expectations],
        "verdicts": [row(one) for one in first.rows] if first is not None else [],
    }
    if found.probes:
        made["probes"] = [_moment(moment) for moment in found.moments]
    elif len(found.moments) > 1:
        made["moments"] = [_moment(moment) for moment in found.moments]
    made["findings"] = list(found.findings)
    return made


def explanations(found: Iterable[Explanation], heading: Heading) -> dict[str, Any]:
    """Explanations of one call, at one or several moments."""
    return {
        "schema": EXPLANATION_SCHEMA,
        "scenario": heading.scenario,
        "dialect": heading.dialect,
        "explanations": [_explanation(one) for one in found],
    }


def row(found: Row) -> dict[str, Any]:
    """One verdict."""
    effective = found.effective
    return {
        "from": found.frm,
        "to": found.to,
        "path": found.path,
        "headers": dict(found.headers),
        "connection": found.connection,
        "members": found.members,
        "member_names": list(found.member_names) or [found.frm],
        "rollout": found.rollout,
        "verdict": found.verdict.value,
        "masked": found.masked,
        "reasons": list(found.reasons),
        "desired": None if found.desired is None else _floats(found.desired),
        "effective": None if effective is None else {role: float(share) for role, share in effective.items()},
        "exact": found.exact,
        "applied_share": None if found.applied_share is None else float(found.applied_share),
        "versions": _floats(found.versions),
        "clusters": _floats(found.clusters),
        "pods": _floats(found.pods),
        "errors": [
            {"share": float(error.share), "code": error.code, "flag": error.flag, "where": error.where}
            for error in found.errors
        ],
        "decided_by": found.decided_by,
        "granularity": found.granularity,
        "power": _power(found),
        "hops": list(found.hops),
        "assumptions": _assumptions(found.assumptions),
        "notes": list(found.notes),
        "trace": trace(found.trace),
        "readings": [trace(reading) for reading in found.readings],
    }


def _power(found: Row) -> dict[str, Any] | None:
    """What a check needs to show a bypass; null where there is none. Its statistics load for a bypass alone."""
    if found.verdict not in {Verdict.BYPASSED, Verdict.PARTIAL}:
        return None
    from meshsim.analysis.power import for_row

    note = for_row(found)
    return None if note is None else power(note)


def power(note: "PowerNote") -> dict[str, Any]:
    """What a check needs: `needed` draws of a `unit`, null where no number suffices; `sequential` on average."""
    return {"unit": note.unit, "needed": note.n, "sequential": note.sequential_n, "text": note.text}


def trace(found: Trace) -> dict[str, Any]:
    """The tree: its root is the first decision, or, where a call has several, a node that holds them."""
    if len(found.roots) == 1:
        return _step(found.roots[0])
    if not found.roots:
        return {}
    return {
        "hop": "client",
        "share": str(ONE),
        "decision": "the client's requests part ways",
        "rule": _rule(_BRANCHES),
        "evidence": [],
        "granularity": "connection",
        "tags": [],
        "children": [_step(root) for root in found.roots],
    }


def _step(step: Step) -> dict[str, Any]:
    made: dict[str, Any] = {
        "hop": step.hop,
        "share": str(step.share),
        "decision": step.decision,
        "rule": _rule(step.rule),
        "evidence": [_fact(fact) for fact in step.facts],
        "granularity": step.granularity,
        "tags": sorted(step.tags),
    }
    if step.l7:
        made["l7"] = True
    if step.route is not None:
        made["route"] = {"object": step.route.object, "rule": step.route.rule, "backend": step.route.backend}
    if step.outcome is not None:
        made["outcome"] = _outcome(step.outcome)
    else:
        made["children"] = [_step(child) for child in step.children]
    return made


def _rule(rule: Rule) -> dict[str, str]:
    return {"name": rule.name, "sentence": rule.sentence, "source": rule.source}


def _fact(fact: Fact) -> dict[str, Any]:
    return {"fact": f"{fact.subject} {fact.name}", "value": _value(fact.value), "where": str(fact.evidence)}


def _value(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, bool, int)) else str(value)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Delivered():
            return {
                "kind": "delivered",
                "workload": outcome.workload,
                "cluster": outcome.cluster,
                "address": outcome.address,
            }
        case Failed():
            return {
                "kind": "failed",
                "code": outcome.code,
                "flag": outcome.flag,
                "where": outcome.where,
                "message": outcome.message,
            }
        case Open():
            return {
                "kind": "open",
                "code": outcome.code,
                "question": outcome.question,
                "readings": list(outcome.readings),
                "source": outcome.source,
                "assume": outcome.key or None,
            }


def _moment(moment: Moment) -> dict[str, Any]:
    return {"at": moment.at, "weight": moment.weight, "verdicts": [row(one) for one in moment.rows]}


def _checked(check: Checked) -> dict[str, Any]:
    return {
        "index": check.index,
        "line": check.line,
        "passed": check.passed,
        "actual": plain(check.actual),
        "wanted": plain(check.wanted),
        "failures": list(check.failures),
    }


def _explanation(found: Explanation) -> dict[str, Any]:
    return {
        "at": found.at,
        "weight": found.weight,
        "verdict": row(found.row),
        "repair": None if found.repair is None else _repair(found.repair),
        "tried": found.tried,
        "proofs": [{"command": command, "shows": shows} for command, shows in found.proofs],
    }


def _repair(repair: Repair) -> dict[str, Any]:
    return {
        "edit": repair.sentence,
        "where": _where(repair.where),
        "command": repair.command,
        "after": row(repair.after),
        "also": list(repair.also),
    }


def _where(evidence: Evidence | None) -> str | None:
    return None if evidence is None else str(evidence)


def _assumptions(found: Iterable[Assumption]) -> list[dict[str, Any]]:
    return [
        {
            "question": one.question,
            "chosen": one.chosen,
            "alternatives": list(one.alternatives),
            "source": one.source,
        }
        for one in dict.fromkeys(found)
    ]


def _floats(shares: Mapping[str, Fraction]) -> dict[str, float]:
    return {name: float(share) for name, share in shares.items()}


def as_json(plain: Any) -> str:
    """JSON as UTF-8 text, two spaces deep; characters that a terminal would obey are escaped."""
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def as_yaml(plain: Any) -> str:
    """The same values as YAML, without anchors."""
    import yaml

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Plain(base):  # type: ignore[misc]
        def ignore_aliases(self, data: object) -> bool:
            return True

    return str(yaml.dump(plain, Dumper=Plain, sort_keys=False, allow_unicode=True, width=120))


@final
class Data:
    """A printer that writes plain values; `write` turns them into text."""

    def __init__(self, write: Any) -> None:
        self._write = write

    def answer(self, found: Answer, heading: Heading, paper: Paper) -> str:
        return str(self._write(answer(found)))

    def explanations(self, found: tuple[Explanation, ...], heading: Heading, paper: Paper) -> str:
        return str(self._write(explanations(found, heading)))

    def reasons(self, found: tuple[Reason, ...], paper: Paper) -> str:
        return str(self._write([{"code": one.code, "slug": one.slug, "meaning": one.meaning} for one in found]))


JSON: Final = Data(as_json)
YAML: Final = Data(as_yaml)
