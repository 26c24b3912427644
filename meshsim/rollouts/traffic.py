"""The service and traffic parts of one sync.

Source: argo-rollouts rollout/service.go:255-336 and rollout/trafficrouting.go:161-356, in that order.
"""

from typing import Any

from meshsim.model.names import ObjectKey
from meshsim.rollouts import gatewayapi, istio
from meshsim.rollouts.context import Context
from meshsim.rollouts.errors import NOT_FOUND, RolloutError
from meshsim.rollouts.replicaset import ReplicaSet
from meshsim.rollouts.scale import current_step
from meshsim.rollouts.services import may_switch, switched
from meshsim.rollouts.spec import Fields, canary, is_promoted, ping_pong, routed_services, routing, turns
from meshsim.rollouts.state import key_of
from meshsim.rollouts.weight import decide, rolling_back, weight_status


def reconcile_services(sync: Context) -> None:
    """Point the stable and the canary Service at their ReplicaSets where enough pods are there."""
    spec, picked = canary(sync.rollout), sync.picked
    pair = turns(sync.rollout, sync.old)
    if pair is not None and not is_promoted(sync.old):
        ensure(sync, pair[1], picked.new, check=False)  # service.go reconcilePingAndPongService
    ensure(sync, spec.get("stableService"), picked.stable, check=True)
    if sync.aborted and routing(sync.rollout) is None:
        ensure(sync, spec.get("canaryService"), picked.stable, check=True)
    elif not rolling_back(sync.rollout, sync.old, picked.new):
        ensure(sync, spec.get("canaryService"), picked.new, check=True)


def ensure(sync: Context, name: str | None, found: ReplicaSet | None, *, check: bool) -> None:
    """Switch one Service; raises RolloutError where it does not exist (service.go:294)."""
    if not name or found is None:
        return
    key = ObjectKey("Service", sync.state.namespace, str(name))
    service = sync.objects.get(key)
    if service is None:
        msg = f'service "{name}" not found'
        raise RolloutError(msg, reason=NOT_FOUND, hint=f"create Service {sync.state.namespace}/{name}")
    if may_switch(service, found, check=check):
        sync.put(key, switched(service, found, sync.state.name))


def routers(rollout: Fields) -> tuple[str, ...]:
    """The modelled traffic routers in the controller's order."""
    found = []
    if istio.config_of(rollout) is not None:
        found.append("istio")
    if gatewayapi.config_of(rollout) is not None:
        found.append("gatewayapi")
    return tuple(found)


def reconcile_traffic(sync: Context) -> None:
    """Write the weight, or raise what the router fails with; without a router the recorded weights go."""
    configured = routing(sync.rollout)
    if configured is None:
        sync.weights = None
        return
    used = routers(sync.rollout)
    if not used:
        if configured.keys() - {"managedRoutes", "maxTrafficWeight"}:
            sync.note("its traffic router is not modelled: no weight is written")
        else:
            sync.weights = None
        return
    for router in used:
        _reconcile(sync, router)


def _reconcile(sync: Context, router: str) -> None:
    picked = sync.picked
    decision = decide(sync.rollout, sync.old, picked, aborted=sync.aborted, version=sync.state.version)
    if decision.resets_service:
        ensure(sync, canary(sync.rollout).get("canaryService"), picked.stable, check=False)
    if decision.removes_managed:
        _remove_managed(sync, router)
    if decision.held:
        return
    additional = _experiment(sync) if decision.with_experiment else []
    step, _ = current_step(sync.rollout, sync.old)
    if step is not None and _revision(sync) > 1:
        for kind in ("setHeaderRoute", "setMirrorRoute"):
            if step.get(kind) is not None:
                _set_managed(sync, router, step[kind], mirror=kind == "setMirrorRoute")
    empty = picked.new is None or picked.new.available == 0
    recorded = int(((sync.old.get("canary") or {}).get("weights") or {}).get("canary", {}).get("weight") or 0)
    if sync.behaviour["early_zero"] and empty and recorded > 0:
        _set_weight(sync, router, decision.weight, additional)
    if router == "istio":
        _update_hash(sync, decision.canary_hash, decision.stable_hash, additional)
    _set_weight(sync, router, decision.weight, additional)
    weights = weight_status(sync.rollout, decision, additional)
    if router == "gatewayapi":
        weights["verified"] = True  # the plugin's VerifyWeight
    sync.weights = weights


