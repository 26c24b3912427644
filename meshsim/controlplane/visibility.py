"""Which ServiceEntries a mesh's administrator keeps to their namespaces: `serviceEntryVisibility` of the meshConfig
(istio pilot/pkg/model CompileServiceEntryVisibility; release note 60870)."""

from collections.abc import Mapping
from typing import Any

from meshsim.controlplane.attachment import selects
from meshsim.controlplane.meshconfig import mesh_config, note
from meshsim.mesh.mesh import Cluster
from meshsim.model.facts import Facts

FIELD = "serviceEntryVisibility"


def is_public(cluster: Cluster, namespace: str, facts: Facts) -> bool:
    """Whether the ServiceEntries of `namespace` are for all namespaces: the first policy all of whose rules match its
    labels decides, else the default. What is not configured is public, whatever `exportTo` says: ambient never reads
    that."""
    stated = mesh_config(cluster).get(FIELD)
    if not isinstance(stated, dict) or not cluster.dialect.value("serviceentry.visibility"):
        return True
    described = cluster.namespace(namespace)
    labels = {"kubernetes.io/metadata.name": namespace, **(described.labels if described is not None else {})}
    policies = [policy for policy in _listed(stated, "policies") if isinstance(policy, dict)]
    matching = (p.get("visibility") for p in policies if all(_matches(r, labels) for r in _listed(p, "matchingRules")))
    chosen = str(next(matching, stated.get("defaultVisibility")) or "PUBLIC")
    note(cluster, facts, FIELD, chosen, "")
    return chosen not in {"NAMESPACE", "NONE"}


def _listed(value: Mapping[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def _matches(rule: Any, labels: Mapping[str, str]) -> bool:
    """A rule by a selector of namespaces; any other kind of rule never matches."""
    selector = rule.get("namespaceSelector") if isinstance(rule, dict) else None
    return isinstance(selector, dict) and selects(selector, labels)
