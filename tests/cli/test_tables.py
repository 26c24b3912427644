"""`meshsim tables`: what each cluster's proxies hold, in the columns of istioctl."""

import json
from pathlib import Path

import pytest

from meshsim import api
from meshsim.cli.app import main

SCENARIO = "scenarios/client-local-waypoint"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["tables", SCENARIO, *words]) == 0
    return capsys.readouterr().out


def column(text: str, name: str) -> list[str]:
    """The cells below a header."""
    head, *lines = text.splitlines()
    start = head.index(name)
    return [line[start:].split("  ")[0] for line in lines]


def test_a_peer_knows_the_service_and_the_gateway_in_its_way(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "--cluster", "cluster2", "services")
    assert "catalog.shop.mesh.internal" in column(text, "HOSTNAME")
    text = said(capsys, "--cluster", "cluster2", "workloads")
    assert "gateway network1" in column(text, "ADDRESS")


def test_each_waypoint_holds_its_own_route(capsys: pytest.CaptureFixture[str]) -> None:
    """cluster1's waypoint has the managed route, 75 to 25; cluster2's has none, so a default route."""
    managed = said(capsys, "--cluster", "cluster1", "routes")
    assert "HTTPRoute/shop/" in managed
    assert "catalog-stable.shop.svc.cluster.local 75" in managed
    assert "catalog-canary.shop.svc.cluster.local 25" in managed
    assert set(column(said(capsys, "--cluster", "cluster2", "routes"), "ROUTE")) == {"default"}


def test_a_routes_endpoints_are_the_revisions_pods(capsys: pytest.CaptureFixture[str]) -> None:
    """4 stable pods and ceil(4*25/100) = 1 canary pod."""
    rows = json.loads(said(capsys, "--cluster", "cluster1", "endpoints", "-o", "json"))
    counts = {
        subset: len({row["workload"] for row in rows if f"catalog-{subset}." in row["envoy_cluster"]})
        for subset in ("stable", "canary")
    }
    assert counts == {"stable": 4, "canary": 1}


def test_services_and_workloads_load_as_ztunnels_dump_does(capsys: pytest.CaptureFixture[str]) -> None:
    dump = json.loads(said(capsys, "--cluster", "cluster2", "services", "-o", "json"))
    dump |= json.loads(said(capsys, "--cluster", "cluster2", "workloads", "-o", "json"))
    tables = api.ztunnel_tables(dump)
    assert {service.hostname for service in tables.services.values()} >= {"catalog.shop.mesh.internal"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["services"], "which cluster's tables?"),
        (["--cluster", "cluster3", "services"], "there is no cluster 'cluster3'"),
        (["--cluster", "cluster1", "all"], "add -o json"),
        (["--cluster", "cluster1", "listeners"], "does not know"),
        (["--cluster", "cluster1", "routes", "--proxy", "waypoint:x"], "cluster1 has no Envoy 'waypoint:x'"),
    ],
)
def test_wrong_calls(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", SCENARIO, *words]) == 2
    assert says in capsys.readouterr().err


def test_options_may_stand_between_the_scenario_and_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    scenario = "scenarios/guide-gateway-api"
    assert main(["tables", scenario, "--cluster", "cluster1", "services"]) == 0
    assert "helloworld-stable" in capsys.readouterr().out


def test_what_stands_for_an_envoy_is_said_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "z.json").write_text('{"cluster_statuses": [{"name": "outbound|80||a.b", "host_statuses": []}]}')
    (tmp_path / "scenario.yaml").write_text(
        "apiVersion: meshsim/v1\nkind: Scenario\nname: dumped\nclusters:\n"
        '  c1: {manifests: [], dumps: {envoy: {"waypoint:a/w": z.json, "eastwest:c1": z.json}}}\n'
    )
    main(["run", str(tmp_path)])
    out = capsys.readouterr()
    assert f"c1: no manifest has waypoint:a/w, so that no call meets what {tmp_path}/z.json says" in out.out + out.err
    assert "what an east-west gateway does follows from ztunnel's tables; this is not used" in out.out + out.err


def test_a_dump_of_no_proxy_is_refused_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scenario.yaml").write_text(
        "apiVersion: meshsim/v1\nkind: Scenario\nname: dumped\nclusters:\n"
        '  c1: {manifests: [], dumps: {envoy: {"waypoint:other/a/w": z.json, "pod:a/b": 7}}}\n'
    )
    assert main(["run", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert "scenario.yaml:5: 'waypoint:other/a/w' is no proxy of c1" in said
    assert "write waypoint:NAMESPACE/NAME, gateway:NAMESPACE/NAME or sidecar:NAMESPACE/WORKLOAD" in said
    assert "a dump is a file" in said
