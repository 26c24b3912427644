"""What differs by product and version, as rows of data with a source each.

Nobody asks which dialect it is: the control plane asks a `Dialect` for a named behaviour and gets the value of the
row whose product and version range fit.
"""

from typing import Final, final

from meshsim.model.errors import InputError
from meshsim.model.evidence import Evidence
from meshsim.model.frozen import frozen, record


@final
@frozen
class Behaviour:
    """`name` has `value` in `product` from minor version `since` up to and including `until`."""

    name: str
    product: str
    value: str
    source: str
    since: int = 0
    until: int = 99


def _solo(name: str, value: str, source: str, since: int = 0, until: int = 99) -> Behaviour:
    return Behaviour(name=name, product="solo", value=value, source=source, since=since, until=until)


def _istio(name: str, value: str, source: str, since: int = 0, until: int = 99) -> Behaviour:
    return Behaviour(name=name, product="istio", value=value, source=source, since=since, until=until)


BEHAVIOURS: Final = (
    _solo("federation", "peering", "Solo docs, multicluster multi-apps overview"),
    _istio("federation", "split-horizon", "istio pilot/pkg/serviceregistry/ambient/multicluster.go:315"),
    _solo(
        "global.distribution", "PreferNetwork", "Solo docs, failover overview: a global service prefers its own network"
    ),
    _istio("global.distribution", "", "istio pilot/pkg/serviceregistry/ambient/services.go:622: none unless asked for"),
    _solo(
        "remote.weight.l7", "network", "fe-solo-enterprise-for-istio-workshops 015 (49/51 with 2 pods and 1 gateway)"
    ),
    _istio("remote.weight.l7", "pods", "istio pilot/pkg/xds/endpoints/ep_filters.go:48"),
    _solo("remote.weight.l4", "pods", "istio pilot/pkg/serviceregistry/ambient/multicluster.go:315"),
    _istio("remote.weight.l4", "pods", "istio pilot/pkg/serviceregistry/ambient/multicluster.go:315"),
    _solo("remote.subset", "propagated-labels", "Solo docs, Argo Rollouts guide: cross-cluster subset matching"),
    _istio("remote.subset", "pod-labels", "istio pilot/pkg/xds/endpoints/endpoint_builder.go:461"),
    _solo("sidecar.interop", "true", "Solo docs, Argo Rollouts guide: ENABLE_WAYPOINT_INTEROP is on in Solo builds"),
    _istio("sidecar.interop", "", "istio has no such flag; sidecars never use a waypoint (endpoint_builder.go:841)"),
    _solo("sidecar.hbone-gateway", "pods", "Solo docs, Argo Rollouts guide: remote sidecar client without interop"),
    _istio(
        "sidecar.hbone-gateway",
        "",
        "istio pilot/pkg/xds/endpoints/endpoint_builder.go:317: HBONE gateways filtered out",
    ),
    _solo("route.covers-global-host", "true", "Solo docs, Argo Rollouts guide: one HTTPRoute covers both host names"),
    _istio(
        "route.covers-global-host",
        "",
        "istio pilot/pkg/config/kube/gateway/conversion.go:977: the parent Service's host only",
    ),
    _solo("eastwest.global-only", "", "Solo docs say nothing of services that a gateway does not serve"),
    _istio(
        "eastwest.global-only", "true", "istio pilot/pkg/serviceregistry/ambient/ambientindex.go:606: global services"
    ),
    _solo("eastwest.source.waypoint", "skip", "Solo docs, Argo Rollouts guide: client-local waypoint"),
    _istio("eastwest.source.waypoint", "skip", "istio core/listener_waypoint.go:388; 1.28 has it by istio#58107"),
    _solo("eastwest.source.gateway", "label", "istio release note 60162, taken over for Solo (undocumented)"),
    _solo("eastwest.source.sidecar", "waypoint", "Solo docs, Argo Rollouts guide: ENABLE_WAYPOINT_INTEROP"),
    _istio(
        "eastwest.source.sidecar", "waypoint", "istio core/listener_waypoint.go:388: anything else goes to the waypoint"
    ),
    _solo(
        "eastwest.source.sidecar-l7", "skip", "Solo docs, Argo Rollouts guide: remote sidecar client without interop"
    ),
    _istio("eastwest.source.sidecar-l7", "waypoint", "no such emitter upstream"),
    _solo("eastwest.source.", "waypoint", "fe-solo-enterprise-for-istio-workshops 015: the remote waypoint is used"),
    _istio("eastwest.source.", "waypoint", "istio core/listener_waypoint.go:388"),
    _solo("eastwest.assumed.gateway", "remote_ingress=label", "undocumented for Solo"),
    _istio("eastwest.assumed.gateway", "", "istio core/listener_waypoint.go:388"),
    _istio(
        "eastwest.source.gateway",
        "label",
        "istio core/listener_waypoint.go:388 (9097fbf8c77; 1.30.1 by istio#60180, 1.29.4 by istio#60210)",
        since=29,
    ),
    _istio(
        "eastwest.source.gateway",
        "skip",
        "istio before 9097fbf8c77: an ingress gateway calls itself a waypoint (release note 60162)",
        until=28,
    ),
    _solo("waypoint.remote", "true", "fe-solo-enterprise-for-istio-workshops 015 part 7"),
    _istio(
        "waypoint.remote",
        "AMBIENT_ENABLE_MULTI_NETWORK_WAYPOINT=true",
        "istio 3cf33ac9740; 1.28.0 has it by istio#58092 (release notes: waypoints route to remote networks)",
    ),
    _solo("ingress.remote", "true", "fe-solo-enterprise-for-istio-workshops 006: cross-cluster ingress works"),
    _istio(
        "ingress.remote",
        "AMBIENT_ENABLE_MULTI_NETWORK_INGRESS=false",
        "istio bb3ecf92885 (in the 1.29.0 release notes); pilot/pkg/features/ambient.go",
        since=29,
    ),
    _istio("ingress.remote", "", "istio before bb3ecf92885", until=28),
    _solo("locality.network-first", "", "istio before release note 60829"),
    _istio("locality.network-first", "", "istio before release note 60829: a network label is like any", until=30),
    _istio("locality.network-first", "true", "istio release note 60829: a preferred network is not required", since=31),
    _solo("locality.zone-aware", "", "istio before 1.31 has no zoneAwareLbSetting"),
    _istio("locality.zone-aware", "", "istio before 1.31 has no zoneAwareLbSetting", until=30),
    _istio("locality.zone-aware", "true", "istio core/loadbalancer/loadbalancer.go GetEffectiveLbSetting", since=31),
    _solo("endpoints.unready", "absent", "istio before a7c9ae034fb: unready pods leave EDS", until=30),
    _istio("endpoints.unready", "absent", "istio before a7c9ae034fb: unready pods leave EDS", until=30),
    _istio("endpoints.unready", "unhealthy", "istio a7c9ae034fb: PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS", since=31),
    _solo("flat.remote-waypoint", "owner", "Solo docs, Argo Rollouts guide: flat network considerations"),
    _istio("flat.remote-waypoint", "", "istio: binding is the client cluster's own (multicluster.go:578)"),
    _solo("port.undeclared", "tcp", "fe-solo-enterprise-for-istio-workshops 015: an undeclared port is opaque TCP"),
    _istio("port.undeclared", "http", "istio core/listener_waypoint.go: an undeclared port is sniffed"),
    _solo("ingress.waypoint-of-shared", "true", "Solo docs, Argo Rollouts guide: ingress gateway and waypoint"),
    _istio("ingress.waypoint-of-shared", "true", "istio 2506de8afd1, backported to 1.29 and 1.30", since=29),
    _istio(
        "ingress.waypoint-of-shared", "", "istio before 2506de8afd1: split-horizon services lose the flag", until=28
    ),
    _solo("serviceentry.visibility", "", "istio before release note 60870"),
    _istio("serviceentry.visibility", "", "istio before release note 60870", until=30),
    _istio("serviceentry.visibility", "true", "istio release note 60870: meshConfig.serviceEntryVisibility", since=31),
    _solo("waypoint.canary", "", "istio c1a23dd7555 is not in Solo builds up to 1.30"),
    _istio("waypoint.canary", "true", "istio c1a23dd7555; release note 60801", since=31),
    _istio("waypoint.canary", "", "istio before c1a23dd7555: one waypoint a service", until=30),
    _solo(
        "route.parent-elsewhere",
        "",
        "Solo docs, Argo Rollouts guide: HTTPRoutes attach to Services of their own cluster",
    ),
    _istio(
        "route.parent-elsewhere", "true", "istio pilot/pkg/config/kube/gateway/conversion.go:977: a host, known or not"
    ),
    _solo("segment.aliases", "true", "fe-solo-enterprise-for-istio-workshops 008 (from 1.30)", since=30),
    _solo("segment.aliases", "", "Solo docs, about: not before 1.30", until=29),
    _istio("segment.aliases", "", "istio has no segments"),
    _solo("draining", "annotation", "Solo docs, operations: drain (from 1.28, alpha)", since=28),
    _solo("draining", "", "Solo docs, operations: drain (not before 1.28)", until=27),
    _istio("draining", "", "istio has no such annotation"),
    _solo("flat.workload-waypoint", "", "Solo docs, Argo Rollouts guide: autogenflat entries have WAYPOINT None"),
    _istio(
        "flat.workload-waypoint", "own", "istio multicluster.go:315: a flat remote pod keeps its own cluster's waypoint"
    ),
)

