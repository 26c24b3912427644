"""Any Envoy with a service's traffic: waypoint, sidecar or ingress gateway. It picks a route, a backend, a host."""

from dataclasses import replace
from fractions import Fraction
from typing import Final

from meshsim.dataplane.match import matches
from meshsim.dataplane.priority import NO_HEALTHY_HOST, choose
from meshsim.dataplane.walk import LOOP, MOST_HOPS, STRANGER, Walk, connected, deliver, failed, undecided
from meshsim.model.rule import rule
from meshsim.model.trace import Failed, Outcome, RouteUse, Step
from meshsim.tables.envoy import Chain, Cluster, Endpoint, Proxy, Route, Via
from meshsim.tables.workload import Locality

NO_ROUTE: Final = rule(
    "envoy.no-route",
    "No route matches the request, so Envoy answers 404 (NR).",
    "Envoy HTTP routing; measured with Envoy 1.39",
)
NO_CHAIN: Final = rule(
    "envoy.unknown-service",
    "The proxy has no configuration for the addressed service, refuses the tunnel, and the client's connection closes.",
    "istio pilot/pkg/networking/core/listener_waypoint.go:716; measured with Envoy 1.39.3",
)
DIRECT_RESPONSE: Final = rule(
    "envoy.direct-response",
    "The rule answers by itself: an HTTPRoute rule without a backend of positive weight answers 500.",
    "istio pilot/pkg/config/kube/gateway/conversion.go:1010",
)
NO_CLUSTER: Final = rule(
    "envoy.no-cluster",
    "The chosen backend does not exist here, so only its share fails.",
    "istio pilot/pkg/networking/core/route/route.go:617; measured with Envoy 1.39",
)
REFUSED: Final = rule(
    "gateway.no-listener", "No listener of the gateway has the port.", "Gateway API, Gateway listeners"
)
UNMODELLED: Final = rule(
    "meshsim.unmodelled", "The input holds something that matters here and is not modelled.", "meshsim"
)


def through(walk: Walk, ident: str, locality: Locality, address: str, share: Fraction) -> tuple[Step, ...]:
    """The request at the Envoy `ident`, asked for `address` (`host:port`)."""
    proxy = walk.views.proxy(ident, locality)
    if walk.hops > MOST_HOPS:
        return failed(ident, share, LOOP, code="reset", message="the request goes round in a circle")
    chain = proxy.chains.get(address) if proxy is not None else None
    if proxy is None or chain is None:
        if ident.startswith("gateway:"):
            return failed(ident, share, REFUSED, code="refused", message=f"no listener for {address}")
        return failed(ident, share, NO_CHAIN, code="reset", flag="NR", message=f"{ident} does not know {address}")
    walk = replace(walk, peer=proxy.principal)
    changed = _looked_at(walk, chain)
    if changed:
        question = f"{ident} matches {', '.join(changed)}, which a proxy before it has changed"
        return undecided(ident, share, UNMODELLED, code="MS901", question=question, facts=chain.facts)
    route, question = _route(walk, chain)
    if question:
        return undecided(ident, share, UNMODELLED, code="MS902", question=question, facts=chain.facts)
    if route is None:
        message = f"no route of {ident} matches {walk.request.authority or address}{walk.request.path}"
        steps = failed(ident, share, NO_ROUTE, code="404", flag="NR", message=message, facts=chain.facts)
        return tuple(replace(step, l7=True, granularity="request") for step in steps)
    if route.unmodelled:
        return undecided(ident, share, UNMODELLED, code="MS901", question="; ".join(route.unmodelled), facts=route.why)
    if route.direct_response is not None:
        return _answered(proxy, chain, route, route.direct_response, share)
    if not any(weighted.weight for weighted in route.clusters):
        question = (
            f"{_named(route)} has no destination of positive weight: Envoy refuses it and keeps what it had before"
        )
        return undecided(ident, share, UNMODELLED, code="MS901", question=question, facts=route.why)
    return tuple(step for weighted in _shares(route, share) for step in _backend(walk, proxy, chain, route, *weighted))


