"""What differs between releases of the controller and of its Gateway API plugin, as rows of data.

A row holds from `since` (inclusive) to `until` (exclusive). Release candidates count as their release.
"""

import re
from functools import cache
from typing import Any, final

from meshsim.model.errors import MalformedError
from meshsim.model.frozen import record

LATEST = "1.10"
LATEST_GATEWAYAPI = "0.15"
_LAST_PATCH = 10**6
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-[\w.]+)?(?:\+\S*)?\Z")
Version = tuple[int, int, int]
_START: Version = (0, 0, 0)
_END: Version = (_LAST_PATCH, 0, 0)
_OLDEST: Version = (1, 2, 0)


@final
@record
class VersionRow:
    """`name` is `value` for versions in [since, until)."""

    name: str
    value: Any
    since: Version
    until: Version
    source: str


def _row(name: str, value: Any, since: Version, until: Version, source: str) -> VersionRow:
    return VersionRow(name, value, since, until, source)


CONTROLLER_ROWS: tuple[VersionRow, ...] = (
    _row("hash_flavour", "0.29", (1, 2, 0), (1, 9, 0), "utils/hash/hash.go:14; k8s.io/api v0.29 in go.mod"),
    _row("hash_flavour", "0.34", (1, 9, 0), _END, "utils/hash/hash.go:14; argo-rollouts#4696"),
    # SetWeight before UpdateHash where the canary has no pods but still has weight.
    _row("early_zero", False, _START, (1, 9, 0), "argo-rollouts#4564"),
    _row("early_zero", True, (1, 9, 0), _END, "rollout/trafficrouting.go:298; argo-rollouts#4564, #4639"),
    # What an unavailable ReplicaSet does to the DestinationRule switch where no Services are named.
    _row("dr_delay", "none", _START, (1, 8, 0), "argo-rollouts#2507, #4128"),
    _row("dr_delay", "error-any", (1, 8, 0), (1, 8, 3), "argo-rollouts#4128, #4319"),
    _row("dr_delay", "skip", (1, 8, 3), (1, 9, 0), "rollout/trafficrouting/istio/istio.go:323 (v1.8.4)"),
    _row("dr_delay", "error", (1, 9, 0), _END, "rollout/trafficrouting/istio/istio.go:385; argo-rollouts#4612"),
    # "Stable big enough": against 100, or against maxTrafficWeight with replicaProgressThreshold.
    _row("stable_check_by_max", False, _START, (1, 9, 0), "rollout/trafficrouting.go:145 (v1.8.4)"),
    _row("stable_check_by_max", True, (1, 9, 0), _END, "rollout/trafficrouting.go:142"),
    _row("progress_threshold", False, _START, (1, 9, 0), "utils/replicaset/canary.go:38 (v1.8.4)"),
    _row("progress_threshold", True, (1, 9, 0), _END, "utils/replicaset/canary.go:35"),
    _row("dr_protects", False, _START, (1, 9, 0), "rollout/replicaset.go:364 (v1.8.4)"),
    _row("dr_protects", True, (1, 9, 0), _END, "rollout/replicaset.go:430"),
    # Abort with dynamicStableScale: by the stable's availability, or backwards by the steps.
    _row("abort_by_steps", False, _START, (1, 9, 0), "rollout/trafficrouting.go:337 (v1.8.4)"),
    _row("abort_by_steps", True, (1, 9, 0), _END, "rollout/trafficrouting.go:361; argo-rollouts#4035"),
    _row("abort_by_steps_explicit_delay", False, _START, (1, 10, 0), "argo-rollouts#4898"),
    _row("abort_by_steps_explicit_delay", True, (1, 10, 0), _END, "utils/replicaset/canary.go:518; argo-rollouts#4900"),
    _row("promote_with_surplus", False, _START, (1, 9, 0), "rollout/sync.go:945 (v1.8.4)"),
    _row("promote_with_surplus", True, (1, 9, 0), _END, "rollout/sync.go:950 (v1.9.0)"),
    _row("min_pods_capped", False, _START, (1, 10, 0), "utils/replicaset/canary.go:357 (v1.9.0)"),
    _row("min_pods_capped", True, (1, 10, 0), _END, "utils/replicaset/canary.go:357"),
    _row("returns_after_create", False, _START, (1, 10, 0), "rollout/controller.go:583 (v1.9.0)"),
    _row("returns_after_create", True, (1, 10, 0), _END, "rollout/controller.go:452; argo-rollouts#4784"),
    _row("returns_after_pause_conditions", False, _START, (1, 10, 0), "rollout/context.go:64 (v1.9.0)"),
    _row("returns_after_pause_conditions", True, (1, 10, 0), _END, "rollout/sync.go:698"),
    _row(
        "abort_delay_keeps_scaling", False, _START, (1, 10, 0), "rollout/replicaset.go:121 (v1.9.1); argo-rollouts#4853"
    ),
    _row(
        "abort_delay_keeps_scaling", True, (1, 10, 0), _END, "rollout/replicaset.go:131 (v1.10.0); argo-rollouts#4919"
    ),
    _row("conditions_at_the_end", False, _START, (1, 10, 0), "rollout/sync.go:664, 740 (v1.9.1)"),
    _row("conditions_at_the_end", True, (1, 10, 0), _END, "rollout/sync.go:587, 776 (v1.10.0)"),
    _row("removes_routes_of_steps", False, _START, (1, 10, 0), "rollout/trafficrouting/istio/istio.go:1557 (v1.9.1)"),
    _row("removes_routes_of_steps", True, (1, 10, 0), _END, "rollout/trafficrouting/istio/istio.go:1557 (v1.10.0)"),
    _row("additional_subsets", False, _START, (1, 9, 0), "rollout/trafficrouting/istio/istio.go:136 (v1.8.4)"),
    _row("additional_subsets", True, (1, 9, 0), _END, "rollout/trafficrouting/istio/istio.go:198"),
)

