"""What all of the control plane looks things up in: pods, Services and addresses of every cluster of one Mesh."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import final

from meshsim.controlplane.binding import Binding
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.health import with_faults
from meshsim.mesh.mesh import Cluster, Mesh
from meshsim.mesh.pods import Pod, capture, pods_by_workload, pods_of, stand_ins
from meshsim.model.facts import Fact, Facts

_SERVICE_VIPS = (198 << 24) | (18 << 16)  # 198.18.0.0/15, set aside for tests (RFC 2544)
_SERVICE_VIPS_SIZE = 1 << 17
_ENTRY_VIPS = (240 << 24) | (240 << 16)  # istiod's automatic addresses, 240.240.0.0/16


def dotted(number: int) -> str:
    """An IPv4 address from its number."""
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


@final
class Registry:
    """Lazily built indexes over one Mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._pods: dict[str, tuple[Pod, ...]] = {}
        self._workloads: dict[str, Mapping[tuple[str, str], tuple[Pod, ...]]] = {}
        self._selected: dict[tuple[str, str, tuple[tuple[str, str], ...]], tuple[Pod, ...]] = {}
        self.workload_bindings: dict[tuple[str, str, str, str], Binding] = {}
        self._captured: dict[str, tuple[str | None, tuple[Fact, ...]]] = {}
        self._places: dict[str, Mapping[str, tuple[Pod, ...]]] = {}
        self._labelled: dict[str, Mapping[tuple[str, str, str], tuple[Pod, ...]]] = {}

    def pods(self, cluster: str) -> tuple[Pod, ...]:
        """All pods of a cluster."""
        if cluster not in self._pods:
            names = sorted(self.mesh.clusters)
            found = pods_of(self.mesh.clusters[cluster], names.index(cluster), len(names))
            self._pods[cluster] = with_faults(self.mesh.down, found)
        return self._pods[cluster]

    @cached_property
    def pod_by_uid(self) -> Mapping[str, Pod]:
        """Every pod of the Mesh by uid."""
        return {pod.uid: pod for name in self.mesh.clusters for pod in self.pods(name)}

    @cached_property
    def pod_by_address(self) -> Mapping[tuple[str, str], str]:
        """(network, IP) → pod uid."""
        return {
            (self.mesh.clusters[pod.cluster].network.value, pod.ip): uid
            for uid, pod in self.pod_by_uid.items()
            if pod.ip
        }

    @cached_property
    def absent(self) -> Mapping[str, Pod]:
        """One stand-in pod for each workload that has none: a client with 0 replicas counts as one pod."""
        return {
            pod.uid: pod
            for name, cluster in self.mesh.clusters.items()
            for pod in stand_ins(cluster, {(p.namespace, p.workload) for p in self.pods(name)})
        }

    def captured(self, pod: Pod) -> tuple[str | None, tuple[Fact, ...]]:
        """Who handles a pod's traffic, and what says so."""
        if pod.uid not in self._captured:
            facts = Facts()
            chosen = capture(self.mesh.clusters[pod.cluster], pod, facts)
            self._captured[pod.uid] = (chosen, facts.read())
        return self._captured[pod.uid]

    def workloads(self, cluster: str) -> Mapping[tuple[str, str], tuple[Pod, ...]]:
        """(namespace, workload) → pods."""
        if cluster not in self._workloads:
            self._workloads[cluster] = pods_by_workload(self.pods(cluster))
        return self._workloads[cluster]

    def selected(self, cluster: str, service: Manifest) -> tuple[Pod, ...]:
        """The pods that a Service selects, ready or not. A Service without a selector selects none."""
        selector = service.get("spec", "selector")
        if not isinstance(selector, dict) or not selector:
            return ()
        return self.matching(cluster, service.namespace, {str(k): str(v) for k, v in selector.items()})

    def matching(self, cluster: str, namespace: str, labels: Mapping[str, str]) -> tuple[Pod, ...]:
        """The pods of a namespace that carry all the labels."""
        key = (cluster, namespace, tuple(sorted(labels.items())))
        if key not in self._selected:
            index = self._by_label(cluster)
            rarest = min((index.get((namespace, *label), ()) for label in key[2]), key=len, default=None)
            pods = self.in_namespace(cluster, namespace) if rarest is None else rarest
            self._selected[key] = tuple(pod for pod in pods if labels.items() <= dict(pod.labels).items())
        return self._selected[key]

    def in_namespace(self, cluster: str, namespace: str) -> tuple[Pod, ...]:
        """The pods of a namespace."""
        if cluster not in self._places:
            found: dict[str, list[Pod]] = {}
            for pod in self.pods(cluster):
                found.setdefault(pod.namespace, []).append(pod)
            self._places[cluster] = {name: tuple(pods) for name, pods in found.items()}
        return self._places[cluster].get(namespace, ())

    def _by_label(self, cluster: str) -> Mapping[tuple[str, str, str], tuple[Pod, ...]]:
        """(namespace, label, value) → pods."""
        if cluster not in self._labelled:
            found: dict[tuple[str, str, str], list[Pod]] = {}
            for pod in self.pods(cluster):
                for label, value in pod.labels.items():
                    found.setdefault((pod.namespace, label, value), []).append(pod)
            self._labelled[cluster] = {key: tuple(pods) for key, pods in found.items()}
        return self._labelled[cluster]

    @cached_property
    def cluster_ips(self) -> Mapping[tuple[str, str, str], str]:
        """(cluster, namespace, name) → ClusterIP: the manifest's, else one by the order of names; "" if headless.

        Each cluster has a range of its own: on a flat network they must differ (istio multicluster.go:578).
        """
        found: dict[tuple[str, str, str], str] = {}
        for index, (name, cluster) in enumerate(sorted(self.mesh.clusters.items())):
            number = _SERVICE_VIPS + _SERVICE_VIPS_SIZE // len(self.mesh.clusters) * index + 10
            for service in cluster.of("Service"):
                number += 1
                stated = service.get("spec", "clusterIP")
                if stated == "None":
                    found[name, service.namespace, service.name] = ""
                elif isinstance(stated, str) and stated:
                    found[name, service.namespace, service.name] = stated
                else:
                    found[name, service.namespace, service.name] = dotted(number)
        return found

    def entry_vips(self, hosts: Iterable[str]) -> Mapping[str, str]:
        """The automatic addresses of generated ServiceEntries' hosts, by the order of names."""
        return {host: dotted(_ENTRY_VIPS + 1 + index) for index, host in enumerate(sorted(set(hosts)))}

    def cluster(self, name: str) -> Cluster:
        """One cluster."""
        return self.mesh.clusters[name]
