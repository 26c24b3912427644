"""Default calls of a mesh whose clients grow: classes are few, so the answer should cost what reading does."""

from pathlib import Path
from typing import Any

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
