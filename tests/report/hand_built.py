"""Answers built by hand: a client-local waypoint that bypasses the split, and what surrounds it."""

from dataclasses import replace
from fractions import Fraction as F
from typing import Any

from meshsim.model.evidence import Assumed, Source, Written
from meshsim.model.facts import Fact
from meshsim.model.rule import Rule
from meshsim.model.trace import Delivered, Failed, Open, RouteUse, Step, Trace
from meshsim.model.verdict import (
    Answer,
    Assumption,
    Checked,
    ErrorShare,
    Explanation,
    Moment,
    Repair,
    Row,
    Shares,
    Verdict,
)

TO = "catalog.shop.mesh.internal:8080"
ROLLOUT = "cluster1/shop/catalog"
LABEL = Fact("cluster2/Namespace/shop", "label:istio.io/use-waypoint", "waypoint", Source("c2/namespace.yaml", 9))
NO_LABEL = Fact("cluster2/Service/shop/catalog", "label:istio.io/use-waypoint", None, Source("c2/svc.yaml", 4))
DEFAULT = Fact("cluster2/istiod", "env:X", "default", Assumed("the default"))
WEIGHT = Fact(
    "cluster1/HTTPRoute/shop/catalog", "spec.rules.0.backendRefs.1 weight", 25, Written("Rollout shop/catalog", 60)
)

TO_WAYPOINT = Rule(
    "ztunnel.service-waypoint", "The service has a waypoint, so the connection goes to it.", "ztunnel outbound.rs"
)
DEFAULT_ROUTE = Rule("waypoint.default-route", "The waypoint has no route and balances.", "istio listener_waypoint.go")
ROUTED = Rule("waypoint.routes", "The waypoint applies its routes.", "istio listener_waypoint.go")
INBOUND = Rule("ztunnel.inbound", "The destination's ztunnel takes the connection in.", "ztunnel inbound.rs")
NO_HOST = Rule("envoy.no-healthy-host", "The backend has no host: 503 (UH).", "Envoy, measured")
CONTESTED = Rule("flat.remote-waypoint", "No source says which.", "Solo docs")


def pod(replica_set: str, number: int, share: F) -> Step:
    name = f"{replica_set}-{number}"
    return Step(
        hop="ztunnel:cluster1",
        share=share,
        decision=f"takes the connection in by HBONE for cluster1/shop/{name}",
        rule=INBOUND,
        outcome=Delivered(workload=f"cluster1//Pod/shop/{name}", cluster="cluster1", address="10.0.0.1:8080"),
    )


def bypass_trace() -> Trace:
    pods = (*(pod("catalog-stable1", n, F(1, 5)) for n in range(4)), pod("catalog-canary1", 0, F(1, 5)))
    waypoint = Step(
        hop="waypoint:cluster2/shop/waypoint",
        share=F(1),
        decision="no rule applies: balances over catalog.shop.mesh.internal",
        rule=DEFAULT_ROUTE,
        granularity="request",
        l7=True,
        children=pods,
    )
    return Trace(
        roots=(
            Step(
                hop="ztunnel:cluster2",
                share=F(1),
                decision="catalog.shop.mesh.internal has a waypoint: connects to it",
                rule=TO_WAYPOINT,
                facts=(DEFAULT, NO_LABEL, LABEL),
                granularity="connection",
                children=(waypoint,),
            ),
        )
    )


def split_trace() -> Trace:
    route = "cluster1/HTTPRoute/shop/catalog"
    ways = tuple(
        Step(
            hop="waypoint:cluster1/shop/waypoint",
            share=share,
            decision=f"rule 0 of {route} chooses catalog-{role}",
            rule=ROUTED,
            facts=(WEIGHT,),
            granularity="request",
            l7=True,
            route=RouteUse(object=route, rule="0", backend=f"catalog-{role}"),
            children=(pod(f"catalog-{role}1", 0, share),),
        )
        for role, share in (("stable", F(3, 4)), ("canary", F(1, 4)))
    )
    return Trace(
        roots=(
            Step(
                hop="ztunnel:cluster1",
                share=F(1),
                decision="catalog.shop.mesh.internal has a waypoint: connects to it",
                rule=TO_WAYPOINT,
                granularity="connection",
                children=ways,
            ),
        )
    )


