"""Scenarios whose Envoys' tables come from dumps."""

import json
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from scenarios.conftest import FOLDER, NAMES, answers, compiled

from meshsim.model.evidence import Dumped
from meshsim.model.verdict import Row, Verdict
from meshsim.session import Session, load

Make = Callable[..., tuple[Session, str | None]]
WAYPOINT = "cluster1/waypoint:shop/waypoint"
VIRTUAL_SERVICES = "networking.istio.io/v1/namespaces/shop/virtual-service"


@pytest.mark.parametrize("kinds", [("envoy",), ("ztunnel",), ("ztunnel", "envoy")], ids="+".join)
@pytest.mark.parametrize("name", NAMES)
def test_dumps_of_the_compiled_tables_give_the_manifests_verdicts(
    dumped: Make, name: str, kinds: tuple[str, ...]
) -> None:
    """What sources leave open, a dump settles."""
    session, moment = dumped(name, kinds=kinds)
    pairs = zip(session.verdicts(moment), compiled(name).rows, strict=True)
    for held, told in pairs:
        assert answers((held,)) == answers((told,)) or "MS902" in told.reasons


def sections(dump: dict[str, Any], key: str) -> list[Any]:
    return next(section[key] for section in dump["configs"] if key in section)


def routes(dump: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for found in sections(dump, "dynamic_listeners"):
        for chain in found["active_state"]["listener"]["filter_chains"]:
            manager = chain["filters"][-1]["typed_config"]
            for host in manager.get("route_config", {}).get("virtual_hosts", ()):
                yield from host["routes"]


def _routes_alone(_: str, dump: dict[str, Any]) -> None:
    """What Envoy's RoutesConfigDump has: the routes that listeners name, and those that stand in them."""
    found = [section for key in ("static_route_configs", "dynamic_route_configs") for section in _listed(dump, key)]
    for one in sections(dump, "dynamic_listeners"):
        for chain in one["active_state"]["listener"].get("filter_chains", ()):
            inline = chain["filters"][-1]["typed_config"].get("route_config")
            found += [{"route_config": inline}] if inline else []
    if any(one["route_config"].get("name") for one in found):
        kind = "type.googleapis.com/envoy.admin.v3.RoutesConfigDump"
        dump["configs"] = [{"@type": kind, "static_route_configs": found}]


def _listed(dump: dict[str, Any], key: str) -> list[Any]:
    return [row for section in dump["configs"] for row in section.get(key, ())]


@pytest.mark.parametrize("name", NAMES)
def test_routes_alone_leave_listeners_and_hosts_to_the_manifests(dumped: Make, name: str) -> None:
    session, moment = dumped(name, _routes_alone)
    for held, told in zip(session.verdicts(moment), compiled(name).rows, strict=True):
        assert answers((held,)) == answers((told,)) or "MS902" in told.reasons


def test_older_weights_in_routes_alone_are_seen(dumped: Make) -> None:
    def edit(name: str, dump: dict[str, Any]) -> None:
        _routes_alone(name, dump)
        for one in _listed(dump, "static_route_configs"):
            for host in one["route_config"]["virtual_hosts"]:
                for route in host["routes"]:
                    for part in route.get("route", {}).get("weighted_clusters", {}).get("clusters", ()):
                        part["weight"] = 5

    session, moment = dumped("canary-gateway-api", edit, only=WAYPOINT)
    row = row_of(session, moment, "cluster1/shop/cart")
    assert row.verdict is Verdict.SKEWED
    assert row.effective is not None
    assert row.effective.canary == Fraction(1, 2)


def row_of(session: Session, moment: str | None, frm: str) -> Row:
    (row,) = (row for row in session.verdicts(moment) if row.frm.startswith(frm))
    return row


def test_a_waypoint_that_holds_older_weights_gives_skewed_shares(dumped: Make) -> None:
    """The Rollout wrote 10; a waypoint that halves is asked."""

    def edit(name: str, dump: dict[str, Any]) -> None:
        for route in routes(dump) if name == WAYPOINT else ():
            for part in route["route"].get("weighted_clusters", {}).get("clusters", ()):
                part["weight"] = {10: 5, 90: 5}[part["weight"]]

    session, moment = dumped("canary-gateway-api", edit, only=WAYPOINT)
    row = row_of(session, moment, "cluster1/shop/cart")
    assert row.decided_by == "waypoint:cluster1/shop/waypoint"
    assert row.verdict is Verdict.SKEWED
    assert row.effective is not None
    assert row.effective.canary == Fraction(1, 2)


def test_what_a_dump_decided_is_evidence_of_its_file_and_line(dumped: Make) -> None:
    session, moment = dumped("canary-gateway-api", only=WAYPOINT)
    row = next(r for r in session.verdicts(moment) if (r.decided_by or "").startswith("waypoint:cluster1"))
    steps = [step for path in row.trace.paths() for step in path.steps if step.hop == row.decided_by]
    places = {fact.name: fact.evidence for step in steps for fact in step.facts}
    weights = [place for name, place in places.items() if name.endswith("weight")]
    assert len(weights) == 2
    for place in (*weights, next(p for name, p in places.items() if name.startswith("cluster "))):
        assert isinstance(place, Dumped)
        assert place.path.endswith("cluster1-waypoint-shop-waypoint.json")
        assert place.line > 1
    cluster = next(name for name in places if name.startswith("cluster "))
    lines = Path(places[cluster].path).read_text().splitlines()  # type: ignore[union-attr]
    assert lines[places[cluster].line - 1].strip() == "{"  # type: ignore[union-attr]
    nearby = " ".join(lines[places[cluster].line : places[cluster].line + 4])  # type: ignore[union-attr]
    assert cluster.removeprefix("cluster ") in nearby


def _elsewhere(name: str, dump: dict[str, Any]) -> None:
    """The same pods under the addresses of another network plan, as in a live cluster whose Pods are not at hand."""
    text = re.sub(r"100\.64\.", "10.244.", json.dumps(dump))
    dump.clear()
    dump.update(json.loads(text))


@pytest.mark.parametrize("name", NAMES)
def test_pods_at_unknown_addresses_are_known_by_where_they_are_listed_or_not_at_all(dumped: Make, name: str) -> None:
    """A revision's Service or subset lists that revision's pods. istiod says of a host its workload and never its
    revision: where only a Service of all pods lists it, nobody can tell."""
    session, moment = dumped(name, _elsewhere)
    for held, told in zip(session.verdicts(moment), compiled(name).rows, strict=True):
        if held.verdict is Verdict.UNDETERMINED and told.verdict is not Verdict.UNDETERMINED:
            assert name in {"ingress-direct", "policy-allows-only-the-waypoint"}
            assert held.reasons == ("MS901",)
            assert "no manifest explains: add its Pod, or a dump of its cluster's ztunnel" in held.notes[0]
        else:
            assert (held.verdict, held.effective) == (told.verdict, told.effective)


def test_an_address_that_the_model_made_up_tells_nothing_of_a_live_pod(dumped: Make) -> None:
    """A live mesh on 100.64.0.0/10, where the model gives its pods addresses: one host that has none of them shows that
    they are not the model's, and the revision's Service decides. Here the revisions have each other's addresses."""
    session = load(FOLDER / "canary-gateway-api")
    pods = session.situation("step:1").plane.registry.pod_by_uid.values()
    ips = {r: [p.ip for p in pods if p.path.startswith(f"cluster1/shop/checkout-{r}")] for r in ("54cbc", "7f484")}
    swapped = {ips["54cbc"][0]: ips["7f484"][0], ips["7f484"][0]: ips["54cbc"][0], ips["7f484"][1]: "100.64.9.9"}

    def edit(proxy: str, dump: dict[str, Any]) -> None:
        text = re.sub(r"100\.64\.\d+\.\d+", lambda ip: swapped.get(ip[0], ip[0]), json.dumps(dump))
        dump.clear()
        dump.update(json.loads(text))

    held, moment = dumped("canary-gateway-api", edit, only=WAYPOINT)
    row = row_of(held, moment, "cluster1/shop/cart")
    assert (row.verdict, row.effective) == (Verdict.APPLIED, row_of(session, moment, "cluster1/shop/cart").effective)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"redirect": {"path_redirect": "/x"}}, "redirect, the client is redirected"),
        ({"route": {"cluster_header": "x-to"}}, "a header names the cluster"),
        (
            {"typed_per_filter_config": {"envoy.filters.http.fault": {"abort": {"http_status": 503}}}},
            "faults are injected",
        ),
    ],
)
def test_what_a_route_does_beyond_the_model_is_undetermined(dumped: Make, change: dict[str, Any], says: str) -> None:
    def edit(name: str, dump: dict[str, Any]) -> None:
        for route in routes(dump):
            route.update(change)

    session, moment = dumped("canary-gateway-api", edit, only=WAYPOINT)
    row = row_of(session, moment, "cluster1/shop/cart")
    assert row.verdict is Verdict.UNDETERMINED
    assert row.reasons == ("MS901",)
    assert says in row.notes[0]
    assert row.effective is None


