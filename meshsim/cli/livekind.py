"""The scenario on kind clusters: one for each of its clusters, Istio in ambient mode, Argo Rollouts, the manifests, the
timeline (or each weight held), the calls made for real, and the counts held against the model. Then all of it goes.

Docker, kind, kubectl with the argo-rollouts plugin, openssl, and istioctl or helm are yours, on this machine; Solo
Enterprise for Istio takes your istioctl and your licence. It creates clusters, contexts and a Docker network of its own
names, keeps a kubeconfig of its own, and touches nothing else. A run that failed goes on where it stopped.

exit codes: 0 agreement, 1 disagreement, 2 wrong call, 3 wrong input, a program that is missing, or a step that failed,
4 no disagreement, but something undetermined."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, load, number
from meshsim.model.errors import InputError, UsageError

if TYPE_CHECKING:
    from meshsim.live.kind.places import Settings
    from meshsim.live.kind.play import Runner
    from meshsim.live.kind.steps import Compare, Observe, Plan
    from meshsim.live.observe import Through
    from meshsim.report.formats import Heading
    from meshsim.session import Session

EXAMPLES: Final = """\
examples:
  meshsim live kind scenarios/guide-gateway-api --dry-run > kind.sh && bash kind.sh
  meshsim live kind scenarios/istio-client-local-waypoint --stand-in
  meshsim live kind . --istioctl ~/solo/istioctl --keep
  meshsim live kind . --install helm --istio-version 1.30.1
  meshsim live kind --delete
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("scenario", nargs="?", help="a scenario as for run (default: ./scenario.yaml)")
    parser.add_argument("--dry-run", action="store_true", help="print the whole as a bash script; run nothing")
    parser.add_argument("--keep", action="store_true", help="leave the clusters in the end")
    parser.add_argument("--delete", action="store_true", help="take away what an earlier run created; nothing else")
    parser.add_argument("--work", metavar="DIR", default="meshsim-kind", help="files and the record (./meshsim-kind)")
    parser.add_argument("--prefix", metavar="NAME", default="meshsim", help="of clusters and contexts (meshsim)")
    parser.add_argument(
        "--subnet", metavar="CIDR", default="172.30.0.0/16", help="of the Docker network (172.30.0.0/16)"
    )
    parser.add_argument("--node-image", metavar="IMAGE", default="", help="of the nodes (default: kind's own)")
    parser.add_argument(
        "--stand-in",
        action="store_true",
        help="pods that say their name in place of the scenario's images, for those that nobody can pull",
    )
    parser.add_argument("--requests", type=number(1, 10_000), default=100, metavar="N", help="of each call (100)")
    parser.add_argument(
        "--wait", type=number(10, 3600), default=300, metavar="S", help="for anything to be ready (300)"
    )
    group = parser.add_argument_group("Istio")
    group.add_argument("--install", choices=("istioctl", "helm"), default="istioctl", help="default: istioctl")
    group.add_argument(
        "--istioctl",
        action="append",
        default=[],
        metavar="[CLUSTER=]PATH",
        help="your istioctl, of the dialect's minor version (repeatable; default: istioctl)",
    )
    group.add_argument("--istio-version", metavar="V", default="", help="of the charts, for helm: 1.30.1, 1.30.2-solo")
    group.add_argument("--hub", default="", help="where images come from (default: the program's own)")
    group.add_argument("--tag", default="", help="of the images (default: the program's own)")
    group.add_argument(
        "--license-env",
        metavar="NAME",
        default="SOLO_LICENSE_KEY",
        help="the environment variable with your licence of Solo Enterprise for Istio (SOLO_LICENSE_KEY)",
    )
    add_clusters(parser)


def run(options: argparse.Namespace) -> int:
    """Play the scenario; return the exit code."""
    from meshsim.live import commands as programs
    from meshsim.live.kind.plan import plan
    from meshsim.live.kind.script import script

    if options.delete:
        return _delete(Path(options.work), programs.run)
    session, heading = load(options, options.scenario)
    if session.scenario.path == "-" or any(path.endswith("=-") for path in options.cluster):
        msg = "standard input can be read once, and this reads the scenario again and again"
        raise UsageError(msg, hint="write it to a file")
    made = plan(session, _source(options), _settings(options, list(session.mesh.clusters)))
    if options.dry_run:
        emit(script(made, options.work))
        return 0
    return play(made, session, heading, options, programs.run)


def play(made: "Plan", session: "Session", heading: "Heading", options: argparse.Namespace, run: "Runner") -> int:
    """Play a plan with a runner."""
    import time

    from meshsim.live.kind.play import Player

    _ready(made)
    player = Player(
        made,
        Path(options.work),
        run,
        observe=lambda command, file, through: _observe(made, session, command, file, run, through),
        compare=lambda command, file: _compare(session, heading, command, file),
        told=_told,
        clock=time.monotonic,
        sleep=time.sleep,
    )
    for note in made.notes:
        _told(f"note: {note}")
    code = player.play(keep=options.keep)
    if options.keep:
        _told(f"the clusters stay: export KUBECONFIG={Path(options.work).absolute() / 'kubeconfig'}")
    return code


