"""A scenario drawn up from manifests: the Rollouts in them, the Services they govern, and who could call those."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, final

from meshsim.manifests.manifest import Manifest
from meshsim.model.frozen import frozen
from meshsim.report.words import clean
from meshsim.scenario.load import from_clusters
from meshsim.scenario.scenario import DEFAULT_DIALECT, Scenario

MOST_CALLS: Final = 24
_PLAIN: Final = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*")
_RESERVED: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_CLIENTS: Final = ("Deployment", "StatefulSet", "DaemonSet")
_MESH: Final = frozenset({"istio-system", "istio-eastwest", "istio-gateways", "kube-system", "argo-rollouts", "argocd"})
_NO_INGRESS: Final = frozenset({"istio-waypoint", "istio-eastwest", "istio-east-west", "istio-remote"})
_GLOBAL: Final = {"solo.io/service-scope": {"global", "global-only"}, "istio.io/global": {"true"}}


@final
@frozen
class Found:
    """A Rollout and the Services that select its pods beside the two that it moves."""

    cluster: str
    rollout: Manifest
    services: tuple[Manifest, ...]

    @property
    def name(self) -> str:
        return f"{self.cluster}/{self.rollout.namespace}/{self.rollout.name}"


def draft(
    clusters: Mapping[str, str | list[str]], *, dialect: str | None = None, dataplane: str | None = None, base: str = ""
) -> str:
    """The text of a scenario file that stands in `base`. Raises InputError for what is wrong in the manifests."""
    scenario = from_clusters(clusters, dialect=dialect or DEFAULT_DIALECT)
    found = tuple(_rollouts(scenario))
    lines = [
        "# yaml-language-server: $schema=./scenario.schema.json",
        "# Drawn up by `meshsim init`; `meshsim run` answers it as it is.",
        "# `meshsim schema > scenario.schema.json` gives editors completion.",
        "apiVersion: meshsim/v1",
        "kind: Scenario",
        f"name: {scalar('+'.join(clusters))}",
        f"dialect: {scalar(scenario.dialect)}              # solo/1.27 to solo/1.30, istio/1.28 to istio/1.31",
        '# argo: {controller: "1.9", gatewayapi: "0.15"}',
    ]
    lines.append(
        f"dataplane: {dataplane}"
        if dataplane is not None
        else "# dataplane: ambient             # stands in for namespaces that no manifest describes"
    )
    lines += ["clusters:", *_clusters(clusters, base)]
    lines += ["# peering: all                   # all, none, or a list of {watcher: west, peer: east}", ""]
    lines += [*_described(found), "", *_calls(scenario, found), "", *_timeline(found), "", *_expect(found)]
    return "\n".join(lines) + "\n"


def scalar(text: str) -> str:
    """Text as a YAML scalar, quoted where it could be read as something else.

    >>> scalar("clusters/east"), scalar("no"), scalar("1.10"), scalar("a: b")
    ('clusters/east', '"no"', '"1.10"', '"a: b"')
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    import json

    return json.dumps(clean(text), ensure_ascii=False)


def _clusters(clusters: Mapping[str, str | list[str]], base: str) -> Iterator[str]:
    for name, given in clusters.items():
        paths = [given] if isinstance(given, str) else given
        yield f"  {scalar(name)}:"
        yield "    # network: …                 # default: the label on istio-system, else the cluster's name"
        yield f"    manifests: [{', '.join(scalar(_relative(path, base)) for path in paths)}]"


def _relative(path: str, base: str) -> str:
    if path == "-" or os.path.isabs(path) or not base:
        return path
    return os.path.relpath(path, base)


def _rollouts(scenario: Scenario) -> Iterator[Found]:
    for cluster, spec in scenario.clusters.items():
        for rollout in sorted((m for m in spec.manifests if m.kind == "Rollout"), key=lambda m: (m.namespace, m.name)):
            labels = _template(rollout, spec.manifests).get("labels") or {}
            canary = rollout.get("spec", "strategy", "canary", default={})
            moved = {canary.get("stableService"), canary.get("canaryService")}
            yield Found(
                cluster=cluster,
                rollout=rollout,
                services=tuple(
                    m
                    for m in spec.manifests
                    if m.kind == "Service"
                    and m.namespace == rollout.namespace
                    and m.name not in moved
                    and _selects(m, labels)
                ),
            )


def _template(workload: Manifest, manifests: Sequence[Manifest]) -> Mapping[str, Any]:
    """The metadata of a workload's pod template, or of the Deployment that a Rollout refers to."""
    reference = workload.get("spec", "workloadRef", default={})
    if reference:
        for other in manifests:
            if (other.kind, other.namespace, other.name) == (
                reference.get("kind"),
                workload.namespace,
                reference.get("name"),
            ):
                workload = other
    metadata: Mapping[str, Any] = workload.get("spec", "template", "metadata", default={})
    return metadata


def _selects(service: Manifest, labels: Mapping[str, Any]) -> bool:
    selector = service.get("spec", "selector", default={})
    wanted = {key: value for key, value in selector.items() if key != "rollouts-pod-template-hash"}
    return bool(wanted) and wanted.items() <= labels.items()


