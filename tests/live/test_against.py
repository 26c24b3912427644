"""Observations against shipped scenarios: agreement, disagreement, units, and what an agreement proves.

Shares are the scenarios' own, by hand in their comments; levels are 1% for a file.
"""

import contextlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshsim.live.against import hold
from meshsim.live.outcomes import Evidence, Held, Outcome
from meshsim.live.published import parse, read
from meshsim.live.recording import Recording, RolloutState
from meshsim.model.errors import InputError
from meshsim.model.verdict import Verdict
from meshsim.report.formats import Heading, Paper
from meshsim.report.observed import FORMATS, printed
from meshsim.session import Session, load

SCENARIOS = Path(__file__).parents[2] / "scenarios"
Scenario = Callable[[str], Session]
GUIDE = {"from": "cluster2/default/curl", "to": "helloworld.default.mesh.internal:5000", "path": "/hello", "at": "200s"}
APPLIED = {"from": "cluster1/shop/basket", "to": "catalog.shop.mesh.internal:8080", "path": "/items"}
"""25% canary by weight; 1 of 5 pods is the canary's."""
L4 = {"from": "cluster2/geo/probe", "to": "lookup.geo.mesh.internal:8080", "path": "/hello"}
"""Bypassed at L4: 1/5 canary a connection; the weight is 25%."""
KEPT = {**L4, "connection": "keep-alive"}


def recording(*observations: dict[str, Any], **more: Any) -> Recording:
    value = {"schema": "meshsim/observation/v1", **more, "observations": observations}
    return parse(json.dumps(value).encode(), "o.json")


def held(session: Session, observation: dict[str, Any], **more: Any) -> Held:
    return hold(recording(observation, **more), session).held[0]


@pytest.fixture
def client_local(scenario: Scenario) -> Session:
    return scenario("client-local-waypoint")


@pytest.fixture
def no_waypoint(scenario: Scenario) -> Session:
    return scenario("no-waypoint-unmasked")


def test_counts_near_the_weight_agree_and_rule_the_bypass_out(client_local: Session):
    found = held(client_local, {**APPLIED, "counts": {"stable": 7500, "canary": 2500}})
    assert (found.outcome, found.evidence) == (Outcome.AGREES, Evidence.TELLS)


def test_few_counts_agree_with_the_bypass_as_well_and_say_how_many_would_tell(client_local: Session):
    found = held(client_local, {**APPLIED, "counts": {"stable": 75, "canary": 25}})
    assert (found.outcome, found.evidence) == (Outcome.AGREES, Evidence.TOO_FEW)
    assert found.stories[0].shares == {"stable": Fraction(4, 5), "canary": Fraction(1, 5)}
    assert found.stories[0].needed is not None
    assert found.stories[0].needed > 1000


def test_counts_of_the_pod_ratio_disagree_with_an_applied_split_and_fit_its_bypass(client_local: Session):
    found = held(client_local, {**APPLIED, "counts": {"stable": 1600, "canary": 400}})
    assert found.outcome is Outcome.DISAGREES
    assert found.stories[0].p == 1.0


def test_the_guides_check_is_masked_and_called_so(scenario: Scenario):
    found = held(scenario("guide-gateway-api"), {**GUIDE, "counts": {"v1": 27, "v2": 23}})
    assert (found.outcome, found.evidence) == (Outcome.AGREES, Evidence.MASKED)
    assert found.stories[0].needed is None


def test_a_masked_bypass_is_masked_too(scenario: Scenario):
    call = {"from": "cluster2/demo/probe", "to": "greeter.demo.mesh.internal:5000", "path": "/hello"}
    found = held(scenario("no-waypoint-masked"), {**call, "counts": {"stable": 48, "canary": 52}})
    assert (found.outcome, found.evidence) == (Outcome.AGREES, Evidence.MASKED)


def test_errors_that_the_model_does_not_have_disagree(client_local: Session):
    found = held(client_local, {**APPLIED, "counts": {"stable": 74, "canary": 25}, "errors": {"503": 1}})
    assert (found.outcome, found.p) == (Outcome.DISAGREES, 0.0)


