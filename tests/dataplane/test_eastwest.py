"""The east-west gateway hands on by what the sender says of itself. Expected values: istio listener_waypoint.go
(x-istio-source), istio release note 60162, Solo docs (Argo Rollouts guide), ztunnel src/state.rs."""

from fractions import Fraction

import pytest
from strategies.tables import (
    HALF,
    ONE,
    SOLO,
    WAY,
    WEB,
    Tables,
    backend,
    ends,
    hops,
    host,
    paths,
    pod_row,
    proxy,
    remote,
    service,
    split,
    tags,
    view,
    walk,
    waypoint_service,
    workload,
)

from meshsim.dataplane import eastwest
from meshsim.model.trace import Failed, Step
from meshsim.tables.dialect import parse_dialect
from meshsim.tables.views import ClusterView
from meshsim.tables.workload import Health, Locality

FAR = "waypoint:c2/shop/way"
WAYPOINT_POD = workload("w", "c2", serves=WAY)
PODS = (workload("r1", "c2"), workload("r2", "c2"))


def arriving(there: ClusterView, source: str = "", authority: str = f"{WEB}:80") -> tuple[Step, ...]:
    """A connection at c2's east-west gateway; the waypoint there always chooses the pod `canary`."""
    far = proxy(split(canary=1), ident=FAR, clusters=(backend("canary", host("canary", cluster="c2")),))
    rows = [pod_row("w", "c2", ident=FAR), *(pod_row(uid, "c2", capture="none") for uid in ("r1", "r2", "canary"))]
    known = Tables(views=[there], proxies=[far], pods=rows)
    return eastwest.through(walk(known), "c2", authority, source, ONE)


def bound(label: bool = False, *, pods: tuple = (WAYPOINT_POD, *PODS), **more: object) -> ClusterView:
    return view("c2", [service("n2", bound=True, ingress_use_waypoint=label), waypoint_service("n2")], pods, **more)


class TestSources:
    def test_a_client_without_l7_is_handed_to_the_waypoint(self) -> None:
        steps = arriving(bound())
        assert ends(steps) == {"canary": 1}
        assert hops(steps) == {("eastwest:c2", FAR, "pod")}

    def test_a_waypoints_request_skips_the_waypoint(self) -> None:
        steps = arriving(bound(), "waypoint")
        assert ends(steps) == {"r1": HALF, "r2": HALF}
        assert "skipped-waypoint" in tags(steps)

    @pytest.mark.parametrize(("label", "wanted"), [(True, {"canary": ONE}), (False, {"r1": HALF, "r2": HALF})])
    def test_a_gateways_request_meets_the_waypoint_only_with_the_ingress_label(
        self, label: bool, wanted: dict[str, Fraction]
    ) -> None:
        assert ends(arriving(bound(label), "gateway")) == wanted

    def test_the_ingress_label_changes_nothing_for_a_waypoints_request(self) -> None:
        assert ends(arriving(bound(label=True), "waypoint")) == {"r1": HALF, "r2": HALF}

    def test_a_sidecar_with_interop_is_handed_to_the_waypoint_and_one_without_is_not(self) -> None:
        assert ends(arriving(bound(), "sidecar")) == {"canary": 1}
        assert ends(arriving(bound(), "sidecar-l7")) == {"r1": HALF, "r2": HALF}

    def test_a_sender_that_says_something_unknown_is_handed_to_the_waypoint(self) -> None:
        """istio listener_waypoint.go: "anything else"."""
        assert ends(arriving(bound(), "something")) == {"canary": 1}

    @pytest.mark.parametrize(
        ("dialect", "source", "action"),
        [
            ("istio/1.28", "waypoint", "skip"),  # istio#58107
            ("istio/1.28", "", "waypoint"),
            ("istio/1.28", "gateway", "skip"),  # before release note 60162 an ingress gateway says "waypoint"
            ("istio/1.29", "gateway", "label"),  # 1.29.4: istio#60210
            ("istio/1.31", "gateway", "label"),
            ("solo/1.30", "waypoint", "skip"),
            ("solo/1.30", "gateway", "label"),
            ("solo/1.30", "sidecar", "waypoint"),
            ("solo/1.30", "", "waypoint"),
        ],
    )
    def test_what_a_source_means_depends_on_the_version(self, dialect: str, source: str, action: str) -> None:
        known = parse_dialect(dialect)
        assert known.value(f"eastwest.source.{source}") == action
        there = bound(eastwest={**SOLO, source: known.value(f"eastwest.source.{source}")})
        assert ends(arriving(there, source)) == ({"canary": ONE} if action == "waypoint" else {"r1": HALF, "r2": HALF})


