"""Every variant of some settings, from few runs: what the verdict depends on, what never matters, and which values
make it.

--vary SETTING=VALUE,VALUE,…: `-` is an absent value, 1..4 and 10..50..10 are numbers, a JSON list stands for itself.
The settings are

KINDS

The answer is the same whatever the engine.

exit codes: 0 no variant at or above --fail-on, 1 some, 2 wrong call, 3 wrong input, 4 only undetermined ones,
130 interrupted."""

import argparse
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from meshsim.cli.app import INTERRUPTED, emit, emit_bytes, no_terminal
from meshsim.cli.options import add_clusters, add_file, add_moment, at_of, load, mode_of
from meshsim.model.errors import UsageError

if TYPE_CHECKING:
    from meshsim.analysis.sweep import Sweep

EXAMPLES: Final = """\
examples:
  meshsim sweep --vary label:cluster2/Namespace/shop:istio.io/use-waypoint=waypoint,-
  meshsim sweep --vary replicas:cluster1/Rollout/shop/catalog=1..4 --vary at=step:1,step:3 -o png --file replicas.png
  meshsim sweep --vary dialect=solo/1.27,solo/1.30 --vary fail:eastwest:cluster1=no,yes -o csv
  meshsim sweep --vary 'field:cluster1/Rollout/shop/catalog:spec.strategy.canary.steps=[[{"setWeight":5},{"pause":{}}]]'
  meshsim sweep --vary … --workers 8 --journal sweep.jsonl      Ctrl-C, and the same command goes on
  meshsim sweep --vary … --scheduler tcp://scheduler:8786
"""
PICTURES: Final = ("png", "svg")


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    from meshsim.analysis.settings import KINDS

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (__doc__ or "").replace("KINDS", "\n".join(f"  {form}" for form in KINDS)).replace("%", "%%")
    parser.add_argument(
        "scenario", nargs="?", help="a scenario file, or a directory that has one (default: ./scenario.yaml)"
    )
    group = parser.add_argument_group("what is varied")
    group.add_argument(
        "--vary", metavar="SETTING=VALUES", action="append", default=[], help="a setting and its values (repeatable)"
    )
    group.add_argument("--from", dest="frm", metavar="CLIENT", help="calls from clients whose name has this")
    group.add_argument("--to", metavar="ADDRESS", help="calls to addresses that have this")
    group = parser.add_argument_group("engine")
    group.add_argument("--workers", type=_count, metavar="N", help="processes on this machine (default: this one)")
    group.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="an existing Dask cluster (meshsim[sweep])")
    group.add_argument("--journal", metavar="FILE", help="keep what is done; a sweep goes on from it")
    group.add_argument("--most-runs", type=_count, metavar="N", default=100_000, help="give up after (default: 100000)")
    add_clusters(parser)
    add_moment(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--output",
        choices=("table", "json", "csv", *PICTURES),
        default="table",
        help="png and svg: a heatmap of two settings, a panel a call",
    )
    add_file(group)
    group.add_argument(
        "--by", metavar="SETTING", action="append", default=[], help="the heatmap's rows, then its columns"
    )
    group.add_argument(
        "--fail-on",
        choices=("failing", "bypassed", "partial", "skewed", "undetermined", "never"),
        default="skewed",
        help="exit with 1 where a variant comes to this or worse (default: skewed)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the sweep."""
    from meshsim.analysis.gate import Gate
    from meshsim.analysis.journal import journal
    from meshsim.analysis.settings import parsed
    from meshsim.analysis.sweep import sweep
    from meshsim.analysis.sweep_rules import exit_code
    from meshsim.cli.engines import engine

    settings = [parsed(text) for text in options.vary]
    if not settings:
        msg = "there is nothing to vary"
        raise UsageError(msg, hint="write --vary label:cluster2/Namespace/shop:istio.io/use-waypoint=waypoint,-")
    if len(options.by) > 2 or (options.by and options.output not in PICTURES):
        msg = "--by names one or two settings of a heatmap"
        raise UsageError(msg, hint="add -o png or -o svg")
    if options.output in PICTURES:
        no_terminal()
    at = at_of(options)
    session, _ = load(options, options.scenario)
    try:
        with engine(options.workers, options.scheduler) as executor:
            found = sweep(
                session,
                settings,
                at=at,
                mode=mode_of(options),
                frm=options.frm,
                to=options.to,
                executor=executor,
                record=journal(options.journal) if options.journal is not None else None,
                most_runs=options.most_runs,
                progress=_progress(),
            )
    except KeyboardInterrupt:
        sys.stderr.write(_interrupted(options.journal))
        return INTERRUPTED
    _print(found, options)
    return exit_code(found, Gate(fail_on=options.fail_on))


def _print(found: "Sweep", options: argparse.Namespace) -> None:
    from meshsim.report import sweep as printed

    if options.output in PICTURES:
        from io import BytesIO

        from meshsim.report.sweep_figure import draw

        content = BytesIO()
        draw(found, content, options.output, options.by)
        emit_bytes(content.getvalue())
    elif options.output == "table":
        emit(printed.table(found))
    else:
        for piece in printed.as_json(found) if options.output == "json" else printed.as_csv(found):
            sys.stdout.write(piece)


def _interrupted(file: str | None) -> str:
    if file is None:
        return "\ninterrupted: nothing is kept; with --journal FILE a sweep goes on where it stopped\n"
    return f"\ninterrupted: what is done is kept in {file}; the same command goes on from there\n"


def _progress() -> Callable[[Fraction], None] | None:
    """A line on the terminal that says how much of the grid is done; nothing in a pipe."""
    if not sys.stderr.isatty():
        return None

    def told(done: Fraction) -> None:
        sys.stderr.write(f"\r{float(100 * done):.1f} % of the grid" if done < 1 else "\r\033[K")
        sys.stderr.flush()

    return told


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1_000_000_000:
        msg = f"{text!r} is no whole number from 1 on"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
