"""What a row is told beside its causes: rollouts that cannot execute, leftovers, rewrites, settings without effect."""

from collections.abc import Sequence
from typing import Final

from meshsim.analysis.assumptions import assumption
from meshsim.analysis.calls import Call
from meshsim.analysis.situation import Managed, Situation
from meshsim.controlplane import links
from meshsim.controlplane.destinationrules import host_matches
from meshsim.mesh.health import outage_between
from meshsim.model.evidence import Evidence, Written
from meshsim.model.names import absolute_host, subject
from meshsim.model.trace import Path
from meshsim.model.verdict import Assumption, Shares, Verdict
from meshsim.rollouts.istio import http_indexes, virtual_services
from meshsim.rollouts.spec import canary, routed_services

_MISSED: Final = frozenset({Verdict.SKEWED, Verdict.BYPASSED, Verdict.PARTIAL})
"""The split is not what reached the pods: leftovers of another revision may be among those that answer."""


def codes(situation: Situation, rollout: Managed, effective: Shares, verdict: Verdict) -> list[str]:
    """Codes that hold of the Rollout itself, whoever calls."""
    skewed = verdict is Verdict.SKEWED
    found: list[str] = []
    if rollout.refused:
        found.append("MS404")
    if any(_unmanageable(situation, name) for name in rollout.routes):
        found.append("MS405")
    rewritten = _rewritten(situation, rollout)
    if rewritten:
        found.append("MS406")
    if verdict in _MISSED and (
        _aborted_pods(rollout, effective) or (effective.other and _leftovers(situation, rollout))
    ):
        found.append("MS403")
    if skewed and not found:
        found.append("MS402")
    return found


def outage(situation: Situation, call: Call, rollout: Managed, *, local: bool) -> list[str]:
    """MS501 or MS503 where a fault stands between the client's cluster and the Rollout's. Where `local` endpoints
    come first anyhow, a broken link changes nothing; a drained cluster is why they still do."""
    mesh = situation.mesh
    code = outage_between(mesh.down, call.cluster, rollout.cluster) or links.outage(mesh, call.cluster, rollout.cluster)
    return [code] if code and not (local and code == "MS501") else []


def _unmanageable(situation: Situation, name: str) -> bool:
    """Whether a managed HTTPRoute has a backendRef that is not a Service."""
    manifest = situation.object(name)
    if manifest is None or manifest.kind == "VirtualService":
        return False
    return any(
        (backend.get("kind") or "Service") != "Service"
        for rule in manifest.get("spec", "rules", default=[])
        for backend in rule.get("backendRefs") or ()
    )


def _rewritten(situation: Situation, rollout: Managed) -> bool:
    """Whether a managed route's weights differ from those that the controller recorded as written. What it wrote itself
    in a sync that then failed is not recorded (argo-rollouts rollout/trafficrouting.go: no available canary pod, so a
    weight of 0, and then the DestinationRule waits), and is nobody else's doing."""
    recorded = rollout.state.status.get("canary", {}).get("weights")
    if not recorded:
        return False
    return any(
        weight != rollout.weight and not (isinstance(where, Written) and where.by == rollout.state.by)
        for name in rollout.routes
        for weight, where in _canary_weights(situation, rollout, name)
    )


