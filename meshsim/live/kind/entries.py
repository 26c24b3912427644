"""What each entry of a timeline comes to on real clusters: calls of the user's kubectl and its plugin.

What cannot be done there is a sentence: from it on, the clusters would no longer be what the scenario says.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from meshsim.live.kind import standin
from meshsim.live.kind.argo import NAMESPACE as ARGO
from meshsim.live.kind.argo import manifest_url
from meshsim.live.kind.clusters import yaml_text
from meshsim.live.kind.faults import drain, fault
from meshsim.live.kind.hands import ROLLOUTS, Hands, Unreplayable
from meshsim.live.kind.objects import resource
from meshsim.live.kind.places import Place
from meshsim.live.kind.steps import Command, Run, Write, work
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE
from meshsim.model.names import ObjectKey
from meshsim.scenario.scenario import Entry

_COMPONENTS: Final[Mapping[str, tuple[str, str]]] = {
    "istiod": ("deployment/istiod", SYSTEM_NAMESPACE),
    "ztunnel": ("daemonset/ztunnel", SYSTEM_NAMESPACE),
    "argo": ("deployment/argo-rollouts", ARGO),
}
_BY_HAND: Final = frozenset({"analysis-result", "plugin-result"})
_STARTS_PODS: Final = frozenset({"set-image", "promote", "retry", "undo", "scale", "apply", "gitops-sync", "patch"})


def _no_options(entry: Entry) -> None:
    """Refuse words of a scenario that a program would take for its options."""
    words = [entry.args.get("container"), entry.args.get("image"), entry.args.get("version")]
    for key in ("labels", "annotations", "env"):
        words += list(entry.args.get(key) or ())
    for word in words:
        if isinstance(word, str) and word.startswith("-"):
            msg = f"{word!r} would be read as an option"
            raise Unreplayable(msg)


def _argo(*words: str) -> Callable[[Hands, Entry, int], Iterator[Command]]:
    """A command of the plugin that takes a Rollout's name."""

    def commands(hands: Hands, entry: Entry, _: int) -> Iterator[Command]:
        for place, namespace, name in hands.rollouts(entry):
            yield Run(words=place.argo(*words, name, "-n", namespace))

    return commands


