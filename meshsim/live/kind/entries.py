"""What each entry of a timeline comes to on real clusters: calls of the user's kubectl and its plugin.

What cannot be done there is a sentence: from it on, the clusters would no longer be what the scenario says.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, final

from meshsim.controlplane.components import ISTIO_GATEWAY
from meshsim.live.kind import standin
from meshsim.live.kind.argo import NAMESPACE as ARGO
from meshsim.live.kind.argo import manifest_url
from meshsim.live.kind.clusters import worker, yaml_text
from meshsim.live.kind.istio import eastwest_name, remote_name
from meshsim.live.kind.objects import clean, resource
from meshsim.live.kind.places import Place
from meshsim.live.kind.steps import Command, Filled, Run, Write, work
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Mesh
from meshsim.model.names import ObjectKey
from meshsim.scenario.scenario import Entry
from meshsim.simulation.entries import rollout_ids

ROLLOUTS: Final = "rollouts.argoproj.io"
_NODES: Final = "--selector=kubernetes.io/os=linux"
_COMPONENTS: Final[Mapping[str, tuple[str, str]]] = {
    "istiod": ("deployment/istiod", SYSTEM_NAMESPACE),
    "ztunnel": ("daemonset/ztunnel", SYSTEM_NAMESPACE),
    "argo": ("deployment/argo-rollouts", ARGO),
}
_BY_HAND: Final = frozenset({"analysis-result", "plugin-result"})
_STARTS_PODS: Final = frozenset({"set-image", "promote", "retry", "undo", "scale", "apply", "gitops-sync", "patch"})


class Unreplayable(ValueError):
    """An entry that real clusters cannot be made to do, with the reason."""


@final
class Hands:
    """The user's hands on the clusters, over a timeline: what was applied, what is out of order."""

    def __init__(
        self,
        places: Mapping[str, Place],
        mesh: Mesh,
        applied: Mapping[str, str],
        clients: frozenset[str],
        *,
        stand_in: bool,
        wait: float,
    ) -> None:
        self.places, self.mesh, self.stand_in, self.wait, self.clients = places, mesh, stand_in, wait, clients
        self.files = {name: [file] for name, file in applied.items()}
        """Cluster → the files that were applied to it, in order."""
        self.known: dict[tuple[str, ObjectKey], Manifest] = {
            (name, key): manifest
            for name, cluster in mesh.clusters.items()
            for key, manifest in cluster.objects.items()
        }
        self.replicas: dict[tuple[str, str, str, str], int] = {}
        self.cordoned: set[str] = set()
        self.paused: set[str] = set()

    def do(self, entry: Entry, number: int) -> list[Command]:
        """The commands of one entry. Raises Unreplayable."""
        if entry.verb in _BY_HAND:
            msg = "an analysis or a plugin's step gives its own result on a real cluster"
            raise Unreplayable(msg)
        _no_options(entry)
        named = next(
            (str(entry.args[k]) for k in ("rollout", "workload", "object", "cluster") if entry.args.get(k)), ""
        )
        cluster = named.split("/")[0]
        if entry.verb in _STARTS_PODS and cluster in self.cordoned:
            msg = f"nothing new can start in {cluster} while its pods fail"
            raise Unreplayable(msg)
        if cluster in self.paused and entry.verb not in {"fail", "recover"}:
            return []  # nobody hears it, as in the model
        return list(_VERBS[entry.verb](self, entry, number))

    def place(self, cluster: str) -> Place:
        return self.places[cluster]

    def rollouts(self, entry: Entry) -> Iterator[tuple[Place, str, str]]:
        """The Rollouts that an entry names."""
        for cluster, namespace, name in rollout_ids(self.mesh, entry):
            yield self.place(cluster), namespace, name

    def workload(self, cluster: str, namespace: str, name: str) -> Manifest | None:
        """A workload by name."""
        kinds = ("Rollout", "Deployment", "StatefulSet", "DaemonSet")
        found = (self.known.get((cluster, ObjectKey(kind, namespace, name))) for kind in kinds)
        return next((manifest for manifest in found if manifest is not None), None)

    def documents(self, place: Place, manifests: tuple[Manifest, ...]) -> list[dict[str, Any]]:
        """Objects as they are applied."""
        cleaned = [clean(place, manifest) for manifest in manifests]
        if not self.stand_in:
            return cleaned
        return [
            standin.with_stand_ins(document, calls=f"{place.name}/{m.namespace}/{m.name}" in self.clients)
            for document, m in zip(cleaned, manifests, strict=True)
        ]


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
        yield _scaled(hands, place, manifest, int(entry.args["replicas"]), remember=True)


def _scaled(hands: Hands, place: Place, manifest: Manifest, replicas: int, *, remember: bool) -> Run:
    kind = resource(manifest.api_version, manifest.kind)
    if remember:
        hands.replicas[place.name, manifest.kind, manifest.namespace, manifest.name] = replicas
    words = ("scale", f"{kind}/{manifest.name}", f"--replicas={replicas}", "-n", manifest.namespace)
    return Run(words=place.kubectl(*words))


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


