"""Implicit policies for waypoints. Expected values: istio pilot/pkg/serviceregistry/ambient/workloads.go."""

from made_meshes import BOUND, MULTI, cluster, namespace, plane, pods, service, waypoint

from meshsim.controlplane.compile import ControlPlane
from meshsim.dataplane.authorization import refusal

ON = {**MULTI, "PILOT_AUTO_ALLOW_WAYPOINT_POLICY": "true"}
WAYPOINT = "cluster.local/ns/shop/sa/waypoint"
CLIENT = "cluster.local/ns/shop/sa/basket"


def lets_in(made: ControlPlane, who: str, app: str = "orders") -> bool:
    view = made.cluster("c1")
    refused = refusal(view.policies, (), namespace="shop", labels={"app": app}, principal=who, port=8080)
    return refused is None


def test_by_default_there_is_none() -> None:
    made = plane(cluster("c1", BOUND, service(), waypoint(), pods(1)))
    assert made.cluster("c1").policies == ()


def test_a_pod_behind_a_services_waypoint_takes_connections_from_it_alone() -> None:
    made = plane(cluster("c1", BOUND, service(), waypoint(), pods(1), env=ON))
    assert lets_in(made, WAYPOINT)
    assert not lets_in(made, CLIENT)
    assert not lets_in(made, "")
    assert lets_in(made, CLIENT, app="other")


def test_a_pod_without_a_waypoint_takes_all() -> None:
    assert lets_in(plane(cluster("c1", service(), waypoint(), pods(1), env=ON)), CLIENT)


def test_a_waypoint_for_workloads_protects_their_pods() -> None:
    label = "istio.io/use-waypoint: waypoint"
    made = plane(
        cluster("c1", namespace(label), waypoint(labels="istio.io/waypoint-for: workload"), pods(1), service(), env=ON)
    )
    assert lets_in(made, WAYPOINT)
    assert not lets_in(made, CLIENT)


def test_both_waypoints_of_a_canary_are_let_in() -> None:
    labels = "istio.io/use-waypoint: waypoint, istio.io/use-waypoint-canary: next"
    place = namespace(labels, annotations="istio.io/use-waypoint-canary-weight: '20'")
    made = plane(cluster("c1", place, service(), waypoint(), waypoint("next"), pods(1), dialect="istio/1.31", env=ON))
    assert lets_in(made, WAYPOINT)
    assert lets_in(made, "cluster.local/ns/shop/sa/next")
    assert not lets_in(made, CLIENT)
