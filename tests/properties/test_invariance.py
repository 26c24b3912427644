"""What must not matter, does not: order, files, names, the scale of weights, asking twice."""

import json
import random
import tempfile
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies.asking import QUICK, ask, compared, load
from strategies.meshes import NAMESPACE, SERVICE, Document, RandomMesh, meshes

from meshsim import session
from meshsim.analysis.judge import judge
from meshsim.analysis.situation import Situation
from meshsim.manifests.manifest import Manifest
from meshsim.mesh.edits import with_labels
from meshsim.model.evidence import Assumed
from meshsim.model.verdict import Verdict

SETTINGS = {"suppress_health_check": list(HealthCheck), **QUICK}


@settings(max_examples=40, **SETTINGS)
@given(meshes(), st.randoms(use_true_random=False))
def test_the_order_of_documents_clusters_and_calls_changes_nothing(mesh: RandomMesh, dice: random.Random) -> None:
    shuffled = deepcopy(mesh.document)
    for part in shuffled["clusters"].values():
        dice.shuffle(part["manifests"])
    names = list(shuffled["clusters"])
    dice.shuffle(names)
    shuffled["clusters"] = {name: shuffled["clusters"][name] for name in names}
    dice.shuffle(shuffled["calls"])
    before, after = ask(mesh.document, mesh.at), ask(shuffled, mesh.at)
    assert compared(before) == compared(after)
    assert {(r.frm, r.to, r.rollout): r.decided_by for r in before} == {
        (r.frm, r.to, r.rollout): r.decided_by for r in after
    }
    assert load(mesh.document).mesh.digest() == load(shuffled).mesh.digest()


@settings(max_examples=20, **SETTINGS)
@given(meshes(), st.randoms(use_true_random=False))
def test_how_documents_are_split_into_files_changes_nothing(mesh: RandomMesh, dice: random.Random) -> None:
    """Inline, one file, a file each in nested directories, or a List: the same mesh, the same digest."""
    inline = load(mesh.document)
    wanted = compared(list(inline.answer(at=mesh.at).moments[0].rows))
    with tempfile.TemporaryDirectory() as folder:
        for write in (one_file, a_file_each, a_list):
            document = deepcopy(mesh.document)
            root = Path(folder) / write.__name__
            for name, part in document["clusters"].items():
                write(root / name, part["manifests"], dice)
                part["manifests"] = [f"{name}/"]
            (root / "scenario.yaml").write_text(json.dumps(document))
            found = session.load(root)
            assert compared(list(found.answer(at=mesh.at).moments[0].rows)) == wanted
            assert found.mesh.digest() == inline.mesh.digest()


def one_file(folder: Path, manifests: list[Document], dice: random.Random) -> None:
    folder.mkdir(parents=True)
    (folder / "all.yaml").write_text(yaml.safe_dump_all(manifests))


def a_file_each(folder: Path, manifests: list[Document], dice: random.Random) -> None:
    names = list(range(len(manifests)))
    dice.shuffle(names)
    for name, manifest in zip(names, manifests, strict=True):
        place = folder / f"d{name % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.yaml").write_text(yaml.safe_dump(manifest))


def a_list(folder: Path, manifests: list[Document], dice: random.Random) -> None:
    folder.mkdir(parents=True)
    whole = {"apiVersion": "v1", "kind": "List", "items": manifests}
    (folder / "list.json").write_text(json.dumps(whole))


@settings(max_examples=40, **SETTINGS)
@given(meshes())
def test_renaming_clusters_changes_only_their_names(mesh: RandomMesh) -> None:
    """The new names sort the other way round."""
    new = {"c1": "zulu", "c2": "mike", "c3": "alfa"}
    document = deepcopy(mesh.document)
    document["clusters"] = {new[name]: part for name, part in document["clusters"].items()}
    if document["peering"] != "all":
        document["peering"] = [{key: new[name] for key, name in link.items()} for link in document["peering"]]
    document["calls"] = [{key: renamed(text, new) for key, text in call.items()} for call in document["calls"]]
    before, after = ask(mesh.document, mesh.at), ask(document, mesh.at)
    wanted = {
        tuple(renamed(part, new) if part else part for part in key): (
            *row[:-2],
            sorted((renamed(name, new), share) for name, share in row[-2]),
            sorted((renamed(name, new), share) for name, share in row[-1]),
        )
        for key, row in compared(before).items()
    }
    assert compared(after) == wanted


def renamed(text: str, new: dict[str, str]) -> str:
    """A name, a call's `from` or `to`, or a pod's path, with its cluster renamed."""
    kind, _, rest = text.partition(":")
    if kind in {"ingress", "pod"}:
        return f"{kind}:{renamed(rest, new)}"
    cluster, slash, path = text.partition("/")
    return f"{new[cluster]}{slash}{path}" if cluster in new else text


