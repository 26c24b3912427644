"""How a service wants its traffic spread, and what that is to ztunnel and to Envoy."""

from typing import Final

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import Cluster
from meshsim.model.evidence import Assumed
from meshsim.model.facts import Facts
from meshsim.tables.service import HealthPolicy, LoadBalancing, Mode, Scope

ANNOTATION = "networking.istio.io/traffic-distribution"
SCOPES: Final = {
    "prefernetwork": (Scope.NETWORK,),
    "preferclose": (Scope.NETWORK, Scope.REGION, Scope.ZONE),
    "prefersamezone": (Scope.NETWORK, Scope.REGION, Scope.ZONE),
    "prefersamenode": (Scope.NETWORK, Scope.REGION, Scope.ZONE, Scope.SUBZONE, Scope.NODE),
    "preferregion": (Scope.REGION,),
}
"""Routing preferences by distribution, in order. PreferNetwork and PreferRegion are Solo's (Solo docs, failover);
the others istio pilot/pkg/serviceregistry/ambient/services.go:622. Whether PreferRegion ranks networks is unknown."""


def distribution(cluster: Cluster, service: Manifest | None, namespace: str, default: str, facts: Facts) -> str:
    """The effective traffic distribution: the Service's field, its annotation, its namespace's, the default
    (istio pilot/pkg/model/service.go:841). Lower case; an unknown value is `any`."""
    stated: object = None
    if service is not None:
        stated = cluster.note(facts, service, "spec", "trafficDistribution")
        stated = stated or cluster.annotation(facts, service, ANNOTATION)
    stated = stated or cluster.annotation(facts, cluster.namespace(namespace), ANNOTATION)
    if stated is None:
        if default:
            facts.note(
                f"{cluster.name}/istiod", "distribution:default", default, Assumed(f"{default} unless asked otherwise")
            )
        return default.lower()
    value = str(stated).lower()
    return value if value in SCOPES else "any"


def load_balancing(cluster: Cluster, service: Manifest | None, chosen: str, facts: Facts) -> LoadBalancing | None:
    """What ztunnel is told: strict on the node, ranked by scopes, or nothing."""
    policy = HealthPolicy.ONLY_HEALTHY
    if service is not None and service.get("spec", "publishNotReadyAddresses") is True:
        cluster.note(facts, service, "spec", "publishNotReadyAddresses")
        policy = HealthPolicy.ALLOW_ALL
    if service is not None and service.get("spec", "internalTrafficPolicy") == "Local":
        cluster.note(facts, service, "spec", "internalTrafficPolicy")
        return LoadBalancing(preferences=(Scope.NODE,), mode=Mode.STRICT, health=policy)
    scopes = SCOPES.get(chosen)
    if scopes is not None:
        return LoadBalancing(preferences=scopes, mode=Mode.FAILOVER, health=policy)
    return LoadBalancing(health=policy) if policy is HealthPolicy.ALLOW_ALL else None
