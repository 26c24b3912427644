"""The writers through `meshsim.api`: situations that upstream's own unit tests cover (argo-rollouts
rollout/trafficrouting/istio/istio_test.go; rollouts-plugin-trafficrouter-gatewayapi pkg/plugin/plugin_test.go)."""

from typing import Any

import pytest

from meshsim import api
from meshsim.rollouts import RolloutError

HASH = "rollouts-pod-template-hash"
KEY = "rollouts.argoproj.io/gatewayapi-canary"
Doc = dict[str, Any]


def istio(*services: Doc, stable: str = "stable", canary: str = "canary", **more: Any) -> Doc:
    """A Rollout that names VirtualServices."""
    strategy: Doc = {"trafficRouting": {"istio": {"virtualServices": list(services), **more}}}
    strategy |= {"stableService": stable, "canaryService": canary} if stable else {}
    metadata = {"name": "rollout", "namespace": "default"}
    return {"metadata": metadata, "spec": {"strategy": {"canary": strategy}}}


def split(*hosts: str) -> list[Doc]:
    """Destinations, the first with all the weight; `host/subset` names a subset."""
    parts = [host.partition("/") for host in hosts or ("stable", "canary")]
    made = [{"destination": {"host": host, **({"subset": subset} if subset else {})}} for host, _, subset in parts]
    return [{**part, "weight": 0 if index else 100} for index, part in enumerate(made)]


def named(*names: str) -> list[Doc]:
    return [{"name": name, "route": split()} for name in names]


def on_ports(*ports: int) -> list[Doc]:
    return [{"match": [{"port": port}], "route": split()} for port in ports]


