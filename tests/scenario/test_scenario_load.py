import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from meshsim.model.errors import InputError, UsageError
from meshsim.model.evidence import Source
from meshsim.scenario.load import from_clusters, load
from meshsim.scenario.scenario import DEFAULT_DIALECT, Scenario

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: helloworld}\n"
WHOLE = """\
apiVersion: meshsim/v1
kind: Scenario
name: gateway-api-canary
dialect: solo/1.29
argo: {controller: "1.9", gatewayapi: "0.15"}
dataplane: ambient
clusters:
  cluster1:
    network: network1
    region: us-east-1
    manifests:
    - manifests/cluster1/
    - {apiVersion: v1, kind: Namespace, metadata: {name: inline}}
    istiod: {env: {ENABLE_PEERING_LABEL_PROPAGATION: "app,rollouts-pod-template-hash"}}
    dumps: {ztunnel: dumps/c1.json, envoy: {"waypoint:default/waypoint": dumps/c1-waypoint.json}}
  cluster2: {dialect: istio/1.30, argo: "1.8", manifests: [-]}
peering: [{watcher: cluster2, peer: cluster1}]
calls:
- from: cluster2/default/curl
  to: helloworld.default.mesh.internal:5000
  path: /hello
  headers: {x-canary: "yes"}
  connection: keep-alive
- {from: cluster1, to: a}
traffic: {rate: 100/s, latency: 5ms, concurrency: 10}
timing: {pod_ready: 20s, resync: 15m}
propagation: {default: 1s, endpoints: [1s, 3s], per: {cluster2: {routes: 2s}, "waypoint:cluster1/d/w": {default: 5s}}}
assume: {remote_weight: network}
timeline:
- {at: 1m30s, do: set-image, rollout: cluster1/default/helloworld, container: helloworld, image: v2}
- {when: paused, after: 60s, do: promote, rollout: cluster1/default/helloworld, full: true}
- {at: 4m, do: undo, rollout: cluster1/default/helloworld, to-revision: 1}
- {at: 5m, do: apply, cluster: cluster2, manifests: [{apiVersion: v1, kind: Service, metadata: {name: later}}]}
- {at: 6m, do: fail, target: "link:cluster2/cluster1"}
- {at: 7m, do: fail, target: cluster1/default/helloworld, pods: 50%, revision: canary}
expect:
- {at: 4m, from: "*", verdict: applied, canary: 50%, stable: 45%..55%, errors: 0, clusters: {cluster1: 1/3, cluster2: }}
- {step: 2, reasons: MS201, never: true}
sampling: {requests: 100, seed: 7}
"""


@pytest.fixture
def whole(tmp_path: Path) -> Scenario:
    (tmp_path / "manifests/cluster1").mkdir(parents=True)
    (tmp_path / "dumps").mkdir()
    (tmp_path / "manifests/cluster1/a.yaml").write_text(SERVICE)
    (tmp_path / "dumps/c1.json").write_text('{"services": [], "workloads": []}')
    (tmp_path / "dumps/c1-waypoint.json").write_text('{"cluster_statuses": [{"name": "x"}]}')
    (tmp_path / "scenario.yaml").write_text(WHOLE)
    return load(tmp_path / "scenario.yaml", stdin=SERVICE.encode)


def test_a_scenario_arrives_as_plain_values(whole: Scenario, tmp_path: Path) -> None:
    file = str(tmp_path / "scenario.yaml")
    assert (whole.name, whole.path, whole.dialect, whole.dataplane) == (
        "gateway-api-canary",
        file,
        "solo/1.29",
        "ambient",
    )
    assert (whole.argo_controller, whole.argo_gatewayapi) == ("1.9", "0.15")
    assert whole.peering == (("cluster2", "cluster1"),)
    assert whole.assume == {"remote_weight": "network"}
    assert (whole.traffic.rate, whole.traffic.latency, whole.traffic.concurrency) == (100.0, 0.005, 10)
    assert (whole.timing.pod_ready, whole.timing.pod_terminate, whole.timing.resync) == (20.0, 0.0, 900.0)
    assert (whole.sampling.requests, whole.sampling.seed) == (100, 7)
    assert whole.evidence["dialect"] == Source(file, 4, 10)
    assert whole.evidence["argo.controller"] == Source(file, 5, 20)


