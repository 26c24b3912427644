"""What makes the controller refuse a Rollout (condition InvalidSpec), and what this model does not cover.

Source: argo-rollouts pkg/apis/rollouts/validation/validation.go and validation_references.go.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from meshsim.rollouts import gatewayapi, istio
from meshsim.rollouts.errors import INVALID_SPEC, NOT_FOUND, RolloutError
from meshsim.rollouts.memo import remembered
from meshsim.rollouts.spec import (
    Fields,
    canary,
    is_blue_green,
    is_canary,
    max_weight,
    pause_seconds,
    ping_pong,
    progress_deadline,
    replicas_of,
    routing,
    steps_of,
)
from meshsim.rollouts.steps import EXCLUSIVE, KINDS

_MODELLED_ROUTERS = {"istio", "plugins", "managedRoutes", "maxTrafficWeight"}
_NEED_SERVICES = {"alb", "smi", "apisix", "ambassador", "nginx", "appMesh", "traefik"}


def not_modelled(rollout: Fields) -> tuple[str, ...]:
    """What of this Rollout the model does not cover; empty where all of it is."""
    found: list[str] = []
    if is_blue_green(rollout):
        found.append("blueGreen")
    traffic = routing(rollout) or {}
    found += [f"trafficRouting.{name}" for name in traffic if name not in _MODELLED_ROUTERS]
    plugins = traffic.get("plugins") or {}
    found += [f"trafficRouting.plugins.{name}" for name in plugins if str(name).lower() != gatewayapi.PLUGIN.lower()]
    if plugins and any(_has_weights(step) for step in steps_of(rollout)):
        found.append("experiment weights with the Gateway API plugin")
    return tuple(found)


def _has_weights(step: Fields) -> bool:
    templates = (step.get("experiment") or {}).get("templates") or ()
    return any(template.get("weight") is not None for template in templates)


def problems(rollout: Fields) -> Iterator[tuple[str, str]]:
    """(field, message) of what is wrong with the spec alone, in the controller's order."""
    spec = rollout.get("spec") or {}
    if replicas_of(rollout) < 0:
        yield "spec.replicas", "must be greater than or equal to 0"
    if not spec.get("workloadRef"):
        selector = spec.get("selector")
        if selector is None:
            yield "spec.selector", "Rollout has missing field '.spec.selector'"
        elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield "spec.selector", "empty selector is invalid for deployment"
        else:
            labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
            wanted = selector.get("matchLabels") or {}
            if any(labels.get(key) != value for key, value in wanted.items()):
                yield "spec.template.metadata.labels", "`selector` does not match template `labels`"
            if not ((spec.get("template") or {}).get("spec") or {}).get("containers"):
                yield "spec.template.spec.containers", "Required value"
    elif (spec.get("template") or {}).get("spec"):
        yield "spec.template", "template must be empty for workload reference rollout"
    if progress_deadline(rollout) <= int(spec.get("minReadySeconds") or 0):
        yield "spec.progressDeadlineSeconds", "must be greater than minReadySeconds"
    strategy = spec.get("strategy") or {}
    if strategy.get("blueGreen") is None and strategy.get("canary") is None:
        yield "spec.strategy", "Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'"
    elif strategy.get("blueGreen") is not None and strategy.get("canary") is not None:
        yield "spec.strategy", "Multiple Strategies can not be listed"
    elif is_canary(rollout):
        yield from _canary_problems(rollout)