MENU = {"from": "ingress:cluster2/food/edge", "to": "food.example.com:80", "path": "/menu"}
SLIPS = {"from": "cluster2/hr/report", "to": "payroll.hr.svc.cluster.local:8080", "path": "/slips"}


@pytest.mark.parametrize(
    ("name", "call", "code"),
    [
        ("ingress-to-a-local-service", MENU, "503"),
        ("local-name-in-the-other-cluster", SLIPS, "000"),
        ("local-name-in-the-other-cluster", SLIPS, "nxdomain"),
    ],
)
def test_errors_agree_by_what_the_sender_reads(scenario: Scenario, name: str, call: dict[str, str], code: str):
    assert held(scenario(name), {**call, "errors": {code: 20}}).outcome is Outcome.AGREES
    assert held(scenario(name), {**call, "errors": {"404": 20}}).outcome is Outcome.DISAGREES


def test_new_connections_are_as_many_draws_as_requests(no_waypoint: Session):
    found = held(no_waypoint, {**L4, "counts": {"stable": 100}})
    assert found.outcome is Outcome.DISAGREES
    assert found.p == pytest.approx(2 * 0.8**100)


def test_one_kept_connection_is_one_draw_however_many_requests(no_waypoint: Session):
    found = held(no_waypoint, {**KEPT, "connections": 1, "counts": {"stable": 100}})
    assert found.outcome is Outcome.AGREES
    assert (found.unit, found.tests[0].counted and found.tests[0].counted.trials) == ("connection", 1)


def test_kept_connections_are_counted_by_their_requests_where_each_has_as_many(no_waypoint: Session):
    found = held(no_waypoint, {**KEPT, "connections": 50, "counts": {"stable": 1000}})
    assert found.outcome is Outcome.DISAGREES
    assert found.p == pytest.approx(2 * 0.8**50)


def test_kept_connections_are_counted_by_their_first_answers_where_these_are_known(no_waypoint: Session):
    first = {"roles": {"stable": 8, "canary": 2}}
    found = held(no_waypoint, {**KEPT, "connections": 10, "roles": {"stable": 300, "canary": 10}, "first": first})
    assert found.outcome is Outcome.AGREES
    assert {test.counted.trials for test in found.tests if test.counted and test.label != "error"} == {10}


def test_a_pinned_connection_cannot_be_answered_by_both_revisions(no_waypoint: Session):
    found = held(no_waypoint, {**KEPT, "connections": 1, "counts": {"stable": 80, "canary": 20}})
    assert (found.outcome, found.p) == (Outcome.DISAGREES, 0.0)


def test_connections_that_several_pods_answered_disagree_with_pinning(no_waypoint: Session):
    found = held(no_waypoint, {**KEPT, "connections": 5, "mixed": 3, "counts": {"stable": 80, "canary": 20}})
    assert found.outcome is Outcome.DISAGREES
    assert "several pods" in found.why[0]


def test_how_many_connections_there_were_must_be_known_to_test_them(no_waypoint: Session):
    found = held(no_waypoint, {**KEPT, "counts": {"stable": 100}})
    assert found.outcome is Outcome.AGREES
    assert "not known" in found.notes[0]


def test_one_pinned_connection_rules_out_a_split_that_is_drawn_for_each_request(no_waypoint: Session):
    found = held(no_waypoint, {**KEPT, "connections": 1, "counts": {"stable": 100}})
    assert found.evidence is Evidence.TELLS
    assert found.stories[0].p == pytest.approx(2 * 0.75**100)


def test_a_kept_connection_with_both_revisions_rules_out_pinning_but_no_bypass_for_each_request(client_local: Session):
    kept = {**APPLIED, "connection": "keep-alive", "connections": 1}
    found = held(client_local, {**kept, "counts": {"stable": 75, "canary": 25}})
    assert (found.outcome, found.evidence) == (Outcome.AGREES, Evidence.TOO_FEW)


def test_a_waypoints_split_is_drawn_for_each_request_on_kept_connections_too(client_local: Session):
    kept = {**APPLIED, "connection": "keep-alive", "connections": 1}
    assert held(client_local, {**kept, "counts": {"stable": 100}}).outcome is Outcome.DISAGREES
    assert held(client_local, {**kept, "counts": {"stable": 75, "canary": 25}}).outcome is Outcome.AGREES


