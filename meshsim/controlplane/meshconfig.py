"""What istiod's own configuration says: `mesh` of the ConfigMap `istio` in istio-system (istio pkg/config/mesh)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import yaml

from meshsim.manifests.manifest import Manifest
from meshsim.mesh.mesh import SYSTEM_NAMESPACE, Cluster
from meshsim.model.errors import InputError
from meshsim.model.evidence import Assumed, Evidence
from meshsim.model.facts import Facts
from meshsim.model.names import subject

CONFIG_MAP: Final = "istio"
GLOBAL_LABEL: Final = "istio.io/global"
PROFILE: Final = "istio manifests/helm-profiles/ambient.yaml:6"
PROFILE_SCOPES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "servicesSelector": {"matchExpressions": [{"key": GLOBAL_LABEL, "operator": "In", "values": ["true"]}]},
        "scope": "GLOBAL",
    },
)
"""The ambient profile's `serviceScopeConfigs`; istiod's own default is none at all."""


def mesh_config(cluster: Cluster) -> Mapping[str, Any]:
    """The meshConfig, empty where the manifests do not show it. Raises InputError where it is no mapping."""
    manifest = cluster.get("ConfigMap", SYSTEM_NAMESPACE, CONFIG_MAP)
    text = manifest.get("data", "mesh") if manifest is not None else None
    if manifest is None or not isinstance(text, str):
        return {}
    try:
        return _parsed(text)
    except (yaml.YAMLError, ValueError) as error:
        msg = f"data.mesh of {subject(cluster.name, manifest.key)} is no meshConfig: {str(error).splitlines()[0]}"
        raise InputError(msg, where=manifest.evidence("data", "mesh"), hint="it must be a YAML mapping") from error


@lru_cache(maxsize=64)
def _parsed(text: str) -> Mapping[str, Any]:
    value = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    if value is None:
        return {}
    if not isinstance(value, dict):
        msg = f"a {type(value).__name__} instead of a mapping"
        raise ValueError(msg)
    return value


def config_manifest(cluster: Cluster) -> Manifest | None:
    """The ConfigMap itself, where it holds a meshConfig."""
    manifest = cluster.get("ConfigMap", SYSTEM_NAMESPACE, CONFIG_MAP)
    return manifest if manifest is not None and isinstance(manifest.get("data", "mesh"), str) else None


def note(cluster: Cluster, facts: Facts, name: str, value: object, default: str) -> None:
    """Record that a field of the meshConfig was read; `default` says what holds where there is none."""
    manifest = config_manifest(cluster)
    if manifest is None:
        facts.note(f"{cluster.name}/istiod", f"meshConfig.{name}", value, Assumed(default))
        return
    where: Evidence = manifest.evidence("data", "mesh")
    facts.note(subject(cluster.name, manifest.key), f"meshConfig.{name}", value, where)


def scope_configs(cluster: Cluster) -> tuple[Mapping[str, Any], ...]:
    """`serviceScopeConfigs`: as written, or the ambient profile's where no meshConfig is shown."""
    if config_manifest(cluster) is None:
        return PROFILE_SCOPES
    entries = mesh_config(cluster).get("serviceScopeConfigs")
    return tuple(e for e in entries if isinstance(e, dict)) if isinstance(entries, list) else ()


def locality_setting(cluster: Cluster) -> Mapping[str, Any] | None:
    """The mesh-wide localityLbSetting; None where it is switched off (`enabled` is true by default)."""
    setting = mesh_config(cluster).get("localityLbSetting")
    setting = setting if isinstance(setting, dict) else {}
    return None if setting.get("enabled") is False else setting


def is_cluster_local(cluster: Cluster, host: str) -> bool:
    """Whether `serviceSettings` keep a host's endpoints to the client's own cluster
    (istio pilot/pkg/model/cluster_local.go)."""
    entries = mesh_config(cluster).get("serviceSettings")
    for entry in entries if isinstance(entries, list) else ():
        settings = entry.get("settings") if isinstance(entry, dict) else None
        if isinstance(settings, dict) and settings.get("clusterLocal") is True:
            hosts = entry.get("hosts")
            for pattern in hosts if isinstance(hosts, list) else ():
                if pattern == host or (str(pattern).startswith("*") and host.endswith(str(pattern)[1:])):
                    return True
    return False
