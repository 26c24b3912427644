"""`meshsim live diff`: dumps of live proxies held against the tables that the manifests compile to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scenarios.conftest import FOLDER, NAMES
from scenarios.test_envoy_dumps import WAYPOINT, routes, sections

from meshsim.analysis.drift import drift, without_dumps
from meshsim.cli.app import main
from meshsim.session import Session

Make = Callable[..., tuple[Session, str | None]]
CALLS = ("cluster1/shop/cart", "cluster2/shop/cart", "ingress:cluster1/shop/storefront")


def older(name: str, dump: dict[str, Any]) -> None:
    """A waypoint that holds other weights than the Rollout wrote (90 and 10)."""
    for route in routes(dump) if name == WAYPOINT else ():
        for part in route["route"].get("weighted_clusters", {}).get("clusters", ()):
            part["weight"] = 5


def only_an_unread_service(name: str, dump: dict[str, Any]) -> None:
    """The local host's route is older; every call goes to the global one."""
    for found in sections(dump, "dynamic_listeners") if name == WAYPOINT else ():
        for chain in found["active_state"]["listener"]["filter_chains"]:
            if chain["name"].endswith("|checkout.shop.svc.cluster.local"):
                (host,) = chain["filters"][-1]["typed_config"]["route_config"]["virtual_hosts"]
                host["routes"][0]["route"]["weighted_clusters"]["clusters"][0]["weight"] = 7


@pytest.mark.parametrize("name", NAMES)
def test_dumps_of_the_compiled_tables_differ_in_no_row(dumped: Make, name: str) -> None:
    session, moment = dumped(name, kinds=("ztunnel", "envoy"))
    bare = session.forked(without_dumps(session.mesh))
    model, held = bare.situation(moment), session.situation(moment)
    found = drift(model, held, zip(bare.calls_in(model), session.calls_in(held), strict=True), every=True)
    assert found.others == ()
    for call in found.calls:
        assert call.rows == ()
        assert call.same or (call.model is not None and "MS902" in call.model.reasons)


def test_a_changed_answer_comes_with_the_row_that_changed_it(
    dumped: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dumped("canary-gateway-api", older, kinds=("envoy", "ztunnel"))
    assert main(["live", "diff", str(tmp_path / "canary-gateway-api"), "-o", "json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["at"], said["same"]) == ("meshsim/live-diff/v1", "step:1", False)
    assert tuple(call["from"] for call in said["calls"]) == CALLS
    for call in said["calls"]:
        assert (call["manifests"]["verdict"], call["dumps"]["verdict"]) == ("applied", "skewed")
        assert call["dumps"]["exact"] == {"stable": "1/2", "canary": "1/2"}
        (row,) = call["rows"]
        assert (row["table"], row["proxy"]) == ("route", "waypoint:cluster1/shop/waypoint")
        assert row["manifests"]["is"].startswith("checkout-stable 90, checkout-canary 10")
        assert row["dumps"]["is"].startswith("checkout-stable 5, checkout-canary 5")
        path, _, line = row["dumps"]["at"].rpartition(":")
        assert path == str(tmp_path / "canary-gateway-api/cluster1-waypoint-shop-waypoint.json")
        assert int(line) > 1


def test_on_paper_the_row_stands_once_below_the_calls_that_it_changes(
    dumped: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dumped("canary-gateway-api", older)
    assert main(["live", "diff", str(tmp_path / "canary-gateway-api")]) == 1
    out = capsys.readouterr().out
    assert "3 of 3 calls get something else than the manifests say" in out
    assert out.count("checkout-stable 5, checkout-canary 5") == 1
    assert out.count("stable 90%, canary 10%") == 3
    assert main(["live", "diff", str(tmp_path / "canary-gateway-api"), "-o", "markdown"]) == 1
    assert "| route | waypoint:cluster1/shop/waypoint | " in capsys.readouterr().out


def test_a_difference_that_no_call_meets_is_shown_on_demand(
    dumped: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dumped("canary-gateway-api", only_an_unread_service)
    scenario = str(tmp_path / "canary-gateway-api")
    assert main(["live", "diff", scenario]) == 0
    assert "all 3 calls get what the manifests say" in capsys.readouterr().out
    assert main(["live", "diff", scenario, "--all"]) == 1
    out = capsys.readouterr().out
    assert "all 3 calls get what the manifests say; 1 row of tables differs" in out
    assert "rows that no call reads:" in out
    assert "checkout.shop.svc.cluster.local:8080 any request" in out


def test_ztunnels_that_never_heard_of_the_waypoint_are_told_apart_by_their_service(
    dumped: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dumped("client-local-waypoint", kinds=("ztunnel",))
    folder = tmp_path / "client-local-waypoint"
    dump = json.loads((folder / "cluster2-ztunnel.json").read_text())
    for service in dump["services"]:
        if service["hostname"] == "catalog.shop.mesh.internal":
            del service["waypoint"]
    (folder / "cluster2-ztunnel.json").write_text(json.dumps(dump))
    assert main(["live", "diff", str(folder), "-o", "json"]) == 1
    calls = {call["from"]: call for call in json.loads(capsys.readouterr().out)["calls"]}
    call = calls["cluster2/shop/recommender"]
    assert (call["manifests"]["verdict"], call["dumps"]["verdict"]) == ("bypassed", "applied")
    rows = [(row["table"], row["proxy"], row["row"], row["dumps"]["is"]) for row in call["rows"]]
    assert rows == [("service", "ztunnel:cluster2", "catalog.shop.mesh.internal waypoint", "none")]


def test_dumps_may_be_named_on_the_command_line(
    dumped: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dumped("canary-gateway-api", older)
    file = tmp_path / "canary-gateway-api/cluster1-waypoint-shop-waypoint.json"
    scenario = str(FOLDER / "canary-gateway-api")
    assert main(["live", "diff", scenario, "--dump", f"cluster1/waypoint:shop/waypoint={file}"]) == 1
    assert "checkout-stable 5, checkout-canary 5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 3, "no dump is named"),
        (["--dump", "cluster1"], 2, "is not CLUSTER/PROXY=FILE"),
        (["--dump", "east/ztunnel=x"], 2, "there is no cluster 'east'"),
        (["--dump", "cluster1/pod:a/b=x"], 2, "'pod:a/b' is no proxy of cluster1"),
        (["--dump", "cluster1/ztunnel=nowhere.json"], 3, "there is no such file"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    assert main(["live", "diff", str(FOLDER / "canary-gateway-api"), *arguments]) == code
    assert says in capsys.readouterr().err
