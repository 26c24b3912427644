"""The other story: what counts would look like if the split were bypassed where the model says applied, or the other
way round, and whether these counts could tell."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

from meshsim.analysis.power import compare
from meshsim.analysis.situation import Managed, Situation
from meshsim.live.exact import Counted, Law, chance, corrected
from meshsim.live.labels import Label
from meshsim.live.outcomes import Story, Tested
from meshsim.model.shares import ZERO, total
from meshsim.model.verdict import Row, Verdict

BYPASS: Final = "bypassed to the pods"
APPLIED: Final = "applied"


def stories(
    situation: Situation,
    row: Row,
    managed: Managed | None,
    tests: Sequence[Tested],
    labels: Mapping[str, Label],
    *,
    kept: bool,
) -> tuple[Story, ...]:
    """What else the counts could come from. `kept`: the client keeps its connections. An applied split is drawn for
    each request all the same; a bypass may be drawn for each request or once for each connection."""
    if managed is None or row.effective is None or row.desired is None:
        return ()
    told: dict[str, Mapping[str, Fraction]] = {}
    if row.verdict in {Verdict.BYPASSED, Verdict.PARTIAL}:
        told[APPLIED] = row.desired
    elif row.verdict is Verdict.APPLIED and managed.canary_hash:
        told[BYPASS] = _pods(situation, managed)
    ours = {role: share for role, share in row.effective.items() if share}
    return tuple(
        _story(name, shares, ours, tests, labels, kept=kept and name == BYPASS)
        for name, shares in told.items()
        if shares
    )


def _pods(situation: Situation, managed: Managed) -> dict[str, Fraction]:
    """What a connection that no route decides meets in the Rollout's cluster: its ready pods, each alike."""
    pods = situation.plane.registry.workloads(managed.cluster).get(managed.id[1:], ())
    ready = [pod for pod in pods if pod.ready]
    return total((managed.role(pod), Fraction(1, len(ready))) for pod in ready)


def _story(
    name: str,
    shares: Mapping[str, Fraction],
    ours: Mapping[str, Fraction],
    tests: Sequence[Tested],
    labels: Mapping[str, Label],
    *,
    kept: bool,
) -> Story:
    """How likely the counts are under another story's shares by role. None where the labels do not tell the two apart,
    although their shares differ."""
    needed = compare(ours, shares).needed
    seen = []
    for test in tests:
        label = labels.get(test.label)
        if label is not None and test.requests is not None and _tells_roles(label, labels):
            seen.append((test, sum((shares.get(role, ZERO) for role in label.roles), ZERO)))
    differ = any(not test.law.exact or test.law.low != share for test, share in seen)
    if not seen or (needed is not None and not differ):
        return Story(name=name, shares=dict(shares), needed=needed)
    p = _chance([(test.requests, share) for test, share in seen])
    if kept:
        by_connection = [(test.connections, share) for test, share in seen]
        p = max(p, _chance(by_connection) if all(counted is not None for counted, _ in by_connection) else 1.0)
    return Story(name=name, shares=dict(shares), p=p, needed=needed, same=needed is None)


def _chance(counts: Sequence[tuple[Counted | None, Fraction]]) -> float:
    found = []
    for counted, share in counts:
        assert counted is not None
        p = 0.0 if counted.low > counted.high else chance(counted, share, share)
        found.append((counted, Law(low=share, high=share), p))
    return corrected(found)


def _tells_roles(label: Label, labels: Mapping[str, Label]) -> bool:
    """Whether a label stands for revisions as a whole, as a cluster may: no other label shares one of them."""
    if not label.whole or not label.roles:
        return False
    others = (o for name, o in labels.items() if name != label.name and o.dimension == label.dimension)
    return not any(other.roles & label.roles for other in others)
