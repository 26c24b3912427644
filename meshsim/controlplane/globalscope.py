"""Which services are global: upstream's scope by selectors in the meshConfig
(istio pilot/pkg/serviceregistry/ambient/services.go:338)."""

from collections.abc import Mapping
from typing import Any

from meshsim.controlplane.attachment import selects
from meshsim.controlplane.meshconfig import GLOBAL_LABEL, PROFILE, config_manifest, note, scope_configs
from meshsim.mesh.mesh import Cluster
from meshsim.model.evidence import Assumed, Evidence
from meshsim.model.facts import Facts


def is_global(
    cluster: Cluster, namespace: str, labels: Mapping[str, str], subject: str, where: Evidence, facts: Facts
) -> bool:
    """Whether a Service with these labels in `namespace` is shared with other clusters.

    The first entry of `serviceScopeConfigs` that selects it decides, the namespace's and the Service's selectors
    both where both are set; what none selects is local.
    """
    facts.note(subject, f"label:{GLOBAL_LABEL}", labels.get(GLOBAL_LABEL), where)
    described = cluster.namespace(namespace)
    namespace_labels = {
        "kubernetes.io/metadata.name": namespace,
        **(described.labels if described is not None else {}),
    }
    for index, entry in enumerate(scope_configs(cluster)):
        if not _selected(entry, namespace_labels, dict(labels)):
            continue
        chosen = str(entry.get("scope") or "LOCAL")
        if config_manifest(cluster) is not None:
            note(cluster, facts, f"serviceScopeConfigs.{index}.scope", chosen, "")
        else:
            facts.note(f"{cluster.name}/istiod", "meshConfig.serviceScopeConfigs", chosen, Assumed(f"as in {PROFILE}"))
        return chosen.upper() == "GLOBAL"
    return False


def _selected(entry: Mapping[str, Any], namespace: dict[str, str], service: dict[str, str]) -> bool:
    chosen = entry.get("namespaceSelector")
    if isinstance(chosen, dict) and not selects(chosen, namespace):
        return False
    chosen = entry.get("servicesSelector")
    return not isinstance(chosen, dict) or selects(chosen, service)
