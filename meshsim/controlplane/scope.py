"""Which services are shared between clusters, and under which names (Solo docs, multicluster multi-apps)."""

from typing import final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Cluster
from meshsim.model.facts import Facts
from meshsim.model.frozen import record

SCOPE = "solo.io/service-scope"
TAKEOVER = "solo.io/service-takeover"
SEGMENT = "admin.solo.io/segment"
DEFAULT_DOMAIN = "mesh.internal"


@final
@record
class Segment:
    """A cluster's segment: its name ("" is the default one) and the domain of its global hosts."""

    name: str
    domain: str
    manifest: Manifest | None = None


def segment(cluster: Cluster, facts: Facts) -> Segment:
    """The segment that istio-system's label names; an unknown one keeps the name and takes it as the domain."""
    name = cluster.label(facts, cluster.namespace(SYSTEM_NAMESPACE), SEGMENT, f"Namespace/{SYSTEM_NAMESPACE}")
    if not name or name == "default":
        suffix = cluster.env(facts, "PEERING_DISCOVERY_SUFFIX", DEFAULT_DOMAIN, "Solo charts")
        return Segment("", suffix)
    described = cluster.get("Segment", SYSTEM_NAMESPACE, name)
    if described is not None:
        domain = cluster.note(facts, described, "spec", "domain")
        if isinstance(domain, str) and domain:
            return Segment(name, domain, described)
    return Segment(name, name)


def scope(cluster: Cluster, service: Manifest, facts: Facts) -> str:
    """`cluster`, `segment`, `global` or `global-only`: the Service's label, else its namespace's."""
    own = cluster.label(facts, service, SCOPE)
    if own is None:
        own = cluster.label(facts, cluster.namespace(service.namespace), SCOPE, f"Namespace/{service.namespace}")
    return own or "cluster"


def shared(chosen: str) -> bool:
    """Whether the scope shares the service with other clusters."""
    return chosen in {"global", "segment", "global-only"}


def taken_over(cluster: Cluster, service: Manifest, facts: Facts) -> bool:
    """Whether the local host is answered from the global endpoints: a takeover label, or scope `global-only`."""
    chosen = scope(cluster, service, facts)
    if chosen == "global-only":
        return True
    label = cluster.label(facts, service, TAKEOVER)
    if label is None:
        label = cluster.label(facts, cluster.namespace(service.namespace), TAKEOVER, f"Namespace/{service.namespace}")
    return shared(chosen) and label == "true"
