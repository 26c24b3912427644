"""What a published label means in a scenario: a role, a cluster, a version, a pod, a zone, or an error."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from typing import Final, final

from meshsim.analysis.situation import Managed, Situation
from meshsim.live.agree import SILENT
from meshsim.live.attribution import image_words
from meshsim.mesh.pods import Pod
from meshsim.model.frozen import frozen
from meshsim.model.shares import ZERO
from meshsim.model.trace import Delivered, Failed, Trace
from meshsim.simulation.units import ways

ROLES: Final = ("stable", "canary", "other")
ERRORS: Final = frozenset({"error", "errors", "000", "nxdomain"}) | SILENT
PROBED: Final = "-next"
"""What a probe's new revision has after its image's tag."""


@final
@frozen
class Answerer:
    """Where one way of a call ends: a pod with its names, or an error's code."""

    role: str = ""
    cluster: str = ""
    pod: str = ""
    image: str = ""
    versions: frozenset[str] = frozenset()
    """What its version may be called: its labels' value, its pod-template hash, its image and the words of that."""
    zone: str = ""
    error: str = ""
    share: Fraction = field(default=ZERO, compare=False)


Predicate = Callable[[Answerer], bool]


@final
@frozen
class Label:
    """A label with its meaning: which answerers it stands for, and (`roles`) which revisions these are; `assumed` says
    so where the meaning follows from nothing else being left."""

    name: str
    dimension: str
    fits: Predicate = field(compare=False)
    roles: frozenset[str] = frozenset()
    assumed: bool = False
    whole: bool = True
    """Whether it stands for these revisions in every cluster."""


class Unknown(ValueError):
    """A label that means nothing in the scenario; `known` are those that would."""

    def __init__(self, label: str, known: Iterable[str]) -> None:
        self.label = label
        self.known = tuple(dict.fromkeys(known))
        super().__init__(label)


def answerers(situation: Situation, trace: Trace, rollout: Managed | None) -> tuple[Answerer, ...]:
    """Where each of a call's `ways` ends, in their order."""
    found = []
    for path in ways(trace):
        outcome = path.outcome
        if isinstance(outcome, Delivered):
            pod = situation.plane.registry.pod_by_uid.get(outcome.workload)
            found.append(
                answerer(pod, rollout, path.share)
                if pod is not None
                else Answerer(role="other", cluster=outcome.cluster, pod=outcome.workload, share=path.share)
            )
        else:
            assert isinstance(outcome, Failed)
            found.append(Answerer(error=outcome.code, share=path.share))
    return tuple(found)


def answerer(pod: Pod, rollout: Managed | None, share: Fraction = ZERO) -> Answerer:
    """A pod as one that answers."""
    image = pod.image
    words = image_words(image.removesuffix(PROBED)) if image.endswith(PROBED) else image_words(image)
    named = {pod.labels.get("version", ""), pod.labels.get("app.kubernetes.io/version", ""), pod.hash or ""} - {""}
    probed = image.endswith(PROBED)
    return Answerer(
        role=rollout.role(pod) if rollout is not None else "other",
        cluster=pod.cluster,
        pod=pod.path,
        image=image,
        versions=frozenset({image, pod.hash or image} if probed else named | words),
        zone=pod.zone,
        share=share,
    )


def is_error(name: str) -> bool:
    """Whether a label can only mean an answer that is none: an HTTP code of 400 and above, or a word for silence."""
    return name in ERRORS or (len(name) == 3 and name.isdigit() and name >= "400")


def is_answer(name: str) -> bool:
    """Whether a label can only mean an answer, whoever gave it: an HTTP code below 400.

    >>> is_answer("200"), is_answer("503"), is_answer("000")
    (True, False, False)
    """
    return len(name) == 3 and name.isdigit() and "100" <= name < "400"


def _answered(one: Answerer) -> bool:
    return not one.error


def error(name: str) -> Predicate:
    """Answers that a sender reads as `name`. Who got no answer cannot tell why, but for a name that does not exist."""
    if name in {"error", "errors"}:
        return lambda one: bool(one.error)
    if name == "000":
        return lambda one: bool(one.error) and not one.error.isdigit()
    if name in SILENT:
        return lambda one: one.error in SILENT
    return lambda one: one.error == name


