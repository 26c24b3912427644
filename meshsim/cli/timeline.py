"""What happens over time, and what every client gets in each interval: what the Rollout wants, what the client gets,
the verdict, and what began it. Windows of errors and of staleness stand out.

With --at, the state that `kubectl argo rollouts get rollout` would print at that moment, SetWeight and ActualWeight
beside what clients really get; 60s#3 is after the third sync of that instant.

exit codes: 0, whatever it shows; 2 wrong call, 3 wrong input."""

import argparse
from typing import TYPE_CHECKING, Any, Final

from meshsim.cli.app import emit, emit_bytes, no_terminal
from meshsim.cli.options import add_clusters, add_file, add_moment, at_of, load, mode_of, paper
from meshsim.cli.progress import Progress
from meshsim.model.errors import UsageError

if TYPE_CHECKING:
    from meshsim.model.timeline import Timeline
    from meshsim.session import Session

EXAMPLES: Final = """\
examples:
  meshsim timeline scenarios/guide-gateway-api
  meshsim timeline --from cluster2 -o json | jq '.lanes[].intervals[] | select(.errors != [])'
  meshsim timeline scenarios/guide-gateway-api --at 130s#1
  meshsim timeline scenarios/time-failover -o png --file timeline.png
"""
FIGURES: Final = ("png", "svg")


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("scenario", nargs="?", help="a scenario file, or its directory (default: ./scenario.yaml)")
    parser.add_argument(
        "--from", dest="frm", metavar="F", help="only this client: cluster/namespace/workload, a suffix, or a cluster"
    )
    parser.add_argument("--to", metavar="HOST", help="only calls to this host, or host:port")
    parser.add_argument("--until", metavar="T", help="stop here (default: when nothing is pending any more)")
    parser.add_argument(
        "--safe-delay",
        metavar="ROLLOUT",
        help="also find the smallest scaleDownDelaySeconds of cluster/namespace/name without errors in any order",
    )
    add_clusters(parser)
    add_moment(parser)
    group = parser.add_argument_group("output")
    formats = ("table", "json", "yaml", "markdown", *FIGURES)
    group.add_argument("-o", "--output", choices=formats, default="table", help="default: table")
    add_file(group)
    group.add_argument("--no-color", action="store_true", help="no colours")
    group.add_argument("--width", type=int, metavar="N", help="columns (default: the terminal's; unlimited in a pipe)")


def run(options: argparse.Namespace) -> int:
    """Print the timeline."""
    at = at_of(options)
    if isinstance(at, str) and ":" in at:
        msg = f"--at {at}: a timeline has no probes"
        raise UsageError(msg, hint="write 60s, or 60s#3 for one sync of an instant")
    if options.output == "png":
        no_terminal()
    session, heading = load(options, options.scenario)
    from meshsim.simulation.timeline import micro

    t, n = (None, None) if at is None else micro(at) if isinstance(at, str) else (at, None)
    until = t if t is not None else _seconds(options.until)
    with Progress("resolving intervals") as progress:
        found = session.timeline(
            frm=options.frm,
            to=options.to,
            until=until,
            mode=mode_of(options),
            micro=options.output in {"json", "yaml"},
            progress=progress,
        )
        if not found.lanes and (options.frm or options.to):
            raise _nobody(session, options)
        if options.safe_delay is not None:
            found = _with_delay(session, found, options.safe_delay, until)
    if at is not None and options.output == "table":
        from meshsim.report.timelinetext import page

        rows = [row for _, rows in session.rows(at, mode_of(options)) for row in rows]
        emit(page(found, t or 0.0, n, rows, heading, paper(options)))
    else:
        _print(found, options, heading)
    return 0


def _print(found: "Timeline", options: argparse.Namespace, heading: Any) -> None:
    form = options.output
    if form in FIGURES:
        from meshsim.report.figures import image

        emit_bytes(image(found, form))
    elif form in {"json", "yaml"}:
        from meshsim.report.data import as_json, as_yaml
        from meshsim.report.timelinedata import timeline

        emit((as_json if form == "json" else as_yaml)(timeline(found)))
    else:
        from meshsim.report.timelinetext import markdown, table

        emit(markdown(found) if form == "markdown" else table(found, heading, paper(options)))


def _nobody(session: "Session", options: argparse.Namespace) -> UsageError:
    """No call is the one that --from and --to ask for."""
    asked = " ".join(f"{name} {value}" for name, value in (("--from", options.frm), ("--to", options.to)) if value)
    calls = {f"{call.caller.name} → {call.address}" for call in session.calls_in(session.situation(0.0))}
    listed = sorted(calls)[:8] + (["…"] if len(calls) > 8 else [])
    return UsageError(f"{asked}: there is no such call", hint=f"calls are {', '.join(listed) or 'none'}")


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    from meshsim.cli.moment import moment

    found = moment(text)
    if isinstance(found, str):
        msg = f"--until {text!r} is no time"
        raise UsageError(msg, hint="write 240s, 4m or 240")
    return found


def _with_delay(session: "Session", found: "Timeline", rollout: str, until: float | None) -> "Timeline":
    from dataclasses import replace

    if rollout not in found.rollouts:
        msg = f"there is no Rollout {rollout!r}"
        raise UsageError(msg, hint=f"Rollouts are {', '.join(found.rollouts) or 'none'}")
    seconds = session.safe_delay(rollout, until=until)
    if seconds is None:
        note = f"no scaleDownDelaySeconds of {rollout} keeps all clients from errors"
        return replace(found, notes=(*found.notes, note))
    return replace(found, safe_delays={f"scaleDownDelaySeconds of {rollout}": seconds})
