"""A sweep against the plain thing: every point of the grid, edited and judged afresh."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import meshsim
from meshsim.analysis.calls import expand
from meshsim.analysis.gate import Gate
from meshsim.analysis.judge import judge
from meshsim.analysis.sweep import Sweep, sweep
from meshsim.analysis.sweep_rules import exit_code, matters, outcome, rules
from meshsim.model.errors import InputError, UsageError
from meshsim.session import Session

SCENARIOS = Path(__file__).parents[2] / "scenarios"
LABEL1, LABEL2 = (f"label:cluster{n}/Namespace/shop:istio.io/use-waypoint" for n in (1, 2))
SCOPE = "label:cluster1/Service/shop/catalog:solo.io/service-scope"
GRIDS: list[tuple[str, Mapping[str, list[Any]]]] = [
    ("client-local-waypoint", {LABEL2: ["waypoint", None], LABEL1: [None, "waypoint"], SCOPE: ["global", None]}),
    (
        "client-local-waypoint",
        {
            "replicas:cluster1/Rollout/shop/catalog": [3, 1, 0],
            "label:cluster2/Namespace/shop:istio.io/dataplane-mode": ["ambient", None],
            "field:cluster1/Service/shop/catalog:spec.ports.0.appProtocol": [None, "tcp"],
            "delete:cluster1/HTTPRoute/shop/catalog": ["no", "yes"],
        },
    ),
    (
        "client-local-waypoint",
        {"peering": ["all", "none"], "dialect": ["solo/1.30", "solo/1.28"], "fail:eastwest:cluster1": ["no", "yes"]},
    ),
    (
        "no-waypoint-masked",
        {
            "replicas:cluster1/Rollout/demo/greeter": [1, 2],
            "field:cluster1/Rollout/demo/greeter:spec.strategy.canary.steps": [
                [{"setWeight": weight}, {"pause": {}}] for weight in (50, 20)
            ],
            "label:cluster1/Namespace/demo:istio.io/use-waypoint": [None, "waypoint"],
        },
    ),
    (
        "sidecar-without-interop",
        {
            "connection": ["new", "keep-alive"],
            "path": ["/", "/x"],
            "header:x-canary": [None, "yes"],
            "argo": ["1.9", "1.8"],
        },
    ),
]


def swept(name: str, vary: Mapping[str, list[Any]], **more: Any) -> Sweep:
    return sweep(meshsim.load(SCENARIOS / name), vary, **more)


def afresh(session: Session, found: Sweep, call: int, point: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """One variant as a session of its own: forked with every edit in the order in which sweeps make them."""
    chosen = sorted(zip(found.settings, point, strict=True), key=lambda one: one[0].order)
    asks: dict[str, Any] = {}
    for setting, value in chosen:
        edits, more = setting.options[value].edits, setting.options[value].asks
        session = session.fork(**edits) if edits else session
        asks.update({k: {**asks.get(k, {}), **v} if k == "headers" else v for k, v in more.items()})
    spec = found.calls[call]
    at = asks.pop("at", found.moment)
    headers = {k: v for k, v in {**spec.headers, **asks.pop("headers", {})}.items() if v is not None}
    situation = session.situation(at)
    rows = [row for made in expand(situation, replace(spec, headers=headers, **asks)) for row in judge(situation, made)]
    return [
        (
            row.verdict.value,
            row.rollout,
            row.masked,
            row.reasons,
            None if row.effective is None else row.effective.canary,
            row.decided_by,
        )
        for row in rows
    ]


@pytest.mark.parametrize(("name", "vary"), GRIDS)
def test_every_point_of_a_grid_is_what_a_fork_with_its_edits_gets(name: str, vary: Mapping[str, list[Any]]) -> None:
    session = meshsim.load(SCENARIOS / name)
    found = sweep(session, vary)
    for call in range(len(found.calls)):
        for point in product(*(range(len(setting.options)) for setting in found.settings)):
            leaves = [leaf for leaf in found.of(call) if all(point[i] == value for i, value in leaf.taken)]
            assert len(leaves) == 1
            got = [
                (
                    r.verdict,
                    r.rollout,
                    r.masked,
                    r.reasons,
                    dict(r.effective)["canary"] if r.effective else None,
                    r.decided_by,
                )
                for r in leaves[0].rows
            ]
            assert got == afresh(session, found, call, point), (found.calls[call].frm, point)


@pytest.mark.parametrize(("name", "vary"), GRIDS)
def test_what_matters_and_the_rules_are_true_of_every_point(name: str, vary: Mapping[str, list[Any]]) -> None:
    found = swept(name, vary)
    sizes = [range(len(setting.options)) for setting in found.settings]
    for call in range(len(found.calls)):
        at = {point: outcome(found.at(call, point)) for point in product(*sizes)}
        deciding = {
            i for i, size in enumerate(sizes) for p in at for v in size if at[p] != at[(*p[:i], v, *p[i + 1 :])]
        }
        assert set(matters(found, call)) == deciding
        covered = set()
        for rule in rules(found, call):
            points = [p for p in at if all(p[i] in values for i, values in rule.values.items())]
            assert {at[p] for p in points} == {rule.outcome}
            assert len(points) == rule.variants
            covered |= set(points)
        assert covered == set(at)


def test_the_clients_own_waypoint_and_the_rollouts_decide_and_a_team_label_never() -> None:
    """MS201: the client's waypoint decides first; without either label nothing reads the route (MS202)."""
    vary = {LABEL2: ["waypoint", None], LABEL1: ["waypoint", None], "label:cluster2/Namespace/shop:team": ["a", "b"]}
    found = swept("client-local-waypoint", vary, frm="recommender")
    assert matters(found, 0) == (0, 1)
    applied = next(rule for rule in rules(found, 0) if rule.outcome[0][1] == "applied")
    assert applied.values == {0: (1,), 1: (0,)}


