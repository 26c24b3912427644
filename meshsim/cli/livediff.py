"""Dumps of live proxies held against the tables that the manifests compile to: which calls get something else, and the
rows that make it so, each with the manifest's and the dump's file and line.

The dumps are those that the scenario names (`dumps:`, as `meshsim snapshot` writes it), and --dump. Services and
workloads are ztunnels', routes, clusters and endpoints Envoys'. What differs without changing an answer is left out.

exit codes: 0 all calls get what the manifests say (with --all: no row differs), 1 different, 2 wrong call, 3 wrong
input or no dump."""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, add_moment, add_output, at_of, load, mode_of, paper
from meshsim.model.errors import InputError, UsageError

if TYPE_CHECKING:
    from meshsim.analysis.calls import Call
    from meshsim.mesh.mesh import Mesh


EXAMPLES: Final = """\
examples:
  meshsim live diff snapshot
  meshsim live diff canary/scenario.yaml --dump east/waypoint:shop/waypoint=waypoint.json --dump east/ztunnel=z.json
  meshsim live diff snapshot --all -o markdown
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("scenario", nargs="?", help="a scenario as for run (default: ./scenario.yaml)")
    parser.add_argument(
        "--dump",
        action="append",
        default=[],
        metavar="CLUSTER/PROXY=FILE[,FILE]",
        help="a dump beside those of the scenario: east/ztunnel=FILE, east/waypoint:NAMESPACE/NAME=FILE (repeatable)",
    )
    parser.add_argument("--all", action="store_true", help="every difference, not only those that change an answer")
    add_clusters(parser)
    add_moment(parser)
    add_output(parser, ("table", "json", "markdown"))


def run(options: argparse.Namespace) -> int:
    """Print what differs; 1 where a client gets something else than the manifests say (with --all: where anything
    differs)."""
    from meshsim.analysis.drift import drift, without_dumps
    from meshsim.report import drift as printing

    session, heading = load(options, options.scenario)
    if options.dump:
        session = session.forked(_with(session.mesh, options.dump))
    if not any(c.ztunnel_dump is not None or c.envoy_dumps for c in session.mesh.clusters.values()):
        msg = "no dump is named, so there is nothing to hold against the manifests"
        raise InputError(
            msg,
            hint="name dumps in the scenario (`dumps: {ztunnel: FILE, envoy: {PROXY: FILE}}`) or with --dump "
            "CLUSTER/ztunnel=FILE; meshsim snapshot writes them",
        )
    bare = session.forked(without_dumps(session.mesh))
    mode = mode_of(options)
    moment, weight = session.moments(at_of(options), mode)[0]
    model, held = bare.situation(moment, mode), session.situation(moment, mode)
    sides = [{_key(call): call for call in one.calls_in(at)} for one, at in ((bare, model), (session, held))]
    calls = [(sides[0].get(key), sides[1].get(key)) for key in dict.fromkeys((*sides[0], *sides[1]))]
    found = drift(model, held, calls, every=options.all)
    view = printing.view(found, heading.scenario, session.stated(moment, mode), weight, every=options.all)
    emit(printing.printed(view, options.output, paper(options)))
    return 1 if view.different else 0


def _key(call: "Call") -> tuple[object, ...]:
    return call.caller.name, call.to, call.path, tuple(call.headers.items()), call.connection


def _with(mesh: "Mesh", given: list[str]) -> "Mesh":
    """The Mesh with further dumps."""
    from meshsim.manifests.dumps import envoy, ztunnel
    from meshsim.scenario.dumps import PROXY, proxy_key

    for text in given:
        place, equals, path = text.partition("=")
        cluster, slash, proxy = place.partition("/")
        if not equals or not slash or not path:
            msg = f"--dump {text!r} is not CLUSTER/PROXY=FILE"
            raise UsageError(msg, hint=f"PROXY is ztunnel, {PROXY}")
        if cluster not in mesh.clusters:
            msg = f"--dump {text!r}: there is no cluster {cluster!r}"
            raise UsageError(msg, hint=f"the scenario has {', '.join(mesh.clusters)}")
        here = mesh.clusters[cluster]
        if proxy == "ztunnel":
            mesh = mesh.fork(replace(here, ztunnel_dump=ztunnel.read(path)))
            continue
        key = proxy_key(proxy, cluster)
        if not key:
            msg = f"--dump {text!r}: {proxy!r} is no proxy of {cluster}"
            raise UsageError(msg, hint=f"PROXY is ztunnel, {PROXY}")
        mesh = mesh.fork(replace(here, envoy_dumps={**here.envoy_dumps, key: envoy.read(path.split(","))}))
    return mesh