@settings(max_examples=40, **SETTINGS)
@given(meshes(), st.sampled_from([2, 7, 1000]))
def test_scaling_all_weights_of_a_route_changes_nothing(mesh: RandomMesh, factor: int) -> None:
    held = load(mesh.document)
    situation = held.situation(mesh.at)
    scaled_mesh = situation.mesh
    for cluster in situation.mesh.clusters.values():
        routes = [scaled(route, factor) for route in cluster.of("HTTPRoute", "VirtualService")]
        scaled_mesh = scaled_mesh.fork(cluster.with_objects(routes))
    scaled_situation = Situation(replace(situation.deployed, mesh=scaled_mesh))
    for call, rows in held.rows(mesh.at):
        for row, again in zip(rows, judge(scaled_situation, call), strict=True):
            assert (row.rollout, row.verdict, row.effective) == (again.rollout, again.verdict, again.effective)
            assert (row.pods, row.applied_share) == (again.pods, again.applied_share)


def scaled(route: Manifest, factor: int) -> Manifest:
    data: dict[str, Any] = deepcopy(route.data)
    for rule in [*data["spec"].get("rules", []), *data["spec"].get("http", [])]:
        for part in [*rule.get("backendRefs", []), *rule.get("route", [])]:
            if "weight" in part:
                part["weight"] *= factor
    return route.replaced(data, Assumed("scaled"))


@settings(max_examples=30, **SETTINGS)
@given(meshes())
def test_asking_again_or_in_another_order_gives_the_same_answer(mesh: RandomMesh) -> None:
    once, again = load(mesh.document), load(mesh.document)
    first = once.answer(at=mesh.at)
    for other in ("step:3", "step:1", 0.0):
        again.answer(at=other)
    assert again.answer(at=mesh.at).moments == first.moments
    assert once.answer(at=mesh.at).moments == first.moments


@settings(max_examples=20, **SETTINGS)
@given(meshes())
def test_a_settled_timeline_answers_as_the_deployed_mesh_does(mesh: RandomMesh) -> None:
    """Nothing happens on it: at its start, long after, and without one."""
    still = {**mesh.document, "timeline": [{"at": 3600, "do": "annotate", **ANNOTATE}]}
    wanted = compared(ask(mesh.document, 0.0))
    for at in (0.0, 60.0, 3599.0, 3600.0, 7200.0):
        assert compared(ask(still, at)) == wanted


ANNOTATE = {"object": f"c1/Namespace/{NAMESPACE}", "annotations": {"example.com/note": "nothing"}}


@settings(max_examples=30, **SETTINGS)
@given(meshes())
def test_a_fork_leaves_the_mesh_as_it_was(mesh: RandomMesh) -> None:
    here = load(mesh.document)
    before, digest = here.answer(at=mesh.at).moments, here.mesh.digest()
    edit = {"istio.io/use-waypoint": None, "example.com/team": "shop"}
    forked = here.forked(with_labels(here.mesh, f"c1/Namespace/{NAMESPACE}", edit, Assumed("edited")))
    forked.answer(at=mesh.at)
    assert forked.mesh.digest() != digest
    assert here.mesh.digest() == digest
    assert here.answer(at=mesh.at).moments == before
    assert load(mesh.document).answer(at=mesh.at).moments == before


@settings(max_examples=20, **SETTINGS)
@given(meshes())
def test_an_edit_taken_back_gives_the_same_digest_and_answer(mesh: RandomMesh) -> None:
    here = load(mesh.document)
    name = f"c1/Service/{NAMESPACE}/{SERVICE}"
    there = with_labels(here.mesh, name, {"example.com/team": "shop"}, Assumed("edited"))
    back = with_labels(there, name, {"example.com/team": None}, Assumed("edited"))
    assert back.digest() == here.mesh.digest() != there.digest()
    found = here.forked(back).answer(at=mesh.at).moments[0].rows
    assert compared(list(found)) == compared(list(here.answer(at=mesh.at).moments[0].rows))


@settings(max_examples=40, **SETTINGS)
@given(meshes())
def test_masked_is_a_missed_split_that_no_histogram_shows(mesh: RandomMesh) -> None:
    for row in ask(mesh.document, mesh.at):
        hidden = (
            row.verdict in {Verdict.BYPASSED, Verdict.PARTIAL}
            and row.effective is not None
            and row.desired == {"stable": row.effective.stable, "canary": row.effective.canary}
        )
        assert row.masked == hidden
        assert row.masked == ("MS401" in row.reasons)
