"""The pods there are: real ones from manifests, and those that ReplicaSets, Deployments and StatefulSets imply."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Any, Final, final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Cluster
from meshsim.model.evidence import Evidence
from meshsim.model.facts import Facts
from meshsim.model.frozen import frozen

HASH_LABEL = "rollouts-pod-template-hash"
_OWNED: Final = ("Deployment", "StatefulSet", "DaemonSet", "Job")
SIMULATED: Final = "pods"
"""Where in its status a simulated ReplicaSet lists its pods: (number, whether it is ready)."""
_POD_IPS: Final = (100 << 24) | (64 << 16)  # 100.64.0.0/11 of the shared address space (RFC 6598)
_POD_IPS_SIZE: Final = 1 << 21


@final
@frozen
class Pod:
    """One pod. `workload` is the user's name for what owns it (`helloworld`); `owner` the object that makes it."""

    cluster: str
    namespace: str
    name: str
    workload: str
    kind: str
    owner: Manifest
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    containers: tuple[Mapping[str, Any], ...] = ()
    service_account: str = "default"
    node: str = ""
    region: str = ""
    zone: str = ""
    ip: str = ""
    ready: bool = True
    host_network: bool = False
    real: bool = False
    evidence: Evidence
    order: tuple[int, str, int] = (0, "", 0)
    """Sorts a workload's pods oldest ReplicaSet first."""

    @property
    def uid(self) -> str:
        """The uid istiod gives it (istio pilot/pkg/serviceregistry/ambient/workloads.go)."""
        return f"{self.cluster}//Pod/{self.namespace}/{self.name}"

    @property
    def path(self) -> str:
        """`cluster/namespace/pod`, as the answer names it."""
        return f"{self.cluster}/{self.namespace}/{self.name}"

    @property
    def hash(self) -> str | None:
        """The pod-template hash that Argo Rollouts gave it."""
        return self.labels.get(HASH_LABEL)

    @property
    def image(self) -> str:
        """The first application container's image."""
        for container in self.containers:
            if container.get("name") != "istio-proxy":
                return str(container.get("image", ""))
        return ""

    def port(self, name: str) -> int | None:
        """The number of a named container port."""
        for container in self.containers:
            for port in container.get("ports") or []:
                if port.get("name") == name:
                    return int(port["containerPort"])
        return None