def _canary_problems(rollout: Fields) -> Iterator[tuple[str, str]]:
    spec = canary(rollout)
    if not any(_amount(spec.get(name)) for name in ("maxSurge", "maxUnavailable")):
        yield "spec.strategy.maxSurge", "MaxSurge and MaxUnavailable both can not be zero"
    stable, canary_service = spec.get("stableService"), spec.get("canaryService")
    at = "spec.strategy."
    if stable and stable == canary_service:
        yield (
            f"{at}stableService",
            (
                "This rollout uses the same service for the stable and canary services, "
                "but two different services are required."
            ),
        )
    traffic = routing(rollout)
    needs = traffic is not None and (
        bool(_NEED_SERVICES & traffic.keys())
        or (traffic.get("istio") is not None and istio.destination_rule(rollout) is None)
    )
    if needs and not spec.get("pingPong"):
        for name, service in (("stableService", stable), ("canaryService", canary_service)):
            if not service:
                yield f"{at}{name}", "Canary service and Stable service must to be set to use Traffic Routing"
    yield from _ping_pong_problems(rollout, at)
    if traffic is None:
        if spec.get("scaleDownDelaySeconds") is not None:
            yield f"{at}scaleDownDelaySeconds", "Canary scaleDownDelaySeconds can only be used with traffic routing"
        if spec.get("dynamicStableScale"):
            yield f"{at}dynamicStableScale", "Canary dynamicStableScale can only be used with traffic routing"
    else:
        if spec.get("scaleDownDelaySeconds") is not None and spec.get("dynamicStableScale"):
            yield f"{at}dynamicStableScale", "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds"
        if traffic.get("maxTrafficWeight") is not None and not (traffic.get("nginx") or traffic.get("plugins")):
            yield (
                f"{at}trafficRouting.maxTrafficWeight",
                ("Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins"),
            )
    for index, step in enumerate(steps_of(rollout)):
        yield from _step_problems(rollout, step, f"{at}steps[{index}]")


def _amount(value: Any) -> int:
    """An int-or-percent as validation.go getIntOrPercentValue reads it: 25 by default, 0 where it is no number."""
    if value is None or isinstance(value, int):
        return 25 if value is None else value
    text = str(value).removesuffix("%")
    return int(text) if text.lstrip("+-").isdecimal() else 0


def _ping_pong_problems(rollout: Fields, at: str) -> Iterator[tuple[str, str]]:
    pair = ping_pong(rollout)
    if pair is None:
        return
    traffic = routing(rollout)
    if traffic is not None and traffic.get("alb") is None and traffic.get("istio") is None:
        yield f"{at}trafficRouting.alb", "Ping-pong feature works with the ALB and Istio traffic routers only"
    for name, service in zip(("pingService", "pongService"), pair, strict=True):
        if not service:
            yield f"{at}pingPong.{name}", "Ping service and Pong service must to be set to use Ping-Pong feature"
    if pair[0] == pair[1]:
        yield (
            f"{at}pingPong.pingService",
            (
                "This rollout uses the same service for the ping and pong services, "
                "but two different services are required."
            ),
        )


def _step_problems(rollout: Fields, step: Fields, at: str) -> Iterator[tuple[str, str]]:
    kinds = [kind for kind in KINDS if step.get(kind) is not None]
    if not kinds or len([kind for kind in kinds if kind in EXCLUSIVE]) > 1:
        yield at, "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause"
        return
    weight = step.get("setWeight")
    if weight is not None and not 0 <= int(weight) <= max_weight(rollout):
        yield f"{at}.setWeight", f"SetWeight needs to be between 0 and {max_weight(rollout)}"
    pause = step.get("pause")
    if isinstance(pause, Mapping) and (pause_seconds(pause) or 0) < 0:
        yield f"{at}.pause.duration", "Duration needs to be greater than 0"
    if isinstance(step.get("setCanaryScale"), Mapping) and routing(rollout) is None:
        yield "spec.strategy.trafficRouting", "SetCanaryScale requires TrafficRouting to be set"
    if routing(rollout) is None and _has_weights(step):
        yield f"{at}.experiment.templates", "Experiment template weight cannot be set unless TrafficRouting is enabled"
    for kind in ("setHeaderRoute", "setMirrorRoute"):
        route = step.get(kind)
        if not isinstance(route, Mapping):
            continue
        for index, match in enumerate(route.get("match") or ()):
            for name in ("headerValue",) if kind == "setHeaderRoute" else ("method", "path"):
                if name == "headerValue" or match.get(name) is not None:
                    yield from _match_problems(match.get(name) or {}, f"{at}.{kind}.match[{index}]")
        managed = (routing(rollout) or {}).get("managedRoutes")
        if routing(rollout) is None:
            yield f"{at}.{kind}", f"{kind[0].upper()}{kind[1:]} requires TrafficRouting"
        elif managed is None:
            yield (
                "spec.strategy.trafficRouting.managedRoutes",
                ("Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'"),
            )
        elif route.get("name") not in {part.get("name") for part in managed}:
            yield (
                f"{at}.{kind}",
                ("Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes"),
            )