def test_settings_that_nobody_looks_at_cost_no_run() -> None:
    inert = {f"label:cluster2/Namespace/shop:inert-{n}": ["a", "b"] for n in range(19)}
    found = swept("client-local-waypoint", {LABEL2: ["waypoint", None], **inert}, at="step:1", frm="recommender")
    assert found.variants == 2**20
    assert len(found.leaves) == 2


def test_how_a_call_connects_changes_no_verdict_and_costs_no_run() -> None:
    found = swept("client-local-waypoint", {"connection": ["new", "keep-alive"]}, at="step:1")
    assert [leaf.taken for leaf in found.leaves] == [() for _ in found.calls]


def test_a_version_is_looked_at_where_a_row_of_its_dialect_differs() -> None:
    """1.30 has aliases of segments (fe-solo-enterprise-for-istio-workshops 008), and this mesh has no segment."""
    vary = {"dialect": ["solo/1.30", "solo/1.29"]}
    inside = swept("client-local-waypoint", vary, at="step:1")
    assert [leaf.taken for leaf in inside.leaves] == [() for _ in inside.calls]


def test_a_version_whose_rows_differ_on_the_way_is_looked_at() -> None:
    """Unready pods stay among the endpoints from 1.31 on (istio a7c9ae034fb)."""
    found = swept("istio-client-local-waypoint", {"dialect": ["istio/1.31", "istio/1.28"]}, at="step:1")
    assert [leaf.taken for leaf in found.leaves] == [((0, 0),), ((0, 1),)]


def test_probes_are_a_setting_where_no_moment_is_asked_for() -> None:
    found = swept("guide-virtualservice", {"connection": ["new", "keep-alive"]}, at="step:1")
    assert [setting.name for setting in found.settings] == ["connection"]