@pytest.mark.parametrize(
    ("entry", "acts"),
    [
        ({"name": "envoy.filters.http.lua", "typed_config": {"@type": "x.Lua"}}, True),
        ({"name": "istio.stats", "typed_config": {"@type": "x/envoy.extensions.filters.http.lua.v3.Lua"}}, True),
        ({"name": "mine", "typed_config": {"@type": "x/envoy.extensions.filters.http.cors.v3.Cors"}}, False),
        ({"name": "envoy.filters.http.rbac", "typed_config": {"@type": "x.RBAC", "rules": {"policies": {}}}}, True),
        ({"name": "envoy.filters.http.rbac", "typed_config": {"@type": "x.RBAC", "shadow_rules": {}}}, False),
        ({"name": "envoy.filters.http.fault", "typed_config": {"@type": "x.HTTPFault"}}, False),
        ({"name": "envoy.filters.http.lua", "disabled": True}, False),
        (
            {"name": "istio.stats", "typed_config": {"@type": "x.TypedStruct", "type_url": "x/stats.PluginConfig"}},
            False,
        ),
    ],
)
def test_filters_that_may_answer_are_not_modelled(dumped: Make, entry: dict[str, Any], acts: bool) -> None:
    def edit(name: str, dump: dict[str, Any]) -> None:
        for found in sections(dump, "dynamic_listeners"):
            for chain in found["active_state"]["listener"]["filter_chains"]:
                chain["filters"][-1]["typed_config"].setdefault("http_filters", []).insert(0, entry)

    session, moment = dumped("canary-gateway-api", edit, only=WAYPOINT)
    row = row_of(session, moment, "cluster1/shop/cart")
    assert (row.verdict is Verdict.UNDETERMINED) is acts
    assert not acts or f"filter {entry['name']}" in row.notes[0]


