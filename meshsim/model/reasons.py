"""Reason codes: what keeps a split from being applied, as data. Each has a page, `meshsim/reasons/CODE.md`.

Codes are never reused. The first digit is the family: 1 client and address, 2 who decides, 3 endpoints and backends,
4 the rollout and its objects, 5 links and clusters, 6 settings, 9 undetermined.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Reason(NamedTuple):
    """`code` as in `MS201`, `slug` its name in words, `meaning` a phrase that fits a table."""

    code: str
    slug: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.code} {self.slug}"


_ALL: Final = (
    Reason("MS101", "not-in-mesh", "client is not in the mesh"),
    Reason("MS102", "pod-ip", "addressed by pod IP"),
    Reason("MS103", "unresolved-name", "name does not resolve from there"),
    Reason("MS104", "not-http", "port is not HTTP: an L7 route cannot apply"),
    Reason("MS105", "no-vip", "no VIP for this service on the client's network"),
    Reason(
        "MS201", "client-local-waypoint", "L7 is decided in the client's cluster, the rollout's waypoint is skipped"
    ),
    Reason("MS202", "no-waypoint", "no waypoint on the path"),
    Reason("MS203", "local-endpoints-first", "failover never reaches the rollout's cluster"),
    Reason("MS204", "sidecar-decides", "the sidecar decides at the client"),
    Reason("MS205", "ingress-direct", "ingress gateway goes straight to the pods"),
    Reason("MS206", "waypoint-empty", "waypoint has no usable pod: fails closed"),
    Reason("MS207", "waypoint-never-ready", "waypoint never became ready: fails open to L4"),
    Reason("MS208", "no-route", "waypoint has no route for this host"),
    Reason("MS209", "shadowed-route", "another route shadows the managed one"),
    Reason("MS210", "waypoint-unbound", "waypoint reference is dangling, denied or for another traffic type"),
    Reason("MS211", "other-rollout", "another Rollout of the service decided"),
    Reason("MS301", "empty-subset", "subset selects no endpoint"),
    Reason("MS302", "labels-not-propagated", "labels are not propagated to remote WorkloadEntries"),
    Reason("MS303", "hash-drift", "pod-template hashes differ between the clusters"),
    Reason("MS304", "deployment-hash", "remote pods come from a Deployment and can never match"),
    Reason("MS305", "subset-lost", "subset identity is lost at the east-west gateway"),
    Reason("MS306", "backend-local-empty", "backend Service is cluster-scoped and has no endpoint"),
    Reason("MS307", "no-endpoint", "no healthy endpoint for the service at L4"),
    Reason("MS308", "no-usable-backend", "all weights zero, or a backend is missing: 500"),
    Reason("MS309", "backend-kind", "backendRef of a kind or group that is refused"),
    Reason("MS401", "masked", "the shares look right although the split is bypassed"),
    Reason("MS402", "out-of-step", "weights, selectors and endpoints disagree (propagation window)"),
    Reason("MS403", "leftover-revision", "pods of an aborted or superseded revision still receive traffic"),
    Reason("MS404", "cannot-execute", "the rollout cannot execute"),
    Reason("MS405", "unmanageable-backend", "managed route has a backendRef that is not a Service"),
    Reason("MS406", "rewritten", "something else rewrites the managed route"),
    Reason("MS501", "link-down", "peering link, east-west gateway or cluster is down"),
    Reason("MS502", "different-roots", "certificates do not share a root"),
    Reason("MS503", "drained", "cluster is drained"),
    Reason("MS504", "denied", "a policy or STRICT mutual TLS at the pod closes the connection"),
    Reason("MS601", "no-effect", "a setting that has no effect here"),
    Reason("MS901", "unmodelled", "undetermined: a field that matters is not modelled"),
    Reason("MS902", "contested", "undetermined: the sources contradict each other"),
)

REASONS: Final[Mapping[str, Reason]] = {reason.code: reason for reason in _ALL}
"""By code, in order."""


def named(code: str) -> str:
    """A code with its slug; an unknown code as it stands.

    >>> named("MS201")
    'MS201 client-local-waypoint'
    """
    return str(REASONS.get(code, code))


def find(text: str) -> Reason | None:
    """The reason that a code, a slug, or both together name, whatever the case.

    >>> find("ms201").slug, find("No-Waypoint").code, find("MS201 client-local-waypoint").code
    ('client-local-waypoint', 'MS202', 'MS201')
    """
    wanted = text.strip().lower()
    for reason in _ALL:
        if wanted in {reason.code.lower(), reason.slug, str(reason).lower()}:
            return reason
    return None
