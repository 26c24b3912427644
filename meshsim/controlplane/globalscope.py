"""Which services are global: upstream's scope by selectors in the meshConfig
(istio pilot/pkg/serviceregistry/ambient/services.go:338)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshsim.controlplane.attachment import selects
from meshsim.controlplane.meshconfig import PROFILE, config_manifest, note
from meshsim.mesh.mesh import Cluster
from meshsim.model.evidence import Assumed
from meshsim.model.facts import Facts

_GLOBAL: Final = "GLOBAL"


def global_entry(
    entries: Sequence[Mapping[str, Any]], cluster: Cluster, namespace: str, labels: Mapping[str, str]
) -> int | None:
    """The first entry of a `serviceScopeConfigs` that makes a Service with these labels in `namespace` of `cluster`
    global, by the namespace's and the Service's selectors both where both are set; None where none does. An entry with
    scope LOCAL takes nothing away."""
    described = cluster.namespace(namespace)
    around = {"kubernetes.io/metadata.name": namespace, **(described.labels if described is not None else {})}
    matching = (i for i, e in enumerate(entries) if e.get("scope") == _GLOBAL and _selected(e, around, dict(labels)))
    return next(matching, None)


def note_entry(watcher: Cluster, entry: int | None, facts: Facts) -> None:
    """Record the entry that made a Service global. The labels are the Service's own cluster's, the configuration that
    selects by them is the watcher's (services.go `GlobalNestedWorkloadServicesCollection`; istio.io, ambient
    multicluster: scopes are not read across clusters)."""
    if entry is None:
        return
    if config_manifest(watcher) is not None:
        note(watcher, facts, f"serviceScopeConfigs.{entry}.scope", _GLOBAL, "")
    else:
        facts.note(f"{watcher.name}/istiod", "meshConfig.serviceScopeConfigs", _GLOBAL, Assumed(f"as in {PROFILE}"))


def _selected(entry: Mapping[str, Any], namespace: dict[str, str], service: dict[str, str]) -> bool:
    chosen = entry.get("namespaceSelector")
    if isinstance(chosen, dict) and not selects(chosen, namespace):
        return False
    chosen = entry.get("servicesSelector")
    return not isinstance(chosen, dict) or selects(chosen, service)