def _described(found: Sequence[Found]) -> Iterator[str]:
    if not found:
        yield "# No Rollout was found in these manifests: without one there is no split to ask for."
        return
    for one in found:
        canary = one.rollout.get("spec", "strategy", "canary", default={})
        weights = [str(step["setWeight"]) for step in canary.get("steps") or () if "setWeight" in step]
        services = ", ".join(clean(service.name) for service in one.services) or "no Service"
        yield f"# Rollout {clean(one.name)} ({clean(one.rollout.evidence())}): {services} selects its pods"
        names = " and ".join(clean(canary[role]) for role in ("stableService", "canaryService") if canary.get(role))
        yield f"#   it moves {names or 'subsets'}; its weights are {', '.join(weights) or 'none (no setWeight step)'}"
        if "trafficRouting" not in canary:
            yield "#   it has no trafficRouting: pods are its only split, and no route is managed"


def _calls(scenario: Scenario, found: Sequence[Found]) -> Iterator[str]:
    calls = list(dict.fromkeys([*_workload_calls(scenario, found), *_ingress_calls(scenario, found)]))
    if not calls:
        yield "# Who calls what. None was found, so the default calls are asked."
        yield "# calls:"
        yield '#   - {from: CLUSTER/NAMESPACE/WORKLOAD, to: "HOST:PORT", path: /}'
        return
    yield "# Who calls what; remove `calls` and every kind of client is asked for every Service that a Rollout governs."
    yield "calls:"
    for frm, to in calls[:MOST_CALLS]:
        yield f"  - {{from: {scalar(frm)}, to: {scalar(to)}}}"
    if len(calls) > MOST_CALLS:
        yield f"  # and {len(calls) - MOST_CALLS} more, left out here"


def _workload_calls(scenario: Scenario, found: Sequence[Found]) -> Iterator[tuple[str, str]]:
    services = [(one.cluster, service) for one in found for service in one.services]
    for cluster, spec in scenario.clusters.items():
        for client in sorted((m for m in spec.manifests if m.kind in _CLIENTS), key=lambda m: (m.namespace, m.name)):
            labels = client.get("spec", "template", "metadata", "labels", default={})
            if client.namespace in _MESH or any(_selects(service, labels) for _, service in services):
                continue
            for home, service in services:
                for port in service.get("spec", "ports", default=[])[:1]:
                    for host in _hosts(scenario, home, service, cluster):
                        yield f"{cluster}/{client.namespace}/{client.name}", f"{host}:{port.get('port')}"


def _hosts(scenario: Scenario, home: str, service: Manifest, client: str) -> Iterator[str]:
    """The names under which a client's cluster may know a Service."""
    local = f"{service.name}.{service.namespace}.svc.cluster.local"
    shared = _is_global(scenario, home, service)
    if scenario.dialect.startswith("istio/"):
        if client == home or shared:
            yield local
        return
    if client == home:
        yield local
    if shared:
        yield f"{service.name}.{service.namespace}.mesh.internal"


def _is_global(scenario: Scenario, cluster: str, service: Manifest) -> bool:
    namespaces = [
        m for m in scenario.clusters[cluster].manifests if m.kind == "Namespace" and m.name == service.namespace
    ]
    return any(str(m.labels.get(key)) in values for m in (service, *namespaces) for key, values in _GLOBAL.items())


def _ingress_calls(scenario: Scenario, found: Sequence[Found]) -> Iterator[tuple[str, str]]:
    for cluster, spec in scenario.clusters.items():
        names = {n for one in found for service in one.services for n in _backend_names(service)}
        for gateway in (m for m in spec.manifests if m.kind == "Gateway"):
            if gateway.get("spec", "gatewayClassName") in _NO_INGRESS:
                continue
            ports = [listener.get("port") for listener in gateway.get("spec", "listeners", default=[])]
            for route in (m for m in spec.manifests if m.kind == "HTTPRoute"):
                hosts = [str(host) for host in route.get("spec", "hostnames", default=[]) if "*" not in str(host)]
                if ports and hosts and _attached(route, gateway) and _leads_to(route, names):
                    yield f"ingress:{cluster}/{gateway.namespace}/{gateway.name}", f"{hosts[0]}:{ports[0]}"


def _backend_names(service: Manifest) -> tuple[str, str]:
    return service.name, f"{service.name}.{service.namespace}.mesh.internal"


def _attached(route: Manifest, gateway: Manifest) -> bool:
    return any(
        (parent.get("kind") or "Gateway") == "Gateway"
        and parent.get("name") == gateway.name
        and (parent.get("namespace") or route.namespace) == gateway.namespace
        for parent in route.get("spec", "parentRefs", default=[])
    )


def _leads_to(route: Manifest, names: set[str]) -> bool:
    return any(
        backend.get("name") in names
        for rule in route.get("spec", "rules", default=[])
        for backend in rule.get("backendRefs") or ()
    )


def _timeline(found: Sequence[Found]) -> Iterator[str]:
    yield "# What happens over time. Without it, each Rollout is probed at every weight of its steps."
    yield "# timeline:"
    for one in found:
        containers = one.rollout.get("spec", "template", "spec", "containers", default=[{}])
        container = clean(containers[0].get("name", "CONTAINER"))
        image = clean(containers[0].get("image", "IMAGE"))
        change = f"do: set-image, rollout: {scalar(one.name)}, container: {container}, image: NEW"
        yield f"#   - {{at: 60s, {change}}}   # now {image}"
        yield f"#   - {{when: paused, do: promote, rollout: {scalar(one.name)}}}"


def _expect(found: Sequence[Found]) -> Iterator[str]:
    yield "# What must hold, in CI: exit code 1 where it does not. Only the stated fields are compared."
    yield "# expect:"
    for one in found[:3]:
        yield f"#   - {{rollout: {scalar(one.name)}, verdict: applied}}"