def test_what_was_not_attributed_may_be_anybodys(client_local: Session):
    one = {**APPLIED, "requests": 100, "counts": {"stable": 60, "canary": 10}, "unattributed": 30}
    assert held(client_local, one).outcome is Outcome.AGREES
    assert held(client_local, {**one, "counts": {"stable": 10, "canary": 60}}).outcome is Outcome.DISAGREES


def test_codes_alone_say_what_failed_and_nothing_of_the_split(client_local: Session):
    found = held(client_local, {**APPLIED, "counts": {"200": 100}})
    assert (found.outcome, found.evidence) == (Outcome.AGREES, Evidence.BLIND)
    assert held(client_local, {**APPLIED, "counts": {"200": 99, "503": 1}}).outcome is Outcome.DISAGREES


def test_what_was_not_counted_may_have_failed(scenario: Scenario):
    session = scenario("ingress-to-a-local-service")
    assert held(session, {**MENU, "requests": 20, "errors": {"503": 3}}).outcome is Outcome.AGREES
    assert (
        held(session, {**MENU, "requests": 20, "errors": {"503": 3}, "unattributed": 17}).outcome is Outcome.DISAGREES
    )


def test_published_ranges_disagree_only_where_nothing_in_them_fits(client_local: Session):
    one = {**APPLIED, "requests": 1000}
    assert held(client_local, {**one, "shares": {"canary": "20%..30%"}}).outcome is Outcome.AGREES
    assert held(client_local, {**one, "shares": {"canary": "45%..55%"}}).outcome is Outcome.DISAGREES


def test_shares_without_a_number_of_requests_leave_a_difference_undetermined(client_local: Session):
    found = held(client_local, {**APPLIED, "shares": {"canary": "50%"}})
    assert (found.outcome, found.why) == (Outcome.UNDETERMINED, ("how many requests were made is not said",))


def test_clusters_that_only_another_revision_has_rule_the_applied_split_out(scenario: Scenario):
    call = {"from": "cluster2/accounts/login", "to": "profiles.accounts.mesh.internal:8080", "path": "/me"}
    found = held(scenario("local-endpoints-first"), {**call, "counts": {"cluster2": 100}})
    assert (found.outcome, found.evidence) == (Outcome.AGREES, Evidence.TELLS)
    wrong = held(scenario("local-endpoints-first"), {**call, "counts": {"cluster2": 99, "cluster1": 1}})
    assert wrong.outcome is Outcome.DISAGREES


def test_clusters_that_tell_no_revision_say_nothing_of_the_split(client_local: Session):
    found = held(client_local, {**APPLIED, "clusters": {"cluster1": 100}})
    assert (found.outcome, found.evidence) == (Outcome.AGREES, Evidence.BLIND)


def test_a_rollout_that_moved_makes_its_counts_undetermined(client_local: Session):
    one = {**APPLIED, "counts": {"stable": 100}, "moved": ["step 1 → step 2"]}
    found = held(client_local, one)
    assert found.outcome is Outcome.UNDETERMINED
    assert "step 1 → step 2" in found.why


def test_a_call_that_was_not_made_is_not_observed(client_local: Session):
    assert held(client_local, {**APPLIED, "not_sent": "forbidden"}).outcome is Outcome.NOT_OBSERVED


def test_the_recorded_step_is_the_moment(scenario: Scenario):
    session = scenario("canary-gateway-api")
    call = {"from": "cluster1/shop/cart", "to": "checkout.shop.mesh.internal:8080", "path": "/pay"}
    state = {"phase": "Paused", "step": 3, "weight": 25, "stable": "aaa", "canary": "bbb"}
    name = next(iter(session.situation(0.0).rollouts.values())).name
    found = held(session, {**call, "counts": {"stable": 300, "canary": 100}}, rollouts={name: state})
    assert (found.at, found.outcome) == ("step:3", Outcome.AGREES)
    other = held(session, {**call, "counts": {"stable": 3, "canary": 1}}, rollouts={name: {**state, "weight": 40}})
    assert other.outcome is Outcome.UNDETERMINED
    assert "weight 40" in other.why[0]


