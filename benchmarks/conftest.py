"""Prints every ratio at the end of a run as one table."""

from typing import Any


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    session = getattr(config, "_benchmarksession", None)
    found = [bench.extra_info for bench in session.benchmarks] if session is not None else []
    rows = sorted((row for row in found if "id" in row), key=lambda row: int(str(row["id"]).lstrip("T")))
    if not rows:
        return
    terminalreporter.section("ratios")
    terminalreporter.write_line("| id | what | measured | target |")
    terminalreporter.write_line("|---|---|---|---|")
    for row in rows:
        value = row["ratio"]
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        terminalreporter.write_line(f"| {row['id']} | {row['what']} | {shown} | {row['target']} |")
