"""The verbs of a timeline and the keys each of them takes."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Verb(NamedTuple):
    """`needs` are required keys, alternatives separated by `|` (exactly one of them); `may` are optional."""

    needs: tuple[str, ...]
    may: tuple[str, ...] = ()


VERBS: Final[Mapping[str, Verb]] = {
    "set-image": Verb(("rollout|workload", "container", "image")),
    "promote": Verb(("rollout",), ("full",)),
    "abort": Verb(("rollout",)),
    "retry": Verb(("rollout",)),
    "pause": Verb(("rollout",)),
    "resume": Verb(("rollout",)),
    "undo": Verb(("rollout",), ("to-revision",)),
    "analysis-result": Verb(("rollout", "step|template", "result")),
    "plugin-result": Verb(("rollout", "step|template", "result")),
    "scale": Verb(("rollout|workload", "replicas")),
    "label": Verb(("object", "labels")),
    "unlabel": Verb(("object", "labels")),
    "annotate": Verb(("object", "annotations")),
    "patch": Verb(("object", "patch")),
    "delete": Verb(("object",)),
    "apply": Verb(("cluster", "manifests")),
    "gitops-sync": Verb(("cluster",)),
    "fail": Verb(("target",), ("pods", "revision")),
    "recover": Verb(("target",), ("pods", "revision")),
    "drain": Verb(("target", "weight")),
    "set-env": Verb(("cluster", "component", "env")),
    "set-version": Verb(("cluster", "component", "version")),
}

COMMON: Final = ("at", "when", "after", "do")
RESULTS: Final = ("successful", "failed", "inconclusive", "error")
COMPONENTS: Final = ("istiod", "ztunnel", "argo")


def keys_of(verb: str) -> tuple[str, ...]:
    """Every key that the verb takes, besides the common ones."""
    taken = VERBS[verb]
    return tuple(key for keys in taken.needs for key in keys.split("|")) + taken.may
