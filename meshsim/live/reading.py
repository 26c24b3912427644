"""One cluster's objects, read with the user's kubectl: only `api-resources` and `get`, only kinds that matter."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final, final

from meshsim.live.commands import Ran, Runner
from meshsim.live.tidy import confidential, tidy
from meshsim.manifests.kinds import KINDS, Bearing, canonical_kind
from meshsim.model.errors import InputError
from meshsim.model.frozen import frozen

SYSTEM: Final = "istio-system"
PLATFORM: Final = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
NEVER: Final = frozenset({"Secret", "Endpoints"})
"""Endpoints written by hand have slices too (Kubernetes mirrors them); a Secret is never asked for."""
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_RESOURCE: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@final
@frozen
class Wanted:
    """A cluster that is to be read: its name in the scenario, and how kubectl reaches it."""

    name: str
    context: str
    kubeconfig: str | None = None
    namespaces: tuple[str, ...] = ()

    def kubectl(self, *words: str) -> list[str]:
        """The argument list of one kubectl call."""
        config = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        return ["kubectl", *config, f"--context={self.context}", "--request-timeout=60s", *words]

    def asked(self) -> tuple[str, ...]:
        """The namespaces that are read; none means all."""
        return tuple(dict.fromkeys((*self.namespaces, SYSTEM))) if self.namespaces else ()


@final
@frozen
class Read:
    """What a cluster returned: objects by (namespace, kind), kinds that could not be read, and warnings."""

    name: str
    objects: Mapping[tuple[str, str], tuple[dict[str, Any], ...]]
    unread: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    """Modelled kinds that the API server does not know: there are no such objects."""
    warnings: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return sum(map(len, self.objects.values()))


def commands(wanted: Wanted, resources: Mapping[str, str] | None = None) -> list[list[str]]:
    """Every kubectl call that reading this cluster may make. Without discovered `resources`, kinds stand for them."""
    named = resources or {kind: kind.lower() for kind in relevant_kinds()}
    listed = [list_command(wanted, kind, named[kind], space) for kind in named for space in _spaces(wanted, kind)]
    return [wanted.kubectl("api-resources", "--verbs=list", "--no-headers"), *listed]


def relevant_kinds() -> tuple[str, ...]:
    """The kinds that a snapshot reads, in order of name."""
    return tuple(sorted(k for k, v in KINDS.items() if v.bearing is not Bearing.IRRELEVANT and k not in NEVER))


def list_command(wanted: Wanted, kind: str, resource: str, namespace: str | None) -> list[str]:
    """The call that lists one kind."""
    if kind == "Namespace" and wanted.namespaces:
        return wanted.kubectl("get", resource, *wanted.asked(), "--ignore-not-found", "-o", "json")
    scope = [] if not KINDS[kind].namespaced else ["--all-namespaces"] if namespace is None else ["-n", namespace]
    return wanted.kubectl("get", resource, *scope, "-o", "json")


def read_cluster(wanted: Wanted, run: Runner) -> Read:
    """Read a cluster. What is forbidden is noted and left out; raises InputError where nothing can be read at all."""
    resources, unlisted = _discover(wanted, run)
    objects: dict[tuple[str, str], list[dict[str, Any]]] = {}
    unread = dict(unlisted)
    warnings: dict[str, None] = {}
    for kind in relevant_kinds():
        if kind not in resources:
            continue
        for space in _spaces(wanted, kind):
            ran = run(list_command(wanted, kind, resources[kind], space))
            items = _items(ran)
            if items is None:
                unread[kind] = _why(ran, space)
                continue
            for item in items:
                _keep(kind, item, wanted, objects, warnings)
    absent = tuple(
        kind
        for kind in relevant_kinds()
        if kind not in resources and kind not in unlisted and KINDS[kind].bearing is Bearing.MODELLED
    )
    if wanted.namespaces:
        unread["other namespaces"] = f"the snapshot was limited to {', '.join(wanted.asked())}"
    return Read(
        name=wanted.name,
        objects={key: tuple(sorted(objects[key], key=lambda o: o["metadata"]["name"])) for key in sorted(objects)},
        unread=dict(sorted(unread.items())),
        absent=absent,
        warnings=tuple(warnings),
    )


def _discover(wanted: Wanted, run: Runner) -> tuple[dict[str, str], dict[str, str]]:
    """Kinds in meshsim's words → resources in kubectl's, and the kinds of groups whose discovery failed.

    Columns are NAME [SHORTNAMES] APIVERSION NAMESPACED KIND. kubectl lists what it can, and ends with an error that
    names the groups that it could not ask.
    """
    ran = run(wanted.kubectl("api-resources", "--verbs=list", "--no-headers"))
    found: dict[str, str] = {}
    for line in ran.out.decode("utf-8", "replace").splitlines():
        cells = line.split()
        if len(cells) < 4 or cells[-2] not in {"true", "false"}:
            continue
        version, bare = cells[-3], cells[-1]
        kind = canonical_kind(version, bare)
        group = version.rpartition("/")[0]
        resource = f"{cells[0]}.{group}" if group else cells[0]
        if kind in relevant_kinds() and _RESOURCE.fullmatch(resource):
            found.setdefault(kind, resource)
    if not found:
        msg = f"context {wanted.context!r} cannot be read: {_last(ran.err) or 'no resources'}"
        raise InputError(msg, hint=f"try: kubectl --context {wanted.context} get namespaces")
    if not ran.code:
        return found, {}
    missing = [kind for kind in relevant_kinds() if kind not in found]
    failed = {
        kind: "its API group did not answer" for kind in missing if any(f"{g}/" in ran.err for g in _groups(kind))
    }
    return found, failed


def _groups(kind: str) -> tuple[str, ...]:
    return tuple(group for group in KINDS[kind].groups if group)


def _spaces(wanted: Wanted, kind: str) -> Sequence[str | None]:
    return wanted.asked() if wanted.namespaces and KINDS[kind].namespaced else (None,)


def _items(ran: Ran) -> list[Any] | None:
    """The objects of an answer; None where it is none. An empty answer of `--ignore-not-found` has none."""
    if ran.code:
        return None
    if not ran.out.strip():
        return []
    try:
        answer = json.loads(ran.out)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    items = answer.get("items") if "items" in answer else [answer]
    return items if isinstance(items, list) else None


def _keep(
    kind: str,
    item: Any,
    wanted: Wanted,
    objects: dict[tuple[str, str], list[dict[str, Any]]],
    warnings: dict[str, None],
) -> None:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        warnings[f"{wanted.name}: a {kind} without a name was left out"] = None
        return
    namespace = str(metadata.get("namespace") or "")
    if namespace and not _NAMESPACE.fullmatch(namespace):
        warnings[f"{wanted.name}: {kind} {metadata['name']} has no valid namespace and was left out"] = None
        return
    space = namespace or (metadata["name"] if kind == "Namespace" else "")
    if space in PLATFORM and space not in wanted.namespaces:
        return
    kept = tidy(kind, item)
    if kept is None:
        return
    objects.setdefault((namespace, kind), []).append(kept)
    for variable in confidential(item):
        warnings[f"{wanted.name}: {kind} {namespace}/{metadata['name']} holds the value of {variable}"] = None


def _why(ran: Ran, namespace: str | None) -> str:
    place = f" in namespace {namespace}" if namespace else ""
    said = _last(ran.err)
    return f"forbidden{place}" if "forbidden" in said.lower() else f"kubectl failed{place}: {said or ran.code}"


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
