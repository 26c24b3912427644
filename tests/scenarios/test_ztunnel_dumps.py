"""A scenario whose ztunnels' tables come from a dump."""

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshsim.cli.app import main
from meshsim.model.errors import InputError
from meshsim.model.evidence import Dumped
from meshsim.model.verdict import Row, Verdict
from meshsim.session import Session, load

Edit = Callable[[dict[str, Any]], None]
GLOBAL = "catalog.shop.mesh.internal"


@pytest.fixture
def dumped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Session]:
    """A scenario with the dumps that `meshsim tables` writes for it at step 1, edited."""

    def make(name: str, edit: Edit | None = None, only: str | None = None) -> Session:
        folder = tmp_path / name
        shutil.copytree(f"scenarios/{name}", folder)
        document = yaml.safe_load((folder / "scenario.yaml").read_text())
        for cluster in [only] if only else document["clusters"]:
            assert (
                main(["tables", f"scenarios/{name}", "--cluster", cluster, "all", "--at", "step:1", "-o", "json"]) == 0
            )
            dump = json.loads(capsys.readouterr().out)
            if edit is not None:
                edit(dump)
            (folder / f"{cluster}.json").write_text(json.dumps(dump, indent=1))
            document["clusters"][cluster]["dumps"] = {"ztunnel": f"{cluster}.json"}
        (folder / "scenario.yaml").write_text(yaml.safe_dump(document))
        return load(folder)

    return make


def told(session: Session, frm: str = "") -> list[Row]:
    return [row for row in session.verdicts("step:1") if row.frm.startswith(frm)]


def _without_waypoint(dump: dict[str, Any]) -> None:
    (service,) = (s for s in dump["services"] if s["hostname"] == GLOBAL)
    del service["waypoint"]


def test_ztunnels_that_never_heard_of_the_waypoint_pass_it_by(dumped: Callable[..., Session]) -> None:
    """cluster2's ztunnel then crosses to cluster1, whose waypoint splits 25 to 75, whatever its manifests say."""
    session = dumped("client-local-waypoint", _without_waypoint, "cluster2")
    (row,) = told(session, "cluster2")
    assert row.verdict is Verdict.APPLIED
    assert row.effective is not None
    assert row.effective.canary == Fraction(1, 4)
    assert row.decided_by == "waypoint:cluster1/shop/waypoint"


def test_what_a_dump_decided_is_evidence_of_its_file(dumped: Callable[..., Session]) -> None:
    session = dumped("client-local-waypoint", only="cluster2")
    trace = session.trace("cluster2/shop/recommender", f"{GLOBAL}:8080", "step:1")
    places = [fact.evidence for root in trace.roots for fact in root.facts if fact.name == "waypoint"]
    (place,) = [place for place in places if isinstance(place, Dumped)]
    assert place.path.endswith("cluster2.json")
    lines = Path(place.path).read_text().splitlines()
    assert place.line
    assert f'"hostname": "{GLOBAL}"' in " ".join(lines[place.line - 1 : place.line + 6])


def _as_kubernetes_names_them(dump: dict[str, Any]) -> None:
    """istiod's default cluster id, and pods named as their controllers name them."""
    text = json.dumps(dump).replace("cluster1//Pod", "Kubernetes//Pod").replace('"cluster1"', '"Kubernetes"')
    for pod in [w["name"] for w in dump["workloads"] if "//Pod/" in w["uid"]]:
        owner, _, number = pod.rpartition("-")
        text = text.replace(f"/{pod}", f"/{owner}-bcdf{number}")
    dump.clear()
    dump.update(json.loads(text))


def test_pods_are_known_by_the_replicaset_that_made_them(dumped: Callable[..., Session]) -> None:
    renamed = dumped("client-local-waypoint", _as_kubernetes_names_them, "cluster1")
    rows = told(load("scenarios/client-local-waypoint"))
    assert [(r.verdict, r.effective, r.pods) for r in told(renamed)] == [(r.verdict, r.effective, r.pods) for r in rows]


def test_a_pod_that_no_manifest_explains_is_undetermined(dumped: Callable[..., Session]) -> None:
    def edit(dump: dict[str, Any]) -> None:
        text = json.dumps(dump)
        for pod in [w["name"] for w in dump["workloads"] if "//Pod/shop/catalog" in w["uid"]]:
            text = text.replace(f"/{pod}", f"/stranger-{pod}")
        dump.clear()
        dump.update(json.loads(text))

    (row,) = told(dumped("client-local-waypoint", edit, "cluster1"), "cluster2")
    assert row.verdict is Verdict.UNDETERMINED
    assert row.reasons[0] == "MS901"
    assert row.effective is None


def test_the_dumps_vip_is_the_services(dumped: Callable[..., Session]) -> None:
    def edit(dump: dict[str, Any]) -> None:
        (service,) = (s for s in dump["services"] if s["hostname"] == GLOBAL)
        service["vips"] = ["network2/240.240.9.9"]

    session = dumped("client-local-waypoint", edit, "cluster2")
    assert session.situation("step:1").plane.cluster("cluster2").names[GLOBAL].ips == ("240.240.9.9",)
    (row,) = told(session, "cluster2")
    assert row.verdict is Verdict.BYPASSED


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "this is no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "is a JSON object"),
        ("{}", "no services and no workloads"),
        ('{"services": [], "workloads": [{"workloadIps": ["x"]}]}', "'x' is not an IP address"),
        ("\udcff", "no JSON"),
    ],
)
def test_a_broken_dump_is_a_sentence_with_its_file(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "z.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    (tmp_path / "scenario.yaml").write_text(
        "apiVersion: meshsim/v1\nkind: Scenario\nname: x\nclusters: {c1: {manifests: [], dumps: {ztunnel: z.json}}}\n"
    )
    with pytest.raises(InputError, match=says) as caught:
        load(tmp_path)
    assert "z.json" in str(caught.value)
