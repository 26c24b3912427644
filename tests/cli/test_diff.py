"""`meshsim diff`: two paths or git revisions, and what changed a verdict."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from meshsim.cli.app import main
from meshsim.manifests.revisions import is_revision

ROOT = Path(__file__).parents[2]
CASE = "scenarios/client-local-waypoint"
FIELD = "metadata.labels[istio.io/use-waypoint]"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose first commit bypasses the split and whose second takes the label off."""
    shutil.copytree(ROOT / CASE / "manifests", tmp_path / "app/manifests")
    shutil.copy(ROOT / CASE / "scenario.yaml", tmp_path / "app/scenario.yaml")
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    commit("before")
    label = tmp_path / "app/manifests/cluster2/namespace.yaml"
    lines = label.read_text().splitlines(keepends=True)
    label.write_text("".join(line for line in lines if "istio.io/use-waypoint" not in line))
    commit("after")
    return tmp_path


def git(*words: str) -> None:
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *words], check=True, env={**os.environ, **own}, capture_output=True)


def commit(message: str) -> None:
    git("add", "-A")
    git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", message)


def test_two_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", f"{CASE}/scenario.yaml", f"{CASE}/twin.yaml"]) == 1
    said = capsys.readouterr().out
    for part in (
        "cluster2/shop/recommender → catalog.shop.mesh.internal:8080/items",
        "bypassed → applied",
        "canary 25% → 20%, then 25%",
        "-MS201",
        f"{FIELD}: waypoint → absent  {CASE}/manifests/cluster2/namespace.yaml:9",
        "1 of 2 calls changes, 0 for the worse; 1 object or setting differs",
    ):
        assert part in said


def test_the_same_is_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", CASE, CASE]) == 0
    assert "the same for 2 calls; nothing differs" in capsys.readouterr().out


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    "words",
    [
        ["HEAD~1:app", "HEAD:app"],
        ["HEAD~1", "HEAD", "--scenario", "app/scenario.yaml"],
        ["HEAD~1:app/scenario.yaml", "app"],
        ["HEAD~1:app/manifests", "HEAD:app/manifests"],  # a directory a cluster
        ["HEAD~1", ".", "--cluster", "cluster1=app/manifests/cluster1", "--cluster", "cluster2=app/manifests/cluster2"],
    ],
)
def test_git_revisions(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *words, "-o", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    (edit,) = {json.dumps(edit) for change in found["changes"] for edit in change["because"]}
    (field,) = json.loads(edit)["fields"]
    assert (json.loads(edit)["subject"], field["path"]) == ("cluster2/Namespace/shop", FIELD)
    assert field["old_at"] == "HEAD~1:app/manifests/cluster2/namespace.yaml:9"
    assert {(one["old"]["verdict"], one["new"]["verdict"]) for one in found["changes"]} == {("bypassed", "applied")}


def test_below_the_repositorys_top(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "app")
    assert main(["diff", "HEAD~1", "HEAD"]) == 1
    assert main(["diff", "HEAD", "."]) == 0


def test_no_option_of_git_is_a_revision() -> None:
    assert not is_revision("--output=stolen")
    assert not is_revision("")


def test_nothing_is_checked_out(repository: Path) -> None:
    before = sorted((str(path), path.stat().st_mtime_ns) for path in repository.rglob("*") if ".git" not in path.parts)
    main(["diff", "HEAD~1:app", "HEAD:app"])
    after = sorted((str(path), path.stat().st_mtime_ns) for path in repository.rglob("*") if ".git" not in path.parts)
    assert before == after


def test_for_pull_requests(capsys: pytest.CaptureFixture[str]) -> None:
    main(["diff", f"{CASE}/twin.yaml", f"{CASE}/scenario.yaml", "-o", "github"])
    said = capsys.readouterr().out
    assert said.startswith(f"::error file={CASE}/manifests/cluster2/namespace.yaml,line=9,")
    main(["diff", f"{CASE}/twin.yaml", f"{CASE}/scenario.yaml", "-o", "markdown"])
    assert "✅ applied → ❌ bypassed" in capsys.readouterr().out


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["nowhere", "app"], 3, "nowhere: is neither a file or directory nor a git revision"),
        (["HEAD:../..", "app"], 2, "the path leaves the revision"),
        (["HEAD:none", "app"], 3, "HEAD:none: there is no such file or directory"),
        (["app"], 2, "required: NEW"),
    ],
)
def test_wrong_calls(words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *words]) == code
    assert says in capsys.readouterr().err


def test_a_broken_manifest_is_named_with_its_revision(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "app/manifests/cluster2/namespace.yaml").write_text("kind: [")
    commit("broken")
    assert main(["diff", "HEAD~1:app", "HEAD:app"]) == 3
    said = capsys.readouterr().err
    assert "error: HEAD:app/manifests/cluster2/namespace.yaml:" in said
    assert "/tmp" not in said
