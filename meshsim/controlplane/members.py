"""Pods as members of a service or waypoint, whichever way clusters learn of each other."""

from collections.abc import Iterator

from meshsim.controlplane.known import Member
from meshsim.controlplane.registry import Registry
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.mesh.pods import Pod


def pod_member(registry: Registry, pod: Pod) -> Member:
    """A pod under its own uid, labels and capture, as its own cluster's control plane has it."""
    return Member(
        uid=pod.uid,
        cluster=pod.cluster,
        network=registry.cluster(pod.cluster).network.value,
        pods=(pod,),
        labels=pod.labels,
        capture=registry.captured(pod)[0],
    )


def local_members(registry: Registry, here: Cluster, service: Manifest | None) -> Iterator[Member]:
    """The pods of a cluster that its own Service selects."""
    if service is not None:
        for pod in registry.selected(here.name, service):
            yield pod_member(registry, pod)
