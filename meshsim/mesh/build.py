"""From a scenario to a Mesh: networks, settings and links, with the place each one comes from."""

from collections.abc import Iterator, Mapping

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Cluster, Mesh, Setting
from meshsim.mesh.peers import NETWORK_LABEL, remote_gateways
from meshsim.model.errors import InputError
from meshsim.model.evidence import Assumed, Dumped, Evidence, Source
from meshsim.model.names import ObjectKey
from meshsim.scenario.scenario import ClusterSpec, Scenario
from meshsim.tables.dialect import Dialect, parse_dialect


def build_mesh(scenario: Scenario) -> Mesh:
    """The Mesh that a scenario describes, before any controller acts. Raises InputError."""
    clusters = {name: _cluster(scenario, spec) for name, spec in scenario.clusters.items()}
    return Mesh(
        name=scenario.name,
        clusters=clusters,
        links=frozenset(_links(scenario, clusters)),
        assume=dict(scenario.assume),
    )


def _cluster(scenario: Scenario, spec: ClusterSpec) -> Cluster:
    objects = {manifest.key: manifest for manifest in spec.manifests}
    system = objects.get(ObjectKey("Namespace", "", SYSTEM_NAMESPACE))
    env = {**dict(_env(objects, "istiod", "discovery")), **_stated(spec, "istiod", spec.istiod_env)}
    ztunnel = {**dict(_env(objects, "ztunnel", "istio-proxy")), **_stated(spec, "ztunnel", spec.ztunnel_env)}
    network = _network(spec, system)
    name = spec.dialect or scenario.dialect
    place = spec.evidence.get("dialect") or scenario.evidence.get("dialect")
    dialect: Dialect = parse_dialect(name, place)
    dataplane = spec.dataplane or scenario.dataplane
    return Cluster(
        name=spec.name,
        network=network,
        ztunnel_network=ztunnel.get("NETWORK", network),
        region=spec.region or "",
        zone=spec.zone or "",
        root=_setting(spec, "root", spec.root, "root1", "one root of trust for all clusters"),
        dialect=dialect,
        dataplane=None
        if dataplane is None
        else Setting(
            dataplane, spec.evidence.get("dataplane") or scenario.evidence.get("dataplane") or Assumed("dataplane")
        ),
        argo=_argo(scenario, spec),
        istiod=env,
        ztunnel_dump=spec.dumps.ztunnel,
        envoy_dumps=spec.dumps.envoy,
        objects=objects,
        unread=spec.unread,
    )


def _argo(scenario: Scenario, spec: ClusterSpec) -> tuple[str, str]:
    own = spec.argo
    controller = (own.controller if own else None) or scenario.argo_controller or "1.9"
    return controller, (own.gatewayapi if own else None) or scenario.argo_gatewayapi or "0.15"


def _setting(spec: ClusterSpec, name: str, value: str | None, default: str, statement: str) -> Setting:
    if value is None:
        return Setting(default, Assumed(statement))
    return Setting(value, spec.evidence.get(name, Assumed(f"{name} of {spec.name}")))


def _network(spec: ClusterSpec, system: Manifest | None) -> Setting:
    """The label on istio-system wins over the scenario's `network:` (Solo docs, multicluster install); a dump's own
    network stands in for both."""
    labelled = system.labels.get(NETWORK_LABEL) if system is not None else None
    if system is not None and labelled is not None:
        return Setting(labelled, system.evidence("metadata", "labels", NETWORK_LABEL))
    held = spec.dumps.ztunnel.network if spec.dumps.ztunnel is not None else None
    if spec.network is None and spec.dumps.ztunnel is not None and held is not None:
        return Setting(held, Dumped(spec.dumps.ztunnel.path))
    return _setting(spec, "network", spec.network, spec.name, f"{spec.name} is a network of its own")


def _stated(spec: ClusterSpec, component: str, env: Mapping[str, str]) -> dict[str, Setting]:
    place: Evidence = spec.evidence.get("", Assumed(spec.name))
    return {key: Setting(str(value), spec.evidence.get(f"{component}.env.{key}", place)) for key, value in env.items()}


def _env(objects: Mapping[ObjectKey, Manifest], component: str, container: str) -> Iterator[tuple[str, Setting]]:
    """The environment of a mesh component, from its Deployment or DaemonSet in istio-system."""
    for key in sorted(objects):
        if key.kind not in {"Deployment", "DaemonSet"} or key.namespace != SYSTEM_NAMESPACE:
            continue
        manifest = objects[key]
        if manifest.labels.get("app", key.name) != component and not key.name.startswith(component):
            continue
        containers = manifest.get("spec", "template", "spec", "containers", default=[])
        for i, spec in enumerate(containers):
            if len(containers) > 1 and spec.get("name") != container:
                continue
            for j, entry in enumerate(spec.get("env") or []):
                if isinstance(entry, dict) and entry.get("value") is not None:
                    path = ("spec", "template", "spec", "containers", i, "env", j, "value")
                    yield str(entry.get("name")), Setting(str(entry["value"]), manifest.evidence(*path))


def _links(scenario: Scenario, clusters: Mapping[str, Cluster]) -> Iterator[tuple[str, str]]:
    """Who watches whom. `istio-remote` Gateways define the links unless `peering` is given; without either, all do."""
    stated = scenario.peering
    if isinstance(stated, tuple):
        for i, (watcher, peer) in enumerate(stated):
            for name in (watcher, peer):
                if name not in clusters:
                    place = scenario.evidence.get(f"peering.{i}", Source(scenario.path or "scenario"))
                    msg = f"peering names cluster {name!r}, which the scenario does not have"
                    raise InputError(msg, where=place, hint=f"use one of {', '.join(sorted(clusters))}")
            yield watcher, peer
        return
    remotes = {(c.name, peer) for c in clusters.values() for _, peer in remote_gateways(c, clusters)}
    if stated is None and remotes:
        yield from remotes
        return
    if stated != "none":
        yield from ((a, b) for a in clusters for b in clusters if a != b)
