"""`meshsim sweep`: formats, engines, the journal, and an interruption."""

import csv
import json
import shutil
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest

import meshsim
from meshsim.analysis import sweep as sweeping
from meshsim.analysis.journal import Journal
from meshsim.analysis.sweep import Leaf
from meshsim.cli.app import main
from meshsim.report.sweep import as_json

SCENARIO = str(Path(__file__).parents[2] / "scenarios" / "client-local-waypoint")
LABELS = [f"label:cluster{n}/Namespace/shop:istio.io/use-waypoint" for n in (2, 1)]
SCOPE = "label:cluster1/Service/shop/catalog:solo.io/service-scope"
VARY = {LABELS[0]: ["waypoint", None], LABELS[1]: ["waypoint", None], SCOPE: ["global", None]}
WORDS = ["--vary", f"{LABELS[0]}=waypoint,-", "--vary", f"{LABELS[1]}=waypoint,-", "--vary", f"{SCOPE}=global,-"]
COMMAND = ["sweep", SCENARIO, "--at", "step:1", *WORDS]


def text(executor: Executor | None = None) -> str:
    return "".join(as_json(meshsim.load(SCENARIO).sweep(VARY, executor=executor)))


@contextmanager
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


@contextmanager
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def dask_scheduler() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dask's own
        distributed = pytest.importorskip("distributed")
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster:
            yield cluster.scheduler_address


@pytest.mark.parametrize("engine", [threads, processes])
def test_every_executor_gives_the_same_bytes(engine: object, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = text()
    monkeypatch.setattr(sweeping, "TASK_SECONDS", 0.0)
    with engine() as executor:  # type: ignore[operator]
        assert text(executor) == alone


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_of_two_workers_gives_the_same_bytes(
    dask_scheduler: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*COMMAND, "-o", "json"]) == 1
    alone = capsys.readouterr().out
    monkeypatch.setattr(sweeping, "TASK_SECONDS", 0.0)
    assert main([*COMMAND, "-o", "json", "--scheduler", dask_scheduler]) == 1
    assert capsys.readouterr().out == alone


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_is_not_there_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("meshsim.cli.engines.PATIENCE", "1s")
    assert main([*COMMAND, "--scheduler", "tcp://127.0.0.1:9"]) == 3
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err


