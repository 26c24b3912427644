"""What a cluster's proxies hold, asked with the user's istioctl: read-only, and tidied so that git can compare two.

Secrets and certificates are left out, whole. istioctl reads through the admin ports of the pods, which needs the right
to forward ports.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, final

from meshsim.live.commands import Ran, Runner
from meshsim.live.proxies import ProxyPod
from meshsim.live.reading import Wanted
from meshsim.model.frozen import frozen

MISSING: Final = 127
MOST_SIDECARS: Final = 50
"""Workloads with a sidecar beyond these are left out, and said."""
_ADMIN: Final = "type.googleapis.com/envoy.admin.v3."
_SECTIONS: Final = (
    "ListenersConfigDump", "RoutesConfigDump", "ClustersConfigDump", "EndpointsConfigDump"
)  # fmt: skip
_NOISE: Final = frozenset({"last_updated", "version_info", "client_status", "access_log", "tracing", "stat_prefix"})
_SENSITIVE: Final = frozenset({"tls_certificates", "private_key", "session_ticket_keys", "inline_bytes"})
_NAMED: Final = {
    "dynamic_listeners": ("name",),
    "static_listeners": ("listener", "name"),
    "dynamic_route_configs": ("route_config", "name"),
    "static_route_configs": ("route_config", "name"),
    "dynamic_active_clusters": ("cluster", "name"),
    "static_clusters": ("cluster", "name"),
    "dynamic_endpoint_configs": ("endpoint_config", "cluster_name"),
    "static_endpoint_configs": ("endpoint_config", "cluster_name"),
}
"""Lists of a config_dump, and by what their items are told apart; warming and failed resources are left out."""


@final
@frozen
class Taken:
    """One cluster's dumps: the ztunnels' and the Envoys', and what could not be had."""

    ztunnel: Mapping[str, Any] | None = None
    envoy: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


def istioctl(wanted: Wanted, *words: str) -> list[str]:
    """The argument list of one istioctl call."""
    config = [f"--kubeconfig={wanted.kubeconfig}"] if wanted.kubeconfig else []
    return ["istioctl", *words, "-o", "json", f"--context={wanted.context}", *config]


def commands(wanted: Wanted) -> list[list[str]]:
    """The istioctl calls that a snapshot may make; the last two for every proxy."""
    return [istioctl(wanted, "ztunnel-config", "all"), *_of_envoy(wanted, "POD.NAMESPACE")]


def _of_envoy(wanted: Wanted, pod: str) -> list[list[str]]:
    """`all` leaves endpoints out, and `endpoint` what they are reached through (istioctl pkg/proxyconfig)."""
    return [istioctl(wanted, "proxy-config", what, pod) for what in ("all", "eds")]


def take(wanted: Wanted, pods: Sequence[ProxyPod], run: Runner) -> Taken | None:
    """Ask the proxies of one cluster. None where there is no istioctl."""
    missing: dict[str, str] = {}
    ran = run(istioctl(wanted, "ztunnel-config", "all"))
    if ran.code == MISSING:
        return None
    ztunnel = _answer(ran, "ztunnel", missing, ztunnel_tidy)
    envoy = {}
    sidecars = [one for one in pods if one.proxy.startswith("sidecar:")]
    if len(sidecars) > MOST_SIDECARS:
        missing[f"{len(sidecars) - MOST_SIDECARS} sidecars"] = f"one pod each of {MOST_SIDECARS} workloads is asked"
    for one in pods:
        if one in sidecars[MOST_SIDECARS:]:
            continue
        parts = [
            _answer(run(command), one.proxy, missing, tidy)
            for command, tidy in zip(
                _of_envoy(wanted, f"{one.pod}.{one.namespace}"), (envoy_tidy, endpoints_tidy), strict=True
            )
            if one.proxy not in missing
        ]
        if one.proxy not in missing:
            envoy[one.proxy] = {"configs": [section for part in parts if part for section in part["configs"]]}
    return Taken(ztunnel=ztunnel, envoy=envoy, missing=missing)


def _answer(ran: Ran, name: str, missing: dict[str, str], tidy: Any) -> Mapping[str, Any] | None:
    """A tidied answer, or what istioctl said instead."""
    if ran.code:
        said = ran.err.strip().splitlines()
        missing[name] = (said[-1] if said else f"istioctl ended with {ran.code}").removeprefix("Error: ")
        return None
    try:
        found: Mapping[str, Any] | None = tidy(json.loads(ran.out))
    except (ValueError, RecursionError, TypeError, AttributeError):
        found = None
    if found is None:
        missing[name] = "istioctl's answer is no dump"
    return found


def ztunnel_tidy(dump: Any) -> Mapping[str, Any] | None:
    """Services and workloads in order of name; certificates, connections and policies are left out."""
    if not isinstance(dump, dict) or not {"services", "workloads"} <= {str(key).lower() for key in dump}:
        return None
    kept = {}
    for key, value in dump.items():
        if str(key).lower() in {"services", "workloads"}:
            rows = value.values() if isinstance(value, dict) else value
            kept[key] = sorted({json.dumps(row, sort_keys=True): row for row in rows}.items())
    return {key: [row for _, row in rows] for key, rows in kept.items()}


def envoy_tidy(dump: Any) -> Mapping[str, Any] | None:
    """The sections that routing depends on, every list in order of name, without what changes by itself."""
    if not isinstance(dump, dict) or not isinstance(dump.get("configs"), list):
        return None
    kept: list[dict[str, Any]] = []
    for section in dump["configs"]:
        kind = str(section.get("@type", "")).rpartition(".")[2]
        if kind == "BootstrapConfigDump":
            kept.append({"@type": section["@type"], "bootstrap": {"node": _node(section.get("bootstrap") or {})}})
        elif kind in _SECTIONS:
            lists = {key: _sorted(section[key], path) for key, path in _NAMED.items() if section.get(key)}
            kept.append({"@type": section["@type"], **lists})
    return {"configs": kept}


def endpoints_tidy(listed: Any) -> Mapping[str, Any] | None:
    """The hosts that istiod told, as a config_dump with endpoints has them."""
    if not isinstance(listed, list):
        return None
    found = [{"endpoint_config": _plain(one)} for one in listed]
    found.sort(key=lambda one: json.dumps(one, sort_keys=True))
    return {"configs": [{"@type": f"{_ADMIN}EndpointsConfigDump", "dynamic_endpoint_configs": found}]}


def _node(bootstrap: Mapping[str, Any]) -> dict[str, Any]:
    node = bootstrap.get("node") or {}
    cluster = (node.get("metadata") or {}).get("CLUSTER_ID")
    return {
        **{key: node[key] for key in ("id", "locality") if node.get(key)},
        **({"metadata": {"CLUSTER_ID": cluster}} if cluster else {}),
    }


def _sorted(items: Iterable[Any], path: Sequence[str]) -> list[Any]:
    def name(item: Any) -> str:
        for step in path:
            item = item.get(step) or {}
        return item if isinstance(item, str) else ""

    return sorted((_plain(item) for item in items), key=lambda item: (name(item), json.dumps(item, sort_keys=True)))


def _plain(value: Any) -> Any:
    """Without noise and anything confidential; hosts in order of address."""
    if isinstance(value, dict):
        kept = {key: _plain(one) for key, one in value.items() if key not in _NOISE and key not in _SENSITIVE}
        for hosts in ("lb_endpoints", "lbEndpoints"):
            if isinstance(kept.get(hosts), list):
                kept[hosts] = sorted(kept[hosts], key=lambda one: json.dumps(one, sort_keys=True))
        return kept
    return [_plain(one) for one in value] if isinstance(value, list) else value
