"""What every hop of the walk needs: the tables, the request, and how to say a step."""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from fractions import Fraction
from typing import final

from meshsim.dataplane.authorization import Refused, port_of, refusal
from meshsim.dataplane.match import HttpRequest
from meshsim.model.facts import Fact
from meshsim.model.frozen import frozen
from meshsim.model.rule import Rule, rule
from meshsim.model.trace import Delivered, Failed, Open, Outcome, Step
from meshsim.tables.views import ClusterView, PodRow, Views
from meshsim.tables.workload import Locality, Protocol, Workload

MOST_HOPS = 12
"""No real path is longer; beyond it the tables describe a loop."""

INBOUND = rule(
    "ztunnel.inbound",
    "The destination's ztunnel takes the connection in for its pod and never consults a waypoint.",
    "ztunnel src/proxy/inbound.rs:386",
)
POD = rule("pod.receives", "The application receives the request.", "Kubernetes networking model")
ROOTS = rule(
    "mtls.different-roots",
    "The two clusters' certificates have different roots, so the TLS handshake fails.",
    "public Solo multicluster PoC guide: one shared root CA is required",
)
STRANGER = rule(
    "dump.unknown-workload",
    "A proxy's dump names a workload that no manifest explains, so its revision is unknown.",
    "istio pilot/pkg/serviceregistry/ambient/workloads.go: a workload row carries no pod labels",
)
LOOP = rule("walk.too-long", "The proxies send the request round in a circle.", "ztunnel src/proxy/outbound.rs:189")


@final
@frozen
class Client:
    """Who calls. `kind` is `pod`, `gateway` or `external`; `ident` a gateway's decision-point id; `uid` a pod's."""

    kind: str
    cluster: str
    namespace: str = ""
    uid: str = ""
    ident: str = ""
    locality: Locality = Locality()

    def row(self, views: Views) -> PodRow | None:
        """A pod's row."""
        return views.pod(self.uid)

    def workload(self, view: ClusterView, row: PodRow) -> Workload | None:
        """Its entry in its cluster's own tables."""
        return view.ztunnel.workloads.get(row.uid)

    def source(self, view: ClusterView, row: PodRow) -> Workload:
        """Whom its ztunnel takes it for: its entry, on the network that the ztunnel believes to be on."""
        found = self.workload(view, row) or Workload(
            uid=row.uid,
            namespace=self.namespace,
            network=view.network,
            cluster=view.name,
            locality=self.locality,
            protocol=Protocol.HBONE,
        )
        return found if view.ztunnel.network == view.network else replace(found, network=view.ztunnel.network)


@final
@frozen
class Target:
    """What is called: a host name or an IP, and a port."""

    host: str = ""
    ip: str = ""
    port: int

    def __str__(self) -> str:
        return f"{self.host or self.ip}:{self.port}"


@final
@frozen
class Walk:
    """One request on its way. `choices` settle contested questions, by `assume` key.

    `envoy` and `eastwest` go on at such a hop, `client` at a pod that calls an address: each can lead to another, and
    none of the modules knows the others.
    """

    views: Views
    request: HttpRequest
    envoy: "AtEnvoy"
    eastwest: "AtEastwest"
    client: "AtClient"
    choices: Mapping[str, str] = field(default_factory=dict)
    hops: int = 0
    altered: frozenset[str] = frozenset()
    """What of the request proxies on the way have changed: `path`, `authority`, names of headers."""
    peer: Workload | str = ""
    """Who holds the connection's client end: a pod, or `trust-domain/ns/NAMESPACE/sa/ACCOUNT` of an Envoy; "" without
    an identity."""

    @property
    def principal(self) -> str:
        """The identity of the connection's client end."""
        return self.peer if isinstance(self.peer, str) else self.peer.identity.removeprefix("spiffe://")

    def deeper(self) -> "Walk":
        return replace(self, hops=self.hops + 1)


AtEnvoy = Callable[[Walk, str, Locality, str, Fraction], tuple[Step, ...]]
"""(walk, decision-point id, where it runs, `host:port` asked for, share) → the steps from there."""
AtEastwest = Callable[[Walk, str, str, str, Fraction], tuple[Step, ...]]
"""(walk, cluster, `host:port` asked for, `x-istio-source`, share) → the steps from there."""
AtClient = Callable[[Walk, str, str, str, int, Fraction], tuple[Step, ...]]
"""(walk, cluster, pod's uid, IP, port, share) → the steps from there."""