def test_without_a_moment_several_probes_leave_it_undetermined(scenario: Scenario):
    call = {"from": "cluster1/shop/cart", "to": "checkout.shop.mesh.internal:8080", "path": "/pay"}
    found = held(scenario("canary-gateway-api"), {**call, "counts": {"stable": 3, "canary": 1}})
    assert found.outcome is Outcome.UNDETERMINED
    assert "step:1" in found.why[0]


def test_a_settled_rollout_is_compared_settled(client_local: Session):
    state = {"phase": "Healthy", "step": 2, "weight": 0, "stable": "aaa"}
    one = {**APPLIED, "counts": {"stable": 100}}
    found = held(client_local, one, rollouts={"cluster1/shop/catalog": state})
    assert (found.outcome, found.at) == (Outcome.AGREES, 0.0)


def test_of_two_labels_at_a_probe_the_unknown_one_is_the_canary_and_said(client_local: Session):
    found = held(client_local, {**APPLIED, "counts": {"6.3.0": 75, "6.4.0": 25}})
    assert found.outcome is Outcome.AGREES
    assert "'6.4.0' is taken as the canary" in found.notes[0]


def test_labels_may_be_given_a_meaning(client_local: Session):
    means = {"old": "stable", "new": "canary"}
    assert held(client_local, {**APPLIED, "counts": {"old": 75, "new": 25}, "means": means}).outcome is Outcome.AGREES
    assert held(client_local, {**APPLIED, "counts": {"old": 25, "new": 75}}, means=means).outcome is Outcome.DISAGREES


def test_a_cluster_and_a_revision_together_are_a_label(client_local: Session):
    one = {**APPLIED, "counts": {"cluster1/stable": 75, "cluster1/canary": 25}}
    assert held(client_local, one).outcome is Outcome.AGREES
    assert held(client_local, {**APPLIED, "counts": {"cluster2/stable": 75}}).outcome is Outcome.DISAGREES


def test_pods_of_a_live_cluster_are_left_out_where_roles_are_counted(client_local: Session):
    one = {**APPLIED, "roles": {"stable": 75, "canary": 25}, "pods": {"cluster1/shop/catalog-xyz-abcde": 100}}
    found = held(client_local, one)
    assert found.outcome is Outcome.AGREES
    assert "pods are not compared" in found.notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"from": "cluster1/shop/nobody"}, "no workload"),
        ({"from": "cluster9/shop/basket"}, "no workload"),
        ({"from": "*/shop/*"}, "clients, and an observation is of one"),
        ({"to": "catalog.shop.mesh.internal:http"}, "is no address"),
        ({"counts": {"v8": 3, "v9": 4}}, "nothing that 'v8' could mean"),
        ({"at": "step:9"}, "no Rollout has step 9"),
        ({"rollout": "cluster1/shop/other"}, "does not govern this call"),
    ],
)
def test_what_means_nothing_in_the_scenario_is_an_input_error_with_its_line(
    client_local: Session, change: dict[str, Any], message: str
):
    with pytest.raises(InputError, match=message) as wrong:
        held(client_local, {**APPLIED, "counts": {"stable": 1}, **change})
    assert str(wrong.value).startswith("o.json:1:")


def test_the_level_is_shared_by_the_calls_of_a_file(client_local: Session):
    one = {**APPLIED, "counts": {"stable": 24}}
    alone = hold(recording(one), client_local)
    assert alone.held[0].p == pytest.approx(2 * 0.75**24)
    assert alone.held[0].outcome is Outcome.DISAGREES
    fair = {**APPLIED, "counts": {"stable": 75, "canary": 25}}
    among = hold(recording(one, *[fair] * 9), client_local)
    assert among.level == pytest.approx(0.001)
    assert among.held[0].outcome is Outcome.AGREES


def test_states_are_compared_by_hash_where_the_scenario_has_them():
    assert str(RolloutState(phase="Paused", step=1, weight=25)) == "Paused, step 1, weight 25"


