from fractions import Fraction
from xml.etree import ElementTree as ET

import pytest
from report.hand_built import row

import meshsim
from meshsim.model.errors import UsageError
from meshsim.model.verdict import Moment, Verdict
from meshsim.report.graph import topology
from meshsim.report.graph_figure import _layout, draw, image, page
from meshsim.report.graph_text import dot, mermaid

LOCAL = "scenarios/client-local-waypoint"
EVIL = 'x"]; end <script>alert(1)</script> $\\frac{1}{0}$ \\" &'


@pytest.fixture(scope="module")
def graph():  # type: ignore[no-untyped-def]
    return meshsim.load(LOCAL).graph()


def test_the_clients_own_waypoint_decides_and_its_way_is_the_bypass(graph) -> None:  # type: ignore[no-untyped-def]
    local = ("hop", "waypoint:cluster2/shop/waypoint", "server")
    gateway = ("hop", "eastwest:cluster1", "server")
    assert graph.nodes[local]["decides"]
    assert set(graph[local][gateway]) == {Verdict.BYPASSED}
    assert not graph.nodes[gateway]["decides"]


def test_shares_at_the_pods_are_those_of_the_calls(graph) -> None:  # type: ignore[no-untyped-def]
    """Weight 25 where the split is applied; one canary pod of five where the waypoint balances over all of them."""
    arrived = ("hop", "ztunnel:cluster1", "server")
    found = {
        (verdict, data["share"])
        for _, end, verdict, data in graph.out_edges(arrived, keys=True, data=True)
        if graph.nodes[end]["kind"] == "pods"
    }
    assert found == {
        (Verdict.APPLIED, Fraction(1, 4)),
        (Verdict.APPLIED, Fraction(3, 4)),
        (Verdict.BYPASSED, Fraction(1, 5)),
        (Verdict.BYPASSED, Fraction(4, 5)),
    }


def test_a_ztunnel_that_sends_is_not_the_one_that_receives(graph) -> None:  # type: ignore[no-untyped-def]
    import networkx as nx

    assert ("hop", "ztunnel:cluster1", "client") in graph
    assert ("hop", "ztunnel:cluster1", "server") in graph
    assert nx.is_directed_acyclic_graph(graph)


def test_a_failure_is_an_end() -> None:
    graph = meshsim.load("scenarios/waypoint-scaled-to-zero").graph()
    ends = {data["name"] for _, data in graph.nodes(data=True) if data["kind"] == "error"}
    assert ends == {"reset UnknownWaypoint", "reset"}


def test_one_caller_alone_and_none() -> None:
    session = meshsim.load(LOCAL)
    callers = [d["name"] for _, d in session.graph(frm="basket").nodes(data=True) if d["kind"] == "caller"]
    assert callers == ["cluster1/shop/basket"]
    with pytest.raises(UsageError, match="no caller's name contains 'nobody'"):
        session.graph(frm="nobody")


def test_no_way_leads_through_a_box_that_it_does_not_visit(graph) -> None:  # type: ignore[no-untyped-def]
    from matplotlib.patches import FancyArrowPatch

    places, _, _ = _layout(graph)
    arrows = [p for p in draw(graph).patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) == graph.number_of_edges()
    for arrow, (a, b) in zip(arrows, graph.edges(), strict=True):
        points = [p for polygon in arrow._path_original.to_polygons(closed_only=False) for p in polygon]  # type: ignore[attr-defined]
        path = arrow._path_original.interpolated(50).vertices  # type: ignore[attr-defined]
        assert len(points)
        for node, (x, y) in places.items():
            inside = [p for p in path if abs(p[0] - x) < 1.1 and abs(p[1] - y) < 0.37]
            assert node in (a, b) or not inside, (a, b, node)


def test_pictures_are_whole_and_equal_each_time(graph) -> None:  # type: ignore[no-untyped-def]
    svg = image(graph, "svg")
    assert ET.fromstring(svg).tag.endswith("svg")
    assert svg == image(graph, "svg")
    assert image(graph, "png").startswith(b"\x89PNG")


def test_names_from_manifests_stay_names() -> None:
    graph = topology(Moment(at=0.0, rows=(row(frm=EVIL, to=EVIL, decided_by=EVIL),)))
    assert "<script>" not in page(graph, EVIL)
    text = mermaid(graph)
    assert "<script>" not in text
    assert all(line.count('"') in {0, 2} for line in text.splitlines())
    (caller,) = [
        line
        for line in dot(graph).splitlines()
        if "alert" in line and "label=" in line and "subgraph" not in line and "n" in line.split("[")[0]
    ][:1]
    assert caller.count('"') - caller.count('\\"') == 2
    assert image(graph, "png").startswith(b"\x89PNG")