def _route(walk: Walk, chain: Chain) -> tuple[Route | None, str]:
    """The first route that matches, and the open question where another order would choose otherwise."""
    if not chain.http:
        return chain.routes[0], ""
    fitting = [route for route in chain.routes if matches(route.match, walk.request)]
    if chain.open_question and len({(r.object, r.clusters) for r in fitting if r.object}) > 1:
        return None, chain.open_question
    return (fitting[0] if fitting else None), ""


def _looked_at(walk: Walk, chain: Chain) -> list[str]:
    """What the chain's routes match of a request that is not as the client sent it."""
    if not walk.altered or not chain.http:
        return []
    looked_at = {what for route in chain.routes for what in route.match.looks_at}
    return sorted(walk.altered & looked_at)


def _shares(route: Route, share: Fraction) -> list[tuple[str, str, Fraction]]:
    whole = sum(w.weight for w in route.clusters)
    return [(w.cluster, w.backend, share * w.weight / whole) for w in route.clusters if w.weight]


def _use(route: Route, backend: str) -> RouteUse:
    return RouteUse(object=route.object, rule=route.rule, backend=backend)


def _answered(proxy: Proxy, chain: Chain, route: Route, status: int, share: Fraction) -> tuple[Step, ...]:
    reason = "MS308" if status == 500 else ""
    steps = failed(
        proxy.id,
        share,
        DIRECT_RESPONSE,
        code=str(status),
        message=f"{_named(route)} answers {status} by itself",
        reason=reason,
        facts=(*chain.facts, *route.why),
    )
    return tuple(replace(s, l7=True, route=_use(route, ""), granularity="request") for s in steps)


def _answers(chain: Chain) -> bool:
    """Whether a failure is answered with a status; a proxy of bytes closes the connection. A sidecar that hands over
    to a waypoint still speaks HTTP with its client."""
    return chain.http or "handover" in chain.tags


def _named(route: Route) -> str:
    return f"rule {route.rule} of {route.object}" if route.object else "the default route"


def _backend(
    walk: Walk, proxy: Proxy, chain: Chain, route: Route, name: str, backend: str, share: Fraction
) -> tuple[Step, ...]:
    facts = (*chain.facts, *route.why)
    mark = {
        "l7": chain.http and "handover" not in chain.tags,
        "route": _use(route, backend),
        "granularity": "request" if chain.http else "connection",
    }
    cluster = proxy.clusters.get(name)
    if cluster is None:
        status = proxy.missing_cluster_status.get(name, 503)
        message = f"{_named(route)} chooses {backend}, which does not exist at {proxy.id}: {status}"
        reason = "MS309" if name.startswith("UnknownService") else "MS308" if status == 500 else "MS301"
        steps = failed(
            proxy.id,
            share,
            NO_CLUSTER,
            code=str(status) if _answers(chain) else "reset",
            flag="NC",
            message=message,
            reason=reason,
            facts=facts,
        )
        return tuple(replace(step, **mark) for step in steps)  # type: ignore[arg-type]
    facts = (*facts, *cluster.why)
    for code, sentences in (("MS901", cluster.unmodelled), ("MS902", cluster.contested)):
        if sentences:
            question = f"{backend}: {'; '.join(sentences)}"
            steps = undecided(proxy.id, share, UNMODELLED, code=code, question=question, facts=facts)
            return tuple(replace(step, **mark) for step in steps)  # type: ignore[arg-type]
    hosts = choose(cluster)
    if not hosts:
        said = "503 no_healthy_upstream" if _answers(chain) else "the connection is closed"
        message = f"{_named(route)} chooses {backend}, which has no healthy host: {said}"
        reason = cluster.empty_reason or "MS307"
        code = "503" if _answers(chain) else "reset"
        steps = failed(
            proxy.id, share, NO_HEALTHY_HOST, code=code, flag="UH", message=message, reason=reason, facts=facts
        )
        return tuple(replace(step, **mark) for step in steps)  # type: ignore[arg-type]
    onward = replace(walk.deeper(), altered=walk.altered | route.alters)
    children = tuple(step for part, host in hosts for step in _host(onward, proxy, chain, host, share * part))
    decision = f"{_named(route)} chooses {backend}" if route.object else f"no rule applies: balances over {backend}"
    if "handover" in chain.tags:
        decision = f"hands {chain.host} over to its waypoint"
    elif not chain.http:
        decision = f"port {chain.port} is not HTTP: balances connections over {backend}"
    step = Step(
        hop=proxy.id,
        share=share,
        decision=decision,
        rule=chain.rule,
        facts=facts,
        tags=chain.tags
        | cluster.marks
        | _passed_over(cluster, hosts)
        | frozenset(f"assumed:{k}={v}" for k, v in cluster.assumed),
        children=children,
        **mark,  # type: ignore[arg-type]
    )
    return (step,)