GATEWAYAPI_ROWS: tuple[VersionRow, ...] = (
    _row("default_namespace", False, _START, (0, 11, 0), "rollouts-plugin-trafficrouter-gatewayapi#67, #123"),
    _row("default_namespace", True, (0, 11, 0), _END, "commit bcb9427"),
    _row("selectors", False, _START, (0, 7, 0), "rollouts-plugin-trafficrouter-gatewayapi v0.6.0"),
    _row("selectors", True, (0, 7, 0), _END, "pkg/plugin/plugin.go (v0.7.0)"),
    _row("in_progress_label", False, _START, (0, 10, 0), "rollouts-plugin-trafficrouter-gatewayapi v0.9.0"),
    _row("in_progress_label", True, (0, 10, 0), _END, "pkg/plugin/labels.go"),
    _row("skips_managed_rules", False, _START, (0, 13, 0), "rollouts-plugin-trafficrouter-gatewayapi#158"),
    _row("skips_managed_rules", True, (0, 13, 0), _END, "pkg/plugin/httproute.go:15-73 (v0.15.0)"),
)


def parse_version(text: str) -> Version:
    """`1.9` is its latest patch, `1.9.1` that patch. Raises MalformedError where it is no version.

    >>> parse_version("1.8.2")
    (1, 8, 2)
    """
    match = _VERSION.match(str(text))
    if match is None:
        msg = f'{text!r} is no version: write "1.9" or "1.9.1"'
        raise MalformedError(msg)
    major, minor, patch = match.groups()
    return int(major), int(minor), _LAST_PATCH if patch is None else int(patch)


@cache
def controller(version: str = LATEST) -> dict[str, Any]:
    """The behaviour of one controller version, by row name. Treat it as read-only.

    Raises MalformedError for one older than 1.2, whose hashes (of Go's debug print) are not modelled.
    """
    if parse_version(version) < _OLDEST:
        msg = f"argo-rollouts {version} is not modelled: the oldest is 1.2"
        raise MalformedError(msg)
    return _behaviour(CONTROLLER_ROWS, version)


@cache
def gatewayapi_plugin(version: str = LATEST_GATEWAYAPI) -> dict[str, Any]:
    """The behaviour of one Gateway API plugin version, by row name. Treat it as read-only."""
    return _behaviour(GATEWAYAPI_ROWS, version)


def _behaviour(rows: tuple[VersionRow, ...], version: str) -> dict[str, Any]:
    wanted = parse_version(version)
    return {row.name: row.value for row in rows if row.since <= wanted < row.until}
