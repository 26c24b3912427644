"""Which facts tell most: the line under a reason code, and the few facts of a hop that are worth showing.

A step notes every fact that it read, most of them absent or by default. What a reader wants first are those that the
reason is about.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from meshsim.model.evidence import Assumed, Source
from meshsim.model.facts import Fact
from meshsim.model.trace import Failed, Open, Path, Step
from meshsim.model.verdict import Row, Verdict
from meshsim.report.words import clean, fact_text, place

_SCOPE: Final = ("label:solo.io/service-scope", "label:istio.io/global", "label:solo.io/service-takeover")
_CAPTURE: Final = (
    "label:istio.io/dataplane-mode",
    "label:sidecar.istio.io/inject",
    "label:istio-injection",
    "dataplane",
)
_BINDING: Final = ("label:istio.io/use-waypoint",)
_PREFERENCE: Final = ("annotation:networking.istio.io/traffic-distribution", "spec.trafficDistribution")
_WEIGHTS: Final = ("spec.rules", "spec.http")
_SUBSETS: Final = ("spec.subsets", "env:ENABLE_PEERING_LABEL_PROPAGATION")

TOPICS: Final[dict[str, tuple[str, ...]]] = {
    "MS101": _CAPTURE,
    "MS103": (*_SCOPE, *_CAPTURE),
    "MS104": ("spec.ports",),
    "MS105": ("env:NETWORK", "network", "label:topology.istio.io/network"),
    "MS201": _BINDING,
    "MS202": _BINDING,
    "MS203": (*_PREFERENCE, *_SCOPE),
    "MS204": ("env:ENABLE_WAYPOINT_INTEROP",),
    "MS205": ("label:istio.io/ingress-use-waypoint", *_BINDING),
    "MS206": ("ready", "spec.replicas", "status", *_BINDING),
    "MS207": ("ready", "status", "spec.replicas", *_BINDING),
    "MS208": ("spec.hosts", "spec.parentRefs"),
    "MS209": ("spec.hosts", "spec.http", "spec.rules", "spec.parentRefs"),
    "MS210": ("label:istio.io/waypoint-for", "spec.listeners", "status", *_BINDING),
    "MS211": ("spec.rules", "spec.http"),
    "MS301": _SUBSETS,
    "MS302": ("env:ENABLE_PEERING_LABEL_PROPAGATION",),
    "MS303": _SUBSETS,
    "MS304": _SUBSETS,
    "MS305": _SUBSETS,
    "MS306": _SCOPE,
    "MS307": ("spec.template.spec.containers", *_SCOPE),
    "MS308": ("spec.rules", "spec.http"),
    "MS309": ("spec.rules",),
    "MS501": ("ready", "status"),
    "MS502": ("root",),
    "MS503": ("annotation:solo.io/draining-weight",),
    "MS504": ("spec.action", "spec.mtls.mode"),
}
"""Reason code → beginnings of the names of the facts that it is about."""

_MARKS: Final = ("unmeshed", "workload-addressed", "not-http", "no-vip", "waypoint-missing:", "passed-over:")


class Cause(NamedTuple):
    """`what` happened, the `fact` behind it, and `where` that stands; all empty where a row has no trace."""

    what: str = ""
    fact: str = ""
    where: str = ""


def cause(row: Row) -> Cause:
    """What decided a row: its failure or open question, else the decision on its largest path that left the split."""
    path = _deciding_path(row)
    if path is None:
        return Cause()
    index = _deciding_step(row, path)
    step = path.steps[index]
    what = clean(f"{step.hop}: {step.decision}")
    outcome = step.outcome
    if isinstance(outcome, Open) and outcome.key:
        return Cause(
            what, clean(f"assume: {{{outcome.key}: {' | '.join(outcome.readings)}}} settles it"), clean(outcome.source)
        )
    fact = _fact(path.steps[: index + 1], row.reasons[:1])
    return Cause(what, fact_text(fact), place(fact.evidence)) if fact is not None else Cause(what)


def written_at(row: Row) -> Source | None:
    """The place in a file to look at first: of the fact that decided, else of any fact on the way there."""
    path = _deciding_path(row)
    if path is None:
        return None
    steps = path.steps[: _deciding_step(row, path) + 1]
    first = _fact(steps, row.reasons[:1])
    facts = [first] if first is not None else []
    facts += [fact for step in reversed(steps) for fact in telling(step.facts, row.reasons[:1])]
    return next((f.evidence for f in facts if isinstance(f.evidence, Source)), None)


def telling(facts: Iterable[Fact], codes: Iterable[str] = ()) -> tuple[Fact, ...]:
    """Each fact once, the most telling first: what the codes are about, what is set before what is absent, what is
    written somewhere before what is assumed."""
    topics = [topic for code in codes for topic in TOPICS.get(code, ())] or [*_BINDING, *_WEIGHTS]

    def rank(fact: Fact) -> tuple[int, ...]:
        about = next((i for i, topic in enumerate(topics) if _is_about(fact, topic)), len(topics))
        absent = fact.value is None or fact.value == "…"
        kind = fact.subject.split("/")[1:2]
        own = absent and kind in (["Pod"], ["ReplicaSet"])
        broad = 0 if kind == ["Namespace"] else 1
        setting = fact.name.startswith(("label:", "annotation:", "env:"))
        topical = about < len(topics)
        assumed = isinstance(fact.evidence, Assumed)
        return (own, not topical, topical and absent, about, absent, assumed, absent * broad, not setting)

    found: dict[tuple[str, str], Fact] = {}
    for fact in facts:
        found.setdefault((fact.subject, fact.name), fact)
    return tuple(sorted(found.values(), key=rank))


def _fact(steps: Sequence[Step], codes: Sequence[str]) -> Fact | None:
    """What the deciding step, the last one, read of the reason's topics; else what a step before it read of them."""
    topics = [topic for code in codes for topic in TOPICS.get(code, ())]
    for step in reversed(steps):
        found = telling(step.facts, codes)
        if found and any(_is_about(found[0], topic) for topic in topics):
            return found[0]
    return None


def is_telling(fact: Fact, codes: Sequence[str]) -> bool:
    """Whether a fact is worth showing on a path: what the codes are about, else what is set and written."""
    if any(_is_about(fact, topic) for code in codes for topic in TOPICS.get(code, ())):
        return fact.value is not None or fact.subject.split("/")[1:2] != ["Pod"]
    return fact.value is not None and not isinstance(fact.evidence, Assumed)


def _is_about(fact: Fact, topic: str) -> bool:
    """Labels, annotations and variables are meant exactly, fields with whatever is below them."""
    return fact.name == topic or (":" not in topic and fact.name.startswith(topic))


def _deciding_path(row: Row) -> Path | None:
    paths = [path for trace in (row.trace, *row.readings) for path in trace.paths()]
    wanted = {Verdict.FAILING: Failed, Verdict.UNDETERMINED: Open}.get(row.verdict, object)
    fitting = [path for path in paths if isinstance(path.outcome, wanted)]
    if row.verdict is Verdict.PARTIAL:
        fitting = [path for path in paths if row.decided_by not in path.hops]
    return max(fitting or paths, key=lambda path: path.share, default=None)


def _deciding_step(row: Row, path: Path) -> int:
    last = len(path.steps) - 1
    if row.verdict in {Verdict.FAILING, Verdict.UNDETERMINED}:
        return last
    for index, step in enumerate(path.steps):
        if step.hop == row.decided_by or _is_marked(step):
            return index
    return max(0, last - 1)


def _is_marked(step: Step) -> bool:
    return any(tag.startswith(_MARKS) for tag in step.tags)