def _delete(directory: Path, run: "Runner") -> int:
    """Take away what an earlier run created, whatever the scenario is now."""
    from meshsim.live.kind.play import recorded, remove

    if not recorded(directory):
        msg = f"{directory} has no record of anything created"
        raise InputError(msg, hint="name the directory with --work")
    _programs(("docker", "kind"))
    remove(directory, run, told=_told)
    return 0


def _programs(wanted: Sequence[str]) -> None:
    """Refuse where programs are missing, with all of their names."""
    import shutil

    missing = [name for name in wanted if shutil.which(os.path.expanduser(name)) is None]
    if missing:
        msg = f"not on this machine: {', '.join(missing)}"
        raise InputError(msg, hint="install them, or look at what would be done with --dry-run")


def _ready(made: "Plan") -> None:
    """Refuse, with every reason at once, what could not succeed."""
    _programs(made.programs)
    if made.lacking:
        first, *rest = made.lacking
        raise InputError("\n".join([first, *rest]), hint="--dry-run prints the script all the same")
    unset = [name for name in made.secrets if not os.environ.get(name)]
    if unset:
        msg = f"Solo Enterprise for Istio takes a licence, and the environment variable {unset[0]} is not set"
        raise InputError(msg, hint=f"export {unset[0]}=…, or name another with --license-env")


def _observe(
    made: "Plan",
    session: "Session",
    command: "Observe",
    file: Path,
    run: "Runner",
    through: "Mapping[str, Through]",
) -> None:
    from dataclasses import replace

    from meshsim.live import observe as watching
    from meshsim.live.reading import Wanted
    from meshsim.live.recording import text

    situation = session.situation(command.at, "settle")
    calls = [call for call in session.calls_in(situation) if call.target.host]
    config = str(file.parent / "kubeconfig")
    clusters = {n: Wanted(name=n, context=context, kubeconfig=config) for n, context in made.contexts.items()}
    settings = watching.Settings(requests=made.requests, container=made.container, through=through)
    rollouts = [managed.name for managed in situation.rollouts.values()]
    found = watching.observe(
        calls, rollouts, clusters, lambda words: run(words, timeout=120.0), settings, scenario=made.scenario
    )
    found = replace(found, observations=tuple(replace(one, at=command.at) for one in found.observations))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text(found), encoding="utf-8")


def _compare(session: "Session", heading: "Heading", command: "Compare", file: Path) -> int:
    from meshsim.cli.livecompare import code_of
    from meshsim.cli.options import DEFAULT_WIDTH
    from meshsim.live.against import hold
    from meshsim.live.published import read
    from meshsim.report.formats import Paper
    from meshsim.report.observed import printed

    found = hold(read(str(file)), session, mode="settle")
    emit(printed(found, heading, "table", Paper(width=DEFAULT_WIDTH)) + "\n")
    return code_of(found)


def _source(options: argparse.Namespace) -> Sequence[str]:
    """The words that name the scenario again."""
    words = [word for given in options.cluster for word in ("--cluster", given)]
    for name in ("dialect", "dataplane"):
        if getattr(options, name):
            words += [f"--{name}", getattr(options, name)]
    return words or [options.scenario or "."]


def _settings(options: argparse.Namespace, clusters: Sequence[str]) -> "Settings":
    import re

    from meshsim.live.kind.places import Settings

    named = {}
    for given in options.istioctl:
        cluster, equals, path = given.partition("=")
        if equals and cluster not in clusters:
            msg = f"--istioctl {given!r}: the scenario has no cluster {cluster!r}"
            raise UsageError(msg, hint=f"it has {', '.join(clusters)}")
        named[cluster if equals else ""] = os.path.expanduser(path if equals else given)
    for option in ("istio_version", "hub", "tag", "node_image"):
        if getattr(options, option).startswith("-"):
            msg = f"--{option.replace('_', '-')} {getattr(options, option)!r} looks like an option"
            raise UsageError(msg)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", options.license_env):
        msg = f"--license-env {options.license_env!r} is no name of an environment variable"
        raise UsageError(msg, hint="give the name of the variable, never the licence itself")
    return Settings(
        prefix=options.prefix,
        subnet=options.subnet,
        image=options.node_image,
        install=options.install,
        istioctl=named,
        istio_version=options.istio_version,
        hub=options.hub,
        tag=options.tag,
        licence=options.license_env,
        wait=float(options.wait),
        requests=options.requests,
        stand_in=options.stand_in,
    )


def _told(line: str) -> None:
    """Progress, on standard error."""
    from meshsim.report.words import clean

    sys.stderr.write(clean(line) + "\n")