@final
class Vocabulary:
    """What labels can mean for a call at a moment: by the pods of its Rollout, its clusters, and where it can end."""

    def __init__(self, situation: Situation, rollout: Managed | None, ends: Sequence[Answerer]) -> None:
        registry = situation.plane.registry
        there = [answerer(pod, rollout) for pod in registry.pod_by_uid.values() if _may_answer(pod, rollout)]
        self.ends = tuple(dict.fromkeys([*(one for one in ends if not one.error), *there]))
        self.clusters = frozenset(situation.mesh.clusters)
        self._pods = registry.pod_by_uid
        self.probed = any(one.image.endswith(PROBED) for one in self.ends)

    def labels(self, names: Iterable[str], dimension: str, means: Mapping[str, str]) -> list[Label]:
        """The labels of one set of counts. Raises Unknown for one that means nothing.

        A probe's new revision has no published name: where one label is left and one revision, they belong together.
        """
        found: dict[str, Label] = {}
        unknown: list[str] = []
        wanted = list(names)
        for name in wanted:
            label = self._label(name, means.get(name, name), dimension)
            if label is None:
                unknown.append(name)
            else:
                found[name] = label
        left = {one.role for one in self.ends} - {role for label in found.values() for role in label.roles}
        canary = left == {"canary"} and len(unknown) == 1 and self.probed and bool(found)
        for name in unknown:
            if not canary or name in means:
                raise Unknown(name, self.known(dimension))
            found[name] = Label(
                name=name,
                dimension="roles",
                fits=lambda one: one.role == "canary",
                roles=frozenset({"canary"}),
                assumed=True,
            )
        return [found[name] for name in wanted]

    def known(self, dimension: str) -> list[str]:
        """Labels that mean something."""
        pods = sorted({one.pod for one in self.ends})
        images = sorted({one.image for one in self.ends if one.image})
        every = {
            "roles": list(ROLES),
            "clusters": sorted(self.clusters),
            "versions": images,
            "pods": pods,
            "zones": sorted({one.zone for one in self.ends if one.zone}),
        }
        return every.get(dimension, [*ROLES, *sorted(self.clusters), *images])

    def _label(self, name: str, meaning: str, dimension: str) -> Label | None:
        """Its meaning: as the dimension says, else the first of role, error, cluster, pod, zone and version."""
        order: tuple[str, ...] = (
            (dimension,) if dimension != "any" else ("roles", "errors", "clusters", "pods", "zones", "versions")
        )
        if meaning != name:
            order = ("roles", "clusters", "pods", "zones", "versions")
        for kind in order:
            fits = self._meaning(meaning, kind)
            if fits is not None:
                roles = frozenset(one.role for one in self.ends if fits(one))
                return Label(name=name, dimension=kind, fits=fits, roles=roles)
        for kind in ("pods", "zones"):
            if kind in order and self._is_elsewhere(meaning, kind):
                return Label(name=name, dimension=kind, fits=lambda _: False)
        if "/" in meaning and dimension == "any":
            return self._in_cluster(name, meaning)
        return None

    def _is_elsewhere(self, name: str, kind: str) -> bool:
        """Whether a pod or a zone is there, although the call never ends in it: what was counted there disagrees."""
        if kind == "zones":
            return any(pod.zone == name for pod in self._pods.values())
        return any(name in {pod.path, pod.name} for pod in self._pods.values())

    def _in_cluster(self, name: str, meaning: str) -> Label | None:
        """`cluster1/canary`, `cluster1/v2`: both."""
        cluster, _, rest = meaning.partition("/")
        inner = self._label(rest, rest, "any") if cluster in self.clusters else None
        if inner is None:
            return None
        fits = inner.fits
        return Label(
            name=name,
            dimension=inner.dimension,
            fits=lambda one: one.cluster == cluster and fits(one),
            roles=inner.roles,
            whole=False,
        )

    def _meaning(self, name: str, kind: str) -> Predicate | None:
        if kind == "errors":
            return error(name) if is_error(name) else _answered if is_answer(name) else None
        if kind == "roles":
            return (lambda one: one.role == name and not one.error) if name in ROLES else None
        if kind == "clusters":
            return (lambda one: one.cluster == name) if name in self.clusters else None
        tests: dict[str, Predicate] = {
            "pods": lambda one: bool(one.pod) and name in {one.pod, one.pod.rpartition("/")[2]},
            "zones": lambda one: bool(one.zone) and one.zone == name,
            "versions": lambda one: name in one.versions,
        }
        return tests[kind] if any(tests[kind](one) for one in self.ends) else None


def _may_answer(pod: Pod, rollout: Managed | None) -> bool:
    return rollout is not None and (pod.namespace, pod.workload) == (rollout.id[1], rollout.id[2])
