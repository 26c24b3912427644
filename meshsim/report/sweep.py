"""A sweep for an architect: what the verdict depends on, and which values make it; and every variant for programs."""

import csv
import json
from collections.abc import Iterator, Sequence
from io import StringIO
from itertools import product
from typing import Any, Final, final

from meshsim.analysis.sweep import Leaf, Sweep
from meshsim.analysis.sweep_rules import Outcome, Rule, matters, rules, variants_by_outcome
from meshsim.model.frozen import frozen
from meshsim.model.shares import percent
from meshsim.model.verdict import At, Found
from meshsim.report.words import clean, when

SCHEMA: Final = "meshsim/sweep/v1"
MOST_POINTS: Final = 10_000
"""Points of the grid that are listed one by one; a larger grid is listed by its patterns, `*` for any value."""
MOST_PATTERNS: Final = 1_500
"""Patterns of a call from which few rules are looked for."""
ANY: Final = "*"


@final
@frozen
class _Decided:
    """A call's answer in words."""

    name: str
    matters: tuple[int, ...]
    rules: tuple[Rule, ...] | None
    counts: dict[Outcome, int]


def table(found: Sweep) -> str:
    """What decides each call: the settings that matter, those that never do, and the values that make each verdict."""
    runs, calls = len(found.leaves), len(found.calls)
    each = f"{found.variants:,} variant{'s' * (found.variants != 1)}"
    settings = f"{len(found.settings)} setting{'s' * (len(found.settings) != 1)}"
    asked = f"{calls:,} call{'s' * (calls != 1)}, {runs:,} run{'s' * (runs != 1)}"
    moment = "" if any(one.name == "at" for one in found.settings) else f" · {_moment(found.moment)}"
    lines = [f"{clean(found.scenario)}{moment} · {each} of {settings} · {asked}", ""]
    for index in range(calls):
        lines += [*_block(found, _decided(found, index)), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _moment(at: At | None) -> str:
    return "at rest" if at is None else when(at)


def _decided(found: Sweep, call: int) -> _Decided:
    few = len(found.of(call)) <= MOST_PATTERNS
    return _Decided(
        name=_name(found, call),
        matters=matters(found, call),
        rules=rules(found, call) if few else None,
        counts=variants_by_outcome(found, call),
    )


def _block(found: Sweep, one: _Decided) -> Iterator[str]:
    yield one.name
    names = [clean(setting.name) for setting in found.settings]
    if not one.matters:
        yield f"  {said(next(iter(one.counts)))} everywhere: no setting matters"
        return
    yield "  the verdict depends only on"
    yield from (f"    {names[i]}" for i in one.matters)
    if len(one.matters) < len(names):
        yield "  and never on"
        yield from (f"    {name}" for i, name in enumerate(names) if i not in one.matters)
    if one.rules is None:
        rows = [(said(result), f"{count:,}", "") for result, count in one.counts.items()]
    else:
        rows = [(said(rule.outcome), f"{rule.variants:,}", condition(found, rule.values)) for rule in one.rules]
    wide, broad = (max(len(head), *(len(row[i]) for row in rows)) for i, head in enumerate(("verdict", "variants")))
    yield f"  {'verdict':<{wide}}  {'variants':>{broad}}  {'where' if one.rules is not None else ''}".rstrip()
    for verdict, count, where in rows:
        yield f"  {verdict:<{wide}}  {count:>{broad}}  {where}".rstrip()
    if one.rules is None:
        yield f"  too many patterns to put in few words ({len(found.leaves):,}): -o csv has them"


def said(result: Outcome) -> str:
    """An outcome in words: the verdict, of each Rollout where there are several."""
    texts = [f"{verdict} MASKED" if masked else verdict for _, verdict, masked in result]
    if len({rollout for rollout, _, _ in result}) > 1:
        texts = [f"{text} ({clean(rollout)})" for text, (rollout, _, _) in zip(texts, result, strict=True)]
    return ", ".join(dict.fromkeys(texts)) or "no such call"


def condition(found: Sweep, values: Any) -> str:
    """`label:…=waypoint, replicas:…=1 or 2`; nothing where the outcome holds everywhere."""
    parts = []
    for index, chosen in sorted(values.items()):
        options = found.settings[index].options
        parts.append(f"{found.settings[index].name}={' or '.join(options[value].text for value in chosen)}")
    return clean(", ".join(parts)) or "everywhere"


def as_json(found: Sweep) -> Iterator[str]:
    """The sweep as JSON, piece by piece: what decides, and the patterns that were resolved."""
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "scenario": found.scenario,
        "settings": [{"name": s.name, "values": [option.text for option in s.options]} for s in found.settings],
        "variants": found.variants,
        "calls": [_call(found, index) for index in range(len(found.calls))],
    }
    text = json.dumps(head, indent=1, ensure_ascii=False)
    yield text.removesuffix("\n}") + ',\n "patterns": ['
    for number, leaf in enumerate(found.leaves):
        yield ("," if number else "") + "\n  " + json.dumps(_pattern(found, leaf), ensure_ascii=False)
    yield "\n ]\n}\n"