def _match_problems(match: Fields, at: str) -> Iterator[tuple[str, str]]:
    """A string match has one of its three kinds (validation.go hasMultipleMatchValues)."""
    given = [kind for kind in ("exact", "regex", "prefix") if match.get(kind)]
    if not given:
        yield at, "StringMatch value missed, match value must have one of the following: exact, regex, prefix"
    elif len(given) > 1:
        yield at, "StringMatch match value must have exactly one of the following: exact, regex, prefix"


@remembered
def _all_problems(rollout: Fields) -> tuple[tuple[str, str], ...]:
    return tuple(problems(rollout))


def check(rollout: Fields, docs: Iterable[Fields] = ()) -> RolloutError | None:
    """The reason the controller would set InvalidSpec, or None; `docs` are the objects of its cluster.

    Missing Services, VirtualServices and DestinationRules count; routes of the plugin do not (they fail at SetWeight).
    """
    for field, message in _all_problems(rollout):
        return RolloutError(f"{field}: {message}", reason=INVALID_SPEC)
    if not is_canary(rollout):
        return None
    known = list(docs)
    home = istio.home(rollout)
    pair = canary(rollout).get("pingPong") or {}
    for role in ("pingPong.pingService", "pingPong.pongService", "stableService", "canaryService"):
        name = (pair if "." in role else canary(rollout)).get(role.rpartition(".")[2])
        service = None if not name else _named(known, "Service", home, str(name))
        if name and service is None:
            return _absent(
                f'spec.strategy.{role}: Invalid value: "{name}": service "{name}" not found', "Service", home, name
            )
        if service is not None:
            template = _template_labels(rollout, known, home)
            wanted = {
                key: value
                for key, value in ((service.get("spec") or {}).get("selector") or {}).items()
                if key != "rollouts-pod-template-hash"
            }
            if template is not None and any(template.get(key) != value for key, value in wanted.items()):
                return RolloutError(
                    f'spec.strategy.{role}: Invalid value: "{name}": Service "{name}" has unmatch label in rollout',
                    reason=INVALID_SPEC,
                    hint=f"the selector of Service {home}/{name} must be among the pod template's labels",
                )
    return _istio_problem(rollout, known)


def _istio_problem(rollout: Fields, known: list[Fields]) -> RolloutError | None:
    for namespace, name, _ in istio.virtual_services(rollout):
        if _named(known, "VirtualService", namespace, name) is None:
            return istio.missing("VirtualService", namespace, name)
    rule = istio.destination_rule(rollout)
    if rule is not None and _named(known, "DestinationRule", istio.home(rollout), str(rule.get("name"))) is None:
        return istio.missing("DestinationRule", istio.home(rollout), str(rule.get("name")))
    if istio.config_of(rollout) is not None and istio.virtual_services(rollout):
        try:
            istio.write_virtualservice(known, rollout, 0)
        except RolloutError as error:
            return error
    return None


def _named(docs: list[Fields], kind: str, namespace: str, name: str) -> Fields | None:
    for doc in docs:
        metadata = doc.get("metadata") or {}
        if (
            doc.get("kind") == kind
            and metadata.get("name") == name
            and (metadata.get("namespace") or "default") == namespace
        ):
            return doc
    return None


def _absent(message: str, kind: str, namespace: str, name: str) -> RolloutError:
    return RolloutError(message, reason=NOT_FOUND, hint=f"create {kind} {namespace}/{name}")


def _template_labels(rollout: Fields, docs: list[Fields], home: str) -> Fields | None:
    spec = rollout.get("spec") or {}
    reference = spec.get("workloadRef")
    template = spec.get("template")
    if reference:
        workload = _named(docs, str(reference.get("kind")), home, str(reference.get("name"))) or {}
        template = (workload.get("spec") or {}).get("template")
    return ((template or {}).get("metadata") or {}).get("labels") if template else None
