from dataclasses import replace
from fractions import Fraction as F

from report.hand_built import (
    ASSUMPTION,
    TO,
    answer,
    applied,
    check,
    explanation,
    failing,
    probes,
    row,
    split_trace,
    undetermined,
)

from meshsim.model.facts import Fact
from meshsim.model.reasons import REASONS
from meshsim.model.trace import Trace
from meshsim.model.verdict import Answer, Explanation, Shares, Verdict
from meshsim.report.formats import Heading, Paper
from meshsim.report.terminal import TABLE

PIPE = Paper()
SCREEN = Paper(width=100, drawn=True, coloured=False)
COLOURS = Paper(width=100, drawn=True, coloured=True)
HEADING = Heading(scenario="client-local-waypoint", dialect="solo/1.30", source="x", file="x/scenario.yaml")


def printed(found: Answer, paper: Paper = PIPE) -> str:
    return TABLE.answer(found, HEADING, paper)


def explained(found: Explanation, paper: Paper = PIPE) -> str:
    return TABLE.explanations((found,), HEADING, paper)


def test_a_pipe_gets_plain_columns() -> None:
    assert printed(answer()) == (
        "client-local-waypoint · solo/1.30 · at 240s\n"
        "\n"
        "catalog.shop.mesh.internal:8080/items\n"
        "rollout cluster1/shop/catalog wants stable 75%, canary 25%\n"
        "  verdict   from                          canary     decided by                       why    a check needs\n"
        "  bypassed  cluster2/shop/recommender ×2  25% → 20%  waypoint:cluster2/shop/waypoint  MS201  1,509 requests\n"
        "  applied   cluster1/shop/basket          25%        waypoint:cluster1/shop/waypoint\n"
        "  a check needs  to tell it from an applied split, wrong at most once in a hundred\n"
        "\n"
        "MS201 client-local-waypoint  L7 is decided in the client's cluster, the rollout's waypoint is skipped\n"
        "  cluster2/shop/recommender ×2\n"
        "    waypoint:cluster2/shop/waypoint: no rule applies: balances over catalog.shop.mesh.internal\n"
        "    cluster2/Namespace/shop istio.io/use-waypoint: waypoint  c2/namespace.yaml:9\n"
        "\n"
        "2 calls: 1 applied, 1 bypassed\n"
        "next  meshsim explain x cluster2/shop/recommender catalog.shop.mesh.internal:8080\n"
    )


def test_a_terminal_of_100_columns_gets_glyphs() -> None:
    assert printed(answer(), SCREEN).splitlines()[3:9] == [
        "rollout cluster1/shop/catalog wants stable 75%, canary 25%",
        "  verdict     from                          canary     decided by                       why",
        "  ✖ bypassed  cluster2/shop/recommender ×2  25% → 20%  waypoint:cluster2/shop/waypoint  MS201",
        "  ✔ applied   cluster1/shop/basket          25%        waypoint:cluster1/shop/waypoint",
        "  a check needs  to tell it from an applied split, wrong at most once in a hundred",
        "    cluster2/shop/recommender ×2  1,509 requests",
    ]


def test_probes_make_a_matrix_of_steps_and_clients() -> None:
    assert printed(probes()).splitlines()[2:8] == [
        "catalog.shop.mesh.internal:8080/items",
        "rollout cluster1/shop/catalog",
        "  from                          canary 25%    canary 50%",
        "                                step:0        step:2",
        "  cluster2/shop/recommender ×2  bypassed 20%  bypassed 50% MASKED",
        "  cluster1/shop/basket          applied 25%   applied 50%",
    ]


def test_a_matrix_that_is_too_wide_shows_glyphs_and_says_what_they_mean() -> None:
    lines = printed(probes(), replace(SCREEN, width=60)).splitlines()
    assert "  cluster2/shop/recommender ×2  ✖ 20%       ✖ 50%!" in lines
    assert "  ✖ bypassed   ✔ applied   ! masked" in lines


def test_every_bypassed_cell_says_what_a_check_of_it_needs() -> None:
    # 20 % wanted, none received: (4/5)^21 < 1/100 < (4/5)^20.
    never = row(desired={"stable": F(4, 5), "canary": F(1, 5)}, effective=Shares(stable=F(1)))
    narrow = printed(answer(never, applied()), SCREEN)
    assert "    cluster2/shop/recommender ×2  21 requests" in narrow
    assert "21 requests" in printed(answer(never)).splitlines()[5]
    matrix = printed(probes())
    assert "    cluster2/shop/recommender ×2  1,509 requests at 25%; no number suffices at 50%" in matrix
    assert "a check needs" not in printed(answer(applied()))


def test_a_masked_bypass_is_loud() -> None:
    text = printed(probes())
    assert "MS401 masked  looks right, and no histogram of requests would show that it is not" in text
    assert f"  cluster2/shop/recommender ×2 → {TO}/items" in text


