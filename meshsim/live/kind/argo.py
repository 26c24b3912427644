"""The Argo Rollouts controller at the scenario's version, with the Gateway API plugin and what it may edit.

Sources: argo-rollouts, Installation; rollouts-plugin-trafficrouter-gatewayapi, docs/installation.md (configuration,
permissions, restart of the controller).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from meshsim.live.kind.clusters import yaml_text
from meshsim.live.kind.places import Place
from meshsim.live.kind.steps import Filled, Run, Step, Write, work

NAMESPACE: Final = "argo-rollouts"
PATCHES: Final[Mapping[str, str]] = {"1.6": "1.6.6", "1.7": "1.7.2", "1.8": "1.8.4", "1.9": "1.9.1", "1.10": "1.10.0"}
"""The latest patch of a controller's minor, which is what a minor means in a scenario."""
PLUGIN: Final = "argoproj-labs/gatewayAPI"
_RELEASES: Final = "https://github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi/releases/download"


def lacking(places: Sequence[Place]) -> Iterator[str]:
    """Versions that no release is known of."""
    for version in dict.fromkeys(p.cluster.argo[0] for p in _with_rollouts(places)):
        if not _release(version):
            yield f'no patch of Argo Rollouts {version} is known here: write one, argo: {{controller: "{version}.0"}}'


def _with_rollouts(places: Sequence[Place]) -> tuple[Place, ...]:
    return tuple(place for place in places if place.cluster.of("Rollout"))


def _release(version: str) -> str:
    bare = version.removeprefix("v")
    return bare if bare.count(".") == 2 else PATCHES.get(bare, "")


def controllers(places: Sequence[Place]) -> Iterator[Step]:
    """A controller in each cluster that has a Rollout."""
    for place in _with_rollouts(places):
        yield _controller(place)


def manifest_url(version: str) -> str:
    """The installation of a controller's version."""
    release = _release(version) or version
    return f"https://github.com/argoproj/argo-rollouts/releases/download/v{release}/install.yaml"


def _controller(place: Place) -> Step:
    version, plugin = place.cluster.argo
    file = place.file("argo-rollouts.yaml")
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    status = ("rollout", "status", "deployment/argo-rollouts", "-n", NAMESPACE, "--timeout=300s")
    restart = ("rollout", "restart", "deployment/argo-rollouts", "-n", NAMESPACE)
    return Step(
        name=f"argo-{place.kind}",
        title=f"{place.name}: Argo Rollouts {_release(version)}, Gateway API plugin {_plugin(plugin)}",
        commands=(
            Run(words=("docker", "version", "--format", "{{.Server.Arch}}"), var="ARCH"),
            Write(name=file, text=Filled(yaml_text([space, _config(plugin), _role(), _binding()]))),
            Run(words=place.kubectl("apply", "-f", work(file))),
            Run(words=place.kubectl("apply", "-n", NAMESPACE, "--server-side", "-f", manifest_url(version)), retry=60),
            Run(words=place.kubectl(*restart)),
            Run(words=place.kubectl(*status), limit=320),
        ),
        why=("The controller fetches the plugin when it starts, and does not start without it.",),
    )


def _plugin(version: str) -> str:
    bare = version.removeprefix("v")
    return bare if bare.count(".") == 2 else f"{bare}.0"


def _config(plugin: str) -> dict[str, Any]:
    location = f"{_RELEASES}/v{_plugin(plugin)}/gatewayapi-plugin-linux-$ARCH"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argo-rollouts-config", "namespace": NAMESPACE},
        "data": {"trafficRouterPlugins": f"- name: {PLUGIN}\n  location: {location}\n"},
    }


def _role() -> dict[str, Any]:
    routes = ["httproutes", "grpcroutes", "tcproutes", "tlsroutes"]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "argo-rollouts-gateway-api"},
        "rules": [
            {
                "apiGroups": ["gateway.networking.k8s.io"],
                "resources": routes,
                "verbs": ["get", "list", "watch", "update", "patch"],
            },
            {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "update", "patch"]},
        ],
    }


def _binding() -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "argo-rollouts-gateway-api"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "argo-rollouts-gateway-api",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "argo-rollouts", "namespace": NAMESPACE}],
    }