def _revision(sync: Context) -> int:
    new = sync.picked.new
    return new.revision if new else 0


def _set_weight(sync: Context, router: str, weight: int, additional: list[dict[str, Any]]) -> None:
    docs = list(sync.objects.values())
    if router == "gatewayapi":
        for _, doc in gatewayapi.each_route(sync.rollout, docs, version=sync.state.gatewayapi):
            written = gatewayapi.write_route(doc, sync.rollout, weight, version=sync.state.gatewayapi)
            gatewayapi.admitted(written)
            sync.put(key_of(doc), written)
        return
    rollout = sync.rollout if ping_pong(sync.rollout) is None else {**sync.rollout, "status": sync.old}
    for doc in istio.write_virtualservice(docs, rollout, weight, additional=additional, version=sync.state.version):
        if doc.get("kind") == "VirtualService":
            sync.put(key_of(doc), doc)


def _update_hash(sync: Context, canary_hash: str, stable_hash: str, additional: list[dict[str, Any]]) -> None:
    if istio.destination_rule(sync.rollout) is None:
        return
    if istio.destinationrule_delay(
        sync.rollout, sync.old, sync.sets, canary_hash, stable_hash, version=sync.state.version
    ):
        sync.wait("the DestinationRule switch is delayed: pods are missing")
        return
    docs = list(sync.objects.values())
    for doc in istio.write_destinationrule(docs, sync.rollout, canary_hash, stable_hash, additional=additional):
        if doc.get("kind") == "DestinationRule":
            sync.put(key_of(doc), doc)


def _remove_managed(sync: Context, router: str) -> None:
    docs = list(sync.objects.values())
    if router == "gatewayapi":
        for _, doc in gatewayapi.header_routes(sync.rollout, docs, version=sync.state.gatewayapi):
            sync.put(key_of(doc), gatewayapi.remove_managed_rules(doc, sync.rollout, version=sync.state.gatewayapi))
        return
    for namespace, name, _ in istio.virtual_services(sync.rollout):
        key = ObjectKey("VirtualService", namespace, name)
        if key not in sync.objects:
            msg = "VirtualService"
            raise istio.missing(msg, namespace, name)
        sync.put(key, istio.remove_managed_routes(sync.objects[key], sync.rollout, version=sync.state.version))


def _set_managed(sync: Context, router: str, step: Fields, *, mirror: bool) -> None:
    docs = list(sync.objects.values())
    if router == "gatewayapi":
        if mirror:
            return  # a no-op in the plugin
        for _, doc in gatewayapi.header_routes(sync.rollout, docs, version=sync.state.gatewayapi):
            sync.put(key_of(doc), gatewayapi.set_header_route(doc, sync.rollout, step))
        return
    config = istio.destination_rule(sync.rollout)
    rule = None if config is None else sync.state.object("DestinationRule", str(config.get("name")))
    host = str(((rule or {}).get("spec") or {}).get("host") or routed_services(sync.rollout, sync.old)[1])
    for namespace, name, entry in istio.virtual_services(sync.rollout):
        key = ObjectKey("VirtualService", namespace, name)
        written = istio.set_managed_route(sync.objects[key], sync.rollout, entry, step, mirror=mirror, host=host)
        sync.put(key, written)


def _experiment(sync: Context) -> list[dict[str, Any]]:
    """Weighted destinations of the running experiment step (trafficrouting.go)."""
    step, index = current_step(sync.rollout, sync.old)
    if step is None or index is None or step.get("experiment") is None or index in sync.state.results:
        return []
    return [
        {
            "serviceName": (template.get("service") or {}).get("name") or f"{sync.state.name}-{template.get('name')}",
            "weight": int(template["weight"]),
        }
        for template in step["experiment"].get("templates") or ()
        if template.get("weight") is not None
    ]
