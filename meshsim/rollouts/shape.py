"""Which values of a Rollout have the wrong kind, so that the API server refuses the object.

Source: argo-rollouts manifests/crds/rollout-crd.yaml (the types of the fields that are read here).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Path = tuple[str | int, ...]
_NAMES: Final[Mapping[type | tuple[type, ...], str]] = {
    int: "an integer",
    str: "a string",
    bool: "true or false",
    dict: "a mapping",
    list: "a list",
    (int, str): "an integer or a string",
}
_INT_OR_TEXT: Final = (int, str)
_METRIC: Final = {"templateName": str, "clusterScope": bool}
_MATCH: Final = {"exact": str, "prefix": str, "regex": str}
_STEP: Final[Mapping[str, Any]] = {
    "setWeight": int,
    "pause": {"duration": _INT_OR_TEXT},
    "setCanaryScale": {"replicas": int, "weight": int, "matchTrafficWeight": bool},
    "setHeaderRoute": {"name": str, "match": [{"headerName": str, "headerValue": _MATCH}]},
    "setMirrorRoute": {"name": str, "percentage": int, "match": [{"method": _MATCH, "path": _MATCH, "headers": dict}]},
    "analysis": {"templates": [_METRIC], "args": [dict]},
    "experiment": {
        "templates": [{"name": str, "specRef": str, "replicas": int, "weight": int}],
        "analyses": [{"name": str, "templateName": str}],
        "duration": str,
    },
    "plugin": {"name": str},
}
_VIRTUAL_SERVICE: Final = {
    "name": str,
    "routes": [str],
    "tlsRoutes": [{"port": int, "sniHosts": [str]}],
    "tcpRoutes": [{"port": int}],
}
_CANARY: Final[Mapping[str, Any]] = {
    "canaryService": str,
    "stableService": str,
    "steps": [_STEP],
    "maxSurge": _INT_OR_TEXT,
    "maxUnavailable": _INT_OR_TEXT,
    "analysis": {"templates": [_METRIC], "startingStep": int},
    "pingPong": {"pingService": str, "pongService": str},
    "scaleDownDelaySeconds": int,
    "scaleDownDelayRevisionLimit": int,
    "abortScaleDownDelaySeconds": int,
    "dynamicStableScale": bool,
    "minPodsPerReplicaSet": int,
    "replicaProgressThreshold": {"type": str, "value": int},
    "canaryMetadata": {"labels": dict, "annotations": dict},
    "stableMetadata": {"labels": dict, "annotations": dict},
    "trafficRouting": {
        "maxTrafficWeight": int,
        "managedRoutes": [{"name": str}],
        "plugins": dict,
        "istio": {
            "virtualService": _VIRTUAL_SERVICE,
            "virtualServices": [_VIRTUAL_SERVICE],
            "destinationRule": {"name": str, "canarySubsetName": str, "stableSubsetName": str},
        },
    },
}
_CONTAINER: Final = {
    "name": str,
    "image": str,
    "ports": [{"name": str, "containerPort": int, "protocol": str}],
    "env": [dict],
    "resources": dict,
}
_TEMPLATE: Final[Mapping[str, Any]] = {
    "metadata": {"labels": dict, "annotations": dict},
    "spec": {"containers": [_CONTAINER], "initContainers": [_CONTAINER], "volumes": [dict]},
}
_SPEC: Final[Mapping[str, Any]] = {
    "replicas": int,
    "minReadySeconds": int,
    "progressDeadlineSeconds": int,
    "progressDeadlineAbort": bool,
    "revisionHistoryLimit": int,
    "paused": bool,
    "rollbackWindow": {"revisions": int},
    "workloadRef": {"apiVersion": str, "kind": str, "name": str},
    "selector": {"matchLabels": dict, "matchExpressions": [dict]},
    "template": _TEMPLATE,
    "strategy": {"canary": _CANARY, "blueGreen": dict},
}
_WEIGHT: Final = {"weight": int, "serviceName": str, "podTemplateHash": str}
_STATUS: Final[Mapping[str, Any]] = {
    "currentPodHash": str,
    "currentStepHash": str,
    "currentStepIndex": int,
    "stableRS": str,
    "collisionCount": int,
    "replicas": int,
    "updatedReplicas": int,
    "readyReplicas": int,
    "availableReplicas": int,
    "pauseConditions": [{"reason": str}],
    "conditions": [{"type": str, "status": str, "reason": str, "message": str}],
    "canary": {"stablePingPong": str, "weights": {"canary": _WEIGHT, "stable": _WEIGHT, "additional": [_WEIGHT]}},
}
_METADATA: Final = {"labels": dict, "annotations": dict}
_ROLLOUT: Final[Mapping[str, Any]] = {"metadata": _METADATA, "spec": _SPEC, "status": _STATUS}

_REF: Final = {"name": str, "weight": int}
_ROUTE: Final = {"name": str, "backendRefs": [_REF], "matches": [{"headers": [dict]}], "filters": [dict]}
_OBJECTS: Final[Mapping[str, Any]] = {
    **{kind: {"rules": [_ROUTE]} for kind in ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute")},
    "DestinationRule": {"subsets": [{"name": str, "labels": dict}]},
    "Service": {"selector": dict},
}


def wrong_shapes(rollout: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """(path, what is wrong) of every value of the wrong kind; null counts as absent, except inside a list.

    >>> list(wrong_shapes({"spec": {"strategy": {"canary": {"steps": [None]}}}}))
    [(('spec', 'strategy', 'canary', 'steps', 0), 'must be a mapping, not null')]
    """
    yield from _check(rollout, _ROLLOUT, ())


def misfits(doc: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The same of an object that the controller reads or writes; a VirtualService's routes it checks itself."""
    spec = _OBJECTS.get(str(doc.get("kind")), dict)
    yield from _check(doc, {"metadata": _METADATA, "spec": spec}, ())


def _check(value: Any, wanted: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(wanted, Mapping):
        if not isinstance(value, Mapping):
            yield path, f"must be a mapping, not {_shown(value)}"
            return
        for key, inner in wanted.items():
            if value.get(key) is not None:
                yield from _check(value[key], inner, (*path, key))
    elif isinstance(wanted, list):
        if not isinstance(value, list):
            yield path, f"must be a list, not {_shown(value)}"
            return
        for index, item in enumerate(value):
            yield from _check(item, wanted[0], (*path, index))
    elif not _is(value, wanted):
        yield path, f"must be {_NAMES[wanted]}, not {_shown(value)}"


def _is(value: Any, wanted: type | tuple[type, ...]) -> bool:
    if wanted is dict:
        return isinstance(value, Mapping)
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping | list):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    return repr(value)
