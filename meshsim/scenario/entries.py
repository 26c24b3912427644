"""Which keys of a timeline entry go together: with its verb, and with its moment."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from meshsim.manifests.overlay import Path
from meshsim.scenario.verbs import COMMON, VERBS, keys_of


class Misfit(NamedTuple):
    """What does not go together, where below the entry, and the way out; `key` where the key itself is wrong."""

    path: Path
    message: str
    hint: str = ""
    key: bool = False


def misfits(entry: Mapping[str, Any], stated: Mapping[str, Any]) -> Iterator[Misfit]:
    """Everything that does not go together in an entry; `stated` is the entry as written."""
    yield from _keys(entry["do"], stated)
    yield from _moment(entry, stated)
    yield from _labels(entry["do"], entry.get("labels"))
    if entry["do"] == "drain" and not str(entry.get("target") or "eastwest:").startswith("eastwest:"):
        yield Misfit(("target",), f"drain takes an east-west gateway, not {entry['target']}", "write eastwest:CLUSTER")


def _keys(verb: str, stated: Mapping[str, Any]) -> Iterator[Misfit]:
    for keys in VERBS[verb].needs:
        given = [key for key in keys.split("|") if stated.get(key) is not None]
        if len(given) != 1:
            names = keys.replace("|", " or ")
            yield Misfit(("do",), f"{verb} needs {'only one of ' if given else ''}{names}")
    taken = (*keys_of(verb), *COMMON)
    for key in stated:
        if key not in taken:
            yield Misfit((key,), f"{verb} takes no {key!r}", f"it takes {', '.join(taken)}", key=True)


def _moment(entry: Mapping[str, Any], stated: Mapping[str, Any]) -> Iterator[Misfit]:
    at, when = entry.get("at"), entry.get("when")
    if (at is None) == (when is None):
        said = "an entry needs at or when" if at is None else "an entry has either at or when, not both"
        yield Misfit((), said, "write at: 60s, or when: paused")
    if when is not None and "rollout" not in stated:
        yield Misfit(("when",), "when: paused needs a rollout that pauses")
    if entry.get("after") is not None and when is None:
        yield Misfit(("after",), "after goes with when", "add the wait to at")


def _labels(verb: str, labels: Any) -> Iterator[Misfit]:
    if verb == "unlabel" and isinstance(labels, dict):
        yield Misfit(("labels",), "unlabel takes labels: [key]")
    elif verb == "label" and isinstance(labels, list):
        yield Misfit(("labels",), "label takes labels: {key: value}")
    elif verb == "label" and isinstance(labels, dict):
        for key, value in labels.items():
            if value is not None and not isinstance(value, str):
                message = f"label {key} has the value {value}, which is not text"
                yield Misfit(("labels", key), message, f'quote it: {key}: "{value}"')
