"""The types of the fields that meshsim leans on, checked where a manifest is read.

A shape is a dict (a mapping with these fields), a one-item list (a list of them), or a function that says what is
wrong with a value. Fields that no shape names are not looked at: whether they matter is the business of `fields`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from meshsim.manifests.overlay import Path
from meshsim.manifests.templates import PLACEHOLDER, way_out

Check = Callable[[Any], "Problem | None"]
Shape = Any


class Problem(NamedTuple):
    """What is wrong, the way out, and where (below the shape's root).

    `unquoted` says that the value is no text because YAML read it as something else; `message` is then what it read.
    """

    message: str
    hint: str = ""
    path: Path = ()
    unquoted: bool = False


_QUANTITY: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
_LABEL: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_fitting: set[str] = set()
"""Label values already found valid: the same few come again and again."""


def problem(value: Any, shape: Shape) -> Problem | None:
    """The first thing in `value` that does not fit `shape`, None where all does. Null fits everything."""
    if value is None:
        return None
    if shape.__class__ is dict:
        if value.__class__ is not dict:
            return Problem(f"must be a mapping, not {_called(value)}")
        for key, inner in shape.items():
            if key in value:
                found = problem(value[key], inner)
                if found is not None:
                    return found._replace(path=(key, *found.path))
        return None
    if shape.__class__ is list:
        if value.__class__ is not list:
            return Problem(f"must be a list, not {_called(value)}")
        for index, item in enumerate(value):
            found = Problem("must not be null") if item is None else problem(item, shape[0])
            if found is not None:
                return found._replace(path=(index, *found.path))
        return None
    checked: Problem | None = shape(value)
    return checked


def text(value: Any) -> Problem | None:
    """A string."""
    if value.__class__ is str:
        return None
    if isinstance(value, (dict, list)):
        return Problem(f"must be text, not {_called(value)}")
    return Problem(_called(value), unquoted=True)


def labels(value: Any) -> Problem | None:
    """A mapping of label keys to label values, as the API server accepts them."""
    found = texts(value)
    if found is not None or _fitting.issuperset(value.values()):
        return found
    for key, label in value.items():
        if label is not None and label not in _fitting:
            if not _LABEL.fullmatch(label):
                hint = (
                    way_out(label) if PLACEHOLDER.search(label) else "labels take 63 letters, digits, `-`, `_` or `.`"
                )
                return Problem(f"label {key} has the value {label!r}, which is no label value", hint, (key,))
            _fitting.add(label)
    return None


def texts(value: Any) -> Problem | None:
    """A mapping whose values are strings."""
    if value.__class__ is not dict:
        return Problem(f"must be a mapping, not {_called(value)}")
    for key, item in value.items():
        if item.__class__ is not str and item is not None:
            if isinstance(item, (dict, list)):
                return Problem(f"{key} must be text, not {_called(item)}", "", (key,))
            return Problem(_called(item), path=(key,), unquoted=True)
    return None


def count(value: Any) -> Problem | None:
    """A non-negative integer."""
    if value.__class__ is int and value >= 0:
        return None
    return Problem(f"must be a whole number from 0 up, not {shown(value)}")


MOST_REPLICAS: Final = 10_000
"""Each pod is walked on its own; more of one workload than any cluster runs would only cost time and memory."""


def replicas(value: Any) -> Problem | None:
    """A number of pods of one workload."""
    found = count(value)
    if found is None and value > MOST_REPLICAS:
        return Problem(f"{value} replicas are more than meshsim simulates ({MOST_REPLICAS})", "use a smaller number")
    return found


def service_port(value: Any) -> Problem | None:
    """One port of a Service; the number is required."""
    found = problem(value, _SERVICE_PORT)
    if found is None and value.get("port") is None:
        return Problem("needs a port number", "write port: NUMBER")
    return found


def port(value: Any) -> Problem | None:
    """A port number."""
    if value.__class__ is int and 0 <= value <= 65535:
        return None
    return Problem(f"must be a port number, not {shown(value)}")


def port_or_name(value: Any) -> Problem | None:
    """A port number or the name of a container's port."""
    return None if value.__class__ is str else port(value)


def flag(value: Any) -> Problem | None:
    """A boolean."""
    return None if value.__class__ is bool else Problem(f"must be true or false, not {shown(value)}")


def quantities(value: Any) -> Problem | None:
    """A mapping of resource names to quantities."""
    if value.__class__ is not dict:
        return Problem(f"must be a mapping, not {_called(value)}")
    for key, item in value.items():
        number = isinstance(item, (int, float)) and not isinstance(item, bool)
        if not number and item is not None and not (isinstance(item, str) and _QUANTITY.fullmatch(item)):
            return Problem(f"{shown(item)} is no quantity", "write 100m, 0.5, 128Mi or 1Gi", (key,))
    return None


def shown(value: Any) -> str:
    """A value as YAML writes it; collections by what they are."""
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _called(value: Any) -> str:
    kind = "the text " if isinstance(value, str) else "the number " if type(value) in {int, float} else ""
    return kind + shown(value)


def _mapping(value: Any) -> Problem | None:
    return None if isinstance(value, dict) else Problem(f"must be a mapping, not {_called(value)}")


METADATA: Final[Shape] = {"labels": labels, "annotations": texts}

_CONTAINER: Final[Shape] = {
    "name": text,
    "image": text,
    "ports": [{"name": text, "containerPort": port}],
    "env": [{"name": text, "value": text}],
    "resources": {"requests": quantities, "limits": quantities},
}
_POD: Final[Shape] = {"containers": [_CONTAINER], "initContainers": [_CONTAINER], "nodeName": text}
_TEMPLATE: Final[Shape] = {"metadata": METADATA, "spec": _POD}
_SELECTOR: Final[Shape] = {"matchLabels": texts, "matchExpressions": [_mapping]}
_WORKLOAD: Final[Shape] = {"spec": {"replicas": replicas, "selector": _SELECTOR, "template": _TEMPLATE}, "status": {}}
_REF: Final[Shape] = {"name": text, "namespace": text, "kind": text, "group": text, "port": port}
_BACKEND: Final[Shape] = {**_REF, "weight": count}
_DESTINATION: Final[Shape] = {
    "destination": {"host": text, "subset": text, "port": {"number": port}},
    "weight": count,
}
_SERVICE_PORT: Final[Shape] = {
    "name": text,
    "port": port,
    "targetPort": port_or_name,
    "protocol": text,
    "appProtocol": text,
}
_HEADERS: Final[Shape] = {"set": [_mapping], "add": [_mapping], "remove": [text]}
_FILTER: Final[Shape] = {
    "type": text,
    "requestHeaderModifier": _HEADERS,
    "responseHeaderModifier": _HEADERS,
    "requestMirror": {"backendRef": _REF, "fraction": {}},
    "requestRedirect": {"path": {}},
    "urlRewrite": {"path": {}, "hostname": text},
    "extensionRef": {"group": text, "kind": text, "name": text},
    "cors": {},
}
_ROUTED: Final[Shape] = {**_BACKEND, "filters": [_FILTER]}
_ATTACHED: Final[Shape] = {"selector": {"matchLabels": texts}, "targetRef": _REF, "targetRefs": [_REF]}
_PARENT: Final[Shape] = {**_REF, "sectionName": text}
_NAMED: Final[Shape] = {"type": text, "name": text, "value": text}
_RULE: Final[Shape] = {
    "name": text,
    "matches": [
        {"path": {"type": text, "value": text}, "headers": [_NAMED], "queryParams": [_NAMED], "method": text},
    ],
    "filters": [_FILTER],
    "backendRefs": [_ROUTED],
    "retry": {},
    "timeouts": {},
    "sessionPersistence": {},
}
_CALLED_METHOD: Final[Shape] = {"type": text, "service": text, "method": text}
_GRPC_RULE: Final[Shape] = {**_RULE, "matches": [{"method": _CALLED_METHOD, "headers": [_NAMED]}]}
_CONNECTION_RULE: Final[Shape] = {"name": text, "backendRefs": [_BACKEND]}


def _route(rule: Shape) -> Shape:
    return {"spec": {"parentRefs": [_PARENT], "hostnames": [text], "rules": [rule]}}


_ALLOWED: Final[Shape] = {"namespaces": {"from": text, "selector": {"matchLabels": texts, "matchExpressions": [{}]}}}
_CONDITIONS: Final[Shape] = [{"type": text, "status": text}]

SHAPES: Final[Mapping[str, Shape]] = {
    "Service": {
        "spec": {
            "selector": texts,
            "ports": [service_port],
            "type": text,
            "clusterIP": text,
            "clusterIPs": [text],
            "trafficDistribution": text,
            "publishNotReadyAddresses": flag,
            "externalName": text,
            "externalIPs": [text],
        }
    },
    "Pod": {
        "spec": _POD,
        "status": {"phase": text, "podIP": text, "podIPs": [{"ip": text}], "conditions": _CONDITIONS},
    },
    "Deployment": _WORKLOAD,
    "StatefulSet": _WORKLOAD,
    "ReplicaSet": _WORKLOAD,
    "DaemonSet": _WORKLOAD,
    "Gateway": {
        "spec": {
            "gatewayClassName": text,
            "listeners": [{"name": text, "port": port, "protocol": text, "hostname": text, "allowedRoutes": _ALLOWED}],
            "addresses": [{"type": text, "value": text}],
        },
        "status": {"addresses": [{"type": text, "value": text}], "conditions": _CONDITIONS},
    },
    "HTTPRoute": _route(_RULE),
    "GRPCRoute": _route(_GRPC_RULE),
    "TCPRoute": _route(_CONNECTION_RULE),
    "TLSRoute": _route(_CONNECTION_RULE),
    "ListenerSet": {"spec": {"parentRef": _REF}},
    "XListenerSet": {"spec": {"parentRef": _REF}},
    "EnvoyFilter": {
        "spec": {
            "workloadSelector": {"labels": texts},
            "targetRefs": [_REF],
            "configPatches": [{"match": {"context": text}}],
        }
    },
    "WasmPlugin": {"spec": _ATTACHED},
    "TrafficExtension": {"spec": _ATTACHED},
    "RequestAuthentication": {"spec": _ATTACHED},
    "Sidecar": {"spec": {"workloadSelector": {"labels": texts}, "egress": [{"port": {}, "hosts": [text]}]}},
    "VirtualService": {
        "spec": {
            "hosts": [text],
            "gateways": [text],
            "exportTo": [text],
            "http": [{"name": text, "match": [_mapping], "route": [_DESTINATION]}],
            "tcp": [{"match": [_mapping], "route": [_DESTINATION]}],
            "tls": [{"match": [_mapping], "route": [_DESTINATION]}],
        }
    },
    "DestinationRule": {
        "spec": {
            "host": text,
            "exportTo": [text],
            "subsets": [{"name": text, "labels": texts, "trafficPolicy": {}}],
            "trafficPolicy": {"loadBalancer": {}, "outlierDetection": {}, "connectionPool": {}},
            "workloadSelector": {"matchLabels": texts},
        }
    },
    "ServiceEntry": {
        "spec": {
            "hosts": [text],
            "addresses": [text],
            "ports": [{"name": text, "number": port, "protocol": text, "targetPort": port}],
            "endpoints": [{"address": text, "labels": texts, "network": text, "locality": text, "weight": count}],
            "workloadSelector": {"labels": texts},
        }
    },
    "WorkloadEntry": {"spec": {"address": text, "labels": texts, "network": text, "locality": text, "weight": count}},
    "Gateway.networking.istio.io": {
        "spec": {"selector": texts, "servers": [{"port": {"number": port, "name": text}, "hosts": [text]}]}
    },
    "Rollout": {
        "spec": {
            "replicas": replicas,
            "selector": _SELECTOR,
            "template": _TEMPLATE,
            "workloadRef": {"apiVersion": text, "kind": text, "name": text},
            "strategy": {
                "canary": {
                    "canaryService": text,
                    "stableService": text,
                    "steps": [{"setWeight": count, "pause": {}, "setCanaryScale": {}}],
                    "trafficRouting": {
                        "plugins": {},
                        "istio": {
                            "virtualService": {"name": text, "routes": [text]},
                            "virtualServices": [{"name": text, "routes": [text]}],
                            "destinationRule": {"name": text, "canarySubsetName": text, "stableSubsetName": text},
                        },
                        "managedRoutes": [{"name": text}],
                        "maxTrafficWeight": count,
                    },
                    "dynamicStableScale": flag,
                },
                "blueGreen": {"activeService": text, "previewService": text},
            },
            "paused": flag,
        },
        "status": {
            "stableRS": text,
            "currentPodHash": text,
            "currentStepIndex": count,
            "abort": flag,
            "canary": {"weights": {"canary": {"weight": count}, "stable": {"weight": count}}},
        },
    },
}
"""By kind; kinds that are not listed are only checked for what every object has."""
