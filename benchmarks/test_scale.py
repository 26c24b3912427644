"""Very many clients: default calls should cost what reading does, and all pairs some hundreds of runs and one array.

T8, T9 and T15: 10 clusters, each with the same 1,000 global Services (100 of them governed by a Rollout in the first
cluster) in 20 namespaces with a waypoint each, and 250 client workloads of 4 pods: 10,000 client pods in total, and the
1,000 global names. The mesh has 30,000 manifests; building it is not measured.
"""

from pathlib import Path
from typing import Any

import pytest

import meshsim
from benchmarks.ratios import ratio, report
from benchmarks.synthetic import mesh

CLUSTERS, SERVICES, GOVERNED = 2, 40, 4


def test_default_calls_grow_with_the_clients(benchmark: Any, tmp_path: Path) -> None:
    """Four times the clients: the rows are the same, and the work is at most four times."""
    few, many = (
        mesh(tmp_path / str(count), clusters=CLUSTERS, services=SERVICES, clients=count, governed=GOVERNED)
        for count in (100, 400)
    )
    sessions = [meshsim.load(paths, dialect="solo/1.30") for paths in (few, many)]
    rows = [session.answer().moments[0].rows for session in sessions]
    assert len(rows[0]) == len(rows[1])
    assert rows[1][0].members > rows[0][0].members

    def answered(session: Any) -> object:
        return session.forked(session.mesh).answer()

    found = ratio(lambda: answered(sessions[1]), lambda: answered(sessions[0]), rounds=5)
    report(benchmark, "T16", "the default calls of 880 workloads / of 280", found, "≤ 4", lambda: answered(sessions[1]))


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The verdict matrix of the large mesh, for its client workloads (`w0`, `w1`, …)."""
    from meshsim.analysis.matrix import VerdictMatrix, all_addresses, client_pods

    paths = mesh(tmp_path_factory.mktemp("large"), clusters=10, services=1_000, clients=250, governed=100)
    session = meshsim.load(paths, dialect="solo/1.30")
    situation = session.situation(session.moments(None)[0][0])
    pods = [pod for pod in client_pods(situation) if pod.workload.startswith("w")]
    found = VerdictMatrix(situation, pods, all_addresses(situation, "mesh.internal"))
    assert (len(found.clients), len(found.addresses)) == (10_000, 1_000)
    return found


def test_t8_all_verdicts_cost_little_more_than_writing_them(benchmark: Any, matrix: Any) -> None:
    import numpy as np

    source = np.arange(256, dtype=np.uint8)
    places = np.random.default_rng(1).integers(0, 256, size=10_000_000, dtype=np.intp)
    found = ratio(matrix.verdicts, lambda: source.take(places))
    what = "all verdicts of 1e7 pairs / numpy.take writing as many bytes"
    report(benchmark, "T8", what, found, "<= 4", matrix.verdicts)


def test_t9_few_runs_answer_all_pairs(benchmark: Any, matrix: Any) -> None:
    assert matrix.runs <= 2_000
    report(benchmark, "T9", "resolver runs for 1e7 pairs", f"{matrix.runs:,}", "<= 2,000", lambda: None)


def test_t15_a_pair_takes_a_byte(benchmark: Any, matrix: Any) -> None:
    verdicts, outcomes = matrix.verdicts(), matrix.outcome_numbers()
    assert verdicts.nbytes == verdicts.size
    assert outcomes.nbytes == 2 * outcomes.size
    what = "memory of all verdicts; of all outcomes"
    report(benchmark, "T15", what, "1; 2 bytes a pair", "<= 2 bytes a pair", lambda: None)