def test_a_route_of_an_object_that_no_manifest_has_bypasses_the_rollout(dumped: Make) -> None:
    def edit(name: str, dump: dict[str, Any]) -> None:
        for route in routes(dump):
            config = "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/leftover"
            route.update({"name": "", "metadata": {"filter_metadata": {"istio": {"config": config}}}})

    session, moment = dumped("canary-gateway-api", edit, only=WAYPOINT)
    row = row_of(session, moment, "cluster1/shop/cart")
    assert row.verdict is Verdict.BYPASSED
    assert "MS209" in row.reasons


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (
            "networking.istio.io/v1alpha3/namespaces/shop/virtual-service/checkout-0-istio-autogenerated-k8s-gateway",
            None,
        ),
        ("networking.istio.io/v1/namespaces/shop/virtual-service/checkout~0~istio-autogenerated-k8s-gateway", None),
        ("networking.istio.io/v1/namespaces/shop/virtual-service/shop~checkout.shop.svc.cluster.local", ""),
        ("gateway.networking.k8s.io/v1/namespaces/shop/http-route/checkout", ""),
        ("", None),
    ],
)
def test_an_http_routes_rule_is_known_under_every_name_it_may_have(dumped: Make, config: str, name: str | None) -> None:
    """1.21 wrote `ROUTE-N-…` (istioctl's test data), later versions `ROUTE~N~…` and the merged `NAMESPACE~HOST`; a
    route without its own name, or without metadata, is told by what it takes and where it leads."""

    def edit(proxy: str, dump: dict[str, Any]) -> None:
        for route in routes(dump):
            if route.pop("metadata", None) is not None:
                if config:
                    route["metadata"] = {"filter_metadata": {"istio": {"config": f"/apis/{config}"}}}
                if name is not None:
                    route["name"] = name

    session, moment = dumped("canary-gateway-api", edit, only=WAYPOINT)
    assert row_of(session, moment, "cluster1/shop/cart").verdict is Verdict.APPLIED