@pytest.mark.parametrize("name", sorted(file.parent.name for file in SCENARIOS.glob("*/scenario.yaml")))
def test_counts_in_the_models_own_shares_agree_with_every_scenario(scenario: Scenario, name: str):
    session = scenario(name)
    moment = session.moments(None)[0][0]
    rows = [row for _, found in session.rows(moment) for row in found[:1] if row.effective is not None]
    made = []
    for row in rows:
        assert row.effective is not None
        shares = dict(row.effective.items())
        trials = 3600
        counts = {role: round(share * trials) for role, share in shares.items() if role != "error"}
        errors = {}
        for one in row.errors:
            errors[one.code] = errors.get(one.code, 0) + round(one.share * trials)
        call = {"from": row.frm, "to": row.to, "path": row.path, "headers": dict(row.headers)}
        call |= {"rollout": row.rollout} if row.rollout else {}
        made.append({**call, "connection": row.connection, "roles": counts, "errors": errors})
    if not made:
        pytest.skip("nothing is determined")
    found = hold(recording(*made), session, at=moment)
    assert [(one.outcome, one.why) for one in found.held] == [(Outcome.AGREES, ())] * len(made)


LABELS = st.sampled_from(
    ["stable", "canary", "other", "cluster1", "cluster2/canary", "6.3.0", "v9", "200", "503", "000"]
)
FIELDS = st.fixed_dictionaries(
    {
        "from": st.sampled_from(
            ["cluster1/shop/basket", "cluster2/shop/recommender", "external:cluster1", "cluster2", "x"]
        )
    },
    optional={
        "to": st.sampled_from(["catalog.shop.mesh.internal:8080", "catalog.shop", "10.0.0.1:80", "nowhere:1"]),
        "connection": st.sampled_from(["new", "keep-alive"]),
        "connections": st.integers(1, 5),
        "mixed": st.integers(0, 3),
        "requests": st.integers(1, 40),
        "roles": st.dictionaries(st.sampled_from(["stable", "canary", "other"]), st.integers(0, 20)),
        "first": st.fixed_dictionaries({"roles": st.dictionaries(LABELS, st.integers(0, 3), max_size=2)}),
        "shares": st.dictionaries(LABELS, st.sampled_from(["10%", "20%..30%", "1/3"]), max_size=2),
        "errors": st.dictionaries(st.sampled_from(["503", "reset", "error"]), st.integers(0, 9)),
        "at": st.sampled_from(["step:1", "step:7", "weight:25", 0]),
        "unattributed": st.integers(0, 5),
    },
)


@given(observation=FIELDS, counts=st.dictionaries(LABELS, st.integers(0, 20), max_size=3))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_observed_comes_to_an_outcome_or_a_sentence(
    client_local: Session, observation: dict[str, Any], counts: dict[str, int]
):
    one = {"to": APPLIED["to"], "path": "/items", **observation, **({"counts": counts} if counts else {})}
    with contextlib.suppress(InputError):
        found = hold(recording(one), client_local)
        heading = Heading(scenario="s")
        assert all(printed(found, heading, output, Paper()) for output in FORMATS)
        assert all(test.counted is None or 0 <= test.p <= 1 for test in found.held[0].tests)


def test_a_session_holds_a_file_against_itself(scenario: Scenario):
    found = scenario("guide-gateway-api").against(SCENARIOS / "guide-gateway-api" / "published.json")
    assert [one.evidence for one in found.held] == [Evidence.MASKED] * 3