class TestScope:
    def test_a_service_that_is_not_shared_here_is_not_served(self) -> None:
        (step,) = arriving(bound(unserved=frozenset({WEB})))
        assert isinstance(step.outcome, Failed)
        assert (step.outcome.code, step.share, step.tags) == ("reset", ONE, {"failed:MS307"})
        assert "does not serve" in step.outcome.message


class TestPods:
    def test_without_a_waypoint_a_connection_gets_one_of_the_pods(self) -> None:
        there = view("c2", [service("n2")], [*PODS, workload("r3", "c2")])
        steps = arriving(there)
        assert ends(steps) == dict.fromkeys(("r1", "r2", "r3"), Fraction(1, 3))
        assert {path.steps[0].granularity for path in paths(steps)} == {"connection"}

    def test_pods_are_picked_by_capacity(self) -> None:
        # 1 : 3
        there = view("c2", [service("n2")], [workload("r1", "c2"), workload("r2", "c2", capacity=3)])
        assert ends(arriving(there)) == {"r1": Fraction(1, 4), "r2": Fraction(3, 4)}

    def test_a_pod_that_is_not_ready_gets_nothing(self) -> None:
        there = view("c2", [service("n2")], [PODS[0], workload("r2", "c2", status=Health.UNHEALTHY)])
        assert ends(arriving(there)) == {"r1": 1}

    def test_a_gateway_keeps_to_its_own_network(self) -> None:
        """Even where the service has an entry for another network: requests do not travel on."""
        there = view("c2", [service("n2")], [*PODS, remote("c3", 7)])
        assert ends(arriving(there)) == {"r1": HALF, "r2": HALF}

    def test_without_a_pod_the_connection_is_reset(self) -> None:
        steps = arriving(view("c2", [service("n2")], []))
        assert ends(steps) == {"reset": 1}
        assert "failed:MS307" in tags(steps)

    def test_a_name_that_nobody_shares_there_is_reset(self) -> None:
        assert ends(arriving(view("c2", [service("n2")], PODS), authority="other.shop:80")) == {"reset": 1}

    def test_a_reference_that_leads_to_no_waypoint_is_named(self) -> None:
        there = view("c2", [service("n2")], PODS, waypoint_missing={WEB: "MS207"})
        assert "waypoint-missing:MS207" in tags(arriving(there))


class TestFailClosed:
    def test_a_waypoint_without_a_pod_resets_although_all_pods_are_healthy(self) -> None:
        steps = arriving(bound(pods=PODS))
        assert ends(steps) == {"reset": 1}
        assert "failed:MS206" in tags(steps)

    def test_a_waypoint_whose_pods_are_not_ready_resets(self) -> None:
        steps = arriving(bound(pods=(workload("w", "c2", serves=WAY, status=Health.UNHEALTHY), *PODS)))
        assert ends(steps) == {"reset": 1}

    def test_what_skips_the_waypoint_does_not_need_it(self) -> None:
        assert ends(arriving(bound(pods=PODS), "waypoint")) == {"r1": HALF, "r2": HALF}

    def test_waypoint_pods_in_two_places_each_take_their_part(self) -> None:
        """Pods in different zones prefer different endpoints, so they are two branches: 1 of 3 and 2 of 3."""
        zones = [Locality("r", "a"), Locality("r", "b"), Locality("r", "b")]
        ways = tuple(workload(f"w{i}", "c2", serves=WAY, locality=zone) for i, zone in enumerate(zones))
        far = proxy(split(canary=1), ident=FAR, clusters=(backend("canary", host("canary", cluster="c2")),))
        rows = [pod_row(way.uid, "c2", ident=FAR) for way in ways]
        known = Tables(views=[bound(pods=(*ways, *PODS))], proxies=[far], pods=[*rows, pod_row("canary", "c2")])
        steps = eastwest.through(walk(known), "c2", f"{WEB}:80", "", ONE)
        assert sorted(path.share for path in paths(steps)) == [Fraction(1, 3), Fraction(2, 3)]
