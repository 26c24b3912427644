"""From a mesh to a verdict: precedence, masking, governance, roles, desired. The pods of a Rollout of n replicas at
weight w: n stable and ceil(n*w/100) canary ones (argo-rollouts utils/replicaset/canary.go)."""

import json
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import pytest
from strategies.asking import ask
from strategies.cases import CLIENT, GLOBAL, LOCAL, scenario, the, with_client, with_pods, with_rollout
from strategies.meshes import IMAGE, NAMESPACE, SERVICE, Document, deployment, service, template

import meshsim
from meshsim.model.errors import InputError
from meshsim.model.verdict import Row, Verdict

ANY = {"networking.istio.io/traffic-distribution": "Any"}
AT = "step:1"


def only(document: Document, at: str | float | None = AT) -> Row:
    (row,) = ask(document, at)
    return row


def shares(row: Row) -> tuple[F, F, F, F]:
    """stable, canary, other, error."""
    assert row.effective is not None
    return row.effective.stable, row.effective.canary, row.effective.other, row.effective.error


def third_backend(part: Document, name: str, weight: int) -> Document:
    """A backendRef beside the managed pair."""
    rule = the(part, "HTTPRoute", SERVICE)["spec"]["rules"][0]
    rule["backendRefs"].append({"name": name, "port": 8080, "weight": weight})
    return part


class TestPrecedence:
    def test_a_split_at_the_rollouts_waypoint_is_applied(self) -> None:
        row = only(scenario(with_rollout(), calls=[(CLIENT, LOCAL)]))
        assert (row.verdict, row.masked, row.reasons) == (Verdict.APPLIED, False, ())
        assert shares(row) == (F(3, 4), F(1, 4), 0, 0)
        assert row.applied_share == 1
        assert row.decided_by == "waypoint:c1/shop/waypoint"

    def test_without_a_waypoint_it_is_bypassed_and_the_pods_ratio_shows(self) -> None:
        row = only(scenario(with_rollout(bound=False), calls=[(CLIENT, LOCAL)]))
        assert (row.verdict, row.masked) == (Verdict.BYPASSED, False)
        assert shares(row) == (F(4, 5), F(1, 5), 0, 0)  # 4 + ceil(4*25/100) = 5 pods
        assert row.reasons == ("MS202",)
        assert (row.decided_by, row.applied_share) == (None, 0)

    def test_a_split_that_part_of_the_requests_meet_is_partial(self) -> None:
        # under Any 5 pods here, 5 there: half stays in c2, half meets c1's waypoint
        document = scenario(
            with_rollout(annotations=ANY), with_pods(5, annotations=ANY), calls=[("c2/shop/client", GLOBAL)]
        )
        row = only(document)
        assert (row.verdict, row.applied_share) == (Verdict.PARTIAL, F(1, 2))
        assert shares(row) == (F(3, 8), F(1, 8), F(1, 2), 0)

    def test_another_backend_of_the_managed_rule_makes_it_skewed(self) -> None:
        # 25 + 75 + 100 = 200
        legacy = service("legacy", {}, {}, "http")
        legacy["spec"]["selector"] = {"app": "legacy"}
        pods = deployment("legacy", NAMESPACE, 1, template("legacy", IMAGE))
        row = only(scenario(third_backend(with_rollout(more=(legacy, pods)), "legacy", 100), calls=[(CLIENT, LOCAL)]))
        assert (row.verdict, row.applied_share) == (Verdict.SKEWED, 1)
        assert shares(row) == (F(3, 8), F(1, 8), F(1, 2), 0)

    def test_an_error_share_is_failing_even_where_the_rule_decided_everything(self) -> None:
        row = only(scenario(third_backend(with_rollout(), "gone", 100), calls=[(CLIENT, LOCAL)]))
        assert (row.verdict, row.applied_share) == (Verdict.FAILING, 1)
        assert shares(row) == (F(3, 8), F(1, 8), 0, F(1, 2))
        assert [(e.share, e.code) for e in row.errors] == [(F(1, 2), "500")]

    def test_a_bypass_that_fails_is_failing_and_not_bypassed(self) -> None:
        row = only(scenario(with_rollout(state="empty"), calls=[(CLIENT, LOCAL)]))
        assert (row.verdict, shares(row)) == (Verdict.FAILING, (0, 0, 0, 1))
        assert row.reasons == ("MS206",)

    def test_what_is_not_modelled_beats_what_fails(self) -> None:
        policy: dict[str, Any] = {
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "EnvoyFilter",
            "metadata": {"name": "own", "namespace": NAMESPACE},
            "spec": {
                "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "waypoint"}],
                "configPatches": [{"applyTo": "HTTP_FILTER"}],
            },
        }
        row = only(scenario(third_backend(with_rollout(more=(policy,)), "gone", 100), calls=[(CLIENT, LOCAL)]))
        assert row.verdict is Verdict.UNDETERMINED
        assert row.reasons == ("MS901",)
        assert (row.effective, row.desired, row.applied_share) == (None, None, None)

    def test_a_failure_beats_being_ungoverned(self) -> None:
        row = only(scenario(with_rollout(), calls=[(CLIENT, "nobody.shop.svc.cluster.local:80")]))
        assert (row.verdict, row.rollout, row.desired) == (Verdict.FAILING, None, None)
        assert [(e.code, e.share) for e in row.errors] == [("nxdomain", 1)]

    def test_a_call_that_no_rollout_governs_is_ungoverned(self) -> None:
        other = service("cart", {}, {}, "http")
        other["spec"]["selector"] = {"app": "cart"}
        pods = deployment("cart", NAMESPACE, 2, template("cart", IMAGE))
        row = only(scenario(with_rollout(more=(other, pods)), calls=[(CLIENT, "cart:8080")]))
        assert (row.verdict, row.rollout, row.desired) == (Verdict.UNGOVERNED, None, None)
        assert shares(row) == (0, 0, 1, 0)