def test_a_cluster_has_its_settings_objects_and_their_places(whole: Scenario, tmp_path: Path) -> None:
    cluster1, cluster2 = whole.clusters["cluster1"], whole.clusters["cluster2"]
    assert (cluster1.network, cluster1.region, cluster1.zone, cluster1.dialect) == ("network1", "us-east-1", None, None)
    assert [str(manifest.key) for manifest in cluster1.manifests] == ["Service/default/helloworld", "Namespace/inline"]
    assert cluster1.manifests[1].evidence("metadata", "name") == Source(str(tmp_path / "scenario.yaml"), 13, 58)
    assert cluster1.istiod_env == {"ENABLE_PEERING_LABEL_PROPAGATION": "app,rollouts-pod-template-hash"}
    assert cluster1.evidence["istiod.env.ENABLE_PEERING_LABEL_PROPAGATION"].line == 14
    assert cluster1.evidence["network"].line == 9
    assert cluster1.evidence[""].line == 8
    assert cluster1.dumps.ztunnel is not None
    assert cluster1.dumps.ztunnel.path == str(tmp_path / "dumps/c1.json")
    assert list(cluster1.dumps.envoy) == ["waypoint:default/waypoint"]
    assert cluster1.dumps.envoy["waypoint:default/waypoint"].paths == (str(tmp_path / "dumps/c1-waypoint.json"),)
    assert cluster2.dialect == "istio/1.30"
    assert cluster2.argo is not None
    assert cluster2.argo.controller == "1.8"
    assert str(cluster2.manifests[0].evidence()) == "standard input:1"
    assert whole.inventory["cluster1"].read[0].path.endswith("a.yaml")


def test_calls_are_as_stated(whole: Scenario) -> None:
    first, second = whole.calls
    assert (first.frm, first.to, first.path) == (
        "cluster2/default/curl",
        "helloworld.default.mesh.internal:5000",
        "/hello",
    )
    assert (first.headers, first.connection, first.source.line) == ({"x-canary": "yes"}, "keep-alive", 19)
    assert (second.frm, second.path, second.connection) == ("cluster1", "/", "new")


def test_lags_are_ranges_of_seconds(whole: Scenario) -> None:
    assert whole.propagation.default == (1.0, 1.0)
    assert whole.propagation.families == {"endpoints": (1.0, 3.0)}
    assert whole.propagation.per == {
        "cluster2": {"routes": (2.0, 2.0)},
        "waypoint:cluster1/d/w": {"default": (5.0, 5.0)},
    }


def test_the_timeline_keeps_verbs_arguments_and_moments(whole: Scenario) -> None:
    rollout = "cluster1/default/helloworld"
    image, promote, undo, apply, link, fail = whole.timeline
    assert (image.verb, image.at, image.when) == ("set-image", 90.0, None)
    assert image.args == {"rollout": rollout, "container": "helloworld", "image": "v2"}
    assert (promote.at, promote.when, promote.after, promote.args) == (
        None,
        "paused",
        60.0,
        {"rollout": rollout, "full": True},
    )
    assert undo.args == {"rollout": rollout, "to-revision": 1}
    assert [manifest.name for manifest in apply.args["manifests"]] == ["later"]
    assert link.args == {"target": "link:cluster2/cluster1"}
    assert fail.args == {"target": rollout, "pods": Fraction(1, 2), "revision": "canary"}
    assert [entry.source.line for entry in whole.timeline] == list(range(30, 36))


def test_expectations_are_exact(whole: Scenario) -> None:
    first, second = whole.expect
    assert (first.at, first.frm, first.verdict, first.masked) == (240.0, "*", "applied", None)
    assert first.canary == (Fraction(1, 2), Fraction(1, 2))
    assert first.stable == (Fraction(9, 20), Fraction(11, 20))
    assert first.errors == (Fraction(0), Fraction(0))
    assert first.clusters == {"cluster1": (Fraction(1, 3), Fraction(1, 3)), "cluster2": None}
    assert (first.index, first.source.line) == (0, 37)
    assert (second.at, second.reasons, second.never) == ("step:2", ("MS201",), True)
    assert second.stated == {"step": 2, "reasons": "MS201", "never": True}