def _canary_weights(situation: Situation, rollout: Managed, name: str) -> list[tuple[int, Evidence]]:
    manifest = situation.object(name)
    if manifest is None:
        return []
    spec = canary(rollout.state.rollout)
    if manifest.kind != "VirtualService":
        return [
            (int(b["weight"]), manifest.evidence("spec", "rules", i, "backendRefs", j, "weight"))
            for i, r in enumerate(manifest.get("spec", "rules", default=[]))
            for j, b in enumerate(r.get("backendRefs") or ())
            if b.get("name") == spec.get("canaryService") and b.get("weight") is not None and len(r["backendRefs"]) > 1
        ]
    routing = spec.get("trafficRouting", {}).get("istio", {})
    subset = (routing.get("destinationRule") or {}).get("canarySubsetName")
    canary_service = routed_services(rollout.state.rollout, rollout.state.status)[1]
    found: list[tuple[int, Evidence]] = []
    routes = manifest.get("spec", "http", default=[])
    for namespace, service, entry in virtual_services(rollout.state.rollout):
        if (namespace, service) != (manifest.namespace, manifest.name):
            continue
        try:
            chosen = http_indexes(list(entry.get("routes") or ()), list(routes))
        except Exception:  # noqa: BLE001 - the controller refuses this VirtualService
            return []
        for index in chosen:
            for place, part in enumerate(routes[index].get("route") or ()):
                host = str((part.get("destination") or {}).get("host", "")).partition(".")[0]
                named = (part.get("destination") or {}).get("subset")
                if (subset and named == subset) or (not subset and host == canary_service):
                    where = manifest.evidence("spec", "http", index, "route", place, "weight")
                    found.append((int(part.get("weight") or 0), where))
    return found


def _aborted_pods(rollout: Managed, effective: Shares) -> bool:
    """Whether an aborted canary gets more than the controller still asks for."""
    return bool(rollout.state.status.get("abort")) and effective.canary * rollout.most > rollout.weight


def _leftovers(situation: Situation, rollout: Managed) -> bool:
    """Whether pods of neither revision are left of the same Rollout."""
    pods = situation.plane.registry.workloads(rollout.cluster).get((rollout.id[1], rollout.id[2]), ())
    return any(pod.ready and rollout.role(pod) == "other" for pod in pods)


def no_effect(
    situation: Situation, call: Call, paths: Sequence[Path]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Assumption, ...]]:
    """Settings in the client's cluster that look as if they decided and do not: sentences, codes, assumptions."""
    clients = [client for _, client in call.caller.clients if client.kind == "pod"]
    if not clients or call.target.ip:
        return (), (), ()
    client = clients[0]
    here = situation.mesh.clusters[client.cluster]
    known = situation.plane.known(client.cluster).get(call.target.host)
    envoys = {
        hop
        for path in paths
        for hop in path.hops
        if hop.partition(":")[0] in {"waypoint", "sidecar"} and hop.partition(":")[2].split("/")[0] == client.cluster
    }
    if known is None or envoys:
        return (), (), ()
    notes: list[str] = []
    assumed: list[Assumption] = []
    namespace = here.namespace(client.namespace)
    label = namespace.labels.get("istio.io/use-waypoint") if namespace is not None else None
    if namespace is not None and label not in {None, "none"} and client.namespace != known.namespace:
        where = namespace.evidence("metadata", "labels", "istio.io/use-waypoint")
        notes.append(
            f"{subject(here.name, namespace.key)} label istio.io/use-waypoint={label} ({where}) has no effect on calls "
            f"to {known.namespace}: a waypoint belongs to the destination"
        )
        assumed.append(assumption("client_namespace_waypoint", "ignored"))
    for rule in here.of("DestinationRule"):
        host = absolute_host(str(rule.get("spec", "host", default="")), rule.namespace)
        if rule.get("spec", "trafficPolicy") and any(host_matches(host, h) for h in (known.host, known.alias) if h):
            notes.append(
                f"{subject(here.name, rule.key)} ({rule.evidence()}) has no effect: no Envoy of {here.name} is on the "
                "path, and ztunnel reads no DestinationRule"
            )
            assumed.append(assumption("destination_rule_failover", "no-effect"))
    return tuple(notes), ("MS601",) if notes else (), tuple(dict.fromkeys(assumed))


def host_left_out(situation: Situation, rollout: Managed, reasons: Sequence[str]) -> tuple[Assumption, ...]:
    """The contested default where a VirtualService that the Rollout manages is passed by for its hosts."""
    objects = (situation.object(name) for name in rollout.routes)
    if "MS208" in reasons and any(found is not None and found.kind == "VirtualService" for found in objects):
        return (assumption("virtualservice_hosts", "hosts"),)
    return ()
