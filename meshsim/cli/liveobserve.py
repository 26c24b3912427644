"""A scenario's calls made for real: curl in the client pods of clusters that exist, through your own kubectl.

Answers are attributed to revisions by the pod's name in them (or their version), pods to revisions by the hash of
their ReplicaSet. What was counted is written as a file to commit: counts, names and versions; no body, no address.
kubectl is asked for `get` and `exec` only; curl must be in the client's image. A call that cannot be made says why, and
a rollout that moved meanwhile is said. `meshsim live compare` holds the file against the model.

exit codes: 0 observed, 1 a rollout moved or a call could not be made, 2 wrong call, 3 wrong input."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, at_of, load, number
from meshsim.model.errors import InputError, UsageError

if TYPE_CHECKING:
    from meshsim.live.observe import Settings, Through
    from meshsim.live.reading import Wanted
    from meshsim.live.recording import Observed, Recording

EXAMPLES: Final = """\
examples:
  meshsim live observe scenario.yaml --context cluster1=kind-east --context cluster2=kind-west -o observations.json
  meshsim live observe scenario.yaml --context cluster1=kind-east --requests 500 --dry-run
  meshsim live observe . --context east --identify 'served by (?P<pod>[a-z0-9-]+)' -o observations.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("scenario", nargs="?", help="a scenario as for run (default: ./scenario.yaml)")
    parser.add_argument(
        "--context",
        action="append",
        default=[],
        metavar="CLUSTER=CONTEXT",
        help="the context of your kubeconfig for a cluster of the scenario (repeatable; one word where both are equal)",
    )
    parser.add_argument("--kubeconfig", metavar="FILE", help="default: kubectl's own")
    parser.add_argument("--requests", type=number(1, 10_000), default=100, metavar="N", help="of each call (100)")
    parser.add_argument("--timeout", type=number(1, 60), default=5, metavar="S", help="seconds for a request (5)")
    parser.add_argument("--limit", type=number(1, 3600), default=300, metavar="S", help="seconds for a call (300)")
    parser.add_argument(
        "--identify",
        action="append",
        default=[],
        metavar="REGEX",
        help="how an answer names its pod: a group (?P<pod>…) or (?P<version>…); repeatable (default: `instance: POD`, "
        "`hostname: POD`, `version: V`, or any name of a Rollout's pod)",
    )
    parser.add_argument("--container", default="", metavar="NAME", help="of the client pods (default: the first)")
    parser.add_argument("--from", dest="frm", metavar="CLIENT", help="only calls of this client")
    parser.add_argument(
        "--through",
        action="append",
        default=[],
        metavar="CALLER=CLIENT[@ADDRESS]",
        help="who makes the calls of a caller that is no pod, and where it connects: "
        "ingress:cluster1/shop/front=cluster1/tools/curl@203.0.113.9 (repeatable)",
    )
    parser.add_argument("--names-only", action="store_true", help="leave out calls to IP addresses")
    parser.add_argument("--source", metavar="TEXT", help="said in the file: who observed, where (no date by default)")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write (default: standard output)")
    parser.add_argument("--dry-run", action="store_true", help="print the kubectl calls; call nothing")
    add_clusters(parser)
    group = parser.add_argument_group("which moment")
    group.add_argument(
        "--at", metavar="T", help="of the scenario: said in the file, where a comparison then takes place"
    )
    group.add_argument("--settle", action="store_true", help="take every Rollout as settled at the start")


def run(options: argparse.Namespace) -> int:
    """Observe; return the exit code."""
    from dataclasses import replace

    session, heading = load(options, options.scenario)
    clusters = _contexts(options, list(session.mesh.clusters))
    settings = _settings(options)
    at, mode = at_of(options), "settle" if options.settle else "auto"
    situation = session.situation(at if at is not None else session.moments(None, mode)[0][0], mode)
    calls = [call for call in session.calls_in(situation) if options.frm in {None, call.caller.name}]
    if options.names_only:
        calls = [call for call in calls if call.target.host]
    if not calls:
        msg = "there is no call to make" if options.frm is None else f"no call is from {options.frm!r}"
        raise UsageError(msg, hint="`meshsim run` lists the calls")
    rollouts = [managed.name for managed in situation.rollouts.values()]
    from meshsim.live import commands as programs
    from meshsim.live.observe import commands, observe
    from meshsim.live.recording import text

    if options.dry_run:
        import shlex

        emit("".join(f"{shlex.join(words)}\n" for words in commands(calls, rollouts, clusters, settings)))
        return 0
    found = observe(calls, rollouts, clusters, programs.run, settings, scenario=heading.scenario, told=_told)
    found = replace(found, source=options.source or found.source)
    if at is not None:
        found = replace(found, observations=tuple(replace(one, at=at) for one in found.observations))
    if options.output:
        _write(Path(options.output), text(found))
        emit(_said(found, options.output))
    else:
        emit(text(found))
    return 1 if any(one.moved or one.not_sent for one in found.observations) else 0


