"""What `istioctl ztunnel-config` and `istioctl proxy-config` should show in one cluster: the services and workloads
that its ztunnels know, the routes and endpoints of its waypoints and sidecars.

`-o json` of services and workloads has the form of `istioctl ztunnel-config … -o json`. Routes and endpoints are
meshsim's own rows, in Envoy's words. Ingress gateways are not listed: their routes are made as calls ask for them."""

import argparse
from typing import TYPE_CHECKING, Any, Final

from meshsim.cli.app import emit
from meshsim.cli.options import add_clusters, add_moment, at_of, load, mode_of
from meshsim.model.errors import UsageError

if TYPE_CHECKING:
    from meshsim.controlplane.compile import ControlPlane
    from meshsim.tables.envoy import Proxy

EXAMPLES: Final = """\
examples:
  meshsim tables --cluster cluster2 services
  meshsim tables scenarios/guide-gateway-api --cluster cluster1 routes --at weight:25
  meshsim tables --cluster east=clusters/east --cluster east workloads -o json
"""
WHAT: Final = ("services", "workloads", "routes", "endpoints")


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "words", nargs="+", metavar="[SCENARIO] services|workloads|routes|endpoints", help="which table"
    )
    add_clusters(parser)
    parser.add_argument("--proxy", metavar="ID", help="routes and endpoints of this proxy only (waypoint:C/NS/NAME)")
    add_moment(parser)
    parser.add_argument("-o", "--output", choices=("table", "json", "yaml"), default="table", help="default: table")


def run(options: argparse.Namespace) -> int:
    """Print one table."""
    scenario, what = _words(options.words)
    asked = [text for text in options.cluster if "=" not in text]
    options.cluster = [text for text in options.cluster if "=" in text]
    if len(asked) != 1:
        msg = "tables shows one cluster"
        raise UsageError(msg, hint=f"name it: meshsim tables --cluster cluster1 {what}")
    session, _ = load(options, scenario)
    if asked[0] not in session.mesh.clusters:
        msg = f"there is no cluster {asked[0]!r}"
        raise UsageError(msg, hint=f"clusters are {', '.join(session.mesh.clusters)}")
    moment = session.moments(at_of(options), mode_of(options))[0][0]
    plane = session.situation(moment, mode_of(options)).plane
    emit(_printed(plane, asked[0], what, options))
    return 0


def _words(words: list[str]) -> tuple[str | None, str]:
    what = words[-1]
    if what not in WHAT or len(words) > 2:
        msg = f"tables does not show {' '.join(words)!r}"
        raise UsageError(msg, hint=f"one of {', '.join(WHAT)}, after the scenario if there is one")
    return (words[0] if len(words) == 2 else None), what


def _printed(plane: "ControlPlane", cluster: str, what: str, options: argparse.Namespace) -> str:
    from meshsim.report import tables as text
    from meshsim.report.data import as_json, as_yaml
    from meshsim.tables import dump

    ztunnel = plane.cluster(cluster).ztunnel
    rows: list[dict[str, Any]]
    if what in {"services", "workloads"}:
        if options.proxy is not None:
            msg = "--proxy goes with routes and endpoints"
            raise UsageError(msg, hint="every ztunnel of a cluster holds the same services and workloads")
        if options.output == "table":
            return text.services(ztunnel) if what == "services" else text.workloads(ztunnel)
        rows = dump.services(ztunnel) if what == "services" else dump.workloads(ztunnel)
    else:
        proxies = _proxies(plane, cluster, options.proxy)
        if options.output == "table":
            return text.routes(proxies) if what == "routes" else text.endpoints(proxies)
        rows = _rows(proxies, what)
    return as_json(rows) if options.output == "json" else as_yaml(rows)


def _proxies(plane: "ControlPlane", cluster: str, only: str | None) -> list["Proxy"]:
    """The Envoys that the cluster's pods run, one for each locality, with every route made."""
    found: dict[tuple[str, str], Proxy] = {}
    for workload in plane.cluster(cluster).ztunnel.workloads.values():
        pod = plane.pod(workload.uid)
        if pod is None or pod.cluster != cluster or not pod.proxy or only not in {None, pod.proxy}:
            continue
        proxy = plane.proxy(pod.proxy, workload.locality)
        if proxy is not None:
            found[pod.proxy, str(workload.locality)] = proxy
    if not found and only is not None:
        msg = f"{cluster} runs no proxy {only!r}"
        raise UsageError(msg, hint="`meshsim tables … routes` without --proxy lists them")
    for proxy in found.values():
        for address in list(proxy.chains):
            proxy.chains.get(address)
    return [proxy for _, proxy in sorted(found.items())]


def _rows(proxies: list["Proxy"], what: str) -> list[dict[str, Any]]:
    from meshsim.tables.envoy import plain

    held = [(proxy, proxy.chains if what == "routes" else proxy.clusters) for proxy in proxies]
    return [{"proxy": proxy.id, **_mended(plain(row))} for proxy, rows in held for row in rows.values()]


def _mended(row: dict[str, Any]) -> dict[str, Any]:
    """Without what explains a row rather than being in it."""
    return {key: value for key, value in row.items() if key not in {"rule", "tags", "marks", "assumed"}}
