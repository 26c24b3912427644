import re

from report.hand_built import ASSUMPTION, TO, answer, check, explanation, probes, row, undetermined

from meshsim.model.verdict import Answer
from meshsim.report.formats import Heading, Paper
from meshsim.report.markdown import MARKDOWN

HEADING = Heading(scenario="client-local-waypoint", dialect="solo/1.30", source="x", file="x/scenario.yaml")
EVIL = "a|b`c`<script>alert(1)</script>\n| forged | row |\n@someone #12 ![x](http://e.x) **b** _i_ \\|"


def printed(found: Answer) -> str:
    return MARKDOWN.answer(found, HEADING, Paper())


def test_an_answer_is_a_comment_on_a_pull_request() -> None:
    assert printed(answer(expectations=(check(),))) == (
        "### meshsim: client-local-waypoint\n"
        "\n"
        "solo/1.30 · at 240s\n"
        "\n"
        "**2 calls**: 1 ✅ applied, 1 ❌ bypassed · 0 of 1 expectations hold\n"
        "\n"
        "**`catalog.shop.mesh.internal:8080/items`**, rollout `cluster1/shop/catalog`, wants stable 75%, canary 25%\n"
        "\n"
        "| from | verdict | canary | decided by | why | a check needs |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| `cluster2/shop/recommender ×2` | ❌ bypassed | 25% → 20% | `waypoint:cluster2/shop/waypoint` | MS201 | "
        "1,509 requests |\n"
        "| `cluster1/shop/basket` | ✅ applied | 25% | `waypoint:cluster1/shop/waypoint` |  | – |\n"
        "\n"
        "A check needs so many to tell it from an applied split, wrong at most once in a hundred.\n"
        "\n"
        "- **MS201 client-local-waypoint**: L7 is decided in the client's cluster, the rollout's waypoint is skipped\n"
        "  - `cluster2/shop/recommender ×2`: waypoint:cluster2/shop/waypoint: no rule applies: balances over "
        "catalog.shop.mesh.internal; `cluster2/Namespace/shop istio.io/use-waypoint: waypoint` "
        "at `c2/namespace.yaml:9`\n"
        "\n"
        f"- ❌ expectation fails at `x/scenario.yaml:47`: cluster2/shop/recommender → {TO}\n"
        "  - canary is 20%, not 25%\n"
        "\n"
        "Next: `meshsim explain x cluster2/shop/recommender catalog.shop.mesh.internal:8080`\n"
    )


def test_probes_are_a_matrix() -> None:
    text = printed(probes())
    assert "| from | canary 25% (step:0) | canary 50% (step:2) |" in text
    assert "| `cluster2/shop/recommender ×2` | ❌ bypassed 20% | ❌ bypassed **masked** 50% |" in text
    assert "- `cluster2/shop/recommender ×2`: 1,509 requests at 25%; no number suffices at 50%" in text


def test_manifests_cannot_break_out_of_a_table() -> None:
    bad = row(frm=EVIL, to=EVIL, decided_by=EVIL, rollout=EVIL, notes=(EVIL,), assumptions=(ASSUMPTION,))
    text = printed(answer(bad, findings=(EVIL,)))
    (line,) = [line for line in text.splitlines() if "bypassed |" in line]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 7
    outside_code = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert "<script>" not in outside_code
    assert "@someone" not in outside_code
    assert not re.search(r"(?<!\\)!\[", outside_code)
    assert "\n| forged" not in text


def test_an_explanation_has_path_repair_and_proof() -> None:
    text = MARKDOWN.explanations((explanation(),), HEADING, Paper())
    assert text.startswith(
        "### `cluster2/shop/recommender ×2` → `catalog.shop.mesh.internal:8080/items`, step:0, canary 25%\n"
    )
    assert "- **`ztunnel:cluster1`**: `cluster1/shop/catalog-stable1` (4 pods) 80%, " in text
    assert (
        "**Repair**: remove label istio.io/use-waypoint from Namespace shop in cluster2 (`c2/namespace.yaml:9`)" in text
    )
    assert "`kubectl --context cluster2 label namespace shop istio.io/use-waypoint-`" in text
    assert "- `istioctl --context cluster2 ztunnel-config service`: WAYPOINT waypoint" in text


def test_readings_are_named() -> None:
    text = MARKDOWN.explanations((explanation(row=undetermined()),), HEADING, Paper())
    assert "**reading 1 of 2, assume: {flat\\_waypoint: pods}**" in text
