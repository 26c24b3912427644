"""A snapshot with what the proxies hold: which are asked, what is kept, and that the model answers from it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from live.api_server import plural
from scenarios.config_dump import dumps

from meshsim.cli.app import main
from meshsim.live import commands as programs
from meshsim.live.commands import Ran
from meshsim.live.dumps import envoy_tidy, istioctl, take, ztunnel_tidy
from meshsim.live.proxies import ProxyPod
from meshsim.live.reading import Wanted
from meshsim.manifests.kinds import KINDS, canonical_kind
from meshsim.model.evidence import Dumped
from meshsim.report import held
from meshsim.session import load

SCENARIO = Path(__file__).parents[2] / "scenarios/canary-gateway-api"
WANTED = Wanted(name="east", context="kind-east", kubeconfig="k.yaml")
PODS = {
    "cluster1": [("waypoint-5b9-x2x", "shop", "waypoint"), ("storefront-istio-6c-9k", "shop", "storefront")],
    "cluster2": [],
}


def pod(name: str, namespace: str, gateway: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"gateway.networking.k8s.io/gateway-name": gateway},
        },
        "spec": {"containers": [{"name": "istio-proxy"}]},
        "status": {"podIP": "10.7.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def objects(cluster: str) -> Iterator[dict[str, Any]]:
    for file in sorted((SCENARIO / "manifests" / cluster).rglob("*.yaml")):
        yield from filter(None, yaml.safe_load_all(file.read_text()))
    yield from (pod(*one) for one in PODS[cluster])


def camel(value: Any) -> Any:
    """As istioctl prints messages; what istiod put into metadata keeps its keys."""
    if isinstance(value, list):
        return [camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    words = {key: key.split("_") for key in value}
    named = {key: part[0] + "".join(one.capitalize() for one in part[1:]) for key, part in words.items()}
    return {named[key]: one if key == "filter_metadata" else camel(one) for key, one in value.items()}


class Programs:
    """kubectl and istioctl over the shipped scenario, held at its first step."""

    def __init__(self, *, without: Sequence[str] = ()) -> None:
        session = load(SCENARIO)
        situation = session.situation("step:1")
        called = [(c.ident, str(x.target)) for x in session.calls_in(situation) for _, c in x.caller.clients]
        self.ztunnel = {name: held.values(situation, name, "all") for name in PODS}
        self.envoys = {name: dumps(situation, name, called) for name in PODS}
        self.without = without
        self.called: list[list[str]] = []

    def __call__(self, command: Sequence[str], **_: Any) -> Ran:
        self.called.append(list(command))
        cluster = next(word for word in command if word.startswith("--context=")).partition("=")[2]
        if command[0] in self.without:
            return Ran(127, b"", f"{command[0]}: No such file or directory")
        if command[0] == "kubectl":
            return Ran(0, self._kubectl(command, cluster), "")
        if "ztunnel-config" in command:
            return Ran(0, json.dumps(self.ztunnel[cluster]).encode(), "")
        name, _, namespace = command[3].rpartition(".")
        gateway = next(gateway for found, place, gateway in PODS[cluster] if (found, place) == (name, namespace))
        kind = "waypoint" if gateway == "waypoint" else "gateway"
        dump = self.envoys[cluster][f"{kind}:{namespace}/{gateway}"]
        hosts = [one for one in dump["configs"] if "dynamic_endpoint_configs" in one]
        if command[2] == "all":
            return Ran(0, json.dumps({"configs": [one for one in dump["configs"] if one not in hosts]}).encode(), "")
        assert command[2] == "eds"
        listed = [camel(one["endpoint_config"]) for one in hosts[0]["dynamic_endpoint_configs"]]
        return Ran(0, json.dumps(listed).encode(), "")

    def _kubectl(self, command: Sequence[str], cluster: str) -> bytes:
        kinds = {(one["apiVersion"], one["kind"]) for one in objects(cluster)}
        known = {plural(canonical_kind(*key)): key for key in sorted(kinds)}
        if "api-resources" in command:
            rows = [
                f"{name} {version} {str(KINDS[canonical_kind(version, kind)].namespaced).lower()} {kind}"
                for name, (version, kind) in known.items()
            ]
            return "\n".join(rows).encode()
        resource = command[command.index("get") + 1].partition(".")[0]
        items = [one for one in objects(cluster) if (one["apiVersion"], one["kind"]) == known.get(resource)]
        return json.dumps({"items": items}).encode()


def snapshot(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str, without: Sequence[str] = ()) -> Programs:
    fake = Programs(without=without)
    monkeypatch.setattr(programs, "run", fake)
    contexts = [word for name in PODS for word in ("--context", name)]
    assert main(["snapshot", *contexts, "--dialect", "solo/1.30", "-o", str(folder), *options]) == 0
    return fake


def test_a_snapshot_runs_on_what_the_proxies_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "snapshot"
    snapshot(folder, monkeypatch)
    out = capsys.readouterr().out
    assert "dumped: ztunnel, gateway:shop/storefront, waypoint:shop/waypoint" in out
    written = yaml.safe_load((folder / "scenario.yaml").read_text())["clusters"]
    assert written["cluster1"]["dumps"] == {
        "ztunnel": "cluster1/dumps/ztunnel.json",
        "envoy": {
            "gateway:shop/storefront": "cluster1/dumps/gateway-shop-storefront.json",
            "waypoint:shop/waypoint": "cluster1/dumps/waypoint-shop-waypoint.json",
        },
    }
    session = load(folder)
    mine = {(r.frm, r.to): r for r in session.verdicts("step:1")}
    for row in load(SCENARIO).verdicts("step:1"):
        there = mine.get((row.frm, row.to))
        if there is not None:
            assert (there.verdict, there.effective) == (row.verdict, row.effective)
    row = mine["cluster1/shop/cart", "checkout.shop.mesh.internal:8080"]
    evidence = [fact.evidence for path in row.trace.paths() for step in path.steps for fact in step.facts]
    files = {Path(one.path).name for one in evidence if isinstance(one, Dumped)}
    assert files == {"ztunnel.json", "waypoint-shop-waypoint.json"}


def test_two_snapshots_of_the_same_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot(tmp_path / "one", monkeypatch)
    snapshot(tmp_path / "two", monkeypatch)
    snapshot(tmp_path / "two", monkeypatch)
    one, two = ({p.relative_to(f): p.read_text() for p in f.rglob("*.*") if p.is_file()}
                for f in (tmp_path / "one", tmp_path / "two"))  # fmt: skip
    assert one == two


def test_without_istioctl_there_are_no_dumps_and_the_snapshot_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = snapshot(tmp_path / "snapshot", monkeypatch, without=["istioctl"])
    assert "no istioctl: what the proxies hold is not known" in capsys.readouterr().out
    assert "dumps" not in (tmp_path / "snapshot/scenario.yaml").read_text()
    assert [command for command in fake.called if command[0] == "istioctl"] == [
        istioctl(Wanted(name=name, context=name), "ztunnel-config", "all") for name in PODS
    ]


def test_dumps_can_be_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = snapshot(tmp_path / "snapshot", monkeypatch, "--no-dumps")
    assert {command[0] for command in fake.called} == {"kubectl"}


def test_only_reading_calls_are_made_in_the_users_context() -> None:
    called: list[list[str]] = []

    def run(command: Sequence[str]) -> Ran:
        called.append(list(command))
        return Ran(1, b"", "Error: pods is forbidden\n")

    taken = take(WANTED, [ProxyPod("waypoint:shop/waypoint", "shop", "waypoint-1")], run)
    assert taken is not None
    assert taken.missing == {"ztunnel": "pods is forbidden", "waypoint:shop/waypoint": "pods is forbidden"}
    where = ["-o", "json", "--context=kind-east", "--kubeconfig=k.yaml"]
    assert called == [
        ["istioctl", "ztunnel-config", "all", *where],
        ["istioctl", "proxy-config", "all", "waypoint-1.shop", *where],
    ]


def test_only_so_many_sidecars_are_asked_and_the_rest_is_said() -> None:
    called: list[str] = []

    def run(command: Sequence[str]) -> Ran:
        called.append(" ".join(command[1:4]))
        return Ran(0, b'{"configs": []}' if "all" in command else b"[]", "")

    pods = [ProxyPod(f"sidecar:a/{number}", "a", f"p{number}") for number in range(60)]
    taken = take(WANTED, pods, run)
    assert taken is not None
    assert len(taken.envoy) == 50
    assert taken.missing["10 sidecars"] == "one pod each of 50 workloads is asked"
    assert sum(command.startswith("proxy-config all") for command in called) == 50


@pytest.mark.parametrize("answer", [b"", b"[]", b"{", b"[" * 50_000, b'{"configs": 7}', b'{"configs": [7]}'])
def test_an_answer_that_is_no_dump_is_noted(answer: bytes) -> None:
    taken = take(WANTED, [ProxyPod("waypoint:a/b", "a", "b-1")], lambda _: Ran(0, answer, ""))
    assert taken is not None
    assert taken.missing == dict.fromkeys(("ztunnel", "waypoint:a/b"), "istioctl's answer is no dump")


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield str(key)
            yield from _words(one)
    elif isinstance(value, list):
        for one in value:
            yield from _words(one)
    else:
        yield str(value)


def test_secrets_and_noise_stay_out() -> None:
    tls = {"common_tls_context": {"tls_certificates": [{"private_key": {"inline_string": "PRIVATE"}}]}}
    dump = {
        "configs": [
            {"@type": "x.SecretsConfigDump", "dynamic_active_secrets": [{"name": "default", "secret": "PRIVATE"}]},
            {"@type": "x.BootstrapConfigDump", "bootstrap": {"node": {"id": "w", "metadata": {"ENV": "PRIVATE"}}}},
            {
                "@type": "x.ClustersConfigDump",
                "version_info": "7",
                "dynamic_active_clusters": [
                    {"cluster": {"name": "b"}, "last_updated": "now"},
                    {"cluster": {"name": "a", "transport_socket": {"typed_config": tls}}},
                ],
                "dynamic_warming_clusters": [{"cluster": {"name": "c"}}],
            },
        ]
    }
    kept = envoy_tidy(dump)
    assert kept is not None
    assert not {"PRIVATE", "now", "7", "c"} & set(_words(kept))
    assert [one["cluster"]["name"] for one in kept["configs"][1]["dynamic_active_clusters"]] == ["a", "b"]
    bare = ztunnel_tidy({"services": {}, "workloads": {}, "certificates": [{"key": "PRIVATE"}]})
    assert bare == {"services": [], "workloads": []}
