"""The counts that a curl loop would print, drawn from the exact shares: by version, pod and cluster, with intervals,
the law behind them, and how many requests a real check would need.

The same seed gives the same requests on every machine, and the first 50 of a million are the run of 50."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from meshsim.cli.app import emit, emit_bytes
from meshsim.cli.options import add_clusters, add_file, add_moment, at_of, load, mode_of
from meshsim.model.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from meshsim.analysis.sampling import Sample
    from meshsim.report.sample import Moments
    from meshsim.report.sample_figure import File
    from meshsim.session import Session
    from meshsim.simulation.units import Client

EXAMPLES: Final = """\
examples:
  meshsim sample -n 50                                 as `for i in $(seq 50); do curl …; done | sort | uniq -c`
  meshsim sample -n 1000 --seed 7 --from cluster2/default/curl --by version
  meshsim sample --at weight:25 --connection keep-alive --concurrency 10
  meshsim sample -n 1000000 -o json | jq '.moments[0].samples[].versions'
  meshsim sample -n 10000 --figure shares.svg
  meshsim sample --from cluster2/default/curl -o svg --file shares.svg
  meshsim sample --over-time --figure rollout.svg      a loop that runs through the timeline
  meshsim sample --power 5%:0 50%:40%                  requests that tell 5% from 0, and 50% from 40% (no scenario)
