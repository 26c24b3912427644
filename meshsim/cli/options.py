"""Options that verbs share: where the scenario is, which moment, and how to print."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from meshsim.cli.moment import moment
from meshsim.model.errors import InputError, UsageError
from meshsim.report.formats import FORMATS, Heading, Paper
from meshsim.report.words import quoted

if TYPE_CHECKING:
    from meshsim.session import Session

DEFAULT_WIDTH: Final = 100
NARROWEST: Final = 40


def add_clusters(parser: argparse.ArgumentParser) -> None:
    """`--cluster NAME=PATH` in place of a scenario file, and what only makes sense with it."""
    group = parser.add_argument_group("without a scenario file")
    group.add_argument(
        "--cluster",
        metavar="NAME=PATH",
        action="append",
        default=[],
        help="a cluster's manifests: a file, directory, glob, or - (repeatable, also for one NAME)",
    )
    group.add_argument(
        "--dialect", metavar="PRODUCT/VERSION", help="solo/1.27 to 1.30, istio/1.28 to 1.31 (default solo/1.30)"
    )
    group.add_argument(
        "--dataplane",
        choices=("ambient", "sidecar", "none"),
        help="stands in for namespaces that no manifest describes",
    )


def add_moment(parser: argparse.ArgumentParser) -> None:
    """Which moment is asked for."""
    group = parser.add_argument_group("which moment")
    group.add_argument(
        "--at",
        metavar="T",
        help="240s, 4m, 60s#3, step:2, weight:25 (default: at rest after the timeline, else every weight's probe)",
    )
    start = group.add_mutually_exclusive_group()
    start.add_argument("--settle", action="store_true", help="take every Rollout as settled, whatever its status says")
    start.add_argument("--observed", action="store_true", help="take every Rollout as its status says")


def add_output(parser: argparse.ArgumentParser, formats: Sequence[str] = tuple(FORMATS)) -> None:
    """How to print."""
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--output", choices=tuple(formats), default="table", help="default: table")
    add_file(group)
    group.add_argument(
        "--no-color", action="store_true", help="no colours (as NO_COLOR=1; FORCE_COLOR=1 for colours in a pipe)"
    )
    group.add_argument(
        "--width", type=_width, metavar="N", help="columns (default: the terminal's; unlimited in a pipe)"
    )


def add_file(group: "argparse._ArgumentGroup") -> None:
    """Where the result goes: `main` sends standard output there."""
    group.add_argument("--file", dest="into", metavar="FILE", help="write there instead of to standard output")


def number(least: int, most: int) -> "argparse._ActionType":
    """The type of an option that is a whole number within bounds."""

    def read(text: str) -> int:
        if not text.isdigit() or not least <= int(text) <= most:
            msg = f"{text!r} is no number from {least} to {most}"
            raise argparse.ArgumentTypeError(msg)
        return int(text)

    return read


def load(options: argparse.Namespace, scenario: str | None) -> "tuple[Session, Heading]":
    """The session that the options ask for, and how to ask for it again."""
    clusters = clusters_of(options.cluster)
    if clusters and scenario is not None:
        msg = f"both a scenario ({scenario}) and --cluster are given"
        raise UsageError(
            msg,
            hint="use one of them: a scenario names its clusters",
        )
    for name in ("dialect", "dataplane"):
        if getattr(options, name) is not None and not clusters:
            msg = f"--{name} goes with --cluster"
            raise UsageError(msg, hint=f"write `{name}: {getattr(options, name)}` in the scenario")
    if options.dialect is not None:
        _known_dialect(options.dialect)
    source = clusters or scenario or _here()
    from meshsim import session

    loaded = session.load(source, dialect=options.dialect, dataplane=options.dataplane)
    found = loaded.scenario
    heading = Heading(
        scenario=found.name,
        dialect=found.dialect,
        source=_again(options, scenario),
        file=found.path or "",
    )
    return loaded, heading


def at_of(options: argparse.Namespace) -> float | str | None:
    """The moment asked for."""
    return moment(options.at) if options.at is not None else None


def mode_of(options: argparse.Namespace) -> str:
    """How a Rollout's status is taken."""
    return "settle" if options.settle else "observed" if options.observed else "auto"


def clusters_of(given: list[str]) -> dict[str, str | list[str]]:
    """`NAME=PATH` options as a mapping; a name that is given twice has two sources."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            msg = f"--cluster {text!r} is not NAME=PATH"
            raise UsageError(msg, hint="write --cluster east=clusters/east")
        found.setdefault(name, []).append(path)
    return {name: paths[0] if len(paths) == 1 else paths for name, paths in found.items()}


def paper(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Paper:
    """What standard output is: a terminal is drawn on, a pipe gets plain columns, unless FORCE_COLOR asks otherwise."""
    forced = bool(environ.get("FORCE_COLOR"))
    terminal = sys.stdout.isatty()
    drawn = forced or (terminal and environ.get("TERM") != "dumb")
    no_color = options.no_color or (bool(environ.get("NO_COLOR")) and not forced)
    width = options.width or (_columns(environ) if terminal or forced else None)
    return Paper(width=width, drawn=drawn, coloured=drawn and not no_color)


def _columns(environ: Mapping[str, str]) -> int:
    columns = environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) >= NARROWEST:
        return int(columns)
    try:
        return max(os.get_terminal_size(sys.stdout.fileno()).columns, NARROWEST)
    except (OSError, ValueError):
        return DEFAULT_WIDTH


def _width(text: str) -> int:
    if not text.isdigit() or not NARROWEST <= int(text) <= 10_000:
        msg = f"{text!r} is no width: {NARROWEST} columns or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _here() -> str:
    if not os.path.exists("scenario.yaml"):
        msg = "there is no scenario.yaml here"
        raise InputError(
            msg,
            hint="name a scenario, or clusters (--cluster NAME=PATH); `meshsim init` writes a scenario to start from",
        )
    return "scenario.yaml"


def _known_dialect(name: str) -> None:
    from meshsim.scenario.notation import did_you_mean
    from meshsim.scenario.scenario import DIALECTS

    if name not in DIALECTS:
        msg = f"--dialect {name!r} is not known"
        raise UsageError(msg, hint=did_you_mean(name, DIALECTS))


def _again(options: argparse.Namespace, scenario: str | None) -> str:
    """What has to follow a verb to ask the same again."""
    words = [quoted(scenario)] if scenario is not None else []
    words += [f"--cluster {quoted(text)}" for text in options.cluster]
    words += [
        f"--{name} {quoted(value)}"
        for name in ("dialect", "dataplane", "at")
        if (value := getattr(options, name, None))
    ]
    words += [f"--{name}" for name in ("settle", "observed") if getattr(options, name, False)]
    return " ".join(words)