def _call(found: Sweep, index: int) -> dict[str, Any]:
    one, spec = _decided(found, index), found.calls[index]
    names = [setting.name for setting in found.settings]
    return {
        "from": spec.frm,
        "to": spec.to,
        "path": spec.path,
        "depends_on": [names[i] for i in one.matters],
        "never_matter": [name for i, name in enumerate(names) if i not in one.matters],
        "counts": [{"outcome": _outcome(result), "variants": count} for result, count in one.counts.items()],
        "rules": None
        if one.rules is None
        else [
            {"outcome": _outcome(rule.outcome), "variants": rule.variants, "where": _where(found, rule.values)}
            for rule in one.rules
        ],
    }


def _where(found: Sweep, values: Any) -> dict[str, list[str]]:
    return {
        found.settings[i].name: [found.settings[i].options[v].text for v in chosen]
        for i, chosen in sorted(values.items())
    }


def _outcome(result: Outcome) -> list[dict[str, Any]]:
    return [{"rollout": rollout, "verdict": verdict, "masked": masked} for rollout, verdict, masked in result]


def _pattern(found: Sweep, leaf: Leaf) -> dict[str, Any]:
    return {
        "call": leaf.call,
        "variants": found.covered(leaf),
        "where": _where(found, {index: (value,) for index, value in leaf.taken}),
        "rows": [_row(row) for row in leaf.rows],
    }


def _row(row: Found) -> dict[str, Any]:
    return {
        "rollout": row.rollout,
        "verdict": row.verdict,
        "masked": row.masked,
        "reasons": list(row.reasons),
        "effective": None if row.effective is None else {name: str(share) for name, share in row.effective},
        "decided_by": row.decided_by,
        **({"refused": row.refused} if row.refused else {}),
    }


def as_csv(found: Sweep) -> Iterator[str]:
    """A line for every call, Rollout and point of the grid; for every pattern where there are more than
    `MOST_POINTS` points, with `*` for any value. `variants` says how many points a line stands for."""
    names = [setting.name for setting in found.settings]
    yield _csv(
        [*names, "variants", "from", "to", "path", "rollout", "verdict", "masked", "canary", "stable", "reasons"]
    )
    for place, leaf in _listed(found):
        spec = found.calls[leaf.call]
        texts = [ANY if v is None else found.settings[i].options[v].text for i, v in enumerate(place)]
        points = 1 if None not in place else found.covered(leaf)
        for row in leaf.rows:
            shares = {name: percent(share) for name, share in row.effective or ()}
            yield _csv(
                [
                    *(*texts, points, spec.frm, spec.to, spec.path, row.rollout or "", row.verdict, row.masked),
                    *(shares.get("canary", ""), shares.get("stable", ""), " ".join(row.reasons)),
                ]
            )


def _listed(found: Sweep) -> Iterator[tuple[Sequence[int | None], Leaf]]:
    if found.variants > MOST_POINTS:
        for leaf in found.leaves:
            taken = dict(leaf.taken)
            yield [taken.get(index) for index in range(len(found.settings))], leaf
        return
    sizes = [range(len(setting.options)) for setting in found.settings]
    for call in range(len(found.calls)):
        answers: dict[tuple[int, ...], Leaf] = {}
        for leaf in found.of(call):
            taken = dict(leaf.taken)
            for point in product(*((taken[i],) if i in taken else size for i, size in enumerate(sizes))):
                answers[point] = leaf
        for point in product(*sizes):
            yield point, answers[point]


def _csv(values: Sequence[Any]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(
        ["'" + v if isinstance(v, str) and v[:1] in {"=", "+", "@"} else v for v in values]
    )
    return text.getvalue()


def _name(found: Sweep, call: int) -> str:
    spec = found.calls[call]
    return clean(f"{spec.frm} → {spec.to}{spec.path if spec.path != '/' else ''}")