def _passed_over(cluster: Cluster, hosts: tuple[tuple[Fraction, Endpoint], ...]) -> frozenset[str]:
    """The Kubernetes clusters whose endpoints a preference left without traffic."""
    used = {host.cluster for _, host in hosts}
    return frozenset(f"passed-over:{e.cluster}" for e in cluster.endpoints if e.cluster not in used and e.healthy)


def _unconnected(walk: Walk, proxy: Proxy, chain: Chain, host: Endpoint, share: Fraction) -> tuple[Step, ...] | None:
    """A failed handshake with a host: an Envoy with HTTP routing answers its client 503 (UF), others close."""
    refused = connected(walk, proxy.id, proxy.cluster, host.cluster, share)
    if refused is None or not _answers(chain):
        return refused
    return tuple(replace(step, outcome=_as_503(step.outcome)) for step in refused)


def _as_503(outcome: Outcome | None) -> Outcome | None:
    return replace(outcome, code="503", flag="UF") if isinstance(outcome, Failed) else outcome


def _host(walk: Walk, proxy: Proxy, chain: Chain, host: Endpoint, share: Fraction) -> tuple[Step, ...]:
    if host.stranger:
        return undecided(proxy.id, share, STRANGER, code="MS901", question=host.stranger, facts=host.why)
    refused = _unconnected(walk, proxy, chain, host, share) if host.via not in {Via.DIRECT, Via.ZTUNNEL} else None
    if refused:
        return refused
    if host.via is Via.ZTUNNEL:
        ip, _, port = host.address.rpartition(":")
        steps = walk.client(walk, proxy.cluster, host.workload, ip, int(port), share)
    elif host.via is Via.GATEWAY:
        steps = walk.eastwest(walk, host.cluster, host.authority, host.source, share)
    elif host.via is Via.WAYPOINT:
        pod = walk.views.pod(host.workload)
        ident = pod.proxy if pod is not None else ""
        steps = through(walk, ident, host.locality, host.authority, share)
    else:
        steps = deliver(walk, host.workload, host.address, share, tunnelled=host.via is Via.HBONE)
    return tuple(_upstream(proxy, chain, step) for step in steps)


def _upstream(proxy: Proxy, chain: Chain, step: Step) -> Step:
    """What becomes of a connection that somebody further on closes or refuses: 503 to an HTTP client (seen at an
    ingress with a policy that allows the waypoint only, public Solo migration workshops; UF measured with Envoy
    1.39.3), a closed one to others. A later proxy that speaks HTTP has answered already."""
    if step.l7:
        return step
    outcome = step.outcome
    if isinstance(outcome, Failed) and outcome.code in _CLOSED:
        if outcome.code == "denied":
            outcome = replace(outcome, code="503" if _answers(chain) else "reset")
        elif _answers(chain):
            outcome = replace(outcome, code="503", flag="UF", where=proxy.id)
    return replace(step, outcome=outcome, children=tuple(_upstream(proxy, chain, child) for child in step.children))


_CLOSED: Final = frozenset({"reset", "refused", "timeout", "denied", "tls"})
