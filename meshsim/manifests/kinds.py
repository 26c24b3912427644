"""The kinds meshsim meets: their well-known group, their scope, and whether they bear on routing."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, final


class Bearing(StrEnum):
    """What a kind means for the question where a request goes."""

    MODELLED = "modelled"
    IRRELEVANT = "irrelevant"
    RELEVANT = "relevant"
    """It matters and is not modelled."""


@final
class Kind(NamedTuple):
    """A kind in the group that everybody means by its bare name."""

    groups: tuple[str, ...]
    namespaced: bool
    bearing: Bearing
    why: str


ISTIO_GATEWAY = "Gateway.networking.istio.io"
"""Istio's Gateway, which shares its bare name with the Gateway API's."""

_M, _I, _R = Bearing.MODELLED, Bearing.IRRELEVANT, Bearing.RELEVANT
_ISTIO = ("networking.istio.io",)
_GATEWAY_API = ("gateway.networking.k8s.io",)
_APPS = ("apps", "extensions")
_ARGO = ("argoproj.io",)
_AUTHENTICATION = "it may refuse requests, and policies are not evaluated"
_NO_ROUTING = "it does not change where a request goes"

KINDS: Mapping[str, Kind] = {
    "Service": Kind(("",), True, _M, "names, ports and selectors"),
    "Pod": Kind(("",), True, _M, "endpoints and clients"),
    "Namespace": Kind(("",), False, _M, "enrolment labels"),
    "Node": Kind(("",), False, _M, "locality labels"),
    "ConfigMap": Kind(("",), True, _I, "mesh-wide settings are read from env and the scenario"),
    "Secret": Kind(("",), True, _I, "links and trust roots are stated in the scenario"),
    "ServiceAccount": Kind(("",), True, _I, _NO_ROUTING),
    "Endpoints": Kind(("",), True, _R, "endpoints written by hand are not read"),
    "ReplicationController": Kind(("",), True, _R, "its pods are not implied; use a Deployment"),
    "PersistentVolumeClaim": Kind(("",), True, _I, _NO_ROUTING),
    "PersistentVolume": Kind(("",), False, _I, _NO_ROUTING),
    "LimitRange": Kind(("",), True, _I, _NO_ROUTING),
    "ResourceQuota": Kind(("",), True, _I, _NO_ROUTING),
    "PodTemplate": Kind(("",), True, _I, _NO_ROUTING),
    "Event": Kind(("", "events.k8s.io"), True, _I, _NO_ROUTING),
    "EndpointSlice": Kind(("discovery.k8s.io",), True, _R, "endpoints written by hand are not read"),
    "Deployment": Kind(_APPS, True, _M, "implied pods"),
    "StatefulSet": Kind(_APPS, True, _M, "implied pods"),
    "ReplicaSet": Kind(_APPS, True, _M, "implied pods of a revision"),
    "DaemonSet": Kind(_APPS, True, _M, "implied pods, one a node"),
    "ControllerRevision": Kind(_APPS, True, _I, _NO_ROUTING),
    "Job": Kind(("batch",), True, _I, "name its pods as a client in `calls` if they matter"),
    "CronJob": Kind(("batch",), True, _I, "name its pods as a client in `calls` if they matter"),
    "HorizontalPodAutoscaler": Kind(
        ("autoscaling",), True, _R, "it changes replicas over time; `scale` entries say when"
    ),
    "VerticalPodAutoscaler": Kind(("autoscaling.k8s.io",), True, _I, _NO_ROUTING),
    "PodDisruptionBudget": Kind(("policy",), True, _I, _NO_ROUTING),
    "PodSecurityPolicy": Kind(("policy", "extensions"), False, _I, _NO_ROUTING),
    "NetworkPolicy": Kind(("networking.k8s.io", "extensions"), True, _R, "it may refuse connections"),
    "Ingress": Kind(("networking.k8s.io", "extensions"), True, _R, "another way into the cluster, not followed"),
    "IngressClass": Kind(("networking.k8s.io",), False, _I, "Ingress objects are not followed"),
    "Role": Kind(("rbac.authorization.k8s.io",), True, _I, _NO_ROUTING),
    "RoleBinding": Kind(("rbac.authorization.k8s.io",), True, _I, _NO_ROUTING),
    "ClusterRole": Kind(("rbac.authorization.k8s.io",), False, _I, _NO_ROUTING),
    "ClusterRoleBinding": Kind(("rbac.authorization.k8s.io",), False, _I, _NO_ROUTING),
    "CustomResourceDefinition": Kind(("apiextensions.k8s.io",), False, _I, _NO_ROUTING),
    "APIService": Kind(("apiregistration.k8s.io",), False, _I, _NO_ROUTING),
    "MutatingWebhookConfiguration": Kind(
        ("admissionregistration.k8s.io",), False, _I, "injection follows the labels of namespaces and pods"
    ),
    "ValidatingWebhookConfiguration": Kind(("admissionregistration.k8s.io",), False, _I, _NO_ROUTING),
    "ValidatingAdmissionPolicy": Kind(("admissionregistration.k8s.io",), False, _I, _NO_ROUTING),
    "ValidatingAdmissionPolicyBinding": Kind(("admissionregistration.k8s.io",), False, _I, _NO_ROUTING),
    "PriorityClass": Kind(("scheduling.k8s.io",), False, _I, _NO_ROUTING),
    "StorageClass": Kind(("storage.k8s.io",), False, _I, _NO_ROUTING),
    "CSIDriver": Kind(("storage.k8s.io",), False, _I, _NO_ROUTING),
    "Lease": Kind(("coordination.k8s.io",), True, _I, _NO_ROUTING),
    "Gateway": Kind(_GATEWAY_API, True, _M, "waypoints, ingress, east-west and remote gateways"),
    "GatewayClass": Kind(_GATEWAY_API, False, _M, "the `istio.io/waypoint-for` default"),
    "HTTPRoute": Kind(_GATEWAY_API, True, _M, "the split of the Gateway API plugin"),
    "ReferenceGrant": Kind(_GATEWAY_API, True, _M, "references between namespaces"),
    "GRPCRoute": Kind(_GATEWAY_API, True, _M, "it routes gRPC requests"),
    "TCPRoute": Kind(_GATEWAY_API, True, _M, "it routes connections"),
    "TLSRoute": Kind(_GATEWAY_API, True, _M, "it routes connections"),
    "UDPRoute": Kind(_GATEWAY_API, True, _I, "the split is about HTTP requests"),
    "BackendTLSPolicy": Kind(_GATEWAY_API, True, _R, "it changes how a gateway connects to a backend"),
    "BackendTrafficPolicy": Kind(
        (*_GATEWAY_API, "gateway.networking.x-k8s.io"), True, _R, "it changes retries and stickiness at a gateway"
    ),
    "ListenerSet": Kind(_GATEWAY_API, True, _R, "it adds listeners to a Gateway, not followed"),
    "XListenerSet": Kind(("gateway.networking.x-k8s.io",), True, _R, "it adds listeners to a Gateway, not followed"),
    "ServiceExport": Kind(
        ("multicluster.x-k8s.io",), True, _R, "it shares a Service as clusterset.local, not followed"
    ),
    "ServiceImport": Kind(
        ("multicluster.x-k8s.io",), True, _R, "it shares a Service as clusterset.local, not followed"
    ),
    ISTIO_GATEWAY: Kind(_ISTIO, True, _M, "Istio's ingress gateways"),
    "VirtualService": Kind(_ISTIO, True, _M, "the split of Istio's traffic routing"),
    "DestinationRule": Kind(_ISTIO, True, _M, "subsets, failover and ejection"),
    "ServiceEntry": Kind(_ISTIO, True, _M, "hosts that are no Service, generated global ones among them"),
    "WorkloadEntry": Kind(_ISTIO, True, _M, "endpoints that are no pod, peered ones among them"),
    "WorkloadGroup": Kind(_ISTIO, True, _I, "a template for WorkloadEntries; only entries are endpoints"),
    "Sidecar": Kind(_ISTIO, True, _R, "it narrows what a sidecar knows"),
    "EnvoyFilter": Kind(_ISTIO, True, _R, "it may change any proxy's configuration"),
    "ProxyConfig": Kind(_ISTIO, True, _I, _NO_ROUTING),
    "AuthorizationPolicy": Kind(("security.istio.io",), True, _M, "whom a pod's ztunnel lets in"),
    "RequestAuthentication": Kind(("security.istio.io",), True, _R, _AUTHENTICATION),
    "PeerAuthentication": Kind(("security.istio.io",), True, _M, "strict mutual TLS refuses clients outside the mesh"),
    "Telemetry": Kind(("telemetry.istio.io",), True, _I, _NO_ROUTING),
    "WasmPlugin": Kind(("extensions.istio.io",), True, _R, "its code may answer or redirect requests"),
    "TrafficExtension": Kind(("extensions.istio.io",), True, _R, "its code may answer or redirect requests"),
    "IstioOperator": Kind(("install.istio.io",), True, _R, "istiod's settings in it are not read; use `istiod.env`"),
    "Istio": Kind(("sailoperator.io",), False, _R, "istiod's settings in it are not read; use `istiod.env`"),
    "ServiceMeshController": Kind(
        ("operator.gloo.solo.io",), False, _R, "istiod's settings in it are not read; use `istiod.env`"
    ),
    "Segment": Kind(("admin.solo.io",), True, _M, "the domain of global names"),
    "Rollout": Kind(_ARGO, True, _M, "what Argo Rollouts wants"),
    "AnalysisTemplate": Kind(_ARGO, True, _I, "its results are stated by `analysis-result` entries"),
    "ClusterAnalysisTemplate": Kind(_ARGO, False, _I, "its results are stated by `analysis-result` entries"),
    "AnalysisRun": Kind(_ARGO, True, _I, "its results are stated by `analysis-result` entries"),
    "Experiment": Kind(_ARGO, True, _R, "its pods and weights are not modelled"),
    "Application": Kind(_ARGO, True, _I, "what it deploys is read as manifests; `gitops-sync` says when"),
    "ApplicationSet": Kind(_ARGO, True, _I, "what it deploys is read as manifests; `gitops-sync` says when"),
    "AppProject": Kind(_ARGO, True, _I, _NO_ROUTING),
    "Certificate": Kind(("cert-manager.io",), True, _I, "trust roots are stated in the scenario"),
    "Issuer": Kind(("cert-manager.io",), True, _I, "trust roots are stated in the scenario"),
    "ClusterIssuer": Kind(("cert-manager.io",), False, _I, "trust roots are stated in the scenario"),
    "ServiceMonitor": Kind(("monitoring.coreos.com",), True, _I, _NO_ROUTING),
    "PodMonitor": Kind(("monitoring.coreos.com",), True, _I, _NO_ROUTING),
    "PrometheusRule": Kind(("monitoring.coreos.com",), True, _I, _NO_ROUTING),
}
"""By the kind's name in meshsim: bare for the group that everybody means, else with its group."""


def group_of(api_version: str) -> str:
    """The API group: "" for the core group.

    >>> group_of("v1"), group_of("apps/v1")
    ('', 'apps')
    """
    return api_version.rpartition("/")[0]


def canonical_kind(api_version: str, kind: str) -> str:
    """The name meshsim uses: bare in the well-known group, else `Kind.group`.

    >>> canonical_kind("networking.istio.io/v1", "Gateway"), canonical_kind("v1", "Service")
    ('Gateway.networking.istio.io', 'Service')
    """
    group = group_of(api_version)
    known = KINDS.get(kind)
    if known is not None and group in known.groups:
        return kind
    return f"{kind}.{group}" if group else kind


def is_namespaced(kind: str) -> bool | None:
    """Whether objects of this (canonical) kind live in a namespace; None where meshsim doesn't know."""
    known = KINDS.get(kind)
    return known.namespaced if known is not None else None