def _promote(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    full = ("--full",) if entry.args.get("full") else ()
    for place, namespace, name in hands.rollouts(entry):
        yield Run(words=place.argo("promote", name, *full, "-n", namespace))


def _undo(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    revision = entry.args.get("to-revision")
    to = (f"--to-revision={int(revision)}",) if revision else ()
    for place, namespace, name in hands.rollouts(entry):
        yield Run(words=place.argo("undo", name, *to, "-n", namespace))


def _resume(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    for place, namespace, name in hands.rollouts(entry):
        yield _patched(place, ROLLOUTS, namespace, name, {"spec": {"paused": False}})


def _patched(place: Place, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Run:
    space = ("-n", namespace) if namespace else ()
    text = json.dumps(patch, separators=(",", ":"), ensure_ascii=False)
    return Run(words=place.kubectl("patch", kind, name, *space, "--type=merge", "-p", text))


def _set_image(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    container, image = str(entry.args["container"]), str(entry.args["image"])
    for place, namespace, name, manifest in _workloads(hands, entry):
        kind = resource(manifest.api_version, manifest.kind)
        if hands.stand_in:
            reference = manifest.get("spec", "workloadRef") if manifest.kind == "Rollout" else None
            other = str(reference.get("name")) if isinstance(reference, Mapping) else ""
            owner = hands.workload(place.name, namespace, other) if other else manifest
            if owner is None:
                msg = f"{name} takes its template from {other}, which no manifest has"
                raise Unreplayable(msg)
            names = [str(c.get("name")) for c in owner.get("spec", "template", "spec", "containers", default=[])]
            for one in names if container == "*" else [container]:
                patch = standin.image_patch(one, image)
                yield _patched(place, resource(owner.api_version, owner.kind), namespace, owner.name, patch)
        elif manifest.kind == "Rollout":
            yield Run(words=place.argo("set", "image", name, f"{container}={image}", "-n", namespace))
        else:
            words = ("set", "image", f"{kind}/{name}", f"{container}={image}", "-n", namespace)
            yield Run(words=place.kubectl(*words))


def _workloads(hands: Hands, entry: Entry) -> Iterator[tuple[Place, str, str, Manifest]]:
    """The workloads that an entry names; Rollouts may be named with `*`."""
    named = str(entry.args.get("rollout") or entry.args.get("workload") or "")
    parts = named.split("/")
    if len(parts) == 3 and "*" not in named:
        manifest = hands.workload(parts[0], parts[1], parts[2])
        if manifest is not None:
            yield hands.place(parts[0]), parts[1], parts[2], manifest
            return
    for place, namespace, name in hands.rollouts(entry):
        manifest = hands.workload(place.name, namespace, name)
        if manifest is not None:
            yield place, namespace, name, manifest


def _scale(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    for place, _, _, manifest in _workloads(hands, entry):
        yield hands.scaled(place, manifest, int(entry.args["replicas"]), remember=True)


def _labels(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    place, kind, namespace, name = _object(hands, entry)
    if entry.verb == "unlabel":
        changes: Mapping[str, str | None] = dict.fromkeys(entry.args["labels"], None)
    else:
        changes = entry.args["labels" if entry.verb == "label" else "annotations"]
    verb = "annotate" if entry.verb == "annotate" else "label"
    words = tuple(f"{key}-" if value is None else f"{key}={value}" for key, value in changes.items())
    space = ("-n", namespace) if namespace else ()
    yield Run(words=place.kubectl(verb, kind, name, *space, "--overwrite", *words))


def _object(hands: Hands, entry: Entry) -> tuple[Place, str, str, str]:
    """The place, kubectl's kind, the namespace and the name of the object that an entry names."""
    parts = str(entry.args["object"]).split("/")
    cluster, kind, name = parts[0], parts[1], parts[-1]
    namespace = parts[2] if len(parts) == 4 else ""
    manifest = hands.known.get((cluster, ObjectKey(kind, namespace, name)))
    if manifest is None:
        msg = f"no manifest has {kind} {namespace}/{name}"
        raise Unreplayable(msg)
    return hands.place(cluster), resource(manifest.api_version, manifest.kind), namespace, name


def _patch(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    place, kind, namespace, name = _object(hands, entry)
    yield _patched(place, kind, namespace, name, entry.args["patch"])


def _delete(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    place, kind, namespace, name = _object(hands, entry)
    space = ("-n", namespace) if namespace else ()
    yield Run(words=place.kubectl("delete", kind, name, *space, "--ignore-not-found", "--timeout=120s"), limit=150)


def _apply(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    cluster = str(entry.args["cluster"])
    place, manifests = hands.place(cluster), tuple(entry.args["manifests"])
    hands.known.update({(cluster, manifest.key): manifest for manifest in manifests})
    file = place.file(f"apply-{number}.yaml")
    hands.files[cluster].append(file)
    yield Write(name=file, text=yaml_text(hands.documents(place, manifests)))
    yield Run(words=place.kubectl("apply", "-f", work(file)))


def _sync(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    cluster = str(entry.args["cluster"])
    for file in hands.files[cluster]:
        yield Run(words=hands.place(cluster).kubectl("apply", "-f", work(file)))


def _set_env(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    place = hands.place(str(entry.args["cluster"]))
    what, namespace = _COMPONENTS[str(entry.args["component"])]
    words = tuple(f"{k}-" if v is None else f"{k}={v}" for k, v in entry.args["env"].items())
    yield Run(words=place.kubectl("set", "env", what, "-n", namespace, *words))
    yield Run(words=place.kubectl("rollout", "status", what, "-n", namespace, "--timeout=300s"), limit=320)


def _set_version(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    if entry.args["component"] != "argo":
        msg = "another version of Istio takes another istioctl: play a scenario with that `dialect:`"
        raise Unreplayable(msg)
    place, (what, namespace) = hands.place(str(entry.args["cluster"])), _COMPONENTS["argo"]
    url = manifest_url(str(entry.args["version"]))
    yield Run(words=place.kubectl("apply", "-n", namespace, "--server-side", "-f", url), retry=60)
    yield Run(words=place.kubectl("rollout", "status", what, "-n", namespace, "--timeout=300s"), limit=320)


_VERBS: Final[Mapping[str, Callable[[Hands, Entry, int], Iterator[Command]]]] = {
    "set-image": _set_image,
    "promote": _promote,
    "abort": _argo("abort"),
    "retry": _argo("retry", "rollout"),
    "pause": _argo("pause"),
    "resume": _resume,
    "undo": _undo,
    "scale": _scale,
    "label": _labels,
    "unlabel": _labels,
    "annotate": _labels,
    "patch": _patch,
    "delete": _delete,
    "apply": _apply,
    "gitops-sync": _sync,
    "fail": fault,
    "recover": fault,
    "drain": drain,
    "set-env": _set_env,
    "set-version": _set_version,
}


def commands(hands: Hands, entry: Entry, number: int) -> list[Command]:
    """The commands of one entry. Raises Unreplayable."""
    if entry.verb in _BY_HAND:
        msg = "an analysis or a plugin's step gives its own result on a real cluster"
        raise Unreplayable(msg)
    _no_options(entry)
    named = next((str(entry.args[k]) for k in ("rollout", "workload", "object", "cluster") if entry.args.get(k)), "")
    cluster = named.split("/")[0]
    if entry.verb in _STARTS_PODS and cluster in hands.cordoned:
        msg = f"nothing new can start in {cluster} while its pods fail"
        raise Unreplayable(msg)
    if cluster in hands.paused and entry.verb not in {"fail", "recover"}:
        return []  # nobody hears it, as in the model
    return list(_VERBS[entry.verb](hands, entry, number))