def _told(one: "Observed") -> None:
    """Progress, on standard error."""
    import sys

    from meshsim.report.words import clean

    said = one.not_sent or f"{one.requests} requests"
    sys.stderr.write(clean(f"{one.frm} → {one.to}{one.path}: {said}") + "\n")


def _said(found: "Recording", file: str) -> str:
    from meshsim.report.words import clean, quoted

    lines = []
    for one in found.observations:
        call = f"{one.frm} → {one.to}{one.path}"
        if one.not_sent:
            lines.append(f"{call}: not made: {one.not_sent}")
            continue
        counts = {**one.counted.get("roles", {}), **{f"error {code}": n for code, n in one.errors.items()}}
        counts |= {"unattributed": one.unattributed} if one.unattributed else {}
        lines.append(f"{call}: {', '.join(f'{name} {n}' for name, n in counts.items())} of {one.requests}")
        lines += [f"  moved meanwhile: {moved}" for moved in one.moved]
    lines.append(f"written to {file}; next: meshsim live compare {quoted(file)}")
    return "".join(f"{'  ' if line.startswith('  ') else ''}{clean(line)}\n" for line in lines)


def _contexts(options: argparse.Namespace, known: list[str]) -> "dict[str, Wanted]":
    from meshsim.live.reading import Wanted
    from meshsim.scenario.notation import did_you_mean

    if not options.context:
        msg = "which clusters?"
        raise UsageError(msg, hint=f"write --context {known[0] if known else 'CLUSTER'}=CONTEXT, once for each")
    found = {}
    for given in options.context:
        name, equals, context = given.partition("=")
        if name not in known:
            msg = f"--context {given!r}: the scenario has no cluster {name!r}"
            raise UsageError(msg, hint=did_you_mean(name, known))
        if name in found or (equals and not context):
            msg = f"--context {given!r} names no context of its own"
            raise UsageError(msg, hint=f"write --context {name}=CONTEXT")
        found[name] = Wanted(name=name, context=context or name, kubeconfig=options.kubeconfig)
    return found


def _settings(options: argparse.Namespace) -> "Settings":
    from meshsim.live.attribution import DEFAULT
    from meshsim.live.observe import Settings

    for pattern in options.identify:
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as error:
            msg = f"--identify {pattern!r} is no regular expression: {error}"
            raise UsageError(msg) from None
        if not groups & {"pod", "version"}:
            msg = f"--identify {pattern!r} has no group that names a pod or a version"
            raise UsageError(msg, hint="write (?P<pod>…) or (?P<version>…) around the name")
    if options.container and not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", options.container):
        msg = f"--container {options.container!r} is no name of a container"
        raise UsageError(msg)
    return Settings(
        requests=options.requests,
        timeout=options.timeout,
        limit=options.limit,
        container=options.container,
        patterns=tuple(options.identify) or DEFAULT,
        through=dict(_through(given) for given in options.through),
    )


def _through(given: str) -> "tuple[str, Through]":
    from meshsim.live.loop import Unsendable, address
    from meshsim.live.observe import Through

    caller, equals, rest = given.partition("=")
    client, at, where = rest.partition("@")
    if not equals or ":" not in caller or client.count("/") != 2 or (at and not where):
        msg = f"--through {given!r} is not CALLER=CLIENT[@ADDRESS]"
        hint = "write --through ingress:cluster1/shop/front=cluster1/tools/curl@203.0.113.9, or external:cluster1=…"
        raise UsageError(msg, hint=hint)
    try:
        if where:
            address(where)
    except Unsendable as error:
        msg = f"--through {given!r}: {error}"
        raise UsageError(msg) from None
    return caller, Through(client=client, address=where)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}"
        raise InputError(msg) from None
