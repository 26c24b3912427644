"""Every case in `scenarios/` meets its own expectations, and its twin's one edit turns the verdict."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshsim import session
from meshsim.model.verdict import Answer, Checked, Row

FOLDER = Path(__file__).parents[2] / "scenarios"
FILES = sorted(path for path in FOLDER.glob("*/*.yaml") if path.name in {"scenario.yaml", "twin.yaml"})
CASES = sorted(path.parent for path in FILES if path.name == "twin.yaml")
STATED = ("canary", "stable", "other", "errors", "decided_by")


def name_of(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def expectations(path: Path) -> list[Mapping[str, Any]]:
    return list(yaml.safe_load(path.read_text())["expect"])


def explained(checked: Checked) -> str:
    """What failed, with every decision on the way."""
    lines = [f"line {checked.line}: wanted {dict(checked.wanted)}", *checked.failures]
    for row in checked.rows:
        lines.append(f"{row.frm} → {row.to} for {row.rollout}: {row.verdict.value}, {row.effective}, {row.reasons}")
        for path in row.trace.paths():
            ways = [f"{step.hop}: {step.decision} [{step.rule.name}]" for step in path.steps]
            lines.append(f"  {path.share}  " + "\n       ".join(ways) + f"\n       {path.outcome}")
    return "\n".join(lines)


def test_every_case_has_a_twin_unless_time_tells_its_story() -> None:
    """What changes over time is its own contrast: before and after."""
    cases = {path.parent: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*/scenario.yaml")}
    assert {case for case, document in cases.items() if not document.get("timeline")} <= set(CASES) <= set(cases)
    assert len(CASES) >= 30


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_scenario_meets_every_one_of_its_expectations(path: Path) -> None:
    answer = session.load(path).answer()
    assert len(answer.expectations) == len(expectations(path))
    failed = [explained(checked) for checked in answer.expectations if not checked.passed]
    assert not failed, "\n\n".join(failed)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_scenario_states_all_shares_and_who_decided(path: Path) -> None:
    """At least once; where all fails, nobody need have decided. An undetermined row has no shares, but reasons. Over
    time, what is stated is what changes: at least a verdict or a share each."""
    found = expectations(path)
    if yaml.safe_load(path.read_text()).get("timeline"):
        assert all({"verdict", "clusters", *STATED} & entry.keys() for entry in found)
        return
    full = [entry for entry in found if not entry.get("never") and (complete(entry) or undetermined(entry))]
    assert full, f"no expectation states {', '.join(STATED)}"


def complete(entry: Mapping[str, Any]) -> bool:
    wanted = {"canary", "stable", "errors"} if entry.get("verdict") == "failing" else set(STATED)
    return wanted | {"verdict"} <= entry.keys()


def undetermined(entry: Mapping[str, Any]) -> bool:
    return entry.get("verdict") == "undetermined" and bool(entry["reasons"]) and not set(STATED) & entry.keys()


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_twins_edit_turns_a_verdict(case: Path) -> None:
    """Of a call that both make (of the only one, where the edit is the call itself). A header may say that not the
    verdict turns but the serving clusters."""
    before, after = (rows(session.load(case / name).answer()) for name in ("scenario.yaml", "twin.yaml"))
    common = before.keys() & after.keys()
    header = " ".join(line.lstrip("# ") for line in (case / "twin.yaml").read_text().splitlines() if line[:1] == "#")
    if "Not the verdict" in header:
        assert any({r.verdict for r in before[c]} == {r.verdict for r in after[c]} for c in common)
        assert any([r.clusters for r in before[c]] != [r.clusters for r in after[c]] for c in common)
    elif common:
        assert any({r.verdict for r in before[c]} != {r.verdict for r in after[c]} for c in common)
    else:
        assert all_verdicts(before).isdisjoint(all_verdicts(after))


def rows(answer: Answer) -> dict[tuple[object, ...], list[Row]]:
    """The rows of every call: of the moments that are asked for, and of those that an expectation asks for."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for moment in answer.moments:
        for row in moment.rows:
            found.setdefault((moment.at, row.frm, row.to, row.path), []).append(row)
    for checked in answer.expectations:
        at = checked.wanted.get("at", checked.wanted.get("step"))
        for row in checked.rows:
            found.setdefault(("expected", at, checked.index, row.frm, row.to, row.path), []).append(row)
    return found


def all_verdicts(found: dict[tuple[object, ...], list[Row]]) -> set[str]:
    return {row.verdict.value for rows in found.values() for row in rows}