def test_a_nameless_route_to_other_backends_than_the_manifests_is_undetermined(dumped: Make) -> None:
    def edit(proxy: str, dump: dict[str, Any]) -> None:
        for route in routes(dump):
            route["name"] = ""
            route["match"] = {"path_separated_prefix": "/pay"}
            route["route"] = {"cluster": "inbound-vip|8080|http|checkout.shop.svc.cluster.local"}

    session, moment = dumped("canary-gateway-api", edit, only=WAYPOINT)
    row = row_of(session, moment, "cluster1/shop/cart")
    assert row.verdict is Verdict.UNDETERMINED
    assert "fits no rule of a manifest" in row.notes[0]


def test_a_waypoints_chain_is_known_by_its_routes_where_its_name_says_nothing(dumped: Make) -> None:
    def edit(proxy: str, dump: dict[str, Any]) -> None:
        for found in sections(dump, "dynamic_listeners"):
            for chain in found["active_state"]["listener"]["filter_chains"]:
                chain.pop("name", None)

    session, moment = dumped("canary-gateway-api", edit, only=WAYPOINT)
    assert row_of(session, moment, "cluster1/shop/cart").verdict is Verdict.APPLIED


def test_a_waypoint_without_a_chain_for_the_service_closes_the_connection(dumped: Make) -> None:
    def edit(name: str, dump: dict[str, Any]) -> None:
        for found in sections(dump, "dynamic_listeners"):
            found["active_state"]["listener"]["filter_chains"] = []

    session, moment = dumped("canary-gateway-api", edit, only=WAYPOINT)
    row = row_of(session, moment, "cluster1/shop/cart")
    assert row.verdict is Verdict.FAILING
    assert [(e.share, e.code, e.flag) for e in row.errors] == [(1, "reset", "NR")]


def test_a_host_that_envoy_itself_ejected_gets_nothing(dumped: Make, tmp_path: Path) -> None:
    """`clusters?format=json` tells what outlier detection did; the canary's only pod is out, and its share fails."""
    ejected: list[dict[str, Any]] = []

    def edit(name: str, dump: dict[str, Any]) -> None:
        for found in sections(dump, "dynamic_endpoint_configs") if name == WAYPOINT else ():
            config = found["endpoint_config"]
            hosts = [
                {
                    "address": host["endpoint"]["address"],
                    "health_status": {"eds_health_status": "HEALTHY"}
                    | ({"failed_outlier_check": True} if "canary" in config["cluster_name"] else {}),
                    "weight": 1,
                }
                for group in config["endpoints"]
                for host in group["lb_endpoints"]
            ]
            ejected.append({"name": config["cluster_name"], "added_via_api": True, "host_statuses": hosts})

    dumped("canary-gateway-api", edit, only=WAYPOINT)
    folder = tmp_path / "canary-gateway-api"
    (folder / "clusters.json").write_text(json.dumps({"cluster_statuses": ejected}))
    text = (folder / "scenario.yaml").read_text()
    file = "cluster1-waypoint-shop-waypoint.json"
    (folder / "scenario.yaml").write_text(text.replace(file, f"[{file}, clusters.json]"))
    session = load(folder)
    row = row_of(session, session.moments(None)[0][0], "cluster1/shop/cart")
    assert row.verdict is Verdict.FAILING
    assert [(e.share, e.code, e.flag) for e in row.errors] == [(Fraction(1, 10), "503", "UH")]


def test_a_dump_of_hosts_alone_leaves_the_routes_to_the_manifests(dumped: Make) -> None:
    """What `istioctl proxy-config endpoint -o json`'s own test data has: a config_dump with endpoints only."""

    def edit(name: str, dump: dict[str, Any]) -> None:
        dump["configs"] = [section for section in dump["configs"] if "dynamic_endpoint_configs" in section]
        for found in sections(dump, "dynamic_endpoint_configs") if name == WAYPOINT else ():
            if "canary" in found["endpoint_config"]["cluster_name"]:
                found["endpoint_config"]["endpoints"] = []

    session, moment = dumped("canary-gateway-api", edit, only=WAYPOINT)
    row = row_of(session, moment, "cluster1/shop/cart")
    assert row.decided_by == "waypoint:cluster1/shop/waypoint"
    assert [(e.share, e.code, e.flag) for e in row.errors] == [(Fraction(1, 10), "503", "UH")]