def test_a_scenario_survives_pickling(whole: Scenario) -> None:
    copy = pickle.loads(pickle.dumps(whole))
    assert copy.timeline[0] == whole.timeline[0]
    assert copy.clusters["cluster1"].manifests[0].evidence() == whole.clusters["cluster1"].manifests[0].evidence()


def test_the_least_scenario_has_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text("{apiVersion: meshsim/v1, kind: Scenario, clusters: {east: {}}}")
    scenario = load(tmp_path)
    assert (scenario.name, scenario.dialect, scenario.peering, scenario.calls) == (
        tmp_path.name,
        DEFAULT_DIALECT,
        None,
        (),
    )
    assert scenario.timing.resync == 900.0
    assert (scenario.sampling.requests, scenario.sampling.seed) == (50, 1)


def test_directories_alone_make_a_scenario(tmp_path: Path) -> None:
    (tmp_path / "east").mkdir()
    (tmp_path / "east/a.yaml").write_text(SERVICE)
    scenario = from_clusters({"east": tmp_path / "east", "west": "-"}, stdin=SERVICE.encode)
    assert (scenario.name, scenario.path, scenario.dialect) == ("east+west", None, DEFAULT_DIALECT)
    assert [len(cluster.manifests) for cluster in scenario.clusters.values()] == [1, 1]


def test_standard_input_serves_one_cluster_only() -> None:
    with pytest.raises(InputError, match="standard input can be read for one source only"):
        from_clusters({"east": "-", "west": "-"}, stdin=SERVICE.encode)


def test_errors_of_several_clusters_are_said_together(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        from_clusters({"east": tmp_path / "gone", "west": tmp_path / "lost"})
    assert str(raised.value).count("there is no file or directory") == 2


@pytest.mark.parametrize("name", ["", "a/b", "*", "a:b", " "])
def test_a_cluster_name_must_fit_into_references(name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a cluster"):
        from_clusters({name: "x"})


def test_an_unknown_dialect_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="did you mean solo/1"):
        from_clusters({"east": "x"}, dialect="solo/1.99")


def test_a_missing_scenario_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        load(tmp_path / "scenario.yaml")
    with pytest.raises(InputError, match=r"this directory has no scenario\.yaml"):
        load(tmp_path)


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "meshsim/v1", "kind": "Scenario", "clusters": {"east": {}}, "peering": {"a": 1}},
        {"apiVersion": "meshsim/v1", "kind": "Scenario", "clusters": {"east": None}},
        {"apiVersion": "meshsim/v1", "kind": "Scenario", "clusters": ["east"]},
        {"apiVersion": "meshsim/v1", "kind": "Scenario", "clusters": {"east": {"manifests": None}}},
        {"apiVersion": "meshsim/v1", "kind": "Scenario", "clusters": {"east": {"manifests": [None]}}},
        {"apiVersion": "meshsim/v1", "kind": "Scenario", "clusters": {"east": {}}, "timeline": [None]},
        {"apiVersion": "meshsim/v1", "kind": "Scenario", "clusters": {"east": {}}, "timeline": [{"do": []}]},
        {"apiVersion": "meshsim/v1", "kind": "Scenario", "clusters": {"east": {}}, "propagation": {"per": []}},
        {"apiVersion": "meshsim/v1", "kind": "Scenario", "clusters": {"east": {}}, "propagation": []},
        {"apiVersion": "meshsim/v2", "kind": "Scenario", "clusters": {"east": {}}},
    ],
)
def test_wrong_shapes_are_input_errors(tmp_path: Path, document: Any) -> None:
    import json

    (tmp_path / "scenario.yaml").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"scenario\.yaml:1"):
        load(tmp_path / "scenario.yaml")