class TestFailures:
    """What a failed row says of itself."""

    def test_an_unmeshed_client_is_told_why_the_global_name_does_not_resolve(self) -> None:
        """Solo docs, CNI ambient.dnsCapture: the mesh's own names exist for captured pods only."""
        row = only(scenario(with_rollout(), with_client("unmeshed"), calls=[("c2/shop/client", GLOBAL)]))
        assert (row.verdict, row.reasons) == (Verdict.FAILING, ("MS101", "MS103"))
        assert [e.code for e in row.errors] == ["nxdomain"]

    def test_a_name_that_nobody_has_is_no_matter_of_the_mesh(self) -> None:
        row = only(scenario(with_rollout(), with_client("unmeshed"), calls=[("c2/shop/client", "nobody.shop:80")]))
        assert row.reasons == ("MS103",)

    def test_a_waypoint_without_the_port_is_a_waypoint_all_the_same(self) -> None:
        """ztunnel hands over to the waypoint whatever the port; the waypoint has no chain for it and closes."""
        row = only(scenario(with_rollout(), calls=[(CLIENT, LOCAL.partition(":")[0] + ":9999")]))
        assert (row.verdict, row.reasons) == (Verdict.FAILING, ("MS208",))
        assert "waypoint:c1/shop/waypoint" in row.hops

    def test_what_ztunnel_closes_is_a_connection(self) -> None:
        part = with_rollout(bound=False)
        the(part, "Service", SERVICE)["spec"]["selector"] = {"app": "nobody"}
        row = only(scenario(part, calls=[(CLIENT, LOCAL)]), 0.0)
        assert [e.code for e in row.errors] == ["reset"]
        assert (row.hops, row.granularity) == (("ztunnel:c1",), "connection")


class TestMasked:
    @pytest.mark.parametrize(("bound", "verdict"), [(False, Verdict.BYPASSED), (True, Verdict.APPLIED)])
    def test_one_replica_at_fifty_percent_looks_the_same_with_and_without_the_split(
        self, bound: bool, verdict: Verdict
    ) -> None:
        row = only(scenario(with_rollout(replicas=1, weights=(50,), bound=bound), calls=[(CLIENT, LOCAL)]))
        assert shares(row) == (F(1, 2), F(1, 2), 0, 0)  # 1 + ceil(1*50/100) = 2 pods
        assert (row.verdict, row.masked) == (verdict, not bound)
        assert ("MS401" in row.reasons) == (not bound)

    def test_pods_near_the_weight_are_not_masked(self) -> None:
        # 5 + ceil(5*33/100) = 7 pods: 2/7 is near 33 %, not equal
        row = only(scenario(with_rollout(replicas=5, weights=(33,), bound=False), calls=[(CLIENT, LOCAL)]))
        assert shares(row) == (F(5, 7), F(2, 7), 0, 0)
        assert not row.masked

    def test_a_partial_split_is_masked_where_the_rest_has_the_same_ratio(self) -> None:
        """c2 runs the same template at the same step without a waypoint: its half of the requests is 50/50 as well."""
        half = {"replicas": 1, "weights": (50,), "annotations": ANY}
        document = scenario(with_rollout(**half), with_rollout(**half, bound=False), calls=[("c2/shop/client", GLOBAL)])
        row = next(row for row in ask(document, AT) if row.rollout == "c1/shop/web")
        assert (row.verdict, row.applied_share, row.masked) == (Verdict.PARTIAL, F(1, 2), True)
        assert shares(row) == (F(1, 2), F(1, 2), 0, 0)


