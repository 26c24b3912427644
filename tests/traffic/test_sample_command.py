"""`meshsim sample`: the same requests for the same seed, in every format, with what a check would need."""

import csv
import io
import json
import subprocess
import sys
from argparse import Namespace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from meshsim import session as sessions
from meshsim.analysis.sampling import Sample, sample
from meshsim.analysis.statistics import counts_fit
from meshsim.cli import sample as command
from meshsim.cli.parsing import Parser
from meshsim.model.errors import UsageError
from meshsim.report import sample as printed
from meshsim.simulation.units import Client

SCENARIOS = Path(__file__).parents[2] / "scenarios"
BYPASSED = str(SCENARIOS / "client-local-waypoint")
APPLIED = str(SCENARIOS / "canary-virtualservice")


def options(*words: str) -> Namespace:
    parser = Parser(prog="meshsim sample", description="", epilog="")
    command.configure(parser)
    return parser.parse_args(words)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert command.run(options(*words)) == 0
    return capsys.readouterr().out


def test_the_table_has_the_lines_of_uniq_and_what_a_check_needs(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, BYPASSED, "-n", "50", "--from", "cluster2/shop/recommender", "--by", "version")
    counts = [int(line.split()[0]) for line in text.splitlines() if "expected" in line]
    assert sum(counts) == 50
    assert "one per pooled upstream connection" in text
    assert "tell 25% from 20% (1%/1%)" in text