@pytest.mark.parametrize(
    ("vary", "error", "says"),
    [
        ({"lable:x": ["a"]}, UsageError, "did you mean label"),
        ({"label:cluster1/Namespace/shop": ["a"]}, UsageError, "does not say what it changes"),
        ({"replicas:cluster1/Rollout/shop/catalog": [-1]}, UsageError, "cannot be -1"),
        ({"replicas:cluster1/Rollout/shop/catalog": [1, 1]}, UsageError, "a value twice"),
        ({"label:cluster1/Namespace/none:a": ["b"]}, InputError, "has no Namespace/none"),
        ({"network:cluster9": ["a"]}, UsageError, "there is no cluster"),
    ],
)
def test_settings_that_cannot_be_are_said_before_anything_runs(vary: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        swept("client-local-waypoint", vary)


def test_too_many_runs_end_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="more than 3 runs"):
        swept("client-local-waypoint", {LABEL2: ["waypoint", None], LABEL1: ["waypoint", None]}, most_runs=3)


@pytest.mark.parametrize(("level", "code"), [("skewed", 1), ("failing", 0), ("never", 0)])
def test_one_bypassed_variant_is_enough_for_the_exit_code(level: str, code: int) -> None:
    found = swept("client-local-waypoint", {LABEL2: [None, "waypoint"]}, at="step:1", frm="recommender")
    assert exit_code(found, Gate(fail_on=level)) == code


def test_late_proxies_are_late_in_a_sweep_too() -> None:
    """The moments and verdicts of the scenario's own expectations: endpoints and routes arrive seconds later."""
    session = meshsim.load(SCENARIOS / "time-late-proxies")
    wanted = {e.at: str(e.verdict) for e in session.scenario.expect if isinstance(e.at, float) and e.frm and e.verdict}
    assert {"skewed", "failing", "applied"} <= set(wanted.values())
    found = session.sweep({"at": list(wanted)}, frm="cluster2/default/curl")
    assert {at: found.at(0, (n,)).rows[0].verdict for n, at in enumerate(wanted)} == wanted


@pytest.mark.parametrize(
    "name", ["time-dynamic-stable-scale", "time-late-proxies", "time-ping-pong", "time-superseded"]
)
def test_a_sweep_says_what_run_says_while_updates_are_on_their_way(name: str) -> None:
    session = meshsim.load(SCENARIOS / name)
    moments = [*range(116, 136, 2), *range(148, 154, 2), *range(240, 246, 2)]
    found = session.sweep({"at": [float(at) for at in moments]})
    for n, at in enumerate(moments):
        got = [
            (
                found.calls[call].frm,
                found.calls[call].to,
                row.verdict,
                row.reasons,
                dict(row.effective or ()).get("canary"),
            )
            for call in range(len(found.calls))
            for row in found.at(call, (n,)).rows
        ]
        assert got == [
            (row.frm, row.to, row.verdict.value, row.reasons, row.effective.canary if row.effective else None)
            for _, rows in session.rows(float(at))
            for row in rows
        ]


def test_what_a_call_cannot_meet_is_not_looked_at() -> None:
    """`basket` is a client beside the call, in nobody's Service."""
    vary = {"replicas:cluster1/Deployment/shop/basket": [1, 2], LABEL2: ["waypoint", None]}
    found = swept("client-local-waypoint", vary, at="step:1", frm="recommender")
    assert {index for leaf in found.leaves for index, _ in leaf.taken} == {1}


def test_a_setting_that_ties_objects_together_leaves_the_mesh_whole() -> None:
    """With the label `app: catalog`, `basket`'s pods are among the Service's."""
    vary = {
        "field:cluster1/Deployment/shop/basket:spec.template.metadata.labels.app": ["basket", "catalog"],
        "replicas:cluster1/Deployment/shop/basket": [1, 2],
    }
    found = swept("client-local-waypoint", vary, at="step:1", frm="recommender")
    others = [dict(leaf.rows[0].effective or ())["other"] for leaf in found.leaves if dict(leaf.taken)[0] == 1]
    # 4 stable pods, 1 canary pod and 1 or 2 of basket's, each connection to any of them
    assert sorted(others) == [Fraction(1, 6), Fraction(2, 7)]
