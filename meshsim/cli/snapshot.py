"""Clusters as they are, read with your own kubectl into a directory that `meshsim run` takes and git can diff.

Only `kubectl api-resources` and `kubectl get` are called, only for kinds that bear on routing, never for Secrets.
What may not be read is left out, said here, and written to the scenario: calls that may depend on it are undetermined.
Literal values of environment variables in templates stay, as the pod-template hash is made of them: look before you
commit.

Where istioctl is there, `istioctl ztunnel-config all` and `istioctl proxy-config all` (one pod of each waypoint,
gateway and workload with a sidecar) say what the proxies hold, and `meshsim run` works on that; --no-dumps: leave it.

exit codes: 0 written, 2 wrong call, 3 a context that cannot be read, or a directory that is no snapshot."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from meshsim.cli.app import emit
from meshsim.model.errors import MeshsimError, UsageError

if TYPE_CHECKING:
    from meshsim.live.dumps import Taken
    from meshsim.live.reading import Read, Wanted

EXAMPLES: Final = """\
examples:
  meshsim snapshot --context kind-east --context kind-west -o snapshot && meshsim run snapshot
  meshsim snapshot --context east=arn:aws:eks:eu-west-1:123456789012:cluster/east --namespace shop -o snapshot
  meshsim snapshot --context kind-east -o snapshot --dry-run
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "--context",
        action="append",
        default=[],
        metavar="[NAME=]CONTEXT",
        help="a context of your kubeconfig, and the cluster's name in the scenario (repeatable)",
    )
    parser.add_argument("--kubeconfig", metavar="FILE", help="default: kubectl's own")
    parser.add_argument(
        "--namespace", "-n", action="append", default=[], metavar="NS", help="only these and istio-system (repeatable)"
    )
    parser.add_argument("--dialect", metavar="PRODUCT/VERSION", help="written to the scenario")
    parser.add_argument("-o", "--output", metavar="DIR", help="where to write: a new directory, or an older snapshot")
    parser.add_argument("--no-dumps", action="store_true", help="do not ask the proxies what they hold")
    parser.add_argument("--dry-run", action="store_true", help="print the kubectl and istioctl calls; call nothing")


def run(options: argparse.Namespace) -> int:
    """Take the snapshot."""
    wanted = _wanted(options)
    if options.dialect is not None:
        from meshsim.scenario.notation import did_you_mean
        from meshsim.scenario.scenario import DIALECTS

        if options.dialect not in DIALECTS:
            msg = f"--dialect {options.dialect!r} is not known"
            raise UsageError(msg, hint=did_you_mean(options.dialect, DIALECTS))
    if options.dry_run:
        import shlex

        from meshsim.live import dumps
        from meshsim.live.reading import commands

        calls = [command for one in wanted for command in commands(one)]
        calls += [command for one in wanted if not options.no_dumps for command in dumps.commands(one)]
        emit("".join(f"{shlex.join(command)}\n" for command in calls))
        return 0
    if not options.output:
        msg = "where shall the snapshot go?"
        raise UsageError(msg, hint="write -o DIR")
    from meshsim.live import commands as programs
    from meshsim.live.reading import read_cluster
    from meshsim.live.snapshot import write

    reads = [read_cluster(one, programs.run) for one in wanted]
    directory = Path(options.output)
    files = write(directory, reads, options.dialect)
    asked: dict[str, Taken | None] = {}
    notes: list[str] = []
    if not options.no_dumps:
        try:
            asked = _dumps(directory, wanted)
        except MeshsimError as error:
            notes.append(f"the proxies were not asked, as the manifests cannot be loaded: {error}")
        taken = {name: one for name, one in asked.items() if one is not None}
        if taken:
            files = write(directory, reads, options.dialect, taken)
    emit(_said(options.output, reads, asked, notes, len(files)))
    return 0


def _dumps(directory: Path, wanted: "list[Wanted]") -> "dict[str, Taken | None]":
    from meshsim.live import commands as programs
    from meshsim.live.dumps import take
    from meshsim.live.proxies import proxies

    pods = proxies(str(directory / "scenario.yaml"))
    return {one.name: take(one, pods[one.name], programs.run) for one in wanted}


def _said(
    directory: str, reads: "list[Read]", asked: "Mapping[str, Taken | None]", notes: list[str], files: int
) -> str:
    from meshsim.report.words import clean, quoted

    lines = []
    for read in reads:
        lines.append(f"{read.name}: {read.count} objects")
        lines += [f"  not read: {kind}: {why}" for kind, why in read.unread.items()]
        if read.absent:
            lines.append(f"  not installed: {', '.join(read.absent)}")
        lines += [f"  look before you commit: {warning}" for warning in read.warnings]
        if read.name in asked:
            lines += _held(asked[read.name])
    lines += notes
    if any(why == "forbidden" for read in reads for why in read.unread.values()):
        lines.append("where you may read some namespaces only: --namespace NS, once for each, asks for those alone")
    lines.append(f"{files} files in {directory}; next: meshsim run {quoted(directory)}")
    return "".join(f"{'  ' if line.startswith('  ') else ''}{clean(line)}\n" for line in lines)


def _held(taken: "Taken | None") -> list[str]:
    """What the proxies said of themselves."""
    if taken is None:
        return ["  no istioctl: what the proxies hold is not known"]
    held = [*(["ztunnel"] if taken.ztunnel is not None else []), *taken.envoy]
    lines = [f"  dumped: {', '.join(held)}"] if held else []
    return lines + [f"  not dumped: {proxy}: {why}" for proxy, why in taken.missing.items()]


def _wanted(options: argparse.Namespace) -> "list[Wanted]":
    from meshsim.live.reading import Wanted
    from meshsim.scenario.notation import check_cluster_name

    if not options.context:
        msg = "which clusters?"
        raise UsageError(msg, hint="write --context CONTEXT, once for each (kubectl config get-contexts lists them)")
    import re

    for namespace in options.namespace:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", namespace):
            msg = f"--namespace {namespace!r} is no name of a namespace"
            raise UsageError(msg)
    found = {}
    for text in options.context:
        name, equals, context = text.partition("=")
        if not equals:
            name, context = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-"), text
        check_cluster_name(name)
        if name in found or not context or name.startswith("."):
            msg = f"--context {text!r} names no cluster of its own"
            raise UsageError(msg, hint="write --context NAME=CONTEXT")
        found[name] = Wanted(
            name=name, context=context, kubeconfig=options.kubeconfig, namespaces=tuple(options.namespace)
        )
    return list(found.values())
