"""Why a way through the mesh missed the managed split: reason codes in path order."""

from collections.abc import Iterable, Iterator

from meshsim.analysis.situation import Managed, Situation
from meshsim.model.trace import Failed, Path, Step

TAGS = {
    "unmeshed": "MS101",
    "workload-addressed": "MS102",
    "not-http": "MS104",
    "no-vip": "MS105",
}


def causes(
    situation: Situation, rollout: Managed, path: Path, client: str, *, managed: bool, elsewhere: bool
) -> Iterator[str]:
    """The codes of one path from a client's cluster: failures always, causes of a bypass only where the split was
    missed."""
    found: list[str] = []
    for step in path.steps:
        found.extend(_of_step(situation, rollout, path, step, client, managed=managed, elsewhere=elsewhere))
    decided = any(step.l7 and not _as_client(step) for step in path.steps)
    turned_away = isinstance(path.outcome, Failed) and path.outcome.where.startswith("gateway:")  # no such listener
    if not managed and not elsewhere and not decided and not found and not turned_away:
        reached = any(step.hop.startswith("waypoint:") for step in path.steps)
        found.append("MS208" if reached else "MS202")  # a waypoint that has nothing for the called port is still one
    yield from dict.fromkeys(found)


def _of_step(
    situation: Situation, rollout: Managed, path: Path, step: Step, client: str, *, managed: bool, elsewhere: bool
) -> Iterator[str]:
    for tag in in_order(step.tags):
        kind, _, value = tag.partition(":")
        if kind == "failed":
            yield value
        elif kind == "subset-lost":
            yield "MS305"
        elif managed or elsewhere:
            continue
        elif kind in TAGS:
            yield TAGS[kind]
        elif kind == "waypoint-missing":
            yield value
        elif kind == "passed-over" and value == rollout.cluster:
            yield "MS203"
    if not step.l7 or managed:
        return
    if elsewhere:
        if step is _last_l7(path):
            yield "MS211"
        return
    kind, _, place = step.hop.partition(":")
    last = step is _last_l7(path)
    if kind == "waypoint":
        yield from _at_waypoint(rollout, step, place, client)
    elif kind == "sidecar" and last:
        yield "MS204"
    elif kind == "gateway" and last and not _as_client(step) and not _fails_at(path, step):
        yield "MS205"


def in_order(tags: Iterable[str]) -> list[str]:
    """The marks of one step: who the client is comes before what became of its request."""
    return sorted(tags, key=lambda tag: (tag != "unmeshed", tag))


def _as_client(step: Step) -> bool:
    """Whether a gateway calls on like any client behind a ztunnel, which then decides."""
    return "as-client" in step.tags


def _fails_at(path: Path, step: Step) -> bool:
    """Whether the request got no further than this hop."""
    return isinstance(path.outcome, Failed) and path.outcome.where == step.hop


def _at_waypoint(rollout: Managed, step: Step, place: str, client: str) -> Iterator[str]:
    cluster = place.split("/", maxsplit=1)[0]
    if cluster == client != rollout.cluster:
        yield "MS201"
    elif step.route is None or step.route.object is None:
        if "workload-addressed" not in step.tags:
            yield "MS208"
    else:
        yield "MS209"


def _last_l7(path: Path) -> Step | None:
    return next((step for step in reversed(path.steps) if step.l7), None)