def test_a_gateways_pods_listen_on_the_target_port_of_their_service(dumped: Make, tmp_path: Path) -> None:
    """Port 80 of the Service is 8080 on its pods, and that is the listener's."""

    def edit(proxy: str, dump: dict[str, Any]) -> None:
        for found in sections(dump, "dynamic_listeners") if proxy.startswith("cluster1/gateway:") else ():
            found["active_state"]["listener"]["address"]["socket_address"]["port_value"] = 8080

    _, moment = dumped("guide-virtualservice", edit, only="gateway:")
    service = tmp_path / "guide-virtualservice/manifests/cluster1/ingressgateway.yaml"
    before = load(tmp_path / "guide-virtualservice").verdicts(moment)
    service.write_text(service.read_text().replace("targetPort: 80", "targetPort: 8080"))
    told = load(FOLDER / "guide-virtualservice").verdicts(moment)
    held = load(tmp_path / "guide-virtualservice").verdicts(moment)
    assert [(r.frm, r.verdict, r.effective) for r in held] == [(r.frm, r.verdict, r.effective) for r in told]
    refused = [row for row in before if row.frm.startswith("ingress:")]
    assert refused
    assert {(row.verdict, row.errors[0].code) for row in refused} == {(Verdict.FAILING, "refused")}


def test_a_sidecars_listener_at_a_vip_that_no_manifest_tells_is_known_by_its_cluster(dumped: Make) -> None:
    def edit(proxy: str, dump: dict[str, Any]) -> None:
        for found in sections(dump, "dynamic_listeners"):
            where = found["active_state"]["listener"]["address"]["socket_address"]
            if where["address"] != "0.0.0.0":
                where["address"] = "172.20.1.77"

    session, moment = dumped("sidecar-with-interop", edit, only="sidecar:")
    assert answers(session.verdicts(moment)) == answers(compiled("sidecar-with-interop").rows)


def test_a_peers_gateway_is_known_by_its_address(dumped: Make) -> None:
    """Without metadata, the address alone tells whose gateway it is; the name of the cluster whose service is meant."""

    def edit(proxy: str, dump: dict[str, Any]) -> None:
        for found in sections(dump, "dynamic_endpoint_configs"):
            for group in found["endpoint_config"]["endpoints"]:
                for host in group["lb_endpoints"]:
                    if "double_hbone" in json.dumps(host):
                        del host["metadata"]

    session, moment = dumped("client-local-waypoint", edit, only="cluster2/waypoint")
    told = load(FOLDER / "client-local-waypoint").verdicts(moment)
    assert [(r.verdict, r.effective, r.hops) for r in session.verdicts(moment)] == [
        (r.verdict, r.effective, r.hops) for r in told
    ]


def test_a_gateway_of_a_cluster_that_cannot_be_told_is_undetermined(dumped: Make, tmp_path: Path) -> None:
    """Two peers on other networks, and neither the address nor the cluster's id is one of theirs."""

    def edit(proxy: str, dump: dict[str, Any]) -> None:
        text = json.dumps(dump).replace("100.111.0.", "172.18.0.").replace(";;;;cluster", ";;;;other")
        dump.clear()
        dump.update(json.loads(text))

    _, moment = dumped("client-local-waypoint", edit, only="cluster2/waypoint")
    file = tmp_path / "client-local-waypoint/scenario.yaml"
    file.write_text(file.read_text().replace("clusters:\n", "clusters:\n  cluster3: {network: n3, manifests: []}\n", 1))
    row = row_of(load(file), moment, "cluster2/shop/recommender")
    assert (row.verdict, row.reasons) == (Verdict.UNDETERMINED, ("MS901",))
    assert "has a gateway 172.18.0.0:15008 of a cluster 'other1' that cannot be told" in row.notes[0]
