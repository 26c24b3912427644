"""Which services are global: upstream's scope by selectors in the meshConfig
(istio pilot/pkg/serviceregistry/ambient/services.go:338)."""

from collections.abc import Mapping
from typing import Any, Final

from meshsim.controlplane.attachment import selects
from meshsim.controlplane.meshconfig import GLOBAL_LABEL, PROFILE, config_manifest, note, scope_configs
from meshsim.mesh.mesh import Cluster
from meshsim.model.evidence import Assumed, Evidence
from meshsim.model.facts import Facts

_GLOBAL: Final = "GLOBAL"


def is_global(
    watcher: Cluster,
    cluster: Cluster,
    namespace: str,
    labels: Mapping[str, str],
    subject: str,
    where: Evidence,
    facts: Facts,
) -> bool:
    """Whether a Service with these labels in `namespace` of `cluster` is shared, as `watcher` has it: the labels are
    the Service's own cluster's, the configuration that selects by them is the watcher's (services.go
    `GlobalNestedWorkloadServicesCollection`; istio.io, ambient multicluster: scopes are not read across clusters).

    Any entry of `serviceScopeConfigs` with scope GLOBAL that selects it makes it so, by the namespace's and the
    Service's selectors both where both are set; an entry with scope LOCAL takes nothing away.
    """
    facts.note(subject, f"label:{GLOBAL_LABEL}", labels.get(GLOBAL_LABEL), where)
    described = cluster.namespace(namespace)
    namespace_labels = {
        "kubernetes.io/metadata.name": namespace,
        **(described.labels if described is not None else {}),
    }
    for index, entry in enumerate(scope_configs(watcher)):
        if entry.get("scope") != _GLOBAL or not _selected(entry, namespace_labels, dict(labels)):
            continue
        if config_manifest(watcher) is not None:
            note(watcher, facts, f"serviceScopeConfigs.{index}.scope", _GLOBAL, "")
        else:
            facts.note(f"{watcher.name}/istiod", "meshConfig.serviceScopeConfigs", _GLOBAL, Assumed(f"as in {PROFILE}"))
        return True
    return False


def _selected(entry: Mapping[str, Any], namespace: dict[str, str], service: dict[str, str]) -> bool:
    chosen = entry.get("namespaceSelector")
    if isinstance(chosen, dict) and not selects(chosen, namespace):
        return False
    chosen = entry.get("servicesSelector")
    return not isinstance(chosen, dict) or selects(chosen, service)
