"""What fails and recovers on real clusters: workloads, gateways, links, nodes; and what is drained."""

from collections.abc import Iterator
from typing import Final

from meshsim.controlplane.components import ISTIO_GATEWAY
from meshsim.live.kind.clusters import worker
from meshsim.live.kind.hands import ROLLOUTS, Hands, Unreplayable
from meshsim.live.kind.joining import eastwest_name, remote_name
from meshsim.live.kind.places import Place
from meshsim.live.kind.steps import Command, Filled, Run, work
from meshsim.model.names import ObjectKey
from meshsim.scenario.scenario import Entry

_NODES: Final = "--selector=kubernetes.io/os=linux"


def fault(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    """`fail` and `recover`. Raises Unreplayable."""
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
        yield hands.scaled(place, manifest, 0 if entry.verb == "fail" else wanted, remember=False)
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


def drain(hands: Hands, entry: Entry, number: int) -> Iterator[Command]:
    """`drain`: the annotation on the east-west Gateway (Solo docs, operations: drain). Raises Unreplayable."""
    place = hands.place(str(entry.args["target"]).partition(":")[2])
    if not place.solo:
        msg = "upstream Istio drains no cluster"
        raise Unreplayable(msg)
    namespace, name = eastwest_name(place)
    weight = f"solo.io/draining-weight={int(entry.args['weight'])}"
    gateway = ("annotate", "gateways.gateway.networking.k8s.io", name, "-n", namespace, "--overwrite", weight)
    yield Run(words=place.kubectl(*gateway))
