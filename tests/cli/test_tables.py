import json
from pathlib import Path

import pytest

from meshsim.cli import app

GUIDE = str(Path(__file__).parents[2] / "scenarios" / "guide-gateway-api")


def test_services_have_istioctls_columns_and_the_waypoints_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["tables", GUIDE, "--cluster", "cluster1", "services"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert all(name in head for name in ("SERVICE NAME", "SERVICE VIP", "WAYPOINT", "ENDPOINTS"))
    (stable,) = [row.split() for row in rows if row.split()[1] == "helloworld-stable"]
    assert stable[-2:] == ["waypoint", "1/1"]


def test_a_waypoints_routes_show_the_weights_that_the_rollout_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["tables", GUIDE, "--cluster", "cluster1", "--at", "weight:50", "routes", "-o", "json"]) == 0
    rows = {row["host"]: row for row in json.loads(capsys.readouterr().out)}
    chosen = rows["helloworld.default.svc.cluster.local"]["routes"][0]["clusters"]
    assert {c["backend"]: c["weight"] for c in chosen} == {"helloworld-stable": 50, "helloworld-canary": 50}


def test_endpoints_and_workloads_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["tables", GUIDE, "--cluster", "cluster1", "endpoints"]) == 0
    assert "HEALTHY" in capsys.readouterr().out
    assert app.main(["tables", GUIDE, "--cluster", "cluster2", "workloads", "-o", "yaml"]) == 0
    assert "uid: cluster2//Pod/default/curl-0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([GUIDE, "services"], "tables shows one cluster"),
        ([GUIDE, "--cluster", "nowhere", "services"], "there is no cluster 'nowhere'"),
        ([GUIDE, "--cluster", "cluster1", "pods"], "tables does not show"),
        ([GUIDE, "--cluster", "cluster1", "--proxy", "waypoint:x/y/z", "routes"], "runs no proxy"),
        ([GUIDE, "--cluster", "cluster1", "--proxy", "waypoint:x/y/z", "services"], "--proxy goes with"),
    ],
)
def test_a_wrong_call_is_exit_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["tables", *words]) == 2
    assert said in capsys.readouterr().err


def test_dumps_that_are_not_loaded_are_said_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "z.json").write_text("{}")
    (tmp_path / "scenario.yaml").write_text(
        "apiVersion: meshsim/v1\nkind: Scenario\nname: dumped\nclusters:\n"
        "  c1: {manifests: [], dumps: {ztunnel: z.json}}\n"
    )
    app.main(["run", str(tmp_path)])
    out = capsys.readouterr()
    assert "c1: dumps are not loaded yet, the answer comes from the manifests alone" in out.out + out.err
