"""Every field of the kinds that decide the split, classified: what the engine models, what cannot matter, what does.

Paths are dotted prefixes, `[]` is any item of a list, `*` any key of a mapping; the longest prefix wins, and what no
prefix covers counts as relevant. `harmless` are values that say the same as leaving the field out.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from meshsim.manifests.kinds import Bearing


class Field(NamedTuple):
    """What a field means for where a request goes, and why."""

    bearing: Bearing
    why: str
    harmless: tuple[Any, ...] = ()


_M, _I, _R = Bearing.MODELLED, Bearing.IRRELEVANT, Bearing.RELEVANT


def _rows(
    bearing: Bearing, why: str, paths: str, *, under: str = "", harmless: tuple[Any, ...] = ()
) -> dict[str, Field]:
    return {under + path: Field(bearing, why, harmless) for path in paths.split()}


_OBJECT: Final = {
    **_rows(_M, "identity, and the labels and annotations that enrol and bind", "apiVersion kind"),
    **_rows(_I, "bookkeeping of the API server", "metadata"),
    **_rows(_M, "identity, and the labels and annotations that enrol and bind", "name namespace", under="metadata."),
    **_rows(_M, "enrolment, binding and scope", "labels annotations", under="metadata."),
    **_rows(_M, "older objects win where routes compete", "metadata.creationTimestamp"),
    **_rows(_R, "the object is being deleted", "metadata.deletionTimestamp"),
}

_SERVICE: Final = {
    **_rows(_M, "names, endpoints and ports", "selector type clusterIP clusterIPs externalName", under="spec."),
    **_rows(_M, "which endpoints are preferred", "trafficDistribution internalTrafficPolicy", under="spec."),
    **_rows(_M, "unready pods are endpoints too", "spec.publishNotReadyAddresses"),
    **_rows(_M, "ports and their protocols", "name port targetPort protocol appProtocol", under="spec.ports[]."),
    **_rows(_I, "a node's port leads to the same endpoints", "spec.ports[].nodePort spec.healthCheckNodePort"),
    **_rows(_I, "both families lead to the same endpoints", "spec.ipFamilies spec.ipFamilyPolicy"),
    **_rows(
        _I,
        "how an address is made, not where it leads",
        "allocateLoadBalancerNodePorts loadBalancerClass",
        under="spec.",
    ),
    **_rows(_I, "how an address is made, not where it leads", "spec.loadBalancerIP"),
    **_rows(_I, "which node takes outside traffic; the Gateway's pods are equal", "spec.externalTrafficPolicy"),
    **_rows(_R, "a client sticks to one pod", "spec.sessionAffinity", harmless=("None",)),
    **_rows(_I, "how long a client sticks; whether it does is sessionAffinity", "spec.sessionAffinityConfig"),
    **_rows(_R, "the Service answers at further addresses", "spec.externalIPs"),
    **_rows(_I, "whom a load balancer lets in; calls begin behind it", "spec.loadBalancerSourceRanges"),
    **_rows(_M, "the addresses of a gateway", "status.loadBalancer"),
    **_rows(_I, "a report", "status.conditions"),
}

_REASON_PARENT: Final = "which host or gateway the route attaches to"
_GATEWAY: Final = {
    **_rows(_M, "the kind of gateway", "spec.gatewayClassName"),
    **_rows(_M, "ports, hosts and who may attach", "name port protocol hostname", under="spec.listeners[]."),
    **_rows(_M, "who may attach", "namespaces kinds", under="spec.listeners[].allowedRoutes."),
    **_rows(_M, "terminated or passed through", "spec.listeners[].tls.mode"),
    **_rows(
        _I, "certificates; a handshake is taken to succeed", "certificateRefs options", under="spec.listeners[].tls."
    ),
    **_rows(_R, "clients without a certificate are refused", "spec.listeners[].tls.frontendValidation spec.tls"),
    **_rows(_R, "listeners from other objects", "spec.allowedListeners"),
    **_rows(_R, "routes attach without naming the gateway", "spec.defaultScope"),
    **_rows(_M, "the peer's address", "spec.addresses"),
    **_rows(_I, "how its Deployment is made", "spec.infrastructure"),
    **_rows(_I, "how the gateway proves itself to backends", "spec.backendTLS"),
    **_rows(_M, "whether it ever became ready, and where it is", "status.addresses status.conditions"),
    **_rows(_I, "a report", "status.listeners status.attachedListenerSets"),
}


def _filters(under: str) -> dict[str, Field]:
    return {
        **_rows(_M, "which filter it is", "type", under=under),
        **_rows(_M, "the next proxy sees other headers", "requestHeaderModifier", under=under),
        **_rows(_I, "the answer's headers change", "responseHeaderModifier", under=under),
        **_rows(_I, "it answers preflights; other requests keep their backend", "cors", under=under),
        **_rows(_M, "what the rule takes is redirected, and left open", "requestRedirect", under=under),
        **_rows(_M, "the next proxy sees another path or host", "urlRewrite.path urlRewrite.hostname", under=under),
        **_rows(_I, "copies are sent elsewhere too, their answers are dropped", "requestMirror", under=under),
        **_rows(_R, "what the extension does is not known", "extensionRef", under=under),
        **_rows(_R, "an outside service may refuse requests", "externalAuth", under=under),
    }


_HTTPROUTE: Final = {
    **_rows(_M, _REASON_PARENT, "group kind namespace name sectionName port", under="spec.parentRefs[]."),
    **_rows(_M, "which hosts at a gateway", "spec.hostnames"),
    **_rows(_R, "it attaches to gateways it does not name", "spec.useDefaultGateways"),
    **_rows(_M, "Argo's managed routes are named", "spec.rules[].name"),
    **_rows(_M, "which requests", "path headers queryParams method", under="spec.rules[].matches[]."),
    **_filters("spec.rules[].filters[]."),
    **_rows(_M, "the split", "group kind namespace name port weight", under="spec.rules[].backendRefs[]."),
    **_filters("spec.rules[].backendRefs[].filters[]."),
    **_rows(
        _I, "it ends slow requests after the backend is chosen; slowness is not simulated", "spec.rules[].timeouts"
    ),
    **_rows(_I, "a retry keeps the backend that was chosen", "spec.rules[].retry"),
    **_rows(_R, "a client sticks to one backend", "spec.rules[].sessionPersistence"),
    **_rows(_I, "a report; attachment is worked out anew", "status"),
}

_HTTP: Final = "spec.http[]."
_VIRTUALSERVICE: Final = {
    **_rows(_M, "which hosts, at which proxies, for whom", "hosts gateways exportTo", under="spec."),
    **_rows(_M, "Argo's routes are named", "name", under=_HTTP),
    **_rows(
        _M,
        "which requests",
        "uri authority method headers queryParams port gateways sourceLabels sourceNamespace name",
        under=_HTTP + "match[].",
    ),
    **_rows(_I, "a name of metrics", "statPrefix", under=_HTTP + "match[]."),
    **_rows(_R, "a match that is not evaluated", "scheme", under=_HTTP + "match[]."),
    **_rows(_M, "a match", "ignoreUriCase withoutHeaders", under=_HTTP + "match[]."),
    **_rows(_M, "the split", "destination weight", under=_HTTP + "route[]."),
    **_rows(_M, "the next proxy sees other headers", "route[].headers headers", under=_HTTP),
    **_rows(_M, "requests are answered without a destination", "directResponse", under=_HTTP),
    **_rows(_M, "what the entry takes is redirected, and left open", "redirect", under=_HTTP),
    **_rows(_M, "the routes stand in another object", "delegate", under=_HTTP),
    **_rows(_M, "what the entry takes fails or waits on purpose; failures are left open", "fault", under=_HTTP),
    **_rows(
        _I,
        "copies are sent elsewhere too, their answers are dropped",
        "mirror mirrors mirrorPercentage mirrorPercent mirror_percent",
        under=_HTTP,
    ),
    **_rows(_M, "the next proxy sees another path or host", "rewrite", under=_HTTP),
    **_rows(_I, "it ends slow requests; slowness is not simulated", "timeout", under=_HTTP),
    **_rows(_I, "a retry keeps the destination that was chosen", "retries", under=_HTTP),
    **_rows(_R, "a retry may go to another locality", "retries.retryRemoteLocalities", under=_HTTP, harmless=(False,)),
    **_rows(
        _R,
        "a retry may ignore the subset's first choice",
        "retries.retryIgnorePreviousHosts",
        under=_HTTP,
        harmless=(True,),
    ),
    **_rows(_I, "it answers preflights; other requests keep their destination", "corsPolicy", under=_HTTP),
    **_rows(_M, "it routes connections, not requests", "spec.tcp spec.tls"),
    **_rows(_I, "a report", "status"),
}


def _policy(under: str) -> dict[str, Field]:
    return {
        **_rows(
            _M,
            "how endpoints are chosen",
            "loadBalancer.simple loadBalancer.localityLbSetting loadBalancer.zoneAwareLbSetting",
            under=under,
        ),
        **_rows(_R, "requests with an equal key stick to a pod", "loadBalancer.consistentHash", under=under),
        **_rows(_R, "new pods get less at first", "loadBalancer.warmupDurationSecs loadBalancer.warmup", under=under),
        **_rows(
            _M,
            "when an endpoint is ejected",
            "consecutive5xxErrors consecutiveGatewayErrors interval baseEjectionTime maxEjectionPercent "
            "minHealthPercent",
            under=under + "outlierDetection.",
        ),
        **_rows(
            _R,
            "a way of ejecting that is not modelled",
            "consecutiveErrors consecutiveLocalOriginFailures splitExternalLocalOriginErrors",
            under=under + "outlierDetection.",
            harmless=(False, 0),
        ),
        **_rows(_I, "limits that only overload reaches", "connectionPool retryBudget", under=under),
        **_rows(_R, "mutual TLS is switched off or replaced", "tls.mode", under=under, harmless=("ISTIO_MUTUAL",)),
        **_rows(_I, "certificates; a handshake is taken to succeed", "tls", under=under),
        **_rows(_R, "connections are tunnelled elsewhere", "tunnel proxyProtocol", under=under),
    }


def _policies(under: str) -> dict[str, Field]:
    """A traffic policy and those for single ports."""
    port = under + "portLevelSettings[]."
    return {**_policy(under), **_rows(_M, "which port a policy is for", "port", under=port), **_policy(port)}


_DESTINATIONRULE: Final = {
    **_rows(_M, "which host, for whom", "host exportTo workloadSelector", under="spec."),
    **_rows(_M, "the pods of a version", "spec.subsets[].name spec.subsets[].labels"),
    **_policies("spec.trafficPolicy."),
    **_policies("spec.subsets[].trafficPolicy."),
    **_rows(_I, "a report", "status"),
}

_CANARY: Final = "spec.strategy.canary."
_ROUTING: Final = "spec.strategy.canary.trafficRouting."
_ROLLOUT: Final = {
    **_rows(_M, "how many pods, which, of which template", "replicas selector template", under="spec."),
    **_rows(_M, "the template stands in another object", "apiVersion kind name", under="spec.workloadRef."),
    **_rows(_R, "the referenced workload is scaled down", "spec.workloadRef.scaleDown", harmless=("never",)),
    **_rows(_M, "pods count as available later", "spec.minReadySeconds"),
    **_rows(_M, "whether it is held", "spec.paused"),
    **_rows(_M, "which rollbacks skip the steps", "spec.rollbackWindow"),
    **_rows(_M, "when it counts as stuck", "spec.progressDeadlineSeconds"),
    **_rows(_M, "it aborts when stuck", "spec.progressDeadlineAbort"),
    **_rows(_R, "pods are restarted", "spec.restartAt"),
    **_rows(_I, "how many old ReplicaSets are kept", "spec.revisionHistoryLimit"),
    **_rows(_I, "how many finished runs are kept", "spec.analysis"),
    **_rows(_R, "blue-green is not modelled", "spec.strategy.blueGreen"),
    **_rows(_M, "the Services of the split", "canaryService stableService", under=_CANARY),
    **_rows(
        _M,
        "the plan",
        "setWeight pause setCanaryScale setHeaderRoute setMirrorRoute analysis plugin",
        under=_CANARY + "steps[].",
    ),
    **_rows(_R, "its pods and weights are not modelled", "steps[].experiment", under=_CANARY),
    **_rows(_R, "a way to be ready that is not modelled", "steps[].replicaProgressThreshold", under=_CANARY),
    **_rows(_M, "how fast pods are replaced", "maxSurge maxUnavailable", under=_CANARY),
    **_rows(
        _M,
        "when old pods go",
        "scaleDownDelaySeconds scaleDownDelayRevisionLimit abortScaleDownDelaySeconds dynamicStableScale",
        under=_CANARY,
    ),
    **_rows(_M, "a lower bound on pods", "minPodsPerReplicaSet", under=_CANARY),
    **_rows(_M, "how many pods are enough", "replicaProgressThreshold", under=_CANARY),
    **_rows(_M, "labels of pods change with their role", "canaryMetadata stableMetadata", under=_CANARY),
    **_rows(_M, "two Services that swap roles", "pingPong", under=_CANARY),
    **_rows(_I, "its results are stated by `analysis-result` entries", "analysis", under=_CANARY),
    **_rows(_I, "which nodes take the pods", "antiAffinity", under=_CANARY),
    **_rows(_M, "the Gateway API plugin", "plugins.argoproj-labs/gatewayAPI", under=_ROUTING),
    **_rows(_R, "a plugin that is not modelled", "plugins.*", under=_ROUTING),
    **_rows(_M, "Istio's traffic routing", "istio", under=_ROUTING),
    **_rows(_M, "routes that the controller inserts", "managedRoutes maxTrafficWeight", under=_ROUTING),
    **_rows(
        _R,
        "a traffic router that is not modelled",
        "alb ambassador apisix appMesh nginx smi traefik",
        under=_ROUTING,
    ),
    **_rows(_M, "what the controller last recorded", "status"),
}

TABLES: Final[Mapping[str, Mapping[str, Field]]] = {
    "Service": {**_OBJECT, **_SERVICE},
    "Gateway": {**_OBJECT, **_GATEWAY},
    "HTTPRoute": {**_OBJECT, **_HTTPROUTE},
    "VirtualService": {**_OBJECT, **_VIRTUALSERVICE},
    "DestinationRule": {**_OBJECT, **_DESTINATIONRULE},
    "Rollout": {**_OBJECT, **_ROLLOUT},
}
