"""Scenarios as tests, through `meshsim test` and through plain pytest with the plugin."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CASE = ROOT / "scenarios/client-local-waypoint"
URL = "https://example.com/issues/1"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a scenario whose two expectations hold."""
    shutil.copytree(CASE / "manifests", tmp_path / "mesh/manifests")
    shutil.copy(CASE / "scenario.yaml", tmp_path / "mesh/scenario.yaml")
    return tmp_path


def edited(project: Path, old: str, new: str) -> None:
    file = project / "mesh/scenario.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def run(project: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=project,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_one_test_an_expectation(project: Path) -> None:
    code, said = run(project, "meshsim", "test")
    assert (code, "2 passed" in said, "warning" in said) == (0, True, False), said


def test_plain_pytest_collects_the_same_beside_other_tests(project: Path) -> None:
    (project / "test_own.py").write_text("def test_own(): pass\n")
    (project / "other").mkdir()
    (project / "other/scenario.yaml").write_text("kind: SomethingElse\n")  # somebody else's file of that name
    code, said = run(project, "pytest", "-p", "no:meshsim", "-p", "meshsim.pytest_plugin", "-p", "no:cacheprovider")
    assert (code, "3 passed" in said) == (0, True)


def test_a_failure_says_what_was_expected_what_is_and_why(project: Path) -> None:
    edited(project, "verdict: bypassed", "verdict: applied")
    code, said = run(project, "meshsim", "test")
    assert (code, "1 failed, 1 passed" in said) == (1, True)
    for part in (
        "cluster2/shop/recommender → catalog.shop.mesh.internal:8080",
        "expected verdict applied",
        "verdict is bypassed, not applied",
        "MS201 client-local-waypoint",
        "manifests/cluster2/namespace.yaml:9",
        "next: meshsim explain mesh/scenario.yaml cluster2/shop/recommender",
    ):
        assert part in said
    assert "Traceback" not in said


def test_a_known_failure_is_an_xfail_and_its_passing_a_failure(project: Path) -> None:
    edited(project, "verdict: bypassed", f"known: {URL}\n    verdict: applied")
    assert "1 passed, 1 xfailed" in run(project, "meshsim", "test")[1]
    edited(project, "verdict: applied", "verdict: bypassed")
    code, said = run(project, "meshsim", "test")
    assert (code, "passes now: remove `known`" in said) == (1, True)


def test_without_expectations_the_calls_are_judged(project: Path) -> None:
    text = (project / "mesh/scenario.yaml").read_text()
    (project / "mesh/scenario.yaml").unlink()
    (project / "mesh/calls.meshsim.yaml").write_text(text[: text.index("expect:")])
    code, said = run(project, "meshsim", "test")
    assert (code, "1 failed" in said, "bypassed: cluster2/shop/recommender" in said) == (1, True, True)
    assert run(project, "meshsim", "test", "--fail-on", "failing")[0] == 0


def test_only_undetermined_in_the_way_is_4(project: Path) -> None:
    edited(project, "peering: all", "peering: all\ndataplane: none")
    (project / "mesh/manifests/cluster1/more.yaml").write_text(
        "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\n"
        "metadata: {name: touched, namespace: shop}\nspec:\n"
        "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: waypoint}]\n"
        "  configPatches: [{applyTo: HTTP_ROUTE, match: {context: ANY}, patch: {operation: MERGE}}]\n"
    )
    code, said = run(project, "meshsim", "test")
    assert (code, "failed" in said) == (4, True), said


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nowhere",), 3, "nowhere: there is no such file or directory"),
        (("empty",), 3, "empty: no scenario here"),
        (("mesh", "-k", "nothing"), 3, "none of 2 tests matches"),
        (("--bogus",), 2, "does not know --bogus"),
    ],
)
def test_wrong_calls_have_the_codes_of_every_command(
    project: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    (project / "empty").mkdir()
    found, said = run(project, "meshsim", "test", *words)
    assert (found, says in said) == (code, True), said


def test_a_broken_scenario_is_one_sentence_with_its_place(project: Path) -> None:
    edited(project, "peering: all", "peerings: all")
    code, said = run(project, "meshsim", "test")
    assert code == 3
    assert "mesh/scenario.yaml:" in said
    assert "peerings" in said
    assert "Traceback" not in said


def test_junit_and_pytests_own_words(project: Path) -> None:
    code, said = run(project, "meshsim", "test", "mesh", "--junit", "report.xml", "--pytest=--collect-only")
    assert code == 0, said
    assert "expect-0-line-" in said
    assert run(project, "meshsim", "test", "--junit", "report.xml")[0] == 0
    assert 'tests="2"' in (project / "report.xml").read_text()