def pods_of(cluster: Cluster, index: int = 0, clusters: int = 1) -> tuple[Pod, ...]:
    """All pods of a cluster, in order of namespace and age.

    Pods without an address get one from a range of the `index`th of `clusters`: on a flat network they must differ.
    """
    real: dict[tuple[str, str], list[Manifest]] = {}
    loose: list[Manifest] = []
    for manifest in cluster.of("Pod"):
        owner = _controller(manifest)
        if owner is None:
            loose.append(manifest)
        else:
            real.setdefault((manifest.namespace, owner), []).append(manifest)
    found = [
        pod
        for namespace, name, pods in _workloads(cluster, real, loose)
        for pod in sorted(pods, key=lambda pod: pod.order)
    ]
    return tuple(_addressed(found, _POD_IPS + _POD_IPS_SIZE // clusters * index))


def pods_by_workload(pods: tuple[Pod, ...]) -> Mapping[tuple[str, str], tuple[Pod, ...]]:
    """(namespace, workload) → its pods, oldest ReplicaSet first."""
    found: dict[tuple[str, str], list[Pod]] = {}
    for pod in pods:
        found.setdefault((pod.namespace, pod.workload), []).append(pod)
    return {key: tuple(sorted(group, key=lambda pod: pod.order)) for key, group in found.items()}


def _workloads(
    cluster: Cluster, real: dict[tuple[str, str], list[Manifest]], loose: list[Manifest]
) -> Iterator[tuple[str, str, list[Pod]]]:
    sets = {(m.namespace, m.name): m for m in cluster.of("ReplicaSet")}
    for (namespace, name), manifest in sets.items():
        owner = _controller_ref(manifest)
        if owner is not None and owner[0] == "Deployment" and cluster.get("Deployment", namespace, owner[1]):
            continue  # the Deployment speaks for it
        workload = owner[1] if owner is not None else name
        pods = _real(cluster, workload, manifest, real.pop((namespace, name), []), _age(manifest))
        if manifest.get("status", SIMULATED) is not None:
            yield namespace, workload, _simulated(cluster, manifest, workload, pods)
        else:
            yield namespace, workload, pods or _implied(cluster, manifest, workload, _age(manifest))
    for manifest in cluster.of(*_OWNED):
        namespace, name = manifest.namespace, manifest.name
        own = real.pop((namespace, name), [])
        for (ns, set_name), replica_set in sets.items():
            if ns == namespace and _controller_ref(replica_set) == ("Deployment", name) == (manifest.kind, name):
                own += real.pop((ns, set_name), [])
        if not own and manifest.kind == "Deployment":
            own = [m for key in list(real) if _deployed(key, namespace, name, sets) for m in real.pop(key)]
        pods = _real(cluster, name, manifest, own, 0)
        yield namespace, name, pods or _implied(cluster, manifest, name, 0)
    for manifest in loose + [m for manifests in real.values() for m in manifests]:
        yield manifest.namespace, manifest.name, _real(cluster, manifest.name, manifest, [manifest], 0)


def _deployed(key: tuple[str, str], namespace: str, name: str, sets: Mapping[tuple[str, str], Manifest]) -> bool:
    """Whether a ReplicaSet that was not read belongs to the Deployment, by its generated name."""
    ns, owner = key
    return ns == namespace and key not in sets and owner.rpartition("-")[0] == name


def _controller_ref(manifest: Manifest) -> tuple[str, str] | None:
    for reference in manifest.get("metadata", "ownerReferences", default=[]):
        if reference.get("controller", True):
            return str(reference.get("kind")), str(reference.get("name"))
    return None


def _controller(manifest: Manifest) -> str | None:
    reference = _controller_ref(manifest)
    return reference[1] if reference is not None else None


def _age(replica_set: Manifest) -> int:
    """Older ReplicaSets first: by revision, which grows."""
    revision = replica_set.annotations.get("rollout.argoproj.io/revision", "0")
    return int(revision) if revision.isdigit() else 0


def _real(cluster: Cluster, workload: str, owner: Manifest, manifests: list[Manifest], age: int) -> list[Pod]:
    found = []
    for index, manifest in enumerate(sorted(manifests, key=lambda m: m.name)):
        if manifest.get("status", "phase") in {"Succeeded", "Failed"}:
            continue
        spec = manifest.get("spec", default={})
        node = str(spec.get("nodeName") or "")
        region, zone = _locality(cluster, node)
        found.append(
            Pod(
                cluster=cluster.name,
                namespace=manifest.namespace,
                name=manifest.name,
                workload=workload,
                kind=owner.kind,
                owner=owner,
                labels=manifest.labels,
                annotations=manifest.annotations,
                containers=tuple(spec.get("containers") or ()),
                service_account=str(spec.get("serviceAccountName") or "default"),
                node=node,
                region=region,
                zone=zone,
                ip=str(manifest.get("status", "podIP", default="")),
                ready=_is_ready(manifest),
                host_network=bool(spec.get("hostNetwork")),
                real=True,
                evidence=manifest.evidence(),
                order=(age, owner.name, index),
            )
        )
    return found


def _is_ready(manifest: Manifest) -> bool:
    """A pod without conditions is ready; a terminating one is not."""
    if manifest.get("metadata", "deletionTimestamp") is not None:
        return False
    conditions = manifest.get("status", "conditions", default=[])
    ready = [c for c in conditions if c.get("type") == "Ready"]
    return all(c.get("status") == "True" for c in ready)


def _implied(cluster: Cluster, manifest: Manifest, workload: str, age: int, count: int | None = None) -> list[Pod]:
    template = manifest.get("spec", "template", default={})
    spec = template.get("spec") or {}
    metadata = template.get("metadata") or {}
    if count is None:
        count = 1 if manifest.kind == "DaemonSet" else int(manifest.get("spec", "replicas", default=1))
    ready = _ready_replicas(manifest, count)
    node, region, zone = _placed(cluster, spec)
    labels = dict(metadata.get("labels") or {})
    if manifest.kind == "ReplicaSet" and HASH_LABEL in manifest.labels:
        labels[HASH_LABEL] = manifest.labels[HASH_LABEL]
    return [
        Pod(
            cluster=cluster.name,
            namespace=manifest.namespace,
            name=f"{manifest.name}-{n}",
            workload=workload,
            kind="Rollout" if manifest.kind == "ReplicaSet" else manifest.kind,
            owner=manifest,
            labels=labels,
            annotations=dict(metadata.get("annotations") or {}),
            containers=tuple(spec.get("containers") or ()),
            service_account=str(spec.get("serviceAccountName") or "default"),
            node=node,
            region=region,
            zone=zone,
            ready=n < ready,
            host_network=bool(spec.get("hostNetwork")),
            evidence=manifest.evidence("spec", "replicas"),
            order=(age, manifest.name, n),
        )
        for n in range(count)
    ]


def stand_ins(cluster: Cluster, known: set[tuple[str, str]]) -> Iterator[Pod]:
    """One pod for each workload with a template and no pods: as a client it counts as one, and it serves nothing."""
    for manifest in cluster.of("Deployment", "StatefulSet", "DaemonSet", "Rollout"):
        if (manifest.namespace, manifest.name) not in known and manifest.get("spec", "template"):
            yield replace(_implied(cluster, manifest, manifest.name, 0, 1)[0], ready=False)


def dns_capture(pod: Pod) -> bool:
    """Whether a sidecar answers its pod's DNS queries: unless the pod's proxy config switches it off
    (istio pkg/bootstrap ISTIO_META_DNS_CAPTURE)."""
    config = str(pod.annotations.get("proxy.istio.io/config", ""))
    stated = re.search(r"ISTIO_META_DNS_CAPTURE[\"']?\s*:\s*[\"']?(\w+)", config)
    variables = [e for c in pod.containers if c.get("name") == "istio-proxy" for e in c.get("env") or ()]
    own = next((e.get("value") for e in variables if e.get("name") == "ISTIO_META_DNS_CAPTURE"), None)
    value = own if own is not None else stated[1] if stated is not None else "true"
    return str(value).lower() == "true"


def _simulated(cluster: Cluster, manifest: Manifest, workload: str, real: list[Pod]) -> list[Pod]:
    """The pods of a ReplicaSet that a simulated controller scales: by number, real ones where they were read."""
    pods = manifest.get("status", SIMULATED, default=[])
    if len(pods) == len(real) and sum(ready for _, ready in pods) == sum(pod.ready for pod in real):
        return real
    highest = max((number for number, _ in pods), default=-1)
    implied = _implied(cluster, manifest, workload, _age(manifest), highest + 1)
    return [replace(real[n] if n < len(real) else implied[n], ready=ready) for n, ready in pods]


def _ready_replicas(manifest: Manifest, count: int) -> int:
    """How many are ready: an object without a status is ready; a status without a count of ready ones says none."""
    status = manifest.get("status")
    if not isinstance(status, dict) or not {"replicas", "readyReplicas", "availableReplicas"} & status.keys():
        return count
    return int(status.get("availableReplicas") or status.get("readyReplicas") or 0)


def _placed(cluster: Cluster, spec: Mapping[str, Any]) -> tuple[str, str, str]:
    """Node, region and zone of a template's pods, as far as its `nodeName` and `nodeSelector` bind them
    (Kubernetes docs, Assigning Pods to Nodes)."""
    selector = spec.get("nodeSelector") or {}
    node = str(spec.get("nodeName") or selector.get("kubernetes.io/hostname") or "")
    region, zone = _locality(cluster, node)
    return (
        node,
        str(selector.get("topology.kubernetes.io/region") or region),
        str(selector.get("topology.kubernetes.io/zone") or zone),
    )


def _locality(cluster: Cluster, node: str) -> tuple[str, str]:
    """A pod's region and zone: its Node's labels, else the cluster's."""
    manifest = cluster.get("Node", "", node) if node else None
    if manifest is None:
        return cluster.region, cluster.zone
    labels = manifest.labels
    return (
        labels.get("topology.kubernetes.io/region", cluster.region),
        labels.get("topology.kubernetes.io/zone", cluster.zone),
    )


def _addressed(pods: list[Pod], first: int) -> Iterator[Pod]:
    """Give every pod without an address one, by the order of names."""
    implied = sorted((pod.namespace, pod.name) for pod in pods if not pod.ip)
    numbers = {key: first + 10 + index for index, key in enumerate(implied)}
    for pod in pods:
        number = numbers.get((pod.namespace, pod.name))
        if pod.ip or number is None:
            yield pod
        else:
            yield replace(pod, ip=".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0)))


def capture(cluster: Cluster, pod: Pod, facts: Facts) -> str | None:
    """Who handles a pod's traffic: `ambient`, `sidecar`, `none`; None where nobody said.

    A real pod shows its own capture; an implied one follows labels, a sidecar's winning
    (istio pkg/kube/inject and cni/pkg/util PodRedirectionEnabled).
    """
    if pod.real:
        if any(container.get("name") == "istio-proxy" for container in pod.containers):
            return "sidecar"
        if pod.annotations.get("ambient.istio.io/redirection") == "enabled":
            return "ambient"
        return "none"
    me = f"{pod.cluster}/{pod.owner.kind}/{pod.namespace}/{pod.owner.name}"
    namespace = cluster.namespace(pod.namespace)
    inject = facts.note(me, "label:sidecar.istio.io/inject", pod.labels.get("sidecar.istio.io/inject"), pod.evidence)
    mode = facts.note(me, "label:istio.io/dataplane-mode", pod.labels.get("istio.io/dataplane-mode"), pod.evidence)
    if namespace is None:
        if inject == "true":
            return "sidecar"
        if mode is not None:
            return "ambient" if mode == "ambient" else "none"
        if pod.namespace == SYSTEM_NAMESPACE:
            return "none"
        if cluster.dataplane is None:
            return None
        return str(facts.note(cluster.name, "dataplane", cluster.dataplane.value, cluster.dataplane.evidence))
    if inject != "false":
        injected = cluster.label(facts, namespace, "istio-injection")
        revision = cluster.label(facts, namespace, "istio.io/rev")
        if inject == "true" or injected == "enabled" or (revision is not None and injected != "disabled"):
            return "sidecar"
    enrolled = mode if mode is not None else cluster.label(facts, namespace, "istio.io/dataplane-mode")
    return "ambient" if enrolled == "ambient" else "none"
