import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from meshsim.cli import app
from meshsim.cli.explain import _call
from meshsim.cli.moment import moment
from meshsim.cli.starter import STARTER
from meshsim.model.errors import Bug, UsageError
from meshsim.scenario.load import load

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
BYPASSED = str(SCENARIOS / "client-local-waypoint")
MANIFESTS = SCENARIOS / "canary-gateway-api" / "manifests"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "MESHSIM_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def starter(tmp_path: Path) -> str:
    path = tmp_path / "scenario.yaml"
    path.write_text(STARTER, encoding="utf-8")
    return str(path)


def command(*words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in {"FORCE_COLOR", "NO_COLOR", "COLUMNS"}}
    return subprocess.run(
        [sys.executable, "-m", "meshsim", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        input=stdin,
        cwd=ROOT,
        env={**clean, "PYTHONPATH": str(ROOT), **environ},
        check=False,
    )


# Help


def test_meshsim_alone_prints_a_friendly_help_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([]) == 0
    out = capsys.readouterr().out
    assert out.startswith("meshsim says whether the canary split")
    assert "examples:" in out
    for verb in app.VERBS:
        assert f"  {verb}" in out


@pytest.mark.parametrize("verb", app.VERBS)
def test_every_command_has_help_with_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"usage: meshsim {verb}" in out
    assert f"  meshsim {verb}" in out[out.index("examples:") :]
    assert max(map(len, out.splitlines())) <= 120


def test_help_takes_a_command_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["help", "run"]) == 0
    assert "usage: meshsim run" in capsys.readouterr().out


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("meshsim ")


# Wrong calls: exit 2, a sentence and a way out, nothing on standard output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "error: meshsim has no command 'rnu'\n  → did you mean `meshsim run`?\n"),
        (["--at", "4m"], "error: meshsim has no option '--at'\n  → options follow a command: meshsim run --at\n"),
        (["run", "--ouput", "json"], "error: meshsim run does not know --ouput\n  → did you mean --output?\n"),
        (["run", "--out", "json"], "error: meshsim run does not know --out\n  → did you mean --output?\n"),
        (["run", "-o", "xml"], None),
        (["run", "--fail-on", "everything"], None),
        (["run", "--settle", "--observed"], None),
        (["run", "--width", "3"], "error: meshsim run: --width: '3' is no width: 40 columns or more\n"),
        (["run", "--cluster", "east"], "error: --cluster 'east' is not NAME=PATH\n"),
        (["run", "x", "--cluster", "a=b"], "error: both a scenario (x) and --cluster are given\n"),
        (["run", "x", "--dialect", "solo/1.30"], "error: --dialect goes with --cluster\n"),
        (["run", "x", "--dataplane", "ambient"], "error: --dataplane goes with --cluster\n"),
        (["run", "--cluster", "a=b", "--dialect", "sole/1.30"], "error: --dialect 'sole/1.30' is not known\n"),
        (["run", BYPASSED, "--at", "soon"], "error: --at 'soon' is no moment\n  → write seconds (240), a duration"),
        (["explain", "a"], "error: explain takes FROM and TO"),
        (["rules", "MS999"], "error: there is no reason code 'MS999'\n"),
        (["rules", "client-local-waypont"], "did you mean MS201 client-local-waypoint?\n"),
        (["init", "--force"], "error: --force goes with --file\n"),
        (["schema", "x"], "error: meshsim schema: what: invalid choice: 'x'"),
    ],
)
def test_a_wrong_call_is_a_sentence_and_exit_2(
    words: list[str], message: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err
    assert message is None or message in said.err


def test_a_path_in_place_of_a_command_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([BYPASSED]) == 2
    assert f"to run a scenario: meshsim run {BYPASSED}" in capsys.readouterr().err


def test_without_a_scenario_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert app.main(["run"]) == 3
    err = capsys.readouterr().err
    assert "there is no scenario.yaml here" in err
    assert "meshsim init" in err


# Moments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("240", 240.0),
        ("240s", 240.0),
        ("4m", 240.0),
        ("1h30m", 5400.0),
        ("0.5", 0.5),
        ("step:2", "step:2"),
        ("weight:25", "weight:25"),
        ("60s#3", "60s#3"),
        ("60#3", "60s#3"),
    ],
)
def test_moments_are_read_as_people_type_them(text: str, expected: float | str) -> None:
    assert moment(text) == expected