def virtual_service(name: str = "vsvc", **spec: Any) -> Doc:
    return {"kind": "VirtualService", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def weights(service: Doc, kind: str) -> list[list[int]]:
    return [[part["weight"] for part in route["route"]] for route in service["spec"][kind]]


MIXED = {"http": named("primary", "secondary"), "tls": on_ports(3000, 3001), "tcp": on_ports(3000, 3001)}
SNI = [
    {"match": [{"sniHosts": ["foo.bar.com", "bar.foo.com"]}, {"sniHosts": ["localhost"]}], "route": split()},
    {"match": [{"port": 3001, "sniHosts": ["localhost"]}], "route": split()},
]


@pytest.mark.parametrize(
    ("entry", "spec", "weight", "wanted"),
    [
        ({"routes": ["primary"]}, {"http": named("primary", "secondary")}, 10, {"http": [[90, 10], [100, 0]]}),
        ({"tlsRoutes": [{"port": 3000}]}, {"tls": on_ports(3000, 3001)}, 30, {"tls": [[70, 30], [100, 0]]}),
        ({"tcpRoutes": [{"port": 3000}]}, {"tcp": on_ports(3000, 3001)}, 30, {"tcp": [[70, 30], [100, 0]]}),
        (
            {"routes": ["primary"], "tlsRoutes": [{"port": 3000}], "tcpRoutes": [{"port": 3000}]},
            MIXED,
            20,
            {"http": [[80, 20], [100, 0]], "tls": [[80, 20], [100, 0]], "tcp": [[80, 20], [100, 0]]},
        ),
        (
            {"routes": ["secondary"], "tlsRoutes": [{"port": 3001}], "tcpRoutes": [{"port": 3000}]},
            MIXED,
            20,
            {"http": [[100, 0], [80, 20]], "tls": [[100, 0], [80, 20]]},
        ),
        (
            {"tlsRoutes": [{"sniHosts": ["localhost", "foo.bar.com", "bar.foo.com"]}]},
            {"tls": SNI},
            30,
            {"tls": [[70, 30], [100, 0]]},
        ),
        ({"tlsRoutes": [{"port": 3001, "sniHosts": ["localhost"]}]}, {"tls": SNI}, 30, {"tls": [[100, 0], [70, 30]]}),
        ({}, {"http": [{"route": split()}]}, 10, {"http": [[90, 10]]}),
        ({}, {"tls": on_ports(3000)}, 10, {"tls": [[90, 10]]}),
        ({}, {"tcp": on_ports(3000)}, 10, {"tcp": [[90, 10]]}),
        ({"routes": ["primary"]}, {"http": named("primary")}, 0, {"http": [[100, 0]]}),
        (
            {"routes": ["primary"]},
            {"http": [{"name": "primary", "route": split("stable.ns", "canary.ns")}]},
            40,
            {"http": [[60, 40]]},
        ),
    ],
)
def test_which_routes_are_weighed(entry: Doc, spec: Doc, weight: int, wanted: dict[str, list[list[int]]]) -> None:
    written = api.write_virtualservice([virtual_service(**spec)], istio({"name": "vsvc", **entry}), weight)
    assert {kind: weights(written[0], kind) for kind in wanted} == wanted


def ambiguous(kind: str) -> str:
    field = "routes" if kind == "http" else f"{kind}Routes"
    return (
        f"spec.{kind}[] should be set in VirtualService and it must have exactly one route when omitting "
        f"spec.strategy.canary.trafficRouting.istio.virtualService.{field}"
    )


@pytest.mark.parametrize(
    ("entry", "spec", "message"),
    [
        (
            {"routes": ["gone"]},
            {"http": named("primary")},
            "HTTP Route 'gone' is not found in the defined Virtual Service.",
        ),
        (
            {"tlsRoutes": [{"port": 1001}]},
            {"tls": on_ports(3000)},
            "No matching TLS routes found in the defined Virtual Service.",
        ),
        (
            {"tcpRoutes": [{"port": 1001}]},
            {"tcp": on_ports(3000)},
            "No matching TCP routes found in the defined Virtual Service.",
        ),
        (
            {},
            {"http": named("primary", "secondary")},
            ambiguous("http"),
        ),
        (
            {},
            {"tls": on_ports(3000, 3001)},
            ambiguous("tls"),
        ),
        (
            {},
            {"tcp": on_ports(3000, 3001)},
            ambiguous("tcp"),
        ),
        (
            {"routes": ["a"]},
            {"http": [{"name": "a", "route": split("other", "canary")}]},
            "Stable Service 'stable' not found in route",
        ),
        (
            {"routes": ["a"]},
            {"http": [{"name": "a", "route": split("stable", "other")}]},
            "Canary Service 'canary' not found in route",
        ),
        (
            {"tlsRoutes": [{"port": 3000}]},
            {"tls": ["invalid"]},
            "Invalid casting: field 'tls[]' is not of type 'map[string]interface'",
        ),
        (
            {"routes": ["a"]},
            {"http": [{"name": "a", "route": "no list"}]},
            "Invalid casting: field 'http[].route' is not of type '[]interface'",
        ),
        (
            {"routes": ["a"]},
            {"http": [{"name": "a", "route": ["destination"]}]},
            "Invalid casting: field 'http[].route[].destination' is not of type 'map[string]interface'",
        ),
    ],
)
def test_what_the_istio_router_fails_with(entry: Doc, spec: Doc, message: str) -> None:
    with pytest.raises(RolloutError) as caught:
        api.write_virtualservice([virtual_service(**spec)], istio({"name": "vsvc", **entry}), 10)
    assert caught.value.message == message


def test_every_virtualservice_named_is_weighed_in_turn() -> None:
    ro = istio({"name": "one", "routes": ["primary", "secondary"]}, {"name": "two", "routes": ["blue-green"]})
    docs = [
        virtual_service("one", http=named("primary", "secondary")),
        virtual_service("two", http=named("blue-green")),
    ]
    one, two = api.write_virtualservice(docs, ro, 10)
    assert (weights(one, "http"), weights(two, "http")) == ([[90, 10], [90, 10]], [[90, 10]])
    with pytest.raises(RolloutError, match='"two" not found'):
        api.write_virtualservice(docs[:1], ro, 10)


def test_experiments_take_their_share_from_stable_and_leave_without_a_trace() -> None:
    ro = istio({"name": "vsvc", "routes": ["primary"]})
    additional = [{"serviceName": "exp-a", "weight": 20}, {"serviceName": "exp-b", "weight": 20}]
    during = api.write_virtualservice([virtual_service(http=named("primary"))], ro, 10, additional=additional)
    assert weights(during[0], "http") == [[50, 10, 20, 20]]
    assert weights(api.write_virtualservice(during, ro, 10)[0], "http") == [[90, 10]]


RULE = {"name": "rule", "canarySubsetName": "canary", "stableSubsetName": "stable"}


def test_additional_subsets_keep_their_weight() -> None:
    parts = [*split("svc/stable", "svc/canary"), {"destination": {"host": "more", "subset": "kept"}, "weight": 20}]
    entry = {"name": "vsvc"}
    ro = istio(entry, stable="", destinationRule={**RULE, "additionalSubsetNames": ["kept"]})
    docs = [virtual_service(http=[{"route": parts}])]
    assert weights(api.write_virtualservice(docs, ro, 10)[0], "http") == [[70, 10, 20]]
    assert weights(api.write_virtualservice(docs, ro, 10, version="1.8")[0], "http") == [[90, 10]]


@pytest.mark.parametrize("role", ["canary", "stable"])
def test_a_route_without_a_subset_is_refused(role: str) -> None:
    ro = istio({"name": "vsvc"}, stable="", destinationRule={**RULE, f"{role}SubsetName": "gone"})
    docs = [virtual_service(http=[{"route": split("svc/stable", "svc/canary")}])]
    with pytest.raises(RolloutError, match=f"{role.capitalize()} DestinationRule subset 'gone' not found in route"):
        api.write_virtualservice(docs, ro, 10)


def destination_rule(*subsets: Doc, **spec: Any) -> Doc:
    return {
        "kind": "DestinationRule",
        "metadata": {"name": "rule", "namespace": "default"},
        "spec": {"subsets": list(subsets), **spec},
    }


def test_a_destinationrule_keeps_everything_but_the_hashes() -> None:
    ro = istio({"name": "vsvc"}, stable="", destinationRule=RULE)
    policy = {"loadBalancer": {"simple": "ROUND_ROBIN"}}
    given = destination_rule(
        {"name": "stable", "labels": {"version": "v3"}}, {"name": "canary", "trafficPolicy": policy}, host="ratings"
    )
    written = api.write_destinationrule([given], ro, "abc123", "def456")[0]
    assert written["spec"] == {
        "host": "ratings",
        "subsets": [
            {"name": "stable", "labels": {"version": "v3", HASH: "def456"}},
            {"name": "canary", "trafficPolicy": policy, "labels": {HASH: "abc123"}},
        ],
    }
    assert written["metadata"]["annotations"] == {"argo-rollouts.argoproj.io/managed-by-rollouts": "rollout"}
    assert api.write_destinationrule([written], ro, "abc123", "def456") == [written]


def test_subsets_of_experiments_come_and_go() -> None:
    ro = istio({"name": "vsvc"}, stable="", destinationRule=RULE)
    more = [{"serviceName": name, "podTemplateHash": f"{name}-hash"} for name in ("exp", "exp2")]
    both = api.write_destinationrule(
        [destination_rule({"name": "stable"}, {"name": "canary"})], ro, "c", "s", additional=more
    )
    assert [s["name"] for s in both[0]["spec"]["subsets"]] == ["stable", "canary", "exp", "exp2"]
    one = api.write_destinationrule(both, ro, "c", "s", additional=more[1:])
    assert one[0]["spec"]["subsets"][2] == {"name": "exp2", "labels": {HASH: "exp2-hash"}}


def test_a_destinationrule_that_is_not_there() -> None:
    with pytest.raises(RolloutError) as caught:
        api.write_destinationrule([], istio({"name": "v"}, stable="", destinationRule=RULE), "c", "s")
    assert caught.value.message == 'destinationrules.networking.istio.io "rule" not found'


def plugin(**config: Any) -> Doc:
    routing = {
        "managedRoutes": [{"name": "header"}],
        "plugins": {"argoproj-labs/gatewayAPI": {"namespace": "default", **config}},
    }
    strategy = {"stableService": "stable", "canaryService": "canary", "trafficRouting": routing}
    return {"metadata": {"name": "rollout", "namespace": "default"}, "spec": {"strategy": {"canary": strategy}}}


def route(kind: str, name: str = "route", **labels: str) -> Doc:
    refs = [{"name": name, "port": 80, "weight": 0} for name in ("stable", "canary")]
    metadata: Doc = {"name": name, "namespace": "default"} | ({"labels": labels} if labels else {})
    return {"kind": kind, "metadata": metadata, "spec": {"rules": [{"backendRefs": refs}]}}


KINDS = {"HTTPRoute": "httpRoute", "GRPCRoute": "grpcRoute", "TCPRoute": "tcpRoute", "TLSRoute": "tlsRoute"}


def refs(doc: Doc) -> list[int]:
    return [ref["weight"] for ref in doc["spec"]["rules"][0]["backendRefs"]]


@pytest.mark.parametrize(("kind", "field"), KINDS.items())
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("weight", [0, 30, 100])
def test_a_route_of_any_kind(kind: str, field: str, *, many: bool, weight: int) -> None:
    config: Doc = {f"{field}s": [{"name": "route", "useHeaderRoutes": True}]} if many else {field: "route"}
    written = api.write_httproute([route(kind)], plugin(**config), weight)[0]
    assert refs(written) == [100 - weight, weight]
    assert written["metadata"].get("labels") == ({KEY: "in-progress"} if weight else None)
    assert KEY not in (api.write_httproute([written], plugin(**config), 0)[0]["metadata"].get("labels") or {})


@pytest.mark.parametrize(("kind", "field"), KINDS.items())
def test_a_route_that_names_one_service_only(kind: str, field: str) -> None:
    given = route(kind)
    del given["spec"]["rules"][0]["backendRefs"][1]
    with pytest.raises(RolloutError, match=f"backendRef was not found in {field}"):
        api.write_httproute([given], plugin(**{field: "route"}), 30)


def test_all_kinds_are_written_together() -> None:
    config = {f"{field}s": [{"name": "route"}] for field in KINDS.values()}
    written = api.write_httproute([route(kind) for kind in KINDS], plugin(**config), 30)
    assert [refs(doc) for doc in written] == [[70, 30]] * 4


def test_routes_are_found_by_label_beside_one_that_is_named() -> None:
    config = {"httpRoute": "named", "httpRouteSelector": {"matchLabels": {"app": "a", "canary-enabled": "true"}}}
    docs = [
        route("HTTPRoute", "named"),
        route("HTTPRoute", "found", **{"app": "a", "canary-enabled": "true"}),
        route("HTTPRoute", "other", app="a"),
    ]
    assert [refs(doc) for doc in api.write_httproute(docs, plugin(**config), 30)] == [[70, 30], [70, 30], [0, 0]]


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        ({"disableInProgressLabel": True}, {"a": "b"}),
        ({"inProgressLabelKey": "k"}, {"a": "b", "k": "in-progress"}),
        ({"inProgressLabelKey": "k", "inProgressLabelValue": "v"}, {"a": "b", "k": "v"}),
    ],
)
def test_the_label_of_a_route_in_progress(config: Doc, labels: dict[str, str]) -> None:
    written = api.write_httproute([route("HTTPRoute", a="b")], plugin(httpRoute="route", **config), 30)[0]
    assert written["metadata"]["labels"] == labels