def leaf(
    hop: str,
    share: Fraction,
    decision: str,
    why: Rule,
    outcome: Outcome,
    *,
    facts: tuple[Fact, ...] = (),
    tags: frozenset[str] = frozenset(),
) -> tuple[Step, ...]:
    """A step without anything after it."""
    return (Step(hop=hop, share=share, decision=decision, rule=why, facts=facts, tags=tags, outcome=outcome),)


def failed(
    hop: str,
    share: Fraction,
    why: Rule,
    *,
    code: str,
    flag: str = "",
    message: str,
    reason: str = "",
    facts: tuple[Fact, ...] = (),
    tags: frozenset[str] = frozenset(),
) -> tuple[Step, ...]:
    """A failure at a hop; `reason` is its reason code."""
    tags |= frozenset({f"failed:{reason}"}) if reason else frozenset[str]()
    outcome = Failed(code=code, flag=flag, where=hop, message=message)
    return leaf(hop, share, message, why, outcome, facts=facts, tags=tags)


def undecided(
    hop: str,
    share: Fraction,
    why: Rule,
    *,
    code: str,
    question: str,
    readings: tuple[str, ...] = (),
    key: str = "",
    facts: tuple[Fact, ...] = (),
) -> tuple[Step, ...]:
    """Something relevant is not modelled (MS901) or contested (MS902)."""
    outcome = Open(code=code, question=question, readings=readings, source=why.source, key=key)
    return leaf(hop, share, question, why, outcome, facts=facts)


def unplaced(view: ClusterView, hop: str, workload: Workload, share: Fraction) -> tuple[Step, ...]:
    """Undetermined where a live proxy's tables lead to a workload that the manifests do not explain; else nothing."""
    sentence = view.strangers.get(workload.uid)
    if sentence is None:
        return ()
    return undecided(hop, share, STRANGER, code="MS901", question=sentence, facts=workload.why)


def deliver(walk: Walk, uid: str, address: str, share: Fraction, *, tunnelled: bool) -> tuple[Step, ...]:
    """Hand the request to a pod, through its ztunnel where it has one."""
    pod = walk.views.pod(uid)
    if pod is None:
        cluster, path = uid.partition("/")[0], uid
    else:
        cluster, path = pod.cluster, pod.path
    refused = _refused(walk, pod, address, tunnelled=tunnelled) if pod is not None else None
    if refused is not None:
        hop = f"ztunnel:{cluster}"
        said = refused.message
        return failed(hop, share, refused.rule, code="denied", message=said, reason="MS504", facts=refused.facts)
    outcome = Delivered(workload=pod.uid if pod is not None else uid, cluster=cluster, address=address)
    if pod is not None and pod.capture == "ambient":
        way = "by HBONE" if tunnelled else "in plain text"
        return leaf(f"ztunnel:{cluster}", share, f"takes the connection in {way} for {path}", INBOUND, outcome)
    return leaf("pod", share, f"{path} receives the request", POD, outcome)


def _refused(walk: Walk, pod: PodRow, address: str, *, tunnelled: bool) -> Refused | None:
    """Why the pod's ztunnel closes the connection; None where it lets it in, or where there is no ztunnel."""
    if pod.capture != "ambient":
        return None
    view = walk.views.cluster(pod.cluster)
    if not view.policies and not view.stricts:
        return None
    return refusal(
        view.policies,
        view.stricts,
        namespace=pod.namespace,
        labels=pod.labels,
        principal=walk.principal if tunnelled else "",
        port=port_of(address),
    )


def connected(walk: Walk, hop: str, source: str, target: str, share: Fraction) -> tuple[Step, ...] | None:
    """The failure of a connection between clusters without a common root; None where they can connect."""
    if source == target:
        return None
    here, there = walk.views.cluster(source), walk.views.cluster(target)
    if here.root == there.root:
        return None
    message = f"TLS handshake with {target} fails: {source} trusts {here.root}, {target} presents {there.root}"
    return failed(hop, share, ROOTS, code="tls", message=message, reason="MS502")