class TestGovernance:
    def test_a_call_has_a_row_for_every_rollout_of_the_service(self) -> None:
        first, second = with_rollout(weights=(10,)), with_rollout(weights=(50,), image=f"{IMAGE}-other")
        rows = ask(scenario(first, second, calls=[(CLIENT, GLOBAL)]), AT)
        found = {row.rollout: row for row in rows}
        assert len(rows) == 2
        assert found["c1/shop/web"].verdict is Verdict.APPLIED
        assert shares(found["c1/shop/web"]) == (F(9, 10), F(1, 10), 0, 0)
        # c2's Rollout: another one decided, and knows none of these pods
        assert found["c2/shop/web"].verdict is Verdict.ELSEWHERE
        assert found["c2/shop/web"].reasons == ("MS211",)
        assert shares(found["c2/shop/web"]) == (0, 0, 1, 0)

    def test_equal_templates_have_equal_roles_in_both_clusters(self) -> None:
        rows = ask(scenario(with_rollout(weights=(10,)), with_rollout(weights=(50,)), calls=[(CLIENT, GLOBAL)]), AT)
        found = {row.rollout: row for row in rows}
        assert shares(found["c2/shop/web"]) == shares(found["c1/shop/web"]) == (F(9, 10), F(1, 10), 0, 0)

    def test_a_local_name_is_no_business_of_a_peers_rollout(self) -> None:
        row = only(scenario(with_rollout(), with_pods(2), calls=[("c2/shop/client", LOCAL)]))
        assert (row.rollout, row.verdict) == (None, Verdict.UNGOVERNED)

    def test_a_taken_over_local_name_is_governed_by_the_peers_rollout(self) -> None:
        there = with_pods(0)
        the(there, "Service", SERVICE)["metadata"]["labels"]["solo.io/service-takeover"] = "true"
        row = only(scenario(with_rollout(), there, calls=[("c2/shop/client", LOCAL)]))
        assert (row.rollout, row.verdict) == ("c1/shop/web", Verdict.APPLIED)

    def test_a_rollout_that_the_client_cannot_see_does_not_govern(self) -> None:
        document = scenario(with_rollout(), with_client(), calls=[("c2/shop/client", GLOBAL)])
        document["peering"] = [{"watcher": "c1", "peer": "c2"}]  # a link is directed
        row = only(document)
        assert (row.rollout, [e.code for e in row.errors]) == (None, ["nxdomain"])

    def test_a_rollout_governs_calls_to_its_pods_addresses(self) -> None:
        row = only(scenario(with_rollout(), calls=[(CLIENT, "pod:c1/shop/web/0:8080")]))
        assert (row.rollout, row.verdict, row.reasons) == ("c1/shop/web", Verdict.BYPASSED, ("MS102",))

    def test_a_rollout_without_traffic_routing_governs_nothing(self) -> None:
        part = with_rollout()
        canary = the(part, "Rollout", SERVICE)["spec"]["strategy"]["canary"]
        del canary["trafficRouting"]
        rows = ask(scenario(part, calls=[(CLIENT, LOCAL)]), AT)
        assert [row.rollout for row in rows] == [None]


class TestTime:
    """A revision at 60 s, fully promoted at 120 s; its pods are ready 10 s later. The old ReplicaSet stays 30 s
    longer (argo-rollouts, scaleDownDelaySeconds with traffic routing)."""

    TIMELINE = (
        {
            "at": "60s",
            "do": "set-image",
            "rollout": "c1/shop/web",
            "container": SERVICE,
            "image": "registry.example.com/shop/web:2.0",
        },
        {"at": "120s", "do": "promote", "rollout": "c1/shop/web", "full": True},
    )

    def row(self, at: float, *, bound: bool) -> Row:
        return only(scenario(with_rollout(bound=bound), calls=[(CLIENT, LOCAL)], timeline=list(self.TIMELINE)), at)

    def test_before_the_revision_all_is_stable(self) -> None:
        row = self.row(30.0, bound=True)
        assert (row.verdict, shares(row)) == (Verdict.APPLIED, (1, 0, 0, 0))

    def test_at_the_first_pause_the_weight_holds(self) -> None:
        row = self.row(100.0, bound=True)
        assert (row.verdict, shares(row)) == (Verdict.APPLIED, (F(3, 4), F(1, 4), 0, 0))

    def test_after_promotion_the_old_pods_are_other_and_nothing_is_canary(self) -> None:
        # 4 new pods and 4 old ones, which ztunnel still picks
        row = self.row(150.0, bound=False)
        assert (row.verdict, shares(row)) == (Verdict.BYPASSED, (F(1, 2), 0, F(1, 2), 0))
        assert row.desired == {"stable": 1, "canary": 0}

    def test_the_waypoint_sends_nothing_to_the_old_pods(self) -> None:
        row = self.row(150.0, bound=True)
        assert (row.verdict, shares(row)) == (Verdict.APPLIED, (1, 0, 0, 0))

    def test_at_rest_the_old_pods_are_gone(self) -> None:
        row = self.row(300.0, bound=False)
        assert shares(row) == (1, 0, 0, 0)