def _fault(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    target = str(entry.args["target"])
    scheme, colon, rest = target.partition(":")
    parts = (rest if colon else target).split("/")
    if not colon:
        yield from _pods(hands, entry, parts)
    elif scheme in {"waypoint", "ingress"}:
        yield from _gateway(hands, entry, scheme, parts)
    elif scheme == "eastwest":
        place = hands.place(parts[0])
        namespace, name = eastwest_name(place)
        yield _replicas(place, name, namespace, entry)
    elif scheme == "link":
        yield from _link(hands, entry, parts)
    else:
        yield from _containers(hands, entry, scheme, parts)


def _replicas(place: Place, name: str, namespace: str, entry: Entry) -> Run:
    number = 0 if entry.verb == "fail" else 1
    return Run(words=place.kubectl("scale", f"deployments.apps/{name}", f"--replicas={number}", "-n", namespace))


def _pods(hands: Hands, entry: Entry, parts: list[str]) -> Iterator[Command]:
    """A workload whose pods fail. A Deployment is scaled to 0. A Rollout's pods go and find no node, as its replicas
    are the controller's business."""
    place, manifest = hands.place(parts[0]), hands.workload(parts[0], parts[1], parts[2])
    if manifest is None or manifest.kind == "DaemonSet":
        msg = f"{entry.args['target']} is nothing that could be scaled"
        raise Unreplayable(msg)
    if entry.args.get("pods") is not None:
        msg = "which pods of a workload fail cannot be chosen on a real cluster"
        raise Unreplayable(msg)
    if manifest.kind != "Rollout":
        known = hands.replicas.get((place.name, manifest.kind, manifest.namespace, manifest.name))
        wanted = known if known is not None else int(manifest.get("spec", "replicas", default=1))
        yield _scaled(hands, place, manifest, 0 if entry.verb == "fail" else wanted, remember=False)
        return
    if entry.verb == "recover":
        hands.cordoned.discard(place.name)
        yield Run(words=place.kubectl("uncordon", _NODES))
        return
    hands.cordoned.add(place.name)
    yield Run(words=place.kubectl("cordon", _NODES))
    labels = manifest.get("spec", "selector", "matchLabels", default={})
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    revision = entry.args.get("revision")
    gone = ("delete", "pods", "-n", manifest.namespace, "--timeout=120s")
    if revision is None:
        yield Run(words=place.kubectl(*gone, f"--selector={selector}"), limit=150)
        return
    field = "stableRS" if revision == "stable" else "currentPodHash"
    path = f"jsonpath={{.status.{field}}}"
    yield Run(words=place.kubectl("get", ROLLOUTS, manifest.name, "-n", manifest.namespace, "-o", path), var="HASH")
    chosen = Filled("--selector=rollouts-pod-template-hash=$HASH")
    yield Run(words=place.kubectl(*gone, chosen), limit=150)


def _gateway(hands: Hands, entry: Entry, scheme: str, parts: list[str]) -> Iterator[Command]:
    place = hands.place(parts[0])
    gateway = hands.known.get((parts[0], ObjectKey("Gateway", parts[1], parts[2])))
    if gateway is None:
        msg = f"an Istio Gateway's pods are not named by it ({ISTIO_GATEWAY})"
        raise Unreplayable(msg)
    suffix = "" if scheme == "waypoint" else f"-{gateway.get('spec', 'gatewayClassName')}"
    yield _replicas(place, f"{gateway.name}{suffix}", gateway.namespace, entry)


def _link(hands: Hands, entry: Entry, parts: list[str]) -> Iterator[Command]:
    watcher, peer = hands.place(parts[0]), hands.place(parts[1])
    if watcher.solo:
        file = watcher.file(f"peer-{peer.kind}.yaml")
        namespace, name = remote_name(watcher, peer)
        gone = ("delete", "gateways.gateway.networking.k8s.io", name, "-n", namespace, "--timeout=120s")
        if entry.verb == "fail":
            yield Run(words=watcher.kubectl(*gone, "--ignore-not-found"), limit=150)
            return
        yield Run(words=watcher.kubectl("apply", "-f", work(file)))
        return
    file = watcher.file(f"remote-secret-{peer.kind}.yaml")
    if entry.verb == "fail":
        yield Run(words=watcher.kubectl("delete", "-f", work(file), "--ignore-not-found"))
    else:
        yield Run(words=watcher.kubectl("apply", "-f", work(file)))


def _containers(hands: Hands, entry: Entry, scheme: str, parts: list[str]) -> Iterator[Command]:
    """Nodes that stand still: their containers are paused."""
    place = hands.place(parts[0])
    workers = [worker(place, node.name) for node in place.cluster.of("Node")]
    verb = "pause" if entry.verb == "fail" else "unpause"
    if scheme == "cluster" or (scheme == "zone" and not workers and parts[1] == place.cluster.zone):
        chosen = [place.node, *workers]
        (hands.paused.add if entry.verb == "fail" else hands.paused.discard)(place.name)
    elif scheme == "node":
        chosen = [worker(place, parts[1])]
    else:
        nodes = place.cluster.of("Node")
        chosen = [worker(place, n.name) for n in nodes if n.labels.get("topology.kubernetes.io/zone") == parts[1]]
    if not chosen or "" in chosen:
        msg = f"no Node of the manifests is {scheme} {'/'.join(parts)}, so that no container stands for it"
        raise Unreplayable(msg)
    yield Run(words=("docker", verb, *chosen))


def _drain(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    place = hands.place(str(entry.args["target"]).partition(":")[2])
    if not place.solo:
        msg = "upstream Istio drains no cluster"
        raise Unreplayable(msg)
    namespace, name = eastwest_name(place)
    weight = f"solo.io/draining-weight={int(entry.args['weight'])}"
    gateway = ("annotate", "gateways.gateway.networking.k8s.io", name, "-n", namespace, "--overwrite", weight)
    yield Run(words=place.kubectl(*gateway))


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
    "fail": _fault,
    "recover": _fault,
    "drain": _drain,
    "set-env": _set_env,
    "set-version": _set_version,
}