"""
KINDS: Final = ("version", "pod", "cluster")
PICTURES: Final = ("svg", "png")
MOST: Final = 10**18
MOST_LABELS: Final = 10**9


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "scenario", nargs="?", help="a scenario file, or a directory that has one (default: ./scenario.yaml)"
    )
    group = parser.add_argument_group("what is drawn")
    group.add_argument(
        "-n", "--requests", type=_number, metavar="N", help="requests of each client (default: the scenario's, else 50)"
    )
    group.add_argument("--seed", type=int, metavar="S", help="(default: the scenario's, else 1)")
    group.add_argument("--from", dest="frm", metavar="CLIENT", help="this client alone, as `run` names it")
    group.add_argument(
        "--connection", choices=("new", "keep-alive"), help="a connection per request, or kept (default: the call's)"
    )
    group.add_argument(
        "--concurrency", type=_positive, metavar="C", help="the client's connections at once (default: the scenario's)"
    )
    group.add_argument(
        "--per-connection", type=_positive, metavar="K", help="requests after which a kept connection is closed"
    )
    group.add_argument(
        "--pool",
        type=_positive,
        metavar="P",
        help="pooled upstream connections of an Envoy (default: the concurrency, else 16)",
    )
    group.add_argument(
        "--sessions", type=_number, metavar="J", help="cookie jars: each keeps the backend that it met first"
    )
    group.add_argument(
        "--over-time", action="store_true", help="through the timeline at the scenario's traffic.rate (else 1/s)"
    )
    add_clusters(parser)
    add_moment(parser)
    group = parser.add_argument_group("output")
    group.add_argument("--by", action="append", choices=KINDS, help="what the table counts (repeatable; default: all)")
    group.add_argument(
        "-o",
        "--output",
        choices=("table", "json", "csv", "npy", *PICTURES),
        default="table",
        help="npy: the leaf of each request; svg and png: the figure",
    )
    add_file(group)
    group.add_argument("--figure", metavar="FILE", help="also a histogram and the share over time: .svg, .png or .pdf")
    group.add_argument(
        "--power",
        nargs="*",
        metavar="APPLIED:BYPASSED",
        help="how many requests tell two canary shares apart (default: the usual ones); it needs no scenario",
    )


def run(options: argparse.Namespace) -> int:
    """Print the samples; 0 whatever they show."""
    if options.power is not None:
        return _power(options)
    from meshsim.analysis.sampling import sample
    from meshsim.report import sample as printed

    at = at_of(options)
    _check_figure(options.figure)
    session, heading = load(options, options.scenario)
    if options.over_time:
        return _over_time(session, options)
    requests = session.scenario.sampling.requests if options.requests is None else options.requests
    if options.output == "npy" and requests > MOST_LABELS:
        msg = f"{requests:,} labels do not fit"
        raise UsageError(msg, hint=f"npy holds up to {MOST_LABELS:,}; the other formats any number")
    found = sample(
        session,
        requests=requests,
        seed=options.seed,
        at=at,
        mode=mode_of(options),
        frm=options.frm,
        client=_client(options, session.scenario.traffic.concurrency),
    )
    if options.frm is not None and not any(samples for _, samples in found):
        known = dict.fromkeys(
            call.caller.name for moment, _ in found for call, _ in session.rows(moment, mode_of(options))
        )
        msg = f"no call comes from {options.frm!r}"
        raise UsageError(msg, hint=f"there is {', '.join(known) or 'none'}")
    match options.output:
        case "json":
            emit(printed.as_text(found, heading.scenario))
        case "csv":
            emit(printed.as_csv(found))
        case "npy":
            emit_bytes(printed.as_npy(_only(found)))
        case "svg" | "png":
            _figure(_drawn(found), None, options.output, session.scenario.traffic.rate)
        case _:
            emit(printed.table(found, tuple(dict.fromkeys(options.by)) if options.by else KINDS))
    if options.figure is not None:
        _figure(_drawn(found), options.figure, _kind(options.figure), session.scenario.traffic.rate)
    return 0


def _power(options: argparse.Namespace) -> int:
    """What checks need, before there is any scenario."""
    from meshsim.report import power

    if options.output not in {"table", "json"} or options.scenario is not None:
        msg = "--power goes with -o table or json, and without a scenario"
        raise UsageError(msg, hint="meshsim run says what each bypassed call of a scenario needs")
    pairs = tuple(map(_pair, options.power)) or power.PAIRS
    emit(power.as_text(pairs) if options.output == "json" else power.table(pairs))
    return 0


def _pair(text: str) -> "tuple[Fraction, Fraction]":
    from meshsim.model.shares import parse_share

    applied, colon, bypassed = text.partition(":")
    try:
        return parse_share(applied), parse_share(bypassed if colon else "0")
    except ValueError as error:
        msg = f"--power {text}: {error}"
        raise UsageError(msg, hint="write --power 50%:40%: the canary's share if applied, and if bypassed") from None


def _over_time(session: "Session", options: argparse.Namespace) -> int:
    """A loop that runs through the whole timeline: a table of its intervals, and the figure."""
    from fractions import Fraction

    from meshsim.analysis.course import Course
    from meshsim.analysis.intervals import timeline
    from meshsim.analysis.sampling_time import over_time
    from meshsim.report import sample as printed

    if options.output not in {"table", *PICTURES} or options.at is not None:
        msg = "--over-time goes with the table, a picture and --figure, and without --at"
        raise UsageError(msg, hint="leave out -o and --at")
    rate = Fraction(session.scenario.traffic.rate or 1)
    seed = session.scenario.sampling.seed if options.seed is None else options.seed
    mode = mode_of(options)
    found, course = timeline(session, mode=mode), Course(session, mode)
    lanes = over_time(found, rate=rate, seed=seed, frm=options.frm, course=course)
    from meshsim.report.sample_figure import draw_over_time

    if options.output in PICTURES:
        _picture(lambda file: draw_over_time(lanes, file, options.output), None)
    else:
        emit(printed.over_time(lanes))
    if options.figure is not None:
        _picture(lambda file: draw_over_time(lanes, file, _kind(options.figure)), options.figure)
    return 0


def _client(options: argparse.Namespace, busy: int | None) -> "Client | None":
    """The client that the options describe; None where they leave it to the scenario."""
    given = (options.connection, options.concurrency, options.per_connection, options.pool, options.sessions)
    if given == (None,) * 5:
        return None
    from meshsim.simulation.units import POOL, Client

    kept = options.connection == "keep-alive" or (options.connection is None and options.per_connection is not None)
    concurrency = options.concurrency or busy or 1
    return Client(
        connection="keep-alive" if kept else "new",
        concurrency=concurrency,
        per_connection=options.per_connection,
        pool=options.pool or options.concurrency or busy or POOL,
        sessions=options.sessions or 0,
    )


def _only(found: "Moments") -> "Sample":
    drawn = [one for _, samples in found for one in samples if not one.why_not]
    if len(drawn) != 1:
        names = ", ".join(dict.fromkeys(f"--from {one.rows[0].frm}" for one in drawn))
        msg = f"-o npy holds one client's requests at one moment, not {len(drawn)}"
        raise UsageError(
            msg,
            hint=f"add --at and one of {names}" if drawn else "nothing can be drawn here; see -o table",
        )
    return drawn[0]


def _check_figure(path: str | None) -> None:
    from meshsim.report.sample_figure import SUFFIXES

    if path is not None and Path(path).suffix not in SUFFIXES:
        msg = f"--figure {path!r} is no picture"
        raise UsageError(msg, hint=f"end its name in {', '.join(SUFFIXES)}")


def _kind(path: str) -> str:
    return Path(path).suffix.removeprefix(".")


def _drawn(found: "Moments") -> "list[Sample]":
    return [one for _, samples in found for one in samples]


def _figure(samples: "list[Sample]", path: str | None, kind: str, rate: float | None) -> None:
    from meshsim.report.sample_figure import draw

    _picture(lambda file: draw(samples, file, kind, rate), path)


def _picture(draw: "Callable[[File], None]", path: str | None) -> None:
    """A picture in a file, or on standard output where no file is named."""
    if path is None:
        from io import BytesIO

        content = BytesIO()
        draw(content)
        emit_bytes(content.getvalue())
        return
    try:
        draw(path)
    except OSError as error:
        msg = f"--figure {path}: {error.strerror or error}"
        raise InputError(msg) from None


def _number(text: str) -> int:
    plain = text.replace("_", "").replace(",", "")
    try:
        found = int(float(plain)) if "e" in plain.lower() else int(plain)
    except (ValueError, OverflowError):
        found = -1
    if not 0 <= found <= MOST:
        msg = f"{text!r} is no number of requests from 0 to {MOST:,}"
        raise argparse.ArgumentTypeError(msg)
    return found


def _positive(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        msg = f"{text!r} is no whole number from 1 on"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