@pytest.mark.parametrize(
    "text", ["", "soon", "-4", "step:", "step:x", "weight:101", "4 minutes", "60s#", "60s#x", "nan"]
)
def test_a_bad_moment_says_what_is_allowed(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        moment(text)
    assert "step:2" in raised.value.hint


# Wrong input: exit 3


def test_missing_input_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["run", "/nowhere/scenario.yaml"]) == 3
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "error: /nowhere/scenario.yaml: there is no such file or directory\n")


def test_wrong_input_names_file_and_line_for_each_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("apiVersion: meshsim/v1\nkind: Scenario\nclustres: {}\nclusters: {a: {netwrok: x}}\n")
    assert app.main(["run", str(path)]) == 3
    err = capsys.readouterr().err
    assert f"error: {path}:3: unknown key 'clustres'\n  → did you mean clusters?\n" in err
    assert f"error: {path}:4: unknown key 'netwrok'" in err


def test_errors_cannot_carry_escape_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.yaml"
    path.write_text('apiVersion: meshsim/v1\nkind: Scenario\n"\\e[31mred": 1\nclusters: {a: {}}\n')
    assert app.main(["run", str(path)]) == 3
    assert "\x1b" not in capsys.readouterr().err


# Our bugs, Ctrl-C, closed pipes


def _raise(error: BaseException) -> object:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_bug_is_exit_70_with_the_traceback_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("meshsim.session.load", _raise(ZeroDivisionError("a\x1b[31mb")))
    assert app.main(["run", BYPASSED]) == 70
    said = capsys.readouterr()
    assert said.out == ""
    assert "error: this is a bug in meshsim: ZeroDivisionError: a\\x1b[31mb\n" in said.err
    assert "Traceback" not in said.err
    path = Path(said.err.split("report it with ")[1].split(",")[0])
    assert "ZeroDivisionError" in path.read_text()
    path.unlink()


