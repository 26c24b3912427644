"""What a notebook shows: tables and trees in HTML, with everything from manifests escaped."""

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import pytest
from report.balanced import tags

import meshsim
from meshsim.report import jupyter
from meshsim.session import Session

CASE = "scenarios/client-local-waypoint"


@pytest.fixture(scope="module")
def session() -> Session:
    return meshsim.load(CASE)


def test_a_session_shows_its_answer(session: Session) -> None:
    html = session._repr_html_()
    assert tags(html) <= {"div", "b", "span", "table", "tr", "th", "td", "br"}
    for part in (
        "cluster2/shop/recommender",
        "bypassed",
        "25% → 20%",
        "MS201 client-local-waypoint",
        "namespace.yaml:9",
    ):
        assert part in html


def test_verdicts_are_a_tuple_and_a_table(session: Session) -> None:
    rows = session.verdicts()
    assert [row.verdict.value for row in rows] == ["bypassed", "applied"]
    assert isinstance(rows, tuple)
    assert "<table" in rows._repr_html_()  # type: ignore[attr-defined]


def test_a_matrix_has_a_column_a_step() -> None:
    found = meshsim.load("scenarios/canary-gateway-api").matrix()
    assert isinstance(found, dict)
    assert list(found) == ["step:1", "step:3", "step:5"]
    html = found._repr_html_()  # type: ignore[attr-defined]
    tags(html)
    assert [f"<br>canary {weight}" in html for weight in ("10%", "25%", "50%")] == [True] * 3


def test_a_trace_shows_hops_rules_and_evidence(session: Session) -> None:
    html = jupyter.trace(session.trace("cluster2/shop/recommender", "catalog.shop.mesh.internal:8080"))
    assert "details" in tags(html)
    for part in ("ztunnel:cluster2", "eastwest:cluster1", "namespace.yaml:9"):
        assert part in html


def test_a_difference_names_the_line(session: Session) -> None:
    html = jupyter.difference(session.compare(meshsim.load(f"{CASE}/twin.yaml")))
    tags(html)
    assert "cluster2/Namespace/shop changed" in html
    assert "namespace.yaml:9" in html


def test_names_cannot_bring_markup(session: Session) -> None:
    row = replace(session.verdicts()[0], frm="<script>alert(1)</script>", rollout="<img src=x onerror=y>")
    html = jupyter.Verdicts((row,))._repr_html_()
    assert not tags(html) & {"script", "img"}


def test_ipython_shows_values_of_the_model() -> None:
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "import meshsim\n"
        f"session = meshsim.load({CASE!r})\n"
        "trace = session.trace('cluster2/shop/recommender', 'catalog.shop.mesh.internal:8080')\n"
        "for value in (trace, session, session.verdicts(), session.verdicts()[0]):\n"
        "    assert 'text/html' in shell.display_formatter.format(value)[0], type(value)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_explanation_shows_the_path_the_repair_and_the_proof(session: Session) -> None:
    found = session.explain("cluster2/shop/recommender", "catalog.shop.mesh.internal:8080")
    assert isinstance(found, tuple)
    html = found._repr_html_()  # type: ignore[attr-defined]
    tags(html)
    for part in ("eastwest:cluster1", "remove label istio.io/use-waypoint", "kubectl --context cluster2", "istioctl"):
        assert part in html


def test_a_frame_has_a_row_a_verdict_and_exact_shares(session: Session) -> None:
    frame = session.verdicts().frame()  # type: ignore[attr-defined]
    assert list(frame["from"]) == ["cluster2/shop/recommender", "cluster1/shop/basket"]
    assert list(frame["canary"]) == [Fraction(1, 5), Fraction(1, 4)]  # 1 of 5 pods; the weight 25
    matrix = meshsim.load("scenarios/canary-gateway-api").matrix().frame()  # type: ignore[attr-defined]
    assert list(matrix["at"].unique()) == ["step:1", "step:3", "step:5"]


def test_rows_have_the_answers_keys(session: Session) -> None:
    bypassed, _ = session.verdicts()
    assert bypassed.members == 1
    assert bypassed.exact == {"stable": "4/5", "canary": "1/5"}
    assert bypassed.effective is not None
    assert bypassed.effective["canary"] == bypassed.effective.canary == Fraction(1, 5)