def test_a_plugin_without_routes_is_its_error() -> None:
    with pytest.raises(RolloutError, match="No routes configured"):
        api.write_httproute([route("HTTPRoute")], plugin(), 30)


@pytest.mark.parametrize(
    ("available", "spec", "services", "aborted", "waits_for"),
    [
        # (stable, canary, another) available of one
        ((1, 0, 0), 1, "", False, "rs-canary"),
        ((1, 1, 0), 1, "", False, None),
        ((0, 1, 1), 1, "", False, "rs-stable"),
        ((1, 0, 0), 1, "stable", False, None),
        ((1, 0, 0), 0, "", False, None),
        ((1, 0, 0), 1, "", True, None),
        ((0, 0, 0), 1, "", True, "rs-stable"),
    ],
)
def test_the_switch_waits_for_pods_that_get_traffic(
    available: tuple[int, int, int], spec: int, services: str, *, aborted: bool, waits_for: str | None
) -> None:
    ro = {**istio({"name": "v"}, stable=services, destinationRule=RULE), "status": {"abort": aborted}}
    given = [destination_rule({"name": "stable"}, {"name": "canary"})]
    sizes = zip(("stable", "canary", "other"), (1, spec, 1), available, strict=True)
    sets = [
        {"metadata": {"name": f"rs-{name}"}, "hash": name, "replicas": size, "available": ready}
        for name, size, ready in sizes
    ]
    if waits_for is None:
        written = api.write_destinationrule(given, ro, "canary", "stable", sets=sets)[0]
        assert [part["labels"][HASH] for part in written["spec"]["subsets"]] == ["stable", "canary"]
        return
    with pytest.raises(RolloutError, match="delaying destination rule switch") as caught:
        api.write_destinationrule(given, ro, "canary", "stable", sets=sets)
    assert waits_for in caught.value.message
    assert api.write_destinationrule(given, ro, "canary", "stable", sets=sets, version="1.8.4") == given