def test_a_bug_shows_its_traceback_where_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MESHSIM_DEBUG", "1")
    monkeypatch.setattr("meshsim.session.load", _raise(ZeroDivisionError("x")))
    assert app.main(["run", BYPASSED]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_stated_bug_is_exit_70_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshsim.session.load", _raise(Bug("must not happen")))
    assert app.main(["run", BYPASSED]) == 70


def test_ctrl_c_is_exit_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("meshsim.session.load", _raise(KeyboardInterrupt()))
    assert app.main(["run", BYPASSED]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_has_enough_changes_no_exit_code() -> None:
    line = f"{sys.executable} -m meshsim run {BYPASSED} -o json --fail-on never; echo exit $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({line}) | head -c 10"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stdout == '{\n  "schem'
    assert done.stderr == "exit 0\n"


# run


@pytest.mark.parametrize("output", ["table", "json", "yaml", "markdown", "html"])
def test_the_exit_code_is_the_same_for_every_output(output: str, tmp_path: Path) -> None:
    text = STARTER.replace("    network: west\n", "    network: west\n", 1).replace(
        "labels: {istio.io/dataplane-mode: ambient}", "labels: {istio.io/dataplane-mode: none}"
    )
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    assert app.main(["run", str(path), "-o", output]) == 1


def test_run_answers_in_the_contracts_json(starter: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["run", starter, "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "meshsim/answer/v1"
    assert {probe["at"] for probe in found["probes"]} == {"step:1", "step:3"}
    assert {verdict["verdict"] for verdict in found["verdicts"]} == {"applied"}


def test_yaml_and_json_hold_the_same(starter: str, capsys: pytest.CaptureFixture[str]) -> None:
    app.main(["run", starter, "-o", "json"])
    as_json = json.loads(capsys.readouterr().out)
    app.main(["run", starter, "-o", "yaml"])
    assert yaml.safe_load(capsys.readouterr().out) == as_json


def test_clusters_work_without_a_scenario_file(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "run",
        "--cluster",
        f"cluster1={MANIFESTS / 'cluster1'}",
        "--cluster",
        f"cluster2={MANIFESTS / 'cluster2'}",
    ]
    assert app.main([*words, "--dialect", "solo/1.29", "-o", "json"]) in {0, 1}
    found = json.loads(capsys.readouterr().out)
    assert found["dialect"] == "solo/1.29"
    assert found["verdicts"]


def test_standard_input_may_hold_the_scenario() -> None:
    done = command("run", "-", "-o", "json", stdin=STARTER)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["scenario"] == "starter"


def test_fail_on_never_lets_findings_pass() -> None:
    assert app.main(["run", BYPASSED, "--at", "weight:25", "--fail-on", "never"]) == 0


def test_next_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    app.main(["run", BYPASSED])
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("next  meshsim ")]
    assert app.main(line.split()[2:]) == 0
    assert "repair" in capsys.readouterr().out


# Colours and widths


def test_a_pipe_is_plain_and_force_color_is_not() -> None:
    plain, forced = command("run", BYPASSED), command("run", BYPASSED, FORCE_COLOR="1", COLUMNS="100")
    assert "\x1b" not in plain.stdout
    assert "\x1b[31m✖ bypassed" in forced.stdout
    without = command("run", BYPASSED, "--no-color", FORCE_COLOR="1", COLUMNS="100")
    assert "\x1b" not in without.stdout
    assert "✖ bypassed" in without.stdout


def test_no_color_keeps_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    from argparse import Namespace

    from meshsim.cli.options import paper

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    given = Namespace(no_color=False, width=None)
    assert paper(given, {"COLUMNS": "90"}) == paper(Namespace(no_color=False, width=90), {})
    assert (paper(given, {}).drawn, paper(given, {}).coloured) == (True, True)
    assert (paper(given, {"NO_COLOR": "1"}).drawn, paper(given, {"NO_COLOR": "1"}).coloured) == (True, False)
    assert paper(given, {"TERM": "dumb"}).drawn is False
    assert paper(given, {}).width == 100


def test_width_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    app.main(["run", BYPASSED, "--width", "60"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60


# explain


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a/b/c", "x:80"], (None, "a/b/c", "x:80")),
        ([BYPASSED, "a/b/c", "x:80"], (BYPASSED, "a/b/c", "x:80")),
        (["a/b/c", "x:80", BYPASSED], (BYPASSED, "a/b/c", "x:80")),
        (["no/such", "a/b/c", "x:80"], ("no/such", "a/b/c", "x:80")),
    ],
)
def test_the_scenario_of_explain_stands_first_or_last(words: list[str], expected: tuple[str | None, str, str]) -> None:
    assert _call(words) == expected


def test_explain_prints_path_repair_and_proof(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explain", BYPASSED, "cluster2/shop/recommender", "catalog.shop.mesh.internal:8080"]
    assert app.main(words) == 0
    out = capsys.readouterr().out
    assert "waypoint:cluster2/shop/waypoint  per request" in out
    assert "MS201 client-local-waypoint" in out
    assert "kubectl --context cluster2 label namespace shop istio.io/use-waypoint-" in out
    assert app.main([*words, "-o", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["explanations"]
    assert found["repair"]["after"]["verdict"] == "applied"


def test_a_command_that_cannot_be_given_names_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = tmp_path / "s"
    shutil.copytree(SCENARIOS / "guide-gateway-api", here)
    file = here / "scenario.yaml"
    text = file.read_text()
    file.write_text(text.replace("container: helloworld", "container: sidecar"))
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "do: set-image" in row)
    assert app.main(["run", str(here)]) == 3
    assert f'scenario.yaml:{line}: set-image: unable to find container named "sidecar"' in capsys.readouterr().err


def test_explain_scales_an_empty_waypoint_up(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["cluster2/ads/bidder", "bids.ads.mesh.internal:8080"]
    assert app.main(["explain", str(SCENARIOS / "waypoint-scaled-to-zero"), *call, "-o", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["explanations"]
    assert found["repair"]["edit"] == "scale Deployment ads/waypoint in cluster1 to 1"
    assert found["repair"]["after"]["verdict"] == "applied"


def test_explain_gives_a_pod_back_to_the_mesh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = tmp_path / "s"
    shutil.copytree(SCENARIOS / "client-beside-the-rollout", here)
    client = here / "manifests" / "cluster1" / "invoicer.yaml"
    documents = list(yaml.safe_load_all(client.read_text()))
    for document in documents:
        if document["kind"] == "Deployment":
            document["spec"]["template"]["metadata"]["labels"]["istio.io/dataplane-mode"] = "none"
    client.write_text(yaml.safe_dump_all(documents))
    call = ["cluster1/finance/invoicer", "payments.billing.svc.cluster.local:8080"]
    assert app.main(["explain", str(here), *call, "-o", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["explanations"]
    assert found["verdict"]["reasons"] == ["MS101"]
    assert "istio.io/dataplane-mode from the pods of Deployment finance/invoicer" in found["repair"]["edit"]
    assert found["repair"]["after"]["verdict"] == "applied"


def test_a_request_that_no_rule_of_the_waypoint_matches_names_the_waypoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Envoy answers 404 (NR) where routes are attached and none matches: the waypoint is on the path and decides."""
    here = tmp_path / "s"
    shutil.copytree(SCENARIOS / "client-beside-the-rollout", here)
    route = here / "manifests" / "cluster1" / "httproute.yaml"
    documents = list(yaml.safe_load_all(route.read_text()))
    for document in documents:
        document["spec"]["rules"][0]["matches"] = [{"path": {"type": "PathPrefix", "value": "/elsewhere"}}]
    route.write_text(yaml.safe_dump_all(documents))
    app.main(["run", str(here), "-o", "json"])
    row = json.loads(capsys.readouterr().out)["verdicts"][0]
    assert (row["verdict"], row["reasons"], row["granularity"]) == ("failing", ["MS208"], "request")
    assert row["decided_by"] == "waypoint:cluster1/billing/waypoint"
    assert row["errors"] == [{"share": 1.0, "code": "404", "flag": "NR", "where": "waypoint:cluster1/billing/waypoint"}]


def test_a_sidecar_without_interop_rests_on_an_assumption(capsys: pytest.CaptureFixture[str]) -> None:
    app.main(["run", str(SCENARIOS / "sidecar-without-interop"), "-o", "json"])
    (found,) = json.loads(capsys.readouterr().out)["assumptions"]
    assert found["question"].startswith("sidecar_without_interop")
    assert (found["chosen"], found["alternatives"]) == ("pods", ["503"])


# rules, schema, init


def test_rules_lists_codes_and_prints_pages(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["rules"]) == 0
    assert "MS201  client-local-waypoint  " in capsys.readouterr().out
    pages = []
    for name in ("MS201", "ms201", "client-local-waypoint"):
        assert app.main(["rules", name]) == 0
        pages.append(capsys.readouterr().out)
    assert pages[0].startswith("# MS201 client-local-waypoint\n")
    assert len(set(pages)) == 1


def test_rules_are_data_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["rules", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0] == {
        "code": "MS101",
        "slug": "not-in-mesh",
        "meaning": "client is not in the mesh",
    }


def test_the_schema_is_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "meshsim scenario"


def test_init_writes_a_scenario_that_runs_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scenario.yaml"
    assert app.main(["init", "-f", str(path)]) == 0
    assert capsys.readouterr().out == f"wrote {path}\nnext: meshsim run {path}\n"
    assert app.main(["run", str(path)]) == 0


def test_init_never_overwrites_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("mine")
    assert app.main(["init", "-f", str(path)]) == 2
    assert "add --force" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert app.main(["init", "-f", str(path), "--force"]) == 0
    assert path.read_text() == STARTER


def test_init_draws_up_a_scenario_from_manifests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scenario.yaml"
    words = [f"--cluster={name}={MANIFESTS / name}" for name in ("cluster1", "cluster2")]
    assert app.main(["init", *words, "-f", str(path)]) == 0
    found = load(str(path))
    assert [(call.frm, call.to) for call in found.calls] == [
        ("cluster1/shop/cart", "checkout.shop.svc.cluster.local:8080"),
        ("cluster1/shop/cart", "checkout.shop.mesh.internal:8080"),
        ("cluster2/shop/cart", "checkout.shop.mesh.internal:8080"),
        ("ingress:cluster1/shop/storefront", "shop.example.com:80"),
    ]
    text = path.read_text()
    assert "checkout selects its pods" in text
    assert "its weights are 10, 25, 50" in text
    capsys.readouterr()
    assert app.main(["run", str(path)]) == 0


def test_init_finds_manifests_again_from_where_the_file_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path = tmp_path / "deep" / "scenario.yaml"
    path.parent.mkdir()
    relative = os.path.relpath(MANIFESTS / "cluster1", ROOT)
    assert app.main(["init", f"--cluster=cluster1={relative}", "-f", str(path)]) == 0
    assert load(str(path)).clusters["cluster1"].manifests


def test_every_scenario_of_the_repository_can_be_drawn_up(capsys: pytest.CaptureFixture[str]) -> None:
    from meshsim.cli.draft import draft

    for folder in sorted(SCENARIOS.glob("*/manifests")):
        clusters = {path.name: str(path) for path in sorted(folder.iterdir())}
        assert yaml.safe_load(draft(clusters))["kind"] == "Scenario"


@pytest.mark.parametrize(
    "words",
    [
        ("run", BYPASSED, "-o", "html"),
        ("sample", BYPASSED, "--at", "step:1", "--from", "cluster1/shop/basket", "-o", "npy"),
        ("graph", BYPASSED, "-o", "png"),
    ],
)
def test_file_gets_the_very_bytes_that_standard_output_would(words: tuple[str, ...], tmp_path: Path) -> None:
    asked = [sys.executable, "-m", "meshsim", *words]
    piped = subprocess.run(asked, capture_output=True, check=True, cwd=ROOT)
    told = subprocess.run([*asked, "--file", tmp_path / "result"], capture_output=True, check=True, cwd=ROOT)
    assert told.stdout == b""
    assert (tmp_path / "result").read_bytes() == piped.stdout != b""


def test_a_file_that_cannot_be_written_is_said_and_one_is_kept_where_the_verb_fails(tmp_path: Path) -> None:
    refused = command("run", BYPASSED, "--file", str(tmp_path / "nowhere" / "x"))
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr == f"error: cannot write {tmp_path / 'nowhere' / 'x'}: No such file or directory\n"
    kept = tmp_path / "kept"
    kept.write_text("what was")
    assert command("run", "no-such-scenario", "--file", str(kept)).returncode == 3
    assert kept.read_text() == "what was"


def test_a_rollout_without_clients_is_told_how_to_name_one(tmp_path: Path) -> None:
    for name in ("namespace", "rollout", "services", "httproute", "waypoint"):
        shutil.copy(MANIFESTS / "cluster1" / f"{name}.yaml", tmp_path)
    found = command("run", "--cluster", f"a={tmp_path}")
    assert found.returncode == 0
    assert "calls: [{from: a, to: checkout.shop:PORT}]" in found.stdout