PUBLISHED = {
    "guide-gateway-api": [Evidence.MASKED] * 3,
    "guide-virtualservice": [Evidence.MASKED] * 3,
    "any-behind-a-client-local-waypoint": [Evidence.TELLS],
    "local-endpoints-first": [Evidence.TELLS],
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_measurements_agree_with_their_scenario(scenario: Scenario, name: str):
    found = hold(read(SCENARIOS / name / "published.json"), scenario(name))
    assert [one.outcome for one in found.held] == [Outcome.AGREES] * len(PUBLISHED[name])
    assert [one.evidence for one in found.held] == PUBLISHED[name]


def test_the_guides_numbers_fit_its_bypassed_twin_as_well():
    found = load(SCENARIOS / "guide-gateway-api" / "twin.yaml").against(SCENARIOS / "guide-gateway-api/published.json")
    assert {(one.outcome, one.evidence) for one in found.held} == {(Outcome.AGREES, Evidence.MASKED)}
    assert {one.row.verdict for one in found.held if one.row} == {Verdict.BYPASSED}


def test_every_published_measurement_has_a_test():
    assert {file.parent.name for file in SCENARIOS.glob("*/published.json")} == set(PUBLISHED)


PIECES = {"from": "cluster2/video/upload", "to": "transcode.video.mesh.internal:8000", "path": "/jobs"}


def test_a_workshops_pods_and_its_other_cluster_are_one_file(scenario: Scenario):
    """A public workshop (015, part 7): 2 local pods and a gateway under `Any` got 25, 24, 51 of 100 requests over one
    connection. By endpoints 33, by pods 67 would go to the other cluster."""
    session = scenario("any-behind-a-client-local-waypoint")
    kept = {**PIECES, "connection": "keep-alive", "connections": 1}
    found = held(session, {**kept, "counts": {"transcode-0": 25, "transcode-1": 24, "cluster1": 51}})
    assert found.outcome is Outcome.AGREES
    by_pods = {**kept, "counts": {"transcode-0": 17, "transcode-1": 16, "cluster1": 67}}
    assert held(session, by_pods).p == pytest.approx(3 * 0.00087, rel=0.02)  # 3 tests; 2 P(X >= 67 | 100, 1/2)


ZONES = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, annotations: {networking.istio.io/traffic-distribution: PreferClose}}
spec: {selector: {app: web}, ports: [{name: http, port: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
"""


def zones(tmp_path: Path) -> Session:
    """A client in zone a, the waypoint in zone c, a pod of the Service in each of a, b and c."""
    text = ZONES
    for zone in "abc":
        labels = f"{{topology.kubernetes.io/region: r, topology.kubernetes.io/zone: zone-{zone}}}"
        text += f"---\n{{apiVersion: v1, kind: Node, metadata: {{name: n{zone}, labels: {labels}}}}}\n"
    pods = [
        ("web-a", "app: web", "a"),
        ("web-b", "app: web", "b"),
        ("web-c", "app: web", "c"),
        ("client", "app: c", "a"),
    ]
    pods.append(("waypoint-1", "gateway.networking.k8s.io/gateway-name: waypoint", "c"))
    for number, (name, labels, zone) in enumerate(pods):
        text += f"---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{{labels}}}, "
        text += "annotations: {ambient.istio.io/redirection: enabled}}, "
        text += (
            f"spec: {{nodeName: n{zone}, containers: [{{name: c, image: i}}]}}, status: {{podIP: 10.0.0.{number}}}}}\n"
        )
    (tmp_path / "objects.yaml").write_text(text, encoding="utf-8")
    return load({"c": str(tmp_path / "objects.yaml")})


ASIDE = {"from": "c/shop/client", "to": "web.shop.svc.cluster.local:8080"}


@pytest.mark.parametrize(
    ("counted", "outcome"),
    [
        ({"zones": {"zone-c": 50}}, Outcome.AGREES),
        ({"counts": {"zone-c": 50}}, Outcome.AGREES),
        ({"counts": {"web-c": 50}}, Outcome.AGREES),
        ({"requests": 50, "shares": {"zone-c": "100%"}}, Outcome.AGREES),
        ({"counts": {"zone-a": 50}}, Outcome.DISAGREES),
        ({"counts": {"web-a": 50}}, Outcome.DISAGREES),
        ({"zones": {"zone-c": 49, "zone-b": 1}}, Outcome.DISAGREES),
    ],
)
def test_a_waypoints_own_zone_is_what_counts(tmp_path: Path, counted: dict[str, Any], outcome: Outcome):
    """solo-io/istio-ambient-az-aware-routing, TEST-RESULTS: client in zone a, waypoint in c, 50 of 50 to zone c."""
    assert held(zones(tmp_path), {**ASIDE, **counted}).outcome is outcome


def test_a_zone_that_is_nowhere_is_no_label(tmp_path: Path):
    with pytest.raises(InputError, match="zone-d"):
        held(zones(tmp_path), {**ASIDE, "counts": {"zone-d": 50}})