class TestObserved:
    """A Rollout with a status is taken as it is: 4 stable pods and 1 canary pod, 20 % recorded as written."""

    def document(self, route: tuple[int, int], recorded: int | None) -> Document:
        part = with_rollout(weights=(20, 40))
        status: Document = {
            "stableRS": "aaaaaaaaaa",
            "currentPodHash": "bbbbbbbbbb",
            "replicas": 5,
            "updatedReplicas": 1,
            "readyReplicas": 5,
            "availableReplicas": 5,
            "currentStepIndex": 1,
        }
        if recorded is not None:
            weights = {"canary": {"weight": recorded}, "stable": {"weight": 100 - recorded}}
            status["canary"] = {"weights": weights}
        the(part, "Rollout", SERVICE)["status"] = status
        for role, revision in (("stable", "aaaaaaaaaa"), ("canary", "bbbbbbbbbb")):
            selector = the(part, "Service", f"{SERVICE}-{role}")["spec"]["selector"]
            selector["rollouts-pod-template-hash"] = revision
        for backend, weight in zip(
            the(part, "HTTPRoute", SERVICE)["spec"]["rules"][0]["backendRefs"], route, strict=True
        ):
            backend["weight"] = weight
        return scenario(part, calls=[(CLIENT, LOCAL)])

    def test_desired_is_what_the_controller_recorded(self) -> None:
        row = only(self.document((80, 20), 20), 0.0)
        assert (row.verdict, row.desired) == (Verdict.APPLIED, {"stable": F(4, 5), "canary": F(1, 5)})
        assert shares(row) == (F(4, 5), F(1, 5), 0, 0)

    @pytest.mark.parametrize("noted", [{"currentStepIndex": 1}, {}])
    def test_a_status_without_weights_wants_what_its_step_says(self, noted: dict[str, int]) -> None:
        """setWeight 20 is the first step, and an unset index is the first (argo-rollouts utils/replicaset/canary.go
        GetCurrentCanaryStep): the controller would have written 20."""
        document = self.document((80, 20), None)
        status = the(document["clusters"]["c1"], "Rollout", SERVICE)["status"]
        del status["currentStepIndex"]
        status.update(noted)
        row = only(document, 0.0)
        assert (row.verdict, row.desired) == (Verdict.APPLIED, {"stable": F(4, 5), "canary": F(1, 5)})

    def test_a_route_that_somebody_rewrote_is_skewed_and_named(self) -> None:
        row = only(self.document((60, 40), 20), 0.0)
        assert (row.verdict, row.applied_share) == (Verdict.SKEWED, 1)
        assert row.desired == {"stable": F(4, 5), "canary": F(1, 5)}
        assert shares(row) == (F(3, 5), F(2, 5), 0, 0)
        assert "MS406" in row.reasons

    def test_a_route_as_recorded_is_not_called_rewritten(self) -> None:
        assert "MS406" not in only(self.document((80, 20), 20), 0.0).reasons

    def test_an_inline_manifest_of_the_mesh_is_not_rewritten_by_observing_it(self) -> None:
        """Nothing is written before the first event: the selectors and weights are what they say."""
        row = only(self.document((0, 100), 20), 0.0)
        assert shares(row) == (0, 1, 0, 0)


def test_an_expectation_at_a_step_that_nobody_has_is_wrong_input_with_its_line(tmp_path: Path) -> None:
    """The contract, exit codes: a bad `--at` is usage, a scenario that cannot be is invalid input."""
    document = scenario(with_rollout(), calls=[(CLIENT, LOCAL)], expect=[{"step": 77, "verdict": "applied"}])
    file = tmp_path / "scenario.yaml"
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"scenario.yaml:1: no Rollout has step 77"):
        meshsim.load(file).answer()
