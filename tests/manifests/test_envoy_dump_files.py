"""Files that say what an Envoy holds: where things are in them, and what is wrong with the others."""

import json
from pathlib import Path
from typing import Any

import pytest

from meshsim.manifests.dumps.envoy import read
from meshsim.model.errors import InputError

HOSTLESS = json.dumps(
    {
        "configs": [
            {"dynamic_active_clusters": [{"cluster": {"name": "x", "type": "EDS"}}]},
            {"dynamic_listeners": [{"name": "main_internal", "active_state": {"listener": {"name": "main_internal"}}}]},
        ]
    }
)


def written(folder: Path, content: str | bytes) -> str:
    path = folder / "dump.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is no JSON"),
        ("{", "Expecting property name"),
        ('{"configs"', "ends early"),
        ("[]", "neither configs nor cluster_statuses"),
        ('"text"', "neither configs nor cluster_statuses"),
        ('[{"name": "default", "secret": {}}]', "no listener, route configuration, cluster or endpoint"),
        ("[7]", "7 is not a mapping"),
        ('{"services": [], "workloads": []}', "neither configs nor cluster_statuses"),
        ('{"configs": [}', "no JSON"),
        ('{"configs": []} x', "Extra data"),
        ('{"configs": [' + "[" * 100_000, "nested too deeply"),
        ('{"configs": [{"dynamic_listeners": [7]}]}', "7 is not a mapping"),
        ('{"configs": [{"static_clusters": [{"cluster": {"name": "x", "lb_policy": {}}}]}]}', "not a text"),
        (b"\xff\xfe", "not UTF-8"),
        (HOSTLESS, "no endpoints"),
        ('{"configs": [{"dynamic_route_configs": [{"route_config": {}}]}]}', "no routes by name and no endpoints"),
        ('{"configs": [{"@type": "type.googleapis.com/envoy.admin.v2alpha.ClustersConfigDump"}]}', "API v2"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_dump_is_a_sentence_that_says_what_writes_one(
    tmp_path: Path, content: str | bytes, says: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=says) as caught:
        read([path])
    assert path in str(caught.value)
    assert "istioctl proxy-config all" in str(caught.value)


def test_every_resource_knows_its_line(tmp_path: Path) -> None:
    dump = {
        "configs": [
            {"bootstrap": {"node": {"id": "waypoint~1~2~3", "metadata": {"CLUSTER_ID": "east"}}}},
            {"dynamicActiveClusters": [{"cluster": {"name": name, "type": "EDS"}} for name in ("outbound|80||a", "b")]},
            {"version_info": "7", "dynamic_warming_clusters": [{"cluster": {"name": "c"}}], "last_updated": {"s": [1]}},
            {"dynamic_endpoint_configs": [{"endpoint_config": {"cluster_name": "b"}}]},
            {"dynamic_route_configs": [{"route_config": {"name": "80"}}]},
        ]
    }  # fmt: skip
    text = json.dumps(dump, indent=2)
    tables = read([written(tmp_path, text)]).tables
    lines = text.splitlines()

    def near(line: int) -> str:
        return " ".join(lines[line - 1 : line + 3])

    assert '"outbound|80||a"' in near(tables.clusters["outbound|80||a"].line)
    assert '"cluster_name": "b"' in near(tables.clusters["b"].line)
    assert '"name": "80"' in near(tables.routes["80"].line)
    assert (tables.node, tables.cluster_id) == ("waypoint~1~2~3", "east")
    assert list(tables.clusters) == ["outbound|80||a", "b"]
    assert tables.clusters["outbound|80||a"].hosts is None
    assert tables.clusters["b"].hosts == ()


def test_the_same_file_has_the_same_digest(tmp_path: Path) -> None:
    path = written(tmp_path, '{"configs": [{"dynamic_listeners": []}, {"@type": "x.ListenersConfigDump"}]}')
    assert read([path]) == read([path])
    other = tmp_path / "other.json"
    other.write_text('{"configs": [ {"@type": "x.ListenersConfigDump"}]}')
    assert read([path]).digest != read([str(other)]).digest


def test_the_lists_that_istioctl_prints_are_the_same_dump_in_pieces(tmp_path: Path) -> None:
    """`istioctl proxy-config listener|route|cluster|eds|endpoint -o json`: lists of messages in camelCase."""
    manager = {"@type": "x/a.HttpConnectionManager", "rds": {"routeConfigName": "80"}, "httpFilters": []}
    address = {"socketAddress": {"address": "0.0.0.0", "portValue": 80}}
    host: dict[str, Any] = {
        "endpoint": {"address": {"socketAddress": {"address": "10.0.0.1", "portValue": 8080}}},
        "healthStatus": "HEALTHY",
    }
    route = {"match": {"prefix": "/"}, "route": {"cluster": "outbound|80||a.b"}}
    seen = {"address": host["endpoint"]["address"], "healthStatus": {"failedOutlierCheck": True}}
    lists = {
        "listener": [{"name": "l", "address": address, "filterChains": [{"filters": [{"typedConfig": manager}]}]}],
        "route": [{"name": "80", "virtualHosts": [{"name": "v", "domains": ["*"], "routes": [route]}]}],
        "cluster": [{"name": "outbound|80||a.b", "type": "EDS", "lbPolicy": "LEAST_REQUEST"}],
        "eds": [{"clusterName": "outbound|80||a.b", "endpoints": [{"lbEndpoints": [host]}]}],
        "endpoint": [{"name": "outbound|80||a.b", "addedViaApi": True, "hostStatuses": [seen]}],
    }
    files = []
    for name, listed in lists.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(listed))
        files.append(str(tmp_path / f"{name}.json"))
    tables = read(files).tables
    assert tables.listeners is not None
    assert [(one.port, one.chains[0].route_config) for one in tables.listeners] == [(80, "80")]
    assert tables.routes["80"].hosts[0].routes[0].route.clusters[0].cluster == "outbound|80||a.b"
    (one,) = tables.clusters["outbound|80||a.b"].hosts or ()
    assert (one.endpoint.address, one.endpoint.healthy) == ("10.0.0.1:8080", False)