def test_pipes_get_no_escape_codes_and_the_same_words() -> None:
    for found in (answer(), probes(), answer(failing()), answer(undetermined())):
        assert "\x1b" not in printed(found)
        assert "\x1b[" in printed(found, COLOURS)
        assert "\x1b" not in printed(found, SCREEN)


def test_every_verdict_has_its_colour() -> None:
    styles = {
        Verdict.APPLIED: "\x1b[32m✔ applied",
        Verdict.BYPASSED: "\x1b[31m✖ bypassed",
        Verdict.PARTIAL: "\x1b[33m◐ partial",
        Verdict.SKEWED: "\x1b[33m≠ skewed",
        Verdict.FAILING: "\x1b[1;31m✖ failing",
        Verdict.UNDETERMINED: "\x1b[35m? undetermined",
        Verdict.ELSEWHERE: "\x1b[36m↷ elsewhere",
        Verdict.UNGOVERNED: "\x1b[2m· ungoverned",
    }
    for verdict, text in styles.items():
        assert text in printed(answer(row(verdict=verdict)), COLOURS)
    assert set(styles) == set(Verdict)


def test_nothing_is_wider_than_the_terminal() -> None:
    long = row(frm="cluster2/" + "n" * 60 + "/" + "w" * 60, notes=("x" * 300,), assumptions=(ASSUMPTION,))
    for found in (answer(long), answer(long, applied()), probes()):
        assert max(map(len, printed(found, SCREEN).splitlines())) <= 100
    assert max(map(len, explained(explanation(row=long), SCREEN).splitlines())) <= 100


def test_failing_shares_are_said() -> None:
    assert "25% → 0%, 25% fail" in printed(answer(failing()))


def test_an_undetermined_call_names_what_settles_it() -> None:
    text = printed(answer(undetermined()))
    assert "undetermined" in text
    assert "25% → ?" in text
    assert "ztunnel:cluster2: pods or a waypoint?" in text
    assert "assume: {flat_waypoint: pods | cluster1} settles it  Solo docs" in text
    assert "note" not in text


def test_a_call_that_another_rollout_decides_is_only_information() -> None:
    text = printed(answer(row(verdict=Verdict.ELSEWHERE, reasons=("MS211",))))
    assert "elsewhere  cluster2/shop/recommender ×2  –" in text
    assert "next" not in text


def test_failed_expectations_name_their_line_and_what_was_found() -> None:
    text = printed(answer(expectations=(check(), check(passed=True, failures=()))))
    assert (
        f"expectation fails  cluster2/shop/recommender → {TO}  x/scenario.yaml:47\n  canary is 20%, not 25%\n" in text
    )
    assert "2 calls: 1 applied, 1 bypassed · 1 of 2 expectations hold" in text


def test_an_expectation_without_sentences_shows_its_fields() -> None:
    text = printed(answer(expectations=(check(failures=(), wanted={"canary": "25%", "masked": True}),)))
    assert "  canary: wanted 25%, got 1/5\n  masked: wanted true\n" in text


def test_assumptions_notes_and_findings_are_in_plain_sight() -> None:
    text = printed(answer(row(assumptions=(ASSUMPTION,), notes=("a rule has no effect",)), findings=("c1: unread",)))
    assert "note     cluster2/shop/recommender: a rule has no effect\n" in text
    assert "assumed  remote_weight: how much: network (else pods)  lab 015\n" in text
    assert "finding  c1: unread\n" in text


def test_calls_are_grouped_by_address_and_rollout() -> None:
    other = applied(to="other.shop:80", path="/", rollout="cluster1/shop/other")
    text = printed(answer(row(), other, applied()))
    assert text.count("rollout cluster1/shop/catalog wants") == 1
    assert "other.shop:80\nrollout cluster1/shop/other wants" in text


def test_headers_and_keep_alive_are_part_of_a_call() -> None:
    text = printed(answer(row(headers={"x-canary": "yes"}, connection="keep-alive")))
    assert "cluster2/shop/recommender ×2 (x-canary: yes, keep-alive)" in text


def test_the_next_step_explains_the_worst_row() -> None:
    text = printed(answer(applied(), row(), failing()))
    assert text.endswith(f"next  meshsim explain x cluster1/shop/cart {TO}\n")
    assert "next" not in printed(answer(applied()))


def test_the_next_step_names_the_probe_and_the_path_where_that_matters() -> None:
    assert printed(probes()).endswith(f"next  meshsim explain x cluster2/shop/recommender {TO} --at step:2\n")
    two_paths = printed(answer(row(), row(path="/b")))
    assert two_paths.endswith(f"next  meshsim explain x cluster2/shop/recommender {TO} --path /items\n")


def test_an_answer_without_calls_says_so() -> None:
    assert "No calls: no Rollout here governs a Service" in printed(answer(moments=()))