def test_json_csv_and_npy_tell_of_the_same_requests(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = (APPLIED, "-n", "700", "--at", "weight:25", "--from", "cluster2/store/web")
    found = json.loads(run(capsys, *words, "-o", "json"))["moments"][0]["samples"][0]
    rows = list(csv.DictReader(io.StringIO(run(capsys, *words, "-o", "csv"))))
    assert {v["name"]: v["count"] for v in found["versions"]} == {
        row["name"]: int(row["count"]) for row in rows if row["kind"] == "version"
    }
    code = (
        "import sys; from meshsim.cli import sample as s; from meshsim.cli.parsing import Parser;"
        "p = Parser('s', '', ''); s.configure(p); s.run(p.parse_args(sys.argv[1:]))"
    )
    raw = subprocess.run([sys.executable, "-c", code, *words, "-o", "npy"], check=True, capture_output=True).stdout
    labels = np.load(io.BytesIO(raw))
    assert labels.shape == (700,)
    assert np.bincount(labels, minlength=len(found["leaves"])).tolist() == [leaf["count"] for leaf in found["leaves"]]


def test_the_same_seed_prints_the_same_bytes_and_another_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    words = (APPLIED, "-o", "json", "-n", "200")
    first = run(capsys, *words, "--seed", "7")
    assert run(capsys, *words, "--seed", "7") == first
    assert run(capsys, *words, "--seed", "8").replace('"seed": 8', '"seed": 7') != first


def samples(path: str, requests: int, client: Client | None = None) -> list[Sample]:
    found = sample(sessions.load(path), requests=requests, client=client)
    return [one for _, several in found for one in several if not one.why_not]


def test_fifty_requests_are_the_first_fifty_of_a_thousand() -> None:
    for few, many in zip(samples(APPLIED, 50), samples(APPLIED, 1000), strict=True):
        assert many.labels(50) == few.labels()


@pytest.mark.parametrize("requests", [5000, 10**9])
def test_counts_fit_the_exact_shares_of_the_trace(requests: int) -> None:
    found = samples(APPLIED, requests)
    for one in found:
        assert sum(one.counts) == requests
        assert counts_fit(one.counts, [leaf.share for leaf in one.leaves], 1e-6 / 2 / len(found))


def test_tallies_by_version_pod_and_cluster_have_the_verdicts_shares() -> None:
    for one in samples(APPLIED, 100):
        for kind, shares in (
            ("version", one.rows[0].versions),
            ("pod", one.rows[0].pods),
            ("cluster", one.rows[0].clusters),
        ):
            assert {tally.name: tally.share for tally in one.by(kind)} == dict(shares)


def test_an_applied_client_is_told_what_rules_out_each_bypass() -> None:
    against = [
        dict(one.against)
        for one in samples(APPLIED, 10)
        if one.leaves and one.rows[0].desired == {"stable": Fraction(9, 10), "canary": Fraction(1, 10)}
    ]
    assert against
    assert all(found["no request reaches the canary"].needed == 44 for found in against)


def test_a_masked_client_is_told_that_no_number_suffices() -> None:
    notes = [note.text for one in samples(str(SCENARIOS / "no-waypoint-masked"), 50) for note in one.power]
    assert notes
    assert set(notes) == {"masked: no number of requests suffices"}


def test_more_requests_over_one_kept_connection_narrow_no_interval() -> None:
    path = str(SCENARIOS / "no-waypoint-unmasked")
    kept = Client(connection="keep-alive")
    for few, many in zip(samples(path, 10, kept), samples(path, 10_000, kept), strict=True):
        assert few.draws == many.draws == 1
        assert len([count for count in many.counts if count]) == 1


def test_a_check_counts_what_the_sampled_client_draws() -> None:
    path = str(SCENARIOS / "no-waypoint-unmasked")
    for client, unit in ((None, "request"), (Client(connection="keep-alive", concurrency=10), "connection")):
        notes = [note for one in samples(path, 100, client) for note in one.power]
        assert notes
        assert {note.unit for note in notes} == {unit}


def test_an_undetermined_call_draws_nothing_and_says_why() -> None:
    found = sample(sessions.load(str(SCENARIOS / "flat-both-clusters-serve")), requests=10)
    why = [one.why_not for _, several in found for one in several if one.why_not]
    assert why
    assert all(text.startswith("nothing can be drawn: ") for text in why)
    assert why[0] in printed.table(found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "nobody"), "no call comes from 'nobody'"),
        (("-o", "npy"), "holds one client's requests"),
        (("-o", "npy", "-n", "1e12"), "labels do not fit"),
        (("--figure", "shares.gif"), "is no picture"),
        (("-n", "many"), "no number of requests"),
        (("-n", "-1"), "no number of requests"),
        (("--concurrency", "0"), "no whole number"),
    ],
)
def test_wrong_calls_are_refused_with_a_sentence(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        command.run(options(APPLIED, *words))


def test_no_requests_print_zeros(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, APPLIED, "-n", "0", "--at", "weight:25")
    assert "0 requests" in text


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_figure_is_written_and_the_same_each_time(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        run(capsys, BYPASSED, "-n", "300", "--figure", str(path))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].stat().st_size > 1000


def test_a_name_that_a_spreadsheet_would_run_is_text() -> None:
    assert printed._inert("=1+1") == "'=1+1"
    assert printed._inert("cluster1/a/b") == "cluster1/a/b"


def test_a_loop_through_the_timeline_is_printed_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "rollout.svg"
    text = run(capsys, str(SCENARIOS / "guide-virtualservice"), "--over-time", "--figure", str(figure))
    assert "130 docker.io/istio/examples-helloworld-v1:1.0  expected 100%" in text
    assert figure.stat().st_size > 1000


def test_over_time_refuses_a_moment() -> None:
    with pytest.raises(UsageError, match="without --at"):
        command.run(options(APPLIED, "--over-time", "--at", "weight:25"))


def test_a_picture_goes_to_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        assert command.run(options(BYPASSED, "-n", "50", "-o", kind)) == 0
        assert capfdbinary.readouterr().out.startswith(start)
    assert command.run(options(BYPASSED, "--over-time", "-o", "png")) == 0
    assert capfdbinary.readouterr().out.startswith(b"\x89PNG")


def test_the_published_numbers_of_requests_need_no_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    # Exact and one-sided, 1 % and 1 %: (1/2)^7, (4/5)^21, (9/10)^44 and (19/20)^90 are the first powers below 1/100;
    # 535 is the published number for 50 % against 40 %. (19/20)^50 is 7.7 %.
    text = run(capsys, "--power")
    numbers = [line.split()[:3] for line in text.splitlines() if line.startswith("  ")][1:]
    assert numbers == [
        ["50%", "0%", "7"],
        ["20%", "0%", "21"],
        ["10%", "0%", "44"],
        ["5%", "0%", "90"],
        ["50%", "40%", "535"],
    ]
    assert "miss a live canary of 5% 7.7% of the time" in text
    assert "raises a false alarm 11.9% of the time" in text


def test_power_takes_pairs_and_says_where_no_number_suffices(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, "--power", "1/2:2/5", "25%:25%", "5%", "-o", "json"))["pairs"]
    assert [pair["needed"] for pair in found] == [535, None, 90]
    assert "no number suffices" in run(capsys, "--power", "25%:25%")


@pytest.mark.parametrize("words", [("--power", "x:y"), ("--power", "50%:120%"), ("--power", "-o", "csv")])
def test_power_refuses_what_are_no_shares(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="--power"):
        command.run(options(*words))
