"""What a real Envoy prints of itself is read as the tables that it was told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from live.one_gateway import cluster, gateway_phase, hosts, split

from meshsim.live.check import compiled
from meshsim.live.lab.lab import Lab
from meshsim.manifests.dumps.envoy import read
from meshsim.tables.configdump.rows import EnvoyTables
from meshsim.tables.envoy import MatchType, Route, RouteMatch, StringMatch, WeightedCluster
from meshsim.tables.workload import Locality

pytestmark = pytest.mark.usefixtures("envoy")

GATEWAY = "gateway:c1/ns/gw"


def dumped(folder: Path, routes: tuple[Route, ...], clusters: tuple[object, ...]) -> EnvoyTables:
    """The dumps of the gateway's process, taken while it serves."""
    with Lab() as lab:
        lab.show(compiled(lab, gateway_phase("dumped", routes, clusters)))  # type: ignore[arg-type]
        (name,) = (name for name in lab.processes if name.startswith(GATEWAY))
        files = {"config.json": "/config_dump?include_eds", "clusters.json": "/clusters?format=json"}
        for file, target in files.items():
            (folder / file).write_text(lab.processes[name].admin.ask(target))
    return read([str(folder / file) for file in files]).tables


def test_a_real_config_dump_has_the_tables_it_was_told(tmp_path: Path) -> None:
    near = [replace(one, priority=0, locality=Locality("r", "a")) for one in hosts("stable", 4, healthy=3)]
    far = [replace(one, priority=1, locality=Locality("r", "b"), weight=3) for one in hosts("other", 2)]
    stable = replace(cluster("stable", (*near, *far)), panic=30, lb="ROUND_ROBIN")
    canary = cluster("canary", hosts("canary", 2))
    header = RouteMatch(
        path=StringMatch(MatchType.PATH_PREFIX, "/api"), headers=(("x-canary", StringMatch(MatchType.EXACT, "yes")),)
    )
    to_canary = Route(match=header, clusters=(WeightedCluster(cluster="canary", weight=1),), object="o", rule="h")
    told = (to_canary, *split(stable=90, canary=10), Route(direct_response=500))
    tables = dumped(tmp_path, told, (stable, canary))
    (served,) = [c for one in tables.listeners or () for c in one.chains if c.http and c.route_config]
    (host,) = tables.routes[served.route_config].hosts
    assert [row.route.match for row in host.routes] == [route.match for route in told]
    assert [[(w.cluster, w.weight) for w in row.route.clusters] for row in host.routes] == [
        [("canary", 1)],
        [("stable", 90), ("canary", 10)],
        [],
    ]
    assert [row.route.direct_response for row in host.routes] == [None, None, 500]
    assert not any(row.route.unmodelled for row in host.routes)
    assert served.unmodelled == ()
    held = {name: tables.clusters[name] for name in ("stable", "canary")}
    assert (held["stable"].cluster.panic, held["stable"].cluster.lb) == (30, "ROUND_ROBIN")
    assert (held["canary"].cluster.panic, held["canary"].cluster.lb) == (canary.panic, canary.lb)
    for name, known in (("stable", stable), ("canary", canary)):
        assert held[name].cluster.unmodelled == ()
        assert sorted((h.endpoint.healthy, h.endpoint.weight, h.endpoint.priority) for h in held[name].hosts or ()) == (
            sorted((e.healthy, e.weight, e.priority) for e in known.endpoints)
        )


def test_localities_weights_survive_a_real_dump(tmp_path: Path) -> None:
    a, b = Locality("r", "a"), Locality("r", "b")
    zones = (
        *(replace(one, locality=a) for one in hosts("near", 1)),
        *(replace(one, locality=b) for one in hosts("far", 2)),
    )
    spread = replace(cluster("stable", zones), locality_weights={a: 80, b: 20})
    tables = dumped(tmp_path, split(stable=1), (spread,))
    assert tables.clusters["stable"].cluster.locality_weights == {a: 80, b: 20}


def test_the_health_that_envoy_saw_is_in_its_clusters_alone(tmp_path: Path) -> None:
    sick = cluster("stable", hosts("stable", 3, healthy=1))
    tables = dumped(tmp_path, split(stable=1), (sick,))
    alone = read([str(tmp_path / "clusters.json")]).tables
    assert json.loads((tmp_path / "clusters.json").read_text())["cluster_statuses"]
    assert alone.listeners is None
    for found in (tables, alone):
        assert sorted(one.endpoint.healthy for one in found.clusters["stable"].hosts or ()) == [False, False, True]