def test_manifests_cannot_style_forge_or_reorder_output() -> None:
    evil = "a\x1b[31m[bold red]x[/]\x9b2J\u202eb\nverdict applied\x07"
    fact = Fact(evil, "label:istio.io/use-waypoint", evil, row().trace.roots[0].facts[2].evidence)
    step = replace(row().trace.roots[0], decision=evil, facts=(fact,))
    bad = row(frm=evil, to=evil, path=evil, decided_by=evil, notes=(evil,), trace=Trace(roots=(step,)))
    found = answer(bad, scenario=evil, findings=(evil,), expectations=(check(wanted={"from": evil}, failures=(evil,)),))
    for text in (printed(found), explained(explanation(row=bad))):
        assert not any(c in text for c in "\x1b\x9b\u202e\x07")
        assert "[bold red]x[/]" in text
        assert "\nverdict applied" not in text


def test_an_explanation_goes_hop_by_hop_to_the_repair_and_the_proof() -> None:
    assert explained(explanation()) == (
        "cluster2/shop/recommender ×2 → catalog.shop.mesh.internal:8080/items · step:0, canary 25%\n"
        "\n"
        "1 ztunnel:cluster2  per connection\n"
        "  catalog.shop.mesh.internal has a waypoint: connects to it\n"
        "  The service has a waypoint, so the connection goes to it. [ztunnel outbound.rs]\n"
        "  cluster2/Namespace/shop istio.io/use-waypoint: waypoint  c2/namespace.yaml:9\n"
        "  cluster2/Service/shop/catalog istio.io/use-waypoint: absent  c2/svc.yaml:4\n"
        "2 waypoint:cluster2/shop/waypoint  per request\n"
        "  no rule applies: balances over catalog.shop.mesh.internal\n"
        "  The waypoint has no route and balances. [istio listener_waypoint.go]\n"
        "3 ztunnel:cluster1\n"
        "  cluster1/shop/catalog-stable1  4 pods  80%\n"
        "  cluster1/shop/catalog-canary1  1 pod  20%\n"
        "  The destination's ztunnel takes the connection in. [ztunnel inbound.rs]\n"
        "\n"
        "bypassed  decided by waypoint:cluster2/shop/waypoint\n"
        "  wanted  stable 75%, canary 25%  by rollout cluster1/shop/catalog\n"
        "  gets    stable 80%, canary 20%\n"
        "  MS201 client-local-waypoint  L7 is decided in the client's cluster, the rollout's waypoint is skipped\n"
        "\n"
        "repair  remove label istio.io/use-waypoint from Namespace shop in cluster2\n"
        "  where   c2/namespace.yaml:9\n"
        "  $ kubectl --context cluster2 label namespace shop istio.io/use-waypoint-\n"
        "  then    applied, canary 25%\n"
        "  also    cluster2/shop/other → x:80: bypassed → applied\n"
        "\n"
        "prove it live\n"
        "  $ istioctl --context cluster2 ztunnel-config service\n"
        "    shows  WAYPOINT waypoint\n"
    )


def test_a_path_branches_where_requests_part() -> None:
    found = replace(explanation(row=applied(trace=split_trace())), repair=None, tried=0, proofs=())
    assert explained(found, SCREEN).splitlines()[5:17] == [
        "2 waypoint:cluster1/shop/waypoint  per request",
        "  The waypoint applies its routes. [istio listener_waypoint.go]",
        "  cluster1/HTTPRoute/shop/catalog spec.rules.0.backendRefs.1 weight: 25  written by Rollout",
        "  shop/catalog at 60s",
        "├── 75%  rule 0 of cluster1/HTTPRoute/shop/catalog chooses catalog-stable",
        "│   └── 3 ztunnel:cluster1  75%",
        "│         cluster1/shop/catalog-stable1  1 pod  75%",
        "│         The destination's ztunnel takes the connection in. [ztunnel inbound.rs]",
        "└── 25%  rule 0 of cluster1/HTTPRoute/shop/catalog chooses catalog-canary",
        "    └── 3 ztunnel:cluster1  25%",
        "          cluster1/shop/catalog-canary1  1 pod  25%",
        "          The destination's ztunnel takes the connection in. [ztunnel inbound.rs]",
    ]
    assert "├" not in explained(found)


def test_every_reading_is_shown_with_the_assumption_that_chooses_it() -> None:
    text = explained(explanation(row=undetermined(), repair=None))
    assert "reading 1 of 2, assume: {flat_waypoint: pods}\n1 ztunnel:cluster2" in text
    assert "reading 2 of 2, assume: {flat_waypoint: cluster1}\n1 ztunnel:cluster1" in text
    assert "No single edit restores the split (6 tried)." in text


def test_a_failure_ends_with_its_code() -> None:
    text = explained(explanation(row=failing(), repair=None, tried=0))
    assert "503 no_healthy_upstream  503 (UH)\n" in text


def test_the_table_of_codes_has_every_code() -> None:
    text = TABLE.reasons(tuple(REASONS.values()), PIPE)
    assert (
        text.splitlines()[5]
        == "MS201  client-local-waypoint  L7 is decided in the client's cluster, the rollout's waypoint is skipped"
    )
    assert len(text.splitlines()) == len(REASONS)