def test_without_dask_the_extra_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    assert main([*COMMAND, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "pip install 'meshsim[sweep]'" in capsys.readouterr().err


def test_the_table_says_what_the_verdict_depends_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--vary", "label:cluster2/Namespace/shop:team=a,b", "--from", "recommender"]) == 1
    found = capsys.readouterr().out
    assert "16 variants of 4 settings · 1 call" in found
    assert f"depends only on\n    {LABELS[0]}\n    {LABELS[1]}\n    {SCOPE}\n" in found
    assert "and never on\n    label:cluster2/Namespace/shop:team\n" in found


def test_csv_has_a_line_for_every_point(capsys: pytest.CaptureFixture[str]) -> None:
    main([*COMMAND, "-o", "csv", "--from", "recommender"])
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len({tuple(row[name] for name in (*LABELS, SCOPE)) for row in rows}) == len(rows) == 8
    applied = [row for row in rows if row["verdict"] == "applied"]
    assert [(row[LABELS[0]], row[LABELS[1]], row[SCOPE]) for row in applied] == [("absent", "waypoint", "global")]


def test_csv_of_a_huge_grid_has_its_patterns(capsys: pytest.CaptureFixture[str]) -> None:
    inert = [w for n in range(18) for w in ("--vary", f"label:cluster2/Namespace/shop:inert-{n}=a,b")]
    main([*COMMAND[:4], *WORDS[:2], *inert, "-o", "csv", "--from", "recommender"])
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert sum(int(row["variants"]) for row in rows) == 2**19
    assert {row["label:cluster2/Namespace/shop:inert-3"] for row in rows} == {"*"}


@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_heatmap(kind: str, magic: bytes, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main([*COMMAND, "-o", kind, "--by", SCOPE]) == 1
    assert capfdbinary.readouterr().out.startswith(magic)


def interrupting(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Ctrl-C once `after` answers are kept."""
    monkeypatch.setattr(sweeping, "TASK_SECONDS", 0.0)
    keep, kept = Journal.keep, []

    def counted(self: Journal, leaves: Iterable[Leaf]) -> None:
        kept.extend(leaves)
        keep(self, leaves)
        if len(kept) >= after:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "keep", counted)


@pytest.mark.parametrize("torn", [b"", b'{"call":0,"taken":[[0,'])
def test_an_interrupted_sweep_goes_on_from_its_journal(
    torn: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*COMMAND, "-o", "json"])
    whole = capsys.readouterr().out
    file = tmp_path / "sweep.jsonl"
    with monkeypatch.context() as patched:
        interrupting(patched, after=4)
        assert main([*COMMAND, "-o", "json", "--journal", str(file)]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert f"kept in {file}; the same command goes on" in err
    before = file.read_bytes()
    assert before.count(b"\n") == 5
    file.write_bytes(before + torn)
    ran: list[object] = []
    leaf = sweeping.Explorer._leaf
    monkeypatch.setattr(sweeping.Explorer, "_leaf", lambda *given: ran.append(given) or leaf(*given))
    assert main([*COMMAND, "-o", "json", "--journal", str(file)]) == 1
    assert capsys.readouterr().out == whole
    assert len(ran) == len(json.loads(whole)["patterns"]) - 4
    assert file.read_bytes().startswith(before)
    ran.clear()
    main([*COMMAND, "-o", "json", "--journal", str(file)])
    assert capsys.readouterr().out == whole
    assert not ran


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text.replace('"sweep":"', '"sweep":"0', 1), ":1: the journal belongs to another sweep"),
        (lambda text: "hello\n" + text, ":1: the journal is no journal of a sweep"),
        (lambda text: "half a line", ":1: the journal is no journal of a sweep"),
        (lambda text: text + "{]\n", "the journal has a broken line"),
        (lambda text: text + '{"call":0,"taken":[[99,0]],"rows":[]}\n', "a line that is no answer of this sweep"),
        (lambda text: text + '{"call":0,"taken":[],"rows":[{"verdict":"fine"}]}\n', "no answer of this sweep"),
        (lambda text: text + "[" * 100_000 + "\n", "the journal has a broken line"),
    ],
)
def test_a_journal_is_read_as_anyones_file(
    spoil: object, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sweep.jsonl"
    main([*COMMAND, "--journal", str(file)])
    spoiled = spoil(file.read_text())  # type: ignore[operator]
    file.write_text(spoiled)
    capsys.readouterr()
    assert main([*COMMAND, "--journal", str(file)]) == 3
    assert says in capsys.readouterr().err
    assert file.read_text() == spoiled


def test_a_journal_of_other_manifests_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sweep.jsonl"
    main([*COMMAND, "--journal", str(file)])
    assert main(["sweep", SCENARIO, "--at", "step:2", *WORDS, "--journal", str(file)]) == 3
    assert "another sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "file", "old", "new"),
    [
        ("time-gitops-sync", "manifests-v2/rollout.yaml", "helloworld-v2:1.0", "helloworld-v2:1.1"),
        ("time-superseded", "scenario.yaml", "propagation: {routes: 2s}", "propagation: {routes: 3s}"),
        ("time-superseded", "scenario.yaml", "at: 150s, do: set-image", "at: 151s, do: set-image"),
    ],
)
def test_a_journal_of_another_course_of_events_is_refused(
    name: str, file: str, old: str, new: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(Path(SCENARIO).parent / name, tmp_path / name)
    command = ["sweep", str(copy), "--at", "130s", "--vary", "connection=new,keep-alive", "--fail-on", "never"]
    command += ["--journal", str(tmp_path / "sweep.jsonl")]
    assert main(command) == 0
    assert main(command) == 0
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new))
    assert main(command) == 3
    assert "another sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "there is nothing to vary"),
        (["--vary", "label"], "is not SETTING=VALUE,VALUE"),
        (["--vary", "peering=all,none", "--by", "peering"], "--by names one or two settings"),
        (
            ["--vary", "peering=all,none", "--workers", "2", "--scheduler", "tcp://x:1"],
            "both --workers and",
        ),
        (["--vary", "replicas:cluster1/Rollout/shop/catalog=1..9999999"], "9,999,999 values"),
    ],
)
def test_a_wrong_call_is_a_sentence(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", SCENARIO, *words]) == 2
    assert says in capsys.readouterr().err


def test_axes_are_drawn_into_a_figure_of_ones_own() -> None:
    from matplotlib.figure import Figure

    from meshsim.report.sweep_figure import axes

    found = meshsim.load(SCENARIO).sweep(VARY, at="step:1", frm="recommender")
    panel = axes(found, 0, Figure().subplots())
    assert [one.get_text() for one in panel.get_xticklabels()] == ["waypoint", "absent"]
    assert [one.get_text().split("\n")[0] for one in panel.texts] == ["bypassed", "bypassed", "applied", "bypassed"]