def row(**changes: Any) -> Row:
    """A bypassed call from cluster2."""
    found = Row(
        frm="cluster2/shop/recommender",
        to=TO,
        path="/items",
        member_names=("cluster2/shop/recommender", "cluster2/shop/other"),
        rollout=ROLLOUT,
        verdict=Verdict.BYPASSED,
        reasons=("MS201",),
        desired={"stable": F(3, 4), "canary": F(1, 4)},
        effective=Shares(stable=F(4, 5), canary=F(1, 5)),
        applied_share=F(0),
        versions={"catalog:1": F(4, 5), "catalog:2": F(1, 5)},
        clusters={"cluster1": F(1)},
        pods={f"cluster1/shop/catalog-stable1-{n}": F(1, 5) for n in range(4)}
        | {"cluster1/shop/catalog-canary1-0": F(1, 5)},
        decided_by="waypoint:cluster2/shop/waypoint",
        granularity="mixed",
        hops=("ztunnel:cluster2", "waypoint:cluster2/shop/waypoint", "ztunnel:cluster1"),
        trace=bypass_trace(),
    )
    return replace(found, **changes)


def applied(**changes: Any) -> Row:
    found = row(
        frm="cluster1/shop/basket",
        member_names=(),
        verdict=Verdict.APPLIED,
        reasons=(),
        effective=Shares(stable=F(3, 4), canary=F(1, 4)),
        applied_share=F(1),
        decided_by="waypoint:cluster1/shop/waypoint",
        granularity="request",
        trace=split_trace(),
    )
    return replace(found, **changes)


def failing(**changes: Any) -> Row:
    share = F(1, 4)
    lost = Step(
        hop="waypoint:cluster1/shop/waypoint",
        share=F(1),
        decision="chooses catalog/canary, which has no healthy host: 503 no_healthy_upstream",
        rule=NO_HOST,
        outcome=Failed(code="503", flag="UH", where="waypoint:cluster1/shop/waypoint", message="no host"),
    )
    found = row(
        frm="cluster1/shop/cart",
        member_names=(),
        verdict=Verdict.FAILING,
        reasons=("MS301",),
        effective=Shares(stable=F(3, 4), error=share),
        applied_share=F(1),
        errors=(ErrorShare(share=share, code="503", flag="UH", where="waypoint:cluster1/shop/waypoint"),),
        trace=Trace(roots=(lost,)),
    )
    return replace(found, **changes)


def undetermined(**changes: Any) -> Row:
    left = Step(
        hop="ztunnel:cluster2",
        share=F(1),
        decision="pods or a waypoint?",
        rule=CONTESTED,
        outcome=Open(
            code="MS902",
            question="pods or a waypoint?",
            readings=("pods", "cluster1"),
            source="Solo docs",
            key="flat_waypoint",
        ),
    )
    found = row(
        verdict=Verdict.UNDETERMINED,
        reasons=("MS902",),
        effective=None,
        applied_share=None,
        desired={"stable": F(3, 4), "canary": F(1, 4)},
        versions={},
        clusters={},
        pods={},
        decided_by=None,
        notes=("pods or a waypoint?",),
        trace=Trace(roots=(left,)),
        readings=(bypass_trace(), split_trace()),
    )
    return replace(found, **changes)


def answer(*rows: Row, **changes: Any) -> Answer:
    found = Answer(
        scenario="client-local-waypoint",
        dialect="solo/1.30",
        moments=(Moment(at=240.0, rows=rows or (row(), applied())),),
        probes=False,
    )
    return replace(found, **changes)


def probes() -> Answer:
    half = {"stable": F(1, 2), "canary": F(1, 2)}
    second = (
        row(desired=half, effective=Shares(stable=F(1, 2), canary=F(1, 2)), masked=True, reasons=("MS201", "MS401")),
        applied(desired=half, effective=Shares(stable=F(1, 2), canary=F(1, 2))),
    )
    moments = (
        Moment(at="step:0", weight=25, rows=(row(), applied())),
        Moment(at="step:2", weight=50, rows=second),
    )
    return answer(moments=moments, probes=True)


ASSUMPTION = Assumption(question="remote_weight: how much", chosen="network", alternatives=("pods",), source="lab 015")


def check(**changes: Any) -> Checked:
    found = Checked(
        index=0,
        line=47,
        passed=False,
        wanted={"from": "cluster2/shop/recommender", "to": TO, "canary": "25%"},
        actual={"canary": "1/5"},
        failures=(f"cluster2/shop/recommender → {TO}: canary is 20%, not 25%",),
    )
    return replace(found, **changes)


def explanation(**changes: Any) -> Explanation:
    found = Explanation(
        at="step:0",
        weight=25,
        row=row(),
        repair=Repair(
            sentence="remove label istio.io/use-waypoint from Namespace shop in cluster2",
            where=Source("c2/namespace.yaml", 9),
            command="kubectl --context cluster2 label namespace shop istio.io/use-waypoint-",
            after=applied(frm="cluster2/shop/recommender"),
            also=("cluster2/shop/other → x:80: bypassed → applied",),
        ),
        tried=6,
        proofs=(("istioctl --context cluster2 ztunnel-config service", "WAYPOINT waypoint"),),
    )
    return replace(found, **changes)
