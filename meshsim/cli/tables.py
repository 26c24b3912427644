"""What the proxies of a cluster should hold: the tables that meshsim compiled, as istioctl would show them.

services, workloads   what istiod tells ztunnel         compare with `istioctl ztunnel-config service|workload`
routes, endpoints     what the cluster's Envoys hold    compare with `istioctl proxy-config route|endpoint`
all                   services and workloads as one dump, with -o json or yaml: as `istioctl ztunnel-config all -o json`

-o json has services and workloads in the words of ztunnel's config dump."""

import argparse
from typing import Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, add_moment, add_output, at_of, load, mode_of, paper
from meshsim.model.errors import UsageError

EXAMPLES: Final = """\
examples:
  meshsim tables scenarios/client-local-waypoint --of cluster2 services
  meshsim tables --of cluster1 routes --at step:3
  meshsim tables --of cluster1 endpoints --proxy waypoint:cluster1/default/waypoint
  meshsim tables --cluster east=clusters/east --of east workloads -o json
  meshsim tables --of cluster1 all --at step:2 -o json > cluster1-ztunnel.json
"""
WHAT: Final = ("services", "workloads", "routes", "endpoints", "all")


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "words", nargs="+", metavar="[SCENARIO] TABLE", help="services, workloads, routes, endpoints or all"
    )
    parser.add_argument("--of", metavar="CLUSTER", help="whose tables (needed where there are several clusters)")
    parser.add_argument("--proxy", metavar="ID", help="routes and endpoints of one Envoy: waypoint:cluster/ns/name, …")
    add_clusters(parser)
    add_moment(parser)
    add_output(parser, ("table", "json", "yaml"))


def run(options: argparse.Namespace) -> int:
    """Print the table."""
    from meshsim.report import held

    scenario, what = _words(options)
    at = at_of(options)
    session, _ = load(options, scenario)
    cluster = _cluster(options, tuple(session.mesh.clusters))
    moment = session.moments(at, mode_of(options))[0][0]
    situation = session.situation(moment, mode_of(options))
    emit(held.printed(situation, cluster, what, options.proxy, options.output, paper(options)))
    return 0


def _words(options: argparse.Namespace) -> tuple[str | None, str]:
    """The contract's `--cluster C` names whose tables are asked for; without `=` it is taken so."""
    *scenario, what = options.words
    if what not in WHAT or len(scenario) > 1:
        msg = f"meshsim tables does not know {' '.join(options.words)!r}"
        raise UsageError(msg, hint=f"write meshsim tables [SCENARIO] --cluster C {'|'.join(WHAT)}")
    if what == "all" and options.output == "table":
        msg = "all tables at once are a dump, not a table on paper"
        raise UsageError(msg, hint="add -o json, or name one table")
    named = [text for text in options.cluster if "=" not in text]
    options.cluster = [text for text in options.cluster if "=" in text]
    if named and options.of is None:
        options.of = named[-1]
    return (scenario[0] if scenario else None), what


def _cluster(options: argparse.Namespace, known: tuple[str, ...]) -> str:
    if options.of is None and len(known) == 1:
        return known[0]
    if options.of not in known:
        msg = "which cluster's tables?" if options.of is None else f"there is no cluster {options.of!r}"
        raise UsageError(msg, hint=f"--cluster {' or '.join(known)}")
    return str(options.of)
