"""The page that `-o html` prints: whole, self-contained, and safe whatever the manifests hold."""

import re

from report.balanced import tags
from report.hand_built import ASSUMPTION, TO, answer, check, explanation, probes, row, undetermined

from meshsim.model.verdict import Answer
from meshsim.report.formats import Heading, Paper
from meshsim.report.page import PAGE

HEADING = Heading(scenario="client-local-waypoint", dialect="solo/1.30", source="x", file="x/scenario.yaml")
EVIL = "<script>alert(1)</script>'\" onclick=x &amp; </style></details><img src=http://e.x>"


def printed(found: Answer) -> str:
    return PAGE.answer(found, HEADING, Paper())


def text(html: str) -> str:
    """What a reader sees."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.split("<body>")[1]))


def test_a_page_has_the_verdicts_the_reasons_and_every_path() -> None:
    html = printed(answer(expectations=(check(),)))
    said = text(html)
    for part in (
        "1 applied 1 bypassed",
        "cluster2/shop/recommender ×2 bypassed 25% → 20% waypoint:cluster2/shop/waypoint MS201 1,509 requests",
        "MS201 client-local-waypoint L7 is decided in the client's cluster",
        "An expectation fails",
        "canary is 20%, not 25%",
        "c2/namespace.yaml:9",
        "meshsim explain x cluster2/shop/recommender catalog.shop.mesh.internal:8080",
    ):
        assert part in said.replace("&#x27;", "'")
    assert html.count("<details>") == 2
    assert tags(html) >= {"html", "body", "style", "table", "details", "summary"}


def test_a_page_needs_nothing_from_elsewhere() -> None:
    html = printed(probes())
    assert not {"script", "link", "img", "iframe", "a"} & tags(html)
    assert not re.search(r"https?:|@import|url\(", html)


def test_of_several_moments_the_path_of_the_worst_is_shown() -> None:
    html = printed(probes())
    assert "bypassed masked 50%" in text(html)
    assert html.count("<details>") == len({(one.frm, one.to) for moment in probes().moments for one in moment.rows})


def test_manifests_cannot_break_out() -> None:
    clean = printed(answer(row(notes=("note",), assumptions=(ASSUMPTION,)), findings=("finding",)))
    bad = row(frm=EVIL, to=EVIL, decided_by=EVIL, rollout=EVIL, notes=(EVIL,), assumptions=(ASSUMPTION,))
    html = printed(answer(bad, findings=(EVIL,)))
    assert tags(html) == tags(clean)
    assert "<script" not in html
    assert "<img" not in html


def test_an_explanation_has_repair_and_proof() -> None:
    html = PAGE.explanations((explanation(),), HEADING, Paper())
    assert tags(html)
    for part in (TO, "Repair", "then applied", "Prove it live", "istioctl"):
        assert part in text(html)


def test_an_undetermined_call_shows_every_reading() -> None:
    html = PAGE.explanations((explanation(row=undetermined()),), HEADING, Paper())
    assert "reading 1 of 2" in text(html)
    assert "reading 2 of 2" in text(html)
