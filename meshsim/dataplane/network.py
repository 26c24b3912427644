"""What a cluster's own network does with an address, where no mesh proxy decides: kube-proxy, or a pod's IP."""

from dataclasses import replace
from fractions import Fraction
from typing import Final

from meshsim.dataplane.walk import Walk, deliver, failed
from meshsim.model.facts import Fact
from meshsim.model.rule import Rule, rule
from meshsim.model.trace import Step
from meshsim.tables.views import ClusterView

KUBE_PROXY: Final = rule(
    "kube-proxy.any-endpoint",
    "The client is outside the mesh: kube-proxy balances its connections over the Service's ready pods.",
    "Argo Rollouts docs, Istio traffic management: only in-mesh callers follow a mesh split",
)
UNREACHABLE: Final = rule(
    "network.unreachable",
    "Nothing on the client's network answers at the address.",
    "ztunnel src/proxy/outbound.rs:660; networks are joined by gateways only",
)


def direct(
    walk: Walk,
    view: ClusterView,
    hop: str,
    ip: str,
    port: int,
    share: Fraction,
    why: Rule,
    tags: frozenset[str],
    facts: tuple[Fact, ...] = (),
) -> tuple[Step, ...]:
    """A connection straight to an IP on the cluster's network."""
    uid = walk.views.pod_at(view.network, ip)
    if uid is None:
        message = f"nothing answers at {ip}:{port} from {view.name}"
        steps = failed(hop, share, UNREACHABLE, code="timeout", message=message, facts=facts)
        return tuple(replace(step, tags=step.tags | tags) for step in steps)
    child = deliver(walk.deeper(), uid, f"{ip}:{port}", share, tunnelled=False)
    decision = f"connects to {ip}:{port} directly"
    return (
        Step(
            hop=hop,
            share=share,
            decision=decision,
            rule=why,
            facts=facts,
            granularity="connection",
            tags=tags,
            children=child,
        ),
    )


def kube_proxy(
    walk: Walk,
    view: ClusterView,
    hop: str,
    ip: str,
    port: int,
    share: Fraction,
    facts: tuple[Fact, ...],
    tags: frozenset[str],
) -> tuple[Step, ...]:
    """What the cluster's own network does with an address: a ClusterIP is balanced, a pod's IP is reached."""
    pods = view.kube.get(f"{ip}:{port}")
    if pods is None:
        extra = frozenset({"workload-addressed"}) if walk.views.pod_at(view.network, ip) else tags
        return direct(walk, view, hop, ip, port, share, KUBE_PROXY, tags | extra, facts)
    if not pods:
        message = f"the Service at {ip}:{port} has no ready pod"
        return failed(hop, share, KUBE_PROXY, code="refused", message=message, reason="MS307", facts=facts)
    children = tuple(
        step
        for uid, target in pods
        for step in deliver(walk.deeper(), uid, f"{uid}:{target}", share / len(pods), tunnelled=False)
    )
    return (
        Step(
            hop=hop,
            share=share,
            decision="kube-proxy picks a pod of the Service for the connection",
            rule=KUBE_PROXY,
            facts=facts,
            granularity="connection",
            tags=tags,
            children=children,
        ),
    )
