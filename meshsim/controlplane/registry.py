"""What all of the control plane looks things up in: pods, Services and addresses of every cluster of one Mesh."""

from collections.abc import Mapping
from functools import cached_property
from typing import final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster, Mesh
from meshsim.mesh.pods import Pod, pods_by_workload, pods_of

_SERVICE_VIPS = (198 << 24) | (18 << 16)  # 198.18.0.0/15, set aside for tests (RFC 2544)
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
        self._selected: dict[tuple[str, str, tuple[tuple[str, str], ...]], tuple[Pod, ...]] = {}

    def pods(self, cluster: str) -> tuple[Pod, ...]:
        """All pods of a cluster."""
        if cluster not in self._pods:
            names = sorted(self.mesh.clusters)
            self._pods[cluster] = pods_of(self.mesh.clusters[cluster], names.index(cluster), len(names))
        return self._pods[cluster]

    @cached_property
    def pod_by_uid(self) -> Mapping[str, Pod]:
        """Every pod of the Mesh by uid."""
        return {pod.uid: pod for name in self.mesh.clusters for pod in self.pods(name)}

    def workloads(self, cluster: str) -> Mapping[tuple[str, str], tuple[Pod, ...]]:
        """(namespace, workload) → pods."""
        return pods_by_workload(self.pods(cluster))

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
            self._selected[key] = tuple(
                pod
                for pod in self.pods(cluster)
                if pod.namespace == namespace and labels.items() <= dict(pod.labels).items()
            )
        return self._selected[key]

    @cached_property
    def cluster_ips(self) -> Mapping[tuple[str, str, str], str]:
        """(cluster, namespace, name) → ClusterIP: the manifest's, else one by the order of names; "" if headless."""
        found: dict[tuple[str, str, str], str] = {}
        for name, cluster in sorted(self.mesh.clusters.items()):
            number = _SERVICE_VIPS + 10
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

    def entry_vip(self, hosts: tuple[str, ...], host: str) -> str:
        """The automatic address of a generated ServiceEntry's host, by the order of names."""
        return dotted(_ENTRY_VIPS + 1 + hosts.index(host))

    def cluster(self, name: str) -> Cluster:
        """One cluster."""
        return self.mesh.clusters[name]
