"""Whether gateways send a service's traffic to its waypoint (istio pilot/pkg/xds/endpoints/endpoint_builder.go:433)."""

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.model.facts import Facts

LABEL = "istio.io/ingress-use-waypoint"
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


def ingress_use_waypoint(cluster: Cluster, service: Manifest | None, namespace: str, facts: Facts) -> bool:
    """The Service's label, else its namespace's, read as Go's ParseBool reads it."""
    value = cluster.label(facts, service, LABEL) if service is not None else None
    if value is None:
        value = cluster.label(facts, cluster.namespace(namespace), LABEL, f"Namespace/{namespace}")
    return value in _TRUE
