"""One request from its client to every place it can end up: the walk through the tables as a tree of exact shares."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from ipaddress import ip_address
from typing import Final

from meshsim.dataplane import eastwest, envoy
from meshsim.dataplane.match import HttpRequest
from meshsim.dataplane.network import direct, kube_proxy
from meshsim.dataplane.outbound import outbound
from meshsim.dataplane.walk import Client, Target, Walk, failed, undecided
from meshsim.model.facts import Fact
from meshsim.model.rule import rule
from meshsim.model.shares import ONE
from meshsim.model.trace import Step, Trace
from meshsim.tables.views import ClusterView, Name, PodRow, Views
from meshsim.tables.workload import Locality, NetworkAddress

NXDOMAIN: Final = rule(
    "dns.nxdomain",
    "No service that this cluster knows has the name; names under the mesh's own domain exist for meshed clients only.",
    "solo workshops 015: DNS capture; Kubernetes DNS specification",
)
ENTRY: Final = rule(
    "dns.entry",
    "A ServiceEntry of the user's has the host or the address; where it leads is not modelled.",
    "istio.io/latest/docs/reference/config/networking/service-entry",
)
UNKNOWN_CAPTURE: Final = rule(
    "capture.unknown",
    "Nothing in the input says whether a mesh proxy handles the client's traffic.",
    "istio cni/pkg/util PodRedirectionEnabled reads namespace and pod labels",
)
PASSED_THROUGH: Final = rule(
    "sidecar.passthrough",
    "The address belongs to no service the sidecar knows, so it passes through unchanged.",
    "istio PassthroughCluster (outboundTrafficPolicy ALLOW_ANY)",
)
NO_GATEWAY_POD: Final = rule(
    "gateway.no-pod", "The gateway has no ready pod, so nothing answers.", "Kubernetes Service without endpoints"
)


def resolve(
    views: Views,
    clients: Sequence[tuple[Fraction, Client]],
    target: Target,
    request: HttpRequest,
    choices: Mapping[str, str] | None = None,
) -> Trace:
    """The trace of one call from a location, averaged over its `clients`. Its leaves' shares sum to 1.

    `choices` settle contested questions.
    """
    walk = Walk(
        views=views,
        request=request,
        envoy=envoy.through,
        eastwest=eastwest.through,
        client=from_gateway,
        choices=choices or {},
    )
    roots: list[Step] = []
    for share, client in clients:
        if client.kind == "gateway":
            roots.extend(envoy.through(walk, client.ident, client.locality, str(target), share))
        else:
            view = views.cluster(client.cluster)
            roots.extend(_from_pod(walk, view, client.row(views), client, target, share))
    if not clients:
        roots.extend(failed("gateway", ONE, NO_GATEWAY_POD, code="refused", message="the gateway has no ready pod"))
    return Trace(roots=tuple(roots))


def from_gateway(walk: Walk, cluster: str, uid: str, ip: str, port: int, share: Fraction) -> tuple[Step, ...]:
    """A gateway whose own pod calls a service's VIP, as any client does."""
    row = walk.views.pod(uid)
    client = Client(kind="pod", cluster=cluster, namespace=row.namespace if row is not None else "", uid=uid)
    return _from_pod(walk, walk.views.cluster(cluster), row, client, Target(ip=ip, port=port), share)


def _from_pod(
    walk: Walk, view: ClusterView, row: PodRow | None, client: Client, target: Target, share: Fraction
) -> tuple[Step, ...]:
    capture = "none" if client.kind == "external" else row.capture if row is not None else None
    facts = row.capture_why if row is not None else ()
    if capture is None:
        question = (
            f"nothing says whether {client.cluster}/{client.namespace} is in the mesh: set dataplane in the scenario"
        )
        return undecided(f"pod:{client.cluster}", share, UNKNOWN_CAPTURE, code="MS901", question=question, facts=facts)
    entry = "" if target.host in view.names else _entry(view, target.host or target.ip)
    if entry:
        return undecided(f"dns:{view.name}", share, ENTRY, code="MS901", question=entry, facts=facts)
    if target.ip:
        return _to_address(walk, view, client, row, capture, None, target.ip, target.port, share, facts)
    name = view.names.get(target.host)
    if name is None or (name.mesh_only and not _mesh_dns(row, capture)):
        known = view.absent.get(target.host, ()) if name is None else name.why
        return failed(
            f"dns:{view.name}",
            share,
            NXDOMAIN,
            code="nxdomain",
            message=f"{target.host} does not resolve in {view.name}" + (" outside the mesh" if name else ""),
            reason="MS105" if target.host in view.no_vip else "MS103",
            facts=(*facts, *known),
            tags=frozenset({"unmeshed"} if name is not None and capture == "none" else ()),
        )
    if not name.ips:
        message = f"{target.host} has no address"
        reason = "MS105" if target.host in view.no_vip else "MS103"
        return failed(
            f"dns:{view.name}", share, NXDOMAIN, code="nxdomain", message=message, reason=reason, facts=name.why
        )
    each = share / len(name.ips)
    steps = tuple(
        step
        for ip in name.ips
        for step in _to_address(walk, view, client, row, capture, name, ip, target.port, each, facts)
    )
    return tuple(replace(step, tags=step.tags | {"no-vip"}) for step in steps) if name.headless else steps


def _entry(view: ClusterView, called: str) -> str:
    """What a ServiceEntry leaves open about a host or an address, if one has it."""
    patterns = (said for host, said in view.entries.items() if host[:1] == "*" and called.endswith(host[1:]))
    return view.entries.get(called) or next(patterns, "")


def _mesh_dns(row: PodRow | None, capture: str) -> bool:
    """Whether the mesh's own DNS proxy answers the client: captured pods, unless their sidecar has it switched off."""
    return capture != "none" and (row is None or row.mesh_dns)


def _to_address(
    walk: Walk,
    view: ClusterView,
    client: Client,
    row: PodRow | None,
    capture: str,
    name: Name | None,
    ip: str,
    port: int,
    share: Fraction,
    facts: tuple[Fact, ...],
) -> tuple[Step, ...]:
    if capture == "none" or row is None:
        return kube_proxy(walk, view, f"kube-proxy:{view.name}", ip, port, share, facts, frozenset({"unmeshed"}))
    if capture == "sidecar":
        return _sidecar(walk, view, client, row, name, ip, port, share)
    return outbound(walk, view, client, row, ip, port, share)


def _sidecar(
    walk: Walk, view: ClusterView, client: Client, row: PodRow, name: Name | None, ip: str, port: int, share: Fraction
) -> tuple[Step, ...]:
    if name is None:
        service = view.ztunnel.by_vip.get(NetworkAddress(view.network, ip), ())
        host = service[0].hostname if service else ""
    else:
        host = "" if name.headless else name.host
    workload = client.workload(view, row)
    locality = workload.locality if workload is not None else Locality()
    proxy = walk.views.proxy(row.proxy, locality)
    if host and proxy is not None and f"{host}:{port}" in dict.fromkeys(proxy.chains):
        return envoy.through(walk, row.proxy, locality, f"{host}:{port}", share)
    tags = frozenset({"workload-addressed"})
    return direct(walk, view, row.proxy, ip, port, share, PASSED_THROUGH, tags)


def is_address(host: str) -> bool:
    """Whether a call names an IP."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