VERSIONS: Final = {"solo": range(27, 31), "istio": range(28, 32)}


@final
@record
class Dialect:
    """A product at a minor version, `solo/1.30`."""

    product: str
    minor: int

    def __str__(self) -> str:
        return f"{self.product}/1.{self.minor}"

    def row(self, name: str) -> Behaviour:
        """The row for a behaviour. A behaviour without a row is our bug (KeyError)."""
        for row in BEHAVIOURS:
            if row.name == name and row.product == self.product and row.since <= self.minor <= row.until:
                return row
        msg = f"{self} has no row for {name}"
        raise KeyError(msg)

    def value(self, name: str) -> str:
        """The value of a behaviour; "" means: does not exist here."""
        return self.row(name).value


def parse_dialect(text: str, where: Evidence | None = None) -> Dialect:
    """Read `solo/1.30` or `istio/1.31`. Raises InputError for a product or version there are no rows for."""
    product, _, version = text.partition("/")
    minors = VERSIONS.get(product)
    if minors is not None and version.startswith("1.") and version[2:].isdigit() and int(version[2:]) in minors:
        return Dialect(product, int(version[2:]))
    known = ", ".join(f"{name}/1.{span.start} to {name}/1.{span.stop - 1}" for name, span in VERSIONS.items())
    msg = f"dialect {text!r} is unknown"
    raise InputError(msg, where=where, hint=f"write one of {known}")
