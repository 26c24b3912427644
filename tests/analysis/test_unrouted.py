"""Rollouts that no mesh route carries out are named (argo-rollouts docs, features/traffic-management: the routers)."""

from typing import Any

import pytest
from strategies.asking import load
from strategies.cases import scenario, the, with_rollout
from strategies.meshes import SERVICE


def said(**strategy: Any) -> tuple[str, ...]:
    part = with_rollout()
    the(part, "Rollout", SERVICE)["spec"]["strategy"] = strategy
    return tuple(finding for finding in load(scenario(part)).answer(at=0).findings if "Rollout/shop/web" in finding)


@pytest.mark.parametrize(
    ("routing", "named"),
    [
        ({"alb": {"ingress": "edge", "servicePort": 80}}, "alb"),
        ({"nginx": {"stableIngress": "edge"}, "managedRoutes": [{"name": "set-header"}]}, "nginx"),
        ({"plugins": {"acme/router": {}}}, "acme/router"),
    ],
)
def test_another_router_is_named(routing: dict[str, Any], named: str) -> None:
    (finding,) = said(canary={"trafficRouting": routing, "steps": [{"setWeight": 20}]})
    assert f"splits traffic by {named}, which is not modelled" in finding


def test_one_without_a_router_goes_by_the_number_of_pods() -> None:
    (finding,) = said(canary={"steps": [{"setWeight": 20}]})
    assert "has no trafficRouting: its canary gets its share of the pods" in finding


def test_blue_green_is_named() -> None:
    (finding,) = said(blueGreen={"activeService": "web"})
    assert "is blue-green, which is not modelled" in finding


@pytest.mark.parametrize("approach", ["httproute", "virtualservice"])
def test_a_mesh_route_needs_no_word(approach: str) -> None:
    document = scenario(with_rollout(approach=approach))
    assert not [finding for finding in load(document).answer(at=0).findings if "Rollout" in finding]
